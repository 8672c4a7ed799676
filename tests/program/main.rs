//! The built program from outside: what it prints, refuses and leaves behind.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a test stops with the reason, and prints what it measured
#![allow(clippy::needless_raw_string_hashes, clippy::too_many_lines)] // UPDATE_EXPECT=1 writes snapshots so, and as long as they are

mod bad_input;
mod contrast;
mod determinism;
mod documentation;
mod drift;
mod drift_input;
mod drops;
mod families;
mod frozen;
#[cfg(feature = "hub")]
mod hub;
mod import_drops;
mod imports;
mod memory;
mod mitigate;
#[cfg(not(feature = "hub"))]
mod no_hub;
mod notebook;
mod old_runs;
mod olmoe_tiny;
mod parity_binary;
mod profiles;
mod real_input;
mod report;
mod reproduce;
mod shell;
mod t5x;
mod ties;

/// What the tests share.
#[path = "../support"]
mod support {
    pub(crate) mod conversations;
    pub(crate) mod files;
    #[cfg(feature = "hub")]
    pub(crate) mod hub_server;
    pub(crate) mod json_schema;
    pub(crate) mod planted_checkpoint;
    pub(crate) mod program;
    pub(crate) mod snapshot;
    #[cfg(feature = "hub")]
    pub(crate) mod sparse_torch;
    pub(crate) mod synthetic_checkpoint;
    pub(crate) mod t5x_store;
    #[cfg(feature = "hub")]
    pub(crate) mod torch_file;
}
