//! A statistic in one line: its number in every layer, or the one that is farthest from its baseline.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use super::{reported_run::ReportedRun, table::distance};
use crate::{
    chart::CHARTS,
    report::{
        figure::subject_words,
        text::{bracket, brief, is_share},
    },
    routing::View,
    stats::{Finding, Statistic, StatisticInfo, Subject, Variant, points, share_and_interval},
};

/// The most layers whose numbers stand side by side.
const MOST_LAYERS: usize = 4;
/// The most runs of a kind whose numbers stand side by side.
const MOST_RUNS: usize = 2;

/// The number of a statistic in one line, or why there is none.
pub(super) fn glance(info: &StatisticInfo, runs: &[ReportedRun<'_>]) -> Option<String> {
    // Where the chart of some runs says something, the numbers of other kinds of run say less.
    let is_said = runs.iter().any(|run| of_chart(info, run).is_some());
    let telling = runs.iter().filter(|run| !is_said || of_chart(info, run).is_some());
    let told: Vec<(&str, String)> = telling.filter_map(|run| Some((run.label.as_str(), of_run(info, run)?))).collect();
    match &told[..] {
        [] => runs.iter().find_map(|run| withheld(info, run)),
        [(_, words)] => Some(words.clone()),
        several => {
            let each = several.iter().take(MOST_RUNS).map(|(label, words)| format!("{label}: {words}"));
            Some(each.collect::<Vec<_>>().join("; "))
        }
    }
}

/// Why a run has no number of a statistic.
fn withheld(info: &StatisticInfo, run: &ReportedRun<'_>) -> Option<String> {
    let rows = &run.tables.get(info.table)?.rows;
    let note = rows.iter().filter(|row| row.statistic == info.statistic).find_map(|row| row.note.as_deref())?;
    Some(format!("no number: {note}"))
}

/// A statistic whose numbers the charts of another one draw too.
const DRAWN_WITH: [(Statistic, Statistic); 1] = [(Statistic::LoadCv, Statistic::MaxViolation)];

/// What a run says about a statistic: the sentence of its chart, or else its numbers.
fn of_run(info: &StatisticInfo, run: &ReportedRun<'_>) -> Option<String> {
    let numbers = numbers_of_run(info, run)?;
    Some(match of_chart(info, run) {
        Some(said) if said.contains(|letter: char| letter.is_ascii_digit()) => said,
        // Where nothing can be told there are numbers all the same.
        Some(said) => format!("{said} ({numbers})"),
        None => numbers,
    })
}

/// The sentence of the first kind of chart of a statistic that says something: before capacity where there are two views, and of
/// charts of single layers that of the layer whose number is farthest from its baseline.
fn of_chart(info: &StatisticInfo, run: &ReportedRun<'_>) -> Option<String> {
    let drawn_with = DRAWN_WITH.iter().find(|(own, _)| *own == info.statistic);
    let statistic = drawn_with.map_or(info.statistic, |(_, other)| *other);
    let mut kinds: Vec<_> = CHARTS.iter().filter(|kind| kind.statistic == statistic).collect();
    // What is drawn on request alone another chart says better.
    kinds.sort_by_key(|kind| kind.on_request);
    let own =
        kinds.into_iter().map(|kind| run.messages.iter().filter(|said| said.kind == kind.stem).collect::<Vec<_>>());
    let said = own.into_iter().find(|said| !said.is_empty())?;
    let rows = run.tables.get(statistic.table()).into_iter().flat_map(|table| &table.rows);
    let rows: Vec<&Finding> = rows.filter(|row| row.statistic == statistic && row.estimate.is_some()).collect();
    let before: Vec<&Finding> = rows.iter().copied().filter(|row| row.view == View::Chosen).collect();
    let rows = if before.is_empty() { rows } else { before };
    let farthest = most_distant(&telling(statistic, &rows)).map(|row| row.layer);
    let rank = |name: &str| (name.ends_with(View::Kept.name()), layer_of(name) != farthest);
    let own = said.iter().min_by_key(|said| rank(&said.name))?;
    // A sentence about one of several charts of a kind says which layer it is about.
    let layer = layer_of(&own.name).filter(|_| !own.text.contains("layer"));
    Some(layer.map_or_else(|| own.text.clone(), |layer| format!("{} (layer {layer})", own.text)))
}

/// The layer of a chart that is about one: 5 of `drop_causes_layer_5`.
fn layer_of(name: &str) -> Option<u16> {
    name.split_once("_layer_")?.1.split('_').next()?.parse().ok()
}

fn most_distant<'a>(rows: &[&'a Finding]) -> Option<&'a Finding> {
    rows.iter().copied().max_by(|a, b| distance(a).partial_cmp(&distance(b)).unwrap_or(Ordering::Equal))
}

