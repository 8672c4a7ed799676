//! Whole files of repositories of the hub: what is to come, in words, and the fetching of it with one bar.

use std::{
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    progress::{PlannedStage, Progress, Stage},
    quantities,
};
use crate::{
    error::{Result, plural},
    hub::{FetchPlan, FetchProgress, HubFolder},
};

/// Bytes a second that a download is expected to have, before a fifth of it shows how many it has.
const USUAL_SPEED: f64 = 20e6;

/// What fetching files of a repository would move, in a line.
pub(crate) fn download_in_words(folder: &HubFolder, plan: &FetchPlan) -> String {
    let [all, there, missing] =
        [plan.bytes, plan.bytes_there, plan.bytes_to_move()].map(|bytes| quantities::bytes(bytes as f64));
    let state = if plan.bytes_to_move() == 0 {
        "all of it is there".to_owned()
    } else if plan.bytes_there == 0 {
        "nothing of it is there".to_owned()
    } else {
        format!("{there} are there, {} whole; {missing} to fetch", plural(plan.files_there as u64, "file"))
    };
    let name = folder.name();
    // The name of a commit says which one it is.
    let place = if name.is_pinned() { name.to_string() } else { format!("{name} is commit {}", folder.commit()) };
    format!("{place}: {}, {all}; {state}", plural(plan.files as u64, "file"))
}

/// Fetches files of repositories whole, as one stage; `None`: without a bar. Returns the folders in which they are.
///
/// # Errors
/// As [`HubFolder::fetch`].
pub(crate) fn fetch_whole(
    wanted: &[(&HubFolder, &[String])],
    plan: &FetchPlan,
    progress: Option<&dyn Progress>,
) -> Result<Vec<PathBuf>> {
    let Some(progress) = progress else {
        return wanted.iter().map(|(folder, files)| folder.fetch_small(files)).collect();
    };
    let bar = Bar {
        progress,
        owed: Mutex::default(),
        several: wanted.len() > 1,
        name: Mutex::default(),
        begun: AtomicBool::default(),
    };
    if plan.bytes_to_move() > 0 {
        bar.begun.store(true, Ordering::Relaxed);
        let units = plan.bytes_to_move();
        let seconds = units as f64 / USUAL_SPEED;
        progress.planned(&[PlannedStage { stage: Stage::Download, seconds, units: Some(units) }]);
        progress.started(Stage::Download, Some(units));
    }
    let fetch = |(folder, files): &(&HubFolder, &[String])| {
        folder.name().short().clone_into(&mut bar.name.lock().unwrap_or_else(PoisonError::into_inner));
        folder.fetch(files, &bar)
    };
    wanted.iter().map(fetch).collect()
}

/// One bar for all files.
struct Bar<'p> {
    progress: &'p dyn Progress,
    /// Bytes that have to come again: a bar does not go back, it waits.
    owed: Mutex<u64>,
    /// Whether repositories are named.
    several: bool,
    /// The repository.
    name: Mutex<String>,
    begun: AtomicBool,
}

impl FetchProgress for Bar<'_> {
    fn moved(&self, bytes: i64) {
        let mut owed = self.owed.lock().unwrap_or_else(PoisonError::into_inner);
        if bytes < 0 {
            *owed += bytes.unsigned_abs();
            return;
        }
        let paid = (*owed).min(bytes.unsigned_abs());
        *owed -= paid;
        self.progress.advanced(bytes.unsigned_abs() - paid);
    }

    fn working_on(&self, file: &str) {
        if self.several {
            let name = self.name.lock().unwrap_or_else(PoisonError::into_inner);
            self.progress.working_on(&format!("{name}: {file}"));
        } else {
            self.progress.working_on(file);
        }
    }
}

impl Drop for Bar<'_> {
    fn drop(&mut self) {
        if self.begun.load(Ordering::Relaxed) {
            self.progress.ended(Stage::Download);
        }
    }
}
