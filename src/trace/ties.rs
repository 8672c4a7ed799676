//! Ties of the router, which the parts of a trace record.

use super::{
    frame::{metadata_of, unreadable},
    layout::TraceLayout,
    part::{TIES, part_name},
};
use crate::{
    error::Result,
    routing::LayerId,
    run::{LayerTies, RunDir},
};

/// The layers with tokens for which equal deciding scores decided, ascending. A part without ties does not record their number.
///
/// # Errors
/// [`crate::error::Error::RunFolder`] if a part of the trace cannot be read.
pub fn recorded_ties(run: &RunDir, layout: &TraceLayout) -> Result<Vec<LayerTies>> {
    let of_layer = |(index, &layer): (usize, &LayerId)| {
        let parts = (0..layout.segments.len()).map(|segment| part_name("trace", layout.part(segment, index)));
        let counts = parts.map(|name| of_part(run, &name)).collect::<Result<Vec<u64>>>()?;
        Ok(LayerTies { layer, tokens: counts.iter().sum() })
    };
    let layers = layout.shape.moe_layers().iter().enumerate().map(of_layer).collect::<Result<Vec<_>>>()?;
    Ok(layers.into_iter().filter(|ties| ties.tokens > 0).collect())
}

fn of_part(run: &RunDir, name: &str) -> Result<u64> {
    let Some(recorded) = metadata_of(run, name, TIES)? else { return Ok(0) };
    recorded.parse().map_err(|error| unreadable(&run.file(name), &format!("`{TIES}` is {recorded}: {error}")))
}
