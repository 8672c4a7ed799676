//! Hand-made and synthetic runs with routing groups and spans, and how to look into the tables.

use openmoe_analyze::{
    routing::{CapacityRule, ExpertId, RouterSettings, queue_slots},
    stats::{DropLayer, DropSettings, DropStudy, Finding, Settings, Tables, drop_statistics, merge},
    trace::{GroupTable, LayerTrace, SequenceTable, SpanTable},
};

/// `SplitMix64`: random numbers for synthetic traces.
pub struct Random(pub u64);

impl Random {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    pub fn below(&mut self, bound: u32) -> u32 {
        (self.word() % u64::from(bound)) as u32
    }

    /// Uniform in 0..1.
    pub fn unit(&mut self) -> f64 {
        (self.word() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// A run in the making.
#[derive(Clone)]
pub struct Run {
    pub sequences: SequenceTable,
    pub spans: SpanTable,
    pub groups: GroupTable,
    pub layer: LayerTrace,
}

impl Run {
    pub fn new(num_experts: usize, top_k: usize, datasets: &[&str], categories: &[&str]) -> Self {
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
    pub fn document(&mut self, dataset: u16, category: Option<u16>, rows: &[(u32, Vec<ExpertId>)]) -> u32 {
        let document = self.sequences.document_names.len() as u32;
        self.sequences.document_names.push(format!("document {document}"));
        self.chunk(document, dataset, category, rows)
    }

    /// Adds a sequence to a document.
    pub fn chunk(&mut self, document: u32, dataset: u16, category: Option<u16>, rows: &[(u32, Vec<ExpertId>)]) -> u32 {
        let sequence = self.sequences.tokens.len() as u32;
        self.sequences.tokens.push(rows.len() as u32);
        self.sequences.document.push(document);
        self.sequences.category.push(category);
        self.sequences.dataset.push(dataset);
        for (position, (token, experts)) in rows.iter().enumerate() {
            self.layer.sequence.push(sequence);
            self.layer.position.push(position as u32);
            self.layer.token_id.push(*token);
            self.layer.expert.extend(experts);
            self.layer.probability.extend((0..experts.len()).map(|choice| 0.5_f32.powi(choice as i32 + 1)));
            self.layer.kept.extend(experts.iter().map(|_| true));
            self.layer.entropy.push(1.0);
            self.layer.margin_first.push(0.25);
            self.layer.margin_k.push(0.125);
        }
        sequence
    }

    /// Adds a message to a sequence.
    pub fn span(&mut self, sequence: u32, turn: u16, role: u8, start: u32, end: u32) {
        self.spans.sequence.push(sequence);
        self.spans.turn.push(turn);
        self.spans.role.push(role);
        self.spans.start.push(start);
        self.spans.end.push(end);
    }

    /// Routes groups of `size` sequences with the capacity that `slots` gives for a number of tokens.
    pub fn route(&mut self, size: usize, slots: impl Fn(usize) -> u32) {
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
    pub fn layer(&self) -> DropLayer<'_> {
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

    pub fn study(&self, settings: &DropSettings) -> DropStudy<'_> {
        DropStudy::new(&self.layer(), settings).unwrap()
    }

    pub fn statistics(&self, settings: &DropSettings) -> Tables {
        let mut tables = Tables::new();
        merge(&mut tables, drop_statistics(&self.study(settings), &|_| ()).unwrap());
        tables
    }
}

pub fn quick() -> DropSettings {
    with(Settings { resamples: 100, permutations: 20, ..Settings::default() })
}

pub fn with(statistics: Settings) -> DropSettings {
    DropSettings { statistics, ..DropSettings::default() }
}

/// The only row of a table that meets a condition.
#[track_caller]
pub fn one(rows: &[Finding], condition: impl Fn(&Finding) -> bool) -> &Finding {
    let found: Vec<&Finding> = rows.iter().filter(|row| condition(row)).collect();
    assert_eq!(found.len(), 1, "{found:#?}");
    found[0]
}

/// The keys of a row in words, in a fixed order: `dataset=a role=user`; over all: nothing.
pub fn key(row: &Finding) -> String {
    let text = |name: &str, value: Option<&str>| value.map(|value| format!("{name}={value}"));
    let number = |name: &str, value: Option<u32>| value.map(|value| format!("{name}={value}"));
    let parts = [
        text("variable", row.variable.as_deref()),
        text("cohort", row.cohort.as_deref()),
        text("dataset", row.dataset.as_deref()),
        text("category", row.category.as_deref()),
        text("role", row.role.as_deref()),
        number("turn", row.turn.map(u32::from)),
        number("expert", row.expert.map(u32::from)),
        number("position", row.position),
        number("token_id", row.token_id),
        text("variant", row.variant.as_deref()),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// The row with these keys and no others.
#[track_caller]
pub fn at<'a>(tables: &'a Tables, table: &str, keys: &str) -> &'a Finding {
    one(&tables[table].rows, |row| key(row) == keys)
}

#[track_caller]
pub fn close(found: Option<f64>, expected: f64, tolerance: f64) {
    let found = found.expect("a number");
    assert!((found - expected).abs() <= tolerance, "{found} is not {expected}");
}

pub const RATIOS: [&str; 5] = [
    "assignment_drop_ratio",
    "first_choice_drop_ratio",
    "second_choice_drop_ratio",
    "token_drop_ratio",
    "gate_mass_lost",
];
