//! Bar charts of how much each variable tells about the expert, all layers side by side.

use super::{
    ChartSpec,
    many::{bars_in_words, side_by_side, side_by_side_words},
    says,
    selection::{Selection, interval, view_words, words},
};
use crate::{
    chart::{
        ChartKind, Message,
        bars::{Bar, BarFigure, BarGroup, BarPanel},
        theme::{Color, LAYER_FILLS},
    },
    routing::{LayerId, View},
    stats::{Finding, Variable, Variant},
};

/// Order of the variables, most context-independent first.
const VARIABLES: [Variable; 6] = [
    Variable::Token,
    Variable::PreviousToken,
    Variable::Category,
    Variable::Position,
    Variable::PositionBucket,
    Variable::Document,
];

/// Mutual information of the expert with each variable.
pub(super) fn unconditional(selection: &Selection<'_>, kind: &'static ChartKind) -> Vec<ChartSpec> {
    let caption = "Top: share of what can be explained that each variable explains, (estimate - baseline) / (ceiling - \
                   baseline). Bottom: the plug-in estimate in bits with its baseline, the mean over seeded permutations \
                   (category: labels over documents; position: within each sequence; else: over occurrences); only what stands above the baseline is evidence. Why a number is withheld stands in the column note of \
                   stats/mutual_information.csv.";
    information(
        selection,
        kind,
        ("Mutual information between the expert and each variable", caption),
        says::information,
    )
}

/// What each context variable adds once the token id is known.
pub(super) fn conditional(selection: &Selection<'_>, kind: &'static ChartKind) -> Vec<ChartSpec> {
    let (bars, estimates) =
        if selection.has_many_layers() { ("its lines", "the estimates on") } else { ("bars", "estimates at") };
    let caption = format!(
        "What a context variable adds once the token id is known. Top: as a share of what is left to \
                   explain. Bottom: the plug-in estimate in bits with its baseline, the mean over seeded permutations (category: \
                   labels over documents; position: within each sequence; else: within each token id). Context-independent routing has {bars} at 0 % and {estimates} their baselines."
    );
    information(selection, kind, ("Conditional mutual information given the token id", &caption), says::context)
}

fn information(
    selection: &Selection<'_>,
    kind: &'static ChartKind,
    (title, caption): (&str, &str),
    says: fn(&[&Finding]) -> Option<Message>,
) -> Vec<ChartSpec> {
    let mut specs = Vec::new();
    for view in View::ALL {
        let rows: Vec<&Finding> =
            selection.all_rows(kind.statistic, view).filter(|row| row.category.is_none() && row.decides()).collect();
        if rows.iter().all(|row| row.estimate.is_none()) {
            continue;
        }
        let explained = |row: &Finding| (row.explained, row.explained_low.zip(row.explained_high), None, None);
        let bits = |row: &Finding| (row.estimate, interval(row), row.baseline, row.ceiling);
        let panels = vec![
            panel(selection, "Explained share", "explained share", true, &rows, explained),
            panel(selection, "Plug-in estimate and baseline", "bits per assignment", false, &rows, bits),
        ];
        let title = format!("{title} ({})", view_words(view));
        let figure = BarFigure { baseline_label: "baseline: mean over permutations".to_owned(), panels };
        let caption = format!("{caption}{}", side_by_side_words(selection, &figure));
        let body = side_by_side(selection, figure);
        specs.push(selection.spec(kind, view.name(), title, &caption, body).saying(says(&rows)));
    }
    specs
}

type Numbers = (Option<f64>, Option<(f64, f64)>, Option<f64>, Option<f64>);

/// A panel with a group of bars per variable and a bar per layer.
fn panel(
    selection: &Selection<'_>,
    title: &str,
    y_label: &str,
    percent: bool,
    rows: &[&Finding],
    numbers: impl Fn(&Finding) -> Numbers,
) -> BarPanel {
    let groups = VARIABLES
        .into_iter()
        .filter_map(|variable| {
            let own = rows.iter().copied().filter(|row| row.variable == Some(variable));
            group(selection, &words(variable.name()), &own.collect::<Vec<_>>(), &numbers)
        })
        .collect();
    BarPanel { title: title.to_owned(), y_label: y_label.to_owned(), percent, max: None, groups }
}

