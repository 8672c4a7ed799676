//! Turns what was typed into the options of the library.

use std::path::PathBuf;

use crate::{
    cli::{
        CommonArgs, DriftArgs, DropsArgs, ExecutionArgs, ImportArgs, InputArgs, MitigateArgs, RouteArgs, RoutingArgs,
        StatisticsArgs, TranscriptArgs,
    },
    error::{Error, Result},
    import::{CategoryFrom, ImportOptions},
    pipeline::{
        ImportRunOptions,
        checkpoint_spec::token_count,
        options::{
            CheckpointSpec, ConversationOptions, DriftOptions, DropsOptions, ExecutionOptions, InputOptions,
            MitigateOptions, ReportOptions, RouteOptions, RoutingOptions, RunOptions, StatisticSettings,
        },
    },
    routing::Strategy,
    run::Occupied,
};

impl From<&RouteArgs> for RouteOptions {
    fn from(typed: &RouteArgs) -> Self {
        Self {
            checkpoint: CheckpointSpec::in_folder(&typed.checkpoint),
            log_logits: typed.common.execution.log_logits,
            run: run_options(&typed.common, &typed.corpus),
        }
    }
}

impl TryFrom<&DriftArgs> for DriftOptions {
    type Error = Error;

    fn try_from(typed: &DriftArgs) -> Result<Self> {
        let tokens = |typed: &String| {
            token_count(typed).ok_or_else(|| {
                Error::usage(format!("--tokens `{typed}` is no number of tokens"), "for example 200B, 1T or 2.5M")
            })
        };
        Ok(Self {
            checkpoints: typed.checkpoints.iter().map(|typed| CheckpointSpec::new(typed, false)).collect(),
            training_tokens: typed.tokens.iter().map(tokens).collect::<Result<_>>()?,
            off_axis: typed.off_axis.as_ref().map(|typed| CheckpointSpec::new(typed, true)),
            noise_floor: typed.noise_floor,
            match_experts: typed.match_experts,
            tokens_of_interest: typed.tokens_of_interest.clone(),
            run: run_options(&typed.common, &typed.corpus),
        })
    }
}

impl From<&DropsArgs> for DropsOptions {
    fn from(typed: &DropsArgs) -> Self {
        Self {
            checkpoint: CheckpointSpec::new(&typed.checkpoint, false),
            compare: typed.compare.as_ref().map(|typed| CheckpointSpec::new(typed, false)),
            bin: typed.bin,
            exact_replay: typed.exact_replay.clone(),
            expert_parallel: typed.expert_parallel.clone(),
            log_logits: typed.common.execution.log_logits,
            run: RunOptions {
                conversations: conversations(&typed.transcripts, &typed.transcript),
                ..run_options(&typed.common, &typed.corpus)
            },
        }
    }
}

impl TryFrom<&MitigateArgs> for MitigateOptions {
    type Error = Error;

    fn try_from(typed: &MitigateArgs) -> Result<Self> {
        let strategies = typed.strategy.iter().map(|name| name.parse::<Strategy>().map(Into::into));
        Ok(Self {
            checkpoint: CheckpointSpec::in_folder(&typed.checkpoint),
            strategies: strategies.collect::<Result<_>>()?,
            each_layer: typed.each_layer,
            calibration: typed.calibration.clone(),
            write_table: typed.write_table.clone(),
            log_logits: typed.common.execution.log_logits,
            run: RunOptions {
                conversations: conversations(&typed.transcripts, &typed.transcript),
                ..run_options(&typed.common, &typed.corpus)
            },
        })
    }
}

fn conversations(paths: &[PathBuf], typed: &TranscriptArgs) -> Option<ConversationOptions> {
    (!paths.is_empty()).then(|| ConversationOptions {
        paths: paths.to_vec(),
        format: typed.format,
        oasst_paths: typed.oasst_paths,
        template: typed.template,
    })
}

fn run_options(common: &CommonArgs, corpus: &[PathBuf]) -> RunOptions {
    RunOptions {
        corpus: corpus.to_vec(),
        conversations: None,
        input: input_options(&common.input),
        routing: routing_options(&common.routing),
        statistics: statistic_settings(&common.statistics),
        execution: execution_options(&common.execution),
    }
}

fn input_options(typed: &InputArgs) -> InputOptions {
    InputOptions {
        category_key: typed.category.clone(),
        text_key: typed.text_key.clone(),
        context: typed.context.map(|tokens| tokens as usize),
        truncate: typed.truncate,
        max_sequences: typed.max_sequences.map(|most| most as usize),
        bos: !typed.no_bos,
        strict: typed.strict,
    }
}

fn routing_options(typed: &RoutingArgs) -> RoutingOptions {
    RoutingOptions {
        group: typed.group,
        capacity_rule: typed.capacity_rule,
        capacity_factor: typed.capacity_factor,
        allow_constant_router: typed.allow_constant_router,
    }
}

