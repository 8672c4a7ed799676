//! The charts of a contrast: the largest differences with their intervals, and every expert of every layer at once.

use std::collections::BTreeMap;

use super::{ChartSpec, share::blocks_of};
use crate::{
    chart::{
        axis::{ceil_nice, count},
        canvas::Marker,
        forest::{ForestAxis, ForestFigure, ForestPoint, ForestRow},
        heatmap::{HeatFigure, MOST_ROWS, Scale},
        legend::{LegendEntry, Sample},
        page::{Body, Page},
        script,
        theme::{ACCENT, Color, MUTED, VALUE},
    },
    routing::LayerId,
    stats::{Contrast, ContrastLayer, ContrastRow, share_words},
};

const KIND: &str = "contrast";
/// Rows of the forest.
const ROWS: usize = 30;
/// Experts beside each other on the map; more of them stand in further blocks.
const COLUMNS: usize = 128;
/// The smallest end of the colour scale: differences within two standard errors stay pale.
const LEAST_Z: f64 = 8.0;
/// The largest end of the colour scale: some experts hardly vary, and their z would make all others pale.
const MOST_Z: f64 = 20.0;

/// The charts of a contrast. `names` are the two sides in sentences, `subtitle` names the runs; up to `shown` of the largest
/// differences are drawn, at most 30.
pub fn plan_contrast(contrast: &Contrast, names: [&str; 2], subtitle: &str, shown: usize) -> Vec<ChartSpec> {
    let chart = |name: &str, title: String, caption: String, body: Body| {
        let page = Page {
            message: None,
            title: script::printable(&title),
            subtitle: subtitle.to_owned(),
            caption: script::printable(&caption),
            body,
        };
        ChartSpec { name: name.to_owned(), kind: KIND, page }
    };
    let forest = forest(contrast, names, shown.min(ROWS)).map(|(body, caption)| {
        let title = format!("Largest differences between {} and {}", names[0], names[1]);
        chart("largest_differences", title, caption, body)
    });
    let map = heat_map(contrast, names).map(|(body, caption)| {
        let title = format!("Where {} and {} differ: z of every expert", names[0], names[1]);
        chart("z_by_layer_and_expert", title, caption, body)
    });
    forest.into_iter().chain(map).collect()
}

fn forest(contrast: &Contrast, names: [&str; 2], shown: usize) -> Option<(Body, String)> {
    let rows: Vec<&ContrastRow> =
        contrast.ranked().into_iter().filter(|row| row.difference != 0.0).take(shown).collect();
    let layer = contrast.layers.first()?;
    if rows.is_empty() {
        return None;
    }
    let more = |name: &str, marker: Marker, color: Color| {
        LegendEntry::new(Sample::Point(marker, color), script::printable(&format!("more often in {name}")))
    };
    let figure = ForestFigure {
        x_label: script::printable(&format!("share in {} minus share in {}, percentage points", names[0], names[1])),
        axis: ForestAxis::Points,
        headers: vec!["difference [95 %]".to_owned(), "false discovery rate".to_owned()],
        legend: vec![
            more(names[0], Marker::Disc, ACCENT),
            more(names[1], Marker::Diamond, VALUE),
            LegendEntry::new(Sample::Point(Marker::Square, MUTED), "not told from chance"),
            LegendEntry::new(Sample::Whisker, "95 % interval over documents"),
        ],
        sections: vec![(String::new(), rows.iter().map(|row| forest_row(row)).collect())],
    };
    let withheld =
        contrast.withheld.as_ref().map(|why| format!(" Intervals and false discovery rates are withheld: {why}."));
    let caption = format!(
        "The {} largest of {} differences: the share of a side's tokens that chose the expert among their choices. {} \
         experts differ at a false discovery rate of 5 %. n = {} and {} tokens of {} and {} documents.{} Every expert is in \
         contrast.csv.",
        rows.len(),
        count(contrast.rows.len() as u64),
        count(contrast.differing() as u64),
        count(layer.tokens[0]),
        count(layer.tokens[1]),
        count(layer.documents[0] as u64),
        count(layer.documents[1] as u64),
        withheld.unwrap_or_default(),
    );
    Some((Body::Forest(figure), caption))
}

