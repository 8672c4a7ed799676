//! FLAME-MoE traces (CMU-FLAME/FLAME-MoE-Traces, captured in Megatron-LM): `samples/*.parquet` with the token ids, one a row, and for
//! each checkpoint a folder `actives/iter_NNNN` with `layer_NN.parquet`: in each row the chosen experts of a token (`indices`) and
//! their shares in the softmax over all experts (`scores`, descending). Layers count from 1; sequences follow each other without a
//! mark.

mod column;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use column::Column;

use crate::{
    corpus::ParquetColumns,
    error::{Error, Result},
    import::{
        category::FileCategories,
        format::{Format, Opened},
        numbers::{fractions, whole},
        record::Routes,
        routes::{ChoiceOrder, Header, RecordedLayer, RouteReader, RouteSequence, Weights},
        source::Source,
    },
    routing::{ExpertId, LayerId},
};

/// The format.
pub(super) const FORMAT: Format = Format {
    name: "flame",
    title: "CMU-FLAME/FLAME-MoE-Traces: samples and the actives of one checkpoint",
    recognises: |source| Ok(source.files.iter().any(|path| number_of(path).is_some())),
    files: |source| {
        source.files.iter().map(PathBuf::as_path).filter(|path| number_of(path).is_some() || is_sample(path)).collect()
    },
    open,
};

/// Experts and choices of the models that the published traces are of: the files do not say how many experts there are.
const PUBLISHED: (usize, usize) = (64, 6);
/// Tokens of a sequence in the training that was captured.
const SEQUENCE_LENGTH: usize = 2048;
const HINT: &str = "name the folder `samples` and one folder `actives/iter_NNNN`, of the same model";

/// The number of the layer that a file is of, from 1.
fn number_of(path: &Path) -> Option<LayerId> {
    let number = path.file_name()?.to_str()?.strip_prefix("layer_")?.strip_suffix(".parquet")?.parse().ok()?;
    (number > 0).then_some(number)
}

/// A checkpoint, and the tokens that it saw.
struct Flame {
    header: Header,
    /// Files of token ids; none: they are unknown.
    samples: Vec<ParquetColumns>,
    /// A file for each layer, in the order of the header.
    layers: Vec<ParquetColumns>,
    length: usize,
    /// Sequences whose routes stand interleaved, token by token.
    micro_batch: usize,
    category: Option<String>,
}

fn open(opened: &Opened<'_>) -> Result<Routes> {
    let actives = actives(opened.source)?;
    let samples: Vec<&Path> = opened.source.with_extension("parquet").filter(|path| is_sample(path)).collect();
    one_folder(samples.iter().copied(), "models")?;
    let samples = samples.into_iter().map(ParquetColumns::open).collect::<Result<Vec<_>>>()?;
    let layers = actives.values().map(|path| ParquetColumns::open(path)).collect::<Result<Vec<_>>>()?;
    let micro_batch = opened.options.micro_batch.unwrap_or(1);
    let length = opened.options.sequence_length.unwrap_or(SEQUENCE_LENGTH);
    check_rows(&samples, &layers, length, micro_batch)?;
    let (experts, top_k) = opened.model.as_ref().map_or(PUBLISHED, |model| (model.num_experts, model.top_k));
    let recorded = |number: &LayerId| RecordedLayer { layer: number - 1, num_experts: Some(experts), top_k };
    let mut header = Header::new(FORMAT.name, actives.keys().map(recorded).collect());
    (header.order, header.weights) = (ChoiceOrder::Weight, Weights::SoftmaxAll);
    header.engine = Some("Megatron-LM".to_owned());
    header.model = actives.values().next().and_then(|path| checkpoint_of(path));
    header.remarks = remarks(length, micro_batch, samples.is_empty());
    if let (Some(model), Some(layer)) = (&opened.model, actives.keys().find(|number| !routes(opened, **number))) {
        return Err(Error::corpus(
            format!(
                "there is a file of layer {layer}; by the configuration of the model {} layers route",
                model.moe_layers.len()
            ),
            "layers count from 1 in the names of the files; is it the configuration of another model?",
        ));
    }
    let categories = FileCategories::new(&opened.options.category_from, layers.iter().map(ParquetColumns::path));
    let category = layers.first().and_then(|file| categories.of(file.path(), None));
    Ok(Routes::Tokens(Box::new(Flame { header, samples, layers, length, micro_batch, category })))
}

