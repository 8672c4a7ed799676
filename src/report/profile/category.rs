//! A category in words, in tables of text, and as JSON.

use serde::Serialize;

use super::{
    SCHEMA,
    numbers::{TIMES_EVEN, TIMES_OWN, factor, rate, times, times_even},
    source::ProfileSource,
    text_table::{AnswerPart, TextTable, line},
};
use crate::{
    routing::View,
    stats::{
        CarrierToken, CategoryExpert, CategoryLayer, OnceKnown, counted, difference_and_interval, quoted_category,
        share_and_interval, share_words, shown, thousands,
    },
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
    /// The English name of the language whose code the category is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<&'static str>,
    /// The answer in a sentence.
    pub words: String,
    /// The layers.
    pub layers: Vec<CategoryLayer>,
}

impl CategoryReport {
    /// Puts the numbers into words.
    pub fn new(
        source: ProfileSource,
        category: String,
        language: Option<&'static str>,
        layers: Vec<CategoryLayer>,
    ) -> Self {
        let words = sentence(&category, language, &layers);
        Self { schema: SCHEMA, command: "category", source, category, language, words, layers }
    }

    /// The sentence, and a table for every layer with its `most` largest shares.
    pub fn lines(&self, most: usize) -> Vec<AnswerPart> {
        let mut lines = vec![line(self.words.clone()), line(""), line(self.source.line())];
        lines.extend(self.layers.first().map(|layer| line(size(layer))));
        for layer in &self.layers {
            lines.push(line(""));
            lines.push(AnswerPart::Table(layer_table(layer, most)));
            let more = layer.experts.len().saturating_sub(most);
            lines.extend((more > 0).then(|| line(format!("and {} more experts", thousands(more as u64)))));
            lines.extend(layer.experts.first().and_then(|expert| carriers(&self.category, expert)).map(line));
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

/// The answer in sentences.
fn sentence(category: &str, language: Option<&str>, layers: &[CategoryLayer]) -> String {
    let Some((layer, expert)) = largest(layers) else {
        return format!("No token of {} was routed.", quoted_category(category, language));
    };
    let start = format!(
        "xpert {} of layer {} takes {} of the {} tokens",
        expert.expert,
        layer.layer,
        rate(&expert.takes),
        quoted_category(category, language)
    );
    if layer.view == View::Kept {
        return format!("After capacity, e{start}; its queue limits what it takes of any text.");
    }
    let start = format!("E{start}, {} times an even load.", factor(expert.over_even.times.unwrap_or_default()));
    match &expert.once_known {
        Some(known) => format!("{start} {}", once_known(category, known)),
        None => start,
    }
}

/// What follows from the token ids alone, and what the category adds, takes away, or does not surely change.
fn once_known(category: &str, known: &OnceKnown) -> String {
    let over = if known.covered < 1.0 {
        format!(" (over the {} of its tokens whose id occurs elsewhere)", share_words(known.covered))
    } else {
        String::new()
    };
    let being = format!("being \"{category}\"");
    let expected = share_and_interval(known.expected, known.expected_low.zip(known.expected_high));
    let ends = known.added_low.zip(known.added_high);
    let turned = |value: f64| -value;
    let added = match ends {
        Some((low, _)) if low > 0.0 => format!("{being} adds {}", unsigned(known.added, ends)),
        Some((low, high)) if high < 0.0 => {
            format!("{being} takes away {}", unsigned(turned(known.added), Some((turned(high), turned(low)))))
        }
        Some(_) => {
            format!("what {being} changes is not measurable ({})", difference_and_interval(known.added, ends))
        }
        None => format!("the difference is {}", difference_and_interval(known.added, None)),
    };
    format!("Routed as the same token ids are elsewhere, {expected} would go there: {added}{over}.")
}

/// A difference whose sign is said in words: "7.5 points [5.0, 10.1]".
fn unsigned(difference: f64, interval: Option<(f64, f64)>) -> String {
    difference_and_interval(difference, interval).trim_start_matches('+').to_owned()
}

fn layer_table(layer: &CategoryLayer, most: usize) -> TextTable {
    let row = |expert: &CategoryExpert| {
        let known = expert.once_known.as_ref();
        vec![
            format!("layer {}, expert {}", layer.layer, expert.expert),
            rate(&expert.takes),
            times_even(&expert.over_even, layer.view),
            times(&expert.over_own),
            known.map_or_else(String::new, |known| {
                share_and_interval(known.expected, known.expected_low.zip(known.expected_high))
            }),
            known.map_or_else(String::new, |known| {
                let added = difference_and_interval(known.added, known.added_low.zip(known.added_high));
                added.replace(" points", "")
            }),
        ]
    };
    let heads =
        vec!["", "it takes", TIMES_EVEN, TIMES_OWN, "their token ids\nalone send", "points that the\ncategory adds"];
    TextTable { heads, text: &[0], spared: &[3, 2, 4], rows: layer.experts.iter().take(most).map(row).collect() }
}

/// Which token ids set the category apart at an expert.
fn carriers(category: &str, expert: &CategoryExpert) -> Option<String> {
    let carriers = &expert.once_known.as_ref()?.carriers;
    let name = |token: &CarrierToken| {
        token.text.as_deref().map_or_else(|| format!("id {}", token.token_id), |text| format!("\"{}\"", shown(text)))
    };
    let named: Vec<String> = carriers.a.iter().take(NAMED).map(name).collect();
    let expert = expert.expert;
    (!named.is_empty())
        .then(|| format!("tokens that set \"{category}\" apart at expert {expert}: {}", named.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_effect_is_claimed_where_its_interval_shows_one() {
        let words = |added: f64, ends: Option<(f64, f64)>| {
            let (added_low, added_high) = (ends.map(|ends| ends.0), ends.map(|ends| ends.1));
            let known = OnceKnown {
                covered: 0.91,
                takes: 0.7,
                expected: 0.62,
                added,
                added_low,
                added_high,
                ..OnceKnown::default()
            };
            once_known("he", &known)
        };
        let start = "Routed as the same token ids are elsewhere, 62 % would go there:";
        let over = " (over the 91 % of its tokens whose id occurs elsewhere).";
        assert_eq!(words(0.075, Some((0.05, 0.1))), format!("{start} being \"he\" adds 7.5 points [5.0, 10.0]{over}"));
        assert_eq!(
            words(-0.06, Some((-0.081, -0.04))),
            format!("{start} being \"he\" takes away 6.0 points [4.0, 8.1]{over}")
        );
        assert_eq!(
            words(-0.031, Some((-0.067, 0.006))),
            format!("{start} what being \"he\" changes is not measurable (-3.1 points [-6.7, 0.6]){over}")
        );
        assert_eq!(words(0.08, None), format!("{start} the difference is +8.0 points{over}"));
    }
}
