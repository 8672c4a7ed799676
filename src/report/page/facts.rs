//! What was run, in a few words.

use serde_json::Value;

use super::{filling::KeyAndValue, reported_run::ReportedRun};
use crate::{chart::ChartContext, stats::counted};

/// How much text was routed. Of numbers of assignments nobody knows the sequences.
pub(super) fn text_in_words(context: &ChartContext) -> String {
    let tokens = counted(context.tokens, "token");
    let [sequences, documents] =
        [(context.sequences, "sequence"), (context.documents, "document")].map(|(number, noun)| counted(number, noun));
    match (context.sequences, context.documents) {
        (0, 0) => format!("{tokens}, of which every assignment was counted"),
        (0, _) => format!("{tokens} in {documents}, of which every assignment was counted"),
        _ => format!("{tokens} in {sequences} of {documents}"),
    }
}

/// The facts about a run: a few words on what was run.
pub(super) fn facts(run: &ReportedRun<'_>) -> Vec<KeyAndValue> {
    let context = run.context;
    let layers: Vec<String> = context.shape.moe_layers().iter().map(ToString::to_string).collect();
    let text = text_in_words(context);
    let shape = &context.shape;
    let noun = |number: &str, one: &'static str, more: &'static str| if number == "1" { one } else { more };
    let (experts, choices) = (shape.experts_in_words(), shape.choices_in_words());
    let router = format!(
        "{experts} {}, {choices} {} a token",
        noun(&experts, "expert", "experts"),
        noun(&choices, "choice", "choices")
    );
    let queues = run.queues.map(|queues| {
        let factor = queues.capacity_rule.factor_in_words(Value::from(queues.capacity_factor));
        let asked = if context.asked_capacity.is_some() { ", asked for: a replay" } else { "" };
        format!("rule {}, {factor}, group {}{asked}", queues.capacity_rule, queues.group)
    });
    let ties = (run.ties > 0).then(|| {
        format!("equal scores decided for {}, summed over layers; the lower id wins", counted(run.ties, "token"))
    });
    let intervals = run.statistics.as_ref().map(|statistics| {
        let bootstrap = match statistics.resamples {
            0 => "95 % by jackknife alone".to_owned(),
            resamples => format!("95 % over documents, {resamples} resamples"),
        };
        let permutations = match statistics.permutations {
            0 => "no".to_owned(),
            permutations => permutations.to_string(),
        };
        format!("{bootstrap}; {permutations} permutations")
    });
    let lines = [
        ("Model", Some(context.checkpoint.clone())),
        ("Text", Some(context.corpus.clone())),
        ("Amount", Some(text)),
        ("MoE layers", Some(layers.join(", "))),
        ("Router", Some(router)),
        ("Ties", ties),
        ("Capacity", queues),
        ("Intervals", intervals),
    ];
    let told = lines.into_iter().filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?)));
    told.map(|(name, value)| KeyAndValue { name: name.to_owned(), value }).collect()
}
