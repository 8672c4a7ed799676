//! Figures 5 to 10: kept expert shares by category, position and token.

use super::{
    figures::{EXPERTS, Paper, ShareFigure, Shares, TOP_K},
    measure::{Measured, profile, profile_distance, propagated, relative_std, share_divergence, total_variation},
    overlay::{Overlay, OverlayPanel, Series, Who},
    run::{Key, Run, RunShares},
    section::{Compared, Row, Section},
    words,
};
use crate::{
    routing::LayerId,
    stats::{Statistic, Variable},
};

/// The subject of a figure.
struct Topic {
    figure: &'static str,
    title: &'static str,
    /// What the entries are.
    entries: &'static str,
    /// The text that the paper's shares come from.
    text: &'static str,
}

const TOPICS: [Topic; 7] = [
    Topic::of(
        "5",
        "expert shares by RedPajama subset",
        "categories",
        "64 sequences of each RedPajama subset, at most 2,048 tokens",
    ),
    Topic::of(
        "6",
        "expert shares by programming language",
        "categories",
        "64 sequences of each language of TheStack, at most 2,048 tokens",
    ),
    Topic::of(
        "7",
        "expert shares by language",
        "categories",
        "64 sequences of each language of parallel TED talks, at most 2,048 tokens",
    ),
    Topic::of("8", "expert shares by MT-Bench task", "categories", "80 MT-Bench conversations"),
    Topic::of("9a", "expert shares by position, far apart", "positions", "7 x 64 RedPajama sequences"),
    Topic::of("9b", "expert shares by position, neighbours", "positions", "7 x 64 RedPajama sequences"),
    Topic::of("10", "expert shares by token", "tokens", "RedPajama sequences"),
];

impl Topic {
    const fn of(figure: &'static str, title: &'static str, entries: &'static str, text: &'static str) -> Self {
        Self { figure, title, entries, text }
    }
}

/// The measure of how far the entries are from each other, within the paper and within the run.
const BETWEEN: &str = "between_total_variation";

/// Other names of the paper's categories.
const SYNONYMS: [(&str, &str); 8] = [
    ("commoncrawl", "cc"),
    ("books", "book"),
    ("wiki", "wikipedia"),
    ("stack-exchange", "stackexchange"),
    ("js", "javascript"),
    ("zh-hans", "zh-cn"),
    ("zh-hant", "zh-tw"),
    ("asm", "assembly"),
];

/// An entry of a figure, and the same entry of a run in every layer that has it.
struct Pair<'a> {
    paper: &'a Shares,
    layers: Vec<(LayerId, RunShares)>,
}

/// One layer of all pairs.
struct LayerPairs<'a> {
    layer: LayerId,
    pairs: Vec<(&'a Shares, &'a RunShares)>,
    top_k: usize,
}

/// Compares Figures 5 to 10 with a route run.
pub(super) fn compare(paper: &Paper, run: &Run) -> Vec<Compared> {
    TOPICS.iter().filter_map(|topic| Some(figure(topic, paper.figure(topic.figure)?, run))).collect()
}

fn figure(topic: &Topic, figure: &ShareFigure, run: &Run) -> Compared {
    let pairs: Vec<Pair<'_>> = figure.categories.iter().filter_map(|entry| matched(topic, entry, run)).collect();
    if pairs.is_empty() {
        let variable = match topic.entries {
            "positions" => Variable::Position,
            "tokens" => Variable::Token,
            _ => Variable::Category,
        };
        if let Some(reason) = run.withheld(Statistic::ExpertShare, variable) {
            return Err((topic.figure, reason.to_owned()));
        }
        let names: Vec<&str> = figure.categories.iter().map(|entry| entry.name.as_str()).collect();
        let reason = format!("the run has expert shares of none of its {}: {}", topic.entries, names.join(", "));
        return Err((topic.figure, reason));
    }
    let rows: Vec<Row> = run
        .layers()
        .iter()
        .flat_map(|layer| LayerPairs::of(*layer, &pairs, run.shape.choices(*layer)).rows())
        .collect();
    let section = Section {
        figure: topic.figure,
        title: format!("{} (kept)", topic.title),
        run: run.name.clone(),
        sentence: sentence(topic, figure, &pairs, &rows, run),
        rows,
    };
    Ok((section, overlay(topic, &pairs, run)))
}

/// The run's shares for an entry of the paper.
fn matched<'a>(topic: &Topic, entry: &'a Shares, run: &Run) -> Option<Pair<'a>> {
    let key = match topic.entries {
        "positions" => Key::Position(entry.name.rsplit(' ').next()?.parse().ok()?),
        "tokens" => Key::Token(run.token_text(Statistic::ExpertShare, &entry.name)?),
        _ => Key::Category(run.categories().into_iter().find(|name| same_category(name, &entry.name))?.to_owned()),
    };
    let layers = run.shares(&key);
    (!layers.is_empty()).then_some(Pair { paper: entry, layers })
}

