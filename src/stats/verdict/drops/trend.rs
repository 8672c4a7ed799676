//! Whether the later tokens of a sequence are dropped more, in one layer.

use std::collections::BTreeMap;

use crate::{
    routing::LayerId,
    stats::{
        Finding, Statistic, Variant,
        verdict::{Answer, Evidence, LaterTokens, Side, Verdict},
    },
};

/// The trend of a layer, over all texts or of a data set.
#[derive(Clone, Debug, PartialEq)]
pub struct Trend {
    /// Decoder layer index.
    pub layer: LayerId,
    /// Data set; none: all texts.
    pub dataset: Option<String>,
    /// Whether later tokens are dropped more.
    pub answer: LaterTokens,
    /// On which side of random order the trend lies.
    pub side: Side,
    /// Last quarter minus first quarter, with that of random order as its baseline.
    pub last_minus_first: Evidence,
    /// What is left of it above random order, sequence by sequence.
    pub excess: Option<Evidence>,
    /// First and last quarter less the middle, where both lie above 0.
    pub u_shape: Vec<Evidence>,
}

/// The rows of `drop_trend` of one model by layer, data set and variant.
pub(super) struct TrendRows<'a>(BTreeMap<(LayerId, Option<&'a str>, Variant), &'a Finding>);

impl<'a> TrendRows<'a> {
    /// Of rows that are about the same thing the first counts.
    pub(super) fn of(rows: &[&'a Finding]) -> Self {
        let mut found = BTreeMap::new();
        for row in rows.iter().copied().filter(|row| row.statistic == Statistic::DropTrend) {
            if let Some(variant) = row.variant {
                found.entry((row.layer, row.dataset.as_deref(), variant)).or_insert(row);
            }
        }
        Self(found)
    }

    fn row(&self, layer: LayerId, dataset: Option<&'a str>, variant: Variant) -> Option<&'a Finding> {
        self.0.get(&(layer, dataset, variant)).copied()
    }
}

impl Trend {
    /// `last_minus_first` alone says whether there is a trend. Whether it is more than queue mechanics is decided by what is
    /// left above random order where each sequence is compared with its own permutations (`last_minus_first_excess`): the
    /// interval of the difference of the means would also hold how much more one text's queues overflow than another's.
    pub(super) fn of<'a>(rows: &TrendRows<'a>, layer: LayerId, dataset: Option<&'a str>) -> Option<Self> {
        let variant = |name| rows.row(layer, dataset, name);
        let number = |row| Evidence::estimate(row).against(0.0);
        let row = variant(Variant::LastMinusFirst)?;
        let excess = variant(Variant::LastMinusFirstExcess).map(number);
        let above_middle: Vec<Evidence> = [Variant::FirstMinusMiddle, Variant::LastMinusMiddle]
            .into_iter()
            .filter_map(variant)
            .map(number)
            .filter(Evidence::is_above_zero)
            .collect();
        let last_minus_first = number(row);
        let side = excess.as_ref().map_or(Side::NotEnoughData, side);
        Some(Self {
            layer,
            dataset: dataset.map(str::to_owned),
            answer: later_tokens(&last_minus_first, side),
            side,
            last_minus_first,
            excess,
            u_shape: if above_middle.len() == 2 { above_middle } else { Vec::new() },
        })
    }

    /// Whether the drops are lowest in the middle of the sequences.
    pub fn is_u_shaped(&self) -> bool {
        !self.u_shape.is_empty()
    }

    /// Of a rise: the share of it that is surely there in random order too.
    pub(super) fn share_in_random_order(&self) -> Option<f64> {
        Some(1.0 - self.excess.as_ref()?.high?.max(0.0) / self.last_minus_first.low?)
    }

    /// Whether later tokens are dropped more, as an entry of `summary.json`.
    pub fn verdict(&self) -> Verdict {
        let numbers = std::iter::once(&self.last_minus_first).chain(&self.excess).chain(&self.u_shape);
        Verdict {
            u_shaped: self.is_u_shaped(),
            ..self.entry(Answer::LaterTokensDroppedMore(self.answer), numbers.cloned().collect())
        }
    }

    /// On which side of random order the trend lies, as an entry of `summary.json`.
    pub fn side_verdict(&self) -> Verdict {
        self.entry(Answer::DiffersFromRandomOrder(self.side), self.excess.iter().cloned().collect())
    }

    fn entry(&self, answer: Answer, because: Vec<Evidence>) -> Verdict {
        Verdict { layer: Some(self.layer), dataset: self.dataset.clone(), ..Verdict::new(answer, because) }
    }
}

/// On which side of 0 an interval lies.
pub(super) fn side(number: &Evidence) -> Side {
    match () {
        () if number.is_above_zero() => Side::Above,
        () if number.is_below_zero() => Side::Below,
        () if number.has_both_ends() => Side::NotMeasurably,
        () => Side::NotEnoughData,
    }
}

fn later_tokens(trend: &Evidence, left: Side) -> LaterTokens {
    match (trend.is_known(), left) {
        (false, _) => LaterTokens::NotEnoughData,
        (true, Side::Above) if trend.is_above_zero() => LaterTokens::MoreThanInRandomOrder,
        (true, Side::Below) if trend.is_above_zero() => LaterTokens::LessThanInRandomOrder,
        (true, Side::NotMeasurably) if trend.is_above_zero() => LaterTokens::AsInRandomOrder,
        (true, Side::NotEnoughData) if trend.is_above_zero() => LaterTokens::More,
        (true, _) if trend.is_below_zero() => LaterTokens::Less,
        (true, _) => LaterTokens::NoTrend,
    }
}
