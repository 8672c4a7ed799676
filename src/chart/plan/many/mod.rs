//! Charts of models with many layers or experts: one picture of all layers instead of one for each, and only the most telling
//! experts. [`super::room`] decides when they are used.

mod curves;
mod maps;
mod pairs;
mod shares;
mod tokens;

pub(super) use curves::{Series, arrangement, bars_in_words, over_layers, side_by_side, side_by_side_words};
pub(super) use maps::{LayerMap, figure, from_zero, multiples};
pub(super) use pairs::{coactivation, divergence, most_coactivated};
pub(super) use shares::{CategoryWords, RadarKeys, category_maps, load, radars};
pub(super) use tokens::{busiest_tokens, busy_and_idle_tokens};
