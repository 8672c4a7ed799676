//! A checkpoint as a point of training.

/// One checkpoint of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DriftPoint<'a> {
    /// Its name, unique among the checkpoints.
    pub label: &'a str,
    /// Tokens that it was trained on, where known.
    pub training_tokens: Option<f64>,
    /// Whether it stands beside the time axis: it is compared with the last checkpoint, but is none of the steps.
    pub off_axis: bool,
}
