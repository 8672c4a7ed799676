//! Arrays in NPZ or safetensors: a file for each sequence, or one whose `lengths` say where sequences end.

use std::{collections::HashMap, path::Path};

use super::{
    known::Known,
    layers::{Found, cut},
    sequences::{self, Named},
};
use crate::{
    error::{Error, Result},
    import::{
        array_file::ArrayFile,
        category::FileCategories,
        file_names::FileNames,
        number_array::NumberArray,
        numbers::Whole,
        routes::{Header, RouteReader, RouteSequence, Weights},
    },
    routing::LayerId,
};

/// Names of the array of choices, `[T, layers, k]`.
pub(super) const EXPERTS: [&str; 3] = ["experts", "routed_experts", "rollout_routed_experts"];
/// Names of the array of ids `[T]`.
const IDS: [&str; 3] = ["token_ids", "tokens", "input_ids"];
/// Ids in two pieces.
const PROMPT_AND_OUTPUT: [&str; 2] = ["prompt_token_ids", "output_token_ids"];
/// Arrays that a file may have besides.
const OPTIONAL: [&str; 5] = ["weights", "logits", "dropped", "slots", "positions"];

/// The files of a record.
pub(super) struct Arrays {
    header: Header,
    files: Vec<ArrayFile>,
    names: HashMap<u32, Named>,
    categories: FileCategories,
    file_names: FileNames,
}

impl Arrays {
    /// Opens the files; the first says which layers there are.
    ///
    /// # Errors
    /// [`Error::Corpus`] if a file cannot be read, or does not say which layers it has.
    pub(super) fn open(known: &Known<'_>, paths: &[&Path]) -> Result<Self> {
        let files = paths.iter().map(|path| ArrayFile::open(path)).collect::<Result<Vec<_>>>()?;
        let any = |name: &str| files.iter().find(|file| file.has(name));
        let (name, experts) = choices(&files[0])?;
        let [_, count, top_k] = sizes(&experts).map_err(|what| files[0].refused(name, &what))?;
        let experts = any("logits").map(|file| file.read("logits")).transpose()?;
        let ids = layer_ids(&files[0])?;
        let found = Found {
            ids: ids.as_deref(),
            count,
            top_k,
            experts: experts.and_then(|logits| logits.shape().last().copied()),
        };
        let mut header = known.header(&found).map_err(|what| files[0].refused(name, &what))?;
        header.has_logits = any("logits").is_some();
        if any("weights").is_none() {
            header.weights = Weights::None;
        }
        let options = known.opened.options;
        let categories = FileCategories::new(&options.category_from, paths.iter().copied());
        let (names, file_names) = (sequences::read(known.opened.source)?, FileNames::new(paths.iter().copied()));
        Ok(Self { header, files, names, categories, file_names })
    }
}

impl RouteReader for Arrays {
    fn header(&self) -> &Header {
        &self.header
    }

    fn sequences(&self) -> Result<Box<dyn Iterator<Item = Result<RouteSequence>> + '_>> {
        let mut next = 0;
        let read = self.files.iter().flat_map(move |file| {
            let read = FileArrays::read(self, file).and_then(|arrays| arrays.sequences(self, file, &mut next));
            read.map_or_else(|error| vec![Err(error)], |sequences| sequences.into_iter().map(Ok).collect())
        });
        Ok(Box::new(sequences::none_beyond(read, &self.names)))
    }
}

/// The array of choices, and its name in the file.
fn choices(file: &ArrayFile) -> Result<(&'static str, NumberArray)> {
    let name = EXPERTS.into_iter().find(|name| file.has(name)).unwrap_or(EXPERTS[0]);
    Ok((name, file.read(name)?))
}

/// The sizes of an array of three dimensions; a first one of size 1 before them is passed over.
fn sizes(array: &NumberArray) -> Result<[usize; 3], String> {
    match *array.shape() {
        [rows, layers, width] | [1, rows, layers, width] => Ok([rows, layers, width]),
        _ => Err(format!("has the shape {:?}; expected [tokens, layers, choices]", array.shape())),
    }
}

