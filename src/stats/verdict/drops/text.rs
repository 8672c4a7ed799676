//! Which roles lose most, what fills the queues, which capacity would be enough, and how two models differ.

use super::trend::side;
use crate::{
    routing::{CapacityRule, ExpertId, LayerId},
    stats::{
        Finding, GROUPS_OF_RUN, Statistic, Variant,
        verdict::{Answer, Evidence, Measured, Side, Verdict},
    },
};

/// What each role loses, in the layer that drops most.
#[derive(Clone, Debug, PartialEq)]
pub struct Roles {
    /// Decoder layer index.
    pub layer: LayerId,
    /// The drop ratio of each role.
    pub each: Vec<Evidence>,
}

/// The queue that overflows most in a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Queue {
    /// Decoder layer index.
    pub layer: LayerId,
    /// Its expert.
    pub expert: ExpertId,
    /// The tokens that fill it, each with its share.
    pub tokens: Vec<Evidence>,
}

/// The capacity factor that would drop at most 1 %, by the run's own rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Capacity {
    /// The rule.
    pub rule: CapacityRule,
    /// Layer by layer.
    pub factors: Vec<Evidence>,
}

/// How a model differs from the one that it is compared with, in its drop ratio or in its trend.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Label of the model.
    pub checkpoint: String,
    /// Label of the one that it is compared with.
    pub reference: String,
    /// Whether it is the trend that differs, rather than the ratio.
    pub is_trend: bool,
    /// Layer by layer, with the side on which the interval lies.
    pub layers: Vec<(Side, Evidence)>,
}

impl Roles {
    /// The drop ratio of every role in the layer that drops most; none without roles.
    pub(super) fn of(rows: &[&Finding]) -> Option<Self> {
        let ratios =
            || rows.iter().filter(|row| row.statistic == Statistic::AssignmentDropRatio && row.estimate.is_some());
        let worst = ratios()
            .filter(|row| row.is_over_all())
            .max_by(|a, b| a.estimate.unwrap_or_default().total_cmp(&b.estimate.unwrap_or_default()))?;
        let of_role = |row: &&&Finding| {
            row.layer == worst.layer && row.role.is_some() && row.turn.is_none() && row.dataset.is_none()
        };
        let each: Vec<Evidence> = ratios().filter(of_role).map(|row| Evidence::estimate(row)).collect();
        (!each.is_empty()).then_some(Self { layer: worst.layer, each })
    }

    /// The same as an entry of `summary.json`.
    pub fn verdict(&self) -> Verdict {
        let answer = Answer::DroppedByRole(Measured::Measured);
        Verdict { layer: Some(self.layer), ..Verdict::new(answer, self.each.clone()) }
    }
}

impl Queue {
    /// The queue whose rows come first in each layer, in the order of the rows.
    pub(super) fn of(rows: &[&Finding]) -> Vec<Self> {
        let mut queues: Vec<Self> = Vec::new();
        let ranked = |row: &&&Finding| {
            row.statistic == Statistic::DropCauses && row.variant == Some(Variant::Token) && row.estimate.is_some()
        };
        for row in rows.iter().filter(ranked) {
            let Some(expert) = row.expert else { continue };
            match queues.iter_mut().find(|known| known.layer == row.layer) {
                None => queues.push(Self { layer: row.layer, expert, tokens: vec![Evidence::estimate(row)] }),
                Some(known) if known.expert == expert => known.tokens.push(Evidence::estimate(row)),
                Some(_) => {}
            }
        }
        queues
    }

    /// The same as an entry of `summary.json`.
    pub fn verdict(&self) -> Verdict {
        Verdict {
            layer: Some(self.layer),
            expert: Some(self.expert),
            ..Verdict::new(Answer::QueueOverflows(Measured::Measured), self.tokens.clone())
        }
    }
}

impl Capacity {
    /// The smallest factors of the run's own rule and groups at which at most 1 % is dropped; none where they are not given.
    pub(super) fn of(rows: &[&Finding]) -> Option<Self> {
        let replay = || rows.iter().filter(|row| row.statistic == Statistic::CapacityReplay && row.dataset.is_none());
        let rule = replay().find(|row| row.priority.is_some() && row.capacity_factor.is_some())?.rule?;
        let factors: Vec<Evidence> = replay()
            .filter(|row| row.rule == Some(rule) && row.grouping.as_deref() == Some(GROUPS_OF_RUN))
            .filter(|row| row.variant == Some(Variant::FactorForOnePercent) && row.estimate.is_some())
            .map(|row| Evidence::estimate(row))
            .collect();
        (!factors.is_empty()).then_some(Self { rule, factors })
    }

    /// A layer's factor as an entry of `summary.json`.
    pub fn verdict(factor: &Evidence) -> Verdict {
        let answer = Answer::CapacityFactorForOnePercent(Measured::Measured);
        Verdict { layer: Some(factor.finding.layer), ..Verdict::new(answer, vec![factor.clone()]) }
    }
}

impl Difference {
    /// The compared models in the order of the rows: first their drop ratios, then their trends.
    pub(super) fn of(findings: &[Finding]) -> Vec<Self> {
        let of = |compared: Statistic| -> Vec<Self> {
            let rows = findings.iter().filter(|row| {
                row.statistic == Statistic::DropDifference
                    && row.variant == Some(Variant::Of(compared))
                    && row.is_over_all()
            });
            let mut found: Vec<Self> = Vec::new();
            for row in rows {
                let number = Evidence::estimate(row).against(0.0);
                let layer = (side(&number), number);
                let [checkpoint, reference] =
                    [&row.checkpoint, &row.reference].map(|name| name.clone().unwrap_or_default());
                let known = found.iter().position(|own| own.checkpoint == checkpoint && own.reference == reference);
                let at = known.unwrap_or(found.len());
                if known.is_none() {
                    let is_trend = compared == Statistic::DropTrend;
                    found.push(Self { checkpoint, reference, is_trend, layers: Vec::new() });
                }
                found[at].layers.push(layer);
            }
            found
        };
        [of(Statistic::AssignmentDropRatio), of(Statistic::DropTrend)].concat()
    }

    /// The difference in a layer as an entry of `summary.json`.
    pub fn verdict(&self, (side, number): &(Side, Evidence)) -> Verdict {
        let answer = if self.is_trend { Answer::DropTrendDiffers(*side) } else { Answer::DropRatioDiffers(*side) };
        Verdict {
            layer: Some(number.finding.layer),
            checkpoint: Some(self.checkpoint.clone()),
            reference: Some(self.reference.clone()),
            ..Verdict::new(answer, vec![number.clone()])
        }
    }
}