/// Whether a category of a run is the same as one of the paper's, in any spelling.
fn same_category(yours: &str, paper: &str) -> bool {
    let name = yours.to_lowercase().replace(['_', ' '], "-");
    name == paper || SYNONYMS.contains(&(name.as_str(), paper))
}

impl<'a> LayerPairs<'a> {
    fn of(layer: LayerId, pairs: &'a [Pair<'a>], top_k: usize) -> Self {
        let of_layer = |pair: &'a Pair<'a>| {
            let (_, yours) = pair.layers.iter().find(|(found, _)| *found == layer)?;
            Some((pair.paper, yours))
        };
        Self { layer, pairs: pairs.iter().filter_map(of_layer).collect(), top_k }
    }

    fn rows(&self) -> Vec<Row> {
        if self.pairs.is_empty() {
            return Vec::new();
        }
        let mut rows: Vec<Row> = self.over(&self.pairs, "").into_iter().map(Row::summary).collect();
        rows.extend(self.between());
        if self.pairs.len() > 1 {
            rows.extend(self.pairs.iter().flat_map(|pair| self.over(&[*pair], &pair.0.name)));
        }
        rows
    }

    /// The means over some of the pairs.
    fn over(&self, pairs: &[(&Shares, &RunShares)], item: &str) -> Vec<Row> {
        let (paper, yours) = sides(pairs);
        let experts = pairs[0].1.share.len();
        let n = (paper_n(pairs), pairs.iter().map(|(_, yours)| yours.n).sum());
        let spread = |inputs: &[Measured], experts: usize, top_k: usize| {
            propagated(inputs, |at| mean(at.chunks(experts).map(|share| relative_std(share, top_k))))
        };
        let relative = Row::difference(
            "relative_std",
            item,
            self.layer,
            "share of the ceiling",
            (spread(&paper, EXPERTS, TOP_K), n.0),
            (spread(&yours, experts, self.top_k).known_from(&yours), n.1),
        );
        let mut rows = vec![relative, self.apart("profile_distance", item, pairs, n, profile_distance)];
        if experts == EXPERTS {
            rows.push(self.apart("total_variation", item, pairs, n, total_variation));
            rows.push(self.apart(Statistic::JensenShannon.name(), item, pairs, n, share_divergence));
        }
        rows.into_iter().map(|row| with_intervals(row, pairs)).collect()
    }

    /// The mean over pairs of a distance between the paper's shares and the run's.
    fn apart(
        &self,
        measure: &'static str,
        item: &str,
        pairs: &[(&Shares, &RunShares)],
        n: (Option<u64>, u64),
        distance: fn(&[f64], &[f64]) -> f64,
    ) -> Row {
        let (paper, yours) = sides(pairs);
        let (split, experts) = (paper.len(), pairs[0].1.share.len());
        let inputs = [paper.as_slice(), &yours].concat();
        let apart = propagated(&inputs, |at| {
            let (paper, yours) = at.split_at(split);
            mean(paper.chunks(EXPERTS).zip(yours.chunks(experts)).map(|(a, b)| distance(a, b)))
        });
        let unit = if measure == Statistic::JensenShannon.name() { "bits" } else { "share" };
        Row::distance(measure, item, self.layer, unit, apart.not_negative().known_from(&yours), n)
    }

    /// How far the entries are from each other, within the paper and within the run.
    fn between(&self) -> Vec<Row> {
        if self.pairs.len() < 2 {
            return Vec::new();
        }
        let (paper, yours) = sides(&self.pairs);
        let experts = self.pairs[0].1.share.len();
        let n = (paper_n(&self.pairs), self.pairs.iter().map(|(_, yours)| yours.n).sum());
        let row = |measure: &'static str, unit: &'static str, distance: fn(&[f64], &[f64]) -> f64| {
            let within = |inputs: &[Measured], experts: usize| {
                propagated(inputs, |at| mean_over_pairs(&at.chunks(experts).collect::<Vec<_>>(), distance))
                    .not_negative()
            };
            let (paper, yours) = (within(&paper, EXPERTS), within(&yours, experts).known_from(&yours));
            Row::difference(measure, "", self.layer, unit, (paper, n.0), (yours, n.1)).summary()
        };
        let rows = [row(BETWEEN, "share", total_variation), row("between_jensen_shannon", "bits", share_divergence)];
        rows.into_iter().map(|row| with_intervals(row, &self.pairs)).collect()
    }
}

/// All shares of both sides, one entry after the other.
fn sides(pairs: &[(&Shares, &RunShares)]) -> (Vec<Measured>, Vec<Measured>) {
    let paper = pairs.iter().flat_map(|(paper, _)| paper.measured()).collect();
    (paper, pairs.iter().flat_map(|(_, yours)| yours.share.clone()).collect())
}

/// Assignments behind the paper's side, if all of them are known.
fn paper_n(pairs: &[(&Shares, &RunShares)]) -> Option<u64> {
    pairs.iter().map(|(paper, _)| paper.kept).sum()
}

