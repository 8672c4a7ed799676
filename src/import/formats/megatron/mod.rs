//! Megatron (NVIDIA/Megatron-LM, `--moe-routing-trace-path`): `router_trace_rank*.jsonl`, a line for each pass and layer.
//!
//! Two paths of the program write the same lines. Hooks on the routers count layers from 0, keep no order of choices, and write
//! nothing for a layer in which a token was dropped. The sink of routing replay counts layers from 1 and keeps the order by weight.
//! Neither keeps token ids or says how many sequences are interleaved, row = position * B + sequence.

mod line;
mod passes;
mod scan;

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use line::Logits;
use passes::{Pass, Passes};
use scan::Scan;

use crate::{
    error::{Error, Result},
    import::{
        category::FileCategories,
        file_names::FileNames,
        format::{Format, Opened},
        left_out::LeftOut,
        number_array::{NumberArray, NumberType},
        options::ImportOptions,
        record::Routes,
        routes::{ABSENT, ChoiceOrder, Header, RouteReader, RouteSequence, Weights},
        source::Source,
        token_file,
    },
    routing::ExpertId,
};

/// The format.
pub(super) const FORMAT: Format = Format {
    name: "megatron",
    title: "Megatron: router_trace_rank*.jsonl",
    recognises: |source| source.first_line_has(&["top_indices"]),
    files,
    open,
};

const HINT: &str = "expected the lines of router_trace_rank*.jsonl";

/// A trace.
struct Megatron {
    header: Header,
    /// Places of the layers in the header, by the number that the lines have.
    places: HashMap<u16, usize>,
    top_k: usize,
    files: Vec<TraceFile>,
    names: FileNames,
    layout: Layout,
    /// Ids of all positions, sequence after sequence.
    token_ids: Option<Vec<u32>>,
}

/// A file that is kept.
struct TraceFile {
    path: PathBuf,
    unusable: HashSet<usize>,
    category: Option<String>,
}

/// How sequences stand in the rows of a pass.
#[derive(Clone, Copy)]
struct Layout {
    micro_batch: Option<usize>,
    sequence_length: Option<usize>,
}

/// The lines, and the logits that they name.
fn files(source: &Source) -> Vec<&Path> {
    let is_logits =
        |path: &&Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("logits_rank"));
    let lines = source.mostly("jsonl");
    let logits: Vec<&Path> = source.with_extension("bin").filter(is_logits).collect();
    if lines.len() == source.files.len() { lines } else { lines.into_iter().chain(logits).collect() }
}

fn open(opened: &Opened<'_>) -> Result<Routes> {
    let options = opened.options;
    let layout = Layout { micro_batch: options.micro_batch, sequence_length: options.sequence_length };
    let categories = FileCategories::new(&options.category_from, opened.source.files.iter().map(PathBuf::as_path));
    let mut left_out = LeftOut::new(options.strict, HINT);
    let (mut scan, mut files, mut digests, mut remarks) = (Scan::default(), Vec::new(), HashMap::new(), Vec::new());
    for path in opened.source.mostly("jsonl") {
        let (of_file, unusable) = scan_file(path, layout, &mut left_out)?;
        if of_file.positions == 0 {
            continue;
        }
        if let Some(first) = digests.insert(of_file.digest(), path) {
            let (copy, first) = (path.display(), Path::display(first));
            remarks.push(format!(
                "`{copy}` has the routes of `{first}`: left out, since several ranks write the same tokens"
            ));
            continue;
        }
        scan.join(of_file).map_err(|what| Error::corpus(format!("`{}` {what}", path.display()), HINT))?;
        files.push(TraceFile { path: path.to_path_buf(), unusable, category: categories.of(path, None) });
    }
    if scan.positions == 0 {
        return Err(left_out.nothing_left("no line holds routes"));
    }
    let numbering = scan.numbering(opened.model.as_ref())?;
    remarks.extend(scan.remarks(&numbering, opened.model.as_ref()));
    remarks.extend(layout.remark());
    remarks.extend(left_out.remark("line"));
    let (order, weights) = match (numbering.is_hook, scan.has_logits()) {
        (_, true) => (ChoiceOrder::SortByWeight, Weights::SelectionScore),
        (true, false) => (ChoiceOrder::Unknown, Weights::None),
        (false, false) => (ChoiceOrder::Weight, Weights::None),
    };
    let header = Header {
        engine: Some("megatron".to_owned()),
        order,
        weights,
        has_logits: scan.has_logits(),
        remarks,
        ..Header::new(FORMAT.name, scan.layers(&numbering, opened.model.as_ref()))
    };
    let places = scan.written.keys().copied().zip(0..).collect();
    let token_ids = token_ids(options, scan.positions)?;
    let names = FileNames::new(files.iter().map(|file| file.path.as_path()));
    Ok(Routes::Tokens(Box::new(Megatron { header, places, top_k: scan.top_k, files, names, layout, token_ids })))
}

