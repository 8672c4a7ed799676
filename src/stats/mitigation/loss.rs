//! The change of the loss of next tokens, over all and by part, with intervals over documents and as a share of what random experts cost.

use std::collections::BTreeMap;

use super::{
    parts::{Part, Parts},
    row::{Changed, Measure, MitigationRow, ShareOf},
};
use crate::{
    error::{Error, OptionName, Result},
    routing::{LayerId, is_bos},
    stats::{
        resample::{Resamples, expanded_percentile},
        settings::Settings,
    },
    trace::LossTable,
};

/// Sums of a document: differences, unchanged losses, changed losses, tokens.
#[derive(Clone, Copy, Default)]
pub(super) struct DocumentSums {
    /// Changed less unchanged.
    pub(super) difference: f64,
    /// Losses of the unchanged model.
    pub(super) unchanged: f64,
    /// Losses with the strategy.
    pub(super) changed: f64,
    /// Next tokens.
    pub(super) n: u64,
}

impl DocumentSums {
    /// Adds a next token.
    pub(super) fn add(&mut self, unchanged: f32, changed: f32) {
        let (unchanged, changed) = (f64::from(unchanged), f64::from(changed));
        self.difference += changed - unchanged;
        self.unchanged += unchanged;
        self.changed += changed;
        self.n += 1;
    }
}

/// The change of a strategy that others are measured by, over all tokens.
#[derive(Clone, Debug)]
pub struct Scale {
    estimate: f64,
    /// `[resamples]`
    resampled: Vec<f64>,
}

/// The losses of the unchanged model, ready to be compared with those of strategies.
pub struct LossStudy<'a> {
    losses: &'a LossTable,
    /// How the tokens are divided.
    pub(super) parts: &'a Parts,
    /// Whether position 0 counts.
    pub(super) include_bos: bool,
    /// Which next tokens count.
    counts: Vec<bool>,
    /// Document weights.
    pub(super) resamples: Resamples,
}

impl<'a> LossStudy<'a> {
    /// From the losses of the unchanged model.
    ///
    /// # Errors
    /// [`Error::Usage`] if no next token counts.
    pub fn new(settings: &Settings, losses: &'a LossTable, parts: &'a Parts) -> Result<Self> {
        let documents = parts.document.iter().max().map_or(0, |last| *last as usize + 1);
        let counts: Vec<bool> =
            losses.position.iter().map(|position| settings.include_bos || !is_bos(*position)).collect();
        if !counts.contains(&true) {
            return Err(Error::usage(
                format!("{} leaves no next token: no sequence has a token behind position 1", OptionName::ExcludeBos),
                format!("give a longer text, or leave {} out", OptionName::ExcludeBos),
            ));
        }
        let include_bos = settings.include_bos;
        Ok(Self { losses, parts, include_bos, counts, resamples: Resamples::draw(settings, 0, documents) })
    }

    /// Refuses losses of other tokens.
    pub(super) fn check(&self, losses: &LossTable) -> Result<()> {
        if self.losses.sequence == losses.sequence && self.losses.position == losses.position {
            return Ok(());
        }
        Err(Error::run_folder(
            "the passes of the run have losses of different tokens",
            "a pass was exchanged: make the run again",
        ))
    }

    /// Losses of the unchanged model beside those of a strategy, for every next token that counts.
    pub(super) fn pairs<'b>(&'b self, losses: &'b LossTable) -> impl Iterator<Item = (usize, f32, f32)> + 'b {
        let both = self.losses.loss.iter().zip(&losses.loss).enumerate();
        both.filter(|(row, _)| self.counts[*row]).map(|(row, (unchanged, changed))| (row, *unchanged, *changed))
    }

