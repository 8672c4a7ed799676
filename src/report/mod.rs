//! Findings to `summary.json`, the verdict in words and `report.html`.

mod comparison;
mod drift_verdict;
mod drops_verdict;
mod embed;
mod html;
mod sections;
mod summary;
mod verdict;

pub use comparison::ComparisonReport;
pub use drift_verdict::drift_verdict;
pub use drops_verdict::drops_verdict;
pub use html::html;
pub use summary::{summary, summary_bytes};
pub use verdict::verdict;
