//! Routes that another engine recorded -> trace, statistics, charts, report.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use super::{
    import_counts::{self, to_write},
    options::{ReportOptions, StatisticSettings},
    progress::{Progress, RunningStage, Stage},
    statistics::{Analysis, finish_run},
    work_plan,
};
use crate::{
    checkpoint::sha256_file,
    corpus::Tokenizer,
    error::{Error, OptionName, Result, bullets, path_text, plural},
    import::{
        CategoryFrom, CountTable, Gate, GateReport, Header, ImportOptions, Outcome, Prepared, PreparedSequence,
        RouteReader, Routes, Source, check_counts, open, passed_over,
    },
    run::{
        Identity, ImportRecord, Occupied, RecordedInput, RecordedSettings, RunDir, RunKind, RunRecord, TextOptions,
        protect_texts,
    },
    trace::{RoutedSequence, TraceBuilder, TraceOptions},
};

/// What an import is asked to do.
#[derive(Clone, Debug, Default)]
pub struct ImportRunOptions {
    /// Files and folders that an engine wrote.
    pub paths: Vec<PathBuf>,
    /// What it is told beside them.
    pub import: ImportOptions,
    /// Name of the model in tables and charts; `None`: what the record says, else the name of the first path.
    pub label: Option<String>,
    /// Whether a record is taken although a check failed.
    pub force_checks: bool,
    /// Settings of the statistics.
    pub statistics: StatisticSettings,
    /// What becomes of a folder that holds something.
    pub occupied: Occupied,
    /// What is shown in the report.
    pub report: ReportOptions,
    /// The command line that the run records; empty for none.
    pub command_line: Vec<String>,
}

/// What a record holds.
enum Recorded {
    /// Every token's choices.
    Tokens(Box<dyn RouteReader>),
    /// Numbers of assignments.
    Counts(CountTable),
}

impl Recorded {
    fn header(&self) -> &Header {
        match self {
            Self::Tokens(reader) => reader.header(),
            Self::Counts(table) => &table.header,
        }
    }
}

/// An import whose gate has been passed, ready to be written.
pub(crate) struct ImportRun {
    options: ImportRunOptions,
    recorded: Recorded,
    /// What the gate said.
    pub(crate) gate: GateReport,
    /// What a reader of the record should know.
    remarks: Vec<String>,
    inputs: Vec<RecordedInput>,
    tokenizer: Option<Tokenizer>,
    clock: Instant,
}

/// Imports a record into the new or empty folder `out`: trace, statistics, charts, report. Gives what the gate said with it.
///
/// # Errors
/// Everything that keeps the record from being read; [`Error::Corpus`] if a check of the gate failed and was not forced: nothing
/// is written then. [`Error::Interrupted`] if it is cancelled.
pub fn import(
    options: ImportRunOptions,
    out: &Path,
    progress: &dyn Progress,
) -> Result<(RunDir, Analysis, GateReport)> {
    let ready = ImportRun::new(options, Some(out), progress)?;
    ready.check_gate()?;
    let gate = ready.gate.clone();
    let (run, analysis) = ready.run(out, progress)?;
    Ok((run, analysis, gate))
}

impl ImportRun {
    /// Opens the record and looks at all of it.
    pub(crate) fn new(options: ImportRunOptions, out: Option<&Path>, progress: &dyn Progress) -> Result<Self> {
        let clock = Instant::now();
        let source = Source::new(&options.paths)?;
        if let Some(out) = out {
            protect_texts(out, &source.files)?;
            refuse_occupied(out, options.occupied)?;
        }
        let (format, routes) = open(&source, &options.import)?;
        let others = passed_over(format, &source, &options.import);
        let of_others = files_passed_over(&others, options.import.strict)?;
        let stage = RunningStage::begin(progress, Stage::Gate, None);
        let (gate, recorded) = match routes {
            Routes::Tokens(reader) => {
                let gate = Gate::pass(reader.as_ref(), |positions| {
                    progress.advanced(positions as u64);
                    progress.check()
                })?;
                (gate, Recorded::Tokens(reader))
            }
            Routes::Counts(table) => {
                let (gate, table) = check_counts(table);
                (gate, Recorded::Counts(table))
            }
        };
        drop(stage);
        refuse_too_many_experts(&gate)?;
        refuse_no_category(&options.import.category_from, &gate)?;
        let is_read = |path: &&PathBuf| !others.contains(&path.as_path());
        let inputs = source.files.iter().filter(is_read).map(|path| recorded_input(path)).collect::<Result<_>>()?;
        let tokenizer = options.import.tokenizer.as_deref().map(Tokenizer::at).transpose()?;
        let remarks = recorded.header().remarks.iter().cloned().chain(of_others).collect();
        Ok(Self { options, recorded, gate, remarks, inputs, tokenizer, clock })
    }

