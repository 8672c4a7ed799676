//! Many capacity factors in one pass. Capacity never falls when the factor rises, so every assignment is kept from some factor on.

use crate::routing::{CapacityRule, RouterSettings};

/// Capacity factors in ascending order under one rule.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    /// Experts, choices, rule and minimum; its own factor is not used.
    router: RouterSettings,
    /// Ascending; one entry when unlimited, where the factor means nothing.
    pub(super) factors: Vec<f64>,
}

impl Grid {
    /// The factors in ascending order, each once.
    pub(super) fn new(router: RouterSettings, rule: CapacityRule, mut factors: Vec<f64>) -> Self {
        factors.sort_by(f64::total_cmp);
        factors.dedup();
        if rule == CapacityRule::Unlimited {
            factors.truncate(1);
        }
        Self { router: RouterSettings { capacity_rule: rule, ..router }, factors }
    }

    /// The rule.
    pub(super) fn rule(&self) -> CapacityRule {
        self.router.capacity_rule
    }

    /// Slots per expert of a group of `tokens` tokens at every factor; 0 where there is none, which the original
    /// refuses.
    pub(super) fn capacities(&self, tokens: usize) -> Vec<u32> {
        let at = |factor: &f64| RouterSettings { capacity_factor: *factor, ..self.router }.capacity(tokens);
        self.factors.iter().map(|factor| at(factor).unwrap_or(0)).collect()
    }
}

/// For every slot below `slots`: at how many of the ascending capacities it is dropped (those not above it).
pub(super) fn refusals(capacities: &[u32], slots: usize) -> Vec<u32> {
    let mut refused = 0;
    (0..slots as u32)
        .map(|slot| {
            while capacities.get(refused).is_some_and(|capacity| *capacity <= slot) {
                refused += 1;
            }
            refused as u32
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router(min_capacity: u32) -> RouterSettings {
        RouterSettings {
            num_experts: 4,
            top_k: 2,
            capacity_rule: CapacityRule::Port,
            capacity_factor: 2.0,
            min_capacity,
        }
    }

    #[test]
    fn capacities_follow_the_rule() {
        // 8 tokens, 4 experts, k = 2: 4 slots per unit of factor, odd rounded up to even.
        let factors = vec![1.0, 0.1, 0.5, 1.0, 0.75];
        let port = Grid::new(router(0), CapacityRule::Port, factors.clone());
        assert_eq!(port.factors, [0.1, 0.5, 0.75, 1.0]);
        // floor(0.4) = 0: refused; 2; 3 -> 4; 4.
        assert_eq!(port.capacities(8), [0, 2, 4, 4]);
        assert_eq!(Grid::new(router(0), CapacityRule::T5x, factors.clone()).capacities(8), [4; 4]);
        assert_eq!(Grid::new(router(0), CapacityRule::Unlimited, factors).capacities(8), [u32::MAX]);
    }

    #[test]
    fn a_slot_is_refused_by_every_capacity_not_above_it() {
        assert_eq!(refusals(&[0, 2, 4, 4], 6), [1, 1, 2, 2, 4, 4]);
        assert_eq!(refusals(&[u32::MAX], 3), [0, 0, 0]);
        assert!(refusals(&[1], 0).is_empty());
    }
}
