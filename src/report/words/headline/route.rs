//! What a route run answers first: whether the token id decides, what else does, and which expert stands out.

use crate::{
    report::words::{
        entry::VerdictEntry,
        numbers::{percent_with_ends, times},
        route::{context_name, overall, share_words},
    },
    stats::{
        quoted_category,
        verdict::{ContextAdds, RouteVerdict, Specialist, StrongestContext},
    },
};

/// One sentence each on the token id, the context and an expert.
pub(super) fn sentences(verdict: &RouteVerdict) -> Vec<VerdictEntry> {
    let token = VerdictEntry::new(verdict.overall.verdict(), overall(verdict));
    let is_judged = verdict.overall.answer.is_judged();
    let context = verdict.strongest.as_ref().filter(|_| is_judged);
    let context = context.map(|own| VerdictEntry::new(own.verdict(), surroundings(own, verdict.layers.len())));
    let expert = verdict.specialist.as_ref().filter(|_| !verdict.overall.answer.is_constant());
    let expert = expert.map(|own| VerdictEntry::new(own.verdict(), stands_out(own)));
    std::iter::once(token).chain(context).chain(expert).collect()
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

/// The expert that stands out; out of how many it was picked stands among the details.
fn stands_out(own: &Specialist) -> String {
    let Specialist { layer, expert, category, language, share, .. } = own;
    let share = percent_with_ends(share);
    let even = own.times_even().map(times).unwrap_or_default();
    match category {
        Some(category) => format!(
            "Expert {expert} of layer {layer} specializes most: it takes {share} of the tokens of category {}, {even} times an even load.",
            quoted_category(category, *language)
        ),
        None => format!(
            "Expert {expert} of layer {layer} is the busiest: it takes {share} of all assignments of tokens to experts, {even} times an even load."
        ),
    }
}
