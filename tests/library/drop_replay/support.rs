//! Made-up traces routed by brute force or by the router itself, and how a row of a replay is named.

use openmoe_analyze::{
    routing::{CapacityRule, GroupRule, RouterSettings, route},
    stats::{DropSettings, Finding, Priority, Settings, Tables, Variant},
    trace::GroupTable,
};

use super::oracle;
pub(crate) use openmoe_analyze::stats::{BaselineKind, Role};

pub(crate) use crate::support::{
    made_up_trace::{MadeUpTrace, Token, token},
    random::Random,
    tables::{RATIOS, close, one},
};

pub(crate) fn router(
    num_experts: usize,
    top_k: usize,
    capacity_rule: CapacityRule,
    capacity_factor: f64,
) -> RouterSettings {
    RouterSettings { num_experts, top_k, capacity_rule, capacity_factor, min_capacity: 1 }
}

impl MadeUpTrace {
    /// First and last row of every group.
    pub(crate) fn rows(&self, rule: GroupRule) -> Vec<std::ops::Range<usize>> {
        let lengths: Vec<usize> = self.sequences.tokens.iter().map(|length| *length as usize).collect();
        let start = |sequence: usize| lengths[..sequence].iter().sum::<usize>();
        rule.partition(&lengths).into_iter().map(|group| start(group.start)..start(group.end)).collect()
    }

    /// Fills in groups and drops by brute force.
    pub(crate) fn queue(mut self, rule: GroupRule) -> Self {
        let lengths: Vec<usize> = self.sequences.tokens.iter().map(|length| *length as usize).collect();
        self.layer.kept.clear();
        self.groups = GroupTable::default();
        for (sequences, rows) in rule.partition(&lengths).into_iter().zip(self.rows(rule)) {
            let capacity = self.router.capacity(rows.len()).unwrap();
            self.groups.sequences.push(sequences.start as u32..sequences.end as u32);
            self.groups.capacity.push(capacity);
            let order: Vec<usize> = rows.collect();
            let slots = oracle::slots(&self.layer, &order);
            self.layer.kept.extend(slots.iter().map(|slot| *slot < capacity));
        }
        self
    }
}

/// Sequences of the given lengths, one document each, that the router itself routes from random logits; `skew` is how
/// much one expert is preferred.
pub(crate) fn routed(router: RouterSettings, rule: GroupRule, lengths: &[usize], seed: u64, skew: f32) -> MadeUpTrace {
    let mut random = Random(seed);
    let datasets = ["a", "b"];
    let mut run = MadeUpTrace::of_router(router, &datasets[..lengths.len().min(2)], &[]);
    let mut token_ids: Vec<Vec<Token>> = Vec::new();
    let mut kept = Vec::new();
    for group in rule.partition(lengths) {
        let tokens: usize = lengths[group.clone()].iter().sum();
        let logits = (0..tokens * router.num_experts)
            .map(|i| 4.0 * random.unit_f32() + if i % router.num_experts == 1 { skew } else { 0.0 })
            .collect();
        let capacity = router.capacity(tokens).unwrap();
        let routing = route(logits, router.num_experts, router.top_k, capacity);
        run.groups.sequences.push(group.start as u32..group.end as u32);
        run.groups.capacity.push(capacity);
        kept.extend(routing.dropped.iter().map(|dropped| !dropped));
        let mut at = 0;
        for length in &lengths[group] {
            let of = |t: usize| t * router.top_k..(t + 1) * router.top_k;
            let row = |t: usize| token(random.below(9), &routing.expert[of(t)], &routing.probability[of(t)]);
            token_ids.push((at..at + length).map(row).collect());
            at += length;
        }
    }
    for (index, tokens) in token_ids.iter().enumerate() {
        run.document(index as u16 % 2, None, tokens);
    }
    run.layer.kept = kept;
    run
}

pub(crate) fn quick() -> DropSettings {
    DropSettings {
        statistics: Settings { resamples: 50, permutations: 20, ..Settings::default() },
        ..DropSettings::default()
    }
}

/// Which replay a row is about, over all data sets and positions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Replay<'a> {
    pub(crate) rule: &'a str,
    pub(crate) factor: Option<f64>,
    pub(crate) grouping: &'a str,
    pub(crate) priority: &'a str,
    pub(crate) variant: &'a str,
}

impl Replay<'_> {
    pub(crate) fn fits(&self, row: &Finding) -> bool {
        row.rule.map(CapacityRule::name) == Some(self.rule)
            && row.capacity_factor == self.factor
            && row.grouping.as_deref() == Some(self.grouping)
            && row.priority.map(Priority::name) == Some(self.priority)
            && row.variant.map(Variant::name) == Some(self.variant)
            && row.dataset.is_none()
            && row.position.is_none()
    }

    #[track_caller]
    pub(crate) fn of<'a>(&self, tables: &'a Tables) -> &'a Finding {
        one(tables, "capacity_replay", |row| self.fits(row))
    }
}
