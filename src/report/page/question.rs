//! The questions of the page, each with the statistics that the runs have.

use std::collections::BTreeSet;

use super::{
    drawn::DrawnStatistic,
    files::files,
    filling::{Card, Choice, QuestionPart, StatisticPart},
    glance::glance,
    reported_run::ReportedRun,
};
use crate::{
    report::{figure::HEROES, questions::Question},
    stats::{Statistic, StatisticInfo},
};

/// Statistics that measure nearly the same: one card, in which one figure shows the one that the reader chooses.
struct Alike {
    title: &'static str,
    statistics: &'static [Statistic],
}

const ALIKE: [Alike; 4] = [
    Alike {
        title: "Balance of the load",
        statistics: &[
            Statistic::MaxViolation,
            Statistic::LoadCv,
            Statistic::LoadGini,
            Statistic::LoadEntropy,
            Statistic::EffectiveExperts,
            Statistic::DeadExperts,
            Statistic::N50,
        ],
    },
    Alike {
        title: "Agreement with the last checkpoint",
        statistics: &[
            Statistic::RouterSaturation,
            Statistic::FirstChoiceAgreement,
            Statistic::ExactSetAgreement,
            Statistic::Jaccard,
            Statistic::GateOverlap,
        ],
    },
    Alike {
        title: "Dropped shares",
        statistics: &[
            Statistic::AssignmentDropRatio,
            Statistic::FirstChoiceDropRatio,
            Statistic::SecondChoiceDropRatio,
            Statistic::ChoiceDropRatio,
            Statistic::TokenDropRatio,
            Statistic::GateMassLost,
        ],
    },
    Alike {
        title: "How unevenly token ids and positions are spread over the experts",
        statistics: &[Statistic::RoutingStd, Statistic::RoutingStdCorrected],
    },
];

/// A question with the statistics that the runs have; none without any.
pub(super) fn part<'a>(
    question: &Question,
    drawn: &'a [DrawnStatistic],
    runs: &[ReportedRun<'_>],
) -> Option<QuestionPart<'a>> {
    let own = drawn.iter().filter(|drawn| drawn.info.question == question.anchor && drawn.is_shown());
    let mut own: Vec<&DrawnStatistic> = own.collect();
    // The statistics of the first screen come first.
    own.sort_by_key(|drawn| !HEROES.iter().any(|kind| kind.statistic == drawn.info.statistic));
    let mut cards: Vec<(usize, Vec<&DrawnStatistic>)> = Vec::new();
    for (at, statistic) in own.into_iter().enumerate() {
        // A statistic like no other has a place of its own behind those of the groups.
        let place = group_of(statistic.info.statistic).unwrap_or(ALIKE.len() + at);
        match cards.iter_mut().find(|(known, _)| *known == place) {
            Some((_, members)) => members.push(statistic),
            None => cards.push((place, vec![statistic])),
        }
    }
    let cards: Vec<Card<'_>> = cards.into_iter().map(|(place, members)| card(place, &members, runs)).collect();
    (!cards.is_empty()).then_some(QuestionPart {
        anchor: question.anchor,
        question: question.words,
        asked: question.asked,
        cards,
    })
}

fn group_of(statistic: Statistic) -> Option<usize> {
    ALIKE.iter().position(|alike| alike.statistics.contains(&statistic))
}

fn card<'a>(place: usize, members: &[&'a DrawnStatistic], runs: &[ReportedRun<'_>]) -> Card<'a> {
    let title = match (members, ALIKE.get(place)) {
        ([_, _, ..], Some(alike)) => alike.title,
        _ => members[0].info.title,
    };
    Card {
        title,
        glance: glance(members[0].info, runs),
        statistics: members.iter().map(|drawn| statistic_part(drawn, runs)).collect(),
        figures: members.iter().flat_map(|drawn| choices(drawn)).collect(),
    }
}

fn choices(drawn: &DrawnStatistic) -> impl Iterator<Item = Choice> {
    let (statistic, title) = (drawn.info.name, drawn.info.title);
    let choice = move |(index, label)| Choice { statistic, title, index, label };
    let labels: Vec<String> = drawn.figures.iter().map(|figure| figure.label.clone()).collect();
    labels.into_iter().enumerate().map(choice)
}

fn statistic_part<'a>(drawn: &'a DrawnStatistic, runs: &[ReportedRun<'_>]) -> StatisticPart<'a> {
    let info = drawn.info;
    StatisticPart {
        name: info.name,
        title: info.title,
        glance: glance(info, runs),
        unit: unit(info, runs),
        definition: info.definition,
        baseline: info.baseline,
        source: info.source,
        reading: info.reading,
        table: drawn.table.as_ref(),
        differences: drawn.differences.as_ref(),
        files: runs.iter().flat_map(|run| files(info, run, runs)).collect(),
    }
}

/// The unit of a statistic; where all its rows have another one, that.
fn unit(info: &StatisticInfo, runs: &[ReportedRun<'_>]) -> String {
    let tables = runs.iter().filter_map(|run| run.tables.get(info.table));
    let rows = tables.flat_map(|table| &table.rows).filter(|row| row.statistic == info.statistic);
    let units: BTreeSet<&str> = rows.map(|row| &*row.unit).collect();
    units.first().filter(|_| units.len() == 1).copied().unwrap_or(info.unit).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_that_share_a_card_answer_the_same_question() {
        for alike in ALIKE {
            let questions: BTreeSet<&str> =
                alike.statistics.iter().map(|statistic| statistic.info().question).collect();
            assert_eq!(questions.len(), 1, "{}", alike.title);
        }
    }
}
