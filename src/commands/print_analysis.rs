//! Prints the results of a run in the terminal.

use super::terminal;
use crate::{
    error::Result,
    pipeline::{quantities, statistics::Analysis},
    routing::View,
    run::RunDir,
    stats::{Finding, Statistic, Variable},
};

impl Analysis {
    /// Prints the result: summary.json, or a table where the run has one, the verdict, and where everything is.
    pub(super) fn print(&self, run: &RunDir, json: bool) -> Result<()> {
        if json {
            return terminal::print_json(self.summary.trim_end());
        }
        if self.findings.iter().any(is_information) {
            self.print_table()?;
            terminal::print("")?;
        }
        self.print_verdict(run)
    }

    /// Prints the verdict and where everything is.
    pub(super) fn print_verdict(&self, run: &RunDir) -> Result<()> {
        self.verdict.iter().try_for_each(|line| terminal::print(line))?;
        let root = run.path().display();
        terminal::print(&format!("{} charts in {root}/charts, the report in {root}/report.html", self.charts))
    }

    /// A table of the mutual information between the expert and what could decide it, in the view of chosen experts.
    fn print_table(&self) -> Result<()> {
        terminal::print(
            "layer  known     asked            bits [95 % interval]     by chance  explained [95 % interval]        n",
        )?;
        let mut rows: Vec<&Finding> = self.findings.iter().filter(|finding| is_information(finding)).collect();
        rows.sort_by_key(|finding| (finding.layer, finding.given.is_some()));
        for finding in rows {
            terminal::print(&table_line(finding))?;
        }
        Ok(())
    }
}

/// Whether the table of a route run shows a finding.
fn is_information(finding: &Finding) -> bool {
    matches!(finding.statistic, Statistic::MutualInformation | Statistic::ConditionalMutualInformation)
        && finding.view == View::Chosen
        && finding.decides()
}

fn table_line(finding: &Finding) -> String {
    let number = |value: Option<f64>, scale: f64, digits: usize| {
        value.map_or_else(|| "-".to_owned(), |value| format!("{:.digits$}", value * scale))
    };
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
