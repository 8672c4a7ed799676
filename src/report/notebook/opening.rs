//! The first cells: what was run, what it found, and how sure that is.

use super::{
    document::NotebookCell,
    literal::{markdown, verbatim},
    source::NotebookSource,
};
use crate::{
    error::plural,
    run::{RecordedLayer, RecordedLayout, RunRecord},
};

/// Title and verdict.
pub(super) fn opening(source: &NotebookSource, question: &str) -> Vec<NotebookCell> {
    let text = format!("# {question}\n\n{}", what_was_run(source.record));
    let verdict = format!(
        "## What it found, and how sure that is\n\n{}\n\n{}",
        verbatim(source.verdict),
        how_sure(source.record)
    );
    vec![NotebookCell::Markdown("title".into(), text), NotebookCell::Markdown("verdict".into(), verdict)]
}

fn what_was_run(record: &RunRecord) -> String {
    let (identity, layout, text) = (&record.identity, &record.layout, &record.text);
    let layers: Vec<String> = layout.moe_layers.iter().map(ToString::to_string).collect();
    let queues = identity.queues.as_ref();
    let rule = queues.map_or("?", |queues| queues.capacity_rule.name());
    let group = queues.map_or_else(|| "?".to_owned(), |queues| queues.group.to_string());
    format!(
        "`openmoe-analyze {command}` {version} sent {tokens} ({sequences}, {documents}: {corpus}) \
         through {label}: decoder layers {layers} with {experts}, {top_k} for every token. Capacity rule \
         {rule}, {factor}, routing groups: {group}.\n\nThis notebook reads what the run left behind, with polars and matplotlib alone, and \
         draws its main figures again. Every step is plain code to be changed; the last one starts from the routing itself.",
        command = identity.command,
        version = markdown(&identity.version),
        tokens = plural(text.tokens, "token"),
        sequences = plural(text.sequences as u64, "sequence"),
        documents = plural(text.documents as u64, "document"),
        corpus = markdown(&record.text_names().join(", ")),
        label = markdown(&record.label),
        layers = layers.join(", "),
        experts = experts_in_words(layout),
        top_k = range(layout, |layer| layer.top_k).unwrap_or_else(|| layout.top_k.to_string()),
        rule = markdown(rule),
        factor = queues.map_or_else(
            || "no factor".to_owned(),
            |queues| queues.capacity_rule.factor_in_words(queues.capacity_factor)
        ),
        group = markdown(&group),
    )
}

/// "16 experts each", or from the fewest to the most where layers differ: "4 to 8 experts".
fn experts_in_words(layout: &RecordedLayout) -> String {
    let differing = range(layout, |layer| layer.num_experts);
    differing.map_or_else(|| format!("{} experts each", layout.num_experts), |range| format!("{range} experts"))
}

/// From the least to the most of something that layers differ in; none where they are alike in it.
fn range(layout: &RecordedLayout, of: impl Fn(&RecordedLayer) -> usize) -> Option<String> {
    let (least, most) = (layout.layers.iter().map(&of).min()?, layout.layers.iter().map(&of).max()?);
    (least < most).then(|| format!("{least} to {most}"))
}

fn how_sure(record: &RunRecord) -> String {
    format!(
        "A bracket is a 95 % interval over documents, which are drawn as a whole ({resamples} resamples, seed {seed}); what \
         chance alone gives comes from {permutations} permutations or in closed form. Intervals say how much another draw of \
         documents would change the number, not whether this is the text that should have been analysed. A number with too little behind it is \
         withheld, and its row says why. All of this is about these checkpoints on this text, under this capacity rule \
         and these routing groups: drops depend on what is routed together.",
        resamples = record.statistics.resamples,
        seed = record.statistics.seed,
        permutations = record.statistics.permutations,
    )
}
