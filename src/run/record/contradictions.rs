//! Refuses manifests whose keys contradict each other: every key may be possible by itself, and still no run has left them together.

use serde_json::{Value, json};

use super::{
    identity::Identity,
    keys::ManifestKeys,
    parts::{RecordedLayer, RecordedLayout},
};
use crate::{error::Result, routing::RunKind};

/// Refuses keys that contradict each other; `has_rows` is whether the run is complete and its own trace has tokens.
///
/// # Errors
/// [`crate::error::Error::RunFolder`] for the first of them.
pub(super) fn refuse(
    keys: &ManifestKeys<'_>,
    identity: &Identity,
    layout: &RecordedLayout,
    has_rows: bool,
) -> Result<()> {
    let (experts, choices) = (layout.num_experts, layout.top_k);
    if choices > experts {
        return Err(keys.wrong("layout.top_k", &choices.into(), &format!("a whole number from 1 to {experts}")));
    }
    refuse_layers(keys, layout)?;
    refuse_options(keys, identity)?;
    if is_of_one_pass(identity) && has_rows && layout.segments == 0 {
        return Err(keys.wrong("layout.segments", &json!(0), "a whole number from 1 on, as there are tokens"));
    }
    Ok(())
}

/// Whether the run has one trace, its own.
fn is_of_one_pass(identity: &Identity) -> bool {
    matches!(identity.command, RunKind::Route | RunKind::Import)
}

/// Layers that differ, beside what is said of all of them.
fn refuse_layers(keys: &ManifestKeys<'_>, layout: &RecordedLayout) -> Result<()> {
    let layers = &layout.layers;
    if layers.is_empty() {
        return Ok(());
    }
    let numbers: Vec<_> = layers.iter().map(|layer| layer.layer).collect();
    if numbers != layout.moe_layers {
        let expected = format!("the layers of `layout.layers`, {}", json!(numbers));
        return Err(keys.wrong("layout.moe_layers", &json!(layout.moe_layers), &expected));
    }
    let most = |of: fn(&RecordedLayer) -> usize| layers.iter().map(of).max().unwrap_or_default();
    let largest = [
        ("layout.num_experts", layout.num_experts, most(|layer| layer.num_experts)),
        ("layout.top_k", layout.top_k, most(|layer| layer.top_k)),
    ];
    if let Some((key, found, most)) = largest.into_iter().find(|(_, found, most)| found != most) {
        return Err(keys.wrong(key, &found.into(), &format!("{most}, the largest of `layout.layers`")));
    }
    layers.iter().enumerate().try_for_each(|(at, layer)| refuse_capacity(keys, at, layer))
}

/// A capacity of which only a part is said, or one that cannot be.
fn refuse_capacity(keys: &ManifestKeys<'_>, at: usize, layer: &RecordedLayer) -> Result<()> {
    let of = |key: &str| format!("layout.layers[{at}].{key}");
    let parts = [
        ("capacity_rule", layer.capacity_rule.is_some()),
        ("capacity_factor", layer.capacity_factor.is_some()),
        ("min_capacity", layer.min_capacity.is_some()),
    ];
    if let (Some((there, _)), Some((absent, _))) = (parts.iter().find(|part| part.1), parts.iter().find(|part| !part.1))
    {
        let expected = format!("a value, as `{}` has one", of(there));
        return Err(keys.wrong(&of(absent), &Value::Null, &expected));
    }
    layer.capacity_factor.map_or(Ok(()), |factor| refuse_factor(keys, &of("capacity_factor"), factor))
}

fn refuse_factor(keys: &ManifestKeys<'_>, key: &str, factor: f64) -> Result<()> {
    if factor >= 0.0 { Ok(()) } else { Err(keys.wrong(key, &json!(factor), "a number that is not negative")) }
}

/// Options that no command line gives, and parts of another kind of run.
fn refuse_options(keys: &ManifestKeys<'_>, identity: &Identity) -> Result<()> {
    // Imported sequences are as long as they were recorded: no context has cut them.
    let is_cut = identity.command != RunKind::Import;
    if is_cut && identity.text.as_ref().is_some_and(|text| text.context == 0) {
        return Err(keys.wrong("context", &json!(0), "a whole number from 1 on"));
    }
    if let Some(queues) = identity.queues {
        refuse_factor(keys, "capacity_factor", queues.capacity_factor)?;
    }
    for (at, replay) in identity.exact_replay.iter().flatten().enumerate() {
        refuse_factor(keys, &format!("exact_replay[{at}].capacity_factor"), replay.capacity_factor)?;
    }
    let labels: Vec<&str> = identity.checkpoints.iter().map(|checkpoint| checkpoint.label.as_str()).collect();
    if is_of_one_pass(identity) && !labels.is_empty() {
        let expected = format!("none in a run of `{}`, which has one trace", identity.command);
        return Err(keys.wrong("checkpoints", &json!(labels), &expected));
    }
    Ok(())
}
