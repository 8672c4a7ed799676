//! `--expert-distribution-recorder-mode per_token`: the routes of every token, pass by pass.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
};

use super::{
    rebuild::{Pass, Rebuilding},
    records::{NAME, Record, physical_to_logical, records},
};
use crate::{
    error::{Error, Result},
    import::{
        category::FileCategories,
        file_names::FileNames,
        format::Opened,
        model_config::ModelConfig,
        record::Routes,
        routes::{ABSENT, Header, RecordedLayer, RouteReader, RouteSequence},
        torch_file::{Content, TorchFile},
    },
    routing::{ExpertId, LayerId},
};

/// The widest row that the recorder keeps; wider ones break it.
const WIDTH: usize = 8;

/// The files of a recording, each with its sequences.
struct PerToken {
    header: Header,
    /// By recorded layer the index in the arrays.
    places: Vec<usize>,
    files: Vec<Recorded>,
    names: FileNames,
}

/// A file and the sequences that its passes are of.
struct Recorded {
    file: TorchFile,
    rebuilding: Rebuilding,
    category: Option<String>,
}

/// What all files have in common, and how wide their rows are.
#[derive(Default)]
struct Shape {
    layers: usize,
    width: usize,
    /// Whether any token has a route, by layer.
    routed: Vec<bool>,
    map: Vec<Vec<ExpertId>>,
}

/// Opens the files, rebuilds their sequences, and keeps one of those ranks that recorded the same tokens.
///
/// # Errors
/// [`Error::Corpus`] if a file is damaged or of another model than the first.
pub(super) fn open(opened: &Opened<'_>, files: Vec<TorchFile>) -> Result<Routes> {
    let categories =
        FileCategories::new(&opened.options.category_from, opened.source.files.iter().map(PathBuf::as_path));
    let (mut shape, mut kept, mut remarks) = (Shape::default(), Vec::new(), Vec::new());
    let mut seen: HashMap<Vec<Pass>, PathBuf> = HashMap::new();
    for file in files {
        let (passes, rebuilding, rank) = read(&file, &mut shape)?;
        if let Some(first) = seen.get(&passes) {
            remarks.push(format!(
                "`{}`, of rank {rank}, has the tokens of `{}`: left out, since ranks of tensor parallelism write copies",
                file.path().display(),
                first.display()
            ));
            continue;
        }
        seen.insert(passes, file.path().to_path_buf());
        remarks.extend(rebuilding.remarks());
        let category = categories.of(file.path(), None);
        kept.push(Recorded { file, rebuilding, category });
    }
    let (places, layers) = layers(&shape, opened.model.as_ref())?;
    let map = places.iter().map(|place| shape.map[*place].clone()).collect();
    let header = Header {
        engine: Some("sglang".to_owned()),
        may_hold_dense_layers: opened.model.is_none(),
        physical_to_logical: Some(map),
        remarks,
        ..Header::new(NAME, layers)
    };
    let names = FileNames::new(kept.iter().map(|recorded| recorded.file.path()));
    Ok(Routes::Tokens(Box::new(PerToken { header, places, files: kept, names })))
}

/// Reads all passes of a file once.
fn read(file: &TorchFile, shape: &mut Shape) -> Result<(Vec<Pass>, Rebuilding, usize)> {
    let mut content = file.content()?;
    let map = physical_to_logical(&mut content)?;
    if shape.map.is_empty() {
        shape.layers = map.len();
        shape.routed = vec![false; map.len()];
        shape.map = map;
    } else if shape.map != map {
        return Err(file.refused("maps experts in another way than the first file: import the two one by one"));
    }
    let (mut passes, mut rebuilding, mut rank) = (Vec::new(), Rebuilding::default(), 0);
    for record in records(&content)? {
        let pass = record.pass(&mut content)?;
        let (routes, [_, tokens, width]) = checked(&record, &mut content, shape.layers, &pass)?;
        shape.width = shape.width.max(used(&routes, width));
        for (layer, is_routed) in routes.chunks_exact((tokens * width).max(1)).zip(&mut shape.routed) {
            *is_routed |= layer.iter().any(|expert| *expert != ABSENT);
        }
        rebuilding.take(&pass).map_err(|what| record.refused(&content, "input_ids", &what))?;
        rank = record.rank;
        passes.push(pass);
    }
    Ok((passes, rebuilding, rank))
}

/// The routes of a record, once their shape is that of the pass.
fn checked(
    record: &Record,
    content: &mut Content<'_>,
    layers: usize,
    pass: &Pass,
) -> Result<(Vec<ExpertId>, [usize; 3])> {
    let (routes, shape) = record.routes(content)?;
    let [found, tokens, width] = shape;
    if found != layers || tokens != pass.positions.len() || width == 0 {
        let what = format!("has the shape {shape:?}; expected [{layers}, {}, {WIDTH}]", pass.positions.len());
        return Err(record.refused(content, "topk_ids_of_layer", &what));
    }
    Ok((routes, shape))
}

/// Choices of the widest row: behind them all are padding.
fn used(routes: &[ExpertId], width: usize) -> usize {
    let of_row = |row: &[ExpertId]| row.iter().rposition(|expert| *expert != ABSENT).map_or(0, |last| last + 1);
    routes.chunks_exact(width).map(of_row).max().unwrap_or(0)
}

