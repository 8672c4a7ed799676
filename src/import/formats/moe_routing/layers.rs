//! Which layers the places of a record are, where it does not say it row by row.

use super::known::{FILE, Known, NAME};
use crate::{
    import::{Header, RecordedLayer},
    routing::LayerId,
};

/// What the routes themselves say of their layers.
pub(super) struct Found<'a> {
    /// Decoder layer indices, where they are told.
    pub(super) ids: Option<&'a [LayerId]>,
    /// Places of layers.
    pub(super) count: usize,
    /// Places of choices.
    pub(super) top_k: usize,
    /// Experts, where there are scores of all.
    pub(super) experts: Option<usize>,
}

impl Known<'_> {
    /// The header of routes: by `routing.json`, by the layers that are told, or by the configuration of the model.
    ///
    /// # Errors
    /// Neither says it, or they contradict each other.
    pub(super) fn header(&self, found: &Found<'_>) -> Result<Header, String> {
        let model = self.opened.model.as_ref();
        if let Some(json) = self.json {
            let header = json.header();
            if matches(&header.layers, found) {
                return check(header, found);
            }
            let of_all =
                |header: Header| model.filter(|model| model.layers == found.count).map(|model| (header, model));
            let Some((header, model)) = of_all(header).filter(|_| found.ids.is_none()) else {
                return Err(format!(
                    "has {}; {FILE} names {} layers that route",
                    told(found),
                    json.header().layers.len()
                ));
            };
            return check(Header { layers: model.recorded(true), may_hold_dense_layers: true, ..header }, found);
        }
        let experts = found.experts.or(model.map(|model| model.num_experts));
        let layer = |layer: LayerId| RecordedLayer { layer, num_experts: experts, top_k: found.top_k };
        if let Some(ids) = found.ids {
            return check(Header::new(NAME, ids.iter().copied().map(layer).collect()), found);
        }
        let model = model.ok_or_else(|| {
            format!("has {}, and does not say which; expected {FILE}, or the configuration of the model", told(found))
        })?;
        let all = found.count == model.layers;
        if !all && found.count != model.moe_layers.len() {
            return Err(format!(
                "has {}; the model has {} layers, of which {} route",
                told(found),
                model.layers,
                model.moe_layers.len()
            ));
        }
        let layers = model.recorded(all).into_iter().map(|of| layer(of.layer)).collect();
        let may_hold_dense_layers = all && model.moe_layers.len() < model.layers;
        check(Header { may_hold_dense_layers, ..Header::new(NAME, layers) }, found)
    }
}

fn told(found: &Found<'_>) -> String {
    format!("{} layers with {} choices", found.count, found.top_k)
}

/// Whether routes are of exactly these layers.
fn matches(layers: &[RecordedLayer], found: &Found<'_>) -> bool {
    let same = |ids: &[LayerId]| layers.iter().map(|layer| layer.layer).eq(ids.iter().copied());
    layers.len() == found.count && found.ids.is_none_or(same)
}

/// Refuses layers that cannot be as they are found.
fn check(header: Header, found: &Found<'_>) -> Result<Header, String> {
    if header.layers.is_empty() || header.layers.len() != found.count {
        return Err(format!("has {} layers; expected {}", found.count, header.layers.len().max(1)));
    }
    if let Some(pair) = header.layers.windows(2).find(|pair| pair[0].layer >= pair[1].layer) {
        return Err(format!("has layer {} before layer {}; expected them to ascend", pair[0].layer, pair[1].layer));
    }
    if let Some(layer) = header.layers.iter().find(|layer| layer.top_k == 0 || layer.top_k > found.top_k) {
        return Err(format!(
            "has {} choices a token; layer {} is said to have {}",
            found.top_k, layer.layer, layer.top_k
        ));
    }
    let fewer = |layer: &&RecordedLayer| layer.num_experts.zip(found.experts).is_some_and(|(said, found)| said > found);
    if let Some(layer) = header.layers.iter().find(fewer) {
        return Err(format!(
            "has logits of {} experts; layer {} is said to have {}",
            found.experts.unwrap_or(0),
            layer.layer,
            layer.num_experts.unwrap_or(0)
        ));
    }
    Ok(header)
}

/// The values of a record of `width` places a layer, each layer cut to its own width.
pub(super) fn cut<T: Copy>(values: Vec<T>, width: usize, widths: &[usize]) -> Vec<T> {
    if widths.iter().all(|wanted| *wanted == width) {
        return values;
    }
    let rows = values.chunks_exact(width.max(1)).zip(widths.iter().cycle());
    rows.flat_map(|(row, wanted)| &row[..*wanted]).copied().collect()
}
