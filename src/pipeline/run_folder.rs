//! The folder that a run is written into.

use crate::{commands::terminal, run::RunDir};

/// Says what an earlier run in the folder is good for.
pub(crate) fn note_resumed(run: &RunDir, resumed: bool, quiet: bool) {
    let place = run.path().display();
    match run.manifest() {
        _ if !resumed || quiet => {}
        Ok(manifest) if manifest["complete"] == true => {
            terminal::note(&format!("`{place}` is complete already; its statistics and charts are made anew"));
        }
        Ok(_) => {}
        Err(_) => terminal::note(&format!(
            "manifest.json of `{place}` is missing or damaged and is made again; parts that have their checksum are kept"
        )),
    }
}
