//! What the charts of training say.

use super::{baselines, estimates, exceeds_noise, ids_and_layers, judged_by_noise, percents};
use crate::{
    chart::Message,
    stats::{Finding, Variant},
};

/// How far on the way from chance to full agreement a layer counts as half learnt.
const HALF: f64 = 0.5;

/// The first checkpoint from which on the interval of every layer stays above half of the way from load-matched chance to full
/// agreement, as in the verdict. `steps`: the rows of router saturation at each checkpoint of the time axis before the last, in
/// order, with the checkpoint's name.
pub(in crate::chart::plan) fn agreement(steps: &[(String, Vec<&Finding>)], last: &str) -> Option<Message> {
    let Some((name, rows)) = half_learnt(steps) else {
        let (name, rows) = steps.last()?;
        let shares = percents(estimates(rows))?;
        return Some(Message::open(format!(
            "Before {last}, not every layer was halfway from chance to its routing: at {name} the router saturation is {shares}"
        )));
    };
    let learnt = percents(rows.iter().filter_map(|row| row.corrected))?;
    Some(Message::shown(format!("At checkpoint {name}, every layer was {learnt} of the way from chance to {last}")))
}

/// The checkpoint of [`agreement`] with its rows.
pub(in crate::chart::plan) fn half_learnt<'s, 'a>(
    steps: &'s [(String, Vec<&'a Finding>)],
) -> Option<&'s (String, Vec<&'a Finding>)> {
    let is_half = |rows: &[&Finding]| rows.iter().all(|row| row.corrected_low.is_some_and(|low| low >= HALF));
    steps.iter().rev().take_while(|(_, rows)| !rows.is_empty() && is_half(rows)).last()
}

/// The share of tokens that still change at the checkpoint before the last, smallest to largest.
pub(in crate::chart::plan) fn last_change(rows: &[&Finding], name: &str) -> Option<Message> {
    Some(Message::described(format!(
        "At {name}, {} of the tokens still change their first choice",
        percents(estimates(rows))?
    )))
}

/// The agreement of the first and of the next to last checkpoint with the last one.
pub(in crate::chart::plan) fn matrix(first: &[&Finding], before: &[&Finding], names: [&str; 3]) -> Option<Message> {
    let [from, until, last] = names;
    let (low, high) = (percents(estimates(first))?, percents(estimates(before))?);
    Some(Message::described(format!("{from} shares {low} of the experts of {last}, {until} shares {high}")))
}

/// The share of first choices that a checkpoint beside the time axis keeps, and chance.
pub(in crate::chart::plan) fn beside(kept: &[(String, Vec<&Finding>)]) -> Option<Message> {
    let words = |(name, rows): &(String, Vec<&Finding>)| Some(format!("{name} keeps {}", percents(estimates(rows))?));
    let all: Vec<String> = kept.iter().filter_map(words).collect();
    let rows: Vec<&Finding> = kept.iter().flat_map(|(_, rows)| rows.iter().copied()).collect();
    let chance = percents(baselines(&rows))?;
    Some(Message::described(format!("{} of the first choices; by chance {chance}", all.join(", "))))
}

/// The agreement of a checkpoint in the lowest and in the highest tenth of the margin, smallest to largest over the layers.
/// `names`: of that checkpoint and of the last; `shared`: what they share.
pub(in crate::chart::plan) fn by_margin(rows: &[&Finding], names: [&str; 2], shared: &str) -> Option<Message> {
    let end = |largest: bool| {
        let quantiles = || rows.iter().filter_map(|row| row.quantile);
        let at = if largest { quantiles().reduce(f64::max) } else { quantiles().reduce(f64::min) };
        percents(rows.iter().filter(|row| row.quantile == at).filter_map(|row| row.estimate))
    };
    let ([name, last], close, clear) = (names, end(false)?, end(true)?);
    Some(Message::described(format!(
        "Where the margin is narrowest, {name} shares {close} of the {shared} of {last}; where it is widest, {clear}"
    )))
}

