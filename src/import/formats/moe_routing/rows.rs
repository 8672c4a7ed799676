//! Rows in Parquet: one for each token and layer, of sequences that may be mixed in any way.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use polars_arrow::array::{Array, BooleanArray};

use super::{
    header::RoutingJson,
    sequences::{self, Named},
};
use crate::{
    corpus::{ColumnParts, ParquetColumns},
    error::{Error, Result},
    import::{
        category::FileCategories,
        format::Opened,
        numbers::{fractions, gather, lists, whole},
        routes::{ABSENT, Header, RouteReader, RouteSequence, Weights},
    },
    routing::{ExpertId, LayerId},
};

/// Columns that every file has, in the order in which they are read.
const ALWAYS: [&str; 4] = ["sequence", "layer", "position", "expert"];
/// Columns that it may have.
const OPTIONAL: [&str; 5] = ["token_id", "weight", "logits", "dropped", "slot"];

/// The files of a record.
pub(super) struct Rows {
    header: Header,
    files: Vec<ParquetColumns>,
    names: HashMap<u32, Named>,
    categories: FileCategories,
    /// The last row of each sequence, counted over all files.
    last: HashMap<u32, u64>,
    /// The optional columns that every file has.
    optional: Vec<&'static str>,
}

impl Rows {
    /// Opens the files, and finds where each sequence ends.
    ///
    /// # Errors
    /// [`Error::Corpus`] if a column is not there or holds what it cannot.
    pub(super) fn open(json: &RoutingJson, paths: Vec<&Path>, opened: &Opened<'_>) -> Result<Self> {
        let files = paths.into_iter().map(ParquetColumns::open).collect::<Result<Vec<_>>>()?;
        let optional: Vec<&str> = OPTIONAL.into_iter().filter(|name| files.iter().all(|file| file.has(name))).collect();
        let mut header = json.header();
        header.remarks.extend(left_out(&files));
        header.has_logits = optional.contains(&"logits");
        if !optional.contains(&"weight") {
            header.weights = Weights::None;
        }
        let (mut last, mut row) = (HashMap::new(), 0_u64);
        for file in &files {
            let mut sequences: Vec<u32> = Vec::new();
            for parts in file.slices(&ALWAYS[..1])? {
                sequences.clear();
                gather(file, "sequence", &parts?[0], |array| whole(array, &mut sequences))?;
                for sequence in &sequences {
                    last.insert(*sequence, row);
                    row += 1;
                }
            }
        }
        // A sequence may have rows in several files, so that no file names its category.
        let categories = FileCategories::new(&opened.options.category_from, std::iter::empty());
        let names = sequences::read(opened.source)?;
        let without_rows = names.keys().filter(|sequence| !last.contains_key(sequence)).count();
        if without_rows > 0 {
            let file = sequences::FILE;
            header.remarks.push(format!("{without_rows} of {} sequences that {file} names have no row", names.len()));
        }
        Ok(Self { header, files, names, categories, last, optional })
    }
}

/// The columns that some files have and others lack: a sequence may have rows in several files.
fn left_out(files: &[ParquetColumns]) -> Option<String> {
    let of_some = |name: &&str| files.iter().any(|file| file.has(name)) && !files.iter().all(|file| file.has(name));
    let names: Vec<String> = OPTIONAL.iter().filter(|name| of_some(name)).map(|name| format!("`{name}`")).collect();
    (!names.is_empty()).then(|| format!("not every file has {}: left out", names.join(", ")))
}

impl RouteReader for Rows {
    fn header(&self) -> &Header {
        &self.header
    }

