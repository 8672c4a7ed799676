//! Does dropping hurt? Loss with capacity less loss without, for the tokens that lose an expert, for those that follow them, and for the
//! rest.

use std::collections::BTreeMap;

use super::{
    loss::{DocumentSums, LossStudy},
    parts::{Part, PartKind},
    row::{Exposure, Measure, MitigationRow},
};
use crate::{
    error::Result,
    trace::{LayerTrace, LossTable},
};

/// How far behind a dropped token its neighbours are looked at.
const BEHIND: u32 = 32;

/// Which tokens of the unchanged model lost an expert in some layer; layers are added one after the other.
#[derive(Clone, Debug, Default)]
pub struct Exposures {
    sequence: Vec<u32>,
    position: Vec<u32>,
    dropped: Vec<bool>,
}

impl Exposures {
    /// Adds a layer of the unchanged model.
    pub fn add_layer(&mut self, trace: &LayerTrace) {
        if self.sequence.is_empty() {
            (self.sequence, self.position) = (trace.sequence.clone(), trace.position.clone());
            self.dropped = vec![false; trace.len()];
        }
        for (token, dropped) in self.dropped.iter_mut().enumerate() {
            *dropped |= trace.kept(token).contains(&false);
        }
    }

    /// Tokens that lost an expert.
    pub fn dropped(&self) -> usize {
        self.dropped.iter().filter(|dropped| **dropped).count()
    }

    /// The exposure of every next token by the token before it, `[next tokens]`. The last token of a sequence has no next one.
    pub fn of(&self, losses: &LossTable) -> Vec<Exposure> {
        let mut exposures = Vec::with_capacity(losses.len());
        let mut at = 0;
        let mut last: Option<(u32, u32)> = None;
        for (sequence, position) in losses.sequence.iter().zip(&losses.position) {
            // Both ascend, and every next token has its token here.
            while at < self.sequence.len() && (self.sequence[at], self.position[at]) < (*sequence, *position) {
                at += 1;
            }
            let dropped = self.dropped.get(at).copied().unwrap_or(false);
            let distance = last.filter(|(own, _)| own == sequence).map(|(_, place)| position - place);
            exposures.push(match (dropped, distance) {
                (true, _) => Exposure::Dropped,
                (false, Some(distance)) if distance <= BEHIND => Exposure::AfterDrop,
                (false, Some(_)) => Exposure::Rest,
                (false, None) => Exposure::Unreached,
            });
            if dropped {
                last = Some((*sequence, *position));
            }
        }
        exposures
    }
}

/// What dropping costs.
pub struct DropCost;

impl DropCost {
    /// Loss with capacity less loss without, by exposure, over all and by turn. `unlimited` are the losses without capacity; `name` is the
    /// strategy that removes it.
    ///
    /// # Errors
    /// [`crate::error::Error::RunFolder`] if the losses are those of other tokens.
    pub fn rows(
        study: &LossStudy<'_>,
        name: &str,
        unlimited: &LossTable,
        exposures: &[Exposure],
    ) -> Result<Vec<MitigationRow>> {
        study.check(unlimited)?;
        let mut all: BTreeMap<Exposure, BTreeMap<usize, DocumentSums>> = BTreeMap::new();
        let mut by_turn: BTreeMap<(u32, Exposure), BTreeMap<usize, DocumentSums>> = BTreeMap::new();
        for (row, limited, free) in study.pairs(unlimited) {
            let (document, exposure) = (study.parts.document[row] as usize, exposures[row]);
            // With capacity less without: the other way round than a strategy.
            all.entry(exposure).or_default().entry(document).or_default().add(free, limited);
            if let Some(turn) =
                study.parts.turn.as_ref().map(|turn| turn.of_row[row]).filter(|turn| *turn != Part::NONE)
            {
                by_turn.entry((turn, exposure)).or_default().entry(document).or_default().add(free, limited);
            }
        }
        let row = |exposure: Exposure, sums: &BTreeMap<usize, DocumentSums>| {
            let (change, _) = study.changed(sums);
            let row = MitigationRow::new((name, None), Measure::DropCost, change).counted(sums);
            MitigationRow { exposure: Some(exposure), ..row }
        };
        let mut rows: Vec<MitigationRow> = all.iter().map(|(exposure, sums)| row(*exposure, sums)).collect();
        for ((turn, exposure), sums) in &by_turn {
            let value = study.parts.turn.as_ref().map(|part| part.values[*turn as usize].name.clone());
            rows.push(MitigationRow { part: PartKind::Turn, value, ..row(*exposure, sums) });
        }
        Ok(rows)
    }
}
