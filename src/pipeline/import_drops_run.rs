//! A drops run of imported routes: what was dropped, if the record says it; what a capacity would drop, if it does not or another one
//! is asked for; how evenly the ranks of an expert-parallel placement are loaded. Nothing is routed again.

use std::{path::Path, time::Instant};

use super::{
    asked_queues::asked_queues,
    options::DropsOptions,
    pass_record::statistic_settings,
    progress::Progress,
    statistics::{Analysis, finish_run},
    work_plan,
};
use crate::{
    error::{Error, OptionName, Result, path_text, plural},
    routing::{Block, GroupRule, LayerId, RecordedDrops},
    run::{
        DropsSettings, Identity, RecordedCheckpoint, RunDir, RunKind, RunRecord, TextOptions, TextSummary,
        open_finished, protect_folders,
    },
    trace::RoutingTrace,
};

/// Numbers of ranks unless others are asked for.
const EXPERT_PARALLEL: [u32; 3] = [2, 4, 8];

/// A drops run of imported routes, ready to start.
pub(crate) struct ImportDropsRun {
    options: DropsOptions,
    record: RunRecord,
    clock: Instant,
}

impl ImportDropsRun {
    /// Opens the import and checks the options; also the folder `out`, if the run is to be written.
    pub(crate) fn new(mut options: DropsOptions, out: Option<&Path>) -> Result<Self> {
        let clock = Instant::now();
        refuse_text(&options)?;
        options.run.check()?;
        let spec = &options.checkpoint;
        let (run, import) = open_finished(&spec.folder)?;
        if import.identity.command != RunKind::Import {
            return Err(Error::usage(
                format!("`{}` is a finished run of {}", spec.folder.display(), import.identity.command),
                "give the checkpoint itself, or an import of the routes of every token",
            ));
        }
        let trace = RoutingTrace::of(&run, &import)?;
        let mut experts: Vec<usize> = trace.shape().layers().map(|(_, layer)| layer.num_experts).collect();
        experts.dedup();
        options.expert_parallel = expert_parallel(&options.expert_parallel, &experts)?;
        let recorded = recorded_drops(&trace, &import)?;
        refuse_half_a_replay(&options, recorded)?;
        let longest = trace.sequences()?.tokens.into_iter().max().unwrap_or(0);
        let record = record(&options, &import, longest as usize, recorded)?;
        if let Some(out) = out {
            protect_folders(out, [spec.folder.as_path()])?;
            RunDir::check(out, options.run.execution.occupied, &record.decisive())?;
        }
        Ok(Self { options, record, clock })
    }

    /// What is replayed, in one line.
    pub(crate) fn plan(&self) -> String {
        let (text, queues) = (&self.record.text, self.record.identity.queues);
        let sequences = plural(text.sequences as u64, "sequence");
        if self.record.drops.as_ref().is_some_and(|drops| !drops.asked_capacity) {
            return format!("0 forward passes: the routes of {sequences} and their drops are there");
        }
        let at = queues.map_or_else(String::new, |queues| {
            format!(
                " at capacity factor {} (rule {}, group {})",
                queues.capacity_factor, queues.capacity_rule, queues.group
            )
        });
        format!("0 forward passes: the routes of {sequences} are there; their queues are replayed{at}")
    }

    /// The whole run, in the folder `out`.
    pub(crate) fn run(self, out: &Path, progress: &dyn Progress) -> Result<(RunDir, Analysis)> {
        let Self { options, mut record, clock } = self;
        let execution = &options.run.execution;
        let (run, _) = RunDir::prepare(out, execution.occupied, &record.decisive())?;
        run.write_record(&record)?;
        progress.planned(&work_plan::after_traces(&record));
        let analysis = finish_run(&run, &mut record, execution.report, progress, Some(clock))?;
        Ok((run, analysis))
    }
}

/// Refuses a text, and what needs a forward pass.
fn refuse_text(options: &DropsOptions) -> Result<()> {
    let given = [
        (OptionName::Corpus, !options.run.corpus.is_empty()),
        (OptionName::Transcripts, options.run.conversations.is_some()),
        (OptionName::Compare, options.compare.is_some()),
        (OptionName::ExactReplay, !options.exact_replay.is_empty()),
    ];
    match given.into_iter().find(|(_, is_given)| *is_given) {
        Some((option, _)) => Err(Error::usage(
            format!(
                "{option} with `{}`, which is a finished run: nothing is routed again",
                options.checkpoint.folder.display()
            ),
            format!("leave {option} out, or give a checkpoint"),
        )),
        None => Ok(()),
    }
}

