//! `expert_occupancy`: how full the queue of every expert is at each position of the text.

use rayon::prelude::*;

use super::{
    reason::with_reason,
    study::{DropStudy, Group},
};
use crate::{
    routing::ExpertId,
    stats::{BaselineKind, Finding, Statistic, Subject, Variable, Variant, resample::percentile},
};

/// The classes of choices that have a name; they queue one after the other.
const NAMED: [Variant; 16] = [
    Variant::FirstChoice,
    Variant::SecondChoice,
    Variant::ThirdChoice,
    Variant::FourthChoice,
    Variant::FifthChoice,
    Variant::SixthChoice,
    Variant::SeventhChoice,
    Variant::EighthChoice,
    Variant::NinthChoice,
    Variant::TenthChoice,
    Variant::EleventhChoice,
    Variant::TwelfthChoice,
    Variant::ThirteenthChoice,
    Variant::FourteenthChoice,
    Variant::FifteenthChoice,
    Variant::SixteenthChoice,
];
/// Most experts that are all listed.
const ALL_LISTED: usize = 64;
/// Of more experts, how many are listed.
const LISTED: usize = 32;

/// Occupancies of one expert at the end of one bin, one per sequence.
type Bin = Vec<Taken>;

/// How much of an expert's slots is taken where a sequence has come to the end of a bin.
#[derive(Clone, Copy)]
struct Taken {
    document: usize,
    share: f64,
    /// The same if all experts were chosen equally often.
    uniform: f64,
}

/// By choice, expert and bin of positions: mean over the sequences that reach the end of the bin of min(1, queue length
/// / capacity), as a token would find it that comes next. Of more than two choices the first two and the last are given,
/// of more than 64 experts the 32 that are chosen most.
pub(super) fn expert_occupancy(study: &DropStudy) -> Vec<Finding> {
    let empty = || study.finding(Statistic::ExpertOccupancy).by(Variable::PositionBucket);
    let limited = study.groups.iter().any(|group| group.capacity < u32::MAX);
    let bin = study.settings.bin.max(1);
    let longest = study.sequences.iter().map(ExactSizeIterator::len).max().unwrap_or(0);
    let classes = classes(study.top_k());
    let withheld = |reason: &str| {
        classes.iter().map(|class| named(empty(), *class).withheld(reason.to_owned())).collect::<Vec<_>>()
    };
    if !limited {
        return withheld("the capacity is unlimited");
    }
    if longest < bin as usize {
        return withheld(&format!("no sequence reaches the end of a bin of {bin} positions"));
    }
    let listed = listed(study);
    let bins = bins(study, &classes, &listed);
    let cells = classes.iter().flat_map(|class| listed.iter().map(move |expert| (*class, *expert)));
    let cells: Vec<((usize, ExpertId), &Vec<Bin>)> = cells.zip(&bins).collect();
    let of = |((class, expert), bins): ((usize, ExpertId), &Vec<Bin>)| {
        let row = |(index, bin_values): (usize, &Bin)| {
            let finding = named(empty(), class);
            let position = Some(index as u32 * bin);
            row(study, finding.about(|subject| Subject { expert: Some(expert), position, ..subject }), bin_values)
        };
        bins.iter().enumerate().map(row).collect::<Vec<_>>()
    };
    let experts = study.layer.trace.num_experts;
    let cut = format!("of {experts} experts the {LISTED} with most assignments are listed");
    let note = (listed.len() < experts).then(|| empty().withheld(cut));
    note.into_iter().chain(cells.into_par_iter().map(of).collect::<Vec<_>>().concat()).collect()
}

/// A finding about a class of choices.
fn named(finding: Finding, class: usize) -> Finding {
    finding.variant(NAMED.get(class).copied().unwrap_or(Variant::LastChoice))
}

/// The classes that are given: first choices, second choices and the last ones, behind which nothing queues.
fn classes(top_k: usize) -> Vec<usize> {
    let mut classes: Vec<usize> = (0..top_k.min(2)).collect();
    classes.extend((top_k > 2).then(|| top_k - 1));
    classes
}

/// The experts that are given, ascending.
fn listed(study: &DropStudy) -> Vec<ExpertId> {
    let trace = study.layer.trace;
    let mut chosen: Vec<(usize, ExpertId)> = (0..trace.num_experts as ExpertId).map(|expert| (0, expert)).collect();
    if chosen.len() > ALL_LISTED {
        trace.expert.iter().for_each(|expert| chosen[usize::from(*expert)].0 += 1);
        chosen.sort_by_key(|(count, expert)| (std::cmp::Reverse(*count), *expert));
        chosen.truncate(LISTED);
    }
    let mut experts: Vec<ExpertId> = chosen.into_iter().map(|(_, expert)| expert).collect();
    experts.sort_unstable();
    experts
}

/// The occupancies of every listed expert by class and bin, `[classes, listed][bins]`. One pass over the layer.
fn bins(study: &DropStudy, classes: &[usize], listed: &[ExpertId]) -> Vec<Vec<Bin>> {
    let mut bins = vec![Vec::new(); classes.len() * listed.len()];
    for group in &study.groups {
        let mut queued = vec![0_usize; study.layer.trace.num_experts];
        let mut given = bins.chunks_exact_mut(listed.len());
        for choice in 0..study.top_k() {
            let class = Class { study, group, choice, listed };
            class.add(&mut queued, if classes.contains(&choice) { given.next() } else { None });
        }
    }
    bins
}

/// One choice of every token of a group.
struct Class<'a> {
    study: &'a DropStudy<'a>,
    group: &'a Group,
    choice: usize,
    listed: &'a [ExpertId],
}

impl Class<'_> {
    /// Adds the choices to the queues, which hold all earlier ones, and takes note where bins end.
    fn add(&self, queued: &mut [usize], mut bins: Option<&mut [Vec<Bin>]>) {
        let (trace, width) = (self.study.layer.trace, self.study.settings.bin.max(1));
        let (experts, tokens) = (trace.num_experts as f64, self.group.rows.len());
        let taken = |queued: f64| (queued / f64::from(self.group.capacity)).min(1.0);
        for (before, row) in self.group.rows.clone().enumerate() {
            queued[usize::from(trace.choices(row)[self.choice])] += 1;
            let position = trace.position[row];
            if position % width != width - 1 {
                continue;
            }
            let bin = (position / width) as usize;
            let uniform = taken((self.choice * tokens + before + 1) as f64 / experts);
            for (bins, expert) in bins.iter_mut().flat_map(|bins| bins.iter_mut()).zip(self.listed) {
                let share = taken(queued[usize::from(*expert)] as f64);
                bins.resize_with(bins.len().max(bin + 1), Vec::new);
                bins[bin].push(Taken { document: self.study.document[row] as usize, share, uniform });
            }
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
    let finding = finding.against(mean(|taken| taken.uniform), BaselineKind::Uniform);
    let finding =
        finding.measured(mean(|taken| taken.share), interval.flatten(), bin.len() as u64, documents.len() as u64);
    with_reason(study, finding, documents.len(), study.separate)
}
