//! A mitigate run in words.

use super::entry::VerdictEntry;
use crate::{
    routing::Strategy,
    stats::{
        Exposure, fixed, nats_words, share_of_random_words, size_words,
        verdict::{DropCostVerdict, MitigationVerdict, Side, StrategyVerdict},
    },
};

/// A strategy as the subject of a sentence.
pub(in crate::report) fn subject(name: &str) -> String {
    let Ok(strategy) = name.parse::<Strategy>() else { return format!("`{name}`") };
    let routers = match &strategy {
        Strategy::Frozen(name) => name.display().to_string(),
        _ => String::new(),
    };
    strategy.in_words(&routers)
}

/// The text with a capital letter.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().collect::<String>() + letters.as_str()).unwrap_or_default()
}

/// At most three sentences: the table of token ids, what dropping costs, then the other proposals of the paper.
pub(super) fn sentences(verdict: &MitigationVerdict) -> Vec<VerdictEntry> {
    let known = |own: &StrategyVerdict| own.loss.strategy.parse::<Strategy>().ok();
    let is = |holds: fn(&Strategy) -> bool| {
        move |own: &&StrategyVerdict| known(own).is_some_and(|strategy| holds(&strategy))
    };
    let of = |own: &StrategyVerdict| VerdictEntry::new(own.verdict(), format!("{}.", sentence(own)));
    let lookup = verdict.strategies.iter().find(is(Strategy::is_lookup)).map(of);
    let drops = verdict.drops.as_ref().map(|drops| VerdictEntry::new(drops.verdict(), dropping(drops)));
    let frozen = verdict.strategies.iter().find(is(|strategy| matches!(strategy, Strategy::Frozen(_)))).map(of);
    let early = verdict.strategies.iter().find(is(|strategy| *strategy == Strategy::Early)).map(of);
    let is_told =
        |strategy: &Strategy| !(strategy.is_lookup() || matches!(strategy, Strategy::Frozen(_) | Strategy::Early));
    let others = verdict.strategies.iter().filter(|own| known(own).is_some_and(|strategy| is_told(&strategy))).map(of);
    lookup.into_iter().chain(drops).chain(frozen).chain(early).chain(others).collect()
}

/// What a strategy costs or gains, without a full stop.
fn sentence(own: &StrategyVerdict) -> String {
    let (who, change) = (capital(&subject(&own.loss.strategy)), &own.loss.change);
    let is_plural = own.loss.strategy.parse::<Strategy>().is_ok_and(|strategy| strategy.is_plural());
    let verb = |one: &'static str, several: &'static str| if is_plural { several } else { one };
    let share = own.loss.of_random.filter(|share| share.estimate > 0.0).filter(|_| own.side != Side::Below);
    let is_scale = own.loss.strategy == "random";
    let share = share.filter(|_| !is_scale).map(|share| format!(": {}", share_of_random_words(&share)));
    let coverage = own.loss.coverage.map(|share| format!("; {} % of the tokens have a row", fixed(share * 100.0, 0)));
    let said = match own.side {
        Side::Above => format!("{} {}", verb("costs", "cost"), size_words(change)),
        Side::Below => format!("{} {}", verb("saves", "save"), size_words(change)),
        Side::NotMeasurably => {
            format!("{} nothing measurable, {} nats per token", verb("changes", "change"), nats_words(change))
        }
        Side::NotEnoughData => {
            format!(
                "{} {} nats per token, without an interval",
                verb("changes the loss by", "change the loss by"),
                nats_words(change)
            )
        }
    };
    format!("{who} {said}{}{}", share.unwrap_or_default(), coverage.unwrap_or_default())
}

/// What dropping costs the tokens that lose an expert, and the others.
fn dropping(drops: &DropCostVerdict) -> String {
    let of = |exposure: Exposure| drops.of(exposure).map(|row| &row.change);
    let others = [(Exposure::AfterDrop, "for the 32 tokens behind one"), (Exposure::Rest, "farther behind")];
    let others: Vec<String> = others
        .into_iter()
        .filter_map(|(exposure, who)| Some(format!("{who} it is {}", nats_words(of(exposure)?))))
        .collect();
    let others = if others.is_empty() { String::new() } else { format!("; {}", others.join(", ")) };
    let Some(change) = of(Exposure::Dropped) else { return "No token loses an expert.".to_owned() };
    let difference = |than: &str| {
        format!("with capacity the loss of their next token is {} {than} than without", size_words(change))
    };
    let said = match drops.side {
        Side::Above => format!("Dropping hurts the tokens that lose an expert: {}", difference("higher")),
        Side::Below => format!("Dropping helps the tokens that lose an expert: {}", difference("lower")),
        Side::NotMeasurably => format!(
            "Dropping does not measurably hurt the tokens that lose an expert: with capacity the loss of their next token differs by {} \
             nats from that without",
            nats_words(change)
        ),
        Side::NotEnoughData => format!(
            "Too few documents say whether dropping hurts the tokens that lose an expert: with capacity the loss of their next token differs \
             by {} nats from that without, with no interval",
            nats_words(change)
        ),
    };
    format!("{said}{others}.")
}

/// One line for each strategy, then what dropping costs.
pub(super) fn lines(verdict: &MitigationVerdict) -> Vec<String> {
    entries(verdict).into_iter().map(|entry| entry.words).collect()
}

