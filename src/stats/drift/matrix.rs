//! Router saturation of every two checkpoints: their choices are compared segment by segment.

use rayon::prelude::*;

use super::{
    agreement::saturation,
    course::{Course, Step},
    matching::Matching,
    source::DriftSource,
};
use crate::{
    error::{Error, Result},
    routing::{ExpertId, View},
    stats::{Finding, occurrences::NONE},
};

/// What the comparison of every two checkpoints needs beside their choices.
pub(super) struct Matrix {
    /// Share of the occurrences that chose each expert, `[checkpoints][experts]`.
    chosen: Vec<Vec<f64>>,
    /// The experts' common names, where they are matched.
    matchings: Vec<Option<Matching>>,
    /// Dense document index by occurrence in input order, [`NONE`] for rows that do not count.
    document: Vec<u32>,
}

impl Matrix {
    /// An empty one.
    pub(super) fn new(course: &Course) -> Self {
        let study = course.last();
        let mut document = vec![NONE; study.trace.len()];
        for (row, &t) in study.data.source.iter().enumerate() {
            document[t as usize] = study.data.document[row];
        }
        let points = course.points.len();
        Self { chosen: vec![Vec::new(); points], matchings: vec![None; points], document }
    }

    /// Takes note of a checkpoint.
    pub(super) fn add(&mut self, step: &Step, matching: Option<Matching>) {
        let n = step.own.data.len() as f64;
        let all: Vec<usize> = (0..step.own.data.documents()).collect();
        let counts = step.own.counts[View::Chosen as usize].total(&all);
        self.chosen[step.at] = counts.into_iter().map(|count| count as f64 / n).collect();
        self.matchings[step.at] = matching;
    }

    /// One row for every ordered pair whose second checkpoint is not the reference. Those have rows already.
    pub(super) fn rows<S: DriftSource + ?Sized>(&self, course: &Course, source: &S) -> Result<Vec<Finding>> {
        let points = 0..course.points.len();
        let unordered: Vec<(usize, usize)> = points
            .clone()
            .flat_map(|a| (a..points.end).map(move |b| (a, b)))
            .filter(|(a, b)| (*a, *b) != (course.reference, course.reference))
            .collect();
        let sums = self.sums(course, source, &unordered)?;
        let ordered: Vec<(usize, usize)> = points
            .clone()
            .flat_map(|at| points.clone().map(move |to| (at, to)))
            .filter(|(_, to)| *to != course.reference)
            .collect();
        let k = course.last().data.top_k as f64;
        let row = |&(at, to): &(usize, usize)| {
            let pair = (at.min(to), at.max(to));
            let shared = unordered.iter().position(|known| *known == pair).map(|index| &sums[index]);
            let sums: Vec<f64> = shared.into_iter().flatten().map(|shared| *shared as f64 / k).collect();
            let chance = self.chosen[at].iter().zip(&self.chosen[to]).map(|(a, b)| a * b).sum::<f64>() / k;
            saturation(course, (at, to), &sums, chance)
        };
        Ok(ordered.par_iter().map(row).collect())
    }

    /// Shared choices of every pair by document.
    fn sums<S: DriftSource + ?Sized>(
        &self,
        course: &Course,
        source: &S,
        pairs: &[(usize, usize)],
    ) -> Result<Vec<Vec<u64>>> {
        let top_k = course.last().data.top_k;
        let mut sums = vec![vec![0_u64; course.last().data.documents()]; pairs.len()];
        let mut first = 0;
        for segment in 0..source.segments() {
            let choices = (0..course.points.len())
                .into_par_iter()
                .map(|at| self.choices(source, at, segment))
                .collect::<Result<Vec<_>>>()?;
            let rows = choices[0].len() / top_k;
            if choices.iter().any(|other| other.len() != rows * top_k) || first + rows > self.document.len() {
                return Err(Error::internal(format!("segment {segment} differs in length between the checkpoints")));
            }
            let document = &self.document[first..first + rows];
            sums.par_iter_mut().zip(pairs).for_each(|(sums, &(a, b))| {
                add_shared(sums, document, choices[a].chunks_exact(top_k).zip(choices[b].chunks_exact(top_k)));
            });
            first += rows;
        }
        if first == self.document.len() {
            return Ok(sums);
        }
        Err(Error::internal(format!("the segments hold {first} tokens, expected {}", self.document.len())))
    }

    /// The choices of a segment under the experts' common names.
    fn choices<S: DriftSource + ?Sized>(&self, source: &S, at: usize, segment: usize) -> Result<Vec<ExpertId>> {
        let choices = source.choices(at, segment)?;
        Ok(match &self.matchings[at] {
            Some(matching) => choices.iter().map(|expert| matching.experts[usize::from(*expert)]).collect(),
            None => choices.into_owned(),
        })
    }
}

fn add_shared<'a>(sums: &mut [u64], document: &[u32], rows: impl Iterator<Item = (&'a [ExpertId], &'a [ExpertId])>) {
    for (document, (a, b)) in document.iter().zip(rows).filter(|(document, _)| **document != NONE) {
        sums[*document as usize] += a.iter().filter(|expert| b.contains(expert)).count() as u64;
    }
}
