//! The two hashes by which the hub calls its blobs.

use std::{fmt::Write as _, fs::File, io::Read, path::Path};

use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};

/// Bytes that are read at a time.
const BLOCK: usize = 1 << 20;
/// From so many bytes on it is said that they are read, because it takes a while.
pub(super) const LONG: u64 = 1 << 30;

/// The hash of a file while its bytes arrive.
#[derive(Clone, Debug)]
pub(super) enum BlobHash {
    /// SHA-256 of the bytes, for files in LFS.
    Sha256(Sha256),
    /// SHA-1 of the bytes after `blob SIZE` and a zero, as git makes it.
    Git(Sha1),
}

impl BlobHash {
    /// The hash that a blob of this name and size must have.
    pub(super) fn of(blob: &str, size: u64) -> Self {
        if blob.len() == 64 {
            Self::Sha256(Sha256::new())
        } else {
            Self::Git(Sha1::new().chain_update(format!("blob {size}\0")))
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hash) => hash.update(bytes),
            Self::Git(hash) => hash.update(bytes),
        }
    }

    /// The hash in hexadecimal.
    pub(super) fn finish(self) -> String {
        match self {
            Self::Sha256(hash) => hexadecimal(&hash.finalize()),
            Self::Git(hash) => hexadecimal(&hash.finalize()),
        }
    }
}

/// What a file would be called among the blobs of the hub, if `blob` is what it is called there: its SHA-256, or the hash of git.
/// `watch` is called before every block, and may stop.
///
/// # Errors
/// The file cannot be read; those of `watch`.
pub(super) fn hash_of(file: &Path, blob: &str, watch: &dyn Fn() -> Result<()>) -> Result<String> {
    let mut reader = File::open(file).map_err(Error::io("open", file))?;
    let size = reader.metadata().map_err(Error::io("read", file))?.len();
    let mut hash = BlobHash::of(blob, size);
    each_block(&mut reader, file, &mut |bytes| {
        watch()?;
        hash.update(bytes);
        Ok(())
    })?;
    Ok(hash.finish())
}

/// The hash of git of a file: what the hub calls a file that is not in LFS.
///
/// # Errors
/// The file cannot be read.
pub fn git_hash(file: &Path) -> Result<String> {
    hash_of(file, "", &|| Ok(()))
}

/// Hands the bytes of a reader on, block by block; `path` is for its errors.
pub(super) fn each_block(reader: &mut dyn Read, path: &Path, take: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut block = vec![0; BLOCK];
    loop {
        match reader.read(&mut block) {
            Ok(0) => return Ok(()),
            Ok(count) => take(&block[..count])?,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io("read", path)(error)),
        }
    }
}

/// Bytes in hexadecimal.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_file_has_the_hash_of_git() {
        // printf 'what is up, doc?' | git hash-object --stdin
        let mut hash = BlobHash::of(&"0".repeat(40), 16);
        hash.update(b"what is ");
        hash.update(b"up, doc?");
        assert_eq!(hash.finish(), "bd9dbf5aae1a3862dd1526723246b20206e5fc37");
    }

    #[test]
    fn a_large_file_has_its_sha256() {
        let mut hash = BlobHash::of(&"0".repeat(64), 3);
        hash.update(b"abc");
        assert_eq!(hash.finish(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
