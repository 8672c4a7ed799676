//! Runs in the making: sequences with given choices, routed by brute force or by the router itself.

use openmoe_analyze::{
    routing::{CapacityRule, ExpertId, GroupRule, RouterSettings, route},
    stats::{DropLayer, DropSettings, DropStudy, Finding, Priority, Settings, Tables, Variant, drop_statistics, merge},
    trace::{GroupTable, LayerTrace, SequenceTable, SpanTable},
};

use super::oracle;
pub(crate) use openmoe_analyze::stats::{BaselineKind, Role};

pub(crate) use crate::support::synthetic::{RATIOS, Random, close, one};
use crate::support::synthetic::{add_document, add_row, add_sequence};

/// One token: its id, its ordered choices and their gate probabilities.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) id: u32,
    pub(crate) experts: Vec<ExpertId>,
    pub(crate) gates: Vec<f32>,
}

pub(crate) fn token(id: u32, experts: &[ExpertId], gates: &[f32]) -> Token {
    Token { id, experts: experts.to_vec(), gates: gates.to_vec() }
}

/// Everything that `drop_statistics` wants to see.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) sequences: SequenceTable,
    pub(crate) spans: SpanTable,
    pub(crate) groups: GroupTable,
    pub(crate) router: RouterSettings,
    pub(crate) trace: LayerTrace,
}

pub(crate) fn router(
    num_experts: usize,
    top_k: usize,
    capacity_rule: CapacityRule,
    capacity_factor: f64,
) -> RouterSettings {
    RouterSettings { num_experts, top_k, capacity_rule, capacity_factor, min_capacity: 1 }
}

impl Run {
    pub(crate) fn new(router: RouterSettings) -> Self {
        let trace =
            LayerTrace { layer: 3, num_experts: router.num_experts, top_k: router.top_k, ..LayerTrace::default() };
        Self {
            sequences: SequenceTable::default(),
            spans: SpanTable::default(),
            groups: GroupTable::default(),
            router,
            trace,
        }
    }

    /// Adds a document of one sequence.
    pub(crate) fn document(&mut self, dataset: &str, tokens: &[Token]) {
        let document = add_document(&mut self.sequences);
        self.chunk(document, dataset, tokens);
    }

    /// Adds a sequence to a document.
    pub(crate) fn chunk(&mut self, document: u32, dataset: &str, tokens: &[Token]) {
        let names = &mut self.sequences.dataset_names;
        let dataset = names.iter().position(|name| name == dataset).unwrap_or_else(|| {
            names.push(dataset.to_owned());
            names.len() - 1
        });
        let sequence = add_sequence(&mut self.sequences, document, None, tokens.len());
        self.sequences.dataset.push(dataset as u16);
        for (position, token) in tokens.iter().enumerate() {
            self.sequences.token_text.insert(token.id, format!("piece {}", token.id));
            add_row(&mut self.trace, sequence, position, token.id, &token.experts);
            self.trace.probability.extend(&token.gates);
            self.trace.entropy.push(1.0);
        }
    }

    /// Says who speaks in the last sequence: `(turn, role, end)`, from position 0 on.
    pub(crate) fn spans(&mut self, spans: &[(u16, Role, u32)]) {
        let mut start = 0;
        for &(turn, role, end) in spans {
            self.spans.sequence.push(self.sequences.tokens.len() as u32 - 1);
            self.spans.turn.push(turn);
            self.spans.role.push(role);
            self.spans.start.push(start);
            self.spans.end.push(end);
            start = end;
        }
    }

    /// First and last row of every group.
    pub(crate) fn rows(&self, rule: GroupRule) -> Vec<std::ops::Range<usize>> {
        let lengths: Vec<usize> = self.sequences.tokens.iter().map(|length| *length as usize).collect();
        let start = |sequence: usize| lengths[..sequence].iter().sum::<usize>();
        rule.partition(&lengths).into_iter().map(|group| start(group.start)..start(group.end)).collect()
    }