    fn sequences(&self) -> Result<Box<dyn Iterator<Item = Result<RouteSequence>> + '_>> {
        let columns: Vec<&'static str> = ALWAYS.into_iter().chain(self.optional.iter().copied()).collect();
        let places = (0..).zip(&self.header.layers).map(|(place, layer)| (layer.layer, place)).collect();
        let slices = self.files.iter().flat_map(move |file| {
            let slices = file.slices(&columns);
            let (slices, fault) = slices.map_or_else(|error| (None, Some(Err(error))), |slices| (Some(slices), None));
            slices.into_iter().flatten().chain(fault).map(move |parts| Ok((file, parts?)))
        });
        Ok(Box::new(Assembly {
            of: self,
            slices: Box::new(slices),
            places,
            row: 0,
            widths: (0, 0),
            pending: BTreeMap::new(),
            ready: Vec::new(),
        }))
    }
}

type Slice<'a> = (&'a ParquetColumns, ColumnParts);

/// Rows become sequences: each is given on when its last row has been read.
struct Assembly<'a> {
    of: &'a Rows,
    slices: Box<dyn Iterator<Item = Result<Slice<'a>>> + 'a>,
    /// Places of the layers in the header.
    places: HashMap<LayerId, u16>,
    /// Rows that have been read.
    row: u64,
    /// Lengths of the lists of choices and of logits, which are those of the first slice.
    widths: (usize, usize),
    pending: BTreeMap<u32, Pending>,
    /// Whole sequences, the next one last.
    ready: Vec<RouteSequence>,
}

impl Iterator for Assembly<'_> {
    type Item = Result<RouteSequence>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() {
            let taken = match self.slices.next()? {
                Ok((file, parts)) => self.take(file, &parts),
                Err(error) => Err(error),
            };
            if let Err(error) = taken {
                self.slices = Box::new(std::iter::empty());
                return Some(Err(error));
            }
        }
        self.ready.pop().map(Ok)
    }
}

impl Assembly<'_> {
    /// Takes the rows of a slice, and moves those sequences on that end in it.
    fn take(&mut self, file: &ParquetColumns, parts: &ColumnParts) -> Result<()> {
        let batch = Batch::read(file, parts, &self.of.optional, &self.of.header, self.widths)?;
        if !batch.sequence.is_empty() {
            self.widths = (batch.width, batch.experts);
        }
        let mut ended = Vec::new();
        for (at, &sequence) in batch.sequence.iter().enumerate() {
            let layer = batch.layer[at];
            let &place = self.places.get(&layer).ok_or_else(|| {
                Error::corpus(
                    format!("`{}` has rows of layer {layer}, which routing.json does not name", file.path().display()),
                    "compare `moe_layers` with the rows",
                )
            })?;
            self.pending.entry(sequence).or_default().push(&batch, at, place);
            if self.of.last.get(&sequence) == Some(&self.row) {
                ended.push(sequence);
            }
            self.row += 1;
        }
        for sequence in ended.into_iter().rev() {
            if let Some(rows) = self.pending.remove(&sequence) {
                self.ready.push(rows.finish(sequence, self.of)?);
            }
        }
        Ok(())
    }
}

/// The rows of a slice, column by column.
#[derive(Default)]
struct Batch {
    sequence: Vec<u32>,
    layer: Vec<u16>,
    position: Vec<u32>,
    /// `[rows, width]`, as the other lists.
    expert: Vec<ExpertId>,
    width: usize,
    token_id: Vec<u32>,
    weight: Vec<f32>,
    logits: Vec<f32>,
    experts: usize,
    dropped: Vec<bool>,
    slot: Vec<u32>,
}

