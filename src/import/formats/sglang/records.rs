//! The records of the recorder's files, one for each forward pass.

use super::rebuild::Pass;
use crate::{
    error::Result,
    import::{
        number_array::{NumberArray, shape_text},
        torch_file::{Content, TorchFile},
    },
    pickle::Index,
    routing::ExpertId,
};

/// Name of the format.
pub(super) const NAME: &str = "sglang";

/// One record: the pass, and which values of the file hold its routes and counts.
pub(super) struct Record {
    /// `forward_pass_id`.
    pub(super) id: u64,
    /// The process that wrote it.
    pub(super) rank: usize,
    value: Index,
}

/// Whether a file has the routes of tokens, and not counts alone.
///
/// # Errors
/// It cannot be read.
pub(super) fn holds_rows(file: &TorchFile) -> Result<bool> {
    let content = file.content()?;
    let records = content.get(content.root(), "records").and_then(|records| content.items(records)).unwrap_or_default();
    Ok(records.iter().any(|record| content.get(*record, "topk_ids_of_layer").is_some()))
}

/// The records of a file in the order of the passes. Those of a second model that drafts tokens are left out.
///
/// # Errors
/// [`crate::error::Error::Corpus`] if there are none, or one lacks its keys.
pub(super) fn records(content: &Content<'_>) -> Result<Vec<Record>> {
    let list = content.get(content.root(), "records").and_then(|records| content.items(records));
    let list = list.ok_or_else(|| content.refused("has no list `records`; expected a file of the recorder"))?;
    let mut records = Vec::with_capacity(list.len());
    for (at, value) in list.into_iter().enumerate() {
        let number = |key: &str| content.get(value, key).and_then(|value| content.count(value));
        let gatherer = content.get(value, "gatherer_key").and_then(|value| content.text(value));
        if gatherer.is_some_and(|key| key != "primary") {
            continue;
        }
        let missing = |key: &str| content.refused(&format!("has no `{key}` in record {at}"));
        let id = number("forward_pass_id").ok_or_else(|| missing("forward_pass_id"))? as u64;
        let rank = number("rank").ok_or_else(|| missing("rank"))?;
        records.push(Record { id, rank, value });
    }
    records.sort_by_key(|record| record.id);
    Ok(records)
}

impl Record {
    /// Tokens and positions of the pass.
    ///
    /// # Errors
    /// [`crate::error::Error::Corpus`] if they are not there.
    pub(super) fn pass(&self, content: &mut Content<'_>) -> Result<Pass> {
        let token_ids = self.list(content, "input_ids")?;
        let positions = self.list(content, "positions")?;
        let lengths = content.get(self.value, "extend_seq_lens").and_then(|value| content.items(value));
        let lengths = lengths.map(|items| {
            let counts: Option<Vec<usize>> = items.iter().map(|item| content.count(*item)).collect();
            counts.ok_or_else(|| self.refused(content, "extend_seq_lens", "holds something else than numbers"))
        });
        Ok(Pass { token_ids, positions, lengths: lengths.transpose()? })
    }

    fn list(&self, content: &mut Content<'_>, key: &str) -> Result<Vec<u32>> {
        let value = content.get(self.value, key).ok_or_else(|| self.refused(content, key, "is not there"))?;
        content.numbers(value).map_err(|what| self.refused(content, key, &what))
    }

    /// The routes, `[layers, tokens, width]`, with their shape.
    ///
    /// # Errors
    /// [`crate::error::Error::Corpus`] if they are not there, or of another shape.
    pub(super) fn routes(&self, content: &mut Content<'_>) -> Result<(Vec<ExpertId>, [usize; 3])> {
        let array = self.array(content, "topk_ids_of_layer")?;
        let shape = <[usize; 3]>::try_from(array.shape()).map_err(|_| {
            let what = format!("has the shape {}; expected [layers, tokens, choices]", shape_text(array.shape()));
            self.refused(content, "topk_ids_of_layer", &what)
        })?;
        Ok((array.whole().map_err(|what| self.refused(content, "topk_ids_of_layer", &what))?, shape))
    }

    /// Assignments by layer and physical expert.
    ///
    /// # Errors
    /// [`crate::error::Error::Corpus`] if they are not there.
    pub(super) fn counts(&self, content: &mut Content<'_>) -> Result<NumberArray> {
        self.array(content, "global_physical_count")
    }

    fn array(&self, content: &mut Content<'_>, key: &str) -> Result<NumberArray> {
        let value = content.get(self.value, key).ok_or_else(|| self.refused(content, key, "is not there"))?;
        content.array(value).map_err(|what| self.refused(content, key, &what))
    }

    /// An error about a key of this record.
    pub(super) fn refused(&self, content: &Content<'_>, key: &str, what: &str) -> crate::error::Error {
        content.refused(&format!("in the record of pass {}: `{key}` {what}", self.id))
    }
}

/// The last map from places of experts to experts, by decoder layer.
///
/// # Errors
/// [`crate::error::Error::Corpus`] if it is not there, or has another shape.
pub(super) fn physical_to_logical(content: &mut Content<'_>) -> Result<Vec<Vec<ExpertId>>> {
    let key = "last_physical_to_logical_map";
    let value = content.get(content.root(), key);
    let value = value.ok_or_else(|| content.refused(&format!("has no `{key}`; ids of places cannot be mapped")))?;
    let refused = |content: &Content<'_>, what: String| content.refused(&format!("has a `{key}` that {what}"));
    let array = content.array(value).map_err(|what| refused(content, what))?;
    let [_, places] = *array.shape() else {
        return Err(refused(
            content,
            format!("has the shape {}; expected [layers, places]", shape_text(array.shape())),
        ));
    };
    if array.shape().contains(&0) {
        return Err(refused(content, format!("has the shape {}: it maps nothing", shape_text(array.shape()))));
    }
    let map: Vec<ExpertId> = array.whole().map_err(|what| refused(content, what))?;
    Ok(map.chunks_exact(places).map(<[ExpertId]>::to_vec).collect())
}
