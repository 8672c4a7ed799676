//! Writes the comparison with the paper for people (text, Markdown) and for programs (JSON, CSV).

use serde_json::{Map, Value, json};

use crate::{
    error::{Error, Result},
    paper::{Check, Comparison, Row, Rule, Run, Section},
    routing::LayerId,
    stats::thousands,
};

/// Version of the layout of `comparison.json`.
const SCHEMA: u64 = 1;
/// The most columns of the text in a terminal.
const WIDTH: usize = 158;
const SOURCE: &str =
    "OpenMoE, arXiv 2402.01739; numbers read from the vector graphics of its PDF, coordinates good to about 1e-5";

/// The comparison, to be written in several formats.
#[derive(Clone, Copy, Debug)]
pub struct ComparisonReport<'a> {
    /// The closed-form checks.
    pub checks: &'a [Check],
    /// The figures beside the runs.
    pub comparison: &'a Comparison,
    /// The runs.
    pub runs: &'a [Run],
}

/// How a measure is printed: its name, its factor, and its decimals.
fn style(measure: &str) -> (String, f64, usize) {
    match measure {
        "drop_ratio" | "curve_distance" | "last_less_first" => (format!("{measure}, %"), 100.0, 3),
        "last_over_first" => (measure.to_owned(), 1.0, 2),
        _ => (measure.to_owned(), 1.0, 4),
    }
}

fn number(value: Option<f64>, interval: Option<(f64, f64)>, (factor, digits): (f64, usize), sign: bool) -> String {
    let Some(value) = value else { return "-".to_owned() };
    let one = |value: f64| {
        let value = value * factor;
        if sign { format!("{value:+.digits$}") } else { format!("{value:.digits$}") }
    };
    let ends = interval.map(|(low, high)| format!(" [{}, {}]", one(low), one(high))).unwrap_or_default();
    format!("{}{ends}", one(value))
}

/// The cells of a row: measure, item, layer, the paper's number and n, the run's number and n, distance.
fn cells(row: &Row) -> [String; 8] {
    let (measure, factor, digits) = style(row.measure);
    let form = (factor, digits);
    let count = |n: Option<u64>| n.map_or_else(|| "-".to_owned(), thousands);
    [
        measure,
        if row.item.is_empty() { "all that both have".to_owned() } else { row.item.clone() },
        row.layer.to_string(),
        number(row.paper, row.paper_low.zip(row.paper_high), form, false),
        count(row.paper_n),
        number(row.yours, row.yours_low.zip(row.yours_high), form, false),
        count(row.yours_n),
        // A distance between two numbers has a sign, one between two curves has none.
        number(Some(row.distance), row.apart(), form, row.paper.is_some()),
    ]
}

const HEADERS: [&str; 8] =
    ["measure", "of", "layer", "paper [95 %]", "n", "yours [95 %]", "n", "yours - paper, or distance"];

/// Up to seven significant digits, without zeros at the end.
fn significant(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    if value.abs() < 1e-4 {
        return format!("{value:.1e}");
    }
    let decimals = (5 - value.abs().log10().floor() as i32).clamp(0, 6) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn expectation(check: &Check) -> String {
    let sign = match check.rule {
        Rule::Near => "",
        Rule::AtMost => "<= ",
        Rule::AtLeast => ">= ",
    };
    let tolerance = if check.tolerance == 0.0 { String::new() } else { format!(" ±{}", significant(check.tolerance)) };
    format!("{sign}{}{tolerance}", significant(check.expected))
}

fn verdict(check: &Check) -> &'static str {
    if check.holds { "holds" } else { "FAILS" }
}

/// Words on lines of at most `width` characters, each after `indent` spaces.
fn wrapped(text: &str, indent: usize, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("{}{word}", " ".repeat(indent))),
        }
    }
    lines
}

/// Experts and choices layer by layer; none where all are alike.
fn sizes_where_they_differ(run: &Run) -> Option<Value> {
    let sizes: Vec<(usize, usize)> = run.layers().iter().map(|layer| run.size(*layer)).collect();
    let entry = |(layer, (experts, top_k)): (&LayerId, &(usize, usize))| json!({ "layer": layer, "num_experts": experts, "top_k": top_k });
    let differ = sizes.windows(2).any(|pair| pair[0] != pair[1]);
    differ.then(|| Value::Array(run.layers().iter().zip(&sizes).map(entry).collect()))
}

