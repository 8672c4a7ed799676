//! Opens a run for questions about its experts.

use std::path::PathBuf;

use crate::{
    error::{CommandName, Error, OptionName, Result, path_text},
    pipeline::{progress::Progress, recorded_settings::recorded_settings},
    report::ProfileSource,
    routing::{LayerId, View},
    run::{RunDir, RunKind, RunRecord, notes_on_run, open_finished, traces_of},
    stats::{Condition, LAYERS_EACH, LayerProfiles, Settings, Side, evenly_spread},
    trace::{Block, LayerTrace, RoutingTrace, SequenceTable},
};

/// Of which tokens of which run a question is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileOptions {
    /// The folder of a finished run.
    pub run: PathBuf,
    /// The label of a checkpoint, of a run with several traces; `None`: of a drift run the last on the time axis, of a drops run the
    /// first.
    pub checkpoint: Option<String>,
    /// Before or after capacity.
    pub view: View,
    /// Layers; none: up to eight, evenly spread. A question about an expert names its layer.
    pub layers: Vec<LayerId>,
    /// Conditions `KEY=VALUE` that tokens meet, all at once; none: all tokens.
    pub only: Vec<String>,
}

impl ProfileOptions {
    /// All tokens and layers of a run, before capacity.
    pub fn of(run: impl Into<PathBuf>) -> Self {
        Self { run: run.into(), checkpoint: None, view: View::Chosen, layers: Vec::new(), only: Vec::new() }
    }
}

/// A run that is open for questions.
pub(super) struct OpenedRun {
    pub(super) run: RunDir,
    pub(super) record: RunRecord,
    pub(super) trace: RoutingTrace,
    pub(super) sequences: SequenceTable,
    pub(super) view: View,
    /// Layers, ascending.
    pub(super) layers: Vec<LayerId>,
    label: String,
    labels: Vec<String>,
    name: String,
    only: Vec<Condition>,
    side: Option<Side>,
    settings: Settings,
}

impl OpenedRun {
    /// Opens a run and checks what was asked for.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if the run is not complete or cannot be read; [`Error::Usage`] for a checkpoint, layer, view or
    /// condition that it does not have.
    pub(super) fn open(options: &ProfileOptions, progress: &dyn Progress) -> Result<Self> {
        let (run, record) = open_finished(&options.run)?;
        for note in notes_on_run(&run, &record) {
            progress.note(&note);
        }
        let traces = traces_of(&run, &record)?;
        let labels: Vec<String> = traces.iter().map(|(label, _)| label.clone()).collect();
        let label = chosen_checkpoint(&record, &labels, options.checkpoint.as_deref())?;
        let own = traces.into_iter().find(|(other, _)| *other == label).map_or(run.clone(), |(_, trace)| trace);
        let trace = RoutingTrace::open(&own)?;
        if options.view == View::Kept && !trace.provides().has(Block::Drops) {
            let what = format!("{}: {}", OptionName::View.with("kept"), Block::Drops.absence());
            return Err(Error::usage(what, format!("leave {} away", OptionName::View)));
        }
        let layers = chosen_layers(trace.moe_layers(), &options.layers, progress)?;
        let sequences = trace.sequences()?;
        let only: Vec<Condition> = options.only.iter().map(|text| text.parse()).collect::<Result<_>>()?;
        let side = match only.as_slice() {
            [] => None,
            only => Some(Side::of(only, &sequences, &trace.spans()?, trace.provides())?),
        };
        let (settings, name) = (recorded_settings(&record), path_text(&options.run));
        Ok(Self {
            run,
            record,
            trace,
            sequences,
            view: options.view,
            layers,
            label,
            labels,
            name,
            only,
            side,
            settings,
        })
    }

    /// Reads a layer, as far as its tokens are asked about.
    ///
    /// # Errors
    /// As [`RoutingTrace::layer`].
    pub(super) fn layer(&self, layer: LayerId) -> Result<LayerTrace> {
        let trace = self.trace.layer(layer)?;
        Ok(match &self.side {
            Some(side) => side.of_layer(&trace),
            None => trace,
        })
    }

    /// Lays a layer out.
    ///
    /// # Errors
    /// As [`LayerProfiles::new`].
    pub(super) fn profiles<'a>(&'a self, trace: &'a LayerTrace) -> Result<LayerProfiles<'a>> {
        LayerProfiles::new(&self.sequences, trace, &self.settings, self.view)
    }

    /// What the numbers of a layer are of.
    pub(super) fn source(&self, (tokens, documents): (u64, u64)) -> ProfileSource {
        ProfileSource {
            run: self.name.clone(),
            checkpoint: self.label.clone(),
            checkpoints: self.labels.clone(),
            only: self.only.iter().map(ToString::to_string).collect(),
            tokens,
            documents,
            settings: (&self.settings).into(),
        }
    }
}

/// The checkpoint that was asked for, or that of the run's own question.
fn chosen_checkpoint(record: &RunRecord, labels: &[String], asked: Option<&str>) -> Result<String> {
    if let Some(asked) = asked {
        return labels.iter().find(|label| *label == asked).cloned().ok_or_else(|| {
            Error::usage(
                format!("{}: the run has no trace of it", OptionName::Checkpoint.with(asked)),
                format!("its traces are those of {}", labels.join(", ")),
            )
        });
    }
    let checkpoints = &record.identity.checkpoints;
    let last = checkpoints.iter().rfind(|own| !own.off_axis).map(|own| own.label.clone());
    let default = if record.identity.command == RunKind::Drift { last } else { labels.first().cloned() };
    default.or_else(|| labels.first().cloned()).ok_or_else(|| {
        Error::run_folder(
            "the run has no trace",
            format!("make it again; {} needs one too", CommandName::Stats.on_the_run()),
        )
    })
}

/// The layers that were asked for, or as many as are shown of any run.
fn chosen_layers(all: &[LayerId], asked: &[LayerId], progress: &dyn Progress) -> Result<Vec<LayerId>> {
    if let Some(wrong) = asked.iter().find(|layer| !all.contains(layer)) {
        return Err(no_such_layer(*wrong, all));
    }
    if asked.is_empty() {
        let shown = evenly_spread(all, LAYERS_EACH);
        if shown.len() < all.len() {
            let (shown, all) = (shown.len(), all.len());
            progress.note(&format!("{shown} of {all} layers, evenly spread; {} names others", OptionName::Layer));
        }
        return Ok(shown);
    }
    Ok(all.iter().copied().filter(|layer| asked.contains(layer)).collect())
}

/// The error for a layer that routes nothing.
pub(super) fn no_such_layer(layer: LayerId, all: &[LayerId]) -> Error {
    let listed: Vec<String> = all.iter().map(ToString::to_string).collect();
    Error::usage(
        format!("layer {layer} has no experts in this run; expected one of {}", listed.join(", ")),
        "layers are counted from 0 through all decoder layers, also those without experts",
    )
}
