//! The verdict of `route` in words.

use super::{criterion::meaning, entry::VerdictEntry, layers::named, numbers::whole};
use crate::{
    error::noun_of,
    routing::{ExpertId, LayerId},
    stats::{
        LAYERS_EACH,
        verdict::{
            Compared, Context, Explained, Independence, LayerIndependence, LayersDiffer, Missing, OverallIndependence,
            RouteVerdict, Share,
        },
    },
};

/// One line per `MoE` layer, eight at most, then one for the others.
pub(super) fn lines(verdict: &RouteVerdict) -> Vec<String> {
    let (shown, others) = verdict.layers.split_at(verdict.layers.len().min(LAYERS_EACH));
    let mut lines: Vec<String> = shown.iter().map(layer_line).collect();
    lines.extend((!others.is_empty()).then(|| rest(others)));
    lines
}

/// Every layer, all together, and how they compare.
pub(super) fn entries(verdict: &RouteVerdict) -> Vec<VerdictEntry> {
    let layers = verdict.layers.iter().map(|layer| VerdictEntry::new(layer.verdict(), layer_line(layer)));
    let together = VerdictEntry::new(verdict.overall.verdict(), overall(verdict));
    let compared = verdict.compared.as_ref().map(|own| VerdictEntry::new(own.verdict(), compared(own)));
    layers.chain([together]).chain(compared).collect()
}

/// An answer as what is said about the routing of a layer.
pub(super) fn adjective(answer: Independence) -> &'static str {
    match answer {
        Independence::Fully => "fully context-independent",
        Independence::Yes => "context-independent",
        Independence::AtLeastMostly => "at least mostly context-independent",
        Independence::Mostly => "mostly context-independent",
        Independence::Undecided | Independence::Unexplained => "undecided whether context-independent",
        Independence::No => "not context-independent",
        Independence::NearlyConstantRouter => "the router is nearly constant",
        Independence::ConstantRouter => "the router is constant",
        Independence::NotEnoughData => "not enough data to judge",
    }
}

/// A context variable.
pub(super) fn context_name(context: Context) -> &'static str {
    match context {
        Context::Document => "the document",
        Context::PreviousToken => "the previous token",
        Context::Category => "the category",
        Context::Position => "the position",
    }
}

/// Why it is not known what a variable explains. `same` is the reason for a variable that has only one value.
pub(super) fn reason(missing: &Missing, same: &str) -> String {
    match missing {
        Missing::NotMeasured => "not measured".to_owned(),
        Missing::Withheld { note } => note.as_deref().unwrap_or("withheld").to_owned(),
        Missing::NoInterval { note } => note.as_deref().unwrap_or("too few documents for an interval").to_owned(),
        Missing::WithoutPermutations => "without permutations chance is not known".to_owned(),
        Missing::SingleValue => same.to_owned(),
        Missing::NearChance { chance, ceiling } => {
            format!("chance alone would explain {chance:.2} of {ceiling:.2} bits")
        }
    }
}

/// The share in percent with its interval, which is cut off at 100 %, because the symmetric interval may end above.
pub(super) fn share_words(share: Share) -> String {
    format!("{} % [{}, {}]", whole(share.value), whole(share.low), whole(share.high.min(1.0)))
}

fn layer_line(layer: &LayerIndependence) -> String {
    format!("layer {}: {}", layer.layer, layer_words(layer))
}

fn layer_words(layer: &LayerIndependence) -> String {
    let token = match &layer.token {
        Explained::Nothing(_) if layer.answer == Independence::ConstantRouter => return constant(&layer.experts),
        Explained::Nothing(bits) => {
            return format!("the router is nearly constant: only {bits:.2} bits are there to explain at all");
        }
        Explained::Unknown(missing) => {
            return format!("not enough data ({})", reason(missing, "every token has the same id"));
        }
        Explained::Share(token) => share_words(*token),
    };
    format!("{}: the token id explains {token} of the routing; {}", adjective(layer.answer), contexts(layer))
}

fn constant(experts: &[ExpertId]) -> String {
    format!("the router is constant: {}; there is nothing to explain", constant_words(experts))
}

