//! Charts of the expert shares: radars by category, position and token, and the load of every category.

use super::{
    ChartSpec,
    many::{self, CategoryWords, RadarKeys, multiples},
    room::ExpertColumns,
    says,
    selection::{Selection, label, token_label, view_rule, view_words},
};
use crate::{
    chart::{
        ChartKind,
        axis::{count, short},
        heatmap::{HeatBlock, HeatFigure},
        page::Body,
        radar::{RadarFigure, RadarPanel},
    },
    routing::{LayerId, View},
    stats::{Finding, Statistic, Variable, is_drawn_alone},
};

/// Most radars on one page.
const PANELS_PER_PAGE: usize = 24;
/// How many tokens are drawn.
const SELECTED: usize = 12;
/// Widest block of a heat map whose values stay readable.
pub(super) const COLUMNS_PER_BLOCK: usize = 32;

/// One radar per category, a page per layer.
pub(super) fn categories(selection: &Selection<'_>, kind: &'static ChartKind) -> Vec<ChartSpec> {
    let caption = |view: View| {
        format!(
            "Share of each expert in the {} assignments of a category, experts clockwise from the top; n under each name: \
             occurrences. All radars share one scale.{}",
            view.name(),
            view_rule(view)
        )
    };
    radars(selection, kind, (Variable::Category, "category"), caption, |rows| {
        selection.categories(rows).into_iter().map(|name| (label(name), RadarKey::Category(name))).collect()
    })
}

/// One radar per position: the first, every power of two and the last.
pub(super) fn positions(selection: &Selection<'_>, kind: &'static ChartKind) -> Vec<ChartSpec> {
    let caption = |view: View| {
        format!(
            "Share of each expert in the {} assignments at one position of the sequence, experts clockwise from the top. \
             Drawn: position 0, every power of two and the last position with enough data; all positions are in \
             stats/expert_share.csv.{}",
            view.name(),
            view_rule(view)
        )
    };
    radars(selection, kind, (Variable::Position, "position"), caption, |rows| {
        let mut all: Vec<u32> = rows.iter().filter_map(|row| row.position).collect();
        all.sort_unstable();
        all.dedup();
        let last = all.last().copied();
        let drawn = all.into_iter().filter(|position| is_drawn_alone(*position, Some(*position) == last));
        drawn.map(|position| (format!("position {}", count(position.into())), RadarKey::Position(position))).collect()
    })
}

/// One radar for each of the most frequent token ids.
pub(super) fn tokens(selection: &Selection<'_>, kind: &'static ChartKind) -> Vec<ChartSpec> {
    let caption = |view: View| {
        format!(
            "Share of each expert in the {} assignments of one token id, experts clockwise from the top. Drawn: the most \
             frequent token ids; ␣ is a space, ⏎ a line end.{}",
            view.name(),
            view_rule(view)
        )
    };
    radars(selection, kind, (Variable::Token, "token id"), caption, |rows| {
        let mut ids: Vec<(u64, u32, String)> = Vec::new();
        for row in rows {
            let Some(id) = row.token_id else { continue };
            match ids.iter_mut().find(|known| known.1 == id) {
                Some(known) => known.0 = known.0.max(row.n),
                None => ids.push((row.n, id, token_label(row))),
            }
        }
        ids.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        ids.into_iter().take(SELECTED).map(|(_, id, text)| (text, RadarKey::Token(id))).collect()
    })
}

/// The subject of one radar.
#[derive(Clone, Copy)]
enum RadarKey<'a> {
    Category(&'a str),
    Position(u32),
    Token(u32),
}

impl RadarKey<'_> {
    fn is_of(self, row: &Finding) -> bool {
        match self {
            Self::Category(name) => row.category.as_deref() == Some(name),
            Self::Position(position) => row.position == Some(position),
            Self::Token(id) => row.token_id == Some(id),
        }
    }
}

fn radars<'a>(
    selection: &Selection<'a>,
    kind: &'static ChartKind,
    (variable, noun): (Variable, &str),
    caption: impl Fn(View) -> String,
    keys: impl Fn(&[&'a Finding]) -> Vec<(String, RadarKey<'a>)>,
) -> Vec<ChartSpec> {
    let view = selection.drawn_view(kind.statistic);
    let caption = caption(view);
    if selection.has_many_layers() {
        let of_layer = |layer: LayerId, chosen: &dyn Fn(usize) -> Vec<usize>| {
            let own = LayerShares::of(selection, layer, view, variable);
            let keys = keys(&own.rows);
            chosen(keys.len()).into_iter().filter_map(|at| own.panel(&keys[at].0, keys[at].1)).collect()
        };
        let keys = RadarKeys { noun, caption: &caption, first: variable == Variable::Token, of_layer: &of_layer };
        return many::radars(selection, kind, view, &keys);
    }
    let mut specs = Vec::new();
    for &layer in selection.layers() {
        let own = LayerShares::of(selection, layer, view, variable);
        let keys = keys(&own.rows);
        let pages = keys.len().div_ceil(PANELS_PER_PAGE);
        for (page, chunk) in keys.chunks(PANELS_PER_PAGE).enumerate() {
            let panels: Vec<RadarPanel> = chunk.iter().filter_map(|(title, key)| own.panel(title, *key)).collect();
            if panels.is_empty() {
                continue;
            }
            let (part, suffix) = if pages > 1 {
                (format!(", part {} of {pages}", page + 1), format!("_part_{}", page + 1))
            } else {
                Default::default()
            };
            let title = format!("Expert share by {noun}, layer {layer} ({}){part}", view_words(view));
            let body = Body::Radar(RadarFigure {
                experts: own.experts,
                spokes: own.columns.names().len(),
                columns: None,
                overall_label: "share over the whole corpus",
                panels,
            });
            let caption = format!("{caption}{}", own.columns.rule(kind.statistic));
            specs.push(selection.spec(kind, &format!("layer_{layer}_{}{suffix}", view.name()), title, &caption, body));
        }
    }
    specs
}

