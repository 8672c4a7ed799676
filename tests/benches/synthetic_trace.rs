//! Writes a run folder with a made-up trace of any shape, for measuring statistics, charts and pages of large models.
//!
//! ```text
//! cargo bench --bench synthetic_trace -- --out FOLDER --layers 48 --experts 128 --top-k 8 --tokens 2000000
//! openmoe-analyze stats FOLDER
//! ```
//!
//! The trace has the structure that statistics look for: token ids by Zipf's law, documents of one or two sequences,
//! categories with words of their own, experts that the token id decides in the early layers and the category more and more
//! in the later ones, some experts more popular than others. It is written segment by segment: what is in memory grows with
//! the number of layers, not with that of the tokens.

#![allow(clippy::print_stderr, clippy::unwrap_used)] // a tool for developers: it says what it does, and stops with the reason

mod support;

use std::path::PathBuf;

use openmoe_analyze::{
    corpus::Sequence,
    routing::{CapacityRule, ExpertId, GroupRule, LayerId, LayerRouting, RouterSettings, RoutingObserver, queue_slots},
    run::{
        Identity, Occupied, QueueOptions, RecordedCheckpoint, RecordedLayout, RunDir, RunKind, RunRecord,
        StatisticSettings, TextOptions, TextSummary,
    },
    trace::{FinishedPart, TraceLayout, TraceWriter, write_inputs},
};
use rand_xoshiro::{
    Xoshiro256PlusPlus,
    rand_core::{RngCore, SeedableRng},
};
use rayon::prelude::*;
use support::synthetic::{CATEGORIES, Zipf};

const VOCABULARY: usize = 50_000;
/// Shortest sequence, and how much longer the longest is.
const SEQUENCE: (usize, u64) = (200, 1849);
/// How sure the router is: one of so many steps for every token.
const CONFIDENCES: usize = 16;

/// What was typed.
struct Options {
    out: PathBuf,
    /// Command of the run: route, drift (two checkpoints) or drops.
    kind: RunKind,
    layers: usize,
    experts: usize,
    top_k: usize,
    tokens: usize,
    /// Without a factor nothing is dropped.
    capacity_factor: Option<f64>,
}

impl Options {
    fn parse() -> Self {
        let mut options = Self {
            out: PathBuf::new(),
            kind: RunKind::Route,
            layers: 48,
            experts: 128,
            top_k: 8,
            tokens: 100_000,
            capacity_factor: None,
        };
        let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
        while let Some(name) = words.next() {
            let value = words.next().unwrap_or_else(|| panic!("{name} needs a value"));
            let number = || value.parse().unwrap_or_else(|_| panic!("{name} {value}: expected a number"));
            match name.as_str() {
                "--out" => options.out = value.into(),
                "--kind" => options.kind = value.parse().expect("--kind is route, drift or drops"),
                "--layers" => options.layers = number(),
                "--experts" => options.experts = number(),
                "--top-k" => options.top_k = number(),
                "--tokens" => options.tokens = number(),
                "--capacity-factor" => options.capacity_factor = Some(value.parse().unwrap()),
                _ => {
                    panic!("{name}; expected --out, --kind, --layers, --experts, --top-k, --tokens, --capacity-factor")
                }
            }
        }
        assert!(!options.out.as_os_str().is_empty(), "--out FOLDER is missing");
        options
    }

    fn router(&self) -> RouterSettings {
        let rule = if self.capacity_factor.is_some() { CapacityRule::Port } else { CapacityRule::Unlimited };
        RouterSettings {
            num_experts: self.experts,
            top_k: self.top_k,
            capacity_rule: rule,
            capacity_factor: self.capacity_factor.unwrap_or(1.0),
            min_capacity: 4,
        }
    }
}

fn main() {
    let options = Options::parse();
    let input = Input::new(&options);
    let (run, _) = RunDir::prepare(&options.out, Occupied::Refuse, &()).unwrap();
    let mut record = input.record(options.kind, "synthetic");
    let traces: &[(&str, &str, u64)] = match options.kind {
        RunKind::Drift => &[("early", "checkpoints/early", 40), ("late", "checkpoints/late", 100)],
        _ => &[("synthetic", ".", 100)],
    };
    for (label, folder, learnt) in traces {
        if *folder == "." {
            input.write(&run, label, *learnt);
        } else {
            let below = run.prepare_below(folder, &()).unwrap();
            input.write(&below, label, *learnt);
            below.write_record(&input.record(RunKind::Route, label)).unwrap();
        }
    }
    if options.kind != RunKind::Route {
        let traces = traces.iter().map(|(label, folder, _)| RecordedCheckpoint::new(*label, *label, *folder));
        record.identity.checkpoints = traces.collect();
    }
    run.write_record(&record).unwrap();
}

