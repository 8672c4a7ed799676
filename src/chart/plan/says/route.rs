//! What the charts of single tokens and of their context say.

use std::collections::BTreeMap;

use super::{
    baselines, estimates, ids_and_layers, in_layers, is_above, judged_by_noise, layers, leaves_baseline, most, numbers,
    percent, percents, ratio, times,
};
use crate::{
    chart::{
        Message,
        plan::selection::{label, quoted_token, words},
    },
    routing::LayerId,
    stats::{Finding, Languages, Ranking, Variable, Variant, counted, is_special_token, with_language},
};

/// Whether the share that a row explains is told from chance.
fn explains(row: &Finding) -> bool {
    row.explained_low.is_some_and(|low| low > 0.0)
}

/// The variable other than the token id that explains most, mean over its layers; only those told from chance in every layer.
fn strongest<'a>(rows: &[&'a Finding]) -> Option<(Variable, Vec<&'a Finding>)> {
    let mut best: Option<(f64, Variable, Vec<&Finding>)> = None;
    for variable in
        [Variable::PreviousToken, Variable::Category, Variable::Position, Variable::PositionBucket, Variable::Document]
    {
        let own: Vec<&Finding> = rows.iter().copied().filter(|row| row.variable == Some(variable)).collect();
        let told = !own.is_empty() && own.iter().all(|row| explains(row));
        let mean = own.iter().filter_map(|row| row.explained).sum::<f64>() / own.len().max(1) as f64;
        if told && best.as_ref().is_none_or(|best| mean > best.0) {
            best = Some((mean, variable, own));
        }
    }
    best.map(|(_, variable, own)| (variable, own))
}

/// Whether the interval of a variable lies above those of all others in every layer.
fn is_clearly_first(variable: Variable, rows: &[&Finding]) -> bool {
    let own = |row: &&&Finding| row.variable == Some(variable);
    rows.iter().filter(own).all(|first| {
        let others = rows
            .iter()
            .filter(|row| row.layer == first.layer && ![Some(variable), Some(Variable::Token)].contains(&row.variable));
        others.into_iter().all(|row| row.explained_high.is_some_and(|high| first.explained_low > Some(high)))
    })
}

/// The token id's share of what can be explained, smallest to largest over the layers, and the largest of any other variable in any layer where its interval lies above 0.
/// A layer counts where the interval of its share lies above 0.
pub(in crate::chart::plan) fn information(rows: &[&Finding]) -> Option<Message> {
    let token: Vec<&Finding> = rows.iter().copied().filter(|row| row.variable == Some(Variable::Token)).collect();
    let told: Vec<&Finding> = token.iter().copied().filter(|row| explains(row)).collect();
    if told.is_empty() {
        return Some(Message::open("The token id explains nothing of the routing that could be told from chance"));
    }
    let shares = percents(told.iter().filter_map(|row| row.explained))?;
    let layers = if told.len() == token.len() { String::new() } else { in_layers(told.len(), token.len()) };
    let others = rows.iter().copied().filter(|row| row.variable != Some(Variable::Token) && explains(row));
    let next = most(others, |row| row.explained)
        .and_then(|row| {
            Some(format!("; of the others the {} up to {}", words(row.variable?.name()), percent(row.explained?)))
        })
        .unwrap_or_default();
    Some(Message::shown(format!("The token id explains {shares} of the routing{layers}{next}")))
}

/// The variable that adds most once the token id is known, as a share of what is left, smallest to largest over the layers.
pub(in crate::chart::plan) fn context(rows: &[&Finding]) -> Option<Message> {
    let Some((variable, own)) = strongest(rows) else {
        return Some(Message::open(
            "Once the token id is known, no context adds anything that could be told from chance in every layer",
        ));
    };
    let shares = percents(own.iter().filter_map(|row| row.explained))?;
    let most = if variable == Variable::PreviousToken { "at most " } else { "" };
    let name = words(variable.name());
    let adds = if is_clearly_first(variable, rows) { "adds most:" } else { "still explains" };
    Some(Message::shown(format!("Once the token id is known, the {name} {adds} {most}{shares} of what is left")))
}

