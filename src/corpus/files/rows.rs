//! Text -> JSON rows with their places: one a line, one after the other over several lines, or in a list.

use std::io::BufRead;

use super::{
    decode::Decoded,
    ending::Ending,
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
    let layout = judge(reader.peek(|next| judge(next).1)?).0;
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

fn trim(next: &[u8]) -> &[u8] {
    let start = next.iter().position(|byte| !byte.is_ascii_whitespace() && !b"\xef\xbb\xbf".contains(byte));
    &next[start.unwrap_or(next.len())..]
}

/// How rows stand, and whether enough is seen of them to be sure: the first line, and what follows it if it is open.
fn judge(next: &[u8]) -> (Layout, bool) {
    let text = trim(next);
    let likely = if text.first() == Some(&b'[') { Layout::List } else { Layout::Lines };
    if !text.first().is_none_or(|first| b"{[".contains(first)) {
        return (Layout::Lines, true);
    }
    let Some(end) = text.iter().position(|byte| *byte == b'\n') else { return (likely, false) };
    let (line, rest) = text.split_at(end);
    let rest = trim(rest);
    match (likely, scan::is_open(line), rest.first()) {
        (Layout::List, true, _) => (Layout::List, true),
        (Layout::List, false, second) => (if second.is_some() { Layout::Lines } else { likely }, second.is_some()),
        (_, false, _) => (Layout::Lines, true),
        (_, true, None) => (Layout::Lines, false),
        (_, true, Some(b'{' | b'[')) => continued(line, rest),
        (_, true, Some(_)) => (Layout::Values, true),
    }
}

/// What a line that is open and followed by a bracket is: cut off, and followed by the next row; or the beginning of a value
/// that goes on, if a value may stand there, and if that of the bracket is followed by a comma or by the end of what it is in.
fn continued(line: &[u8], rest: &[u8]) -> (Layout, bool) {
    if !scan::expects_value(line) {
        return (Layout::Lines, true);
    }
    match scan::after_value(rest).map(|after| trim(after).first().copied()) {
        None => (Layout::Values, false),
        Some(None) => (Layout::Lines, false),
        Some(Some(b',' | b']' | b'}')) => (Layout::Values, true),
        Some(Some(_)) => (Layout::Lines, true),
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
            ("{\"data\": [\n{\"text\": \"a\"},\n{\"text\": \"b\"}\n]}\n", Values),
            ("{\"data\": [\n{\"text\": \"a\"}\n]}", Values),
            ("{\"data\":\n[\n{\"text\": \"a\"}\n]}", Values),
            ("{\"data\": [{\"text\": \"a\"},\n{\"text\": \"b\"}\n]}", Values),
            ("{\"data\": [\n{\"text\": \"a longer row than is looked at", Values),
            ("{\"meta\":\n{\"a\": 1},\n\"text\": \"b\"}", Values),
            ("{\"input_ids\": [\n{\"input_ids\": [1]}\n{\"input_ids\": [2]}\n", Lines),
            ("{\"id\": 1,\n{\"id\": 2}\n", Lines),
            ("{\"text\": \"cut [\n{\"text\": \"b\"},\n", Lines),
            ("[{\"text\": \"a\"}]", List),
            ("[{\"text\": \"a\"}]\n", List),
            ("\n[\n{\"text\": \"a\"}\n]\n", List),
            ("[1]\n[2]\n", Lines),
            ("text", Lines),
        ] {
            assert_eq!(judge(text.as_bytes()).0, expected, "{text}");
        }
    }
}