impl ComparisonReport<'_> {
    /// The closed-form checks as lines of text.
    pub fn check_lines(&self) -> Vec<String> {
        let header =
            format!("{:<7} {:<6} {:<76} {:>22} {:>10}", "verdict", "figure", "what must hold", "expected", "found");
        let mut lines = vec![format!("paper: {SOURCE}"), header];
        for check in self.checks {
            lines.push(format!(
                "{:<7} {:<6} {:<76} {:>22} {:>10}",
                verdict(check),
                check.figure,
                check.claim,
                expectation(check),
                significant(check.found)
            ));
            lines.extend(wrapped(&check.note, 17, WIDTH));
        }
        let holds = self.checks.iter().filter(|check| check.holds).count();
        lines.push(format!("{holds} of {} checks hold", self.checks.len()));
        lines
    }

    /// How many of the checks hold, and those that do not.
    pub fn check_verdict_lines(&self) -> Vec<String> {
        let (holds, all) = (self.checks.iter().filter(|check| check.holds).count(), self.checks.len());
        let failed = self.checks.iter().filter(|check| !check.holds);
        let failed = failed.map(|check| {
            let (expected, found) = (expectation(check), significant(check.found));
            format!("FAILS: Figure {}, {}: expected {expected}, found {found}", check.figure, check.claim)
        });
        let holds =
            format!("The paper alone: {holds} of {all} checks of its numbers against closed forms and each other hold");
        std::iter::once(holds).chain(failed).collect()
    }

    /// Whether the runs agree with the figures, one line for each figure and run.
    pub fn figure_lines(&self) -> Vec<String> {
        let compared = self.comparison.sections.iter().map(Section::verdict_line);
        compared.chain(self.not_compared_lines()).collect()
    }

    fn not_compared_lines(&self) -> impl Iterator<Item = String> {
        self.comparison.not_compared.iter().map(|missing| {
            let run = missing.run.as_ref().map(|run| format!(" beside {run}")).unwrap_or_default();
            format!("Figure {}: not compared{run}, because {}", missing.figure, missing.reason)
        })
    }

    /// `comparison.json`.
    ///
    /// # Errors
    /// [`Error::Internal`] if a number cannot be written as JSON.
    pub fn json(&self) -> Result<Value> {
        let run = |run: &Run| {
            let mut about = json!({
                "run": run.name, "checkpoint": run.checkpoint, "corpus": run.corpus, "layers": run.layers(),
                "num_experts": run.shape.most_experts(), "top_k": run.shape.most_choices(), "tokens": run.tokens,
                "documents": run.documents,
            });
            if let Some(sizes) = sizes_where_they_differ(run) {
                about["layer_sizes"] = sizes;
            }
            about
        };
        Ok(json!({
            "schema": SCHEMA,
            "command": "reproduce",
            "source": SOURCE,
            "checks": value(self.checks)?,
            "runs": self.runs.iter().map(run).collect::<Vec<_>>(),
            "figures": self.comparison.sections.iter().map(figure).collect::<Result<Vec<_>>>()?,
            "not_compared": value(&self.comparison.not_compared)?,
        }))
    }

    /// `comparison.csv`: every row of every figure, below a line with the names of the columns.
    ///
    /// # Errors
    /// As [`Self::json`].
    pub fn csv(&self) -> Result<String> {
        let mut text =
            format!("figure,run,{}\n", fields(&Row::default())?.keys().cloned().collect::<Vec<_>>().join(","));
        for section in &self.comparison.sections {
            for row in &section.rows {
                let mut line = Map::new();
                line.insert("figure".to_owned(), json!(section.figure));
                line.insert("run".to_owned(), json!(section.run));
                line.extend(fields(row)?);
                text += &(line.values().map(field).collect::<Vec<_>>().join(",") + "\n");
            }
        }
        Ok(text)
    }

    /// `comparison.md`.
    pub fn markdown(&self) -> String {
        let mut lines = vec!["# The paper beside your run".to_owned(), String::new(), format!("Paper: {SOURCE}.")];
        lines.extend(self.comparison.sections.iter().flat_map(markdown_section));
        if !self.comparison.not_compared.is_empty() {
            lines.extend(["", "## Not compared", ""].map(str::to_owned));
            lines.extend(self.comparison.not_compared.iter().map(|missing| {
                let run = missing.run.as_ref().map(|run| format!(" beside `{run}`")).unwrap_or_default();
                format!("* Figure {}{run}: {}", missing.figure, missing.reason)
            }));
        }
        lines.extend(
            ["", "## Closed forms and identities that the paper's numbers must satisfy", ""].map(str::to_owned),
        );
        lines.extend(markdown_table(
            &["verdict", "figure", "what must hold", "expected", "found", "note"].map(str::to_owned),
        ));
        lines.extend(self.checks.iter().map(|check| {
            let cells = [
                verdict(check).to_owned(),
                check.figure.to_owned(),
                check.claim.clone(),
                expectation(check),
                significant(check.found),
                check.note.clone(),
            ];
            markdown_line(&cells)
        }));
        lines.join("\n") + "\n"
    }
}

