//! What every carrier knows besides its routes.

use super::header::RoutingJson;
use crate::import::format::Opened;

/// Name of the format.
pub(super) const NAME: &str = "moe-routing";
/// The file that says what the others hold.
pub(super) const FILE: &str = "routing.json";

/// What is known besides the routes.
pub(super) struct Known<'a> {
    /// `routing.json`, if it is there.
    pub(super) json: Option<&'a RoutingJson>,
    /// Files, options and the configuration of the model.
    pub(super) opened: &'a Opened<'a>,
}
