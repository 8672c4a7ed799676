//! The steps of a notebook: cells of a Python file in the percent format, each with what it needs.

use super::{document::NotebookCell, parameters::Parameters};
use crate::stats::{Finding, Role, Tables, Variable, Variant};

/// The beginning of a cell: `# %% [markdown] NAME needs=CONDITION,...`; text cells are comments, as in any percent file.
const FENCE: &str = "# %% ";

/// A cell, and the conditions that a run must meet for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NotebookStep {
    /// Identifier of the cell.
    pub(super) id: &'static str,
    /// Python, or Markdown without the `# ` of its lines.
    pub(super) source: String,
    markdown: bool,
    needs: Vec<&'static str>,
}

/// The steps of a file.
pub(super) fn steps(file: &'static str) -> Vec<NotebookStep> {
    let mut steps: Vec<NotebookStep> = Vec::new();
    for line in file.lines() {
        if let Some(fence) = line.strip_prefix(FENCE) {
            steps.push(opened(fence));
        } else if let Some(step) = steps.last_mut() {
            // Only the first `#` marks the comment; further ones mark a heading.
            let text = line.strip_prefix("# ").or_else(|| line.strip_prefix('#')).filter(|_| step.markdown);
            step.source.push_str(text.unwrap_or(line));
            step.source.push('\n');
        }
    }
    steps
}

fn opened(fence: &'static str) -> NotebookStep {
    let (markdown, rest) = match fence.strip_prefix("[markdown] ") {
        Some(rest) => (true, rest),
        None => (false, fence),
    };
    let (id, needs) = rest.split_once(" needs=").unwrap_or((rest, ""));
    NotebookStep {
        id,
        source: String::new(),
        markdown,
        needs: needs.split(',').filter(|need| !need.is_empty()).collect(),
    }
}

impl NotebookStep {
    /// Whether a run has all that the step needs.
    pub(super) fn applies(&self, tables: &Tables, parameters: &Parameters) -> bool {
        self.needs.iter().all(|need| match *need {
            "beside" => !parameters.beside.is_empty(),
            need => has_row(tables, need),
        })
    }

    /// The cell.
    pub(super) fn cell(&self) -> NotebookCell {
        let (id, source) = (self.id.to_owned(), self.source.trim().to_owned());
        if self.markdown { NotebookCell::Markdown(id, source) } else { NotebookCell::Code(id, source) }
    }
}

/// Whether a table has a row with an estimate and with all keys: `TABLE:key=value:key`.
fn has_row(tables: &Tables, need: &str) -> bool {
    let mut parts = need.split(':');
    let table = parts.next().and_then(|name| tables.get(name));
    let keys: Vec<&str> = parts.collect();
    let all = |row: &Finding| row.estimate.is_some() && keys.iter().all(|key| has_key(row, key));
    table.is_some_and(|table| table.rows.iter().any(all))
}

fn has_key(row: &Finding, key: &str) -> bool {
    let (name, value) = key.split_once('=').map_or((key, None), |(name, value)| (name, Some(value)));
    let found = match name {
        "variable" => row.variable.map(Variable::name),
        "variant" => row.variant.map(Variant::name),
        "role" => row.role.map(Role::name),
        "explained" => row.explained.map(|_| ""),
        _ => None,
    };
    found.is_some_and(|found| value.is_none_or(|value| value == found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        routing::View,
        stats::StatisticTable,
        stats::{Statistic, Subject},
    };

    const FILE: &str = "# %% [markdown] a-text needs=load:variable=token\n# # Title\n#\n# Words.\n\n# %% a needs=load:variable=token,beside\nx = 1\n\n# %% b\n# a comment\ny = 2\n";

    #[test]
    fn a_percent_file_becomes_cells() {
        let steps = steps(FILE);
        assert_eq!(steps.iter().map(|step| step.id).collect::<Vec<_>>(), ["a-text", "a", "b"]);
        assert_eq!(steps[0].cell(), NotebookCell::Markdown("a-text".into(), "# Title\n\nWords.".into()));
        assert_eq!(steps[2].cell(), NotebookCell::Code("b".into(), "# a comment\ny = 2".into()));
    }

    #[test]
    fn a_step_without_its_numbers_is_left_out() {
        let row = Finding::new(Statistic::LoadCv, 1, View::Kept)
            .about(|subject| Subject { variable: Some(Variable::Token), ..subject });
        let withheld = StatisticTable { name: "load".into(), rows: vec![row.clone()] };
        let measured = StatisticTable { name: "load".into(), rows: vec![Finding { estimate: Some(0.0), ..row }] };
        let count = |table: &StatisticTable, beside: &[&str]| {
            let tables = Tables::from([("load".to_owned(), table.clone())]);
            let beside = beside.iter().map(|&name| name.to_owned()).collect();
            let parameters = Parameters { beside, ..Parameters::default() };
            steps(FILE).iter().filter(|step| step.applies(&tables, &parameters)).count()
        };
        assert_eq!([count(&withheld, &[]), count(&measured, &[]), count(&measured, &["chat"])], [1, 2, 3]);
        assert!(!has_key(&measured.rows[0], "variable=position") && !has_key(&measured.rows[0], "unknown"));
    }
}
