//! Computes the numbers of a mitigate run from its passes, and makes its charts, summary and page.

use std::{
    collections::{BTreeMap, HashMap},
    time::Instant,
};

use super::{analysis::Analysis, drawn::stage_charts};
use crate::{
    chart::{Chart, ChartSpec, plan_mitigation},
    error::{Error, Result},
    pipeline::{
        mailable_paths::Paths,
        options::ReportOptions,
        process_memory,
        progress::{Progress, RunningStage, Stage},
        recorded_settings::recorded_settings,
        verdict::Sentences,
        work_plan,
    },
    report::{MitigationPage, Summary, headline_entries, mitigation_html, verdict_entries},
    routing::{Block, LayerId, Strategy},
    run::{
        RecordedIntervention, RunCost, RunDir, RunRecord, Staged, StatisticCost, SummarySettings, check_traces,
        record_traces, recorded_checkpoints,
    },
    stats::{
        DropCost, Exposures, LEAST_OCCURRENCES, LossStudy, MITIGATION, MitigationRow, PartKind, Parts, RoutingChange,
        RoutingPair, Scale, folds, mitigation_from_parquet, mitigation_to_csv, mitigation_to_parquet,
        verdict::RunVerdict,
    },
    trace::{LossTable, RoutingTrace, SequenceTable},
};

/// One pass with a strategy.
struct StrategyPass {
    recorded: RecordedIntervention,
    strategy: Strategy,
    /// The only layer that it changes, if it does not change all.
    only_layer: Option<LayerId>,
    trace: RoutingTrace,
}

impl StrategyPass {
    fn name(&self) -> (&str, Option<LayerId>) {
        (&self.recorded.strategy, self.only_layer)
    }
}

/// The passes of a run.
struct Passes {
    unchanged: RoutingTrace,
    strategies: Vec<StrategyPass>,
    /// The pass over the calibration text.
    calibration: Option<RoutingTrace>,
}

impl Passes {
    fn open(run: &RunDir, record: &RunRecord) -> Result<Self> {
        let (mut unchanged, mut calibration, mut strategies) = (None, None, Vec::new());
        for (_, folder) in recorded_checkpoints(run, record)? {
            let own = folder.record()?;
            let trace = RoutingTrace::of(&folder, &own)?;
            match own.identity.intervention {
                None if trace.provides().has(Block::Losses) => unchanged = Some(trace),
                None => calibration = Some(trace),
                Some(recorded) => {
                    let strategy = recorded.strategy.parse()?;
                    let all = trace.moe_layers().len();
                    let only_layer = recorded.layers.first().copied().filter(|_| recorded.layers.len() < all);
                    strategies.push(StrategyPass { recorded, strategy, only_layer, trace });
                }
            }
        }
        let unchanged = unchanged.ok_or_else(|| {
            Error::run_folder(
                format!("`{}` has no pass of the unchanged model", run.path().display()),
                "make the run again",
            )
        })?;
        Ok(Self { unchanged, strategies, calibration })
    }

    /// Whether the table of a lookup knows the id before every next token.
    fn coverage(&self, recorded: &RecordedIntervention, ids: &NextTokens) -> Result<Vec<bool>> {
        let least = |count: Option<&u64>| count.is_some_and(|count| *count >= LEAST_OCCURRENCES);
        if let Some(calibration) = self.calibration.as_ref().filter(|_| !recorded.calibration.is_empty()) {
            let counts = calibration.token_counts()?;
            return Ok(ids.token_id.iter().map(|id| least(counts.get(id))).collect());
        }
        let fold = folds(&ids.document_of_sequence, recorded.seed.unwrap_or(0));
        let mut counts = [HashMap::new(), HashMap::new()];
        for (sequence, id) in &ids.all {
            *counts[usize::from(fold[*sequence as usize])].entry(*id).or_insert(0_u64) += 1;
        }
        let known = |(sequence, id): (&u32, &u32)| least(counts[1 - usize::from(fold[*sequence as usize])].get(id));
        Ok(ids.sequence.iter().zip(&ids.token_id).map(known).collect())
    }
}

/// The token before every next token, and all tokens.
struct NextTokens {
    /// `[next tokens]`
    sequence: Vec<u32>,
    /// `[next tokens]`
    token_id: Vec<u32>,
    document_of_sequence: Vec<u32>,
    /// Sequence and id of every token.
    all: Vec<(u32, u32)>,
}

