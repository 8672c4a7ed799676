//! Figures 13 and 14: routing std by position and by token id, as a fraction of its ceiling.

use super::{
    figures::{EXPERTS, Paper, TOP_K},
    measure::{Measured, step_area},
    overlay::{Overlay, OverlayPanel, Series, Who},
    run::Run,
    section::{Compared, Row, Section},
    words,
};
use crate::{
    routing::{LayerId, View},
    stats::{Finding, Statistic, Variable, routing_noise_variance, routing_std_ceiling},
};

/// Ranges of positions in which the spread is compared. Position 0 (BOS) is left out, because it is always at the ceiling.
const RANGES: [(usize, usize); 5] = [(1, 3), (4, 63), (64, 255), (256, 1023), (1024, 2047)];
const VERTICES: &str = "1.96 standard errors over the figure's vertices, as if positions were independent";
const ENDS: &str = "bootstrap over documents, all at the same end of their intervals";

/// Variance of a vertex of Figure 13, and how much of it is sampling noise; `None` at the BOS, and if n is unknown.
fn noise(paper: &Paper, (position, std): (usize, f64), distinct: bool) -> Option<(f64, f64)> {
    let n = paper.drop_curve("12a RedPajama")?.n(position) / TOP_K as f64;
    let (variance, experts) = (std * std, EXPERTS as f64);
    let squares = variance * experts + 1.0 / experts;
    let noise = if distinct {
        routing_noise_variance(squares, n, EXPERTS, TOP_K)
    } else {
        (1.0 - squares) / (experts * TOP_K as f64 * n)
    };
    (position > 0 && noise.is_finite()).then_some((variance, noise))
}

/// Share of the variance in Figure 13 that is sampling noise, with two distinct choices per token or with choices that may
/// coincide.
pub(super) fn noise_share(paper: &Paper, distinct: bool) -> Option<f64> {
    let parts: Vec<_> = paper.position_std.iter().filter_map(|vertex| noise(paper, *vertex, distinct)).collect();
    Some(ratio(&parts)?.value)
}

/// The sum of the second numbers divided by the sum of the first, with 1.96 standard errors over the pairs.
fn ratio(parts: &[(f64, f64)]) -> Option<Measured> {
    let (variance, noise) = parts.iter().fold((0.0, 0.0), |(a, b), (x, y)| (a + x, b + y));
    let share = noise / variance;
    let off: f64 = parts.iter().map(|(x, y)| (y - share * x).powi(2)).sum();
    let half = 1.96 * off.sqrt() / variance;
    share.is_finite().then_some(Measured { value: share, interval: Some((share - half, share + half)) })
}

/// The rows of one layer about single positions or token ids.
struct Spread<'a> {
    layer: LayerId,
    /// Kept view, by position.
    positions: Vec<(usize, &'a Finding)>,
    /// Chosen view, by position: their noise floor is known.
    chosen: Vec<&'a Finding>,
    /// Kept view, token ids.
    tokens: Vec<&'a Finding>,
    /// Kept view, the mean over token ids.
    token_mean: Option<&'a Finding>,
    ceiling: f64,
}

impl<'a> Spread<'a> {
    fn of(run: &'a Run, layer: LayerId) -> Self {
        let rows = |view: View, variable: Variable| {
            let is = move |row: &&Finding| row.layer == layer && row.variable == Some(variable);
            run.rows(Statistic::RoutingStd, view).filter(is).filter(|row| row.estimate.is_some())
        };
        let mut positions: Vec<(usize, &Finding)> =
            rows(View::Kept, Variable::Position).filter_map(|row| Some((row.position? as usize, row))).collect();
        positions.sort_by_key(|(position, _)| *position);
        let (experts, top_k) = run.size(layer);
        Self {
            layer,
            positions,
            chosen: rows(View::Chosen, Variable::Position)
                .filter(|row| row.position.is_some_and(|at| at > 0))
                .collect(),
            tokens: rows(View::Kept, Variable::Token).filter(|row| row.token_id.is_some()).collect(),
            token_mean: rows(View::Kept, Variable::Token).find(|row| row.token_id.is_none() && row.quantile.is_none()),
            ceiling: routing_std_ceiling(experts, top_k, View::Chosen),
        }
    }

