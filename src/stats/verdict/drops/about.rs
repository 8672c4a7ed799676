//! What a finding of a drops run speaks of.

use crate::stats::Finding;

/// Whether a finding speaks of all tokens of the layer.
pub(super) fn is_over_all(row: &Finding) -> bool {
    row.dataset.is_none()
        && row.category.is_none()
        && row.role.is_none()
        && row.turn.is_none()
        && row.expert.is_none()
        && row.token_id.is_none()
        && row.position.is_none()
}
