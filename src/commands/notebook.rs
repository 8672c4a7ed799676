//! `notebook`: writes a notebook that loads a finished run and draws its main figures again.

use std::path::{Component, Path, PathBuf};

use super::terminal;
use crate::{
    cli::NotebookArgs,
    error::{Error, Result},
    pipeline::statistics::read_back,
    report::{NotebookSource, notebook},
    run::{RunDir, folder_of, notes_on_statistics, open_finished, real_path, write_file},
};

/// Writes the notebook.
pub(super) fn run(arguments: &NotebookArgs) -> anyhow::Result<()> {
    let (run, record) = open_finished(&arguments.run)?;
    for note in notes_on_statistics(&run, &record) {
        terminal::note(&note);
    }
    let out = arguments.out.clone().unwrap_or_else(|| run.file("notebook.ipynb"));
    check(&out, arguments.force)?;
    let (tables, verdict) = read_back(&run, &record)?;
    let folder = seen_from(&real_path(folder_of(&out)), &run_place(run.path()));
    let source = NotebookSource { record: &record, tables: &tables, verdict: &verdict, folder: &folder };
    let _lock = RunDir::lock_around(&out)?;
    write_file(&out, &notebook(&source)?)?;
    terminal::print(&format!("{}: open it with Jupyter, which needs polars and matplotlib", out.display()))?;
    Ok(())
}

/// Refuses a file name that does not end in `.ipynb`, and a file that exists unless `force` allows to replace it.
fn check(out: &Path, force: bool) -> Result<()> {
    if out.extension().is_none_or(|extension| extension != "ipynb") || out.is_dir() {
        return Err(Error::usage(
            format!("--out `{}` is no name of a notebook; expected a file that ends in .ipynb", out.display()),
            "for example --out notebook.ipynb",
        ));
    }
    if out.exists() && !force {
        return Err(Error::usage(
            format!("`{}` exists, and may have been changed by hand", out.display()),
            "choose another --out, or add --force to replace it",
        ));
    }
    Ok(())
}

/// The path of a run whose parent folder is resolved but not its own name, so that a link to a run stays a link.
fn run_place(run: &Path) -> PathBuf {
    let absolute = std::path::absolute(run).unwrap_or_else(|_| run.to_path_buf());
    match (absolute.parent(), absolute.file_name()) {
        (Some(parent), Some(name)) => real_path(parent).join(name),
        _ => real_path(run),
    }
}

/// A folder as seen from another, with `/` between the parts; the whole path where they share no folder but the root.
fn seen_from(from: &Path, folder: &Path) -> String {
    let (from, parts): (Vec<_>, Vec<_>) = (from.components().collect(), folder.components().collect());
    let shared = from.iter().zip(&parts).take_while(|(one, other)| one == other).count();
    if !from[..shared].iter().any(|part| matches!(part, Component::Normal(_))) {
        return folder.display().to_string().replace('\\', if cfg!(windows) { "/" } else { "\\" });
    }
    let up = from[shared..].iter().map(|_| "..".to_owned());
    let down = parts[shared..].iter().map(|part| part.as_os_str().to_string_lossy().into_owned());
    let path = up.chain(down).collect::<Vec<_>>().join("/");
    if path.is_empty() { ".".to_owned() } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_named_from_where_the_notebook_is() {
        let seen = |from: &str, folder: &str| seen_from(Path::new(from), Path::new(folder));
        assert_eq!(seen("/a/run", "/a/run"), ".");
        assert_eq!(seen("/a/notebooks", "/a/run/drift"), "../run/drift");
        assert_eq!(seen("/a", "/a/run"), "run");
        assert_eq!(seen("/b", "/a/run"), "/a/run", "nothing is shared but the root");
    }

    #[test]
    #[cfg(unix)]
    fn a_folder_that_does_not_exist_yet_lies_below_the_real_place_of_one_that_does() {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("real/deep/er")).unwrap();
        std::os::unix::fs::symlink(root.join("real/deep/er"), root.join("link")).unwrap();
        assert_eq!(real_path(&root.join("link")), root.join("real/deep/er"));
        let new = real_path(&root.join("link/sub/sub"));
        assert_eq!(new, root.join("real/deep/er/sub/sub"));
        assert_eq!(seen_from(&new, &root.join("run")), "../../../../../run");
    }

    #[test]
    fn only_a_new_notebook_is_written_unless_forced() {
        let temporary = tempfile::tempdir().unwrap();
        let file = temporary.path().join("a.ipynb");
        check(&file, false).unwrap();
        std::fs::write(&file, "mine").unwrap();
        assert!(check(&file, false).unwrap_err().to_string().contains("exists"));
        check(&file, true).unwrap();
        for other in ["manifest.json", "folder"] {
            assert!(check(&temporary.path().join(other), true).unwrap_err().to_string().contains(".ipynb"));
        }
    }
}
