//! Mutual information of the chosen expert with token, position, category, previous token and document, and what a
//! context adds once the token id is known. Bits, over assignments.

use super::{
    catalog::Statistic,
    cells::Cells,
    entropy::{Sums, scan},
    finding::Finding,
    label_null::label_information,
    names::{BaselineKind, Variable, Variant},
    occurrences::NONE,
    position_null::shifted_answers,
    question::{Counted, Known, Question, count_all},
    study::Study,
};
use crate::{random::Purpose, routing::View};

/// Rows that are shuffled together: over all of them, or within each token id.
pub(super) struct Strata {
    /// The random stream.
    pub(super) purpose: Purpose,
    /// What is known already: one cell, or one per token id. The strata of the shuffle.
    pub(super) known: Cells,
    /// The finer tables: variable and cells.
    pub(super) finer: Vec<(Variable, Cells)>,
}

impl Strata {
    fn over_all(purpose: Purpose, rows: Vec<u32>, variables: &[(Variable, &[u32])]) -> Self {
        let finer = variables.iter().map(|(name, key)| (*name, Cells::by(&rows, key))).collect();
        Self { purpose, known: Cells::single(rows), finer }
    }

    fn within_token(study: &Study, purpose: Purpose, rows: &[u32], variables: &[(Variable, &[u32])]) -> Self {
        let token = &study.data.token;
        let finer = variables.iter().map(|(name, key)| (*name, Cells::by_pair(rows, token, key))).collect();
        Self { purpose, known: Cells::by(rows, token), finer }
    }

    /// Shuffles the choice vectors within the strata and hands them to `f`, once per permutation.
    ///
    /// All tables of the strata are in the order of the strata, so that a uniformly shuffled vector of patterns can be
    /// read in cell order directly, and one shuffle serves all of them.
    pub(super) fn shuffles<T: Send>(&self, study: &Study, f: impl Fn(&[u32]) -> T + Sync) -> Vec<T> {
        let observed = self.known.patterns(&study.data);
        study.permutations(self.purpose, |stream| {
            let mut shuffled = observed.clone();
            for bounds in self.known.start.windows(2) {
                stream.shuffle(&mut shuffled[bounds[0] as usize..bounds[1] as usize]);
            }
            f(&shuffled)
        })
    }

    /// The finer tables.
    fn tables(&self) -> Vec<(Variable, &Cells)> {
        self.finer.iter().map(|(name, cells)| (*name, cells)).collect()
    }

    /// The sums of every finer table, both views, from shuffled patterns.
    pub(super) fn sums(&self, study: &Study, shuffled: &[u32]) -> Vec<[Sums; 2]> {
        let of = |cells: &Cells| {
            scan::<false>(&study.data.patterns, shuffled, &cells.start, &study.f, study.data.experts, |_| ())
        };
        self.finer.iter().map(|(_, cells)| of(cells)).collect()
    }
}

/// The strata of the plain shuffle over all occurrences, with the table by document. The tables by token and position
/// are those of the study.
pub(super) fn plain_strata(study: &Study) -> Strata {
    let rows = (0..study.data.len() as u32).collect();
    Strata::over_all(Purpose::Shuffle, rows, &[(Variable::Document, &study.data.document)])
}

/// `mutual_information`: rows for token, position (also as variant
/// `within_sequence_shift`), previous token, document and category, both views.
pub(super) fn mutual_information(study: &Study, plain: &Strata, permuted: &[Vec<[Sums; 2]>]) -> Vec<Finding> {
    let data = &study.data;
    let name = Statistic::MutualInformation;
    let known = Known::new(study, &plain.known);
    let tables = [
        (Variable::Token, &study.by_token),
        (Variable::Position, &study.by_position),
        (Variable::Document, &plain.finer[0].1),
    ];
    let counted = count_all(study, &tables);
    let mut findings = answers(study, name, &known, &counted, permuted);
    let previous: [(_, &[u32]); 1] = [(Variable::PreviousToken, &data.previous)];
    let strata = Strata::over_all(Purpose::ShufflePrevious, with(&data.previous), &previous);
    findings.extend(shuffled_answers(study, name, &strata, &Known::new(study, &strata.known)));
    let category: [(_, &[u32]); 1] = [(Variable::Category, &data.category)];
    let strata = Strata::over_all(Purpose::Labels, with(&data.category), &category);
    let known_labels = Known::new(study, &strata.known);
    findings.extend(category_answers(study, name, &strata, &known_labels, &count_all(study, &strata.tables())));
    let cells = |position: &[u32]| Cells::by(&plain.known.rows, position);
    findings.extend(shifted_answers(study, name, &known, &counted[1], cells));
    in_view_order(findings)
}

