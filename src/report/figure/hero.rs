//! The pictures on the first screen of the report: they show the numbers of the verdict, in the same unit, with their values.

use super::{
    data::Columns,
    hero_mark::HeroMark,
    hero_picks,
    keys::in_order,
    layout::figure,
    row::FigureRow,
    shape::{Figure, FigureKind},
};
use crate::{
    report::text::{readable, rounded},
    run::RunKind,
    stats::{Finding, Statistic, Variable, Variant},
};

/// A kind of run, and the picture that answers its question.
#[derive(Clone, Copy, Debug)]
pub(in crate::report) struct KindOfRun {
    /// The command that makes it.
    pub(in crate::report) command: RunKind,
    /// The statistic whose section shows the picture too.
    pub(in crate::report) statistic: Statistic,
    /// All statistics that the picture is made of.
    pub(in crate::report) made_of: &'static [Statistic],
    /// What the picture shows.
    pub(in crate::report) caption: &'static str,
    label: &'static str,
    /// Axis and tips.
    unit: &'static str,
    decimals: u8,
    reach: Option<(f64, f64)>,
    /// A row as marks of the picture.
    marks: fn(&Finding) -> Vec<HeroMark>,
    /// The marks of what the words pick out of many rows.
    picks: for<'a> fn(&[FigureRow<'a>]) -> Vec<(FigureRow<'a>, HeroMark)>,
}

/// The kinds of run in the order of the page.
pub(in crate::report) const HEROES: [KindOfRun; 3] = [
    KindOfRun {
        command: RunKind::Route,
        statistic: Statistic::MutualInformation,
        made_of: &[
            Statistic::MutualInformation,
            Statistic::ConditionalMutualInformation,
            Statistic::DomainSpecialization,
            Statistic::ExpertShare,
        ],
        caption: "What each variable explains alone; what it adds once the token id is known; the categories of which the expert \
                  that stands out takes most. With 95 % intervals over documents.",
        label: "alone, and once the token id is known",
        unit: "% of what can be explained",
        decimals: 0,
        reach: Some((0.0, 100.0)),
        marks: explained,
        picks: hero_picks::specialist,
    },
    KindOfRun {
        command: RunKind::Drift,
        statistic: Statistic::RouterSaturation,
        made_of: &[Statistic::RouterSaturation, Statistic::FirstChoiceAgreement, Statistic::TokenDrift],
        caption: "How far each checkpoint is from load-matched chance (0 %) to full agreement with the last one of the training \
                  (100 %); the first choices that differ in a model that is no step of it, and the token ids that it sends elsewhere \
                  most. With 95 % intervals over documents.",
        label: "way from chance to full agreement",
        unit: "%",
        decimals: 0,
        reach: Some((0.0, 100.0)),
        marks: way,
        picks: hero_picks::moved,
    },
    KindOfRun {
        command: RunKind::Drops,
        statistic: Statistic::AssignmentDropRatio,
        made_of: &[Statistic::AssignmentDropRatio, Statistic::DropTrend],
        caption: "Dropped share; how much more the last quarter of a sequence loses than the first, as it is and in random order, \
                  whose queues fill up as well; what is left, over all and by data set. With 95 % intervals over documents.",
        label: "drops, and last quarter minus first",
        unit: "%, or percentage points",
        decimals: 2,
        reach: None,
        marks: drops,
        picks: hero_picks::in_random_order,
    },
];

const ALONE: &str = "alone: % of what can be explained";
const KNOWN: &str = "once the token id is known: % of what is left";
/// Variables in the order of the words.
const VARIABLES: [(Variable, &str); 6] = [
    (Variable::Token, "token id"),
    (Variable::Document, "document"),
    (Variable::PreviousToken, "previous token"),
    (Variable::Category, "category"),
    (Variable::Position, "position"),
    (Variable::PositionBucket, "position"),
];

fn explained(row: &Finding) -> Vec<HeroMark> {
    let variable = VARIABLES.iter().position(|(name, _)| row.variable == Some(*name));
    let Some(place) = variable.filter(|_| row.explained.is_some() && row.decides()) else { return Vec::new() };
    let (panel, panels) = if row.given.is_none() { (ALONE, 0) } else { (KNOWN, VARIABLES.len()) };
    // Its baseline is lenient, so the share that it adds is an upper bound.
    let bound = if row.given.is_some() && row.variable == Some(Variable::PreviousToken) { " (at most)" } else { "" };
    // No share is above 100 %, where a symmetric interval may end.
    let values = [row.explained, row.explained_low, row.explained_high.map(|high| high.min(1.0))];
    vec![HeroMark {
        place: panels + place,
        panel: panel.to_owned(),
        label: format!("{}{bound}", VARIABLES[place].1),
        values,
    }]
}

