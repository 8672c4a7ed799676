//! One file a format, and the table of them.

mod esft;
mod flame;
mod imatrix;
mod megatron;
mod megatron_counts;
mod moe_routing;
mod olmoe;
mod openmoe_json;
mod responses;
mod router_logits;
mod sglang;
mod slime;
mod trtllm;
mod vllm;

use super::format::Format;

/// Every format, in the order in which they are tried.
pub(super) const ALL: &[Format] = &[
    moe_routing::FORMAT,
    trtllm::FORMAT,
    imatrix::FORMAT,
    megatron_counts::FORMAT,
    megatron::FORMAT,
    openmoe_json::FORMAT,
    router_logits::FORMAT,
    esft::FORMAT,
    flame::FORMAT,
    olmoe::FORMAT,
    sglang::FORMAT,
    slime::FORMAT,
    vllm::FORMAT,
];
