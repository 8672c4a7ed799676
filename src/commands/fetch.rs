//! `fetch`: repositories of the hub into the cache that all its clients share.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use super::{hub_access, progress::TerminalProgress, signals, terminal};
use crate::{
    cli::{FetchArgs, FetchedFiles},
    error::{Error, Result},
    hub::{FetchPlan, FetchProgress, Hub, HubFolder, HubName},
    pipeline::{
        progress::{PlannedStage, Progress, Stage},
        quantities,
    },
};

/// Bytes a second that a download is expected to have, before a fifth of it shows how many it has.
const USUAL_SPEED: f64 = 20e6;

/// A repository with the files of it that are wanted.
struct Wanted {
    folder: HubFolder,
    files: Vec<String>,
    plan: FetchPlan,
}

/// Fetches repositories, and prints the folders in which they are then.
pub(super) fn run(arguments: &FetchArgs, progress: &TerminalProgress) -> anyhow::Result<()> {
    signals::watch_for_interrupts();
    let mut names = arguments.repositories.iter().map(|typed| name(typed)).collect::<Result<Vec<_>>>()?;
    let mut known = std::collections::BTreeSet::new();
    names.retain(|name| known.insert(name.clone()));
    let settings = hub_access::settings()?;
    let bars = settings.bars;
    let hub = hub_access::hub(settings, arguments.quiet)?;
    let wanted = names.iter().map(|name| Wanted::open(&hub, name, arguments.files)).collect::<Result<Vec<_>>>()?;
    for own in &wanted {
        progress.note(&own.in_words());
    }
    let plan = wanted.iter().fold(FetchPlan::default(), |sum, own| sum.and(&own.plan));
    if wanted.len() > 1 {
        progress.note(&format!("{} to fetch in all", quantities::bytes(plan.bytes_to_move() as f64)));
    }
    let fetched = fetch(&wanted, &plan, bars.then_some(progress));
    if matches!(fetched, Err(Error::Interrupted)) {
        let there = wanted.iter().map(|own| own.folder.plan(&own.files)).collect::<Result<Vec<_>>>()?;
        let there = there.iter().fold(FetchPlan::default(), |sum, own| sum.and(own)).bytes_there;
        let [there, all] = [there, plan.bytes].map(|bytes| quantities::bytes(bytes as f64));
        progress.note(&format!("{there} of {all} are there"));
    }
    fetched?;
    wanted.iter().try_for_each(|own| terminal::print(&own.folder.folder().display().to_string()))?;
    Ok(())
}

/// What was typed, as a name.
fn name(typed: &str) -> Result<HubName> {
    HubName::parse(typed, || false)?.ok_or_else(|| {
        Error::usage(
            format!("`{typed}` names no repository of the hub; expected OWNER/NAME or OWNER/NAME@REVISION"),
            "for example OrionZheng/openmoe-8b, or OrionZheng/openmoe-base@refs/pr/1 for a pull request",
        )
    })
}

/// Fetches everything as one stage.
fn fetch(wanted: &[Wanted], plan: &FetchPlan, progress: Option<&TerminalProgress>) -> Result<()> {
    let Some(progress) = progress else {
        return wanted.iter().try_for_each(|own| own.folder.fetch_small(&own.files).map(drop));
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
    wanted.iter().try_for_each(|own| {
        own.folder.name().short().clone_into(&mut bar.name.lock().unwrap_or_else(PoisonError::into_inner));
        own.folder.fetch(&own.files, &bar).map(drop)
    })
}

impl Wanted {
    fn open(hub: &Hub, name: &HubName, files: FetchedFiles) -> Result<Self> {
        let folder = hub.open(name)?;
        let files = match files {
            FetchedFiles::Weights => folder.checkpoint_files()?,
            FetchedFiles::All => folder.files().iter().map(|file| file.path.clone()).collect(),
        };
        let plan = folder.plan(&files)?;
        Ok(Self { folder, files, plan })
    }

    /// What it is, and how much is to come.
    fn in_words(&self) -> String {
        let (folder, plan) = (&self.folder, &self.plan);
        let [all, there, missing] =
            [plan.bytes, plan.bytes_there, plan.bytes_to_move()].map(|bytes| quantities::bytes(bytes as f64));
        let files = if plan.files == 1 { "file" } else { "files" };
        let state = if plan.bytes_to_move() == 0 {
            "all of it is there".to_owned()
        } else if plan.bytes_there == 0 {
            "nothing of it is there".to_owned()
        } else {
            format!("{there} are there, {} files whole; {missing} to fetch", plan.files_there)
        };
        format!("{} is commit {}: {} {files}, {all}; {state}", folder.name(), folder.commit(), plan.files)
    }
}

/// One bar for all files.
struct Bar<'p> {
    progress: &'p TerminalProgress,
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
