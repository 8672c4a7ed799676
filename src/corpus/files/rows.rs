//! Text -> JSON rows with their places: one a line, one after the other over several lines, or in a list.

use std::io::BufRead;

use super::{
    collect::Ending,
    decode::Decoded,
    feed::{Failure, Feed, start},
    scan::{self, Cut, LONGEST, blank},
};

/// How rows stand in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// One a line.
    Lines,
    /// One after the other, over several lines each.
    Values,
    /// A list.
    List,
}

/// Reads all rows of a text, however they stand; `ending` says what they should be, for notes.
///
/// # Errors
/// The file cannot be read; what the sink returns.
pub(super) fn read(feed: &mut Feed, reader: &mut Decoded, ending: Ending) -> Result<(), Failure> {
    let layout = layout(reader.peek(|next| judge(next).is_some())?);
    match (layout, ending) {
        (Layout::List, Ending::Lines) => feed.note("is named .jsonl and holds a list"),
        (Layout::Values, _) => feed.note("holds rows that are written over several lines"),
        _ => {}
    }
    match layout {
        Layout::Lines => lines(feed, reader)?,
        Layout::Values => values(feed, reader)?,
        Layout::List => list(feed, reader)?,
    }
    Ok(feed.end()?)
}

fn layout(next: &[u8]) -> Layout {
    let first = trim(next).first();
    judge(next).unwrap_or(if first == Some(&b'[') { Layout::List } else { Layout::Lines })
}

fn trim(next: &[u8]) -> &[u8] {
    let start = next.iter().position(|byte| !byte.is_ascii_whitespace() && !b"\xef\xbb\xbf".contains(byte));
    &next[start.unwrap_or(next.len())..]
}

/// How rows stand, once enough is seen of them: the first line, and the beginning of a second if the first is open.
fn judge(next: &[u8]) -> Option<Layout> {
    let text = trim(next);
    let first = *text.first()?;
    if first != b'{' && first != b'[' {
        return Some(Layout::Lines);
    }
    let (line, rest) = text.split_at(text.iter().position(|byte| *byte == b'\n')?);
    let is_open = scan::is_open(line);
    let second = trim(rest).first();
    match (first, is_open) {
        (b'{', false) => Some(Layout::Lines),
        // A line that was cut is followed by the next row; a row over several lines by its first key.
        (b'{', true) => second.map(|second| if b"{[".contains(second) { Layout::Lines } else { Layout::Values }),
        (_, true) => Some(Layout::List),
        (_, false) => second.map(|_| Layout::Lines),
    }
}

fn too_long(what: &str) -> String {
    format!("the {what} is longer than {} MiB; split it", LONGEST >> 20)
}

fn lines(feed: &mut Feed, reader: &mut Decoded) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    for line in 1_u64.. {
        let place = || format!("{}:{line}", feed.file);
        match scan::line(reader, &mut bytes)? {
            Cut::End => break,
            Cut::TooLong => feed.send(place(), Err(too_long("line")))?,
            Cut::Whole if bytes.trim_ascii().is_empty() => {}
            Cut::Whole => feed.bytes(place(), &bytes)?,
        }
        if feed.is_done(reader.used()) {
            break;
        }
    }
    Ok(())
}

/// Rows over several lines each; the place of a row is the line that it begins in.
fn values(feed: &mut Feed, reader: &mut Decoded) -> Result<(), Failure> {
    let (mut bytes, mut line) = (Vec::new(), 1);
    while let Some(first) = blank(reader, &mut line)? {
        if first != b'{' && first != b'[' {
            let found = start(&String::from_utf8_lossy(reader.fill_buf()?));
            feed.rest(format!("expected another object, found {found} in line {line}; nothing more was read"))?;
            break;
        }
        row(feed, reader, &mut bytes, &mut line, None)?;
        if feed.is_done(reader.used()) {
            break;
        }
    }
    Ok(())
}

/// Reads the next value and hands it on, with its number or its line as place; whether it was the last.
fn row(
    feed: &mut Feed,
    reader: &mut Decoded,
    bytes: &mut Vec<u8>,
    line: &mut u64,
    number: Option<u64>,
) -> Result<(), Failure> {
    let place = format!("{}:{}", feed.file, number.unwrap_or(*line));
    match scan::value(reader, bytes, line)? {
        Cut::TooLong => feed.send(place, Err(too_long("row")))?,
        _ => feed.bytes(place, bytes)?,
    }
    Ok(())
}

/// The elements of one list, or of several one after the other. One that is broken is left out, the others are used.
fn list(feed: &mut Feed, reader: &mut Decoded) -> Result<(), Failure> {
    let (mut bytes, mut line, mut number) = (Vec::new(), 1, 0);
    while let Some(sign) = blank(reader, &mut line)? {
        if sign != b'[' {
            let found = start(&String::from_utf8_lossy(reader.fill_buf()?));
            feed.rest(format!("the list has ended, and {found} follows in line {line}: not read"))?;
            return Ok(());
        }
        reader.consume(1);
        if !elements(feed, reader, &mut bytes, &mut line, &mut number)? {
            break;
        }
    }
    Ok(())
}

/// The elements of a list up to its end; whether there was one.
fn elements(
    feed: &mut Feed,
    reader: &mut Decoded,
    bytes: &mut Vec<u8>,
    line: &mut u64,
    number: &mut u64,
) -> Result<bool, Failure> {
    let mut comma = true;
    while let Some(sign) = blank(reader, line)? {
        match sign {
            b']' => {
                if comma && *number > 0 {
                    feed.note("has a comma after the last row of its list: passed over");
                }
                reader.consume(1);
                return Ok(true);
            }
            b',' if !comma => {
                reader.consume(1);
                comma = true;
            }
            _ if comma => {
                *number += 1;
                row(feed, reader, bytes, line, Some(*number))?;
                comma = false;
                if feed.is_done(reader.used()) {
                    return Ok(false);
                }
            }
            _ => {
                let found = start(&String::from_utf8_lossy(reader.fill_buf()?));
                feed.rest(format!("expected a comma or the end of the list, found {found} in line {line}: not read"))?;
                return Ok(false);
            }
        }
    }
    // A row that was cut has said so.
    if !scan::is_open(bytes) {
        feed.rest("the list is not closed: the file may have been cut".into())?;
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rows_look_like_decides_how_they_are_read() {
        use Layout::{Lines, List, Values};
        for (text, expected) in [
            ("", Lines),
            ("{\"text\": \"a\"}", Lines),
            ("{\"text\": \"a\"}\n{\n", Lines),
            ("{\n{\n", Lines),
            ("{\"text\":\n{\"text\": \"b\"}\n", Lines),
            ("{\n  \"text\": \"a\"\n}\n", Values),
            ("\u{feff}{\"text\":\n\"a\"}\n", Values),
            ("[{\"text\": \"a\"}]", List),
            ("[{\"text\": \"a\"}]\n", List),
            ("\n[\n{\"text\": \"a\"}\n]\n", List),
            ("[1]\n[2]\n", Lines),
            ("text", Lines),
        ] {
            assert_eq!(layout(text.as_bytes()), expected, "{text}");
        }
    }
}
