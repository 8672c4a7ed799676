//! Runs of several checkpoints over the same tokens.

use openmoe_analyze::{
    routing::ExpertId,
    stats::{DriftLayer, DriftPoint, DriftSettings, Finding, Settings, Tables, drift_statistics, merge},
    trace::LayerTrace,
};

use crate::statistics::support::*;

pub(crate) const LABELS: [&str; 6] = ["200B", "400B", "600B", "800B", "1T", "chat"];

/// The checkpoints of the time axis, 200B apart; "chat" is beside the axis.
pub(crate) fn points(count: usize) -> Vec<DriftPoint<'static>> {
    let point = |(index, label): (usize, &'static str)| DriftPoint {
        label,
        training_tokens: (label != "chat").then_some(2e11 * (index + 1) as f64),
        off_axis: label == "chat",
    };
    LABELS.into_iter().enumerate().take(count).map(point).collect()
}

pub(crate) fn quick_drift() -> DriftSettings {
    DriftSettings { statistics: quick(), splits: 4, ..DriftSettings::default() }
}

/// The tables of some checkpoints over the tokens of `run`; the last of `traces` that is on the axis is the reference.
pub(crate) fn drift(run: &MadeUpTrace, traces: &[&LayerTrace], settings: &DriftSettings) -> Tables {
    let layers: Vec<DriftLayer<'_>> = traces.iter().map(|trace| DriftLayer { trace, gate: None }).collect();
    let mut tables = Tables::new();
    let found = drift_statistics(&run.sequences, &points(traces.len()), layers.as_slice(), settings, &|_| ());
    merge(&mut tables, found.expect("statistics"));
    tables
}

/// The same tokens with other choices.
pub(crate) fn with_choices(trace: &LayerTrace, choice: impl FnMut(usize) -> Vec<ExpertId>) -> LayerTrace {
    let expert: Vec<ExpertId> = (0..trace.len()).flat_map(choice).collect();
    LayerTrace { expert, ..trace.clone() }
}

/// The experts under other names.
pub(crate) fn permuted(trace: &LayerTrace, name: impl Fn(ExpertId) -> ExpertId) -> LayerTrace {
    LayerTrace { expert: trace.expert.iter().map(|expert| name(*expert)).collect(), ..trace.clone() }
}

/// A router that is learnt: every occurrence keeps its final choices with this probability, else it draws at random.
pub(crate) fn learning(trace: &LayerTrace, learnt: f64, seed: u64) -> LayerTrace {
    let mut random = Random(seed);
    with_choices(trace, |t| {
        let other = random.subset(trace.num_experts, trace.top_k);
        if f64::from(random.below(1000)) < learnt * 1000.0 { trace.choices(t).to_vec() } else { other }
    })
}

/// The row of a statistic about a checkpoint compared with the reference, over all.
#[track_caller]
pub(crate) fn at<'a>(
    tables: &'a Tables,
    table: &str,
    checkpoint: &str,
    condition: impl Fn(&Finding) -> bool,
) -> &'a Finding {
    one(tables, table, |row| {
        row.statistic.name() == table && row.checkpoint.as_deref() == Some(checkpoint) && condition(row)
    })
}

pub(crate) fn with(statistics: Settings) -> DriftSettings {
    DriftSettings { statistics, ..quick_drift() }
}
