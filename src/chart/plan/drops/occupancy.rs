//! How full the queues are along the text.

use super::{Bins, Specs, of_layer, spec};
use crate::{
    chart::{
        ChartKind,
        heatmap::{HeatBlock, HeatFigure, Scale},
        page::Body,
        plan::selection::Selection,
    },
    stats::{Finding, Variant},
};

/// The choices and how they are called.
const CHOICES: [(Variant, &str); 2] =
    [(Variant::FirstChoice, "first choices"), (Variant::SecondChoice, "second choices, behind all first choices")];

/// Occupancy by expert and position, one block per choice, a chart per layer.
pub(in crate::chart::plan) fn map(selection: &Selection<'_>, kind: &'static ChartKind) -> Specs {
    let mut specs = Specs::new();
    for &layer in selection.layers() {
        let rows = of_layer(selection, kind.statistic, layer);
        let Some(bins) = Bins::new(&rows) else { continue };
        let blocks: Vec<HeatBlock> = CHOICES
            .into_iter()
            .map(|(variant, title)| block(selection.experts(layer), &rows, variant, title, bins))
            .filter(|block| block.cells.iter().flatten().any(Option::is_some))
            .collect();
        if blocks.is_empty() {
            continue;
        }
        let body = Body::Heat(HeatFigure {
            scale: Scale::Sequential { max: 100.0 },
            scale_label: "slots taken in %".to_owned(),
            column_label: format!("columns: position at the start of a bin of {}; rows: expert", bins.width),
            blocks,
        });
        let caption = "How much of its capacity every expert has given away at the end of a bin of positions, as the next token would find it: mean over the \
                       sequences that reach the bin's end. At 100 % every further choice of the expert is dropped in all of them. Dark rows that begin early are \
                       experts that many tokens ask for; a map that darkens from left to right everywhere is a queue that fills up. n and intervals are in \
                       stats/expert_occupancy.csv.";
        let title = format!("Occupancy of the experts along the text, layer {layer}");
        specs.push(spec(selection, kind, &format!("layer_{layer}"), title, caption, body));
    }
    specs
}

fn block(experts: usize, rows: &[&Finding], variant: Variant, title: &str, bins: Bins) -> HeatBlock {
    let columns = (bins.end / bins.width) as usize;
    let mut cells = vec![vec![None; columns]; experts];
    for row in rows.iter().filter(|row| row.variant == Some(variant)) {
        let Some((expert, position)) = row.expert.zip(row.position) else { continue };
        let column = (f64::from(position) / bins.width) as usize;
        if let Some(cell) = cells.get_mut(usize::from(expert)).and_then(|cells| cells.get_mut(column)) {
            *cell = row.estimate.map(|share| share * 100.0);
        }
    }
    HeatBlock {
        title: title.to_owned(),
        rows: (0..experts).map(|expert| expert.to_string()).collect(),
        columns: (0..columns).map(|column| (column as f64 * bins.width).to_string()).collect(),
        cells,
    }
}
