//! OLMoE (allenai/OLMoE): the results of `run_moe_analysis.py`, a line of JSON for each sequence, and the pickled counts of
//! `run_routing_analysis.py`, which are published.

mod counts;
mod lines;

use std::path::Path;

use crate::{
    error::Result,
    import::{
        format::{Format, Opened},
        record::Routes,
        source::Source,
        text_file::unmarked_bytes,
    },
};

/// The format.
pub(super) const FORMAT: Format = Format {
    name: lines::NAME,
    title: "allenai/OLMoE: lines of run_moe_analysis.py, pickled counts of run_routing_analysis.py",
    recognises,
    files,
    open,
};

/// Bytes of a line before its routes: two lists of 2048 token ids.
const BEFORE_ROUTES: u64 = 1 << 16;

fn recognises(source: &Source) -> Result<bool> {
    if let Some(first) = source.with_extension("pkl").next() {
        return Ok(counts::recognises(&Source::first_bytes(first)?));
    }
    let Some(first) = source.with_extension("jsonl").next() else { return Ok(false) };
    let text = Source::beginning(first, BEFORE_ROUTES)?;
    let key = b"\"exp_ids\"";
    Ok(unmarked_bytes(&text).starts_with(b"{") && text.windows(key.len()).any(|part| part == key))
}

fn files(source: &Source) -> Vec<&Path> {
    let pickles: Vec<&Path> = source.with_extension("pkl").collect();
    if pickles.is_empty() { source.mostly("jsonl") } else { pickles }
}

fn open(opened: &Opened<'_>) -> Result<Routes> {
    if opened.source.with_extension("pkl").next().is_some() {
        return counts::read(opened).map(Routes::Counts);
    }
    lines::open(opened)
}
