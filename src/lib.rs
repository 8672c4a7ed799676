//! Shows how a mixture-of-experts language model routes its tokens.
//!
//! The modules stand in the order in which the data travels:
//!
//! ```text
//! checkpoint ─┐
//!             ├─> model ──(routing)──> trace ──> stats ──> chart ──> report
//! corpus ─────┘                                    │
//!                                                  └─> paper
//! ```
//!
//! `pipeline` goes that way from options to a finished run, and `run` holds its folder. What the program does, a library can do:
//! the examples below are all that most uses need. Whoever waits for the work, or may want to stop it, implements [`Progress`];
//! [`Unwatched`] is nobody.
//!
//! # Route a text with a checkpoint
//!
//! [`route()`] leaves a run: the trace, its statistics, charts and report. [`drift()`] and [`drops()`] ask the two other
//! questions. Options that are not named have the defaults of the command line.
//!
//! ```
//! use openmoe_analyze::{InputOptions, RouteOptions, RunOptions, StatisticSettings, Unwatched, route};
//!
//! # let folder = tempfile::tempdir()?;
//! # let out = folder.path().join("run");
//! let options = RouteOptions {
//!     checkpoint: "fixtures/checkpoints/openmoe-tiny-12.3M".into(),
//!     run: RunOptions {
//!         corpus: vec!["fixtures/corpora/domains/wikipedia.jsonl".into()],
//!         input: InputOptions { context: Some(32), max_sequences: Some(4), ..InputOptions::default() },
//!         statistics: StatisticSettings { resamples: 0, permutations: 0, ..StatisticSettings::default() },
//!         ..RunOptions::default()
//!     },
//!     ..RouteOptions::default()
//! };
//! let (run, analysis) = route(options, &out, &Unwatched)?;
//! assert!(run.file("report.html").is_file());
//! println!("{}", analysis.headline.join("\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Open a run, read its tables, compute its statistics by other settings
//!
//! [`read_table`] reads a file of `stats/`; `docs/statistics.md` says what is in it. [`compute_statistics`] computes all tables in
//! memory from the trace; [`analyse`] writes them, with charts and report, into the run.
//!
//! ```
//! use openmoe_analyze::{RunDir, Statistic, Unwatched, compute_statistics, read_table};
//! # use openmoe_analyze::{InputOptions, RouteOptions, RunOptions, StatisticSettings, route};
//! # let folder = tempfile::tempdir()?;
//! # let out = folder.path().join("run");
//! # let options = RouteOptions {
//! #     checkpoint: "fixtures/checkpoints/openmoe-tiny-12.3M".into(),
//! #     run: RunOptions {
//! #         corpus: vec!["fixtures/corpora/domains/wikipedia.jsonl".into()],
//! #         input: InputOptions { context: Some(32), max_sequences: Some(4), ..InputOptions::default() },
//! #         statistics: StatisticSettings { resamples: 0, permutations: 0, ..StatisticSettings::default() },
//! #         ..RunOptions::default()
//! #     },
//! #     ..RouteOptions::default()
//! # };
//! # route(options, &out, &Unwatched)?;
//!
//! let run = RunDir::open(&out)?;
//! let mut record = run.record()?;
//! assert_eq!((record.label.as_str(), record.text.tokens), ("openmoe-tiny-12.3M", 4 * 32));
//!
//! let table = read_table(&run, Statistic::ExpertShare.table())?;
//! for row in table.rows.iter().filter(|row| row.token_id.is_none() && row.position.is_none()).take(16) {
//!     println!("layer {} {} expert {:?}: {:?}", row.layer, row.view.name(), row.expert, row.estimate);
//! }
//! # assert!(table.rows.iter().any(|row| row.estimate.is_some()));
//!
//! record.statistics.seed = 7;
//! record.statistics.permutations = 10;
//! let tables = compute_statistics(&run, &record, &Unwatched)?;
//! for (name, table) in &tables {
//!     println!("{name}: {} rows", table.rows.len());
//! }
//! # assert!(tables.contains_key("expert_load"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Build a trace from arrays
//!
//! [`trace::TraceBuilder`] writes routes that are in memory, of another engine for example, into a run whose statistics can be
//! computed without a checkpoint; its example does so.

pub mod chart;
pub mod checkpoint;
pub mod cli;
pub mod commands;
pub mod corpus;
pub mod error;
pub mod first_bytes;
pub mod hub;
pub mod import;
pub mod model;
pub mod paper;
mod pickle;
pub mod pipeline;
mod random;
pub mod read_at;
pub mod report;
pub mod routing;
pub mod run;
pub mod stats;
pub mod trace;

pub use error::{Error, Result};
pub use pipeline::{
    Analysis, ContrastOptions, Conversion, ConvertOptions, Converted, PlannedStage, Progress, Stage, Unwatched,
    analyse, compute_statistics, contrast, drift, drops,
    hub_checkpoint::{HubFiles, hub_checkpoint},
    mitigate,
    options::{
        CheckpointSpec, ConversationOptions, DriftOptions, DropsOptions, ExecutionOptions, InputOptions,
        MitigateOptions, ReportOptions, RouteOptions, RoutingOptions, RunOptions, StatisticSettings, StrategyOption,
    },
    profile::{CategoryOptions, ExpertOptions, ProfileOptions, TokenOptions, category, expert, moved_tokens, token},
    read_table, read_tables, route,
};
pub use report::VerdictEntry;
pub use run::{Occupied, RunDir, RunKind, RunRecord};
pub use stats::{
    Finding, Statistic, StatisticTable, Tables,
    verdict::{Answer, Verdict},
};
