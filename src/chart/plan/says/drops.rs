//! What the charts of drops say.

use std::collections::BTreeSet;

use super::{baselines, estimates, in_layers, is_above, layers, most, numbers, percent, percents, points, signed};
use crate::{
    chart::{
        Message,
        axis::short,
        plan::selection::{label, quoted_token, words},
    },
    stats::{Finding, Variant, counted},
};

/// The largest rise of the drops from the first to the last quarter over all data, of the layers where its interval lies above 0, and
/// that in random order there.
pub(in crate::chart::plan) fn trend(rows: &[&Finding]) -> Message {
    let of = |variant: Variant| -> Vec<&Finding> {
        rows.iter().copied().filter(|row| row.dataset.is_none() && row.variant == Some(variant)).collect()
    };
    let rise = of(Variant::LastMinusFirst);
    let told: Vec<&Finding> = rise.iter().copied().filter(|row| row.low.is_some_and(|low| low > 0.0)).collect();
    let Some(worst) = most(told.iter().copied(), |row| row.estimate) else {
        return Message::open("No rise of the drops from the first to the last quarter could be told from 0");
    };
    let layer = if rise.len() > 1 { format!(" in layer {}", worst.layer) } else { String::new() };
    let random = worst.baseline.map(|random| format!(", where random order alone gives {}", signed(random)));
    Message::shown(format!(
        "Later tokens are dropped more{}: {} percentage points{layer}{}",
        layers_of(&told, &rise),
        signed(worst.estimate.unwrap_or_default()),
        random.unwrap_or_default()
    ))
}

/// In how many layers, unless in all of them.
fn layers_of(told: &[&Finding], all: &[&Finding]) -> String {
    if told.len() == all.len() { String::new() } else { in_layers(told.len(), all.len()) }
}

/// The dropped share in the first and in the last bin of positions, and in random order there; smallest to largest over the
/// layers. `curves`: of each layer, ascending.
pub(in crate::chart::plan) fn positions(curves: &[Vec<&Finding>]) -> Option<Message> {
    let first: Vec<&Finding> = curves.iter().filter_map(|curve| curve.first().copied()).collect();
    let last: Vec<&Finding> = curves.iter().filter_map(|curve| curve.last().copied()).collect();
    let (start, end) = (percents(estimates(&first))?, percents(estimates(&last))?);
    let random = percents(baselines(&last)).map(|random| format!("; in random order {random}")).unwrap_or_default();
    Some(Message::described(format!("The last positions lose {end} of their assignments, the first {start}{random}")))
}

/// The message with the largest dropped share, among those whose interval lies above random order. `rows`: the messages that are
/// drawn, of any layer.
pub(in crate::chart::plan) fn speakers(rows: &[&Finding]) -> Option<Message> {
    let all = rows.iter().filter_map(|row| row.turn).collect::<BTreeSet<_>>().len();
    let Some(worst) = most(rows.iter().copied().filter(|row| is_above(row)), |row| row.estimate) else {
        return Some(Message::open(format!(
            "Of the first {} none loses clearly more than in random order",
            counted(all as u64, "message")
        )));
    };
    let layer = if layers(rows.iter().copied()) > 1 { format!(" of layer {}", worst.layer) } else { String::new() };
    Some(Message::shown(format!(
        "Of the first {all} messages, message {}{layer} loses most: {}, in random order {}",
        worst.turn?,
        percent(worst.estimate?),
        percent(worst.baseline?)
    )))
}

/// The lost share of first choices and of second ones, smallest to largest over the layers.
pub(in crate::chart::plan) fn first_choices(first: &[&Finding], second: &[&Finding]) -> Option<Message> {
    let first = percents(estimates(first))?;
    let second = percents(estimates(second)).map(|share| format!(", {share} of the second ones")).unwrap_or_default();
    Some(Message::described(format!("{first} of the first choices are lost{second}")))
}

/// The dropped share, and what is left of it after permuting choices across the texts, over all data, smallest to largest over the
/// layers. A layer counts where the interval of the observed share lies above the permuted one.
pub(in crate::chart::plan) fn crowding(rows: &[&Finding]) -> Option<Message> {
    let over_all: Vec<&Finding> = rows.iter().copied().filter(|row| row.dataset.is_none()).collect();
    let told: Vec<&Finding> = over_all.iter().copied().filter(|row| is_above(row)).collect();
    if told.is_empty() {
        return Some(Message::open("As many would be dropped with the choices mixed over all texts"));
    }
    let (share, left) = (percents(estimates(&told))?, percents(baselines(&told))?);
    Some(Message::shown(format!(
        "Of all assignments, {share} are dropped{}; with the choices mixed over all texts, {left} would be",
        layers_of(&told, &over_all)
    )))
}

