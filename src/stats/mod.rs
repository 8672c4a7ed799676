//! Numbers with intervals and baselines, computed from the routing trace alone. Never draws, never prints.
//!
//! [`route_statistics`] turns one layer into tables of [`Finding`]s; [`STATISTICS`] lists what they hold. The rules
//! for all of them: two views (chosen, kept); whole documents are the unit of every interval (see `resample`); whole
//! choice vectors, or labels of whole documents, are the unit of every permutation (see `plain`, `information`,
//! `label_null`); too few data withhold a number with its reason; the same input, seed and version give the same
//! numbers for any number of threads, because work is divided into independent permutations, resamples and tables that
//! are collected in order, never by thread.

#![allow(clippy::doc_markdown, reason = "the documentation is full of formulae, which backticks would break up")]

mod catalog;
mod category;
mod category_order;
mod cell;
mod cells;
mod coactivation;
mod contrast;
mod counts;
mod drift;
mod drops;
mod entropy;
mod few_of_many;
mod finding;
mod information;
mod label_null;
mod languages;
mod load;
mod maximum_entropy;
mod mitigation;
mod names;
mod needs;
mod occurrence_shuffle;
mod occurrences;
mod overlap;
mod position_null;
mod positions;
mod predictability;
mod profile;
mod question;
mod repetition;
mod resample;
mod route;
mod router;
mod settings;
mod share;
mod shown_rows;
mod spread;
mod study;
mod subject;
mod table;
mod table_builder;
mod thousands;
pub mod verdict;
mod vocabulary;
mod vocabulary_sums;

pub use catalog::{STATISTICS, Statistic, StatisticInfo};
pub use category::{CATEGORIES_SHOWN, cramers_v, jensen_shannon, keep_shown_categories};
pub use category_order::{clustered, in_clusters};
pub use contrast::{
    CarrierToken, Carriers, Condition, ConditionKey, Contrast, ContrastLayer, ContrastRow, ContrastSettings,
    ContrastStudy, ContrastedExpert, FALSE_DISCOVERY_RATE, LayerSide, Side, difference_and_interval, fixed, points,
    share_and_interval, share_words,
};
pub use counts::count_statistics;
pub use drift::{
    DriftLayer, DriftPoint, DriftSettings, DriftSource, Matching, drift_statistics, match_experts, overlap_chance,
};
pub use drops::{
    AskedCapacity, DropLayer, DropSettings, DropStudy, OwnCapacity, drop_difference, drop_statistics, drop_study,
    drop_trend, exact_replay, is_of_every_model,
};
pub(crate) use few_of_many::{LAYERS_EACH, evenly_spread, largest_together};
pub use finding::Finding;
pub use languages::{Languages, language_of, quoted_category, with_language};
pub use load::load_statistics;
pub use maximum_entropy::maximum_entropy_pairs;
pub use mitigation::{
    Changed, DropCost, Exposure, Exposures, LEAST_OCCURRENCES, LossStudy, MITIGATION, Measure, MitigationRow, PartKind,
    Parts, RoutingChange, RoutingPair, Scale, ShareOf, folds, mitigation_from_parquet, mitigation_to_csv,
    mitigation_to_parquet, nats_words, share_of_random_words, size_words,
};
pub use names::{BaselineKind, Cohort, GROUPS_OF_RUN, Priority, Ranking, Variable, Variant, grouping_words};
pub use needs::Needs;
pub(crate) use positions::is_drawn_alone;
pub use profile::{
    CategoryExpert, CategoryLayer, Example, ExpertProfile, LayerProfiles, Lift, Mean, OnceKnown, Part, Partner, Rate,
    Router, TokenCategory, TokenClass, TokenExpert, TokenKind, TokenLayer, TopToken, is_special_token,
};
pub use repetition::uniform_repetition;
pub use route::{headline, merge, route_statistic, route_statistics};
pub use settings::Settings;
pub use spread::{routing_noise_variance, routing_std_ceiling};
pub use subject::{Name, Scope, Subject};
pub use table::{StatisticTable, Tables};
pub use table_builder::{TableBuilder, TableBuilders, append};
pub use thousands::{counted, thousands};

pub use crate::trace::{Role, is_hidden, shown, shown_in_text};
