//! Who queues first for the slots of the experts.

use super::{LayerRouting, RouterCall, RoutingPolicy, assign::queue};
use crate::{
    error::Result,
    random::{Purpose, Stream},
    routing::LayerId,
};

/// The order in which the tokens of a routing group queue: all their first choices in this order, then all second ones, and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueOrder {
    /// The order of the text: the models' own.
    Position,
    /// The largest probability of a first choice first, equal ones by position: batch prioritised routing (Riquelme et al. 2021, arXiv
    /// 2106.05974, section 4.1).
    Probability,
    /// The last token of the text first.
    Last,
    /// A random order for every layer and group.
    Random {
        /// The seed of the order.
        seed: u64,
    },
}

impl QueueOrder {
    /// The tokens of a group in the order in which they queue; `first_gate` is the probability of a token's first choice.
    pub fn order(self, layer: LayerId, group: u32, tokens: usize, first_gate: impl Fn(usize) -> f32) -> Vec<u32> {
        let mut order: Vec<u32> = (0..tokens as u32).collect();
        match self {
            Self::Position => (),
            Self::Probability => {
                order.sort_by(|a, b| first_gate(*b as usize).total_cmp(&first_gate(*a as usize)));
            }
            Self::Last => order.reverse(),
            Self::Random { seed } => {
                Stream::new(seed, layer, Purpose::ReplayOrder, group as usize).shuffle(&mut order);
            }
        }
        order
    }
}

/// The own router, whose tokens queue in another order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueIn(pub QueueOrder);

impl RoutingPolicy for QueueIn {
    fn route(&self, call: RouterCall<'_>) -> Result<LayerRouting> {
        let (layer, group) = (call.layer, call.group);
        let mut routing = call.choose();
        let first = |token: usize| routing.probability[token * routing.top_k];
        let order = self.0.order(layer, group, routing.tokens, first);
        queue(&mut routing, &order.into_iter().map(|token| token as usize));
        Ok(routing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_names_every_token_once() {
        let gate = [0.5, 0.9, 0.5, 0.1];
        let order = |order: QueueOrder| order.order(1, 0, 4, |token| gate[token]);
        assert_eq!(order(QueueOrder::Position), [0, 1, 2, 3]);
        assert_eq!(order(QueueOrder::Probability), [1, 0, 2, 3]);
        assert_eq!(order(QueueOrder::Last), [3, 2, 1, 0]);
        let mut random = order(QueueOrder::Random { seed: 3 });
        assert_eq!(random, order(QueueOrder::Random { seed: 3 }));
        random.sort_unstable();
        assert_eq!(random, [0, 1, 2, 3]);
    }
}
