//! Numbers of assignments, in Parquet or lines of JSON: a row for each layer and expert, and where they are told apart, category,
//! document and step.

use std::path::Path;

use polars_arrow::array::{Array, Utf8ViewArray};
use serde::Deserialize;

use super::known::{FILE, Known, NAME};
use crate::{
    corpus::{ColumnParts, ParquetColumns},
    error::{Error, Result},
    import::{
        counts::{CountBuilder, CountRow, CountTable},
        json_lines::{lines, refused},
        numbers::whole,
        options::CategoryFrom,
        routes::Header,
    },
    routing::{ExpertId, LayerId},
};

/// Counts as a table.
pub(super) const PARQUET: &str = "counts.parquet";
/// Counts as lines of JSON, where there is no table.
pub(super) const LINES: &str = "counts.jsonl";
/// An example of a line.
const EXPECTED: &str = r#"{"layer": 1, "expert": 0, "count": 17, "category": "law"}"#;
/// Columns that a table has, and those that it may have.
const ALWAYS: [&str; 3] = ["layer", "expert", "count"];
const OPTIONAL: [&str; 4] = ["step", "tokens", CATEGORY, "document"];
const CATEGORY: &str = "category";

/// Reads the counts.
///
/// # Errors
/// [`Error::Usage`] if nothing says how many experts and choices there are; [`Error::Corpus`] for what cannot be read.
pub(super) fn read(known: &Known<'_>, path: &Path) -> Result<CountTable> {
    let header = match (known.json, known.opened.model.as_ref()) {
        (Some(json), _) => json.header(),
        (None, Some(model)) => Header::new(NAME, model.recorded(false)),
        (None, None) => {
            return Err(Error::usage(
                format!("`{}` does not say how many experts a layer has, and how many a token chooses", path.display()),
                format!("put {FILE} beside it, or give the configuration of the model"),
            ));
        }
    };
    if let CategoryFrom::Key(key) = &known.opened.options.category_from
        && key != CATEGORY
    {
        return Err(Error::usage(
            format!("categories by `{key}` were asked for; counts have them under `{CATEGORY}`"),
            "rename the column, or leave the key out",
        ));
    }
    let mut builder = CountBuilder::new(header);
    if path.extension().is_some_and(|extension| extension == "parquet") {
        read_table(path, &mut builder)?;
    } else {
        for line in lines::<Line>(path, EXPECTED)? {
            let (number, line) = line?;
            builder.add(&line.row()).map_err(|what| refused(path, number, &what, EXPECTED))?;
        }
    }
    Ok(builder.finish())
}

/// A line.
#[derive(Deserialize)]
struct Line {
    layer: LayerId,
    expert: ExpertId,
    count: u64,
    step: Option<u64>,
    tokens: Option<u64>,
    category: Option<String>,
    document: Option<String>,
}

impl Line {
    fn row(&self) -> CountRow<'_> {
        CountRow {
            layer: self.layer,
            expert: self.expert,
            count: self.count,
            category: self.category.as_deref(),
            document: self.document.as_deref(),
            step: self.step,
            tokens: self.tokens,
        }
    }
}

fn read_table(path: &Path, builder: &mut CountBuilder) -> Result<()> {
    let file = ParquetColumns::open(path)?;
    let optional: Vec<&str> = OPTIONAL.into_iter().filter(|name| file.has(name)).collect();
    let columns: Vec<&str> = ALWAYS.into_iter().chain(optional.iter().copied()).collect();
    let mut first = 0;
    for parts in file.slices(&columns)? {
        let slice = Slice::read(path, &columns, &parts?)?;
        for at in 0..slice.layer.len() {
            builder.add(&slice.row(at)).map_err(|what| {
                let message = format!("`{}`, row {} {what}", path.display(), first + at);
                Error::corpus(message, "compare layers and experts with those of the model")
            })?;
        }
        first += slice.layer.len();
    }
    Ok(())
}

/// Some rows, column by column; a column that is not there is empty.
#[derive(Default)]
struct Slice {
    layer: Vec<LayerId>,
    expert: Vec<ExpertId>,
    count: Vec<u64>,
    step: Vec<u64>,
    tokens: Vec<u64>,
    category: Vec<Option<String>>,
    document: Vec<Option<String>>,
}

impl Slice {
    fn read(path: &Path, columns: &[&str], parts: &ColumnParts) -> Result<Self> {
        let mut slice = Self::default();
        for (name, arrays) in columns.iter().zip(parts) {
            for array in arrays {
                let array = array.as_ref();
                let read = match *name {
                    "layer" => whole(array, &mut slice.layer),
                    "expert" => whole(array, &mut slice.expert),
                    "count" => whole(array, &mut slice.count),
                    "step" => whole(array, &mut slice.step),
                    "tokens" => whole(array, &mut slice.tokens),
                    "category" => texts(array, &mut slice.category),
                    _ => texts(array, &mut slice.document),
                };
                read.map_err(|what| {
                    Error::corpus(
                        format!("`{}`, column `{name}` {what}", path.display()),
                        "docs/import.md lists the columns and their types",
                    )
                })?;
            }
        }
        Ok(slice)
    }

    fn row(&self, at: usize) -> CountRow<'_> {
        CountRow {
            layer: self.layer[at],
            expert: self.expert[at],
            count: self.count[at],
            category: self.category.get(at).and_then(Option::as_deref),
            document: self.document.get(at).and_then(Option::as_deref),
            step: self.step.get(at).copied(),
            tokens: self.tokens.get(at).copied(),
        }
    }
}

fn texts(array: &dyn Array, into: &mut Vec<Option<String>>) -> Result<(), String> {
    let array: &Utf8ViewArray =
        array.as_any().downcast_ref().ok_or_else(|| format!("holds {:?}; expected text", array.dtype()))?;
    into.extend(array.iter().map(|text| text.map(str::to_owned)));
    Ok(())
}
