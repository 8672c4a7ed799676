//! The folder that a run writes must not touch what the run reads: replacing a run removes its files, and every run writes.

use std::path::{Component, Path, PathBuf};

use super::folder::RunDir;
use crate::error::{Error, OptionName, Result, bullets};

/// Refuses an output folder that is, contains or lies inside a folder that the run reads, or that is any checkpoint. Links
/// are followed on both sides. It must be called before anything is written.
///
/// # Errors
/// [`Error::Usage`] that names every such folder.
pub fn protect_folders<'a>(out: &Path, read: impl IntoIterator<Item = &'a Path>) -> Result<()> {
    let place = real_path(out);
    let mut problems: Vec<String> = Vec::new();
    for folder in read {
        let own = real_path(folder);
        let relation = match (place.starts_with(&own), own.starts_with(&place)) {
            (true, true) => "is",
            (true, false) => "lies inside",
            (false, true) => "holds",
            (false, false) => continue,
        };
        let line = format!("it {relation} `{}`, which the run reads", folder.display());
        if !problems.contains(&line) {
            problems.push(line);
        }
    }
    if problems.is_empty() && place.join("config.json").is_file() {
        problems.push("it holds a `config.json`: it is the folder of a checkpoint".to_owned());
    }
    refusal(out, &problems)
}

/// Refuses an output folder in which the run would replace a file or folder of the text. `-` is standard input, not a file.
///
/// # Errors
/// [`Error::Usage`] that names every such path.
pub fn protect_texts<'a>(out: &Path, read: impl IntoIterator<Item = &'a PathBuf>) -> Result<()> {
    let place = real_path(out);
    let mut problems: Vec<String> = Vec::new();
    for path in read.into_iter().filter(|path| *path != Path::new("-")) {
        let own = real_path(path);
        let line = match RunDir::entry_holding(&place, &own) {
            Some(entry) => format!("a run writes `{entry}` there, where the text `{}` lies", path.display()),
            // The folder of the text would become the folder of a run.
            None if own == place && !place.is_file() => format!("it is the folder of the text `{}`", path.display()),
            None => continue,
        };
        if !problems.contains(&line) {
            problems.push(line);
        }
    }
    refusal(out, &problems)
}

/// Refuses a file beside a run that would change what the run reads or writes, or that is there already and may not be replaced.
///
/// # Errors
/// [`Error::Usage`] that names the option and everything that speaks against the file.
pub fn protect_from_file<'a>(
    (option, file): (OptionName, &Path),
    out: &Path,
    read: impl IntoIterator<Item = &'a Path>,
    may_replace: bool,
) -> Result<()> {
    let (place, run) = (real_path(file), real_path(out));
    let mut problems: Vec<String> = Vec::new();
    for path in read {
        let own = real_path(path);
        // A file may lie beside a text in its folder; it may not lie in a checkpoint.
        let is_inside = place.starts_with(&own) && (own.join("config.json").is_file() || place == own);
        let line =
            format!("it {} `{}`, which the run reads", if place == own { "is" } else { "lies inside" }, path.display());
        if is_inside && !problems.contains(&line) {
            problems.push(line);
        }
    }
    if place.starts_with(&run) {
        problems.push(format!("it lies inside the folder of the run, `{}`", out.display()));
    } else if run.starts_with(&place) {
        problems.push(format!("the folder of the run lies inside it, `{}`", out.display()));
    }
    if place.is_dir() {
        problems.push("it is a folder".to_owned());
    } else if place.exists() && !may_replace {
        problems.push(format!("it is there already; {} replaces it", OptionName::Force));
    }
    if !place.parent().is_some_and(Path::is_dir) {
        problems.push("its folder does not exist".to_owned());
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(Error::usage(
        format!("{option} `{}` cannot be written:{}", file.display(), bullets(&problems)),
        "choose another file; nothing was touched",
    ))
}

fn refusal(out: &Path, problems: &[String]) -> Result<()> {
    if problems.is_empty() {
        return Ok(());
    }
    Err(Error::usage(
        format!("{} `{}` would change what it is made from:{}", OptionName::Out, out.display(), bullets(problems)),
        format!(
            "choose an {} of its own, outside checkpoints, runs and text that are read; nothing was touched",
            OptionName::Out
        ),
    ))
}

/// A path without links, `.` and `..`, even if its last parts do not exist yet.
pub fn real_path(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let Some((existing, missing)) = absolute
        .ancestors()
        .find_map(|ancestor| Some((ancestor.canonicalize().ok()?, absolute.strip_prefix(ancestor).ok()?)))
    else {
        return absolute;
    };
    let mut whole = existing;
    let mut climbed = false;
    for component in missing.components() {
        match component {
            Component::ParentDir => climbed |= whole.pop(),
            component => whole.push(component),
        }
    }
    // `new/../there` may exist although `new` does not; every repetition leaves fewer `..`.
    if climbed { real_path(&whole) } else { whole }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_read_is_not_written_under_any_name() {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path();
        let checkpoint = root.join("data/checkpoint");
        std::fs::create_dir_all(&checkpoint).unwrap();
        let check =
            |out: &str| protect_folders(&root.join(out), [checkpoint.as_path()]).map_err(|error| error.to_string());
        #[cfg(unix)]
        std::os::unix::fs::symlink(&checkpoint, root.join("link")).unwrap();
        for (out, relation) in [
            ("data/checkpoint", "it is `"),
            ("data/./checkpoint/", "it is `"),
            ("new/../data/checkpoint", "it is `"),
            ("new/../link", "it is `"),
            ("link/run", "it lies inside `"),
            ("data/checkpoint/new/run", "it lies inside `"),
            ("data", "it holds `"),
            (".", "it holds `"),
        ] {
            let message = check(out).unwrap_err();
            assert!(message.contains(relation), "{out}: {message}");
        }
        for out in ["run", "data/run", "data/checkpoint-2", "data/checkpoint/../run"] {
            check(out).unwrap();
        }
        std::fs::create_dir(root.join("other")).unwrap();
        std::fs::write(root.join("other/config.json"), "{}").unwrap();
        assert!(check("other").unwrap_err().contains("the folder of a checkpoint"));
    }

    #[test]
    fn text_is_safe_beside_what_a_run_writes_but_not_in_it() {
        let temporary = tempfile::tempdir().unwrap();
        let out = temporary.path().join("run");
        std::fs::create_dir_all(out.join("trace")).unwrap();
        let check = |path: &str| protect_texts(&out, &[out.join(path)]).map_err(|error| error.to_string());
        for inside in ["trace", "trace/text.jsonl", "tokens.parquet", "trace/../stats/new.txt"] {
            assert!(check(inside).unwrap_err().contains("a run writes `"), "{inside}");
        }
        assert!(check(".").unwrap_err().contains("it is the folder of the text `"));
        for beside in ["text.jsonl", "traces/text.jsonl", "../text.jsonl", ".."] {
            check(beside).unwrap();
        }
        protect_texts(&out, &[PathBuf::from("-")]).unwrap();
    }
}
