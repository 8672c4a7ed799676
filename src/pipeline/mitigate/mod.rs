//! A mitigate run: the same text again with one thing changed about the routers. What does it cost in next-token loss, and what would
//! help?

mod passes;
mod run;
mod tables;

pub(crate) use run::MitigateRun;
pub use run::mitigate;