/// Reads a file once.
fn scan_file(path: &Path, layout: Layout, left_out: &mut LeftOut) -> Result<(Scan, HashSet<usize>)> {
    let (mut scan, mut unusable) = (Scan::default(), HashSet::new());
    let mut passes = Passes::open(path, None, |number, what| {
        left_out.push(format!("`{}`, line {number} {what}", path.display()))?;
        unusable.insert(number);
        Ok(())
    })?;
    for pass in passes.by_ref() {
        let pass = pass?;
        let refused = |what: String| Error::corpus(format!("`{}`, step {}: {what}", path.display(), pass.step), HINT);
        layout.sequences(pass.rows).map_err(refused)?;
        scan.take(&pass).map_err(refused)?;
    }
    scan.others = passes.others;
    drop(passes);
    Ok((scan, unusable))
}

/// The ids that lie beside the trace, as many as it has positions.
fn token_ids(options: &ImportOptions, positions: u64) -> Result<Option<Vec<u32>>> {
    let Some(path) = &options.tokens else { return Ok(None) };
    let ids = token_file::read(path)?;
    if ids.len() as u64 != positions {
        return Err(Error::corpus(
            format!("`{}` has {} token ids; the trace has {positions} positions", path.display(), ids.len()),
            "expected an id for each position, sequence after sequence, in the order of the passes",
        ));
    }
    Ok(Some(ids))
}

impl Layout {
    /// How many sequences a pass of so many rows holds.
    fn sequences(self, rows: usize) -> std::result::Result<usize, String> {
        match (self.micro_batch, self.sequence_length) {
            (None, None) => Ok(1),
            (Some(sequences), None) if rows.is_multiple_of(sequences) => Ok(sequences),
            (None, Some(length)) if rows.is_multiple_of(length) => Ok(rows / length),
            (Some(sequences), Some(length)) if sequences.checked_mul(length) == Some(rows) => Ok(sequences),
            (Some(sequences), None) => Err(format!("{rows} rows are no whole micro-batches of {sequences} sequences")),
            (None, Some(length)) => Err(format!("{rows} rows are no whole sequences of {length} tokens")),
            (Some(sequences), Some(length)) => {
                Err(format!("{rows} rows are not {sequences} sequences of {length} tokens"))
            }
        }
    }

    /// Whether rows are known to be positions of their sequences.
    fn is_known(self) -> bool {
        self.micro_batch.is_some() || self.sequence_length.is_some()
    }

    fn remark(self) -> Option<String> {
        let remark = "the trace does not say how many sequences a pass holds: each pass is taken for one; if a micro-batch has \
                      several, give their number or length";
        (!self.is_known()).then(|| remark.to_owned())
    }
}

impl RouteReader for Megatron {
    fn header(&self) -> &Header {
        &self.header
    }

    fn sequences(&self) -> Result<Box<dyn Iterator<Item = Result<RouteSequence>> + '_>> {
        let mut first = 0;
        let mut with_ids = move |mut sequence: RouteSequence| {
            let rows = sequence.experts.len() / self.header.stride().max(1);
            sequence.token_ids =
                self.token_ids.as_ref().and_then(|ids| ids.get(first..first + rows)).map(<[u32]>::to_vec);
            first += rows;
            sequence
        };
        let sequences = self.files.iter().flat_map(|file| self.of_file(file));
        Ok(Box::new(sequences.map(move |sequence| sequence.map(&mut with_ids))))
    }
}

impl Megatron {
    fn of_file<'a>(&'a self, file: &'a TraceFile) -> Box<dyn Iterator<Item = Result<RouteSequence>> + 'a> {
        let unusable = |number: usize, what: String| {
            Err(Error::corpus(format!("`{}`, line {number} {what}", file.path.display()), HINT))
        };
        let opened = Passes::open(&file.path, Some(&file.unusable), unusable).and_then(|passes| {
            Ok((passes, self.header.has_logits.then(|| LogitFile::beside(&file.path)).transpose()?))
        });
        match opened {
            Ok((passes, mut logits)) => Box::new(passes.enumerate().flat_map(move |(at, pass)| {
                let sequences = pass.and_then(|pass| self.of_pass(file, at, &pass, logits.as_mut()));
                sequences.map_or_else(|error| vec![Err(error)], |sequences| sequences.into_iter().map(Ok).collect())
            })),
            Err(error) => Box::new(std::iter::once(Err(error))),
        }
    }

