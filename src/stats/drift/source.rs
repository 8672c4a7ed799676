//! Where the statistics of a layer find what each checkpoint did.

use std::borrow::Cow;

use crate::{error::Result, routing::ExpertId, trace::LayerTrace};

/// One layer at every checkpoint, read when it is needed: the same tokens in the same order for every checkpoint.
pub trait DriftSource: Sync {
    /// Number of checkpoints.
    fn checkpoints(&self) -> usize;

    /// The routing at checkpoint `at`.
    ///
    /// # Errors
    /// Reading errors.
    fn layer(&self, at: usize) -> Result<Cow<'_, LayerTrace>>;

    /// Gate probabilities over all experts, `[occurrences, num_experts]`; `None` withholds `gate_overlap`.
    ///
    /// # Errors
    /// Reading errors.
    fn gate(&self, at: usize) -> Result<Option<Cow<'_, [f32]>>>;

    /// Number of segments that the occurrences are divided into, the same for every checkpoint.
    fn segments(&self) -> usize;

    /// The choices of one segment at checkpoint `at`, `[occurrences of the segment, top_k]`.
    ///
    /// # Errors
    /// Reading errors.
    fn choices(&self, at: usize, segment: usize) -> Result<Cow<'_, [ExpertId]>>;
}

/// What one layer of a checkpoint did with the tokens, in memory.
#[derive(Clone, Copy, Debug)]
pub struct DriftLayer<'a> {
    /// The routing.
    pub trace: &'a LayerTrace,
    /// Gate probabilities over all experts, `[occurrences, num_experts]`; `None` withholds `gate_overlap`.
    pub gate: Option<&'a [f32]>,
}

impl DriftSource for [DriftLayer<'_>] {
    fn checkpoints(&self) -> usize {
        self.len()
    }

    fn layer(&self, at: usize) -> Result<Cow<'_, LayerTrace>> {
        Ok(Cow::Borrowed(self[at].trace))
    }

    fn gate(&self, at: usize) -> Result<Option<Cow<'_, [f32]>>> {
        Ok(self[at].gate.map(Cow::Borrowed))
    }

    fn segments(&self) -> usize {
        1
    }

    fn choices(&self, at: usize, _segment: usize) -> Result<Cow<'_, [ExpertId]>> {
        Ok(Cow::Borrowed(&self[at].trace.expert))
    }
}
