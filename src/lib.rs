//! Shows how a mixture-of-experts language model routes its tokens.
//!
//! The modules stand in the order in which the data travels:
//!
//! ```text
//! checkpoint ─┐
//!             ├─> model ──(routing)──> trace ──> stats ──> paper ──> chart ──> report
//! corpus ─────┘
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
//! println!("{}", analysis.verdict.join("\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Open a run and read a table
//!
//! The names of tables and the meaning of their columns are in `docs/statistics.md`.
//!
//! ```
//! use openmoe_analyze::{RunDir, Statistic, read_table};
//! # use openmoe_analyze::Unwatched;
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
//! let record = run.record()?;
//! assert_eq!((record.label.as_str(), record.text.tokens), ("openmoe-tiny-12.3M", 4 * 32));
//! let table = read_table(&run, Statistic::ExpertLoad.table())?;
//! let loads = table.rows.iter().filter(|row| row.statistic == Statistic::ExpertLoad);
//! for row in loads.take(3) {
//!     println!("layer {} expert {:?}: {:?}", row.layer, row.expert, row.estimate);
//! }
//! # assert!(!table.rows.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Compute a run's statistics
//!
//! [`compute_statistics`] computes them in memory, by settings of your own; [`analyse`] writes them, with charts and report,
//! into the run.
//!
//! ```
//! use openmoe_analyze::{RunDir, Unwatched, compute_statistics};
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
//! record.statistics.seed = 7;
//! record.statistics.permutations = 10;
//! let tables = compute_statistics(&run, &record, &Unwatched)?;
//! for (name, table) in &tables {
//!     println!("{name}: {} rows", table.rows.len());
//! }
//! # assert!(tables.contains_key("expert_load"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod chart;
pub mod checkpoint;
pub mod cli;
pub mod commands;
pub mod corpus;
pub mod error;
pub mod first_bytes;
pub mod model;
pub mod paper;
pub mod pipeline;
pub mod report;
pub mod routing;
pub mod run;
pub mod stats;
pub mod trace;

pub use error::{Error, Result};
pub use pipeline::{
    Analysis, Progress, Stage, Unwatched, analyse, compute_statistics, drift, drops,
    options::{
        CheckpointSpec, ConversationOptions, DriftOptions, DropsOptions, ExecutionOptions, InputOptions, ReportOptions,
        RouteOptions, RoutingOptions, RunOptions, StatisticSettings,
    },
    read_table, read_tables, route,
};
pub use run::{Occupied, RunDir, RunKind, RunRecord};
pub use stats::{Finding, Statistic, StatisticTable, Tables};
