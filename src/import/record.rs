//! What a record is: the choices of tokens, or counts.

use super::{counts::CountTable, routes::RouteReader};

/// What a record is.
pub enum Routes {
    /// Every token's choices.
    Tokens(Box<dyn RouteReader>),
    /// Numbers of assignments alone.
    Counts(CountTable),
}
