//! The verdict in words, derived from the ends of the intervals and never from a point estimate alone.

use std::collections::BTreeSet;

use crate::{
    routing::{LayerId, View},
    stats::Finding,
};

/// Layers that get a line of their own.
const LAYERS_SHOWN: usize = 8;

/// Routing is called context-independent if the token id explains at least this share of what can be explained ...
const TOKEN_EXPLAINS: f64 = 0.5;
/// ... and no context variable adds more than this share of what is left.
const CONTEXT_ADDS: f64 = 0.1;

/// Whether routing follows the token id alone.
///
/// With `t` the interval of the share that the token id explains, and `c` the interval of the share that a context
/// variable (previous token, category, position) adds once the token id is known:
///
/// * yes: the lower end of `t` is at least 0.5 and the upper end of every `c` is at most 0.1;
/// * no: the upper end of `t` is below 0.5;
/// * mostly: the lower end of `t` is at least 0.5, but some `c` reaches above 0.1;
/// * undecided: the interval of `t` contains 0.5.
///
/// Without the interval of `t`, or with no `c` at all, there is not enough data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Independence {
    Yes,
    Mostly,
    Undecided,
    No,
}

impl Independence {
    fn words(self) -> &'static str {
        match self {
            Self::Yes => "context-independent: yes",
            Self::Mostly => "context-independent: mostly",
            Self::Undecided => "context-independent: undecided, the interval contains 50 %",
            Self::No => "context-independent: no",
        }
    }
}

/// A share with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Share {
    value: f64,
    low: f64,
    high: f64,
}

impl Share {
    fn overlaps(self, other: Self) -> bool {
        self.low <= other.high && other.low <= self.high
    }

    fn words(self) -> String {
        format!("{} % [{}, {}]", whole(self.value), whole(self.low), whole(self.high))
    }
}

/// A share in whole percent. Below 0 is noise around 0 and stays visible.
fn whole(share: f64) -> String {
    // Adding 0 turns the -0 of a rounded small negative share into 0.
    format!("{:.0}", (share * 100.0).round() + 0.0)
}

/// The verdict in sentences: one line per `MoE` layer (eight at most), then how the layers compare.
///
/// Reads `explained` of `mutual_information` (variable `token`) and of `conditional_mutual_information` given the token
/// id, chosen view.
pub fn verdict(findings: &[Finding]) -> Vec<String> {
    let layers: BTreeSet<LayerId> =
        findings.iter().filter(|row| row.statistic == "mutual_information").map(|row| row.layer).collect();
    if layers.is_empty() {
        return vec!["not enough data: no MoE layer has a mutual information of expert and token id".to_owned()];
    }
    let mut lines: Vec<String> = layers.iter().take(LAYERS_SHOWN).map(|layer| layer_line(findings, *layer)).collect();
    lines.extend(rest(findings, &layers));
    lines.push(overall(findings, &layers));
    lines
}

fn layer_line(findings: &[Finding], layer: LayerId) -> String {
    let token = match share(findings, "mutual_information", "token", layer) {
        Ok(token) => token,
        Err(reason) => return format!("layer {layer}: not enough data ({reason})"),
    };
    let contexts: Vec<String> = CONTEXTS
        .iter()
        .map(|(variable, name)| match share(findings, "conditional_mutual_information", variable, layer) {
            Ok(added) => format!("{name} adds {}", added.words()),
            Err(reason) => format!("{name}: not enough data ({reason})"),
        })
        .collect();
    let known = contexts.join("; ");
    let criterion = independence(findings, layer).map_or("context-independent: not enough data", Independence::words);
    format!(
        "layer {layer}: the token id explains {} of what can be explained; of what is left, {known}; {criterion}",
        token.words()
    )
}

/// Context variables and the words for them.
const CONTEXTS: [(&str, &str); 3] =
    [("previous_token", "the previous token"), ("category", "the category"), ("position_bucket", "the position")];