/// Whether the model routes in the layer of this number.
fn routes(opened: &Opened<'_>, number: LayerId) -> bool {
    opened.model.as_ref().is_none_or(|model| model.moe_layers.contains(&(number - 1)))
}

fn is_sample(path: &Path) -> bool {
    path.parent().and_then(Path::file_name).is_some_and(|folder| folder == "samples")
}

/// The files of the layers by their numbers.
fn actives(source: &Source) -> Result<BTreeMap<LayerId, PathBuf>> {
    let of_layers = || source.files.iter().filter_map(|path| Some((number_of(path)?, path)));
    one_folder(of_layers().map(|(_, path)| path.as_path()), "checkpoints")?;
    let mut files: BTreeMap<LayerId, PathBuf> = BTreeMap::new();
    for (number, path) in of_layers() {
        if let Some(first) = files.insert(number, path.clone()) {
            let names = format!("`{}` and `{}`", first.display(), path.display());
            return Err(Error::usage(format!("{names} are both layer {number}"), HINT));
        }
    }
    if files.is_empty() {
        return Err(Error::usage("there is no layer_NN.parquet among the files", HINT));
    }
    Ok(files)
}

/// Refuses files of several folders.
fn one_folder<'a>(files: impl Iterator<Item = &'a Path>, what: &str) -> Result<()> {
    let folders: BTreeSet<&Path> = files.filter_map(Path::parent).collect();
    if folders.len() < 2 {
        return Ok(());
    }
    let shown: Vec<String> = folders.iter().take(2).map(|folder| format!("`{}`", folder.display())).collect();
    Err(Error::usage(
        format!("there are files of {} {what}, such as {}; expected one", folders.len(), shown.join(" and ")),
        HINT,
    ))
}

/// Model and iteration, as the folders are called.
fn checkpoint_of(layer: &Path) -> Option<String> {
    let iteration = layer.parent()?;
    let model = iteration.parent()?.parent().and_then(Path::file_name);
    let iteration = iteration.file_name()?.to_string_lossy();
    Some(model.map_or_else(|| iteration.clone().into(), |model| format!("{} {iteration}", model.to_string_lossy())))
}

/// Refuses layers of different lengths, token ids for others than their rows, and micro-batches that are cut.
fn check_rows(samples: &[ParquetColumns], layers: &[ParquetColumns], length: usize, micro_batch: usize) -> Result<()> {
    let rows = layers.first().map_or(0, ParquetColumns::rows);
    let refused = |what: String| Err(Error::corpus(what, "a file may be missing or cut: fetch it again"));
    if let Some(other) = layers.iter().find(|file| file.rows() != rows) {
        let (first, found) = (layers[0].path().display(), other.rows());
        return refused(format!("`{}` has {found} rows, `{first}` {rows}", other.path().display()));
    }
    let tokens: usize = samples.iter().map(ParquetColumns::rows).sum();
    if !samples.is_empty() && tokens != rows {
        return refused(format!("the samples have {tokens} token ids, each layer has {rows} rows"));
    }
    let block = length.saturating_mul(micro_batch);
    if micro_batch > 1 && !rows.is_multiple_of(block) {
        return Err(Error::usage(
            format!("{rows} rows are no whole micro-batches of {micro_batch} sequences of {length} tokens"),
            "give another number of sequences, or their length",
        ));
    }
    Ok(())
}

fn remarks(length: usize, micro_batch: usize, is_without_ids: bool) -> Vec<String> {
    let mut remarks = vec![
        "layers are numbered from 1 in the record, from 0 here".to_owned(),
        format!("sequences are not told apart: each is taken to have {length} tokens"),
    ];
    if micro_batch > 1 {
        remarks.push(format!("the routes of {micro_batch} sequences stand interleaved, and are taken apart"));
    }
    if is_without_ids {
        remarks.push("there is no folder `samples` among the files: token ids are unknown".to_owned());
    }
    remarks
}

