//! How many layers and experts a chart has room for: the one place that decides between a picture for each layer and one
//! picture of all layers, and between a column for each expert and parts of them.

use super::{expert_load::in_order, selection::Selection};
use crate::{
    chart::axis::count,
    routing::{LayerId, View},
    stats::{Finding, LAYERS_EACH, Statistic},
};

/// Up to this many experts have a spoke, a column or a row each; more experts are grouped into this many parts.
pub(super) const EXPERTS_EACH: usize = 64;

impl Selection<'_> {
    /// Whether the layers are too many for a picture each.
    pub(super) fn has_many_layers(&self) -> bool {
        self.layers().len() > LAYERS_EACH
    }

    /// Whether any layer has more experts than a picture has columns.
    pub(super) fn has_many_experts(&self) -> bool {
        self.context.shape.most_experts() > EXPERTS_EACH
    }

    /// The load of a layer's busiest expert in times an even load.
    pub(super) fn busiest(&self, layer: LayerId, view: View) -> Option<f64> {
        Some(self.load(layer, view).largest()? / self.even_share(layer))
    }

    /// Words for a picture that shows every one of many layers.
    pub(super) fn every_layer(&self, form: &str) -> String {
        format!("All {} MoE layers are drawn: {form}.", self.layers().len())
    }
}

/// The layers that a picture with a part for each has room for.
pub(super) struct ShownLayers {
    /// Ascending.
    pub(super) layers: Vec<LayerId>,
    /// Which layers are drawn, of how many, and by which rule; empty if all are drawn.
    rule: String,
}

impl ShownLayers {
    /// All layers if there are at most eight; otherwise the first and the last, those with the lowest and the highest number, and
    /// others evenly spaced. `number` gives the number, `measured` says what it is.
    pub(super) fn of(
        selection: &Selection<'_>,
        statistic: Statistic,
        measured: &str,
        number: impl Fn(LayerId) -> Option<f64>,
    ) -> Self {
        let all = selection.layers();
        if !selection.has_many_layers() {
            return Self { layers: all.to_vec(), rule: String::new() };
        }
        let mut measures: Vec<(f64, usize)> =
            all.iter().enumerate().filter_map(|(at, layer)| Some((number(*layer)?, at))).collect();
        measures.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let extreme = measures.first().zip(measures.last()).map(|(low, high)| [low.1, high.1]);
        let chosen = spaced(all.len(), extreme.as_ref().map_or(&[], |ends| &ends[..]));
        let extremes = extreme.map_or_else(String::new, |[low, high]| {
            format!("those with the lowest and the highest {measured} (layers {} and {}), ", all[low], all[high])
        });
        let rule = format!(
            " Drawn are {} of the {} MoE layers: the first and the last, {extremes}and others evenly spaced; the numbers of all \
             layers are in stats/{}.parquet.",
            chosen.len(),
            all.len(),
            statistic.table()
        );
        Self { layers: chosen.into_iter().map(|at| all[at]).collect(), rule }
    }

    /// The end of a caption: which layers are drawn, by which rule, and where the others are; empty if all are drawn.
    pub(super) fn rule(&self) -> &str {
        &self.rule
    }
}

/// Some of `places` places, ascending: the first, the last, the given ones, and those in the middle of the widest gaps.
fn spaced(places: usize, given: &[usize]) -> Vec<usize> {
    let mut chosen: Vec<usize> = given.iter().copied().chain([0, places.saturating_sub(1)]).collect();
    chosen.sort_unstable();
    chosen.dedup();
    while chosen.len() < LAYERS_EACH.min(places) {
        let gaps = chosen.windows(2).map(|pair| (pair[1] - pair[0], pair[0]));
        // The first of equally wide gaps.
        let Some((gap, from)) = gaps.max_by_key(|(gap, from)| (*gap, usize::MAX - from)) else { break };
        chosen.push(from + gap / 2);
        chosen.sort_unstable();
    }
    chosen
}

/// The experts of a layer as columns, rows or spokes of a picture.
pub(super) struct ExpertColumns {
    /// The experts of each column.
    parts: Vec<Vec<usize>>,
    experts: usize,
}

impl ExpertColumns {
    /// A column for each expert if there are at most 64; otherwise the experts in order of load, grouped into 64 parts.
    pub(super) fn of(selection: &Selection<'_>, layer: LayerId, view: View) -> Self {
        let experts = selection.experts(layer);
        if experts > EXPERTS_EACH { Self::by_load(selection, layer, view) } else { Self::each(experts) }
    }

    /// Columns in order of load, each with an expert, or with a group of experts if there are more than 64.
    pub(super) fn by_load(selection: &Selection<'_>, layer: LayerId, view: View) -> Self {
        Self::ordered(&selection.load(layer, view).order)
    }

    /// A column for each expert if there are at most 64; otherwise groups of experts in order of the given load.
    pub(super) fn of_load(experts: usize, load: &[Option<f64>]) -> Self {
        if experts > EXPERTS_EACH { Self::ordered(&in_order(load)) } else { Self::each(experts) }
    }

    fn each(experts: usize) -> Self {
        Self { parts: (0..experts).map(|expert| vec![expert]).collect(), experts }
    }

    fn ordered(order: &[usize]) -> Self {
        let (experts, columns) = (order.len(), order.len().min(EXPERTS_EACH));
        let part = |at: usize| order[at * experts / columns..(at + 1) * experts / columns].to_vec();
        Self { parts: (0..columns).map(part).collect(), experts }
    }