/// The layers that are recorded, and their places in the arrays.
fn layers(shape: &Shape, model: Option<&ModelConfig>) -> Result<(Vec<usize>, Vec<RecordedLayer>)> {
    let top_k = shape.width.max(1);
    let refused = |what: String| Error::corpus(what, "give the configuration of the model that was recorded");
    let experts = |place: &usize| {
        let known = shape.map[*place].iter().filter(|expert| **expert != ABSENT);
        known.max().map_or(1, |largest| usize::from(*largest) + 1)
    };
    let Some(model) = model else {
        let layer = |place: usize| RecordedLayer { layer: place as LayerId, num_experts: Some(experts(&place)), top_k };
        return Ok(((0..shape.layers).collect(), (0..shape.layers).map(layer).collect()));
    };
    if model.layers != shape.layers {
        return Err(refused(format!(
            "the files record {} layers; the configuration of the model has {}",
            shape.layers, model.layers
        )));
    }
    if model.top_k > WIDTH {
        return Err(refused(format!(
            "the model has {} choices a token; this recorder keeps {WIDTH}, so the files cannot be of it",
            model.top_k
        )));
    }
    let places: Vec<usize> = model.moe_layers.iter().map(|layer| usize::from(*layer)).collect();
    if let Some(dense) = (0..shape.layers).find(|place| shape.routed[*place] && !places.contains(place)) {
        return Err(refused(format!(
            "the files hold routes of layer {dense}, which does not route by the configuration of the model"
        )));
    }
    if let Some(place) = places.iter().find(|place| experts(place) != model.num_experts) {
        return Err(refused(format!(
            "the map of layer {place} leads to {} experts; the configuration of the model has {}",
            experts(place),
            model.num_experts
        )));
    }
    let recorded = model.recorded(false).into_iter().map(|layer| RecordedLayer { top_k, ..layer }).collect();
    Ok((places, recorded))
}

impl RouteReader for PerToken {
    fn header(&self) -> &Header {
        &self.header
    }

    fn sequences(&self) -> Result<Box<dyn Iterator<Item = Result<RouteSequence>> + '_>> {
        Ok(Box::new(self.files.iter().flat_map(|file| match Assembly::new(self, file) {
            Ok(assembly) => Box::new(assembly) as Box<dyn Iterator<Item = _>>,
            Err(error) => Box::new(std::iter::once(Err(error))),
        })))
    }
}

/// Rows become sequences: each is given on when the pass with its last row has been read.
struct Assembly<'a> {
    of: &'a PerToken,
    from: &'a Recorded,
    content: Content<'a>,
    records: std::iter::Enumerate<std::vec::IntoIter<Record>>,
    /// Rows so far, by sequence.
    pending: BTreeMap<u32, Vec<ExpertId>>,
    /// Whole sequences, the next one last.
    ready: Vec<RouteSequence>,
}

impl<'a> Assembly<'a> {
    fn new(of: &'a PerToken, from: &'a Recorded) -> Result<Self> {
        let content = from.file.content()?;
        let records = records(&content)?.into_iter().enumerate();
        Ok(Self { of, from, content, records, pending: BTreeMap::new(), ready: Vec::new() })
    }

    fn take(&mut self, pass: usize, record: &Record) -> Result<()> {
        let (routes, [_, tokens, width]) = record.routes(&mut self.content)?;
        let top_k = self.of.header.layers.first().map_or(0, |layer| layer.top_k);
        for (row, owner) in self.from.rebuilding.owners[pass].iter().enumerate() {
            let Some(sequence) = *owner else { continue };
            let rows = self.pending.entry(sequence).or_default();
            for place in &self.of.places {
                let first = (place * tokens + row) * width;
                rows.extend(&routes[first..first + top_k.min(width)]);
                rows.extend(std::iter::repeat_n(ABSENT, top_k.saturating_sub(width)));
            }
        }
        let stride = self.of.header.stride();
        let lengths = &self.from.rebuilding.sequences;
        let is_whole =
            |(at, rows): (&u32, &Vec<ExpertId>)| rows.len() == lengths[*at as usize].positions.len() * stride;
        let whole: Vec<u32> = self.pending.iter().filter(|it| is_whole(*it)).map(|(at, _)| *at).collect();
        for at in whole.into_iter().rev() {
            let experts = self.pending.remove(&at).unwrap_or_default();
            self.ready.push(self.sequence(at, experts));
        }
        Ok(())
    }

    fn sequence(&self, at: u32, experts: Vec<ExpertId>) -> RouteSequence {
        let rebuilt = &self.from.rebuilding.sequences[at as usize];
        RouteSequence {
            document: Some(format!("{}request {}", self.of.names.before(self.from.file.path()), at + 1)),
            category: self.from.category.clone(),
            place: format!("`{}`, request {}", self.from.file.path().display(), at + 1),
            positions: Some(rebuilt.positions.clone()),
            token_ids: Some(rebuilt.token_ids.clone()),
            experts,
            ..RouteSequence::default()
        }
    }
}

impl Iterator for Assembly<'_> {
    type Item = Result<RouteSequence>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() {
            let (pass, record) = self.records.next()?;
            if let Err(error) = self.take(pass, &record) {
                self.records = Vec::new().into_iter().enumerate();
                return Some(Err(error));
            }
        }
        self.ready.pop().map(Ok)
    }
}
