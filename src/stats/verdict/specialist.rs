//! The expert that stands out most, with what it does.

use std::{cmp::Ordering, collections::HashMap};

use super::{Answer, Evidence, IntervalsThatMissZero, Measured, Verdict, drops::MISSED_BY_CHANCE};
use crate::{
    routing::{ExpertId, LayerId, View},
    stats::{Finding, Languages, Statistic},
};

/// More than this share of a category's tokens is most of them.
const MOST: f64 = 0.5;

/// An expert and the category that it takes; where no category stands out, the expert with the largest load.
#[derive(Clone, Debug, PartialEq)]
pub struct Specialist {
    /// Decoder layer index.
    pub layer: LayerId,
    /// Its expert.
    pub expert: ExpertId,
    /// The category; none: all text.
    pub category: Option<String>,
    /// The English name of the language whose code the category is.
    pub language: Option<&'static str>,
    /// The other categories of which it surely takes more than half, the largest lower end first.
    pub also: Vec<String>,
    /// The share of the category's tokens that choose the expert; without a category its share of all assignments. The baseline is
    /// that of an even load.
    pub share: Evidence,
    /// The intervals that were looked at, against an even load.
    pub intervals: IntervalsThatMissZero,
}

impl Specialist {
    /// Reads `domain_specialization` and `expert_share` over all text, chosen view. Of the pairs of category and expert whose
    /// interval lies above both an even load and the expert's own share of all text, the one with the largest lower end over an
    /// even load; if there is none, the same of the experts over all text; none if nothing lies above an even load.
    pub(super) fn of(findings: &[Finding]) -> Option<Self> {
        let of = |statistic: Statistic| -> Vec<&Finding> {
            let rows = findings.iter().filter(|row| row.statistic == statistic && row.view == View::Chosen);
            rows.filter(|row| row.expert.is_some() && times_even(row).is_some()).collect()
        };
        let is_of_all_text =
            |row: &&Finding| row.category.is_none() && row.token_id.is_none() && row.position.is_none();
        let loads: Vec<&Finding> = of(Statistic::ExpertShare).into_iter().filter(is_of_all_text).collect();
        // What each expert takes of all text in times an even load.
        let taken: HashMap<_, _> =
            loads.iter().filter_map(|row| Some(((row.layer, row.expert), row.estimate? / row.baseline?))).collect();
        let is_above_own = |row: &&Finding| {
            let own = taken.get(&(row.layer, row.expert)).copied().unwrap_or(1.0);
            times_even(row).is_some_and(|times| times > own)
        };
        let pairs = of(Statistic::DomainSpecialization);
        let above_own = pairs.iter().copied().filter(is_above_own);
        Self::clearest(above_own, &pairs).or_else(|| Self::clearest(loads.iter().copied(), &loads))
    }

    /// The row with the largest lower end over an even load, out of all rows that were looked at.
    fn clearest<'a>(candidates: impl Iterator<Item = &'a Finding>, all: &[&Finding]) -> Option<Self> {
        let above = candidates.filter(|row| times_even(row).is_some_and(|times| times > 1.0));
        // Of equal rows the first counts.
        let row = above.reduce(|best, row| if times_even(row) > times_even(best) { row } else { best })?;
        let beyond = |holds: fn(f64, f64, f64) -> bool| {
            let ends = all.iter().filter_map(|row| Some((row.low?, row.high?, row.baseline?)));
            ends.filter(|(low, high, chance)| holds(*low, *high, *chance)).count()
        };
        Some(Self {
            layer: row.layer,
            expert: row.expert?,
            category: row.category.clone(),
            language: row.category.as_deref().and_then(|own| languages(all).name(own)),
            also: also(row, all),
            share: Evidence { threshold: row.baseline, ..Evidence::estimate(row) },
            intervals: IntervalsThatMissZero {
                all: all.len(),
                above: beyond(|low, _, chance| low > chance),
                below: beyond(|_, high, chance| high < chance),
                by_chance: all.len() as f64 * MISSED_BY_CHANCE,
            },
        })
    }

    /// How many times an even load its share is; `None` if that has no number.
    pub fn times_even(&self) -> Option<f64> {
        Some(self.share.estimate? / self.share.baseline?)
    }

    /// The same as an entry of `summary.json`.
    pub fn verdict(&self) -> Verdict {
        let answer = if self.category.is_some() {
            Answer::ClearestSpecialist(Measured::Measured)
        } else {
            Answer::BusiestExpert(Measured::Measured)
        };
        Verdict {
            layer: Some(self.layer),
            expert: Some(self.expert),
            intervals: Some(self.intervals),
            ..Verdict::new(answer, vec![self.share.clone()])
        }
    }
}