/// The explained share of a variable, or the reason why there is none.
fn share(findings: &[Finding], statistic: &str, variable: &str, layer: LayerId) -> Result<Share, String> {
    let row = findings
        .iter()
        .find(|row| {
            row.statistic == statistic
                && row.layer == layer
                && row.view == View::Chosen.name()
                && row.variable.as_deref() == Some(variable)
                && row.category.is_none()
                && row.decides()
        })
        .ok_or_else(|| "not measured".to_owned())?;
    let noted = |reason: &str| row.note.as_deref().unwrap_or(reason).to_owned();
    row.estimate.ok_or_else(|| noted("withheld"))?;
    let value = row.explained.ok_or_else(|| noted("less than 0.05 bits are left to explain"))?;
    let (low, high) =
        row.explained_low.zip(row.explained_high).ok_or_else(|| noted("too few documents for an interval"))?;
    Ok(Share { value, low, high })
}

fn independence(findings: &[Finding], layer: LayerId) -> Option<Independence> {
    let token = share(findings, "mutual_information", "token", layer).ok()?;
    let contexts: Vec<Share> = CONTEXTS
        .iter()
        .filter_map(|(variable, _)| share(findings, "conditional_mutual_information", variable, layer).ok())
        .collect();
    if contexts.is_empty() {
        return None;
    }
    Some(if token.high < TOKEN_EXPLAINS {
        Independence::No
    } else if token.low < TOKEN_EXPLAINS {
        Independence::Undecided
    } else if contexts.iter().all(|context| context.high <= CONTEXT_ADDS) {
        Independence::Yes
    } else {
        Independence::Mostly
    })
}

/// The layers beyond the ones shown, in one line.
fn rest(findings: &[Finding], layers: &BTreeSet<LayerId>) -> Option<String> {
    let others: Vec<LayerId> = layers.iter().copied().skip(LAYERS_SHOWN).collect();
    let shares: Vec<Share> =
        others.iter().filter_map(|layer| share(findings, "mutual_information", "token", *layer).ok()).collect();
    let low = shares.iter().map(|share| share.low).reduce(f64::min);
    let high = shares.iter().map(|share| share.high).reduce(f64::max);
    let names = others.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match (others.is_empty(), low.zip(high)) {
        (true, _) => None,
        (false, None) => Some(format!("layers {names}: not enough data")),
        (false, Some((low, high))) => Some(format!(
            "layers {names}: the intervals of what the token id explains lie between {} and {} %; see summary.json",
            whole(low),
            whole(high)
        )),
    }
}

