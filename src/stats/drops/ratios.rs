//! The five drop ratios over all, by text, message, expert, token id and position.

use rayon::prelude::*;

use super::{
    atoms::Atoms,
    burstiness::{DropCounting, burstiness},
    choices::ByRank,
    curve::{self, Windows},
    keys::{self, Key},
    rank_load::RankLoad,
    reason::{Units, measured_share, remarked},
    study::{DropStudy, Permutation, Routed},
    tally::{ByDocument, RATIOS, Tally, expert_totals, experts_by_document},
    trend::Trend,
};
use crate::{
    routing::ExpertId,
    stats::{Finding, Statistic, StatisticTable, study::mean},
};

/// A cell with what it is compared with.
struct Cell {
    key: Key,
    documents: ByDocument,
    /// Mean of each ratio over the permutations, `[key.ratios()]`; empty where there are none.
    baseline: Vec<f64>,
}

/// How the rows of a layer fall into cells.
struct Layout {
    text: Atoms<Key>,
    experts: Vec<Key>,
    /// Message, token and position: what is compared within sequences.
    within: [Atoms<Key>; 3],
    windows: Windows,
}

impl Layout {
    fn new(study: &DropStudy<'_>) -> Self {
        let windows = Windows::new(study);
        Self {
            text: keys::by_text(study),
            experts: (0..study.layer.trace.num_experts).map(|expert| Key::Expert(expert as ExpertId)).collect(),
            within: [keys::by_message(study), keys::by_token(study), curve::by_position(study, &windows)],
            windows,
        }
    }

    /// The observed counts of every cell.
    fn cells(&self, study: &DropStudy<'_>) -> Vec<Cell> {
        let of = |keys: &[Key], tables: Vec<ByDocument>| -> Vec<Cell> {
            let cell = |(key, documents): (&Key, ByDocument)| Cell { key: *key, documents, baseline: Vec::new() };
            keys.iter().zip(tables).map(cell).collect()
        };
        let atoms = std::iter::once(&self.text).chain(&self.within);
        let mut cells: Vec<Cell> = atoms.flat_map(|atoms| of(&atoms.keys, atoms.by_document(study))).collect();
        cells.extend(of(&self.experts, experts_by_document(study)));
        let empty = |key| Cell { key, documents: ByDocument::default(), baseline: Vec::new() };
        cells.extend(self.windows.missing().map(empty));
        if !cells.iter().any(|cell| cell.key == Key::All) {
            cells.push(empty(Key::All));
        }
        cells.sort_by_key(|cell| cell.key);
        cells
    }

    /// The ratios of the cells that are compared across sequences, in one permutation.
    fn across(&self, study: &DropStudy<'_>, routed: Routed<'_>) -> Vec<f64> {
        let mut values = ratios(&self.text.keys, &self.text.totals(routed));
        values.extend(ratios(&self.experts, &expert_totals(study, routed)));
        values
    }

    fn across_keys(&self) -> impl Iterator<Item = Key> {
        self.text.keys.iter().chain(&self.experts).copied()
    }

    /// The ratios of the cells that are compared within sequences, in one permutation.
    fn within(&self, routed: Routed<'_>) -> Vec<f64> {
        self.within.iter().flat_map(|atoms| ratios(&atoms.keys, &atoms.totals(routed))).collect()
    }

    fn within_keys(&self) -> impl Iterator<Item = Key> {
        self.within.iter().flat_map(|atoms| &atoms.keys).copied()
    }
}

/// The ratios of every cell, one after the other.
fn ratios(keys: &[Key], tallies: &[Tally]) -> Vec<f64> {
    let of = |(key, tally): (&Key, &Tally)| -> Vec<f64> { (0..key.ratios()).map(|ratio| tally.ratio(ratio)).collect() };
    keys.iter().zip(tallies).flat_map(of).collect()
}

/// The five tables, `drop_trend`, which shares the permutations within sequences, and `burstiness`, which shares those
/// across them.
pub(super) fn tables(study: &DropStudy<'_>, progress: &dyn Fn(&'static str)) -> Vec<StatisticTable> {
    let layout = Layout::new(study);
    let trend = Trend::new(study);
    let mut cells = layout.cells(study);
    progress("permutations across sequences");
    let across = compare_across(study, &layout, &mut cells);
    progress("permutations within sequences");
    let (within, slopes): (Vec<_>, Vec<_>) = study
        .permutations(Permutation::WithinSequence, |routed| (layout.within(routed), trend.values(routed)))
        .into_iter()
        .unzip();
    compare(&mut cells, layout.within_keys(), &within, |key| key.permutation() == Permutation::WithinSequence);
    progress("drop ratios");
    let mut tables = ratio_tables(study, &layout.windows, &cells);
    tables.extend(across.choices);
    tables.push(trend.table(study, &slopes));
    tables.push(across.bursts);
    tables.extend(across.ranks);
    tables
}

/// What does not depend on the order in which the choices of a group queue: how many assignments an expert loses, and thus the ratio
/// over all and by expert, and by text where no routing group holds two documents; `burstiness`, `rank_load`.
pub(super) fn tables_in_any_order(study: &DropStudy<'_>, progress: &dyn Fn(&'static str)) -> Vec<StatisticTable> {
    let layout = Layout::new(study);
    let mut cells = layout.cells(study);
    progress("permutations across sequences");
    let across = compare_across(study, &layout, &mut cells);
    cells.retain(|cell| match cell.key {
        Key::All | Key::Expert(_) => true,
        Key::Dataset(_) | Key::Category(_) => study.separate,
        _ => false,
    });
    let rows = cells.iter().map(|cell| row(study, &layout.windows, cell, 0)).collect();
    let mut tables = vec![StatisticTable::of(RATIOS[0], rows), across.bursts];
    tables.extend(across.ranks);
    tables
}

