//! Writes a run folder with a made-up trace of any shape, for measuring statistics, charts and pages of large models.
//!
//! ```text
//! cargo bench --bench synthetic_trace -- --out FOLDER --layers 48 --experts 128 --top-k 8 --tokens 2000000
//! openmoe-analyze stats FOLDER
//! ```
//!
//! `--experts 128,64` and `--top-k 8,4` make layers that differ, in turn; `--kind drift` writes two checkpoints, `--kind drops` a run
//! for drop statistics, with `--capacity-factor 1.25`; `--provide experts` records the chosen experts alone, so that it goes neither
//! with a capacity factor nor with drops.
//!
//! The trace has the structure that statistics look for: token ids by Zipf's law, documents of one or two sequences,
//! categories with words of their own, experts that the token id decides in the early layers and the category more and more
//! in the later ones, some experts more popular than others. It is written segment by segment: what is in memory grows with
//! the number of layers, not with that of the tokens.

#![allow(clippy::print_stderr, clippy::unwrap_used)] // a tool for developers: it says what it does, and stops with the reason

mod support;

use std::path::PathBuf;

use openmoe_analyze::{
    routing::{CapacityPolicy, CapacityRule, ExpertId, LayerId, LayerShape, RoutingShape},
    run::{Occupied, RecordedCheckpoint, RunDir, RunKind, RunRecord},
    trace::{RoutedSequence, TraceBuilder, TraceOptions},
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
/// Sequences that are made at a time.
const BATCH: usize = 16;

/// What was typed.
struct Options {
    out: PathBuf,
    /// Command of the run: route, drift (two checkpoints) or drops.
    kind: String,
    layers: usize,
    /// Of the layers in turn.
    experts: Vec<usize>,
    /// Of the layers in turn.
    top_k: Vec<usize>,
    tokens: usize,
    /// Without a factor nothing is dropped.
    capacity_factor: Option<f64>,
    /// Whether the trace has more than the chosen experts.
    everything: bool,
}

impl Options {
    fn parse() -> Self {
        let mut options = Self {
            out: PathBuf::new(),
            kind: "route".into(),
            layers: 48,
            experts: vec![128],
            top_k: vec![8],
            tokens: 100_000,
            capacity_factor: None,
            everything: true,
        };
        let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
        while let Some(name) = words.next() {
            if ["--help", "-h"].contains(&name.as_str()) {
                print_head();
                std::process::exit(0);
            }
            let value = words.next().unwrap_or_else(|| panic!("{name} needs a value"));
            let numbers = || -> Vec<usize> { value.split(',').map(|number| number.parse().unwrap()).collect() };
            match name.as_str() {
                "--out" => options.out = value.into(),
                "--kind" => options.kind = value,
                "--layers" => options.layers = numbers()[0],
                "--experts" => options.experts = numbers(),
                "--top-k" => options.top_k = numbers(),
                "--tokens" => options.tokens = numbers()[0],
                "--capacity-factor" => options.capacity_factor = Some(value.parse().unwrap()),
                "--provide" => options.everything = value != "experts",
                _ => panic!("{name} is unknown; the head of this file names the options"),
            }
        }
        assert!(!options.out.as_os_str().is_empty(), "--out FOLDER is missing");
        assert!(["route", "drift", "drops"].contains(&options.kind.as_str()), "--kind is route, drift or drops");
        let of_drops = options.kind == "drops" || options.capacity_factor.is_some();
        assert!(
            options.everything || !of_drops,
            "--provide experts records no drops: leave out --capacity-factor and --kind drops"
        );
        options
    }

    fn shape(&self) -> RoutingShape {
        let port = |factor| CapacityPolicy { rule: CapacityRule::Port, factor, minimum: 4 };
        // Without a capacity nobody knows what was dropped.
        let capacity = self.everything.then(|| self.capacity_factor.map_or(CapacityPolicy::UNLIMITED, port));
        let layer = |at: usize| {
            let (experts, top_k) = (self.experts[at % self.experts.len()], self.top_k[at % self.top_k.len()]);
            (at as LayerId + 1, LayerShape { capacity, ..LayerShape::of_choices(experts, top_k) })
        };
        RoutingShape::new((0..self.layers).map(layer).collect()).unwrap()
    }
}

/// Prints the head of this file, which names the options.
fn print_head() {
    let head = include_str!("synthetic_trace.rs").lines().map_while(|line| line.strip_prefix("//!"));
    head.for_each(|line| eprintln!("{}", line.strip_prefix(' ').unwrap_or(line)));
}

fn main() {
    let options = Options::parse();
    let router = Router::new(options.shape());
    let (run, _) = RunDir::prepare(&options.out, Occupied::Refuse, &()).unwrap();
    if options.kind == "drift" {
        let early = write(&run.prepare_below("checkpoints/early", &()).unwrap(), "early", 40, &router, &options);
        write(&run.prepare_below("checkpoints/late", &()).unwrap(), "late", 100, &router, &options);
        let points = ["early", "late"].map(|label| (label, format!("checkpoints/{label}")));
        rewrite(&run, early, RunKind::Drift, &points);
        return;
    }
    let record = write(&run, "synthetic", 100, &router, &options);
    if options.kind == "drops" {
        rewrite(&run, record, RunKind::Drops, &[("synthetic", ".".to_owned())]);
    }
}

/// The record of a run of another kind than that of its traces.
fn rewrite(run: &RunDir, mut record: RunRecord, kind: RunKind, traces: &[(&str, String)]) {
    record.identity.command = kind;
    record.identity.checkpoints =
        traces.iter().map(|(label, folder)| RecordedCheckpoint::new(*label, *label, folder.as_str())).collect();
    run.write_record(&record).unwrap();
    run.settle_checksums().unwrap();
}

/// Writes the trace of one checkpoint, which has `learnt` so many per cent of what decides the experts.
fn write(run: &RunDir, label: &str, learnt: u64, router: &Router, options: &Options) -> RunRecord {
    let names =
        TraceOptions { label: label.to_owned(), ranked: options.everything, bos: true, in_order: options.everything };
    let mut builder = TraceBuilder::within(run.clone(), router.shape.clone(), names).unwrap();
    let texts = Text::all(options.tokens);
    for (batch, texts) in texts.chunks(BATCH).enumerate() {
        if batch % 16 == 0 {
            eprintln!("{label}: sequence {} of {}", batch * BATCH, texts.len());
        }
        let decide = |(at, text): (usize, &Text)| router.decide(text, batch * BATCH + at, learnt);
        let decided: Vec<Decided> = texts.par_iter().enumerate().map(decide).collect();
        for (text, decided) in texts.iter().zip(&decided) {
            builder.push(&text.with(decided, options.everything)).unwrap();
        }
    }
    builder.finish(|id| Some(format!("piece {id}"))).unwrap();
    run.record().unwrap()
}

/// A sequence.
struct Text {
    document: String,
    category: usize,
    name: String,
    token_ids: Vec<u32>,
}

impl Text {
    /// Sequences of together so many tokens.
    fn all(tokens: usize) -> Vec<Self> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
        let ids = Zipf::new(VOCABULARY);
        let (mut texts, mut left, mut document) = (Vec::new(), tokens, 0_usize);
        while left > 0 {
            let length = (SEQUENCE.0 + (random.next_u64() % SEQUENCE.1) as usize).min(left);
            let category = document % CATEGORIES;
            texts.push(Self {
                document: format!("document {document}"),
                category,
                name: format!("category {category}"),
                token_ids: std::iter::once(0).chain((1..length).map(|_| ids.draw(&mut random, category))).collect(),
            });
            left -= length;
            // Every third document has a second sequence.
            document += usize::from(document % 3 != 2 || texts.len() % 2 == 1);
        }
        texts
    }

    fn with<'a>(&'a self, decided: &'a Decided, everything: bool) -> RoutedSequence<'a> {
        let experts = RoutedSequence {
            experts: &decided.experts,
            document: Some(&self.document),
            category: Some(&self.name),
            ..RoutedSequence::default()
        };
        if !everything {
            return experts;
        }
        RoutedSequence {
            probability: Some(&decided.probability),
            combine_weight: Some(&decided.probability),
            entropy: Some(&decided.entropy),
            margin_first: Some(&decided.margin_first),
            margin_k: Some(&decided.margin_k),
            token_ids: Some(&self.token_ids),
            ..experts
        }
    }
}