/// One entry for each strategy, then one about dropping.
pub(super) fn entries(verdict: &MitigationVerdict) -> Vec<VerdictEntry> {
    let strategies = verdict.strategies.iter().map(|own| VerdictEntry::new(own.verdict(), line(own)));
    let drops = verdict.drops.iter().map(|drops| VerdictEntry::new(drops.verdict(), dropping(drops)));
    strategies.chain(drops).collect()
}

/// "early: +0.038 [0.033, 0.044] nats per token, 4.3 % [...] of what random experts cost; another first choice for 12 % of the tokens".
fn line(own: &StrategyVerdict) -> String {
    let loss = &own.loss;
    let share = loss.of_random.filter(|_| loss.strategy != "random");
    let share = share.map(|share| format!(", {}", share_of_random_words(&share))).unwrap_or_default();
    let percent = |share: f64| fixed(share * 100.0, usize::from(share < 0.1));
    let first = own.first_choice.as_ref().map(|row| row.change.estimate);
    let first =
        first.map(|share| format!("; another first choice for {} % of the tokens", percent(share))).unwrap_or_default();
    let drops = own.drop_ratio.as_ref().and_then(|row| row.change.unchanged.zip(row.change.changed));
    let drops = drops.map(|(unchanged, changed)| {
        format!("; {} % of the assignments dropped, {} % before", percent(changed), percent(unchanged))
    });
    let coverage = loss.coverage.map(|share| format!("; {} % of the tokens have a row", fixed(share * 100.0, 0)));
    let what = subject(&loss.strategy);
    format!(
        "{} ({what}): {} nats per token{share}{first}{}{}.",
        loss.strategy,
        nats_words(&loss.change),
        drops.unwrap_or_default(),
        coverage.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        report::{headline_lines, verdict_lines},
        stats::{Changed, Measure, MitigationRow, PartKind, ShareOf, verdict::RunVerdict},
    };

    fn row(strategy: &str, measure: Measure, change: (f64, f64, f64)) -> MitigationRow {
        MitigationRow {
            strategy: strategy.to_owned(),
            only_layer: None,
            measure,
            layer: None,
            part: PartKind::All,
            value: None,
            exposure: None,
            change: Changed {
                estimate: change.0,
                low: Some(change.1),
                high: Some(change.2),
                unchanged: Some(0.05),
                changed: Some(0.05 + change.0),
            },
            of_random: None,
            of_hash: None,
            coverage: None,
            n: 100,
            documents: 10,
            unit: measure.unit(),
        }
    }

    fn rows() -> Vec<MitigationRow> {
        let cost = |exposure, change| MitigationRow {
            exposure: Some(exposure),
            ..row("capacity=unlimited", Measure::DropCost, change)
        };
        vec![
            MitigationRow {
                of_random: Some(ShareOf { estimate: 0.062, low: Some(0.056), high: Some(0.069) }),
                coverage: Some(0.84),
                ..row("lookup", Measure::Loss, (0.055, 0.049, 0.060))
            },
            row("lookup", Measure::FirstChoice, (0.123, 0.11, 0.13)),
            row("early", Measure::Loss, (0.0001, -0.001, 0.0012)),
            row("capacity=unlimited", Measure::Loss, (-0.0036, -0.0047, -0.0026)),
            row("capacity=unlimited", Measure::DropRatio, (-0.05, -0.06, -0.04)),
            row("random", Measure::Loss, (0.883, 0.85, 0.91)),
            cost(Exposure::Dropped, (0.031, 0.023, 0.038)),
            cost(Exposure::Rest, (0.0, -0.001, 0.001)),
        ]
    }

    #[test]
    fn a_run_is_told_in_three_sentences() {
        let verdict = RunVerdict::mitigation(&rows());
        assert_eq!(
            headline_lines(&verdict),
            [
                "A table of token ids costs 0.055 nats per token [0.049, 0.060]: 6.2 % [5.6, 6.9] of what random experts cost; 84 % \
                 of the tokens have a row.",
                "Dropping hurts the tokens that lose an expert: with capacity the loss of their next token is 0.031 nats per token [0.023, \
                 0.038] higher than without; farther behind it is 0.0000 [-0.0010, 0.0010].",
                "Routers that read the input of attention change nothing measurable, +0.0001 [-0.0010, 0.0012] nats per token.",
            ]
        );
    }

    #[test]
    fn every_strategy_has_a_line() {
        let lines = verdict_lines(&RunVerdict::mitigation(&rows()));
        assert_eq!(lines.len(), 5);
        assert_eq!(
            lines[0],
            "lookup (a table of token ids): +0.055 [0.049, 0.060] nats per token, 6.2 % [5.6, 6.9] of what random experts cost; \
             another first choice for 12 % of the tokens; 84 % of the tokens have a row."
        );
        assert!(lines[2].contains("0.0 % of the assignments dropped, 5.0 % before"), "{}", lines[2]);
        assert_eq!(subject("frozen=openmoe-8b-200B"), "the routers of openmoe-8b-200B");
    }

    #[test]
    fn without_rows_there_is_nothing_to_say() {
        assert!(headline_lines(&RunVerdict::mitigation(&[])).is_empty());
    }
}
