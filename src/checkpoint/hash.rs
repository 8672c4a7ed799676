//! The SHA-256 of files, read in blocks.

use std::{
    fmt::Write as _,
    fs::File,
    io::{self, Read},
    ops::Range,
    path::Path,
};

use sha2::{Digest, Sha256};

use super::sanity::ScannedPart;
use crate::{
    error::{Error, Result},
    read_at::ReadAt,
};

/// Bytes read at a time: a multiple of the size of every type.
const BLOCK: usize = 1 << 20;

/// SHA-256 of a file's bytes in hexadecimal; reads it once in blocks of 1 MiB.
///
/// # Errors
/// The file cannot be opened or read.
pub fn sha256_file(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    let mut hasher = Sha256::new();
    let mut block = vec![0; BLOCK];
    loop {
        let count = file.read(&mut block).map_err(Error::io("read", path))?;
        if count == 0 {
            break;
        }
        hasher.update(&block[..count]);
    }
    Ok(hexadecimal(&hasher.finalize()))
}

/// SHA-256 of bytes in hexadecimal.
pub fn sha256_bytes(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// A digest in hexadecimal.
pub fn hexadecimal(digest: &[u8]) -> String {
    let mut text = String::with_capacity(2 * digest.len());
    for byte in digest {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Reads a weight file once from its first byte to its last: computes its SHA-256 and passes the bytes of every part to its scan.
/// `watch` is called with the size of every block.
/// Parts are ordered by their first bytes; a part that begins inside another one is not scanned, unless it is the same.
pub(super) fn sha256_and_scan(
    file: &dyn ReadAt,
    parts: &mut [ScannedPart],
    watch: &mut dyn FnMut(u64),
) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut block = vec![0; BLOCK];
    let mut position = 0;
    for same in parts.chunk_by_mut(|a, b| (a.begin, a.end) == (b.begin, b.end)) {
        let (begin, end) = (same[0].begin, same[0].end);
        if begin < position {
            continue;
        }
        each_block(file, position..begin, &mut block, |bytes| {
            hasher.update(bytes);
            watch(bytes.len() as u64);
        })?;
        each_block(file, begin..end, &mut block, |bytes| {
            hasher.update(bytes);
            watch(bytes.len() as u64);
            same[0].scan.block(bytes);
        })?;
        let (first, others) = same.split_at_mut(1);
        for other in others {
            other.scan.clone_from(&first[0].scan);
        }
        position = end;
    }
    each_block(file, position..file.size(), &mut block, |bytes| {
        hasher.update(bytes);
        watch(bytes.len() as u64);
    })?;
    Ok(hexadecimal(&hasher.finalize()))
}

/// Gives a range of bytes to `take`, block by block.
fn each_block(file: &dyn ReadAt, range: Range<u64>, block: &mut [u8], mut take: impl FnMut(&[u8])) -> io::Result<()> {
    let mut position = range.start;
    while position < range.end {
        let count = (range.end - position).min(block.len() as u64) as usize;
        file.read_exact_at(&mut block[..count], position)?;
        take(&block[..count]);
        position += count as u64;
    }
    Ok(())
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
