//! The first cells: what was run, what it found, and how sure that is.

use std::path::Path;

use serde_json::Value;

use super::{
    document::Cell,
    literal::{markdown, verbatim},
    source::NotebookSource,
};

/// Title and verdict.
pub(super) fn opening(source: &NotebookSource, question: &str) -> Vec<Cell> {
    let text = format!("# {question}\n\n{}", what_was_run(source.manifest));
    let verdict = format!(
        "## What it found, and how sure that is\n\n{}\n\n{}",
        verbatim(source.verdict),
        how_sure(source.manifest)
    );
    vec![Cell::Markdown("title".into(), text), Cell::Markdown("verdict".into(), verdict)]
}

fn what_was_run(manifest: &Value) -> String {
    let text = |key: &str| markdown(manifest[key].as_str().unwrap_or("?"));
    let layout = &manifest["layout"];
    let layers: Vec<String> = layout["moe_layers"].as_array().into_iter().flatten().map(Value::to_string).collect();
    format!(
        "`openmoe-analyze {command}` {version} sent {tokens} tokens ({sequences} sequences, {documents} documents: {corpus}) \
         through {label}: decoder layers {layers} with {experts} experts each, {top_k} for every token. Capacity rule \
         {rule}, {factor}, routing groups: {group}.\n\nThis notebook reads what the run left behind, with polars and matplotlib alone, and \
         draws its main figures again. Every step is plain code to be changed; the last one starts from the routing itself.",
        command = manifest["command"].as_str().unwrap_or_default(),
        version = text("version"),
        tokens = manifest["tokens"],
        sequences = manifest["sequences"],
        documents = manifest["documents"],
        corpus = markdown(&corpus(manifest)),
        label = text("label"),
        layers = layers.join(", "),
        experts = layout["num_experts"],
        top_k = layout["top_k"],
        rule = text("capacity_rule"),
        factor =
            manifest["capacity_factor"].as_f64().map_or("no factor".to_owned(), |factor| format!("factor {factor}")),
        group = text("group"),
    )
}

/// Names of the files and folders that were read.
fn corpus(manifest: &Value) -> String {
    let paths = |key: &str| manifest[key].as_array().into_iter().flatten().filter_map(Value::as_str);
    let names = paths("transcripts").chain(paths("corpus"));
    let names = names.map(|path| Path::new(path).file_stem().map_or(path.into(), |stem| stem.to_string_lossy()));
    names.collect::<Vec<_>>().join(", ")
}

fn how_sure(manifest: &Value) -> String {
    format!(
        "A bracket is a 95 % interval over documents, which are drawn as a whole ({resamples} resamples, seed {seed}); what \
         chance alone gives comes from {permutations} permutations or in closed form. Intervals say how much another draw of \
         documents would change the number, not whether this is the text that should have been analysed. A number with too little behind it is \
         withheld, and its row says why. All of this is about these checkpoints on this text, under this capacity rule \
         and these routing groups: drops depend on what is routed together.",
        resamples = manifest["resamples"],
        seed = manifest["seed"],
        permutations = manifest["permutations"],
    )
}
