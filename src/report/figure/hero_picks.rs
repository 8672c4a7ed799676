//! What the pictures on the first screen show of single experts, token ids and queues: the numbers that the words pick out.

use std::collections::BTreeSet;

use super::{hero_mark::HeroMark, keys::in_order, row::FigureRow};
use crate::{
    report::text::{readable, token_text},
    routing::View,
    stats::{
        Finding, Languages, Scope, Statistic, Variant,
        verdict::{RouteVerdict, moved_most},
        with_language,
    },
};

/// Categories of the expert that stands out.
const CATEGORIES: usize = 3;
/// Data sets, in the order of the run.
const DATASETS: usize = 8;
/// Token ids that moved most.
const TOKENS: usize = 3;

/// The place behind all other marks of a picture.
const LAST: usize = 100;

type Marked<'a> = (FigureRow<'a>, HeroMark);

/// The expert of a run that stands out most, and what it takes of the categories of which it takes most.
pub(super) fn specialist<'a>(rows: &[FigureRow<'a>]) -> Vec<Marked<'a>> {
    let runs: BTreeSet<usize> = rows.iter().map(|row| row.run).collect();
    runs.into_iter()
        .flat_map(|run| of_run(&rows.iter().copied().filter(|row| row.run == run).collect::<Vec<_>>()))
        .collect()
}

fn of_run<'a>(rows: &[FigureRow<'a>]) -> Vec<Marked<'a>> {
    let decides = |row: &Finding| {
        let is_load = row.statistic == Statistic::ExpertShare
            && row.category.is_none()
            && row.token_id.is_none()
            && row.position.is_none();
        row.view == View::Chosen && (row.statistic == Statistic::DomainSpecialization || is_load)
    };
    let findings: Vec<Finding> = rows.iter().map(|row| row.finding).filter(|row| decides(row)).cloned().collect();
    let Some(own) = RouteVerdict::of(&findings).specialist.filter(|own| own.category.is_some()) else {
        return Vec::new();
    };
    let is_own = |row: &&FigureRow<'_>| {
        let finding = row.finding;
        finding.statistic == Statistic::DomainSpecialization
            && (finding.layer, finding.expert) == (own.layer, Some(own.expert))
    };
    let mut taken: Vec<FigureRow<'a>> = rows.iter().filter(is_own).copied().collect();
    taken.sort_by(|a, b| b.finding.estimate.partial_cmp(&a.finding.estimate).unwrap_or(std::cmp::Ordering::Equal));
    let chosen = taken.iter().filter(|row| row.finding.view == View::Chosen);
    let first: Vec<&str> = chosen.filter_map(|row| row.finding.category.as_deref()).take(CATEGORIES).collect();
    let languages = Languages::of(taken.iter().filter_map(|row| row.finding.category.as_deref()));
    let panel = format!("% of the tokens of a category that expert {} of layer {} takes", own.expert, own.layer);
    let mark = |row: &FigureRow<'a>| {
        let name = row.finding.category.as_deref()?;
        let place = LAST + first.iter().position(|category| *category == name)?;
        let values = [row.finding.estimate, row.finding.low, row.finding.high];
        let label = with_language(&format!("\u{201c}{}\u{201d}", readable(name)), languages.name(name));
        Some((*row, HeroMark { place, panel: panel.clone(), label, values }))
    };
    taken.iter().filter_map(mark).collect()
}

/// The token ids that a model beside the time axis routes most differently from the last checkpoint on it.
pub(super) fn moved<'a>(rows: &[FigureRow<'a>]) -> Vec<Marked<'a>> {
    let is_distance = |row: &&FigureRow<'_>| {
        let finding = row.finding;
        finding.statistic == Statistic::TokenDrift
            && finding.variant == Some(Variant::TotalVariation)
            && finding.view == View::Chosen
            && finding.token_id.is_some()
            && finding.training_tokens.is_none()
    };
    let own: Vec<FigureRow<'a>> = rows.iter().filter(is_distance).copied().collect();
    let Some(first) = own.first().and_then(|row| row.finding.checkpoint.as_deref()) else { return Vec::new() };
    let of_first = own.iter().filter(|row| row.finding.checkpoint.as_deref() == Some(first));
    let most = moved_most(of_first.map(|row| row.finding), TOKENS);
    let panel = format!("% of the choices of a token id that {} sends elsewhere", readable(first));
    let mark = |(at, finding): (usize, &Finding)| {
        let row = own.iter().find(|row| std::ptr::eq(row.finding, finding))?;
        let label = token_text(finding, finding.token_id?);
        let values = [finding.estimate, finding.low, finding.high];
        Some((*row, HeroMark { place: LAST + at, panel: panel.clone(), label, values }))
    };
    most.into_iter().enumerate().filter_map(mark).collect()
}

/// How much of the rise within a sequence random order shows too: at least, by the ends of both intervals.
pub(super) fn in_random_order<'a>(rows: &[FigureRow<'a>]) -> Vec<Marked<'a>> {
    let own = |variant: Variant| {
        let is_own = move |row: &&FigureRow<'_>| {
            let finding = row.finding;
            finding.statistic == Statistic::DropTrend
                && finding.variant == Some(variant)
                && finding.checkpoint.is_none()
                && finding.is_over_all()
        };
        rows.iter().filter(is_own)
    };
    let mark = |row: &FigureRow<'a>| {
        let is_pair = |left: &&FigureRow<'_>| {
            let place = |row: &FigureRow<'_>| (row.run, row.finding.layer, row.finding.view);
            place(left) == place(row)
        };
        let left = own(Variant::LastMinusFirstExcess).find(is_pair)?.finding.high?;
        let rise = row.finding.low.filter(|low| *low > 0.0)?;
        let share = (1.0 - left.max(0.0) / rise).clamp(0.0, 1.0);
        let panel = "share of the rise that random order shows too, %".to_owned();
        Some((*row, HeroMark { place: LAST, panel, label: "at least".to_owned(), values: [Some(share), None, None] }))
    };
    own(Variant::LastMinusFirst).filter_map(mark).chain(by_dataset(rows)).collect()
}