    fn relative(&self, row: &Finding) -> Option<Measured> {
        Some(Measured::of(row)?.scaled(1.0 / self.ceiling))
    }

    /// Mean over the positions of a range, and how many there are.
    fn over(&self, (first, last): (usize, usize)) -> Option<(Measured, u64)> {
        let rows = self.positions.iter().filter(|(at, _)| (first..=last).contains(at));
        let parts: Vec<_> = rows.filter_map(|(_, row)| Some((self.relative(row)?, 1.0))).collect();
        Some((Measured::together(&parts)?, parts.len() as u64))
    }

    /// Share of the variance over positions that is sampling noise.
    fn noise_share(&self) -> Option<(Measured, u64)> {
        let known = || self.chosen.iter().filter(|row| row.noise_floor.is_some());
        let sum = |part: &dyn Fn(&Finding) -> Option<f64>| -> Option<f64> {
            known().map(|row| part(row).map(|std| std * std)).sum::<Option<f64>>().filter(|sum| *sum > 0.0)
        };
        let noise = sum(&|row| row.noise_floor)?;
        let interval = sum(&|row| row.high).zip(sum(&|row| row.low));
        let value = noise / sum(&|row| row.estimate)?;
        let interval = interval.map(|(high, low)| (noise / high, noise / low));
        Some((Measured { value, interval }, known().count() as u64))
    }

    fn sorted_tokens(&self, part: impl Fn(&Measured) -> f64) -> Vec<f64> {
        let numbers = self.tokens.iter().filter_map(|row| self.relative(row));
        sorted(numbers.map(|number| part(&number)).collect())
    }

