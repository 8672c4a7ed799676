//! The pictures that carry the answers: six of all that the page has, taken in turn from the kinds of its runs.

use serde::Serialize;
use serde_json::Value;

use super::{
    drawn::DrawnStatistic,
    glance::{compared_checkpoint, glance},
    reported_run::ReportedRun,
};
use crate::{
    report::{
        figure::{Figure, FigureKind},
        text::readable,
    },
    run::RunKind,
    stats::{Finding, Statistic, share_words},
};

/// How many pictures stand under the answers.
const MOST: usize = 6;
/// Lines of a picture: with more it is a list.
const MOST_ROWS: usize = 24;

/// How the label of the list of token ids that moved most begins.
const MOVED: &str = "moved most: ";

/// A picture under the answers.
#[derive(Serialize)]
pub(super) struct Picture {
    /// The question that it answers.
    title: &'static str,
    /// Its number, in one line.
    message: Option<String>,
    statistic: Statistic,
    figure: usize,
    /// What the figure is called among those of its statistic.
    label: String,
    /// Whether it needs the whole width.
    wide: bool,
    /// Anchor of the section with everything about it.
    section: String,
}

/// What is worth a picture.
struct Worth {
    command: RunKind,
    statistic: Statistic,
    title: &'static str,
    kind: FigureKind,
    /// How the label of the figure begins, of several of that kind.
    label: &'static str,
}

const fn worth(command: RunKind, statistic: Statistic, title: &'static str, kind: FigureKind) -> Worth {
    Worth { command, statistic, title, kind, label: "" }
}

impl Worth {
    const fn labelled(self, label: &'static str) -> Self {
        Self { label, ..self }
    }
}

/// The pictures of each kind of run, the most telling first.
const WORTH: &[Worth] = &[
    worth(RunKind::Route, Statistic::DomainSpecialization, "Which experts take which categories?", FigureKind::Matrix),
    worth(
        RunKind::Route,
        Statistic::TokenPredictability,
        "Is the expert predicted by the token id alone?",
        FigureKind::Intervals,
    ),
    worth(
        RunKind::Route,
        Statistic::VocabularySpecialization,
        "Does each token id have its own expert?",
        FigureKind::Intervals,
    ),
    worth(RunKind::Route, Statistic::JensenShannon, "Which categories are routed alike?", FigureKind::Matrix),
    worth(RunKind::Route, Statistic::LoadCv, "Is the load even?", FigureKind::Intervals),
    worth(RunKind::Route, Statistic::Coactivation, "Which experts are chosen together?", FigureKind::Matrix),
    worth(RunKind::Route, Statistic::RouterEntropy, "How sure is the router?", FigureKind::Intervals),
    worth(RunKind::Route, Statistic::ExpertShare, "Which experts are busy?", FigureKind::Intervals),
    worth(RunKind::Drift, Statistic::RouterSaturation, "When was the routing learnt?", FigureKind::Curve),
    worth(RunKind::Drift, Statistic::TokenDrift, "Which token ids still move?", FigureKind::Intervals).labelled(MOVED),
    worth(RunKind::Drift, Statistic::AgreementByMargin, "Do only near-ties still flip?", FigureKind::Curve),
    worth(RunKind::Drift, Statistic::LastChange, "How many tokens still change?", FigureKind::Curve),
    worth(RunKind::Drift, Statistic::LoadDrift, "Does the load still change?", FigureKind::Curve),
    worth(RunKind::Drift, Statistic::DocumentDrift, "Which documents changed most?", FigureKind::Intervals),
    worth(RunKind::Drops, Statistic::CapacityReplay, "What capacity would prevent the drops?", FigureKind::Curve),
    worth(RunKind::Drops, Statistic::DroppedTokens, "What does the worst document lose?", FigureKind::Text),
    worth(RunKind::Drops, Statistic::AssignmentDropRatio, "Where in a sequence are drops?", FigureKind::Curve)
        .labelled("by position"),
    worth(RunKind::Drops, Statistic::ExpertOccupancy, "When do the queues fill up?", FigureKind::Curve),
    worth(RunKind::Drops, Statistic::DropDifference, "Do the two models differ?", FigureKind::Intervals),
    worth(RunKind::Drops, Statistic::DocumentDrops, "Which documents lose most?", FigureKind::Intervals),
];

