//! The decision of a router as an exchangeable part: the model asks a policy, and knows nothing of what it does.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::Arc,
};

use super::{
    LayerId, LayerRouting, LayerShape, RouterRule, SequenceId,
    assign::{choose_by, queue},
};
use crate::error::Result;

/// What the router of a layer reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RouterInput {
    /// The residual stream after the layer's attention, normalised: every known model.
    #[default]
    AfterAttention,
    /// The residual stream before the layer's attention, normalised by the same norm, so that attention and experts can be computed
    /// beside each other.
    BeforeAttention,
}

/// The weights of a router.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gate {
    /// `[num_experts, hidden]`, row by row.
    pub weight: Vec<f32>,
    /// Added to the logits, `[num_experts]`; empty for none.
    pub bias: Vec<f32>,
    /// Added to the scores for the ranking alone, `[num_experts]`; empty for none.
    pub correction_bias: Vec<f32>,
}

/// One routing group at the router of one layer.
#[derive(Debug)]
pub struct RouterCall<'a> {
    /// Decoder layer index.
    pub layer: LayerId,
    /// Index of the routing group in input order.
    pub group: u32,
    /// The sequences of the group, consecutive in input order.
    pub sequences: Range<SequenceId>,
    /// The token ids of each of these sequences.
    pub token_ids: &'a [&'a [u32]],
    /// From logits to choices and weights.
    pub rule: &'a RouterRule,
    /// Added to the scores for the ranking alone, `[num_experts]`.
    pub bias: Option<&'a [f32]>,
    /// Experts and choices of the layer.
    pub shape: &'a LayerShape,
    /// Slots per expert; `u32::MAX` when unlimited.
    pub capacity: u32,
    /// What the gate says of every token, `[tokens, num_experts]`; finite.
    pub logits: Vec<f32>,
}

impl RouterCall<'_> {
    /// What the model's own router decides: choices, then slots in the order of the text.
    pub fn route(self) -> LayerRouting {
        let mut routing = self.choose();
        let tokens = 0..routing.tokens;
        queue(&mut routing, &tokens);
        routing
    }

    /// The choices of the model's own rule, before any token queues: no slots, no drops.
    pub fn choose(self) -> LayerRouting {
        let Self { layer, group, sequences, rule, bias, shape, capacity, logits, .. } = self;
        let mut routing = choose_by(rule, bias, logits, shape.num_experts, shape.top_k, capacity);
        (routing.layer, routing.group, routing.sequences) = (layer, group, sequences);
        routing
    }

    /// Every token of the group in order: its sequence, its id and its logits.
    pub fn tokens_mut(&mut self) -> impl Iterator<Item = (SequenceId, u32, &mut [f32])> {
        let ids = self
            .sequences
            .clone()
            .zip(self.token_ids)
            .flat_map(|(sequence, ids)| ids.iter().map(move |id| (sequence, *id)));
        ids.zip(self.logits.chunks_exact_mut(self.shape.num_experts)).map(|((sequence, id), row)| (sequence, id, row))
    }
}

/// Decides for the routers of a model. The model calls it for every layer and routing group, from several threads. What is not
/// implemented is the model's own.
pub trait RoutingPolicy: std::fmt::Debug + Send + Sync {
    /// What the router of a layer reads.
    fn input(&self, layer: LayerId) -> RouterInput {
        let _ = layer;
        RouterInput::AfterAttention
    }

    /// The weights of the router of a layer, if not the checkpoint's own.
    fn gate(&self, layer: LayerId) -> Option<&Gate> {
        let _ = layer;
        None
    }

    /// Turns the logits of a routing group into choices, weights and slots.
    ///
    /// # Errors
    /// Those of the policy; any error stops the forward pass.
    fn route(&self, call: RouterCall<'_>) -> Result<LayerRouting> {
        Ok(call.route())
    }
}

/// The model's own routers.
#[derive(Clone, Copy, Debug, Default)]
pub struct OwnRouter;

impl RoutingPolicy for OwnRouter {}

/// Routers that read the residual stream before attention.
#[derive(Clone, Copy, Debug, Default)]
pub struct EarlyRouter;

impl RoutingPolicy for EarlyRouter {
    fn input(&self, _: LayerId) -> RouterInput {
        RouterInput::BeforeAttention
    }
}