/// What all layers decide for one sequence.
#[derive(Default)]
struct Decided {
    experts: Vec<ExpertId>,
    probability: Vec<f32>,
    entropy: Vec<f32>,
    margin_first: Vec<f32>,
    margin_k: Vec<f32>,
}

/// A made-up router.
struct Router {
    shape: RoutingShape,
    /// By layer and step.
    confidence: Vec<Vec<Confidence>>,
}

/// What the router says about a token of which it is this sure.
struct Confidence {
    /// By choice.
    probability: Vec<f32>,
    entropy: f32,
    margin_first: f32,
    margin_k: f32,
}

impl Router {
    fn new(shape: RoutingShape) -> Self {
        let steps = |layer: &LayerShape| (0..CONFIDENCES).map(|step| Confidence::new(step, layer)).collect();
        Self { confidence: shape.layers().map(|(_, layer)| steps(layer)).collect(), shape }
    }

    fn decide(&self, text: &Text, index: usize, learnt: u64) -> Decided {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(learnt << 32 | index as u64);
        let mut decided = Decided::default();
        for &id in &text.token_ids {
            for ((layer, shape), steps) in self.shape.layers().zip(&self.confidence) {
                self.choose(&mut decided.experts, (layer, shape), id, text.category, learnt, &mut random);
                let confidence = &steps[random.next_u64() as usize % CONFIDENCES];
                decided.probability.extend(&confidence.probability);
                decided.entropy.push(confidence.entropy);
                decided.margin_first.push(confidence.margin_first);
                decided.margin_k.push(confidence.margin_k);
            }
        }
        decided
    }

