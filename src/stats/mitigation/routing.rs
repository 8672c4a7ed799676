//! How the routing itself changes: sets, first choices, drops, loads.

use std::collections::BTreeMap;

use super::{
    loss::LossStudy,
    row::{Changed, Measure, MitigationRow},
};
use crate::{
    error::{Error, Result},
    routing::{LayerId, is_bos},
    trace::{LayerTrace, SequenceTable},
};

/// One layer of the unchanged model and of a strategy, over the same tokens.
#[derive(Clone, Copy)]
pub struct RoutingPair<'a> {
    /// The unchanged model.
    pub unchanged: &'a LayerTrace,
    /// The strategy.
    pub changed: &'a LayerTrace,
    /// Their sequences.
    pub sequences: &'a SequenceTable,
}

/// Counts of a document in one layer.
#[derive(Clone, Default)]
struct Counts {
    tokens: u64,
    other_set: u64,
    other_first: u64,
    /// Assignments, and those that are dropped: unchanged, then changed.
    assignments: [u64; 2],
    dropped: [u64; 2],
}

/// A number of a document: `(numerator, denominator)` of the unchanged model and of the strategy.
type Ratio = fn(&Counts) -> [(f64, f64); 2];

/// The change of the routing of one strategy; layers are added one after the other.
pub struct RoutingChange<'a> {
    name: (String, Option<LayerId>),
    study: &'a LossStudy<'a>,
    /// Over all layers, by document.
    whole: BTreeMap<usize, Counts>,
    /// Whether every layer has as many choices as before.
    same_choices: bool,
    loads: Vec<[f64; 2]>,
    /// `[layers][resamples]` differences of the largest load.
    resampled_loads: Vec<Vec<f64>>,
    layers: u64,
    rows: Vec<MitigationRow>,
}

impl<'a> RoutingChange<'a> {
    /// Without any layer; its documents are those of the losses.
    pub fn new(name: (&str, Option<LayerId>), study: &'a LossStudy<'a>) -> Self {
        Self {
            name: (name.0.to_owned(), name.1),
            study,
            whole: BTreeMap::new(),
            same_choices: true,
            loads: Vec::new(),
            resampled_loads: Vec::new(),
            layers: 0,
            rows: Vec::new(),
        }
    }

    /// Adds a layer.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if the two traces are not of the same tokens.
    pub fn add_layer(&mut self, pair: RoutingPair<'_>) -> Result<()> {
        let RoutingPair { unchanged, changed, sequences } = pair;
        if unchanged.sequence != changed.sequence || unchanged.position != changed.position {
            return Err(Error::run_folder(
                "the passes of the run have traces of different tokens",
                "a pass was exchanged: make the run again",
            ));
        }
        let mut counts: BTreeMap<usize, Counts> = BTreeMap::new();
        let experts = unchanged.num_experts;
        let mut loads: BTreeMap<usize, Vec<[u32; 2]>> = BTreeMap::new();
        let same_choices = unchanged.top_k == changed.top_k;
        let (mut sorted, mut other) = (Vec::new(), Vec::new());
        for token in 0..unchanged.len() {
            if is_bos(unchanged.position[token]) && !self.study.include_bos {
                continue;
            }
            let document = sequences.document[unchanged.sequence[token] as usize] as usize;
            let own = counts.entry(document).or_default();
            let load = loads.entry(document).or_insert_with(|| vec![[0; 2]; experts]);
            own.tokens += 1;
            own.other_first += u64::from(unchanged.choices(token)[0] != changed.choices(token)[0]);
            if same_choices {
                sorted.clear();
                sorted.extend_from_slice(unchanged.choices(token));
                sorted.sort_unstable();
                other.clear();
                other.extend_from_slice(changed.choices(token));
                other.sort_unstable();
                own.other_set += u64::from(sorted != other);
            }
            for (side, trace) in [unchanged, changed].into_iter().enumerate() {
                own.assignments[side] += trace.top_k as u64;
                for (expert, kept) in trace.choices(token).iter().zip(trace.kept(token)) {
                    if *kept {
                        load[usize::from(*expert)][side] += 1;
                    } else {
                        own.dropped[side] += 1;
                    }
                }
            }
        }
        self.layers += 1;
        self.same_choices &= same_choices;
        let layer = Some(unchanged.layer);
        self.ratio_rows(&counts, layer, same_choices, 1);
        self.load_row(&loads, experts, unchanged.layer, counts.values().map(|own| own.tokens).sum());
        for (document, own) in counts {
            let sums = self.whole.entry(document).or_default();
            sums.tokens += own.tokens;
            sums.other_set += own.other_set;
            sums.other_first += own.other_first;
            for side in 0..2 {
                sums.assignments[side] += own.assignments[side];
                sums.dropped[side] += own.dropped[side];
            }
        }
        Ok(())
    }

    /// All rows: those of all layers together first.
    pub fn finish(mut self) -> Vec<MitigationRow> {
        let by_layer = std::mem::take(&mut self.rows);
        let (whole, same_choices) = (std::mem::take(&mut self.whole), self.same_choices);
        self.ratio_rows(&whole, None, same_choices, self.layers.max(1));
        self.mean_load_row(&whole);
        self.rows.extend(by_layer);
        self.rows
    }

