//! By what the tokens are divided.

use serde::Serialize;

use crate::trace::{LossTable, SequenceTable, SpanTable};

/// What divides the tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum PartKind {
    /// Nothing: all tokens.
    All,
    /// The position in the sequence, in bins that double.
    Position,
    /// The message of the conversation.
    Turn,
    /// Who speaks.
    Role,
    /// The category of the document.
    Category,
    /// The data set.
    Dataset,
    /// How often the token id occurs in the text.
    Frequency,
    /// The share of a document's tokens whose id has a row in the table: fifths of the documents.
    Coverage,
}

impl PartKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::All,
        Self::Position,
        Self::Turn,
        Self::Role,
        Self::Category,
        Self::Dataset,
        Self::Frequency,
        Self::Coverage,
    ];

    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Position => "position",
            Self::Turn => "turn",
            Self::Role => "role",
            Self::Category => "category",
            Self::Dataset => "dataset",
            Self::Frequency => "frequency",
            Self::Coverage => "coverage",
        }
    }
}

/// One of the values that divide the tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartValue {
    /// Its name: "8-15" for a bin.
    pub name: String,
}

/// A division of the tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// By what.
    pub kind: PartKind,
    /// The values, in order.
    pub values: Vec<PartValue>,
    /// The value of every next token, `[next tokens]`; [`Part::NONE`] where it has none.
    pub of_row: Vec<u32>,
}

impl Part {
    /// A token without a value.
    pub const NONE: u32 = u32::MAX;

    fn new(kind: PartKind, names: impl IntoIterator<Item = String>, of_row: Vec<u32>) -> Self {
        Self { kind, values: names.into_iter().map(|name| PartValue { name }).collect(), of_row }
    }

    /// Whether at least two values occur.
    fn divides(&self) -> bool {
        let mut known = self.of_row.iter().filter(|value| **value != Self::NONE);
        let first = known.next();
        known.any(|value| Some(value) != first)
    }

    /// Documents in five groups of about equal size, by the share of their tokens that a table knows; fewer where shares are equal.
    /// `counts` says which next tokens count.
    pub fn by_coverage(known: &[bool], document: &[u32], counts: &[bool]) -> Self {
        let documents = document.iter().max().map_or(0, |last| *last as usize + 1);
        let (mut rows, mut hits) = (vec![0_u64; documents], vec![0_u64; documents]);
        for ((known, document), _) in known.iter().zip(document).zip(counts).filter(|(_, counts)| **counts) {
            rows[*document as usize] += 1;
            hits[*document as usize] += u64::from(*known);
        }
        let share = |document: usize| hits[document] as f64 / rows[document] as f64;
        let mut order: Vec<usize> = (0..documents).filter(|document| rows[*document] > 0).collect();
        order.sort_by(|a, b| share(*a).total_cmp(&share(*b)).then(a.cmp(b)));
        let mut group_of = vec![Self::NONE; documents];
        let mut names = Vec::new();
        let mut begun: Option<(usize, f64, f64)> = None;
        for (place, document) in order.iter().enumerate() {
            let (fifth, own) = (place * 5 / order.len(), share(*document));
            match &mut begun {
                // Documents of one share stay together.
                Some((group, _, last)) if *group == fifth || own == *last => *last = own,
                _ => {
                    names.extend(begun.map(|(_, first, last)| range_of_shares(first, last)));
                    begun = Some((fifth, own, own));
                }
            }
            group_of[*document] = names.len() as u32;
        }
        names.extend(begun.map(|(_, first, last)| range_of_shares(first, last)));
        let of_row = document.iter().map(|document| group_of[*document as usize]).collect();
        Self::new(PartKind::Coverage, names, of_row)
    }
}

fn range_of_shares(first: f64, last: f64) -> String {
    let percent = |share: f64| format!("{:.1}", share * 100.0);
    if percent(first) == percent(last) {
        format!("{} %", percent(first))
    } else {
        format!("{}-{} %", percent(first), percent(last))
    }
}

/// Every division of the next tokens of a run that says something: more than one value.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    /// The divisions.
    pub parts: Vec<Part>,
    /// The document of every next token, `[next tokens]`.
    pub document: Vec<u32>,
    /// The turn of every next token, where there are conversations.
    pub turn: Option<Part>,
}

/// First numbers of the bins of frequencies.
const FREQUENCIES: [u64; 6] = [1, 8, 32, 128, 512, 2048];

impl Parts {
    /// From the tables of a run; `token_id` gives the id at a place of a sequence.
    pub fn new(
        losses: &LossTable,
        sequences: &SequenceTable,
        spans: &SpanTable,
        token_id: &[u32],
        occurrences: impl Fn(u32) -> u64,
    ) -> Self {
        let of_sequence = |value: &dyn Fn(usize) -> u32| -> Vec<u32> {
            losses.sequence.iter().map(|sequence| value(*sequence as usize)).collect()
        };
        let document = of_sequence(&|sequence| sequences.document[sequence]);
        let mut parts = vec![by_position(losses)];
        let (turn, role) = by_message(losses, spans);
        parts.extend(turn.clone());
        parts.extend(role);
        let category = of_sequence(&|sequence| sequences.category[sequence].map_or(Part::NONE, u32::from));
        parts.push(Part::new(PartKind::Category, sequences.category_names.iter().cloned(), category));
        let dataset = of_sequence(&|sequence| u32::from(sequences.dataset[sequence]));
        parts.push(Part::new(PartKind::Dataset, sequences.dataset_names.iter().cloned(), dataset));
        parts.push(by_frequency(token_id, occurrences));
        parts.retain(Part::divides);
        Self { parts, document, turn }
    }
}