fn forest_row(row: &ContrastRow) -> ForestRow {
    let (marker, color) = match row.difference > 0.0 {
        _ if !row.differs() => (Marker::Square, MUTED),
        true => (Marker::Disc, ACCENT),
        false => (Marker::Diamond, VALUE),
    };
    let minus = |text: String| text.replace('-', "\u{2212}");
    ForestRow {
        label: format!("layer {}, expert {}", row.layer, row.expert),
        note: format!("{} against {}", share_words(row.rate_a), share_words(row.rate_b)),
        points: vec![ForestPoint { at: row.difference, interval: row.low.zip(row.high), marker, color }],
        cells: vec![
            minus(row.difference_words().replace(" points", "")),
            row.q_words().unwrap_or_else(|| "withheld".to_owned()),
        ],
    }
}

fn heat_map(contrast: &Contrast, names: [&str; 2]) -> Option<(Body, String)> {
    let z: Vec<f64> = contrast.rows.iter().filter_map(|row| row.z).map(f64::abs).collect();
    if z.is_empty() {
        return None;
    }
    let most = contrast.layers.iter().map(|layer| layer.experts).max().unwrap_or(0);
    let (layers, rule) = shown_layers(contrast, MOST_ROWS / most.div_ceil(COLUMNS).max(1));
    let cells: Vec<Vec<Option<f64>>> = layers
        .iter()
        .map(|layer| {
            let mut cells = vec![None; most];
            for row in contrast.rows.iter().filter(|row| row.layer == layer.layer) {
                cells[usize::from(row.expert)] = row.z;
            }
            cells
        })
        .collect();
    let labels: Vec<String> = layers.iter().map(|layer| format!("layer {}", layer.layer)).collect();
    let limit = ceil_nice(z.into_iter().fold(LEAST_Z, f64::max)).min(MOST_Z);
    let scale = Scale::Difference { limit };
    let figure = HeatFigure {
        scale,
        scale_label: "z: difference over its standard error".to_owned(),
        column_label: "expert".to_owned(),
        row_height: None,
        blocks: blocks_of(&labels, &cells, COLUMNS),
    };
    let crossed =
        if contrast.rows.iter().any(|row| row.z.is_none()) { " Crossed out: chosen on neither side." } else { "" };
    let caption = format!(
        "Orange: more often in {}; blue: more often in {}. z is the difference of the shares over its standard error over \
         documents; the darkest colour stands for everything beyond {limit}.{crossed}{rule}",
        names[0], names[1]
    );
    Some((Body::Heat(figure), caption))
}

