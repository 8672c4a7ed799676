//! The runs that the report of a run shows too.

use std::path::{Component, Path, PathBuf};

use super::folder::RunDir;

/// The names of the sub-folders of a run that hold other runs which its report shows too: those of a demonstration.
pub fn names_beside<'a>(report_runs: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let is_inside = |name: &&str| Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    report_runs.into_iter().filter(is_inside).collect()
}

/// The paths of those sub-folders; links are left out.
pub fn shown_beside<'a>(run: &RunDir, report_runs: impl IntoIterator<Item = &'a str>) -> Vec<PathBuf> {
    names_beside(report_runs).into_iter().filter_map(|name| run.file(name).canonicalize().ok()).collect()
}
