//! What it costs to route otherwise, from the ends of the intervals.

use super::{Answer, Side, Verdict};
use crate::stats::{Changed, Exposure, Measure, MitigationRow, PartKind};

/// One strategy that changes all layers.
#[derive(Clone, Debug, PartialEq)]
pub struct StrategyVerdict {
    /// The change of the loss over all tokens.
    pub loss: MitigationRow,
    /// The share of the tokens whose first choice is another one, over all layers.
    pub first_choice: Option<MitigationRow>,
    /// The change of the drop ratio, over all layers, where anything is dropped.
    pub drop_ratio: Option<MitigationRow>,
    /// Whether the loss rises.
    pub side: Side,
}

/// What dropping costs.
#[derive(Clone, Debug, PartialEq)]
pub struct DropCostVerdict {
    /// The tokens that lose an expert, those behind them, the rest; as far as there are any.
    pub by_exposure: Vec<MitigationRow>,
    /// Whether the loss behind the tokens that lose an expert is higher with capacity.
    pub side: Side,
}

/// What a mitigate run says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MitigationVerdict {
    /// The strategies in the order of the run.
    pub strategies: Vec<StrategyVerdict>,
    /// What dropping costs, if the model drops anything and one strategy removes its capacity.
    pub drops: Option<DropCostVerdict>,
}

/// On which side of 0 a change lies.
fn side(change: &Changed) -> Side {
    match (change.low, change.high) {
        (Some(low), _) if low > 0.0 => Side::Above,
        (_, Some(high)) if high < 0.0 => Side::Below,
        (Some(_), Some(_)) => Side::NotMeasurably,
        _ => Side::NotEnoughData,
    }
}

impl MitigationVerdict {
    /// The verdict on the rows of a run.
    pub(super) fn of(rows: &[MitigationRow]) -> Self {
        let overall = |strategy: &str, measure: Measure| {
            rows.iter().find(|row| row.is_overall() && row.strategy == strategy && row.measure == measure).cloned()
        };
        let drops_any = |row: &MitigationRow| {
            [row.change.unchanged, row.change.changed].into_iter().flatten().any(|share| share > 0.0)
        };
        let strategies =
            rows.iter().filter(|row| row.is_overall() && row.measure == Measure::Loss).map(|loss| StrategyVerdict {
                side: side(&loss.change),
                first_choice: overall(&loss.strategy, Measure::FirstChoice),
                drop_ratio: overall(&loss.strategy, Measure::DropRatio).filter(drops_any),
                loss: loss.clone(),
            });
        let by_exposure: Vec<MitigationRow> =
            rows.iter().filter(|row| row.measure == Measure::DropCost && row.part == PartKind::All).cloned().collect();
        let dropped = by_exposure.iter().find(|row| row.exposure == Some(Exposure::Dropped));
        let drops =
            dropped.map(|row| side(&row.change)).map(|side| DropCostVerdict { side, by_exposure: by_exposure.clone() });
        Self { strategies: strategies.collect(), drops }
    }
}

impl StrategyVerdict {
    /// The entry of `summary.json`.
    pub fn verdict(&self) -> Verdict {
        Verdict { strategy: Some(self.loss.strategy.clone()), ..Verdict::new(Answer::LossRises(self.side), Vec::new()) }
    }
}

impl DropCostVerdict {
    /// The entry of `summary.json`.
    pub fn verdict(&self) -> Verdict {
        let strategy = self.by_exposure.first().map(|row| row.strategy.clone());
        Verdict { strategy, ..Verdict::new(Answer::DroppingHurts(self.side), Vec::new()) }
    }

    /// The cost for the tokens of an exposure.
    pub fn of(&self, exposure: Exposure) -> Option<&MitigationRow> {
        self.by_exposure.iter().find(|row| row.exposure == Some(exposure))
    }
}
