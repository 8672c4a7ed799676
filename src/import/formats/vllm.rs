//! vLLM: responses with `routed_experts`, of the OpenAI API or of `LLM.generate`, one a line. lmdeploy and TensorRT-LLM have the
//! same keys.

use super::responses;
use crate::{
    error::Result,
    import::{format::Format, source::Source},
};

/// The format.
pub(super) const FORMAT: Format = Format {
    name: "vllm",
    title: "vLLM, TensorRT-LLM, lmdeploy: responses with routed_experts, one a line",
    recognises,
    files: |source| source.mostly("jsonl"),
    open: |opened| responses::open(opened, FORMAT.name),
};

fn recognises(source: &Source) -> Result<bool> {
    source.first_line_has(&["choices", "outputs", "routed_experts", "prompt_token_ids"])
}
