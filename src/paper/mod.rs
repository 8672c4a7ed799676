//! Compares a run with the paper: Figures 5 to 14 of the OpenMoE paper (arXiv 2402.01739) as numbers, the closed forms that they
//! must satisfy, and how far the statistics of a finished run are from them.
//!
//! The experts of two models have no common numbering, and their number may differ. Most comparisons therefore do not depend on the
//! numbering: sorted shares, spread as a fraction of its ceiling, distances between categories of the same model. Shares are
//! compared expert by expert only if the numbers of experts agree, which is meaningful only for the same checkpoint.

#![allow(
    clippy::doc_markdown,
    reason = "the documentation is full of names and formulae, which backticks would break up"
)]

mod check;
mod compare;
mod course;
mod drops;
mod figure_verdict;
mod figures;
mod measure;
mod overlay;
mod run;
mod section;
mod share;
mod spread;
#[cfg(test)]
mod tests;
mod words;

pub use check::{Check, Rule, checks};
pub use compare::{Comparison, NotCompared, compare};
pub use figure_verdict::{FigureAnswer, FigureVerdict};
pub use figures::{BUCKETS, DropBucket, DropCurve, EXPERTS, Paper, ShareFigure, Shares, TOP_K, TokenCourse};
pub use measure::{Measured, profile_distance, propagated, relative_std, share_divergence, total_variation};
pub use overlay::{Overlay, OverlayPanel, Series, Who};
pub use run::Run;
pub use section::{Row, Section};
