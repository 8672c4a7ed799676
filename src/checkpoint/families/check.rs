//! Checks that the sizes of a configuration fit together, and how its weights are quantised.

use super::{
    common::{CHOICES, EXPERTS},
    keys::ConfigKeys,
};
use crate::{
    checkpoint::{
        architecture::{Architecture, Attention, Experts},
        quantised::FOUR_BIT_BLOCK,
        tensor_map::{ExpertNames, FusedForm, TensorNames},
    },
    routing::{GroupScore, RoutingShape},
};

/// More experts than any model has; each may be three tensors, whose names are made before the weights are looked at.
const MOST_EXPERTS_IN_ALL: usize = 1 << 18;

impl ConfigKeys<'_> {
    /// Refuses sizes that contradict each other; sizes that were not found are 0 and reported already.
    pub(super) fn check(&mut self, architecture: &Architecture) {
        self.check_attention(&architecture.attention, architecture.hidden);
        self.check_experts(&architecture.experts);
        let matrices = architecture.layers.len().saturating_mul(architecture.experts.number);
        let expected = format!("at most {MOST_EXPERTS_IN_ALL} experts in all layers");
        self.expect(matrices <= MOST_EXPERTS_IN_ALL, self.spelling(&EXPERTS), architecture.experts.number, &expected);
        let routes = architecture.layers.is_empty() || !architecture.moe_layers().is_empty();
        self.expect(routes, "num_hidden_layers", architecture.layers.len(), "at least one layer that routes");
    }

    fn check_attention(&mut self, attention: &Attention, hidden: usize) {
        let Attention { heads, key_value_heads, key_dim, rotary, .. } = attention;
        let divides = *key_value_heads == 0 || heads.is_multiple_of(*key_value_heads);
        let expected = format!("a divisor of num_attention_heads = {heads}");
        self.expect(divides, "num_key_value_heads", key_value_heads, &expected);
        self.expect(rotary.dim.is_multiple_of(2), "head_dim", rotary.dim, "an even number of rotated dimensions");
        // What is missing was reported where it was read.
        let is_known = hidden > 0 && *heads > 0 && attention.latent().is_none();
        self.expect(!is_known || rotary.dim > 0, "head_dim", key_dim, "at least two rotated dimensions");
        self.expect(rotary.dim <= *key_dim, "head_dim", key_dim, "at least the rotated dimensions");
    }

    fn check_experts(&mut self, experts: &Experts) {
        let Experts { number, chosen, router, .. } = experts;
        let most = RoutingShape::MOST_EXPERTS;
        self.expect(*number <= most, self.spelling(&EXPERTS), number, &format!("at most {most}"));
        let known = *number > 0 && *chosen > 0;
        let most = RoutingShape::MOST_CHOICES.min(*number);
        self.expect(!known || *chosen <= most, self.spelling(&CHOICES), chosen, &format!("at most {most}"));
        let Some(groups) = router.groups.filter(|_| known) else { return };
        let fits = number.is_multiple_of(groups.number);
        self.expect(fits, "n_group", groups.number, &format!("a divisor of {number} experts"));
        let size = number / groups.number;
        let enough = groups.score != GroupScore::TwoLargest || size >= 2;
        self.expect(enough, "n_group", groups.number, &format!("groups of at least 2 of {number} experts"));
        let expected = format!("at most n_group = {}", groups.number);
        self.expect(groups.kept <= groups.number, "topk_group", groups.kept, &expected);
        let expected = format!("groups that hold at least {} = {chosen} experts", self.spelling(&CHOICES));
        self.expect(groups.kept * size >= *chosen, "topk_group", groups.kept, &expected);
    }

    /// Whether `quantization_config` says that experts are stored in four bits.
    pub(super) fn has_four_bits(&mut self) -> bool {
        self.within(&["quantization_config"], |keys| keys.text(&["quant_method"], ""))
            .is_some_and(|name| name == "mxfp4")
    }

    /// Rows and columns of a block of 8-bit numbers with a common scale; refuses any other quantisation.
    pub(super) fn scaled_block(&mut self, names: &TensorNames) -> Option<[usize; 2]> {
        let is_four_bits = matches!(names.experts, ExpertNames::Fused { form: FusedForm::Mxfp4, .. });
        let block = self.within(&["quantization_config"], |keys| {
            let method = keys.text(&["quant_method"], "");
            if is_four_bits && method == "mxfp4" {
                return None;
            }
            let expected = "fp8 with weight_block_size, or mxfp4 in gpt-oss";
            keys.expect(method == "fp8", "quant_method", &method, expected);
            let format = keys.text(&["fmt"], "e4m3");
            keys.expect(format == "e4m3", "fmt", &format, "e4m3");
            let block = keys.counts(&["weight_block_size"]);
            let sizes = <[usize; 2]>::try_from(block.clone()).ok().filter(|sizes| sizes.iter().all(|size| *size > 0));
            let found = format!("{block:?}");
            keys.expect(sizes.is_some() || method != "fp8", "weight_block_size", found, "rows and columns of a block");
            sizes
        });
        block.flatten()
    }

    /// Refuses rows that do not consist of whole blocks of four-bit numbers.
    pub(super) fn check_four_bits(&mut self, architecture: &Architecture) {
        for (key, size) in [("hidden_size", architecture.hidden), ("intermediate_size", architecture.experts.mlp.inner)]
        {
            self.expect(
                size.is_multiple_of(FOUR_BIT_BLOCK),
                key,
                size,
                "a multiple of 32, for blocks of four-bit numbers",
            );
        }
    }
}