/// The share of first choices predicted from the token id, and by always guessing the busiest expert.
pub(in crate::chart::plan) fn predictability(rows: &[&Finding]) -> Option<Message> {
    let own: Vec<&Finding> = rows.iter().copied().filter(|row| row.variant == Some(Variant::Token)).collect();
    let told = own.iter().filter(|row| is_above(row)).count();
    let (hits, guesses) = (percents(estimates(&own))?, percents(baselines(&own))?);
    let text =
        format!("The token id alone predicts {hits} of the first choices; guessing the busiest expert {guesses}");
    Some(if told == own.len() {
        Message::shown(text)
    } else {
        Message::open(format!("{text}: not told apart{}", in_layers(own.len() - told, own.len())))
    })
}

/// The share of a token id that goes to its favourite expert, weighted by occurrences, and by chance.
pub(in crate::chart::plan) fn favourites(rows: &[&Finding]) -> Option<Message> {
    let own: Vec<&Finding> = rows.iter().copied().filter(|row| row.variant == Some(Variant::TokenWeighted)).collect();
    let (shares, chance) = (percents(estimates(&own))?, percents(baselines(&own))?);
    let ceiling = percents(own.iter().filter_map(|row| row.ceiling));
    let ceiling = ceiling.map(|most| format!(" of {most} possible")).unwrap_or_default();
    let text =
        format!("Weighted by occurrences, a token id's favourite expert takes {shares}{ceiling}; by chance {chance}");
    Some(if own.iter().all(|row| is_above(row)) { Message::shown(text) } else { Message::open(text) })
}

/// How many token ids are spread less evenly than their noise floor explains: the interval lies above it. `None` where no row has
/// both.
pub(in crate::chart::plan) fn spread(rows: &[&Finding]) -> Option<Message> {
    let (judged, told) = judged_by_noise(rows);
    if judged.is_empty() {
        return None;
    }
    let of = ids_and_layers(&told, &judged, "");
    let text = format!("{of} go to fewer experts than sampling noise explains");
    Some(if told.is_empty() { Message::open(text) } else { Message::shown(text) })
}

/// How many tokens of an expert the line names.
const NAMED: u32 = 5;
/// How many it gives the multiple of.
const COUNTED: usize = 3;
/// Most characters of their names; of long ones fewer are named.
const NAMES_LENGTH: usize = 70;
/// From this z of the log-odds on the best of thousands of tokens counts.
const LEAST_Z: f64 = 5.0;

/// The expert whose first tokens by log-odds are farthest from chance, with them: the last of them, at most the fifth, has the
/// largest z. Only tokens from z = 5 on count; an expert with more of them comes first. `None`: no expert has one.
pub(in crate::chart::plan) fn most_characteristic<'a>(rows: &[&'a Finding]) -> Option<Vec<&'a Finding>> {
    let mut experts: BTreeMap<(LayerId, u16), Vec<&Finding>> = BTreeMap::new();
    for row in rows.iter().copied().filter(|row| row.ranking == Some(Ranking::LogOdds)) {
        let counts = row.rank.is_some_and(|rank| rank <= NAMED) && row.estimate.is_some_and(|z| z >= LEAST_Z);
        if let Some(expert) = row.expert.filter(|_| counts) {
            experts.entry((row.layer, expert)).or_default().push(row);
        }
    }
    let mut best: Option<(usize, f64, Vec<&Finding>)> = None;
    for tokens in experts.into_values() {
        let last = estimates(&tokens).fold(f64::INFINITY, f64::min);
        if best.as_ref().is_none_or(|(count, z, _)| tokens.len() > *count || tokens.len() == *count && last > *z) {
            best = Some((tokens.len(), last, tokens));
        }
    }
    let (_, _, mut tokens) = best?;
    tokens.sort_by_key(|row| row.rank);
    Some(tokens)
}