const WAY: &str = "way from chance to full agreement with the last checkpoint, %";
const BESIDE: &str = "beside the time axis: tokens whose first choice differs, %";

fn way(row: &Finding) -> Vec<HeroMark> {
    let (Some(checkpoint), Some(reference)) = (&row.checkpoint, &row.reference) else { return Vec::new() };
    let on_axis = row.training_tokens.is_some();
    let less = |share: Option<f64>| share.map(|share| 1.0 - share);
    let label = readable(checkpoint);
    match row.statistic {
        // The last checkpoint agrees with itself.
        _ if checkpoint == reference => Vec::new(),
        Statistic::RouterSaturation if on_axis => {
            vec![HeroMark {
                place: 0,
                panel: WAY.to_owned(),
                label,
                values: [row.corrected, row.corrected_low, row.corrected_high],
            }]
        }
        Statistic::FirstChoiceAgreement if !on_axis => {
            vec![HeroMark {
                place: 1,
                panel: BESIDE.to_owned(),
                label,
                values: [less(row.estimate), less(row.high), less(row.low)],
            }]
        }
        _ => Vec::new(),
    }
}

const LOST: &str = "dropped assignments, %";
const TREND: &str = "last quarter minus first, percentage points";

fn drops(row: &Finding) -> Vec<HeroMark> {
    if row.checkpoint.is_some() || !row.is_over_all() {
        return Vec::new();
    }
    let values = [row.estimate, row.low, row.high];
    let mark = |place, panel: &str, label: &str, values| HeroMark {
        place,
        panel: panel.to_owned(),
        label: label.to_owned(),
        values,
    };
    match (row.statistic, row.variant) {
        (Statistic::AssignmentDropRatio, None) => vec![mark(0, LOST, "all assignments", values)],
        (Statistic::DropTrend, Some(Variant::LastMinusFirst)) => {
            vec![mark(1, TREND, "as it is", values), mark(2, TREND, "in random order", [row.baseline, None, None])]
        }
        (Statistic::DropTrend, Some(Variant::LastMinusFirstExcess)) => {
            vec![mark(3, TREND, "left above random order", values)]
        }
        _ => Vec::new(),
    }
}

