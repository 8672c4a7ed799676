//! A line of `router_trace_rank*.jsonl`: the choices of one layer in one forward pass.

use serde::Deserialize;

use crate::{import::routes::ABSENT, routing::ExpertId};

/// The line as it is written.
#[derive(Deserialize)]
struct Written {
    step: u64,
    block: Option<String>,
    layer: u16,
    num_tokens: usize,
    topk: usize,
    top_indices: Vec<Vec<i32>>,
    logit_offset: Option<u64>,
    logit_shape: Option<[usize; 2]>,
}

/// The choices of one layer in one pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Training iteration or inference step.
    pub(super) step: u64,
    /// As it is written.
    pub(super) layer: u16,
    /// Tokens.
    pub(super) rows: usize,
    /// Choices of a token.
    pub(super) top_k: usize,
    /// `[rows, top_k]`
    pub(super) experts: Vec<ExpertId>,
    /// Where its logits are, if they were written.
    pub(super) logits: Option<Logits>,
    /// Whether it is of the decoder, not of the layers that predict tokens further ahead.
    pub(super) is_decoder: bool,
}

/// Where the logits of a line are in the file beside it, `[rows, experts]` in bfloat16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Logits {
    /// First byte.
    pub(super) offset: u64,
    /// Scores of a token.
    pub(super) experts: usize,
}

impl Line {
    /// Reads a line.
    ///
    /// # Errors
    /// It is no such object, or its numbers contradict each other.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let Written { step, block, layer, num_tokens, topk, top_indices, logit_offset, logit_shape } =
            serde_json::from_str(text).map_err(|error| format!("cannot be read: {error}"))?;
        if top_indices.len() != num_tokens {
            return Err(format!("has {} rows and says {num_tokens} tokens", top_indices.len()));
        }
        if num_tokens == 0 || topk == 0 || topk > 255 {
            return Err(format!("has {num_tokens} tokens with {topk} choices; expected 1 or more of both"));
        }
        if let Some(row) = top_indices.iter().find(|row| row.len() != topk) {
            return Err(format!("has a row of {} choices and says {topk}", row.len()));
        }
        let expert = |id: &i32| match id {
            -1 => Ok(ABSENT),
            id => ExpertId::try_from(*id).map_err(|_| format!("has `{id}` where an expert is due")),
        };
        let experts = top_indices.iter().flatten().map(expert).collect::<Result<_, _>>()?;
        let logits = match (logit_offset, logit_shape) {
            (Some(offset), Some([rows, experts])) if rows == num_tokens && experts > 0 => {
                Some(Logits { offset, experts })
            }
            (Some(_), shape) => return Err(format!("has logits of the shape {shape:?} for {num_tokens} tokens")),
            (None, _) => None,
        };
        let is_decoder = block.is_none_or(|block| block == "decoder");
        Ok(Self { step, layer, rows: num_tokens, top_k: topk, experts, logits, is_decoder })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_contradict_themselves_are_refused() {
        let line = |rows: &str, tokens: usize| {
            Line::read(&format!(
                r#"{{"step": 0, "layer": 1, "num_tokens": {tokens}, "topk": 2, "top_indices": {rows}}}"#
            ))
        };
        let good = line("[[1, 2], [3, -1]]", 2).unwrap();
        assert_eq!((good.experts, good.is_decoder), (vec![1, 2, 3, ABSENT], true));
        let refused = |rows: &str, tokens: usize, words: &str| {
            let error = line(rows, tokens).unwrap_err();
            assert!(error.contains(words), "{error}");
        };
        refused("[[1, 2]]", 2, "has 1 rows and says 2 tokens");
        refused("[[1]]", 1, "a row of 1 choices and says 2");
        refused("[[1, 70000]]", 1, "`70000` where an expert is due");
        refused("[[1, -2]]", 1, "`-2` where an expert is due");
        refused("[]", 0, "has 0 tokens");
        refused("[[1, 2]", 1, "cannot be read");
        let logits = r#"{"step": 0, "layer": 1, "num_tokens": 1, "topk": 1, "top_indices": [[1]], "logit_offset": 0, "logit_shape": [2, 8]}"#;
        assert!(Line::read(logits).unwrap_err().contains("logits of the shape"));
    }
}