fn layer_ids(file: &ArrayFile) -> Result<Option<Vec<LayerId>>> {
    if !file.has("layers") {
        return Ok(None);
    }
    // As wide as token ids, because -1 in the narrow type of experts stands for no choice.
    let ids: Vec<u32> = file.read("layers")?.whole().map_err(|what| file.refused("layers", &what))?;
    let layer = |id: u32| LayerId::try_from(id).map_err(|_| file.refused("layers", &format!("has layer {id}")));
    let ids = ids.into_iter().map(layer).collect::<Result<Vec<LayerId>>>()?;
    match ids.windows(2).find(|pair| pair[0] >= pair[1]) {
        None => Ok(Some(ids)),
        Some(pair) => {
            let what = format!("has layer {} before layer {}; expected them to ascend", pair[0], pair[1]);
            Err(file.refused("layers", &what))
        }
    }
}

/// Where token ids are.
fn ids_in(file: &ArrayFile) -> Option<Vec<&'static str>> {
    let one = IDS.into_iter().find(|name| file.has(name)).map(|name| vec![name]);
    one.or_else(|| PROMPT_AND_OUTPUT.iter().all(|name| file.has(name)).then(|| PROMPT_AND_OUTPUT.to_vec()))
}

/// What a file holds.
struct FileArrays {
    rows: usize,
    /// What follows is of the sequences of the file, one after the other.
    whole: RouteSequence,
    /// Token ids with those that have no row.
    ids: Option<Vec<u32>>,
    /// Rows of each sequence.
    lengths: Option<Vec<usize>>,
}

impl FileArrays {
    fn read(of: &Arrays, file: &ArrayFile) -> Result<Self> {
        let (name, array) = choices(file)?;
        let layers = &of.header.layers;
        let [rows, count, width] = sizes(&array).map_err(|what| file.refused(name, &what))?;
        let same_ids = layer_ids(file)?.is_none_or(|ids| ids.iter().eq(layers.iter().map(|layer| &layer.layer)));
        let most = layers.iter().map(|layer| layer.top_k).max().unwrap_or(0);
        if count != layers.len() || width < most || !same_ids {
            let what =
                format!("has {count} layers with {width} choices; the first file has {} with {most}", layers.len());
            return Err(file.refused(name, &what));
        }
        let widths: Vec<usize> = layers.iter().map(|layer| layer.top_k).collect();
        let experts = array.whole().map_err(|what| file.refused(name, &what))?;
        let mut whole = RouteSequence { experts: cut(experts, width, &widths), ..RouteSequence::default() };
        for name in OPTIONAL.into_iter().filter(|name| file.has(name)) {
            let array = file.read(name)?;
            whole.take(&of.header, name, &array, [rows, count, width]).map_err(|what| file.refused(name, &what))?;
        }
        let ids = ids_in(file).map(|names| numbers(file, &names)).transpose()?;
        Ok(Self { rows, whole, ids, lengths: lengths(file)? })
    }

    /// The sequences; `next` counts them over all files.
    fn sequences(self, of: &Arrays, file: &ArrayFile, next: &mut u32) -> Result<Vec<RouteSequence>> {
        let lengths = self.lengths.clone().unwrap_or_else(|| vec![self.rows]);
        if lengths.iter().copied().try_fold(0_usize, usize::checked_add) != Some(self.rows) {
            let what = format!("does not add up to the {} rows of choices", self.rows);
            return Err(file.refused("lengths", &what));
        }
        let tokens = self.ids.as_ref().map(Vec::len);
        if let Some(tokens) = tokens.filter(|tokens| *tokens < self.rows || lengths.len() > 1 && *tokens != self.rows) {
            let what = format!("has {tokens} values; the choices have {} rows", self.rows);
            return Err(file.refused(ids_in(file).unwrap_or_default().first().unwrap_or(&IDS[0]), &what));
        }
        let mut first = 0;
        let sequence = |(at, length): (usize, &usize)| {
            let rows = first..first + length;
            first += length;
            let named = of.names.get(next).cloned().unwrap_or_default();
            *next += 1;
            let name = of.file_names.of(file.path());
            let place = if lengths.len() > 1 { format!("{name}, sequence {at}") } else { name };
            let part = part(&self.whole, rows.clone(), self.rows);
            let positions = part.positions.as_ref();
            positions
                .map_or(Ok(()), |positions| check_ascent(positions))
                .map_err(|what| file.refused("positions", &what))?;
            let end = positions.map_or(*length, |positions| positions.last().map_or(0, |last| *last as usize + 1));
            Ok(RouteSequence {
                document: named.document.clone().or_else(|| Some(place.clone())),
                category: of.categories.of_row(file.path(), |key| named.text(key)),
                dataset: named.dataset.clone(),
                turns: named.turns(end).map_err(|what| file.refused(EXPERTS[0], &what))?,
                place,
                tokens: tokens.map(|tokens| if lengths.len() > 1 { *length } else { tokens }),
                token_ids: self.ids.as_ref().map(|ids| ids[rows].to_vec()),
                ..part
            })
        };
        lengths.iter().enumerate().map(sequence).collect()
    }
}

