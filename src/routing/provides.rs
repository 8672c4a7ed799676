//! What a trace records besides the experts that every token chose. A forward pass of this program records everything; other
//! engines record less.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Version of the columns of a trace. 1: runs that do not name a version; 2: adds `combine_weight`, and blocks may be absent.
pub const TRACE_SCHEMA: u32 = 2;

/// A part of a trace that may be absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Block {
    /// Which token was routed: `token_id`.
    TokenIds,
    /// The places of the tokens in their text, and so which token is the next one: `position`.
    Positions,
    /// The order of the choices: `choice` 0 is the first one.
    Ranks,
    /// The share of each choice in the router's scores over all experts: `probability`.
    Probability,
    /// The factor of each chosen expert's output: `combine_weight`.
    CombineWeight,
    /// Entropy of the router's scores over all experts: `router/`, `entropy`.
    Entropy,
    /// The score of the first choice minus that of the second: `router/`, `margin_first`.
    MarginFirst,
    /// The score of the last choice minus that of the best expert that was not chosen: `router/`, `margin_k`.
    MarginK,
    /// Which choices found no slot: `dropped`.
    Drops,
    /// The rank of each choice in the queue of its expert: `slot`.
    Slots,
    /// The router's scores of all experts: `logits/`.
    Logits,
    /// The loss of every next token: `losses/`.
    Losses,
}

impl Block {
    /// All blocks.
    pub const ALL: [Self; 12] = [
        Self::TokenIds,
        Self::Positions,
        Self::Ranks,
        Self::Probability,
        Self::CombineWeight,
        Self::Entropy,
        Self::MarginFirst,
        Self::MarginK,
        Self::Drops,
        Self::Slots,
        Self::Logits,
        Self::Losses,
    ];

    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::TokenIds => "token_ids",
            Self::Positions => "positions",
            Self::Ranks => "ranks",
            Self::Probability => "probability",
            Self::CombineWeight => "combine_weight",
            Self::Entropy => "entropy",
            Self::MarginFirst => "margin_first",
            Self::MarginK => "margin_k",
            Self::Drops => "drops",
            Self::Slots => "slots",
            Self::Logits => "logits",
            Self::Losses => "losses",
        }
    }

    /// What is unknown without this block, in words for a reader of statistics.
    pub fn absence(self) -> &'static str {
        match self {
            Self::TokenIds => "the trace records no token ids: which token was routed is unknown",
            Self::Positions => "the trace records no positions: which token follows which is unknown",
            Self::Ranks => "the trace records no order of the choices: which one was the first is unknown",
            Self::Probability => "the trace records no probabilities of the choices",
            Self::CombineWeight => "the trace records no combine weights",
            Self::Entropy => "the trace records no entropy of the router",
            Self::MarginFirst => "the trace records no margin between the first and the second choice",
            Self::MarginK => {
                "the trace records no margin between the last choice and the best expert that was not chosen"
            }
            Self::Drops => "the trace does not record which choices were dropped",
            Self::Slots => "the trace records no slots: the order of the queues is unknown",
            Self::Logits => "the trace records no router logits",
            Self::Losses => "the trace records no losses of the next tokens",
        }
    }
}

/// The name of [`Provides::COUNTS`] in files.
const COUNTS: &str = "counts";

/// The blocks that a trace provides.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Provides(u16);

impl Provides {
    /// Nothing but the experts that every token chose.
    pub const EXPERTS: Self = Self(0);

    /// Less than that: how often every expert was chosen, not by which token.
    pub const COUNTS: Self = Self(1 << 15);

    /// What is unknown with [`Self::COUNTS`], in words for a reader of statistics.
    pub const COUNTS_ALONE: &str = "the record holds numbers of assignments, not the choices of tokens";

    /// What a forward pass of this program records where only the routing is asked for; columns made by hand are treated the same.
    pub fn forward_pass(logits: bool) -> Self {
        let all = Block::ALL.into_iter().fold(Self::EXPERTS, Self::with).without(Block::Losses);
        if logits { all } else { all.without(Block::Logits) }
    }

