//! Hand-made and synthetic traces, and how to look into the tables.

use openmoe_analyze::{
    routing::ExpertId,
    stats::{Finding, Settings, Tables, Variable, merge, route_statistics},
    trace::{LayerTrace, SequenceTable},
};

pub(crate) use crate::support::synthetic::{Random, close, one, sound};
use crate::support::synthetic::{add_document, add_row, add_sequence};

/// A run in the making: documents of one sequence each.
pub(crate) struct Run {
    pub(crate) sequences: SequenceTable,
    pub(crate) layer: LayerTrace,
}

impl Run {
    pub(crate) fn new(num_experts: usize, top_k: usize, categories: &[&str]) -> Self {
        let category_names = categories.iter().map(|name| (*name).to_owned()).collect();
        Self {
            sequences: SequenceTable { category_names, ..SequenceTable::default() },
            layer: LayerTrace { layer: 3, num_experts, top_k, ..LayerTrace::default() },
        }
    }

    /// Adds a document of one sequence; every token with its choices and their kept flags.
    pub(crate) fn document(&mut self, category: Option<u16>, tokens: &[(u32, Vec<ExpertId>, Vec<bool>)]) {
        let document = add_document(&mut self.sequences);
        self.chunk(document, category, tokens);
    }

    /// Adds a sequence to a document.
    pub(crate) fn chunk(&mut self, document: u32, category: Option<u16>, tokens: &[(u32, Vec<ExpertId>, Vec<bool>)]) {
        let sequence = add_sequence(&mut self.sequences, document, category, tokens.len());
        for (position, (token, experts, kept)) in tokens.iter().enumerate() {
            self.sequences.token_text.insert(*token, format!("piece {token}"));
            add_row(&mut self.layer, sequence, position, *token, experts);
            self.layer.probability.extend(experts.iter().map(|_| 0.5));
            self.layer.kept.extend(kept);
            self.layer.entropy.push(1.0 + position as f32);
        }
    }

    pub(crate) fn statistics(&self, settings: &Settings) -> Tables {
        let mut tables = Tables::new();
        merge(&mut tables, route_statistics(&self.sequences, &self.layer, settings, &|_| ()).expect("statistics"));
        tables
    }
}

/// What a synthetic router looks at.
#[derive(Clone, Copy)]
pub(crate) enum Router {
    Token,
    Position,
    Nothing,
}

/// Documents of `length` tokens with random ids 0..20, in turn of category a and b; one choice of twenty is dropped.
pub(crate) fn synthetic(router: Router, experts: usize, k: usize, documents: u32, length: u32) -> Run {
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

/// Runs without tokens, experts to choose between or documents to resample, and one in which everything is dropped.
pub(crate) fn degenerate() -> [Run; 9] {
    let mut all_dropped = synthetic(Router::Nothing, 4, 2, 12, 30);
    all_dropped.layer.kept.fill(false);
    [
        Run::new(4, 2, &[]),
        Run::new(1, 1, &["a"]),
        synthetic(Router::Nothing, 4, 2, 1, 1),
        synthetic(Router::Nothing, 4, 2, 1, 30),
        synthetic(Router::Nothing, 2, 2, 9, 30),
        synthetic(Router::Nothing, 1, 1, 9, 30),
        synthetic(Router::Nothing, 4, 1, 12, 30),
        synthetic(Router::Nothing, 6, 3, 12, 30),
        all_dropped,
    ]
}

pub(crate) fn quick() -> Settings {
    Settings { resamples: 100, permutations: 20, ..Settings::default() }
}

/// An information statistic without a variant.
#[track_caller]
pub(crate) fn information<'a>(tables: &'a Tables, table: &str, variable: &str, view: &str) -> &'a Finding {
    one(tables, table, |row| {
        row.variable.map(Variable::name) == Some(variable) && row.view.name() == view && row.variant.is_none()
    })
}

pub(crate) const MI: &str = "mutual_information";
pub(crate) const CMI: &str = "conditional_mutual_information";
