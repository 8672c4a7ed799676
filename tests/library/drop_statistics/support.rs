//! Hand-made and synthetic runs with routing groups and spans, and how to look into the tables.

use openmoe_analyze::{
    routing::{CapacityRule, ExpertId, RouterSettings, queue_slots},
    stats::{
        Cohort, DropLayer, DropSettings, DropStudy, Finding, Settings, Tables, Variable, Variant, drop_statistics,
        merge,
    },
    trace::{GroupTable, LayerTrace, SequenceTable, SpanTable},
};

pub(crate) use openmoe_analyze::stats::{BaselineKind, Role};

pub(crate) use crate::support::synthetic::{RATIOS, Random, close, one, one_of};
use crate::support::synthetic::{add_document, add_row, add_sequence};

/// A run in the making.
#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) sequences: SequenceTable,
    pub(crate) spans: SpanTable,
    pub(crate) groups: GroupTable,
    pub(crate) layer: LayerTrace,
}

impl Run {
    pub(crate) fn new(num_experts: usize, top_k: usize, datasets: &[&str], categories: &[&str]) -> Self {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let sequences = SequenceTable {
            category_names: names(categories),
            dataset_names: names(datasets),
            ..SequenceTable::default()
        };
        let layer = LayerTrace { layer: 3, num_experts, top_k, ..LayerTrace::default() };
        Self { sequences, spans: SpanTable::default(), groups: GroupTable::default(), layer }
    }

    /// Adds a document of one sequence, by the token ids and choices of its rows; returns its sequence.
    pub(crate) fn document(&mut self, dataset: u16, category: Option<u16>, rows: &[(u32, Vec<ExpertId>)]) -> u32 {
        let document = add_document(&mut self.sequences);
        self.chunk(document, dataset, category, rows)
    }

    /// Adds a sequence to a document.
    pub(crate) fn chunk(
        &mut self,
        document: u32,
        dataset: u16,
        category: Option<u16>,
        rows: &[(u32, Vec<ExpertId>)],
    ) -> u32 {
        let sequence = add_sequence(&mut self.sequences, document, category, rows.len());
        self.sequences.dataset.push(dataset);
        for (position, (token, experts)) in rows.iter().enumerate() {
            add_row(&mut self.layer, sequence, position, *token, experts);
            self.layer.probability.extend((0..experts.len()).map(|choice| 0.5_f32.powi(choice as i32 + 1)));
            self.layer.kept.extend(experts.iter().map(|_| true));
            self.layer.entropy.push(1.0);
        }
        sequence
    }

    /// Adds a message to a sequence.
    pub(crate) fn span(&mut self, sequence: u32, turn: u16, role: Role, start: u32, end: u32) {
        self.spans.sequence.push(sequence);
        self.spans.turn.push(turn);
        self.spans.role.push(role);
        self.spans.start.push(start);
        self.spans.end.push(end);
    }

    /// Routes groups of `size` sequences with the capacity that `slots` gives for a number of tokens.
    pub(crate) fn route(&mut self, size: usize, slots: impl Fn(usize) -> u32) {
        self.groups = GroupTable::default();
        let k = self.layer.top_k;
        let mut start = 0;
        for (index, lengths) in self.sequences.tokens.chunks(size).enumerate() {
            let tokens: usize = lengths.iter().map(|length| *length as usize).sum();
            let (first, capacity) = ((index * size) as u32, slots(tokens));
            self.groups.sequences.push(first..first + lengths.len() as u32);
            self.groups.capacity.push(capacity);
            let choices = start * k..(start + tokens) * k;
            let mut slot = Vec::new();
            queue_slots(&self.layer.expert[choices.clone()], k, self.layer.num_experts, &(0..tokens), &mut slot);
            let kept = &mut self.layer.kept[choices];
            kept.iter_mut().zip(slot).for_each(|(kept, slot)| *kept = slot < capacity);
            start += tokens;
        }
    }

    /// With a rule that gives the groups the capacity that they have: the factor is too small to matter.
    pub(crate) fn layer(&self) -> DropLayer<'_> {
        let capacity = self.groups.capacity.first().copied().unwrap_or(1);
        let router = RouterSettings {
            num_experts: self.layer.num_experts,
            top_k: self.layer.top_k,
            capacity_rule: if capacity == u32::MAX { CapacityRule::Unlimited } else { CapacityRule::Port },
            capacity_factor: 0.01,
            min_capacity: capacity,
        };
        DropLayer { sequences: &self.sequences, spans: &self.spans, groups: &self.groups, router, trace: &self.layer }
    }

    pub(crate) fn study(&self, settings: &DropSettings) -> DropStudy<'_> {
        DropStudy::new(&self.layer(), settings).unwrap()
    }

    pub(crate) fn statistics(&self, settings: &DropSettings) -> Tables {
        let mut tables = Tables::new();
        merge(&mut tables, drop_statistics(&self.study(settings), &|_| ()).unwrap());
        tables
    }
}

pub(crate) fn quick() -> DropSettings {
    with(Settings { resamples: 100, permutations: 20, ..Settings::default() })
}

pub(crate) fn with(statistics: Settings) -> DropSettings {
    DropSettings { statistics, ..DropSettings::default() }
}

/// The keys of a row in words, in a fixed order: `dataset=a role=user`; over all: nothing.
pub(crate) fn key(row: &Finding) -> String {
    let text = |name: &str, value: Option<&str>| value.map(|value| format!("{name}={value}"));
    let number = |name: &str, value: Option<u32>| value.map(|value| format!("{name}={value}"));
    let parts = [
        text("variable", row.variable.map(Variable::name)),
        text("cohort", row.cohort.map(Cohort::name)),
        text("dataset", row.dataset.as_deref()),
        text("category", row.category.as_deref()),
        text("role", row.role.map(Role::name)),
        number("turn", row.turn.map(u32::from)),
        number("expert", row.expert.map(u32::from)),
        number("position", row.position),
        number("token_id", row.token_id),
        text("variant", row.variant.map(Variant::name)),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// The row with these keys and no others.
#[track_caller]
pub(crate) fn at<'a>(tables: &'a Tables, table: &str, keys: &str) -> &'a Finding {
    one(tables, table, |row| key(row) == keys)
}
