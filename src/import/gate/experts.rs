//! Whether every choice is an expert of its layer, chosen once.

use super::check::{Check, CheckResult, Outcome};
use crate::{
    error::plural,
    import::{
        gate::reading::Reading,
        routes::{ABSENT, Header, RecordedLayer, RouteSequence, is_unrouted, repeats_expert, repeats_mapped},
    },
};

/// Share of rows without all of their choices that is too much.
const MANY: f64 = 0.05;

/// How many times the experts that occur there may be for nobody to wonder.
const FAR: usize = 4;
/// Choices of a layer after which a router that uses a quarter of its experts alone, those with the lowest ids, is no chance.
const ENOUGH: u64 = 100;

/// What is counted of a layer.
#[derive(Clone, Default)]
struct Layer {
    /// Rows with a choice, those of nothing but zeros not counted, as in all that follows.
    rows: u64,
    /// Most choices of a row.
    choices: usize,
    /// Rows with fewer choices than that.
    fewer: u64,
    /// Choices of experts that do not exist.
    beyond: u64,
    largest: u16,
    /// Choices that are there.
    present: u64,
    /// Rows that choose an expert twice.
    twice: u64,
    /// Rows that choose an expert twice by the map of places.
    mapped_twice: u64,
}

/// `experts_exist`.
pub(super) struct ExpertsExist {
    layers: Vec<Layer>,
}

impl ExpertsExist {
    pub(super) fn make(header: &Header) -> Box<dyn Check> {
        Box::new(Self { layers: vec![Layer::default(); header.layers.len()] })
    }
}

impl Check for ExpertsExist {
    fn see(&mut self, header: &Header, sequence: &RouteSequence) {
        for row in header.rows(&sequence.experts) {
            for ((at, choices), layer) in header.choices(row).enumerate().zip(&mut self.layers) {
                let map = header.physical_to_logical.as_ref().and_then(|map| map.get(at));
                layer.see(choices, map.map(Vec::len).or(header.layers[at].num_experts));
                // Copies of an expert lie in several places, of which a token goes to one.
                layer.mapped_twice += u64::from(map.is_some_and(|map| repeats_mapped(choices, map)));
            }
        }
    }

    fn finish(self: Box<Self>, header: &Header, reading: &mut Reading) -> CheckResult {
        for (at, layer) in self.layers.iter().enumerate() {
            reading.choices[at] = layer.choices.max(1);
            if header.layers[at].num_experts.is_none() {
                reading.experts[at] = usize::from(layer.largest) + 1;
            }
        }
        let rows = self.sum(|layer| layer.rows);
        let failed = self.failure(header, rows).map(|says| (Outcome::Failed, says));
        let doubted = || self.fewer(header, rows).or_else(|| Some((Outcome::Warned, self.doubt(header, reading)?)));
        let passed = || {
            (Outcome::Passed, format!("the experts of {} exist, and none is chosen twice in one", plural(rows, "row")))
        };
        let (outcome, says) = failed.or_else(doubted).unwrap_or_else(passed);
        CheckResult::new("experts_exist", outcome, says)
            .with("rows", rows as f64)
            .with("beyond", self.sum(|layer| layer.beyond) as f64)
            .with("twice", self.sum(|layer| layer.twice) as f64)
            .with("fewer", self.sum(|layer| layer.fewer) as f64)
    }
}

impl ExpertsExist {
    fn sum(&self, of: fn(&Layer) -> u64) -> u64 {
        self.layers.iter().map(of).sum()
    }

