//! The verdict of `route` in words.

use super::{
    criterion::meaning,
    entry::VerdictEntry,
    layers::named,
    numbers::{expected, whole},
};
use crate::{
    error::noun_of,
    routing::{ExpertId, LayerId},
    stats::{
        LAYERS_EACH, counted, thousands,
        verdict::{
            Compared, Context, Explained, Independence, IntervalsThatMissZero, LayerIndependence, LayersDiffer,
            Missing, OverallIndependence, RouteVerdict, Share, Specialist,
        },
    },
};

/// One line per `MoE` layer, eight at most, then one for the others, one on what the overall answer means, and one on the expert that
/// stands out.
pub(super) fn lines(verdict: &RouteVerdict) -> Vec<String> {
    let (shown, others) = verdict.layers.split_at(verdict.layers.len().min(LAYERS_EACH));
    let mut lines: Vec<String> = shown.iter().map(layer_line).collect();
    lines.extend((!others.is_empty()).then(|| rest(others)));
    let answer = verdict.overall.answer;
    let is_said = verdict.compared.is_some() && answer.is_judged() && !answer.is_constant();
    lines.extend(is_said.then(|| format!("\"{}\" means: {}", adjective(answer), meaning(answer))));
    let expert = verdict.specialist.as_ref().filter(|_| !verdict.overall.answer.is_constant());
    lines.extend(expert.and_then(specialist));
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
    let known = (!known.is_empty()).then(|| format!("of what is left, {}", known.join(", ")));
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

/// Whether the token id decides, with the number of the layer where it explains least.
pub(super) fn overall(verdict: &RouteVerdict) -> String {
    let all = &verdict.overall;
    let nearly = if all.is_left_out_constant { "" } else { " or nearly so" };
    match &verdict.compared {
        _ if all.answer.is_constant() => {
            format!(
                "Overall: the router is constant{nearly} in every layer, so there is nothing to explain{}.",
                same_experts(verdict)
            )
        }
        None => format!(
            "Overall: there is not enough data to say whether the token id decides the experts{}.",
            why(verdict)
        ),
        Some(_) if !all.answer.is_judged() => {
            let deciding = named(&all.deciding);
            format!(
                "Overall: there is not enough data in {deciding} to say whether the token id decides the experts{}.",
                why(verdict)
            )
        }
        Some(compared) => {
            let because = if all.is_of_all { String::new() } else { format!(", because of {}", named(&all.deciding)) };
            format!("Overall: {}{because}. {}{}.", adjective(all.answer), explained(compared), left_out(all, nearly))
        }
    }
}

/// What the token id explains where that is least.
fn explained(compared: &Compared) -> String {
    let Compared { answer, least, least_share, .. } = compared;
    let share = share_words(*least_share);
    match answer {
        LayersDiffer::OnlyOneLayer => format!("The token id explains {share} of the routing in layer {least}"),
        LayersDiffer::Yes | LayersDiffer::NotMeasurably => {
            format!("Where the token id explains least (layer {least}), it explains {share} of the routing")
        }
    }
}

fn left_out(all: &OverallIndependence, nearly: &str) -> String {
    match all.left_out.as_slice() {
        [] => String::new(),
        [one] => format!("; layer {one} is left out, because its router is constant{nearly}"),
        many => format!("; {} are left out, because their routers are constant{nearly}", named(many)),
    }
}

/// The experts that every token gets, where all layers have the same ones.
fn same_experts(verdict: &RouteVerdict) -> String {
    let first = verdict.layers.first().map(|layer| layer.experts.as_slice()).unwrap_or_default();
    let is_same = verdict.layers.iter().all(|layer| layer.experts == first);
    if is_same && !first.is_empty() { format!(" ({})", constant_words(first)) } else { String::new() }
}

/// Why the first layer that could not be judged was not.
fn why(verdict: &RouteVerdict) -> String {
    let deciding = verdict.layers.iter().find(|layer| verdict.overall.deciding.contains(&layer.layer));
    let why = deciding.and_then(|layer| match &layer.token {
        Explained::Unknown(missing) => Some(reason(missing, "every token has the same id")),
        Explained::Share(_) => Some("nothing is known about the context".to_owned()),
        Explained::Nothing(_) => None,
    });
    why.map_or_else(String::new, |why| format!(" ({why})"))
}

/// What else the expert takes that stands out, and out of how many it was picked.
fn specialist(own: &Specialist) -> Option<String> {
    let Specialist { layer, expert, category, also, intervals, .. } = own;
    let also = most_of(also).map(|also| format!("it takes more than half of {also} too"));
    let of = if category.is_some() { "pairs of category and expert" } else { "experts" };
    let told: Vec<String> = picked(*intervals, of).into_iter().chain(also).collect();
    (!told.is_empty()).then(|| format!("expert {expert} of layer {layer}: {}", told.join("; ")))
}

/// The other categories that it takes most of, five by their names.
fn most_of(others: &[String]) -> Option<String> {
    let (shown, more) = others.split_at(others.len().min(5));
    let shown = shown.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    match more.len() {
        _ if shown.is_empty() => None,
        0 => Some(shown),
        more => Some(format!("{shown} and {more} more")),
    }
}

/// Out of how many a number was picked, and how many of their intervals would miss an even load by chance.
fn picked(intervals: IntervalsThatMissZero, of: &str) -> Option<String> {
    let IntervalsThatMissZero { all, above, below, by_chance } = intervals;
    let lie = if above == 1 { "lies" } else { "lie" };
    let above = counted(above as u64, "interval");
    let [count, below] = [all, below].map(|count| thousands(count as u64));
    let chance = expected(by_chance);
    (all > 1).then(|| {
        format!(
            "the clearest of {count} {of}; {above} {lie} above an even load and {below} below, where {chance} would miss it by chance"
        )
    })
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