fn with_intervals(row: Row, pairs: &[(&Shares, &RunShares)]) -> Row {
    let known = pairs.iter().filter(|(paper, _)| paper.kept.is_some()).count();
    let paper = match known {
        0 => "taken as exact, its assignments are not known",
        _ if known == pairs.len() => "Wilson of each share, as if assignments were independent",
        _ => "Wilson of each share where its assignments are known, else taken as exact",
    };
    let with = |yours: &RunShares| yours.share.iter().all(|share| share.interval.is_some());
    let yours = if pairs.iter().all(|(_, yours)| with(yours)) {
        "bootstrap over documents of each share, changes added in squares"
    } else {
        "no interval, some of its shares have none (too few documents)"
    };
    row.counted("kept assignments", "occurrences").intervals(paper, yours)
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0.0), |(sum, n), value| (sum + value, n + 1.0));
    sum / n
}

fn mean_over_pairs(shares: &[&[f64]], distance: fn(&[f64], &[f64]) -> f64) -> f64 {
    mean(shares.iter().enumerate().flat_map(|(i, a)| shares[i + 1..].iter().map(move |b| distance(a, b))))
}

fn sentence(topic: &Topic, figure: &ShareFigure, pairs: &[Pair<'_>], rows: &[Row], run: &Run) -> String {
    let alike = run.layers_of_the_papers_size();
    let identity = if alike.len() == run.layers().len() {
        "Expert by expert (total_variation, jensen_shannon) the two are comparable only if it is the same checkpoint."
            .to_owned()
    } else if alike.is_empty() {
        "The numbers of experts differ, so that nothing is compared expert by expert.".to_owned()
    } else {
        format!(
            "Expert by expert (total_variation, jensen_shannon) only {} can be compared, and only if it is the same \
             checkpoint: in the others the numbers of experts differ.",
            words::layers(&alike)
        )
    };
    let noise = if topic.entries == "positions" {
        " With a few hundred tokens a position, a large part of both is sampling noise (noise_share of Figure 13)."
    } else {
        ""
    };
    let between = words::direction(rows, BETWEEN);
    let between = if pairs.len() > 1 {
        format!("; distance between {}: yours is {between}", topic.entries)
    } else {
        String::new()
    };
    format!(
        "{} of {} {} are in the run. Spread over experts, as a share of its ceiling: yours is {}{between}.{noise} {identity} {}",
        pairs.len(),
        figure.categories.len(),
        topic.entries,
        words::direction(rows, "relative_std"),
        words::differs(run, "the paper does not name its own", topic.text),
    )
}

fn overlay(topic: &Topic, pairs: &[Pair<'_>], run: &Run) -> Overlay {
    let panel = |pair: &Pair<'_>| {
        let mut series = vec![curve(Who::Paper(0), format!("paper, {EXPERTS} experts"), &pair.paper.share)];
        series.extend(pair.layers.iter().map(|(layer, yours)| {
            let place = run.layers().iter().position(|other| other == layer).unwrap_or_default();
            let share: Vec<f64> = yours.share.iter().map(|share| share.value).collect();
            curve(
                Who::Run(place, run.layers().len()),
                format!("layer {layer}, {} experts", run.shape.experts(*layer)),
                &share,
            )
        }));
        let name = &pair.paper.name;
        let title = if topic.entries == "tokens" { format!("token \"{name}\"") } else { name.clone() };
        OverlayPanel { title, series }
    };
    Overlay {
        name: format!("figure_{}_profiles", topic.figure),
        title: format!("Figure {} beside {}: {}, sorted", topic.figure, run.checkpoint, topic.title),
        caption: "Kept shares of the experts from the busiest to the idlest, as multiples of even routing (1). Which expert is \
                  which is forgotten, so that models with other experts, and other numbers of experts, can be compared; half the \
                  area between two curves is their profile_distance."
            .to_owned(),
        x_label: "experts, busiest first (share of all)",
        y_label: "share x experts",
        x_ticks: [0.0, 0.25, 0.5, 0.75, 1.0].map(|at| (at, format!("{at}"))).to_vec(),
        logarithmic: false,
        percent: false,
        panels: pairs.iter().map(panel).collect(),
    }
}

/// Sorted shares as steps.
fn curve(who: Who, label: String, share: &[f64]) -> Series {
    let profile = profile(share);
    let width = 1.0 / profile.len() as f64;
    let step = |(i, height): (usize, f64)| [(i as f64 * width, height), ((i + 1) as f64 * width, height)];
    Series { who, label, points: profile.into_iter().enumerate().flat_map(step).collect(), band: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_are_found_under_their_other_names() {
        assert!(
            same_category("CommonCrawl", "cc") && same_category("zh_cn", "zh-cn") && same_category("arxiv", "arxiv")
        );
        assert!(!same_category("c4", "cc") && !same_category("github", "stackexchange"));
    }

    #[test]
    fn the_mean_over_pairs_takes_each_pair_once() {
        let shares: [&[f64]; 3] = [&[1.0, 0.0], &[0.0, 1.0], &[0.5, 0.5]];
        assert!((mean_over_pairs(&shares, total_variation) - (1.0 + 0.5 + 0.5) / 3.0).abs() < 1e-12);
    }
}