    /// What a run of the first version records; its manifest does not say so.
    pub fn first_version(logits: bool) -> Self {
        Self::forward_pass(logits).without(Block::CombineWeight)
    }

    /// The same with one more block.
    #[must_use]
    pub fn with(self, block: Block) -> Self {
        Self(self.0 | 1 << block as u16)
    }

    /// The same without a block.
    #[must_use]
    pub fn without(self, block: Block) -> Self {
        Self(self.0 & !(1 << block as u16))
    }

    /// The blocks that both provide.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether the trace has a block.
    pub fn has(self, block: Block) -> bool {
        self.0 & 1 << block as u16 != 0
    }

    /// The first of some blocks that is absent.
    pub fn missing(self, needed: &[Block]) -> Option<Block> {
        needed.iter().copied().find(|block| !self.has(*block))
    }

    /// Whether only numbers of assignments are known: there is no trace then.
    pub fn is_counts(self) -> bool {
        self.0 & Self::COUNTS.0 != 0
    }

    /// Whether the trace has any column of `router/`.
    pub fn has_router(self) -> bool {
        [Block::Entropy, Block::MarginFirst, Block::MarginK].iter().any(|block| self.has(*block))
    }

    fn names(self) -> impl Iterator<Item = &'static str> {
        let counts = self.is_counts().then_some(COUNTS);
        counts.into_iter().chain(Block::ALL.into_iter().filter(move |block| self.has(*block)).map(Block::name))
    }
}

impl Default for Provides {
    fn default() -> Self {
        Self::forward_pass(true)
    }
}

impl std::fmt::Debug for Provides {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// The form in which a manifest records it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RecordedBlocks {
    /// Version of the columns of the trace.
    pub trace_schema: u32,
    /// Names of the blocks that the trace has.
    pub blocks: Vec<String>,
}

impl Serialize for Provides {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let blocks = self.names().map(str::to_owned).collect();
        RecordedBlocks { trace_schema: TRACE_SCHEMA, blocks }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Provides {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let recorded = RecordedBlocks::deserialize(deserializer)?;
        if recorded.trace_schema > TRACE_SCHEMA {
            let newer = recorded.trace_schema;
            return Err(de::Error::custom(format!("a trace_schema up to {TRACE_SCHEMA}, not {newer}")));
        }
        recorded.blocks.iter().try_fold(Self::EXPERTS, |provides, name| {
            let known = Block::ALL.into_iter().find(|block| block.name() == name);
            let counts = (name == COUNTS).then_some(Self(provides.0 | Self::COUNTS.0));
            known
                .map(|block| provides.with(block))
                .or(counts)
                .ok_or_else(|| de::Error::custom(format!("known blocks, not `{name}`")))
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for provides in
            [Provides::EXPERTS, Provides::COUNTS, Provides::forward_pass(true), Provides::first_version(false)]
        {
            let value = json!(provides);
            assert_eq!(value["trace_schema"], TRACE_SCHEMA);
            assert_eq!(serde_json::from_value::<Provides>(value).unwrap(), provides);
        }
        let ids = json!(Provides::EXPERTS.with(Block::TokenIds));
        assert_eq!(ids, json!({ "trace_schema": 2, "blocks": ["token_ids"] }));
    }

    #[test]
    fn a_newer_schema_and_an_unknown_block_are_refused() {
        let refused = |value| serde_json::from_value::<Provides>(value).unwrap_err().to_string();
        let newer = refused(json!({ "trace_schema": 3, "blocks": [] }));
        assert_eq!(newer, "a trace_schema up to 2, not 3");
        let unknown = refused(json!({ "trace_schema": 2, "blocks": ["colour"] }));
        assert_eq!(unknown, "known blocks, not `colour`");
    }

    #[test]
    fn the_first_missing_block_is_named() {
        let provides = Provides::EXPERTS.with(Block::Drops);
        assert_eq!(provides.missing(&[Block::Drops]), None);
        assert_eq!(provides.missing(&[Block::Drops, Block::Ranks, Block::Slots]), Some(Block::Ranks));
    }
}
