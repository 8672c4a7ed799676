//! Contrasts layer by layer.

use rayon::prelude::*;

use super::{
    counts::{LayerSide, SideCounts},
    design::Design,
    discovery::{FALSE_DISCOVERY_RATE, Permuted, benjamini_hochberg, bin},
    tokens::{Carriers, carriers},
};
use crate::{
    error::{Error, Result},
    routing::{ExpertId, LayerId},
    stats::settings::Settings,
    trace::Block,
};

/// Repetitions, minima, and how much is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContrastSettings {
    /// Seed, resamples, permutations, minima, whether position 0 counts.
    pub statistics: Settings,
    /// How many of the largest differences are looked at token by token.
    pub top: usize,
    /// Whether both sides have one vocabulary, so that a token id is the same token on both.
    pub one_vocabulary: bool,
}

/// One expert of one layer on both sides.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContrastRow {
    /// Decoder layer index.
    pub layer: LayerId,
    /// The expert.
    pub expert: ExpertId,
    /// Share of side A's tokens that chose the expert among their choices.
    pub rate_a: f64,
    /// The same of side B.
    pub rate_b: f64,
    /// `rate_a - rate_b`.
    pub difference: f64,
    /// Low end of its 95 % interval over documents.
    pub low: Option<f64>,
    /// High end.
    pub high: Option<f64>,
    /// The difference over its standard error over documents, cut at 50.
    pub z: Option<f64>,
    /// Share of permutations, pooled over all experts, whose |z| is as large.
    pub p: Option<f64>,
    /// The false discovery rate at which the expert counts as different (Benjamini-Hochberg over all experts of all layers).
    pub q: Option<f64>,
}

impl ContrastRow {
    /// Whether the expert counts as different.
    pub fn differs(&self) -> bool {
        self.q.is_some_and(|q| q < FALSE_DISCOVERY_RATE)
    }
}

/// How many tokens and documents of a layer were compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContrastLayer {
    /// Decoder layer index.
    pub layer: LayerId,
    /// Experts of the layer.
    pub experts: usize,
    /// Tokens on side A and on side B.
    pub tokens: [u64; 2],
    /// Documents with tokens on side A and on side B.
    pub documents: [usize; 2],
    /// Documents with tokens on both.
    pub shared: usize,
}

/// An expert with a large difference, and the token ids behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct ContrastedExpert {
    /// Its numbers.
    pub row: ContrastRow,
    /// What carries the difference; absent where token ids are not known.
    pub carriers: Option<Carriers>,
}

/// Two sides compared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contrast {
    /// Every expert of every layer, by layer and expert.
    pub rows: Vec<ContrastRow>,
    /// The layers.
    pub layers: Vec<ContrastLayer>,
    /// The largest differences, the largest first.
    pub top: Vec<ContrastedExpert>,
    /// Why intervals, z, p and q are withheld, if they are.
    pub withheld: Option<String>,
    /// Why no token ids are named, if none are.
    pub no_tokens: Option<String>,
}

impl Contrast {
    /// How many experts differ.
    pub fn differing(&self) -> usize {
        self.rows.iter().filter(|row| row.differs()).count()
    }

    /// The largest difference among the experts that differ; among all experts if none does.
    pub fn headline(&self) -> Option<&ContrastRow> {
        let mut order: Vec<&ContrastRow> = self.rows.iter().collect();
        order.sort_by(|a, b| b.differs().cmp(&a.differs()).then_with(|| by_size(a, b)));
        order.first().copied()
    }

    /// All experts, the largest difference first.
    pub fn ranked(&self) -> Vec<&ContrastRow> {
        let mut order: Vec<&ContrastRow> = self.rows.iter().collect();
        order.sort_by(|a, b| by_size(a, b));
        order
    }
}

/// The larger difference first; of equal ones the first layer and expert.
fn by_size(a: &ContrastRow, b: &ContrastRow) -> std::cmp::Ordering {
    let size = |row: &ContrastRow| row.difference.abs();
    size(b).total_cmp(&size(a)).then((a.layer, a.expert).cmp(&(b.layer, b.expert)))
}

/// A contrast in the making: layers are added one after the other.
pub struct ContrastStudy<'a> {
    settings: &'a ContrastSettings,
    documents: usize,
    permuted: Permuted,
    contrast: Contrast,
}

impl<'a> ContrastStudy<'a> {
    /// Without any layer; `documents` is the number of documents of both sides together.
    pub fn new(settings: &'a ContrastSettings, documents: usize) -> Self {
        Self { settings, documents, permuted: Permuted::new(), contrast: Contrast::default() }
    }

