//! The values of a finding's keys as types: a typo does not compile, and an unknown value in a file is refused.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::catalog::Statistic;

/// Makes an enum of names; with `other`, the names of another such type are names of this one as well.
macro_rules! names {
    ($(#[$about:meta])* $type:ident: $what:literal $(, other $other:ident($others:ty))? {
        $($(#[$doc:meta])* $variant:ident = $name:literal,)*
    }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $type {
            $($(#[$doc])* $variant,)*
            $(
                /// That of another statistic.
                $other($others),
            )?
        }

        impl $type {
            /// The name in files.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                    $(Self::$other(other) => other.name(),)?
                }
            }

            /// The value with a name in files, if this version knows it.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    _ => None$(.or_else(|| <$others>::from_name(name).map(Self::$other)))?,
                }
            }

            /// The same; the error says that the name is unknown.
            pub(super) fn parsed(name: &str) -> Result<Self, String> {
                Self::from_name(name).ok_or_else(|| format!(concat!("`{}` is no ", $what, " of this version"), name))
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        #[cfg(test)]
        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let names: &[&str] = &[$($name),*];
                let others: &[schemars::Schema] = &[$(generator.subschema_for::<$others>())?];
                let _ = generator;
                let own = schemars::json_schema!({ "type": "string", "enum": names });
                let forms: Vec<&schemars::Schema> = std::iter::once(&own).chain(others).collect();
                schemars::json_schema!({ "anyOf": forms })
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::parsed(&String::deserialize(deserializer)?).map_err(de::Error::custom)
            }
        }
    };
}

names! {
    /// What the expert is compared with, or what the rows of a table are about one by one.
    Variable: "variable" {
        /// The token id.
        Token = "token",
        /// The position in the sequence, from 0.
        Position = "position",
        /// A bin of positions.
        PositionBucket = "position_bucket",
        /// The category (domain, language ...) of the document.
        Category = "category",
        /// The id of the token before.
        PreviousToken = "previous_token",
        /// The document.
        Document = "document",
        /// The expert.
        Expert = "expert",
    }
}

