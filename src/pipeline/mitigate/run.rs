//! The order of the work: everything is opened and checked, then the unchanged model runs, the tables are made from it, and every
//! strategy runs over the same tokens.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use super::{
    passes::{CALIBRATION, Gates, Ingredients, Planned, UNCHANGED, folder, planned},
    tables::Tables,
};
use crate::{
    corpus::ChatTemplate,
    error::{CommandName, Error, OptionName, Result, path_text},
    pipeline::{
        download_plan::bytes_to_fetch,
        drops_run::resolved_template,
        forward_pass::has_whole_trace,
        options::{MitigateOptions, RunOptions},
        pass::Pass,
        pass_record::pass_record,
        pass_sequence::{self, forward_one},
        prepared_pass::PreparedPass,
        progress::Progress,
        quantities,
        run_folder::note_resumed,
        statistics::{Analysis, finish_run},
        work_plan,
    },
    routing::{CapacityRule, Strategy},
    run::{
        Identity, Occupied, RecordedCheckpoint, RecordedInput, RunDir, RunKind, RunRecord, protect_folders,
        protect_from_file, protect_texts,
    },
    stats::LEAST_OCCURRENCES,
    trace::RoutingTrace,
};

/// Runs a text through a checkpoint, unchanged and then with every strategy, into the new or empty folder `out`. Random experts and
/// experts by a hash of the token id always run too: they are the scale.
/// [`ExecutionOptions::occupied`](crate::pipeline::options::ExecutionOptions::occupied) decides what happens to a folder that is not
/// empty.
///
/// # Errors
/// Options, checkpoints, text or a folder that cannot be used. Nothing is written then, unless the forward pass itself fails.
/// [`Error::Interrupted`] if the run is cancelled; what is complete is kept.
pub fn mitigate(options: MitigateOptions, out: &Path, progress: &dyn Progress) -> Result<(RunDir, Analysis)> {
    MitigateRun::new(options, Some(out), progress)?.run(out, progress)
}

/// The pass over the calibration text.
struct CalibrationPass {
    options: RunOptions,
    pass: Pass,
    prepared: PreparedPass,
}

/// A mitigate run, ready to start.
pub(crate) struct MitigateRun {
    /// What is asked of it.
    pub(crate) options: MitigateOptions,
    /// The pass that changes nothing, opened and checked.
    pub(crate) prepared: PreparedPass,
    /// That pass, then those of the strategies.
    pub(crate) passes: Vec<Pass>,
    planned: Vec<Planned>,
    calibration: Option<CalibrationPass>,
    identity: Identity,
    clock: Instant,
}

impl MitigateRun {
    /// Opens, reads, validates and compares everything; also the folder `out`, if the run is to be written.
    pub(crate) fn new(mut options: MitigateOptions, out: Option<&Path>, progress: &dyn Progress) -> Result<Self> {
        let clock = Instant::now();
        check_text(&options)?;
        if options.strategies.is_empty() {
            options.strategies = MitigateOptions::usual(has_capacity(&options)?);
        }
        check_tables(&options)?;
        if let Some(out) = out {
            protect_folders(out, options.checkpoints().map(|spec| spec.folder.as_path()))?;
        }
        let template = template(&options)?;
        let calibration = calibration(&options, progress)?;
        let inputs = |prepared: &PreparedPass| prepared.corpus.files.iter().map(Into::into).collect();
        let calibration_inputs: Vec<RecordedInput> =
            calibration.as_ref().map(|(_, prepared)| inputs(prepared)).unwrap_or_default();
        let own_tables = options.has_lookup() && options.calibration.is_empty();
        let first = Pass {
            losses: true,
            template,
            ..Pass::of_run(options.checkpoint.clone(), options.log_logits || own_tables)
        };
        let mut prepared = PreparedPass::new(&options.run, &first, progress)?;
        check_next_tokens(&options, &prepared)?;
        protect(&options, out, &prepared, calibration.as_ref().map(|(_, prepared)| prepared))?;
        if calibration.is_some() {
            warn_of_own_text(&calibration_inputs, &inputs(&prepared), progress);
        }
        let planned = planned(&options, prepared.layout.shape.moe_layers())?;
        let shape = prepared.layout.shape.clone();
        let ingredients = Ingredients {
            options: &options,
            checkpoint: &prepared.checkpoint,
            shape: &shape,
            template,
            calibration: &calibration_inputs,
        };
        let mut gates = Gates::default();
        let strategies = planned.iter().map(|planned| ingredients.pass(planned, &mut gates, progress));
        let mut passes = vec![ingredients.unchanged()];
        for pass in strategies {
            passes.push(pass?);
        }
        let calibration = calibration
            .map(|(run_options, prepared)| -> Result<CalibrationPass> {
                let pass = ingredients.calibration();
                Ok(CalibrationPass { prepared: prepared.with_intervention(&pass)?, pass, options: run_options })
            })
            .transpose()?;
        let mut identities = Vec::new();
        for pass in &passes {
            prepared = prepared.with_intervention(pass)?;
            identities.push(prepared.identity.clone());
        }
        prepared = prepared.with_intervention(&passes[0])?;
        let mut all = passes.clone();
        if let Some(calibration) = &calibration {
            identities.push(calibration.prepared.identity.clone());
            all.push(calibration.pass.clone());
        }
        let identity = identity(&options, &planned, &all, &identities[0]);
        if let Some(out) = out {
            pass_sequence::check(out, options.run.execution.occupied, &identity, &all, &identities)?;
        }
        note_fetched(out, &passes, &prepared, progress);
        Ok(Self { options, prepared, passes, planned, calibration, identity, clock })
    }

