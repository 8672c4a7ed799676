//! Figure 12: the share of dropped assignments by position.

use super::{
    figures::{BUCKETS, DropCurve, Paper},
    measure::{Measured, propagated},
    overlay::{Overlay, OverlayPanel, Series, Who},
    run::Run,
    section::{Compared, Row, Section},
    words,
};
use crate::{
    routing::{LayerId, View},
    stats::{Finding, Scope, Statistic, Variable},
};

const RATIO: Statistic = Statistic::AssignmentDropRatio;
const WILSON: &str = "Wilson, as if assignments were independent";
const BINS: &str = "bootstrap over documents, the mean of the ends of the bins (no narrower than the bucket's own)";

const UNBOUNDED: &str =
    "no interval: the first bucket's reaches nearly to 0, or a bin has none (too few documents, or nothing dropped)";
const NONE: &str = "no interval: a bin has none (too few documents, or nothing dropped)";
/// If the interval of the first bucket begins below this fraction of its value, the ratio to it gets no upper bound.
const LEAST: f64 = 0.1;

/// The drops of one data set, checkpoint and layer of a run.
struct Drops<'a> {
    layer: LayerId,
    /// Assignments of an occurrence: the run's tables count occurrences, the paper counts assignments.
    top_k: u64,
    overall: Option<&'a Finding>,
    /// By raw position.
    positions: Vec<&'a Finding>,
    /// By bin, with intervals.
    bins: Vec<&'a Finding>,
}

/// The part of a run that a curve of the paper is compared with.
struct Match<'a> {
    curve: &'a DropCurve,
    /// Data set of the run.
    dataset: &'a str,
    /// How many data sets of the run match; the first is used.
    datasets: usize,
    /// Label of the checkpoint of the run.
    checkpoint: &'a str,
    layers: Vec<Drops<'a>>,
}

impl<'a> Drops<'a> {
    fn of(run: &'a Run, layer: LayerId, dataset: &str, compared: Option<&str>) -> Self {
        let rows: Vec<&Finding> = run
            .rows(RATIO, View::Chosen)
            .filter(|row| row.layer == layer && row.dataset.as_deref() == Some(dataset))
            .filter(|row| row.checkpoint.as_deref() == compared && row.cohort.is_none())
            .collect();
        let by = |variable: Variable| {
            let mut found: Vec<&Finding> = rows.iter().copied().filter(|row| row.variable == Some(variable)).collect();
            found.sort_by_key(|row| row.position);
            found
        };
        let all = |row: &&&Finding| matches!(row.scope(), Some(Scope::Dataset(_)));
        let top_k = run.shape.choices(layer) as u64;
        Self {
            layer,
            top_k,
            overall: rows.iter().find(all).copied(),
            positions: by(Variable::Position),
            bins: by(Variable::PositionBucket),
        }
    }

    fn last(&self) -> Option<usize> {
        self.positions.last()?.position.map(|position| position as usize)
    }

    /// The drop ratio between two positions and its assignments, with an interval if the bins fit the positions and all have one.
    fn bucket(&self, (first, last): (usize, usize)) -> Option<(Measured, u64)> {
        let within = |row: &&&Finding| row.position.is_some_and(|at| (first..=last).contains(&(at as usize)));
        let sum = |rows: &[&'a Finding]| -> Option<(f64, u64)> {
            let rows: Vec<_> = rows.iter().filter(within).collect();
            let dropped = rows.iter().map(|row| Some(row.estimate? * row.n as f64)).sum::<Option<f64>>()?;
            Some((dropped, rows.iter().map(|row| row.n).sum())).filter(|(_, n)| *n > 0)
        };
        let (dropped, n) = sum(&self.positions)?;
        let bins = self.bins.iter().filter(within);
        let parts: Option<Vec<_>> = bins.map(|row| Some((Measured::of(row)?, row.n as f64))).collect();
        let same_rows = sum(&self.bins).is_some_and(|(_, in_bins)| in_bins == n);
        let interval = parts.filter(|_| same_rows).and_then(|parts| Measured::together(&parts)?.interval);
        Some((Measured { value: dropped / n as f64, interval }, n * self.top_k))
    }
}

/// Compares Figure 12 with a drops run: 12a with its data sets, 12b with its two models.
pub(super) fn compare(paper: &Paper, run: &Run) -> Vec<Compared> {
    let figures = [("12a", "drop ratio by position and data set"), ("12b", "drop ratio by position, raw and chat")];
    figures.into_iter().map(|(figure, title)| section(figure, title, paper, run)).collect()
}

