//! Selects rows of the tables, and writes the words that all charts share.

use std::collections::HashMap;

use super::{
    expert_load::{self, ExpertLoad, NO_LOAD},
    index::RowIndex,
    spec::ChartSpec,
};
use crate::{
    chart::{
        ChartContext, ChartKind,
        page::{Body, Page},
        script,
    },
    routing::{LayerId, View},
    stats::{Finding, Statistic, counted},
};

/// The rows of a run.
pub(super) struct Selection<'a> {
    index: &'a RowIndex<'a>,
    /// Facts about the run.
    pub(super) context: &'a ChartContext,
    loads: HashMap<(LayerId, View), ExpertLoad>,
}

impl<'a> Selection<'a> {
    /// All rows of a run.
    pub(super) fn new(index: &'a RowIndex<'a>, context: &'a ChartContext) -> Self {
        Self { index, context, loads: expert_load::of_layers(index, context) }
    }

    /// The rows of a statistic in one view with a number in them, in file order; none about one of several checkpoints.
    pub(super) fn rows(&self, statistic: Statistic, view: View) -> impl Iterator<Item = &'a Finding> + use<'a> {
        self.all_rows(statistic, view).filter(|row| row.estimate.is_some())
    }

    /// The same, the rows without a number included.
    pub(super) fn all_rows(&self, statistic: Statistic, view: View) -> impl Iterator<Item = &'a Finding> + use<'a> {
        self.index.rows(statistic, view).filter(|row| row.checkpoint.is_none())
    }

    /// The rows of a statistic about one of several checkpoints, in one view with a number in them, in file order.
    pub(super) fn checkpoint_rows(
        &self,
        statistic: Statistic,
        view: View,
    ) -> impl Iterator<Item = &'a Finding> + use<'a> {
        self.index.rows(statistic, view).filter(|row| row.checkpoint.is_some() && row.estimate.is_some())
    }

    /// The rows of a statistic in one layer and view with a number in them; none about one of several checkpoints.
    pub(super) fn layer_rows(
        &self,
        statistic: Statistic,
        view: View,
        layer: LayerId,
    ) -> impl Iterator<Item = &'a Finding> + use<'a> {
        let rows = self.index.layer(statistic, view, layer);
        rows.filter(|row| row.checkpoint.is_none() && row.estimate.is_some())
    }

    /// Those of one layer about one of several checkpoints.
    pub(super) fn checkpoint_layer_rows(
        &self,
        statistic: Statistic,
        view: View,
        layer: LayerId,
    ) -> impl Iterator<Item = &'a Finding> + use<'a> {
        let rows = self.index.layer(statistic, view, layer);
        rows.filter(|row| row.checkpoint.is_some() && row.estimate.is_some())
    }

    /// The view of charts that show one: the kept one, as the paper's figures do. The chosen one where the trace does not
    /// say what was dropped, so that the kept one has no number.
    pub(super) fn drawn_view(&self, statistic: Statistic) -> View {
        let kept = self.index.rows(statistic, View::Kept).any(|row| row.estimate.is_some());
        if kept { View::Kept } else { View::Chosen }
    }

