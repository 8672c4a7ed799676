//! Drop statistics against hand-made traces, closed forms, degenerate inputs, and 250 seeds of known truth.

mod closed_forms;
mod difference;
mod drop_charts;
mod hand_made;
mod robust;
mod support;
mod trend;
mod wide;