fn numbers_of_run(info: &StatisticInfo, run: &ReportedRun<'_>) -> Option<String> {
    let rows = run.tables.get(info.table)?.rows.iter();
    let known: Vec<&Finding> = rows.filter(|row| row.statistic == info.statistic && row.estimate.is_some()).collect();
    let view =
        known.iter().map(|row| row.view).find(|view| *view == View::Chosen).or(known.first().map(|row| row.view))?;
    let known: Vec<&Finding> = known.into_iter().filter(|row| row.view == view).collect();
    let told = telling(info.statistic, &known);
    if info.statistic == Statistic::DroppedTokens {
        return Some(lost_tokens(&told));
    }
    let whole: Vec<&Finding> = told.iter().copied().filter(|row| is_of_layer(row)).collect();
    if whole.is_empty() { farthest(&told) } else { Some(layer_by_layer(&whole)) }
}

/// The rows that answer the question of a statistic best, where it has several kinds.
fn telling<'a>(statistic: Statistic, rows: &[&'a Finding]) -> Vec<&'a Finding> {
    let wanted = |row: &Finding| match statistic {
        Statistic::CapacityReplay => row.variant == Some(Variant::FactorForOnePercent) && row.is_over_all(),
        // The most frequent tokens are the same in most experts.
        Statistic::TopTokens => row.unit != "count",
        _ => row.decides(),
    };
    let own: Vec<&Finding> = rows.iter().copied().filter(|row| wanted(row)).collect();
    let own = if own.is_empty() { rows.to_vec() } else { own };
    of_compared(own)
}

/// Of numbers about checkpoints those of the one that is compared with the last; others stay.
fn of_compared(rows: Vec<&Finding>) -> Vec<&Finding> {
    let Some(compared) = compared_checkpoint(&rows) else { return rows };
    let reference = last_reference(&rows);
    let is_own = |row: &&Finding| row.checkpoint.as_ref() == Some(&compared) && row.reference.as_ref() == reference;
    rows.iter().copied().filter(is_own).collect()
}

/// The checkpoint whose distance to the last one says most: the first beside the time axis, or else the last but one on it.
pub(super) fn compared_checkpoint(rows: &[&Finding]) -> Option<String> {
    let reference = last_reference(rows)?;
    let others = || {
        let own = rows.iter().filter(|row| row.reference.as_ref() == Some(reference));
        own.filter(|row| row.checkpoint.as_ref().is_some_and(|name| name != reference))
    };
    let beside = others().find(|row| row.training_tokens.is_none());
    let tokens = |row: &&&Finding| row.training_tokens.unwrap_or(0.0);
    let before = others().max_by(|a, b| tokens(a).total_cmp(&tokens(b)));
    beside.or(before)?.checkpoint.clone()
}

/// The checkpoint that others are compared with: of several the last one of the training.
fn last_reference<'a>(rows: &[&'a Finding]) -> Option<&'a String> {
    let tokens = |name: &String| {
        let own = rows.iter().filter(|row| row.checkpoint.as_ref() == Some(name));
        own.filter_map(|row| row.training_tokens).fold(0.0, f64::max)
    };
    let mut names: Vec<&String> = rows.iter().filter_map(|row| row.reference.as_ref()).collect();
    names.dedup();
    names.sort_unstable();
    names.dedup();
    names.into_iter().max_by(|a, b| tokens(a).total_cmp(&tokens(b)))
}

