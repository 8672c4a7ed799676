//! How much categories differ in their experts: `domain_specialization`, `cramers_v`, `jensen_shannon`.

use std::collections::HashSet;

use super::{
    Tables,
    catalog::Statistic,
    entropy::{NORMAL_95, jackknife_error},
    finding::Finding,
    names::{BaselineKind, Variable},
    occurrences::NONE,
    resample::percentile,
    share::{Shares, shares},
    study::{Group, Study, mean, p_value},
    subject::Subject,
};
use crate::routing::{ExpertId, View};

/// `domain_specialization` = `N_ec` / `N_c`: share of the category's occurrences that chose (kept) the expert, in the
/// top-k sense (OLMoE, arXiv 2409.02060, eq. 7); sums to k over experts on the chosen view. Baseline k/E.
pub(super) fn domain_specialization(study: &Study, view: View, group: &Group, shares: &Shares) -> Vec<Finding> {
    let Some(category) = group.category else { return Vec::new() };
    let counts = &study.counts[view as usize];
    let sums = |f: &dyn Fn(usize) -> u32| study.resamples.sums(group.documents.iter().map(|d| (*d, f64::from(f(*d)))));
    let occurrences = sums(&|d| counts.occurrences[d]);
    let interval = |expert: usize| {
        let chosen = sums(&|d| counts.of(d)[expert]);
        percentile(&mut chosen.iter().zip(&occurrences).map(|(above, below)| above / below).collect())
    };
    let row = |expert: usize| {
        let finding = study.about_category(study.finding(Statistic::DomainSpecialization, view), category);
        let finding =
            finding.by(Variable::Category).about(|subject| Subject { expert: Some(expert as ExpertId), ..subject });
        let interval = study.resamples.enough(shares.documents).then(|| interval(expert)).flatten();
        let estimate = shares.count[expert] as f64 / shares.n as f64;
        let finding = finding.measured(estimate, interval, shares.n, shares.documents as u64);
        let finding = finding.against(study.data.top_k as f64 / study.data.experts as f64, BaselineKind::Uniform);
        study.with_reason(finding, shares.documents)
    };
    (0..study.data.experts).map(row).collect()
}

/// Cramér's V of a table of counts, sqrt(chi^2 / (N min(C - 1, E - 1))), without empty rows and columns. NaN if fewer than two
/// rows or columns are left.
pub fn cramers_v(table: &[Vec<u64>]) -> f64 {
    let experts = table.first().map_or(0, Vec::len);
    let rows: Vec<f64> = table.iter().map(|row| row.iter().sum::<u64>() as f64).collect();
    let columns: Vec<f64> = (0..experts).map(|e| table.iter().map(|row| row[e]).sum::<u64>() as f64).collect();
    let used = |sums: &[f64]| sums.iter().filter(|sum| **sum > 0.0).count();
    let least = used(&rows).min(used(&columns));
    if least < 2 {
        return f64::NAN;
    }
    let mut squares = 0.0;
    for (row, n_row) in table.iter().zip(&rows) {
        for (count, n_column) in row.iter().zip(&columns).filter(|(count, _)| **count > 0) {
            squares += (*count as f64).powi(2) / (n_row * n_column);
        }
    }
    ((squares - 1.0).max(0.0) / (least - 1) as f64).sqrt()
}

/// Jensen-Shannon divergence in bits between the share vectors of several rows of counts, every row with the same
/// weight: H(mean of the shares) - mean of H(share). Rows without counts are left out; NaN with fewer than two.
pub fn jensen_shannon(table: &[&[u64]]) -> f64 {
    let shares: Vec<Vec<f64>> = table.iter().map(|row| shares(row)).filter(|share| !share.is_empty()).collect();
    if shares.len() < 2 {
        return f64::NAN;
    }
    let rows = shares.len() as f64;
    let mut middle = vec![0.0; shares[0].len()];
    for share in &shares {
        middle.iter_mut().zip(share).for_each(|(sum, share)| *sum += share / rows);
    }
    entropy(&middle) - shares.iter().map(|share| entropy(share)).sum::<f64>() / rows
}

