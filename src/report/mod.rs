//! Findings to `summary.json`, the verdict in words, `report.html` and a notebook.

mod drift_verdict;
mod drops_verdict;
mod embed;
mod html;
mod notebook;
mod sections;
mod summary;
mod verdict;

pub use drift_verdict::drift_verdict;
pub use drops_verdict::drops_verdict;
pub use html::html;
pub use notebook::{NotebookSource, notebook};
pub use summary::{summary, summary_bytes};
pub use verdict::verdict;