    /// Every number about the loss of a strategy, over all and by part, and the scale that it would be. `scales` are those of random
    /// experts and of the hash; `coverage` says of every next token whether the table of a lookup knows the id before it.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if the losses are those of other tokens.
    pub fn strategy(
        &self,
        name: (&str, Option<LayerId>),
        losses: &LossTable,
        scales: [Option<&Scale>; 2],
        coverage: Option<&[bool]>,
    ) -> Result<(Vec<MitigationRow>, Scale)> {
        self.check(losses)?;
        let mut sums = BTreeMap::new();
        for (row, unchanged, changed) in self.pairs(losses) {
            let own: &mut DocumentSums = sums.entry(self.parts.document[row] as usize).or_default();
            own.add(unchanged, changed);
        }
        let known = |row: usize| coverage.is_some_and(|known| known[row]);
        let covered = |rows: &mut dyn Iterator<Item = usize>| {
            let (mut all, mut hits) = (0_u64, 0_u64);
            for row in rows {
                all += 1;
                hits += u64::from(known(row));
            }
            coverage.and((all > 0).then(|| hits as f64 / all as f64))
        };
        let counted = || (0..self.losses.len()).filter(|row| self.counts[*row]);
        let (change, resampled) = self.changed(&sums);
        let mut loss = MitigationRow {
            coverage: covered(&mut counted()),
            ..MitigationRow::new(name, Measure::Loss, change).counted(&sums)
        };
        let scale = Scale { estimate: change.estimate, resampled };
        loss.of_random = scales[0].and_then(|random| self.share(&scale, random, sums.len()));
        loss.of_hash = scales[1].and_then(|hash| self.share(&scale, hash, sums.len()));
        let factor = Changed {
            estimate: change.estimate.exp(),
            low: change.low.map(f64::exp),
            high: change.high.map(f64::exp),
            unchanged: change.unchanged.map(f64::exp),
            changed: change.changed.map(f64::exp),
        };
        let perplexity = MitigationRow::new(name, Measure::Perplexity, factor).counted(&sums);
        let mut rows = vec![loss, perplexity];
        // A single layer is told over all: by part its change is small, and the rows would be many.
        if name.1.is_none() {
            let by_coverage = coverage.map(|known| Part::by_coverage(known, &self.parts.document, &self.counts));
            for part in self.parts.parts.iter().chain(by_coverage.iter().filter(|part| part.values.len() > 1)) {
                let by_value = self.by_value(part, losses);
                for (value, sums) in by_value {
                    let (change, _) = self.changed(&sums);
                    let row = MitigationRow::new(name, Measure::Loss, change).counted(&sums);
                    rows.push(MitigationRow {
                        part: part.kind,
                        value: Some(part.values[value as usize].name.clone()),
                        coverage: covered(&mut counted().filter(|row| part.of_row[*row] == value)),
                        ..row
                    });
                }
            }
        }
        Ok((rows, scale))
    }

    /// Sums by document for every value of a part.
    fn by_value(&self, part: &Part, losses: &LossTable) -> BTreeMap<u32, BTreeMap<usize, DocumentSums>> {
        let mut sums: BTreeMap<u32, BTreeMap<usize, DocumentSums>> = BTreeMap::new();
        for (row, unchanged, changed) in self.pairs(losses) {
            let value = part.of_row[row];
            if value != Part::NONE {
                let own = sums.entry(value).or_default().entry(self.parts.document[row] as usize).or_default();
                own.add(unchanged, changed);
            }
        }
        sums
    }

    /// The mean difference with its interval, and its resampled values.
    pub(super) fn changed(&self, sums: &BTreeMap<usize, DocumentSums>) -> (Changed, Vec<f64>) {
        let n: u64 = sums.values().map(|sums| sums.n).sum();
        let mean = |of: fn(&DocumentSums) -> f64| sums.values().map(of).sum::<f64>() / n as f64;
        let of_documents = |of: fn(&DocumentSums) -> f64| {
            self.resamples.sums(sums.iter().map(|(document, sums)| (*document, of(sums))))
        };
        let (above, below) = (of_documents(|sums| sums.difference), of_documents(|sums| sums.n as f64));
        let resampled: Vec<f64> = above.iter().zip(&below).map(|(above, below)| above / below).collect();
        let interval = self.resamples.expanded(&mut resampled.clone(), sums.len());
        let both = [mean(|sums| sums.unchanged), mean(|sums| sums.changed)];
        // The mean of the differences loses less to rounding than the difference of the means.
        let change = Changed { estimate: mean(|sums| sums.difference), ..Changed::between(both, interval) };
        (change, resampled)
    }

    /// A change as a share of another one, if that is above 0 by its interval; without intervals, by its estimate.
    fn share(&self, own: &Scale, of: &Scale, documents: usize) -> Option<ShareOf> {
        let has_intervals = self.resamples.enough(documents) && !of.resampled.is_empty();
        let lowest = if has_intervals {
            expanded_percentile(&mut of.resampled.clone(), documents).map_or(f64::NEG_INFINITY, |(low, _)| low)
        } else {
            of.estimate
        };
        if lowest <= 0.0 {
            return None;
        }
        let mut ratios: Vec<f64> = own.resampled.iter().zip(&of.resampled).map(|(own, of)| own / of).collect();
        let interval = if has_intervals { expanded_percentile(&mut ratios, documents) } else { None };
        Some(ShareOf {
            estimate: own.estimate / of.estimate,
            low: interval.map(|(low, _)| low),
            high: interval.map(|(_, high)| high),
        })
    }
}

impl MitigationRow {
    /// The same row with its tokens and documents.
    pub(super) fn counted(self, sums: &BTreeMap<usize, DocumentSums>) -> Self {
        let n = sums.values().map(|sums| sums.n).sum();
        Self { n, documents: sums.len() as u64, ..self }
    }
}
