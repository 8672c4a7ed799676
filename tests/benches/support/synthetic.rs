//! A made-up route run of any size: Zipf token ids, categories with words of their own, experts mostly decided by the
//! token id, and the crate's own choices, queues and drops.

use std::{ops::Range, path::Path};

use openmoe_analyze::{
    corpus::Sequence,
    routing::{
        CapacityRule, GroupRule, LayerId, LayerRouting, Provides, RouterSettings, RoutingObserver, RoutingShape, route,
    },
    run::{Identity, Occupied, RecordedLayout, RunDir, RunKind, RunRecord},
    trace::{RoutingTrace, TraceLayout, TraceWriter, write_inputs},
};
use rand_xoshiro::{
    Xoshiro256PlusPlus,
    rand_core::{RngCore, SeedableRng},
};
use rayon::prelude::*;

const VOCABULARY: usize = 30_000;
/// Categories with words of their own.
pub const CATEGORIES: usize = 10;
const LAYERS: [LayerId; 4] = [1, 3, 5, 7];
/// Shortest and longest document; a document is one sequence.
const DOCUMENT: Range<u64> = 200..2049;
/// Router of every layer.
pub const ROUTER: RouterSettings = RouterSettings {
    num_experts: 32,
    top_k: 2,
    capacity_rule: CapacityRule::Port,
    capacity_factor: 1.5,
    min_capacity: 4,
};

/// The input of a made-up run, and its layout.
pub struct Synthetic {
    pub sequences: Vec<Sequence>,
    pub layout: TraceLayout,
}

impl Synthetic {
    /// About `rows` rows of trace (at least one document): 4 MoE layers, 32 experts, top-2.
    pub fn new(rows: usize) -> Self {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
        let ids = Zipf::new(VOCABULARY);
        let (mut sequences, mut left) = (Vec::new(), rows / (LAYERS.len() * ROUTER.top_k));
        while left > 0 || sequences.is_empty() {
            let index = sequences.len();
            let tokens = DOCUMENT.start + random.next_u64() % (DOCUMENT.end - DOCUMENT.start);
            let category = index % CATEGORIES;
            let tokens = (tokens as usize).min(left.max(DOCUMENT.start as usize));
            sequences.push(Sequence {
                source: "synthetic.jsonl".into(),
                dataset: "synthetic".into(),
                document: format!("document {index}"),
                category: Some(format!("category {category}")),
                token_ids: std::iter::once(0).chain((1..tokens).map(|_| ids.draw(&mut random, category))).collect(),
                spans: Vec::new(),
                truncated: false,
            });
            left = left.saturating_sub(tokens);
        }
        let lengths: Vec<usize> = sequences.iter().map(|sequence| sequence.token_ids.len()).collect();
        let layout = TraceLayout::new(&lengths, GroupRule::Sequence, RoutingShape::uniform(LAYERS.to_vec(), ROUTER));
        Self { sequences, layout }
    }

    /// Rows of the trace.
    pub fn rows(&self) -> usize {
        let tokens: usize = self.sequences.iter().map(|sequence| sequence.token_ids.len()).sum();
        tokens * ROUTER.top_k * LAYERS.len()
    }

    /// What every layer decides for the groups of one segment, in the order of a forward pass.
    pub fn routing(&self, segment: usize) -> Vec<LayerRouting> {
        let groups = self.layout.segments[segment].groups.clone();
        LAYERS
            .iter()
            .flat_map(|&layer| groups.clone().map(move |group| (layer, group)))
            .collect::<Vec<_>>()
            .into_par_iter()
            .map(|(layer, group)| self.decide(layer, group))
            .collect()
    }

    fn decide(&self, layer: LayerId, group: usize) -> LayerRouting {
        let ids = &self.sequences[group].token_ids;
        let mut random = Xoshiro256PlusPlus::seed_from_u64(u64::from(layer) << 32 | group as u64);
        let experts = ROUTER.num_experts;
        let mut logits = Vec::with_capacity(ids.len() * experts);
        for &id in ids {
            let row = logits.len();
            // 16 random bits an expert, up to 2.5.
            let words = (0..experts / 4).flat_map(|_| random.next_u64().to_le_bytes());
            let bytes: Vec<u8> = words.collect();
            logits.extend(bytes.chunks_exact(2).map(|b| f32::from(u16::from_le_bytes([b[0], b[1]])) / 26_214.0));
            let preferred =
                Xoshiro256PlusPlus::seed_from_u64(u64::from(id) << 16 | u64::from(layer)).next_u64() as usize;
            logits[row + preferred % experts] += 2.0;
            logits[row + preferred / experts % experts] += 1.0;
        }
        let capacity = ROUTER.capacity(ids.len()).unwrap();
        let group = group as u32;
        LayerRouting { layer, group, sequences: group..group + 1, ..route(logits, experts, ROUTER.top_k, capacity) }
    }

    /// Leaves a complete route run in a new or empty folder.
    pub fn write(&self, folder: &Path) -> RunDir {
        let run = self.prepare(folder);
        let mut writer = TraceWriter::new(&run, &self.layout, &self.sequences, Provides::forward_pass(false));
        for segment in 0..self.layout.segments.len() {
            self.routing(segment).iter().for_each(|routing| writer.observe_routing(routing).unwrap());
        }
        drop(writer);
        run
    }

    /// The run folder without its trace.
    pub fn prepare(&self, folder: &Path) -> RunDir {
        let (run, _) = RunDir::prepare(folder, Occupied::Refuse, &()).unwrap();
        let text = |id| Some(format!("piece {id}"));
        write_inputs(&run, &self.layout, &self.sequences, "synthetic", text).unwrap();
        run.write_record(&self.record()).unwrap();
        run
    }

    /// Leaves the run in a new or empty folder and opens its trace.
    pub fn trace(&self, folder: &Path) -> RoutingTrace {
        RoutingTrace::open(&self.write(folder)).unwrap()
    }

    fn record(&self) -> RunRecord {
        let TraceLayout { shape, segments, groups, .. } = &self.layout;
        let layout = RecordedLayout::of(shape, segments.len(), groups.len());
        RunRecord::new(Identity::new(RunKind::Route), "synthetic", layout)
    }
}

/// Token ids by falling frequency, a third of them shifted by the category.
pub struct Zipf(Vec<f64>);

impl Zipf {
    pub fn new(vocabulary: usize) -> Self {
        let mut sum = 0.0;
        Self(
            (0..vocabulary)
                .map(|rank| {
                    sum += 1.0 / (rank as f64 + 2.7);
                    sum
                })
                .collect(),
        )
    }

    pub fn draw(&self, random: &mut Xoshiro256PlusPlus, category: usize) -> u32 {
        let (word, vocabulary) = (random.next_u64(), self.0.len());
        let point = (word >> 11) as f64 / (1_u64 << 53) as f64 * self.0[vocabulary - 1];
        let rank = self.0.partition_point(|sum| *sum <= point).min(vocabulary - 1);
        let shift = if word.is_multiple_of(3) { 997 * category } else { 0 };
        1 + ((rank + shift) % vocabulary) as u32
    }
}