/// Whether a number is about a layer as a whole, perhaps by a variable or a checkpoint.
fn is_of_layer(row: &Finding) -> bool {
    row.is_whole()
        && row.category.is_none()
        && row.dataset.is_none()
        && row.document.is_none()
        && row.role.is_none()
        && row.turn.is_none()
        && row.rank.is_none()
}

/// The number of the first subject in every layer.
fn layer_by_layer(rows: &[&Finding]) -> String {
    let subject = subject_words(rows[0]);
    let mut seen = BTreeSet::new();
    let is_first = |row: &&Finding| subject_words(row) == subject && seen.insert(row.layer);
    let own: Vec<&Finding> = rows.iter().copied().filter(is_first).collect();
    // Beside shares bits would be taken for shares.
    let has_shares = own.iter().any(|row| row.explained.is_some());
    let own: Vec<&Finding> = own.into_iter().filter(|row| row.explained.is_some() == has_shares).collect();
    let before = if subject == "over all" { String::new() } else { format!("{subject}: ") };
    let each: Vec<(f64, String, u16)> =
        own.iter().filter_map(|row| Some((value(row)?, told(row), row.layer))).collect();
    format!("{before}{}{}", numbers(&each), share_of(own[0]))
}

/// A number for each layer, or the range of them.
fn numbers(each: &[(f64, String, u16)]) -> String {
    if each.len() <= MOST_LAYERS {
        let words = each.iter().map(|(_, told, layer)| format!("{told} in layer {layer}"));
        return words.collect::<Vec<_>>().join(", ");
    }
    let ends = [each.iter().min_by(|a, b| a.0.total_cmp(&b.0)), each.iter().max_by(|a, b| a.0.total_cmp(&b.0))];
    let end = |(_, told, layer): &(f64, String, u16)| format!("{told} (layer {layer})");
    let [low, high] = ends.map(|one| one.map_or_else(String::new, end));
    format!("from {low} to {high} in {} layers", each.len())
}

fn value(row: &Finding) -> Option<f64> {
    row.explained.or(row.estimate)
}

fn told(row: &Finding) -> String {
    let unit = if row.explained.is_some() { "share" } else { &*row.unit };
    let words = |value| match row.statistic {
        // The difference of two shares.
        Statistic::DropDifference if is_share(unit) => format!("{} points", points(value)),
        _ => brief(value, unit),
    };
    value(row).map_or_else(String::new, words)
}

/// A number with its interval, as sentences write it.
fn with_interval(row: &Finding) -> String {
    let Some(value) = row.estimate else { return String::new() };
    let ends = row.low.zip(row.high);
    if is_share(&row.unit) {
        return share_and_interval(value, ends);
    }
    format!(
        "{}{}",
        brief(value, &row.unit),
        ends.map_or_else(String::new, |(low, high)| format!(" {}", bracket(low, high)))
    )
}

/// What an explained share is a share of.
fn share_of(row: &Finding) -> &'static str {
    match (row.explained, row.given) {
        (None, _) => "",
        (Some(_), None) => " of what can be explained",
        (Some(_), Some(_)) => " of what is left",
    }
}

/// The number that is farthest from its baseline.
fn farthest(rows: &[&Finding]) -> Option<String> {
    let row = most_distant(rows)?;
    // What an expert, a category or a token id is, is clear from its name.
    let named = row.clone().about(|subject| Subject { variable: None, rank: None, ..subject });
    let against = row.baseline.map(|baseline| format!(" against {}", brief(baseline, &row.unit)));
    let word = if row.baseline.is_some() { "farthest from its baseline" } else { "largest" };
    Some(format!(
        "{word}: {} in layer {}, {}{}",
        subject_words(&named),
        row.layer,
        with_interval(row),
        against.unwrap_or_default()
    ))
}