/// The tokens of the expert whose first ones are farthest from chance, and how many times as often as its load explains it takes those
/// that are among its most frequent ones too. `rows`: of the table; `several`: whether it shows several layers.
pub(in crate::chart::plan) fn top_tokens(
    tokens: Option<&[&Finding]>,
    rows: &[&Finding],
    several: bool,
) -> Option<Message> {
    let Some(tokens) = tokens else {
        return Some(Message::open("No expert has a token that could be told from chance (every z below 5)"));
    };
    let first = tokens.first()?;
    let layer = if several { format!(" of layer {}", first.layer) } else { String::new() };
    let counted: Vec<String> = tokens.iter().filter_map(|token| times_its_load(token, rows)).take(COUNTED).collect();
    if !counted.is_empty() {
        let which = in_a_row(&counted);
        return Some(Message::shown(format!(
            "Expert {}{layer} takes {which} times as often as its load explains",
            first.expert?
        )));
    }
    let mut names: Vec<String> = Vec::new();
    for name in tokens.iter().map(|row| quoted_token(row)) {
        let length: usize = names.iter().chain([&name]).map(|name| name.chars().count() + 2).sum();
        if !names.is_empty() && length > NAMES_LENGTH {
            break;
        }
        names.push(name);
    }
    let names = in_a_row(&names);
    Some(Message::shown(format!("Expert {}{layer} takes {names} far more often than by chance", first.expert?)))
}

/// A token in quotation marks and how many times as often as its load explains its expert takes it; `None` for a token of no text, and
/// where its count is in no row.
fn times_its_load(token: &Finding, rows: &[&Finding]) -> Option<String> {
    let place = |row: &Finding| (row.layer, row.view, row.expert, row.token_id);
    let count = rows.iter().find(|row| row.ranking == Some(Ranking::Count) && place(row) == place(token))?;
    let is_special = token.text.as_deref().is_some_and(is_special_token);
    let times = times_expected(count).filter(|_| !is_special)?;
    Some(format!("{} {times}", quoted_token(token)))
}

/// How many times as large as expected a count is: "2.6".
pub(in crate::chart::plan) fn times_expected(count: &Finding) -> Option<String> {
    ratio(count).map(times)
}

/// "a, b and c".
fn in_a_row(names: &[String]) -> String {
    match names {
        [before @ .., last] if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        _ => names.concat(),
    }
}

/// Cramer's V and its chance, smallest to largest.
pub(in crate::chart::plan) fn association(rows: &[&Finding]) -> Option<Message> {
    let told = rows.iter().filter(|row| is_above(row)).count();
    let (values, chance) = (numbers(estimates(rows))?, numbers(baselines(rows))?);
    if told == 0 {
        return Some(Message::open(format!(
            "No association of category and expert could be told from chance (V = {values})"
        )));
    }
    let layers = in_layers(layers(rows.iter().copied().filter(|row| is_above(row))), layers(rows.iter().copied()));
    Some(Message::shown(format!("Categories go to different experts{layers}: V = {values}, by chance {chance}")))
}

/// How often the first choice repeats, and by chance.
pub(in crate::chart::plan) fn repetition(rows: &[&Finding]) -> Option<Message> {
    let is_own = |row: &&Finding| row.variant == Some(Variant::First) && row.category.is_none();
    let own: Vec<&Finding> = rows.iter().copied().filter(is_own).collect();
    let (shares, chance) = (percents(estimates(&own))?, percents(baselines(&own))?);
    let told = own.iter().filter(|row| leaves_baseline(row)).count();
    let text = format!("The next token has the same first choice in {shares} of cases, by chance {chance}");
    Some(if told == own.len() {
        Message::shown(text)
    } else {
        Message::open(format!("{text}: not told apart{}", in_layers(own.len() - told, own.len())))
    })
}