    /// Labels of the strategies, in order, with what their passes are.
    pub(crate) fn labels(&self) -> impl Iterator<Item = &str> {
        let strategies = self.planned.iter().map(|planned| planned.label.as_str());
        std::iter::once(UNCHANGED).chain(strategies).chain(self.calibration.is_some().then_some(CALIBRATION))
    }

    /// Forward passes, with that over the calibration text.
    pub(crate) fn forward_passes(&self) -> usize {
        self.passes.len() + usize::from(self.calibration.is_some())
    }

    /// The whole run, in the folder `out`. Nothing is written before everything has been opened and validated.
    pub(crate) fn run(self, out: &Path, progress: &dyn Progress) -> Result<(RunDir, Analysis)> {
        let forward_passes = self.forward_passes();
        let Self { options, mut prepared, mut passes, planned, mut calibration, identity, clock } = self;
        let (run, resumed) = RunDir::prepare(out, options.run.execution.occupied, &identity)?;
        note_resumed(&run, resumed, progress);
        let mut record = RunRecord { identity, ..pass_record(&prepared, &passes[0], &options.run) };
        if !is_whole(&run, &passes) {
            run.write_record(&record)?;
        }
        progress.planned(&work_plan::of_run(Some(&prepared), forward_passes, &record));
        let own = forward_one(&run, &prepared, &options.run, &passes[0], progress)?;
        (record.forward_cost, record.ties) = (own.forward_cost, own.ties);
        let mut maker = TableMaker { run: &run, options: &options, calibration: calibration.take(), made: None };
        maker.write(&passes[0], &prepared, progress)?;
        for (planned, pass) in planned.iter().zip(&mut passes[1..]) {
            prepared = prepared.with_intervention(pass)?;
            // Tables are made only for what is still to be run.
            let folder = RunDir::open(&run.file(&pass.folder)).ok();
            let is_done = folder.is_some_and(|folder| has_whole_trace(&folder, &prepared, pass));
            if let (Strategy::Lookup(rare), Some(changed), false) =
                (&planned.option.strategy, &mut pass.intervention, is_done)
            {
                let sequences: Vec<&[u32]> =
                    prepared.corpus.sequences.iter().map(|sequence| sequence.token_ids.as_slice()).collect();
                let tables = maker.tables(&prepared, progress)?;
                changed.policy = Some(tables.policy(*rare, &planned.layers, &prepared.checkpoint, &sequences)?);
            }
            forward_one(&run, &prepared, &options.run, pass, progress)?;
            // What a policy holds is not needed any more.
            if let Some(changed) = &mut pass.intervention {
                changed.policy = None;
            }
        }
        maker.finish(progress)?;
        drop(prepared);
        let analysis = finish_run(&run, &mut record, options.run.execution.report, progress, Some(clock))?;
        Ok((run, analysis))
    }
}

/// Whether every pass says that it is complete; only then the run may stay marked as complete.
fn is_whole(run: &RunDir, passes: &[Pass]) -> bool {
    let is_complete = |folder: &RunDir| folder.loose_record().is_ok_and(|record| record.is_complete());
    is_complete(run)
        && passes.iter().all(|pass| RunDir::open(&run.file(&pass.folder)).is_ok_and(|folder| is_complete(&folder)))
}

/// Makes the tables of a lookup when they are first needed.
struct TableMaker<'a> {
    run: &'a RunDir,
    options: &'a MitigateOptions,
    calibration: Option<CalibrationPass>,
    made: Option<Tables>,
}

