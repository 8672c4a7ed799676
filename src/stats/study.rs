//! The common basis of all statistics of a layer: its rows, their counts by document, resamples and permutations.

use rayon::prelude::*;

use super::{
    catalog::Statistic,
    cells::Cells,
    entropy::NLogN,
    finding::Finding,
    occurrences::{NONE, Occurrences},
    resample::Resamples,
    settings::Settings,
    subject::Subject,
};
use crate::{
    error::{Error, Result},
    random::{Purpose, Stream},
    routing::View,
    trace::{LayerTrace, SequenceTable},
};

/// One layer, ready for counting.
pub(super) struct Study<'a> {
    /// Minima, seed, repetitions.
    pub(super) settings: &'a Settings,
    /// Names of documents, categories and tokens.
    pub(super) sequences: &'a SequenceTable,
    /// The layer as it was recorded.
    pub(super) trace: &'a LayerTrace,
    /// The rows that count.
    pub(super) data: Occurrences,
    /// f(n) = n log2 n.
    pub(super) f: NLogN,
    /// Bootstrap weights.
    pub(super) resamples: Resamples,
    /// Rows by token id.
    pub(super) by_token: Cells,
    /// Rows by raw position.
    pub(super) by_position: Cells,
    /// Expert counts by document, per view.
    pub(super) counts: [DocumentCounts; 2],
    /// Whether the counts are told apart by document; without, a category is counted as one.
    pub(super) tells_documents: bool,
}

impl<'a> Study<'a> {
    /// Lays out a layer and draws its resamples.
    pub(super) fn new(sequences: &'a SequenceTable, trace: &'a LayerTrace, settings: &'a Settings) -> Result<Self> {
        let data = Occurrences::new(sequences, trace, settings)?;
        let rows: Vec<u32> = (0..data.len() as u32).collect();
        let resamples = Resamples::draw(settings, trace.layer, data.documents());
        let counts = View::ALL.map(|view| DocumentCounts::new(&data, view));
        if resamples.largest_total(&counts[0].assignments) > u64::from(u32::MAX) {
            return Err(Error::internal(format!("decoder layer {}: too many assignments to resample", trace.layer)));
        }
        Ok(Self {
            settings,
            sequences,
            trace,
            f: NLogN::new(data.len() * data.top_k),
            resamples,
            by_token: Cells::by(&rows, &data.token),
            by_position: Cells::by(&rows, &data.position),
            counts,
            data,
            tells_documents: true,
        })
    }

    /// A layer of which only numbers of assignments are known.
    pub(super) fn of_counts(
        sequences: &'a SequenceTable,
        trace: &'a LayerTrace,
        settings: &'a Settings,
        label: Vec<u32>,
        counts: DocumentCounts,
    ) -> Result<Self> {
        let data = Occurrences {
            layer: trace.layer,
            experts: trace.num_experts,
            top_k: trace.top_k,
            label,
            category_names: sequences.category_names.clone(),
            ..Occurrences::default()
        };
        let resamples = Resamples::draw(settings, trace.layer, data.documents());
        let total = counts.assignments.iter().map(|count| u64::from(*count)).sum();
        if resamples.largest_total(&counts.assignments).max(total) > u64::from(u32::MAX) {
            return Err(Error::usage(
                format!("layer {} has {total} assignments; expected at most {}", trace.layer, u32::MAX),
                "import the counts of fewer steps",
            ));
        }
        Ok(Self {
            settings,
            sequences,
            trace,
            f: NLogN::new(total as usize),
            resamples,
            by_token: Cells::by(&[], &[]),
            by_position: Cells::by(&[], &[]),
            counts: [counts, DocumentCounts::none(&data)],
            data,
            tells_documents: true,
        })
    }

    /// An empty finding at this layer.
    pub(super) fn finding(&self, statistic: Statistic, view: View) -> Finding {
        Finding::new(statistic, self.data.layer, view)
    }

    /// A finding about one token id, with its text.
    pub(super) fn about_token(&self, finding: Finding, dense_token: usize) -> Finding {
        let id = self.data.token_ids[dense_token];
        finding.about(|subject| Subject {
            token_id: Some(id),
            text: self.sequences.token_text.get(&id).cloned(),
            ..subject
        })
    }

    /// A finding about one category.
    pub(super) fn about_category(&self, finding: Finding, category: usize) -> Finding {
        finding.about(|subject| Subject { category: Some(self.data.category_names[category].clone()), ..subject })
    }

    /// A finding about a document, with its category.
    pub(super) fn about_label(&self, finding: Finding, document: usize) -> Finding {
        let label = self.data.label[document];
        if label == NONE { finding } else { self.about_category(finding, label as usize) }
    }

    /// The groups of documents that loads, shares and repetition are given for: over all, then every category that has
    /// documents.
    pub(super) fn groups(&self) -> Vec<Group> {
        let all = Group { category: None, documents: (0..self.data.documents()).collect() };
        let of = |category: usize| -> Vec<usize> {
            (0..self.data.documents()).filter(|d| self.data.label[*d] as usize == category).collect()
        };
        let categories = (0..self.data.category_names.len())
            .map(|category| Group { category: Some(category), documents: of(category) })
            .filter(|group| !group.documents.is_empty());
        std::iter::once(all).chain(categories).collect()
    }

    /// The rows of a token id, document by document; `None` if no row that counts has it.
    pub(super) fn rows_of_token(&self, token_id: u32) -> Option<&[u32]> {
        let dense = self.data.token_ids.binary_search(&token_id).ok()? as u32;
        let Cells { rows, start } = &self.by_token;
        let token = |first: u32| self.data.token[rows[first as usize] as usize];
        let cell = start[..self.by_token.len()].partition_point(|first| token(*first) < dense);
        let rows = (cell < self.by_token.len()).then(|| self.by_token.cell(cell))?;
        (self.data.token[rows[0] as usize] == dense).then_some(rows)
    }

