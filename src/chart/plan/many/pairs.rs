//! Pairs of experts and pairs of categories, of many layers or many experts.

use super::maps::{LayerMap, figure, from_zero, multiples};
use crate::{
    chart::{
        ChartKind, font,
        heatmap::{HeatBlock, HeatFigure},
        page::Body,
        plan::{
            ChartSpec,
            room::{ShownLayers, largest},
            says,
            selection::{Selection, label, view_words},
        },
        theme::SMALL,
    },
    routing::{LayerId, View},
    stats::Finding,
};

/// Experts of each layer where several layers share a picture.
const EXPERTS: usize = 12;
/// Height of their rows in pixels.
const ROW: f64 = 18.0;
/// Pairs of categories that have a column.
const PAIRS: usize = 40;
/// Room for the names of a pair of categories, and for each of them where both together are wider, in pixels.
const PAIR_ROOM: f64 = 92.0;
const NAME_ROOM: f64 = 42.0;

/// The experts of the pairs that are chosen together most above expectation, and the ratios among them.
pub(in crate::chart::plan) fn most_coactivated(rows: &[&Finding], most: usize, title: String) -> HeatBlock {
    // The lower end of the interval decides, so that a few occurrences do not count as evidence.
    let certain = |row: &Finding| match (row.low, row.baseline.filter(|baseline| *baseline > 0.0)) {
        (Some(low), Some(expected)) => low / expected,
        _ => says::ratio(row).unwrap_or(0.0),
    };
    let measures = |row: &Finding| (certain(row), says::ratio(row).unwrap_or(0.0));
    let mut pairs: Vec<((f64, f64), u16, u16)> =
        rows.iter().filter_map(|row| Some((measures(row), row.expert?, row.other_expert?))).collect();
    pairs.sort_by(|a, b| {
        let of = |pair: &((f64, f64), u16, u16)| pair.0;
        of(b).0.total_cmp(&of(a).0).then(of(b).1.total_cmp(&of(a).1)).then((a.1, a.2).cmp(&(b.1, b.2)))
    });
    let mut experts: Vec<u16> = Vec::new();
    for (_, a, b) in pairs {
        let further: Vec<u16> = [a, b].into_iter().filter(|expert| !experts.contains(expert)).collect();
        if experts.len() + further.len() <= most {
            experts.extend(further);
        }
    }
    experts.sort_unstable();
    let place = |expert: Option<u16>| experts.iter().position(|known| Some(*known) == expert);
    let mut cells = vec![vec![None; experts.len()]; experts.len()];
    for row in rows {
        if let (Some((a, b)), Some(ratio)) = (place(row.expert).zip(place(row.other_expert)), says::ratio(row)) {
            (cells[a][b], cells[b][a]) = (Some(ratio), Some(ratio));
        }
    }
    let names: Vec<String> = experts.iter().map(u16::to_string).collect();
    HeatBlock { title, rows: names.clone(), columns: names, cells, outlined: Vec::new() }
}

/// The experts that are chosen together most, a block for each of the layers that are shown.
pub(in crate::chart::plan) fn coactivation(
    selection: &Selection<'_>,
    kind: &'static ChartKind,
    caption: &str,
) -> Vec<ChartSpec> {
    let rows = |layer| selection.layer_rows(kind.statistic, View::Chosen, layer);
    let measured = "ratio of any pair of experts";
    let shown = ShownLayers::of(selection, kind.statistic, measured, |layer| largest(rows(layer), says::ratio));
    let block =
        |layer: &LayerId| most_coactivated(&rows(*layer).collect::<Vec<_>>(), EXPERTS, format!("layer {layer}"));
    let blocks: Vec<HeatBlock> = shown.layers.iter().map(block).filter(|block| !block.rows.is_empty()).collect();
    let values = || blocks.iter().flat_map(|block| block.cells.iter().flatten().flatten()).copied();
    if values().all(|ratio| ratio == 1.0) {
        return Vec::new();
    }
    let body = Body::Heat(HeatFigure {
        scale: multiples(values()),
        scale_label: "observed / expected".to_owned(),
        row_height: Some(ROW),
        column_label: "expert (rows and columns)".to_owned(),
        blocks,
    });
    let caption = format!(
        "{caption} Of each layer the {EXPERTS} experts of the pairs that are chosen together most above expectation, by the \
         lower end of the interval.{}",
        shown.rule()
    );
    let title = format!("Experts chosen together most, in layers of the model ({})", view_words(View::Chosen));
    let all: Vec<&Finding> = shown.layers.iter().flat_map(|layer| rows(*layer)).collect();
    vec![selection.spec(kind, View::Chosen.name(), title, &caption, body).saying(says::togetherness(&all))]
}

/// The names of two categories; each is cut only where both together have no room.
fn pair_label(a: &str, b: &str) -> String {
    let whole = format!("{} / {}", label(a), label(b));
    if font::width(&whole, SMALL, false) <= PAIR_ROOM {
        return whole;
    }
    let short = |name: &str| font::fit(&label(name), NAME_ROOM, SMALL, false);
    format!("{} / {}", short(a), short(b))
}

/// Divergence between categories: a row for every layer, a column for a pair.
pub(in crate::chart::plan) fn divergence(
    selection: &Selection<'_>,
    kind: &'static ChartKind,
    caption: &str,
) -> Vec<ChartSpec> {
    let of = |layer| {
        let rows = selection.layer_rows(kind.statistic, View::Chosen, layer);
        rows.filter_map(|row| Some((row.category.as_deref()?, row.other_category.as_deref()?, row.estimate?)))
    };
    let mut pairs: Vec<(f64, &str, &str)> = Vec::new();
    for (a, b, value) in selection.layers().iter().flat_map(|layer| of(*layer)) {
        match pairs.iter_mut().find(|known| (known.1, known.2) == (a, b)) {
            Some(known) => known.0 = known.0.max(value),
            None => pairs.push((value, a, b)),
        }
    }
    let all = pairs.len();
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    pairs.truncate(PAIRS);
    let cells = |layer: LayerId| {
        let rows: Vec<_> = of(layer).collect();
        let value = |pair: &(f64, &str, &str)| {
            rows.iter().find(|(a, b, _)| (*a, *b) == (pair.1, pair.2)).map(|(_, _, value)| *value)
        };
        pairs.iter().map(value).collect()
    };
    let names = pairs.iter().map(|(_, a, b)| pair_label(a, b)).collect();
    let map = LayerMap::of(selection, "", names, cells);
    let Some(figure) = figure(vec![map], from_zero(0.0), "Jensen-Shannon divergence in bits", "pair of categories")
    else {
        return Vec::new();
    };
    let caption = format!(
        "{caption} {} Columns: {} of {all} pairs of categories, those with the largest divergence in any layer, the largest on \
         the left.",
        selection.every_layer("a row each"),
        pairs.len()
    );
    let title = format!("Divergence between categories, layer by layer ({})", view_words(View::Chosen));
    let all: Vec<&Finding> = selection.rows(kind.statistic, View::Chosen).collect();
    let spec = selection.spec(kind, View::Chosen.name(), title, &caption, Body::Heat(figure));
    vec![spec.saying(says::divergence(&all))]
}

#[cfg(test)]
mod tests {
    use super::pair_label;

    #[test]
    fn a_pair_of_categories_is_cut_only_without_room() {
        assert_eq!(pair_label("a", "biology"), "a / biology");
        assert_eq!(pair_label("en", "philosophy"), "en / philosophy");
        assert!(pair_label("mathematics of numbers", "philosophy of science").contains('…'));
    }
}