/// The layers that the map has room for, ascending: those that differ most; and the words for the choice.
fn shown_layers(contrast: &Contrast, room: usize) -> (Vec<&ContrastLayer>, String) {
    let mut layers: Vec<&ContrastLayer> = contrast.layers.iter().collect();
    if layers.len() <= room {
        return (layers, String::new());
    }
    let mut largest: BTreeMap<LayerId, f64> = BTreeMap::new();
    for row in &contrast.rows {
        let known = largest.entry(row.layer).or_default();
        *known = known.max(row.z.map_or(0.0, f64::abs));
    }
    let of = |layer: &ContrastLayer| largest.get(&layer.layer).copied().unwrap_or_default();
    layers.sort_by(|a, b| of(b).total_cmp(&of(a)).then(a.layer.cmp(&b.layer)));
    layers.truncate(room);
    layers.sort_by_key(|layer| layer.layer);
    let rule = format!(
        " Drawn are the {room} of {} layers with the largest z on either side; every layer is in contrast.csv.",
        contrast.layers.len()
    );
    (layers, rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contrast(q: Option<f64>) -> Contrast {
        let row = |layer, expert, difference: f64| ContrastRow {
            layer,
            expert,
            rate_a: 0.5 + difference,
            rate_b: 0.5,
            difference,
            low: q.map(|_| difference - 0.02),
            high: q.map(|_| difference + 0.02),
            z: q.map(|_| difference * 100.0),
            p: q,
            q,
        };
        let layer = |layer| ContrastLayer { layer, experts: 3, tokens: [1200, 90], documents: [10, 9], shared: 0 };
        Contrast {
            rows: vec![row(1, 0, 0.3), row(1, 1, -0.1), row(1, 2, 0.0), row(3, 0, 0.05), row(3, 1, -0.4)],
            layers: vec![layer(1), layer(3)],
            withheld: q.is_none().then(|| "6 documents on one side, at least 8 needed".to_owned()),
            ..Contrast::default()
        }
    }

    #[test]
    fn the_largest_differences_and_all_experts_are_drawn() {
        let specs = plan_contrast(&contrast(Some(0.001)), ["category `zh`", "category `en`"], "run", 20);
        let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
        assert_eq!(names, ["largest_differences", "z_by_layer_and_expert"]);
        let Body::Forest(figure) = &specs[0].page.body else { panic!("no forest") };
        let labels: Vec<&str> = figure.sections[0].1.iter().map(|row| row.label.as_str()).collect();
        assert_eq!(labels, ["layer 3, expert 1", "layer 1, expert 0", "layer 1, expert 1", "layer 3, expert 0"]);
        assert_eq!(figure.sections[0].1[0].cells, ["\u{2212}40 [\u{2212}42, \u{2212}38]", "q = 0.001"]);
        let Body::Heat(figure) = &specs[1].page.body else { panic!("no heat map") };
        assert_eq!(figure.blocks[0].cells[1], [Some(5.0), Some(-40.0), None]);
        assert_eq!(figure.scale, Scale::Difference { limit: MOST_Z });
        assert!(specs.iter().all(|spec| spec.draw().is_ok()));
    }

    #[test]
    fn the_map_of_many_layers_and_experts_stays_a_picture() {
        let of = |layers: u16, experts: u16| {
            let row = contrast(Some(0.001)).rows[0].clone();
            let at = |layer: u16, expert: u16| ContrastRow {
                layer,
                expert,
                z: Some(f64::from(layer % 100 + expert)),
                ..row.clone()
            };
            let layer = |layer| ContrastLayer { layer, experts: experts.into(), ..contrast(None).layers[0].clone() };
            let rows = (0..layers).flat_map(|layer| (0..experts).step_by(8).map(move |expert| at(layer, expert)));
            let layers = (0..layers).map(layer).collect();
            let specs =
                plan_contrast(&Contrast { rows: rows.collect(), layers, ..Contrast::default() }, ["a", "b"], "", 5);
            (specs[1].png_size().1, specs[1].caption().to_owned())
        };
        for (layers, experts) in [(40, 512), (61, 256), (94, 128), (64, 8)] {
            let (height, caption) = of(layers, experts);
            assert!(height <= 6_000 && !caption.contains("Drawn are"), "{layers} x {experts}: {height}, {caption}");
        }
        let (height, caption) = of(128, 512);
        assert!(height <= 6_000, "{height}");
        assert!(
            caption.ends_with(
                "Drawn are the 80 of 128 layers with the largest z on either side; every layer is in contrast.csv."
            ),
            "{caption}"
        );
    }

    #[test]
    fn without_documents_there_is_no_map_and_nothing_is_called_different() {
        let specs = plan_contrast(&contrast(None), ["a", "b"], "run", 2);
        assert_eq!(specs.len(), 1);
        assert!(specs[0].caption().contains("withheld: 6 documents"), "{}", specs[0].caption());
        let Body::Forest(figure) = &specs[0].page.body else { panic!("no forest") };
        assert!(figure.sections[0].1.len() == 2);
        assert!(figure.sections[0].1.iter().all(|row| row.points[0].color == MUTED && row.cells[1] == "withheld"));
    }
}
