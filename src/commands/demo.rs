//! `demo`: route, drift and drops on the bundled checkpoints, text and transcripts.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{drift::drift, drops::drops, route::route, terminal};
use crate::{
    cli::{CommonArgs, DemoArgs, DriftArgs, DropsArgs, ExecutionArgs, InputArgs, RouteArgs, TranscriptArgs},
    error::{Error, Result},
    pipeline::report_page,
    run::REPORT_RUNS,
};

/// The folders of the two other runs, in that of the first.
const BESIDE: [&str; 2] = ["drift", "drops"];
/// The points of one training run, in order.
const TRAINING: [&str; 6] = [
    "checkpoints/openmoe-tiny-0.25M",
    "checkpoints/openmoe-tiny-2.5M",
    "checkpoints/openmoe-tiny-4.9M",
    "checkpoints/openmoe-tiny-7.4M",
    "checkpoints/openmoe-tiny-9.8M",
    "checkpoints/openmoe-tiny-12.3M",
];
const CHAT: &str = "checkpoints/openmoe-tiny-12.3M-chat";
const CORPORA: [&str; 3] = ["corpora/domains", "corpora/languages", "corpora/code_languages"];
const TRANSCRIPTS: &str = "corpora/transcripts";
/// The factor that the model was trained with.
const TRAINING_FACTOR: f64 = 1.25;

/// Runs the demonstration and ends with the verdicts.
pub(super) fn run(arguments: &DemoArgs) -> anyhow::Result<()> {
    let fixtures = fixtures()?;
    let execution = ExecutionArgs {
        threads: arguments.threads,
        force: arguments.force,
        resume: arguments.resume,
        quiet: arguments.quiet,
        ..ExecutionArgs::default()
    };
    let route_arguments = RouteArgs {
        checkpoint: fixtures.join(TRAINING[TRAINING.len() - 1]),
        corpus: CORPORA.iter().map(|corpus| fixtures.join(corpus)).collect(),
        out: Some(arguments.out.clone()),
        // The pool of threads is set once for the process.
        common: CommonArgs { execution: execution.clone(), ..CommonArgs::default() },
    };
    let step = |words: &str| {
        if !arguments.quiet {
            terminal::note(words);
        }
    };
    step("1 of 3: route, one checkpoint over all text");
    let Some((routed, route)) = route(&route_arguments)? else { return Ok(()) };
    let drift_arguments = DriftArgs {
        checkpoints: TRAINING.iter().map(|folder| fixtures.join(folder)).collect(),
        corpus: vec![fixtures.join(CORPORA[0])],
        out: Some(arguments.out.join(BESIDE[0])),
        tokens: Vec::new(),
        off_axis: Some(fixtures.join(CHAT)),
        noise_floor: true,
        match_experts: false,
        tokens_of_interest: Vec::new(),
        // Seven forward passes: the beginning of every document is enough to show the course.
        common: CommonArgs {
            input: InputArgs { context: Some(512), truncate: true, ..InputArgs::default() },
            execution: ExecutionArgs { threads: None, ..execution },
            ..CommonArgs::default()
        },
    };
    step("2 of 3: drift, the six checkpoints of one training run, a chat-tuned one and the last again in bf16");
    let Some((drifted, drift)) = drift(&drift_arguments)? else { return Ok(()) };
    step("3 of 3: drops, base and chat-tuned, then the base again at the training's capacity factor");
    let Some((dropped, drops)) = drops(&drops_arguments(&fixtures, arguments, &drift_arguments.common.execution))?
    else {
        return Ok(());
    };
    // One page for all three, in the place of the report of route alone; the manifest says so to whoever makes it again.
    let folders = [&arguments.out, &arguments.out.join(BESIDE[0]), &arguments.out.join(BESIDE[1])];
    routed.write("report.html", report_page::of_runs(&folders, &arguments.out, arguments.quiet)?.as_bytes())?;
    let mut manifest = routed.manifest()?;
    manifest[REPORT_RUNS] = json!(BESIDE);
    routed.write_manifest(&manifest)?;
    route.print_verdict(&routed)?;
    terminal::print("")?;
    drift.print_verdict(&drifted)?;
    terminal::print("")?;
    drops.print_verdict(&dropped)?;
    terminal::print(&format!("\nall three in one report: {}", routed.file("report.html").display()))?;
    Ok(())
}

fn drops_arguments(fixtures: &Path, arguments: &DemoArgs, execution: &ExecutionArgs) -> DropsArgs {
    DropsArgs {
        checkpoint: fixtures.join(TRAINING[TRAINING.len() - 1]),
        compare: Some(fixtures.join(CHAT)),
        transcripts: vec![fixtures.join(TRANSCRIPTS)],
        corpus: vec![fixtures.join(CORPORA[0])],
        out: Some(arguments.out.join(BESIDE[1])),
        transcript: TranscriptArgs::default(),
        bin: 64,
        exact_replay: vec![TRAINING_FACTOR],
        common: CommonArgs { execution: execution.clone(), ..CommonArgs::default() },
    }
}

/// The bundled data: below the current folder, beside the program, or in the source tree it was built from.
fn fixtures() -> Result<PathBuf> {
    let beside = std::env::current_exe().ok().and_then(|program| program.parent().map(Path::to_path_buf));
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let candidates = [Some(PathBuf::new()), beside, Some(source)].into_iter().flatten();
    let mut folders = candidates.map(|folder| folder.join("fixtures"));
    folders.find(|folder| folder.join(CHAT).is_dir()).ok_or_else(|| {
        Error::usage(
            format!("the bundled checkpoint `fixtures/{CHAT}` is neither here, nor beside the program, nor in the source tree"),
            "run `cargo run --release -- demo` in a clone of the repository",
        )
    })
}
