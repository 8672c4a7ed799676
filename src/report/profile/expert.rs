//! An expert in words, in tables of text, and as JSON.

use serde::Serialize;

use super::{
    SCHEMA,
    numbers::{TIMES_EVEN, TIMES_OWN, exact, factor, mean, rate, times, times_even},
    source::ProfileSource,
    text_table::{AnswerPart, TextTable, line},
};
use crate::{
    routing::View,
    stats::{
        Example, ExpertProfile, Languages, Part, Partner, Rate, TokenKind, TopToken, quoted_category, share_words,
        thousands,
    },
};

/// How many times its share of all tokens an expert must surely take of a part that the sentence names.
const TELLING: f64 = 1.2;
/// Categories that the sentence names.
const IN_A_SENTENCE: usize = 2;

/// Everything about one expert, with what it is of. Serialized it is the JSON of `expert`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ExpertReport {
    /// Version of the layout.
    pub schema: u64,
    /// "expert".
    pub command: &'static str,
    /// The run.
    #[serde(flatten)]
    pub source: ProfileSource,
    /// The answer in a sentence.
    pub words: String,
    /// The numbers.
    #[serde(flatten)]
    pub profile: ExpertProfile,
}

impl ExpertReport {
    /// Puts the profile into words.
    pub fn new(source: ProfileSource, profile: ExpertProfile) -> Self {
        let words = sentence(&source, &profile);
        Self { schema: SCHEMA, command: "expert", source, words, profile }
    }

    /// The sentence and the tables; of a list with more than `most` rows the first are shown.
    pub fn lines(&self, most: usize) -> Vec<AnswerPart> {
        let own = &self.profile;
        let mut lines = vec![line(self.words.clone()), line(""), line(self.source.line())];
        lines.extend(facts(own).into_iter().map(line));
        let lists = [
            ("category", "categories", &own.categories, most),
            ("class of tokens", "classes", &own.classes, usize::MAX),
            ("script", "scripts", &own.scripts, most),
            ("place", "places", &own.positions, usize::MAX),
        ];
        for (head, noun, parts, most) in lists {
            let table = parts_table(head, own.view, parts.iter().take(most));
            lines.extend(below_a_gap(table, noun, parts.len(), most));
        }
        let tokens: Vec<&TopToken> = own.top_tokens.iter().filter(|token| is_telling(token)).collect();
        lines.extend(below_a_gap(tokens_table(&tokens), "tokens", tokens.len(), tokens.len()));
        lines.extend(below_a_gap(partners_table(&own.partners, most), "experts", own.partners.len(), most));
        if !own.withheld.is_empty() {
            let reasons: Vec<String> =
                own.withheld.iter().map(|(part, why)| format!("{}: {why}", part.replace('_', " "))).collect();
            lines.extend([line(""), line(format!("not given: {}", reasons.join("; ")))]);
        }
        lines
    }
}

/// Whether chance alone seldom takes a token id as often to an expert: z of its log-odds lies above the usual limit.
pub(in crate::report) fn is_telling(token: &TopToken) -> bool {
    token.z > 1.96
}

