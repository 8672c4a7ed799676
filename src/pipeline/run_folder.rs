//! Notes on the folder that a run is written into.

use super::progress::Progress;
use crate::run::RunDir;

/// Notes what is kept of an earlier run in the folder.
pub(crate) fn note_resumed(run: &RunDir, resumed: bool, progress: &dyn Progress) {
    let place = run.path().display();
    match run.loose_record() {
        _ if !resumed => {}
        Ok(record) if record.is_complete() => {
            progress.note(&format!("`{place}` is complete already; its statistics and charts are made anew"));
        }
        Ok(_) => {}
        Err(_) => progress.note(&format!(
            "manifest.json of `{place}` is missing or damaged and is made again; parts that have their checksum are kept"
        )),
    }
}
