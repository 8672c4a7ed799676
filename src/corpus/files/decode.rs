//! Decodes a file: decompresses it, and converts UTF-16 to UTF-8.

use std::{
    cell::Cell,
    io::{self, BufRead, Read},
    rc::Rc,
};

use flate2::bufread::GzDecoder;

use super::{
    Refusal,
    magic::{Magic, magic},
    raw::{Peeked, Raw},
};

/// The most layers of compression that are removed.
const MOST_LAYERS: usize = 3;

/// The largest window of Zstandard (`--long=31`), as an exponent of two.
const LARGEST_WINDOW: u32 = 31;

/// The decoded bytes of a file.
pub(super) enum Decoded<'a> {
    /// The bytes of the file itself. Nothing is read ahead of the rows, so that exactly the used bytes are hashed.
    Plain(&'a mut Raw),
    /// Decompressed or converted bytes.
    Made(Peeked<Box<dyn Read + 'a>>),
}

impl<'a> Decoded<'a> {
    fn made(reader: impl Read + 'a) -> Self {
        Self::Made(Peeked::new(Box::new(reader)))
    }

    /// The next bytes, as [`Peeked::peek`] gives them.
    ///
    /// # Errors
    /// As reading.
    pub(super) fn peek(&mut self, enough: impl Fn(&[u8]) -> bool) -> io::Result<&[u8]> {
        match self {
            Self::Plain(raw) => raw.peek(enough),
            Self::Made(made) => made.peek(enough),
        }
    }

    /// How many bytes were used.
    pub(super) fn used(&self) -> u64 {
        match self {
            Self::Plain(raw) => raw.used,
            Self::Made(made) => made.used,
        }
    }
}

impl Read for Decoded<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(raw) => raw.read(into),
            Self::Made(made) => made.read(into),
        }
    }
}

impl BufRead for Decoded<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self {
            Self::Plain(raw) => raw.fill_buf(),
            Self::Made(made) => made.fill_buf(),
        }
    }

    fn consume(&mut self, count: usize) {
        match self {
            Self::Plain(raw) => raw.consume(count),
            Self::Made(made) => made.consume(count),
        }
    }
}

/// An open file, with all layers of compression and encoding that its first bytes show removed.
pub(super) struct Opened<'a> {
    /// What the innermost bytes are: text, markup or Parquet.
    pub magic: Magic,
    /// The bytes, UTF-8 if they are text.
    pub bytes: Decoded<'a>,
    /// Whether something follows the compressed data; known when all bytes have been read.
    pub trailing: Rc<Cell<bool>>,
}

/// Removes compression and encoding. `compressed` is set to whether the file is compressed, even if decoding fails.
///
/// # Errors
/// The file cannot be read or decompressed.
pub(super) fn open<'a>(raw: &'a mut Raw, compressed: &mut bool) -> io::Result<Opened<'a>> {
    let mut bytes = Decoded::Plain(raw);
    let mut found = look(&mut bytes)?;
    *compressed = matches!(found, Magic::Gzip | Magic::Zstd);
    if let Decoded::Plain(raw) = &mut bytes {
        raw.whole_blocks = *compressed;
    }
    let (mut layers, trailing) = (0, Rc::new(Cell::new(false)));
    while layers < MOST_LAYERS && matches!(found, Magic::Gzip | Magic::Zstd) {
        bytes = decompress(&found, bytes, &trailing)?;
        found = look(&mut bytes)?;
        layers += 1;
    }
    if let Magic::Utf16 { little } = found {
        bytes = Decoded::made(Utf16::new(bytes, little));
    }
    Ok(Opened { magic: found, bytes, trailing })
}

/// Reads enough bytes to recognize the format: a line, or half a kilobyte, which contains the magic number of a tar archive.
fn look(bytes: &mut Decoded) -> io::Result<Magic> {
    bytes.peek(|next| next.len() >= 512 || next.contains(&b'\n')).map(magic)
}

fn decompress<'a>(how: &Magic, bytes: Decoded<'a>, trailing: &Rc<Cell<bool>>) -> io::Result<Decoded<'a>> {
    if *how == Magic::Gzip {
        return Ok(Decoded::made(Members { member: Some(GzDecoder::new(bytes)), trailing: trailing.clone() }));
    }
    let mut decoder = zstd::Decoder::with_buffer(bytes)?;
    decoder.window_log_max(LARGEST_WINDOW)?;
    Ok(Decoded::made(decoder))
}

