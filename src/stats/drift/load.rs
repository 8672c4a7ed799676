//! `load_drift`: how far the loads of two checkpoints are apart, and the shares behind it. Chosen and kept.

use super::{
    course::Step,
    distance::{between_halves, cosine, resampled, total_variation},
    settings::DriftSettings,
    token::FrequentToken,
};
use crate::{
    routing::View,
    stats::{
        BaselineKind, Finding, Statistic, Subject, Variant,
        finding::finite,
        resample::centred,
        share::{self, ShareKey, Shares},
        study::Study,
    },
};

/// Variant, distance, its value without a change.
type Distance = (Variant, fn(&[u64], &[u64]) -> f64, f64);

const DISTANCES: [Distance; 2] = [(Variant::Cosine, cosine, 1.0), (Variant::TotalVariation, total_variation, 0.0)];

/// Per view: cosine and total variation of the load, against no change. `noise_floor` is what another
/// corpus of this size would show: the halves of the documents at the reference, whose distance is brought to the full
/// size (total variation over sqrt 2; 1 - cosine, which is quadratic, over 2).
pub(super) fn load_drift(step: &Step, last: &LoadReference) -> Vec<Finding> {
    let mut findings = Vec::new();
    for view in View::ALL {
        let own = overall(step.own, view);
        findings.extend((0..DISTANCES.len()).map(|index| row(step, last, view, (index, &own))));
    }
    findings
}

fn row(step: &Step, last: &LoadReference, view: View, (index, own): (usize, &Shares)) -> Finding {
    let (variant, distance, unchanged) = DISTANCES[index];
    let (last, floor) = (&last.shares[view as usize], last.floors[view as usize][index]);
    let finding = step.finding(Statistic::LoadDrift, view).variant(variant);
    let estimate = distance(&own.count, &last.count);
    if !estimate.is_finite() {
        return finding.withheld("no assignment to count");
    }
    let interval = centred(&mut resampled(own, last, distance), estimate, 1.0);
    let finding = finding.measured(estimate, interval, own.assignments(), own.documents as u64);
    let finding = Finding { noise_floor: finite(floor), ..finding.against(unchanged, BaselineKind::NoChange) };
    step.course.last().with_reason(finding, own.documents)
}

/// The load at the reference.
pub(super) struct LoadReference {
    /// Shares over all documents, by view.
    shares: [Shares; 2],
    /// What another corpus of this size would show, by view in the order of the distances.
    floors: [[f64; DISTANCES.len()]; 2],
}

impl LoadReference {
    /// Counts the load; `halves` divide the documents at random, `[splits][documents]`.
    pub(super) fn new(last: &Study, halves: &[Vec<bool>]) -> Self {
        let shares = View::ALL.map(|view| overall(last, view));
        Self { floors: View::ALL.map(|view| floors(last, view, &shares[view as usize], halves)), shares }
    }
}

/// The distances between the halves of the documents at the reference, brought to the full size.
fn floors(last: &Study, view: View, load: &Shares, halves: &[Vec<bool>]) -> [f64; DISTANCES.len()] {
    let counts = &last.counts[view as usize];
    let documents = (0..last.data.documents()).map(|document| (document, counts.of(document)));
    DISTANCES.map(|(variant, distance, _)| {
        let apart = between_halves(halves, &documents, &load.count, distance);
        if variant == Variant::Cosine { 1.0 - (1.0 - apart) / 2.0 } else { apart / 2.0_f64.sqrt() }
    })
}

/// The shares over all documents.
fn overall(study: &Study, view: View) -> Shares {
    share::group_shares(study, view, &study.groups()[0])
}

/// `expert_share` at the checkpoint: over all, and of the listed token ids (cell indices). Both views.
pub(super) fn expert_shares(step: &Step, listed: &[usize]) -> Vec<Finding> {
    let (course, study, at) = (step.course, step.own, step.at);
    let overall = View::ALL.map(|view| overall(study, view));
    let load = [overall[0].share(), overall[1].share()];
    let mut findings = Vec::new();
    let mut add = |view: View, shares: &Shares| {
        let summary = shares.summary();
        let rows = share::expert_share(study, view, &summary, &load[view as usize]);
        findings
            .extend(rows.map(|row| course.about(row, at, at).about(|subject| Subject { reference: None, ..subject })));
    };
    add(View::Chosen, &overall[0]);
    add(View::Kept, &overall[1]);
    for &cell in listed {
        // A cell of the reference: the checkpoint has the same tokens in the same rows, perhaps without their ids.
        let rows = course.last().by_token.cell(cell);
        let shares = share::cell_shares(study, ShareKey::Token(study.data.token[rows[0] as usize] as usize), rows);
        add(View::Chosen, &shares[0]);
        add(View::Kept, &shares[1]);
    }
    findings
}

/// The token ids whose shares are listed: the most frequent ones and those that were asked for, with enough
/// occurrences; fewer where the rows of a layer would be too many. Cell indices, ascending.
pub(super) fn listed(study: &Study, settings: &DriftSettings, frequent: &[FrequentToken]) -> Vec<usize> {
    let mut cells: Vec<usize> = frequent.iter().map(|token| token.cell).collect();
    let rows = |cell: usize| study.by_token.cell(cell);
    cells.sort_by(|a, b| rows(*b).len().cmp(&rows(*a).len()).then(a.cmp(b)));
    let asked = |cell: usize| {
        let id = study.data.token_ids[study.data.token[rows(cell)[0] as usize] as usize];
        settings.tokens_of_interest.contains(&id)
    };
    let room = settings.statistics.share_rows / (View::ALL.len() * study.data.experts);
    let most = settings.tokens_listed.min(room);
    let mut kept: Vec<usize> = cells
        .into_iter()
        .enumerate()
        .filter(|(rank, cell)| *rank < most || asked(*cell))
        .map(|(_, cell)| cell)
        .collect();
    kept.sort_unstable();
    kept
}