impl NextTokens {
    fn of(trace: &RoutingTrace, losses: &LossTable, document: &[u32]) -> Result<Self> {
        let first = trace.moe_layers().first().ok_or_else(|| Error::internal("no layer routes"))?;
        let rows = trace.layer(*first)?;
        let (mut token_id, mut at) = (Vec::with_capacity(losses.len()), 0);
        // Both are in input order, and every next token has its token.
        for place in losses.sequence.iter().zip(&losses.position) {
            while at + 1 < rows.len() && (&rows.sequence[at], &rows.position[at]) < place {
                at += 1;
            }
            token_id.push(rows.token_id.get(at).copied().unwrap_or(0));
        }
        Ok(Self {
            sequence: losses.sequence.clone(),
            token_id,
            document_of_sequence: document.to_vec(),
            all: rows.sequence.iter().copied().zip(rows.token_id.iter().copied()).collect(),
        })
    }
}

/// All numbers, strategy by strategy in the order of the run.
fn compute(run: &RunDir, record: &RunRecord, stage: &RunningStage<'_>) -> Result<Vec<MitigationRow>> {
    let (passes, settings) = (Passes::open(run, record)?, recorded_settings(record));
    let (sequences, spans) = (passes.unchanged.sequences()?, passes.unchanged.spans()?);
    let losses = passes.unchanged.losses()?;
    let ids = NextTokens::of(&passes.unchanged, &losses, &sequences.document)?;
    let counts = passes.unchanged.token_counts()?;
    let occurrences = |id: u32| counts.get(&id).copied().unwrap_or(0);
    let parts = Parts::new(&losses, &sequences, &spans, &ids.token_id, occurrences);
    let study = LossStudy::new(&settings, &losses, &parts)?;
    stage.advance(1);
    let (exposures, mut routing) = routing_changes(&passes, &study, &sequences, stage)?;
    // Random experts and the hash come first: all others are measured by them.
    let mut order: Vec<usize> = (0..passes.strategies.len()).collect();
    order.sort_by_key(|at| match passes.strategies[*at].strategy {
        Strategy::Random => 0,
        Strategy::Hash => 1,
        _ => 2,
    });
    let mut scales: BTreeMap<Option<LayerId>, [Option<Scale>; 2]> = BTreeMap::new();
    let mut by_pass: BTreeMap<usize, Vec<MitigationRow>> = BTreeMap::new();
    for at in order {
        stage.check()?;
        let pass = &passes.strategies[at];
        stage.working_on(&pass.recorded.strategy);
        let own = pass.trace.losses()?;
        let known = pass.strategy.is_lookup().then(|| passes.coverage(&pass.recorded, &ids)).transpose()?;
        let scale = scales.entry(pass.only_layer).or_default();
        // No strategy is measured by itself.
        let [random, hash] = [(0, Strategy::Random), (1, Strategy::Hash)]
            .map(|(at, of)| scale[at].as_ref().filter(|_| pass.strategy != of));
        let (mut rows, change) = study.strategy(pass.name(), &own, [random, hash], known.as_deref())?;
        match pass.strategy {
            Strategy::Random => scale[0] = Some(change),
            Strategy::Hash => scale[1] = Some(change),
            _ => (),
        }
        rows.append(&mut routing[at]);
        if pass.strategy == Strategy::Unlimited && pass.only_layer.is_none() && exposures.dropped() > 0 {
            rows.extend(DropCost::rows(&study, &pass.recorded.strategy, &own, &exposures.of(&losses))?);
        }
        by_pass.insert(at, rows);
        stage.advance(1);
    }
    Ok(by_pass.into_values().flatten().collect())
}

/// How the routing of every pass changes, and which tokens lose an expert; two layers are in memory at a time.
fn routing_changes(
    passes: &Passes,
    study: &LossStudy<'_>,
    sequences: &SequenceTable,
    stage: &RunningStage<'_>,
) -> Result<(Exposures, Vec<Vec<MitigationRow>>)> {
    let mut changes: Vec<RoutingChange<'_>> =
        passes.strategies.iter().map(|pass| RoutingChange::new(pass.name(), study)).collect();
    let mut exposures = Exposures::default();
    let layers = passes.unchanged.moe_layers();
    for &layer in layers {
        let unchanged = passes.unchanged.layer(layer)?;
        exposures.add_layer(&unchanged);
        for (pass, change) in passes.strategies.iter().zip(&mut changes) {
            stage.check()?;
            stage.working_on_layer(layer, layers, &pass.recorded.strategy);
            // What one layer does to those behind it is told by its loss.
            if pass.only_layer.is_none_or(|only| only == layer) {
                let changed = pass.trace.layer(layer)?;
                change.add_layer(RoutingPair { unchanged: &unchanged, changed: &changed, sequences })?;
            }
        }
    }
    let rows = changes.into_iter().zip(&passes.strategies).map(|(change, pass)| {
        let mut rows = change.finish();
        if pass.only_layer.is_some() {
            rows.retain(|row| row.layer.is_some());
        }
        rows
    });
    Ok((exposures, rows.collect()))
}