/// The input of a made-up run, and its layout.
struct Input {
    sequences: Vec<Sequence>,
    /// Category of every sequence.
    category: Vec<usize>,
    layout: TraceLayout,
    router: RouterSettings,
    confidence: Vec<Confidence>,
}

/// What the router says about a token of which it is this sure.
struct Confidence {
    /// By choice.
    probability: Vec<f32>,
    entropy: f32,
    margin_k: f32,
}

impl Input {
    fn new(options: &Options) -> Self {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
        let ids = Zipf::new(VOCABULARY);
        let (mut sequences, mut category, mut left) = (Vec::new(), Vec::new(), options.tokens);
        let mut document = 0_usize;
        while left > 0 {
            let tokens = (SEQUENCE.0 + (random.next_u64() % SEQUENCE.1) as usize).min(left);
            let group = document % CATEGORIES;
            sequences.push(Sequence {
                source: "synthetic.jsonl".into(),
                dataset: "synthetic".into(),
                document: format!("document {document}"),
                category: Some(format!("category {group}")),
                token_ids: std::iter::once(0).chain((1..tokens).map(|_| ids.draw(&mut random, group))).collect(),
                spans: Vec::new(),
                truncated: false,
            });
            category.push(group);
            left -= tokens;
            // Every third document has a second sequence.
            let first_of_two = document % 3 == 2 && sequences.len() % 2 == 0;
            document += usize::from(!first_of_two);
        }
        let lengths: Vec<usize> = sequences.iter().map(|sequence| sequence.token_ids.len()).collect();
        let layers = (1..=options.layers as LayerId).collect();
        let layout = TraceLayout::new(&lengths, GroupRule::Sequence, layers);
        let router = options.router();
        let confidence = (0..CONFIDENCES).map(|step| Confidence::new(step, &router)).collect();
        Self { sequences, category, layout, router, confidence }
    }

    /// Writes inputs and trace of one checkpoint, which has `learnt` so many per cent of what decides the experts.
    fn write(&self, run: &RunDir, label: &str, learnt: u64) {
        let text = |id| Some(format!("piece {id}"));
        write_inputs(run, &self.layout, &self.sequences, &self.router, label, text).unwrap();
        for segment in 0..self.layout.segments.len() {
            eprintln!("{label}: segment {} of {}", segment + 1, self.layout.segments.len());
            let parts = self.parts(segment, learnt);
            let written: Vec<_> = parts.into_par_iter().map(|part| part.write(run).unwrap()).collect();
            for files in written {
                run.list(files).unwrap();
            }
        }
    }

    /// All layers of a segment.
    fn parts(&self, segment: usize, learnt: u64) -> Vec<FinishedPart> {
        let groups = self.layout.segments[segment].groups.clone();
        let mut parts = Vec::new();
        let mut writer = TraceWriter::with(&self.layout, &self.sequences, false, |part| {
            parts.push(part);
            Ok(())
        });
        for layers in self.layout.moe_layers.chunks(rayon::current_num_threads()) {
            let decide = |&layer: &LayerId| -> Vec<LayerRouting> {
                groups.clone().map(|group| self.decide(layer, group, learnt)).collect()
            };
            let routing: Vec<Vec<LayerRouting>> = layers.par_iter().map(decide).collect();
            routing.iter().flatten().for_each(|routing| writer.observe_routing(routing).unwrap());
        }
        drop(writer);
        parts
    }

    /// What one layer decides for one sequence.
    fn decide(&self, layer: LayerId, group: usize, learnt: u64) -> LayerRouting {
        let ids = &self.sequences[group].token_ids;
        let RouterSettings { num_experts, top_k, .. } = self.router;
        let mut random = Xoshiro256PlusPlus::seed_from_u64(learnt << 48 | u64::from(layer) << 32 | group as u64);
        let capacity = self.router.capacity(ids.len()).unwrap();
        let mut routing = LayerRouting {
            layer,
            group: group as u32,
            sequences: group as u32..group as u32 + 1,
            tokens: ids.len(),
            num_experts,
            top_k,
            capacity,
            ..LayerRouting::default()
        };
        for &id in ids {
            self.choose(&mut routing, id, self.category[group], learnt, &mut random);
            let confidence = &self.confidence[random.next_u64() as usize % CONFIDENCES];
            routing.probability.extend(&confidence.probability);
            routing.entropy.push(confidence.entropy);
            let second =
                confidence.probability.get(1).copied().unwrap_or(confidence.probability[0] - confidence.margin_k);
            routing.margin_first.push(confidence.probability[0] - second);
            routing.margin_k.push(confidence.margin_k);
        }
        let queued = queue_slots(&routing.expert, top_k, num_experts, &(0..ids.len()), &mut routing.slot);
        routing.dropped = routing.slot.iter().map(|&slot| slot >= capacity).collect();
        routing.used_capacity = queued.into_iter().map(|count| count.min(capacity)).collect();
        routing
    }

