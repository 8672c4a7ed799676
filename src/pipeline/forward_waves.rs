//! Runs the forward pass of a prepared run wave by wave; a wave is a set of tokens that go through a layer together.

use std::{
    ops::Range,
    sync::mpsc::{Receiver, sync_channel},
};

use super::{
    memory_plan::group_rows,
    pass::Pass,
    prepared_pass::PreparedPass,
    process_memory,
    progress::{Progress, RunningStage, Stage},
    quantities,
};
use crate::{
    error::{Error, Result},
    model::{ForwardOptions, Model, Outputs, Wave},
    routing::{LayerRouting, OwnRouter, RoutingObserver},
    run::{RunDir, Written},
    trace::{FinishedPart, Segment, TraceWriter},
};

/// Passes routing on to the trace, reports progress, and stops when the run is cancelled.
struct RouteObserver<'a> {
    trace: TraceWriter<'a>,
    stage: &'a RunningStage<'a>,
    tokens: u64,
    /// Which wave of how many, where there are several.
    wave: String,
}

impl RoutingObserver for RouteObserver<'_> {
    fn observe_routing(&mut self, routing: &LayerRouting) -> Result<()> {
        self.stage.check()?;
        self.trace.observe_routing(routing)
    }

    fn observe_layer(&mut self, layer: usize, layers: usize) -> Result<()> {
        self.stage.check()?;
        self.stage.advance(self.tokens);
        self.stage.working_on(&format!("{}layer {} of {layers}", self.wave, layer + 1));
        Ok(())
    }
}

/// What the forward pass did.
pub(crate) struct Executed {
    /// Tokens that went through the model in this run (not in an earlier, interrupted one).
    pub(crate) tokens: u64,
    /// Seconds that it took.
    pub(crate) seconds: f64,
    /// Peak resident memory of the process when it was done, in bytes.
    pub(crate) peak_memory: Option<u64>,
}

/// Runs every wave that has a part which is missing or was changed. A separate thread writes the parts.
pub(crate) fn run_waves(
    prepared: &PreparedPass,
    run: &RunDir,
    pass: &Pass,
    progress: &dyn Progress,
) -> Result<Executed> {
    let layout = &prepared.layout;
    let provides = pass.provides(prepared.checkpoint.architecture());
    let (missing, damaged) = layout.missing(run, provides);
    if damaged > 0 {
        let files = quantities::count(damaged as u64, "file");
        let place = run.path().display();
        progress.warn(&format!(
            "`{place}`: {files} of the trace have another checksum than they were written with, or none: made again"
        ));
    }
    let segments = consecutive(&missing);
    let tokens: u64 = missing.iter().map(|&segment| layout.segments[segment].tokens as u64).sum();
    let layers = pass.layers(prepared.checkpoint.architecture());
    let stage = RunningStage::begin(progress, Stage::ForwardPass, Some(tokens * layers));
    let clock = std::time::Instant::now();
    let (computed, written) = std::thread::scope(|scope| -> Result<_> {
        // One part waits while another is written; a longer queue would only take memory.
        let (sender, steps) = sync_channel(1);
        let writing = move || write(run, steps);
        let writer = std::thread::Builder::new().name("trace".into()).spawn_scoped(scope, writing);
        let writer = writer.map_err(|error| {
            Error::usage(
                format!("the thread that writes the trace cannot be started: {error}"),
                "allow more processes (ulimit -u) or address space (ulimit -v)",
            )
        })?;
        let send =
            move |step| sender.send(step).map_err(|_| Error::internal("the thread that writes the trace has stopped"));
        let checked = send.clone();
        let trace = TraceWriter::with(layout, &prepared.corpus.sequences, provides, move |part| {
            send(WriterMessage::Write(part))
        });
        let observer = RouteObserver { trace, stage: &stage, tokens: 0, wave: String::new() };
        let computed = compute(prepared, pass, &segments, observer, move || checked(WriterMessage::List));
        Ok((computed, writer.join()))
    })?;
    // The reason why the writer stopped says more than the failure to send to it.
    written.unwrap_or_else(|_| Err(Error::internal("the thread that writes the trace panicked")))?;
    computed?;
    drop(stage);
    progress.check()?;
    Ok(Executed { tokens, seconds: clock.elapsed().as_secs_f64(), peak_memory: process_memory::peak_memory() })
}

/// A message to the thread that writes.
enum WriterMessage {
    /// A part is ready.
    Write(FinishedPart),
    /// The weights were still the hashed ones after everything up to here was computed: the written parts can be listed.
    List,
}

/// Writes parts. A part counts only once the weights have been checked after it was computed: parts that were made from
/// changed weights, or whose check an interruption prevented, are made again.
fn write(run: &RunDir, steps: Receiver<WriterMessage>) -> Result<()> {
    let mut written = Written::default();
    for step in steps {
        match step {
            WriterMessage::Write(part) => written.append(part.write(run)?),
            WriterMessage::List => run.list(std::mem::take(&mut written))?,
        }
    }
    Ok(())
}

