//! Whether a run agrees with a figure of the paper, in one line.

use serde::Serialize;

use super::{
    section::{Row, Section},
    words::{Side, layers, side},
};
use crate::{routing::LayerId, stats::Statistic};

/// Whether the numbers of a run agree with those of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FigureAnswer {
    /// No difference leaves out 0 by its interval, widened by a third.
    Agrees,
    /// Some difference does.
    Differs,
    /// No difference has an interval.
    NotJudged,
}

/// The answer about one figure, with its reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FigureVerdict {
    /// Whether the two agree.
    pub answer: FigureAnswer,
    /// Which numbers decide, and in which layers.
    pub because: String,
}

/// The measures that decide, of several that say the same the first, and what they are called.
fn name(measure: &str, figure: &str) -> Option<String> {
    let between = match figure {
        "9a" | "9b" => "positions",
        "10" => "tokens",
        _ => "categories",
    };
    match measure {
        "relative_std" => Some("the spread over the experts".to_owned()),
        "between_total_variation" => Some(format!("the distance between {between}")),
        "noise_share" => Some("the share of sampling noise in the spread".to_owned()),
        "drop_ratio" => Some("the drop ratio".to_owned()),
        "last_less_first" => Some("the rise of the drops from the first to the last positions".to_owned()),
        own if own == Statistic::TokenDrift.name() => Some("the drift of token ids".to_owned()),
        _ => None,
    }
}

impl Section {
    /// Whether the run agrees with the figure: by the rows of the printed table that compare two numbers.
    pub fn verdict(&self) -> FigureVerdict {
        let mut found: Vec<(String, Vec<&Row>)> = Vec::new();
        for row in self.rows.iter().filter(|row| row.summary && row.paper.is_some()) {
            let Some(name) = name(row.measure, self.figure) else { continue };
            // Curves of drops are told apart; whatever else has an item compares one thing in each layer.
            let name = if self.figure.starts_with("12") { format!("{name} of {}", row.item) } else { name };
            match found.iter_mut().find(|(known, _)| *known == name) {
                Some((_, rows)) => rows.push(row),
                None => found.push((name, vec![row])),
            }
        }
        let sides: Vec<Side> = found.iter().flat_map(|(_, rows)| rows).map(|row| side(row)).collect();
        let reasons: Vec<String> = found.iter().filter_map(|(name, rows)| reason(name, rows)).collect();
        let names = || found.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" and ");
        match () {
            () if !reasons.is_empty() => FigureVerdict { answer: FigureAnswer::Differs, because: reasons.join("; ") },
            () if sides.contains(&Side::Neither) => FigureVerdict {
                answer: FigureAnswer::Agrees,
                because: format!(
                    "{} {} alike within the interval, widened by a third",
                    names(),
                    if found.len() == 1 { "is" } else { "are" }
                ),
            },
            () => FigureVerdict {
                answer: FigureAnswer::NotJudged,
                because: "none of the differences has an interval".to_owned(),
            },
        }
    }

    /// The same as a line.
    pub fn verdict_line(&self) -> String {
        let FigureVerdict { answer, because } = self.verdict();
        let answer = match answer {
            FigureAnswer::Agrees => "agrees",
            FigureAnswer::Differs => "differs",
            FigureAnswer::NotJudged => "cannot be judged",
        };
        format!("Figure {}: {answer}, because {because} ({}, beside {})", self.figure, self.title, self.run)
    }
}

/// In which layers the run is higher or lower; none where it is neither.
fn reason(name: &str, rows: &[&Row]) -> Option<String> {
    let of =
        |wanted: Side| -> Vec<LayerId> { rows.iter().filter(|row| side(row) == wanted).map(|row| row.layer).collect() };
    let parts = [("higher", of(Side::Higher)), ("lower", of(Side::Lower))];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(_, found)| !found.is_empty())
        .map(|(word, found)| format!("{word} in {}", layers(found)))
        .collect();
    (!parts.is_empty()).then(|| format!("{name} is {}", parts.join(" and ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paper::Measured;

    fn section(figure: &'static str, rows: Vec<Row>) -> Section {
        Section { figure, title: "title".into(), run: "run".into(), sentence: String::new(), rows }
    }

    /// A difference of two numbers in a layer.
    fn row(measure: &'static str, item: &str, layer: LayerId, yours: f64, half: f64) -> Row {
        let yours = Measured { value: yours, interval: Some((yours - half, yours + half)) };
        Row::difference(measure, item, layer, "share", (Measured::fixed(0.1), None), (yours, 9)).summary()
    }

    #[test]
    fn a_figure_agrees_where_no_widened_interval_leaves_out_zero() {
        let alike = section("5", vec![row("relative_std", "", 1, 0.11, 0.02), row("relative_std", "", 3, 0.1, 0.02)]);
        assert_eq!(alike.verdict().answer, FigureAnswer::Agrees);
        // The interval leaves out 0, but not by a third.
        let close = section("5", vec![row("relative_std", "", 1, 0.124, 0.02)]);
        assert_eq!(close.verdict().answer, FigureAnswer::Agrees);
        assert_eq!(
            close.verdict_line(),
            "Figure 5: agrees, because the spread over the experts is alike within the interval, widened by a third (title, beside run)"
        );
    }

    #[test]
    fn a_figure_differs_by_what_leaves_out_zero_and_says_where() {
        let rows = vec![
            row("relative_std", "", 1, 0.3, 0.01),
            row("relative_std", "", 3, 0.01, 0.01),
            row("between_total_variation", "", 1, 0.1, 0.02),
            row("between_jensen_shannon", "", 1, 0.9, 0.02),
        ];
        let found = section("9a", rows).verdict();
        assert_eq!(found.answer, FigureAnswer::Differs);
        assert_eq!(found.because, "the spread over the experts is higher in layer 1 and lower in layer 3");
        let drops = vec![row("drop_ratio", "RedPajama", 1, 0.3, 0.01), row("drop_ratio", "MTBench", 1, 0.3, 0.01)];
        assert_eq!(
            section("12a", drops).verdict().because,
            "the drop ratio of RedPajama is higher in layer 1; the drop ratio of MTBench is higher in layer 1"
        );
    }

    #[test]
    fn without_an_interval_nothing_is_judged() {
        let fixed =
            Row::difference("drop_ratio", "x", 1, "share", (Measured::fixed(0.1), None), (Measured::fixed(0.3), 9));
        assert_eq!(section("12a", vec![fixed.summary()]).verdict().answer, FigureAnswer::NotJudged);
        assert_eq!(section("5", Vec::new()).verdict().answer, FigureAnswer::NotJudged);
    }
}
