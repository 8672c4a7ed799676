//! Drops replayed at other capacities, and what fills the queues: hand-made traces, a brute-force queue, planted causes.
#![allow(clippy::unwrap_used, clippy::wildcard_imports, clippy::print_stdout, missing_docs, unreachable_pub)]

mod burst;
mod causes;
mod exact;
mod hand_made;
mod occupancy;
mod oracle;
mod properties;
mod robust;
mod support;
