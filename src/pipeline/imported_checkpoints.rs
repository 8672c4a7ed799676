//! Imports in the place of checkpoints. No text goes through a model, so the traces themselves must show that they are of the same
//! tokens.

use super::{
    checkpoint_spec::CheckpointSpec,
    options::{DriftOptions, InputOptions, RoutingOptions, RunOptions},
    paper_comparison::kind_in_words,
    progress::Progress,
    reused_runs::whole,
};
use crate::{
    checkpoint::ConfigSource,
    error::{Error, OptionName, Result, bullets, plural},
    routing::Block,
    run::{Identity, RunDir, RunKind, RunRecord},
    trace::{LayerTrace, RoutingTrace},
};

/// Refuses to run the last checkpoint again where routes are imported.
///
/// # Errors
/// [`Error::Usage`]; [`Error::RunFolder`] if a manifest cannot be read.
pub(crate) fn refuse_noise_floor(specs: &[CheckpointSpec]) -> Result<()> {
    let Some(import) = first_import(specs)? else { return Ok(()) };
    Err(Error::usage(
        format!("{} runs the last checkpoint again, but `{}` is an import", OptionName::NoiseFloor, import.label),
        format!("leave {} out: the engine that recorded the routes has to record them again", OptionName::NoiseFloor),
    ))
}

/// The record of a drift run over imports, and over route runs beside them: what all of them agree in. `None` if none is an import.
///
/// # Errors
/// [`Error::Usage`] if a checkpoint would have to route the text, if a text is given, or if the traces are not of the same tokens, with
/// everything in which they differ; reading errors.
pub(crate) fn record_of_imports(
    options: &DriftOptions,
    specs: &[CheckpointSpec],
    progress: &dyn Progress,
) -> Result<Option<RunRecord>> {
    let Some(import) = first_import(specs)? else { return Ok(None) };
    refuse_forward_passes(specs, import)?;
    refuse_text(&options.run, import)?;
    let runs = open(specs)?;
    check_same_tokens(&runs)?;
    refuse_without_ids(options, &runs)?;
    warn_without_ids(&runs, progress);
    let identity = Identity::new(RunKind::Import);
    Ok(runs.into_iter().next().map(|first| RunRecord { identity, config: None, ..first.record }))
}

fn first_import(specs: &[CheckpointSpec]) -> Result<Option<&CheckpointSpec>> {
    for spec in specs.iter().filter(|spec| spec.is_run()) {
        if RunDir::open(&spec.folder)?.loose_record()?.kind() == Some(RunKind::Import) {
            return Ok(Some(spec));
        }
    }
    Ok(None)
}

fn refuse_forward_passes(specs: &[CheckpointSpec], import: &CheckpointSpec) -> Result<()> {
    let Some(checkpoint) = specs.iter().find(|spec| !spec.is_run()) else { return Ok(()) };
    Err(Error::usage(
        format!(
            "`{}` is an import, whose text nobody knows, so it cannot go through the checkpoint `{}`",
            import.label,
            checkpoint.folder.display()
        ),
        "give finished runs alone: imports, and route runs over the same tokens",
    ))
}

/// Refuses everything that is about a text and how it is routed.
fn refuse_text(options: &RunOptions, import: &CheckpointSpec) -> Result<()> {
    let RunOptions { corpus, input, routing, .. } = options;
    let (no_input, no_routing) = (InputOptions::default(), RoutingOptions::default());
    let given = [
        (OptionName::Corpus, !corpus.is_empty()),
        (OptionName::Config, import.config != ConfigSource::Found),
        (OptionName::Category, input.category_key != no_input.category_key),
        (OptionName::TextKey, input.text_key != no_input.text_key),
        (OptionName::Context, input.context != no_input.context),
        (OptionName::Truncate, input.truncate != no_input.truncate),
        (OptionName::MaxSequences, input.max_sequences != no_input.max_sequences),
        (OptionName::NoBos, input.bos != no_input.bos),
        (OptionName::Strict, input.strict != no_input.strict),
        (OptionName::Group, routing.group != no_routing.group),
        (OptionName::CapacityRule, routing.capacity_rule != no_routing.capacity_rule),
        (OptionName::CapacityFactor, routing.capacity_factor != no_routing.capacity_factor),
        (OptionName::AllowConstantRouter, routing.allow_constant_router != no_routing.allow_constant_router),
    ];
    let given: Vec<String> = given.iter().filter(|(_, given)| *given).map(|(name, _)| name.to_string()).collect();
    if given.is_empty() {
        return Ok(());
    }
    let (one, given) = (given.len() == 1, given.join(", "));
    Err(Error::usage(
        format!(
            "{given} {} no effect: the routes of `{}` are recorded already",
            if one { "has" } else { "have" },
            import.label
        ),
        format!("leave {} out", if one { "it" } else { "them" }),
    ))
}

