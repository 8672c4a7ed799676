//! `report.html`: one file that opens offline and makes no network request.

mod data;
mod drawn;
mod facts;
mod files;
mod filling;
mod gallery;
mod glance;
mod pictures;
mod provenance;
mod question;
mod reported_run;
mod table;

pub use reported_run::{ChartMessage, ReportedChart, ReportedRun};

use std::collections::BTreeSet;

use minijinja::{Environment, UndefinedBehavior, value::Serde};

use super::{
    figure::{CategoryOrder, FigureRow, HEROES, figures, hero},
    questions::QUESTIONS,
    room::Room,
};
use crate::{
    error::{Error, Result},
    run::RunKind,
    stats::{STATISTICS, Statistic, StatisticInfo},
};
use drawn::DrawnStatistic;
use facts::{facts, text_in_words};
pub(in crate::report) use filling::KeyAndValue;
use filling::{Filling, Hero, QuestionPart, RunPart};
use gallery::galleries;
use pictures::pictures;
pub(in crate::report) use provenance::flatten;
use question::part;
use table::{differences, table};

/// The report of one or several runs as one HTML document; it makes no request to any host.
///
/// # Errors
/// [`Error::Internal`] if the template cannot be filled in.
pub fn html(runs: &[ReportedRun<'_>]) -> Result<String> {
    let mut room = Room::of(runs.iter().map(|run| run.context.shape.len()).max().unwrap_or(0));
    loop {
        let page = page(runs, room)?;
        match room.tighter(page.len()) {
            Some(tighter) => room = tighter,
            None => return Ok(page),
        }
    }
}

/// The page with as many numbers as there is room for.
fn page(runs: &[ReportedRun<'_>], room: Room) -> Result<String> {
    let order = CategoryOrder::of(
        runs.iter().flat_map(|run| run.context.category_origins()),
        &rows_of(&[Statistic::JensenShannon], runs),
    );
    let drawn: Vec<DrawnStatistic> = STATISTICS.iter().map(|info| draw(info, runs, &order, room)).collect();
    let questions: Vec<QuestionPart<'_>> =
        QUESTIONS.iter().filter_map(|question| part(question, &drawn, runs)).collect();
    let filling = Filling {
        title: title(runs),
        version: env!("CARGO_PKG_VERSION"),
        runs: runs.iter().enumerate().map(|(index, run)| run_part(index, run, &drawn)).collect(),
        pictures: pictures(&drawn, runs),
        questions,
        galleries: galleries(runs),
        has_tokens: runs.iter().any(|run| !run.excerpts.is_empty()),
        has_experts: runs.iter().any(|run| run.experts.is_some()),
        data: data::packed(runs, &drawn)?,
        style: concat!(include_str!("../assets/report.css"), include_str!("../assets/experts.css")),
        script: data::script(room.has_many_layers()),
    };
    let mut environment = Environment::new();
    // A name in the template without a value is a mistake, not an empty string.
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_template("report.html", include_str!("../assets/report.html")).map_err(|e| unfilled(&e))?;
    environment.add_template("experts.html", include_str!("../assets/experts.html")).map_err(|e| unfilled(&e))?;
    let template = environment.get_template("report.html").map_err(|e| unfilled(&e))?;
    template.render(Serde(filling)).map_err(|e| unfilled(&e))
}

fn draw(info: &'static StatisticInfo, runs: &[ReportedRun<'_>], order: &CategoryOrder, room: Room) -> DrawnStatistic {
    let rows = rows_of(&[info.statistic], runs);
    let layers: BTreeSet<u16> = rows.iter().map(|row| row.finding.layer).collect();
    let mut figures = figures(info, &Room::looked_through(rows));
    for figure in &mut figures {
        order.arrange(figure);
        room.fit(figure, &layers, info);
    }
    let kind = HEROES.iter().find(|kind| kind.statistic == info.statistic);
    let hero = kind.and_then(|kind| hero(kind, &rows_of(kind.made_of, runs)));
    let place = hero.is_some().then_some(figures.len());
    figures.extend(hero);
    DrawnStatistic { info, figures, table: table(info, runs, room), differences: differences(info, runs), hero: place }
}

/// The rows of statistics in all runs.
fn rows_of<'a>(statistics: &[Statistic], runs: &'a [ReportedRun<'_>]) -> Vec<FigureRow<'a>> {
    let of_run = |(index, run): (usize, &'a ReportedRun<'_>)| {
        let rows = statistics.iter().flat_map(|statistic| {
            let rows = run.tables.get(statistic.table()).into_iter().flat_map(|table| &table.rows);
            rows.filter(move |row| row.statistic == *statistic)
        });
        let model = run.model.as_str();
        rows.map(move |finding| FigureRow { run: index, command: run.command, model, finding }).collect::<Vec<_>>()
    };
    runs.iter().enumerate().flat_map(of_run).collect()
}

fn title(runs: &[ReportedRun<'_>]) -> String {
    let first = runs.first().map_or("a model", |run| run.label.as_str());
    match runs {
        [run, others @ ..] if others.iter().any(|other| other.command == run.command) => {
            let labels: Vec<&str> = runs.iter().map(|run| run.label.as_str()).collect();
            format!("Expert routing: {}", labels.join(" beside "))
        }
        [run, ..] if run.command.studied_as() != RunKind::Route => format!("Expert routing: {first}"),
        _ => format!("How {first} routes its tokens"),
    }
}

fn run_part<'a>(index: usize, run: &'a ReportedRun<'_>, drawn: &[DrawnStatistic]) -> RunPart<'a> {
    let kind = HEROES.iter().find(|kind| kind.command == run.command.studied_as());
    let hero = kind.and_then(|kind| {
        let figure = drawn.iter().find(|drawn| drawn.info.statistic == kind.statistic)?.hero?;
        Some(Hero { statistic: kind.statistic, figure, caption: kind.caption })
    });
    let mut provenance = Vec::new();
    flatten("", &run.provenance, &mut provenance);
    RunPart {
        index,
        label: &run.label,
        command: run.command.name(),
        question: run.command.claim(),
        amount: text_in_words(run.context),
        facts: facts(run),
        headline: run.headline,
        verdict: run.verdict,
        hero,
        provenance,
    }
}

fn unfilled(error: &minijinja::Error) -> Error {
    Error::internal(format!("the report template could not be filled in: {error:#}"))
}

#[cfg(test)]
mod tests;