    /// Whether a column stands for several experts.
    pub(super) fn is_parted(&self) -> bool {
        self.experts > self.parts.len()
    }

    /// Names of the columns: experts, or places in the order of load from 1.
    pub(super) fn names(&self) -> Vec<String> {
        let first = usize::from(self.is_parted());
        (0..self.parts.len()).map(|at| (at + first).to_string()).collect()
    }

    /// What the columns are.
    pub(super) fn label(&self) -> &'static str {
        if self.is_parted() { "experts in order of load, busiest first" } else { "expert" }
    }

    /// A value for each column: that of its expert, or the mean of its part.
    pub(super) fn cells(&self, by_expert: &[Option<f64>]) -> Vec<Option<f64>> {
        let mean = |part: &Vec<usize>| {
            let values: Vec<f64> = part.iter().filter_map(|expert| *by_expert.get(*expert)?).collect();
            (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
        };
        self.parts.iter().map(mean).collect()
    }

    /// The same for values that either every expert has or none.
    pub(super) fn means(&self, by_expert: Vec<f64>) -> Vec<f64> {
        if !self.is_parted() {
            return by_expert;
        }
        self.cells(&by_expert.into_iter().map(Some).collect::<Vec<_>>()).into_iter().flatten().collect()
    }

    /// Ends of intervals; a group of experts has none.
    pub(super) fn ends(&self, by_expert: Vec<f64>) -> Vec<f64> {
        if self.is_parted() { Vec::new() } else { by_expert }
    }

    /// The end of a caption: how experts are grouped into columns; empty if each has its own.
    pub(super) fn rule(&self, statistic: Statistic) -> String {
        if !self.is_parted() {
            return String::new();
        }
        format!(
            " The {} experts are drawn in {} parts of equal size in order of their load over the whole corpus, the busiest first; \
             a value is the mean of its part. Every expert is in stats/{}.parquet.",
            count(self.experts as u64),
            self.parts.len(),
            statistic.table()
        )
    }
}

/// The largest number of any of the rows.
pub(super) fn largest<'a>(
    rows: impl Iterator<Item = &'a Finding>,
    number: impl Fn(&Finding) -> Option<f64>,
) -> Option<f64> {
    rows.filter_map(number).reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        chart::{ChartContext, plan::index::RowIndex},
        routing::{LayerShape, RoutingShape},
        stats::{StatisticTable, Subject, Tables},
    };

    fn context(layers: u16, experts: usize) -> ChartContext {
        let shape = RoutingShape::uniform((0..layers).collect(), LayerShape::of_choices(experts, 1));
        ChartContext { shape, ..ChartContext::default() }
    }

    #[test]
    fn eight_layers_are_drawn_and_of_more_the_rule_is_told() {
        let (tables, few, many) = (Tables::new(), context(8, 4), context(60, 4));
        let index = RowIndex::new(&tables);
        let of = |context, number: fn(LayerId) -> Option<f64>| {
            ShownLayers::of(&Selection::new(&index, context), Statistic::Coactivation, "ratio", number)
        };
        let all = of(&few, |_| None);
        assert_eq!((all.layers, all.rule.as_str()), ((0..8).collect(), ""));
        let shown = of(&many, |layer| Some(f64::from((i32::from(layer) - 20).abs())));
        assert_eq!(shown.layers, [0, 5, 10, 20, 29, 39, 49, 59]);
        assert!(shown.rule().contains("8 of the 60 MoE layers"), "{}", shown.rule());
        assert!(shown.rule().contains("lowest and the highest ratio (layers 20 and 59)"), "{}", shown.rule());
        assert!(shown.rule().contains("stats/coactivation.parquet"), "{}", shown.rule());
        assert!(of(&many, |_| None).rule().contains("the first and the last, and others evenly spaced"));
    }

    #[test]
    fn experts_beyond_64_stand_in_parts_in_order_of_load() {
        // Expert e of 130 has the load e: the busiest is 129.
        let row = |expert: u16| Finding {
            estimate: Some(f64::from(expert)),
            ..Finding::new(Statistic::ExpertShare, 0, View::Kept)
                .about(|subject| Subject { expert: Some(expert), ..subject })
        };
        let rows = (0..130).map(row).collect();
        let tables: Tables = [("expert_share".to_owned(), StatisticTable { name: "expert_share".into(), rows })].into();
        let (index, many, few) = (RowIndex::new(&tables), context(1, 130), context(1, 64));
        let columns = ExpertColumns::of(&Selection::new(&index, &many), 0, View::Kept);
        let sizes: Vec<usize> = columns.parts.iter().map(Vec::len).collect();
        assert_eq!((sizes.len(), sizes.iter().sum::<usize>(), sizes.iter().max()), (64, 130, Some(&3)));
        let values: Vec<Option<f64>> = (0..130).map(|expert| Some(f64::from(expert))).collect();
        let cells = columns.cells(&values);
        assert_eq!((cells[0], cells[63]), (Some(128.5), Some(1.0)));
        assert!(columns.rule(Statistic::ExpertShare).contains("The 130 experts are drawn in 64 parts"));
        let columns = ExpertColumns::of(&Selection::new(&index, &few), 0, View::Kept);
        assert_eq!((columns.names()[0].as_str(), columns.rule(Statistic::ExpertShare)), ("0", String::new()));
    }
}