    /// Fills in groups and drops by brute force.
    pub(crate) fn queue(mut self, rule: GroupRule) -> Self {
        let lengths: Vec<usize> = self.sequences.tokens.iter().map(|length| *length as usize).collect();
        self.trace.kept.clear();
        self.groups = GroupTable::default();
        for (sequences, rows) in rule.partition(&lengths).into_iter().zip(self.rows(rule)) {
            let capacity = self.router.capacity(rows.len()).unwrap();
            self.groups.sequences.push(sequences.start as u32..sequences.end as u32);
            self.groups.capacity.push(capacity);
            let order: Vec<usize> = rows.collect();
            let slots = oracle::slots(&self.trace, &order);
            self.trace.kept.extend(slots.iter().map(|slot| *slot < capacity));
        }
        self
    }

    pub(crate) fn layer(&self) -> DropLayer<'_> {
        DropLayer {
            sequences: &self.sequences,
            spans: &self.spans,
            groups: &self.groups,
            router: self.router,
            trace: &self.trace,
        }
    }

    pub(crate) fn study(&self, settings: &DropSettings) -> DropStudy<'_> {
        DropStudy::new(&self.layer(), settings).unwrap()
    }

    pub(crate) fn statistics(&self, settings: &DropSettings) -> Tables {
        let mut tables = Tables::new();
        merge(&mut tables, drop_statistics(&self.study(settings), &|_| ()).expect("statistics"));
        tables
    }
}

/// Sequences of the given lengths, one document each, that the router itself routes from random logits; `skew` is how
/// much one expert is preferred.
pub(crate) fn routed(router: RouterSettings, rule: GroupRule, lengths: &[usize], seed: u64, skew: f32) -> Run {
    let mut random = Random(seed);
    let mut run = Run::new(router);
    run.groups = GroupTable::default();
    let mut token_ids: Vec<Vec<Token>> = Vec::new();
    let mut kept = Vec::new();
    for group in rule.partition(lengths) {
        let tokens: usize = lengths[group.clone()].iter().sum();
        let logits = (0..tokens * router.num_experts)
            .map(|i| 4.0 * random.unit_f32() + if i % router.num_experts == 1 { skew } else { 0.0 })
            .collect();
        let capacity = router.capacity(tokens).unwrap();
        let routing = route(logits, router.num_experts, router.top_k, capacity);
        run.groups.sequences.push(group.start as u32..group.end as u32);
        run.groups.capacity.push(capacity);
        kept.extend(routing.dropped.iter().map(|dropped| !dropped));
        let mut at = 0;
        for length in &lengths[group] {
            let of = |t: usize| t * router.top_k..(t + 1) * router.top_k;
            let row = |t: usize| token(random.below(9), &routing.expert[of(t)], &routing.probability[of(t)]);
            token_ids.push((at..at + length).map(row).collect());
            at += length;
        }
    }
    for (index, tokens) in token_ids.iter().enumerate() {
        run.document(["a", "b"][index % 2], tokens);
    }
    run.trace.kept = kept;
    run
}

pub(crate) fn quick() -> DropSettings {
    DropSettings {
        statistics: Settings { resamples: 50, permutations: 20, ..Settings::default() },
        ..DropSettings::default()
    }
}

/// Which replay a row is about, over all data sets and positions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Replay<'a> {
    pub(crate) rule: &'a str,
    pub(crate) factor: Option<f64>,
    pub(crate) grouping: &'a str,
    pub(crate) priority: &'a str,
    pub(crate) variant: &'a str,
}

impl Replay<'_> {
    pub(crate) fn fits(&self, row: &Finding) -> bool {
        row.rule.map(CapacityRule::name) == Some(self.rule)
            && row.capacity_factor == self.factor
            && row.grouping.as_deref() == Some(self.grouping)
            && row.priority.map(Priority::name) == Some(self.priority)
            && row.variant.map(Variant::name) == Some(self.variant)
            && row.dataset.is_none()
            && row.position.is_none()
    }

    #[track_caller]
    pub(crate) fn of<'a>(&self, tables: &'a Tables) -> &'a Finding {
        one(tables, "capacity_replay", |row| self.fits(row))
    }
}
