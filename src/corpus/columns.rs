//! Decides by names and types which columns of a table a corpus reads, before any row is read.

use super::{
    files::{Column, ColumnKind, Refusal},
    keys::{TEXT_NAMES, is_column_of, listed_keys},
    row::{AskedKeys, CATEGORY_KEYS, is_text},
};
use crate::error::OptionName;

/// Whether each column is read.
///
/// # Errors
/// No column holds a text, or a needed column has a type that is not supported.
pub(super) fn wanted_columns(columns: &[Column], keys: &AskedKeys<'_>) -> Result<Vec<bool>, Refusal> {
    let has = |name: &str| columns.iter().any(|column| column.name == name);
    let found = keys.text.map_or_else(|| is_text(&has), |key| columns.iter().any(|c| is_column_of(&c.name, key)));
    if !found {
        return Err(no_text(columns, keys));
    }
    columns.iter().map(|column| is_wanted(column, keys)).collect()
}

fn is_wanted(column: &Column, keys: &AskedKeys<'_>) -> Result<bool, Refusal> {
    if !keys.want(&column.name) {
        return Ok(false);
    }
    let asked = [keys.category, keys.text].into_iter().flatten().any(|key| is_column_of(&column.name, key));
    let needed = asked || keys.text.is_none() && ["text", "input_ids"].contains(&column.name.as_str());
    match column.kind {
        ColumnKind::Other if needed => Err(Refusal::new(
            format!("has a column `{}` of type {}, which is not read", column.name, column.type_name),
            format!(
                "write it as text, or name another column with {} or {}",
                OptionName::TextKey,
                OptionName::Category
            ),
        )),
        ColumnKind::Other => Ok(false),
        // A date or an object is a category only if the user named its column.
        ColumnKind::Time | ColumnKind::Object | ColumnKind::List => {
            Ok(asked || !CATEGORY_KEYS.contains(&column.name.as_str()))
        }
        ColumnKind::Text | ColumnKind::Scalar => Ok(true),
    }
}

/// The refusal of a table without a text column: lists the columns that it has.
fn no_text(columns: &[Column], keys: &AskedKeys<'_>) -> Refusal {
    let names = listed_keys(columns.iter().map(|column| column.name.as_str()));
    let expected = keys.text.map_or_else(|| "`text` or `input_ids`".to_owned(), |key| format!("`{key}`"));
    let texts = || columns.iter().filter(|column| matches!(column.kind, ColumnKind::Text | ColumnKind::List));
    let named = TEXT_NAMES.iter().find_map(|name| texts().find(|column| column.name.eq_ignore_ascii_case(name)));
    let hint = named.map_or_else(
        || format!("name the column that holds the documents: {}", OptionName::TextKey.with("NAME")),
        |column| format!("try {}", OptionName::TextKey.with(&column.name)),
    );
    Refusal::new(format!("has the columns {names}; expected {expected}"), hint)
}
