//! A drops run: conversations go through one or two checkpoints. Where do tokens lose their experts, why, and what prevents it?

use std::{path::Path, time::Instant};

use super::{
    asked_queues::asked_queues,
    checkpoint_comparison::check_compatible,
    checkpoint_list::check_labels,
    checkpoint_spec::CheckpointSpec,
    forward_pass::run_forward_pass,
    import_drops_run::ImportDropsRun,
    options::{ConversationOptions, DropsOptions, RunOptions},
    pass::Pass,
    pass_record::pass_record,
    pass_sequence::{self, forward_one},
    prepared_pass::PreparedPass,
    progress::Progress,
    run_folder::note_resumed,
    statistics::{Analysis, finish_run},
    work_plan,
};
use crate::{
    checkpoint::Checkpoint,
    corpus::{ChatTemplate, Template},
    error::{CommandName, Error, OptionName, Result, path_text},
    routing::CapacityRule,
    run::{
        DropsSettings, Identity, QueueOptions, RecordedCheckpoint, RecordedReplay, RunDir, RunKind, RunRecord,
        protect_folders, protect_texts,
    },
};

/// The folder of the run itself.
const OWN: &str = ".";

/// Routes conversations and text with one or two checkpoints, into the new or empty folder `out`. If the checkpoint is a finished
/// import, its routes are replayed with the capacity of the options instead.
/// [`ExecutionOptions::occupied`](super::options::ExecutionOptions::occupied) decides what happens to a folder that is not empty.
///
/// # Errors
/// Options, checkpoints, text or a folder that cannot be used. Nothing is written then, unless the forward pass itself fails.
/// [`Error::Interrupted`] if the run is cancelled; what is complete is kept.
pub fn drops(options: DropsOptions, out: &Path, progress: &dyn Progress) -> Result<(RunDir, Analysis)> {
    if options.checkpoint.is_run() {
        return ImportDropsRun::new(options, Some(out))?.run(out, progress);
    }
    DropsRun::new(options, Some(out), progress)?.run(out, progress)
}

/// A drops run, ready to start.
pub(crate) struct DropsRun {
    /// What is asked of it.
    pub(crate) options: DropsOptions,
    /// The pass of the first checkpoint, then all others.
    pub(crate) passes: Vec<Pass>,
    /// The run's own pass, opened and checked.
    pub(crate) prepared: PreparedPass,
    identity: Identity,
    /// Whether the queues are those of a capacity that is asked of a model that has none.
    asked_capacity: bool,
    clock: Instant,
}

impl DropsRun {
    /// Opens, reads, validates and compares everything; also the folder `out`, if the run is to be written.
    pub(crate) fn new(mut options: DropsOptions, out: Option<&Path>, progress: &dyn Progress) -> Result<Self> {
        let clock = Instant::now();
        check_text(&options)?;
        check_factors(&options)?;
        let (specs, checkpoints) = specs(&options, out)?;
        let queues = asked_of_model(&options, &checkpoints);
        if queues.is_some() {
            // The model's own choices are recorded; only the replay knows a capacity.
            options.run.check()?;
            options.run.routing.capacity_factor = None;
        }
        let template = template(&options, &specs, &checkpoints, progress)?;
        drop(checkpoints);
        let passes = passes(&options, &specs, template, queues.is_some());
        let (prepared, identity) = prepare(&options, out, &specs, &passes, queues, progress)?;
        if queues.is_none() && prepared.router.capacity_rule == CapacityRule::Unlimited {
            progress.note(&unlimited(&prepared));
        }
        Ok(Self { options, passes, prepared, identity, asked_capacity: queues.is_some(), clock })
    }

    /// The whole run, in the folder `out`. Nothing is written before everything has been opened and validated.
    pub(crate) fn run(self, out: &Path, progress: &dyn Progress) -> Result<(RunDir, Analysis)> {
        let Self { options, passes, mut prepared, identity, asked_capacity, clock, .. } = self;
        let expert_parallel = options.expert_parallel.clone();
        let drops = DropsSettings { bin: options.bin, expert_parallel, asked_capacity, recorded_drops: None };
        let options = &options.run;
        let (run, resumed) = RunDir::prepare(out, options.execution.occupied, &identity)?;
        note_resumed(&run, resumed, progress);
        let mut record = RunRecord { identity, drops: Some(drops), ..pass_record(&prepared, &passes[0], options) };
        progress.planned(&work_plan::of_run(Some(&prepared), passes.len(), &record));
        main_pass(&run, &prepared, options, &passes, &mut record, progress)?;
        for pass in &passes[1..] {
            prepared = prepared.with_pass(options, pass, progress)?;
            forward_one(&run, &prepared, options, pass, progress)?;
        }
        drop(prepared);
        let analysis = finish_run(&run, &mut record, options.execution.report, progress, Some(clock))?;
        Ok((run, analysis))
    }
}

