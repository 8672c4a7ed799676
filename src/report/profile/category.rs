//! A category in words, in tables of text, and as JSON.

use serde::Serialize;

use super::{
    SCHEMA,
    numbers::{difference, factor, rate, times},
    source::ProfileSource,
    text_table::TextTable,
};
use crate::stats::{
    CarrierToken, CategoryExpert, CategoryLayer, counted, share_and_interval, share_words, shown, thousands,
};

/// Token ids that are named as those behind a difference.
const NAMED: usize = 3;

/// Which experts take a category, with what it is of. Serialized it is the JSON of `category`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CategoryReport {
    /// Version of the layout.
    pub schema: u64,
    /// "category".
    pub command: &'static str,
    /// The run.
    #[serde(flatten)]
    pub source: ProfileSource,
    /// The category.
    pub category: String,
    /// The answer in a sentence.
    pub words: String,
    /// The layers.
    pub layers: Vec<CategoryLayer>,
}

impl CategoryReport {
    /// Puts the numbers into words.
    pub fn new(source: ProfileSource, category: String, layers: Vec<CategoryLayer>) -> Self {
        let words = sentence(&category, &layers);
        Self { schema: SCHEMA, command: "category", source, category, words, layers }
    }

    /// The sentence, and a table for every layer with its `most` largest shares.
    pub fn lines(&self, most: usize) -> Vec<String> {
        let mut lines = vec![self.words.clone(), String::new(), self.source.line()];
        lines.extend(self.layers.first().map(size));
        for layer in &self.layers {
            lines.push(String::new());
            lines.extend(layer_table(layer, most));
            lines.extend(layer.experts.first().and_then(carriers));
        }
        lines
    }
}

/// How large the category is, and of how much of it the token ids occur elsewhere.
fn size(layer: &CategoryLayer) -> String {
    let (tokens, documents) = (counted(layer.tokens, "token"), counted(layer.documents, "document"));
    let known = layer.experts.iter().find_map(|expert| expert.once_known.as_ref());
    let covered =
        known.map(|known| format!("; {} of them have an id that occurs outside it", share_words(known.covered)));
    format!("the category has {tokens} in {documents}{}", covered.unwrap_or_default())
}

/// The expert that takes most of the category, over all layers.
fn largest(layers: &[CategoryLayer]) -> Option<(&CategoryLayer, &CategoryExpert)> {
    let over_even = |expert: &CategoryExpert| expert.over_even.times.unwrap_or_default();
    let first = layers.iter().filter_map(|layer| Some((layer, layer.experts.first()?)));
    first.max_by(|a, b| over_even(a.1).total_cmp(&over_even(b.1)))
}

/// The answer in a sentence.
fn sentence(category: &str, layers: &[CategoryLayer]) -> String {
    let Some((layer, expert)) = largest(layers) else {
        return format!("{category}: no token of it was routed");
    };
    let start = format!(
        "{category}: expert {} of layer {} takes {} of its tokens, {} times an even share",
        expert.expert,
        layer.layer,
        rate(&expert.takes),
        factor(expert.over_even.times.unwrap_or_default())
    );
    let Some(known) = &expert.once_known else { return format!("{start}.") };
    let added = difference(known.added, known.added_low.zip(known.added_high));
    let expected = share_and_interval(known.expected, known.expected_low.zip(known.expected_high));
    format!(
        "{start}; of the {} whose token id occurs elsewhere in the corpus, {} do, and {expected} would by where their ids go elsewhere: \
         once the token id is known, the category adds {added}.",
        share_words(known.covered),
        share_words(known.takes)
    )
}

fn layer_table(layer: &CategoryLayer, most: usize) -> Vec<String> {
    let row = |expert: &CategoryExpert| {
        let known = expert.once_known.as_ref();
        vec![
            format!("layer {}, expert {}", layer.layer, expert.expert),
            rate(&expert.takes),
            times(&expert.over_even),
            times(&expert.over_own),
            known.map_or_else(String::new, |known| {
                share_and_interval(known.expected, known.expected_low.zip(known.expected_high))
            }),
            known.map_or_else(String::new, |known| {
                difference(known.added, known.added_low.zip(known.added_high)).replace(" points", "")
            }),
        ]
    };
    let heads = ["", "takes", "even share", "share of all", "by its token ids", "once they are known"];
    let lines =
        TextTable { heads: &heads, text: &[0], rows: layer.experts.iter().take(most).map(row).collect() }.lines();
    let more = layer.experts.len().saturating_sub(most);
    let more = (more > 0).then(|| format!("and {} more experts", thousands(more as u64)));
    lines.into_iter().chain(more).collect()
}

/// Which token ids set the category apart at an expert.
fn carriers(expert: &CategoryExpert) -> Option<String> {
    let carriers = &expert.once_known.as_ref()?.carriers;
    let name = |token: &CarrierToken| {
        token.text.as_deref().map_or_else(|| format!("id {}", token.token_id), |text| format!("\"{}\"", shown(text)))
    };
    let named: Vec<String> = carriers.a.iter().take(NAMED).map(name).collect();
    (!named.is_empty())
        .then(|| format!("most of what expert {} takes more than of other text: {}", expert.expert, named.join(", ")))
}
