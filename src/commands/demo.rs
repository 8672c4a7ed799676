//! `demo`: route, drift and drops on the bundled checkpoints, text and transcripts.

use std::path::{Path, PathBuf};

use super::{
    options::{command_line, occupied},
    progress::TerminalProgress,
    signals, terminal, threads,
};
use crate::{
    cli::DemoArgs,
    error::{Error, Result},
    pipeline::{
        drift_run::DriftRun,
        drops_run::DropsRun,
        options::{
            CheckpointSpec, ConversationOptions, DriftOptions, DropsOptions, ExecutionOptions, InputOptions,
            ReportOptions, RouteOptions, RunOptions,
        },
        report_page,
        route_run::RouteRun,
    },
};

/// The folders of the second and the third run, inside the folder of the first.
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

/// The shares of the time of the whole that its three runs and their common page take: 24, 17, 29 and 6 s on two cores.
const SHARES: [f64; 4] = [0.32, 0.22, 0.38, 0.08];

/// Runs the demonstration and ends with the verdicts.
pub(super) fn run(arguments: &DemoArgs, progress: &TerminalProgress) -> anyhow::Result<()> {
    let fixtures = fixtures()?;
    signals::watch_for_interrupts();
    threads::set_threads(arguments.threads)?;
    let report = ReportOptions { show_command: arguments.show_command };
    let execution = ExecutionOptions {
        occupied: occupied(arguments.force, arguments.resume),
        report,
        command_line: command_line(),
        ..ExecutionOptions::default()
    };
    let out = arguments.out.as_path();
    let [drift_out, drops_out] = BESIDE.map(|name| out.join(name));
    progress.part("1 of 3: route", SHARES[0], "one checkpoint over all text");
    let ready = RouteRun::new(route_options(&fixtures, &execution), Some(out), progress)?;
    let (routed, route) = ready.run(out, progress)?;
    progress.part(
        "2 of 3: drift",
        SHARES[1],
        "the six checkpoints of one training run, a chat-tuned one and the last again in bf16 arithmetic",
    );
    let ready = DriftRun::new(drift_options(&fixtures, &execution), Some(&drift_out), progress)?;
    let (drifted, drift) = ready.run(&drift_out, progress)?;
    progress.part(
        "3 of 3: drops",
        SHARES[2],
        "the base model, the chat-tuned one, then the base again with the capacity that it was trained with",
    );
    let ready = DropsRun::new(drops_options(&fixtures, &execution), Some(&drops_out), progress)?;
    let (dropped, drops) = ready.run(&drops_out, progress)?;
    // One page for all three replaces the report of route alone. The manifest lists the three runs, so that a later `report`
    // makes the same page again.
    progress.part("all three", SHARES[3], "one page of them");
    let folders = [out, &drift_out, &drops_out];
    routed.write("report.html", report_page::of_runs(&folders, out, report, progress)?.as_bytes())?;
    let mut record = routed.record()?;
    record.report_runs = BESIDE.map(str::to_owned).to_vec();
    routed.write_record(&record)?;
    for (name, analysis, run) in [("route", &route, &routed), ("drift", &drift, &drifted), ("drops", &drops, &dropped)]
    {
        terminal::print(&format!("{name}:"))?;
        analysis.print_answer()?;
        analysis.print_places(run)?;
        terminal::print("")?;
    }
    terminal::print(&format!("all three in one report: {}", routed.file("report.html").display()))?;
    terminal::print("")?;
    terminal::print("What would it cost to route otherwise? Eight forward passes, 20 seconds:")?;
    terminal::print(&format!("  {}", mitigate_command(&fixtures, out)))?;
    Ok(())
}

/// The command that measures the paper's proposals on the same model and text.
fn mitigate_command(fixtures: &Path, out: &Path) -> String {
    let file = |name: &str| fixtures.join(name).display().to_string();
    format!(
        "openmoe-analyze mitigate {} --corpus {} --context 512 --truncate --out {}",
        file(TRAINING[TRAINING.len() - 1]),
        file(CORPORA[0]),
        out.join("mitigate").display()
    )
}

fn route_options(fixtures: &Path, execution: &ExecutionOptions) -> RouteOptions {
    let corpus = CORPORA.iter().map(|corpus| fixtures.join(corpus)).collect();
    RouteOptions {
        checkpoint: fixtures.join(TRAINING[TRAINING.len() - 1]).into(),
        run: RunOptions { corpus, execution: execution.clone(), ..RunOptions::default() },
        ..RouteOptions::default()
    }
}

fn drift_options(fixtures: &Path, execution: &ExecutionOptions) -> DriftOptions {
    DriftOptions {
        checkpoints: TRAINING.iter().map(|folder| CheckpointSpec::in_folder(fixtures.join(folder))).collect(),
        off_axis: Some(CheckpointSpec::in_folder(fixtures.join(CHAT))),
        noise_floor: true,
        run: RunOptions {
            corpus: vec![fixtures.join(CORPORA[0])],
            // There are seven forward passes; the beginning of every document is enough to show the trend.
            input: InputOptions { context: Some(512), truncate: true, ..InputOptions::default() },
            execution: execution.clone(),
            ..RunOptions::default()
        },
        ..DriftOptions::default()
    }
}

fn drops_options(fixtures: &Path, execution: &ExecutionOptions) -> DropsOptions {
    let conversations =
        ConversationOptions { paths: vec![fixtures.join(TRANSCRIPTS)], ..ConversationOptions::default() };
    DropsOptions {
        compare: Some(CheckpointSpec::in_folder(fixtures.join(CHAT))),
        exact_replay: vec![TRAINING_FACTOR],
        run: RunOptions {
            corpus: vec![fixtures.join(CORPORA[0])],
            conversations: Some(conversations),
            execution: execution.clone(),
            ..RunOptions::default()
        },
        ..DropsOptions::new(CheckpointSpec::in_folder(fixtures.join(TRAINING[TRAINING.len() - 1])))
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
