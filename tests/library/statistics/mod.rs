//! Statistics against closed forms, hand-made traces and degenerate inputs.

mod closed_forms;
mod hand_made;
mod robust;
pub(crate) mod support;
mod wide;
