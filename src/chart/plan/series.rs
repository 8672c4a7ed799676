//! Lines of several series.

use crate::chart::theme::{ACCENT, CORRECTED, Color, Dash, Stroke, TEXT, VALUE};

/// The line of one of several series: hue and dashes both tell them apart.
pub(super) fn series(index: usize, of: usize) -> Stroke {
    let dashes = [Dash::Solid, Dash::Dashed, Dash::Mixed, Dash::Dotted];
    let anchors: [Color; 4] = [VALUE, CORRECTED, ACCENT, TEXT];
    let place = index as f64 / of.saturating_sub(1).max(1) as f64 * (anchors.len() - 1) as f64;
    let from = (place as usize).min(anchors.len() - 2);
    let color = if of <= anchors.len() {
        anchors[index.min(anchors.len() - 1)]
    } else {
        anchors[from].towards(anchors[from + 1], place - from as f64)
    };
    Stroke::broken(color, 1.8, dashes[index % dashes.len()])
}
