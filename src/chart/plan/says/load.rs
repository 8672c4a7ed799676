//! What the charts of the load say.

use super::{estimates, is_above, joined, most, numbers, over, percent, percents, ratio, times};
use crate::{
    chart::{Message, plan::selection::label},
    routing::{LayerId, View},
    stats::{Finding, Languages, Statistic, with_language},
};

/// The load of the busiest expert of each layer in times an even load, smallest to largest. `loads`: of each layer.
pub(in crate::chart::plan) fn busiest(loads: &[Option<f64>]) -> Option<Message> {
    let multiples = joined(loads.iter().flatten().copied(), times)?;
    let each = if loads.len() > 1 { " of each layer" } else { "" };
    Some(Message::described(format!("The busiest expert{each} takes {multiples} times an even load")))
}

/// How much more than the mean the busiest expert of a layer takes (the max violation), before capacity and after it, smallest to
/// largest over the layers.
pub(in crate::chart::plan) fn balance(rows: &[&Finding]) -> Option<Message> {
    let of = |view: View| {
        let own: Vec<&Finding> = rows.iter().copied().filter(|row| row.view == view).collect();
        percents(estimates(&own))
    };
    let after = of(View::Kept).map(|kept| format!(", after it {kept}")).unwrap_or_default();
    Some(Message::described(format!(
        "Before capacity the busiest expert takes {} more than the mean{after}",
        of(View::Chosen)?
    )))
}

/// The pair of experts that is chosen together most often against its loads; its interval has to lie above them.
pub(in crate::chart::plan) fn togetherness(rows: &[&Finding]) -> Option<Message> {
    let Some(best) = closest(rows) else {
        return Some(Message::open("No two experts are chosen together more often than their loads explain"));
    };
    Some(Message::shown(format!(
        "Experts {} and {} are chosen together {:.1} times as often as their loads explain",
        best.expert?,
        best.other_expert?,
        ratio(best)?
    )))
}

/// What an expert takes of a category.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::chart::plan) enum Taken {
    /// Tokens that have it among their choices.
    Tokens,
    /// Assignments: one for each choice of a token.
    Assignments,
}

impl Taken {
    /// That it takes such a share, without the noun that follows.
    fn words(self, share: &str) -> String {
        match self {
            Self::Tokens => format!("is chosen by {share} of the tokens"),
            Self::Assignments => format!("takes {share} of the assignments"),
        }
    }
}

/// The row of [`togetherness`].
pub(in crate::chart::plan) fn closest<'a>(rows: &[&'a Finding]) -> Option<&'a Finding> {
    let told = rows.iter().copied().filter(|row| is_above(row) && row.other_expert.is_some());
    most(told, ratio)
}

/// The category and expert that take most, in times an even load, among those whose interval lies above it. `baseline`: what an even load is for a row.
pub(in crate::chart::plan) fn largest_lift(
    rows: &[&Finding],
    taken: Taken,
    baseline: impl Fn(&Finding) -> Option<f64>,
) -> Option<Message> {
    let Some(best) = most_lifted(rows, &baseline) else {
        return Some(Message::open("No expert takes more of a category than could be told from an even load"));
    };
    let category = best.category.as_deref()?;
    let languages = Languages::of(rows.iter().filter_map(|row| row.category.as_deref()));
    let layer = if several_layers(rows) { format!(" of layer {}", best.layer) } else { String::new() };
    Some(Message::shown(format!(
        "Expert {}{layer} {} of {}, {:.1} times an even load",
        best.expert?,
        taken.words(&percent(best.estimate?)),
        with_language(&label(category), languages.name(category)),
        over(best, baseline(best))?
    )))
}

/// The row of [`largest_lift`].
pub(in crate::chart::plan) fn most_lifted<'a>(
    rows: &[&'a Finding],
    baseline: impl Fn(&Finding) -> Option<f64>,
) -> Option<&'a Finding> {
    let told = |row: &&Finding| row.low.zip(baseline(row)).is_some_and(|(low, baseline)| low > baseline);
    most(rows.iter().copied().filter(told), |row| over(row, baseline(row)))
}

fn several_layers(rows: &[&Finding]) -> bool {
    let layers: Vec<LayerId> = rows.iter().map(|row| row.layer).collect();
    layers.windows(2).any(|pair| pair[0] != pair[1])
}

/// The mean entropy of the gates (the median where there is no mean), smallest to largest, and that of even gates.
pub(in crate::chart::plan) fn confidence(rows: &[&Finding]) -> Option<Message> {
    let at = |quantile: Option<f64>| -> Vec<&Finding> {
        let is_own = |row: &&&Finding| row.statistic == Statistic::RouterEntropy && row.quantile == quantile;
        rows.iter().filter(is_own).copied().collect()
    };
    let (mean, median) = (at(None), at(Some(0.5)));
    let (own, which) = if mean.is_empty() { (median, "median ") } else { (mean, "") };
    let entropy = numbers(estimates(&own))?;
    let even = numbers(own.iter().filter_map(|row| row.baseline)).map(|even| format!("; even gates have {even}"));
    let even = even.unwrap_or_default();
    Some(Message::described(format!("The router's {which}entropy is {entropy} nats{even}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{chart::Ground, stats::Subject};

    #[test]
    fn the_balance_is_that_of_the_panel_that_is_drawn_first() {
        let row =
            |view, estimate| Finding { estimate: Some(estimate), ..Finding::new(Statistic::MaxViolation, 1, view) };
        let rows = [row(View::Chosen, 0.31), row(View::Chosen, 0.75), row(View::Kept, 0.4)];
        let text = "Before capacity the busiest expert takes 31 to 75 % more than the mean, after it 40 %";
        assert_eq!(balance(&rows.iter().collect::<Vec<_>>()).unwrap().text, text);
        assert!(balance(&[]).is_none());
    }

    #[test]
    fn the_largest_multiple_counts_only_if_its_interval_lies_above_the_baseline() {
        let taken = |expert: u16, category: &str, estimate: f64, low: f64| Finding {
            estimate: Some(estimate),
            low: Some(low),
            high: Some(2.0 * estimate - low),
            baseline: Some(0.125),
            ..Finding::new(Statistic::DomainSpecialization, 5, View::Chosen).about(|subject| Subject {
                expert: Some(expert),
                category: Some(category.to_owned()),
                ..subject
            })
        };
        let rows = [taken(3, "he", 0.9, 0.1), taken(11, "zh-cn", 0.69, 0.63), taken(2, "de", 0.2, 0.15)];
        let all: Vec<&Finding> = rows.iter().collect();
        let message = largest_lift(&all, Taken::Tokens, |row| row.baseline).unwrap();
        assert_eq!(
            message.text,
            "Expert 11 is chosen by 69 % of the tokens of zh-cn (Chinese), 5.5 times an even load"
        );
        let message = largest_lift(&all[..1], Taken::Tokens, |row| row.baseline).unwrap();
        assert_eq!(message.ground, Ground::Open);
        let other = Finding { layer: 3, ..rows[1].clone() };
        let message = largest_lift(&[&other, &rows[2]], Taken::Assignments, |row| row.baseline).unwrap();
        assert!(message.text.starts_with("Expert 11 of layer 3 takes"), "{}", message.text);
    }
}
