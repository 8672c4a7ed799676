//! `expert`, `token` and `category`: questions about a finished run.

use serde::Serialize;

use super::{progress::TerminalProgress, terminal, threads};
use crate::{
    cli::{CategoryArgs, ExpertArgs, QuestionArgs, TokenArgs},
    error::{Error, Result},
    pipeline::profile::{
        CategoryOptions, ExpertOptions, ProfileOptions, TokenOptions, category, expert, moved_tokens, token,
    },
    report::AnswerPart,
    routing::LayerId,
};

/// Answers a question about an expert.
pub(super) fn run_expert(arguments: &ExpertArgs, progress: &TerminalProgress) -> anyhow::Result<()> {
    let question = &arguments.question;
    threads::set_threads(question.threads)?;
    let top = question.top as usize;
    let profile = options(&arguments.run, &[], question);
    let options = ExpertOptions { profile, layer: arguments.layer, expert: arguments.expert, top };
    let report = expert(&options, progress)?;
    Ok(print(&report, || report.lines(top), question.json)?)
}

/// Answers a question about a token, or which tokens moved.
pub(super) fn run_token(arguments: &TokenArgs, progress: &TerminalProgress) -> anyhow::Result<()> {
    let question = &arguments.question;
    threads::set_threads(question.threads)?;
    let top = question.top as usize;
    let profile = options(&arguments.run, &arguments.layer, question);
    let Some(asked) = &arguments.token else {
        let report = moved_tokens(&profile, top)?;
        return Ok(print(&report, || report.lines(), question.json)?);
    };
    let report = token(&TokenOptions { profile, token: asked.clone() }, progress)?;
    Ok(print(&report, || report.lines(top), question.json)?)
}

/// Answers a question about a category.
pub(super) fn run_category(arguments: &CategoryArgs, progress: &TerminalProgress) -> anyhow::Result<()> {
    let question = &arguments.question;
    threads::set_threads(question.threads)?;
    let profile = options(&arguments.run, &arguments.layer, question);
    let options = CategoryOptions { profile, category: arguments.category.clone(), explained: EXPLAINED };
    let report = category(&options, progress)?;
    Ok(print(&report, || report.lines(question.top as usize), question.json)?)
}

/// Experts of a layer of which it is said what follows from the token ids of a category.
const EXPLAINED: usize = 2;

fn options(run: &std::path::Path, layers: &[LayerId], typed: &QuestionArgs) -> ProfileOptions {
    ProfileOptions {
        checkpoint: typed.checkpoint.clone(),
        view: typed.view,
        layers: layers.to_vec(),
        only: typed.only.clone(),
        ..ProfileOptions::of(run)
    }
}

/// Prints JSON, or sentences and tables. Columns for which a terminal has no room are left out, and that is said.
fn print(report: &impl Serialize, parts: impl Fn() -> Vec<AnswerPart>, json: bool) -> Result<()> {
    if json {
        let text = serde_json::to_string_pretty(report).map_err(|error| Error::internal(error.to_string()))?;
        return terminal::print_json(&text);
    }
    let (columns, mut left_out) = (terminal::columns(), false);
    for part in parts() {
        match part {
            AnswerPart::Line(line) => terminal::print(&line)?,
            AnswerPart::Table(table) => {
                let (rows, is_cut) = table.lines(columns);
                left_out |= is_cut;
                rows.iter().try_for_each(|row| terminal::print_row(row))?;
            }
        }
    }
    if left_out {
        terminal::print("")?;
        terminal::print("Columns were left out: a wider terminal shows them all, and so does --json.")?;
    }
    Ok(())
}
