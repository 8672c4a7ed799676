//! Drift statistics against closed forms, hand-made traces and degenerate inputs; their charts.

mod closed_forms;
mod drift_charts;
mod hand_made;
mod robust;
mod training;
