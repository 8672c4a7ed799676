//! All statistics of one layer (part A of the documentation: context-independent specialization).

use rayon::prelude::*;

use super::{
    Finding, STATISTICS, StatisticInfo, StatisticTable, Tables,
    catalog::Statistic,
    category,
    cells::Cells,
    coactivation,
    drops::OwnRules,
    information, load,
    names::{BaselineKind, Variable},
    needs::{is_out_of_reach, withhold, without_numbers},
    occurrence_shuffle,
    occurrence_shuffle::Shuffled,
    predictability, repetition, router,
    settings::Settings,
    share::{self, Listed, Shares, Summary},
    spread::{self, MeanKeys, Spread},
    study::{Group, Study},
    vocabulary,
};
use crate::{
    error::Result,
    routing::{RunKind, View},
    trace::{LayerTrace, SequenceTable},
};

/// All statistics of one layer, both views; one table per statistic in the order of [`super::STATISTICS`].
///
/// `progress` is told what is being computed. The result depends on the data, the layer index and the settings, never
/// on the number of threads. Memory: about 100 bytes per occurrence beside the trace, and the rows.
///
/// # Errors
/// [`crate::error::Error::Internal`] if the columns of the trace do not belong together.
pub fn route_statistics(
    sequences: &SequenceTable,
    layer: &LayerTrace,
    settings: &Settings,
    progress: &dyn Fn(&'static str),
) -> Result<Vec<StatisticTable>> {
    progress("counting");
    let study = Study::new(sequences, layer, settings)?;
    progress("permutations");
    let strata = information::plain_strata(&study);
    let permuted = occurrence_shuffle::shuffles(&study, &strata);
    progress("tables");
    let tasks = tasks(&study, &strata, &permuted);
    let tables: Vec<Vec<StatisticTable>> = tasks.par_iter().with_max_len(1).map(|task| run(task, layer)).collect();
    let mut tables: Vec<StatisticTable> = tables.into_iter().flatten().collect();
    withhold(&mut tables, layer.provides);
    Ok(tables)
}

/// Only those tables of [`route_statistics`] that are computed together with the table `name`; none if there is no such table.
///
/// # Errors
/// As [`route_statistics`].
pub fn route_statistic(
    sequences: &SequenceTable,
    layer: &LayerTrace,
    settings: &Settings,
    statistic: Statistic,
) -> Result<Vec<StatisticTable>> {
    let study = Study::new(sequences, layer, settings)?;
    let strata = information::plain_strata(&study);
    let permuted =
        if SHUFFLED.contains(&statistic) { occurrence_shuffle::shuffles(&study, &strata) } else { Vec::new() };
    let tasks = tasks(&study, &strata, &permuted);
    Ok(tasks
        .into_iter()
        .find(|(statistics, _)| statistics.contains(&statistic))
        .map_or_else(Vec::new, |(_, task)| task()))
}

/// The tables of a task; statistics that the trace cannot give at all are not computed.
fn run((statistics, task): &Task, layer: &LayerTrace) -> Vec<StatisticTable> {
    let of_table = |statistic: &'static Statistic| {
        STATISTICS.iter().filter(|info| info.command == RunKind::Route && info.table == statistic.table())
    };
    let reachable = |info: &StatisticInfo| !is_out_of_reach(info.statistic, layer.provides);
    if statistics.iter().flat_map(of_table).any(reachable) {
        return task();
    }
    let rows = |info: &StatisticInfo| without_numbers(info.statistic, layer.layer, layer.provides);
    statistics.iter().map(|one| StatisticTable::of(*one, of_table(one).flat_map(rows).collect())).collect()
}

/// Tables that need the shuffles of the whole layer.
const SHUFFLED: [Statistic; 5] = [
    Statistic::ExpertShare,
    Statistic::RoutingStd,
    Statistic::RoutingStdCorrected,
    Statistic::MutualInformation,
    Statistic::VocabularySpecialization,
];

/// Some statistics, and what computes them, independently of all others.
type Task<'a> = (&'static [Statistic], Box<dyn Fn() -> Vec<StatisticTable> + Send + Sync + 'a>);

