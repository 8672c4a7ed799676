//! What can be claimed about a run, and the answers. The names are those of `verdicts` in `summary.json`.

use serde::Serialize;

/// A claim with its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "claim", content = "answer", rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Answer {
    /// Routing follows only the token id, whatever the context is.
    ContextIndependent(Independence),
    /// Some layers follow the token id measurably more than others.
    LayersDiffer(LayersDiffer),
    /// The context variable that explains most of what the token id leaves open, and whether that is more than a tenth.
    StrongestContext(ContextAdds),
    /// The expert that takes most of a category, compared with an even load.
    ClearestSpecialist(Measured),
    /// The expert that takes most of all text, compared with an even load.
    BusiestExpert(Measured),
    /// A layer has half of its final agreement before the last checkpoint of the time axis.
    HalfOfFinalAgreement(HalfReached),
    /// How far the layer that agrees least is on the way to its final agreement at the last checkpoint but one.
    LastButOneAgrees(Measured),
    /// How many first choices differ between a checkpoint beside the time axis and its last one.
    FirstChoiceDiffers(Measured),
    /// How many first choices bf16 arithmetic alone changes: the noise floor.
    FirstChoiceDiffersByArithmetic(Measured),
    /// The experts of a token id moved by more than sampling noise.
    TokenMoved(Moved),
    /// Later tokens of a sequence are dropped more than earlier ones.
    LaterTokensDroppedMore(LaterTokens),
    /// The difference between later and earlier tokens, minus the same difference in random order.
    DiffersFromRandomOrder(Side),
    /// At least half of the rise is there in random order too.
    RiseIsTheQueue(RiseIsTheQueue),
    /// How many of the intervals of the difference from random order do not contain 0.
    IntervalsMissZero(Measured),
    /// The largest drop ratio of a layer.
    MostIsDropped(Measured),
    /// How much each role loses in the layer that drops most.
    DroppedByRole(Measured),
    /// Which queue overflows most, and which tokens fill it.
    QueueOverflows(Measured),
    /// The capacity factor that would drop at most 1 % of the assignments.
    CapacityFactorForOnePercent(Measured),
    /// By how much the ranks of an expert-parallel placement wait for the one with the largest load.
    RanksWaitForTheSlowest(Measured),
    /// A model drops more than the one that it is compared with.
    DropRatioDiffers(Side),
    /// The drops of a model rise more within a sequence than those of the one that it is compared with.
    DropTrendDiffers(Side),
    /// The loss of the next token is higher with a strategy than with the unchanged model.
    LossRises(Side),
    /// The loss behind tokens that lose an expert is higher with capacity than without.
    DroppingHurts(Side),
}

/// Whether routing follows the token id alone, from the ends of the intervals and never from a point estimate. Of the
/// first seven the one that fits least comes last.
///
/// With `t` the interval of the share that the token id explains, and `c` the interval of the share that a context
/// variable (document, previous token, category, position) adds once the token id is known:
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Independence {
    /// Less than 0.05 bits are left, and the lower end of `t` is at least 0.95 or every token id always has the same experts.
    Fully,
    /// The lower end of `t` is at least 0.95; or it is at least 0.5, and the upper end of every `c` is at most 0.1.
    Yes,
    /// The lower end of `t` is at least 0.5, but the interval of some `c` contains 0.1, and none lies above it.
    AtLeastMostly,
    /// The lower end of `t` is at least 0.5, but some `c` lies above 0.1.
    Mostly,
    /// The interval of `t` contains 0.5.
    Undecided,
    /// The upper end of `t` is below 0.5, but no `c` lies above 0.1: neither is shown to decide.
    Unexplained,
    /// The upper end of `t` is below 0.5, and some `c` lies above 0.1.
    No,
    /// Hardly any token has other experts than the rest: there are less than 0.05 bits to explain.
    NearlyConstantRouter,
    /// Every token gets the same experts.
    ConstantRouter,
    /// The interval of the token id is not known, or that of every context variable where one is needed.
    NotEnoughData,
}

impl Independence {
    /// Whether the token id and the context were judged.
    pub fn is_judged(self) -> bool {
        self <= Self::No
    }

    /// Whether there is nothing to explain.
    pub fn is_constant(self) -> bool {
        matches!(self, Self::ConstantRouter | Self::NearlyConstantRouter)
    }
}

/// Whether a context variable explains more than a tenth of what the token id leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum ContextAdds {
    /// The interval of the strongest lies above a tenth.
    MoreThanATenth,
    /// No interval of any context reaches above a tenth.
    AtMostATenth,
    /// Some interval contains a tenth.
    Undecided,
}

/// Whether the layers follow the token id measurably differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum LayersDiffer {
    /// The interval of the layer that follows it most lies above that of the one that follows it least.
    Yes,
    /// These two intervals overlap.
    NotMeasurably,
    /// Only one layer has enough data.
    OnlyOneLayer,
}

/// Whether half of the way from load-matched chance to full agreement with the last checkpoint is behind a layer before that
/// checkpoint: at one of them and all later ones the lower end of the interval of that share is at least 0.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum HalfReached {
    /// It is; of all layers together: in every layer that could be judged.
    Yes,
    /// In some of the layers, not in all.
    InSomeLayers,
    /// It is not; of all layers together: in none.
    No,
    /// There is one checkpoint, which has nothing to agree with.
    OneCheckpoint,
    /// The experts' loads alone force full agreement.
    ConstantRouter,
    /// Numbers or intervals are missing.
    NotEnoughData,
}

/// A claim that is a number rather than yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Measured {
    /// The number is there.
    Measured,
}

/// Whether the experts of a token id moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Moved {
    /// The interval of the distance lies above the noise floor.
    Yes,
}

/// Whether later tokens are dropped more: the drop ratio of the last quarter of a sequence less that of the first, and what is
/// left of the difference above random order, each by its interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum LaterTokens {
    /// More, and by more than in random order.
    MoreThanInRandomOrder,
    /// More, but by less than in random order.
    LessThanInRandomOrder,
    /// More, but by no more than in random order.
    AsInRandomOrder,
    /// More; nothing says what random order would give.
    More,
    /// Less.
    Less,
    /// The interval contains 0; of all layers together: in no layer more or less.
    NoTrend,
    /// Of all layers together: more in some.
    MoreInSomeLayers,
    /// Of all layers together: less in some.
    LessInSomeLayers,
    /// Of all layers together: more in some, less in others.
    MoreInSomeLessInOthers,
    /// Nothing is dropped.
    NothingDropped,
    /// No trend was measured.
    NotMeasured,
    /// The interval is not known.
    NotEnoughData,
}

impl LaterTokens {
    /// Whether a layer drops later tokens more.
    pub fn is_more(self) -> bool {
        matches!(self, Self::MoreThanInRandomOrder | Self::LessThanInRandomOrder | Self::AsInRandomOrder | Self::More)
    }

    /// Whether the interval of the trend is known.
    pub fn is_known(self) -> bool {
        !matches!(self, Self::NotMeasured | Self::NotEnoughData)
    }
}

/// On which side of 0 an interval lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Side {
    /// Above.
    Above,
    /// Below.
    Below,
    /// It contains 0.
    NotMeasurably,
    /// There is no interval.
    NotEnoughData,
}

/// Whether a rise of the drops within a sequence is that of a queue that fills: whether at least half of it is there in random
/// order too, by the upper end of what is left and the lower end of the rise, in the layer where that share is least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum RiseIsTheQueue {
    /// It is.
    AtLeastHalf,
    /// It cannot be told.
    NotShown,
}
