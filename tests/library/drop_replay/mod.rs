//! Drops replayed at other capacities, and what fills the queues: hand-made traces, a brute-force queue, planted causes.

mod burst;
mod causes;
mod exact;
mod hand_made;
mod occupancy;
mod oracle;
mod properties;
mod robust;
mod support;
mod wide;
