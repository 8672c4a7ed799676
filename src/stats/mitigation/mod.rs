//! What it costs to route otherwise: the change of the loss of every next token, and of the routing itself, against the unchanged model
//! over the same tokens, paired by document.
//!
//! All numbers are about the token that the model reads: its position, turn, role, category and frequency decide where the loss of the
//! token after it counts. The unit of every interval is the document.

mod drop_cost;
mod folds;
mod loss;
mod parts;
mod routing;
mod row;
mod table;
#[cfg(test)]
mod tests;
mod words;

pub use drop_cost::{DropCost, Exposures};
pub use folds::folds;
pub use loss::{LossStudy, Scale};
pub use parts::{PartKind, Parts};
pub use routing::{RoutingChange, RoutingPair};
pub use row::{Changed, Exposure, Measure, MitigationRow, ShareOf};
pub use table::{MITIGATION, mitigation_from_parquet, mitigation_to_csv, mitigation_to_parquet};
pub use words::{nats_words, share_of_random_words, size_words};

/// An id needs this many occurrences in the calibration text to have a row in the table of a lookup.
pub const LEAST_OCCURRENCES: u64 = 8;