/// A finished run in the place of a checkpoint.
struct FinishedRoutes<'a> {
    label: &'a str,
    record: RunRecord,
    trace: RoutingTrace,
    /// Tokens of every sequence.
    lengths: Vec<u32>,
    /// By sequence, the document's name where something named it.
    documents: Vec<Option<String>>,
}

impl<'a> FinishedRoutes<'a> {
    fn open(spec: &'a CheckpointSpec) -> Result<Self> {
        let run = RunDir::open(&spec.folder)?;
        let record = run.record()?;
        whole(&run, &record)?;
        let trace = RoutingTrace::of(&run, &record)?;
        let (lengths, documents) = (trace.sequences()?.tokens, trace.named_documents()?);
        Ok(Self { label: &spec.label, record, trace, lengths, documents })
    }

    /// How many positions its import left out, if any.
    fn gaps(&self) -> Option<String> {
        let left_out = self.record.identity.import.as_ref()?.positions_left_out;
        let gaps =
            || format!("the import `{}` left out {} without a whole route", self.label, plural(left_out, "position"));
        (left_out > 0).then(gaps)
    }

    fn has_ids(&self) -> bool {
        self.trace.provides().has(Block::TokenIds)
    }
}

fn open(specs: &[CheckpointSpec]) -> Result<Vec<FinishedRoutes<'_>>> {
    let (mut runs, mut problems) = (Vec::new(), Vec::new());
    for spec in specs {
        match FinishedRoutes::open(spec) {
            Ok(run) => runs.push(run),
            Err(error) => problems.push(format!("`{}`: {error}", spec.folder.display())),
        }
    }
    if problems.is_empty() {
        return Ok(runs);
    }
    Err(Error::usage(
        format!("finished runs that cannot stand for checkpoints:{}", bullets(&problems)),
        "give runs that are complete, of the routes of every token",
    ))
}