/// The answer in a sentence.
fn sentence(source: &ProfileSource, own: &ExpertProfile) -> String {
    let (all, takes) = (source.tokens_words(), rate(&own.takes));
    let (expert, layer) = (own.expert, own.layer);
    let even = exact(own.takes_over_even.chance);
    let start = match (own.view, &own.router.dropped) {
        (View::Chosen, _) => {
            format!(
                "Expert {expert} of layer {layer} is chosen by {takes} of {all} (with an even load, {even}); it takes"
            )
        }
        // What a queue holds is no choice of the router: an even load is nothing to compare it with.
        (View::Kept, dropped) => {
            let dropped =
                dropped.as_ref().map(|dropped| format!(": {} of those that chose it were dropped", rate(dropped)));
            format!(
                "After capacity, expert {expert} of layer {layer} processes {takes} of {all}{}. Its queue limits what it \
                 takes of any text; it takes",
                dropped.unwrap_or_default()
            )
        }
    };
    let taken = |part, noun: &str| taken(part, noun, own.view);
    let categories = telling(&own.categories, IN_A_SENTENCE).into_iter();
    let languages = Languages::of(own.categories.iter().map(|part| part.name.as_str()));
    let quoted = |name: &str| quoted_category(name, languages.name(name));
    let categories = categories.map(|part| taken(part, &format!("{} tokens", quoted(&part.name))));
    // Which expert the first token of every text takes says little about the expert.
    let classes = own.classes.iter().filter(|part| part.name != TokenKind::Special.name());
    let classes: Vec<Part> = classes.chain(&own.scripts).cloned().collect();
    let class = telling(&classes, 1).into_iter().map(|part| taken(part, &class_words(&part.name)));
    let named: Vec<String> = categories.chain(class).collect();
    let told = match named.as_slice() {
        [] => format!("{}.", start.trim_end_matches("; it takes")),
        [one] => format!("{start} {one}."),
        [first @ .., last] => format!("{start} {} and {last}.", first.join(", ")),
    };
    match avoided(&classes).filter(|_| own.view == View::Chosen) {
        Some(part) if part.takes.estimate == Some(0.0) => {
            format!("{told} It takes {} of the {}.", rate(&part.takes), class_words(&part.name))
        }
        Some(part) => format!("{told} It takes only {}.", taken(part, &class_words(&part.name))),
        None => told,
    }
}

/// The class of tokens of which the expert takes least, if that is surely clearly less than of all tokens.
fn avoided(classes: &[Part]) -> Option<&Part> {
    let is_avoided = |part: &&Part| {
        part.over_own.high.is_some_and(|high| high < 1.0 / TELLING)
            && part.over_even.times.is_some_and(|times| times < 1.0)
    };
    let share = |part: &Part| part.takes.estimate.unwrap_or_default();
    classes.iter().filter(is_avoided).min_by(|a, b| share(a).total_cmp(&share(b)))
}

/// "69 % [63, 73] of the "zh-cn" tokens (5.5 times an even load)"; after capacity nothing is compared with an even load.
fn taken(part: &Part, noun: &str, view: View) -> String {
    let times = part.over_even.times.filter(|_| view == View::Chosen);
    let over = times.map(|times| format!(" ({} times an even load)", factor(times)));
    format!("{} of the {noun}{}", rate(&part.takes), over.unwrap_or_default())
}

/// What the tokens of a class are called in a sentence.
fn class_words(name: &str) -> String {
    match name {
        "upper case" => "tokens with upper case".to_owned(),
        "mixed" => "tokens of mixed characters".to_owned(),
        _ if name.starts_with(char::is_uppercase) => format!("tokens with {name} letters"),
        _ => name.to_owned(),
    }
}

/// The parts of which the expert takes the largest shares, among those of which it surely takes clearly more than of all tokens; each at
/// least half of the largest.
fn telling(parts: &[Part], most: usize) -> Vec<&Part> {
    let share = |part: &Part| part.takes.estimate.unwrap_or_default();
    let is_telling = |part: &&Part| {
        part.over_own.low.is_some_and(|low| low > TELLING) && part.over_even.times.is_some_and(|times| times > 1.0)
    };
    let mut more: Vec<&Part> = parts.iter().filter(is_telling).collect();
    more.sort_by(|a, b| share(b).total_cmp(&share(a)));
    let least = more.first().map_or(0.0, |part| 0.5 * share(part));
    more.into_iter().take(most).take_while(|part| share(part) >= least).collect()
}

