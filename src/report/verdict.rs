//! The verdict in words, derived from the intervals.

use crate::stats::Finding;

/// The verdict in sentences: one line per MoE layer, then how the layers compare.
pub fn verdict(_findings: &[Finding]) -> Vec<String> {
    Vec::new()
}