/// The rows of the pairs of categories that [`divergence`] names: the smallest, and the largest.
pub(in crate::chart::plan) fn nearest_and_farthest<'a>(rows: &[&'a Finding]) -> Option<[&'a Finding; 2]> {
    let pairs = || rows.iter().copied().filter(|row| row.other_category.is_some());
    Some([most(pairs(), |row| row.estimate.map(|bits| -bits))?, most(pairs(), |row| row.estimate)?])
}

/// The pairs of categories with the smallest and the largest divergence; where no interval leaves chance, that is said.
pub(in crate::chart::plan) fn divergence(rows: &[&Finding]) -> Option<Message> {
    let pairs = || rows.iter().copied().filter(|row| row.other_category.is_some());
    let [near, far] = nearest_and_farthest(rows)?;
    let names = rows.iter().flat_map(|row| [&row.category, &row.other_category]);
    let languages = Languages::of(names.filter_map(Option::as_deref));
    let pair = |row: &Finding| {
        let name = |name: &Option<String>| {
            let name = name.as_deref().unwrap_or_default();
            with_language(&label(name), languages.name(name))
        };
        format!("{} and {}", name(&row.category), name(&row.other_category))
    };
    if !is_above(far) {
        return Some(Message::open(format!(
            "No two categories could be told apart by their experts; the farthest are {}",
            pair(far)
        )));
    }
    // As many decimals as keep a small divergence from reading as none.
    let bits = |row: &Finding| {
        let bits = row.estimate.unwrap_or(0.0);
        let digits = (2..5).find(|digits| bits >= 0.95 * 0.1_f64.powi(*digits)).unwrap_or(2);
        format!("{bits:.*} bits", digits as usize)
    };
    if pairs().count() == 1 {
        return Some(Message::shown(format!("{} are {} apart", pair(far), bits(far))));
    }
    Some(Message::shown(format!(
        "Of {}, {} are routed most alike ({}), {} least ({})",
        counted(pairs().count() as u64, "pair"),
        pair(near),
        bits(near),
        pair(far),
        bits(far)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        chart::Ground,
        routing::{LayerId, View},
        stats::{Statistic, Subject},
    };

    fn explained(layer: LayerId, variable: Variable, share: f64, half: f64) -> Finding {
        Finding {
            explained: Some(share),
            explained_low: Some(share - half),
            explained_high: Some(share + half),
            ..Finding::new(Statistic::MutualInformation, layer, View::Chosen)
                .about(|subject| Subject { variable: Some(variable), ..subject })
        }
    }

    fn said(message: Option<Message>) -> (String, Ground) {
        let message = message.unwrap();
        (message.text, message.ground)
    }

    #[test]
    fn the_strongest_variable_is_named_and_the_previous_token_only_as_an_upper_end() {
        let rows = [
            explained(1, Variable::Token, 0.81, 0.01),
            explained(3, Variable::Token, 0.57, 0.01),
            explained(1, Variable::Document, 0.06, 0.01),
            explained(3, Variable::Document, 0.21, 0.01),
            explained(1, Variable::PreviousToken, 0.12, 0.01),
            explained(3, Variable::PreviousToken, 0.14, 0.01),
        ];
        let all: Vec<&Finding> = rows.iter().collect();
        let text = "The token id explains 57 to 81 % of the routing; of the others the document up to 21 %";
        assert_eq!(said(information(&all)), (text.to_owned(), Ground::Shown));
        let without: Vec<&Finding> =
            all.iter().copied().filter(|row| row.variable != Some(Variable::Document)).collect();
        let text = "Once the token id is known, the previous token adds most: at most 12 to 14 % of what is left";
        assert_eq!(said(context(&without)), (text.to_owned(), Ground::Shown));
    }

    #[test]
    fn what_chance_explains_is_not_claimed() {
        let rows = [
            explained(1, Variable::Token, 0.02, 0.03),
            explained(3, Variable::Token, 0.5, 0.01),
            explained(1, Variable::Document, 0.02, 0.03),
            explained(3, Variable::Document, 0.9, 0.01),
        ];
        let all: Vec<&Finding> = rows.iter().collect();
        let text = "The token id explains 50 % of the routing in 1 of 2 layers; of the others the document up to 90 %";
        assert_eq!(said(information(&all)), (text.to_owned(), Ground::Shown));
        let (text, ground) = said(context(&all));
        assert!(text.contains("no context adds anything") && ground == Ground::Open, "{text}");
        assert_eq!(said(information(&all[..1])).1, Ground::Open);
    }

    #[test]
    fn the_expert_is_named_whose_first_tokens_are_all_far_from_chance() {
        let token = |expert: u16, rank: u32, text: &str, z: f64| Finding {
            estimate: Some(z),
            ..Finding::new(Statistic::TopTokens, 1, View::Kept).about(|subject| Subject {
                expert: Some(expert),
                token_id: Some(100 * u32::from(expert) + rank),
                ranking: Some(Ranking::LogOdds),
                rank: Some(rank),
                text: Some(text.to_owned()),
                ..subject
            })
        };
        // One token of expert 2 is farther from chance than any other, but its second is not.
        let rows = [
            token(2, 1, "\u{2581}", 480.0),
            token(2, 2, "_", 6.0),
            token(7, 1, "\u{2581}the", 95.0),
            token(7, 2, "\u{2581}to", 74.0),
            token(8, 1, "a", 90.0),
            token(8, 2, "b", 4.9),
        ];
        let all: Vec<&Finding> = rows.iter().collect();
        let said = |rows: &[&Finding]| top_tokens(most_characteristic(rows).as_deref(), rows, false).unwrap();
        let text = "Expert 7 takes \"\u{2423}the\" and \"\u{2423}to\" far more often than by chance";
        assert_eq!((said(&all).text.as_str(), said(&all).ground), (text, Ground::Shown));
        assert!(said(&all[4..]).text.starts_with("Expert 8 takes \"a\" far"), "{}", said(&all[4..]).text);
        assert_eq!(said(&all[5..]).ground, Ground::Open);
        let count = Finding { estimate: Some(26.0), baseline: Some(10.0), ..rows[2].clone() };
        let count = count.about(|subject| Subject { ranking: Some(Ranking::Count), ..subject });
        let counted: Vec<&Finding> = all.iter().copied().chain([&count]).collect();
        assert_eq!(said(&counted).text, "Expert 7 takes \"\u{2423}the\" 2.6 times as often as its load explains");
    }

    #[test]
    fn a_divergence_within_its_chance_tells_no_categories_apart() {
        let pair = |a: &str, b: &str, estimate: f64, baseline: f64| Finding {
            estimate: Some(estimate),
            low: Some(estimate - 0.05),
            high: Some(estimate + 0.05),
            baseline: Some(baseline),
            ..Finding::new(Statistic::JensenShannon, 1, View::Chosen).about(|subject| Subject {
                category: Some(a.to_owned()),
                other_category: Some(b.to_owned()),
                ..subject
            })
        };
        let rows = [pair("de", "en", 0.1, 0.02), pair("de", "zh", 0.7, 0.02)];
        let text = "Of 2 pairs, de (German) and en (English) are routed most alike (0.10 bits), de (German) and zh (Chinese) least (0.70 bits)";
        assert_eq!(said(divergence(&[&rows[0], &rows[1]])), (text.to_owned(), Ground::Shown));
        let close = pair("de", "en", 0.0014, 0.001);
        assert!(said(divergence(&[&close, &rows[1]])).0.contains("most alike (0.001 bits)"));
        let near = pair("de", "zh", 0.7, 0.69);
        assert_eq!(said(divergence(&[&rows[0], &near])).1, Ground::Open);
    }
}