names! {
    /// Which of several numbers that one statistic gives for one subject.
    Variant: "variant", other Of(Statistic) {
        /// `expert_repetition`: the first choice repeats.
        First = "first",
        /// `expert_repetition`: the choices share an expert.
        FirstOrSecond = "first_or_second",
        /// `expert_repetition`: the choices share an expert, of more than two.
        Any = "any",
        /// `router_margin`: between first and second gate probability.
        MarginFirst = "margin_first",
        /// `router_margin`: between the last chosen expert and the first that is not.
        MarginK = "margin_k",
        /// Information against choice vectors shuffled within each token id.
        WithinTokenShuffle = "within_token_shuffle",
        /// Information about position against positions moved circularly within each sequence.
        WithinSequenceShift = "within_sequence_shift",
        /// `token_predictability`, `drop_causes`: by the token id.
        Token = "token",
        /// `token_predictability`: by the token id and the one before.
        TokenAndPrevious = "token_and_previous",
        /// `token_predictability`: what the one before adds.
        ContextGain = "context_gain",
        /// `token_predictability`: overlap of the sets.
        TopKOverlap = "top_k_overlap",
        /// `vocabulary_specialization`: every token id alike.
        Unweighted = "unweighted",
        /// `vocabulary_specialization`: every occurrence alike.
        TokenWeighted = "token_weighted",
        /// `vocabulary_specialization`: frequent ids only.
        Frequent = "frequent",
        /// `agreement_by_margin`: shared experts / k.
        Overlap = "overlap",
        /// `agreement_by_margin`: the same set.
        ExactSet = "exact_set",
        /// `agreement_by_margin`, `expert_occupancy`: the first choice.
        FirstChoice = "first_choice",
        /// `expert_occupancy`: the second choice.
        SecondChoice = "second_choice",
        /// `expert_occupancy`: the third choice.
        ThirdChoice = "third_choice",
        /// `expert_occupancy`: the fourth choice.
        FourthChoice = "fourth_choice",
        /// `expert_occupancy`: the fifth choice.
        FifthChoice = "fifth_choice",
        /// `expert_occupancy`: the sixth choice.
        SixthChoice = "sixth_choice",
        /// `expert_occupancy`: the seventh choice.
        SeventhChoice = "seventh_choice",
        /// `expert_occupancy`: the eighth choice.
        EighthChoice = "eighth_choice",
        /// `expert_occupancy`: the ninth choice.
        NinthChoice = "ninth_choice",
        /// `expert_occupancy`: the tenth choice.
        TenthChoice = "tenth_choice",
        /// `expert_occupancy`: the eleventh choice.
        EleventhChoice = "eleventh_choice",
        /// `expert_occupancy`: the twelfth choice.
        TwelfthChoice = "twelfth_choice",
        /// `expert_occupancy`: the thirteenth choice.
        ThirteenthChoice = "thirteenth_choice",
        /// `expert_occupancy`: the fourteenth choice.
        FourteenthChoice = "fourteenth_choice",
        /// `expert_occupancy`: the fifteenth choice.
        FifteenthChoice = "fifteenth_choice",
        /// `expert_occupancy`: the sixteenth choice.
        SixteenthChoice = "sixteenth_choice",
        /// `expert_occupancy`: the last of more than sixteen choices.
        LastChoice = "last_choice",
        /// `token_drift`, `load_drift`: half the summed absolute differences of the shares.
        TotalVariation = "total_variation",
        /// `token_drift`: the largest share stays with its expert.
        ArgmaxKept = "argmax_kept",
        /// `load_drift`: cosine of the shares.
        Cosine = "cosine",
        /// `drop_causes`: by role.
        Role = "role",
        /// `drop_causes`: by message.
        Turn = "turn",
        /// `drop_trend`: last quarter minus first.
        LastMinusFirst = "last_minus_first",
        /// `drop_trend`: the same less what random order gives.
        LastMinusFirstExcess = "last_minus_first_excess",
        /// `drop_trend`: per 1,000 positions.
        Slope = "slope",
        /// `drop_trend`: first quarter less the middle.
        FirstMinusMiddle = "first_minus_middle",
        /// `drop_trend`: last quarter less the middle.
        LastMinusMiddle = "last_minus_middle",
        /// `capacity_replay`: smallest factor that drops at most 0.1 %.
        FactorForATenthPercent = "factor_for_0.1_percent",
        /// `capacity_replay`: smallest factor that drops at most 1 %.
        FactorForOnePercent = "factor_for_1_percent",
        /// `capacity_replay`: smallest factor that drops at most 5 %.
        FactorForFivePercent = "factor_for_5_percent",
        /// `dropped_tokens`: every choice has its slot.
        Kept = "kept",
        /// `dropped_tokens`: no choice has one.
        AllDropped = "all_dropped",
        /// `dropped_tokens`: the first choice has none.
        FirstDropped = "first_dropped",
        /// `dropped_tokens`: the second choice has none, the first has.
        SecondDropped = "second_dropped",
        /// `dropped_tokens`: one of several later choices has none, the first has.
        LaterDropped = "later_dropped",
    }
}

names! {
    /// What a list is ranked by.
    Ranking: "ranking" {
        /// By count.
        Count = "count",
        /// By log-odds.
        LogOdds = "log_odds",
    }
}

names! {
    /// Who gets a slot first in a replay. First choices queue before second choices under every priority.
    Priority: "priority" {
        /// In the order of the text, as trained.
        Position = "position",
        /// In descending order of the gate probability of the first choice, ties by position: batch-prioritized routing
        /// (V-MoE, arXiv 2106.05974, with the maximum gate as the score).
        GateProbability = "gate_probability",
        /// In one seeded random order of the tokens of the group.
        Random = "random",
    }
}

names! {
    /// Which sequences a curve over positions follows, where these are not all that reach a position.
    Cohort: "cohort" {
        /// Those that reach the end of the window, the same at every position of it.
        Fixed = "fixed",
    }
}

