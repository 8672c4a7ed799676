//! A mark of the picture that answers the question of a run.

/// A mark of the picture, made from one row.
pub(super) struct HeroMark {
    /// Place in the order of the picture.
    pub(super) place: usize,
    pub(super) panel: String,
    pub(super) label: String,
    /// Estimate and interval, as shares.
    pub(super) values: [Option<f64>; 3],
}
