//! A file whose checksum is known when it is written, however long it is.

use std::io::{self, BufWriter, Write};

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use crate::checkpoint::hexadecimal;

/// A file in the making, and the SHA-256 of what was written into it.
pub(super) struct Digested {
    file: BufWriter<NamedTempFile>,
    digest: Sha256,
    /// The first fault: who writes through polars gets it as text only.
    fault: Option<io::Error>,
}

impl Digested {
    /// Nothing is written yet.
    pub(super) fn new(file: NamedTempFile) -> Self {
        Self { file: BufWriter::with_capacity(1 << 16, file), digest: Sha256::new(), fault: None }
    }

    /// Keeps a copy of a fault; an interruption is none, whoever writes tries again.
    fn kept<T>(&mut self, done: io::Result<T>) -> io::Result<T> {
        done.inspect_err(|fault| {
            if fault.kind() != io::ErrorKind::Interrupted && self.fault.is_none() {
                let kind = fault.kind().into();
                self.fault = Some(fault.raw_os_error().map_or(kind, io::Error::from_raw_os_error));
            }
        })
    }

    /// The whole file and its SHA-256 in hexadecimal.
    ///
    /// # Errors
    /// What the system said when it could not write.
    pub(super) fn finish(self) -> io::Result<(NamedTempFile, String)> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok((file, hexadecimal(&self.digest.finalize())))
    }
}

impl Write for Digested {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes);
        let written = self.kept(written)?;
        self.digest.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.file.flush();
        self.kept(flushed)
    }
}