fn entropy(share: &[f64]) -> f64 {
    share.iter().filter(|q| **q > 0.0).map(|q| -q * q.log2()).sum()
}

/// What is compared: all categories that have documents, or two of them.
#[derive(Clone, Copy)]
enum Between {
    All,
    Pair(usize, usize),
}

impl Between {
    fn includes(self, category: u32) -> bool {
        match self {
            Self::All => category != NONE,
            Self::Pair(a, b) => [a, b].contains(&(category as usize)),
        }
    }
}

/// One divergence between categories: what it is, how it is computed.
type Divergence = (Statistic, fn(&[Vec<u64>], Between) -> f64);

const CRAMERS_V: Divergence = (Statistic::CramersV, |table, _| cramers_v(table));
const JENSEN_SHANNON: Divergence = (Statistic::JensenShannon, |table, between| {
    let rows: Vec<&[u64]> = match between {
        Between::All => table.iter().map(Vec::as_slice).collect(),
        Between::Pair(a, b) => vec![&table[a], &table[b]],
    };
    jensen_shannon(&rows)
});

/// `cramers_v` of category and expert over assignments.
pub(super) fn cramers_v_findings(study: &Study, view: View, permuted: &[Vec<Vec<u64>>]) -> Vec<Finding> {
    vec![divergence(study, view, CRAMERS_V, Between::All, permuted)]
}

/// The most categories that are shown one by one. If there are more, charts, pages and the summary show none of them, and their
/// pairs, whose number grows with the square, are not compared at all.
pub const CATEGORIES_SHOWN: usize = 64;
/// The largest product of categories and documents for which a divergence over all categories gets an interval.
const MOST_RECOUNTED: usize = 2 << 20;

/// Removes the rows of single categories if there are more than [`CATEGORIES_SHOWN`], before tables are shown. Rows about documents
/// stay.
pub fn keep_shown_categories(tables: &mut Tables) {
    let is_of_one = |row: &Finding| row.category.is_some() && row.document.is_none();
    let rows = tables.values().flat_map(|table| &table.rows).filter(|row| is_of_one(row));
    let names: HashSet<&str> = rows.filter_map(|row| row.category.as_deref()).collect();
    if names.len() > CATEGORIES_SHOWN {
        for table in tables.values_mut() {
            table.rows.retain(|row| !is_of_one(row));
        }
    }
}

/// `jensen_shannon`: over all categories, and between each two (of at most 64 categories).
pub(super) fn jensen_shannon_findings(study: &Study, view: View, permuted: &[Vec<Vec<u64>>]) -> Vec<Finding> {
    let documents = study.data.category_documents();
    let used: Vec<usize> = (0..documents.len()).filter(|category| documents[*category] > 0).collect();
    let pairs = used.iter().flat_map(|a| used.iter().filter(move |b| a < b).map(|b| Between::Pair(*a, *b)));
    let overall = divergence(study, view, JENSEN_SHANNON, Between::All, permuted);
    if used.len() > CATEGORIES_SHOWN {
        let reason = format!("{} categories: pairs are compared for at most {CATEGORIES_SHOWN}", used.len());
        return vec![overall.remark(reason)];
    }
    let pairs = pairs.map(|between| divergence(study, view, JENSEN_SHANNON, between, permuted));
    std::iter::once(overall).chain(pairs).collect()
}

