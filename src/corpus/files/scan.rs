//! Cuts text into lines and JSON values. Nothing longer than a limit is held in memory.

use std::io::{self, BufRead};

/// The longest line, value or text file that is read, in bytes; shorter in unit tests, so that they can exceed it quickly.
pub(super) const LONGEST: usize = if cfg!(test) { 1 << 20 } else { 256 << 20 };

/// The result of cutting off the next piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// The piece is in the buffer.
    Whole,
    /// The piece was longer than [`LONGEST`] and was skipped.
    TooLong,
    /// The text has ended.
    End,
}

/// The next line, with its line break.
pub(super) fn line(reader: &mut impl BufRead, into: &mut Vec<u8>) -> io::Result<Cut> {
    let mut piece = Piece::new(into);
    loop {
        let next = reader.fill_buf()?;
        if next.is_empty() {
            return Ok(piece.end());
        }
        let end = next.iter().position(|byte| *byte == b'\n').map(|end| end + 1);
        let count = end.unwrap_or(next.len());
        piece.push(&next[..count]);
        reader.consume(count);
        if end.is_some() {
            return Ok(piece.end());
        }
    }
}

/// Skips white space and byte-order marks, and counts lines; returns the byte that follows.
pub(super) fn blank(reader: &mut impl BufRead, line: &mut u64) -> io::Result<Option<u8>> {
    loop {
        let next = reader.fill_buf()?;
        let Some(&first) = next.first() else {
            return Ok(None);
        };
        match first {
            b'\n' => *line += 1,
            b' ' | b'\t' | b'\r' | 0xef | 0xbb | 0xbf => {}
            _ => return Ok(Some(first)),
        }
        reader.consume(1);
    }
}

/// The next JSON value, which begins with `first`: an object or list to its closing bracket, anything else to the next
/// comma, bracket or white space. Broken values end where their brackets do, so that what follows is still read.
pub(super) fn value(reader: &mut impl BufRead, into: &mut Vec<u8>, line: &mut u64) -> io::Result<Cut> {
    let mut piece = Piece::new(into);
    let mut state = State::default();
    loop {
        let next = reader.fill_buf()?;
        if next.is_empty() {
            return Ok(piece.end());
        }
        let mut count = 0;
        let mut done = false;
        for &byte in next {
            if state.ends_before(byte) {
                done = true;
                break;
            }
            count += 1;
            *line += u64::from(byte == b'\n');
            if state.ends_with(byte) {
                done = true;
                break;
            }
        }
        piece.push(&next[..count]);
        reader.consume(count);
        if done {
            return Ok(piece.end());
        }
    }
}

/// Whether text is the beginning of a value with brackets that are still open.
pub(super) fn is_open(text: &[u8]) -> bool {
    let mut state = State::default();
    !text.iter().any(|byte| state.ends_with(*byte)) && state.depth > 0
}

/// Whether a value may follow the beginning of a value: in a list, or after a colon, and outside of strings.
pub(super) fn expects_value(text: &[u8]) -> bool {
    let (mut state, mut open, mut last) = (State::default(), Vec::new(), 0);
    for &byte in text {
        let was_in_string = state.in_string;
        state.ends_with(byte);
        match byte {
            _ if was_in_string || state.in_string => {}
            b'{' | b'[' => open.push(byte),
            b'}' | b']' => drop(open.pop()),
            _ => {}
        }
        last = if byte.is_ascii_whitespace() { last } else { byte };
    }
    let in_list = open.last() == Some(&b'[');
    !state.in_string && (last == b':' || in_list && b"[,".contains(&last))
}

/// The text after the object or list that it begins with; `None` if that is not closed.
pub(super) fn after_value(text: &[u8]) -> Option<&[u8]> {
    let mut state = State::default();
    let end = text.iter().position(|byte| state.ends_with(*byte))?;
    Some(&text[end + 1..])
}

/// The state of the scan inside a value.
#[derive(Default)]
struct State {
    depth: usize,
    in_string: bool,
    escaped: bool,
    begun: bool,
}

impl State {
    /// Whether a value without brackets or quotation marks ends before this byte.
    fn ends_before(&self, byte: u8) -> bool {
        self.begun && self.depth == 0 && !self.in_string && (byte.is_ascii_whitespace() || b",]}:".contains(&byte))
    }

    /// Whether a value with brackets or quotation marks ends with this byte.
    fn ends_with(&mut self, byte: u8) -> bool {
        self.begun = true;
        if self.in_string {
            let closes = byte == b'"' && !self.escaped;
            self.escaped = byte == b'\\' && !self.escaped;
            self.in_string = !closes;
            return closes && self.depth == 0;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                return self.depth == 0;
            }
            _ => {}
        }
        false
    }
}

/// Bytes that are collected up to the limit.
struct Piece<'a> {
    into: &'a mut Vec<u8>,
    length: usize,
}

impl<'a> Piece<'a> {
    fn new(into: &'a mut Vec<u8>) -> Self {
        into.clear();
        Self { into, length: 0 }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.length = self.length.saturating_add(bytes.len());
        if self.length <= LONGEST {
            self.into.extend(bytes);
        } else {
            *self.into = Vec::new();
        }
    }

    fn end(&self) -> Cut {
        match self.length {
            0 => Cut::End,
            length if length > LONGEST => Cut::TooLong,
            _ => Cut::Whole,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<String> {
        let mut reader = io::BufReader::with_capacity(3, text.as_bytes());
        let (mut found, mut bytes, mut line) = (Vec::new(), Vec::new(), 1);
        while let Some(first) = blank(&mut reader, &mut line).unwrap() {
            if first == b',' {
                reader.consume(1);
                continue;
            }
            assert_eq!(value(&mut reader, &mut bytes, &mut line).unwrap(), Cut::Whole);
            found.push(String::from_utf8(bytes.clone()).unwrap());
        }
        found
    }

    #[test]
    fn values_end_where_their_brackets_do() {
        let text = "{\"a\": \"}\\\"{\", \"b\": [1, {}]}\n{\n}\u{feff}[[]], 12 \"x,\" null,{\"cut\": ";
        assert_eq!(
            values(text),
            ["{\"a\": \"}\\\"{\", \"b\": [1, {}]}", "{\n}", "[[]]", "12", "\"x,\"", "null", "{\"cut\": "]
        );
    }

    #[test]
    fn an_open_value_is_seen() {
        assert!(is_open(b"{") && is_open(b"{\"a\": \"}") && is_open(b"[{}"));
        assert!(!is_open(b"{}") && !is_open(b"") && !is_open(b"12") && !is_open(b"{} {"));
    }
}