fn section(figure: &'static str, title: &str, paper: &Paper, run: &Run) -> Compared {
    let curves: Vec<&DropCurve> = paper.drops.iter().filter(|curve| curve.figure() == figure).collect();
    let matches: Vec<Match<'_>> = curves.iter().filter_map(|curve| matched(curve, run)).collect();
    if matches.is_empty() {
        return Err((figure, reason(figure, &curves, run)));
    }
    let rows: Vec<Row> = matches.iter().flat_map(Match::rows).collect();
    let section = Section {
        figure,
        title: title.to_owned(),
        run: run.name.clone(),
        sentence: sentence(&matches, curves.len(), &rows, run),
        rows,
    };
    Ok((section, overlay(figure, title, &matches, run)))
}

fn reason(figure: &str, curves: &[&DropCurve], run: &Run) -> String {
    let own = run.datasets().join(", ");
    if figure == "12b" {
        return format!("its curves, raw and chat, are of MT-Bench answers; no data set of the run ({own}) holds any");
    }
    let labels: Vec<&str> = curves.iter().map(|curve| curve.label()).collect();
    format!("no data set of the run ({own}) is one of {}; MTBench means conversations with answers", labels.join(", "))
}

/// The part of a run about the data set of a curve. The curve "chat" is compared with the run's second checkpoint, every other
/// curve with the first.
fn matched<'a>(curve: &'a DropCurve, run: &'a Run) -> Option<Match<'a>> {
    let wanted = if curve.figure() == "12b" { "MTBench" } else { curve.label() };
    let found: Vec<&str> = run.datasets().into_iter().filter(|name| same_dataset(name, wanted)).collect();
    let dataset = *found.first()?;
    let compared = if curve.label() == "chat" { Some(run.compared()?) } else { None };
    let of_layer = |layer: &LayerId| Drops::of(run, *layer, dataset, compared);
    let layers: Vec<Drops<'_>> =
        run.layers().iter().map(of_layer).filter(|drops| !drops.positions.is_empty()).collect();
    let checkpoint = compared.unwrap_or(&run.label);
    (!layers.is_empty()).then_some(Match { curve, dataset, datasets: found.len(), checkpoint, layers })
}

/// Whether a data set of a run is one of the paper's, by its name. Questions without answers are not conversations.
fn same_dataset(yours: &str, paper: &str) -> bool {
    let name: String = yours.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    match paper {
        "RedPajama" => name.contains("redpajama") || name == "domains",
        "TheStack" => name.contains("thestack") || name == "codelanguages",
        "TED" => name.starts_with("ted") || name == "languages",
        "MTBench" => name.contains("mtbench") && !name.contains("question"),
        _ => false,
    }
}

impl Match<'_> {
    fn rows(&self) -> Vec<Row> {
        self.layers.iter().flat_map(|drops| self.layer_rows(drops)).collect()
    }

    fn layer_rows(&self, drops: &Drops<'_>) -> Vec<Row> {
        let Some(last) = drops.last() else { return Vec::new() };
        let label = self.curve.label();
        let pairs: Vec<_> = BUCKETS
            .into_iter()
            .map(|(first, end)| (first, end.min(last).min(self.curve.last())))
            .filter(|(first, end)| first <= end)
            .filter_map(|range| Some((self.curve.bucket(range), drops.bucket(range)?)))
            .collect();
        let mut rows = Vec::new();
        if let Some((number, n)) = drops.overall.and_then(|row| Some((Measured::of(row)?, row.n * drops.top_k))) {
            let whole = self.curve.overall();
            let paper = (whole.ratio(), Some(whole.assignments as u64));
            let row = Row::difference("drop_ratio", label, drops.layer, "share", paper, (number, n));
            rows.push(row.intervals(WILSON, "bootstrap over documents").summary());
        }
        let theirs: Vec<Measured> = pairs.iter().map(|(paper, _)| paper.ratio()).collect();
        let yours: Vec<Measured> = pairs.iter().map(|(_, (yours, _))| *yours).collect();
        let n = pairs.iter().fold((0, 0), |n, (a, (_, b))| (n.0 + a.assignments as u64, n.1 + b));
        let n = (Some(n.0), n.1);
        if let (Some(a), Some(b)) = (last_less_first(&theirs), last_less_first(&yours)) {
            let row = Row::difference("last_less_first", label, drops.layer, "share", (a, n.0), (b, n.1));
            rows.push(row.intervals(WILSON, way(b)).summary());
        }
        if let (Some(a), Some(b)) = (last_over_first(&theirs), last_over_first(&yours)) {
            let row = Row::difference("last_over_first", label, drops.layer, "ratio", (a, n.0), (b, n.1));
            rows.push(row.intervals(WILSON, if b.interval.is_some() { BINS } else { UNBOUNDED }).summary());
        }
        let apart = curve_distance(&theirs, &yours).known_from(&yours);
        rows.push(
            Row::distance("curve_distance", label, drops.layer, "share", apart, n)
                .intervals(WILSON, way(apart))
                .summary(),
        );
        rows.extend(pairs.iter().map(|(paper, (yours, n))| {
            let (first, end) = paper.positions;
            let theirs = (paper.ratio(), Some(paper.assignments as u64));
            let item = format!("{label} {first}-{end}");
            Row::difference("drop_ratio", &item, drops.layer, "share", theirs, (*yours, *n))
                .intervals(WILSON, way(*yours))
        }));
        rows.into_iter().map(|row| row.counted("assignments", "assignments")).collect()
    }
}

