//! Writes findings as `summary.json`, as a verdict in words, as `report.html` and as a notebook.

mod comparison;
mod contrast;
mod excerpt;
mod experts;
mod figure;
mod mitigation;
mod notebook;
mod page;
mod profile;
mod questions;
mod room;
mod some_of;
mod summary;
mod text;
mod words;

pub use comparison::ComparisonReport;
pub use contrast::{ContrastReport, ContrastedRun};
pub use excerpt::{Excerpt, Wanted, excerpt};
pub use experts::{ExpertCard, ExpertSection};
pub use mitigation::{MitigationPage, mitigation_html};
pub use notebook::{NotebookSource, notebook};
pub use page::{ChartMessage, ReportedChart, ReportedRun, html};
pub use profile::{
    AnswerPart, CategoryReport, ExpertReport, MovedReport, ProfileSettings, ProfileSource, TextTable, TokenMatch,
    TokenReport,
};
pub use summary::Summary;
pub use words::{VerdictEntry, headline_entries, headline_lines, verdict_entries, verdict_lines};