/// The picture of a kind of run; none if its rows are missing.
pub(in crate::report) fn hero(kind: &KindOfRun, rows: &[FigureRow<'_>]) -> Option<Figure> {
    let last = super::keys::StatisticKeys::of(rows).last;
    let belongs = |row: &&FigureRow<'_>| {
        let reference = row.finding.reference.as_deref().map(readable);
        row.command.studied_as() == kind.command && (reference.is_none() || reference.as_ref() == last.get(&row.run))
    };
    let mut marks: Vec<(FigureRow<'_>, HeroMark)> = rows
        .iter()
        .filter(belongs)
        .flat_map(|row| (kind.marks)(row.finding).into_iter().map(|mark| (*row, mark)))
        .collect();
    // Beside nothing of the picture's own the words have no number.
    if !marks.is_empty() {
        marks.extend((kind.picks)(&rows.iter().filter(belongs).copied().collect::<Vec<_>>()));
    }
    marks.retain(|(_, mark)| mark.values[0].is_some());
    marks.sort_by_key(|(_, mark)| mark.place);
    let shown: Vec<FigureRow<'_>> = marks.iter().map(|(row, _)| *row).collect();
    let mut columns = Columns::of(&shown);
    for (at, name) in ["estimate", "low", "high"].into_iter().enumerate() {
        let percent =
            |(_, mark): &(FigureRow<'_>, HeroMark)| mark.values[at].map(|share| rounded(share * 100.0).into());
        columns.add(name, marks.iter().map(|mark| percent(mark).unwrap_or_default()));
    }
    columns.words("label", marks.iter().map(|(_, mark)| mark.label.clone()));
    if marks.iter().any(|(_, mark)| !mark.panel.is_empty()) {
        columns.words("series", marks.iter().map(|(_, mark)| mark.panel.clone()));
    }
    (!marks.is_empty()).then(|| Figure {
        rows: in_order(marks.iter().map(|(_, mark)| mark.label.clone())),
        zero: true,
        reach: kind.reach,
        decimals: Some(kind.decimals),
        ..figure(FigureKind::Intervals, kind.label.to_owned(), kind.unit, columns)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        routing::View,
        stats::{Role, Subject},
    };

    /// The picture of a kind of run.
    fn hero_of(command: RunKind, findings: &[Finding]) -> Figure {
        let rows: Vec<FigureRow<'_>> =
            findings.iter().map(|finding| FigureRow { run: 0, command, model: "base", finding }).collect();
        hero(HEROES.iter().find(|kind| kind.command == command).unwrap(), &rows).unwrap()
    }

    #[test]
    fn the_picture_of_a_route_run_shows_what_the_words_say() {
        let row = |statistic, variable: Variable, given: Option<Variable>, explained| Finding {
            explained: Some(explained),
            ..Finding::new(statistic, 1, View::Chosen).about(|subject| Subject {
                variable: Some(variable),
                given,
                variant: variable.name().starts_with("position").then_some(Variant::WithinSequenceShift),
                ..subject
            })
        };
        let known = Some(Variable::Token);
        let hero = hero_of(
            RunKind::Route,
            &[
                row(Statistic::MutualInformation, Variable::Position, None, 0.01),
                row(Statistic::MutualInformation, Variable::Token, None, 0.81),
                row(Statistic::ConditionalMutualInformation, Variable::PositionBucket, known, 0.03),
                row(Statistic::ConditionalMutualInformation, Variable::PreviousToken, known, 0.27),
                // The lenient row of the same variable is not in the words.
                row(Statistic::MutualInformation, Variable::Position, None, 0.9)
                    .about(|subject| Subject { variant: None, ..subject }),
            ],
        );
        assert_eq!(hero.data["label"], json!(["token id", "position", "previous token (at most)", "position"]));
        assert_eq!(hero.data["estimate"], json!([81.0, 1.0, 27.0, 3.0]));
        assert_eq!(
            hero.data["series"]
                .as_array()
                .unwrap()
                .iter()
                .map(|name| name.as_str().unwrap()[..5].to_owned())
                .collect::<Vec<_>>(),
            ["alone", "alone", "once ", "once "]
        );
    }

    #[test]
    fn the_picture_of_a_drift_run_shows_the_way_from_chance_to_the_last_checkpoint() {
        let pair = |at: usize, of: usize, corrected| Finding {
            corrected: Some(corrected),
            ..Finding { estimate: Some(0.7), ..Finding::new(Statistic::RouterSaturation, 1, View::Chosen) }.about(
                |subject| Subject {
                    checkpoint: Some(format!("t{at}")),
                    reference: Some(format!("t{of}")),
                    training_tokens: (at < 3).then_some(at as f64 + 1.0),
                    ..subject
                },
            )
        };
        let beside = Finding {
            statistic: Statistic::FirstChoiceAgreement,
            estimate: Some(0.75),
            low: Some(0.7),
            high: Some(0.8),
            ..pair(3, 2, 0.0)
        };
        let on_axis = beside.clone().about(|subject| Subject { training_tokens: Some(1.0), ..subject });
        let rows =
            [pair(0, 2, 0.1), pair(1, 2, 0.67), pair(2, 2, 1.0), pair(0, 1, 0.5), pair(3, 2, 0.8), on_axis, beside];
        let hero = hero_of(RunKind::Drift, &rows);
        assert_eq!(hero.data["label"], json!(["t0", "t1", "t3"]));
        let values = ["estimate", "low", "high"].map(|name| hero.data[name][2].as_f64().unwrap());
        assert_eq!((values, &hero.data["estimate"][1]), ([25.0, 20.0, 30.0], &json!(67.0)));
    }

    #[test]
    fn the_picture_of_a_drops_run_shows_the_trend_and_what_is_left_of_it() {
        let trend = |variant: Variant, estimate, baseline| Finding {
            baseline: Some(baseline),
            ..Finding { estimate: Some(estimate), ..Finding::new(Statistic::DropTrend, 1, View::Chosen) }
                .about(|subject| Subject { variant: Some(variant), ..subject })
        };
        let dropped =
            Finding { estimate: Some(0.038), ..Finding::new(Statistic::AssignmentDropRatio, 1, View::Chosen) };
        let hero = hero_of(
            RunKind::Drops,
            &[
                trend(Variant::LastMinusFirst, 0.0543, 0.0519),
                trend(Variant::LastMinusFirstExcess, 0.0024, 0.0),
                trend(Variant::Slope, 0.5, 0.4),
                dropped.clone().about(|subject| Subject { role: Some(Role::User), ..subject }),
                dropped,
            ],
        );
        assert_eq!(
            hero.data["label"],
            json!(["all assignments", "as it is", "in random order", "left above random order"])
        );
        assert_eq!(hero.data["estimate"], json!([3.8, 5.43, 5.19, 0.24]));
    }
}
