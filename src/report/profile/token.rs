//! A token in words, in tables of text, and as JSON.

use serde::Serialize;

use super::{
    SCHEMA,
    expert::in_context,
    numbers::{TIMES_OWN, rate, times},
    source::ProfileSource,
    text_table::{AnswerPart, TextTable, line},
};
use crate::{
    routing::View,
    stats::{
        Example, Finding, TokenCategory, TokenExpert, TokenLayer, counted, share_and_interval, share_words, shown,
        thousands,
    },
};

/// Categories of a layer, in which the token goes elsewhere, that are named.
const CATEGORIES: usize = 3;
/// Layers that the sentence names.
const IN_A_SENTENCE: usize = 3;

/// One of the token ids that somebody may mean.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TokenMatch {
    /// The token id.
    pub token_id: u32,
    /// The piece, as the tokenizer has it; absent without a tokenizer.
    pub text: Option<String>,
    /// The piece, as people are shown it.
    pub shown: Option<String>,
    /// Occurrences that count among the tokens that were asked about.
    pub occurrences: u64,
    /// Where it goes, layer by layer; no layer in which no occurrence counts.
    pub layers: Vec<TokenLayer>,
    /// How far its experts moved between the checkpoints of a drift run (rows of `token_drift`).
    pub moved: Vec<Finding>,
}

/// Where a token goes, with what the numbers are of. Serialized it is the JSON of `token`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TokenReport {
    /// Version of the layout.
    pub schema: u64,
    /// "token".
    pub command: &'static str,
    /// The run.
    #[serde(flatten)]
    pub source: ProfileSource,
    /// What was asked for, as typed.
    pub asked: String,
    /// The answer in a sentence, about the first of the token ids.
    pub words: String,
    /// The token ids that are meant: those that occur among the tokens first, of these those with the text before the one with the id,
    /// the commonest first.
    pub matches: Vec<TokenMatch>,
}

impl TokenReport {
    /// Puts the numbers into words.
    pub fn new(source: ProfileSource, asked: String, matches: Vec<TokenMatch>) -> Self {
        let words = matches.first().map_or_else(String::new, |first| sentence(first, &source));
        Self { schema: SCHEMA, command: "token", source, asked, words, matches }
    }

    /// The sentence, everything about the first token id, and a line about each of the others; `most` experts of a layer.
    pub fn lines(&self, most: usize) -> Vec<AnswerPart> {
        let mut lines = vec![line(self.words.clone()), line(""), line(self.source.line())];
        let Some((first, others)) = self.matches.split_first() else { return lines };
        if !others.is_empty() {
            let all: Vec<String> = self.matches.iter().map(with_count).collect();
            let first = if first.layers.is_empty() { "" } else { "; the first is shown in full" };
            lines.push(line(format!("`{}` may be {}{first}", self.asked, all.join(", "))));
        }
        if !first.layers.is_empty() {
            lines.extend(in_full(first, most));
        }
        for other in others {
            lines.extend([line(""), line(sentence(other, &self.source))]);
        }
        lines
    }
}

/// The token ids that moved most, with what the numbers are of. Serialized it is the JSON of `token` without a token.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MovedReport {
    /// Version of the layout.
    pub schema: u64,
    /// "token".
    pub command: &'static str,
    /// The folder of the run, as given.
    pub run: String,
    /// The checkpoint that is compared.
    pub checkpoint: String,
    /// The one that it is compared with.
    pub reference: String,
    /// The answer in a sentence.
    pub words: String,
    /// The token ids that moved most beyond sampling noise, each in the layer where it moved most (rows of `token_drift`).
    pub moved: Vec<Finding>,
}

impl MovedReport {
    /// Puts the rows into words.
    pub fn new(run: String, [checkpoint, reference]: [String; 2], moved: Vec<Finding>) -> Self {
        let named = moved.iter().take(IN_A_SENTENCE).map(|row| {
            format!(
                "{} ({} of its choices in layer {})",
                name(row.text.as_deref(), row.token_id),
                distance(row),
                row.layer
            )
        });
        let named: Vec<String> = named.collect();
        let words = match named.as_slice() {
            [] => format!("No token id is routed differently by {checkpoint} and {reference} beyond sampling noise."),
            _ => format!(
                "{} routes these token ids most differently from {reference}: {}.",
                checkpoint,
                named.join(", ")
            ),
        };
        Self { schema: SCHEMA, command: "token", run, checkpoint, reference, words, moved }
    }

    /// The sentence, and the table.
    pub fn lines(&self) -> Vec<AnswerPart> {
        let row = |row: &Finding| {
            vec![
                row.text.as_deref().map_or_else(|| "-".to_owned(), shown),
                row.token_id.map_or_else(|| "-".to_owned(), |id| id.to_string()),
                row.layer.to_string(),
                distance(row),
                row.noise_floor.map_or_else(|| "-".to_owned(), share_words),
                thousands(row.n),
                row.documents.map_or_else(|| "-".to_owned(), thousands),
            ]
        };
        let heads = vec!["token", "id", "layer", "moved", "by sampling\nalone", "occurrences", "documents"];
        let rows: Vec<Vec<String>> = self.moved.iter().map(row).collect();
        let table = TextTable { heads, text: &[0], spared: &[6, 1, 5, 4], rows };
        let note = "moved: the share of its choices that would have to change to make both distributions over experts equal; \
                    brackets are 95 % intervals over documents";
        vec![line(self.words.clone()), line(""), AnswerPart::Table(table), line(note)]
    }
}

