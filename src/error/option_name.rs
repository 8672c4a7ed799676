//! The options that messages mention. The library calls an option by the name of its field. The command line calls the same
//! option by its flag; it says so once, when it starts, so that the library needs to know no flag.

use std::{fmt, sync::OnceLock};

/// The names that [`name_options`] chose; while there are none, options have the names of their fields.
static NAMES: OnceLock<fn(OptionName) -> &'static str> = OnceLock::new();

/// Gives the options other names in every message of this process, such as the flags of a command line. Only the first
/// call counts.
pub fn name_options(names: fn(OptionName) -> &'static str) {
    let _ = NAMES.set(names);
}

macro_rules! option_names {
    ($($variant:ident: $field:literal, $what:literal;)*) => {
        /// An option that a message mentions. `Display` writes the name of its field (`` `InputOptions::context` ``), or the
        /// name that [`name_options`] chose.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum OptionName {
            $(#[doc = $what] $variant,)*
        }

        impl OptionName {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The field, variant or parameter of the library that this option is.
            pub fn field(self) -> &'static str {
                match self {
                    $(Self::$variant => $field,)*
                }
            }
        }
    };
}

option_names! {
    AllowConstantRouter: "RoutingOptions::allow_constant_router", "Whether a router that gives every token the same logits is used.";
    CapacityFactor: "RoutingOptions::capacity_factor", "Multiple of the average load that an expert accepts.";
    CapacityRule: "RoutingOptions::capacity_rule", "How many slots an expert has.";
    Calibration: "MitigateOptions::calibration", "The text that tables of token ids are made from.";
    Category: "InputOptions::category_key", "Key of the rows that names the category.";
    CategoryFrom: "ImportOptions::category_from", "Where the categories of a record come from.";
    Checkpoint: "ProfileOptions::checkpoint", "Which of the traces of a run is read.";
    Compare: "DropsOptions::compare", "A second checkpoint for the same conversations.";
    ConditionA: "ContrastOptions::a", "Conditions of the tokens on side A of a contrast.";
    ConditionB: "ContrastOptions::b", "Conditions of the tokens on side B of a contrast.";
    Config: "CheckpointSpec::config", "Where the configuration of a checkpoint without one comes from.";
    Context: "InputOptions::context", "Tokens per sequence.";
    Corpus: "RunOptions::corpus", "Files and folders of plain text.";
    ExactReplay: "DropsOptions::exact_replay", "Capacity factors at which the forward pass is run again.";
    ExcludeBos: "StatisticSettings::include_bos = false", "Leave the BOS rows out of the statistics.";
    ExpertParallel: "DropsOptions::expert_parallel", "Numbers of ranks that share the experts of a layer.";
    Final: "DriftOptions::off_axis", "A checkpoint that is not on the time axis.";
    ForceChecks: "ImportRunOptions::force_checks", "Import a record although a check failed.";
    Force: "Occupied::Replace", "Replace the run that is in the folder.";
    Format: "ConversationOptions::format", "How conversations are written.";
    Group: "RoutingOptions::group", "Which sequences compete for the same slots.";
    Layer: "ProfileOptions::layers", "The layers that are read.";
    Length: "length", "Length of the sequence whose capacity is described.";
    MaxSequences: "InputOptions::max_sequences", "Sequences after which reading ends.";
    MaxShardSize: "ConvertOptions::max_shard_size", "Most bytes of a file of weights.";
    Memory: "ExecutionOptions::memory", "Bytes that the forward pass may take.";
    MicroBatch: "ImportOptions::micro_batch", "Sequences that stand interleaved, token by token.";
    NoBos: "InputOptions::bos = false", "No BOS token at position 0.";
    NoHash: "ExecutionOptions::no_hash", "Identify weight files without reading them.";
    NoiseFloor: "DriftOptions::noise_floor", "Run the last checkpoint again with bf16 activations.";
    OasstPaths: "ConversationOptions::oasst_paths", "Which conversations of a reply tree are read.";
    Only: "only", "Conditions of the tokens that are counted; the charts that are drawn.";
    Out: "out", "Folder that is written.";
    Resume: "Occupied::Resume", "Go on with the run that is in the folder.";
    Revisions: "revisions(pattern)", "The revisions of a repository that are the checkpoints of a drift run.";
    Strategy: "MitigateOptions::strategies", "What is changed about the routers.";
    Strict: "InputOptions::strict", "Whether a line that cannot be used is an error.";
    Template: "ConversationOptions::template", "The chat template.";
    Text: "text", "A text that the described model continues.";
    TextKey: "InputOptions::text_key", "Key of the rows that holds the text.";
    Threads: "threads", "Threads of the process, which its caller sets.";
    TokensOfInterest: "DriftOptions::tokens_of_interest", "Token ids whose expert shares are followed.";
    TrainingTokens: "DriftOptions::training_tokens", "Tokens that each checkpoint was trained on.";
    Transcripts: "RunOptions::conversations", "Files and folders of conversations.";
    Truncate: "InputOptions::truncate", "Keep only the beginning of a longer document.";
    View: "ProfileOptions::view", "Before or after capacity.";
    WriteTable: "MitigateOptions::write_table", "The file that the table of token ids is written into.";
}

impl OptionName {
    /// The option set to a value: `` `InputOptions::context = 512` `` or, on a command line, `--context 512`.
    pub fn with(self, value: impl fmt::Display) -> String {
        match NAMES.get() {
            Some(name) => format!("{} {value}", name(self)),
            None => format!("`{} = {value}`", self.field()),
        }
    }
}

impl fmt::Display for OptionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.get() {
            Some(name) => f.write_str(name(*self)),
            None => write!(f, "`{}`", self.field()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_calls_an_option_by_its_field() {
        assert_eq!(format!("raise {}", OptionName::Context), "raise `InputOptions::context`");
        assert_eq!(OptionName::Category.with("meta.set"), "`InputOptions::category_key = meta.set`");
    }
}
