//! The flags of the options that the library's messages mention.

use crate::error::OptionName;

/// The flag of an option.
pub(super) fn flag(option: OptionName) -> &'static str {
    match option {
        OptionName::AllowConstantRouter => "--allow-constant-router",
        OptionName::CapacityFactor => "--capacity-factor",
        OptionName::CapacityRule => "--capacity-rule",
        OptionName::Category => "--category",
        OptionName::Context => "--context",
        OptionName::Corpus => "--corpus",
        OptionName::ExactReplay => "--exact-replay",
        OptionName::ExcludeBos => "--exclude-bos",
        OptionName::Final => "--final",
        OptionName::Force => "--force",
        OptionName::Format => "--format",
        OptionName::Group => "--group",
        OptionName::Length => "--length",
        OptionName::MaxSequences => "--max-sequences",
        OptionName::Memory => "--memory",
        OptionName::NoBos => "--no-bos",
        OptionName::NoHash => "--no-hash",
        OptionName::NoiseFloor => "--noise-floor",
        OptionName::OasstPaths => "--oasst-paths",
        OptionName::Out => "--out",
        OptionName::Resume => "--resume",
        OptionName::Strict => "--strict",
        OptionName::Template => "--template",
        OptionName::Text => "--text",
        OptionName::TextKey => "--text-key",
        OptionName::Threads => "--threads",
        OptionName::TokensOfInterest => "--tokens-of-interest",
        OptionName::TrainingTokens => "--tokens",
        OptionName::Transcripts => "--transcripts",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

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
