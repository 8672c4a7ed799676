//! The scores of one token: those that decide, the shares that a trace records, and the weights of the choices.

use super::{
    RouterRule,
    router_rule::{CombineRule, ExpertGroups, GroupScore, RouterScore},
    softmax,
};

/// Scores of one token, reused from token to token.
#[derive(Debug)]
pub(super) struct Scores<'a> {
    rule: &'a RouterRule,
    /// Added to the scores for the ranking alone, `[num_experts]`.
    bias: Option<&'a [f32]>,
    /// Which experts belong to kept groups.
    open: Vec<bool>,
    /// Whether a group that is left out has the score of the last one that stays.
    groups_tie: bool,
    /// The score of each expert as a share of all, `[num_experts]`; the shares sum to 1.
    pub(super) probability: Vec<f32>,
    /// The router's own scores where they are no shares, `[num_experts]`.
    score: Vec<f32>,
    /// What experts are ranked by, where that is not the probability, `[num_experts]`.
    deciding: Vec<f32>,
}

impl<'a> Scores<'a> {
    /// For the tokens of a router over so many experts.
    pub(super) fn new(rule: &'a RouterRule, bias: Option<&'a [f32]>, num_experts: usize) -> Self {
        let zeros = || vec![0.0; num_experts];
        Self {
            rule,
            bias,
            open: vec![true; num_experts],
            groups_tie: false,
            probability: zeros(),
            score: zeros(),
            deciding: zeros(),
        }
    }

    /// Computes everything that follows from the logits of a token alone.
    pub(super) fn set(&mut self, logits: &[f32]) {
        match self.rule.score {
            RouterScore::Sigmoid => {
                for (score, logit) in self.score.iter_mut().zip(logits) {
                    *score = 1.0 / (1.0 + (-logit).exp());
                }
                let sum: f32 = self.score.iter().sum();
                if sum > 0.0 {
                    self.probability.iter_mut().zip(&self.score).for_each(|(share, score)| *share = score / sum);
                } else {
                    // Where every sigmoid is 0 in f32, it is the exponential of its logit.
                    softmax::softmax(logits, &mut self.probability);
                }
                self.deciding.copy_from_slice(&self.score);
            }
            RouterScore::Softmax | RouterScore::SoftmaxOrLogit => {
                softmax::softmax(logits, &mut self.probability);
                if !self.ranks_by_probability() {
                    self.deciding.copy_from_slice(&self.probability);
                }
            }
            RouterScore::Logit => {
                softmax::softmax(logits, &mut self.probability);
                self.deciding.copy_from_slice(logits);
            }
        }
        for (deciding, bias) in self.deciding.iter_mut().zip(self.bias.unwrap_or_default()) {
            *deciding += bias;
        }
        if let Some(groups) = self.rule.groups {
            self.keep_groups(groups);
        }
    }

    fn ranks_by_probability(&self) -> bool {
        let is_softmax = matches!(self.rule.score, RouterScore::Softmax | RouterScore::SoftmaxOrLogit);
        is_softmax && self.bias.is_none() && self.rule.groups.is_none()
    }

    /// What experts are ranked by.
    pub(super) fn deciding(&self) -> &[f32] {
        if self.ranks_by_probability() { &self.probability } else { &self.deciding }
    }

    /// Whether an expert is in a kept group.
    pub(super) fn is_open(&self, expert: usize) -> bool {
        self.open[expert]
    }

    /// Whether a group that is left out has the score of the last one that stays.
    pub(super) fn groups_tie(&self) -> bool {
        self.groups_tie
    }

