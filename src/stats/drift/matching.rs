//! Which expert of another run is which: the assignment that makes the two routers agree most, token id by token id.

use std::collections::BTreeMap;

use pathfinding::{kuhn_munkres::kuhn_munkres, matrix::Matrix};

use super::course::Step;
use crate::{
    error::{Error, Result},
    routing::{ExpertId, View},
    stats::{BaselineKind, Finding, Statistic, Subject},
    trace::LayerTrace,
};

/// The experts of a trace under the names of another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matching {
    /// Which expert of the reference each expert is taken for, `[experts]`; every one occurs once.
    pub experts: Vec<ExpertId>,
    /// Assignments that each expert and the one that it is taken for have in common, `[experts]`.
    pub shared: Vec<u64>,
    /// The same with the expert of the same number, `[experts]`.
    pub shared_by_number: Vec<u64>,
    /// Assignments of each expert, `[experts]`.
    pub assignments: Vec<u64>,
}

impl Matching {
    /// The trace with its experts under their new names.
    pub(super) fn renamed(&self, trace: &LayerTrace) -> LayerTrace {
        let expert = trace.expert.iter().map(|expert| self.experts[usize::from(*expert)]).collect();
        LayerTrace { expert, ..trace.clone() }
    }

    /// The old number of each expert by its new one.
    pub(super) fn columns(&self) -> Vec<usize> {
        let mut columns = vec![0; self.experts.len()];
        for (old, new) in self.experts.iter().enumerate() {
            columns[usize::from(*new)] = old;
        }
        columns
    }
}

/// Matches the experts of `other` to those of `reference` on token shares: of all one-to-one assignments the one with
/// the largest sum over token ids x and experts e of min(n_xe, n'_xe), chosen view. With the same tokens in both
/// traces this is the assignment with the smallest token-weighted total variation between the experts of each token id
/// (Hungarian algorithm, Kuhn 1955 and Munkres 1957). Of equal ones that which keeps the most numbers.
///
/// # Errors
/// [`Error::Internal`] if the traces differ in their number of experts, or name experts beyond it.
pub fn match_experts(reference: &LayerTrace, other: &LayerTrace) -> Result<Matching> {
    let experts = other.num_experts;
    if reference.num_experts != experts {
        return Err(Error::internal(format!("{} experts cannot be matched to {experts}", reference.num_experts)));
    }
    let mut counts: BTreeMap<u32, [Vec<u64>; 2]> = BTreeMap::new();
    for (side, trace) in [reference, other].into_iter().enumerate() {
        for (t, &token) in trace.token_id.iter().enumerate() {
            let row = &mut counts.entry(token).or_insert_with(|| [vec![0; experts], vec![0; experts]])[side];
            for &expert in trace.choices(t) {
                let Some(count) = row.get_mut(usize::from(expert)) else {
                    return Err(Error::internal(format!("a row names an expert beyond the {experts} of the layer")));
                };
                *count += 1;
            }
        }
    }
    Ok(matched(&counts, experts))
}

fn matched(counts: &BTreeMap<u32, [Vec<u64>; 2]>, experts: usize) -> Matching {
    let mut shared = vec![vec![0_u64; experts]; experts];
    let mut assignments = vec![0; experts];
    for [reference, other] in counts.values() {
        for (expert, &count) in other.iter().enumerate().filter(|(_, count)| **count > 0) {
            assignments[expert] += count;
            shared[expert].iter_mut().zip(reference).for_each(|(sum, known)| *sum += count.min(*known));
        }
    }
    // Among equal assignments the one that keeps the most numbers: a bonus too small to outweigh one shared assignment.
    let weight = |(expert, known): (usize, usize)| {
        shared[expert][known] as i64 * (experts as i64 + 1) + i64::from(expert == known)
    };
    let new = kuhn_munkres(&Matrix::from_fn(experts, experts, weight)).1;
    Matching {
        shared: new.iter().enumerate().map(|(expert, new)| shared[expert][*new]).collect(),
        shared_by_number: (0..experts).map(|expert| shared[expert][expert]).collect(),
        experts: new.into_iter().map(|new| new as ExpertId).collect(),
        assignments,
    }
}

/// `expert_matching`: share of the assignments that the matched experts have in common, over all and for every expert
/// (`expert` its own number, `other_expert` its name). Baseline: the expert of the same number.
pub(super) fn findings(step: &Step, matching: &Matching) -> Vec<Finding> {
    let documents = step.own.data.documents() as u64;
    let row = |finding: Finding, shared: u64, by_number: u64, assignments: u64| {
        if assignments == 0 {
            return finding.withheld("no assignment to count");
        }
        let of = |count: u64| count as f64 / assignments as f64;
        let finding = finding.measured(of(shared), None, assignments, documents);
        finding.against(of(by_number), BaselineKind::SameNumber).remark("no interval: the matching is fitted")
    };
    let empty = step.finding(Statistic::ExpertMatching, View::Chosen);
    let sum = |values: &[u64]| values.iter().sum::<u64>();
    let all = row(empty.clone(), sum(&matching.shared), sum(&matching.shared_by_number), sum(&matching.assignments));
    let renamed = matching.experts.iter().enumerate().filter(|(old, new)| *old != usize::from(**new)).count();
    let mut findings = vec![all.remark(format!("{renamed} of {} experts renamed", matching.experts.len()))];
    for (old, &new) in matching.experts.iter().enumerate() {
        let finding = empty.clone().about(|subject| Subject {
            expert: Some(old as ExpertId),
            other_expert: Some(new),
            ..subject
        });
        findings.push(row(finding, matching.shared[old], matching.shared_by_number[old], matching.assignments[old]));
    }
    findings
}
