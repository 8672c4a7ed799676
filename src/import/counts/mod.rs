//! Records that hold numbers of assignments, not the choices of tokens.

mod builder;
mod checks;
mod table;

pub(super) use builder::{CountBuilder, CountRow};
pub use checks::check_counts;
pub use table::{CountTable, CountUnit};