    /// Leaves out the experts of all groups but the best; of equal groups the first is kept.
    fn keep_groups(&mut self, groups: ExpertGroups) {
        let size = self.deciding.len() / groups.number;
        // Zero is added because the order below puts -0 after 0, which it equals.
        let scores = self.deciding.chunks_exact(size).map(|scores| group_score(groups.score, scores) + 0.0);
        let mut ranked: Vec<(f32, usize)> = scores.zip(0..).collect();
        ranked.sort_by(|one, other| other.0.total_cmp(&one.0));
        let first_left_out = ranked.get(groups.kept);
        self.groups_tie = first_left_out.is_some_and(|(score, _)| *score == ranked[groups.kept - 1].0);
        self.open.fill(false);
        for (_, group) in &ranked[..groups.kept] {
            self.open[group * size..(group + 1) * size].fill(true);
        }
        let left_out = match groups.score {
            GroupScore::Largest => 0.0,
            GroupScore::TwoLargest => f32::NEG_INFINITY,
        };
        for (deciding, open) in self.deciding.iter_mut().zip(&self.open) {
            if !open {
                *deciding = left_out;
            }
        }
    }

    /// The router's own score of an expert, without a bias.
    fn own(&self, expert: usize) -> f32 {
        match self.rule.score {
            RouterScore::Sigmoid => self.score[expert],
            _ => self.probability[expert],
        }
    }

    /// Appends the weights of the chosen experts, which come in order of rank.
    pub(super) fn weigh(&self, logits: &[f32], chosen: &[usize], weights: &mut Vec<f32>) {
        let first = weights.len();
        match self.rule.weight {
            CombineRule::Score => weights.extend(chosen.iter().map(|&expert| self.own(expert))),
            CombineRule::ScoreOverSum { epsilon } => {
                let sum = chosen.iter().map(|&expert| self.own(expert)).sum::<f32>() + epsilon as f32;
                weights.extend(chosen.iter().map(|&expert| self.own(expert) / sum));
            }
            CombineRule::SoftmaxOfChosen => {
                let own: Vec<f32> = chosen.iter().map(|&expert| logits[expert]).collect();
                weights.resize(first + own.len(), 0.0);
                softmax::softmax(&own, &mut weights[first..]);
            }
            CombineRule::SparseMixer { window } => {
                let rank = |rank: usize| near_share(logits, &chosen[..rank], chosen[rank], window as f32);
                weights.extend((0..chosen.len()).map(rank));
            }
        }
        for weight in &mut weights[first..] {
            *weight *= self.rule.scaling as f32;
        }
    }
}

/// The shares of all experts in the scores of one token, `[num_experts]`, as a trace records them.
pub(super) fn own_scores(rule: &RouterRule, logits: &[f32]) -> Vec<f32> {
    let mut scores = Scores::new(rule, None, logits.len());
    scores.set(logits);
    scores.probability
}

fn group_score(rule: GroupScore, scores: &[f32]) -> f32 {
    let [mut first, mut second] = [f32::NEG_INFINITY; 2];
    for &score in scores {
        if score > first {
            (first, second) = (score, first);
        } else if score > second {
            second = score;
        }
    }
    match rule {
        GroupScore::Largest => first,
        GroupScore::TwoLargest => first + second,
    }
}

