//! What a forward pass changes about the routers of its checkpoint.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    error::{Error, OptionName, Result},
    routing::{CapacityPolicy, CapacityRule, LayerId, LayerShape, RoutingPolicy, RoutingShape},
    run::RecordedIntervention,
};

/// What is changed about the routers of a pass.
#[derive(Clone, Debug)]
pub(crate) struct Intervention {
    /// What the manifest says of it.
    pub(crate) recorded: RecordedIntervention,
    /// What becomes of choices and capacity.
    pub(crate) shape: ShapeChange,
    /// Who decides; `None`: the model's own routers, or tables that are not made yet.
    pub(crate) policy: Option<Arc<dyn RoutingPolicy>>,
}

/// Other numbers of choices, or another capacity, in some layers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ShapeChange {
    /// Decoder layer indices.
    pub(crate) layers: BTreeSet<LayerId>,
    /// Choices per token.
    pub(crate) top_k: Option<usize>,
    /// How many assignments an expert accepts.
    pub(crate) capacity: Option<CapacityPolicy>,
}

impl ShapeChange {
    /// The changed shape.
    ///
    /// # Errors
    /// [`Error::Usage`] if a layer has fewer experts than choices.
    pub(crate) fn of(&self, own: &RoutingShape) -> Result<RoutingShape> {
        let changed = |(layer, shape): (LayerId, &LayerShape)| {
            let mut shape = *shape;
            if self.layers.contains(&layer) {
                shape.top_k = self.top_k.unwrap_or(shape.top_k);
                shape.capacity = self.capacity.or(shape.capacity);
            }
            if shape.top_k > shape.num_experts {
                return Err(Error::usage(
                    format!(
                        "{}; decoder layer {layer} has {} experts",
                        OptionName::Strategy.with(format!("top-k={}", shape.top_k)),
                        shape.num_experts
                    ),
                    "a token has an expert once: ask for at most as many choices as there are experts",
                ));
            }
            Ok((layer, shape))
        };
        RoutingShape::new(own.layers().map(changed).collect::<Result<_>>()?)
    }
}

/// The capacity of a model, changed to another rule or factor.
pub(crate) fn capacity(own: CapacityPolicy, rule: Option<CapacityRule>, factor: Option<f64>) -> CapacityPolicy {
    match rule {
        Some(CapacityRule::Unlimited) => CapacityPolicy::UNLIMITED,
        rule => CapacityPolicy {
            rule: rule.unwrap_or(own.rule),
            factor: factor.unwrap_or(own.factor),
            minimum: own.minimum,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_layers_that_are_named_change() {
        let own = CapacityPolicy { rule: CapacityRule::Port, factor: 2.0, minimum: 4 };
        let layer = LayerShape { capacity: Some(own), ..LayerShape::of_choices(4, 2) };
        let shape = RoutingShape::uniform(vec![1, 3], layer);
        let change = ShapeChange {
            layers: BTreeSet::from([3]),
            top_k: Some(1),
            capacity: Some(capacity(own, None, Some(1.25))),
        };
        let changed = change.of(&shape).unwrap();
        assert_eq!(changed.layer(1), Some(&layer));
        let expected = LayerShape { top_k: 1, capacity: Some(CapacityPolicy { factor: 1.25, ..own }), ..layer };
        assert_eq!(changed.layer(3), Some(&expected));
        let refused = ShapeChange { top_k: Some(5), ..change }.of(&shape).unwrap_err();
        assert!(refused.to_string().contains("decoder layer 3 has 4 experts"), "{refused}");
        assert_eq!(capacity(own, Some(CapacityRule::Unlimited), None), CapacityPolicy::UNLIMITED);
        assert_eq!(capacity(own, Some(CapacityRule::T5x), None), CapacityPolicy { rule: CapacityRule::T5x, ..own });
    }
}