/// How the interval of a number made from bins was computed, or why there is none.
fn way(number: Measured) -> &'static str {
    if number.interval.is_some() { BINS } else { NONE }
}

/// The last bucket's ratio minus the first's; `None` if there is only one bucket.
fn last_less_first(buckets: &[Measured]) -> Option<Measured> {
    let (first, last) = (buckets.first()?, buckets.last()?);
    (buckets.len() > 1).then(|| last.less(*first).known_from(&[*first, *last]))
}

/// The last bucket's ratio divided by the first's; `None` if the first has no drops or there is only one bucket.
fn last_over_first(buckets: &[Measured]) -> Option<Measured> {
    let (first, last) = (buckets.first()?, buckets.last()?);
    (buckets.len() > 1 && first.value > 0.0).then(|| {
        let bounded =
            [first, last].iter().all(|bucket| bucket.interval.is_some_and(|(low, _)| low > LEAST * bucket.value));
        let ratio = last.over(*first);
        Measured { interval: ratio.interval.filter(|_| bounded), ..ratio }
    })
}

/// Mean over the buckets of how far two curves are apart.
fn curve_distance(a: &[Measured], b: &[Measured]) -> Measured {
    let inputs: Vec<Measured> = a.iter().chain(b).copied().collect();
    let apart = |at: &[f64]| {
        let (a, b) = at.split_at(at.len() / 2);
        a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f64>() / a.len().max(1) as f64
    };
    propagated(&inputs, apart).not_negative()
}

fn sentence(matches: &[Match<'_>], curves: usize, rows: &[Row], run: &Run) -> String {
    let one = |found: &Match<'_>| {
        let of = |measure: &str| {
            let own: Vec<Row> = rows.iter().filter(|row| row.item == found.curve.label()).cloned().collect();
            words::direction(&own, measure)
        };
        let several = if found.datasets > 1 {
            format!(" (the first of {} such data sets; the others are left out)", found.datasets)
        } else {
            String::new()
        };
        format!(
            "Your {} on data set {}{several} in the place of {}: its drop ratio is {}; its last bucket less its first is {}.",
            found.checkpoint,
            found.dataset,
            found.curve.label(),
            of("drop_ratio"),
            of("last_less_first")
        )
    };
    format!(
        "{} of {curves} curves have a data set in the run. {} The capacity factor is the run's own, the paper's is not stated with the \
         figure. {}",
        matches.len(),
        matches.iter().map(one).collect::<Vec<_>>().join(" "),
        words::differs(
            run,
            "the paper names raw and chat, not which checkpoint",
            "64 sequences of each subset, or 80 MT-Bench conversations of which 3 reach the end",
        )
    )
}

