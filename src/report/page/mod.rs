//! `report.html`: one file that opens offline and makes no network request.

mod data;
mod drawn;
mod reported_run;
mod table;

pub use reported_run::ReportedRun;

use std::{collections::BTreeSet, path::Path};

use minijinja::{Environment, UndefinedBehavior, value::Serde};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::Value;

use super::{
    figure::{Figure, FigureRow, HEROES, figures, hero},
    questions::{QUESTIONS, Question},
    room::Room,
};
use crate::{
    chart::{CHARTS, ChartContext},
    error::{Error, Result},
    run::RunKind,
    stats::{STATISTICS, Statistic, StatisticInfo, counted, thousands},
};
use drawn::DrawnStatistic;
use table::{Differences, Table, differences, table};

/// The values for the template.
#[derive(Serialize)]
struct Filling<'a> {
    title: String,
    version: &'static str,
    runs: Vec<RunPart<'a>>,
    layers: Vec<u16>,
    questions: Vec<QuestionPart<'a>>,
    has_tokens: bool,
    data: String,
    style: &'static str,
    script: String,
}

/// A run on the first screen.
#[derive(Serialize)]
struct RunPart<'a> {
    index: usize,
    label: &'a str,
    command: &'static str,
    question: &'static str,
    facts: Vec<KeyAndValue>,
    verdict: &'a [String],
    hero: Option<Hero>,
    provenance: Vec<KeyAndValue>,
}

/// The picture beside a verdict.
#[derive(Serialize)]
struct Hero {
    statistic: Statistic,
    figure: usize,
    caption: &'static str,
}

#[derive(Serialize)]
struct KeyAndValue {
    name: String,
    value: String,
}

#[derive(Serialize)]
struct QuestionPart<'a> {
    anchor: &'static str,
    question: &'static str,
    asked: &'static str,
    statistics: Vec<StatisticPart<'a>>,
}

#[derive(Serialize)]
struct StatisticPart<'a> {
    name: &'static str,
    title: &'static str,
    unit: String,
    definition: &'static str,
    baseline: &'static str,
    source: &'static str,
    reading: &'static str,
    figures: Vec<Choice>,
    table: Option<&'a Table>,
    differences: Option<&'a Differences>,
    files: Vec<File>,
}

/// A figure that the reader can choose.
#[derive(Serialize)]
struct Choice {
    index: usize,
    label: String,
}

#[derive(Serialize)]
struct File {
    href: String,
    text: String,
}

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
    let drawn: Vec<DrawnStatistic> = STATISTICS.iter().map(|info| draw(info, runs, room)).collect();
    let questions: Vec<QuestionPart<'_>> =
        QUESTIONS.iter().filter_map(|question| part(question, &drawn, runs)).collect();
    let mut layers: Vec<u16> = runs.iter().flat_map(|run| run.context.shape.moe_layers().iter().copied()).collect();
    layers.sort_unstable();
    layers.dedup();
    let filling = Filling {
        title: title(runs),
        version: env!("CARGO_PKG_VERSION"),
        runs: runs.iter().enumerate().map(|(index, run)| run_part(index, run, &drawn)).collect(),
        layers,
        questions,
        has_tokens: runs.iter().any(|run| !run.excerpts.is_empty()),
        data: data::packed(runs, &drawn)?,
        style: include_str!("../assets/report.css"),
        script: data::script(room.has_many_layers()),
    };
    let mut environment = Environment::new();
    // A name in the template without a value is a mistake, not an empty string.
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_template("report.html", include_str!("../assets/report.html")).map_err(|e| unfilled(&e))?;
    let template = environment.get_template("report.html").map_err(|e| unfilled(&e))?;
    template.render(Serde(filling)).map_err(|e| unfilled(&e))
}

fn draw(info: &'static StatisticInfo, runs: &[ReportedRun<'_>], room: Room) -> DrawnStatistic {
    let rows = rows_of(&[info.statistic], runs);
    let layers: BTreeSet<u16> = rows.iter().map(|row| row.finding.layer).collect();
    let mut figures = figures(info, &Room::looked_through(rows));
    for figure in &mut figures {
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
        facts: facts(run),
        verdict: run.verdict,
        hero,
        provenance,
    }
}