    /// Distance between the paper's distribution over token ids and the run's.
    fn token_distance(&self, paper: &[f64]) -> Measured {
        let at = |part: &dyn Fn(&Measured) -> f64| step_area(paper, &self.sorted_tokens(part));
        let value = at(&|number| number.value);
        let ends = [at(&|n| n.interval.map_or(n.value, |i| i.0)), at(&|n| n.interval.map_or(n.value, |i| i.1))];
        let any = self.tokens.iter().any(|row| row.low.is_some());
        let (low, high) = (ends[0].min(ends[1]).min(value), ends[0].max(ends[1]).max(value));
        Measured { value, interval: any.then_some((low, high)) }
    }
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

fn ceiling() -> f64 {
    routing_std_ceiling(EXPERTS, TOP_K, View::Chosen)
}

/// Compares Figures 13 and 14 with a route run.
pub(super) fn compare(paper: &Paper, run: &Run) -> Vec<Compared> {
    let spreads: Vec<Spread<'_>> = run.layers().iter().map(|layer| Spread::of(run, *layer)).collect();
    vec![by_position(paper, run, &spreads), by_token(paper, run, &spreads)]
}

/// The paper's mean over the vertices of a range.
fn paper_over(paper: &Paper, (first, last): (usize, usize)) -> Option<(Measured, Option<u64>)> {
    let vertices = paper.position_std.iter().filter(|(at, _)| (first..=last).contains(at));
    let values: Vec<f64> = vertices.map(|(_, std)| std / ceiling()).collect();
    Some((Measured::mean(&values)?, Some(values.len() as u64)))
}

fn by_position(paper: &Paper, run: &Run, spreads: &[Spread<'_>]) -> Compared {
    let rows: Vec<Row> = spreads.iter().flat_map(|spread| position_rows(paper, spread)).collect();
    if rows.is_empty() {
        let reason = run.withheld(Statistic::RoutingStd, Variable::Position);
        return Err(("13", reason.unwrap_or("no position of the run has enough occurrences").to_owned()));
    }
    let sentence = format!(
        "Spread over experts by position, as a share of its ceiling: yours is {}; share of the variance that is sampling noise \
         (the paper's in the kept view, yours in the chosen view, where the noise is known): yours is {}. The rest of the spread has the experts' unequal load in it too. {}",
        words::direction(&rows, "relative_std"),
        words::direction(&rows, "noise_share"),
        words::differs(run, "the paper does not name its own", "448 RedPajama sequences, 167 of which reach the end"),
    );
    let title = "routing std by position (kept), as a share of its ceiling".to_owned();
    let section = Section { figure: "13", title, run: run.name.clone(), sentence, rows };
    Ok((section, position_overlay(paper, run, spreads)))
}

fn position_rows(paper: &Paper, spread: &Spread<'_>) -> Vec<Row> {
    let Some(last) = spread.positions.last().map(|(at, _)| *at).filter(|last| *last > 0) else { return Vec::new() };
    let row = |item: &str, range: (usize, usize)| {
        let (theirs, yours) = (paper_over(paper, range)?, spread.over(range)?);
        let row = Row::difference("relative_std", item, spread.layer, "share of the ceiling", theirs, yours);
        Some(row.counted("vertices", "positions").intervals(VERTICES, ENDS))
    };
    let all = row(&format!("positions 1-{last}"), (1, last)).map(Row::summary);
    let noise = noise_row(paper, spread, last);
    let ranges = RANGES.into_iter().map(|(first, end)| (first, end.min(last))).filter(|(first, end)| first <= end);
    let parts = ranges.filter_map(|(first, end)| row(&format!("positions {first}-{end}"), (first, end)));
    all.into_iter().chain(noise).chain(parts).collect()
}

fn noise_row(paper: &Paper, spread: &Spread<'_>, last: usize) -> Option<Row> {
    let vertices = paper.position_std.iter().filter(|(at, _)| *at <= last);
    let parts: Vec<_> = vertices.filter_map(|vertex| noise(paper, *vertex, true)).collect();
    let (theirs, yours) = ((ratio(&parts)?, Some(parts.len() as u64)), spread.noise_share()?);
    let row = Row::difference("noise_share", &format!("positions 1-{last}"), spread.layer, "share", theirs, yours);
    Some(row.counted("vertices", "positions").intervals(VERTICES, ENDS).summary())
}

fn by_token(paper: &Paper, run: &Run, spreads: &[Spread<'_>]) -> Compared {
    let theirs: Vec<f64> = sorted(paper.token_std.iter().map(|std| std / ceiling()).collect());
    let rows: Vec<Row> = spreads.iter().flat_map(|spread| token_rows(&theirs, spread)).collect();
    if rows.is_empty() {
        let reason = run.withheld(Statistic::RoutingStd, Variable::Token);
        return Err(("14", reason.unwrap_or("no token id of the run has 128 occurrences").to_owned()));
    }
    let sentence = format!(
        "Spread over experts by token id, as a share of its ceiling (1 = always the same two experts): yours is {}. Token ids have no \
         common numbering: distributions are compared, not ids. The paper's interval is over its token ids, yours over \
         documents: they do not cover the same chance. {}",
        words::direction(&rows, "relative_std"),
        words::differs(run, "the paper does not name its own", "token ids with more than 128 occurrences in RedPajama"),
    );
    let title = "routing std by token id (kept), as a share of its ceiling".to_owned();
    let section = Section { figure: "14", title, run: run.name.clone(), sentence, rows };
    Ok((section, token_overlay(&theirs, run, spreads)))
}

fn token_rows(theirs: &[f64], spread: &Spread<'_>) -> Vec<Row> {
    let n = (Some(theirs.len() as u64), spread.tokens.len() as u64);
    let mean = || {
        let yours = (spread.relative(spread.token_mean?)?, n.1);
        let paper = (Measured::mean(theirs)?, n.0);
        let row = Row::difference("relative_std", "token ids", spread.layer, "share of the ceiling", paper, yours);
        Some(row.intervals(&VERTICES.replace("positions", "token ids"), "bootstrap over documents").summary())
    };
    let apart = (!spread.tokens.is_empty()).then(|| {
        let apart = spread.token_distance(theirs);
        let row = Row::distance("distribution_distance", "token ids", spread.layer, "share of the ceiling", apart, n);
        let yours = format!("{ENDS} (token ids in too few documents stay)");
        row.intervals("taken as exact, n of each token id is not known", &yours).summary()
    });
    mean().into_iter().chain(apart).map(|row| row.counted("token ids", "token ids")).collect()
}

/// Thins positions for a logarithmic axis: each is at least two percent larger than the one before.
fn thinned(positions: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut kept: Vec<usize> = Vec::new();
    for at in positions {
        if kept.last().is_none_or(|last| (at + 1) as f64 >= (last + 1) as f64 * 1.02) {
            kept.push(at);
        }
    }
    kept
}

fn position_overlay(paper: &Paper, run: &Run, spreads: &[Spread<'_>]) -> Overlay {
    let panel = |spread: &Spread<'_>| {
        let kept = thinned(paper.position_std.iter().map(|(at, _)| *at));
        let theirs = paper.position_std.iter().filter(|(at, _)| kept.binary_search(at).is_ok());
        let paper = Series {
            who: Who::Paper(0),
            label: "paper, RedPajama".to_owned(),
            points: theirs.map(|(at, std)| (*at as f64, std / ceiling())).collect(),
            band: Vec::new(),
        };
        let kept = thinned(spread.positions.iter().map(|(at, _)| *at));
        let own = spread.positions.iter().filter(|(at, _)| kept.binary_search(at).is_ok());
        let own: Vec<_> = own.filter_map(|(at, row)| Some((*at as f64, spread.relative(row)?))).collect();
        let yours = Series {
            who: Who::Run(0, 1),
            label: "yours".to_owned(),
            points: own.iter().map(|(x, number)| (*x, number.value)).collect(),
            band: own.iter().filter_map(|(x, n)| n.interval.map(|(low, high)| (*x, low, high))).collect(),
        };
        OverlayPanel { title: format!("layer {}", spread.layer), series: vec![paper, yours] }
    };
    Overlay {
        name: "figure_13_position".to_owned(),
        title: format!("Figure 13 beside {}: routing std by position, as a share of its ceiling", run.checkpoint),
        caption: "Standard deviation over experts of the kept shares at each position, over the largest that two distinct choices \
                  can have, so that other numbers of experts can be compared. Both curves hold sampling noise, more where fewer \
                  sequences reach a position. Both axes are logarithmic (position + 1); of neighbouring positions one every 2 % \
                  is drawn. Band: 95 % interval over documents."
            .to_owned(),
        x_label: "position in the sequence",
        y_label: "routing std / ceiling",
        x_ticks: Vec::new(),
        logarithmic: true,
        percent: false,
        panels: spreads.iter().filter(|spread| !spread.positions.is_empty()).map(panel).collect(),
    }
}

fn token_overlay(theirs: &[f64], run: &Run, spreads: &[Spread<'_>]) -> Overlay {
    let curve = |who: Who, label: String, values: &[f64]| {
        let place = |index: usize| (index as f64 + 0.5) / values.len() as f64;
        let points = values.iter().enumerate().map(|(index, value)| (place(index), *value)).collect();
        Series { who, label, points, band: Vec::new() }
    };
    let mut series = vec![curve(Who::Paper(0), format!("paper, {} token ids", theirs.len()), theirs)];
    series.extend(spreads.iter().enumerate().filter(|(_, spread)| !spread.tokens.is_empty()).map(|(place, spread)| {
        let label = format!("yours, layer {}, {} token ids", spread.layer, spread.tokens.len());
        curve(Who::Run(place, run.layers().len()), label, &spread.sorted_tokens(|number| number.value))
    }));
    Overlay {
        name: "figure_14_token".to_owned(),
        title: format!("Figure 14 beside {}: routing std by token id, as a share of its ceiling", run.checkpoint),
        caption: "Standard deviation over experts of the kept shares of each frequent token id, sorted, over the largest that two \
                  distinct choices can have: 1 = always the same two experts. Above 1 only where single choices are dropped. The area \
                  between two curves is their distribution_distance. No intervals are drawn."
            .to_owned(),
        x_label: "token ids, the most even first (share of all)",
        y_label: "routing std / ceiling",
        x_ticks: [0.0, 0.25, 0.5, 0.75, 1.0].map(|at| (at, format!("{at}"))).to_vec(),
        logarithmic: false,
        percent: false,
        panels: vec![OverlayPanel { title: String::new(), series }],
    }
}