/// The tables that share the permutations across sequences.
struct AcrossSequences {
    bursts: StatisticTable,
    choices: Option<StatisticTable>,
    ranks: Option<StatisticTable>,
}

/// Fills in the baselines of the cells that are compared across sequences; the same permutations give `burstiness`,
/// `choice_drop_ratio` and `rank_load`.
fn compare_across(study: &DropStudy<'_>, layout: &Layout, cells: &mut [Cell]) -> AcrossSequences {
    let (by_rank, rank_load) = (ByRank::new(study, &layout.text), RankLoad::new(study));
    let counting = DropCounting::new(study, Permutation::AcrossSequences);
    let fold = |routed: Routed<'_>| {
        let values = (layout.across(study, routed), by_rank.shares(routed));
        (values, (counting.add(routed), rank_load.as_ref().map_or_else(Vec::new, |load| load.of_batches(routed))))
    };
    let (values, counts): (Vec<_>, Vec<_>) = study.permutations(Permutation::AcrossSequences, fold).into_iter().unzip();
    let (across, of_ranks): (Vec<_>, Vec<_>) = values.into_iter().unzip();
    let (drops, of_batches): (Vec<_>, Vec<_>) = counts.into_iter().unzip();
    // With one data set its own permutations are those of the layer.
    compare(cells, layout.across_keys(), &across, |key| key.permutation() != Permutation::WithinSequence);
    let across = counting.finish(drops);
    let (mut within, mut of_datasets) = (None, None);
    if study.layer.sequences.dataset_names.len() > 1 {
        let counting = DropCounting::new(study, Permutation::AcrossDataset);
        let text = &layout.text;
        let of_text = |routed: Routed<'_>| (ratios(&text.keys, &text.totals(routed)), by_rank.shares(routed));
        let fold = |routed: Routed<'_>| (of_text(routed), counting.add(routed));
        let (values, drops): (Vec<_>, Vec<_>) =
            study.permutations(Permutation::AcrossDataset, fold).into_iter().unzip();
        let (values, of_ranks): (Vec<_>, Vec<Vec<f64>>) = values.into_iter().unzip();
        of_datasets = Some(of_ranks);
        compare(cells, text.keys.iter().copied(), &values, |key| key.permutation() == Permutation::AcrossDataset);
        within = Some(counting.finish(drops));
    }
    AcrossSequences {
        bursts: StatisticTable::of(Statistic::Burstiness, burstiness(study, &across, within.as_ref())),
        choices: by_rank.table(&of_ranks, of_datasets.as_deref()),
        ranks: rank_load.map(|load| load.table(&of_batches, &across)),
    }
}

/// Fills in the baselines of the cells whose key is `wanted`: the mean over the permutations, summed in their order.
fn compare(cells: &mut [Cell], keys: impl Iterator<Item = Key>, permuted: &[Vec<f64>], wanted: impl Fn(Key) -> bool) {
    if permuted.is_empty() {
        return;
    }
    let mut start = 0;
    for key in keys {
        let columns = start..start + key.ratios();
        start = columns.end;
        if let Some(cell) = cells.binary_search_by_key(&key, |cell| cell.key).ok().filter(|_| wanted(key)) {
            let of = |column: usize| mean(permuted.iter().map(|values| values[column]));
            cells[cell].baseline = columns.map(of).collect();
        }
    }
}

/// The five tables of ratios.
fn ratio_tables(study: &DropStudy<'_>, windows: &Windows, cells: &[Cell]) -> Vec<StatisticTable> {
    let rows = |cell: &Cell| -> Vec<Option<Finding>> {
        (0..RATIOS.len()).map(|ratio| given(study, cell.key, ratio).then(|| row(study, windows, cell, ratio))).collect()
    };
    let rows: Vec<Vec<Option<Finding>>> = cells.par_iter().map(rows).collect();
    let mut tables = RATIOS.map(|ratio| StatisticTable::of(ratio, Vec::new()));
    for (ratio, row) in rows.into_iter().flat_map(|rows| rows.into_iter().enumerate()) {
        tables[ratio].rows.extend(row);
    }
    tables.into()
}

/// Whether a ratio is given for a key. With one choice per token there is no second one to speak of.
fn given(study: &DropStudy<'_>, key: Key, ratio: usize) -> bool {
    ratio < key.ratios() && (ratio != 2 || study.top_k() > 1 || key == Key::All)
}

fn row(study: &DropStudy<'_>, windows: &Windows, cell: &Cell, ratio: usize) -> Finding {
    let finding = cell.key.about(study, study.finding(RATIOS[ratio]));
    let (total, documents) = (cell.documents.total(), cell.documents.documents(ratio));
    let n = u64::from(if matches!(cell.key, Key::Expert(_)) { total.choices(ratio) } else { total.occurrences });
    let cohort = match cell.key {
        Key::Bucket { fixed: true, dataset, .. } => Some(windows.remark(study, dataset)),
        _ => None,
    };
    if total.below(ratio) == 0.0 {
        let reason = match (ratio, study.top_k()) {
            (2, 1) => "one choice per token: there is no second choice".to_owned(),
            _ => cohort.unwrap_or_else(|| "nothing was chosen here".to_owned()),
        };
        return Finding { n, ..finding.withheld(reason) };
    }
    let units = Units { n, documents, separate: study.separate };
    let interval = || cell.documents.interval(&study.resamples, ratio);
    let finding = measured_share(study, finding, total.ratio(ratio), units, interval);
    let baseline = cell.baseline.get(ratio).copied().unwrap_or(f64::NAN);
    remarked(finding.against(baseline, cell.key.permutation().kind()), cohort)
}