    /// The choices of one token: by its id, by the category or by chance, more by the category in later layers.
    fn choose(
        &self,
        chosen: &mut Vec<ExpertId>,
        (layer, shape): (LayerId, &LayerShape),
        id: u32,
        category: usize,
        learnt: u64,
        random: &mut Xoshiro256PlusPlus,
    ) {
        let depth = u64::from(layer) * 100 / (self.shape.len() as u64 + 1);
        let by_token = (75 - 30 * depth / 100) * learnt;
        let by_category = (5 + 20 * depth / 100) * learnt;
        let first = chosen.len();
        for choice in 0..shape.top_k as u64 {
            let word = random.next_u64();
            let drawn = match word % 10_000 {
                percent if percent < by_token => mixed(u64::from(id) << 8 | choice, layer),
                percent if percent < by_token + by_category => mixed((category as u64) << 44 | word >> 62, layer),
                _ => random.next_u64(),
            };
            let mut expert = popular(drawn, shape.num_experts, layer);
            while chosen[first..].contains(&expert) {
                expert = (expert + 1) % shape.num_experts as ExpertId;
            }
            chosen.push(expert);
        }
    }
}

impl Confidence {
    /// Probabilities that fall geometrically over the choices; the rest is spread evenly over all other experts.
    fn new(step: usize, layer: &LayerShape) -> Self {
        let (step, experts, top_k) = (step as f32, layer.num_experts, layer.top_k);
        let weights: Vec<f32> = (0..top_k).map(|choice| (-(choice as f32) * (0.02 + 0.02 * step)).exp()).collect();
        let chosen = if experts == top_k { 1.0 } else { 0.5 + 0.03 * step };
        let total: f32 = weights.iter().sum();
        let probability: Vec<f32> = weights.iter().map(|weight| chosen * weight / total).collect();
        let rest = if experts == top_k { 0.0 } else { (1.0 - chosen) / (experts - top_k) as f32 };
        let part = |p: f32| if p > 0.0 { -p * p.ln() } else { 0.0 };
        let entropy = probability.iter().copied().map(part).sum::<f32>() + (experts - top_k) as f32 * part(rest);
        let second = probability.get(1).copied().unwrap_or(rest);
        Self { margin_first: probability[0] - second, margin_k: probability[top_k - 1] - rest, probability, entropy }
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
