//! The keys of the rotary embedding.

use super::{common::Defaults, keys::ConfigKeys};
use crate::checkpoint::architecture::{Pairs, Rotary, RotaryScaling};

/// Where scaling is described: in files of the hub, and as transformers 5 writes them.
const SCALING: [&str; 2] = ["rope_scaling", "rope_parameters"];
/// The spellings of the type of scaling.
const TYPE: [&str; 2] = ["rope_type", "type"];
const ORIGINAL: &str = "original_max_position_embeddings";

impl<'a> ConfigKeys<'a> {
    /// The rotary embedding of so many dimensions, in pairs of halves.
    pub(super) fn rotary(&mut self, dim: usize, defaults: &Defaults, longest_sequence: usize) -> Rotary {
        let inner = self.within(&["rope_parameters"], |keys| keys.optional_positive(&["rope_theta"])).flatten();
        let outer = self.optional_positive(&["rope_theta"]);
        if let Some((outer, inner)) = outer.zip(inner) {
            let expected = format!("the {inner} of rope_parameters");
            self.expect(outer == inner, "rope_theta", outer, &expected);
        }
        let dim = self.rotated(dim, defaults.rotated);
        let original = self.optional_size(&[ORIGINAL]);
        let scaling = self.within(&SCALING, |keys| keys.scaling(dim, defaults.longrope, original, longest_sequence));
        let theta = outer.or(inner).unwrap_or(defaults.theta);
        self.expect(theta > 1.0, "rope_theta", theta, "a number above 1");
        Rotary { theta, dim, pairs: Pairs::Half, scaling: scaling.unwrap_or(RotaryScaling::None) }
    }

    /// How many dimensions of so many are rotated; only a family that says so may leave some out.
    fn rotated(&mut self, dim: usize, default: f64) -> usize {
        const SHARE: &str = "partial_rotary_factor";
        let inner = self.within(&["rope_parameters"], |keys| keys.optional_positive(&[SHARE])).flatten();
        let share = self.optional_positive(&[SHARE]).or(inner).unwrap_or(default);
        let (fits, expected) = if default < 1.0 { (share <= 1.0, "at most 1") } else { (share == 1.0, "1") };
        self.expect(fits, SHARE, share, expected);
        (dim as f64 * share) as usize
    }

    /// The scaling that an object describes.
    fn scaling(
        &mut self,
        dim: usize,
        longrope: bool,
        original: Option<usize>,
        longest_sequence: usize,
    ) -> RotaryScaling {
        let inner = self.optional_size(&[ORIGINAL]);
        // Phi's own key at the top has priority.
        let original = original.or(inner).unwrap_or(longest_sequence);
        let (spelling, types) =
            (self.spelling(&TYPE), if longrope { "default, yarn or longrope" } else { "default or yarn" });
        let is_told = self.has(spelling) || !["factor", "short_factor"].iter().any(|key| self.has(key));
        self.expect(is_told, spelling, "missing beside a factor", types);
        match self.text(&TYPE, "default").as_str() {
            "default" => RotaryScaling::None,
            "yarn" => self.yarn(original, longest_sequence),
            "longrope" if longrope => self.longrope(dim, original),
            other => {
                self.expect(false, spelling, other, types);
                RotaryScaling::None
            }
        }
    }

    fn yarn(&mut self, original: usize, longest_sequence: usize) -> RotaryScaling {
        let factor = self.positive(&["factor"], longest_sequence as f64 / original.max(1) as f64);
        let (strength, all) = (self.number(&["mscale"], 0.0), self.number(&["mscale_all_dim"], 0.0));
        let magnitude = |strength| RotaryScaling::yarn_magnitude(factor, strength);
        let of_strength =
            if strength != 0.0 && all != 0.0 { magnitude(strength) / magnitude(all) } else { magnitude(1.0) };
        RotaryScaling::Yarn {
            factor,
            fast: self.positive(&["beta_fast"], 32.0),
            slow: self.positive(&["beta_slow"], 1.0),
            original,
            whole_dimensions: self.truth(&["truncate"], true),
            magnitude: self.optional_positive(&["attention_factor"]).unwrap_or(of_strength),
        }
    }

    fn longrope(&mut self, dim: usize, original: usize) -> RotaryScaling {
        let mut factors = |key: &'a str| {
            let factors = self.positives(&[key]);
            let expected = format!("{} numbers, one for each pair of dimensions", dim / 2);
            self.expect(factors.len() == dim / 2, key, format_args!("{} numbers", factors.len()), &expected);
            factors
        };
        let (short, long) = (factors("short_factor"), factors("long_factor"));
        let mut magnitude = |key: &'a str| {
            let found = self.optional_positive(&[key]);
            self.expect(found.is_some(), key, "missing", "a positive number");
            found.unwrap_or(1.0)
        };
        let (short_magnitude, long_magnitude) = (magnitude("short_mscale"), magnitude("long_mscale"));
        RotaryScaling::Long { short, long, short_magnitude, long_magnitude, original }
    }

    /// What yarn multiplies the scores of multi-head latent attention by.
    pub(super) fn latent_score_factor(&mut self, scaling: &RotaryScaling) -> f64 {
        let RotaryScaling::Yarn { factor, .. } = scaling else { return 1.0 };
        let strength = self.within(&SCALING, |keys| keys.number(&["mscale_all_dim"], 0.0)).unwrap_or(0.0);
        if strength == 0.0 { 1.0 } else { RotaryScaling::yarn_magnitude(*factor, strength).powi(2) }
    }
}