impl TableMaker<'_> {
    fn tables(&mut self, prepared: &PreparedPass, progress: &dyn Progress) -> Result<&Tables> {
        let made = match self.made.take() {
            Some(made) => made,
            None => self.make(prepared, progress)?,
        };
        Ok(self.made.insert(made))
    }

    fn make(&self, prepared: &PreparedPass, progress: &dyn Progress) -> Result<Tables> {
        let rule = &prepared.checkpoint.architecture().experts.router;
        let tables = if let Some(CalibrationPass { options, pass, prepared }) = &self.calibration {
            forward_one(self.run, prepared, options, pass, progress)?;
            Tables::of_calibration(&RunDir::open(&self.run.file(&pass.folder))?, rule, progress)?
        } else {
            let seed = self.options.run.statistics.seed;
            let folder = RunDir::open(&self.run.file(&folder(UNCHANGED)))?;
            Tables::of_own_text(&folder, rule, seed, progress)?
        };
        if tables.are_empty() {
            progress.warn(&format!(
                "no token id occurs {LEAST_OCCURRENCES} times in the text that tables are made from: every token keeps the model's own router"
            ));
        }
        Ok(tables)
    }

    /// Writes the tables, if that is asked for.
    fn write(&mut self, unchanged: &Pass, prepared: &PreparedPass, progress: &dyn Progress) -> Result<()> {
        let Some(file) = &self.options.write_table else { return Ok(()) };
        let trace = RoutingTrace::open(&RunDir::open(&self.run.file(&unchanged.folder))?)?;
        let tables = self.tables(prepared, progress)?;
        tables.write(file, &prepared.checkpoint, &trace)?;
        progress.note(&format!("the table of token ids is in {}", file.display()));
        Ok(())
    }

    /// The pass over the calibration text is complete also where no table was needed again.
    fn finish(self, progress: &dyn Progress) -> Result<()> {
        match (&self.calibration, &self.made) {
            (Some(CalibrationPass { options, pass, prepared }), None) => {
                forward_one(self.run, prepared, options, pass, progress).map(|_| ())
            }
            _ => Ok(()),
        }
    }
}

/// Whether the model, run with these options, limits the slots of an expert.
fn has_capacity(options: &MitigateOptions) -> Result<bool> {
    let (checkpoint, routing) = (options.checkpoint.open()?, &options.run.routing);
    let router = checkpoint.architecture().router_settings(routing.capacity_rule, routing.capacity_factor);
    Ok(router.capacity_rule != CapacityRule::Unlimited)
}

/// Refuses a run without text, and routes in the place of a checkpoint.
fn check_text(options: &MitigateOptions) -> Result<()> {
    let run = &options.run;
    if run.conversations.is_none() && run.corpus.is_empty() {
        return Err(Error::usage(
            format!("neither {} nor {}; expected text to predict", OptionName::Corpus, OptionName::Transcripts),
            format!("name files or folders with {}", OptionName::Corpus),
        ));
    }
    if let Some(spec) = options.checkpoints().find(|spec| spec.is_run()) {
        return Err(Error::usage(
            format!("`{}` is a finished run; mitigate needs the checkpoint itself", spec.folder.display()),
            format!("statistics of a finished run are made again by {}", CommandName::Stats.on_the_run()),
        ));
    }
    Ok(())
}

/// Refuses options about tables where none is made.
fn check_tables(options: &MitigateOptions) -> Result<()> {
    let idle = |option: OptionName| {
        Error::usage(
            format!("{option} without a lookup; no table of token ids is made"),
            format!("add {}, or leave {option} out", OptionName::Strategy.with("lookup")),
        )
    };
    let is_standard_input = |path: &PathBuf| path == Path::new("-");
    if options.calibration.iter().any(is_standard_input) && options.run.text_paths().any(is_standard_input) {
        return Err(Error::usage(
            format!("{} and the text are both `-`; standard input can be read once", OptionName::Calibration),
            "put one of them into a file",
        ));
    }
    let is_parquet = |file: &PathBuf| file.extension().is_some_and(|ending| ending == "parquet");
    if let Some(file) = options.write_table.as_ref().filter(|file| !is_parquet(file)) {
        return Err(Error::usage(
            format!("{} `{}`; expected a file that ends in .parquet", OptionName::WriteTable, file.display()),
            "the table is written as Parquet",
        ));
    }
    match (options.has_lookup(), options.calibration.is_empty(), &options.write_table) {
        (false, false, _) => Err(idle(OptionName::Calibration)),
        (false, _, Some(_)) => Err(idle(OptionName::WriteTable)),
        _ => Ok(()),
    }
}

/// The template of the conversations, if there are any.
fn template(options: &MitigateOptions) -> Result<ChatTemplate> {
    let conversations = options.run.conversations.as_ref();
    conversations.map_or(Ok(ChatTemplate::default()), |own| resolved_template(own, &options.checkpoint.open()?))
}

