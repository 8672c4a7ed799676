//! Where a token goes, and which tokens moved.

use std::collections::{BTreeMap, BTreeSet};

use super::opened::{OpenedRun, ProfileOptions, no_such_layer};
use crate::{
    corpus::{meant_by, shown},
    error::{Error, OptionName, Result, path_text, quoted_name},
    pipeline::{progress::Progress, run_tables::read_table},
    report::{MovedReport, TokenMatch, TokenReport},
    routing::{LayerId, View},
    run::{RunDir, RunKind, RunRecord, open_finished},
    stats::{Finding, Statistic, Variant, verdict::moved_most},
    trace::Block,
};

/// Token ids with one spelling that are answered.
const MATCHES: usize = 8;
/// Tokens that a message names.
const NAMED: usize = 8;
/// Occurrences that are shown of the commonest token id.
const EXAMPLES: usize = 5;

/// Which token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenOptions {
    /// Of which tokens of which run.
    pub profile: ProfileOptions,
    /// The token, spelled in any way, or its id.
    pub token: String,
}

/// Where a token of a finished run goes; nothing is written.
///
/// # Errors
/// [`Error::Usage`] if the run has no such token, layer, checkpoint, view or condition, or no token ids; [`Error::RunFolder`] if it is
/// not complete or cannot be read.
pub fn token(options: &TokenOptions, progress: &dyn Progress) -> Result<TokenReport> {
    let opened = OpenedRun::open(&options.profile, progress)?;
    if !opened.trace.provides().has(Block::TokenIds) {
        return Err(Error::usage(
            format!("token {}: {}", quoted_name(&options.token), Block::TokenIds.absence()),
            "ask about an expert or a category of this run, or import a record that has token ids",
        ));
    }
    let counts = opened.trace.token_counts()?;
    let mut matches = matches(&options.token, &opened.sequences.token_text, &counts);
    if matches.is_empty() {
        return Err(no_such_token(&options.token, &opened.sequences.token_text, &counts));
    }
    let mut size = (0, 0);
    for &layer in &opened.layers {
        progress.check()?;
        let trace = opened.layer(layer)?;
        let profiles = opened.profiles(&trace)?;
        size = profiles.size();
        for (at, own) in matches.iter_mut().enumerate() {
            let examples = if at == 0 { EXAMPLES } else { 0 };
            own.layers.extend(profiles.token(own.token_id, examples));
        }
    }
    if opened.record.identity.command == RunKind::Drift {
        let rows = distances(&opened.run, opened.view)?;
        for own in &mut matches {
            own.moved = rows.iter().filter(|row| row.token_id == Some(own.token_id)).cloned().collect();
        }
    }
    Ok(TokenReport::new(opened.source(size), options.token.clone(), matches))
}

/// The token ids that somebody may mean, the commonest first.
fn matches(asked: &str, texts: &BTreeMap<u32, String>, counts: &BTreeMap<u32, u64>) -> Vec<TokenMatch> {
    let (meant, id) = (meant_by(asked), asked.parse::<u32>().ok());
    let is_meant = |own: &u32| id == Some(*own) || texts.get(own).is_some_and(|text| meant.contains(&shown(text)));
    let own = |(&token_id, &occurrences): (&u32, &u64)| {
        let text = texts.get(&token_id).cloned();
        let shown = text.as_deref().map(shown);
        TokenMatch { token_id, text, shown, occurrences, layers: Vec::new(), moved: Vec::new() }
    };
    let mut found: Vec<TokenMatch> = counts.iter().filter(|(id, _)| is_meant(id)).map(own).collect();
    found.sort_by_key(|own| (std::cmp::Reverse(own.occurrences), own.token_id));
    found.truncate(MATCHES);
    found
}

fn no_such_token(asked: &str, texts: &BTreeMap<u32, String>, counts: &BTreeMap<u32, u64>) -> Error {
    let typed = shown(asked);
    let typed = typed.trim_start_matches('\u{2423}');
    let is_near = |id: &u32| {
        let own = texts.get(id).map(|text| shown(text));
        own.is_some_and(|own| {
            let own = own.trim_start_matches('\u{2423}');
            let whole = own.to_lowercase() == typed.to_lowercase();
            whole
                || (typed.chars().count() > 1 && own.contains(typed))
                || (own.chars().count() > 1 && typed.starts_with(own))
        })
    };
    let mut near: Vec<(&u64, &u32)> =
        counts.iter().filter(|(id, _)| is_near(id)).map(|(id, count)| (count, id)).collect();
    near.sort_by_key(|(count, id)| (std::cmp::Reverse(**count), **id));
    let named: Vec<String> =
        near.iter().take(NAMED).map(|(_, id)| texts.get(id).map_or_else(String::new, |text| shown(text))).collect();
    let what = format!("no token of the run is {}", quoted_name(asked));
    if !named.is_empty() {
        return Error::usage(
            what,
            format!("a tokenizer may write it in several pieces; there are {}", named.join(", ")),
        );
    }
    let bytes = asked.bytes().map(|byte| format!("<0x{byte:02X}>")).collect::<Vec<_>>().concat();
    let hint = if texts.is_empty() {
        "the run has no tokenizer: name a token id".to_owned()
    } else if asked.is_ascii() {
        "tokens.parquet lists all tokens of the run; ␣ is a space, ⏎ a line end".to_owned()
    } else {
        format!("a tokenizer may write it in bytes: {bytes}")
    };
    Error::usage(what, hint)
}

