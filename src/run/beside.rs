//! The runs that the report of a run shows too.

use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::{folder::RunDir, ours::REPORT_RUNS};

/// The names of the folders in that of a run whose runs its report shows too: those of a demonstration.
pub fn names_beside(manifest: &Value) -> Vec<String> {
    let names = manifest[REPORT_RUNS].as_array().into_iter().flatten().filter_map(Value::as_str);
    let is_inside = |name: &&str| Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    names.filter(is_inside).map(str::to_owned).collect()
}

/// Those folders, without links.
pub fn shown_beside(run: &RunDir, manifest: &Value) -> Vec<PathBuf> {
    names_beside(manifest).into_iter().filter_map(|name| run.file(&name).canonicalize().ok()).collect()
}
