//! Lines of `run_moe_analysis.py`: `{"input_ids": [...], "predicted_token_ids": [...], "exp_ids": [[[...]]]}`, the experts by
//! position, choice and layer, the first choice first.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::{
    error::{Error, Result},
    import::{
        category::FileCategories,
        file_names::FileNames,
        format::Opened,
        json_lines::{lines, refused},
        layer_array::LayerArray,
        record::Routes,
        routes::{ChoiceOrder, Header, RouteReader, RouteSequence},
    },
    routing::ExpertId,
};

/// Name of the format.
pub(super) const NAME: &str = "olmoe";
/// An example of a line.
const EXPECTED: &str = r#"{"input_ids": [5, 7], "exp_ids": [[[3, 1], [0, 2]], [[2, 4], [6, 5]]]}"#;

/// A sequence.
#[derive(Deserialize)]
struct Line {
    input_ids: Vec<u32>,
    /// By position, choice and layer.
    exp_ids: Vec<Vec<Vec<ExpertId>>>,
}

impl Line {
    /// Layers and choices, of the first position.
    fn shape(&self) -> (usize, usize) {
        let first = self.exp_ids.first();
        (first.and_then(|choices| choices.first()).map_or(0, Vec::len), first.map_or(0, Vec::len))
    }

    /// The choices by position, layer and choice.
    fn experts(&self, (layers, top_k): (usize, usize)) -> std::result::Result<Vec<ExpertId>, String> {
        let mut experts = Vec::with_capacity(self.exp_ids.len() * layers * top_k);
        for (position, choices) in self.exp_ids.iter().enumerate() {
            if choices.len() != top_k || choices.iter().any(|of_layers| of_layers.len() != layers) {
                return Err(format!(
                    "has {} choices in {} layers at position {position}; expected {top_k} in {layers}, as at the first",
                    choices.len(),
                    choices.iter().map(Vec::len).find(|found| *found != layers).unwrap_or(layers)
                ));
            }
            experts.extend((0..layers).flat_map(|layer| choices.iter().map(move |of_layers| of_layers[layer])));
        }
        Ok(experts)
    }
}

/// The files of a record.
struct OlmoeLines {
    header: Header,
    array: LayerArray,
    files: Vec<PathBuf>,
    categories: FileCategories,
    names: FileNames,
}

/// Opens the files; the first line says how many layers and choices there are.
///
/// # Errors
/// [`Error::Corpus`] if the first line cannot be read, or is of another model than the configuration.
pub(super) fn open(opened: &Opened<'_>) -> Result<Routes> {
    let files: Vec<PathBuf> = opened.source.mostly("jsonl").into_iter().map(Path::to_path_buf).collect();
    let first = files.iter().map(|path| lines::<Line>(path, EXPECTED).map(|mut lines| Some((path, lines.next()?))));
    let Some((path, line)) = first.collect::<Result<Vec<_>>>()?.into_iter().flatten().next() else {
        return Err(Error::corpus("no file has a line", format!("expected lines such as {EXPECTED}")));
    };
    let (number, line) = line?;
    let (layers, top_k) = line.shape();
    let array =
        LayerArray::new(layers, top_k, opened.model.as_ref()).map_err(|what| refused(path, number, &what, EXPECTED))?;
    let header = Header {
        engine: Some("transformers".to_owned()),
        may_hold_dense_layers: array.may_hold_dense_layers(),
        order: ChoiceOrder::Weight,
        remarks: array.remark().into_iter().collect(),
        ..Header::new(NAME, array.layers().to_vec())
    };
    let categories = FileCategories::new(&opened.options.category_from, files.iter().map(PathBuf::as_path));
    let names = FileNames::new(files.iter().map(PathBuf::as_path));
    Ok(Routes::Tokens(Box::new(OlmoeLines { header, array, files, categories, names })))
}

impl OlmoeLines {
    fn sequence(&self, path: &Path, number: usize, line: &Line) -> Result<RouteSequence> {
        let refused = |what: String| refused(path, number, &what, EXPECTED);
        let experts =
            line.experts(self.array.shape()).and_then(|experts| self.array.rows(&experts)).map_err(refused)?;
        let (rows, tokens) = (line.exp_ids.len(), line.input_ids.len());
        Ok(RouteSequence {
            document: Some(format!("{}line {number}", self.names.before(path))),
            category: self.categories.of(path, None),
            place: format!("`{}`, line {number}", path.display()),
            tokens: Some(tokens),
            token_ids: (rows == tokens || rows + 1 == tokens).then(|| line.input_ids[..rows].to_vec()),
            experts,
            ..RouteSequence::default()
        })
    }

    fn of_file<'a>(&'a self, path: &'a Path) -> Box<dyn Iterator<Item = Result<RouteSequence>> + 'a> {
        match lines::<Line>(path, EXPECTED) {
            Ok(lines) => Box::new(lines.map(move |line| {
                let (number, line) = line?;
                self.sequence(path, number, &line)
            })),
            Err(error) => Box::new(std::iter::once(Err(error))),
        }
    }
}

impl RouteReader for OlmoeLines {
    fn header(&self) -> &Header {
        &self.header
    }

    fn sequences(&self) -> Result<Box<dyn Iterator<Item = Result<RouteSequence>> + '_>> {
        Ok(Box::new(self.files.iter().flat_map(|path| self.of_file(path))))
    }
}