fn statistic_settings(typed: &StatisticsArgs) -> StatisticSettings {
    StatisticSettings {
        seed: typed.seed,
        resamples: typed.resamples as usize,
        permutations: typed.permutations as usize,
        include_bos: !typed.exclude_bos,
        ..StatisticSettings::default()
    }
}

fn execution_options(typed: &ExecutionArgs) -> ExecutionOptions {
    ExecutionOptions {
        memory: typed.memory.map(|size| size.as_u64()),
        wave_tokens: typed.wave_tokens.map(|tokens| tokens as usize),
        no_hash: typed.no_hash,
        occupied: occupied(typed.force, typed.resume),
        report: ReportOptions { show_command: typed.show_command },
        command_line: command_line(),
    }
}

impl From<&ImportArgs> for ImportRunOptions {
    fn from(typed: &ImportArgs) -> Self {
        let category_from = match typed.category_from.as_str() {
            "auto" => CategoryFrom::Auto,
            "folder" => CategoryFrom::Folder,
            "file" => CategoryFrom::File,
            key => CategoryFrom::Key(key.to_owned()),
        };
        Self {
            paths: typed.paths.clone(),
            import: ImportOptions {
                format: Some(typed.from.clone()).filter(|format| format != "auto"),
                model_config: typed.model_config.clone(),
                tokenizer: typed.tokenizer.clone(),
                category_from,
                tokens: typed.tokens.clone(),
                sequence_length: typed.sequence_length.map(|tokens| tokens as usize),
                micro_batch: typed.micro_batch.map(|sequences| sequences as usize),
                strict: typed.strict,
            },
            label: typed.label.clone(),
            force_checks: typed.force_checks,
            statistics: statistic_settings(&typed.statistics),
            occupied: occupied(typed.force, false),
            report: ReportOptions { show_command: typed.show_command },
            command_line: command_line(),
        }
    }
}

/// What to do with a folder that holds something.
pub(super) fn occupied(force: bool, resume: bool) -> Occupied {
    match (force, resume) {
        (true, _) => Occupied::Replace,
        (_, true) => Occupied::Resume,
        _ => Occupied::Refuse,
    }
}

/// The command line as it was typed. It goes into JSON, so bytes that are not UTF-8 are replaced.
pub(super) fn command_line() -> Vec<String> {
    std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn typed(words: &str) -> Command {
        Cli::try_parse_from(words.split(' ')).unwrap().command
    }

    #[test]
    fn what_is_not_typed_is_as_the_library_has_it() {
        let Command::Route(arguments) = typed("openmoe-analyze route folder --corpus text --out run") else {
            panic!("route was typed");
        };
        let RouteOptions { checkpoint, log_logits, run } = RouteOptions::from(&arguments);
        assert_eq!((checkpoint.folder, log_logits), (PathBuf::from("folder"), false));
        let nothing_said = RunOptions::default();
        assert_eq!(run.corpus, [PathBuf::from("text")]);
        assert_eq!(run.input, nothing_said.input);
        assert_eq!(run.routing, nothing_said.routing);
        assert_eq!(run.statistics, nothing_said.statistics);
        assert_eq!(ExecutionOptions { command_line: Vec::new(), ..run.execution }, nothing_said.execution);
        let Command::Drops(arguments) = typed("openmoe-analyze drops folder --corpus text --out run") else {
            panic!("drops was typed");
        };
        let drops = DropsOptions::from(&arguments);
        assert_eq!(drops.bin, DropsOptions::default_bin());
        assert!(drops.run.conversations.is_none() && drops.exact_replay.is_empty());
    }

    #[test]
    fn what_is_typed_is_meant() {
        let Command::Drift(arguments) = typed(
            "openmoe-analyze drift a=x b=y --corpus text --out run --tokens 1K 2.5M --no-bos --seed 3 --memory 1KiB --resume",
        ) else {
            panic!("drift was typed");
        };
        let options = DriftOptions::try_from(&arguments).unwrap();
        assert_eq!(options.training_tokens, [1e3, 2.5e6]);
        assert!(!options.run.input.bos && options.run.statistics.include_bos);
        assert_eq!((options.run.statistics.seed, options.run.execution.memory), (3, Some(1024)));
        assert_eq!(options.run.execution.occupied, Occupied::Resume);
        let labels: Vec<&str> = options.checkpoints.iter().map(|spec| spec.label.as_str()).collect();
        assert_eq!(labels, ["a", "b"]);
        let wrong = DriftArgs { tokens: vec!["many".to_owned()], ..arguments };
        assert!(DriftOptions::try_from(&wrong).unwrap_err().to_string().contains("--tokens `many`"));
    }
}
