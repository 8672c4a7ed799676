//! SGLang: responses with `routed_experts`, one a line, and the files of its expert distribution recorder.

mod counts;
mod per_token;
mod rebuild;
mod records;

use std::path::Path;

use super::responses;
use crate::{
    error::Result,
    import::{
        format::{Format, Opened},
        record::Routes,
        source::Source,
        torch_file::{self, TorchFile},
    },
};

/// The format.
pub(super) const FORMAT: Format = Format {
    name: records::NAME,
    title: "SGLang: responses with routed_experts, one a line; files of the expert distribution recorder",
    recognises,
    files,
    open,
};

/// Keys of the recorder's files, as far to the front as they are written.
const KEYS: [&[u8]; 2] = [b"forward_pass_id", b"logical_count"];

fn recognises(source: &Source) -> Result<bool> {
    Ok(torch_file::first_has(source, &KEYS)? || source.first_line_has(&["meta_info", "sglext", "output_ids"])?)
}

fn files(source: &Source) -> Vec<&Path> {
    let is_torch = torch_file::first_has(source, &[]).unwrap_or(false);
    source.mostly(if is_torch { "pt" } else { "jsonl" })
}

fn open(opened: &Opened<'_>) -> Result<Routes> {
    let source = opened.source;
    if !torch_file::first_has(source, &[])? {
        return responses::open(opened, records::NAME);
    }
    let files = source.mostly("pt").into_iter().map(TorchFile::open).collect::<Result<Vec<_>>>()?;
    let holds_rows = files.first().map_or(Ok(false), records::holds_rows)?;
    if holds_rows { per_token::open(opened, files) } else { counts::open(opened, &files).map(Routes::Counts) }
}

#[cfg(test)]
mod tests;