/// The values of some rows of `all`.
fn part(whole: &RouteSequence, rows: std::ops::Range<usize>, all: usize) -> RouteSequence {
    fn of<T: Copy>(values: &[T], rows: &std::ops::Range<usize>, all: usize) -> Vec<T> {
        let width = values.len() / all.max(1);
        values[rows.start * width..rows.end * width].to_vec()
    }
    RouteSequence {
        experts: of(&whole.experts, &rows, all),
        weights: whole.weights.as_ref().map(|values| of(values, &rows, all)),
        logits: whole.logits.as_ref().map(|values| of(values, &rows, all)),
        dropped: whole.dropped.as_ref().map(|values| of(values, &rows, all)),
        slots: whole.slots.as_ref().map(|values| of(values, &rows, all)),
        positions: whole.positions.as_ref().map(|values| of(values, &rows, all)),
        ..RouteSequence::default()
    }
}

impl RouteSequence {
    /// Takes an optional array; it must have the rows and layers of the choices.
    fn take(&mut self, header: &Header, name: &str, array: &NumberArray, choices: [usize; 3]) -> Result<(), String> {
        if name == "positions" {
            self.positions = Some(array.whole()?);
            let found = array.shape().iter().product::<usize>();
            return if found == choices[0] { Ok(()) } else { Err(unlike(array, choices)) };
        }
        let [rows, layers, width] = sizes(array)?;
        let of_experts = name == "logits";
        let widths =
            header.layers.iter().map(|layer| if of_experts { layer.num_experts.unwrap_or(0) } else { layer.top_k });
        let widths: Vec<usize> = widths.collect();
        let fits = if of_experts { widths.iter().all(|wanted| *wanted <= width) } else { width == choices[2] };
        if [rows, layers] != choices[..2] || !fits {
            return Err(unlike(array, choices));
        }
        match name {
            "weights" => self.weights = Some(cut(array.fractions()?, width, &widths)),
            "logits" => self.logits = Some(cut(array.fractions()?, width, &widths)),
            "dropped" => self.dropped = Some(cut(array.flags()?, width, &widths)),
            _ => self.slots = Some(cut(array.whole()?, width, &widths)),
        }
        Ok(())
    }
}

fn unlike(array: &NumberArray, choices: [usize; 3]) -> String {
    format!("has the shape {:?}, which does not fit choices of {choices:?}", array.shape())
}

/// Whether each position is after the one before.
pub(super) fn check_ascent(positions: &[u32]) -> Result<(), String> {
    match positions.windows(2).find(|pair| pair[0] >= pair[1]) {
        Some(pair) => Err(format!("has position {} before position {}; expected them to ascend", pair[0], pair[1])),
        None => Ok(()),
    }
}

fn lengths(file: &ArrayFile) -> Result<Option<Vec<usize>>> {
    if !file.has("lengths") {
        return Ok(None);
    }
    let lengths: Vec<u64> = numbers(file, &["lengths"])?;
    Ok(Some(lengths.into_iter().map(|length| usize::try_from(length).unwrap_or(usize::MAX)).collect()))
}

/// The numbers of some arrays, one after the other.
fn numbers<T: Whole>(file: &ArrayFile, names: &[&str]) -> Result<Vec<T>> {
    let mut numbers = Vec::new();
    for name in names {
        let read: Vec<T> = file.read(name)?.whole().map_err(|what| -> Error { file.refused(name, &what) })?;
        numbers.extend(read);
    }
    Ok(numbers)
}