    /// A checkpoint's label without what all of them begin with.
    pub(super) fn shortened<'b>(&self, name: &'b str) -> &'b str {
        self.index.shortened(name)
    }

    /// The `MoE` layers, by decoder layer index.
    pub(super) fn layers(&self) -> &'a [LayerId] {
        self.context.shape.moe_layers()
    }

    /// Experts of a layer.
    pub(super) fn experts(&self, layer: LayerId) -> usize {
        self.context.shape.experts(layer)
    }

    /// How the assignments of a layer are spread over its experts.
    pub(super) fn load(&self, layer: LayerId, view: View) -> &ExpertLoad {
        self.loads.get(&(layer, view)).unwrap_or(&NO_LOAD)
    }

    /// The share of an expert of a layer if all were alike.
    pub(super) fn even_share(&self, layer: LayerId) -> f64 {
        1.0 / self.experts(layer).max(1) as f64
    }

    /// The categories in drawing order: those of the context that have rows, then the others in the order of the rows.
    pub(super) fn categories(&self, rows: &[&'a Finding]) -> Vec<&'a str> {
        self.in_order(rows.iter().filter_map(|row| row.category.as_deref()))
    }

    /// The categories of either side of pairs, in the same order.
    pub(super) fn compared_categories(&self, rows: &[&'a Finding]) -> Vec<&'a str> {
        self.in_order(rows.iter().flat_map(|row| [row.category.as_deref(), row.other_category.as_deref()]).flatten())
    }

    fn in_order(&self, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
        let mut found: Vec<&str> = Vec::new();
        for name in names {
            if !found.contains(&name) {
                found.push(name);
            }
        }
        // Those that the context does not name come last, in the order of the rows.
        let place = |name: &str| self.context.categories.iter().position(|known| known == name).unwrap_or(usize::MAX);
        found.sort_by_key(|name| place(name));
        found
    }

    /// The end of a caption: in which order categories stand.
    pub(super) fn category_order(&self) -> String {
        let mut pairs = self.rows(Statistic::JensenShannon, View::Chosen);
        if self.context.categories.len() < 3 || !pairs.any(|row| row.other_category.is_some()) {
            return String::new();
        }
        let sets: Vec<&str> =
            self.context.category_sets.iter().map(|(name, _)| name.as_str()).filter(|name| !name.is_empty()).collect();
        let by_set = if sets.is_empty() {
            String::new()
        } else {
            format!(" by data set ({}), and within each", label(&sets.join(", ")))
        };
        format!(" Categories stand in order{by_set} so that those routed alike are neighbours.")
    }

    /// What was counted, for captions.
    pub(super) fn sample(&self) -> String {
        let context = self.context;
        format!(
            "n = {}, {}, {}{}.",
            counted(context.tokens, "token"),
            counted(context.sequences, "sequence"),
            counted(context.documents, "document"),
            match (context.bos, context.bos_counted) {
                (Some(false), _) => "; without BOS",
                (Some(true), true) => "; the BOS at position 0 is counted",
                (Some(true), false) => "; the BOS at position 0 is left out",
                (None, true) => "",
                (None, false) => "; position 0 is left out",
            },
        )
    }

    /// What cells without a value mean. Only where layers share a picture or differ in size: in the picture of one layer they are
    /// at most the diagonal, an expert or a category with itself.
    fn empty_cells(&self, body: &Body) -> &'static str {
        let explained = self.has_many_layers() || self.context.shape.alike().is_none();
        if explained && body.has_empty_cells() {
            " A grey cell with a diagonal line has no value: nothing was measured there, the layer has no such expert, or it would \
             be a pair of the same."
        } else {
            ""
        }
    }

    /// A planned chart; the sample is added to the caption.
    pub(super) fn spec(
        &self,
        kind: &'static ChartKind,
        suffix: &str,
        title: String,
        caption: &str,
        body: Body,
    ) -> ChartSpec {
        let context = self.context;
        let paper = if kind.paper.is_empty() || !context.is_openmoe {
            String::new()
        } else {
            format!(" Compare {} of the OpenMoE paper.", kind.paper)
        };
        let corpus = if context.corpus.is_empty() { String::new() } else { format!(" · corpus: {}", context.corpus) };
        let experts = context.shape.experts_in_words();
        let noun = if experts == "1" { "expert" } else { "experts" };
        let asked = context.asked_capacity.as_ref();
        let asked = asked.map_or_else(String::new, |capacity| format!(" · would be dropped by {capacity}"));
        let subtitle = format!(
            "checkpoint: {}{corpus} · {experts} {noun}, top-{}{asked}",
            context.checkpoint,
            context.shape.choices_in_words()
        );
        let caption = script::printable(&format!("{caption}{} {}{paper}", self.empty_cells(&body), self.sample()));
        let name = if suffix.is_empty() { kind.stem.to_owned() } else { format!("{}_{suffix}", kind.stem) };
        ChartSpec { name, kind: kind.stem, page: Page { message: None, title, subtitle, caption, body } }
    }
}

/// The two ends of a row's interval, if it has one.
pub(super) fn interval(row: &Finding) -> Option<(f64, f64)> {
    row.low.zip(row.high)
}

/// Words for a variable's or variant's name.
pub(super) fn words(name: &str) -> String {
    match name {
        "token" => "token id".to_owned(),
        "position_bucket" => "position (64-token bucket)".to_owned(),
        other => other.replace('_', " "),
    }
}

/// The name of a view in titles.
pub(super) fn view_words(view: View) -> &'static str {
    match view {
        View::Chosen => "chosen, before capacity",
        View::Kept => "kept, after capacity",
    }
}

/// What a caption adds where a chart that shows the kept view otherwise shows the chosen one.
pub(super) fn view_rule(view: View) -> &'static str {
    match view {
        View::Chosen => " The trace does not say what was dropped: drawn are the choices before capacity.",
        View::Kept => "",
    }
}