/// The queues to ask about, if the model never limits the slots of an expert and the options force no limit on its forward pass.
fn asked_of_model(options: &DropsOptions, checkpoints: &[Checkpoint]) -> Option<QueueOptions> {
    let is_forced = options.run.routing.capacity_rule.is_some() || !options.exact_replay.is_empty();
    let is_limited = checkpoints[0].architecture().capacity.is_some();
    (!is_forced && !is_limited).then(|| asked_queues(&options.run.routing, None))
}

/// That nothing will be dropped, and how to ask what a limit would drop.
fn unlimited(prepared: &PreparedPass) -> String {
    let architecture = prepared.checkpoint.architecture();
    let who = if architecture.capacity.is_some() { "this run" } else { architecture.family.as_str() };
    format!(
        "{who} does not limit the slots of an expert, so nothing is dropped; {} with {} shows what a limit would drop",
        OptionName::CapacityRule.with(CapacityRule::Port),
        OptionName::CapacityFactor
    )
}

/// Opens, reads, validates and compares everything; ready for the first pass. Returns the identity of the run too.
fn prepare(
    options: &DropsOptions,
    out: Option<&Path>,
    specs: &[CheckpointSpec],
    passes: &[Pass],
    asked: Option<QueueOptions>,
    progress: &dyn Progress,
) -> Result<(PreparedPass, Identity)> {
    let prepared = PreparedPass::new(&options.run, &passes[0], progress)?;
    if let Some(out) = out {
        protect_texts(out, prepared.text_paths(&options.run))?;
    }
    let (prepared, identities, to_fetch) = pass_sequence::identities(prepared, &options.run, passes, progress)?;
    let mut identity = identity(options, specs, passes, &prepared.identity);
    identity.queues = asked.or(identity.queues);
    if let Some(out) = out {
        pass_sequence::check(out, options.run.execution.occupied, &identity, passes, &identities)?;
    }
    pass_sequence::note_to_fetch(out, &prepared, passes, &to_fetch, progress);
    Ok((prepared, identity))
}

/// The first checkpoint's forward pass, then that of the second one, then the exact replays.
///
/// A trace has the folder of the run only if the run has no other, and drops what the trace says.
fn passes(options: &DropsOptions, specs: &[CheckpointSpec], template: ChatTemplate, asked: bool) -> Vec<Pass> {
    let is_own = specs.len() == 1 && !asked;
    let trace = |spec: &CheckpointSpec| if is_own { OWN.to_owned() } else { format!("checkpoints/{}", spec.label) };
    let pass = |spec: &CheckpointSpec, factor: Option<f64>| Pass {
        folder: factor.map_or_else(|| trace(spec), replay_folder),
        capacity_factor: factor,
        template,
        ..Pass::of_run(spec.clone(), options.log_logits)
    };
    let replays = options.exact_replay.iter().map(|&factor| pass(&specs[0], Some(factor)));
    specs.iter().map(|spec| pass(spec, None)).chain(replays).collect()
}

/// The first checkpoint's forward pass: into the folder of the run itself if it is the only one, else into a sub-folder.
/// Completes the record of the run.
fn main_pass(
    run: &RunDir,
    prepared: &PreparedPass,
    options: &RunOptions,
    passes: &[Pass],
    record: &mut RunRecord,
    progress: &dyn Progress,
) -> Result<()> {
    let pass = &passes[0];
    if pass.folder == OWN {
        run_forward_pass(run, prepared, pass, record, progress)?;
        if !pass_sequence::is_whole(run, Some(prepared), &passes[1..]) {
            run.write_record(record)?;
        }
        return Ok(());
    }
    if !pass_sequence::is_whole(run, Some(prepared), passes) {
        run.write_record(record)?;
    }
    let own = forward_one(run, prepared, options, pass, progress)?;
    (record.forward_cost, record.ties) = (own.forward_cost, own.ties);
    Ok(())
}