/// How the layers compare, and the criterion over all of them.
fn overall(findings: &[Finding], layers: &BTreeSet<LayerId>) -> String {
    let known: Vec<(LayerId, Share)> = layers
        .iter()
        .filter_map(|layer| Some((*layer, share(findings, "mutual_information", "token", *layer).ok()?)))
        .collect();
    let by_value = |a: &&(LayerId, Share), b: &&(LayerId, Share)| a.1.value.total_cmp(&b.1.value);
    let (Some(most), Some(least)) = (known.iter().max_by(by_value), known.iter().min_by(by_value)) else {
        return "overall: not enough data to say whether routing follows the token id".to_owned();
    };
    let judged: Vec<Option<Independence>> = layers.iter().map(|layer| independence(findings, *layer)).collect();
    let criterion = match judged.iter().copied().collect::<Option<Vec<_>>>().and_then(|all| all.into_iter().max()) {
        Some(worst) => format!("over all layers (the least fitting one decides) {}", worst.words()),
        None => "context-independent: not enough data in some layers".to_owned(),
    };
    let compared = if known.len() < 2 {
        format!("layer {} is the only one with enough data", most.0)
    } else if most.1.overlaps(least.1) {
        "the intervals of the layers overlap: none follows the token id measurably more than another".to_owned()
    } else {
        format!("routing follows the token id most in layer {} and least in layer {}", most.0, least.0)
    };
    format!("overall: {compared}; {criterion}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(statistic: &'static str, variable: &'static str, layer: LayerId, share: (f64, f64, f64)) -> Finding {
        Finding {
            variable: Some(variable.into()),
            variant: (variable == "position_bucket").then_some("within_sequence_shift".into()),
            estimate: Some(1.0),
            explained: Some(share.0),
            explained_low: Some(share.1),
            explained_high: Some(share.2),
            ..Finding::new(statistic, layer, View::Chosen, "bits")
        }
    }

    fn layer(layer: LayerId, token: (f64, f64, f64), previous: (f64, f64, f64)) -> Vec<Finding> {
        vec![
            row("mutual_information", "token", layer, token),
            row("conditional_mutual_information", "previous_token", layer, previous),
            row("conditional_mutual_information", "category", layer, (0.02, 0.01, 0.03)),
            row("conditional_mutual_information", "position_bucket", layer, (0.001, -0.01, 0.01)),
        ]
    }

    #[test]
    fn a_line_quotes_shares_with_intervals() {
        let lines = verdict(&layer(3, (0.58, 0.55, 0.61), (0.09, 0.08, 0.1)));
        assert_eq!(
            lines,
            [
                "layer 3: the token id explains 58 % [55, 61] of what can be explained; of what is left, the previous \
                 token adds 9 % [8, 10]; the category adds 2 % [1, 3]; the position adds 0 % [-1, 1]; context-independent: yes",
                "overall: layer 3 is the only one with enough data; over all layers (the \
                 least fitting one decides) context-independent: yes",
            ]
        );
    }

    #[test]
    fn the_criterion_reads_interval_ends() {
        let judge = |token, previous| independence(&layer(1, token, previous), 1);
        assert_eq!(judge((0.58, 0.49, 0.61), (0.01, 0.0, 0.02)), Some(Independence::Undecided));
        assert_eq!(judge((0.58, 0.51, 0.61), (0.09, 0.0, 0.11)), Some(Independence::Mostly));
        assert_eq!(judge((0.48, 0.40, 0.499), (0.01, 0.0, 0.02)), Some(Independence::No));
        assert_eq!(independence(&[row("mutual_information", "token", 1, (0.9, 0.8, 0.95))], 1), None);
    }

    #[test]
    fn layers_are_ranked_only_where_their_intervals_are_apart() {
        let apart =
            [layer(1, (0.8, 0.78, 0.82), (0.0, 0.0, 0.01)), layer(5, (0.4, 0.3, 0.45), (0.0, 0.0, 0.01))].concat();
        assert!(verdict(&apart)[2].contains("most in layer 1 and least in layer 5"));
        assert!(verdict(&apart)[2].ends_with("context-independent: no"));
        let close =
            [layer(1, (0.8, 0.7, 0.9), (0.0, 0.0, 0.01)), layer(5, (0.75, 0.7, 0.8), (0.0, 0.0, 0.01))].concat();
        assert!(verdict(&close)[2].contains("the intervals of the layers overlap"));
    }

    #[test]
    fn withheld_numbers_say_why() {
        let withheld = row("mutual_information", "token", 1, (0.5, 0.4, 0.6)).withheld("3 documents, 8 are needed");
        let lines = verdict(&[withheld]);
        assert_eq!(lines[0], "layer 1: not enough data (3 documents, 8 are needed)");
        assert!(lines[1].starts_with("overall: not enough data"));
        assert!(verdict(&[])[0].starts_with("not enough data"));
        let alone = verdict(&[row("mutual_information", "token", 1, (0.9, 0.8, 0.95))]);
        assert!(alone[0].contains("the previous token: not enough data (not measured)"), "{}", alone[0]);
    }

    #[test]
    fn more_than_eight_layers_are_summarised() {
        let many: Vec<Finding> =
            (0..10).flat_map(|l| layer(l, (0.5 + 0.01 * f64::from(l), 0.4, 0.7), (0.0, 0.0, 0.01))).collect();
        let lines = verdict(&many);
        assert_eq!(lines.len(), 10);
        assert!(
            lines[8].starts_with("layers 8, 9: the intervals of what the token id explains lie between 40 and 70 %"),
            "{}",
            lines[8]
        );
    }
}