    fn row(&self, measure: Measure, change: Changed) -> MitigationRow {
        MitigationRow::new((&self.name.0, self.name.1), measure, change)
    }

    /// The rows that are ratios of sums over documents; `layers` is how often each token is counted.
    fn ratio_rows(
        &mut self,
        counts: &BTreeMap<usize, Counts>,
        layer: Option<LayerId>,
        same_choices: bool,
        layers: u64,
    ) {
        let measures: [(Measure, Ratio); 4] = [
            (Measure::ExpertSet, |own| [(0.0, own.tokens as f64), (own.other_set as f64, own.tokens as f64)]),
            (Measure::FirstChoice, |own| [(0.0, own.tokens as f64), (own.other_first as f64, own.tokens as f64)]),
            (Measure::DropRatio, |own| [0, 1].map(|side| (own.dropped[side] as f64, own.assignments[side] as f64))),
            (Measure::ExpertsPerToken, |own| {
                [0, 1].map(|side| ((own.assignments[side] - own.dropped[side]) as f64, own.tokens as f64))
            }),
        ];
        let n: u64 = counts.values().map(|own| own.tokens).sum::<u64>() / layers;
        for (measure, ratio) in measures {
            if measure == Measure::ExpertSet && !same_choices {
                continue;
            }
            let change = self.changed(counts, ratio, matches!(measure, Measure::ExpertSet | Measure::FirstChoice));
            let row = self.row(measure, change);
            self.rows.push(MitigationRow { layer, n, documents: counts.len() as u64, ..row });
        }
    }

    fn changed(&self, counts: &BTreeMap<usize, Counts>, ratio: Ratio, is_share: bool) -> Changed {
        let side = |side: usize| {
            let above: f64 = counts.values().map(|own| ratio(own)[side].0).sum();
            let below: f64 = counts.values().map(|own| ratio(own)[side].1).sum();
            above / below.max(1.0)
        };
        let resampled = |side: usize| {
            let above = self.study.resamples.sums(counts.iter().map(|(document, own)| (*document, ratio(own)[side].0)));
            let below = self.study.resamples.sums(counts.iter().map(|(document, own)| (*document, ratio(own)[side].1)));
            above.into_iter().zip(below).map(|(above, below)| above / below)
        };
        let mut differences: Vec<f64> =
            resampled(1).zip(resampled(0)).map(|(changed, unchanged)| changed - unchanged).collect();
        let interval = self.study.resamples.expanded(&mut differences, counts.len());
        let change = Changed::between([side(0), side(1)], interval);
        // What is another one has no share before.
        if is_share { Changed { unchanged: None, changed: None, ..change } } else { change }
    }

    /// The largest load of a layer over the mean load.
    fn load_row(&mut self, loads: &BTreeMap<usize, Vec<[u32; 2]>>, experts: usize, layer: LayerId, n: u64) {
        let largest = |of: &dyn Fn(usize) -> f64| {
            let (mut most, mut sum) = (0.0_f64, 0.0);
            for expert in 0..experts {
                most = most.max(of(expert));
                sum += of(expert);
            }
            if sum > 0.0 { most * experts as f64 / sum } else { 0.0 }
        };
        let total = |side: usize| {
            let of = |expert: usize| loads.values().map(|own| f64::from(own[expert][side])).sum::<f64>();
            largest(&of)
        };
        let both = [total(0), total(1)];
        let resampled = |side: usize| -> Vec<f64> {
            let of_expert = |expert: usize| {
                let documents = loads.iter().map(|(document, own)| (*document, f64::from(own[expert][side])));
                self.study.resamples.sums(documents)
            };
            let sums: Vec<Vec<f64>> = (0..experts).map(of_expert).collect();
            (0..self.study.resamples.len()).map(|resample| largest(&|expert| sums[expert][resample])).collect()
        };
        let differences: Vec<f64> =
            resampled(1).into_iter().zip(resampled(0)).map(|(changed, unchanged)| changed - unchanged).collect();
        let change = Changed::between(both, self.study.resamples.expanded(&mut differences.clone(), loads.len()));
        let row = self.row(Measure::MaximumLoad, change);
        self.rows.push(MitigationRow { layer: Some(layer), n, documents: loads.len() as u64, ..row });
        self.loads.push(both);
        self.resampled_loads.push(differences);
    }

    /// The mean over the layers of their largest loads.
    fn mean_load_row(&mut self, whole: &BTreeMap<usize, Counts>) {
        if self.loads.is_empty() {
            return;
        }
        let layers = self.loads.len() as f64;
        let mean = [0, 1].map(|side| self.loads.iter().map(|own| own[side]).sum::<f64>() / layers);
        let mut differences = (0..self.study.resamples.len())
            .map(|resample| self.resampled_loads.iter().map(|own| own[resample]).sum::<f64>() / layers)
            .collect();
        let change = Changed::between(mean, self.study.resamples.expanded(&mut differences, whole.len()));
        let n: u64 = whole.values().map(|own| own.tokens).sum::<u64>() / self.layers.max(1);
        let row = self.row(Measure::MaximumLoad, change);
        self.rows.push(MitigationRow { n, documents: whole.len() as u64, ..row });
    }
}
