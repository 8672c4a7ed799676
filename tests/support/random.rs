//! The one source of random numbers of the tests: the same for the same seed, on every machine and in every version.

use openmoe_analyze::routing::ExpertId;

/// `SplitMix64`.
#[derive(Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        (self.word() % u64::from(bound)) as u32
    }

    /// Uniform in [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        (self.word() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform in [0, 1), on the coarser grid of `f32`.
    pub(crate) fn unit_f32(&mut self) -> f32 {
        (self.word() >> 40) as f32 / (1 << 24) as f32
    }

    /// `k` distinct experts in random order.
    pub(crate) fn subset(&mut self, experts: usize, k: usize) -> Vec<ExpertId> {
        let mut all: Vec<ExpertId> = (0..experts as ExpertId).collect();
        for i in 0..k {
            all.swap(i, i + self.below((experts - i) as u32) as usize);
        }
        all.truncate(k);
        all
    }
}
