//! Runs the forward pass of a prepared run wave by wave into its folder.

use indicatif::ProgressBar;

use super::{machine, prepare::Prepared, terminal};
use crate::{
    error::Result,
    model::{ForwardOptions, Model, Outputs, Wave},
    routing::{LayerRouting, RoutingObserver},
    run_dir::RunDir,
    trace::{Segment, TraceWriter},
};

/// Passes routing on to the trace, moves the bar, and stops when interrupted.
struct RouteObserver<'a> {
    trace: TraceWriter<'a>,
    bar: &'a ProgressBar,
    tokens: u64,
}

impl RoutingObserver for RouteObserver<'_> {
    fn observe_routing(&mut self, routing: &LayerRouting) -> Result<()> {
        machine::check_interrupt()?;
        self.trace.observe_routing(routing)
    }

    fn observe_layer(&mut self, layer: usize, layers: usize) -> Result<()> {
        machine::check_interrupt()?;
        self.bar.inc(self.tokens);
        self.bar.set_message(format!("layer {} of {layers}", layer + 1));
        Ok(())
    }
}

/// What the forward pass did.
pub(super) struct Executed {
    /// Tokens that went through it now (not in an earlier, interrupted run).
    pub(super) tokens: u64,
    /// Seconds that it took.
    pub(super) seconds: f64,
}

/// Runs every wave whose parts are not all in place yet.
pub(super) fn execute(prepared: &Prepared, run: &RunDir, log_logits: bool, quiet: bool) -> Result<Executed> {
    let layout = &prepared.layout;
    let start = (0..layout.segments.len())
        .find(|&segment| !layout.segment_complete(run, segment, log_logits))
        .unwrap_or(layout.segments.len());
    let options =
        ForwardOptions { router: prepared.router, arithmetic: prepared.arithmetic, outputs: Outputs::default() };
    let mut model = Model::new(&prepared.checkpoint, options);
    let tokens: u64 = layout.segments[start..].iter().map(|segment| segment.tokens as u64).sum();
    let layers = layout.moe_layers.last().map_or(0, |&last| u64::from(last) + 1);
    let bar = terminal::bar(tokens * layers, "forward pass", quiet);
    let clock = std::time::Instant::now();
    machine::in_forward_pass(true);
    for segments in waves(&layout.segments[start..], prepared.wave_tokens) {
        let wave = wave(prepared, segments);
        let mut observer = RouteObserver {
            trace: TraceWriter::new(run, layout, &prepared.corpus.sequences, log_logits),
            bar: &bar,
            tokens: wave.tokens() as u64,
        };
        model.forward(&wave, &mut observer)?;
    }
    machine::in_forward_pass(false);
    machine::check_interrupt()?;
    bar.finish_and_clear();
    Ok(Executed { tokens, seconds: clock.elapsed().as_secs_f64() })
}

/// Joins consecutive segments while their tokens stay within `limit`; at least one.
fn waves(segments: &[Segment], limit: usize) -> Vec<&[Segment]> {
    let mut waves = Vec::new();
    let (mut start, mut tokens) = (0, 0);
    for (index, segment) in segments.iter().enumerate() {
        if index > start && tokens + segment.tokens > limit {
            waves.push(&segments[start..index]);
            (start, tokens) = (index, 0);
        }
        tokens += segment.tokens;
    }
    if start < segments.len() {
        waves.push(&segments[start..]);
    }
    waves
}

fn wave<'a>(prepared: &'a Prepared, segments: &[Segment]) -> Wave<'a> {
    let (first, last) = (&segments[0], &segments[segments.len() - 1]);
    let sequences = first.sequences.start..last.sequences.end;
    let groups = first.groups.start..last.groups.end;
    Wave {
        first_sequence: sequences.start as u32,
        first_group: groups.start as u32,
        groups: prepared.layout.groups[groups]
            .iter()
            .map(|group| group.start - sequences.start..group.end - sequences.start)
            .collect(),
        sequences: prepared.corpus.sequences[sequences].iter().map(|s| s.token_ids.as_slice()).collect(),
        key_masks: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waves_are_whole_segments_within_the_limit() {
        let segment = |tokens| Segment { sequences: 0..1, groups: 0..1, tokens };
        let segments = [segment(10), segment(10), segment(30), segment(5), segment(5)];
        let sizes = |limit| waves(&segments, limit).iter().map(|wave| wave.len()).collect::<Vec<_>>();
        assert_eq!(sizes(1), [1, 1, 1, 1, 1]);
        assert_eq!(sizes(20), [2, 1, 2]);
        assert_eq!(sizes(1000), [5]);
    }
}