    /// Refuses a record of which a check failed, unless it is forced.
    pub(crate) fn check_gate(&self) -> Result<()> {
        let failed: Vec<String> = self.gate.failed().map(|check| format!("{}: {}", check.check, check.says)).collect();
        if failed.is_empty() || self.options.force_checks {
            return Ok(());
        }
        Err(Error::corpus(
            format!(
                "the record cannot be true: {} of {} checks failed{}",
                failed.len(),
                self.gate.checks.len(),
                bullets(&failed)
            ),
            format!(
                "mend the recording; or import it all the same with {}, which marks the run",
                OptionName::ForceChecks
            ),
        ))
    }

    /// What a reader of the record should know.
    pub(crate) fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// How much the record holds, in words.
    pub(crate) fn size(&self) -> String {
        match &self.recorded {
            Recorded::Tokens(_) => {
                format!("{}, {}", plural(self.gate.sequences, "sequence"), plural(self.gate.positions, "position"))
            }
            Recorded::Counts(table) => import_counts::size(table),
        }
    }

    /// Writes the trace or the counts, and everything that follows from them.
    pub(crate) fn run(self, out: &Path, progress: &dyn Progress) -> Result<(RunDir, Analysis)> {
        let (run, mut record) = match &self.recorded {
            Recorded::Tokens(reader) => self.write_trace(reader.as_ref(), out, progress)?,
            Recorded::Counts(table) => self.write_counts(table, out)?,
        };
        run.write_record(&record)?;
        progress.planned(&work_plan::after_traces(&record));
        let analysis = finish_run(&run, &mut record, self.options.report, progress, Some(self.clock))?;
        Ok((run, analysis))
    }

    fn write_counts(&self, table: &CountTable, out: &Path) -> Result<(RunDir, RunRecord)> {
        let counts = to_write(table, &self.gate.reading)?;
        let identity = self.identity(false);
        let (run, _) = RunDir::prepare(out, self.options.occupied, &identity)?;
        counts.write(&run)?;
        run.settle_checksums()?;
        Ok((run, self.record(import_counts::record(&counts, self.label()), identity)))
    }

    fn write_trace(
        &self,
        reader: &dyn RouteReader,
        out: &Path,
        progress: &dyn Progress,
    ) -> Result<(RunDir, RunRecord)> {
        let prepared = Prepared::new(reader, &self.gate.reading)?;
        let identity = self.identity(prepared.is_ranked());
        let (run, _) = RunDir::prepare(out, self.options.occupied, &identity)?;
        let names = TraceOptions {
            label: self.label(),
            ranked: prepared.is_ranked(),
            bos: false,
            in_order: self.gate.reading.in_order,
        };
        let mut builder = TraceBuilder::within(run, prepared.shape().clone(), names)?;
        let stage = RunningStage::begin(progress, Stage::Import, Some(self.gate.positions));
        let mut has_drops = false;
        for sequence in prepared.sequences()? {
            let sequence = sequence?;
            has_drops |= sequence.dropped.is_some();
            builder.push(&routed(&sequence))?;
            progress.advanced(sequence.positions(prepared.stride()) as u64);
            progress.check()?;
        }
        drop(stage);
        let text = |id| self.tokenizer.as_ref().and_then(|tokenizer| tokenizer.piece(id));
        let (run, record) = builder.finish_record(text)?;
        let left_out = self.gate.positions.saturating_sub(record.text.tokens);
        let import =
            identity.import.clone().map(|import| ImportRecord { positions_left_out: left_out, has_drops, ..import });
        Ok((run, self.record(record, Identity { import, ..identity })))
    }

    fn header(&self) -> &Header {
        self.recorded.header()
    }

    fn label(&self) -> String {
        let of_path = || {
            let path = self.options.paths.first();
            path.and_then(|path| path.file_stem()).map(|stem| stem.to_string_lossy().into_owned())
        };
        let named = self.options.label.clone().or_else(|| self.header().model.clone());
        named.or_else(of_path).unwrap_or_else(|| "imported".to_owned())
    }

    fn identity(&self, ranked: bool) -> Identity {
        let header = self.header();
        let text = TextOptions {
            inputs: self.inputs.clone(),
            category_key: None,
            text_key: None,
            context: 0,
            truncate: false,
            bos: false,
            max_sequences: None,
        };
        let import = ImportRecord {
            format: header.format.to_owned(),
            engine: header.engine.clone(),
            model: header.model.clone(),
            ranked,
            has_drops: false,
            sequences: self.gate.sequences,
            positions: self.gate.positions,
            positions_left_out: 0,
            remarks: self.remarks.clone(),
            forced: self.gate.checks.iter().any(|check| check.outcome == Outcome::Failed),
            checks: self.gate.checks.clone(),
        };
        Identity { text: Some(text), import: Some(import), ..Identity::new(RunKind::Import) }
    }