/// Load, certainty and drops, a line each.
fn facts(own: &ExpertProfile) -> Vec<String> {
    let mut lines = vec![format!(
        "load: {} of the assignments, {} times an even load of {}; place {} of {} experts",
        rate(&own.load),
        times(&own.load_over_even),
        exact(own.load_over_even.chance),
        own.rank,
        own.experts
    )];
    let router = &own.router;
    let beside = |own: Option<&Rate>, all: Option<&Rate>, words: &str| {
        Some(format!("{} {words} (all experts: {})", rate(own?), all.map_or_else(|| "-".to_owned(), rate)))
    };
    let mut sure = Vec::new();
    let of = if own.choices == 2 { "two".to_owned() } else { own.choices.to_string() };
    let first = router.first_choice.as_ref().filter(|_| own.choices > 1);
    sure.extend(
        first.map(|first| format!("of the tokens that chose it, it is the first of {of} choices in {}", rate(first))),
    );
    if let Some((own, all)) = router.probability.as_ref().zip(router.probability_of_all.as_ref()) {
        sure.push(format!("mean probability {} (of any choice {})", mean(own), mean(all)));
    }
    if let Some((own, all)) = router.margin.as_ref().zip(router.margin_of_all.as_ref()) {
        sure.push(format!("as the first choice it leads by {} (all tokens {})", mean(own), mean(all)));
    }
    if !sure.is_empty() {
        lines.push(format!("router: {}", sure.join("; ")));
    }
    let dropped = beside(router.dropped.as_ref(), router.dropped_of_all.as_ref(), "of its assignments are dropped");
    lines.extend(dropped.map(|line| format!("drops: {line}")));
    lines
}

/// What the expert takes of each part.
fn parts_table<'a>(head: &'static str, view: View, parts: impl Iterator<Item = &'a Part>) -> TextTable {
    let row = |part: &Part| {
        vec![
            part.name.clone(),
            rate(&part.takes),
            times_even(&part.over_even, view),
            times(&part.over_own),
            rate(&part.of_expert),
            thousands(part.takes.n),
            thousands(part.takes.documents),
        ]
    };
    let heads = vec![head, "it takes", TIMES_EVEN, TIMES_OWN, "part of\nits tokens", "tokens", "documents"];
    TextTable { heads, text: &[0], spared: &[6, 5, 4, 3, 2], rows: parts.map(row).collect() }
}

/// A table below an empty line, and above how many more rows there are; nothing without rows.
fn below_a_gap(table: TextTable, noun: &str, all: usize, most: usize) -> Vec<AnswerPart> {
    if table.rows.is_empty() {
        return Vec::new();
    }
    let more = all.saturating_sub(most);
    let more = (more > 0).then(|| line(format!("and {} more {noun}", thousands(more as u64))));
    [line(""), AnswerPart::Table(table)].into_iter().chain(more).collect()
}

fn tokens_table(tokens: &[&TopToken]) -> TextTable {
    let row = |token: &&TopToken| {
        vec![
            token.shown.clone().unwrap_or_else(|| "-".to_owned()),
            token.token_id.to_string(),
            format!("{:.1}", token.z),
            rate(&token.takes),
            thousands(token.takes.n),
            token.examples.first().map(in_context).unwrap_or_default(),
        ]
    };
    let heads = vec!["token", "id", "z", "it takes", "occurrences", "for instance"];
    TextTable { heads, text: &[0, 5], spared: &[2, 1, 5, 4], rows: tokens.iter().map(row).collect() }
}

/// A token in its text, between » and «.
pub(super) fn in_context(example: &Example) -> String {
    format!("{}\u{bb}{}\u{ab}{}", example.before, example.token, example.after).trim().to_owned()
}

fn partners_table(partners: &[Partner], most: usize) -> TextTable {
    let row = |partner: &Partner| {
        vec![
            format!("expert {}", partner.expert),
            partner.of_expert.map_or_else(|| "-".to_owned(), share_words),
            partner.over_loads.as_ref().map_or_else(|| "-".to_owned(), times),
            rate(&partner.both),
        ]
    };
    let heads = vec!["chosen with", "part of\nits tokens", "times what their\nloads would give", "of all tokens"];
    TextTable { heads, text: &[0], spared: &[3, 2], rows: partners.iter().take(most).map(row).collect() }
}
