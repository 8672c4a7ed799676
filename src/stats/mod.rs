//! Numbers with intervals and baselines, computed from the routing trace alone. Never draws, never prints.

mod finding;
mod table;

pub use finding::{Finding, Name};
pub use table::{StatisticTable, Tables};
