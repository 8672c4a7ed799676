//! The verdict of `route` in words, derived from the ends of the intervals and never from a point estimate alone.

use std::collections::BTreeSet;

use super::independence::{CONTEXTS, Explained, Independence, Layer, Share};
use crate::{routing::LayerId, stats::Finding, stats::Statistic};

/// Layers that get a line of their own.
const LAYERS_SHOWN: usize = 8;

impl Independence {
    /// The word for it.
    fn word(self) -> &'static str {
        match self {
            Self::Fully => "fully",
            Self::Yes => "yes",
            Self::AtLeastMostly => "at least mostly",
            Self::Mostly => "mostly",
            Self::Undecided | Self::Unexplained => "undecided",
            Self::No => "no",
        }
    }

    /// What the word means.
    fn meaning(self) -> &'static str {
        match self {
            Self::Fully => "nothing is left for the context",
            Self::Yes => {
                "the token id explains at least 50 %, and no context adds more than 10 % of what is left, or less than 5 % is left"
            }
            Self::AtLeastMostly => {
                "the token id explains at least 50 %; whether a context adds more than 10 % of what is left cannot be told"
            }
            Self::Mostly => "the token id explains at least 50 %, but a context adds more than 10 % of what is left",
            Self::Undecided => "the interval of the token id contains 50 %",
            Self::Unexplained => {
                "the token id explains less than 50 %, but no context is shown to add more than 10 % of what is left"
            }
            Self::No => "the token id explains less than 50 %, and a context adds more than 10 % of what is left",
        }
    }
}

impl Share {
    /// The share in percent with its interval. No share is above 100 %, where the symmetric interval may end.
    fn words(self) -> String {
        format!("{} % [{}, {}]", whole(self.value), whole(self.low), whole(self.high.min(1.0)))
    }
}

/// A share in whole percent. Below 0 is noise around 0 and stays visible.
fn whole(share: f64) -> String {
    // Adding 0 turns the -0 of a rounded small negative share into 0.
    format!("{:.0}", (share * 100.0).round() + 0.0)
}

/// The verdict in sentences: one line per `MoE` layer (eight at most), then how the layers compare.
pub fn verdict(findings: &[Finding]) -> Vec<String> {
    let ids: BTreeSet<LayerId> =
        findings.iter().filter(|row| row.statistic == Statistic::MutualInformation).map(|row| row.layer).collect();
    if ids.is_empty() {
        return vec!["not enough data: no MoE layer has a mutual information of expert and token id".to_owned()];
    }
    let layers: Vec<Layer> = ids.iter().map(|id| Layer::of(findings, *id)).collect();
    let (shown, others) = layers.split_at(layers.len().min(LAYERS_SHOWN));
    let mut lines: Vec<String> =
        shown.iter().map(|layer| format!("layer {}: {}", layer.id, layer_words(layer))).collect();
    lines.extend((!others.is_empty()).then(|| rest(others)));
    lines.push(format!("overall: {}", overall(&layers)));
    lines
}

fn layer_words(layer: &Layer) -> String {
    let token = match (&layer.constant, &layer.token) {
        (Some(experts), _) => return constant(experts),
        (None, Explained::Nothing(bits)) => {
            return format!("the router is nearly constant: only {bits:.2} bits are there to explain at all");
        }
        (None, Explained::Unknown(reason)) => return format!("not enough data ({reason})"),
        (None, Explained::Share(token)) => token.words(),
    };
    let word = layer.independence().map_or("not enough data", Independence::word);
    format!("the token id explains {token} of what can be explained; {}; context-independent: {word}", contexts(layer))
}

fn constant(experts: &[u16]) -> String {
    let names: Vec<String> = experts.iter().map(ToString::to_string).collect();
    let expert = if names.len() == 1 { "expert" } else { "experts" };
    format!("the router is constant: every token gets the {expert} {}; there is nothing to explain", names.join(", "))
}

