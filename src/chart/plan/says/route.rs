//! What the charts of single tokens and of their context say.

use super::{
    baselines, estimates, ids_and_layers, in_layers, is_above, layers, leaves_baseline, most, numbers, percents,
};
use crate::{
    chart::{
        Message,
        plan::selection::{label, quoted_token, words},
    },
    stats::{Finding, Ranking, Variable, Variant, counted},
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

/// A variable with its article; the previous token explains at most so much, because its baseline is a lenient one.
fn named(variable: Variable, shares: &str) -> String {
    let most = if variable == Variable::PreviousToken { "at most " } else { "" };
    format!("the {} {most}{shares}", words(variable.name()))
}

/// The token id, then the strongest other variable, as shares of what can be explained, smallest to largest over the layers.
/// A layer counts where the interval of its share lies above 0.
pub(in crate::chart::plan) fn information(rows: &[&Finding]) -> Option<Message> {
    let token: Vec<&Finding> = rows.iter().copied().filter(|row| row.variable == Some(Variable::Token)).collect();
    let told: Vec<&Finding> = token.iter().copied().filter(|row| explains(row)).collect();
    if told.is_empty() {
        return Some(Message::open("The token id explains nothing of the routing that could be told from chance"));
    }
    let shares = percents(told.iter().filter_map(|row| row.explained))?;
    let layers = if told.len() == token.len() { String::new() } else { in_layers(told.len(), token.len()) };
    let next = strongest(rows)
        .and_then(|(variable, own)| Some(named(variable, &percents(own.iter().filter_map(|row| row.explained))?)));
    let next = next.map(|next| format!("; {next}")).unwrap_or_default();
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
    Some(Message::shown(format!("Once the token id is known, the {name} adds most: {most}{shares} of what is left")))
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

/// The share of a token id that goes to its favourite expert, weighted by occurrences, and the largest share possible.
pub(in crate::chart::plan) fn favourites(rows: &[&Finding]) -> Option<Message> {
    let own: Vec<&Finding> = rows.iter().copied().filter(|row| row.variant == Some(Variant::TokenWeighted)).collect();
    let (shares, chance) = (percents(estimates(&own))?, percents(baselines(&own))?);
    let ceiling = percents(own.iter().filter_map(|row| row.ceiling));
    let ceiling = ceiling.map(|most| format!(" (at most {most})")).unwrap_or_default();
    let text = format!(
        "Weighted by occurrences, a token id's favourite expert takes {shares} of its assignments{ceiling}; by chance {chance}"
    );
    Some(if own.iter().all(|row| is_above(row)) { Message::shown(text) } else { Message::open(text) })
}

/// How many token ids are spread less evenly than their noise floor explains: the interval lies above it.
pub(in crate::chart::plan) fn spread(rows: &[&Finding]) -> Message {
    let judged: Vec<&Finding> =
        rows.iter().copied().filter(|row| row.low.is_some() && row.noise_floor.is_some()).collect();
    let told: Vec<&Finding> = judged.iter().copied().filter(|row| row.low > row.noise_floor).collect();
    if judged.is_empty() {
        return Message::open(
            "The spread of the token ids has no noise floor in this view, so it cannot be told from sampling noise",
        );
    }
    let of = ids_and_layers(&told, &judged, "");
    let text = format!("{of} go to fewer experts than sampling noise explains");
    if told.is_empty() { Message::open(text) } else { Message::shown(text) }
}

/// The token with the largest z of its log-odds in any expert; from z = 5 on, so that the best of thousands counts.
pub(in crate::chart::plan) fn top_tokens(rows: &[&Finding]) -> Option<Message> {
    let ranked = || rows.iter().copied().filter(|row| row.ranking == Some(Ranking::LogOdds) && row.rank == Some(1));
    let best = most(ranked(), |row| row.estimate)?;
    let (z, expert) = (best.estimate?, best.expert?);
    if z < 5.0 {
        return Some(Message::open("No expert has a token that could be told from chance (every z below 5)"));
    }
    let several = layers(ranked()) > 1;
    let layer = if several { format!(" of layer {}", best.layer) } else { String::new() };
    Some(Message::shown(format!(
        "Of the first tokens of {}, {} at expert {expert}{layer} is farthest from chance (z = {z:.0})",
        counted(ranked().count() as u64, "expert"),
        quoted_token(best)
    )))
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

/// The pairs of categories with the smallest and the largest divergence; where no interval leaves chance, that is said.
pub(in crate::chart::plan) fn divergence(rows: &[&Finding]) -> Option<Message> {
    let pairs = || rows.iter().copied().filter(|row| row.other_category.is_some());
    let far = most(pairs(), |row| row.estimate)?;
    let near = most(pairs(), |row| row.estimate.map(|bits| -bits))?;
    let pair = |row: &Finding| {
        let name = |name: &Option<String>| label(name.as_deref().unwrap_or_default());
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
        let text = "The token id explains 57 to 81 % of the routing; the document 6.0 to 21 %";
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
        let text = "The token id explains 50 % of the routing in 1 of 2 layers";
        assert_eq!(said(information(&all)), (text.to_owned(), Ground::Shown));
        let (text, ground) = said(context(&all));
        assert!(text.contains("no context adds anything") && ground == Ground::Open, "{text}");
        assert_eq!(said(information(&all[..1])).1, Ground::Open);
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
        let text = "Of 2 pairs, de and en are routed most alike (0.10 bits), de and zh least (0.70 bits)";
        assert_eq!(said(divergence(&[&rows[0], &rows[1]])), (text.to_owned(), Ground::Shown));
        let close = pair("de", "en", 0.0014, 0.001);
        assert!(said(divergence(&[&close, &rows[1]])).0.contains("most alike (0.001 bits)"));
        let near = pair("de", "zh", 0.7, 0.69);
        assert_eq!(said(divergence(&[&rows[0], &near])).1, Ground::Open);
    }
}