    /// The remark for findings whose interval is withheld.
    pub(super) fn too_few_documents(&self, documents: usize) -> String {
        if !self.tells_documents {
            return "no interval: the record does not tell documents apart".to_owned();
        }
        format!(
            "no interval: {}, at least {} needed",
            super::counted(documents as u64, "document"),
            self.settings.minimum_documents
        )
    }

    /// Adds that remark if there are too few documents, and another if intervals were not asked for.
    pub(super) fn with_reason(&self, finding: Finding, documents: usize) -> Finding {
        if !self.resamples.enough(documents) {
            return finding.remark(self.too_few_documents(documents));
        }
        let withheld = self.resamples.len() == 0 && finding.estimate.is_some() && finding.low.is_none();
        if withheld { finding.remark("no resamples") } else { finding }
    }

    /// Calls `f` once per permutation with a fresh stream; results in the order of the permutations, whatever the
    /// number of threads.
    pub(super) fn permutations<T: Send>(&self, purpose: Purpose, f: impl Fn(&mut Stream) -> T + Sync) -> Vec<T> {
        (0..self.settings.permutations)
            .into_par_iter()
            .map(|index| f(&mut Stream::new(self.settings.seed, self.data.layer, purpose, index)))
            .collect()
    }

    /// Calls `f` once per permutation of the category labels over the documents that have one.
    pub(super) fn label_permutations<T: Send>(&self, f: impl Fn(&[u32]) -> T + Sync) -> Vec<T> {
        let labelled: Vec<usize> = (0..self.data.documents()).filter(|d| self.data.label[*d] != NONE).collect();
        self.permutations(Purpose::Labels, |stream| {
            let mut drawn: Vec<u32> = labelled.iter().map(|d| self.data.label[*d]).collect();
            stream.shuffle(&mut drawn);
            let mut label = vec![NONE; self.data.documents()];
            for (document, category) in labelled.iter().zip(drawn) {
                label[*document] = category;
            }
            f(&label)
        })
    }
}

/// Documents that a number is about.
pub(super) struct Group {
    /// `None` = over all.
    pub(super) category: Option<usize>,
    /// Dense document indices.
    pub(super) documents: Vec<usize>,
}

/// Expert counts by document in one view.
#[derive(Debug, Default)]
pub(super) struct DocumentCounts {
    /// Assignments, `[documents, experts]`.
    pub(super) expert: Vec<u32>,
    /// Assignments per document.
    pub(super) assignments: Vec<u32>,
    /// Occurrences per document.
    pub(super) occurrences: Vec<u32>,
    /// Experts of the layer.
    pub(super) experts: usize,
}

impl DocumentCounts {
    fn new(data: &Occurrences, view: View) -> Self {
        let documents = data.documents();
        let mut counts = Self {
            expert: vec![0; documents * data.experts],
            assignments: vec![0; documents],
            occurrences: vec![0; documents],
            experts: data.experts,
        };
        for row in 0..data.len() {
            let document = data.document[row] as usize;
            counts.occurrences[document] += 1;
            for &expert in data.choices(view, row) {
                counts.assignments[document] += 1;
                counts.expert[document * data.experts + usize::from(expert)] += 1;
            }
        }
        counts
    }

    /// No assignment of any document: the kept view of counts.
    fn none(data: &Occurrences) -> Self {
        let documents = data.documents();
        Self {
            expert: vec![0; documents * data.experts],
            assignments: vec![0; documents],
            occurrences: vec![0; documents],
            experts: data.experts,
        }
    }

    /// The expert counts of one document.
    pub(super) fn of(&self, document: usize) -> &[u32] {
        &self.expert[document * self.experts..(document + 1) * self.experts]
    }

    /// The expert counts of several documents together.
    pub(super) fn total(&self, documents: &[usize]) -> Vec<u64> {
        let mut total = vec![0; self.experts];
        for &document in documents {
            for (sum, count) in total.iter_mut().zip(self.of(document)) {
                *sum += u64::from(*count);
            }
        }
        total
    }

    /// Expert counts by label, `[labels, experts]`; documents labelled [`NONE`] take no part.
    pub(super) fn by_label(&self, label: &[u32], labels: usize) -> Vec<Vec<u64>> {
        let mut table = vec![vec![0; self.experts]; labels];
        for (document, &label) in label.iter().enumerate().filter(|(_, label)| **label != NONE) {
            for (sum, count) in table[label as usize].iter_mut().zip(self.of(document)) {
                *sum += u64::from(*count);
            }
        }
        table
    }

    /// Bootstrap sums of the expert counts of some documents, `[experts][resamples]`.
    pub(super) fn resampled(&self, resamples: &Resamples, documents: &[usize]) -> Vec<Vec<u32>> {
        let mut sums = vec![vec![0; resamples.len()]; self.experts];
        for &document in documents {
            for (sums, &count) in sums.iter_mut().zip(self.of(document)) {
                if count > 0 {
                    resamples.add(document, count, sums);
                }
            }
        }
        sums
    }
}

/// Mean of permuted values; NaN without any.
pub(super) fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len() as f64;
    values.sum::<f64>() / n
}

/// (1 + permutations that reach the estimate) / (1 + permutations); sums that differ by rounding alone count as
/// reached.
pub(super) fn p_value(estimate: f64, permuted: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = permuted.len();
    let reached = permuted.filter(|value| *value >= estimate - 1e-9).count();
    (1 + reached) as f64 / (1 + n) as f64
}