/// A group with a bar per layer; none where no layer has a row.
pub(super) fn group(
    selection: &Selection<'_>,
    label: &str,
    rows: &[&Finding],
    numbers: impl Fn(&Finding) -> Numbers,
) -> Option<BarGroup> {
    let layers = selection.layers();
    let bar = |(index, layer): (usize, &LayerId)| {
        let row = rows.iter().find(|row| row.layer == *layer)?;
        let (value, interval, baseline, ceiling) = numbers(row);
        Some(Bar {
            label: format!("L{layer}"),
            layer: Some(*layer),
            value,
            interval,
            baseline,
            ceiling,
            color: fill(index, layers.len()),
        })
    };
    let bars: Vec<Bar> = layers.iter().enumerate().filter_map(bar).collect();
    (!bars.is_empty()).then(|| BarGroup { label: label.to_owned(), bars })
}

/// The fill of a layer, light to dark.
fn fill(index: usize, layers: usize) -> Color {
    let step = (LAYER_FILLS.len() - 1) as f64 / layers.saturating_sub(1).max(1) as f64;
    LAYER_FILLS[((index as f64 * step).round() as usize).min(LAYER_FILLS.len() - 2)]
}

/// The estimate of a row with its interval, baseline and ceiling.
pub(super) fn plain(row: &Finding) -> Numbers {
    (row.estimate, interval(row), row.baseline, row.ceiling)
}

/// Association of category and expert, all layers side by side.
pub(super) fn cramers_v(selection: &Selection<'_>, kind: &'static ChartKind) -> Vec<ChartSpec> {
    let caption = "Cramer's V of category and expert: 0 is no association; 1 is out of reach with more than one choice per token. The baseline is the \
                   mean over permutations of the labels over documents.";
    let groups = View::ALL.into_iter().filter_map(|view| {
        let rows: Vec<&Finding> = selection.rows(kind.statistic, view).collect();
        group(selection, view_words(view), &rows, plain)
    });
    let rows: Vec<&Finding> = View::ALL.into_iter().flat_map(|view| selection.rows(kind.statistic, view)).collect();
    let single = Single {
        title: "Association of category and expert (Cramer's V)",
        caption,
        y_label: "Cramer's V",
        percent: false,
        baseline: "mean over permutations of the labels",
        message: says::association(&rows),
    };
    single.spec(selection, kind, groups.collect())
}

/// How often the next token repeats the expert.
pub(super) fn repetition(selection: &Selection<'_>, kind: &'static ChartKind) -> Vec<ChartSpec> {
    let caption = format!(
        "Probability that the next token of the sequence has the same expert, against chance with the same \
         loads (Mixtral, Table 5).{}",
        bars_in_words(selection)
    );
    let rows: Vec<&Finding> = selection.rows(kind.statistic, View::Chosen).collect();
    let groups = variants(&rows)
        .into_iter()
        .filter_map(|variant| {
            let own: Vec<&Finding> = rows.iter().copied().filter(|row| row.variant == variant).collect();
            group(
                selection,
                &variant.map_or_else(|| "expert repetition".to_owned(), |variant| words(variant.name())),
                &own,
                plain,
            )
        })
        .collect();
    let single = Single {
        title: "Expert repetition from one token to the next",
        caption: &caption,
        y_label: "share of the tokens",
        percent: true,
        baseline: "chance with the same loads",
        message: says::repetition(&rows),
    };
    single.spec(selection, kind, groups)
}

/// The variants that occur, in file order.
pub(super) fn variants(rows: &[&Finding]) -> Vec<Option<Variant>> {
    let mut found = Vec::new();
    for variant in rows.iter().map(|row| row.variant) {
        if !found.contains(&variant) {
            found.push(variant);
        }
    }
    found
}

/// The words of a chart of one panel of bars.
pub(super) struct Single<'a> {
    /// What it shows.
    pub(super) title: &'a str,
    /// How to read it.
    pub(super) caption: &'a str,
    /// What the vertical axis is.
    pub(super) y_label: &'a str,
    /// Whether it is in percent.
    pub(super) percent: bool,
    /// What the values are compared with.
    pub(super) baseline: &'a str,
    /// The line above it.
    pub(super) message: Option<Message>,
}

impl Single<'_> {
    /// The chart; none without bars.
    pub(super) fn spec(
        self,
        selection: &Selection<'_>,
        kind: &'static ChartKind,
        groups: Vec<BarGroup>,
    ) -> Vec<ChartSpec> {
        if groups.is_empty() {
            return Vec::new();
        }
        let (y_label, percent) = (self.y_label.to_owned(), self.percent);
        let panel = BarPanel { title: String::new(), y_label, percent, max: None, groups };
        let figure = BarFigure { baseline_label: self.baseline.to_owned(), panels: vec![panel] };
        let caption = format!("{}{}", self.caption, side_by_side_words(selection, &figure));
        let body = side_by_side(selection, figure);
        vec![selection.spec(kind, "", self.title.to_owned(), &caption, body).saying(self.message)]
    }
}
