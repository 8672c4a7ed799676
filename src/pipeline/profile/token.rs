//! Where a token goes, and which tokens moved.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use super::opened::{OpenedRun, ProfileOptions, no_such_layer};
use crate::{
    corpus::{meant_by, shown},
    error::{Error, OptionName, Result, path_text, quoted_name},
    pipeline::{progress::Progress, run_tables::read_table},
    report::{MovedReport, TokenMatch, TokenReport},
    routing::{LayerId, View},
    run::{RunDir, RunKind, RunRecord, names_beside, open_finished, traces_of},
    stats::{Finding, Statistic, Variant, verdict::moved_most},
    trace::{Block, RoutingTrace},
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
    let asked = Asked::new(&options.token);
    let mut matches = matches(&asked, &opened.sequences.token_text, &counts);
    if matches.is_empty() {
        return Err(no_such_token(&options.token, &opened.sequences.token_text, &counts));
    }
    let mut size = (0, 0);
    for (at, &layer) in opened.layers.iter().enumerate() {
        progress.check()?;
        let trace = opened.layer(layer)?;
        let profiles = opened.profiles(&trace)?;
        size = profiles.size();
        if at == 0 {
            for own in &mut matches {
                own.occurrences = profiles.occurrences(own.token_id);
            }
            asked.put_in_order(&mut matches);
        }
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

/// What was typed for a token.
struct Asked {
    /// The spellings that it may mean.
    meant: Vec<String>,
    /// The token id that it may be: digits as an id is written, without a sign or a 0 before them.
    id: Option<u32>,
}

impl Asked {
    fn new(typed: &str) -> Self {
        let id = typed.parse::<u32>().ok().filter(|id| id.to_string() == typed);
        Self { meant: meant_by(typed), id }
    }

    fn is_text(&self, text: Option<&String>) -> bool {
        text.is_some_and(|text| self.meant.contains(&shown(text)))
    }

    /// The token ids that count first, of these those with the text before the one with the id, and the commonest first. Beyond the
    /// first few they are left out.
    fn put_in_order(&self, found: &mut Vec<TokenMatch>) {
        found.sort_by_key(|own| (own.occurrences == 0, !self.is_text(own.text.as_ref()), Reverse(own.occurrences)));
        found.truncate(MATCHES);
    }
}

/// The token ids that somebody may mean, those that are commonest in the run first.
fn matches(asked: &Asked, texts: &BTreeMap<u32, String>, counts: &BTreeMap<u32, u64>) -> Vec<TokenMatch> {
    let is_meant = |own: &u32| asked.id == Some(*own) || asked.is_text(texts.get(own));
    let own = |(&token_id, &occurrences): (&u32, &u64)| {
        let text = texts.get(&token_id).cloned();
        let shown = text.as_deref().map(shown);
        TokenMatch { token_id, text, shown, occurrences, layers: Vec::new(), moved: Vec::new() }
    };
    let mut found: Vec<TokenMatch> = counts.iter().filter(|(id, _)| is_meant(id)).map(own).collect();
    found.sort_by_key(|own| (Reverse(own.occurrences), own.token_id));
    found
}

fn no_such_token(asked: &str, texts: &BTreeMap<u32, String>, counts: &BTreeMap<u32, u64>) -> Error {
    let what = format!("no token of the run is {}", quoted_name(asked));
    if texts.is_empty() {
        return Error::usage(what, format!("the run has no tokenizer: name a token id{}", for_instance(counts)));
    }
    let near = near_tokens(&shown(asked), texts, counts);
    let bytes = asked.bytes().map(|byte| format!("<0x{byte:02X}>"));
    let bytes: Vec<String> = bytes.filter(|byte| texts.values().any(|text| text == byte)).collect();
    let hint = if !near.is_empty() {
        format!("a tokenizer may write it in several tokens; the run has {}", near.join(", "))
    } else if asked.is_ascii() || bytes.is_empty() {
        "tokens.parquet lists all tokens of the run; ␣ is a space, ⏎ a line end".to_owned()
    } else {
        format!("the tokenizer writes it in bytes, each a token of its own: {}", bytes.join(", "))
    };
    Error::usage(what, hint)
}

/// The commonest tokens that are a part of what was typed, or hold it.
fn near_tokens(typed: &str, texts: &BTreeMap<u32, String>, counts: &BTreeMap<u32, u64>) -> Vec<String> {
    let typed = typed.trim_start_matches('\u{2423}');
    let is_near = |own: &str| {
        let own = own.trim_start_matches('\u{2423}');
        // A letter alone is near to every word that begins with it; a character of another script may be a word.
        let tells = |text: &str| text.chars().count() > 1 || !text.is_ascii();
        own.to_lowercase() == typed.to_lowercase()
            || (tells(typed) && own.contains(typed))
            || (tells(own) && (typed.starts_with(own) || (!own.is_ascii() && typed.contains(own))))
    };
    let shown = counts.iter().filter_map(|(id, count)| Some((count, id, shown(texts.get(id)?))));
    let mut near: Vec<_> = shown.filter(|(_, _, own)| is_near(own)).collect();
    near.sort_by_key(|(count, id, _)| (Reverse(**count), **id));
    near.into_iter().take(NAMED).map(|(_, _, own)| own).collect()
}

/// ", such as 17": the commonest token id.
fn for_instance(counts: &BTreeMap<u32, u64>) -> String {
    let commonest = counts.iter().max_by_key(|(id, count)| (**count, Reverse(**id)));
    commonest.map(|(id, _)| format!(", such as {id}")).unwrap_or_default()
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

/// The drift run that the report of a run shows too.
fn drift_beside(run: &RunDir, record: &RunRecord) -> Option<PathBuf> {
    let folders = names_beside(record.report_runs.iter().map(String::as_str)).into_iter().map(|name| run.file(name));
    let is_drift =
        |folder: &PathBuf| open_finished(folder).is_ok_and(|(_, record)| record.identity.command == RunKind::Drift);
    folders.into_iter().find(is_drift)
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
            format!("which tokens moved is known of runs of drift; this is a run of {command}"),
            match drift_beside(&run, &record) {
                Some(drift) => format!("give `{}`, or name a token, {}", drift.display(), such_as(&run, &record)?),
                None => format!("name a token, {}", such_as(&run, &record)?),
            },
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

/// What a token of the run may be called.
fn such_as(run: &RunDir, record: &RunRecord) -> Result<String> {
    let traces = traces_of(run, record)?;
    let Some((_, first)) = traces.first() else { return Ok("of a run that has a trace".to_owned()) };
    let trace = RoutingTrace::open(first)?;
    if !trace.provides().has(Block::TokenIds) {
        return Ok("of a run that has token ids".to_owned());
    }
    let with_texts = !trace.sequences()?.token_text.is_empty();
    Ok(if with_texts {
        "such as the, or its id".to_owned()
    } else {
        format!("by its id{}", for_instance(&trace.token_counts()?))
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(pieces: &[(u32, &str)]) -> BTreeMap<u32, String> {
        pieces.iter().map(|(id, text)| (*id, (*text).to_owned())).collect()
    }

    fn counts(pieces: &[(u32, &str)]) -> BTreeMap<u32, u64> {
        pieces.iter().map(|(id, _)| (*id, 1)).collect()
    }

    #[test]
    fn what_occurs_comes_first_then_the_text_then_the_id() {
        let pieces = [(0, "<pad>"), (383, "0"), (463, "\u{2581}0"), (7, "x")];
        let asked = Asked::new("0");
        let mut found = matches(&asked, &texts(&pieces), &counts(&pieces));
        for (own, occurrences) in found.iter_mut().zip([900, 0, 4]) {
            own.occurrences = occurrences;
        }
        asked.put_in_order(&mut found);
        // Id 383 does not occur among the tokens that were asked about.
        assert_eq!(found.iter().map(|own| own.token_id).collect::<Vec<_>>(), [463, 0, 383]);
        for not_an_id in ["0264", "+264", "-1"] {
            assert_eq!(Asked::new(not_an_id).id, None, "{not_an_id}");
        }
        assert_eq!(Asked::new("264").id, Some(264));
    }

    #[test]
    fn tokens_that_a_text_may_be_made_of_are_named() {
        let hint = |asked: &str, pieces: &[(u32, &str)]| {
            no_such_token(asked, &texts(pieces), &counts(pieces)).hint().unwrap_or_default()
        };
        let pieces = [(1, "\u{65e5}"), (2, "\u{672c}"), (3, "D"), (4, "<0xF0>"), (5, "<0x9F>"), (6, "\u{2581}Dampf")];
        assert_eq!(
            hint("\u{65e5}\u{672c}", &pieces),
            "a tokenizer may write it in several tokens; the run has \u{65e5}, \u{672c}"
        );
        assert_eq!(hint("Dampfschiff", &pieces), "a tokenizer may write it in several tokens; the run has ␣Dampf");
        assert_eq!(
            hint("\u{1f600}", &pieces),
            "the tokenizer writes it in bytes, each a token of its own: <0xF0>, <0x9F>"
        );
        assert!(hint("\u{1f600}", &pieces[..3]).starts_with("tokens.parquet lists"));
        let no_tokenizer = no_such_token("the", &BTreeMap::new(), &BTreeMap::from([(3, 1), (17, 5)]));
        assert_eq!(no_tokenizer.hint().as_deref(), Some("the run has no tokenizer: name a token id, such as 17"));
    }
}