impl Batch {
    /// Reads a slice; `widths` are the lengths of the lists of choices and of logits in the slices before, 0 for none.
    fn read(
        file: &ParquetColumns,
        parts: &ColumnParts,
        optional: &[&str],
        header: &Header,
        widths: (usize, usize),
    ) -> Result<Self> {
        let mut batch = Self { width: widths.0, experts: widths.1, ..Self::default() };
        gather(file, "sequence", &parts[0], |array| whole(array, &mut batch.sequence))?;
        gather(file, "layer", &parts[1], |array| whole(array, &mut batch.layer))?;
        gather(file, "position", &parts[2], |array| whole(array, &mut batch.position))?;
        gather(file, "expert", &parts[3], |array| {
            let values = same_width(array, &mut batch.width)?;
            whole(values.as_ref(), &mut batch.expert)
        })?;
        let width = batch.width;
        let most = header.layers.iter().map(|layer| layer.top_k).max().unwrap_or(0);
        if width > most {
            return Err(Error::corpus(
                format!(
                    "`{}`, column `expert`: lists of {width}; routing.json says top_k {most}",
                    file.path().display()
                ),
                "compare `top_k` with the rows",
            ));
        }
        for (name, arrays) in optional.iter().zip(&parts[ALWAYS.len()..]) {
            gather(file, name, arrays, |array| {
                let mut of_choices = width;
                match *name {
                    "token_id" => whole(array, &mut batch.token_id),
                    "weight" => fractions(same_width(array, &mut of_choices)?.as_ref(), &mut batch.weight),
                    "logits" => {
                        fractions(of_all_experts(array, header, &mut batch.experts)?.as_ref(), &mut batch.logits)
                    }
                    "slot" => whole(same_width(array, &mut of_choices)?.as_ref(), &mut batch.slot),
                    _ => booleans(same_width(array, &mut of_choices)?.as_ref(), &mut batch.dropped),
                }
            })?;
        }
        Ok(batch)
    }
}

/// The values of lists that must all be `width` long; 0: as long as the first.
fn same_width(array: &dyn Array, width: &mut usize) -> Result<Box<dyn Array>, String> {
    let (values, found) = lists(array)?;
    if *width != 0 && found != *width {
        return Err(format!("has lists of {found} values; expected {width}"));
    }
    *width = found;
    Ok(values)
}

/// The same of logits, which must be there for every expert.
fn of_all_experts(array: &dyn Array, header: &Header, width: &mut usize) -> Result<Box<dyn Array>, String> {
    let values = same_width(array, width)?;
    let experts = header.layers.iter().filter_map(|layer| layer.num_experts).max().unwrap_or(0);
    if !array.is_empty() && *width < experts {
        return Err(format!("has lists of {width} values; expected one for each of {experts} experts"));
    }
    Ok(values)
}

fn booleans(array: &dyn Array, into: &mut Vec<bool>) -> Result<(), String> {
    let array: &BooleanArray =
        array.as_any().downcast_ref().ok_or_else(|| format!("holds {:?}; expected true or false", array.dtype()))?;
    if array.null_count() > 0 {
        return Err("has a null where true or false is needed".to_owned());
    }
    into.extend(array.values_iter());
    Ok(())
}

/// The rows of a sequence so far.
#[derive(Default)]
struct Pending {
    /// Position, and place of the layer.
    key: Vec<(u32, u16)>,
    width: usize,
    expert: Vec<ExpertId>,
    token_id: Vec<u32>,
    weight: Vec<f32>,
    logits: Vec<f32>,
    dropped: Vec<bool>,
    slot: Vec<u32>,
}

impl Pending {
    fn push(&mut self, batch: &Batch, at: usize, place: u16) {
        let width = batch.width;
        let choices = at * width..(at + 1) * width;
        self.key.push((batch.position[at], place));
        self.width = width;
        self.expert.extend_from_slice(&batch.expert[choices.clone()]);
        self.token_id.extend(batch.token_id.get(at));
        self.weight.extend_from_slice(batch.weight.get(choices.clone()).unwrap_or_default());
        self.dropped.extend_from_slice(batch.dropped.get(choices.clone()).unwrap_or_default());
        self.slot.extend_from_slice(batch.slot.get(choices).unwrap_or_default());
        let scores = at * batch.experts..(at + 1) * batch.experts;
        self.logits.extend_from_slice(batch.logits.get(scores).unwrap_or_default());
    }

