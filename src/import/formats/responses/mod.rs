//! Responses of serving engines, saved by a client as lines of JSON: ids of prompt and answer, and with them the experts of every
//! token but the last, which was sampled and went through no layer.

mod line;
mod payload;

use std::{
    collections::HashSet,
    io::BufRead,
    path::{Path, PathBuf},
};

use line::{Answer, Saved};
use serde_json::{Map, Value};

use crate::{
    error::{Error, Result},
    import::{
        category::FileCategories,
        format::Opened,
        layer_array::LayerArray,
        left_out::LeftOut,
        model_config::ModelConfig,
        record::Routes,
        routes::{Header, RouteReader, RouteSequence},
        text_file,
    },
};

const HINT: &str = "save one response a line as the engine gave it; docs/import.md shows how, engine by engine";

/// Opens the responses of an engine. All lines are read once: what cannot be used is known before the first check.
///
/// # Errors
/// No line holds routes; with [`strict`](crate::import::ImportOptions::strict) any line does not.
pub(super) fn open(opened: &Opened<'_>, format: &'static str) -> Result<Routes> {
    let files: Vec<PathBuf> = opened.source.mostly("jsonl").into_iter().map(Path::to_path_buf).collect();
    let categories = FileCategories::new(&opened.options.category_from, files.iter().map(PathBuf::as_path));
    let mut found = Found { model: opened.model.clone(), array: None, named: None, engine: None };
    let (mut unusable, mut left_out) = (HashSet::new(), LeftOut::new(opened.options.strict, HINT));
    for (file, path) in files.iter().enumerate() {
        for line in lines(path)? {
            let (number, text) = line?;
            if let Err(what) = found.look(&text) {
                left_out.push(format!("`{}`, line {number} {what}", path.display()))?;
                unusable.insert((file, number));
            }
        }
    }
    let Some(array) = found.array else {
        return Err(left_out.nothing_left("no line holds routes"));
    };
    let header = Header {
        engine: found.engine,
        model: found.named,
        may_hold_dense_layers: array.may_hold_dense_layers(),
        remarks: array.remark().into_iter().chain(left_out.remark("line")).collect(),
        ..Header::new(format, array.layers().to_vec())
    };
    Ok(Routes::Tokens(Box::new(Responses { header, array, files, categories, model: found.model, unusable })))
}

/// What the lines say about themselves.
struct Found {
    model: Option<ModelConfig>,
    array: Option<LayerArray>,
    named: Option<String>,
    engine: Option<String>,
}

impl Found {
    fn look(&mut self, text: &str) -> std::result::Result<(), String> {
        for object in objects(text)? {
            let saved = Saved::new(&object);
            for answer in saved.answers(self.model.as_ref())? {
                if self.array.is_none() {
                    let (layers, top_k) = (answer.routes.layers, answer.routes.top_k);
                    self.array = Some(LayerArray::new(layers, top_k, self.model.as_ref())?);
                }
                self.array.as_ref().map(|array| take(&answer, array)).transpose()?;
            }
            self.named = self.named.take().or_else(|| saved.text("model"));
            let fingerprint = || saved.text("system_fingerprint").filter(|name| name.starts_with("vllm"));
            self.engine = self.engine.take().or_else(fingerprint);
        }
        Ok(())
    }
}

/// The choices of an answer in the layers that are recorded.
fn take(answer: &Answer, array: &LayerArray) -> std::result::Result<Vec<u16>, String> {
    let routes = &answer.routes;
    let (layers, top_k) = array.shape();
    if routes.rows == 0 {
        return Err("has `routed_experts` without a row".to_owned());
    }
    if (routes.layers, routes.top_k) != (layers, top_k) {
        return Err(format!(
            "has routes of {} layers with {} choices; expected {layers} with {top_k}, as in the first response",
            routes.layers, routes.top_k
        ));
    }
    array.rows(&routes.experts)
}

/// The responses of a line: one, or a list of them.
fn objects(text: &str) -> std::result::Result<Vec<Map<String, Value>>, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("is no JSON: {error}"))?;
    match value {
        Value::Object(object) => Ok(vec![object]),
        Value::Array(list) => {
            let object = |value| match value {
                Value::Object(object) => Ok(object),
                other => Err(format!("has {other} where a response is due")),
            };
            list.into_iter().map(object).collect()
        }
        other => Err(format!("is {other}; expected a response")),
    }
}

/// The lines of a file that hold something, with their numbers from 1.
fn lines(path: &Path) -> Result<impl Iterator<Item = Result<(usize, String)>> + use<'_>> {
    let file = text_file::open(path)?;
    let lines = (1..).zip(file.lines()).map(move |(number, line)| Ok((number, line.map_err(Error::io("read", path))?)));
    Ok(lines.filter(|line| !matches!(line, Ok((_, text)) if text.trim().is_empty())))
}

struct Responses {
    header: Header,
    array: LayerArray,
    files: Vec<PathBuf>,
    categories: FileCategories,
    model: Option<ModelConfig>,
    /// File and line of what cannot be used.
    unusable: HashSet<(usize, usize)>,
}

impl Responses {
    fn of_file<'a>(&'a self, file: usize, path: &'a Path) -> Box<dyn Iterator<Item = Result<RouteSequence>> + 'a> {
        let lines = match lines(path) {
            Ok(lines) => lines,
            Err(error) => return Box::new(std::iter::once(Err(error))),
        };
        let is_usable = move |line: &Result<(usize, String)>| !matches!(line, Ok((number, _)) if self.unusable.contains(&(file, *number)));
        Box::new(lines.filter(is_usable).flat_map(move |line| {
            match line.and_then(|(number, text)| self.sequences_of(path, number, &text)) {
                Ok(sequences) => sequences.into_iter().map(Ok).collect::<Vec<_>>(),
                Err(error) => vec![Err(error)],
            }
        }))
    }

    fn sequences_of(&self, path: &Path, number: usize, text: &str) -> Result<Vec<RouteSequence>> {
        let place = format!("`{}`, line {number}", path.display());
        let refused = |what: String| Error::corpus(format!("{place} {what}"), HINT);
        let mut sequences = Vec::new();
        for object in objects(text).map_err(refused)? {
            let saved = Saved::new(&object);
            for answer in saved.answers(self.model.as_ref()).map_err(refused)? {
                let (start, rows) = (answer.start as u32, answer.routes.rows as u32);
                sequences.push(RouteSequence {
                    document: answer.name.clone().or_else(|| Some(place.clone())),
                    category: self.categories.of_row(path, |key| saved.text(key)),
                    dataset: saved.text("dataset"),
                    place: place.clone(),
                    tokens: answer.tokens,
                    positions: (start > 0).then(|| (start..start.saturating_add(rows)).collect()),
                    experts: take(&answer, &self.array).map_err(refused)?,
                    token_ids: answer.token_ids,
                    ..RouteSequence::default()
                });
            }
        }
        Ok(sequences)
    }
}

impl RouteReader for Responses {
    fn header(&self) -> &Header {
        &self.header
    }

    fn sequences(&self) -> Result<Box<dyn Iterator<Item = Result<RouteSequence>> + '_>> {
        Ok(Box::new(self.files.iter().enumerate().flat_map(|(file, path)| self.of_file(file, path))))
    }
}

#[cfg(test)]
mod tests;