/// A category's name as it is drawn.
pub(super) fn label(name: &str) -> String {
    script::printable(name)
}

/// A token's text as it is drawn, or its id where the run had no tokenizer.
pub(super) fn token_label(row: &Finding) -> String {
    match (&row.text, row.token_id) {
        (Some(text), _) => script::visible(text),
        (None, Some(id)) => format!("id {id}"),
        (None, None) => "?".to_owned(),
    }
}

/// The same in a sentence: a text in quotation marks, because a token may be a comma.
pub(super) fn quoted_token(row: &Finding) -> String {
    if row.text.is_some() { format!("\"{}\"", token_label(row)) } else { token_label(row) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        chart::{
            CHARTS,
            heatmap::{HeatBlock, HeatFigure, Scale},
        },
        routing::{LayerShape, RoutingShape},
        stats::Tables,
    };

    fn uniform(layers: u16) -> ChartContext {
        let shape = RoutingShape::uniform((0..layers).collect(), LayerShape::of_choices(8, 1));
        ChartContext { checkpoint: "a".to_owned(), shape, ..ChartContext::default() }
    }

    fn drawn(context: &ChartContext, empty: Option<f64>) -> Page {
        let tables = Tables::new();
        let index = RowIndex::new(&tables);
        let cells = vec![vec![Some(1.0), empty]];
        let block = HeatBlock {
            title: String::new(),
            rows: vec![String::new()],
            columns: Vec::new(),
            cells,
            outlined: Vec::new(),
        };
        let heat = HeatFigure {
            scale: Scale::Sequential { max: 1.0 },
            scale_label: String::new(),
            column_label: String::new(),
            row_height: None,
            blocks: vec![block],
        };
        let body = Body::Stack(vec![(String::new(), Body::Heat(heat))]);
        Selection::new(&index, context).spec(&CHARTS[0], "", String::new(), "A caption.", body).page
    }

    #[test]
    fn what_was_not_recorded_is_not_said() {
        let unknown = drawn(&uniform(2), Some(0.0));
        assert_eq!(unknown.subtitle, "checkpoint: a · 8 experts, top-1");
        assert_eq!(unknown.caption, "A caption. n = 0 tokens, 0 sequences, 0 documents; position 0 is left out.");
        let counted = ChartContext { bos_counted: true, ..uniform(2) };
        assert!(drawn(&counted, Some(0.0)).caption.ends_with("0 documents."));
        let known = ChartContext { bos: Some(true), corpus: "b".to_owned(), ..counted };
        assert_eq!(drawn(&known, Some(0.0)).subtitle, "checkpoint: a · corpus: b · 8 experts, top-1");
        // A capacity that the model does not have is said on every chart.
        let asked = ChartContext { asked_capacity: Some("rule port, factor 2".to_owned()), ..uniform(2) };
        assert_eq!(
            drawn(&asked, Some(0.0)).subtitle,
            "checkpoint: a · 8 experts, top-1 · would be dropped by rule port, factor 2"
        );
        assert!(drawn(&known, Some(0.0)).caption.ends_with("; the BOS at position 0 is counted."));
    }

    #[test]
    fn cells_without_a_value_are_explained_where_layers_share_a_picture() {
        let explained = |context: &ChartContext, cell| drawn(context, cell).caption.contains("has no value");
        assert!(explained(&uniform(9), None) && !explained(&uniform(9), Some(0.0)) && !explained(&uniform(2), None));
    }
}
