//! Lines of JSON, a sequence each: `{"document": "a", "token_ids": [5, 7], "layers": {"1": {"experts": [[3, 0], [2, 6]]}}}`.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    arrays::check_ascent,
    known::Known,
    layers::Found,
    sequences::{self, Named, text_of},
};
use crate::{
    error::Result,
    import::{
        category::FileCategories,
        json_lines::{lines, refused},
        routes::{ABSENT, Header, RecordedLayer, RouteReader, RouteSequence, Weights},
    },
    routing::{ExpertId, LayerId},
};

/// An example of a line.
const EXPECTED: &str = r#"{"document": "a", "token_ids": [5, 7], "layers": {"1": {"experts": [[3, 0], [2, 6]]}}}"#;

/// A sequence.
#[derive(Deserialize)]
struct Line {
    document: Option<String>,
    category: Option<String>,
    dataset: Option<String>,
    token_ids: Option<Vec<u32>>,
    positions: Option<Vec<u32>>,
    layers: BTreeMap<LayerId, LayerLine>,
    #[serde(flatten)]
    other: Map<String, Value>,
}

impl Line {
    /// What stands under a key.
    fn text(&self, key: &str) -> Option<String> {
        match key {
            "document" => self.document.clone(),
            "category" => self.category.clone(),
            "dataset" => self.dataset.clone(),
            key => self.other.get(key).and_then(text_of),
        }
    }
}

/// Its routes in one layer, row by row.
#[derive(Deserialize)]
struct LayerLine {
    /// -1 stands for a choice that is not there.
    experts: Vec<Vec<i32>>,
    weights: Option<Vec<Vec<f32>>>,
    logits: Option<Vec<Vec<f32>>>,
    dropped: Option<Vec<Vec<bool>>>,
    slots: Option<Vec<Vec<u32>>>,
}

/// The files of a record.
pub(super) struct LineRoutes {
    header: Header,
    files: Vec<PathBuf>,
    names: HashMap<u32, Named>,
    categories: FileCategories,
}

impl LineRoutes {
    /// Opens the files; the first line with a row says which layers there are.
    ///
    /// # Errors
    /// [`crate::error::Error::Corpus`] if there is no such line, or one before it cannot be read.
    pub(super) fn open(known: &Known<'_>, paths: &[&Path]) -> Result<Self> {
        let (path, number, line) = first_with_rows(paths)?;
        let ids: Vec<LayerId> = line.layers.keys().copied().collect();
        let layers = || line.layers.values();
        let width = |rows: &[Vec<i32>]| rows.first().map_or(0, Vec::len);
        let experts = layers().filter_map(|layer| layer.logits.as_ref()?.first().map(Vec::len)).max();
        let found = Found {
            ids: Some(&ids),
            count: ids.len(),
            top_k: layers().map(|layer| width(&layer.experts)).max().unwrap_or(0),
            experts,
        };
        let mut header = known.header(&found).map_err(|what| refused(path, number, &what, EXPECTED))?;
        header.has_logits = experts.is_some();
        if layers().all(|layer| layer.weights.is_none()) {
            header.weights = Weights::None;
        }
        let options = known.opened.options;
        Ok(Self {
            header,
            files: paths.iter().map(|path| path.to_path_buf()).collect(),
            names: sequences::read(known.opened.source)?,
            categories: FileCategories::new(&options.category_from, paths.iter().copied()),
        })
    }

    fn sequence(&self, path: &Path, number: usize, line: Line, index: u32) -> Result<RouteSequence, String> {
        let layers = &self.header.layers;
        if !line.layers.keys().eq(layers.iter().map(|layer| &layer.layer)) {
            let found: Vec<String> = line.layers.keys().take(8).map(LayerId::to_string).collect();
            return Err(format!("has layers {}; the first line has {}", found.join(", "), layers.len()));
        }
        let places: Vec<(&LayerLine, &RecordedLayer)> = line.layers.values().zip(layers).collect();
        let rows = places.first().map_or(0, |(layer, _)| layer.experts.len());
        let named = self.names.get(&index).cloned().unwrap_or_default();
        let category = self.categories.of_row(path, |key| line.text(key).or_else(|| named.text(key)));
        let tokens = line.token_ids.as_ref().map(Vec::len);
        let mut token_ids = line.token_ids;
        if let Some(ids) = &mut token_ids {
            if ids.len() < rows {
                return Err(format!("has {} token ids; expected {rows}, one for each row", ids.len()));
            }
            ids.truncate(rows);
        }
        if let Some(positions) = line.positions.as_ref().filter(|positions| positions.len() != rows) {
            return Err(format!("has {} positions; expected {rows}, one for each row", positions.len()));
        }
        line.positions.as_deref().map_or(Ok(()), check_ascent)?;
        let place = format!(
            "{}, line {number}",
            path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into())
        );
        let end =
            line.positions.as_ref().map_or(rows, |positions| positions.last().map_or(0, |last| *last as usize + 1));
        Ok(RouteSequence {
            document: line.document.or_else(|| named.document.clone()).or_else(|| Some(place.clone())),
            category,
            dataset: line.dataset.or_else(|| named.dataset.clone()),
            turns: named.turns(end)?,
            place,
            tokens,
            token_ids,
            positions: line.positions,
            experts: choices(&places, rows)?,
            weights: by_choice(&places, rows, "weights", |layer| layer.weights.as_ref())?,
            logits: by_row(&places, rows, "logits", |layer| layer.logits.as_ref(), |of| of.num_experts.unwrap_or(0))?,
            dropped: by_choice(&places, rows, "dropped", |layer| layer.dropped.as_ref())?,
            slots: by_choice(&places, rows, "slots", |layer| layer.slots.as_ref())?,
        })
    }
}

