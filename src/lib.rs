//! Shows how a mixture-of-experts language model routes its tokens.
//!
//! The modules stand in the order in which the data travels:
//!
//! ```text
//! checkpoint ─┐
//!             ├─> model ──(routing)──> trace ──> stats ──> paper ──> chart ──> report
//! corpus ─────┘
//! ```

pub mod chart;
pub mod checkpoint;
pub mod cli;
pub mod commands;
pub mod corpus;
pub mod error;
pub mod first_bytes;
pub mod model;
pub mod paper;
pub mod pipeline;
pub mod report;
pub mod routing;
pub mod run;
pub mod stats;
pub mod trace;
