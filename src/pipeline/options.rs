//! The options of a run: typed, checked once, and with a default wherever one can be left out.

use std::path::PathBuf;

pub use super::checkpoint_spec::{CheckpointSpec, CheckpointWeights};
pub use crate::stats::Settings as StatisticSettings;
use crate::{
    corpus::{ChatTemplate, OasstPaths, TranscriptFormat},
    error::{Error, OptionName, Result},
    routing::{CapacityRule, GroupRule, PriorityRule, RareRule, Strategy},
    run::Occupied,
    stats::DropSettings,
};

/// How text becomes sequences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputOptions {
    /// Key of the rows that names the category; `None`: the first of the usual keys that they have, else files and folders.
    pub category_key: Option<String>,
    /// Key of the rows of a corpus that holds the text; `None`: the usual keys.
    pub text_key: Option<String>,
    /// Tokens per sequence, BOS included; `None`: as many as the model takes.
    pub context: Option<usize>,
    /// Whether only the beginning of a longer document is kept, instead of cutting it into several sequences.
    pub truncate: bool,
    /// Sequences after which reading ends; `None`: all are taken.
    pub max_sequences: Option<usize>,
    /// Whether the BOS token stands at position 0 of every sequence.
    pub bos: bool,
    /// Whether a line that cannot be used is an error, instead of being listed.
    pub strict: bool,
}

impl Default for InputOptions {
    fn default() -> Self {
        Self {
            category_key: None,
            text_key: None,
            context: None,
            truncate: false,
            max_sequences: None,
            bos: true,
            strict: false,
        }
    }
}

impl InputOptions {
    /// Tokens per sequence for a model that takes at most `longest`.
    ///
    /// # Errors
    /// [`Error::Usage`] if more are asked for.
    pub(crate) fn context(&self, longest: usize) -> Result<usize> {
        match self.context {
            Some(context) if context > longest => Err(Error::usage(
                format!(
                    "{}; the model takes at most max_position_embeddings = {longest} tokens",
                    OptionName::Context.with(context)
                ),
                format!(
                    "use {} or less; longer documents are cut into several sequences",
                    OptionName::Context.with(longest)
                ),
            )),
            context => Ok(context.unwrap_or(longest)),
        }
    }
}

/// Conversations, and how they become tokens.
#[derive(Clone, Debug, Default)]
pub struct ConversationOptions {
    /// Files and folders; `-` is standard input.
    pub paths: Vec<PathBuf>,
    /// The format of all of them; `None`: detected for each file.
    pub format: Option<TranscriptFormat>,
    /// Which conversations of an OASST tree are read.
    pub oasst_paths: OasstPaths,
    /// Chat template.
    pub template: ChatTemplate,
}

/// How router logits become assignments.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RoutingOptions {
    /// Which sequences compete for the same slots.
    pub group: GroupRule,
    /// Slots of an expert; `None`: the rule of the model, which for most families is no limit.
    pub capacity_rule: Option<CapacityRule>,
    /// Multiple of the average load that an expert accepts; `None`: as the checkpoint's configuration says, or 1.
    pub capacity_factor: Option<f64>,
    /// Whether a router that gives every token the same logits is accepted.
    pub allow_constant_router: bool,
}

/// What a report shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportOptions {
    /// Whether it shows the command line and whole paths; without them it can be mailed.
    pub show_command: bool,
}

/// How a run is carried out: none of this changes a result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecutionOptions {
    /// Bytes of memory that the forward pass may take; `None`: a quarter of what machine and limits allow.
    pub memory: Option<u64>,
    /// Tokens that go through a layer together; `None`: as many as the memory holds.
    pub wave_tokens: Option<usize>,
    /// Whether weight files are identified by size and time instead of their SHA-256.
    pub no_hash: bool,
    /// What to do with a folder that is not empty.
    pub occupied: Occupied,
    /// What is shown in the report.
    pub report: ReportOptions,
    /// The command line that the run records; empty for none.
    pub command_line: Vec<String>,
}

/// The options of every kind of run: a text, and how it is read, routed, counted and carried out.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Plain text: files and folders; `-` is standard input.
    pub corpus: Vec<PathBuf>,
    /// Conversations, which only a drops run reads.
    pub conversations: Option<ConversationOptions>,
    /// How text becomes sequences.
    pub input: InputOptions,
    /// How router logits become assignments.
    pub routing: RoutingOptions,
    /// How statistics are computed.
    pub statistics: StatisticSettings,
    /// How the run is carried out.
    pub execution: ExecutionOptions,
}

impl RunOptions {
    /// Refuses options that contradict each other or leave no slot.
    ///
    /// # Errors
    /// [`Error::Usage`].
    pub(crate) fn check(&self) -> Result<()> {
        if !self.input.bos && !self.statistics.include_bos {
            return Err(Error::usage(
                format!(
                    "{} leaves position 0 out, and with {} that is a token of the text",
                    OptionName::ExcludeBos,
                    OptionName::NoBos
                ),
                "leave one of the two out",
            ));
        }
        match self.routing.capacity_factor {
            Some(factor) if !(factor.is_finite() && factor > 0.0) => Err(Error::usage(
                format!("{}; expected a positive number", OptionName::CapacityFactor.with(factor)),
                format!("for no drops at all use {}", OptionName::CapacityRule.with(CapacityRule::Unlimited)),
            )),
            _ => Ok(()),
        }
    }