fn distance(row: &Finding) -> String {
    row.estimate.map_or_else(|| "-".to_owned(), |share| share_and_interval(share, row.low.zip(row.high)))
}

/// The text of a token in quotation marks, or its id.
fn name(text: Option<&str>, id: Option<u32>) -> String {
    text.map_or_else(|| format!("id {}", id.unwrap_or_default()), |text| format!("\"{}\"", shown(text)))
}

fn with_count(token: &TokenMatch) -> String {
    let name = name(token.text.as_deref(), Some(token.token_id));
    format!("{name} (id {}, {})", token.token_id, counted(token.occurrences, "occurrence"))
}

/// Where a token goes, in a sentence.
fn sentence(token: &TokenMatch, source: &ProfileSource) -> String {
    let token_name = format!("{} (id {})", name(token.text.as_deref(), Some(token.token_id)), token.token_id);
    let Some(layer) = token.layers.first() else {
        let left_out = if source.settings.exclude_bos {
            "; the run's statistics leave the first token of every sequence out"
        } else {
            ""
        };
        let among = if source.only.is_empty() { "the tokens that count".to_owned() } else { source.tokens_words() };
        return format!("No {token_name} is among {among}{left_out}.");
    };
    let (occurrences, documents) = (counted(layer.occurrences, "occurrence"), counted(layer.documents, "document"));
    let of_layer = |(at, layer): (usize, &TokenLayer)| {
        let first = layer.experts.first()?;
        let of = if at == 0 { format!(" of its {occurrences} in {documents}") } else { String::new() };
        Some(format!("to expert {} of layer {} in {}{of}", first.expert, layer.layer, rate(&first.takes)))
    };
    let named: Vec<String> = token.layers.iter().take(IN_A_SENTENCE).enumerate().filter_map(of_layer).collect();
    format!("{token_name} goes {}.", named.join(", "))
}

fn in_full(token: &TokenMatch, most: usize) -> Vec<AnswerPart> {
    let rows = token.layers.iter().flat_map(|layer| layer.experts.iter().take(most).map(move |own| row(layer, own)));
    let heads = vec!["layer", "expert", "of its occurrences", "of all tokens", TIMES_OWN];
    let table = TextTable { heads, text: &[], spared: &[3, 4], rows: rows.collect() };
    let mut lines = vec![line(""), AnswerPart::Table(table)];
    lines.extend(sum_words(&token.layers).map(line));
    for layer in &token.layers {
        lines.extend(layer.categories.iter().take(CATEGORIES).map(|own| line(in_category(layer, own))));
    }
    let examples = token.layers.first().map_or(&[][..], |layer| &layer.examples);
    if !examples.is_empty() {
        lines.push(line(""));
        lines.extend(examples.iter().map(|example| line(example_line(example))));
    }
    if !token.moved.is_empty() {
        lines.extend([line(""), AnswerPart::Table(moved_table(&token.moved))]);
    }
    lines
}

/// What the shares of all experts add up to, where it is not 100 %.
fn sum_words(layers: &[TokenLayer]) -> Option<String> {
    let choices = layers.iter().map(|layer| layer.choices).max()?;
    let sum = |layer: &TokenLayer| layer.experts.iter().filter_map(|own| own.takes.estimate).sum::<f64>();
    let lost = |layer: &TokenLayer| layer.view == View::Kept && sum(layer) < layer.choices as f64 - 1e-9;
    if choices < 2 && !layers.iter().any(lost) {
        return None;
    }
    let start = format!("every token has {}", counted(choices as u64, "choice"));
    let lossy: Vec<&TokenLayer> = layers.iter().filter(|layer| lost(layer)).collect();
    Some(match lossy.as_slice() {
        [] => format!("{start}, so that the shares of all experts add up to {choices}00 %"),
        [layer] => format!(
            "{start}, some of which were dropped: in layer {} the shares of all experts add up to {} instead of {choices}00 %",
            layer.layer,
            share_words(sum(layer))
        ),
        _ => {
            format!("{start}, some of which were dropped: the shares of all experts add up to less than {choices}00 %")
        }
    })
}

/// An occurrence, and where it is: of a document that has the name of a place in a file, the file without its folders.
fn example_line(example: &Example) -> String {
    let document = example.document.rsplit('/').next().unwrap_or_default();
    format!("{}   ({document}, position {})", in_context(example), example.position)
}

fn row(layer: &TokenLayer, own: &TokenExpert) -> Vec<String> {
    vec![
        layer.layer.to_string(),
        own.expert.to_string(),
        rate(&own.takes),
        share_words(own.over_own.chance),
        times(&own.over_own),
    ]
}

fn in_category(layer: &TokenLayer, own: &TokenCategory) -> String {
    format!(
        "layer {}: in \"{}\" expert {} takes {} of {}, of all its occurrences {}",
        layer.layer,
        own.category,
        own.expert,
        rate(&own.takes),
        counted(own.takes.n, "occurrence"),
        share_words(own.of_all)
    )
}

/// How far its experts are from those of the last checkpoint, by checkpoint and layer.
fn moved_table(moved: &[Finding]) -> TextTable {
    let row = |row: &Finding| {
        vec![
            row.checkpoint.clone().unwrap_or_default(),
            row.reference.clone().unwrap_or_default(),
            row.layer.to_string(),
            distance(row),
            row.noise_floor.map_or_else(|| "-".to_owned(), share_words),
        ]
    };
    let heads = vec!["checkpoint", "against", "layer", "moved", "by sampling\nalone"];
    TextTable { heads, text: &[0, 1], spared: &[1, 4], rows: moved.iter().map(row).collect() }
}
