//! Bytes at positions, wherever they are: what weight files are read through.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
    sync::Arc,
};

/// Bytes at positions: a file on disk, or the ranges of one that is elsewhere. Reading moves no cursor, so several threads may
/// read at once.
pub trait ReadAt: Send + Sync + std::fmt::Debug {
    /// Size in bytes.
    fn size(&self) -> u64;

    /// Fills the buffer with the bytes from `offset` on.
    ///
    /// # Errors
    /// They cannot be read, or end before the buffer is full.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Forgets these bytes where they come from elsewhere and are kept, so that they are fetched again by the next read. `false`:
    /// reading them again gives the same bytes.
    fn forget(&self, _range: Range<u64>) -> bool {
        false
    }

    /// How many of these bytes would have to be fetched first to read them, as far as it is known without reading them.
    fn to_fetch(&self, range: Range<u64>) -> u64;

    /// The open file, if it is one on a disk of this machine.
    fn file(&self) -> Option<&File> {
        None
    }
}

/// An open file with the size that it had when it was opened.
#[derive(Debug)]
pub struct LocalFile {
    file: File,
    size: u64,
}

impl LocalFile {
    /// A file that is open.
    ///
    /// # Errors
    /// The system does not give its size.
    pub fn new(file: File) -> io::Result<Self> {
        let size = file.metadata()?.len();
        Ok(Self { file, size })
    }
}

impl ReadAt for LocalFile {
    fn size(&self) -> u64 {
        self.size
    }

    #[cfg(unix)]
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, buffer, offset)
    }

    #[cfg(windows)]
    fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            let count = std::os::windows::fs::FileExt::seek_read(&self.file, buffer, offset)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            buffer = &mut buffer[count..];
            offset += count as u64;
        }
        Ok(())
    }

    fn to_fetch(&self, _range: Range<u64>) -> u64 {
        0
    }

    fn file(&self) -> Option<&File> {
        Some(&self.file)
    }
}

/// Reads bytes one after the other, for readers that need a cursor.
#[derive(Debug)]
pub struct Cursor {
    bytes: Arc<dyn ReadAt>,
    position: u64,
}

impl Cursor {
    /// At the first byte.
    pub fn new(bytes: Arc<dyn ReadAt>) -> Self {
        Self { bytes, position: 0 }
    }
}

impl Read for Cursor {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = self.bytes.size().saturating_sub(self.position);
        let count = usize::try_from(rest).unwrap_or(usize::MAX).min(buffer.len());
        self.bytes.read_exact_at(&mut buffer[..count], self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Cursor {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (from, by) = match to {
            SeekFrom::Start(position) => (position, 0),
            SeekFrom::End(by) => (self.bytes.size(), by),
            SeekFrom::Current(by) => (self.position, by),
        };
        let position = from.checked_add_signed(by);
        self.position = position.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_what_the_file_holds() {
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, b"0123456789").unwrap();
        let mut cursor = Cursor::new(Arc::new(LocalFile::new(file).unwrap()));
        cursor.seek(SeekFrom::End(-3)).unwrap();
        let mut rest = String::new();
        cursor.read_to_string(&mut rest).unwrap();
        assert_eq!((rest.as_str(), cursor.stream_position().unwrap()), ("789", 10));
        assert!(cursor.seek(SeekFrom::Current(-11)).is_err());
        cursor.seek(SeekFrom::Start(12)).unwrap();
        assert_eq!(cursor.read(&mut [0; 4]).unwrap(), 0);
        assert!(cursor.bytes.read_exact_at(&mut [0; 4], 8).is_err());
    }
}
