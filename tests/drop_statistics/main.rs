//! Drop statistics against hand-made traces, closed forms, degenerate inputs, and 500 seeds of known truth.
#![allow(clippy::unwrap_used, clippy::wildcard_imports, clippy::print_stdout, missing_docs, unreachable_pub)]

mod closed_forms;
mod difference;
mod drop_charts;
mod hand_made;
#[path = "../common/page.rs"]
mod page;
mod robust;
mod support;
mod trend;
