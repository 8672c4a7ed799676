//! The pictures beside the words of the first screen: the same numbers, in the same unit, with their values written.

use super::{Figure, Kind, Row, data::Columns, keys::in_order, layout::figure};
use crate::{
    report::text::{readable, rounded},
    stats::Finding,
};

/// A kind of run: its question, and the picture that answers it.
#[derive(Clone, Copy, Debug)]
pub(in crate::report) struct KindOfRun {
    /// The command that makes it.
    pub(in crate::report) command: &'static str,
    /// What it asks.
    pub(in crate::report) question: &'static str,
    /// The statistic at whose section the picture stands as well.
    pub(in crate::report) statistic: &'static str,
    /// All statistics that the picture is made of.
    pub(in crate::report) made_of: &'static [&'static str],
    /// What the picture shows.
    pub(in crate::report) caption: &'static str,
    label: &'static str,
    /// Axis and tips.
    unit: &'static str,
    decimals: u8,
    reach: Option<(f64, f64)>,
    /// A row as marks of the picture.
    marks: fn(&Finding) -> Vec<Mark>,
}

/// What one row gives to the picture.
struct Mark {
    /// Place in the order of the picture.
    place: usize,
    panel: &'static str,
    label: String,
    /// Estimate and interval, as shares.
    values: [Option<f64>; 3],
}

/// The kinds of run in the order of the page.
pub(in crate::report) const HEROES: [KindOfRun; 3] = [
    KindOfRun {
        command: "route",
        question: "Is routing decided by the token id, whatever the context?",
        statistic: "mutual_information",
        made_of: &["mutual_information", "conditional_mutual_information"],
        caption: "How much of what can be explained about the expert each variable explains alone, and how much of what is left \
                  it adds once the token id is known; with 95 % intervals over documents.",
        label: "alone, and once the token id is known",
        unit: "% of what can be explained",
        decimals: 0,
        reach: Some((0.0, 100.0)),
        marks: explained,
    },
    KindOfRun {
        command: "drift",
        question: "Is routing learnt early and then fixed?",
        statistic: "router_saturation",
        made_of: &["router_saturation"],
        caption: "How far each checkpoint is on the way from load-matched chance (0 %) to full agreement with the last \
                  checkpoint of the training (100 %), with 95 % intervals over documents.",
        label: "way from chance to full agreement",
        unit: "% of the way from chance to full agreement",
        decimals: 0,
        reach: Some((0.0, 100.0)),
        marks: way,
    },
    KindOfRun {
        command: "drops",
        question: "Are later tokens dropped more?",
        statistic: "assignment_drop_ratio",
        made_of: &["assignment_drop_ratio", "drop_trend"],
        caption: "Dropped share of the assignments; and how much more the last quarter of a sequence loses than the first: as \
                  it is, in random order, whose queues fill up as well, and what is left; with 95 % intervals over documents.",
        label: "drops, and last quarter less first",
        unit: "%, or percentage points",
        decimals: 2,
        reach: None,
        marks: drops,
    },
];

const ALONE: &str = "alone: % of what can be explained";
const KNOWN: &str = "once the token id is known: % of what is left";
/// Variables in the order of the words.
const VARIABLES: [(&str, &str); 6] = [
    ("token", "token id"),
    ("previous_token", "previous token"),
    ("category", "category"),
    ("position", "position"),
    ("position_bucket", "position"),
    ("document", "document"),
];

fn explained(row: &Finding) -> Vec<Mark> {
    let variable = VARIABLES.iter().position(|(name, _)| row.variable.as_deref() == Some(name));
    let Some(place) = variable.filter(|_| row.explained.is_some() && row.decides()) else { return Vec::new() };
    let (panel, panels) = if row.given.is_none() { (ALONE, 0) } else { (KNOWN, VARIABLES.len()) };
    let values = [row.explained, row.explained_low, row.explained_high];
    vec![Mark { place: panels + place, panel, label: VARIABLES[place].1.to_owned(), values }]
}

fn way(row: &Finding) -> Vec<Mark> {
    let (Some(checkpoint), Some(reference)) = (&row.checkpoint, &row.reference) else { return Vec::new() };
    let values = [row.corrected, row.corrected_low, row.corrected_high];
    // Of the other pairs no words are made, and the last checkpoint agrees with itself.
    if checkpoint == reference || row.training_tokens.is_none() {
        return Vec::new();
    }
    vec![Mark { place: 0, panel: "", label: readable(checkpoint), values }]
}

const LOST: &str = "dropped assignments, %";
const TREND: &str = "last quarter less first, percentage points";

fn drops(row: &Finding) -> Vec<Mark> {
    let own = row.checkpoint.is_none() && row.dataset.is_none() && row.cohort.is_none();
    let parts = row.category.is_some() || row.role.is_some() || row.turn.is_some() || row.variable.is_some();
    let single = row.expert.is_some() || row.token_id.is_some() || row.position.is_some();
    if !own || parts || single {
        return Vec::new();
    }
    let values = [row.estimate, row.low, row.high];
    let mark = |place, panel, label: &str, values| Mark { place, panel, label: label.to_owned(), values };
    match (&*row.statistic, row.variant.as_deref()) {
        ("assignment_drop_ratio", None) => vec![mark(0, LOST, "all assignments", values)],
        ("drop_trend", Some("last_minus_first")) => {
            vec![mark(1, TREND, "as it is", values), mark(2, TREND, "in random order", [row.baseline, None, None])]
        }
        ("drop_trend", Some("last_minus_first_excess")) => vec![mark(3, TREND, "left above random order", values)],
        _ => Vec::new(),
    }
}

/// The picture of a kind of run; none where its rows are missing.
pub(in crate::report) fn hero(kind: &KindOfRun, rows: &[Row<'_>]) -> Option<Figure> {
    let last = super::keys::Keys::of(rows).last;
    let belongs = |row: &&Row<'_>| {
        let reference = row.finding.reference.as_deref().map(readable);
        row.command == kind.command && (reference.is_none() || reference.as_ref() == last.get(&row.run))
    };
    let mut marks: Vec<(Row<'_>, Mark)> = rows
        .iter()
        .filter(belongs)
        .flat_map(|row| (kind.marks)(row.finding).into_iter().map(|mark| (*row, mark)))
        .collect();
    marks.retain(|(_, mark)| mark.values[0].is_some());
    marks.sort_by_key(|(_, mark)| mark.place);
    let shown: Vec<Row<'_>> = marks.iter().map(|(row, _)| *row).collect();
    let mut columns = Columns::of(&shown);
    for (at, name) in ["estimate", "low", "high"].into_iter().enumerate() {
        let percent = |(_, mark): &(Row<'_>, Mark)| mark.values[at].map(|share| rounded(share * 100.0).into());
        columns.add(name, marks.iter().map(|mark| percent(mark).unwrap_or_default()));
    }
    columns.words("label", marks.iter().map(|(_, mark)| mark.label.clone()));
    if marks.iter().any(|(_, mark)| !mark.panel.is_empty()) {
        columns.words("series", marks.iter().map(|(_, mark)| mark.panel.to_owned()));
    }
    (!marks.is_empty()).then(|| Figure {
        rows: in_order(marks.iter().map(|(_, mark)| mark.label.clone())),
        zero: true,
        reach: kind.reach,
        decimals: Some(kind.decimals),
        ..figure(Kind::Intervals, kind.label.to_owned(), kind.unit, columns)
    })
}