/// How far every frequent token id of a drift run moved.
fn distances(run: &RunDir, view: View) -> Result<Vec<Finding>> {
    let is_own = |row: &Finding| {
        row.statistic == Statistic::TokenDrift
            && row.variant == Some(Variant::TotalVariation)
            && row.view == view
            && row.token_id.is_some()
            && row.checkpoint != row.reference
    };
    let table = read_table(run, Statistic::TokenDrift.table())?;
    Ok(table.rows.into_iter().filter(is_own).collect())
}

/// The token ids that a checkpoint of a drift run routes most differently from the last one on the time axis, up to `most`; nothing is
/// written. Without a checkpoint the one beside the time axis is taken, or the last but one on it.
///
/// # Errors
/// [`Error::Usage`] if the run is not of several checkpoints, or has no such one; [`Error::RunFolder`] if it is not complete or
/// cannot be read.
pub fn moved_tokens(options: &ProfileOptions, most: usize) -> Result<MovedReport> {
    let (run, record) = open_finished(&options.run)?;
    if record.identity.command != RunKind::Drift {
        let command = record.identity.command;
        return Err(Error::usage(
            format!("a run of {command} has one checkpoint: no token moved; expected a token, or a run of drift"),
            "name a token, such as the, or its id",
        ));
    }
    if let Some(condition) = options.only.first() {
        return Err(Error::usage(
            format!("{}: how far tokens moved is known of the whole run alone", OptionName::Only.with(condition)),
            format!("leave {} away, or name a token", OptionName::Only),
        ));
    }
    let rows = distances(&run, options.view)?;
    check_layers(&options.layers, &rows)?;
    let (checkpoint, reference) = compared(&record, options.checkpoint.as_deref(), &rows)?;
    let own = rows.iter().filter(|row| row.checkpoint.as_deref() == Some(&checkpoint));
    let own = own.filter(|row| row.reference.as_deref() == Some(&reference));
    let own = own.filter(|row| options.layers.is_empty() || options.layers.contains(&row.layer));
    let moved: Vec<Finding> = moved_most(own, most).into_iter().cloned().collect();
    Ok(MovedReport::new(path_text(&options.run), [checkpoint, reference], moved))
}

fn check_layers(asked: &[LayerId], rows: &[Finding]) -> Result<()> {
    let known: BTreeSet<LayerId> = rows.iter().map(|row| row.layer).collect();
    match asked.iter().find(|layer| !known.contains(layer)) {
        Some(wrong) => Err(no_such_layer(*wrong, &known.into_iter().collect::<Vec<_>>())),
        None => Ok(()),
    }
}

/// The checkpoint that is compared, and the one that it is compared with.
fn compared(record: &RunRecord, asked: Option<&str>, rows: &[Finding]) -> Result<(String, String)> {
    let has = |label: &str| rows.iter().find(|row| row.checkpoint.as_deref() == Some(label));
    let checkpoints = &record.identity.checkpoints;
    let label = if let Some(asked) = asked {
        Some(asked.to_owned())
    } else {
        let beside = checkpoints.iter().find(|own| own.off_axis && own.arithmetic.as_deref() != Some("bf16"));
        let before = checkpoints.iter().rfind(|own| !own.off_axis && has(&own.label).is_some());
        beside.or(before).map(|own| own.label.clone())
    };
    let row = label.as_deref().and_then(has);
    if let Some(pair) = row.and_then(|row| row.checkpoint.clone().zip(row.reference.clone())) {
        Ok(pair)
    } else {
        let known: Vec<&str> =
            checkpoints.iter().filter(|own| has(&own.label).is_some()).map(|own| own.label.as_str()).collect();
        let asked = label.map_or_else(|| "no checkpoint".to_owned(), |label| quoted_name(&label));
        Err(Error::usage(
            format!("{asked} is compared with no other one in this run"),
            format!("{} names one of {}", OptionName::Checkpoint, known.join(", ")),
        ))
    }
}
