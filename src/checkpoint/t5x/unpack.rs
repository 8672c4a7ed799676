//! Unpacks chunks: gzip, zlib or nothing, to exactly the size that a chunk has.

use std::io::{self, Read};

use flate2::read::{MultiGzDecoder, ZlibDecoder};

use crate::checkpoint::problem_list::quoted_name;

/// How chunks are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compressor {
    /// Not at all.
    None,
    /// As files of gzip.
    Gzip,
    /// As gzip, with the header of zlib.
    Zlib,
}

impl Compressor {
    /// By the name that zarr has for it.
    ///
    /// # Errors
    /// It is another one.
    pub(super) fn named(name: &str) -> Result<Self, String> {
        match name {
            "gzip" => Ok(Self::Gzip),
            "zlib" => Ok(Self::Zlib),
            other => Err(format!("is packed with {}; expected gzip or zlib", quoted_name(other))),
        }
    }

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "nothing",
            Self::Gzip => "gzip",
            Self::Zlib => "zlib",
        }
    }

    /// Unpacks what is read.
    pub(super) fn unpack<R: Read>(self, packed: R) -> Unpacked<R> {
        match self {
            Self::None => Unpacked::Plain(packed),
            Self::Gzip => Unpacked::Gzip(MultiGzDecoder::new(packed)),
            Self::Zlib => Unpacked::Zlib(ZlibDecoder::new(packed)),
        }
    }
}

/// The bytes of a chunk while they are unpacked.
pub(super) enum Unpacked<R> {
    Plain(R),
    Gzip(MultiGzDecoder<R>),
    Zlib(ZlibDecoder<R>),
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(reader) => reader.read(buffer),
            Self::Gzip(reader) => reader.read(buffer),
            Self::Zlib(reader) => reader.read(buffer),
        }
    }
}

impl<R: Read> Unpacked<R> {
    /// Fills the buffer; an end before that is an error that says how many of `size` bytes there are. `position` is the place of
    /// the buffer in the chunk.
    pub(super) fn fill(&mut self, buffer: &mut [u8], position: usize, size: usize) -> io::Result<()> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read(&mut buffer[filled..]) {
                Ok(0) => {
                    let found = position + filled;
                    return Err(damaged(format!("unpacks to {found} bytes; the size of a chunk implies {size}")));
                }
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What is unpacked.
    pub(super) fn inner(&mut self) -> &mut R {
        match self {
            Self::Plain(reader) => reader,
            Self::Gzip(reader) => reader.get_mut(),
            Self::Zlib(reader) => reader.get_mut(),
        }
    }

    /// Fails if there is more than the `size` bytes that were read; a checksum behind them is verified.
    pub(super) fn end(&mut self, size: usize) -> io::Result<()> {
        match self.read(&mut [0])? {
            0 => Ok(()),
            _ => Err(damaged(format!("unpacks to more than the {size} bytes that the size of a chunk implies"))),
        }
    }
}

/// The error of a file that is not what it should be.
pub(super) fn damaged(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn whole(packed: &[u8], size: usize) -> io::Result<Vec<u8>> {
        let mut reader = Compressor::Gzip.unpack(packed);
        let mut bytes = vec![0; size];
        reader.fill(&mut bytes, 0, size)?;
        reader.end(size)?;
        Ok(bytes)
    }

    #[test]
    fn only_the_exact_size_is_a_chunk() {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(&[7; 1000]).unwrap();
        let packed = packed.finish().unwrap();
        assert_eq!(whole(&packed, 1000).unwrap(), [7; 1000]);
        assert!(whole(&packed, 999).unwrap_err().to_string().contains("more than the 999 bytes"));
        assert!(whole(&packed, 1001).unwrap_err().to_string().contains("unpacks to 1000 bytes"));
        assert!(whole(&packed[..packed.len() - 9], 1000).is_err(), "cut");
        assert!(whole(&[packed.clone(), packed.clone()].concat(), 2000).is_ok(), "two members");
        let mut flipped = packed;
        let middle = flipped.len() - 6;
        flipped[middle] ^= 1;
        assert!(whole(&flipped, 1000).is_err(), "checksum");
    }
}