/// The pictures of the page, in the order of its runs.
pub(super) fn pictures(drawn: &[DrawnStatistic], runs: &[ReportedRun<'_>]) -> Vec<Picture> {
    let mut kinds: Vec<RunKind> = Vec::new();
    for kind in runs.iter().map(|run| run.command.studied_as()) {
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    let mut of_kinds: Vec<Vec<Picture>> = kinds.iter().map(|kind| of_kind(*kind, drawn, runs)).collect();
    let taken = in_turn(&of_kinds.iter().map(Vec::len).collect::<Vec<_>>());
    of_kinds.iter_mut().zip(taken).flat_map(|(own, taken)| own.drain(..taken).collect::<Vec<_>>()).collect()
}

/// How many of each kind are taken, in turn, until there are enough.
fn in_turn(available: &[usize]) -> Vec<usize> {
    let mut taken = vec![0; available.len()];
    for _ in 0..MOST {
        // The first of those that have been taken least.
        let next = (0..available.len()).filter(|kind| taken[*kind] < available[*kind]).min_by_key(|kind| taken[*kind]);
        if let Some(kind) = next {
            taken[kind] += 1;
        }
    }
    taken
}

fn of_kind(command: RunKind, drawn: &[DrawnStatistic], runs: &[ReportedRun<'_>]) -> Vec<Picture> {
    WORTH.iter().filter(|worth| worth.command == command).filter_map(|worth| picture(worth, drawn, runs)).collect()
}

/// The first figure of the kind that is worth it, if the runs have it; of a figure for each checkpoint that of the compared one.
fn picture(worth: &Worth, drawn: &[DrawnStatistic], runs: &[ReportedRun<'_>]) -> Option<Picture> {
    let own = drawn.iter().find(|drawn| drawn.info.statistic == worth.statistic)?;
    let is_worth = |(index, figure): &(usize, &Figure)| {
        let is_short = figure.kind != FigureKind::Intervals || figure.rows.len() <= MOST_ROWS;
        own.hero != Some(*index) && figure.kind == worth.kind && figure.has_numbers() && is_short
    };
    let found: Vec<(usize, &Figure)> = own.figures.iter().enumerate().filter(is_worth).collect();
    let tables = runs.iter().filter_map(|run| run.tables.get(own.info.table));
    let rows: Vec<&Finding> =
        tables.flat_map(|table| &table.rows).filter(|row| row.statistic == own.info.statistic).collect();
    let compared = compared_checkpoint(&rows).map(|name| readable(&name));
    let begins = |(_, figure): &&(usize, &Figure)| figure.label.starts_with(worth.label);
    let is_compared =
        |(_, figure): &&(usize, &Figure)| compared.as_ref().is_some_and(|name| figure.label.ends_with(name));
    let begun = || found.iter().filter(begins);
    let (figure, shown) = *begun().find(is_compared).or_else(|| begun().next()).or(found.first())?;
    Some(Picture {
        title: worth.title,
        message: moved_most(shown).or_else(|| glance(own.info, runs)),
        statistic: worth.statistic,
        figure,
        label: shown.label.clone(),
        wide: matches!(shown.kind, FigureKind::Matrix | FigureKind::Text),
        section: format!("{}-{}", own.info.question, own.info.name),
    })
}

/// What the list of the token ids that moved most says: the first of them, in the layer where it moved most.
fn moved_most(figure: &Figure) -> Option<String> {
    let checkpoint = figure.label.strip_prefix(MOVED)?;
    let first = figure.rows.first()?;
    let column = |name: &str| figure.data.get(name).and_then(Value::as_array).into_iter().flatten();
    let own = column("label").zip(column("estimate")).zip(column("layer"));
    let own = own.filter(|((label, _), _)| label.as_str() == Some(first));
    let (share, layer) = own
        .filter_map(|((_, share), layer)| Some((share.as_f64()?, layer.as_u64()?)))
        .max_by(|a, b| a.0.total_cmp(&b.0))?;
    let share = share_words(share / 100.0);
    Some(format!(
        "{checkpoint} moves \u{201c}{first}\u{201d} farthest: {share} of its choices in layer {layer}; the line is what sampling alone moves"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_pictures_are_shared_by_the_kinds_of_run() {
        assert_eq!(in_turn(&[8, 6, 6]), [2, 2, 2]);
        assert_eq!(in_turn(&[8, 1, 0]), [5, 1, 0]);
        assert_eq!([in_turn(&[8]), in_turn(&[3])], [[6], [3]]);
        assert_eq!(in_turn(&[]), Vec::<usize>::new());
    }

    #[test]
    fn what_is_worth_a_picture_is_of_its_kind_of_run() {
        for worth in WORTH {
            assert_eq!(worth.statistic.info().command, worth.command, "{}", worth.title);
            assert!(worth.title.ends_with('?'));
        }
    }
}