/// What random order leaves of the trend in each data set; nothing for a single one, which is all text.
fn by_dataset<'a>(rows: &[FigureRow<'a>]) -> impl Iterator<Item = Marked<'a>> {
    let is_own = |row: &FigureRow<'_>| {
        let finding = row.finding;
        finding.statistic == Statistic::DropTrend
            && finding.variant == Some(Variant::LastMinusFirstExcess)
            && finding.checkpoint.is_none()
            && matches!(finding.scope(), Some(Scope::Dataset(_)))
    };
    let own: Vec<FigureRow<'a>> = rows.iter().copied().filter(is_own).collect();
    let mut names = in_order(own.iter().filter_map(|row| row.finding.dataset.clone()));
    let all = names.len();
    let part = if all > DATASETS { format!(" (the first {DATASETS} of {all})") } else { String::new() };
    let panel = format!("left above random order by data set{part}, percentage points");
    names.truncate(if names.len() > 1 { DATASETS } else { 0 });
    own.into_iter().filter_map(move |row| {
        let name = row.finding.dataset.as_ref()?;
        let place = LAST + 1 + names.iter().position(|known| known == name)?;
        let values = [row.finding.estimate, row.finding.low, row.finding.high];
        Some((row, HeroMark { place, panel: panel.clone(), label: readable(name), values }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{run::RunKind, stats::Subject};

    fn shown(
        findings: &[Finding],
        picks: for<'a> fn(&[FigureRow<'a>]) -> Vec<Marked<'a>>,
    ) -> Vec<(String, String, f64)> {
        let rows: Vec<FigureRow<'_>> =
            findings.iter().map(|finding| FigureRow { run: 0, command: RunKind::Route, model: "m", finding }).collect();
        let mut marks: Vec<HeroMark> = picks(&rows).into_iter().map(|(_, mark)| mark).collect();
        marks.sort_by_key(|mark| mark.place);
        marks.into_iter().map(|mark| (mark.panel, mark.label, mark.values[0].unwrap())).collect()
    }

    #[test]
    fn the_expert_of_the_words_stands_with_the_categories_of_which_it_takes_most() {
        let row = |expert: u16, category: &str, estimate: f64| {
            Finding {
                estimate: Some(estimate),
                low: Some(estimate - 0.02),
                high: Some(estimate + 0.02),
                baseline: Some(0.125),
                ..Finding::new(Statistic::DomainSpecialization, 5, View::Chosen)
            }
            .about(|subject| Subject { expert: Some(expert), category: Some(category.into()), ..subject })
        };
        let findings =
            [row(4, "he", 0.87), row(4, "nl", 0.8), row(4, "ar", 0.19), row(4, "en", 0.1), row(3, "he", 0.2)];
        let panel = "% of the tokens of a category that expert 4 of layer 5 takes";
        let expected = [
            ("\u{201c}he\u{201d} (Hebrew)", 0.87),
            ("\u{201c}nl\u{201d} (Dutch)", 0.8),
            ("\u{201c}ar\u{201d} (Arabic)", 0.19),
        ]
        .map(|(name, share)| (panel.to_owned(), name.to_owned(), share));
        assert_eq!(shown(&findings, specialist), expected);
        assert_eq!(shown(&[], specialist), []);
    }

    #[test]
    fn random_order_shows_at_least_so_much_of_the_rise_as_both_intervals_leave() {
        let row = |variant: Variant, low: f64, high: f64| {
            Finding {
                estimate: Some(f64::midpoint(low, high)),
                low: Some(low),
                high: Some(high),
                ..Finding::new(Statistic::DropTrend, 3, View::Chosen)
            }
            .about(|subject| Subject { variant: Some(variant), ..subject })
        };
        let rise = row(Variant::LastMinusFirst, 0.04, 0.06);
        let marks = shown(&[rise.clone(), row(Variant::LastMinusFirstExcess, -0.01, 0.01)], in_random_order);
        assert!((marks[0].2 - 0.75).abs() < 1e-9, "{marks:?}");
        assert_eq!(shown(&[rise], in_random_order), [], "nothing is known of what is left");
    }

    #[test]
    fn the_intervals_that_the_words_count_are_shown_by_data_set() {
        let row = |dataset: &str| {
            Finding { estimate: Some(0.01), ..Finding::new(Statistic::DropTrend, 3, View::Chosen) }.about(|subject| {
                Subject { variant: Some(Variant::LastMinusFirstExcess), dataset: Some(dataset.into()), ..subject }
            })
        };
        let panel = "left above random order by data set, percentage points";
        let expected = ["talks", "code"].map(|name| (panel.to_owned(), name.to_owned(), 0.01));
        assert_eq!(shown(&[row("talks"), row("code")], in_random_order), expected);
        assert_eq!(shown(&[row("talks")], in_random_order), [], "one data set is all text");
    }
}