/// How many token ids moved by more than their noise floor: the interval lies above it.
pub(in crate::chart::plan) fn moved(rows: &[&Finding]) -> Message {
    let ids: Vec<&Finding> = rows.iter().copied().filter(|row| row.token_id.is_some()).collect();
    let (judged, told) = judged_by_noise(&ids);
    if told.is_empty() {
        return Message::open("No frequent token id moved by more than the noise floor");
    }
    Message::shown(format!("{} moved by more than noise", ids_and_layers(&told, &judged, "frequent ")))
}

/// The total variation of the load between a checkpoint and the last one: the first of the time axis and the one before the last,
/// smallest to largest over the layers; where an interval reaches down to the noise floor, that is said.
pub(in crate::chart::plan) fn load_drift(first: &[&Finding], before: &[&Finding], names: [&str; 3]) -> Option<Message> {
    let [from, until, last] = names;
    let of = |rows: &[&'_ Finding]| {
        let distances = rows.iter().filter(|row| row.variant == Some(Variant::TotalVariation));
        percents(distances.filter_map(|row| row.estimate))
    };
    let (start, end) = (of(first)?, of(before)?);
    let mut distances = before.iter().filter(|row| row.variant == Some(Variant::TotalVariation));
    let told = distances.all(|row| exceeds_noise(row) == Some(true));
    let text =
        format!("{start} of the load of {from} lies on other experts than at {last}, and {end} of that of {until}");
    Some(if told { Message::shown(text) } else { Message::open(format!("{text}: hardly more than noise")) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        chart::Ground,
        routing::{LayerId, View},
        stats::{Statistic, Subject},
    };

    fn at(layer: LayerId, corrected_low: f64) -> Finding {
        let row = Finding::new(Statistic::RouterSaturation, layer, View::Chosen);
        Finding {
            estimate: Some(corrected_low + 0.1),
            corrected: Some(corrected_low + 0.02),
            corrected_low: Some(corrected_low),
            ..row
        }
    }

    #[test]
    fn the_narrowest_and_the_widest_margin_are_compared() {
        let row = |layer, quantile, estimate| Finding {
            estimate: Some(estimate),
            ..Finding::new(Statistic::AgreementByMargin, layer, View::Chosen)
                .about(|subject| Subject { quantile: Some(quantile), ..subject })
        };
        let rows = [row(1, 0.1, 0.6), row(1, 0.2, 0.3), row(1, 1.0, 1.0), row(3, 0.1, 0.7), row(3, 1.0, 0.999)];
        let said = by_margin(&rows.iter().collect::<Vec<_>>(), ["3B", "4B"], "first choices").unwrap();
        let text = "Where the margin is narrowest, 3B shares 60 to 70 % of the first choices of 4B; where it is widest, 99.9 to 100 %";
        assert_eq!(said.text, text);
    }

    #[test]
    fn half_is_learnt_from_the_checkpoint_on_after_which_every_layer_stays_above() {
        let rows = [at(1, 0.6), at(3, 0.55), at(1, 0.4), at(3, 0.7), at(1, 0.65), at(3, 0.75)];
        let step = |name: &str, from: usize| (name.to_owned(), vec![&rows[from], &rows[from + 1]]);
        let steps = [step("1B", 0), step("2B", 2), step("3B", 4)];
        let message = agreement(&steps, "4B").unwrap();
        let text = "At checkpoint 3B, every layer was 67 to 77 % of the way from chance to 4B";
        assert_eq!((message.text.as_str(), message.ground), (text, Ground::Shown));
        let token = |layer, id, estimate: f64| Finding {
            estimate: Some(estimate),
            low: Some(estimate - 0.05),
            noise_floor: Some(0.1),
            ..Finding::new(Statistic::TokenDrift, layer, View::Chosen).about(|subject| Subject {
                token_id: Some(id),
                text: Some("#".into()),
                ..subject
            })
        };
        let rows = [token(1, 7, 0.3), token(1, 8, 0.1), token(3, 7, 0.63), token(3, 0, 0.9)];
        let text = "1 to 2 of the 2 frequent token ids of each layer moved by more than noise";
        assert_eq!(moved(&rows.iter().collect::<Vec<_>>()).text, text);
        let message = agreement(&steps[..2], "4B").unwrap();
        assert!(
            message.text.contains("not every layer was halfway") && message.ground == Ground::Open,
            "{}",
            message.text
        );
    }
}