/// What the context variables add, and why some are not known.
fn contexts(layer: &Layer) -> String {
    if let Some(left) = layer.left.filter(|_| layer.is_nothing_left()) {
        return format!("nothing is left for the context ({left:.2} bits)");
    }
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for (context, added) in CONTEXTS.iter().zip(&layer.contexts) {
        let verb = if known.is_empty() { " adds" } else { "" };
        let at_most = if context.is_upper_end { " at most" } else { "" };
        match added {
            Explained::Share(share) => known.push(format!("{}{verb}{at_most} {}", context.name, share.words())),
            Explained::Nothing(_) => unknown.push(format!("{}: nothing is left", context.name)),
            Explained::Unknown(reason) => unknown.push(format!("{}: not enough data ({reason})", context.name)),
        }
    }
    let known = (!known.is_empty()).then(|| format!("of what is left, {}", known.join(", ")));
    known.into_iter().chain(unknown).collect::<Vec<_>>().join("; ")
}

/// The layers beyond the ones shown, in one line.
fn rest(others: &[Layer]) -> String {
    let shares: Vec<Share> = others.iter().filter_map(|layer| layer.token.share()).collect();
    let low = shares.iter().map(|share| share.low).reduce(f64::min);
    let high = shares.iter().map(|share| share.high.min(1.0)).reduce(f64::max);
    let constant: Vec<&Layer> = others.iter().filter(|layer| layer.constant.is_some()).collect();
    let told = low.zip(high).map_or_else(
        || "not enough data".to_owned(),
        |(low, high)| {
            let ends = format!("{} and {} %", whole(low), whole(high));
            format!("the intervals of what the token id explains lie between {ends}; see summary.json")
        },
    );
    let constant = (!constant.is_empty()).then(|| format!("; the router of {} is constant", named(&constant)));
    format!("{}: {told}{}", named(&others.iter().collect::<Vec<_>>()), constant.unwrap_or_default())
}

/// "layer 3", "layers 3, 5".
fn named(layers: &[&Layer]) -> String {
    let names: Vec<String> = layers.iter().map(|layer| layer.id.to_string()).collect();
    format!("layer{} {}", if names.len() == 1 { "" } else { "s" }, names.join(", "))
}

/// The judgement over all layers that have something to explain, and how they compare.
fn overall(layers: &[Layer]) -> String {
    let (empty, varied): (Vec<&Layer>, Vec<&Layer>) =
        layers.iter().partition(|layer| matches!(layer.token, Explained::Nothing(_)));
    let nearly = if empty.iter().all(|layer| layer.constant.is_some()) { "" } else { ", or nearly so" };
    if varied.is_empty() {
        return format!("the router is constant in every layer{nearly}: there is nothing to explain");
    }
    let left_out = match empty.as_slice() {
        [] => String::new(),
        [one] => format!("; {} is left out: its router is constant{nearly}", named(&[one])),
        many => format!("; {} are left out: their routers are constant{nearly}", named(many)),
    };
    let Some(compared) = compared(&varied) else {
        return format!("not enough data to say whether routing follows the token id{left_out}");
    };
    format!("context-independent: {}; {compared}{left_out}", judged(&varied))
}

/// The layer that fits least decides.
fn judged(layers: &[&Layer]) -> String {
    let unknown: Vec<&Layer> = layers.iter().copied().filter(|layer| layer.independence().is_none()).collect();
    let all: Vec<Independence> = layers.iter().filter_map(|layer| layer.independence()).collect();
    let Some(worst) = all.iter().copied().max().filter(|_| unknown.is_empty()) else {
        return format!("not enough data in {}", named(&unknown));
    };
    let deciding: Vec<&Layer> = layers.iter().zip(&all).filter(|(_, own)| **own == worst).map(|(l, _)| *l).collect();
    let by = if deciding.len() == layers.len() { String::new() } else { format!(", decided by {}", named(&deciding)) };
    format!("{}{by} ({})", worst.word(), worst.meaning())
}

/// How the layers compare; none if no share is known.
fn compared(layers: &[&Layer]) -> Option<String> {
    let known: Vec<(LayerId, Share)> =
        layers.iter().filter_map(|layer| Some((layer.id, layer.token.share()?))).collect();
    let by_value = |a: &&(LayerId, Share), b: &&(LayerId, Share)| a.1.value.total_cmp(&b.1.value);
    let (most, least) = (known.iter().max_by(by_value)?, known.iter().min_by(by_value)?);
    Some(if known.len() < 2 {
        format!("layer {} is the only one with enough data", most.0)
    } else if most.1.overlaps(least.1) {
        "the intervals of the layers overlap: none follows the token id measurably more than another".to_owned()
    } else {
        format!("routing follows the token id most in layer {} and least in layer {}", most.0, least.0)
    })
}

#[cfg(test)]
mod tests;