/// How many tokens of the worst document lose something, layer by layer.
fn lost_tokens(rows: &[&Finding]) -> String {
    let mut layers: BTreeMap<u16, (f64, f64)> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.checkpoint == rows[0].checkpoint) {
        let (lost, all) = layers.entry(row.layer).or_default();
        *lost += f64::from(u8::from(row.estimate > Some(0.0)));
        *all += 1.0;
    }
    let each: Vec<(f64, String, u16)> = layers
        .into_iter()
        .map(|(layer, (lost, all))| (lost / all, format!("{} of the tokens", brief(lost / all, "share")), layer))
        .collect();
    format!("{}, the worst of all documents", numbers(&each))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Variable;

    fn row(statistic: Statistic, layer: u16, estimate: f64) -> Finding {
        Finding { estimate: Some(estimate), ..Finding::new(statistic, layer, View::Chosen) }
    }

    fn words(rows: &[Finding]) -> String {
        let rows: Vec<&Finding> = rows.iter().collect();
        let told = telling(rows[0].statistic, &rows);
        if told.iter().any(|row| is_of_layer(row)) { layer_by_layer(&told) } else { farthest(&told).unwrap() }
    }

    #[test]
    fn few_layers_are_told_one_by_one_and_many_as_a_range() {
        let of = |layers: u16| -> Vec<Finding> {
            (0..layers).map(|layer| row(Statistic::RouterMargin, layer, f64::from(layer) / 10.0)).collect()
        };
        assert_eq!(words(&of(2)), "0 % in layer 0, 10 % in layer 1");
        assert_eq!(words(&of(6)), "from 0 % (layer 0) to 50 % (layer 5) in 6 layers");
    }

    #[test]
    fn a_share_of_what_can_be_explained_comes_before_bits() {
        let token =
            |given| {
                Finding { explained: Some(0.812), ..row(Statistic::MutualInformation, 1, 2.4) }
                    .about(|subject| Subject { variable: Some(Variable::Token), given, ..subject })
            };
        assert_eq!(words(&[token(None)]), "token: 81 % in layer 1 of what can be explained");
        assert!(words(&[token(Some(Variable::Token))]).ends_with("of what is left"));
    }

    #[test]
    fn of_single_experts_the_farthest_from_its_baseline_is_named() {
        let expert = |expert, estimate| {
            Finding {
                low: Some(estimate - 0.01),
                high: Some(estimate + 0.01),
                baseline: Some(0.125),
                ..row(Statistic::DomainSpecialization, 5, estimate)
            }
            .about(|subject| Subject {
                variable: Some(Variable::Category),
                category: Some("he".into()),
                expert: Some(expert),
                ..subject
            })
        };
        assert_eq!(
            words(&[expert(3, 0.2), expert(4, 0.869), expert(5, 0.1)]),
            "farthest from its baseline: he, expert 4 in layer 5, 87 % [86, 88] against 13 %"
        );
    }

    #[test]
    fn of_checkpoints_the_one_beside_the_time_axis_is_told_or_else_the_last_but_one() {
        let pair = |checkpoint: &str, tokens: Option<f64>, estimate| {
            row(Statistic::RouterSaturation, 1, estimate).about(|subject| Subject {
                checkpoint: Some(checkpoint.into()),
                reference: Some("end".into()),
                training_tokens: tokens,
                ..subject
            })
        };
        let axis = [pair("a", Some(1.0), 0.2), pair("b", Some(2.0), 0.7), pair("end", Some(3.0), 1.0)];
        assert_eq!(words(&axis), "b, against end: 70 % in layer 1");
        let beside: Vec<Finding> = axis.into_iter().chain([pair("chat", None, 0.8)]).collect();
        assert_eq!(words(&beside), "chat, against end: 80 % in layer 1");
    }
}
