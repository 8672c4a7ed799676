//! Hand-made and synthetic traces, and how to look into the tables.

use openmoe_analyze::{
    routing::ExpertId,
    stats::{Finding, Settings, Tables, merge, route_statistics},
    trace::{LayerTrace, SequenceTable},
};

/// `SplitMix64`: random numbers for synthetic traces.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((word ^ (word >> 31)) % u64::from(bound)) as u32
    }

    /// `k` distinct experts in random order.
    pub fn subset(&mut self, experts: usize, k: usize) -> Vec<ExpertId> {
        let mut all: Vec<ExpertId> = (0..experts as ExpertId).collect();
        for i in 0..k {
            all.swap(i, i + self.below((experts - i) as u32) as usize);
        }
        all.truncate(k);
        all
    }
}

/// A run in the making: documents of one sequence each.
pub struct Run {
    pub sequences: SequenceTable,
    pub layer: LayerTrace,
}

impl Run {
    pub fn new(num_experts: usize, top_k: usize, categories: &[&str]) -> Self {
        let category_names = categories.iter().map(|name| (*name).to_owned()).collect();
        Self {
            sequences: SequenceTable { category_names, ..SequenceTable::default() },
            layer: LayerTrace { layer: 3, num_experts, top_k, ..LayerTrace::default() },
        }
    }

    /// Adds a document of one sequence; every token with its choices and their kept flags.
    pub fn document(&mut self, category: Option<u16>, tokens: &[(u32, Vec<ExpertId>, Vec<bool>)]) {
        let document = self.sequences.document_names.len() as u32;
        self.sequences.document_names.push(format!("document {document}"));
        self.chunk(document, category, tokens);
    }

    /// Adds a sequence to a document.
    pub fn chunk(&mut self, document: u32, category: Option<u16>, tokens: &[(u32, Vec<ExpertId>, Vec<bool>)]) {
        let sequence = self.sequences.tokens.len() as u32;
        self.sequences.tokens.push(tokens.len() as u32);
        self.sequences.document.push(document);
        self.sequences.category.push(category);
        for (position, (token, experts, kept)) in tokens.iter().enumerate() {
            self.sequences.token_text.insert(*token, format!("piece {token}"));
            self.layer.sequence.push(sequence);
            self.layer.position.push(position as u32);
            self.layer.token_id.push(*token);
            self.layer.expert.extend(experts);
            self.layer.probability.extend(experts.iter().map(|_| 0.5));
            self.layer.kept.extend(kept);
            self.layer.entropy.push(1.0 + position as f32);
            self.layer.margin_first.push(0.25);
            self.layer.margin_k.push(0.125);
        }
    }

    pub fn statistics(&self, settings: &Settings) -> Tables {
        let mut tables = Tables::new();
        merge(&mut tables, route_statistics(&self.sequences, &self.layer, settings, &|_| ()).expect("statistics"));
        tables
    }
}

/// What a synthetic router looks at.
#[derive(Clone, Copy)]
pub enum Router {
    Token,
    Position,
    Nothing,
}

/// Documents of `length` tokens with random ids 0..20, in turn of category a and b; one choice of twenty is dropped.
pub fn synthetic(router: Router, experts: usize, k: usize, documents: u32, length: u32) -> Run {
    let mut random = Random(7);
    let fixed: Vec<Vec<ExpertId>> = (0..64).map(|_| random.subset(experts, k)).collect();
    let mut run = Run::new(experts, k, &["a", "b"]);
    for document in 0..documents {
        let tokens: Vec<_> = (0..length)
            .map(|position| {
                let token = random.below(20);
                let choices = match router {
                    Router::Token => fixed[token as usize].clone(),
                    Router::Position => fixed[(position % 64) as usize].clone(),
                    Router::Nothing => random.subset(experts, k),
                };
                let kept = (0..k).map(|_| random.below(20) > 0).collect();
                (token, choices, kept)
            })
            .collect();
        run.document(Some((document % 2) as u16), &tokens);
    }
    run
}

pub fn quick() -> Settings {
    Settings { resamples: 100, permutations: 20, ..Settings::default() }
}

/// The only row of a table that meets a condition.
#[track_caller]
pub fn one<'a>(tables: &'a Tables, table: &str, condition: impl Fn(&Finding) -> bool) -> &'a Finding {
    let rows: Vec<&Finding> = tables[table].rows.iter().filter(|row| condition(row)).collect();
    assert_eq!(rows.len(), 1, "{rows:#?}");
    rows[0]
}

/// An information statistic without a variant.
#[track_caller]
pub fn information<'a>(tables: &'a Tables, table: &str, variable: &str, view: &str) -> &'a Finding {
    one(tables, table, |row| row.variable.as_deref() == Some(variable) && row.view == view && row.variant.is_none())
}

#[track_caller]
pub fn close(found: Option<f64>, expected: f64, tolerance: f64) {
    let found = found.expect("a number");
    assert!((found - expected).abs() <= tolerance, "{found} is not {expected}");
}

pub const MI: &str = "mutual_information";
pub const CMI: &str = "conditional_mutual_information";
