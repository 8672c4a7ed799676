//! Computes the statistics of a drops run from its traces.

use crate::{
    error::{ANOTHER_VERSION, Error, Result, run_again},
    pipeline::{
        progress::RunningStage, recorded_settings::recorded_settings, verdict::asked_capacity,
        work_plan::UNITS_OF_MODEL,
    },
    routing::{CapacityPolicy, LayerId, LayerShape, RecordedDrops, RouterSettings},
    run::{RunDir, RunRecord, recorded_checkpoints},
    stats::{
        AskedCapacity, DropLayer, DropSettings, StatisticTable, TableBuilders, append, drop_difference,
        drop_statistics, drop_study, exact_replay, is_of_every_model,
    },
    trace::{GroupTable, LayerTrace, RoutingTrace, SequenceTable, SpanTable},
};

/// A trace with everything that decides its drops.
struct Recorded {
    label: String,
    trace: RoutingTrace,
    sequences: SequenceTable,
    spans: SpanTable,
    /// The capacity that the run asks about instead of its own.
    asked: Option<AskedCapacity>,
}

/// One layer of the trace.
struct RecordedLayer<'a> {
    of: &'a Recorded,
    trace: LayerTrace,
    groups: GroupTable,
    router: RouterSettings,
}

impl Recorded {
    fn open(label: &str, folder: &RunDir, asked: Option<AskedCapacity>, own: Option<RecordedDrops>) -> Result<Self> {
        let record = folder.record()?;
        let trace = RoutingTrace::of(folder, &record)?;
        if asked.is_none() && own.is_none() && trace.shape().layers().any(|(_, layer)| layer.capacity.is_none()) {
            return Err(Error::run_folder(
                format!("manifest.json of `{}` does not say how capacity was set", folder.path().display()),
                run_again(ANOTHER_VERSION),
            ));
        }
        let (mut sequences, mut spans) = (trace.sequences()?, trace.spans()?);
        if sequences.tokens.iter().map(|tokens| u64::from(*tokens)).sum::<u64>() != record.text.tokens {
            trace.count_in_rows(&mut sequences, &mut spans)?;
        }
        Ok(Self { label: label.to_owned(), sequences, spans, trace, asked })
    }

    /// Reads a layer, and how it turned logits into assignments.
    fn layer(&self, layer: LayerId) -> Result<RecordedLayer<'_>> {
        let missing = || Error::internal(format!("layer {layer} has no router"));
        let shape = self.trace.shape().layer(layer).ok_or_else(missing)?;
        let mut trace = self.trace.layer(layer)?;
        let (shape, groups) = match self.asked {
            // Only what an engine dropped at a capacity that it does not say has none.
            None if shape.capacity.is_none() => {
                (LayerShape { capacity: Some(CapacityPolicy::UNLIMITED), ..*shape }, self.trace.groups(layer)?)
            }
            None => (*shape, self.trace.groups(layer)?),
            Some(asked) => {
                let groups = asked.groups(shape, &self.sequences)?;
                AskedCapacity::apply(&mut trace, &groups, &self.sequences)?;
                (asked.of(shape), groups)
            }
        };
        Ok(RecordedLayer { of: self, trace, groups, router: shape.router().ok_or_else(missing)? })
    }
}

impl RecordedLayer<'_> {
    fn as_drop_layer(&self) -> DropLayer<'_> {
        let Recorded { sequences, spans, .. } = self.of;
        DropLayer { sequences, spans, groups: &self.groups, router: self.router, trace: &self.trace }
    }
}

/// Computes layer by layer: one layer of each trace is in memory at a time.
pub(crate) fn compute(run: &RunDir, record: &RunRecord, stage: &RunningStage<'_>) -> Result<TableBuilders> {
    let (opened, asked) = (recorded_checkpoints(run, record)?, asked_capacity(record));
    let recorded = record.drops.as_ref().and_then(|drops| drops.recorded_drops);
    let open = |label: &str, folder: &RunDir| Recorded::open(label, folder, asked, recorded);
    let checkpoints = opened.iter().map(|(label, folder)| open(label, folder)).collect::<Result<Vec<_>>>()?;
    let replays = record.identity.exact_replay.iter().flatten();
    let replays = replays
        .map(|replay| open(&checkpoints[0].label, &RunDir::open(&run.file(&replay.trace))?))
        .collect::<Result<Vec<_>>>()?;
    let settings = settings(record);
    let mut tables = TableBuilders::new();
    for &layer in checkpoints[0].trace.moe_layers() {
        append(&mut tables, of_layer(layer, &checkpoints, &replays, &settings, stage)?)?;
    }
    Ok(tables)
}

fn settings(record: &RunRecord) -> DropSettings {
    let mut settings = DropSettings { statistics: recorded_settings(record), ..DropSettings::default() };
    if let Some(drops) = &record.drops {
        settings.bin = drops.bin;
        settings.expert_parallel.clone_from(&drops.expert_parallel);
        settings.recorded_drops = drops.recorded_drops.is_some() && !drops.asked_capacity;
    }
    settings
}

fn of_layer(
    layer: LayerId,
    checkpoints: &[Recorded],
    replays: &[Recorded],
    settings: &DropSettings,
    stage: &RunningStage<'_>,
) -> Result<Vec<StatisticTable>> {
    let first = &checkpoints[0];
    let at = |what: &'static str| stage.working_on_layer(layer, first.trace.moe_layers(), what);
    stage.check()?;
    at("counting");
    let recorded = first.layer(layer)?;
    let logged = drop_study(&recorded.as_drop_layer(), settings)?;
    let mut tables = drop_statistics(&logged, &at)?;
    stage.advance(UNITS_OF_MODEL);
    for other in &checkpoints[1..] {
        stage.check()?;
        at("counting in the second model");
        let recorded = other.layer(layer)?;
        let model = drop_study(&recorded.as_drop_layer(), settings)?;
        tables.extend(of_checkpoint(drop_statistics(&model, &at)?, &other.label));
        at("difference of the models");
        tables.push(drop_difference(&model, &logged, (&other.label, &first.label))?);
        stage.advance(UNITS_OF_MODEL);
    }
    for replay in replays {
        stage.check()?;
        at("exact replay");
        let recorded = replay.layer(layer)?;
        let rerun = drop_study(&recorded.as_drop_layer(), settings)?;
        tables.push(exact_replay(&rerun, &logged)?);
        stage.advance(1);
    }
    Ok(tables)
}

/// The comparable tables of a second checkpoint, under its label.
fn of_checkpoint(tables: Vec<StatisticTable>, label: &str) -> Vec<StatisticTable> {
    let mut kept: Vec<StatisticTable> = tables.into_iter().filter(|table| is_of_every_model(&table.name)).collect();
    for row in kept.iter_mut().flat_map(|table| &mut table.rows) {
        row.subject.checkpoint = Some(label.to_owned());
    }
    kept
}
