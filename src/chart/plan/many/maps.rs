//! Heat maps with a row for every layer.

use crate::{
    chart::{
        axis::ceil_nice,
        heatmap::{HeatBlock, HeatFigure, Scale},
        plan::selection::Selection,
    },
    routing::LayerId,
};

/// The height that the rows of a block share, and the limits for one row.
const HEIGHT: f64 = 960.0;
const LOWEST: f64 = 9.0;
const HIGHEST: f64 = 24.0;
/// Smaller ratios count as this one where a scale is chosen.
const LEAST_RATIO: f64 = 0.05;

/// The scale of multiples of a baseline: equal steps on a logarithmic scale, the same on both sides of 1, up to a factor of 8.
pub(in crate::chart::plan) fn multiples(values: impl Iterator<Item = f64>) -> Scale {
    let largest = values.map(|ratio| ratio.max(LEAST_RATIO).ln().abs()).fold(0.0, f64::max);
    Scale::Ratio { limit: largest.exp().clamp(1.5, 8.0) }
}

/// A scale from 0 to a round number at or above the largest value, and to at least `least`.
pub(in crate::chart::plan) fn from_zero(least: f64) -> impl Fn(&[f64]) -> Scale {
    move |values: &[f64]| Scale::Sequential { max: ceil_nice(values.iter().copied().fold(least, f64::max)) }
}

/// A block with a row for every layer.
pub(in crate::chart::plan) struct LayerMap {
    /// Title over the block; may be empty.
    pub(in crate::chart::plan) title: String,
    /// Names of the columns.
    pub(in crate::chart::plan) columns: Vec<String>,
    /// A value for each column; rows that are shorter end earlier.
    pub(in crate::chart::plan) rows: Vec<(LayerId, Vec<Option<f64>>)>,
}

impl LayerMap {
    /// The rows of all layers.
    pub(in crate::chart::plan) fn of(
        selection: &Selection<'_>,
        title: &str,
        columns: Vec<String>,
        cells: impl Fn(LayerId) -> Vec<Option<f64>>,
    ) -> Self {
        let rows = selection.layers().iter().map(|layer| (*layer, cells(*layer))).collect();
        Self { title: title.to_owned(), columns, rows }
    }

    fn block(self) -> Option<HeatBlock> {
        let told = self.rows.into_iter().filter(|(_, cells)| cells.iter().any(Option::is_some));
        let (rows, cells): (Vec<String>, Vec<Vec<Option<f64>>>) =
            told.map(|(layer, cells)| (format!("layer {layer}"), cells)).unzip();
        (!rows.is_empty()).then_some(HeatBlock {
            title: self.title,
            rows,
            columns: self.columns,
            cells,
            outlined: Vec::new(),
        })
    }
}

/// The blocks that are not empty, with a scale by their values. None without values.
pub(in crate::chart::plan) fn figure(
    maps: Vec<LayerMap>,
    scale: impl Fn(&[f64]) -> Scale,
    scale_label: &str,
    column_label: &str,
) -> Option<HeatFigure> {
    let blocks: Vec<HeatBlock> = maps.into_iter().filter_map(LayerMap::block).collect();
    let rows = blocks.iter().map(|block| block.rows.len()).max()?;
    let values: Vec<f64> = blocks.iter().flat_map(|block| block.cells.iter().flatten().flatten()).copied().collect();
    Some(HeatFigure {
        scale: scale(&values),
        scale_label: scale_label.to_owned(),
        row_height: Some((HEIGHT / rows as f64).clamp(LOWEST, HIGHEST)),
        column_label: column_label.to_owned(),
        blocks,
    })
}
