//! The folder of a run.

#[cfg(test)]
pub(crate) mod json_schema;
mod kind;
mod record;

pub use kind::RunKind;
pub use record::*;
