//! Which columns of a table a corpus reads, judged by their names and types before a row is read.

use super::{
    files::{Column, ColumnKind, Refusal},
    keys::{TEXT_NAMES, is_column_of, listed},
    row::{AskedKeys, CATEGORY_KEYS, is_text},
};

/// One answer for each column.
///
/// # Errors
/// No column holds a text, or one that is needed has a type that is not read.
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
            "write it as text, or name another column with --text-key or --category",
        )),
        ColumnKind::Other => Ok(false),
        // A date or an object is a category only where it is asked for.
        ColumnKind::Time | ColumnKind::Object | ColumnKind::List => {
            Ok(asked || !CATEGORY_KEYS.contains(&column.name.as_str()))
        }
        ColumnKind::Text | ColumnKind::Scalar => Ok(true),
    }
}

/// What a table has in place of a text.
fn no_text(columns: &[Column], keys: &AskedKeys<'_>) -> Refusal {
    let names = listed(columns.iter().map(|column| column.name.as_str()));
    let expected = keys.text.map_or_else(|| "`text` or `input_ids`".to_owned(), |key| format!("`{key}`"));
    let texts = || columns.iter().filter(|column| matches!(column.kind, ColumnKind::Text | ColumnKind::List));
    let named = TEXT_NAMES.iter().find_map(|name| texts().find(|column| column.name.eq_ignore_ascii_case(name)));
    let hint = named.map_or_else(
        || "name the column that holds the documents: --text-key NAME".to_owned(),
        |column| format!("try --text-key {}", column.name),
    );
    Refusal::new(format!("has the columns {names}; expected {expected}"), hint)
}
