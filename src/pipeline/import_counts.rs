//! Numbers of assignments of a record -> the counts of a run.

use crate::{
    error::{Error, Result, plural},
    import::{CountTable, Reading},
    routing::{LayerShape, Provides, RoutingShape},
    run::{Identity, RecordedLayout, RunKind, RunRecord, TextSummary},
    trace::{AssignmentCounts, CountedUnit},
};

/// How much a record holds, in words.
pub(super) fn size(table: &CountTable) -> String {
    let assignments = table.units.iter().flat_map(|unit| &unit.assignments).copied().fold(0, u64::saturating_add);
    format!("{} in {}", plural(assignments, "assignment"), plural(table.header.layers.len() as u64, "layer"))
}

/// The counts of the layers that hold any.
///
/// # Errors
/// [`Error::Usage`] if no layer does, or a layer cannot be as it is recorded.
pub(super) fn to_write(table: &CountTable, reading: &Reading) -> Result<AssignmentCounts> {
    let places = table.places();
    let kept: Vec<usize> = (0..places.len()).filter(|at| !reading.empty_layers.contains(at)).collect();
    if kept.is_empty() {
        return Err(Error::usage("no layer of the record has an assignment", "record again with a newer engine"));
    }
    let shape = |at: &usize| {
        let layer = &table.header.layers[*at];
        (layer.layer, LayerShape::of_choices(places[*at].len(), layer.top_k))
    };
    let unit = |unit: &crate::import::CountUnit| CountedUnit {
        document: unit.document.clone(),
        category: unit.category.clone(),
    };
    let shape = RoutingShape::new(kept.iter().map(shape).collect())?;
    let mut counts = AssignmentCounts::empty(shape, table.units.iter().map(unit).collect());
    for (&at, layer) in kept.iter().zip(&mut counts.layers) {
        let of_units = table.units.iter().flat_map(|unit| &unit.assignments[places[at].clone()]);
        layer.assignments = of_units.copied().collect();
        layer.tokens = (0..table.units.len()).map(|unit| table.tokens_of(unit, at)).collect();
    }
    Ok(counts)
}

/// The record of a run of counts, without where they come from.
pub(super) fn record(counts: &AssignmentCounts, label: String) -> RunRecord {
    let text = TextSummary {
        documents: counts.units.iter().filter(|unit| unit.document.is_some()).count(),
        tokens: counts.tokens(),
        ..TextSummary::default()
    };
    let layout = RecordedLayout::of(&counts.shape, 0, 0);
    RunRecord {
        text,
        provides: Some(Provides::COUNTS),
        ..RunRecord::new(Identity::new(RunKind::Import), label, layout)
    }
}