impl RouteReader for Flame {
    fn header(&self) -> &Header {
        &self.header
    }

    fn sequences(&self) -> Result<Box<dyn Iterator<Item = Result<RouteSequence>> + '_>> {
        let top_k = self.header.layers[0].top_k;
        let layer = |file| Layer {
            experts: Column::new(std::iter::once(file), "indices", Some(top_k), whole),
            shares: Column::new(std::iter::once(file), "scores", Some(top_k), fractions),
        };
        let ids = (!self.samples.is_empty()).then(|| Column::new(self.samples.iter(), "token_id", None, whole));
        let blocks = Blocks { of: self, ids, layers: self.layers.iter().map(layer).collect(), next: 0 };
        Ok(Box::new(blocks.flat_map(|block| match block {
            Ok(sequences) => sequences.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        })))
    }
}

/// The two columns of a layer.
struct Layer<'a> {
    experts: Column<'a, ExpertId>,
    shares: Column<'a, f32>,
}

/// The sequences of a micro-batch at a time, or one.
struct Blocks<'a> {
    of: &'a Flame,
    ids: Option<Column<'a, u32>>,
    layers: Vec<Layer<'a>>,
    /// Number of the next sequence.
    next: usize,
}

impl Blocks<'_> {
    fn block(&mut self) -> Result<Vec<RouteSequence>> {
        let (batch, top_k) = (self.of.micro_batch, self.of.header.layers[0].top_k);
        // No more than there are: a length beyond the end of the record is that of one sequence.
        let all = self.of.layers.first().map_or(0, ParquetColumns::rows);
        let rows = batch.saturating_mul(self.of.length).min(all);
        let ids = self.ids.as_mut().map(|ids| ids.take(rows)).transpose()?;
        let mut layers = Vec::with_capacity(self.layers.len());
        for layer in &mut self.layers {
            layers.push((layer.experts.take(rows)?, layer.shares.take(rows)?));
        }
        let rows = layers.first().map_or(0, |(experts, _)| experts.len() / top_k);
        if rows == 0 {
            return Ok(Vec::new());
        }
        let fits = |(experts, shares): &(Vec<ExpertId>, Vec<f32>)| [experts.len(), shares.len()] == [rows * top_k; 2];
        if !layers.iter().all(fits) || ids.as_ref().is_some_and(|ids| ids.len() != rows) {
            return Err(Error::corpus(
                format!(
                    "from row {} on the files hold other numbers of rows than they say",
                    self.next * self.of.length
                ),
                "a file may be damaged: fetch it again",
            ));
        }
        let length = rows / batch;
        let mut sequences = Vec::with_capacity(batch);
        for index in 0..batch {
            let (mut experts, mut shares) = (Vec::new(), Vec::new());
            for row in (0..length).map(|position| position * batch + index) {
                for (chosen, scores) in &layers {
                    experts.extend_from_slice(&chosen[row * top_k..(row + 1) * top_k]);
                    shares.extend_from_slice(&scores[row * top_k..(row + 1) * top_k]);
                }
            }
            let name = format!("sequence {}", self.next + index);
            sequences.push(RouteSequence {
                document: Some(name.clone()),
                category: self.of.category.clone(),
                place: name,
                tokens: Some(length),
                positions: Some((0..length as u32).collect()),
                token_ids: ids.as_ref().map(|ids| ids[index * length..(index + 1) * length].to_vec()),
                experts,
                weights: Some(shares),
                ..RouteSequence::default()
            });
        }
        self.next += batch;
        Ok(sequences)
    }
}

impl Iterator for Blocks<'_> {
    type Item = Result<Vec<RouteSequence>>;

    fn next(&mut self) -> Option<Self::Item> {
        let block = self.block();
        if block.is_err() {
            self.layers.clear();
        }
        Some(block).filter(|block| !matches!(block, Ok(sequences) if sequences.is_empty()))
    }
}