    /// The layer that has most of something, and what is counted of it.
    fn worst<'a>(&'a self, header: &'a Header, of: fn(&Layer) -> u64) -> Option<(&'a RecordedLayer, &'a Layer)> {
        header.layers.iter().zip(&self.layers).max_by_key(|(_, layer)| of(layer))
    }

    /// Why the choices cannot be those of experts.
    fn failure(&self, header: &Header, rows: u64) -> Option<String> {
        let counted = |of: fn(&Layer) -> u64| {
            let count = self.sum(of);
            self.worst(header, of).filter(|_| count > 0).map(|(recorded, layer)| (count, recorded, layer))
        };
        if let Some((beyond, recorded, layer)) = counted(|layer| layer.beyond) {
            let (number, largest) = (recorded.layer, layer.largest);
            return Some(if header.physical_to_logical.is_some() {
                format!(
                    "{beyond} choices are of places that `physical_to_logical` does not map, such as {largest} in layer {number}"
                )
            } else {
                format!(
                    "{beyond} choices are of experts that do not exist, such as {largest} in layer {number}, which has {}: \
                     shared experts may be counted among them, or the array is read in the wrong shape",
                    recorded.num_experts.unwrap_or(0)
                )
            });
        }
        if let Some((twice, recorded, _)) = counted(|layer| layer.twice) {
            return Some(format!(
                "{twice} of {rows} rows choose an expert twice, most of them in layer {}: the array is read in the wrong \
                 shape, or was overwritten",
                recorded.layer
            ));
        }
        let (twice, recorded, _) = counted(|layer| layer.mapped_twice)?;
        Some(format!(
            "{twice} of {rows} rows choose two places of one expert, most of them in layer {}: the map of places is that \
             of another time, or wrong",
            recorded.layer
        ))
    }

    /// That rows lack choices that others have.
    fn fewer(&self, header: &Header, rows: u64) -> Option<(Outcome, String)> {
        let fewer = self.sum(|layer| layer.fewer);
        let (recorded, _) = self.worst(header, |layer| layer.fewer).filter(|_| fewer > 0)?;
        let says = format!(
            "{fewer} of {rows} rows lack some of the choices that others have, most of them in layer {}: what was dropped \
             may not have been written; their positions are left out",
            recorded.layer
        );
        Some((if fewer as f64 > MANY * rows as f64 { Outcome::Failed } else { Outcome::Warned }, says))
    }

    /// Why the number of experts may be another.
    fn doubt(&self, header: &Header, reading: &Reading) -> Option<String> {
        if header.layers.iter().any(|layer| layer.num_experts.is_none()) {
            let most = reading.experts.iter().max().copied().unwrap_or(0);
            return Some(format!(
                "the record does not say how many experts there are; {most} are taken, as many as the largest id that occurs \
                 asks for: give the configuration of the model"
            ));
        }
        let (at, largest, experts) = self.too_many(header)?;
        Some(format!(
            "the record says {experts} experts, and the largest id of {} choices in layer {} is {largest}: the number may be wrong, \
             or the ids are others than those of experts",
            self.layers[at].present, header.layers[at].layer
        ))
    }

    /// A layer in which far more experts are said to be than occur, if it is so in every layer: its place, largest id and experts.
    fn too_many(&self, header: &Header) -> Option<(usize, u16, usize)> {
        let logical = header.physical_to_logical.is_none();
        let is_far = |(at, layer): (usize, &Layer)| {
            let experts = header.layers[at].num_experts.filter(|_| logical && layer.present >= ENOUGH)?;
            (experts >= FAR * (usize::from(layer.largest) + 1)).then_some((at, layer.largest, experts))
        };
        // Layers without a route have nothing to say.
        let routed = self.layers.iter().enumerate().filter(|(_, layer)| layer.rows > 0);
        let far: Option<Vec<_>> = routed.map(is_far).collect();
        far?.into_iter().max_by_key(|(_, largest, _)| *largest)
    }
}

impl Layer {
    fn see(&mut self, choices: &[u16], experts: Option<usize>) {
        if is_unrouted(choices) {
            return;
        }
        let present = choices.iter().filter(|expert| **expert != ABSENT).count();
        if present > self.choices {
            // All rows so far have fewer.
            (self.fewer, self.choices) = (self.rows, present);
        }
        self.fewer += u64::from(present < self.choices);
        self.rows += 1;
        self.present += present as u64;
        self.twice += u64::from(repeats_expert(choices));
        for &expert in choices.iter().filter(|expert| **expert != ABSENT) {
            let is_beyond = experts.is_some_and(|experts| usize::from(expert) >= experts);
            self.beyond += u64::from(is_beyond);
            self.largest = self.largest.max(expert);
        }
    }
}