/// As [`super::finish_run`], for a mitigate run.
pub(super) fn finish_mitigation(
    run: &RunDir,
    record: &mut RunRecord,
    report: ReportOptions,
    progress: &dyn Progress,
    clock: Option<Instant>,
) -> Result<Analysis> {
    let mut staged = Staged::new(run);
    let statistics_clock = Instant::now();
    let stage = RunningStage::begin(progress, Stage::Statistics, Some(work_plan::statistics_units(record)));
    let rows = compute(run, record, &stage)?;
    drop(stage);
    let stage = RunningStage::begin(progress, Stage::Tables, None);
    check_traces(run, record)?;
    staged.add(&format!("stats/{MITIGATION}.csv"), &mitigation_to_csv(&rows)?)?;
    staged.add(&format!("stats/{MITIGATION}.parquet"), &mitigation_to_parquet(&rows)?)?;
    record.statistic_cost = Some(StatisticCost::since(statistics_clock));
    record_traces(run, record)?;
    drop(stage);
    let verdict = RunVerdict::mitigation(&rows);
    let (first, answers) = (headline_entries(&verdict), verdict_entries(&verdict));
    let told: Vec<MitigationRow> = rows.iter().filter(|row| row.part == PartKind::All).cloned().collect();
    let (kind, settings) = (record.identity.command, SummarySettings::of(record));
    let summary = Summary::new(kind, settings, (&first, &answers), &[]).with_strategies(&told).to_bytes()?;
    staged.add("summary.json", &summary)?;
    let charts = show(&mut staged, record, &rows, report, progress, clock)?;
    staged.publish(record, &["stats", "charts"])?;
    let Sentences { headline, details: verdict } = Sentences::of(&verdict);
    Ok(Analysis {
        summary: String::from_utf8(summary).map_err(|error| Error::internal(error.to_string()))?,
        headline,
        verdict,
        answers,
        findings: Vec::new(),
        charts,
    })
}

/// Draws the charts of a mitigate run again, and makes its page again.
pub(super) fn redraw_mitigation(
    run: &RunDir,
    record: &mut RunRecord,
    report: ReportOptions,
    progress: &dyn Progress,
) -> Result<usize> {
    let rows = read_rows(run)?;
    let mut staged = Staged::new(run);
    let charts = show(&mut staged, record, &rows, report, progress, None)?;
    staged.publish(record, &["charts"])?;
    Ok(charts)
}

/// The sentences of a finished mitigate run.
pub(super) fn read_sentences(run: &RunDir) -> Result<Sentences> {
    Ok(Sentences::of(&RunVerdict::mitigation(&read_rows(run)?)))
}

/// The charts of a finished mitigate run.
///
/// # Errors
/// [`Error::RunFolder`] if its table cannot be read.
pub(crate) fn mitigation_specs(run: &RunDir, record: &RunRecord) -> Result<Vec<ChartSpec>> {
    Ok(plan_mitigation(&read_rows(run)?, &subtitle(record)))
}

fn read_rows(run: &RunDir) -> Result<Vec<MitigationRow>> {
    let name = format!("stats/{MITIGATION}.parquet");
    mitigation_from_parquet(run.read(&name)?, &run.file(&name).display().to_string())
}

fn subtitle(record: &RunRecord) -> String {
    format!("{} \u{b7} {}", record.label, record.text_names().join(", "))
}

/// Makes charts and page. Returns the number of charts.
fn show(
    staged: &mut Staged<'_>,
    record: &mut RunRecord,
    rows: &[MitigationRow],
    report: ReportOptions,
    progress: &dyn Progress,
    clock: Option<Instant>,
) -> Result<usize> {
    let charts: Vec<Chart> = stage_charts(staged, &plan_mitigation(rows, &subtitle(record)), progress)?;
    if let Some(clock) = clock {
        let (wall_seconds, peak_memory_bytes) = (clock.elapsed().as_secs_f64(), process_memory::peak_memory());
        record.run_cost = Some(RunCost { wall_seconds, peak_memory_bytes });
    }
    let stage = RunningStage::begin(progress, Stage::Report, None);
    let page = MitigationPage {
        label: &record.label,
        corpus: record.text_names().join(", "),
        tokens: record.text.tokens,
        documents: record.text.documents as u64,
        resamples: record.statistics.resamples,
        rows,
        charts: &charts,
        provenance: Paths::of(record, report).provenance(record)?,
    };
    staged.add("report.html", mitigation_html(&page)?.as_bytes())?;
    drop(stage);
    progress.check()?;
    Ok(charts.len())
}