/// The shares of a layer's experts by one variable.
struct LayerShares<'a> {
    rows: Vec<&'a Finding>,
    /// The shares over the whole corpus; empty if unknown.
    overall: Vec<f64>,
    experts: usize,
    columns: ExpertColumns,
}

impl<'a> LayerShares<'a> {
    fn of(selection: &Selection<'a>, layer: LayerId, view: View, variable: Variable) -> Self {
        let experts = selection.experts(layer);
        let columns = ExpertColumns::of(selection, layer, view);
        let overall = by_expert(&share_rows(selection, layer, view, None), experts, |row| row.estimate);
        let rows = share_rows(selection, layer, view, Some(variable));
        Self { rows, overall: columns.means(overall), experts, columns }
    }

    fn panel(&self, title: &str, key: RadarKey<'_>) -> Option<RadarPanel> {
        let own: Vec<&Finding> = self.rows.iter().copied().filter(|row| key.is_of(row)).collect();
        let (experts, columns) = (self.experts, &self.columns);
        let share = columns.means(by_expert(&own, experts, |row| row.estimate));
        let low = columns.ends(by_expert(&own, experts, |row| row.low));
        let high = columns.ends(by_expert(&own, experts, |row| row.high));
        if share.is_empty() {
            return None;
        }
        let both = !low.is_empty() && !high.is_empty();
        let n = own.first().map_or(0, |row| row.n);
        let note = format!("n = {}{}", count(n), if both { "" } else { ", no interval" });
        Some(RadarPanel {
            title: title.to_owned(),
            note,
            share,
            low: if both { low } else { Vec::new() },
            high: if both { high } else { Vec::new() },
            overall: self.overall.clone(),
        })
    }
}

fn share_rows<'a>(
    selection: &Selection<'a>,
    layer: LayerId,
    view: View,
    variable: Option<Variable>,
) -> Vec<&'a Finding> {
    let rows = selection.layer_rows(Statistic::ExpertShare, view, layer);
    rows.filter(|row| row.variable == variable).collect()
}

/// One number per expert; empty where an expert has none.
pub(super) fn by_expert(rows: &[&Finding], experts: usize, number: impl Fn(&Finding) -> Option<f64>) -> Vec<f64> {
    let mut values = vec![None; experts];
    for row in rows {
        if let Some(slot) = row.expert.and_then(|expert| values.get_mut(usize::from(expert))) {
            *slot = number(row);
        }
    }
    values.into_iter().collect::<Option<Vec<f64>>>().unwrap_or_default()
}

/// Category by expert, each cell the load relative to even load.
pub(super) fn category_load(selection: &Selection<'_>, kind: &'static ChartKind) -> Vec<ChartSpec> {
    let view = selection.drawn_view(kind.statistic);
    let caption = format!(
        "Share of each expert in the {} assignments of a category, in times an even load: 1 is even load, 2 \
         twice that. Intervals are in stats/expert_share.csv.{}",
        view.name(),
        view_rule(view)
    );
    let words = CategoryWords {
        title: "How the assignments of each category are spread over the experts",
        caption: &caption,
        scale: "times an even load",
        taken: says::Taken::Assignments,
    };
    category_maps(selection, kind, view, &words, |row| Some(selection.even_share(row.layer)))
}

/// Category by expert, each cell the share of the category's tokens relative to even load.
pub(super) fn domain(selection: &Selection<'_>, kind: &'static ChartKind) -> Vec<ChartSpec> {
    let caption = "Share of a category's tokens that have the expert among their choices, in times an even load (k/E \
                   of the tokens). Intervals are in stats/domain_specialization.csv.";
    let words = CategoryWords {
        title: "How many tokens of each category choose each expert",
        caption,
        scale: "times an even load",
        taken: says::Taken::Tokens,
    };
    category_maps(selection, kind, View::Chosen, &words, |row| row.baseline)
}