/// The routers of another checkpoint, by layer; copies share them.
#[derive(Clone, Debug, Default)]
pub struct OtherGates(pub BTreeMap<LayerId, Arc<Gate>>);

impl OtherGates {
    /// Those of some layers.
    #[must_use]
    pub fn of(&self, layers: &BTreeSet<LayerId>) -> Self {
        let own = self.0.iter().filter(|(layer, _)| layers.contains(layer));
        Self(own.map(|(layer, gate)| (*layer, gate.clone())).collect())
    }
}

impl RoutingPolicy for OtherGates {
    fn gate(&self, layer: LayerId) -> Option<&Gate> {
        self.0.get(&layer).map(Arc::as_ref)
    }
}

/// A policy that decides in some layers; in all others the model's own router does.
#[derive(Debug)]
pub struct OnLayers<P: RoutingPolicy + ?Sized> {
    /// Decoder layer indices.
    pub layers: BTreeSet<LayerId>,
    /// Who decides there.
    pub policy: Box<P>,
}

impl<P: RoutingPolicy + ?Sized> RoutingPolicy for OnLayers<P> {
    fn input(&self, layer: LayerId) -> RouterInput {
        if self.layers.contains(&layer) { self.policy.input(layer) } else { RouterInput::AfterAttention }
    }

    fn gate(&self, layer: LayerId) -> Option<&Gate> {
        self.layers.contains(&layer).then(|| self.policy.gate(layer)).flatten()
    }

    fn route(&self, call: RouterCall<'_>) -> Result<LayerRouting> {
        if self.layers.contains(&call.layer) { self.policy.route(call) } else { Ok(call.route()) }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A layer of experts with one choice of OpenMoE's rule or several, one sequence of these ids, and capacity `slots`.
    pub(in crate::routing) fn call<'a>(
        shape: &'a LayerShape,
        token_ids: &'a [&'a [u32]],
        logits: &[f32],
        slots: u32,
    ) -> RouterCall<'a> {
        RouterCall {
            layer: 1,
            group: 0,
            sequences: 0..token_ids.len() as u32,
            token_ids,
            rule: &RouterRule::OPENMOE,
            bias: None,
            shape,
            capacity: slots,
            logits: logits.to_vec(),
        }
    }

    #[derive(Debug)]
    struct Reverse;

    impl RoutingPolicy for Reverse {
        fn input(&self, _: LayerId) -> RouterInput {
            RouterInput::BeforeAttention
        }

        fn route(&self, mut call: RouterCall<'_>) -> Result<LayerRouting> {
            call.tokens_mut().for_each(|(_, _, row)| row.reverse());
            Ok(call.route())
        }
    }

    #[test]
    fn a_policy_decides_in_its_own_layers_only() {
        let (shape, ids) = (LayerShape::of_choices(3, 1), [&[7_u32, 8][..]]);
        let logits = [3.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        let own = OwnRouter.route(call(&shape, &ids, &logits, 4)).unwrap();
        assert_eq!((own.expert.as_slice(), own.layer, own.sequences.clone()), (&[0, 2][..], 1, 0..1));
        let there = OnLayers { layers: BTreeSet::from([1]), policy: Box::new(Reverse) };
        assert_eq!(there.route(call(&shape, &ids, &logits, 4)).unwrap().expert, [2, 0]);
        assert_eq!((there.input(1), there.input(2)), (RouterInput::BeforeAttention, RouterInput::AfterAttention));
        let elsewhere = OnLayers { layers: BTreeSet::from([2]), policy: Box::new(Reverse) };
        assert_eq!(elsewhere.route(call(&shape, &ids, &logits, 4)).unwrap(), own);
    }

    #[test]
    fn tokens_come_with_their_sequence_and_id() {
        let (shape, ids) = (LayerShape::of_choices(2, 1), [&[7_u32, 8][..], &[9][..]]);
        let mut call = call(&shape, &ids, &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0], 4);
        let seen: Vec<(u32, u32, f32)> = call.tokens_mut().map(|(sequence, id, row)| (sequence, id, row[0])).collect();
        assert_eq!(seen, [(0, 7, 0.0), (0, 8, 2.0), (1, 9, 4.0)]);
    }
}