/// The expert whose queue is fullest at the end of the text, of any choice and layer.
pub(in crate::chart::plan) fn filling(rows: &[&Finding]) -> Option<Message> {
    let end = rows.iter().filter_map(|row| row.position).max()?;
    let last = rows.iter().copied().filter(|row| row.position == Some(end));
    let fullest = most(last, |row| row.estimate)?;
    let several = rows.windows(2).any(|pair| pair[0].layer != pair[1].layer);
    let layer = if several { format!(" of layer {}", fullest.layer) } else { String::new() };
    Some(Message::described(format!(
        "At the end of a text the fullest queue (expert {}{layer}, {}s) is {} full",
        fullest.expert?,
        words(fullest.variant?.name()),
        percent(fullest.estimate?)
    )))
}

/// The token id whose share of the queue of any expert exceeds its share of all tokens most. `rows`: of the token ids that are
/// drawn.
pub(in crate::chart::plan) fn filler<'a>(rows: &[&'a Finding]) -> Option<&'a Finding> {
    most(rows.iter().copied(), |row| Some(row.estimate? - row.baseline?))
}

/// The share of a token id in the queue of its expert, and of all tokens. `experts`: how many the table shows; `several`: whether they
/// are of several layers.
pub(in crate::chart::plan) fn causes(filler: Option<&Finding>, experts: usize, several: bool) -> Option<Message> {
    let filler = filler?;
    let layer = if several { format!(" of layer {}", filler.layer) } else { String::new() };
    let start = if experts > 1 { format!("Of the {experts} experts shown, expert") } else { "Expert".to_owned() };
    Some(Message::described(format!(
        "{start} {}{layer} has most of one token id beyond its share: {} makes up {} of its queue, {} of all tokens",
        filler.expert?,
        quoted_token(filler),
        percent(filler.estimate?),
        percent(filler.baseline?)
    )))
}

/// How many tokens of the worst document lost a choice, and of the part that is drawn. Of each: lost, all.
pub(in crate::chart::plan) fn conversation(document: (usize, usize), drawn: (usize, usize)) -> Message {
    let share = |(lost, all): (usize, usize)| percent(lost as f64 / all.max(1) as f64);
    let part = if drawn.1 < document.1 { format!(", {} of the part shown", share(drawn)) } else { String::new() };
    Message::described(format!("In the worst conversation {} of the tokens lost a choice{part}", share(document)))
}

/// The smallest factor under the rule and in the groups of the run at which at most 1 % is dropped. `row`: of this factor.
pub(in crate::chart::plan) fn capacity(row: Option<&Finding>, tried: Option<f64>) -> Option<Message> {
    if let Some((row, factor)) = row.and_then(|row| Some((row, row.estimate?))) {
        let interval = row.low.zip(row.high);
        let interval = interval.map(|(low, high)| format!(" [{low:.2}, {high:.2}]")).unwrap_or_default();
        return Some(Message::described(format!(
            "A capacity factor of {factor:.2}{interval} would keep the drops at 1 %"
        )));
    }
    Some(Message::open(format!("No factor up to {} keeps the drops at 1 %", short(tried?))))
}

/// The same over many layers: the smallest and the largest of these factors. `layers`: of each, as for [`capacity`].
pub(in crate::chart::plan) fn capacity_of_layers(layers: &[(Option<&Finding>, Option<f64>)]) -> Option<Message> {
    let factors: Vec<f64> = layers.iter().filter_map(|(row, _)| row.and_then(|row| row.estimate)).collect();
    let range = numbers(factors.iter().copied())?;
    Some(Message::described(format!(
        "A capacity factor of {range} would keep the drops at 1 %{}",
        in_layers(factors.len(), layers.len())
    )))
}

/// The largest over the mean load of any placement of the ranks, batch by batch.
pub(in crate::chart::plan) fn most_loaded_rank(rows: &[&Finding]) -> Option<Message> {
    let batches = rows.iter().copied().filter(|row| row.grouping.is_some());
    let worst = most(batches, |row| row.estimate).or_else(|| most(rows.iter().copied(), |row| row.estimate))?;
    let (ranks, ratio) = (worst.expert_parallel?, worst.estimate?);
    Some(Message::described(format!(
        "With {ranks} ranks the busiest has {ratio:.2} times the mean load (layer {})",
        worst.layer
    )))
}

