//! The queues that a drops run asks about where no assignment was dropped: by a record without a capacity, or by a model that has none.

use super::options::RoutingOptions;
use crate::run::QueueOptions;

/// The capacity factor unless one is asked for: the usual one in training (`GShard`, Switch Transformer).
const CAPACITY_FACTOR: f64 = 1.25;
/// Fewest slots of an expert by the port's rule.
const MINIMUM_CAPACITY: u32 = 4;

/// The queues that the options ask about.
pub(crate) fn asked_queues(routing: &RoutingOptions) -> QueueOptions {
    QueueOptions {
        group: routing.group,
        capacity_rule: routing.capacity_rule.unwrap_or_default(),
        capacity_factor: routing.capacity_factor.unwrap_or(CAPACITY_FACTOR),
        min_capacity: MINIMUM_CAPACITY,
    }
}
