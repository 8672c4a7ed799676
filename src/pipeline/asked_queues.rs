//! The queues that a drops run asks about: of a record without drops or with those of another capacity, or of a model that has none.

use super::options::RoutingOptions;
use crate::{
    routing::{CapacityPolicy, CapacityRule},
    run::QueueOptions,
};

/// The capacity factor unless one is asked for: the usual one in training (`GShard`, Switch Transformer).
const CAPACITY_FACTOR: f64 = 1.25;
/// Fewest slots of an expert by the port's rule.
const MINIMUM_CAPACITY: u32 = 4;

/// The queues that the options ask about; what they do not say is as it was `recorded`, if it was.
pub(crate) fn asked_queues(routing: &RoutingOptions, recorded: Option<CapacityPolicy>) -> QueueOptions {
    // A factor that is asked for is that of a limit.
    let is_limit = |rule: &CapacityRule| *rule != CapacityRule::Unlimited || routing.capacity_factor.is_none();
    let recorded_rule = recorded.map(|policy| policy.rule).filter(is_limit);
    let capacity_rule = routing.capacity_rule.or(recorded_rule).unwrap_or_default();
    let own = recorded.filter(|policy| policy.rule == capacity_rule);
    // The factor of a record without a limit means nothing beside a limit.
    let is_meant = |policy: &CapacityPolicy| policy.rule != CapacityRule::Unlimited || policy.rule == capacity_rule;
    let recorded_factor = recorded.filter(is_meant).map(|policy| policy.factor);
    QueueOptions {
        group: routing.group,
        capacity_rule,
        capacity_factor: routing.capacity_factor.or(recorded_factor).unwrap_or(CAPACITY_FACTOR),
        min_capacity: own.map_or(MINIMUM_CAPACITY, |policy| policy.minimum),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::GroupRule;

    #[test]
    fn what_is_not_asked_for_is_as_it_was_recorded() {
        let routing = |capacity_rule, capacity_factor| RoutingOptions {
            group: GroupRule::Sequence,
            capacity_rule,
            capacity_factor,
            allow_constant_router: false,
        };
        let recorded = CapacityPolicy { rule: CapacityRule::T5x, factor: 1.5, minimum: 0 };
        let policy = |routing, recorded| asked_queues(&routing, recorded).policy();
        assert_eq!(policy(routing(None, None), Some(recorded)), recorded);
        assert_eq!(policy(routing(None, Some(2.0)), Some(recorded)), CapacityPolicy { factor: 2.0, ..recorded });
        let port = |factor| CapacityPolicy { rule: CapacityRule::Port, factor, minimum: 4 };
        assert_eq!(policy(routing(Some(CapacityRule::Port), None), Some(recorded)), port(1.5));
        assert_eq!(policy(routing(None, None), None), port(1.25));
        assert_eq!(policy(routing(None, Some(2.0)), Some(CapacityPolicy::UNLIMITED)), port(2.0));
        assert_eq!(policy(routing(Some(CapacityRule::Port), None), Some(CapacityPolicy::UNLIMITED)), port(1.25));
        assert_eq!(policy(routing(None, None), Some(CapacityPolicy::UNLIMITED)), CapacityPolicy::UNLIMITED);
    }
}
