//! Whether every layer holds routes, and routes of its own.

use super::check::{Check, CheckResult, Outcome};
use crate::import::{
    gate::reading::Reading,
    routes::{ABSENT, Header, RouteSequence},
};

/// What is known of a layer so far.
#[derive(Clone)]
struct Layer {
    /// The first row that has choices, sorted.
    first: Option<Vec<u16>>,
    rows: u64,
    zeros: u64,
    /// Whether every row so far is like the first.
    constant: bool,
    /// Rows that are like those of the layer before.
    as_before: u64,
}

/// `layers_recorded`: neither empty nor constant.
pub(super) struct LayersRecorded(Vec<Layer>);

/// `layers_differ`: no layer is a copy of the one before.
pub(super) struct LayersDiffer(Vec<Layer>);

fn layers(header: &Header) -> Vec<Layer> {
    vec![Layer { first: None, rows: 0, zeros: 0, constant: true, as_before: 0 }; header.layers.len()]
}

impl LayersRecorded {
    pub(super) fn make(header: &Header) -> Box<dyn Check> {
        Box::new(Self(layers(header)))
    }
}

impl LayersDiffer {
    pub(super) fn make(header: &Header) -> Box<dyn Check> {
        Box::new(Self(layers(header)))
    }
}

/// Calls `f` with the choices of every layer at every position.
fn for_layers<'a>(header: &Header, sequence: &'a RouteSequence, mut f: impl FnMut(usize, &'a [u16])) {
    for row in header.rows(&sequence.experts) {
        header.choices(row).enumerate().for_each(|(at, choices)| f(at, choices));
    }
}

impl Check for LayersRecorded {
    fn see(&mut self, header: &Header, sequence: &RouteSequence) {
        let mut sorted = Vec::new();
        for_layers(header, sequence, |at, choices| {
            let layer = &mut self.0[at];
            if choices.iter().all(|expert| *expert == ABSENT) {
                return;
            }
            layer.rows += 1;
            layer.zeros += u64::from(choices.iter().all(|expert| *expert == 0));
            if layer.constant {
                sorted.clear();
                sorted.extend_from_slice(choices);
                sorted.sort_unstable();
                match &layer.first {
                    Some(first) => layer.constant = *first == sorted,
                    None => layer.first = Some(sorted.clone()),
                }
            }
        });
    }

    fn finish(self: Box<Self>, header: &Header, reading: &mut Reading) -> CheckResult {
        let (mut dense, mut missing, mut constant, mut suspect) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (at, layer) in self.0.iter().enumerate() {
            let recorded = &header.layers[at];
            let is_empty =
                layer.rows == 0 || layer.zeros == layer.rows && (recorded.top_k > 1 || header.may_hold_dense_layers);
            if is_empty && header.may_hold_dense_layers {
                reading.empty_layers.insert(at);
                dense.push(recorded.layer);
            } else if is_empty {
                reading.empty_layers.insert(at);
                missing.push(recorded.layer);
            } else if layer.constant
                && layer.rows > 1
                && recorded.num_experts.is_none_or(|experts| experts > recorded.top_k)
            {
                if recorded.top_k > 1 { constant.push(recorded.layer) } else { suspect.push(recorded.layer) }
            }
        }
        let all = dense.len() == header.layers.len();
        let recorded = header.layers.len() - dense.len() - missing.len();
        let (outcome, says) = if all {
            (Outcome::Failed, "every layer is empty or all zero: the engine recorded nothing".to_owned())
        } else if !missing.is_empty() {
            (
                Outcome::Failed,
                format!("{} empty or all zero: not recorded, or the zeros of a fused kernel", named(&missing)),
            )
        } else if !constant.is_empty() {
            (Outcome::Failed, format!("{} the same experts for every token: the rows are copies", choose(&constant)))
        } else if !suspect.is_empty() {
            (Outcome::Warned, format!("{} the same expert for every token", choose(&suspect)))
        } else if dense.is_empty() {
            (Outcome::Passed, format!("all {recorded} layers hold routes that differ from token to token"))
        } else {
            (Outcome::Passed, format!("{recorded} layers hold routes; {} dense: left out", named(&dense)))
        };
        CheckResult::new("layers_recorded", outcome, says)
            .with("recorded", recorded as f64)
            .with("dense", dense.len() as f64)
            .with("missing", missing.len() as f64)
            .with("constant", (constant.len() + suspect.len()) as f64)
    }
}

impl Check for LayersDiffer {
    fn see(&mut self, header: &Header, sequence: &RouteSequence) {
        let (mut before, mut sorted): (Vec<u16>, Vec<u16>) = (Vec::new(), Vec::new());
        for_layers(header, sequence, |at, choices| {
            sorted.clear();
            sorted.extend_from_slice(choices);
            sorted.sort_unstable();
            if choices.iter().any(|expert| *expert != ABSENT) {
                self.0[at].rows += 1;
                self.0[at].as_before += u64::from(at > 0 && before == sorted);
            }
            std::mem::swap(&mut before, &mut sorted);
        });
    }

    fn finish(self: Box<Self>, header: &Header, reading: &mut Reading) -> CheckResult {
        let is_copy = |at: &usize| {
            let layer = &self.0[*at];
            let has_choice = reading.experts[*at] > reading.choices[*at];
            layer.rows > 1 && layer.as_before == layer.rows && has_choice && !reading.empty_layers.contains(at)
        };
        let copies: Vec<usize> = (1..self.0.len()).filter(is_copy).collect();
        if self.0.len() < 2 {
            return CheckResult::new("layers_differ", Outcome::NotApplicable, "there is one layer");
        }
        let Some(first) = copies.first() else {
            return CheckResult::new("layers_differ", Outcome::Passed, "no layer is a copy of the one before");
        };
        let (layer, before) = (header.layers[*first].layer, header.layers[first - 1].layer);
        let more =
            if copies.len() > 1 { format!(", and {} more are copies too", copies.len() - 1) } else { String::new() };
        let says = format!("layer {layer} is a copy of layer {before}: the same experts for every token{more}");
        CheckResult::new("layers_differ", Outcome::Failed, says).with("copies", copies.len() as f64)
    }
}

fn listed(layers: &[u16]) -> String {
    let shown: Vec<String> = layers.iter().take(8).map(u16::to_string).collect();
    let more = if layers.len() > 8 { format!(" and {} more", layers.len() - 8) } else { String::new() };
    let noun = if layers.len() == 1 { "layer" } else { "layers" };
    format!("{noun} {}{more}", shown.join(", "))
}

fn named(layers: &[u16]) -> String {
    format!("{} {}", listed(layers), if layers.len() == 1 { "is" } else { "are" })
}

fn choose(layers: &[u16]) -> String {
    format!("{} {}", listed(layers), if layers.len() == 1 { "chooses" } else { "choose" })
}