impl RouteReader for LineRoutes {
    fn header(&self) -> &Header {
        &self.header
    }

    fn sequences(&self) -> Result<Box<dyn Iterator<Item = Result<RouteSequence>> + '_>> {
        let of_file = |path: &'_ PathBuf| {
            let (path, read) = (path.clone(), lines::<Line>(path, EXPECTED));
            let (read, fault) = read.map_or_else(|error| (None, Some(Err(error))), |read| (Some(read), None));
            let read = read.into_iter().flatten();
            read.chain(fault).map(move |line| line.map(|(number, line)| (path.clone(), number, line)))
        };
        let read = self.files.iter().flat_map(of_file).zip(0..).map(|(line, index)| {
            let (path, number, line) = line?;
            self.sequence(&path, number, line, index).map_err(|what| refused(&path, number, &what, EXPECTED))
        });
        Ok(Box::new(sequences::none_beyond(read, &self.names)))
    }
}

/// The first line of all files that has a row.
fn first_with_rows<'a>(paths: &[&'a Path]) -> Result<(&'a Path, usize, Line)> {
    for path in paths {
        for line in lines::<Line>(path, EXPECTED)? {
            let (number, line) = line?;
            if line.layers.values().any(|layer| !layer.experts.is_empty()) {
                return Ok((path, number, line));
            }
        }
    }
    Err(refused(paths[0], 1, "and all others hold no row", EXPECTED))
}

/// A layer with what the header says of it.
type Placed<'a> = (&'a LayerLine, &'a RecordedLayer);

/// The choices, `[rows, layers, k]`.
fn choices(layers: &[Placed<'_>], rows: usize) -> Result<Vec<ExpertId>, String> {
    let found = by_row(layers, rows, "experts", |layer| Some(&layer.experts), |of| of.top_k)?.unwrap_or_default();
    let expert = |expert: i32| match expert {
        -1 => Ok(ABSENT),
        expert => ExpertId::try_from(expert).map_err(|_| format!("has expert {expert}; expected an id, or -1")),
    };
    found.into_iter().map(expert).collect()
}

fn by_choice<T: Copy>(
    layers: &[Placed<'_>],
    rows: usize,
    name: &str,
    values: impl Fn(&LayerLine) -> Option<&Vec<Vec<T>>>,
) -> Result<Option<Vec<T>>, String> {
    by_row(layers, rows, name, values, |of| of.top_k)
}

/// The values of all layers, row by row; `None` where no layer has any.
fn by_row<T: Copy>(
    layers: &[Placed<'_>],
    rows: usize,
    name: &str,
    values: impl Fn(&LayerLine) -> Option<&Vec<Vec<T>>>,
    width: impl Fn(&RecordedLayer) -> usize,
) -> Result<Option<Vec<T>>, String> {
    if layers.iter().all(|(layer, _)| values(layer).is_none()) {
        return Ok(None);
    }
    for (layer, of) in layers {
        let Some(found) = values(layer) else {
            return Err(format!("has `{name}` in some layers, not in {}", of.layer));
        };
        if found.len() != rows {
            return Err(format!("has {} rows of `{name}` in layer {}; expected {rows}", found.len(), of.layer));
        }
        let wanted = width(of);
        if let Some(row) = found.iter().find(|row| row.len() != wanted) {
            return Err(format!(
                "has {} values of `{name}` in a row of layer {}; expected {wanted}",
                row.len(),
                of.layer
            ));
        }
    }
    let mut all = Vec::new();
    for at in 0..rows {
        for (layer, _) in layers {
            all.extend(values(layer).into_iter().flat_map(|rows| &rows[at]));
        }
    }
    Ok(Some(all))
}
