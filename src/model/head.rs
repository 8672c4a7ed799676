//! The language-model head, which is computed only on request. It is processed in parts of the vocabulary, so that neither all of
//! the head's weights nor the logits of all positions are in memory at once.

use rayon::prelude::*;

use super::{
    kernels::{Rounding, dot, round_all},
    matmul::{Matrix, linear},
    wave::{Outputs, Wave, WaveOutput},
};
use crate::{
    checkpoint::{Architecture, Checkpoint, Role},
    error::Result,
};

/// Vocabulary rows per step.
pub(super) const STEP: usize = 1024;

/// Running log-sum-exp of one position's logits.
#[derive(Clone, Copy)]
struct LogSumExp {
    maximum: f32,
    sum: f64,
}

impl LogSumExp {
    const EMPTY: Self = Self { maximum: f32::NEG_INFINITY, sum: 0.0 };

    fn add(&mut self, logits: &[f32]) {
        let maximum = logits.iter().copied().fold(self.maximum, f32::max);
        self.sum *= f64::from(self.maximum - maximum).exp();
        self.sum += logits.iter().map(|&logit| f64::from((logit - maximum).exp())).sum::<f64>();
        self.maximum = maximum;
    }

    fn value(self) -> f64 {
        f64::from(self.maximum) + self.sum.ln()
    }
}

/// The head, read in parts.
struct Reader<'a> {
    checkpoint: &'a Checkpoint,
    matrix: String,
    /// Added to the products, `[vocabulary]`; empty for none.
    bias: Vec<f32>,
    /// What the sums are divided by.
    divisor: f32,
    vocabulary: usize,
    hidden: usize,
}

impl<'a> Reader<'a> {
    fn new(checkpoint: &'a Checkpoint) -> Result<Self> {
        let Architecture { vocabulary, hidden, head, .. } = *checkpoint.architecture();
        let mut bias = Vec::new();
        if head.bias {
            checkpoint.read(&checkpoint.map().stored(0, Role::HeadBias).name, &mut bias)?;
        }
        Ok(Self { checkpoint, matrix: checkpoint.head(), bias, divisor: head.divisor as f32, vocabulary, hidden })
    }

    /// The rows of the vocabulary from `first` on, at most [`STEP`], `[rows, hidden]`.
    fn rows(&self, first: usize, weight: &mut Vec<f32>) -> Result<usize> {
        let count = STEP.min(self.vocabulary - first);
        self.checkpoint.read_part(&self.matrix, first * self.hidden, count * self.hidden, weight)?;
        Ok(count)
    }

    /// From products to logits, for the rows of the vocabulary from `first` on.
    fn finish<R: Rounding>(&self, first: usize, logits: &mut [f32]) {
        round_all::<R>(logits);
        for (logit, bias) in logits.iter_mut().zip(self.bias.get(first..).unwrap_or_default()) {
            *logit += bias;
        }
        if self.divisor != 1.0 {
            for logit in logits {
                *logit /= self.divisor;
            }
        }
    }
}

/// `logits = f32(normed @ head^T)`, with bias and divisor if there are any: the next-token nll and the last positions' logits, as asked. `normed` is the output
/// of the final norm, in whole product rows.
pub(super) fn evaluate<R: Rounding>(
    checkpoint: &Checkpoint,
    wave: &Wave,
    outputs: Outputs,
    normed: &[f32],
    output: &mut WaveOutput,
) -> Result<()> {
    let offsets = wave.offsets();
    if outputs.nll {
        let targets: Vec<Option<u32>> =
            wave.sequences.iter().flat_map(|ids| ids[1..].iter().copied().map(Some).chain([None])).collect();
        let nll = all_nll::<R>(checkpoint, &targets, normed)?;
        output.nll = offsets.windows(2).map(|ends| nll[ends[0]..ends[1] - 1].to_vec()).collect();
    }
    if outputs.final_logits > 0 {
        for ends in offsets.windows(2) {
            let first = ends[0].max(ends[1].saturating_sub(outputs.final_logits));
            output.final_logits.push(last_logits::<R>(checkpoint, first..ends[1], normed)?);
        }
    }
    Ok(())
}

/// The nll of every row of the wave; 0 where there is no target.
fn all_nll<R: Rounding>(checkpoint: &Checkpoint, targets: &[Option<u32>], normed: &[f32]) -> Result<Vec<f32>> {
    let head = Reader::new(checkpoint)?;
    let mut sums = vec![LogSumExp::EMPTY; targets.len()];
    let mut hits = vec![0.0_f32; targets.len()];
    let (mut logits, mut weight) = (Vec::new(), Vec::new());
    for first in (0..head.vocabulary).step_by(STEP) {
        let count = head.rows(first, &mut weight)?;
        logits.resize(normed.len() / head.hidden * count, 0.0);
        linear(&mut logits, normed, Matrix::new(&weight, count, head.hidden).transposed());
        logits.par_chunks_exact_mut(count).for_each(|logits| head.finish::<R>(first, logits));
        let rows = logits.par_chunks_exact(count).zip(&mut sums).zip(&mut hits).zip(targets);
        rows.for_each(|(((logits, sum), hit), target)| {
            sum.add(logits);
            if let Some(logit) = target.and_then(|id| logits.get((id as usize).wrapping_sub(first))) {
                *hit = *logit;
            }
        });
    }
    let nll = |((sum, hit), target): ((LogSumExp, f32), &Option<u32>)| {
        target.map_or(0.0, |_| (sum.value() - f64::from(hit)) as f32)
    };
    Ok(sums.into_iter().zip(hits).zip(targets).map(nll).collect())
}

/// The logits of some rows, `[rows, vocab_size]`.
fn last_logits<R: Rounding>(checkpoint: &Checkpoint, rows: std::ops::Range<usize>, normed: &[f32]) -> Result<Vec<f32>> {
    let head = Reader::new(checkpoint)?;
    let mut logits = vec![0.0; rows.len() * head.vocabulary];
    let mut weight = Vec::new();
    for first in (0..head.vocabulary).step_by(STEP) {
        let count = head.rows(first, &mut weight)?;
        for (row, logits) in rows.clone().zip(logits.chunks_exact_mut(head.vocabulary)) {
            let state = &normed[row * head.hidden..(row + 1) * head.hidden];
            let logits = &mut logits[first..first + count];
            for (logit, weight) in logits.iter_mut().zip(weight.chunks_exact(head.hidden)) {
                *logit = dot(state, weight);
            }
            head.finish::<R>(first, logits);
        }
    }
    Ok(logits)
}
