//! How a record is to be read.

use std::collections::BTreeSet;

use crate::{
    import::routes::{ChoiceOrder, Header, Weights},
    routing::Block,
};

/// How the routes of a record are to be read, as far as its header does not say it: what the gate found.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The order of the choices.
    pub order: ChoiceOrder,
    /// What the weights are.
    pub weights: Weights,
    /// Layers, by their place in the header, that hold no routes.
    pub empty_layers: BTreeSet<usize>,
    /// Experts by layer, in the order of the header.
    pub experts: Vec<usize>,
    /// Choices by layer that are there for any token.
    pub choices: Vec<usize>,
    /// Whether the logits are probabilities, of which the logarithm is to be taken.
    pub logits_are_probabilities: bool,
    /// Blocks that are there and of no use: logits that are scores of the chosen experts among zeros, what some sequences have and
    /// others lack.
    pub withheld: Vec<Block>,
    /// Whether the rows of a sequence stand as in its text.
    pub in_order: bool,
}

impl Reading {
    /// As the header says.
    pub(in crate::import) fn of(header: &Header) -> Self {
        Self {
            order: header.order,
            weights: header.weights,
            empty_layers: BTreeSet::new(),
            experts: header.layers.iter().map(|layer| layer.num_experts.unwrap_or(0)).collect(),
            choices: header.layers.iter().map(|layer| layer.top_k).collect(),
            logits_are_probabilities: false,
            withheld: Vec::new(),
            in_order: true,
        }
    }
}
