//! `demo`: route on the bundled checkpoint and the bundled text.

use std::path::{Path, PathBuf};

use super::{route::route, terminal};
use crate::{
    cli::{DemoArgs, ExecutionArgs, InputArgs, RouteArgs, RoutingArgs, StatisticsArgs},
    error::{Error, Result},
};

const CHECKPOINT: &str = "checkpoints/openmoe-tiny-12.3M";
const CORPORA: [&str; 3] = ["corpora/domains", "corpora/languages", "corpora/code_languages"];

/// Runs the demonstration and ends with the verdict.
pub(super) fn run(arguments: &DemoArgs) -> anyhow::Result<()> {
    let fixtures = fixtures()?;
    let arguments = RouteArgs {
        checkpoint: fixtures.join(CHECKPOINT),
        corpus: CORPORA.iter().map(|corpus| fixtures.join(corpus)).collect(),
        out: Some(arguments.out.clone()),
        input: InputArgs::default(),
        routing: RoutingArgs::default(),
        statistics: StatisticsArgs::default(),
        execution: ExecutionArgs {
            threads: arguments.threads,
            force: arguments.force,
            quiet: arguments.quiet,
            ..ExecutionArgs::default()
        },
    };
    if let Some((run, analysis)) = route(&arguments)? {
        analysis.print_verdict(&run)?;
    }
    Ok(())
}

/// The bundled data: below the current folder, beside the program, or in the source tree it was built from.
fn fixtures() -> Result<PathBuf> {
    let beside = std::env::current_exe().ok().and_then(|program| program.parent().map(Path::to_path_buf));
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let candidates = [Some(PathBuf::new()), beside, Some(source)].into_iter().flatten();
    let mut folders = candidates.map(|folder| folder.join("fixtures"));
    let found = folders.find(|folder| folder.join(CHECKPOINT).is_dir());
    if found.is_none() {
        terminal::note("the demonstration needs the folder `fixtures` of the source tree");
    }
    found.ok_or_else(|| {
        Error::usage(
            format!("the bundled checkpoint `fixtures/{CHECKPOINT}` is neither here, nor beside the program, nor in the source tree"),
            "run `cargo run --release -- demo` in a clone of the repository",
        )
    })
}