/// All tables, in order.
fn tasks<'a>(study: &'a Study, strata: &'a information::Strata, permuted: &'a [Shuffled]) -> Vec<Task<'a>> {
    macro_rules! one {
        ($statistic:ident, $rows:expr) => {
            (&[Statistic::$statistic], Box::new(move || vec![StatisticTable::of(Statistic::$statistic, $rows)]))
        };
    }
    let of_views = |rows: &dyn Fn(View) -> Vec<Finding>| View::ALL.into_iter().flat_map(rows).collect::<Vec<_>>();
    vec![
        (
            &[Statistic::ExpertShare, Statistic::RoutingStd, Statistic::RoutingStdCorrected],
            Box::new(|| share_tables(study, permuted)),
        ),
        one!(TopTokens, of_views(&|view| vocabulary::top_tokens(study, view))),
        one!(MutualInformation, information_rows(study, strata, permuted)),
        one!(ConditionalMutualInformation, information::conditional_mutual_information(study)),
        one!(TokenPredictability, predictability::token_predictability(study)),
        one!(VocabularySpecialization, of_views(&|view| vocabulary::vocabulary_specialization(study, view, permuted))),
        (
            &[Statistic::DomainSpecialization, Statistic::CramersV, Statistic::JensenShannon],
            Box::new(|| category_tables(study)),
        ),
        one!(ExpertRepetition, repetition_rows(study)),
        one!(Coactivation, of_views(&|view| coactivation::coactivation(study, view))),
        one!(MaxViolation, load_rows(study)),
        one!(RouterEntropy, router::router_entropy(study)),
        one!(RouterMargin, router::router_margin(study)),
    ]
}

fn repetition_rows(study: &Study) -> Vec<Finding> {
    let repeats = repetition::Repeats::new(study);
    let of = |group: &Group| repetition::expert_repetition(study, group, &repeats);
    study.groups().iter().flat_map(of).collect()
}

fn load_rows(study: &Study) -> Vec<Finding> {
    let of = |view, group: &Group| load::expert_load(study, view, &share::group_shares(study, view, group));
    let groups = study.groups();
    View::ALL.into_iter().flat_map(|view| groups.iter().flat_map(move |group| of(view, group))).collect()
}

/// Appends the tables of a layer to those of the layers before.
pub fn merge(into: &mut Tables, layer_tables: Vec<StatisticTable>) {
    for table in layer_tables {
        let rows = table.rows;
        into.entry(table.name).or_insert_with_key(|name| StatisticTable::new(name.as_str())).rows.extend(rows);
    }
}

/// The findings for `summary.json`: everything except the rows of single token ids, positions and pairs
/// and the lists of tokens. The tables of `drops` have separate rules.
pub fn headline(tables: &Tables) -> Vec<Finding> {
    let rules = OwnRules::new(tables);
    let listed = |row: &&Finding| rules.summarised(row).unwrap_or(row.is_headline());
    tables.values().flat_map(|table| &table.rows).filter(listed).cloned().collect()
}

fn information_rows(study: &Study, strata: &information::Strata, permuted: &[Shuffled]) -> Vec<Finding> {
    let sums: Vec<_> = permuted.iter().map(|shuffled| shuffled.sums.clone()).collect();
    information::mutual_information(study, strata, &sums)
}

/// `expert_share`, `routing_std` and `routing_std_corrected`: one pass over the keys yields all three.
fn share_tables(study: &Study, permuted: &[Shuffled]) -> Vec<StatisticTable> {
    let statistics = [Statistic::ExpertShare, Statistic::RoutingStd, Statistic::RoutingStdCorrected];
    let mut tables = statistics.map(|statistic| StatisticTable::of(statistic, Vec::new()));
    let groups = View::ALL.map(|view| -> Vec<Shares> {
        study.groups().iter().map(|group| share::group_shares(study, view, group)).collect()
    });
    let overall = [groups[0][0].share(), groups[1][0].share()];
    let listed = Listed::new(study);
    let mut positions = key_rows(study, Variable::Position, &study.by_position, &listed);
    let mut tokens = key_rows(study, Variable::Token, &study.by_token, &listed);
    let with_rows = |variable: Variable| listed.of(variable).iter().filter(|listed| **listed).count();
    let keys = groups[0].len() + with_rows(Variable::Position) + with_rows(Variable::Token);
    // The final size is reserved at once: growing would copy a million rows.
    tables[0].rows.reserve_exact(View::ALL.len() * keys * study.data.experts);
    for view in View::ALL {
        let overall = &overall[view as usize];
        let mut rows = ShareRows { study, view, overall, listed: &listed, tables: &mut tables };
        rows.groups(&groups[view as usize]);
        rows.keys(Variable::Position, &study.by_position, std::mem::take(&mut positions[view as usize]), permuted);
        rows.keys(Variable::Token, &study.by_token, std::mem::take(&mut tokens[view as usize]), permuted);
    }
    tables.into()
}