/// Compares every run with the first.
fn check_same_tokens(runs: &[FinishedRoutes<'_>]) -> Result<()> {
    let Some((first, others)) = runs.split_first() else { return Ok(()) };
    let mut problems = Vec::new();
    for other in others {
        let different = match sizes_differ(first, other) {
            None => rows_differ(first, other)?,
            different => different,
        };
        problems.extend(different.map(|what| format!("`{}` and `{}`: {what}", first.label, other.label)));
    }
    if problems.is_empty() {
        return Ok(());
    }
    let hint =
        "drift compares every token with itself: record the same sequences with every checkpoint, in the same order";
    let gaps: Vec<String> = runs.iter().filter_map(FinishedRoutes::gaps).collect();
    let of_gaps = if gaps.is_empty() {
        String::new()
    } else {
        format!(
            "; {} (its checks grid_complete and experts_exist say why): leave these sequences out of every record",
            gaps.join(", ")
        )
    };
    Err(Error::usage(
        format!("the runs are not of the same tokens in layers of the same kind:{}", bullets(&problems)),
        format!("{hint}{of_gaps}"),
    ))
}

/// The first difference in what can be said without the rows of the trace.
fn sizes_differ(first: &FinishedRoutes<'_>, other: &FinishedRoutes<'_>) -> Option<String> {
    let kinds = [first, other].map(|run| kind_in_words(run.trace.shape()));
    if kinds[0] != kinds[1] {
        return Some(format!("{}; {}", kinds[0], kinds[1]));
    }
    let counts = [first, other].map(|run| run.lengths.len());
    if counts[0] != counts[1] {
        return Some(format!("{} and {} sequences", counts[0], counts[1]));
    }
    let lengths = first.lengths.iter().zip(&other.lengths).enumerate();
    if let Some((sequence, (one, two))) = lengths.into_iter().find(|(_, (one, two))| one != two) {
        return Some(format!("sequence {sequence} has {one} and {two} tokens"));
    }
    let names = first.documents.iter().zip(&other.documents).enumerate();
    let mut names = names.filter_map(|(sequence, (one, two))| Some((sequence, one.as_ref()?, two.as_ref()?)));
    names
        .find(|(_, one, two)| one != two)
        .map(|(sequence, one, two)| format!("sequence {sequence} is of document `{one}` and of `{two}`"))
}

/// The first difference in positions and token ids, read segment by segment. Every layer of a trace has the same rows.
fn rows_differ(first: &FinishedRoutes<'_>, other: &FinishedRoutes<'_>) -> Result<Option<String>> {
    let segments = [first, other].map(|run| run.trace.segments());
    let Some(&layer) = first.trace.moe_layers().first() else { return Ok(None) };
    for segment in 0..segments[0].min(segments[1]) {
        let (one, two) = (first.trace.segment(layer, segment)?, other.trace.segment(layer, segment)?);
        let missing = missing_row(&one, &two).map(|(is_first, (sequence, position))| {
            let label = if is_first { first.label } else { other.label };
            let name = first.documents.get(sequence as usize).cloned().flatten();
            let document = name.map_or_else(String::new, |name| format!(", of document `{name}`,"));
            format!("position {position} of sequence {sequence}{document} is missing in `{label}`")
        });
        if let Some(what) = missing.or_else(|| row_differs(&one, &two)) {
            return Ok(Some(what));
        }
    }
    let differ = segments[0] != segments[1];
    Ok(differ.then(|| format!("traces of {} and {} parts a layer", segments[0], segments[1])))
}

/// The first sequence and position that one of the traces lacks, and whether it is the first trace.
fn missing_row(one: &LayerTrace, two: &LayerTrace) -> Option<(bool, (u32, u32))> {
    let row = |of: &LayerTrace, at: usize| Some((*of.sequence.get(at)?, *of.position.get(at)?));
    let at = (0..one.len().max(two.len())).find(|at| row(one, *at) != row(two, *at))?;
    match (row(one, at), row(two, at)) {
        (Some(one), Some(two)) => Some((two < one, one.min(two))),
        // What is behind the end of the shorter part may stand in its next one, unless its last sequence is the same.
        (Some(longer), None) => (two.sequence.last() == Some(&longer.0)).then_some((false, longer)),
        (None, Some(longer)) => (one.sequence.last() == Some(&longer.0)).then_some((true, longer)),
        (None, None) => None,
    }
}

/// Token ids are compared where both have them: the column is empty in a trace without.
fn row_differs(one: &LayerTrace, two: &LayerTrace) -> Option<String> {
    if one.len() != two.len() {
        return Some(format!("a part of the trace holds {} and {} tokens", one.len(), two.len()));
    }
    let at = one.token_id.iter().zip(&two.token_id).position(|(one, two)| one != two)?;
    let (sequence, position) = (one.sequence[at], one.position[at]);
    let (id, other) = (one.token_id[at], two.token_id[at]);
    Some(format!("position {position} of sequence {sequence} has the token id {id} and {other}"))
}

/// Refuses what follows from token ids where a run has none.
fn refuse_without_ids(options: &DriftOptions, runs: &[FinishedRoutes<'_>]) -> Result<()> {
    let Some(lacking) = runs.iter().find(|run| !run.has_ids()) else { return Ok(()) };
    let what = if options.match_experts {
        "experts cannot be matched".to_owned()
    } else if let Some(id) = options.tokens_of_interest.first() {
        format!("{} cannot be followed", OptionName::TokensOfInterest.with(id))
    } else {
        return Ok(());
    };
    Err(Error::usage(
        format!("{what}: of `{}`, {}", lacking.label, Block::TokenIds.absence()),
        "compare the runs without it, or record token ids",
    ))
}

/// Says that nothing but their number shows that the tokens are the same ones.
fn warn_without_ids(runs: &[FinishedRoutes<'_>], progress: &dyn Progress) {
    let lacking: Vec<String> = runs.iter().filter(|run| !run.has_ids()).map(|run| format!("`{}`", run.label)).collect();
    if !lacking.is_empty() {
        progress.warn(&format!(
            "no token ids in {}: that the tokens are the same follows from nothing but the lengths of the sequences",
            lacking.join(", ")
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_row_that_a_trace_lacks_is_found() {
        let trace = |rows: &[(u32, u32)]| LayerTrace {
            sequence: rows.iter().map(|row| row.0).collect(),
            position: rows.iter().map(|row| row.1).collect(),
            ..LayerTrace::default()
        };
        let whole = trace(&[(0, 0), (0, 1), (1, 0), (1, 1)]);
        assert_eq!(missing_row(&whole, &whole), None);
        for (gap, lacking) in [
            (trace(&[(0, 0), (1, 0), (1, 1)]), (0, 1)),
            (trace(&[(0, 1), (1, 0), (1, 1)]), (0, 0)),
            (trace(&[(0, 0), (0, 1), (1, 0)]), (1, 1)),
        ] {
            assert_eq!(missing_row(&whole, &gap), Some((false, lacking)));
            assert_eq!(missing_row(&gap, &whole), Some((true, lacking)));
        }
        assert_eq!(missing_row(&whole, &trace(&[(0, 0), (0, 1)])), None, "sequence 1 may stand in the next part");
    }
}
