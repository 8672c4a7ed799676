//! The flags of the options, and the commands, that the library's messages mention.

use crate::error::{CommandName, OptionName};

/// The flag of an option.
pub(super) fn flag(option: OptionName) -> &'static str {
    match option {
        OptionName::AllowConstantRouter => "--allow-constant-router",
        OptionName::CapacityFactor => "--capacity-factor",
        OptionName::CapacityRule => "--capacity-rule",
        OptionName::Calibration => "--calibration",
        OptionName::Category => "--category",
        OptionName::CategoryFrom => "--category-from",
        OptionName::Checkpoint => "--checkpoint",
        OptionName::ConditionA => "--a",
        OptionName::ConditionB => "--b",
        OptionName::Config => "--config",
        OptionName::Context => "--context",
        OptionName::Corpus => "--corpus",
        OptionName::ExactReplay => "--exact-replay",
        OptionName::ExpertParallel => "--expert-parallel",
        OptionName::Compare => "--compare",
        OptionName::ExcludeBos => "--exclude-bos",
        OptionName::Final => "--final",
        OptionName::Force => "--force",
        OptionName::ForceChecks => "--force-checks",
        OptionName::Format => "--format",
        OptionName::Group => "--group",
        OptionName::Layer => "--layer",
        OptionName::Length => "--length",
        OptionName::MaxSequences => "--max-sequences",
        OptionName::MaxShardSize => "--max-shard-size",
        OptionName::Memory => "--memory",
        OptionName::MicroBatch => "--micro-batch",
        OptionName::NoBos => "--no-bos",
        OptionName::NoHash => "--no-hash",
        OptionName::NoiseFloor => "--noise-floor",
        OptionName::OasstPaths => "--oasst-paths",
        OptionName::Only => "--only",
        OptionName::Out => "--out",
        OptionName::Resume => "--resume",
        OptionName::Revisions => "--revisions",
        OptionName::Strategy => "--strategy",
        OptionName::Strict => "--strict",
        OptionName::Template => "--template",
        OptionName::Text => "--text",
        OptionName::TextKey => "--text-key",
        OptionName::Threads => "--threads",
        OptionName::TokensOfInterest => "--tokens-of-interest",
        OptionName::TrainingTokens => "--tokens",
        OptionName::Transcripts => "--transcripts",
        OptionName::Truncate => "--truncate",
        OptionName::View => "--view",
        OptionName::WriteTable => "--write-table",
    }
}

/// A command as it is typed.
pub(super) fn command(command: CommandName) -> &'static str {
    match command {
        CommandName::Chart => "openmoe-analyze chart",
        CommandName::Stats => "openmoe-analyze stats",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn every_command_can_be_typed() {
        let cli = Cli::command();
        for name in [CommandName::Chart, CommandName::Stats] {
            let typed = command(name).strip_prefix("openmoe-analyze ").unwrap_or_default();
            assert!(cli.find_subcommand(typed).is_some(), "{typed}");
        }
    }

    #[test]
    fn every_flag_can_be_typed() {
        let cli = Cli::command();
        let long = |command: &clap::Command| {
            command.get_arguments().filter_map(|argument| argument.get_long().map(str::to_owned)).collect::<Vec<_>>()
        };
        let typed: BTreeSet<String> = cli.get_subcommands().flat_map(long).collect();
        for option in OptionName::ALL {
            let flag = flag(*option);
            assert!(flag.strip_prefix("--").is_some_and(|name| typed.contains(name)), "{flag}");
        }
        let flags: BTreeSet<&str> = OptionName::ALL.iter().map(|option| flag(*option)).collect();
        assert_eq!(flags.len(), OptionName::ALL.len(), "two options with one flag");
    }
}
