//! What a manifest says about a trace, as far as it can be true.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{layout::TraceLayout, provides::Provides};
use crate::{
    error::{Error, Result},
    routing::{CapacityPolicy, LayerId, LayerShape, RoutingShape},
    run::RunDir,
};

/// What to do about a manifest that cannot be true.
const CHANGED: &str = "the manifest was changed or the run made by another version: run it again with --force";

/// One routed layer as a manifest lists it, where layers differ.
#[derive(Serialize, Deserialize)]
struct RecordedLayer {
    layer: LayerId,
    #[serde(flatten)]
    shape: LayerShape,
}

/// The key `layout` of a manifest. `num_experts` and `top_k` are those of all layers; where layers differ the largest, and the
/// key `layers` lists every layer.
pub fn recorded_layout(layout: &TraceLayout) -> Value {
    let shape = &layout.shape;
    let mut recorded = json!({
        "moe_layers": shape.moe_layers(),
        "num_experts": shape.most_experts(),
        "top_k": shape.most_choices(),
        "segments": layout.segments.len(),
        "groups": layout.groups.len(),
    });
    if shape.alike().is_none() && !shape.is_empty() {
        let layers = shape.layers().map(|(layer, shape)| json!(RecordedLayer { layer, shape: *shape }));
        recorded["layers"] = layers.collect();
    }
    recorded
}

/// The shape of the routed layers, from a manifest.
///
/// # Errors
/// [`Error::RunFolder`] if it does not say it, or says what cannot be.
pub(super) fn shape(run: &RunDir, manifest: &Value) -> Result<RoutingShape> {
    let layout = &manifest["layout"];
    let Value::Array(listed) = &layout["layers"] else { return uniform(run, manifest) };
    let layer = |value: &Value| {
        let recorded: RecordedLayer = serde_json::from_value(value.clone()).map_err(|error| {
            Error::run_folder(
                format!(
                    "manifest.json of `{}` has `layout.layers` with {}: {error}",
                    run.path().display(),
                    terse(value)
                ),
                CHANGED,
            )
        })?;
        Ok((recorded.layer, recorded.shape))
    };
    let layers = listed.iter().map(layer).collect::<Result<Vec<_>>>()?;
    RoutingShape::new(layers).map_err(|error| {
        Error::run_folder(format!("manifest.json of `{}` has `layout.layers`: {error}", run.path().display()), CHANGED)
    })
}

/// What the trace of a run provides; a manifest that does not say it is of the first version.
///
/// # Errors
/// [`Error::RunFolder`] if it names blocks that do not exist, or a later schema.
pub(super) fn recorded_provides(run: &RunDir, manifest: &Value) -> Result<Provides> {
    match &manifest["provides"] {
        Value::Null => Ok(Provides::first_version(true)),
        value => Provides::deserialize(value).map_err(|error| {
            Error::run_folder(
                format!("manifest.json of `{}` has `provides` {}: {error}", run.path().display(), terse(value)),
                CHANGED,
            )
        }),
    }
}

/// The shape of layers that are all alike.
fn uniform(run: &RunDir, manifest: &Value) -> Result<RoutingShape> {
    let number = |key: &str, range| manifest_number(run, &manifest["layout"][key], &format!("layout.{key}"), range);
    let num_experts = number("num_experts", 1..=RoutingShape::MOST_EXPERTS)?;
    let top_k = number("top_k", 1..=num_experts.min(RoutingShape::MOST_CHOICES))?;
    let layers = layers(run, &manifest["layout"]["moe_layers"])?;
    let capacity = policy(manifest);
    Ok(RoutingShape::uniform(layers, LayerShape { capacity, ..LayerShape::of_choices(num_experts, top_k) }))
}

/// How capacity was set; `None` if the manifest does not say it, or says what cannot be.
fn policy(manifest: &Value) -> Option<CapacityPolicy> {
    Some(CapacityPolicy {
        rule: manifest["capacity_rule"].as_str()?.parse().ok()?,
        factor: manifest["capacity_factor"].as_f64()?,
        minimum: manifest["min_capacity"].as_u64()? as u32,
    })
}

/// A number of a manifest, which anybody may have edited: what follows trusts it.
///
/// # Errors
/// [`Error::RunFolder`] if it is none, or not in the range.
pub fn manifest_number(run: &RunDir, value: &Value, key: &str, range: RangeInclusive<usize>) -> Result<usize> {
    let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
    number.filter(|number| range.contains(number)).ok_or_else(|| {
        Error::run_folder(
            format!(
                "manifest.json of `{}` has `{key}` {}; expected a number from {} to {}",
                run.path().display(),
                terse(value),
                range.start(),
                range.end()
            ),
            CHANGED,
        )
    })
}

/// The MoE layers of a manifest, in order.
fn layers(run: &RunDir, value: &Value) -> Result<Vec<LayerId>> {
    let layer = |value: &Value| value.as_u64().and_then(|layer| LayerId::try_from(layer).ok());
    let layers: Option<Vec<LayerId>> = value.as_array().and_then(|list| list.iter().map(layer).collect());
    layers.filter(|layers| layers.is_sorted_by(|one, other| one < other)).ok_or_else(|| {
        Error::run_folder(
            format!(
                "manifest.json of `{}` has `layout.moe_layers` {}; expected ascending numbers up to {}",
                run.path().display(),
                terse(value),
                LayerId::MAX
            ),
            CHANGED,
        )
    })
}

/// JSON, cut where it is long.
fn terse(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() > 60 { format!("{}…", text.chars().take(60).collect::<String>()) } else { text }
}
