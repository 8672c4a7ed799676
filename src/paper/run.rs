//! The data of a finished run that are compared: its tables, and facts about the run.

use super::{figures::EXPERTS, measure::Measured};
use crate::{
    routing::{LayerId, RoutingShape, View},
    run::RunKind,
    stats::{Finding, Statistic, Tables, Variable},
};

/// A finished run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its folder, as given.
    pub name: String,
    /// What kind of run it is.
    pub command: RunKind,
    /// Label of its first checkpoint.
    pub label: String,
    /// Label of its checkpoint or checkpoints.
    pub checkpoint: String,
    /// The family of the model, if it is another than the paper's.
    pub family: Option<String>,
    /// Names of its texts.
    pub corpus: String,
    /// Its MoE layers, with the experts and the choices of each.
    pub shape: RoutingShape,
    /// Tokens that were routed.
    pub tokens: u64,
    /// Documents that they come from.
    pub documents: u64,
    /// Its statistics.
    pub tables: Tables,
}

/// The expert shares of one category, position or token of a run.
#[derive(Clone, Debug)]
pub(super) struct RunShares {
    /// Share of each expert.
    pub(super) share: Vec<Measured>,
    /// Occurrences.
    pub(super) n: u64,
}

/// What shares are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// A category of the run.
    Category(String),
    /// A position.
    Position(u32),
    /// The text of a token.
    Token(String),
}

impl Key {
    fn matches(&self, row: &Finding) -> bool {
        match self {
            Self::Category(name) => row.category.as_ref() == Some(name),
            Self::Position(position) => row.position == Some(*position),
            Self::Token(text) => row.text.as_ref() == Some(text),
        }
    }

    fn variable(&self) -> Variable {
        match self {
            Self::Category(_) => Variable::Category,
            Self::Position(_) => Variable::Position,
            Self::Token(_) => Variable::Token,
        }
    }
}

impl Run {
    /// Decoder layer indices of the MoE layers.
    pub fn layers(&self) -> &[LayerId] {
        self.shape.moe_layers()
    }

    /// Experts of a layer, and choices per token.
    pub fn size(&self, layer: LayerId) -> (usize, usize) {
        (self.shape.experts(layer), self.shape.choices(layer))
    }

    /// The layers that have as many experts as the paper's model.
    pub(super) fn layers_of_the_papers_size(&self) -> Vec<LayerId> {
        self.layers().iter().copied().filter(|layer| self.shape.experts(*layer) == EXPERTS).collect()
    }

    /// The rows of a statistic in a view, of the first checkpoint if there are several side by side.
    pub(super) fn rows(&self, statistic: Statistic, view: View) -> impl Iterator<Item = &Finding> {
        let table = self.tables.get(statistic.table()).map(|table| table.rows.as_slice()).unwrap_or_default();
        table.iter().filter(move |row| row.view == view)
    }

    /// Why the run has no number of a statistic about a variable, if its trace does not record what is needed: all rows are withheld
    /// then, and the first says why. What is missing in the chosen view is missing in the kept view too.
    pub(super) fn withheld(&self, statistic: Statistic, variable: Variable) -> Option<&str> {
        let rows = || {
            let views = View::ALL.into_iter().flat_map(|view| self.rows(statistic, view));
            views.filter(|row| row.checkpoint.is_none() && row.variable == Some(variable))
        };
        if rows().any(|row| row.estimate.is_some()) {
            return None;
        }
        rows().find_map(|row| row.note.as_deref())
    }

    /// The kept expert shares of a key, by layer; only layers in which every expert has one.
    pub(super) fn shares(&self, key: &Key) -> Vec<(LayerId, RunShares)> {
        let mut rows: Vec<&Finding> = self
            .rows(Statistic::ExpertShare, View::Kept)
            .filter(|row| row.checkpoint.is_none() && row.variable == Some(key.variable()))
            .filter(|row| key.matches(row))
            .collect();
        rows.sort_by_key(|row| (row.layer, row.token_id, row.expert));
        let layer = |layer: &LayerId| {
            let of_layer: Vec<&&Finding> = rows.iter().filter(|row| row.layer == *layer).collect();
            // Two ids may have the same text: the first one with complete shares counts.
            let mut ids = of_layer.chunk_by(|a, b| a.token_id == b.token_id);
            ids.find_map(|rows| Some((*layer, complete(rows, self.shape.experts(*layer))?)))
        };
        self.layers().iter().filter_map(layer).collect()
    }

    /// The label of the second checkpoint of a drops run.
    pub(super) fn compared(&self) -> Option<&str> {
        self.rows(Statistic::AssignmentDropRatio, View::Chosen).find_map(|row| row.checkpoint.as_deref())
    }

    /// The categories that have shares, in file order.
    pub(super) fn categories(&self) -> Vec<&str> {
        let mut found: Vec<&str> = Vec::new();
        let layer = self.layers().first().copied().unwrap_or_default();
        let rows = self.rows(Statistic::ExpertShare, View::Kept);
        for name in rows.filter(|row| row.layer == layer && row.expert == Some(0)).filter_map(|r| r.category.as_deref())
        {
            if !found.contains(&name) {
                found.push(name);
            }
        }
        found
    }

    /// The token of the run that the paper calls `text`: the same text, also after a space.
    pub(super) fn token_text(&self, statistic: Statistic, text: &str) -> Option<String> {
        let spaced = format!("\u{2581}{text}");
        let has = |wanted: &str| {
            self.rows(statistic, View::Kept).any(|row| row.text.as_deref() == Some(wanted) && row.estimate.is_some())
        };
        [text.to_owned(), spaced].into_iter().find(|text| has(text))
    }

    /// The data sets of its drop ratios, in file order.
    pub(super) fn datasets(&self) -> Vec<&str> {
        let mut found: Vec<&str> = Vec::new();
        for name in self.rows(Statistic::AssignmentDropRatio, View::Chosen).filter_map(|row| row.dataset.as_deref()) {
            if !found.contains(&name) {
                found.push(name);
            }
        }
        found
    }
}

/// The shares of all experts of a layer, if each has one and anything is kept.
fn complete(rows: &[&&Finding], experts: usize) -> Option<RunShares> {
    let share: Vec<Measured> = rows.iter().filter_map(|row| Measured::of(row)).collect();
    let positive = share.iter().map(|share| share.value).sum::<f64>() > 0.0;
    (share.len() == experts && positive).then_some(RunShares { share, n: rows.first()?.n })
}
