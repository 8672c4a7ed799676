//! Findings to `summary.json`, the verdict in words, `report.html` and a notebook.

mod comparison;
mod drift_verdict;
mod drops_verdict;
mod excerpt;
mod figure;
mod independence;
mod notebook;
mod page;
mod questions;
mod room;
mod shown;
mod summary;
mod text;
mod verdict;

pub use comparison::ComparisonReport;
pub use drift_verdict::drift_verdict;
pub use drops_verdict::drops_verdict;
pub use excerpt::{Excerpt, MOST_LAYERS, Wanted, excerpt};
pub use notebook::{NotebookSource, notebook};
pub use page::{ReportedRun, html};
pub use summary::{summary, summary_bytes};
pub use verdict::verdict;