    /// The sequences of a pass, taken apart.
    fn of_pass(
        &self,
        file: &TraceFile,
        at: usize,
        pass: &Pass,
        mut logits: Option<&mut LogitFile>,
    ) -> Result<Vec<RouteSequence>> {
        let path = &file.path;
        let place = format!("`{}`, step {}, pass {at}", path.display(), pass.step);
        let refused = |what: String| Error::corpus(format!("{place}: {what}"), HINT);
        let sequences = self.layout.sequences(pass.rows).map_err(refused)?;
        let mut by_place: Vec<Option<(&[ExpertId], Vec<f32>)>> = vec![None; self.header.layers.len()];
        for line in &pass.lines {
            let scores = match (&mut logits, line.logits) {
                (Some(file), Some(at)) => file.read(at, pass.rows).map_err(refused)?,
                _ => Vec::new(),
            };
            if let Some(place) = self.places.get(&line.layer) {
                by_place[*place] = Some((&line.experts, scores));
            }
        }
        let (length, experts) = (pass.rows / sequences, self.header.layers[0].num_experts.unwrap_or(0));
        let of_file = self.names.before(path);
        let sequence = |index: usize| {
            let (mut done, mut weights, mut scores) = (RouteSequence::default(), Vec::new(), Vec::new());
            for row in (0..length).map(|position| position * sequences + index) {
                for layer in &by_place {
                    let found = layer.as_ref().map(|(ids, scores)| (&ids[row * self.top_k..][..self.top_k], scores));
                    self.push(found, row, experts, (&mut done.experts, &mut weights, &mut scores));
                }
            }
            let has_logits = self.header.has_logits;
            RouteSequence {
                document: Some(format!("{of_file}step {}, pass {at}, sequence {index}", pass.step)),
                category: file.category.clone(),
                place: format!("{place}, sequence {index}"),
                positions: self.layout.is_known().then(|| (0..length as u32).collect()),
                weights: has_logits.then_some(weights),
                logits: has_logits.then_some(scores),
                ..done
            }
        };
        Ok((0..sequences).map(sequence).collect())
    }

    /// Appends the choices of a layer at a row, with their logits as weights; absent ones where the layer was not written.
    fn push(
        &self,
        found: Option<(&[ExpertId], &Vec<f32>)>,
        row: usize,
        experts: usize,
        (ids, weights, scores): (&mut Vec<ExpertId>, &mut Vec<f32>, &mut Vec<f32>),
    ) {
        let has_logits = self.header.has_logits;
        let Some((choices, all)) = found else {
            ids.extend(std::iter::repeat_n(ABSENT, self.top_k));
            if has_logits {
                weights.extend(std::iter::repeat_n(0.0, self.top_k));
                scores.extend(std::iter::repeat_n(0.0, experts));
            }
            return;
        };
        ids.extend(choices);
        if has_logits {
            let own = all.get(row * experts..(row + 1) * experts).unwrap_or_default();
            weights.extend(choices.iter().map(|expert| own.get(usize::from(*expert)).copied().unwrap_or(0.0)));
            scores.extend(own);
        }
    }
}

/// `logits_rank*.bin`.
struct LogitFile {
    path: PathBuf,
    file: File,
}

impl LogitFile {
    /// The one of the same rank as a trace.
    fn beside(trace: &Path) -> Result<Self> {
        let name = trace.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let name = name.replacen("router_trace", "logits", 1).replacen(".jsonl", ".bin", 1);
        let path = trace.with_file_name(name);
        let file = File::open(&path).map_err(Error::io("open", &path))?;
        Ok(Self { path, file })
    }

    /// The logits of all rows of a line, `[rows, experts]`.
    fn read(&mut self, at: Logits, rows: usize) -> std::result::Result<Vec<f32>, String> {
        let unreadable = |path: &Path, what: String| format!("the logits in `{}` {what}", path.display());
        let bytes = rows.saturating_mul(at.experts).saturating_mul(NumberType::Bf16.bytes());
        let size = self.file.metadata().map_err(|error| unreadable(&self.path, error.to_string()))?.len();
        if at.offset.saturating_add(bytes as u64) > size {
            let what = format!("are cut off: {bytes} bytes at {} of a file of {size}", at.offset);
            return Err(unreadable(&self.path, what));
        }
        let mut numbers = vec![0; bytes];
        let read = self.file.seek(SeekFrom::Start(at.offset)).and_then(|_| self.file.read_exact(&mut numbers));
        read.map_err(|error| unreadable(&self.path, format!("cannot be read: {error}")))?;
        NumberArray::new(vec![rows, at.experts], NumberType::Bf16, numbers)?.fractions()
    }
}

#[cfg(test)]
mod tests;