/// `conditional_mutual_information` given the token: rows for position bucket (also as variant
/// `within_sequence_shift`), document, previous token and category (also as variant `within_token_shuffle`), both views.
pub(super) fn conditional_mutual_information(study: &Study) -> Vec<Finding> {
    let name = Statistic::ConditionalMutualInformation;
    let data = &study.data;
    let buckets = |position: &[u32]| position.iter().map(|p| p / study.settings.bucket.max(1)).collect::<Vec<u32>>();
    let bucket = buckets(&data.position);
    let all: Vec<u32> = (0..data.len() as u32).collect();
    let contexts: [(_, &[u32]); 2] = [(Variable::PositionBucket, &bucket), (Variable::Document, &data.document)];
    let strata = Strata::within_token(study, Purpose::WithinToken, &all, &contexts);
    let known = Known::new(study, &strata.known);
    let counted = count_all(study, &strata.tables());
    let permuted = strata.shuffles(study, |shuffled| strata.sums(study, shuffled));
    let mut findings = answers(study, name, &known, &counted, &permuted);
    let cells = |position: &[u32]| Cells::by_pair(&all, &data.token, &buckets(position));
    let shifted = shifted_answers(study, name, &known, &counted[0], cells);
    drop((strata, counted, bucket));
    let previous: [(_, &[u32]); 1] = [(Variable::PreviousToken, &data.previous)];
    let strata = Strata::within_token(study, Purpose::WithinTokenPrevious, &with(&data.previous), &previous);
    findings.extend(shuffled_answers(study, name, &strata, &Known::new(study, &strata.known)));
    let category: [(_, &[u32]); 1] = [(Variable::Category, &data.category)];
    let strata = Strata::within_token(study, Purpose::WithinTokenCategory, &with(&data.category), &category);
    let (known, counted) = (Known::new(study, &strata.known), count_all(study, &strata.tables()));
    findings.extend(category_answers(study, name, &strata, &known, &counted));
    let permuted = strata.shuffles(study, |shuffled| strata.sums(study, shuffled));
    findings.extend(
        answers(study, name, &known, &counted, &permuted)
            .into_iter()
            .map(|row| row.variant(Variant::WithinTokenShuffle)),
    );
    findings.extend(shifted);
    in_view_order(findings)
}

/// The findings of strata against their own shuffle.
fn shuffled_answers(study: &Study, statistic: Statistic, strata: &Strata, known: &Known) -> Vec<Finding> {
    let permuted = strata.shuffles(study, |shuffled| strata.sums(study, shuffled));
    answers(study, statistic, known, &count_all(study, &strata.tables()), &permuted)
}

/// The rows that have a value.
fn with(key: &[u32]) -> Vec<u32> {
    (0..key.len() as u32).filter(|row| key[*row as usize] != NONE).collect()
}

/// Chosen rows before kept rows, otherwise as they were.
fn in_view_order(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by_key(|finding| finding.view != View::Chosen);
    findings
}

/// One finding per finer table and view, against the shuffle of the strata.
fn answers(
    study: &Study,
    statistic: Statistic,
    known: &Known,
    tables: &[Counted],
    permuted: &[Vec<[Sums; 2]>],
) -> Vec<Finding> {
    let is_unconditional = statistic == Statistic::MutualInformation;
    let kind = if is_unconditional { BaselineKind::OccurrenceShuffle } else { BaselineKind::WithinTokenShuffle };
    let of_table = |(table, finer): (usize, &Counted)| {
        View::ALL.map(|view| {
            let entropy = |sums: &Vec<[Sums; 2]>| sums[table][view as usize].conditional_entropy();
            let entropies: Vec<f64> = permuted.iter().map(entropy).collect();
            Question { study, statistic, known, finer, view }.answer(&entropies, kind)
        })
    };
    tables.iter().enumerate().flat_map(of_table).collect()
}

/// The finding about the category in both views, against permuted document labels.
fn category_answers(
    study: &Study,
    statistic: Statistic,
    strata: &Strata,
    known: &Known,
    counted: &[Counted],
) -> Vec<Finding> {
    let permuted = label_information(study, &strata.known);
    let answer = |view: View| {
        let entropies: Vec<f64> = permuted.iter().map(|sums| sums[view as usize].conditional_entropy()).collect();
        Question { study, statistic, known, finer: &counted[0], view }
            .answer(&entropies, BaselineKind::DocumentLabelPermutation)
    };
    View::ALL.map(answer).to_vec()
}
