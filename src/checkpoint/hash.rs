//! SHA-256 of files, streamed.

use std::{fs::File, io::Read, path::Path};

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// SHA-256 of a file's bytes in hexadecimal; reads it once in blocks of 1 MiB.
///
/// # Errors
/// The file cannot be opened or read.
pub fn sha256_file(path: &Path) -> Result<String> {
    sha256_watched(path, |_| {})
}

/// The same; `read` is told of every block how many bytes it has.
///
/// # Errors
/// As [`sha256_file`].
pub fn sha256_watched(path: &Path, mut read: impl FnMut(u64)) -> Result<String> {
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    let mut hasher = Sha256::new();
    let mut block = vec![0; 1 << 20];
    loop {
        let count = file.read(&mut block).map_err(Error::io("read", path))?;
        if count == 0 {
            break;
        }
        hasher.update(&block[..count]);
        read(count as u64);
    }
    let hex: Vec<_> = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(hex.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_fips_180() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "abc").unwrap();
        assert_eq!(
            sha256_file(file.path()).unwrap(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert!(sha256_file(Path::new("no/such/file")).unwrap_err().to_string().contains("no/such/file"));
    }
}