fn category_maps(
    selection: &Selection<'_>,
    kind: &'static ChartKind,
    view: View,
    words: &CategoryWords<'_>,
    baseline: impl Fn(&Finding) -> Option<f64> + Copy,
) -> Vec<ChartSpec> {
    if selection.has_many_layers() {
        return many::category_maps(selection, kind, view, words, baseline);
    }
    let value = |row: &Finding| Some(row.estimate? / baseline(row)?);
    let CategoryWords { title, caption, scale, taken } = words;
    let mut specs = Vec::new();
    for &layer in selection.layers() {
        let rows = selection.layer_rows(kind.statistic, view, layer);
        let rows: Vec<&Finding> = rows.filter(|row| row.category.is_some() && row.expert.is_some()).collect();
        let names = selection.categories(&rows);
        if names.is_empty() {
            continue;
        }
        let cells: Vec<Vec<Option<f64>>> = names
            .iter()
            .map(|name| {
                let own = rows.iter().filter(|row| row.category.as_deref() == Some(*name));
                by_cell(own.copied(), selection.experts(layer), value)
            })
            .collect();
        let labels: Vec<String> = names.iter().map(|name| label(name)).collect();
        let columns = ExpertColumns::of(selection, layer, view);
        let best = says::most_lifted(&rows, baseline);
        let even = best.and_then(baseline).map(|even| short((even * 1e4).round() / 1e2));
        let even = even.map(|even| format!(" An even load is {even} %.")).unwrap_or_default();
        let mut figure = expert_columns(&labels, &cells, scale, &columns);
        if let Some((row, expert)) = best.and_then(|best| place_of(best, &names)).filter(|_| !columns.is_parted()) {
            figure.outline((row, expert));
        }
        let body = Body::Heat(figure);
        let title = format!("{title}, layer {layer} ({})", view_words(view));
        let caption = format!("{caption}{even}{}{}", selection.category_order(), columns.rule(kind.statistic));
        let spec = selection.spec(kind, &format!("layer_{layer}_{}", view.name()), title, &caption, body);
        specs.push(spec.saying(says::largest_lift(&rows, *taken, baseline)));
    }
    specs
}

/// Row and column of the cell of a category and an expert.
fn place_of(row: &Finding, categories: &[&str]) -> Option<(usize, usize)> {
    let category = categories.iter().position(|name| Some(*name) == row.category.as_deref())?;
    Some((category, usize::from(row.expert?)))
}

/// One cell per expert.
pub(super) fn by_cell<'a>(
    rows: impl Iterator<Item = &'a Finding>,
    experts: usize,
    value: impl Fn(&Finding) -> Option<f64>,
) -> Vec<Option<f64>> {
    let mut cells = vec![None; experts];
    for row in rows {
        if let Some(cell) = row.expert.and_then(|expert| cells.get_mut(usize::from(expert))) {
            *cell = value(row);
        }
    }
    cells
}

/// A heat map of rows by experts, or by parts of them.
pub(super) fn expert_columns(
    rows: &[String],
    cells: &[Vec<Option<f64>>],
    scale: &str,
    columns: &ExpertColumns,
) -> HeatFigure {
    if !columns.is_parted() {
        return expert_blocks(rows, cells, scale, "expert");
    }
    let cells: Vec<Vec<Option<f64>>> = cells.iter().map(|row| columns.cells(row)).collect();
    HeatFigure {
        scale: multiples(cells.iter().flatten().flatten().copied()),
        scale_label: scale.to_owned(),
        row_height: None,
        column_label: columns.label().to_owned(),
        blocks: vec![HeatBlock {
            title: String::new(),
            rows: rows.to_vec(),
            columns: columns.names(),
            cells,
            outlined: Vec::new(),
        }],
    }
}

/// A heat map of rows by experts, cut into blocks that are narrow enough to be read.
pub(super) fn expert_blocks(rows: &[String], cells: &[Vec<Option<f64>>], scale: &str, columns: &str) -> HeatFigure {
    HeatFigure {
        scale: multiples(cells.iter().flatten().flatten().copied()),
        scale_label: scale.to_owned(),
        row_height: None,
        column_label: columns.to_owned(),
        blocks: blocks_of(rows, cells, COLUMNS_PER_BLOCK),
    }
}

/// Rows by experts in blocks of so many columns.
pub(super) fn blocks_of(rows: &[String], cells: &[Vec<Option<f64>>], width: usize) -> Vec<HeatBlock> {
    let experts = cells.first().map_or(0, Vec::len);
    let block = |from: usize| {
        let to = (from + width).min(experts);
        let title = if experts > width { format!("experts {from} to {}", to - 1) } else { String::new() };
        HeatBlock {
            title,
            rows: rows.to_vec(),
            columns: (from..to).map(|expert| expert.to_string()).collect(),
            cells: cells.iter().map(|row| row[from..to].to_vec()).collect(),
            outlined: Vec::new(),
        }
    };
    (0..experts).step_by(width).map(block).collect()
}