    /// Adds a layer of both sides; for two conditions of one run both have the same trace.
    ///
    /// # Errors
    /// [`Error::Internal`] if columns disagree in length or an index is out of range, or the sides are of different layers.
    pub fn add_layer(&mut self, a: &LayerSide<'_>, b: &LayerSide<'_>) -> Result<()> {
        let settings = &self.settings.statistics;
        let (layer, experts) = (a.trace.layer, a.trace.num_experts);
        if (layer, experts) != (b.trace.layer, b.trace.num_experts) {
            return Err(Error::internal(format!("decoder layers {layer} and {} are not contrasted", b.trace.layer)));
        }
        let counts_a = SideCounts::new(a, self.documents, settings)?;
        let counts_b = SideCounts::new(b, self.documents, settings)?;
        let design = Design::new(&counts_a, &counts_b, layer, settings);
        self.contrast.layers.push(ContrastLayer {
            layer,
            experts,
            tokens: [counts_a.tokens(), counts_b.tokens()],
            documents: [counts_a.documents(), counts_b.documents()],
            shared: design.shared,
        });
        if counts_a.tokens() == 0 || counts_b.tokens() == 0 {
            self.withhold(format!("layer {layer}: no token of one of the sides"));
            return Ok(());
        }
        self.withhold_if_few(&design);
        let row = |expert: usize| {
            let (row, bins) = expert_row(&design, counts_a.of(expert), counts_b.of(expert), settings);
            (ContrastRow { layer, expert: expert as ExpertId, ..row }, bins)
        };
        let rows: Vec<(ContrastRow, Vec<u32>)> = (0..experts).into_par_iter().map(row).collect();
        for (_, bins) in &rows {
            self.permuted.add(bins);
        }
        let rows: Vec<ContrastRow> = rows.into_iter().map(|(row, _)| row).collect();
        self.add_top(&rows, a, b);
        self.contrast.rows.extend(rows);
        Ok(())
    }

    fn withhold(&mut self, reason: String) {
        self.contrast.withheld.get_or_insert(reason);
    }

    fn withhold_if_few(&mut self, design: &Design) {
        let settings = &self.settings.statistics;
        let (documents, least) = (design.fewest_documents(), settings.minimum_documents.max(2));
        if documents < least {
            let documents = crate::stats::counted(documents as u64, "document");
            self.withhold(format!("{documents} on one side, at least {least} needed"));
        } else if settings.permutations == 0 {
            self.withhold("no permutations".to_owned());
        }
    }

    /// Looks at the largest differences of a layer token by token, if they are among the largest of all layers so far.
    fn add_top(&mut self, rows: &[ContrastRow], a: &LayerSide<'_>, b: &LayerSide<'_>) {
        let mut order: Vec<&ContrastRow> = rows.iter().collect();
        order.sort_by(|a, b| by_size(a, b));
        let last = self.contrast.top.get(self.settings.top.wrapping_sub(1));
        let is_among = |row: &&ContrastRow| last.is_none_or(|last| by_size(row, &last.row).is_lt());
        let chosen: Vec<ContrastRow> =
            order.into_iter().take(self.settings.top).take_while(is_among).cloned().collect();
        let experts: Vec<ExpertId> = chosen.iter().map(|row| row.expert).collect();
        let known = self.token_ids_are_known(a, b);
        let mut found: Vec<Option<Carriers>> = vec![None; chosen.len()];
        if known && !chosen.is_empty() {
            found = carriers(a, b, &experts, &self.settings.statistics).into_iter().map(Some).collect();
        }
        let top = &mut self.contrast.top;
        top.extend(chosen.into_iter().zip(found).map(|(row, carriers)| ContrastedExpert { row, carriers }));
        top.sort_by(|a, b| by_size(&a.row, &b.row));
        top.truncate(self.settings.top);
    }

    fn token_ids_are_known(&mut self, a: &LayerSide<'_>, b: &LayerSide<'_>) -> bool {
        let recorded = [a, b].iter().all(|side| side.trace.provides.has(Block::TokenIds));
        let reason = if !recorded {
            Block::TokenIds.absence()
        } else if self.settings.one_vocabulary {
            return true;
        } else {
            "the runs have different tokenizers: one token id means two tokens"
        };
        self.contrast.no_tokens.get_or_insert_with(|| reason.to_owned());
        false
    }

    /// All layers together: p-values from the permutations of all experts, and their false discovery rate. Experts that neither
    /// side ever chose are not tested.
    pub fn finish(mut self) -> Contrast {
        let withheld = self.contrast.withheld.is_some();
        let is_tested = |row: &&mut ContrastRow| !withheld && row.z.is_some();
        let mut tested: Vec<&mut ContrastRow> = self.contrast.rows.iter_mut().filter(is_tested).collect();
        let z: Vec<f64> = tested.iter().filter_map(|row| row.z).collect();
        let p = self.permuted.p_values(&z);
        let q = benjamini_hochberg(&p);
        for (row, (p, q)) in tested.iter_mut().zip(p.into_iter().zip(q)) {
            (row.p, row.q) = (Some(p), Some(q));
        }
        let rows = &self.contrast.rows;
        for expert in &mut self.contrast.top {
            let key = (expert.row.layer, expert.row.expert);
            if let Some(row) = rows.iter().find(|row| (row.layer, row.expert) == key) {
                expert.row = row.clone();
            }
        }
        self.contrast
    }
}

/// The numbers of one expert, and the bins of its permutations.
fn expert_row(design: &Design, a: &[u32], b: &[u32], settings: &Settings) -> (ContrastRow, Vec<u32>) {
    let chosen = design.chosen(a, b);
    let observed = design.observed(&chosen);
    let [rate_a, rate_b] = design.rates(&chosen);
    let row = ContrastRow { rate_a, rate_b, difference: observed.value, ..ContrastRow::default() };
    if design.fewest_documents() < settings.minimum_documents.max(2) {
        return (row, Vec::new());
    }
    let interval = design.interval(&chosen);
    let row = ContrastRow { low: interval.map(|ends| ends.0), high: interval.map(|ends| ends.1), ..row };
    if rate_a == 0.0 && rate_b == 0.0 {
        return (row, Vec::new());
    }
    let bins = design.by_chance(&chosen, observed).into_iter().map(|z| bin(z) as u32).collect();
    (ContrastRow { z: Some(observed.z), ..row }, bins)
}