/// Decompresses all members of a gzip file, one after the other, as gzip itself does: zeros that pad tapes and blocks are
/// skipped, and anything else that is not a member ends the data.
struct Members<'a> {
    /// The member that is being read; `None` at the end.
    member: Option<GzDecoder<Decoded<'a>>>,
    /// Whether something else followed the last one.
    trailing: Rc<Cell<bool>>,
}

impl Members<'_> {
    /// Goes on to the next member.
    fn next(&mut self) -> io::Result<()> {
        let Some(mut bytes) = self.member.take().map(GzDecoder::into_inner) else { return Ok(()) };
        loop {
            let next = bytes.fill_buf()?;
            let zeros = next.iter().take_while(|byte| **byte == 0).count();
            if zeros == 0 {
                break;
            }
            bytes.consume(zeros);
        }
        let next = bytes.peek(|next| next.len() >= 2)?;
        if next.starts_with(b"\x1f\x8b") {
            self.member = Some(GzDecoder::new(bytes));
        } else {
            self.trailing.set(!next.is_empty());
        }
        Ok(())
    }
}

impl Read for Members<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let count = member.read(into)?;
            if count > 0 || into.is_empty() {
                return Ok(count);
            }
            self.next()?;
        }
        Ok(0)
    }
}

/// The refusal of a file that breaks off or cannot be decoded.
pub(super) fn broken(error: &io::Error, compressed: bool) -> Refusal {
    if compressed {
        let hint = "it is damaged or was cut: fetch or compress it again";
        return Refusal::new(format!("cannot be decompressed: {error}"), hint);
    }
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return Refusal::new("was cut while it was read", "wait until it is whole, or fetch it again");
    }
    Refusal::new(format!("cannot be read: {error}"), "check the file and its permissions")
}

/// Converts UTF-16 to UTF-8; invalid units become U+FFFD. A byte-order mark stays; it is skipped later, as in UTF-8.
struct Utf16<R> {
    inner: R,
    little: bool,
    /// The first half of a surrogate pair that waits for the second.
    high: Option<u16>,
    ready: Vec<u8>,
    given: usize,
}

impl<R: BufRead> Utf16<R> {
    fn new(inner: R, little: bool) -> Self {
        Self { inner, little, high: None, ready: Vec::new(), given: 0 }
    }

    /// The next unit; a single byte at the end is dropped.
    fn unit(&mut self) -> io::Result<Option<u16>> {
        let mut pair = [0; 2];
        let mut filled = 0;
        while filled < 2 {
            match self.inner.read(&mut pair[filled..])? {
                0 => return Ok(None),
                count => filled += count,
            }
        }
        Ok(Some(if self.little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) }))
    }

    fn push(&mut self, units: &[u16]) {
        for character in char::decode_utf16(units.iter().copied()) {
            let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
            self.ready.extend(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }

    /// Decodes some units; none at the end of the data.
    fn decode_some(&mut self) -> io::Result<()> {
        self.ready.clear();
        self.given = 0;
        while self.ready.len() < 4096 {
            let unit = self.unit()?;
            match (self.high.take(), unit) {
                (None, None) => break,
                (Some(high), None) => self.push(&[high]),
                (Some(high), Some(unit)) if (0xd800..0xdc00).contains(&unit) => {
                    self.push(&[high]);
                    self.high = Some(unit);
                }
                (Some(high), Some(unit)) => self.push(&[high, unit]),
                (None, Some(unit)) if (0xd800..0xdc00).contains(&unit) => self.high = Some(unit),
                (None, Some(unit)) => self.push(&[unit]),
            }
        }
        Ok(())
    }
}

impl<R: BufRead> Read for Utf16<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.given == self.ready.len() {
            self.decode_some()?;
        }
        let count = (&self.ready[self.given..]).read(into)?;
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf16_of_both_orders_becomes_utf8_and_halves_are_replaced() {
        let text = "a\u{e9}\u{1f600}\u{4e2d}".repeat(3000);
        for little in [true, false] {
            let bytes: Vec<u8> = text
                .encode_utf16()
                .flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() })
                .collect();
            let mut found = String::new();
            Utf16::new(&bytes[..], little).read_to_string(&mut found).unwrap();
            assert_eq!(found, text);
        }
        let halves: Vec<u8> = [0xd83d, 0x61, 0xd83d].into_iter().flat_map(u16::to_le_bytes).collect();
        let mut found = String::new();
        Utf16::new(&halves[..], true).read_to_string(&mut found).unwrap();
        assert_eq!(found, "\u{fffd}a\u{fffd}");
    }
}
