//! The statistics of a `route` run: one checkpoint on one corpus.

/// Passes the earlier entries and these entries to `with_drift_statistics`.
macro_rules! with_route_statistics {
    ($($before:tt)*) => {
        with_drift_statistics! {
            $($before)*
            ExpertShare = "expert_share" {
                command: Route, table: "expert_share", question: "category", unit: "share", kept: true,
                title: "Expert share",
                definition: "share of expert i in the assignments of the layer, of a category, position or token id; \
                    sums to 1 over experts",
                baseline: "1/E over all; the overall share for a key (uniform_baseline: 1/E)",
                source: "OpenMoE, arXiv 2402.01739, Figures 5 to 11",
                reading: "A share above 1/E is an expert asked for more than its part; for a category, compare with \
                    the share over all, not with 1/E. Intervals that miss the baseline differ from it; with hundreds \
                    of cells, one in twenty misses it by chance.",
            }
            RoutingStd = "routing_std" {
                command: Route, table: "routing_std", question: "token", unit: "share", kept: true,
                title: "Routing standard deviation",
                definition: "population standard deviation over experts of the share vector of a key; without a key: \
                    mean over the keys with at least 128 occurrences",
                baseline: "the same after shuffling choice vectors over occurrences (category: labels over documents); \
                    noise_floor: sampling noise alone; ceiling: sqrt((1/k - 1/E)/E), kept: sqrt((1 - 1/E)/E)",
                source: "OpenMoE, arXiv 2402.01739, Figures 13 and 14",
                reading: "0 would be every expert alike, the ceiling always the same experts. Rare keys look \
                    specialised by chance: read a value only by how far it stands above its noise floor and above the \
                    shuffled baseline.",
            }
            RoutingStdCorrected = "routing_std_corrected" {
                command: Route, table: "routing_std_corrected", question: "token", unit: "share", kept: false,
                title: "Routing standard deviation without sampling noise",
                definition: "sqrt(max(0, s^2 - (1 - k sum_i share_i^2) / (E k (n - 1)))), n occurrences of k distinct \
                    choices",
                baseline: "standard deviation of the overall shares: a key without any influence",
                source: "this tool",
                reading: "What is left of the spread when sampling noise is taken out; 0 means no more than noise. \
                    Compare with the spread of the overall load, which a key without any influence would show.",
            }
            TopTokens = "top_tokens" {
                command: Route, table: "top_tokens", question: "token", unit: "count", kept: true,
                title: "Top tokens",
                definition: "ten token ids per expert by count, and ten by log-odds z with informative Dirichlet prior",
                baseline: "count: n_x n_e / N; log-odds: 0, the frequency in the corpus",
                source: "OpenMoE, arXiv 2402.01739, Tables 9 and 15; Monroe, Colaresi and Quinn 2008",
                reading: "Ranked by count, most experts show the commonest tokens; ranked by log-odds they show what \
                    they take more often than other experts do. The z is large by selection (the ten highest of a \
                    vocabulary) and tokens of one document are not independent: read it as a ranking, not as a test.",
            }
            MutualInformation = "mutual_information" {
                command: Route, table: "mutual_information", question: "token", unit: "bits", kept: true,
                title: "Mutual information of expert and variable",
                definition: "I(E;X) = H(E) - H(E|X) over assignments; explained = (estimate - baseline) / (H(E) - h - \
                    baseline)",
                baseline: "mean after shuffling choice vectors over occurrences; category: labels over documents",
                source: "this tool",
                reading: "Bits that knowing the variable saves in guessing the expert, and the share of all that could \
                    be saved: 100 % would mean that it decides alone. Subtract the baseline, which is what shuffled \
                    data show. Shares of different variables overlap: do not add them.",
            }
            ConditionalMutualInformation = "conditional_mutual_information" {
                command: Route, table: "conditional_mutual_information", question: "context", unit: "bits", kept: true,
                title: "Mutual information of expert and context given the token",
                definition: "I(E;C|X) = H(E|X) - H(E|X,C) over assignments; explained = (estimate - baseline) / \
                    (H(E|X) - h - baseline)",
                baseline: "mean after shuffling choice vectors within each token id; category: labels over documents",
                source: "this tool",
                reading: "What the context still tells once the token id is known; for context-independent routing it \
                    explains 0 % of what is left. The previous token's baseline is lenient, so that its share is an \
                    upper end. Position and category have a second row with a lenient baseline, marked so; words and \
                    charts use the stricter one. Shares of different variables overlap: do not add them.",
            }
            TokenPredictability = "token_predictability" {
                command: Route, table: "token_predictability", question: "token", unit: "share", kept: false,
                title: "Token predictability",
                definition: "accuracy of predicting the first choice from the token id, five folds over documents; \
                    also the set overlap, and with the previous token",
                baseline: "the majority expert(s) of the training folds; 0 for the gain",
                source: "this tool",
                reading: "How often a table from token id to expert, learnt on other documents, names the first \
                    choice. Far above the majority expert: the id matters. A small gain from the previous token: the \
                    context adds little.",
            }
            VocabularySpecialization = "vocabulary_specialization" {
                command: Route, table: "vocabulary_specialization", question: "token", unit: "share", kept: true,
                title: "Vocabulary specialization",
                definition: "max_e n_xe / n_x, averaged over token ids: unweighted, token_weighted, frequent",
                baseline: "mean after shuffling choice vectors over occurrences",
                source: "OLMoE, arXiv 2409.02060, eq. 8",
                reading: "The share of an id's choices that its favourite expert takes. Unweighted means are inflated \
                    by rare ids; the value for frequent ids against its shuffled baseline is the one to quote.",
            }
            DomainSpecialization = "domain_specialization" {
                command: Route, table: "domain_specialization", question: "category", unit: "share", kept: true,
                title: "Domain specialization",
                definition: "N_ec / N_c: share of the category's occurrences that chose the expert, in the top-k sense",
                baseline: "k/E",
                source: "OLMoE, arXiv 2409.02060, eq. 7",
                reading: "How many of a category's tokens an expert sees; k/E if all experts were alike, so that \
                    popular experts stand above it in every row. Look for rows that differ from each other.",
            }
            CramersV = "cramers_v" {
                command: Route, table: "cramers_v", question: "category", unit: "ratio", kept: true,
                title: "Cramér's V of category and expert",
                definition: "sqrt(chi^2 / (N min(C - 1, E - 1))) over assignments",
                baseline: "mean after permuting labels over documents",
                source: "Cramér 1946",
                reading: "0: categories and experts are independent; 1: one decides the other. Whole documents were \
                    permuted for the baseline: a value near it is topic-by-document noise.",
            }
            JensenShannon = "jensen_shannon" {
                command: Route, table: "jensen_shannon", question: "category", unit: "bits", kept: true,
                title: "Jensen-Shannon divergence between categories",
                definition: "H(mean of the share vectors) - mean of H(share vector), categories weighted equally",
                baseline: "mean after permuting labels over documents",
                source: "Lin 1991",
                reading: "0: the categories are routed alike. The most is log2 m bits for m categories, when no two of \
                    them share an expert: 1 bit for a pair; and never more than log2(E/k), because k choices are \
                    distinct (kept: log2 E), so that 23 categories over 16 experts with two choices reach 3 bits. The \
                    pairs far above the permuted baseline are the categories that the router tells apart.",
            }
            ExpertRepetition = "expert_repetition" {
                command: Route, table: "expert_repetition", question: "context", unit: "probability", kept: false,
                title: "Expert repetition",
                definition: "P(first choice repeats at the next token); P(the choices of neighbouring tokens share an \
                    expert)",
                baseline: "two occurrences drawn independently; uniform_baseline: 1/E and 1 - C(E-k,k)/C(E,k)",
                source: "Mixtral, arXiv 2401.04088, Table 5",
                reading: "How often the next token goes to the same expert. The load-matched baseline already allows \
                    for popular experts; what stands above it comes from neighbours: the same word, the same topic, \
                    the same document.",
            }
            Coactivation = "coactivation" {
                command: Route, table: "coactivation", question: "load", unit: "probability", kept: true,
                title: "Co-activation",
                definition: "P(both experts chosen), all k(k-1)/2 pairs of a token",
                baseline: "maximum-entropy k-subsets with the same loads; uniform_baseline: k(k-1)/(E(E-1))",
                source: "OLMoE, arXiv 2409.02060, with all pairs instead of rank neighbours",
                reading: "How often the same token chooses both experts. The baseline keeps each expert's load; pairs \
                    above it are chosen together more than their popularity explains.",
            }
            MaxViolation = "max_violation" {
                command: Route, table: "expert_load", question: "load", unit: "ratio", kept: true,
                title: "Maximal load violation",
                definition: "largest load over mean load, minus 1",
                baseline: "0 (uniform)",
                source: "auxiliary-loss-free balancing, arXiv 2408.15664",
                reading: "0: even; 1: the busiest expert has twice its part. Capacity applies within each routing \
                    group, where loads are less even than here: what a capacity drops is in the drops runs.",
            }
            LoadCv = "load_cv" {
                command: Route, table: "expert_load", question: "load", unit: "ratio", kept: true,
                title: "Coefficient of variation of the load",
                definition: "population standard deviation of the load over its mean",
                baseline: "0 (uniform)",
                source: "Shazeer et al., arXiv 1701.06538",
                reading: "0: even; 1: the loads scatter as much as their mean.",
            }
            LoadGini = "load_gini" {
                command: Route, table: "expert_load", question: "load", unit: "ratio", kept: true,
                title: "Gini coefficient of the load",
                definition: "sum_ij |q_i - q_j| / (2 E), q = share of the assignments",
                baseline: "0 (uniform)",
                source: "Gini 1912",
                reading: "0: even; near 1: one expert takes everything. Unlike the maximum it weighs all experts.",
            }
            LoadEntropy = "load_entropy" {
                command: Route, table: "expert_load", question: "load", unit: "ratio", kept: true,
                title: "Load entropy",
                definition: "H(q) / ln E",
                baseline: "1 (uniform)",
                source: "this tool",
                reading: "1: even; 0: one expert takes everything. It hardly moves near 1: differences in the second \
                    digit are large.",
            }
            EffectiveExperts = "effective_experts" {
                command: Route, table: "expert_load", question: "load", unit: "experts", kept: true,
                title: "Effective number of experts",
                definition: "exp H(q)",
                baseline: "E (uniform)",
                source: "Hill 1973",
                reading: "As many equally loaded experts as would have the same entropy: 12 of 16 means that a quarter \
                    of the layer is spare.",
            }
            DeadExperts = "dead_experts" {
                command: Route, table: "expert_load", question: "load", unit: "experts", kept: true,
                title: "Dead experts",
                definition: "experts without any assignment",
                baseline: "0 (uniform)",
                source: "this tool",
                reading: "Experts that this text never chose. A rare language may wake them: this is about the corpus, \
                    not only about the model.",
            }
            N50 = "n50" {
                command: Route, table: "expert_load", question: "load", unit: "experts", kept: true,
                title: "Experts that take half of the assignments",
                definition: "fewest experts whose loads reach one half together",
                baseline: "ceil(E/2) (uniform)",
                source: "this tool",
                reading: "Fewest experts that take half of the assignments; E/2 if all are alike.",
            }
            RouterEntropy = "router_entropy" {
                command: Route, table: "router_entropy", question: "confidence", unit: "nats", kept: false,
                title: "Router entropy",
                definition: "entropy of the router probabilities over all experts: mean and quantiles",
                baseline: "ln E (uniform)",
                source: "this tool",
                reading: "0: certain; ln E: undecided. Low quantiles show how many tokens the router is sure of.",
            }
            RouterMargin = "router_margin" {
                command: Route, table: "router_margin", question: "confidence", unit: "probability", kept: false,
                title: "Router margin",
                definition: "g1 - g2 (margin_first) and gk - gk+1 (margin_k): mean and quantiles",
                baseline: "0 (uniform)",
                source: "this tool",
                reading: "Small margins are near-ties: rounding, another batch or a little training flips them. The \
                    lower quantiles say how many decisions are fragile.",
            }
        }
    };
}
