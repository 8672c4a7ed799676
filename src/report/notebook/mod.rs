//! A notebook that loads a finished run with polars and draws its main figures again, one cell a step.
//!
//! The steps are Python files (`steps/`) in the percent format, so that they read and lint as Python. What belongs to
//! one run only, its names and its verdict, is written in front of them; a step whose numbers a run lacks is left out.

mod document;
mod literal;
mod opening;
mod parameters;
mod source;
mod step;

pub use source::NotebookSource;

use self::{document::document, opening::opening, parameters::Parameters, step::steps};
use crate::error::{Error, Result};

const COMMON: &str = include_str!("steps/common.py");

/// What a notebook is about: the question in its title, and its steps.
#[derive(Clone, Copy, Debug)]
struct Kind {
    command: &'static str,
    question: &'static str,
    steps: &'static str,
}

const KINDS: [Kind; 3] = [
    Kind {
        command: "route",
        question: "Is routing decided by the token id, whatever the context?",
        steps: include_str!("steps/route.py"),
    },
    Kind {
        command: "drift",
        question: "When was the routing learnt, and what still changes?",
        steps: include_str!("steps/drift.py"),
    },
    Kind { command: "drops", question: "Are later tokens dropped more?", steps: include_str!("steps/drops.py") },
];

/// The notebook of a run, as the bytes of an `.ipynb` file (nbformat 4.5, no outputs).
///
/// # Errors
/// [`Error::RunFolder`] if the manifest is not that of a `route`, `drift` or `drops` run.
pub fn notebook(source: &NotebookSource) -> Result<Vec<u8>> {
    let command = source.manifest["command"].as_str().unwrap_or_default();
    let kind = KINDS.into_iter().find(|kind| kind.command == command).ok_or_else(|| {
        Error::run_folder(
            format!("there is no notebook of a run of `{command}`; expected one of route, drift or drops"),
            "the run was made by another version: run it again with --force",
        )
    })?;
    let parameters = Parameters::of(source);
    let mut cells = opening(source, kind.question);
    cells.push(parameters.cell(source.folder, kind.command));
    let steps = steps(COMMON).into_iter().chain(steps(kind.steps));
    cells.extend(steps.filter(|step| step.applies(source.tables, &parameters)).map(|step| step.cell()));
    document(&cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_of_cells_are_unique_in_every_kind_and_as_nbformat_wants_them() {
        for kind in KINDS {
            let mut seen = std::collections::BTreeSet::from(["title", "verdict", "parameters"]);
            for step in steps(COMMON).into_iter().chain(steps(kind.steps)) {
                let valid = |c: char| c.is_ascii_alphanumeric() || c == '-';
                assert!(step.id.len() <= 64 && step.id.chars().all(valid), "{}", step.id);
                assert!(seen.insert(step.id), "{}: `{}` twice", kind.command, step.id);
                assert!(!step.source.trim().is_empty(), "{}", step.id);
            }
            assert!(seen.len() > 8, "the steps of {} are not found", kind.command);
        }
    }
}
