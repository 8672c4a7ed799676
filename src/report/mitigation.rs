//! The page of a mitigate run: the answer, the table of strategies, the charts, and what each strategy does not tell.

use minijinja::{Environment, UndefinedBehavior, value::Serde};
use serde::Serialize;
use serde_json::Value;

use super::{
    page::{KeyAndValue, flatten},
    words::{headline_lines, strategy_in_words, verdict_lines},
};
use crate::{
    chart::Chart,
    error::{Error, Result},
    routing::{RareRule, RunKind, Strategy},
    stats::{
        Changed, Measure, MitigationRow, counted, fixed, nats_words, share_of_random_words, thousands,
        verdict::RunVerdict,
    },
};

/// Everything that the page shows.
#[derive(Clone, Debug)]
pub struct MitigationPage<'a> {
    /// The checkpoint.
    pub label: &'a str,
    /// The text.
    pub corpus: String,
    /// Its tokens.
    pub tokens: u64,
    /// Its documents.
    pub documents: u64,
    /// Resamples behind the intervals.
    pub resamples: usize,
    /// The numbers.
    pub rows: &'a [MitigationRow],
    /// The charts, drawn.
    pub charts: &'a [Chart],
    /// The manifest.
    pub provenance: Value,
}

/// A strategy in the table.
#[derive(Serialize)]
struct StrategyLine {
    name: String,
    words: String,
    loss: String,
    perplexity: String,
    of_random: String,
    of_hash: String,
    first_choice: String,
    expert_set: String,
    dropped: String,
    load: String,
    experts: String,
    coverage: String,
}

/// What a strategy does not tell.
#[derive(Serialize)]
struct Trap {
    name: String,
    words: &'static str,
}

#[derive(Serialize)]
struct ChartPart<'a> {
    name: &'a str,
    message: Option<&'a str>,
    title: &'a str,
    caption: &'a str,
    svg: &'a str,
}

#[derive(Serialize)]
struct Filling<'a> {
    title: String,
    version: &'static str,
    question: &'static str,
    style: &'static str,
    facts: Vec<KeyAndValue>,
    headline: Vec<String>,
    lines: Vec<String>,
    strategies: Vec<StrategyLine>,
    has_coverage: bool,
    has_drops: bool,
    charts: Vec<ChartPart<'a>>,
    traps: Vec<Trap>,
    provenance: Vec<KeyAndValue>,
}

/// The page as one HTML document; it makes no request to any host and needs no script.
///
/// # Errors
/// [`Error::Internal`] if the template cannot be filled in.
pub fn mitigation_html(page: &MitigationPage<'_>) -> Result<String> {
    let verdict = RunVerdict::mitigation(page.rows);
    let strategies = lines(page.rows);
    let mut provenance = Vec::new();
    flatten("", &page.provenance, &mut provenance);
    let charts = page.charts.iter().map(|chart| ChartPart {
        name: &chart.name,
        message: chart.message.as_ref().map(|message| message.text.as_str()),
        title: &chart.title,
        caption: &chart.caption,
        svg: &chart.svg,
    });
    let filling = Filling {
        title: format!("What it costs to route {} otherwise", page.label),
        version: env!("CARGO_PKG_VERSION"),
        question: RunKind::Mitigate.question(),
        style: include_str!("assets/report.css"),
        facts: facts(page),
        headline: headline_lines(&verdict),
        lines: verdict_lines(&verdict),
        has_coverage: strategies.iter().any(|line| !line.coverage.is_empty()),
        has_drops: page.rows.iter().any(|row| row.measure == Measure::DropRatio && either(&row.change) > 0.0),
        strategies,
        charts: charts.collect(),
        traps: traps(page.rows),
        provenance,
    };
    let unfilled = |error: &minijinja::Error| {
        Error::internal(format!("the page of a mitigate run could not be filled in: {error:#}"))
    };
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_template("mitigation.html", include_str!("assets/mitigation.html")).map_err(|e| unfilled(&e))?;
    let template = environment.get_template("mitigation.html").map_err(|e| unfilled(&e))?;
    template.render(Serde(filling)).map_err(|e| unfilled(&e))
}

/// The larger of a number before and after.
fn either(change: &Changed) -> f64 {
    change.unchanged.unwrap_or(0.0).max(change.changed.unwrap_or(0.0))
}

fn facts(page: &MitigationPage<'_>) -> Vec<KeyAndValue> {
    let next = page.rows.iter().find(|row| row.is_overall() && row.measure == Measure::Loss).map_or(0, |row| row.n);
    let intervals = match page.resamples {
        0 => "none".to_owned(),
        resamples => format!("95 % over documents, {} resamples, paired", thousands(resamples as u64)),
    };
    let lines = [
        ("Model", page.label.to_owned()),
        ("Text", page.corpus.clone()),
        (
            "Amount",
            format!(
                "{} of {}, {} predicted",
                counted(page.tokens, "token"),
                counted(page.documents, "document"),
                counted(next, "next token")
            ),
        ),
        ("Intervals", intervals),
    ];
    lines.map(|(name, value)| KeyAndValue { name: name.to_owned(), value }).into()
}

