//! Compares the figures of the paper with the given runs.

use serde::Serialize;

use super::{
    course, drops,
    figures::Paper,
    overlay::Overlay,
    run::Run,
    section::{Compared, Section},
    share, spread,
};
use crate::run::RunKind;

/// A figure that could not be compared with any run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotCompared {
    /// Number of the figure.
    pub figure: &'static str,
    /// Folder of the run, if one was tried.
    pub run: Option<String>,
    /// Why not.
    pub reason: String,
}

/// The paper beside the runs.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// The comparisons, figure by figure and run by run.
    pub sections: Vec<Section>,
    /// What could not be compared.
    pub not_compared: Vec<NotCompared>,
    /// What is drawn.
    pub overlays: Vec<Overlay>,
}

/// Compares every figure of the paper with every run of the matching kind.
pub fn compare(paper: &Paper, runs: &[Run]) -> Comparison {
    let mut comparison = Comparison::default();
    for (index, run) in runs.iter().enumerate() {
        let sections = match run.command {
            RunKind::Route | RunKind::Import => {
                let mut sections = share::compare(paper, run);
                sections.extend(spread::compare(paper, run));
                sections
            }
            RunKind::Drift => vec![course::compare(paper, run)],
            RunKind::Drops => drops::compare(paper, run),
            // The paper measured no other router.
            RunKind::Mitigate => Vec::new(),
        };
        let alone = runs.iter().filter(|other| other.command == run.command).count() == 1;
        for section in sections {
            comparison.add(section, run, (!alone).then_some(index + 1));
        }
    }
    comparison.add_missing(runs);
    comparison
}

impl Comparison {
    /// Adds a comparison; `number` distinguishes the charts of several runs of one command.
    fn add(&mut self, compared: Compared, run: &Run, number: Option<usize>) {
        match compared {
            Ok((section, mut overlay)) => {
                if let Some(number) = number {
                    overlay.name = format!("{}_run_{number}", overlay.name);
                }
                self.sections.push(section);
                self.overlays.push(overlay);
            }
            Err((figure, reason)) => {
                self.not_compared.push(NotCompared { figure, run: Some(run.name.clone()), reason });
            }
        }
    }

    /// Adds the figures of those commands of which no run was given, as not compared.
    fn add_missing(&mut self, runs: &[Run]) {
        let commands: [(RunKind, &'static str, &str); 3] = [
            (RunKind::Route, "5-10, 13, 14", "no route run was given"),
            (RunKind::Drift, "11", "no drift run was given"),
            (RunKind::Drops, "12", "no drops run was given"),
        ];
        for (command, figure, reason) in commands {
            if runs.iter().all(|run| run.command != command) {
                self.not_compared.push(NotCompared { figure, run: None, reason: reason.to_owned() });
            }
        }
    }
}
