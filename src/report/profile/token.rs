//! A token in words, in tables of text, and as JSON.

use serde::Serialize;

use super::{
    SCHEMA,
    expert::in_context,
    numbers::{rate, times},
    source::ProfileSource,
    text_table::TextTable,
};
use crate::stats::{
    Example, Finding, TokenCategory, TokenExpert, TokenLayer, counted, share_and_interval, share_words, shown,
    thousands,
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
    /// Occurrences in the run.
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
    /// The answer in a sentence, about the commonest of the token ids.
    pub words: String,
    /// The token ids that are meant, the commonest first.
    pub matches: Vec<TokenMatch>,
}

impl TokenReport {
    /// Puts the numbers into words.
    pub fn new(source: ProfileSource, asked: String, matches: Vec<TokenMatch>) -> Self {
        let words = matches.first().map_or_else(String::new, sentence);
        Self { schema: SCHEMA, command: "token", source, asked, words, matches }
    }

    /// The sentence, everything about the commonest token id, and a line about each of the others; `most` experts of a layer.
    pub fn lines(&self, most: usize) -> Vec<String> {
        let mut lines = vec![self.words.clone(), String::new(), self.source.line()];
        let Some((first, others)) = self.matches.split_first() else { return lines };
        if !others.is_empty() {
            let all: Vec<String> = self.matches.iter().map(with_count).collect();
            lines.push(format!("`{}` may be {}; the commonest first", self.asked, all.join(", ")));
        }
        lines.extend(in_full(first, most));
        for other in others {
            lines.push(String::new());
            lines.push(sentence(other));
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
    pub fn lines(&self) -> Vec<String> {
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
        let heads = ["token", "id", "layer", "moved", "by sampling alone", "occurrences", "documents"];
        let table = TextTable { heads: &heads, text: &[0], rows: self.moved.iter().map(row).collect() };
        let note = "moved: the share of its choices that would have to change to make both distributions over experts equal; \
                    brackets are 95 % intervals over documents";
        let mut lines = vec![self.words.clone(), String::new()];
        lines.extend(table.lines());
        lines.push(note.to_owned());
        lines
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
fn sentence(token: &TokenMatch) -> String {
    let Some(layer) = token.layers.first() else {
        return format!("{}: none of its occurrences counts.", with_count(token));
    };
    let (occurrences, documents) = (counted(layer.occurrences, "occurrence"), counted(layer.documents, "document"));
    let of_layer = |(at, layer): (usize, &TokenLayer)| {
        let first = layer.experts.first()?;
        let of = if at == 0 { format!(" of its {occurrences}") } else { String::new() };
        Some(format!("to expert {} of layer {} in {}{of}", first.expert, layer.layer, rate(&first.takes)))
    };
    let named: Vec<String> = token.layers.iter().take(IN_A_SENTENCE).enumerate().filter_map(of_layer).collect();
    let token_name = name(token.text.as_deref(), Some(token.token_id));
    format!("{token_name} (id {}) in {documents} goes {}.", token.token_id, named.join(", "))
}

fn in_full(token: &TokenMatch, most: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let rows = token.layers.iter().flat_map(|layer| layer.experts.iter().take(most).map(move |own| row(layer, own)));
    let heads = ["layer", "expert", "of its occurrences", "of all tokens", "as often"];
    lines.extend(TextTable { heads: &heads, text: &[], rows: rows.collect() }.lines());
    let choices = token.layers.iter().map(|layer| layer.choices).max().unwrap_or(1);
    if choices > 1 {
        lines.push(format!(
            "every token has {choices} choices, so that the shares of all experts add up to {choices}00 %"
        ));
    }
    for layer in &token.layers {
        lines.extend(layer.categories.iter().take(CATEGORIES).map(|own| in_category(layer, own)));
    }
    let examples = token.layers.first().map_or(&[][..], |layer| &layer.examples);
    if !examples.is_empty() {
        lines.push(String::new());
        lines.extend(examples.iter().map(example_line));
    }
    if !token.moved.is_empty() {
        lines.push(String::new());
        lines.extend(moved_table(&token.moved));
    }
    lines
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
        "layer {}: in {} expert {} takes {} of {}, of all its occurrences {}",
        layer.layer,
        own.category,
        own.expert,
        rate(&own.takes),
        counted(own.takes.n, "occurrence"),
        share_words(own.of_all)
    )
}

/// How far its experts are from those of the last checkpoint, by checkpoint and layer.
fn moved_table(moved: &[Finding]) -> Vec<String> {
    let row = |row: &Finding| {
        vec![
            row.checkpoint.clone().unwrap_or_default(),
            row.reference.clone().unwrap_or_default(),
            row.layer.to_string(),
            distance(row),
            row.noise_floor.map_or_else(|| "-".to_owned(), share_words),
        ]
    };
    let heads = ["checkpoint", "against", "layer", "moved", "by sampling alone"];
    TextTable { heads: &heads, text: &[0, 1], rows: moved.iter().map(row).collect() }.lines()
}
