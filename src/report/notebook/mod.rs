//! Makes a notebook that loads a finished run with polars and draws its main figures again, one cell for each step.
//!
//! The steps are Python files (`steps/`) in the percent format, so that Python tools can check them. The names and the verdict of
//! the run are written before them; a step is left out if the run lacks its numbers.

mod document;
mod literal;
mod opening;
mod parameters;
mod source;
mod step;

pub use source::NotebookSource;

use self::{document::document, opening::opening, parameters::Parameters, step::steps};
use crate::{error::Result, run::RunKind};

const COMMON: &str = include_str!("steps/common.py");

/// The steps of a kind of run.
fn steps_of(kind: RunKind) -> &'static str {
    match kind {
        RunKind::Route | RunKind::Import => include_str!("steps/route.py"),
        RunKind::Drift => include_str!("steps/drift.py"),
        RunKind::Drops => include_str!("steps/drops.py"),
        RunKind::Mitigate => include_str!("steps/mitigate.py"),
    }
}

/// The notebook of a run, as the bytes of an `.ipynb` file (nbformat 4.5, no outputs).
///
/// # Errors
/// [`crate::error::Error::Internal`] if it cannot be written as JSON.
pub fn notebook(source: &NotebookSource) -> Result<Vec<u8>> {
    let kind = source.record.identity.command;
    let parameters = Parameters::of(source);
    let mut cells = opening(source, kind.question());
    cells.push(parameters.cell(source.folder, kind));
    let steps = steps(COMMON).into_iter().chain(steps(steps_of(kind)));
    cells.extend(steps.filter(|step| step.applies(source.tables, &parameters)).map(|step| step.cell()));
    document(&cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_of_cells_are_unique_in_every_kind_and_as_nbformat_wants_them() {
        for kind in RunKind::ALL {
            let mut seen = std::collections::BTreeSet::from(["title", "verdict", "parameters"]);
            for step in steps(COMMON).into_iter().chain(steps(steps_of(kind))) {
                let valid = |c: char| c.is_ascii_alphanumeric() || c == '-';
                assert!(step.id.len() <= 64 && step.id.chars().all(valid), "{}", step.id);
                assert!(seen.insert(step.id), "{kind}: `{}` twice", step.id);
                assert!(!step.source.trim().is_empty(), "{}", step.id);
            }
            assert!(seen.len() > 8, "the steps of {kind} are not found");
        }
    }
}