/// Which categories of the rows are codes of languages.
fn languages(rows: &[&Finding]) -> Languages {
    Languages::of(rows.iter().filter_map(|row| row.category.as_deref()))
}

/// The other categories of which the expert of a row surely takes more than half.
fn also(row: &Finding, all: &[&Finding]) -> Vec<String> {
    let is_other = |own: &&&Finding| {
        (own.layer, own.expert) == (row.layer, row.expert) && own.category != row.category && own.low > Some(MOST)
    };
    let mut others: Vec<&Finding> = all.iter().filter(is_other).copied().collect();
    others.sort_by(|a, b| b.low.partial_cmp(&a.low).unwrap_or(Ordering::Equal));
    others.iter().filter_map(|own| own.category.clone()).collect()
}

/// The lower end of the interval in times an even load.
fn times_even(row: &Finding) -> Option<f64> {
    Some(row.low? / row.baseline.filter(|even| *even > 0.0)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::verdict::made::{load, takes};

    fn told(findings: &[Finding]) -> Option<(LayerId, ExpertId, Option<String>)> {
        Specialist::of(findings).map(|own| (own.layer, own.expert, own.category))
    }

    #[test]
    fn the_largest_lower_end_wins_not_the_largest_estimate() {
        let rows = [takes(1, 2, "zh", 0.9, 0.2), takes(3, 5, "en", 0.6, 0.55), takes(3, 6, "en", 0.05, 0.01)];
        assert_eq!(told(&rows), Some((3, 5, Some("en".into()))));
        let more = [takes(3, 5, "fr", 0.55, 0.51), takes(3, 5, "de", 0.57, 0.52), takes(3, 5, "it", 0.55, 0.49)];
        assert_eq!(Specialist::of(&[&rows[..], &more].concat()).unwrap().also, ["de", "fr"]);
        let own = Specialist::of(&rows).unwrap();
        assert_eq!((own.intervals.all, own.intervals.above, own.intervals.below), (3, 2, 1));
        assert!((own.times_even().unwrap() - 4.8).abs() < 1e-12);
        assert_eq!(own.verdict().answer, Answer::ClearestSpecialist(Measured::Measured));
    }

    #[test]
    fn an_expert_that_takes_as_much_of_all_text_is_no_specialist() {
        // Expert 2 takes 0.8 of the tokens of every text: its share of all assignments is 0.4, 6.4 times an even load.
        let rows =
            [takes(1, 2, "zh", 0.82, 0.79), takes(1, 5, "en", 0.3, 0.25), load(1, 2, 0.4, 0.39), load(1, 5, 0.1, 0.09)];
        assert_eq!(told(&rows), Some((1, 5, Some("en".into()))));
        assert_eq!(told(&[rows[0].clone(), rows[2].clone()]), Some((1, 2, None)), "the busiest expert takes its place");
        let even = load(1, 2, 0.0625, 0.06);
        assert_eq!(told(&[even, takes(1, 2, "zh", 0.13, 0.12)]), None);
        assert_eq!(told(&[takes(1, 2, "zh", 0.9, 0.8).withheld("3 documents")]), None);
        assert_eq!(told(&[]), None);
    }
}
