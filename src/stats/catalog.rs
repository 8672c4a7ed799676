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
    /// Anchor of the question of the report that it answers.
    pub question: &'static str,
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
    /// How to read it, for someone who sees it for the first time.
    pub reading: &'static str,
}

/// Fills in one entry of the list.
macro_rules! statistics {
    ($($command:literal {
        $($name:ident in $table:ident, $question:literal, $unit:literal, $kept:literal: $title:literal, $definition:literal, $baseline:literal, $source:literal, $reading:literal;)*
    })*) => {
        &[$($(StatisticInfo {
            name: stringify!($name), title: $title, command: $command, table: stringify!($table), question: $question,
            unit: $unit, kept: $kept, definition: $definition, baseline: $baseline, source: $source, reading: $reading,
        },)*)*]
    };
}

/// Every statistic, in the order of the commands and of their tables.
pub const STATISTICS: &[StatisticInfo] = statistics! {
    "route" {
        expert_share in expert_share, "category", "share", true: "Expert share",
            "share of expert i in the assignments of the layer, of a category, position or token id; sums to 1 over experts",
            "1/E over all; the overall share for a key (uniform_baseline: 1/E)",
            "OpenMoE, arXiv 2402.01739, Figures 5 to 11",
            "A share above 1/E is an expert asked for more than its part; for a category, compare with the share over all, not with 1/E. Intervals that miss the baseline differ from it; with hundreds of cells, one in twenty misses it by chance.";
        routing_std in routing_std, "token", "share", true: "Routing standard deviation",
            "population standard deviation over experts of the share vector of a key; without a key: mean over the keys with at least 128 occurrences",
            "the same after shuffling choice vectors over occurrences (category: labels over documents); noise_floor: sampling noise alone; ceiling: sqrt((1/k - 1/E)/E), kept: sqrt((1 - 1/E)/E)",
            "OpenMoE, arXiv 2402.01739, Figures 13 and 14",
            "0 would be every expert alike, the ceiling always the same experts. Rare keys look specialised by chance: read a value only by how far it stands above its noise floor and above the shuffled baseline.";
        routing_std_corrected in routing_std_corrected, "token", "share", false: "Routing standard deviation without sampling noise",
            "sqrt(max(0, s^2 - (1 - k sum_i share_i^2) / (E k (n - 1)))), n occurrences of k distinct choices",
            "standard deviation of the overall shares: a key without any influence",
            "this tool",
            "What is left of the spread when sampling noise is taken out; 0 means no more than noise. Compare with the spread of the overall load, which a key without any influence would show.";
        top_tokens in top_tokens, "token", "count", true: "Top tokens",
            "ten token ids per expert by count, and ten by log-odds z with informative Dirichlet prior",
            "count: n_x n_e / N; log-odds: 0, the frequency in the corpus",
            "OpenMoE, arXiv 2402.01739, Tables 9 and 15; Monroe, Colaresi and Quinn 2008",
            "Ranked by count, most experts show the commonest tokens; ranked by log-odds they show what they take more often than other experts do. The z is large by selection (the ten highest of a vocabulary) and tokens of one document are not independent: read it as a ranking, not as a test.";
        mutual_information in mutual_information, "token", "bits", true: "Mutual information of expert and variable",
            "I(E;X) = H(E) - H(E|X) over assignments; explained = (estimate - baseline) / (H(E) - h - baseline)",
            "mean after shuffling choice vectors over occurrences; category: labels over documents",
            "this tool",
            "Bits that knowing the variable saves in guessing the expert, and the share of all that could be saved: 100 % would mean that it decides alone. Subtract the baseline, which is what shuffled data show. Shares of different variables overlap: do not add them.";
        conditional_mutual_information in conditional_mutual_information, "context", "bits", true: "Mutual information of expert and context given the token",
            "I(E;C|X) = H(E|X) - H(E|X,C) over assignments; explained = (estimate - baseline) / (H(E|X) - h - baseline)",
            "mean after shuffling choice vectors within each token id; category: labels over documents",
            "this tool",
            "What the context still tells once the token id is known; for context-independent routing it explains 0 % of what is left. The previous token's baseline is lenient, so that its share is an upper end. Position and category have a second row with a lenient baseline, marked so; words and charts use the stricter one. Shares of different variables overlap: do not add them.";
        token_predictability in token_predictability, "token", "share", false: "Token predictability",
            "accuracy of predicting the first choice from the token id, five folds over documents; also the set overlap, and with the previous token",
            "the majority expert(s) of the training folds; 0 for the gain",
            "this tool",
            "How often a table from token id to expert, learnt on other documents, names the first choice. Far above the majority expert: the id matters. A small gain from the previous token: the context adds little.";
        vocabulary_specialization in vocabulary_specialization, "token", "share", true: "Vocabulary specialization",
            "max_e n_xe / n_x, averaged over token ids: unweighted, token_weighted, frequent",
            "mean after shuffling choice vectors over occurrences",
            "OLMoE, arXiv 2409.02060, eq. 8",
            "The share of an id's choices that its favourite expert takes. Unweighted means are inflated by rare ids; the value for frequent ids against its shuffled baseline is the one to quote.";
        domain_specialization in domain_specialization, "category", "share", true: "Domain specialization",
            "N_ec / N_c: share of the category's occurrences that chose the expert, in the top-k sense",
            "k/E",
            "OLMoE, arXiv 2409.02060, eq. 7",
            "How many of a category's tokens an expert sees; k/E if all experts were alike, so that popular experts stand above it in every row. Look for rows that differ from each other.";
        cramers_v in cramers_v, "category", "ratio", true: "Cramér's V of category and expert",
            "sqrt(chi^2 / (N min(C - 1, E - 1))) over assignments",
            "mean after permuting labels over documents",
            "Cramér 1946",
            "0: categories and experts are independent; 1: one decides the other. Whole documents were permuted for the baseline: a value near it is topic-by-document noise.";
        jensen_shannon in jensen_shannon, "category", "bits", true: "Jensen-Shannon divergence between categories",
            "H(mean of the share vectors) - mean of H(share vector), categories weighted equally",
            "mean after permuting labels over documents",
            "Lin 1991",
            "0: the categories are routed alike. The most is log2 m bits for m categories, when no two of them share an expert: 1 bit for a pair; and never more than log2(E/k), because k choices are distinct (kept: log2 E), so that 23 categories over 16 experts with two choices reach 3 bits. The pairs far above the permuted baseline are the categories that the router tells apart.";
        expert_repetition in expert_repetition, "context", "probability", false: "Expert repetition",
            "P(first choice repeats at the next token); P(the choices of neighbouring tokens share an expert)",
            "two occurrences drawn independently; uniform_baseline: 1/E and 1 - C(E-k,k)/C(E,k)",
            "Mixtral, arXiv 2401.04088, Table 5",
            "How often the next token goes to the same expert. The load-matched baseline already allows for popular experts; what stands above it comes from neighbours: the same word, the same topic, the same document.";
        coactivation in coactivation, "load", "probability", true: "Co-activation",
            "P(both experts chosen), all k(k-1)/2 pairs of a token",
            "maximum-entropy k-subsets with the same loads; uniform_baseline: k(k-1)/(E(E-1))",
            "OLMoE, arXiv 2409.02060, with all pairs instead of rank neighbours",
            "How often the same token chooses both experts. The baseline keeps each expert's load; pairs above it are chosen together more than their popularity explains.";
        max_violation in expert_load, "load", "ratio", true: "Maximal load violation",
            "largest load over mean load, minus 1", "0 (uniform)", "auxiliary-loss-free balancing, arXiv 2408.15664",
            "0: even; 1: the busiest expert has twice its part. Capacity applies within each routing group, where loads are less even than here: what a capacity drops is in the drops runs.";
        load_cv in expert_load, "load", "ratio", true: "Coefficient of variation of the load",
            "population standard deviation of the load over its mean", "0 (uniform)", "Shazeer et al., arXiv 1701.06538",
            "0: even; 1: the loads scatter as much as their mean.";
        load_gini in expert_load, "load", "ratio", true: "Gini coefficient of the load",
            "sum_ij |q_i - q_j| / (2 E), q = share of the assignments", "0 (uniform)", "Gini 1912",
            "0: even; near 1: one expert takes everything. Unlike the maximum it weighs all experts.";
        load_entropy in expert_load, "load", "ratio", true: "Load entropy",
            "H(q) / ln E", "1 (uniform)", "this tool",
            "1: even; 0: one expert takes everything. It hardly moves near 1: differences in the second digit are large.";
        effective_experts in expert_load, "load", "experts", true: "Effective number of experts",
            "exp H(q)", "E (uniform)", "Hill 1973",
            "As many equally loaded experts as would have the same entropy: 12 of 16 means that a quarter of the layer is spare.";
        dead_experts in expert_load, "load", "experts", true: "Dead experts",
            "experts without any assignment", "0 (uniform)", "this tool",
            "Experts that this text never chose. A rare language may wake them: this is about the corpus, not only about the model.";
        n50 in expert_load, "load", "experts", true: "Experts that take half of the assignments",
            "fewest experts whose loads reach one half together", "ceil(E/2) (uniform)", "this tool",
            "Fewest experts that take half of the assignments; E/2 if all are alike.";
        router_entropy in router_entropy, "confidence", "nats", false: "Router entropy",
            "entropy of the router probabilities over all experts: mean and quantiles", "ln E (uniform)", "this tool",
            "0: certain; ln E: undecided. Low quantiles show how many tokens the router is sure of.";
        router_margin in router_margin, "confidence", "probability", false: "Router margin",
            "g1 - g2 (margin_first) and gk - gk+1 (margin_k): mean and quantiles", "0 (uniform)", "this tool",
            "Small margins are near-ties: rounding, another batch or a little training flips them. The lower quantiles say how many decisions are fragile.";
    }
    "drift" {
        router_saturation in router_saturation, "drift", "share", false: "Router saturation",
            "mean over occurrences of |S_t and S_T| / k, S = the k chosen experts; of every two checkpoints",
            "load-matched chance (1/k) sum_e q_e(t) q_e(T), q_e = P(e chosen); uniform_baseline: k/E; corrected: (estimate - chance) / (1 - chance)",
            "OLMoE, arXiv 2409.02060, eq. 5",
            "The share of the final experts that a checkpoint already chooses. Chance depends on the loads: read how far it is between chance and 1. The bf16 point, where there is one, is the most that arithmetic allows.";
        first_choice_agreement in first_choice_agreement, "drift", "share", false: "First-choice agreement",
            "share of the occurrences with the same first choice",
            "load-matched chance sum_e p_e(t) p_e(T), p_e = P(e chosen first); uniform_baseline: 1/E", "this tool",
            "As saturation, for the first choice alone, which carries most of the weight.";
        exact_set_agreement in exact_set_agreement, "drift", "share", false: "Exact-set agreement",
            "share of the occurrences with the same set of experts",
            "load-matched chance sum_S P_t(S) P_T(S); uniform_baseline: 1/C(E,k)", "this tool",
            "As saturation, but only the whole set counts: the strictest of the three.";
        jaccard in jaccard, "drift", "share", false: "Jaccard index of the chosen sets",
            "mean over occurrences of |S_t and S_T| / |S_t or S_T|",
            "expectation over independent sets with the frequencies of the two checkpoints", "Jaccard 1912",
            "Shared experts over all experts of the two sets; never above saturation.";
        gate_overlap in gate_overlap, "drift", "probability", false: "Gate overlap",
            "mean over occurrences of sum_e min(g_e(t), g_e(T))",
            "the same over all pairs of occurrences, one of each checkpoint", "this tool",
            "Overlap of the full gate distributions, 1 if identical: moves even where choices stay, and stays where near-ties flip.";
        token_drift in token_drift, "drift-tokens", "share", true: "Token drift",
            "total variation and Jensen-Shannon divergence (bits) between the expert shares of a token id at t and T; whether the largest share stays with its expert; without an id: mean over the ids with at least 128 occurrences, weighted by them",
            "0, no change; noise_floor: mean distance between random halves of the documents at T, brought to full size",
            "OpenMoE, arXiv 2402.01739, Figure 11",
            "How far the experts of a token id moved. The tokens are the same, so that any distance is a change of the router on this text; below the noise floor it might not be seen on another corpus of this size. The paper's Figure 11 gives 0.121 for \"ed\" and 0.103 for \"an\" between 200B and 1T.";
        last_change in last_change, "drift", "share", false: "Last change of the first choice",
            "share of the occurrences whose first choice changes between two neighbouring checkpoints from t on",
            "independent first choices with the same loads", "StableMoE, arXiv 2204.08396",
            "The share of tokens whose first choice still changes after a checkpoint: the later it falls, the later routing settles.";
        agreement_by_margin in agreement_by_margin, "drift", "share", false: "Agreement by router margin",
            "agreement of the occurrences whose margin at T lies between two of its quantiles",
            "load-matched chance within the bin", "this tool",
            "If disagreement sits in the bins of small margins, checkpoints differ by near-ties; if it reaches large margins, routing was learnt anew.";
        load_drift in load_drift, "drift-tokens", "ratio", true: "Load drift",
            "cosine and total variation of the shares of the experts in all assignments, t against T",
            "1 and 0, no change; noise_floor: between random halves of the documents at T, brought to full size", "this tool",
            "A cosine near 1 with a distance near the floor: the loads have not moved, whatever single tokens do.";
        document_drift in document_drift, "drift", "share", false: "Documents that changed most",
            "router saturation of a document; the 50 lowest of at least 64 occurrences",
            "the saturation of the layer", "this tool",
            "The documents at the lower end show which kind of text was learnt last.";
        expert_matching in expert_matching, "drift", "share", false: "Expert matching",
            "sum over token ids and experts of min(n_xe, n'_xm(e)) over the assignments, m = the one-to-one matching that makes it largest",
            "the experts of the same number", "Kuhn 1955; Munkres 1957",
            "If a renumbering explains much more than the experts of the same number, the two models are not of one run.";
    }
    "drops" {
        assignment_drop_ratio in assignment_drop_ratio, "drop-trend", "share", false: "Assignment drop ratio",
            "dropped assignments / (k * occurrences), over all, by data set, category, role, turn, expert, token id and position",
            "mean after permuting choice vectors with capacity reapplied: across sequences; for role, turn, token id and position within sequences",
            "OpenMoE, arXiv 2402.01739, Figure 12",
            "The share of the choices that found the expert's queue full. Random order shows a rise with position too, because queues fill from the front: what stands above the dashed baseline is due to what the text says there, and not to the queue alone.";
        first_choice_drop_ratio in first_choice_drop_ratio, "drop-trend", "share", false: "First-choice drop ratio",
            "share of the first choices that found no slot",
            "as for assignment_drop_ratio", "this tool",
            "First choices are queued before second ones, so that they are dropped less; this is the loss that hurts the token most.";
        second_choice_drop_ratio in second_choice_drop_ratio, "drop-trend", "share", false: "Second-choice drop ratio",
            "share of the second choices that found no slot",
            "as for assignment_drop_ratio", "this tool",
            "Second choices queue behind all first ones of the group, so that they are dropped first.";
        choice_drop_ratio in choice_drop_ratio, "drop-trend", "share", false: "Drop ratio by choice",
            "share of the r-th choices that found no slot, r = rank from 1 to k; of more than two choices",
            "as for assignment_drop_ratio", "this tool",
            "Each choice queues behind all earlier ones of the group: where the later ranks are lost and the first ones kept, the capacity cuts what weighs least.";
        token_drop_ratio in token_drop_ratio, "drop-trend", "share", false: "Token drop ratio",
            "share of the occurrences that lost every choice",
            "as for assignment_drop_ratio", "this tool",
            "Tokens that lost every expert pass the layer by the residual alone.";
        gate_mass_lost in gate_mass_lost, "drop-trend", "share", false: "Gate mass lost",
            "sum of g over dropped assignments / sum of g over all assignments",
            "as for assignment_drop_ratio; g moves with its choice", "this tool",
            "Drops weighted by how much the router wanted them: below the drop ratio where unimportant choices are lost.";
        drop_trend in drop_trend, "drop-trend", "share", false: "Drop trend within sequences",
            "mean over sequences of the assignment drop ratio of the last quarter less that of the first; slope per 1,000 positions with sequence fixed effects; quarters against the middle",
            "mean after permuting choice vectors within sequences with capacity reapplied; corrected: estimate - baseline",
            "this tool",
            "Last quarter less first of the same sequences. Above 0: later tokens lose more. Beyond random order (last_minus_first_excess, interval above 0): more than a filling queue explains.";
        document_drops in document_drops, "drop-causes", "share", false: "Documents that lose most",
            "assignment drop ratio of a document; the 50 highest",
            "the assignment drop ratio of the layer", "this tool",
            "Chosen because they lose most: examples, not estimates.";
        dropped_tokens in dropped_tokens, "drop-causes", "share", false: "Dropped tokens of the worst conversation",
            "share of a token's choices that found no slot, token by token, in the conversation that loses most",
            "none: the conversation is chosen because it loses most", "this tool",
            "One conversation, token by token: look for runs of the same words that fill one expert.";
        drop_difference in drop_difference, "drop-compare", "share", false: "Drop difference between two models",
            "drop ratio or trend of the model less that of the reference on the same sequences, paired by document",
            "0, no difference", "OpenMoE, arXiv 2402.01739, Figure 12b",
            "Below 0: the model drops less than the reference on the same text. Documents are paired, so that the interval is narrower than those of the two values suggest.";
        capacity_replay in capacity_replay, "drop-capacity", "share", false: "Capacity replay",
            "the five drop ratios recomputed from the logged choices at other capacity factors, rules, groups and orders of the queue; the smallest factor that drops no more than 0.1, 1 and 5 % (ratio)",
            "the run's own value (as_routed)",
            "this tool; order by gate probability: V-MoE, arXiv 2106.05974",
            "What other capacities would have dropped of the same choices. Later layers would have seen other inputs: a first-order answer, which the exact replay checks.";
        burstiness in burstiness, "drop-causes", "ratio", false: "Burstiness of the drops",
            "dropped assignments / mean dropped after permuting choice vectors across sequences",
            "1: what is popular is popular everywhere", "this tool",
            "1: popular experts are popular everywhere. 3: texts that want the same experts at once drop three times what their popularity alone would.";
        drop_causes in drop_causes, "drop-causes", "share", false: "Causes of the drops",
            "share of a token id, role or turn in the queues of an expert that overflowed",
            "its share of all assignments of the layer", "this tool",
            "What filled the queues that overflowed. A share above the baseline: this kind of token fills them more than it fills the layer.";
        expert_occupancy in expert_occupancy, "drop-causes", "share", false: "Expert occupancy along the text",
            "mean over sequences of min(1, queue length / capacity) at the end of a bin of positions, for a first and a second choice",
            "experts asked for alike", "this tool",
            "How full an expert's queue is by this point of the text; the baseline is experts asked for alike. Where a line reaches 1 early, later tokens are dropped.";
        exact_replay in exact_replay, "drop-capacity", "share", false: "Exact replay",
            "the five drop ratios of a second forward pass at another capacity factor; corrected: less the first-order replay",
            "the first-order replay of the logged choices at that factor", "this tool",
            "A second forward pass at that capacity against the replay: a corrected value near 0 says that the replay can be trusted.";
    }
};
