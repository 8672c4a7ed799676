//! Statistics against closed forms, hand-made traces and degenerate inputs.
#![allow(clippy::unwrap_used, clippy::wildcard_imports, missing_docs, unreachable_pub)]

mod closed_forms;
mod hand_made;
mod robust;
mod support;
mod wide;