/// Ascending numbers as ranges.
fn consecutive(numbers: &[usize]) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for &number in numbers {
        match ranges.last_mut().filter(|range| range.end == number) {
            Some(range) => range.end = number + 1,
            None => ranges.push(number..number + 1),
        }
    }
    ranges
}

/// Runs the waves of some segments. `checked` is called after each wave, once the weights are found unchanged.
fn compute(
    prepared: &PreparedPass,
    pass: &Pass,
    segments: &[Range<usize>],
    mut observer: RouteObserver,
    checked: impl Fn() -> Result<()>,
) -> Result<()> {
    let layout = &prepared.layout;
    let (shape, arithmetic) = (layout.shape.clone(), prepared.arithmetic);
    let options = ForwardOptions { shape, arithmetic, outputs: Outputs { nll: pass.losses, ..Outputs::default() } };
    let policy = pass.intervention.as_ref().and_then(|intervention| intervention.policy.as_deref());
    let mut model = Model::new(&prepared.checkpoint, options).with_policy(policy.unwrap_or(&OwnRouter));
    let rows = group_rows(layout, &prepared.corpus.sequences);
    let of = |segments: &Range<usize>| waves(&layout.segments[segments.clone()], &rows, prepared.wave_tokens);
    let waves: Vec<Range<usize>> = segments.iter().flat_map(of).collect();
    let count = waves.len();
    for (index, groups) in waves.into_iter().enumerate() {
        observer.wave = if count > 1 { format!("part {} of {count} of the text, ", index + 1) } else { String::new() };
        let wave = wave(prepared, groups);
        observer.tokens = wave.tokens() as u64;
        let computed = model.forward(&wave, &mut observer);
        let computed =
            computed.and_then(|output| observer.trace.observe_losses(wave.first_sequence as usize, &output.nll));
        // The parts that an interrupted wave has finished are kept too.
        let unchanged = prepared.check_unchanged().and_then(|()| checked());
        computed?;
        unchanged?;
    }
    Ok(())
}

/// Cuts the routing groups of the segments into waves of at most `limit` rows and at least one group. Segments that fit stay
/// whole, so that an interrupted run has little to repeat.
fn waves(segments: &[Segment], group_rows: &[usize], limit: usize) -> Vec<Range<usize>> {
    let mut waves: Vec<(Range<usize>, usize)> = Vec::new();
    for segment in segments {
        let rows = group_rows[segment.groups.clone()].iter().sum();
        let whole = rows <= limit;
        let units = if whole {
            vec![(segment.groups.clone(), rows)]
        } else {
            segment.groups.clone().map(|group| (group..group + 1, group_rows[group])).collect()
        };
        for (index, (groups, rows)) in units.into_iter().enumerate() {
            match waves.last_mut() {
                // The groups of a segment that is cut do not join the wave of the segment before.
                Some((wave, sum)) if *sum + rows <= limit && (whole || index > 0) => {
                    wave.end = groups.end;
                    *sum += rows;
                }
                _ => waves.push((groups, rows)),
            }
        }
    }
    waves.into_iter().map(|(groups, _)| groups).collect()
}

fn wave(prepared: &PreparedPass, groups: Range<usize>) -> Wave<'_> {
    let layout = &prepared.layout;
    let sequences = layout.groups[groups.start].start..layout.groups[groups.end - 1].end;
    Wave {
        first_sequence: sequences.start as u32,
        first_group: groups.start as u32,
        groups: layout.groups[groups]
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
    fn segments_in_a_row_go_together() {
        assert_eq!(consecutive(&[0, 1, 4, 6, 7, 8]), [0..2, 4..5, 6..9]);
        assert!(consecutive(&[]).is_empty());
    }

    #[test]
    fn waves_are_whole_segments_within_the_limit_else_groups() {
        let segment = |groups: Range<usize>, tokens| Segment { sequences: groups.clone(), groups, tokens };
        let segments = [segment(0..1, 10), segment(1..3, 10), segment(3..4, 30), segment(4..6, 5), segment(6..7, 5)];
        let tokens = [10, 6, 4, 30, 2, 3, 5];
        assert_eq!(waves(&segments, &tokens, 20), [0..3, 3..4, 4..7]);
        assert_eq!(waves(&segments, &tokens, 59), [0..6, 6..7]);
        // The second segment does not fit: it is cut, and does not join the first.
        assert_eq!(waves(&segments, &tokens, 9), [0..1, 1..2, 2..3, 3..4, 4..6, 6..7]);
        assert_eq!(waves(&segments, &tokens, 1), [0..1, 1..2, 2..3, 3..4, 4..5, 5..6, 6..7]);
    }
}
