//! What a client of the Hugging Face hub recorded of the files that it fetched.

use std::{path::Path, time::UNIX_EPOCH};

use super::refusal::refusal;
use crate::{
    error::Result,
    hub::{blob_name, git_hash},
};

/// Compares the SHA-256 of a file with the one that the hub's client recorded, if it did. Of a small file the client records the hash
/// of git instead: the file is read again for that.
///
/// # Errors
/// [`crate::error::Error::Checkpoint`] if they differ: the file is not the one that was fetched; the file cannot be read.
pub fn check_blob(file: &Path, sha256: &str) -> Result<()> {
    let Some(known) = recorded(file) else { return Ok(()) };
    let (name, found) = if is_hexadecimal(&known, 64) {
        ("SHA-256", sha256.to_owned())
    } else if is_hexadecimal(&known, 40) {
        ("git hash", git_hash(file)?)
    } else {
        return Ok(());
    };
    if known.eq_ignore_ascii_case(&found) {
        return Ok(());
    }
    let shown = file.file_name().unwrap_or_default().to_string_lossy();
    Err(refusal(
        file.parent().unwrap_or(file),
        vec![format!(
            "`{shown}` has {name} {found}; the cache of the hub calls it {known}: it is not the file that was fetched"
        )],
        "remove the file and what the cache holds of it, and fetch it again",
    ))
}

/// The hash that the client recorded for a download into a local folder. The record (revision, hash, time) is in the folder that
/// the client was given; the file may be in a sub-folder of it. A file that was changed after the recorded time has no hash
/// here, because the client treats it as another file too.
fn noted_by_download(file: &Path) -> Option<String> {
    let name = format!("{}.metadata", file.file_name()?.to_str()?);
    let folder = file.parent()?.canonicalize().ok()?;
    let note = folder.ancestors().find_map(|root| {
        let notes = root.join(".cache/huggingface/download").join(folder.strip_prefix(root).ok()?);
        std::fs::read_to_string(notes.join(&name)).ok()
    })?;
    let [_, hash, time] = note.lines().collect::<Vec<_>>()[..] else { return None };
    let modified = file.metadata().ok()?.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_secs_f64();
    (modified <= time.trim().parse::<f64>().ok()? + 1.0).then(|| hash.trim().to_owned())
}

fn is_hexadecimal(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The hash that the hub's client recorded of a file, if it did.
fn recorded(file: &Path) -> Option<String> {
    blob_name(file).or_else(|| noted_by_download(file))
}

/// The same, if it is a SHA-256.
pub(crate) fn known_sha256(file: &Path) -> Option<String> {
    recorded(file).filter(|known| is_hexadecimal(known, 64))
}
