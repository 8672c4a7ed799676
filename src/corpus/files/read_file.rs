//! Reads one file of any supported format into a sink.

use std::{fs, io::Read};

use super::{
    Identity, Refusal, RowSink, Source,
    decode::{self, Decoded, Opened},
    ending::Ending,
    feed::{Feed, ReadFailure},
    magic::{self, Magic},
    name, parquet,
    raw::{READ_ON, Raw, is_stream},
    rows,
    scan::LONGEST,
};
use crate::error::{Error, Result};

/// Reads one file of any supported format into the sink, and hashes it.
///
/// # Errors
/// A file that was given cannot be used; errors of the sink.
pub(in crate::corpus) fn read_source(source: &Source, sink: &mut dyn RowSink) -> Result<Identity> {
    if let Some(refusal) = sink.refuses_text().filter(|_| source.ending == Ending::Text) {
        return refuse(source, sink, refusal, 0).map(|()| Identity::default());
    }
    let stream = is_stream(&source.path);
    let mut raw = match Raw::open(&source.path) {
        Ok(raw) => raw,
        Err(error) if source.named => return Err(Error::io("open", &source.path)(error)),
        Err(error) => {
            let refusal = Refusal::new(format!("cannot be opened: {error}"), "");
            return refuse(source, sink, refusal, 0).map(|()| Identity::default());
        }
    };
    let mut feed = Feed::new(source.path.display().to_string(), sink, stream);
    let mut compressed = false;
    let outcome = fill(source, &mut feed, &mut raw, &mut compressed, stream);
    let (rows, mut stopped) = (feed.rows, feed.full && outcome.is_ok());
    let refusal = match outcome {
        Ok(()) => None,
        Err(ReadFailure::Sink(error)) => return Err(error),
        Err(ReadFailure::File(refusal)) => Some(refusal),
        Err(ReadFailure::Bytes(error)) => Some(decode::broken(&error, compressed)),
    };
    if let Some(refusal) = refusal {
        stopped = true;
        refuse(source, sink, refusal, rows)?;
    }
    finish(source, raw, stream, stopped)
}

/// The identity of a file that was read completely, or only in part.
fn finish(source: &Source, raw: Raw, stream: bool, stopped: bool) -> Result<Identity> {
    let left = fs::metadata(&source.path).map_or(0, |metadata| metadata.len().saturating_sub(raw.used));
    let most = match (stream, stopped) {
        (_, false) => Some(u64::MAX),
        (false, true) if left <= READ_ON => Some(u64::MAX),
        _ => None,
    };
    match raw.finish(most) {
        Err(error) if source.named => Err(Error::io("read", &source.path)(error)),
        identity => Ok(identity.unwrap_or_default()),
    }
}

/// Handles a file that cannot be used: an error if it was given; if it was found in a folder, it is left out from the point where
/// it breaks off.
fn refuse(source: &Source, sink: &mut dyn RowSink, refusal: Refusal, rows: u64) -> Result<()> {
    let place = source.path.display().to_string();
    if source.named {
        return Err(Error::corpus(format!("{} `{place}` {}", sink.noun(), refusal.message), refusal.hint));
    }
    let place = if rows == 0 { place } else { format!("{place} after row {rows}") };
    sink.row(place, Err(refusal.message)).map(drop)
}

fn fill(
    source: &Source,
    feed: &mut Feed,
    raw: &mut Raw,
    compressed: &mut bool,
    stream: bool,
) -> Result<(), ReadFailure> {
    let Opened { magic, mut bytes, trailing } = decode::open(raw, compressed)?;
    innermost(source, feed, magic, &mut bytes, (*compressed, stream))?;
    if trailing.get() {
        feed.rest("what follows its last gzip member is no gzip: not read".into())?;
    }
    Ok(())
}

/// Reads the content without compression and encoding; notes whether the file is compressed, and whether it is a stream.
fn innermost(
    source: &Source,
    feed: &mut Feed,
    magic: Magic,
    bytes: &mut Decoded,
    (compressed, stream): (bool, bool),
) -> Result<(), ReadFailure> {
    match magic {
        Magic::Foreign(refusal) => return Err(ReadFailure::File(refusal)),
        Magic::Markup(refusal) if source.ending != Ending::Text => return Err(ReadFailure::File(refusal)),
        Magic::Gzip | Magic::Zstd => {
            return Err(ReadFailure::File(Refusal::new("is compressed more than three times", "decompress it")));
        }
        Magic::Parquet => return table(source, feed, compressed, stream),
        Magic::Utf16 { .. } => feed.note("is UTF-16, and was read as such"),
        Magic::Text | Magic::Markup(_) => {}
    }
    if name::says_compressed(&source.path) && !compressed {
        feed.note("is not compressed, whatever its name says");
    }
    if source.ending == Ending::Text {
        return text(feed, bytes);
    }
    let begins = bytes.peek(|next| next.iter().any(|byte| !is_blank(*byte)))?;
    let first = begins.iter().copied().find(|byte| !is_blank(*byte));
    let is_json = matches!(first, Some(b'{' | b'['));
    let found = super::feed::first_characters(&String::from_utf8_lossy(&begins[..begins.len().min(80)]));
    match (source.ending, first) {
        (Ending::Parquet, None) => return Err(not_a("Parquet file", "it is empty")),
        (Ending::Parquet, _) if is_json => feed.note("is named .parquet and holds rows of JSON"),
        (Ending::Parquet, _) => return Err(not_a("Parquet file", &format!("it begins with {found}"))),
        (Ending::Array | Ending::Unknown, Some(_)) if !is_json => {
            return Err(not_a("list of rows", &format!("it begins with {found}")));
        }
        _ => {}
    }
    rows::read(feed, bytes, source.ending)
}

fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || b"\xef\xbb\xbf".contains(&byte)
}

fn not_a(what: &str, found: &str) -> ReadFailure {
    let hint = "write it as .jsonl, one JSON object a line, or fetch it again";
    ReadFailure::File(Refusal::new(format!("is not a readable {what}: {found}"), hint))
}

/// Reads a table. It must be in an uncompressed file, because it is not read from start to end.
fn table(source: &Source, feed: &mut Feed, compressed: bool, stream: bool) -> Result<(), ReadFailure> {
    if compressed {
        return Err(ReadFailure::File(Refusal::new("is Parquet, compressed as a whole", "decompress it")));
    }
    if stream {
        let message = "is Parquet, which cannot be read from a stream; expected text";
        return Err(ReadFailure::File(Refusal::new(message, "save it to a file, and name the file")));
    }
    parquet::read(&source.path, feed)
}

/// Reads the whole file as one document.
fn text(feed: &mut Feed, bytes: &mut Decoded) -> Result<(), ReadFailure> {
    let mut text = Vec::new();
    bytes.take(LONGEST as u64 + 1).read_to_end(&mut text)?;
    let text = if text.len() > LONGEST {
        Err(format!("the file is longer than {} MiB; split it", LONGEST >> 20))
    } else {
        document(text)
    };
    feed.rows += 1;
    feed.full |= feed.sink.text(feed.file.clone(), text)?.is_break();
    Ok(())
}

fn document(bytes: Vec<u8>) -> Result<String, String> {
    if let Some(byte) = bytes.iter().position(|byte| *byte == 0) {
        return Err(magic::nul(byte).message);
    }
    match String::from_utf8(bytes) {
        Ok(text) if text.trim_start_matches('\u{feff}').is_empty() => Err("the file is empty".into()),
        Ok(text) => Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)),
        Err(error) => Err(format!("invalid UTF-8 at byte {}", error.utf8_error().valid_up_to())),
    }
}