/// How much text was routed. Of numbers of assignments nobody knows the sequences.
fn text_in_words(context: &ChartContext) -> String {
    let tokens = counted(context.tokens, "token");
    let [sequences, documents] =
        [(context.sequences, "sequence"), (context.documents, "document")].map(|(number, noun)| counted(number, noun));
    match (context.sequences, context.documents) {
        (0, 0) => format!("{tokens}, of which every assignment was counted"),
        (0, _) => format!("{tokens} in {documents}, of which every assignment was counted"),
        _ => format!("{tokens} in {sequences} of {documents}"),
    }
}

/// The facts about a run: a few words on what was run.
fn facts(run: &ReportedRun<'_>) -> Vec<KeyAndValue> {
    let context = run.context;
    let layers: Vec<String> = context.shape.moe_layers().iter().map(ToString::to_string).collect();
    let text = text_in_words(context);
    let shape = &context.shape;
    let noun = |number: &str, one: &'static str, more: &'static str| if number == "1" { one } else { more };
    let (experts, choices) = (shape.experts_in_words(), shape.choices_in_words());
    let router = format!(
        "{experts} {}, {choices} {} a token",
        noun(&experts, "expert", "experts"),
        noun(&choices, "choice", "choices")
    );
    let queues = run.queues.map(|queues| {
        let factor = queues.capacity_rule.factor_in_words(Value::from(queues.capacity_factor));
        let asked = if context.asked_capacity.is_some() { ", asked for: a replay" } else { "" };
        format!("rule {}, {factor}, group {}{asked}", queues.capacity_rule, queues.group)
    });
    let ties = (run.ties > 0).then(|| {
        format!("equal scores decided for {}, summed over layers; the lower id wins", counted(run.ties, "token"))
    });
    let intervals = run.statistics.as_ref().map(|statistics| {
        let bootstrap = match statistics.resamples {
            0 => "95 % by jackknife alone".to_owned(),
            resamples => format!("95 % over documents, {resamples} resamples"),
        };
        let permutations = match statistics.permutations {
            0 => "no".to_owned(),
            permutations => permutations.to_string(),
        };
        format!("{bootstrap}; {permutations} permutations")
    });
    let lines = [
        ("Model", Some(context.checkpoint.clone())),
        ("Text", Some(context.corpus.clone())),
        ("Amount", Some(text)),
        ("MoE layers", Some(layers.join(", "))),
        ("Router", Some(router)),
        ("Ties", ties),
        ("Capacity", queues),
        ("Intervals", intervals),
    ];
    let told = lines.into_iter().filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?)));
    told.map(|(name, value)| KeyAndValue { name: name.to_owned(), value }).collect()
}

