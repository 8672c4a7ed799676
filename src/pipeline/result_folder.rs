//! A folder that holds the results of one command and nothing else: files, and charts in `charts/`. It is replaced as a whole,
//! and nothing but these files is ever removed.

use std::path::Path;

use super::progress::Progress;
use crate::{
    chart::Chart,
    error::{Error, OptionName, Result},
    run::{Occupied, RunDir, write_file},
};

const CHARTS: &str = "charts";

/// What such a folder holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResultFolder {
    /// The results in one word, as messages call them.
    pub(crate) what: &'static str,
    /// The files in the order in which they are moved into place. The last one comes after the charts too, so that the folder can
    /// be recognized at every moment.
    pub(crate) files: &'static [&'static str],
    /// How the names of charts begin.
    pub(crate) charts: &'static [&'static str],
}

impl ResultFolder {
    /// Refuses a folder that holds other files, and earlier results, whole or stopped half-way, unless `force` allows to replace
    /// them. Nothing is touched.
    ///
    /// # Errors
    /// [`Error::RunFolder`]; [`Error::Io`] if the folder cannot be read.
    pub(crate) fn check(&self, out: &Path, force: bool) -> Result<()> {
        if !out.is_dir() {
            return RunDir::check(out, Occupied::Refuse, &()).map(|_| ());
        }
        let refused = |holds: &str, hint: String| {
            let what = format!("{} `{}` holds {holds}; expected a new or empty folder", OptionName::Out, out.display());
            Err(Error::run_folder(what, hint))
        };
        let names = names_in(out)?;
        if names.is_empty() || (force && self.is_ours(out, &names)?) {
            return Ok(());
        }
        if self.is_ours(out, &names)? {
            return refused(
                &format!("an earlier {}", self.what),
                format!("add {} to replace it, or choose another {}", OptionName::Force, OptionName::Out),
            );
        }
        refused("other files", format!("choose another {}", OptionName::Out))
    }

    /// Writes everything into a temporary folder inside `out`, and only then replaces the files of earlier results.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Interrupted`].
    pub(crate) fn write(
        &self,
        out: &Path,
        files: &[(&str, Vec<u8>)],
        charts: &[Chart],
        progress: &dyn Progress,
    ) -> Result<()> {
        std::fs::create_dir_all(out).map_err(Error::io("create", out))?;
        let unfinished = tempfile::Builder::new()
            .prefix(&self.unfinished())
            .tempdir_in(out)
            .map_err(Error::io("write into", out))?;
        let write = |name: &str, bytes: &[u8]| write_file(&unfinished.path().join(name), bytes);
        for chart in charts {
            write(&format!("{CHARTS}/{}.svg", chart.name), chart.svg.as_bytes())?;
            write(&format!("{CHARTS}/{}.png", chart.name), &chart.png)?;
        }
        files.iter().try_for_each(|(name, bytes)| write(name, bytes))?;
        progress.check()?;
        self.replace(out, unfinished.path())
    }

    /// How the name of the folder begins in which results are being made.
    fn unfinished(&self) -> String {
        format!(".{}-", self.what)
    }

    /// Whether the folder holds earlier results: whole ones have the last file; those that were stopped half-way hold nothing but
    /// files that are written here.
    fn is_ours(&self, out: &Path, names: &[String]) -> Result<bool> {
        if self.files.last().is_some_and(|last| names.iter().any(|name| name == last)) {
            return Ok(true);
        }
        let unfinished = self.unfinished();
        let own =
            |name: &String| self.files.contains(&name.as_str()) || name == CHARTS || name.starts_with(&unfinished);
        let charts = out.join(CHARTS);
        let drawn = if charts.is_dir() { names_in(&charts)? } else { Vec::new() };
        let of_results = |name: &String| self.charts.iter().any(|begin| name.starts_with(begin));
        Ok(names.iter().all(own) && drawn.iter().all(of_results))
    }

    /// Moves new results into place.
    fn replace(&self, out: &Path, made: &Path) -> Result<()> {
        let old = out.join(CHARTS);
        if old.is_dir() {
            std::fs::remove_dir_all(&old).map_err(Error::io("remove", &old))?;
        }
        for name in [CHARTS].iter().chain(self.files) {
            let from = made.join(name);
            if from.exists() {
                let to = out.join(name);
                std::fs::rename(&from, &to).map_err(Error::io("write", &to))?;
            }
        }
        let unfinished = self.unfinished();
        let stopped = names_in(out)?.into_iter().filter(|name| name.starts_with(&unfinished));
        for folder in stopped.map(|name| out.join(name)).filter(|folder| folder != made) {
            std::fs::remove_dir_all(&folder).map_err(Error::io("remove", &folder))?;
        }
        Ok(())
    }
}

fn names_in(folder: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(folder).map_err(Error::io("read", folder))?;
    let name = |entry: std::io::Result<std::fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
    entries.map(name).collect::<std::io::Result<_>>().map_err(Error::io("read", folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Unwatched;

    const FOLDER: ResultFolder =
        ResultFolder { what: "comparison", files: &["comparison.csv", "comparison.json"], charts: &["figure_"] };

    fn message(out: &Path, force: bool) -> String {
        FOLDER.check(out, force).unwrap_err().to_string()
    }

    #[test]
    fn only_earlier_results_are_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        assert!(FOLDER.check(&out, false).is_ok());
        let files = [("comparison.csv", b"1".to_vec()), ("comparison.json", b"{}".to_vec())];
        FOLDER.write(&out, &files, &[], &Unwatched).unwrap();
        assert!(message(&out, false).contains("holds an earlier comparison"));
        std::fs::remove_file(out.join("comparison.json")).unwrap();
        std::fs::create_dir(out.join(".comparison-x")).unwrap();
        assert!(FOLDER.check(&out, true).is_ok(), "stopped half-way");
        FOLDER.write(&out, &files, &[], &Unwatched).unwrap();
        assert!(!out.join(".comparison-x").exists());
        std::fs::remove_file(out.join("comparison.json")).unwrap();
        std::fs::write(out.join("notes.txt"), "mine").unwrap();
        assert!(message(&out, true).contains("holds other files"));
    }

    #[test]
    fn charts_of_others_are_no_earlier_results() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(CHARTS)).unwrap();
        std::fs::write(dir.path().join("charts/figure_5.svg"), "").unwrap();
        assert!(FOLDER.check(dir.path(), true).is_ok());
        std::fs::write(dir.path().join("charts/mine.svg"), "").unwrap();
        assert!(message(dir.path(), true).contains("holds other files"));
    }
}
