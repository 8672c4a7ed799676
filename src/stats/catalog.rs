//! The list of statistics, as data: what each is, where it comes from, which table holds it.

/// One statistic: its one name, and what a reader needs to know about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatisticInfo {
    /// The name in tables, `summary.json`, charts and documentation.
    pub name: &'static str,
    /// The name in words.
    pub title: &'static str,
    /// The command that it belongs to: "route", "drift" or "drops".
    pub command: &'static str,
    /// File stem below `stats/` of the table that holds it.
    pub table: &'static str,
    /// Unit of the estimate.
    pub unit: &'static str,
    /// Whether it is given for the kept view too.
    pub kept: bool,
    /// What it is, as a formula or in words.
    pub definition: &'static str,
    /// What it is compared with.
    pub baseline: &'static str,
    /// Paper, equation or figure that it comes from.
    pub source: &'static str,
}

/// Fills in one entry of the list.
macro_rules! statistics {
    ($($command:literal {
        $($name:ident in $table:ident, $unit:literal, $kept:literal: $title:literal, $definition:literal, $baseline:literal, $source:literal;)*
    })*) => {
        &[$($(StatisticInfo {
            name: stringify!($name), title: $title, command: $command, table: stringify!($table), unit: $unit,
            kept: $kept, definition: $definition, baseline: $baseline, source: $source,
        },)*)*]
    };
}