/// A question with the statistics that the runs have; none without any.
fn part<'a>(question: &Question, drawn: &'a [DrawnStatistic], runs: &[ReportedRun<'_>]) -> Option<QuestionPart<'a>> {
    let own = drawn.iter().filter(|drawn| drawn.info.question == question.anchor);
    let mut own: Vec<&DrawnStatistic> = own.collect();
    // The statistics of the first screen come first.
    own.sort_by_key(|drawn| !HEROES.iter().any(|kind| kind.statistic == drawn.info.statistic));
    let statistics: Vec<StatisticPart<'_>> = own.into_iter().filter_map(|drawn| statistic_part(drawn, runs)).collect();
    (!statistics.is_empty()).then_some(QuestionPart {
        anchor: question.anchor,
        question: question.words,
        asked: question.asked,
        statistics,
    })
}

fn statistic_part<'a>(drawn: &'a DrawnStatistic, runs: &[ReportedRun<'_>]) -> Option<StatisticPart<'a>> {
    let info = drawn.info;
    let choice = |(index, figure): (usize, &Figure)| Choice { index, label: figure.label.clone() };
    (drawn.table.is_some() || !drawn.figures.is_empty()).then(|| StatisticPart {
        name: info.name,
        title: info.title,
        unit: unit(info, runs),
        definition: info.definition,
        baseline: info.baseline,
        source: info.source,
        reading: info.reading,
        figures: drawn.figures.iter().enumerate().map(choice).collect(),
        table: drawn.table.as_ref(),
        differences: drawn.differences.as_ref(),
        files: runs.iter().flat_map(|run| files(info, run, runs)).collect(),
    })
}

/// The unit of a statistic; where all its rows have another one, that.
fn unit(info: &StatisticInfo, runs: &[ReportedRun<'_>]) -> String {
    let tables = runs.iter().filter_map(|run| run.tables.get(info.table));
    let rows = tables.flat_map(|table| &table.rows).filter(|row| row.statistic == info.statistic);
    let units: BTreeSet<&str> = rows.map(|row| &*row.unit).collect();
    units.first().filter(|_| units.len() == 1).copied().unwrap_or(info.unit).to_owned()
}

/// Links to the charts and to the whole table, named by the run if several runs have them.
fn files(info: &StatisticInfo, run: &ReportedRun<'_>, runs: &[ReportedRun<'_>]) -> Vec<File> {
    let Some(folder) = run.folder.as_deref().filter(|_| run.tables.contains_key(info.table)) else { return Vec::new() };
    let having = || runs.iter().filter(|other| other.tables.contains_key(info.table));
    let whose = match having().count() {
        1 => String::new(),
        _ if having().filter(|other| other.command == run.command).count() == 1 => format!("{}: ", run.command),
        _ => format!("{}: ", run.label),
    };
    let below = |name: String| File { href: address(&Path::new(folder).join(&name)), text: format!("{whose}{name}") };
    let kinds: Vec<&str> =
        CHARTS.iter().filter(|kind| kind.statistic == info.statistic).map(|kind| kind.stem).collect();
    let charts = run.charts.iter().filter(|(_, kind)| kinds.contains(kind));
    let charts = charts.map(|(stem, _)| below(format!("charts/{stem}.svg")));
    std::iter::once(below(format!("stats/{}.csv", info.table))).chain(charts).collect()
}

/// All characters that must be escaped in a path.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A relative path as the address of a link.
fn address(path: &Path) -> String {
    utf8_percent_encode(&path.to_string_lossy().replace('\\', "/"), ESCAPED).to_string()
}

/// The most places that could not be used, or not unchanged, that a page lists; it also gives their number.
const PLACES_SHOWN: usize = 20;
/// The most items of the other lists in the manifest, such as the files that were read.
const ITEMS_SHOWN: usize = 200;

/// The manifest as lines of key and value.
fn flatten(prefix: &str, value: &Value, lines: &mut Vec<KeyAndValue>) {
    let below = |key: &str| if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") };
    let line = |value: String| KeyAndValue { name: prefix.to_owned(), value };
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                // The manifest lists only the first places, but counts all.
                let total = map.get(&format!("{key}_total")).and_then(Value::as_u64);
                flatten_items(&below(key), value, total, lines);
            }
        }
        Value::Array(_) => flatten_items(prefix, value, None, lines),
        other => lines.push(line(plain(other))),
    }
}

/// A list as several lines, or as one line of words; any other value unchanged.
fn flatten_items(name: &str, value: &Value, total: Option<u64>, lines: &mut Vec<KeyAndValue>) {
    let Value::Array(items) = value else { return flatten(name, value, lines) };
    let places = ["skipped", "notes"].iter().any(|list| name.rsplit('.').next() == Some(list));
    let shown = &items[..items.len().min(if places { PLACES_SHOWN } else { ITEMS_SHOWN })];
    let further = total.unwrap_or(0).max(items.len() as u64) - shown.len() as u64;
    let where_to = match total.filter(|total| *total > items.len() as u64) {
        Some(_) => format!("; manifest.json lists the first {}", thousands(items.len() as u64)),
        None => ", in manifest.json".to_owned(),
    };
    let more = (further > 0).then(|| format!("\u{2026} and {} more{where_to}", thousands(further)));
    if items.iter().any(|item| item.is_object() || item.is_array()) {
        shown.iter().enumerate().for_each(|(index, item)| flatten(&format!("{name}.{index}"), item, lines));
        lines.extend(more.map(|value| KeyAndValue { name: name.to_owned(), value }));
    } else {
        let words = shown.iter().map(plain).chain(more);
        lines.push(KeyAndValue { name: name.to_owned(), value: words.collect::<Vec<_>>().join(" ") });
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn unfilled(error: &minijinja::Error) -> Error {
    Error::internal(format!("the report template could not be filled in: {error:#}"))
}

#[cfg(test)]
mod tests;
