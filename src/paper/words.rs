//! The sentences of the comparison: the result layer by layer, and what else differs between the paper and a run.

use std::collections::BTreeSet;

use super::{
    figures::{EXPERTS, TOP_K},
    run::Run,
    section::Row,
};
use crate::{routing::LayerId, stats::thousands};

/// A direction is claimed only if the interval of the difference, widened by this factor, excludes 0. The intervals are too narrow:
/// the paper's documents are not known, and numbers that count as exact add no width.
const WIDER: f64 = 4.0 / 3.0;

/// On which side of the paper's number that of the run lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Higher,
    Lower,
    /// The widened interval of the difference contains 0.
    Neither,
    /// There is no interval.
    Unknown,
}

/// The interval of a row's distance, widened by a third.
fn widened(row: &Row) -> Option<(f64, f64)> {
    let (low, high) = row.apart()?;
    Some((row.distance + WIDER * (low - row.distance), row.distance + WIDER * (high - row.distance)))
}

/// On which side of the paper's number the run's lies, by the widened interval.
pub(super) fn side(row: &Row) -> Side {
    match widened(row) {
        None => Side::Unknown,
        Some((low, _)) if low > 0.0 => Side::Higher,
        Some((_, high)) if high < 0.0 => Side::Lower,
        Some(_) => Side::Neither,
    }
}

/// In which layers the run's number is higher or lower than the paper's beyond the widened interval of the difference.
pub(super) fn direction(rows: &[Row], measure: &str) -> String {
    let rows: Vec<&Row> = rows.iter().filter(|row| row.summary && row.measure == measure).collect();
    let of = |wanted: fn(&Row) -> bool| -> Vec<LayerId> {
        rows.iter().filter(|row| wanted(row)).map(|row| row.layer).collect()
    };
    let parts = [
        ("higher", of(|row| side(row) == Side::Higher)),
        ("lower", of(|row| side(row) == Side::Lower)),
        ("no different within the interval widened by a third", of(|row| side(row) == Side::Neither)),
        ("compared without an interval", of(|row| side(row) == Side::Unknown)),
    ];
    let parts = parts.into_iter().filter(|(_, found)| !found.is_empty());
    let parts: Vec<String> = parts.map(|(word, found)| format!("{word} in {}", layers(&found))).collect();
    if parts.is_empty() { "not comparable".to_owned() } else { parts.join(", ") }
}

/// "layer 1", "layers 1, 3 and 5".
pub(super) fn layers(layers: &[LayerId]) -> String {
    let layers: BTreeSet<LayerId> = layers.iter().copied().collect();
    let mut names: Vec<String> = layers.iter().map(ToString::to_string).collect();
    let plural = if names.len() == 1 { "" } else { "s" };
    let last = names.pop().unwrap_or_default();
    let before = names.join(", ");
    if before.is_empty() { format!("layer{plural} {last}") } else { format!("layer{plural} {before} and {last}") }
}

/// What differs besides the numbers: family, checkpoint, layer, text, n.
pub(super) fn differs(run: &Run, paper_checkpoint: &str, paper_text: &str) -> String {
    let experts = if run.layers_of_the_papers_size().len() == run.layers().len() {
        String::new()
    } else {
        format!(", the number of experts ({EXPERTS} against {})", run.shape.experts_in_words())
    };
    let choices = run.shape.choices_in_words();
    let choices = if choices == TOP_K.to_string() {
        String::new()
    } else {
        format!(", the number of choices a token ({TOP_K} against {choices})")
    };
    let family =
        run.family.as_ref().map_or_else(String::new, |family| format!("the family (OpenMoE against {family}), "));
    format!(
        "What differs: {family}the checkpoint ({paper_checkpoint}; yours is {}), the layer (the paper shows one and does not say which; \
         yours are {}){experts}{choices} and the text ({paper_text}; yours: {}, {} tokens of {} \
         documents).",
        run.checkpoint,
        layers(run.layers()),
        run.corpus,
        thousands(run.tokens),
        thousands(run.documents),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paper::Measured;

    #[test]
    fn a_direction_needs_more_than_the_interval() {
        let row = |low: f64| {
            let apart = Measured { value: 1.0, interval: Some((low, 2.0)) };
            Row::distance("x", "", 1, "share", apart, (None, 1)).summary()
        };
        assert_eq!(direction(&[row(0.3)], "x"), "higher in layer 1");
        assert_eq!(direction(&[row(0.2)], "x"), "no different within the interval widened by a third in layer 1");
    }

    #[test]
    fn lists_read_well() {
        assert_eq!(
            [layers(&[1]), layers(&[1, 3, 1]), layers(&[1, 3, 5])],
            ["layer 1", "layers 1 and 3", "layers 1, 3 and 5"]
        );
        assert_eq!([thousands(7), thousands(1234), thousands(1_234_567)], ["7", "1,234", "1,234,567"]);
    }
}
