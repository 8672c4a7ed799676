//! Reads JSON rows with their places: one on each line, one after the other over several lines, or in a list.

use std::io::BufRead;

use super::{
    decode::Decoded,
    ending::Ending,
    feed::{Feed, ReadFailure, first_characters},
    scan::{self, Cut, LONGEST, blank},
};

/// How rows are arranged in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RowLayout {
    /// One on each line.
    Lines,
    /// One after the other, each over several lines.
    Values,
    /// A list.
    List,
}

/// Reads all rows of a text, however they are arranged; `ending` is what the file's name says, for notes.
///
/// # Errors
/// The file cannot be read; errors of the sink.
pub(super) fn read(feed: &mut Feed, reader: &mut Decoded, ending: Ending) -> Result<(), ReadFailure> {
    let layout = judge(reader.peek(|next| judge(next).1)?).0;
    match (layout, ending) {
        (RowLayout::List, Ending::Lines) => feed.note("is named .jsonl and holds a list"),
        (RowLayout::Values, _) => feed.note("holds rows that are written over several lines"),
        _ => {}
    }
    match layout {
        RowLayout::Lines => lines(feed, reader)?,
        RowLayout::Values => values(feed, reader)?,
        RowLayout::List => list(feed, reader)?,
    }
    Ok(feed.end()?)
}

fn trim(next: &[u8]) -> &[u8] {
    let start = next.iter().position(|byte| !byte.is_ascii_whitespace() && !b"\xef\xbb\xbf".contains(byte));
    &next[start.unwrap_or(next.len())..]
}

/// How rows are arranged, and whether enough of the text is known to be sure: the first line, and what follows it if its
/// brackets are open.
fn judge(next: &[u8]) -> (RowLayout, bool) {
    let text = trim(next);
    let likely = if text.first() == Some(&b'[') { RowLayout::List } else { RowLayout::Lines };
    if !text.first().is_none_or(|first| b"{[".contains(first)) {
        return (RowLayout::Lines, true);
    }
    let Some(end) = text.iter().position(|byte| *byte == b'\n') else { return (likely, false) };
    let (line, rest) = text.split_at(end);
    let rest = trim(rest);
    match (likely, scan::is_open(line), rest.first()) {
        (RowLayout::List, true, _) => (RowLayout::List, true),
        (RowLayout::List, false, second) => {
            (if second.is_some() { RowLayout::Lines } else { likely }, second.is_some())
        }
        (_, false, _) => (RowLayout::Lines, true),
        (_, true, None) => (RowLayout::Lines, false),
        (_, true, Some(b'{' | b'[')) => continued(line, rest),
        (_, true, Some(_)) => (RowLayout::Values, true),
    }
}

/// Judges a line with open brackets before a line that begins with a bracket. Either the line was cut off and the next row follows,
/// or its value continues. It continues if a value may follow there, and if the value in the brackets is followed by a comma or
/// by the closing bracket around it.
fn continued(line: &[u8], rest: &[u8]) -> (RowLayout, bool) {
    if !scan::expects_value(line) {
        return (RowLayout::Lines, true);
    }
    match scan::after_value(rest).map(|after| trim(after).first().copied()) {
        None => (RowLayout::Values, false),
        Some(None) => (RowLayout::Lines, false),
        Some(Some(b',' | b']' | b'}')) => (RowLayout::Values, true),
        Some(Some(_)) => (RowLayout::Lines, true),
    }
}

fn too_long(what: &str) -> String {
    format!("the {what} is longer than {} MiB; split it", LONGEST >> 20)
}

fn lines(feed: &mut Feed, reader: &mut Decoded) -> Result<(), ReadFailure> {
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

/// Reads rows that each span several lines; the place of a row is the line in which it begins.
fn values(feed: &mut Feed, reader: &mut Decoded) -> Result<(), ReadFailure> {
    let (mut bytes, mut line) = (Vec::new(), 1);
    while let Some(first) = blank(reader, &mut line)? {
        if first != b'{' && first != b'[' {
            let found = first_characters(&String::from_utf8_lossy(reader.fill_buf()?));
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

/// Reads the next value and passes it on, with its number or its line as place; returns whether it was the last.
fn row(
    feed: &mut Feed,
    reader: &mut Decoded,
    bytes: &mut Vec<u8>,
    line: &mut u64,
    number: Option<u64>,
) -> Result<(), ReadFailure> {
    let place = format!("{}:{}", feed.file, number.unwrap_or(*line));
    match scan::value(reader, bytes, line)? {
        Cut::TooLong => feed.send(place, Err(too_long("row")))?,
        _ => feed.bytes(place, bytes)?,
    }
    Ok(())
}

/// Reads the elements of one list, or of several one after the other. A broken element is left out, the others are used.
fn list(feed: &mut Feed, reader: &mut Decoded) -> Result<(), ReadFailure> {
    let (mut bytes, mut line, mut number) = (Vec::new(), 1, 0);
    while let Some(sign) = blank(reader, &mut line)? {
        if sign != b'[' {
            let found = first_characters(&String::from_utf8_lossy(reader.fill_buf()?));
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

/// Reads the elements of a list up to its end; returns whether the end was there.
fn elements(
    feed: &mut Feed,
    reader: &mut Decoded,
    bytes: &mut Vec<u8>,
    line: &mut u64,
    number: &mut u64,
) -> Result<bool, ReadFailure> {
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
                let found = first_characters(&String::from_utf8_lossy(reader.fill_buf()?));
                feed.rest(format!("expected a comma or the end of the list, found {found} in line {line}: not read"))?;
                return Ok(false);
            }
        }
    }
    // A row that was cut off has been reported already.
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
        use RowLayout::{Lines, List, Values};
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
