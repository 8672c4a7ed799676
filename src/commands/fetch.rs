//! `fetch`: repositories of the hub into the cache that all its clients share.

use super::{hub_access, progress::TerminalProgress, signals, terminal};
use crate::{
    cli::{FetchArgs, FetchedFiles},
    error::{Error, Result},
    hub::{FetchPlan, Hub, HubFolder, HubName},
    pipeline::{
        hub_files::{download_in_words, fetch_whole},
        progress::Progress,
        quantities,
    },
};

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
        progress.note(&download_in_words(&own.folder, &own.plan));
    }
    let plan = wanted.iter().fold(FetchPlan::default(), |sum, own| sum.and(&own.plan));
    if wanted.len() > 1 {
        progress.note(&format!("{} to fetch in all", quantities::bytes(plan.bytes_to_move() as f64)));
    }
    let files: Vec<_> = wanted.iter().map(|own| (&own.folder, &own.files[..])).collect();
    let fetched = fetch_whole(&files, &plan, bars.then_some(progress as &dyn Progress));
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
}