/// The softmax of `best` among the experts whose logit is near its own; those of `earlier` choices do not count.
fn near_share(logits: &[f32], earlier: &[usize], best: usize, window: f32) -> f32 {
    let top = logits[best];
    // Zero against zero is no number, which is not beyond the window: in the original too such an expert stays.
    let is_far = |logit: f32| (top - logit) / logit.abs().max(top) > window;
    let near = logits.iter().enumerate().filter(|(expert, logit)| !earlier.contains(expert) && !is_far(**logit));
    1.0 / near.map(|(_, logit)| (logit - top).exp()).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(rule: &RouterRule, bias: Option<&[f32]>, logits: &[f32], chosen: &[usize]) -> Vec<f32> {
        let mut scores = Scores::new(rule, bias, logits.len());
        scores.set(logits);
        let mut weights = Vec::new();
        scores.weigh(logits, chosen, &mut weights);
        weights
    }

    fn assert_near(found: &[f32], expected: &[f32]) {
        assert_eq!(found.len(), expected.len());
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}, expected {expected:?}");
    }

    #[test]
    fn a_bias_decides_and_does_not_weigh() {
        let rule = RouterRule {
            score: RouterScore::Sigmoid,
            weight: CombineRule::ScoreOverSum { epsilon: 0.0 },
            scaling: 2.0,
            ..RouterRule::SOFTMAX
        };
        let (logits, bias) = ([0.0, 3.0_f32.ln(), -(3.0_f32.ln())], [0.0, -1.0, 0.5]);
        let mut scores = Scores::new(&rule, Some(&bias), 3);
        scores.set(&logits);
        // Sigmoids 1/2, 3/4, 1/4, which sum to 3/2.
        assert_near(scores.deciding(), &[0.5, -0.25, 0.75]);
        assert_near(&scores.probability, &[1.0 / 3.0, 0.5, 1.0 / 6.0]);
        assert_near(&weights(&rule, Some(&bias), &logits, &[2, 0]), &[2.0 / 3.0, 4.0 / 3.0]);
    }

    #[test]
    fn shares_of_sigmoids_that_are_zero_are_known() {
        let rule = RouterRule { score: RouterScore::Sigmoid, ..RouterRule::SOFTMAX };
        let mut scores = Scores::new(&rule, None, 2);
        // exp(-200) and e times that.
        scores.set(&[-200.0, -199.0]);
        assert_near(scores.deciding(), &[0.0, 0.0]);
        let first = 1.0 / (1.0 + 1.0_f32.exp());
        assert_near(&scores.probability, &[first, 1.0 - first]);
    }

    #[test]
    fn groups_are_ranked_by_their_best_or_by_their_two_best() {
        let scores = |score| {
            let groups = Some(ExpertGroups { number: 2, kept: 1, score });
            let rule = RouterRule { score: RouterScore::Logit, groups, ..RouterRule::SOFTMAX };
            let mut scores = Scores::new(&rule, None, 4);
            scores.set(&[5.0, -9.0, 3.0, 2.0]);
            (scores.deciding().to_vec(), scores.open.clone())
        };
        assert_eq!(scores(GroupScore::Largest), (vec![5.0, -9.0, 0.0, 0.0], vec![true, true, false, false]));
        let left_out = f32::NEG_INFINITY;
        assert_eq!(
            scores(GroupScore::TwoLargest),
            (vec![left_out, left_out, 3.0, 2.0], vec![false, false, true, true])
        );
    }

    #[test]
    fn the_softmax_of_the_chosen_sums_to_one() {
        let rule =
            RouterRule { score: RouterScore::Logit, weight: CombineRule::SoftmaxOfChosen, ..RouterRule::SOFTMAX };
        // e^ln3 = 3 against e^0 = 1.
        assert_near(&weights(&rule, None, &[9.0, 0.0, 3.0_f32.ln()], &[2, 1]), &[0.75, 0.25]);
    }

    #[test]
    fn the_sparse_mixer_weighs_a_choice_against_those_near_it() {
        let mixer = CombineRule::SparseMixer { window: 0.5 };
        let rule = RouterRule { score: RouterScore::Logit, weight: mixer, ..RouterRule::SOFTMAX };
        // First: 4 and 3 are near ((4 - 3) / 4 = 0.25), 1 is not (0.75). Second: 3 alone, since (3 - 1) / 3 > 0.5.
        let first = 1.0 / (1.0 + (-1.0_f32).exp());
        assert_near(&weights(&rule, None, &[1.0, 4.0, 3.0], &[1, 2]), &[first, 1.0]);
        // A negative best is divided by the size of the other: (-1 + 1.5) / 1.5 = 0.33.
        let both = 1.0 / (1.0 + (-0.5_f32).exp());
        assert_near(&weights(&rule, None, &[-1.0, -1.5, -9.0], &[0, 1]), &[both, 1.0]);
        // A best of zero is as near to itself as any other, and so is a second zero.
        assert_near(&weights(&rule, None, &[0.0, 0.0, -1.0], &[0, 1]), &[0.5, 1.0]);
    }
}