/// The table: the unchanged model, then every strategy.
fn lines(rows: &[MitigationRow]) -> Vec<StrategyLine> {
    let overall: Vec<&MitigationRow> = rows.iter().filter(|row| row.is_overall()).collect();
    let find = |strategy: &str, measure: Measure| {
        overall.iter().copied().find(|row| row.strategy == strategy && row.measure == measure)
    };
    let losses: Vec<&MitigationRow> = overall.iter().copied().filter(|row| row.measure == Measure::Loss).collect();
    let percent = |share: f64| format!("{} %", fixed(share * 100.0, 1));
    let minus = |text: String| text.replace('-', "\u{2212}");
    let plain = |value: Option<f64>, digits: usize| value.map(|value| fixed(value, digits)).unwrap_or_default();
    let unchanged = losses.first().map(|first| {
        let of = |measure| find(&first.strategy, measure).and_then(|row| row.change.unchanged);
        StrategyLine {
            name: "unchanged".to_owned(),
            words: "the model as it is".to_owned(),
            loss: format!("loss {}", plain(first.change.unchanged, 3)),
            perplexity: plain(of(Measure::Perplexity), 2),
            of_random: String::new(),
            of_hash: String::new(),
            first_choice: String::new(),
            expert_set: String::new(),
            dropped: of(Measure::DropRatio).map(percent).unwrap_or_default(),
            load: plain(of(Measure::MaximumLoad), 2),
            experts: plain(of(Measure::ExpertsPerToken), 2),
            coverage: String::new(),
        }
    });
    let strategy = |loss: &&MitigationRow| {
        let of = |measure| find(&loss.strategy, measure);
        let changed = |measure| of(measure).and_then(|row| row.change.changed);
        let share =
            |share: Option<String>| minus(share.unwrap_or_default().replace(" of what random experts cost", ""));
        let of_random = loss.of_random.as_ref().filter(|_| loss.strategy != "random").map(share_of_random_words);
        let of_hash = loss.of_hash.as_ref().filter(|_| loss.strategy != "hash").map(share_of_random_words);
        StrategyLine {
            name: loss.strategy.clone(),
            words: strategy_in_words(&loss.strategy),
            loss: minus(nats_words(&loss.change)),
            perplexity: plain(changed(Measure::Perplexity), 2),
            of_random: share(of_random),
            of_hash: share(of_hash),
            first_choice: of(Measure::FirstChoice).map(|row| percent(row.change.estimate)).unwrap_or_default(),
            expert_set: of(Measure::ExpertSet).map(|row| percent(row.change.estimate)).unwrap_or_default(),
            dropped: changed(Measure::DropRatio).map(percent).unwrap_or_default(),
            load: plain(changed(Measure::MaximumLoad), 2),
            experts: plain(changed(Measure::ExpertsPerToken), 2),
            coverage: loss.coverage.map(percent).unwrap_or_default(),
        }
    };
    unchanged.into_iter().chain(losses.iter().map(strategy)).collect()
}

/// What each of the strategies of the run does not tell, each sentence once.
fn traps(rows: &[MitigationRow]) -> Vec<Trap> {
    let mut traps: Vec<Trap> = Vec::new();
    for row in rows.iter().filter(|row| row.is_overall() && row.measure == Measure::Loss) {
        let Ok(strategy) = row.strategy.parse::<Strategy>() else { continue };
        let words = trap(&strategy);
        if traps.iter().all(|known| known.words != words) {
            traps.push(Trap { name: row.strategy.clone(), words });
        }
    }
    traps
}

fn trap(strategy: &Strategy) -> &'static str {
    match strategy {
        Strategy::Lookup(RareRule::OwnRouter) => {
            "Ids that occur fewer than 8 times in the calibration text keep the own router: the cost is that of the share with a row, and \
             grows with the calibration text."
        }
        Strategy::Lookup(_) => {
            "Rare ids are routed by a guess, so the cost is that of the table and of the guess together; compare with lookup."
        }
        Strategy::Frozen(_) => {
            "The router meets a residual stream that it was not trained with. A high cost says that the two no longer fit, not that the router \
             was worse."
        }
        Strategy::Early => {
            "The router was trained on the stream behind attention. A model that is trained so from the beginning would pay less."
        }
        Strategy::Capacity(_) | Strategy::Unlimited | Strategy::RuleT5x => {
            "The model was trained with drops: without them it meets sums that it never saw. The cost of the slots themselves is compute, \
             which the loss does not show."
        }
        Strategy::Priority(_) => {
            "Whoever is placed first takes the slot of another token, and the order looks at later tokens: a model that generates token by token \
             cannot use it as it is."
        }
        Strategy::Reroute => {
            "A token gets an expert that its router did not choose. It needs the whole group at once, so it is for training and prefill, not \
             for generation token by token."
        }
        Strategy::TopK(_) => {
            "The weights follow the rule of the family: where they are not renormalised, fewer choices also make the output of the layer smaller. \
             By the rule of the port slots follow from the number of choices, so that the cost is that of slots too."
        }
        Strategy::Random => {
            "The combine weights are those of the router's own choices, so that only the experts differ: the scale is what the choice of experts \
             is worth, not the gate as a whole."
        }
        Strategy::Hash => {
            "The experts were not trained for these ids. Hash layers that are trained so cost far less: this is what an untrained table is worth."
        }
    }
}
