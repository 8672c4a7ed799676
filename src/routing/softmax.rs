//! The softmax of router logits.

/// Softmax of one token's router logits in f32, as the original computes it: maximum subtracted, all experts.
pub fn softmax(logits: &[f32], probabilities: &mut [f32]) {
    let maximum = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0_f32;
    for (probability, &logit) in probabilities.iter_mut().zip(logits) {
        *probability = (logit - maximum).exp();
        sum += *probability;
    }
    for probability in probabilities {
        *probability /= sum;
    }
}