names! {
    /// What a number is compared with, and how that was computed.
    BaselineKind: "kind of baseline" {
        /// Every expert alike, in closed form.
        Uniform = "uniform",
        /// The share of the same expert over all assignments of the layer.
        OverallShare = "overall_share",
        /// The observed loads, but independent choices.
        LoadMatched = "load_matched",
        /// The same, from seeded pairs of rows instead of all pairs.
        LoadMatchedDrawn = "load_matched_drawn",
        /// The observed loads, and otherwise the most even pairs of experts.
        MaximumEntropy = "maximum_entropy",
        /// Choice vectors permuted over all occurrences.
        OccurrenceShuffle = "occurrence_shuffle",
        /// Choice vectors permuted among the occurrences of each token id.
        WithinTokenShuffle = "within_token_shuffle",
        /// The positions of every sequence moved circularly by a random amount.
        WithinSequenceShift = "within_sequence_shift",
        /// Category labels permuted over documents.
        DocumentLabelPermutation = "document_label_permutation",
        /// The most frequent first choice of the layer for every token.
        MajorityExpert = "majority_expert",
        /// The most frequent experts of the layer for every token.
        MajorityExperts = "majority_experts",
        /// 0: the token before adds nothing.
        NoGain = "no_gain",
        /// 0: a token id is as frequent with the expert as in the corpus.
        CorpusFrequency = "corpus_frequency",
        /// The checkpoints route alike.
        NoChange = "no_change",
        /// Random halves of the documents of one checkpoint.
        SplitHalf = "split_half",
        /// The experts of the same number.
        SameNumber = "same_number",
        /// The same number over the whole layer.
        LayerMean = "layer_mean",
        /// Every two occurrences, one of each checkpoint.
        IndependentOccurrences = "independent_occurrences",
        /// Choice vectors permuted within each sequence and queued again.
        WithinSequence = "within_sequence",
        /// Choice vectors permuted over all sequences, of the layer or the data set, and queued again.
        AcrossSequences = "across_sequences",
        /// 0: the order of the text adds nothing.
        NoExcess = "no_excess",
        /// 0: both models alike.
        NoDifference = "no_difference",
        /// The run itself.
        AsRouted = "as_routed",
        /// The replay of the run's choices.
        FirstOrder = "first_order",
        /// 1: an expert is asked for alike by every text.
        PopularEverywhere = "popular_everywhere",
    }
}

impl Priority {
    /// All priorities, in the order in which tables list them.
    pub const ALL: [Self; 3] = [Self::Position, Self::GateProbability, Self::Random];

    /// Who comes first, in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Position => "order of the text",
            Self::GateProbability => "highest gate probability first",
            Self::Random => "random order",
        }
    }
}

/// The grouping of a replay whose groups are those that the run was routed in.
pub const GROUPS_OF_RUN: &str = "run";

/// Who competes under a grouping of a replay ("run", "sequence", "batch:N", "tokens:N"), in words; none for any other.
pub fn grouping_words(grouping: &str) -> Option<String> {
    match grouping.split_once(':') {
        Some(("batch", size)) => Some(format!("groups of {size} sequences")),
        Some(("tokens", size)) => Some(format!("groups of {size} tokens")),
        _ if grouping == GROUPS_OF_RUN => Some("groups of the run".to_owned()),
        _ if grouping == "sequence" => Some("each sequence alone".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_may_be_that_of_another_statistic() {
        let other = Variant::Of(Statistic::GateMassLost);
        assert_eq!(Variant::from_name(other.name()), Some(other));
        assert_eq!(serde_json::to_string(&other).unwrap(), "\"gate_mass_lost\"");
        assert_eq!(Variant::from_name("slope"), Some(Variant::Slope));
        assert_eq!(Variant::from_name("slop"), None);
    }

    #[test]
    fn an_unknown_name_says_what_it_was_to_be() {
        let error = serde_json::from_str::<Priority>("\"rank\"").unwrap_err().to_string();
        assert!(error.contains("`rank` is no priority of this version"), "{error}");
    }
}
