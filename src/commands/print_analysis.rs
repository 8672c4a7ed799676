//! Prints the results of a run in the terminal.

use std::collections::BTreeSet;

use super::terminal;
use crate::{
    error::Result,
    pipeline::{quantities, statistics::Analysis},
    routing::{LayerId, View},
    run::RunDir,
    stats::{Finding, LAYERS_EACH, Statistic, Variable},
};

/// Columns of the table: its longest rows have a large n.
const TABLE_WIDTH: usize = 112;

impl Analysis {
    /// Prints the result: summary.json, or the answer in a few sentences, its details, a table where the run has one, and where
    /// everything is.
    pub(super) fn print(&self, run: &RunDir, json: bool) -> Result<()> {
        if json {
            return terminal::print_json(self.summary.trim_end());
        }
        self.print_answer()?;
        terminal::print("")?;
        self.verdict.iter().try_for_each(|line| terminal::print(line))?;
        if self.findings.iter().any(is_information) {
            terminal::print("")?;
            self.print_table()?;
        }
        terminal::print("")?;
        self.print_places(run)
    }

    /// Prints the answer, at most three sentences.
    pub(super) fn print_answer(&self) -> Result<()> {
        self.headline.iter().try_for_each(|line| terminal::print(line))
    }

    /// Prints where everything is.
    pub(super) fn print_places(&self, run: &RunDir) -> Result<()> {
        let root = run.path().display();
        let charts = quantities::count(self.charts as u64, "chart");
        terminal::print(&format!("{charts} in {root}/charts, the report in {root}/report.html"))
    }

    /// A table of the mutual information between the expert and what could decide it, in the view of chosen experts; on a terminal
    /// that is too narrow for it, where its numbers are.
    fn print_table(&self) -> Result<()> {
        if !terminal::fits(TABLE_WIDTH) {
            return terminal::print(&format!("The same numbers with more digits: {}", information_files()));
        }
        terminal::print_row(
            "layer  known     asked            bits [95 % interval]     by chance  explained [95 % interval]        n",
        )?;
        let rows: Vec<&Finding> = self.findings.iter().filter(|finding| is_information(finding)).collect();
        table_lines(rows).iter().try_for_each(|line| terminal::print_row(line))
    }
}

/// Whether the table of a route run shows a finding.
fn is_information(finding: &Finding) -> bool {
    matches!(finding.statistic, Statistic::MutualInformation | Statistic::ConditionalMutualInformation)
        && finding.view == View::Chosen
        && finding.decides()
}

/// The rows of as many layers as the verdict shows, and where those of the others are.
fn table_lines(mut rows: Vec<&Finding>) -> Vec<String> {
    rows.sort_by_key(|finding| (finding.layer, finding.given.is_some()));
    let layers: BTreeSet<LayerId> = rows.iter().map(|finding| finding.layer).collect();
    let shown: BTreeSet<LayerId> = layers.iter().copied().take(LAYERS_EACH).collect();
    let others = layers.len() - shown.len();
    let lines = rows.into_iter().filter(|finding| shown.contains(&finding.layer)).map(table_line);
    let rest = (others > 0)
        .then(|| format!("{}: see {}", quantities::count(others as u64, "more layer"), information_files()));
    lines.chain(rest).collect()
}

/// The files that hold the numbers of the table.
fn information_files() -> String {
    let files = [Statistic::MutualInformation, Statistic::ConditionalMutualInformation].map(Statistic::table);
    format!("stats/{}.csv and stats/{}.csv", files[0], files[1])
}

/// A number with so many decimals; what is rounded to 0 has no sign.
fn number(value: Option<f64>, scale: f64, digits: usize) -> String {
    let Some(value) = value else { return "-".to_owned() };
    let text = format!("{:.digits$}", value * scale);
    match text.strip_prefix('-') {
        Some(zero) if zero.bytes().all(|digit| matches!(digit, b'0' | b'.')) => zero.to_owned(),
        _ => text,
    }
}

fn table_line(finding: &Finding) -> String {
    format!(
        "{:>5}  {:<8}  {:<15} {:>6} [{}, {}]  {:>12}  {:>9} % [{}, {}]  {:>12}",
        finding.layer,
        finding.given.map_or("nothing", Variable::name),
        finding.variable.map_or("", Variable::name),
        number(finding.estimate, 1.0, 3),
        number(finding.low, 1.0, 3),
        number(finding.high, 1.0, 3),
        number(finding.baseline, 1.0, 4),
        number(finding.explained, 100.0, 1),
        number(finding.explained_low, 100.0, 1),
        number(finding.explained_high, 100.0, 1),
        quantities::grouped(finding.n),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_layers_as_the_verdict_shows_are_printed() {
        let row = |layer| Finding::new(Statistic::MutualInformation, layer, View::Chosen).by(Variable::Token);
        let rows: Vec<Finding> = (0..20).flat_map(|layer| [row(layer), row(layer)]).collect();
        let lines = table_lines(rows.iter().collect());
        assert_eq!(lines.len(), 2 * LAYERS_EACH + 1);
        assert_eq!(
            lines.last().map(String::as_str),
            Some("12 more layers: see stats/mutual_information.csv and stats/conditional_mutual_information.csv")
        );
        assert_eq!(table_lines(rows[..16].iter().collect()).len(), 16);
    }

    #[test]
    fn what_is_rounded_to_zero_has_no_sign() {
        let texts = [Some(-0.0004), Some(-0.0006), Some(0.5), None].map(|value| number(value, 1.0, 3));
        assert_eq!(texts, ["0.000", "-0.001", "0.500", "-"]);
    }
}