    /// The record of the builder, with where its routes come from.
    fn record(&self, built: RunRecord, identity: Identity) -> RunRecord {
        let StatisticSettings { seed, resamples, permutations, include_bos, .. } = self.options.statistics;
        let queues = built.identity.queues;
        RunRecord {
            identity: Identity { queues, ..identity },
            statistics: RecordedSettings { seed, resamples, permutations, exclude_bos: !include_bos },
            command_line: self.options.command_line.clone(),
            corpus: self.options.paths.iter().map(|path| path_text(path)).collect(),
            ..built
        }
    }
}

/// Refuses a folder that cannot be written into before all of the record is looked at, which may take long. Whether a run that is
/// there can be gone on with is known only after that.
fn refuse_occupied(out: &Path, occupied: Occupied) -> Result<()> {
    match occupied {
        Occupied::Resume => Ok(()),
        occupied => RunDir::check(out, occupied, &Identity::new(RunKind::Import)).map(|_| ()),
    }
}

/// The remark on files that the format does not read; with `strict` an error.
fn files_passed_over(others: &[&Path], strict: bool) -> Result<Option<String>> {
    let (few, shown) = (3, |path: &&Path| format!("`{}`", path.display()));
    let names: Vec<String> = others.iter().take(few).map(shown).collect();
    let what = match others.len() {
        0 => return Ok(None),
        1 => format!("1 file is none of the record and was not read: {}", names[0]),
        count if count <= few => {
            format!("{count} files are none of the record and were not read: {}", names.join(", "))
        }
        count => format!("{count} files are none of the record and were not read, such as {}", names.join(", ")),
    };
    if strict {
        return Err(Error::corpus(what, "name the files of the record alone, or a folder that holds no others"));
    }
    Ok(Some(what))
}

/// The most experts of a layer, twice what any released model has. Statistics and charts keep numbers of pairs of experts, which of
/// 65,536 experts would take hundreds of gigabytes.
const MOST_EXPERTS: usize = 4096;

/// Refuses a number of experts that cannot be studied, before anything of its size is made.
fn refuse_too_many_experts(gate: &GateReport) -> Result<()> {
    let most = gate.reading.experts.iter().copied().max().unwrap_or(0);
    if most <= MOST_EXPERTS {
        return Ok(());
    }
    let said =
        gate.checks.iter().find(|check| check.check == "experts_exist").map(|check| format!(" ({})", check.says));
    Err(Error::corpus(
        format!(
            "a layer of the record has {most} experts; expected at most {MOST_EXPERTS}{}",
            said.unwrap_or_default()
        ),
        "correct `num_experts` of routing.json, or give the configuration of the model",
    ))
}

/// Refuses a record in which nothing has a category although somebody said where it comes from.
fn refuse_no_category(from: &CategoryFrom, gate: &GateReport) -> Result<()> {
    if *from == CategoryFrom::Auto || gate.categorized > 0 {
        return Ok(());
    }
    Err(Error::usage(
        format!("{} gives no sequence of the record a category", OptionName::CategoryFrom.with(from)),
        "docs/import.md says where each format has categories",
    ))
}

/// A sequence as the builder takes it.
fn routed(sequence: &PreparedSequence) -> RoutedSequence<'_> {
    RoutedSequence {
        experts: &sequence.experts,
        probability: sequence.probability.as_deref(),
        combine_weight: sequence.combine_weight.as_deref(),
        entropy: sequence.entropy.as_deref(),
        margin_first: sequence.margin_first.as_deref(),
        margin_k: sequence.margin_k.as_deref(),
        logits: sequence.logits.as_deref(),
        dropped: sequence.dropped.as_deref(),
        slots: sequence.slots.as_deref(),
        token_ids: sequence.token_ids.as_deref(),
        positions: sequence.positions.as_deref(),
        document: sequence.document.as_deref(),
        category: sequence.category.as_deref(),
        dataset: sequence.dataset.as_deref(),
        source: Some(&sequence.place),
        spans: &sequence.turns,
    }
}

fn recorded_input(path: &Path) -> Result<RecordedInput> {
    let bytes = std::fs::metadata(path).map_err(Error::io("read", path))?.len();
    let sha256 = sha256_file(path)?;
    Ok(RecordedInput { path: path_text(path), sha256, bytes, partial: false, documents: None, format: None })
}
