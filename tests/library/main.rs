//! The library by itself: numbers, rules and formats against what is known independently. Nothing here runs the program.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a test stops with the reason, and prints what it measured
#![allow(clippy::needless_raw_string_hashes, clippy::too_many_lines)] // UPDATE_EXPECT=1 writes snapshots so, and as long as they are
#![allow(clippy::wildcard_imports)] // a group of tests uses all of its support

mod catalog;
mod charts;
mod checkpoint;
mod drift_statistics;
mod drop_replay;
mod drop_statistics;
mod families;
#[cfg(feature = "hub")]
mod hub;
mod imports;
mod layers;
mod limits;
mod mitigate;
mod olmoe_tiny;
mod parity;
mod planted_laws;
mod profiles;
mod ratchets;
mod router;
mod statistics;
mod tokenizer;
mod traces;
mod transcripts;
mod verdicts;

/// What the tests share.
#[path = "../support"]
mod support {
    pub(crate) mod carriers;
    pub(crate) mod conversations;
    pub(crate) mod engines;
    pub(crate) mod files;
    #[cfg(feature = "hub")]
    pub(crate) mod hub_server;
    pub(crate) mod made_up_trace;
    pub(crate) mod page;
    pub(crate) mod planted_checkpoint;
    pub(crate) mod random;
    pub(crate) mod snapshot;
    pub(crate) mod tables;
    pub(crate) mod torch_file;
}