/// Bins that double: 0, 1, 2-3, 4-7 ...
fn by_position(losses: &LossTable) -> Part {
    let bin = |position: u32| 32 - position.leading_zeros();
    let last = losses.position.iter().max().map_or(0, |last| bin(*last));
    let name = |bin: u32| match bin {
        0 | 1 => bin.to_string(),
        _ => format!("{}-{}", 1_u64 << (bin - 1), (1_u64 << bin) - 1),
    };
    Part::new(PartKind::Position, (0..=last).map(name), losses.position.iter().map(|position| bin(*position)).collect())
}

fn by_frequency(token_id: &[u32], occurrences: impl Fn(u32) -> u64) -> Part {
    let bin = |id: &u32| FREQUENCIES.partition_point(|first| *first <= occurrences(*id)).saturating_sub(1) as u32;
    let name = |at: usize| match FREQUENCIES.get(at + 1) {
        Some(next) => format!("{}-{}", FREQUENCIES[at], next - 1),
        None => format!("{} or more", FREQUENCIES[at]),
    };
    Part::new(PartKind::Frequency, (0..FREQUENCIES.len()).map(name), token_id.iter().map(bin).collect())
}

/// Turn and role of every token of a conversation; none for a run over plain text.
fn by_message(losses: &LossTable, spans: &SpanTable) -> (Option<Part>, Option<Part>) {
    if spans.sequence.is_empty() {
        return (None, None);
    }
    let mut roles: Vec<&'static str> = spans.role.iter().map(|role| role.name()).collect();
    roles.sort_unstable();
    roles.dedup();
    let turns = spans.turn.iter().max().map_or(0, |last| u32::from(*last) + 1);
    let (mut turn, mut role) = (Vec::with_capacity(losses.len()), Vec::with_capacity(losses.len()));
    for (sequence, position) in losses.sequence.iter().zip(&losses.position) {
        // The spans are sorted by sequence, then start.
        let after = spans.sequence.partition_point(|own| own < sequence)
            + spans.start[spans.sequence.partition_point(|own| own < sequence)
                ..spans.sequence.partition_point(|own| own <= sequence)]
                .partition_point(|start| start <= position);
        let span = after.checked_sub(1).filter(|at| spans.sequence[*at] == *sequence && *position < spans.end[*at]);
        turn.push(span.map_or(Part::NONE, |at| u32::from(spans.turn[at])));
        let place = |at: usize| roles.iter().position(|known| *known == spans.role[at].name());
        role.push(span.and_then(place).map_or(Part::NONE, |at| at as u32));
    }
    let turn = Part::new(PartKind::Turn, (0..turns).map(|turn| turn.to_string()), turn);
    let role = Part::new(PartKind::Role, roles.iter().map(|role| (*role).to_owned()), role);
    (Some(turn), Some(role))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Role;

    fn names(part: &Part) -> Vec<&str> {
        part.values.iter().map(|value| value.name.as_str()).collect()
    }

    #[test]
    fn positions_double_and_messages_are_found() {
        let losses = LossTable { sequence: vec![0, 0, 0, 1, 1], position: vec![0, 1, 5, 0, 3], loss: vec![0.0; 5] };
        let position = by_position(&losses);
        assert_eq!(names(&position), ["0", "1", "2-3", "4-7"]);
        assert_eq!(position.of_row, [0, 1, 3, 0, 2]);
        let spans = SpanTable {
            sequence: vec![0, 0, 1],
            turn: vec![0, 1, 0],
            role: vec![Role::User, Role::Assistant, Role::User],
            start: vec![0, 2, 0],
            end: vec![2, 9, 3],
        };
        let (turn, role) = by_message(&losses, &spans);
        assert_eq!(turn.unwrap().of_row, [0, 0, 1, 0, Part::NONE]);
        let role = role.unwrap();
        assert_eq!(names(&role), ["assistant", "user"]);
        assert_eq!(role.of_row, [1, 1, 0, 1, Part::NONE]);
    }

    #[test]
    fn frequencies_and_coverage_have_names() {
        let frequency = by_frequency(&[1, 7, 8, 31, 5000], u64::from);
        assert_eq!(frequency.of_row, [0, 0, 1, 1, 5]);
        assert_eq!(names(&frequency)[4..], ["512-2047", "2048 or more"]);
        // Ten documents of one token each: five know it, five do not.
        let known: Vec<bool> = (0..10).map(|document| document >= 5).collect();
        let document: Vec<u32> = (0..10).collect();
        let coverage = Part::by_coverage(&known, &document, &[true; 10]);
        assert_eq!(names(&coverage), ["0.0 %", "100.0 %"]);
        assert_eq!(coverage.of_row[4..6], [0, 1]);
    }
}
