//! The traces of a drops run -> its statistics.

use serde_json::Value;

use crate::{
    commands::{signals, terminal},
    error::{Error, Result},
    pipeline::recorded_settings::settings,
    routing::{LayerId, RouterSettings},
    run::{RunDir, recorded_checkpoints},
    stats::{
        DropLayer, DropSettings, DropStudy, StatisticTable, Tables, drop_difference, drop_statistics, exact_replay,
        merge,
    },
    trace::{GroupTable, LayerTrace, RoutingTrace, SequenceTable, SpanTable, manifest_number},
};

/// Tables that are kept of the checkpoint that is compared with; the causes and replays are those of the first.
const COMPARED: [&str; 6] = [
    "assignment_drop_ratio",
    "first_choice_drop_ratio",
    "second_choice_drop_ratio",
    "token_drop_ratio",
    "gate_mass_lost",
    "drop_trend",
];

/// A trace with everything that decides its drops.
struct Recorded {
    label: String,
    trace: RoutingTrace,
    sequences: SequenceTable,
    spans: SpanTable,
    groups: GroupTable,
    router: RouterSettings,
}

impl Recorded {
    fn open(label: &str, folder: &RunDir) -> Result<Self> {
        let trace = RoutingTrace::open(folder)?;
        Ok(Self {
            label: label.to_owned(),
            sequences: trace.sequences()?,
            spans: trace.spans()?,
            groups: trace.groups()?,
            router: router(folder, &trace)?,
            trace,
        })
    }

    fn layer<'a>(&'a self, trace: &'a LayerTrace) -> DropLayer<'a> {
        DropLayer { sequences: &self.sequences, spans: &self.spans, groups: &self.groups, router: self.router, trace }
    }
}

/// How a run turned logits into assignments, from its manifest.
fn router(folder: &RunDir, trace: &RoutingTrace) -> Result<RouterSettings> {
    let manifest = folder.manifest()?;
    let settings = manifest["capacity_rule"].as_str().and_then(|rule| {
        Some(RouterSettings {
            num_experts: trace.num_experts(),
            top_k: trace.top_k(),
            capacity_rule: rule.parse().ok()?,
            capacity_factor: manifest["capacity_factor"].as_f64()?,
            min_capacity: manifest["min_capacity"].as_u64()? as u32,
        })
    });
    settings.ok_or_else(|| {
        Error::run_folder(
            format!("manifest.json of `{}` does not say how capacity was set", folder.path().display()),
            "the run was made by another version: run it again with --force",
        )
    })
}

/// Layer by layer: one layer of each trace is in memory at a time.
pub(crate) fn compute(run: &RunDir, manifest: &Value, quiet: bool) -> Result<Tables> {
    let opened = recorded_checkpoints(run, manifest)?;
    let checkpoints = opened.iter().map(|(label, folder)| Recorded::open(label, folder)).collect::<Result<Vec<_>>>()?;
    let replays = manifest["exact_replay"].as_array().into_iter().flatten().filter_map(|entry| entry["trace"].as_str());
    let replays = replays
        .map(|folder| Recorded::open(&checkpoints[0].label, &RunDir::open(&run.file(folder))?))
        .collect::<Result<Vec<_>>>()?;
    let defaults = DropSettings::default();
    let bin = match &manifest["bin"] {
        Value::Null => defaults.bin,
        bin => manifest_number(run, bin, "bin", 1..=u32::MAX as usize)? as u32,
    };
    let settings = DropSettings { statistics: settings(run, manifest)?, bin, ..defaults };
    let spinner = terminal::spinner("statistics", quiet);
    let mut tables = Tables::new();
    for &layer in checkpoints[0].trace.moe_layers() {
        let progress = |what: &'static str| spinner.set_message(format!("layer {layer}: {what}"));
        merge(&mut tables, of_layer(layer, &checkpoints, &replays, &settings, &progress)?);
    }
    spinner.finish_and_clear();
    Ok(tables)
}

fn of_layer(
    layer: LayerId,
    checkpoints: &[Recorded],
    replays: &[Recorded],
    settings: &DropSettings,
    progress: &dyn Fn(&'static str),
) -> Result<Vec<StatisticTable>> {
    signals::check_interrupt()?;
    let first = &checkpoints[0];
    let columns = first.trace.layer(layer)?;
    progress("counting");
    let logged = DropStudy::new(&first.layer(&columns), settings)?;
    let mut tables = drop_statistics(&logged, progress)?;
    for other in &checkpoints[1..] {
        signals::check_interrupt()?;
        let columns = other.trace.layer(layer)?;
        progress("counting");
        let model = DropStudy::new(&other.layer(&columns), settings)?;
        tables.extend(of_checkpoint(drop_statistics(&model, progress)?, &other.label));
        progress("difference");
        tables.push(drop_difference(&model, &logged, (&other.label, &first.label))?);
    }
    for replay in replays {
        signals::check_interrupt()?;
        progress("exact replay");
        let columns = replay.trace.layer(layer)?;
        let rerun = DropStudy::new(&replay.layer(&columns), settings)?;
        tables.push(exact_replay(&rerun, &logged)?);
    }
    Ok(tables)
}

/// The comparable tables of a second checkpoint, under its label.
fn of_checkpoint(tables: Vec<StatisticTable>, label: &str) -> Vec<StatisticTable> {
    let mut kept: Vec<StatisticTable> =
        tables.into_iter().filter(|table| COMPARED.contains(&table.name.as_str())).collect();
    for row in kept.iter_mut().flat_map(|table| &mut table.rows) {
        row.subject.checkpoint = Some(label.to_owned());
    }
    kept
}