/// Reads the calibration text, all of it: what limits the text of the run does not limit it.
fn calibration(options: &MitigateOptions, progress: &dyn Progress) -> Result<Option<(RunOptions, PreparedPass)>> {
    if options.calibration.is_empty() {
        return Ok(None);
    }
    let mut run = options.run.clone();
    run.corpus.clone_from(&options.calibration);
    run.conversations = None;
    run.input.max_sequences = None;
    run.input.truncate = false;
    // Categories are those of the text that is predicted.
    run.input.category_key = None;
    let prepared = PreparedPass::new(&run, &Pass::of_run(options.checkpoint.clone(), true), progress)?;
    if prepared.corpus.sequences.is_empty() {
        return Err(Error::usage(
            format!("{}: the text has no token", OptionName::Calibration),
            "give a text that the tables can be made from",
        ));
    }
    Ok(Some((run, prepared)))
}

/// Refuses a text without any next token that counts.
fn check_next_tokens(options: &MitigateOptions, prepared: &PreparedPass) -> Result<()> {
    let first = if options.run.statistics.include_bos { 2 } else { 3 };
    if prepared.corpus.sequences.iter().any(|sequence| sequence.token_ids.len() >= first) {
        return Ok(());
    }
    let without = if first == 2 { String::new() } else { format!(" without position 0 ({})", OptionName::ExcludeBos) };
    Err(Error::usage(
        format!("no sequence of the text has a second token{without}, so there is no next token to predict"),
        "give a longer text",
    ))
}

/// Nothing that is read may be written over.
fn protect(
    options: &MitigateOptions,
    out: Option<&Path>,
    prepared: &PreparedPass,
    calibration: Option<&PreparedPass>,
) -> Result<()> {
    let Some(out) = out else { return Ok(()) };
    let texts: Vec<&PathBuf> = prepared
        .text_paths(&options.run)
        .chain(&options.calibration)
        .chain(calibration.into_iter().flat_map(|calibration| calibration.corpus.files.iter().map(|file| &file.path)))
        .collect();
    protect_texts(out, texts.iter().copied())?;
    if let Some(file) = &options.write_table {
        let folders = options.checkpoints().map(|spec| spec.folder.as_path());
        let read = folders.chain(texts.iter().map(|path| path.as_path()));
        let may_replace = options.run.execution.occupied != Occupied::Refuse;
        protect_from_file((OptionName::WriteTable, file), out, read, may_replace)?;
    }
    Ok(())
}

/// Warns of tables that are made from the very text that they route.
fn warn_of_own_text(calibration: &[RecordedInput], text: &[RecordedInput], progress: &dyn Progress) {
    for file in calibration.iter().filter(|file| text.iter().any(|own| own.sha256 == file.sha256)) {
        progress.warn(&format!(
            "{} `{}` is in the text too: its tables have seen what they route, and cost less than on other text; without {} they are \
             made from other documents",
            OptionName::Calibration,
            file.path,
            OptionName::Calibration
        ));
    }
}

/// Says what all passes fetch of a checkpoint that is read from the hub and kept nowhere.
fn note_fetched(out: Option<&Path>, passes: &[Pass], prepared: &PreparedPass, progress: &dyn Progress) {
    let is_streamed = |pass: &Pass| pass.spec.weights.as_ref().is_some_and(|weights| weights.is_streamed);
    if !passes.iter().all(is_streamed) {
        return;
    }
    let to_fetch: Vec<u64> =
        passes.iter().map(|pass| bytes_to_fetch(pass, &prepared.checkpoint, prepared.waves())).collect();
    let run = || out.and_then(|out| RunDir::open(out).ok());
    if !run().is_some_and(|run| is_whole(&run, passes)) {
        progress.note(&format!(
            "{} forward passes read about {} in all, since nothing is kept",
            passes.len(),
            quantities::bytes(to_fetch.iter().sum::<u64>() as f64)
        ));
    }
}

/// What decides the results: that of the unchanged pass, and where every pass is.
fn identity(options: &MitigateOptions, planned: &[Planned], all: &[Pass], first: &Identity) -> Identity {
    let path = path_text(&options.checkpoint.folder);
    let labels = std::iter::once(UNCHANGED)
        .chain(planned.iter().map(|planned| planned.label.as_str()))
        .chain(std::iter::once(CALIBRATION));
    let entry = |(label, pass): (&str, &Pass)| RecordedCheckpoint::new(label, path.as_str(), pass.folder.as_str());
    Identity { command: RunKind::Mitigate, checkpoints: labels.zip(all).map(entry).collect(), ..first.clone() }
}
