//! `expert_occupancy`: how full the queue of every expert is along the text.

use rayon::prelude::*;

use super::{
    reason::with_reason,
    study::{DropStudy, Group},
};
use crate::{
    routing::ExpertId,
    stats::{Finding, Statistic, resample::percentile},
};

/// The classes of choices, which queue one after the other.
const VARIANTS: [&str; 2] = ["first_choice", "second_choice"];

/// Occupancies of one expert at the end of one bin, one per sequence.
type Bin = Vec<Taken>;

/// How much of an expert's slots is taken where a sequence has come to the end of a bin.
#[derive(Clone, Copy)]
struct Taken {
    document: usize,
    share: f64,
    /// The same if all experts were asked for alike.
    uniform: f64,
}

/// By choice, expert and bin of positions: mean over the sequences that reach the end of the bin of min(1, queue length
/// / capacity), as a token would find it that comes next.
pub(super) fn expert_occupancy(study: &DropStudy) -> Vec<Finding> {
    let empty = || study.finding(Statistic::ExpertOccupancy).by("position_bucket");
    let limited = study.groups.iter().any(|group| group.capacity < u32::MAX);
    let bin = study.settings.bin.max(1);
    let longest = study.sequences.iter().map(ExactSizeIterator::len).max().unwrap_or(0);
    let variants = &VARIANTS[..study.top_k().min(VARIANTS.len())];
    let withheld = |reason: &str| {
        variants.iter().map(|variant| empty().variant(variant).withheld(reason.to_owned())).collect::<Vec<_>>()
    };
    if !limited {
        return withheld("the capacity is unlimited");
    }
    if longest < bin as usize {
        return withheld(&format!("no sequence reaches the end of a bin of {bin} positions"));
    }
    let cells: Vec<(usize, ExpertId)> = (0..variants.len())
        .flat_map(|choice| (0..study.layer.trace.num_experts as ExpertId).map(move |expert| (choice, expert)))
        .collect();
    let of = |(choice, expert): (usize, ExpertId)| {
        let bins = bins(study, choice, expert);
        let row = |(index, bin_values): (usize, &Bin)| {
            let finding = empty().variant(variants[choice]);
            let position = Some(index as u32 * bin);
            row(study, Finding { expert: Some(expert), position, ..finding }, bin_values)
        };
        bins.iter().enumerate().map(row).collect::<Vec<_>>()
    };
    cells.into_par_iter().map(of).collect::<Vec<_>>().concat()
}

/// The occupancies of an expert for a first (0) or second (1) choice, `[bins]`.
fn bins(study: &DropStudy, choice: usize, expert: ExpertId) -> Vec<Bin> {
    let mut bins = Vec::new();
    study.groups.iter().for_each(|group| add_group(study, group, choice, expert, &mut bins));
    bins
}

fn add_group(study: &DropStudy, group: &Group, choice: usize, expert: ExpertId, bins: &mut Vec<Bin>) {
    let (trace, width) = (study.layer.trace, study.settings.bin.max(1));
    let is_earlier = |row: usize| trace.choices(row)[..choice].iter().filter(|other| **other == expert).count();
    let mut queued: usize = group.rows.clone().map(is_earlier).sum();
    let (experts, tokens) = (trace.num_experts as f64, group.rows.len());
    let taken = |queued: f64| (queued / f64::from(group.capacity)).min(1.0);
    for (before, row) in group.rows.clone().enumerate() {
        queued += usize::from(trace.choices(row)[choice] == expert);
        let position = trace.position[row];
        if position % width == width - 1 {
            let bin = (position / width) as usize;
            bins.resize_with(bins.len().max(bin + 1), Vec::new);
            let uniform = taken((choice * tokens + before + 1) as f64 / experts);
            bins[bin].push(Taken { document: study.document[row] as usize, share: taken(queued as f64), uniform });
        }
    }
}

fn row(study: &DropStudy, finding: Finding, bin: &Bin) -> Finding {
    let mut documents: Vec<usize> = bin.iter().map(|taken| taken.document).collect();
    documents.sort_unstable();
    documents.dedup();
    let interval = (study.separate && study.resamples.enough(documents.len())).then(|| {
        let taken = study.resamples.sums(bin.iter().map(|taken| (taken.document, taken.share)));
        let sequences = study.resamples.sums(bin.iter().map(|taken| (taken.document, 1.0)));
        percentile(&mut taken.iter().zip(&sequences).map(|(taken, sequences)| taken / sequences).collect())
    });
    let mean = |of: fn(&Taken) -> f64| bin.iter().map(of).sum::<f64>() / bin.len() as f64;
    let finding = finding.against(mean(|taken| taken.uniform), "uniform");
    let finding =
        finding.measured(mean(|taken| taken.share), interval.flatten(), bin.len() as u64, documents.len() as u64);
    with_reason(study, finding, documents.len(), study.separate)
}