/// Which experts every token gets.
pub(super) fn constant_words(experts: &[ExpertId]) -> String {
    let names: Vec<String> = experts.iter().map(ToString::to_string).collect();
    format!("every token gets the {} {}", noun_of(names.len() as u64, "expert"), names.join(", "))
}

/// What the context variables add, and why some are not known.
fn contexts(layer: &LayerIndependence) -> String {
    if let Some(left) = layer.nothing_left {
        return format!("nothing is left for the context ({left:.2} bits)");
    }
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for (context, added) in Context::ALL.into_iter().zip(&layer.contexts) {
        let name = context_name(context);
        let verb = if known.is_empty() { " explains" } else { "" };
        let at_most = if context.is_upper_end() { " at most" } else { "" };
        match added {
            Explained::Share(share) => known.push(format!("{name}{verb}{at_most} {}", share_words(*share))),
            Explained::Nothing(_) => unknown.push(format!("{name}: nothing is left")),
            Explained::Unknown(missing) => {
                let reason = reason(missing, "it is the same for all tokens");
                unknown.push(format!("{name}: not enough data ({reason})"));
            }
        }
    }
    let known = (!known.is_empty()).then(|| format!("of what that leaves open, {}", known.join(", ")));
    known.into_iter().chain(unknown).collect::<Vec<_>>().join("; ")
}

/// The layers beyond the ones shown, in one line.
fn rest(others: &[LayerIndependence]) -> String {
    let told = RouteVerdict::range(others).map_or_else(
        || "not enough data".to_owned(),
        |(low, high)| {
            let ends = format!("{} and {} %", whole(low), whole(high));
            format!("the intervals of what the token id explains lie between {ends}; see summary.json")
        },
    );
    let ids = |holds: fn(&LayerIndependence) -> bool| -> Vec<LayerId> {
        others.iter().filter(|layer| holds(layer)).map(|layer| layer.layer).collect()
    };
    let constant = ids(|layer| layer.answer == Independence::ConstantRouter);
    let constant = (!constant.is_empty()).then(|| format!("; the router of {} is constant", named(&constant)));
    format!("{}: {told}{}", named(&ids(|_| true)), constant.unwrap_or_default())
}

/// The judgement on all layers that have something to explain, and how they compare.
fn overall(verdict: &RouteVerdict) -> String {
    let all = &verdict.overall;
    if verdict.layers.is_empty() {
        return "not enough data: no MoE layer has a mutual information of expert and token id".to_owned();
    }
    let nearly = if all.is_left_out_constant { "" } else { ", or nearly so" };
    if all.answer.is_constant() {
        return format!("overall: the router is constant in every layer{nearly}: there is nothing to explain");
    }
    let left_out = match all.left_out.as_slice() {
        [] => String::new(),
        [one] => format!("; {} is left out: its router is constant{nearly}", named(&[*one])),
        many => format!("; {} are left out: their routers are constant{nearly}", named(many)),
    };
    match &verdict.compared {
        None => format!("overall: not enough data to say whether routing follows the token id{left_out}"),
        Some(own) => {
            format!("overall: {}; {}{left_out}", judged(all), compared(own))
        }
    }
}

/// The judgement on all layers, which the layer that fits least decides.
fn judged(all: &OverallIndependence) -> String {
    if !all.answer.is_judged() {
        return format!("not enough data in {}", named(&all.deciding));
    }
    let by = if all.is_of_all { String::new() } else { format!(", decided by {}", named(&all.deciding)) };
    format!("{}{by} ({})", adjective(all.answer), meaning(all.answer))
}

/// How the layers compare.
fn compared(compared: &Compared) -> String {
    match compared.answer {
        LayersDiffer::OnlyOneLayer => format!("layer {} is the only one with enough data", compared.most),
        LayersDiffer::NotMeasurably => {
            "the intervals of the layers overlap: none follows the token id measurably more than another".to_owned()
        }
        LayersDiffer::Yes => {
            format!(
                "routing follows the token id most in layer {} and least in layer {}",
                compared.most, compared.least
            )
        }
    }
}

#[cfg(test)]
mod tests;