/// What the record of the engine says about drops; `None` if it says nothing.
fn recorded_drops(trace: &RoutingTrace, import: &RunRecord) -> Result<Option<RecordedDrops>> {
    let capacity = trace.shape().layers().find_map(|(_, layer)| layer.capacity);
    // With a capacity and the order of the choices, a trace has drops that were computed from these when it was imported.
    let says_drops = import.identity.import.as_ref().is_some_and(|import| import.has_drops) || capacity.is_none();
    let has_drops = says_drops && import.provides.is_some_and(|provides| provides.has(Block::Drops));
    if !has_drops && capacity.is_none() {
        return Ok(None);
    }
    let choices: usize = trace.shape().layers().map(|(_, layer)| layer.top_k).sum();
    let dropped = |&layer: &LayerId| {
        let kept = trace.layer(layer)?.kept;
        Ok(kept.iter().filter(|kept| !**kept).count() as u64)
    };
    Ok(Some(RecordedDrops {
        dropped: has_drops.then(|| trace.moe_layers().iter().map(dropped).sum::<Result<u64>>()).transpose()?,
        assignments: import.text.tokens * choices as u64,
        capacity,
    }))
}

/// Refuses a part of a capacity beside drops that were recorded: only a factor asks for a replay of them.
fn refuse_half_a_replay(options: &DropsOptions, recorded: Option<RecordedDrops>) -> Result<()> {
    let routing = &options.run.routing;
    let is_replayed = routing.capacity_factor.is_some() || recorded.is_none_or(|recorded| recorded.dropped.is_none());
    let given = [
        (OptionName::CapacityRule, routing.capacity_rule.is_some()),
        (OptionName::Group, routing.group != GroupRule::default()),
    ];
    match given.into_iter().find(|(_, is_given)| *is_given && !is_replayed) {
        Some((option, _)) => Err(Error::usage(
            format!(
                "{option} with `{}`, whose record says what was dropped: nothing is replayed",
                options.checkpoint.folder.display()
            ),
            format!("give {} too for a replay at another capacity, or leave {option} out", OptionName::CapacityFactor),
        )),
        None => Ok(()),
    }
}

/// The numbers of ranks, each once and ascending. Every number that is asked for must divide the experts of every layer.
fn expert_parallel(asked: &[u32], experts: &[usize]) -> Result<Vec<u32>> {
    let divides = |ranks: u32| experts.iter().all(|experts| ranks > 0 && experts.is_multiple_of(ranks as usize));
    if asked.is_empty() {
        return Ok(EXPERT_PARALLEL.into_iter().filter(|ranks| divides(*ranks)).collect());
    }
    if let Some(wrong) = asked.iter().find(|ranks| !divides(**ranks)) {
        return Err(Error::usage(
            format!(
                "{}; expected numbers that divide the experts of every layer, {experts:?}",
                OptionName::ExpertParallel.with(wrong)
            ),
            format!("for example {}", OptionName::ExpertParallel.with("2 4")),
        ));
    }
    let mut ranks = asked.to_vec();
    ranks.sort_unstable();
    ranks.dedup();
    Ok(ranks)
}

/// The record of the run before it starts: the text and the layers are those of the import, whose longest sequence has `longest`
/// tokens.
fn record(
    options: &DropsOptions,
    import: &RunRecord,
    longest: usize,
    recorded_drops: Option<RecordedDrops>,
) -> Result<RunRecord> {
    let spec = &options.checkpoint;
    let capacity = recorded_drops.and_then(|recorded| recorded.capacity);
    let says_drops = recorded_drops.is_some_and(|recorded| recorded.dropped.is_some());
    let asked_capacity = !says_drops || options.run.routing.capacity_factor.is_some();
    let asked = || asked_queues(&options.run.routing, capacity);
    let identity = Identity {
        text: import.identity.text.clone().map(|text| TextOptions { context: longest, ..text }),
        queues: if asked_capacity { Some(asked()) } else { import.identity.queues },
        checkpoints: vec![RecordedCheckpoint::new(spec.label.as_str(), path_text(&spec.folder), spec.whole_path()?)],
        exact_replay: Some(Vec::new()),
        ..Identity::new(RunKind::Drops)
    };
    let expert_parallel = options.expert_parallel.clone();
    Ok(RunRecord {
        drops: Some(DropsSettings { bin: options.bin, expert_parallel, asked_capacity, recorded_drops }),
        statistics: statistic_settings(&options.run.statistics),
        command_line: options.run.execution.command_line.clone(),
        text: TextSummary { conversations_cut: None, ..import.text.clone() },
        threads: Some(rayon::current_num_threads()),
        corpus: import.corpus.clone(),
        ..RunRecord::new(identity, import.label.as_str(), import.layout.clone())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_divide_the_experts_of_every_layer() {
        assert_eq!(expert_parallel(&[], &[12, 4]).unwrap(), [2, 4]);
        assert_eq!(expert_parallel(&[4, 2, 4], &[12]).unwrap(), [2, 4]);
        let error = expert_parallel(&[8], &[12]).unwrap_err().to_string();
        assert!(error.contains("`DropsOptions::expert_parallel = 8`; expected numbers that divide"), "{error}");
    }
}
