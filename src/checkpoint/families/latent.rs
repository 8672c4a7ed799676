//! Multi-head latent attention, as DeepSeek-V2 and V3 have it.

use super::{common::Defaults, keys::ConfigKeys};
use crate::checkpoint::architecture::{Architecture, Attention, Latent, Pairs, Projection};

/// Added to the mean square of a latent, whatever the other norms have.
const EPSILON: f64 = 1e-6;

impl ConfigKeys<'_> {
    /// Gives an architecture latent attention: every head has its own keys and values, and `head_dim` means nothing.
    pub(super) fn latent_attention(&mut self, architecture: &mut Architecture, defaults: &Defaults) {
        let plain_dim = self.size(&["qk_nope_head_dim"], None);
        let rotated = self.size(&["qk_rope_head_dim"], None);
        let latent = Latent {
            query_rank: self.optional_size(&["q_lora_rank"]),
            key_value_rank: self.size(&["kv_lora_rank"], None),
            plain_dim,
            epsilon: EPSILON,
        };
        let mut rotary = self.rotary(rotated, defaults, architecture.longest_sequence);
        if self.truth(&["rope_interleave"], true) {
            rotary.pairs = Pairs::Interleaved;
        }
        let key_dim = plain_dim + rotated;
        let attention = &architecture.attention;
        architecture.attention = Attention {
            key_value_heads: attention.heads,
            key_dim,
            value_dim: self.size(&["v_head_dim"], None),
            scale: (key_dim as f64).powf(-0.5) * self.latent_score_factor(&rotary.scaling),
            projection: Projection::Latent(latent),
            rotary,
            ..attention.clone()
        };
    }
}
