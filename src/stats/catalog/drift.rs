//! The statistics of a `drift` run: several checkpoints on the same tokens.

/// Passes the earlier entries and these entries to `with_drops_statistics`.
macro_rules! with_drift_statistics {
    ($($before:tt)*) => {
        with_drops_statistics! {
            $($before)*
            RouterSaturation = "router_saturation" {
                command: Drift, table: "router_saturation", question: "drift", unit: "share", kept: false,
                title: "Router saturation",
                definition: "mean over occurrences of |S_t and S_T| / k, S = the k chosen experts; of every two \
                    checkpoints",
                baseline: "load-matched chance (1/k) sum_e q_e(t) q_e(T), q_e = P(e chosen); uniform_baseline: k/E; \
                    corrected: (estimate - chance) / (1 - chance)",
                source: "OLMoE, arXiv 2409.02060, eq. 5",
                reading: "The share of the final experts that a checkpoint already chooses. Chance depends on the \
                    loads: read how far it is between chance and 1. The bf16 point, where there is one, is the most \
                    that arithmetic allows.",
            }
            FirstChoiceAgreement = "first_choice_agreement" {
                command: Drift, table: "first_choice_agreement", question: "drift", unit: "share", kept: false,
                title: "First-choice agreement",
                definition: "share of the occurrences with the same first choice",
                baseline: "load-matched chance sum_e p_e(t) p_e(T), p_e = P(e chosen first); uniform_baseline: 1/E",
                source: "this tool",
                reading: "As saturation, for the first choice alone, which carries most of the weight.",
            }
            ExactSetAgreement = "exact_set_agreement" {
                command: Drift, table: "exact_set_agreement", question: "drift", unit: "share", kept: false,
                title: "Exact-set agreement",
                definition: "share of the occurrences with the same set of experts",
                baseline: "load-matched chance sum_S P_t(S) P_T(S); uniform_baseline: 1/C(E,k)",
                source: "this tool",
                reading: "As saturation, but only the whole set counts: the strictest of the three.",
            }
            Jaccard = "jaccard" {
                command: Drift, table: "jaccard", question: "drift", unit: "share", kept: false,
                title: "Jaccard index of the chosen sets",
                definition: "mean over occurrences of |S_t and S_T| / |S_t or S_T|",
                baseline: "expectation over independent sets with the frequencies of the two checkpoints",
                source: "Jaccard 1912",
                reading: "Shared experts over all experts of the two sets; never above saturation.",
            }
            GateOverlap = "gate_overlap" {
                command: Drift, table: "gate_overlap", question: "drift", unit: "probability", kept: false,
                title: "Gate overlap",
                definition: "mean over occurrences of sum_e min(g_e(t), g_e(T))",
                baseline: "the same over all pairs of occurrences, one of each checkpoint",
                source: "this tool",
                reading: "Overlap of the full gate distributions, 1 if identical: moves even where choices stay, and \
                    stays where near-ties flip.",
            }
            TokenDrift = "token_drift" {
                command: Drift, table: "token_drift", question: "drift-tokens", unit: "share", kept: true,
                title: "Token drift",
                definition: "total variation and Jensen-Shannon divergence (bits) between the expert shares of a token \
                    id at t and T; whether the largest share stays with its expert; without an id: mean over the ids \
                    with at least 128 occurrences, weighted by them",
                baseline: "0, no change; noise_floor: mean distance between random halves of the documents at T, \
                    brought to full size",
                source: "OpenMoE, arXiv 2402.01739, Figure 11",
                reading: "How far the experts of a token id moved. The tokens are the same, so that any distance is a \
                    change of the router on this text; below the noise floor it might not be seen on another corpus of \
                    this size. The paper's Figure 11 gives 0.121 for \"ed\" and 0.103 for \"an\" between 200B and 1T.",
            }
            LastChange = "last_change" {
                command: Drift, table: "last_change", question: "drift", unit: "share", kept: false,
                title: "Last change of the first choice",
                definition: "share of the occurrences whose first choice changes between two neighbouring checkpoints \
                    from t on",
                baseline: "independent first choices with the same loads",
                source: "StableMoE, arXiv 2204.08396",
                reading: "The share of tokens whose first choice still changes after a checkpoint: the later it falls, \
                    the later routing settles.",
            }
            AgreementByMargin = "agreement_by_margin" {
                command: Drift, table: "agreement_by_margin", question: "drift", unit: "share", kept: false,
                title: "Agreement by router margin",
                definition: "agreement of the occurrences whose margin at T lies between two of its quantiles",
                baseline: "load-matched chance within the bin",
                source: "this tool",
                reading: "If disagreement sits in the bins of small margins, checkpoints differ by near-ties; if it \
                    reaches large margins, routing was learnt anew.",
            }
            LoadDrift = "load_drift" {
                command: Drift, table: "load_drift", question: "drift-tokens", unit: "ratio", kept: true,
                title: "Load drift",
                definition: "cosine and total variation of the shares of the experts in all assignments, t against T",
                baseline: "1 and 0, no change; noise_floor: between random halves of the documents at T, brought to \
                    full size",
                source: "this tool",
                reading: "A cosine near 1 with a distance near the floor: the loads have not moved, whatever single \
                    tokens do.",
            }
            DocumentDrift = "document_drift" {
                command: Drift, table: "document_drift", question: "drift", unit: "share", kept: false,
                title: "Documents that changed most",
                definition: "router saturation of a document; the 50 lowest of at least 64 occurrences",
                baseline: "the saturation of the layer",
                source: "this tool",
                reading: "The documents at the lower end show which kind of text was learnt last.",
            }
            ExpertMatching = "expert_matching" {
                command: Drift, table: "expert_matching", question: "drift", unit: "share", kept: false,
                title: "Expert matching",
                definition: "sum over token ids and experts of min(n_xe, n'_xm(e)) over the assignments, m = the \
                    one-to-one matching that makes it largest",
                baseline: "the experts of the same number",
                source: "Kuhn 1955; Munkres 1957",
                reading: "If a renumbering explains much more than the experts of the same number, the two models are \
                    not of one run.",
            }
        }
    };
}
