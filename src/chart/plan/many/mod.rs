//! One picture of all layers in the place of one for each, and of many experts the few that say most. [`super::room`] decides
//! when.

mod curves;
mod maps;
mod pairs;
mod shares;
mod tokens;

pub(super) use curves::{Series, over_layers, side_by_side, side_by_side_words};
pub(super) use maps::{LayerMap, figure};
pub(super) use pairs::{coactivation, divergence, most_coactivated, ratio};
pub(super) use shares::{RadarKeys, category_maps, load, radars};
pub(super) use tokens::{busiest_tokens, busy_and_idle_tokens};