/// The difference of two models over all data, smallest to largest over the layers; layers count where its interval leaves 0.
pub(in crate::chart::plan) fn compared(rows: &[&Finding], [model, reference]: [&str; 2]) -> Option<Message> {
    let over_all: Vec<&Finding> = rows.iter().copied().filter(|row| row.is_over_all()).collect();
    let away = |row: &&Finding| row.low.zip(row.high).is_some_and(|(low, high)| low > 0.0 || high < 0.0);
    let told: Vec<&Finding> = over_all.iter().copied().filter(away).collect();
    let [model, reference] = [label(model), label(reference)];
    let range = |rows: &[&Finding]| points(estimates(rows));
    if told.is_empty() {
        let difference = range(&over_all)?;
        return Some(Message::open(format!(
            "No difference of the drops of {model} and {reference} could be told ({difference})"
        )));
    }
    let layers = in_layers(told.len(), over_all.len());
    let side = |less: bool| told.iter().all(|row| row.estimate.is_some_and(|at| (at < 0.0) == less));
    let size = points(told.iter().filter_map(|row| row.estimate.map(f64::abs)))?.replace('+', "");
    Some(Message::shown(match (side(true), side(false)) {
        (true, _) => format!("{model} drops {size} less than {reference}{layers}"),
        (_, true) => format!("{model} drops {size} more than {reference}{layers}"),
        _ => format!("{model} drops {} against {reference}{layers}", range(&told)?),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        chart::Ground,
        routing::{LayerId, View},
        stats::{Statistic, Subject},
    };

    fn difference(layer: LayerId, variant: Variant, estimate: f64, half: f64) -> Finding {
        Finding {
            estimate: Some(estimate),
            low: Some(estimate - half),
            high: Some(estimate + half),
            baseline: Some(0.012),
            ..Finding::new(Statistic::DropTrend, layer, View::Chosen)
                .about(|subject| Subject { variant: Some(variant), ..subject })
        }
    }

    #[test]
    fn a_rise_that_random_order_has_too_is_not_that_of_the_text() {
        let (rise, left) = (Variant::LastMinusFirst, Variant::LastMinusFirstExcess);
        let rows = [
            difference(1, rise, 0.0144, 0.004),
            difference(3, rise, 0.054, 0.01),
            difference(1, left, 0.0001, 0.002),
            difference(3, left, 0.004, 0.006),
        ];
        let message = trend(&rows.iter().collect::<Vec<_>>());
        let text =
            "Later tokens are dropped more: +5.4 percentage points in layer 3, where random order alone gives +1.2";
        assert_eq!((message.text.as_str(), message.ground), (text, Ground::Shown));
        let none = difference(1, rise, 0.001, 0.004);
        assert_eq!(trend(&[&none, &rows[2]]).ground, Ground::Open);
    }

    #[test]
    fn what_was_picked_says_of_how_many_and_a_token_stands_in_quotation_marks() {
        let share = |estimate: f64, of: &dyn Fn(Subject) -> Subject| Finding {
            estimate: Some(estimate),
            low: Some(estimate - 0.01),
            high: Some(estimate + 0.01),
            baseline: Some(0.1),
            ..Finding::new(Statistic::AssignmentDropRatio, 5, View::Chosen).about(of)
        };
        let message = |turn: u16| move |subject: Subject| Subject { turn: Some(turn), ..subject };
        let rows = [share(0.2, &message(1)), share(0.3, &message(4)), share(0.05, &message(5))];
        let said = speakers(&rows.iter().collect::<Vec<_>>()).unwrap().text;
        assert_eq!(said, "Of the first 3 messages, message 4 loses most: 30 %, in random order 10 %");
        let said = speakers(&[&rows[2]]).unwrap();
        assert_eq!(said.ground, Ground::Open);
        assert_eq!(said.text, "Of the first 1 message none loses clearly more than in random order");
        let comma =
            |subject: Subject| Subject { expert: Some(4), token_id: Some(262), text: Some(",".into()), ..subject };
        // The expert that drops most comes first, but the queue of another one is fuller of one token id.
        let other = |subject: Subject| Subject { expert: Some(14), ..comma(subject) };
        let rows = [share(0.055, &comma), share(0.74, &other)];
        let said = causes(filler(&[&rows[0], &rows[1]]), 2, false).unwrap().text;
        assert_eq!(
            said,
            "Of the 2 experts shown, expert 14 has most of one token id beyond its share: \",\" makes up 74 % of its queue, 10 % of all tokens"
        );
        let said = causes(filler(&[&rows[0]]), 1, true).unwrap().text;
        assert!(said.starts_with("Expert 4 of layer 5 has most"), "{said}");
    }

    #[test]
    fn of_a_part_of_the_worst_document_its_own_share_is_said() {
        let said = |drawn| conversation((12, 20), drawn).text;
        assert_eq!(said((12, 20)), "In the worst conversation 60 % of the tokens lost a choice");
        assert_eq!(said((9, 10)), "In the worst conversation 60 % of the tokens lost a choice, 90 % of the part shown");
    }

    #[test]
    fn the_factor_that_is_missing_is_said_to_be_missing() {
        let row = |estimate| Finding { estimate, ..Finding::new(Statistic::CapacityReplay, 1, View::Chosen) };
        let message = capacity(Some(&row(Some(2.25))), Some(4.0)).unwrap();
        assert_eq!(message.text, "A capacity factor of 2.25 would keep the drops at 1 %");
        let message = capacity(Some(&row(None)), Some(4.0)).unwrap();
        assert_eq!(message.text, "No factor up to 4 keeps the drops at 1 %");
        assert_eq!(message.ground, Ground::Open);
    }
}