fn overlay(figure: &'static str, title: &str, matches: &[Match<'_>], run: &Run) -> Overlay {
    let middle = |(first, end): (usize, usize)| f64::midpoint(first as f64, end as f64 + 1.0);
    let series = |who: Who, label: String, values: Vec<(f64, Measured)>| Series {
        who,
        label,
        points: values.iter().map(|(x, number)| (*x, number.value)).collect(),
        band: values.iter().filter_map(|(x, number)| number.interval.map(|(low, high)| (*x, low, high))).collect(),
    };
    let panel = |found: &Match<'_>| {
        let buckets = BUCKETS.iter().filter(|range| range.0 <= found.curve.last());
        let paper = buckets.map(|range| (middle(*range), found.curve.bucket(*range).ratio())).collect();
        let mut all = vec![series(Who::Paper(0), "paper".to_owned(), paper)];
        for drops in &found.layers {
            let place = run.layers().iter().position(|layer| *layer == drops.layer).unwrap_or_default();
            let values = BUCKETS.iter().filter_map(|range| Some((middle(*range), drops.bucket(*range)?.0))).collect();
            all.push(series(Who::Run(place, run.layers().len()), format!("yours, layer {}", drops.layer), values));
        }
        OverlayPanel {
            title: format!("{} beside {}, {}", found.curve.label(), found.checkpoint, found.dataset),
            series: all,
        }
    };
    Overlay {
        name: format!("figure_{figure}_drops"),
        title: format!("Figure {figure} beside {}: {title}", run.checkpoint),
        caption: "Dropped share of the assignments in five buckets of positions: 0-255, 256-511, 512-1023, 1024-1535, 1536-2047. Bands: \
                  95 % intervals; the paper's as if assignments were independent, the run's over documents, none where they are too few. \
                  A panel names the paper's curve, then your checkpoint and data set in its place."
            .to_owned(),
        x_label: "position in the sequence",
        y_label: "dropped assignments",
        x_ticks: [0.0, 256.0, 512.0, 1024.0, 1536.0, 2048.0].map(|at| (at, format!("{at}"))).to_vec(),
        logarithmic: false,
        percent: true,
        panels: matches.iter().map(panel).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_sets_are_told_by_their_names() {
        assert!(same_dataset("mt_bench_answer_gpt4", "MTBench") && !same_dataset("mt_bench_question", "MTBench"));
        assert!(same_dataset("RedPajama-v2-sample", "RedPajama") && !same_dataset("stackexchange", "TheStack"));
        assert!(same_dataset("ted_talks", "TED") && !same_dataset("curated", "TED"));
    }

    /// On the plain scale the ratio's interval would reach below 1, 0.967.
    #[test]
    fn a_rise_beyond_the_interval_of_the_difference_is_one_of_the_ratio() {
        let bucket = |value: f64, low: f64, high: f64| Measured { value, interval: Some((low, high)) };
        let rising = [bucket(0.01, 0.005, 0.0155), bucket(0.02, 0.0125, 0.04)];
        assert!(last_less_first(&rising).unwrap().interval.unwrap().0 > 0.0);
        let (low, high) = last_over_first(&rising).unwrap().interval.unwrap();
        // ln 2 less sqrt(ln(1.6)^2 + ln(1.55)^2), and plus sqrt(ln(2)^2 + ln(2)^2).
        assert!((low - 1.0518).abs() < 1e-4 && (high - 5.3303).abs() < 1e-4, "{low} {high}");
        let falling = [rising[1], rising[0]];
        let (down, up) = last_over_first(&falling).unwrap().interval.unwrap();
        assert!((down - 1.0 / high).abs() < 1e-12 && (up - 1.0 / low).abs() < 1e-12, "upside down");
    }

    #[test]
    fn ratios_and_distances_of_curves() {
        let curve = [0.01, 0.02, 0.04].map(Measured::fixed);
        assert_eq!(last_over_first(&curve), Some(Measured::fixed(4.0)));
        assert!((last_less_first(&curve).unwrap().value - 0.03).abs() < 1e-12);
        let uncertain = |value: f64, low: f64| Measured { value, interval: Some((low, 2.0 * value)) };
        assert!(last_over_first(&[uncertain(0.1, 0.05), uncertain(0.2, 0.1)]).unwrap().interval.is_some());
        assert_eq!(last_over_first(&[uncertain(0.1, 0.0), uncertain(0.2, 0.1)]).unwrap().interval, None);
        assert_eq!(last_over_first(&[Measured::fixed(0.0), Measured::fixed(1.0)]), None);
        assert_eq!(last_over_first(&[uncertain(0.1, 0.05), Measured::fixed(0.0)]), Some(Measured::fixed(0.0)));
        let other = [0.02, 0.02, 0.02].map(Measured::fixed);
        assert!((curve_distance(&curve, &other).value - 0.01).abs() < 1e-12);
    }
}