    /// The files and folders of the text.
    pub(crate) fn text_paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.corpus.iter().chain(self.conversations.iter().flat_map(|conversations| &conversations.paths))
    }
}

/// `route`: one checkpoint over a text.
#[derive(Clone, Debug, Default)]
pub struct RouteOptions {
    /// The checkpoint; its label is not used.
    pub checkpoint: CheckpointSpec,
    /// Whether the router logits of every token are kept too.
    pub log_logits: bool,
    /// What every kind of run is asked.
    pub run: RunOptions,
}

/// `drift`: the same tokens through several checkpoints of one training run.
#[derive(Clone, Debug, Default)]
pub struct DriftOptions {
    /// Checkpoints, or finished runs of `route` or `import` that stand for them, in the order of training.
    pub checkpoints: Vec<CheckpointSpec>,
    /// Tokens that each was trained on; empty: taken from their names.
    pub training_tokens: Vec<f64>,
    /// A further checkpoint that is not on the time axis.
    pub off_axis: Option<CheckpointSpec>,
    /// Whether the last checkpoint runs again with bf16 activations.
    pub noise_floor: bool,
    /// Whether the experts of every checkpoint are matched to those of the last.
    pub match_experts: bool,
    /// Token ids whose expert shares are followed; empty: the most frequent.
    pub tokens_of_interest: Vec<u32>,
    /// What every kind of run is asked.
    pub run: RunOptions,
}

/// `drops`: conversations and text through one or two checkpoints.
#[derive(Clone, Debug)]
pub struct DropsOptions {
    /// The checkpoint.
    pub checkpoint: CheckpointSpec,
    /// The checkpoint that it is compared with.
    pub compare: Option<CheckpointSpec>,
    /// Positions per bin of the curves.
    pub bin: u32,
    /// Capacity factors at which the forward pass is run again.
    pub exact_replay: Vec<f64>,
    /// Numbers of ranks among which the experts of a layer are divided in contiguous blocks; empty: for imported routes 2, 4 and 8,
    /// where the experts divide so, else none.
    pub expert_parallel: Vec<u32>,
    /// Whether the router logits of every token are kept too.
    pub log_logits: bool,
    /// What every kind of run is asked.
    pub run: RunOptions,
}

impl DropsOptions {
    /// The defaults for a checkpoint.
    pub fn new(checkpoint: CheckpointSpec) -> Self {
        Self {
            checkpoint,
            compare: None,
            bin: Self::default_bin(),
            exact_replay: Vec::new(),
            expert_parallel: Vec::new(),
            log_logits: false,
            run: RunOptions::default(),
        }
    }

    /// The default number of positions per bin.
    pub fn default_bin() -> u32 {
        DropSettings::default().bin
    }
}

/// A strategy of `mitigate`.
#[derive(Clone, Debug, PartialEq)]
pub struct StrategyOption {
    /// What is changed about the routers.
    pub strategy: Strategy,
    /// The checkpoint of frozen routers; `None` for every other strategy.
    pub routers: Option<CheckpointSpec>,
}

impl From<Strategy> for StrategyOption {
    fn from(strategy: Strategy) -> Self {
        let routers = match &strategy {
            Strategy::Frozen(folder) => Some(CheckpointSpec::in_folder(folder)),
            _ => None,
        };
        Self { strategy, routers }
    }
}

/// `mitigate`: a text through one checkpoint, unchanged and with other routers.
#[derive(Clone, Debug, Default)]
pub struct MitigateOptions {
    /// The checkpoint; its label is not used.
    pub checkpoint: CheckpointSpec,
    /// What is changed, one forward pass each; random experts and the hash always run too.
    pub strategies: Vec<StrategyOption>,
    /// Whether every strategy also runs in one layer at a time.
    pub each_layer: bool,
    /// The text that tables of token ids are made from; empty: the text itself, in two folds of documents.
    pub calibration: Vec<PathBuf>,
    /// The Parquet file that the table of token ids is written into.
    pub write_table: Option<PathBuf>,
    /// Whether the router logits of every token are kept too.
    pub log_logits: bool,
    /// What every kind of run is asked.
    pub run: RunOptions,
}

impl MitigateOptions {
    /// The strategies of a run that names none: those that answer the proposals of the paper. Those about slots need a model that
    /// limits them.
    pub fn usual(has_capacity: bool) -> Vec<StrategyOption> {
        let slots = [Strategy::Unlimited, Strategy::Priority(PriorityRule::Probability), Strategy::Reroute];
        let all = [Strategy::Lookup(RareRule::OwnRouter), Strategy::Early];
        all.into_iter().chain(slots.into_iter().filter(|_| has_capacity)).map(Into::into).collect()
    }

    /// Whether a table of token ids is made.
    pub(crate) fn has_lookup(&self) -> bool {
        self.strategies.iter().any(|option| option.strategy.is_lookup())
    }

    /// The checkpoint, and those of frozen routers.
    pub(crate) fn checkpoints(&self) -> impl Iterator<Item = &CheckpointSpec> {
        std::iter::once(&self.checkpoint).chain(self.strategies.iter().filter_map(|option| option.routers.as_ref()))
    }
}
