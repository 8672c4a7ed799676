//! With which option the command that made a run makes it whole again.

use std::path::Path;

use super::{RunKind, record::LooseRecord};
use crate::error::OptionName;

/// How many levels above a file of a run its manifest may be: `trace/part-00000.parquet`.
const ABOVE: usize = 3;

/// The option for the run that a path is or belongs to: an import begins anew, everything else goes on with what is there.
pub fn again(path: &Path) -> OptionName {
    let manifest = path.ancestors().take(ABOVE).map(|folder| folder.join("manifest.json")).find(|path| path.is_file());
    let record = manifest.and_then(|path| LooseRecord::parse(&std::fs::read(path).ok()?).ok());
    if record.is_none_or(|record| is_resumable(&record)) { OptionName::Resume } else { OptionName::Force }
}

/// Whether the command of a manifest can go on with a run.
pub(super) fn is_resumable(record: &LooseRecord) -> bool {
    record.kind() != Some(RunKind::Import)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn an_import_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let part = folder.path().join("trace/part-00000.parquet");
        assert_eq!(again(&part), OptionName::Resume, "nobody knows what it was");
        for (command, option) in [("import", OptionName::Force), ("route", OptionName::Resume)] {
            fs::write(folder.path().join("manifest.json"), format!("{{\"command\": \"{command}\"}}")).unwrap();
            assert_eq!((again(folder.path()), again(&part)), (option, option));
        }
    }
}