/// The checkpoint and, if there is one, the checkpoint that it is compared with; both opened.
fn specs(options: &DropsOptions, out: Option<&Path>) -> Result<(Vec<CheckpointSpec>, Vec<Checkpoint>)> {
    let specs: Vec<CheckpointSpec> = std::iter::once(&options.checkpoint).chain(&options.compare).cloned().collect();
    check_labels(&specs)?;
    if let Some(spec) = specs.iter().find(|spec| spec.is_run()) {
        return Err(Error::usage(
            format!("`{}` is a finished run; drops needs the checkpoint itself", spec.folder.display()),
            format!("statistics of a finished drops run are made again by {}", CommandName::Stats.on_the_run()),
        ));
    }
    if let Some(out) = out {
        protect_folders(out, specs.iter().map(|spec| spec.folder.as_path()))?;
    }
    let checkpoints = check_compatible(&specs)?;
    Ok((specs, checkpoints))
}

/// The chat template that `auto` means: that of the first checkpoint, for all checkpoints.
fn template(
    options: &DropsOptions,
    specs: &[CheckpointSpec],
    checkpoints: &[Checkpoint],
    progress: &dyn Progress,
) -> Result<ChatTemplate> {
    let Some(conversations) = &options.run.conversations else { return Ok(ChatTemplate::default()) };
    let first = resolved_template(conversations, &checkpoints[0])?;
    for (spec, checkpoint) in specs.iter().zip(checkpoints).skip(1) {
        let own = resolved_template(conversations, checkpoint)?;
        if own != first {
            progress.warn(&format!(
                "`{}` has template {own}, `{}` {first}: both get the same tokens, by {first}",
                spec.label, specs[0].label
            ));
        }
    }
    Ok(first)
}

/// The chat template that is meant for a checkpoint.
///
/// # Errors
/// Those of reading the template.
pub(crate) fn resolved_template(conversations: &ConversationOptions, checkpoint: &Checkpoint) -> Result<ChatTemplate> {
    let template = Template::open(conversations.template, &checkpoint.text_folder())?.to_string().parse()?;
    let is_fallback = conversations.template == ChatTemplate::Auto && template == ChatTemplate::OpenMoe;
    if is_fallback && checkpoint.openmoe().is_none() {
        return Ok(ChatTemplate::Plain);
    }
    Ok(template)
}

fn check_text(options: &DropsOptions) -> Result<()> {
    if options.run.conversations.is_some() || !options.run.corpus.is_empty() {
        return Ok(());
    }
    Err(Error::usage(
        format!("neither {} nor {}; expected text to route", OptionName::Transcripts, OptionName::Corpus),
        format!("name files or folders with {}", OptionName::Transcripts),
    ))
}

fn check_factors(options: &DropsOptions) -> Result<()> {
    let factors = &options.exact_replay;
    if options.run.routing.capacity_rule == Some(CapacityRule::Unlimited) && !factors.is_empty() {
        return Err(Error::usage(
            format!(
                "{} with {}; expected a rule that has a factor",
                OptionName::ExactReplay,
                OptionName::CapacityRule.with(CapacityRule::Unlimited)
            ),
            format!("leave one of the two out, or take {}", OptionName::CapacityRule.with("port")),
        ));
    }
    for (index, factor) in factors.iter().enumerate() {
        if !(factor.is_finite() && *factor > 0.0) || factors[..index].contains(factor) {
            return Err(Error::usage(
                format!("{}; expected positive numbers, each once", OptionName::ExactReplay.with(factor)),
                format!("for example {}", OptionName::ExactReplay.with("1.25 1.5")),
            ));
        }
    }
    Ok(())
}

/// Where the trace of an exact replay is, below the folder of the run.
fn replay_folder(factor: f64) -> String {
    format!("exact_replay/{factor}")
}

/// What decides the results: the forward pass of the first checkpoint, the other checkpoint and the exact replays.
fn identity(options: &DropsOptions, specs: &[CheckpointSpec], passes: &[Pass], first: &Identity) -> Identity {
    let checkpoint = |(spec, pass): (&CheckpointSpec, &Pass)| {
        RecordedCheckpoint::new(spec.label.as_str(), path_text(&spec.folder), pass.folder.as_str())
    };
    let replay = |&capacity_factor: &f64| RecordedReplay { capacity_factor, trace: replay_folder(capacity_factor) };
    Identity {
        command: RunKind::Drops,
        checkpoints: specs.iter().zip(passes).map(checkpoint).collect(),
        exact_replay: Some(options.exact_replay.iter().map(replay).collect()),
        ..first.clone()
    }
}