    /// The sequence: position by position, layer by layer; where a row is missing, its choices are absent.
    fn finish(self, sequence: u32, of: &Rows) -> Result<RouteSequence> {
        let layers = &of.header.layers;
        let mut order: Vec<usize> = (0..self.key.len()).collect();
        order.sort_by_key(|row| self.key[*row]);
        if let Some(pair) = order.windows(2).find(|pair| self.key[pair[0]] == self.key[pair[1]]) {
            let (position, place) = self.key[pair[0]];
            return Err(Error::corpus(
                format!(
                    "sequence {sequence} has two rows of position {position} in layer {}",
                    layers[usize::from(place)].layer
                ),
                "the same tokens may have been recorded twice: keep the files of one rank",
            ));
        }
        let mut positions: Vec<u32> = order.iter().map(|row| self.key[*row].0).collect();
        positions.dedup();
        let mut row_of = vec![usize::MAX; positions.len() * layers.len()];
        let mut index = 0;
        for row in order {
            let (position, place) = self.key[row];
            while positions[index] != position {
                index += 1;
            }
            row_of[index * layers.len() + usize::from(place)] = row;
        }
        self.arranged(sequence, of, positions, &row_of).map_err(|what| {
            Error::corpus(format!("sequence {sequence} {what}"), "correct the file, or leave the turns out")
        })
    }

    fn arranged(
        &self,
        sequence: u32,
        of: &Rows,
        positions: Vec<u32>,
        row_of: &[usize],
    ) -> Result<RouteSequence, String> {
        let layers = &of.header.layers;
        let named = of.names.get(&sequence).cloned().unwrap_or_default();
        let widths = || layers.iter().map(|layer| layer.top_k).cycle();
        let experts = layers.iter().map(|layer| layer.num_experts.unwrap_or(0)).cycle();
        let ids = || row_of.chunks_exact(layers.len()).map(|rows| rows.iter().find(|row| **row != usize::MAX));
        let has_ids = !self.token_id.is_empty();
        let scores = self.logits.len() / self.key.len().max(1);
        let end = positions.last().map_or(0, |last| *last as usize + 1);
        Ok(RouteSequence {
            document: named.document.clone().or_else(|| Some(format!("sequence {sequence}"))),
            category: of.categories.of_row(Path::new(""), |key| named.text(key)),
            dataset: named.dataset.clone(),
            place: format!("sequence {sequence}"),
            tokens: None,
            token_ids: has_ids.then(|| ids().map(|row| row.map_or(0, |row| self.token_id[*row])).collect()),
            positions: Some(positions),
            experts: arrange(&self.expert, self.width, row_of, widths(), ABSENT),
            weights: some(&self.weight).map(|weight| arrange(weight, self.width, row_of, widths(), 0.0)),
            logits: some(&self.logits).map(|logits| arrange(logits, scores, row_of, experts, 0.0)),
            dropped: some(&self.dropped).map(|dropped| arrange(dropped, self.width, row_of, widths(), false)),
            slots: some(&self.slot).map(|slot| arrange(slot, self.width, row_of, widths(), 0)),
            turns: named.turns(end)?,
        })
    }
}

fn some<T>(values: &[T]) -> Option<&[T]> {
    Some(values).filter(|values| !values.is_empty())
}

/// The values of rows in the order of `row_of`, each row cut or filled to the width of its layer.
fn arrange<T: Copy>(
    values: &[T],
    width: usize,
    row_of: &[usize],
    widths: impl Iterator<Item = usize>,
    absent: T,
) -> Vec<T> {
    let mut arranged = Vec::with_capacity(row_of.len() * width);
    for (&row, wanted) in row_of.iter().zip(widths) {
        let found = if row == usize::MAX { &[][..] } else { &values[row * width..(row + 1) * width] };
        arranged.extend(found.iter().take(wanted));
        arranged.extend(std::iter::repeat_n(absent, wanted.saturating_sub(found.len())));
    }
    arranged
}