/// The data for the rows about one key: its shares, if they are listed, and their spread.
type KeyRows = (Option<Summary>, Spread);

/// Every frequent key, by view.
fn key_rows(study: &Study, variable: Variable, cells: &Cells, listed: &Listed) -> [Vec<KeyRows>; 2] {
    let listed = listed.of(variable);
    let rows = share::map_cells(study, variable, cells, |index, shares| {
        shares.map(|shares| (listed[index].then(|| shares.summary()), Spread::new(study, &shares)))
    });
    let (chosen, kept) = rows.into_iter().map(|[chosen, kept]| (chosen, kept)).unzip();
    [chosen, kept]
}

/// Collects the rows about shares of one view.
struct ShareRows<'a> {
    study: &'a Study<'a>,
    view: View,
    overall: &'a [f64],
    listed: &'a Listed,
    tables: &'a mut [StatisticTable; 3],
}

impl ShareRows<'_> {
    /// Over all and by category.
    fn groups(&mut self, groups: &[Shares]) {
        let (study, view) = (self.study, self.view);
        for shares in groups {
            self.tables[0].rows.extend(share::expert_share(study, view, &shares.summary(), self.overall));
        }
        let categories = &groups[1..];
        let spreads: Vec<Spread> = categories.iter().map(|shares| Spread::new(study, shares)).collect();
        let permuted: Vec<Vec<f64>> = label_permuted_counts(study, view)
            .iter()
            .map(|table| categories.iter().map(|shares| spread_of_category(table, shares)).collect())
            .collect();
        let permuted: Vec<&[f64]> = permuted.iter().map(Vec::as_slice).collect();
        self.spreads(&spreads, &permuted, BaselineKind::DocumentLabelPermutation);
    }

    /// By position or token id, and the mean over these.
    fn keys(&mut self, variable: Variable, cells: &Cells, rows: Vec<KeyRows>, permuted: &[Shuffled]) {
        let (study, view) = (self.study, self.view);
        let (shares, spreads): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        self.tables[0].rows.extend(self.listed.note(study, view, variable));
        for summary in shares.iter().flatten() {
            self.tables[0].rows.extend(share::expert_share(study, view, summary, self.overall));
        }
        let index = usize::from(variable == Variable::Position);
        let permuted: Vec<&[f64]> =
            permuted.iter().map(|shuffled| shuffled.spread[index][view as usize].as_slice()).collect();
        let keys = MeanKeys { variable, spreads: &spreads, withheld: cells.len() - spreads.len() };
        self.tables[1].rows.push(keys.mean_std(study, view, &permuted));
        if view == View::Chosen {
            self.tables[2].rows.push(keys.mean_corrected(study, self.overall));
        }
        self.spreads(&spreads, &permuted, BaselineKind::OccurrenceShuffle);
    }

    fn spreads(&mut self, spreads: &[Spread], permuted: &[&[f64]], kind: BaselineKind) {
        self.tables[1].rows.extend(spread::routing_std(self.study, self.view, spreads, permuted, kind));
        if self.view == View::Chosen {
            self.tables[2].rows.extend(spread::routing_std_corrected(self.study, spreads, self.overall));
        }
    }
}

/// `[permutations][categories][experts]`.
fn label_permuted_counts(study: &Study, view: View) -> Vec<Vec<Vec<u64>>> {
    let categories = study.data.category_names.len();
    study.label_permutations(|label| study.counts[view as usize].by_label(label, categories))
}

fn spread_of_category(table: &[Vec<u64>], shares: &Shares) -> f64 {
    let share::ShareKey::Category(category) = shares.key else { return f64::NAN };
    spread::std_of_counts(table[category].iter().map(|count| *count as u32))
}

/// `domain_specialization`, `cramers_v` and `jensen_shannon`.
fn category_tables(study: &Study) -> Vec<StatisticTable> {
    let mut tables = [Statistic::DomainSpecialization, Statistic::CramersV, Statistic::JensenShannon]
        .map(|statistic| StatisticTable::of(statistic, Vec::new()));
    for view in View::ALL {
        for group in study.groups() {
            let shares = share::group_shares(study, view, &group);
            tables[0].rows.extend(category::domain_specialization(study, view, &group, &shares));
        }
        let permuted = label_permuted_counts(study, view);
        tables[1].rows.extend(category::cramers_v_findings(study, view, &permuted));
        tables[2].rows.extend(category::jensen_shannon_findings(study, view, &permuted));
    }
    tables.into()
}