/// What the columns n count: one pair of units for each figure.
fn counted(section: &Section) -> String {
    let units = section.rows.first().map_or(("", ""), |row| (row.paper_n_unit, row.yours_n_unit));
    format!("n: the paper's counts {}, yours counts {}.", units.0, units.1)
}

fn markdown_section(section: &Section) -> Vec<String> {
    let title = format!("## Figure {}: {}", section.figure, section.title);
    let mut lines = vec![String::new(), title, String::new(), section.verdict_line() + ".", String::new()];
    lines.push(format!("Beside `{}`. {}", section.run, section.sentence));
    lines.push(String::new());
    lines.extend(markdown_table(&HEADERS.map(str::to_owned)));
    lines.extend(section.rows.iter().map(|row| markdown_line(&cells(row))));
    let mut ways: Vec<&str> = section.rows.iter().map(|row| row.intervals.as_str()).collect();
    ways.sort_unstable();
    ways.dedup();
    lines.push(String::new());
    lines.push(format!("{}  ", counted(section)));
    lines.extend(ways.into_iter().map(|way| format!("Intervals: {way}.  ")));
    lines
}

fn markdown_table(headers: &[String]) -> [String; 2] {
    [markdown_line(headers), format!("|{}", " --- |".repeat(headers.len()))]
}

fn markdown_line(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |", cells.join(" | "))
}

fn value<T: serde::Serialize + ?Sized>(item: &T) -> Result<Value> {
    serde_json::to_value(item).map_err(|error| Error::internal(format!("the comparison is no JSON: {error}")))
}

/// A figure with the answer about it.
fn figure(section: &Section) -> Result<Value> {
    let mut about = value(section)?;
    about["verdict"] = value(&section.verdict())?;
    Ok(about)
}

fn fields(row: &Row) -> Result<Map<String, Value>> {
    match value(row)? {
        Value::Object(fields) => Ok(fields),
        other => Err(Error::internal(format!("a row of the comparison is {other}"))),
    }
}

/// A field of a CSV line.
fn field(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) if text.contains([',', '"', '\n']) => format!("\"{}\"", text.replace('"', "\"\"")),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [0.121_031, 1.5, 0.0, 508.0, 1e-5, 10.2].map(significant),
            ["0.121031", "1.5", "0", "508", "1.0e-5", "10.2"]
        );
        assert_eq!(number(Some(0.5), Some((0.25, 1.0)), (100.0, 1), false), "50.0 [25.0, 100.0]");
        assert_eq!(number(Some(-0.5), None, (1.0, 2), true), "-0.50");
        assert_eq!(number(None, None, (1.0, 2), true), "-");
    }

    #[test]
    fn fields_with_commas_are_quoted() {
        assert_eq!(
            [json!("a"), json!("a,\"b\""), json!(null), json!(1.5)].map(|v| field(&v)),
            ["a", "\"a,\"\"b\"\"\"", "", "1.5"]
        );
    }

    #[test]
    fn text_is_wrapped_at_words() {
        assert_eq!(wrapped("one two three", 1, 8), [" one two", " three"]);
    }
}