/// A divergence with its delete-one-document interval and its null. n = occurrences that have one of the categories.
fn divergence(study: &Study, view: View, what: Divergence, between: Between, permuted: &[Vec<Vec<u64>>]) -> Finding {
    let (statistic, compute) = what;
    let (label, counts) = (&study.data.label, &study.counts[view as usize]);
    let mut finding = study.finding(statistic, view);
    if let Between::Pair(a, b) = between {
        finding = study.about_category(finding, a);
        finding.subject.other_category = Some(study.data.category_names[b].clone());
    }
    let documents: Vec<usize> = (0..label.len()).filter(|d| between.includes(label[*d])).collect();
    let n = documents.iter().map(|d| u64::from(counts.occurrences[*d])).sum();
    let mut table = counts.by_label(label, study.data.category_names.len());
    let estimate = compute(&table, between);
    if !estimate.is_finite() {
        let finding = Finding { n, documents: Some(documents.len() as u64), ..finding };
        return finding.withheld("fewer than 2 categories or experts with assignments");
    }
    // Every document is left out once, and then every category is counted again: too much work for thousands of both.
    let categories = table.iter().filter(|row| row.iter().any(|count| *count > 0)).count();
    let is_too_much = categories > CATEGORIES_SHOWN && categories * documents.len() > MOST_RECOUNTED;
    let mut without = |d: &usize| {
        change(&mut table[label[*d] as usize], counts.of(*d), |sum, count| sum - count);
        let value = compute(&table, between);
        change(&mut table[label[*d] as usize], counts.of(*d), |sum, count| sum + count);
        if value.is_finite() { value } else { 0.0 }
    };
    let interval = (study.resamples.enough(documents.len()) && !is_too_much).then(|| {
        let half = NORMAL_95 * jackknife_error(&documents.iter().map(&mut without).collect::<Vec<_>>());
        (estimate - half, estimate + half)
    });
    let null: Vec<f64> = permuted.iter().map(|table| compute(table, between)).filter(|v| v.is_finite()).collect();
    let finding = finding.measured(estimate, interval, n, documents.len() as u64);
    let mut finding = finding.against(mean(null.iter().copied()), BaselineKind::DocumentLabelPermutation);
    finding.p_value = finding.baseline.map(|_| p_value(estimate, null.iter().copied()));
    finding.corrected = finding.baseline.map(|baseline| estimate - baseline);
    let finding = study.with_reason(finding, documents.len());
    if is_too_much {
        return finding.remark(format!("no interval: {categories} categories in {} documents", documents.len()));
    }
    finding
}

fn change(sums: &mut [u64], counts: &[u32], f: impl Fn(u64, u64) -> u64) {
    for (sum, count) in sums.iter_mut().zip(counts) {
        *sum = f(*sum, u64::from(*count));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::StatisticTable;

    #[test]
    fn single_categories_are_shown_up_to_a_number() {
        let row = |category: Option<usize>, document: Option<&str>| {
            Finding::new(Statistic::ExpertShare, 1, View::Kept).about(|subject| Subject {
                category: category.map(|category| format!("c{category}")),
                document: document.map(str::to_owned),
                ..subject
            })
        };
        for (count, left) in [(CATEGORIES_SHOWN, CATEGORIES_SHOWN + 2), (CATEGORIES_SHOWN + 1, 2)] {
            let rows = (0..count).map(|category| row(Some(category), None));
            let mut table = StatisticTable::new("expert_share");
            table.rows = rows.chain([row(None, None), row(Some(3), Some("a"))]).collect();
            let mut tables = Tables::from([("expert_share".to_owned(), table)]);
            keep_shown_categories(&mut tables);
            assert_eq!(tables["expert_share"].rows.len(), left);
        }
    }

    #[test]
    fn cramers_v_of_two_by_two() {
        // chi^2 of [[3, 1], [1, 3]]: expected 2 everywhere, 4 * 1/2 = 2; V = sqrt(2 / 8) = 0.5.
        assert!((cramers_v(&[vec![3, 1], vec![1, 3]]) - 0.5).abs() < 1e-12);
        assert!((cramers_v(&[vec![4, 0, 0], vec![0, 4, 0], vec![0, 0, 0]]) - 1.0).abs() < 1e-12);
        assert!(cramers_v(&[vec![3, 1]]).is_nan());
    }

    #[test]
    fn jensen_shannon_between_disjoint_and_equal_rows() {
        // Disjoint: H(mean) - 0 = 1 bit for two rows, log2 3 for three; counts do not weigh.
        assert!((jensen_shannon(&[&[9, 0], &[0, 1]]) - 1.0).abs() < 1e-12);
        assert!((jensen_shannon(&[&[9, 0, 0], &[0, 1, 0], &[0, 0, 5]]) - 3.0_f64.log2()).abs() < 1e-12);
        assert!(jensen_shannon(&[&[2, 6], &[1, 3]]).abs() < 1e-12);
        assert!(jensen_shannon(&[&[2, 6], &[0, 0]]).is_nan());
    }
}
