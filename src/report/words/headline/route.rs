//! What a route run answers first: whether the token id decides, what else does, and which expert stands out.

use crate::{
    report::words::{
        criterion,
        entry::VerdictEntry,
        layers::named,
        numbers::{expected, percent_with_ends, times},
        route::{adjective, constant_words, context_name, reason, share_words},
    },
    stats::{
        counted, thousands,
        verdict::{
            Compared, ContextAdds, Explained, IntervalsThatMissZero, LayersDiffer, OverallIndependence, RouteVerdict,
            Specialist, StrongestContext,
        },
    },
};

/// One sentence each on the token id, the context and an expert.
pub(super) fn sentences(verdict: &RouteVerdict) -> Vec<VerdictEntry> {
    let token = VerdictEntry::new(verdict.overall.verdict(), token_id(verdict));
    let is_judged = verdict.overall.answer.is_judged();
    let context = verdict.strongest.as_ref().filter(|_| is_judged);
    let context = context.map(|own| VerdictEntry::new(own.verdict(), surroundings(own, verdict.layers.len())));
    let expert = verdict.specialist.as_ref().filter(|_| !verdict.overall.answer.is_constant());
    let expert = expert.map(|own| VerdictEntry::new(own.verdict(), stands_out(own)));
    std::iter::once(token).chain(context).chain(expert).collect()
}

/// Whether the token id decides, with the numbers of the layers where it explains least and most.
fn token_id(verdict: &RouteVerdict) -> String {
    let all = &verdict.overall;
    let nearly = if all.is_left_out_constant { "" } else { " or nearly so" };
    match &verdict.compared {
        _ if all.answer.is_constant() => {
            format!(
                "Overall: the router is constant{nearly} in every layer, so there is nothing to explain{}.",
                experts(verdict)
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
            format!("Overall: {}: the token id explains {}{}.", judged(all), explained(compared), left_out(all, nearly))
        }
    }
}

/// The answer, with what its word means.
fn judged(all: &OverallIndependence) -> String {
    let because = if all.is_of_all { String::new() } else { format!(", because of {}", named(&all.deciding)) };
    format!("{}{because} ({})", adjective(all.answer), criterion::meaning(all.answer))
}

/// What the token id explains in the layers where that is least and most.
fn explained(compared: &Compared) -> String {
    let Compared { answer, most, most_share, least, least_share, .. } = compared;
    let (low, high) = (share_words(*least_share), share_words(*most_share));
    match answer {
        LayersDiffer::OnlyOneLayer => format!("{high} of the routing in layer {most}"),
        LayersDiffer::Yes => format!(
            "{low} of the routing in the layer where it explains least (layer {least}), {high} where it explains most (layer {most})"
        ),
        LayersDiffer::NotMeasurably => format!(
            "{low} of the routing in the layer where it explains least (layer {least}); the layers do not differ measurably"
        ),
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
fn experts(verdict: &RouteVerdict) -> String {
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

/// How much the strongest context variable adds.
fn surroundings(own: &StrongestContext, layers: usize) -> String {
    let name = context_name(own.context);
    let share = share_words(own.share);
    let of_several = if layers > 1 { "up to " } else { "" };
    let extent = if own.context.is_upper_end() { "at most " } else { of_several };
    let (layer, known) = (own.layer, "once the token id is known");
    match own.answer {
        ContextAdds::MoreThanATenth => {
            let matters = if own.context.is_upper_end() { "may still matter" } else { "still matters" };
            format!(
                "What surrounds a token {matters}: {known}, {name} explains {extent}{share} of what is left (layer {layer})."
            )
        }
        ContextAdds::AtMostATenth => format!(
            "What surrounds a token adds little: {known}, no context explains more than a tenth of what is left; the surest, {name}, explains {extent}{share} (layer {layer})."
        ),
        ContextAdds::Undecided => format!(
            "Whether what surrounds a token matters cannot be told: {known}, {name} explains {extent}{share} of what is left (layer {layer}), and more than 10 % would count."
        ),
    }
}

/// The expert that stands out, and out of how many it was picked.
fn stands_out(own: &Specialist) -> String {
    let Specialist { layer, expert, category, also, share, intervals } = own;
    let share = percent_with_ends(share);
    let even = own.times_even().map(times).unwrap_or_default();
    match category {
        Some(category) => format!(
            "Expert {expert} of layer {layer} specializes most: it takes {share} of the tokens of category {category}, {even} times an even load{}{}.",
            most_of(also),
            picked(*intervals, "pairs of category and expert")
        ),
        None => format!(
            "Expert {expert} of layer {layer} is the busiest: it takes {share} of all assignments of tokens to experts, {even} times an even load{}.",
            picked(*intervals, "experts")
        ),
    }
}

/// The other categories that it takes most of, five by their names.
fn most_of(others: &[String]) -> String {
    let (shown, more) = others.split_at(others.len().min(5));
    match more.len() {
        _ if shown.is_empty() => String::new(),
        0 => format!(", and more than half of {}", shown.join(", ")),
        more => format!(", and more than half of {} and {more} more", shown.join(", ")),
    }
}

/// Out of how many a number was picked, and how many of their intervals would miss an even load by chance.
fn picked(intervals: IntervalsThatMissZero, of: &str) -> String {
    let IntervalsThatMissZero { all, above, below, by_chance } = intervals;
    if all < 2 {
        return String::new();
    }
    let lie = if above == 1 { "lies" } else { "lie" };
    let above = counted(above as u64, "interval");
    let [all, below] = [all, below].map(|count| thousands(count as u64));
    let chance = expected(by_chance);
    format!(
        " (the clearest of {all} {of}; {above} {lie} above an even load and {below} below, where {chance} would miss it by chance)"
    )
}