    /// The choices of one token: by its id, by the category or by chance, more by the category in later layers.
    fn choose(
        &self,
        routing: &mut LayerRouting,
        id: u32,
        category: usize,
        learnt: u64,
        random: &mut Xoshiro256PlusPlus,
    ) {
        let (experts, layer, layers) = (routing.num_experts, routing.layer, self.layout.moe_layers.len() as u64);
        let depth = u64::from(layer) * 100 / (layers + 1);
        let by_token = (75 - 30 * depth / 100) * learnt;
        let by_category = (5 + 20 * depth / 100) * learnt;
        let first = routing.expert.len();
        for choice in 0..routing.top_k as u64 {
            let word = random.next_u64();
            let drawn = match word % 10_000 {
                percent if percent < by_token => mixed(u64::from(id) << 8 | choice, layer),
                percent if percent < by_token + by_category => mixed((category as u64) << 44 | word >> 62, layer),
                _ => random.next_u64(),
            };
            let mut expert = popular(drawn, experts, layer);
            while routing.expert[first..].contains(&expert) {
                expert = (expert + 1) % experts as ExpertId;
            }
            routing.expert.push(expert);
        }
    }

    fn record(&self, kind: RunKind, label: &str) -> RunRecord {
        let documents = self.sequences.iter().map(|sequence| &sequence.document);
        let text = TextOptions {
            inputs: Vec::new(),
            category_key: None,
            text_key: None,
            context: SEQUENCE.0 + SEQUENCE.1 as usize,
            truncate: false,
            bos: true,
            max_sequences: None,
        };
        let queues = QueueOptions {
            group: GroupRule::Sequence,
            capacity_rule: self.router.capacity_rule,
            capacity_factor: self.router.capacity_factor,
            min_capacity: self.router.min_capacity,
        };
        let layout = RecordedLayout {
            moe_layers: self.layout.moe_layers.clone(),
            num_experts: self.router.num_experts,
            top_k: self.router.top_k,
            segments: self.layout.segments.len(),
            groups: Some(self.layout.groups.len()),
        };
        let identity = Identity { text: Some(text), queues: Some(queues), ..Identity::new(kind) };
        RunRecord {
            complete: true,
            statistics: StatisticSettings { resamples: 1000, permutations: 100, ..StatisticSettings::default() },
            text: TextSummary {
                sequences: self.sequences.len(),
                documents: documents.collect::<std::collections::BTreeSet<_>>().len(),
                tokens: self.sequences.iter().map(|sequence| sequence.token_ids.len() as u64).sum(),
                ..TextSummary::default()
            },
            corpus: vec!["synthetic.jsonl".to_owned()],
            ..RunRecord::new(identity, label, layout)
        }
    }
}

impl Confidence {
    /// Probabilities that fall geometrically over the choices; the rest is spread evenly over all other experts.
    fn new(step: usize, router: &RouterSettings) -> Self {
        let (step, experts, top_k) = (step as f32, router.num_experts, router.top_k);
        let weights: Vec<f32> = (0..top_k).map(|choice| (-(choice as f32) * (0.02 + 0.02 * step)).exp()).collect();
        let chosen = if experts == top_k { 1.0 } else { 0.5 + 0.03 * step };
        let total: f32 = weights.iter().sum();
        let probability: Vec<f32> = weights.iter().map(|weight| chosen * weight / total).collect();
        let rest = if experts == top_k { 0.0 } else { (1.0 - chosen) / (experts - top_k) as f32 };
        let part = |p: f32| if p > 0.0 { -p * p.ln() } else { 0.0 };
        let entropy = probability.iter().copied().map(part).sum::<f32>() + (experts - top_k) as f32 * part(rest);
        Self { margin_k: probability[top_k - 1] - rest, probability, entropy }
    }
}

/// A word that a key and a layer decide.
fn mixed(key: u64, layer: LayerId) -> u64 {
    let word = (key ^ u64::from(layer) << 52).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word ^ (word >> 29)
}

/// An expert, some more often than others, each layer its own.
fn popular(word: u64, experts: usize, layer: LayerId) -> ExpertId {
    let unit = (word >> 11) as f64 / (1_u64 << 53) as f64;
    let rank = (unit.powf(1.3) * experts as f64) as usize;
    ((rank + 37 * usize::from(layer)) % experts) as ExpertId
}