/// Every statistic, in the order of the commands and of their tables.
pub const STATISTICS: &[StatisticInfo] = statistics! {
    "route" {
        expert_share in expert_share, "share", true: "Expert share",
            "share of expert i in the assignments of the layer, of a category, position or token id; sums to 1 over experts",
            "1/E over all; the overall share for a key (uniform_baseline: 1/E)",
            "OpenMoE, arXiv 2402.01739, Figures 5 to 11";
        routing_std in routing_std, "share", true: "Routing standard deviation",
            "population standard deviation over experts of the share vector of a key; without a key: mean over the keys with at least 128 occurrences",
            "the same after shuffling choice vectors over occurrences (category: labels over documents); noise_floor: sampling noise alone; ceiling: sqrt((1/k - 1/E)/E), kept: sqrt((1 - 1/E)/E)",
            "OpenMoE, arXiv 2402.01739, Figures 13 and 14";
        routing_std_corrected in routing_std_corrected, "share", false: "Routing standard deviation without sampling noise",
            "sqrt(max(0, s^2 - (1 - k sum_i share_i^2) / (E k (n - 1)))), n occurrences of k distinct choices",
            "standard deviation of the overall shares: a key without any influence",
            "this tool";
        top_tokens in top_tokens, "count", true: "Top tokens",
            "ten token ids per expert by count, and ten by log-odds z with informative Dirichlet prior",
            "count: n_x n_e / N; log-odds: 0, the frequency in the corpus",
            "OpenMoE, arXiv 2402.01739, Tables 9 and 15; Monroe, Colaresi and Quinn 2008";
        mutual_information in mutual_information, "bits", true: "Mutual information of expert and variable",
            "I(E;X) = H(E) - H(E|X) over assignments; explained = (estimate - baseline) / (H(E) - h - baseline)",
            "mean after shuffling choice vectors over occurrences; category: labels over documents",
            "this tool";
        conditional_mutual_information in conditional_mutual_information, "bits", true: "Mutual information of expert and context given the token",
            "I(E;C|X) = H(E|X) - H(E|X,C) over assignments; explained = (estimate - baseline) / (H(E|X) - h - baseline)",
            "mean after shuffling choice vectors within each token id; category: labels over documents",
            "this tool";
        token_predictability in token_predictability, "share", false: "Token predictability",
            "accuracy of predicting the first choice from the token id, five folds over documents; also the set overlap, and with the previous token",
            "the majority expert(s) of the training folds; 0 for the gain",
            "this tool";
        vocabulary_specialization in vocabulary_specialization, "share", true: "Vocabulary specialization",
            "max_e n_xe / n_x, averaged over token ids: unweighted, token_weighted, frequent",
            "mean after shuffling choice vectors over occurrences",
            "OLMoE, arXiv 2409.02060, eq. 8";
        domain_specialization in domain_specialization, "share", true: "Domain specialization",
            "N_ec / N_c: share of the category's occurrences that chose the expert, in the top-k sense",
            "k/E",
            "OLMoE, arXiv 2409.02060, eq. 7";
        cramers_v in cramers_v, "ratio", true: "Cramér's V of category and expert",
            "sqrt(chi^2 / (N min(C - 1, E - 1))) over assignments",
            "mean after permuting labels over documents",
            "Cramér 1946";
        jensen_shannon in jensen_shannon, "bits", true: "Jensen-Shannon divergence between categories",
            "H(mean of the share vectors) - mean of H(share vector), categories weighted equally",
            "mean after permuting labels over documents",
            "Lin 1991";
        expert_repetition in expert_repetition, "probability", false: "Expert repetition",
            "P(first choice repeats at the next token); P(the choices of neighbouring tokens share an expert)",
            "two occurrences drawn independently; uniform_baseline: 1/E and 1 - C(E-k,k)/C(E,k)",
            "Mixtral, arXiv 2401.04088, Table 5";
        coactivation in coactivation, "probability", true: "Co-activation",
            "P(both experts chosen), all k(k-1)/2 pairs of a token",
            "maximum-entropy k-subsets with the same loads; uniform_baseline: k(k-1)/(E(E-1))",
            "OLMoE, arXiv 2409.02060, with all pairs instead of rank neighbours";
        max_violation in expert_load, "ratio", true: "Maximal load violation",
            "largest load over mean load, minus 1", "0 (uniform)", "auxiliary-loss-free balancing, arXiv 2408.15664";
        load_cv in expert_load, "ratio", true: "Coefficient of variation of the load",
            "population standard deviation of the load over its mean", "0 (uniform)", "Shazeer et al., arXiv 1701.06538";
        load_gini in expert_load, "ratio", true: "Gini coefficient of the load",
            "sum_ij |q_i - q_j| / (2 E), q = share of the assignments", "0 (uniform)", "Gini 1912";
        load_entropy in expert_load, "ratio", true: "Load entropy",
            "H(q) / ln E", "1 (uniform)", "this tool";
        effective_experts in expert_load, "experts", true: "Effective number of experts",
            "exp H(q)", "E (uniform)", "Hill 1973";
        dead_experts in expert_load, "experts", true: "Dead experts",
            "experts without any assignment", "0 (uniform)", "this tool";
        n50 in expert_load, "experts", true: "Experts that take half of the assignments",
            "fewest experts whose loads reach one half together", "ceil(E/2) (uniform)", "this tool";
        router_entropy in router_entropy, "nats", false: "Router entropy",
            "entropy of the router probabilities over all experts: mean and quantiles", "ln E (uniform)", "this tool";
        router_margin in router_margin, "probability", false: "Router margin",
            "g1 - g2 (margin_first) and gk - gk+1 (margin_k): mean and quantiles", "0 (uniform)", "this tool";
    }
    "drift" {
        router_saturation in router_saturation, "share", false: "Router saturation",
            "mean over occurrences of |S_t and S_T| / k, S = the k chosen experts; of every two checkpoints",
            "load-matched chance (1/k) sum_e q_e(t) q_e(T), q_e = P(e chosen); uniform_baseline: k/E; corrected: (estimate - chance) / (1 - chance)",
            "OLMoE, arXiv 2409.02060, eq. 5";
        first_choice_agreement in first_choice_agreement, "share", false: "First-choice agreement",
            "share of the occurrences with the same first choice",
            "load-matched chance sum_e p_e(t) p_e(T), p_e = P(e chosen first); uniform_baseline: 1/E", "this tool";
        exact_set_agreement in exact_set_agreement, "share", false: "Exact-set agreement",
            "share of the occurrences with the same set of experts",
            "load-matched chance sum_S P_t(S) P_T(S); uniform_baseline: 1/C(E,k)", "this tool";
        jaccard in jaccard, "share", false: "Jaccard index of the chosen sets",
            "mean over occurrences of |S_t and S_T| / |S_t or S_T|",
            "expectation over independent sets with the frequencies of the two checkpoints", "Jaccard 1912";
        gate_overlap in gate_overlap, "probability", false: "Gate overlap",
            "mean over occurrences of sum_e min(g_e(t), g_e(T))",
            "the same over all pairs of occurrences, one of each checkpoint", "this tool";
        token_drift in token_drift, "share", true: "Token drift",
            "total variation and Jensen-Shannon divergence (bits) between the expert shares of a token id at t and T; whether the largest share stays with its expert; without an id: mean over the ids with at least 128 occurrences, weighted by them",
            "0, no change; noise_floor: mean distance between random halves of the documents at T, brought to full size",
            "OpenMoE, arXiv 2402.01739, Figure 11";
        last_change in last_change, "share", false: "Last change of the first choice",
            "share of the occurrences whose first choice changes between two neighbouring checkpoints from t on",
            "independent first choices with the same loads", "StableMoE, arXiv 2204.08396";
        agreement_by_margin in agreement_by_margin, "share", false: "Agreement by router margin",
            "agreement of the occurrences whose margin at T lies between two of its quantiles",
            "load-matched chance within the bin", "this tool";
        load_drift in load_drift, "ratio", true: "Load drift",
            "cosine and total variation of the shares of the experts in all assignments, t against T",
            "1 and 0, no change; noise_floor: between random halves of the documents at T, brought to full size", "this tool";
        document_drift in document_drift, "share", false: "Documents that changed most",
            "router saturation of a document; the 50 lowest of at least 64 occurrences",
            "the saturation of the layer", "this tool";
        expert_matching in expert_matching, "share", false: "Expert matching",
            "sum over token ids and experts of min(n_xe, n'_xm(e)) over the assignments, m = the one-to-one matching that makes it largest",
            "the experts of the same number", "Kuhn 1955; Munkres 1957";
    }
    "drops" {
        assignment_drop_ratio in assignment_drop_ratio, "share", false: "Assignment drop ratio",
            "dropped assignments / (k * occurrences), over all, by data set, category, role, turn, expert, token id and position",
            "mean after permuting choice vectors with capacity reapplied: across sequences; for role, turn, token id and position within sequences",
            "OpenMoE, arXiv 2402.01739, Figure 12";
        first_choice_drop_ratio in first_choice_drop_ratio, "share", false: "First-choice drop ratio",
            "share of the first choices that found no slot",
            "as for assignment_drop_ratio", "this tool";
        second_choice_drop_ratio in second_choice_drop_ratio, "share", false: "Second-choice drop ratio",
            "share of the second choices that found no slot",
            "as for assignment_drop_ratio", "this tool";
        token_drop_ratio in token_drop_ratio, "share", false: "Token drop ratio",
            "share of the occurrences that lost every choice",
            "as for assignment_drop_ratio", "this tool";
        gate_mass_lost in gate_mass_lost, "share", false: "Gate mass lost",
            "sum of g over dropped assignments / sum of g over all assignments",
            "as for assignment_drop_ratio; g moves with its choice", "this tool";
        drop_trend in drop_trend, "share", false: "Drop trend within sequences",
            "mean over sequences of the assignment drop ratio of the last quarter less that of the first; slope per 1,000 positions with sequence fixed effects; quarters against the middle",
            "mean after permuting choice vectors within sequences with capacity reapplied; corrected: estimate - baseline",
            "this tool";
        document_drops in document_drops, "share", false: "Documents that lose most",
            "assignment drop ratio of a document; the 50 highest",
            "the assignment drop ratio of the layer", "this tool";
        dropped_tokens in dropped_tokens, "share", false: "Dropped tokens of the worst conversation",
            "share of a token's choices that found no slot, token by token, in the conversation that loses most",
            "none: the conversation is chosen because it loses most", "this tool";
        drop_difference in drop_difference, "share", false: "Drop difference between two models",
            "drop ratio or trend of the model less that of the reference on the same sequences, paired by document",
            "0, no difference", "OpenMoE, arXiv 2402.01739, Figure 12b";
        capacity_replay in capacity_replay, "share", false: "Capacity replay",
            "the five drop ratios recomputed from the logged choices at other capacity factors, rules, groups and orders of the queue; the smallest factor that drops no more than 0.1, 1 and 5 % (ratio)",
            "the run's own value (as_routed)",
            "this tool; order by gate probability: V-MoE, arXiv 2106.05974";
        burstiness in burstiness, "ratio", false: "Burstiness of the drops",
            "dropped assignments / mean dropped after permuting choice vectors across sequences",
            "1: what is popular is popular everywhere", "this tool";
        drop_causes in drop_causes, "share", false: "Causes of the drops",
            "share of a token id, role or turn in the queues of an expert that overflowed",
            "its share of all assignments of the layer", "this tool";
        expert_occupancy in expert_occupancy, "share", false: "Expert occupancy along the text",
            "mean over sequences of min(1, queue length / capacity) at the end of a bin of positions, for a first and a second choice",
            "experts asked for alike", "this tool";
        exact_replay in exact_replay, "share", false: "Exact replay",
            "the five drop ratios of a second forward pass at another capacity factor; corrected: less the first-order replay",
            "the first-order replay of the logged choices at that factor", "this tool";
    }
};
