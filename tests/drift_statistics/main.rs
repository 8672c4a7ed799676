//! Drift statistics against closed forms, hand-made traces and degenerate inputs; their charts.
#![allow(clippy::unwrap_used, clippy::wildcard_imports, clippy::print_stdout, missing_docs, unreachable_pub)]

mod closed_forms;
mod drift_charts;
mod hand_made;
#[path = "../common/page.rs"]
mod page;
mod robust;
#[path = "../statistics/support.rs"]
#[allow(dead_code, reason = "shared with the tests of the route statistics")]
mod support;
mod training;
