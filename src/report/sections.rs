//! The questions that the report answers, as data.

/// A question, the statistics whose numbers answer it and the kinds of chart that show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Section {
    /// Anchor in the page.
    pub(super) anchor: &'static str,
    /// The question.
    pub(super) question: &'static str,
    /// What was measured to answer it.
    pub(super) asked: &'static str,
    /// Statistics and, where one is asked for, their variable.
    pub(super) statistics: &'static [(&'static str, Option<&'static str>)],
    /// [`crate::chart::ChartKind::stem`]s.
    pub(super) charts: &'static [&'static str],
}

/// All questions in the order of the page.
pub(super) const SECTIONS: &[Section] = &[
    Section {
        anchor: "token",
        question: "Does the token id decide the expert?",
        asked: "How many bits the token id tells about the expert, how well the expert of unseen documents is predicted \
                from the token id alone, and whether each token id has its own expert.",
        statistics: &[
            ("mutual_information", Some("token")),
            ("token_predictability", None),
            ("vocabulary_specialization", None),
            ("routing_std", Some("token")),
        ],
        charts: &[
            "mutual_information",
            "token_predictability",
            "vocabulary_specialization",
            "radar_token",
            "routing_std_token",
            "top_tokens",
        ],
    },
    Section {
        anchor: "context",
        question: "Once the token id is known, does the context add anything?",
        asked: "How many bits the previous token, the category, the position and the document add to the token id. \
                Context-independent routing adds none. Also how often the next token repeats the expert.",
        statistics: &[("conditional_mutual_information", None), ("expert_repetition", None)],
        charts: &["conditional_mutual_information", "expert_repetition"],
    },
    Section {
        anchor: "category",
        question: "Do categories of text go to different experts?",
        asked: "The share of every expert in each category (domain, language ...), and how far the categories are apart.",
        statistics: &[("mutual_information", Some("category")), ("cramers_v", None)],
        charts: &["radar_category", "category_load", "domain_specialization", "cramers_v", "jensen_shannon"],
    },
    Section {
        anchor: "position",
        question: "Do positions in the sequence go to different experts?",
        asked: "The share of every expert at each position, its spread over the experts, and how many bits the position \
                tells about the expert.",
        statistics: &[("mutual_information", Some("position")), ("routing_std", Some("position"))],
        charts: &["radar_position", "routing_std_position"],
    },
    Section {
        anchor: "load",
        question: "Is the load even, and which experts work together?",
        asked: "The share of every expert over the whole corpus before and after capacity, measures of balance, and which \
                pairs of experts the same token chooses.",
        statistics: &[
            ("max_violation", None),
            ("load_cv", None),
            ("load_gini", None),
            ("load_entropy", None),
            ("effective_experts", None),
            ("dead_experts", None),
            ("n50", None),
        ],
        charts: &["expert_load", "load_balance", "coactivation"],
    },
    Section {
        anchor: "confidence",
        question: "How sure is the router?",
        asked: "The entropy of the gate probabilities and the margins between the choices. Where margins are small, a change \
                of arithmetic alone can change the expert.",
        statistics: &[("router_entropy", None), ("router_margin", None)],
        charts: &["router_confidence"],
    },
    Section {
        anchor: "drift",
        question: "When was the routing learnt, and what still changes?",
        asked: "The same tokens through every checkpoint: how far their experts agree with those of the last one, against \
                load-matched chance; how many still change, and whether these are more than near-ties of the router.",
        statistics: &[
            ("router_saturation", None),
            ("first_choice_agreement", None),
            ("exact_set_agreement", None),
            ("jaccard", None),
            ("gate_overlap", None),
            ("last_change", None),
            ("expert_matching", None),
        ],
        charts: &["drift_agreement", "drift_last_change", "drift_matrix", "drift_margin", "drift_beside"],
    },
    Section {
        anchor: "drift-tokens",
        question: "Do token ids and loads still move between checkpoints?",
        asked: "The distance between the expert shares of each token id, and between the loads, at each checkpoint and the \
                last one, against no change and against the distance that another corpus of this size would show.",
        statistics: &[("token_drift", None), ("load_drift", None)],
        charts: &["drift_radar_token", "drift_token", "drift_load"],
    },
    Section {
        anchor: "drop-trend",
        question: "Are later tokens dropped more?",
        asked: "The dropped share of the assignments by position, turn and role, the last quarter of each sequence against the \
                first, and both against the same choices in random order, whose queues fill up as well.",
        statistics: &[("assignment_drop_ratio", None), ("drop_trend", None)],
        charts: &["drop_trend", "drop_position", "drop_turn_role", "drop_choice"],
    },
    Section {
        anchor: "drop-causes",
        question: "Why are tokens dropped?",
        asked: "Whether single texts ask for the same experts at once, when the queues fill up, which tokens filled them, and \
                what that looks like in the document that loses most.",
        statistics: &[("burstiness", None)],
        charts: &["burstiness", "expert_occupancy", "drop_causes", "dropped_tokens"],
    },
    Section {
        anchor: "drop-capacity",
        question: "What capacity would prevent it?",
        asked: "The drops at other capacity factors, rules, groups and orders, recomputed from the logged choices, and the smallest \
                factors that keep them at 0.1, 1 and 5 %.",
        statistics: &[("exact_replay", None)],
        charts: &["capacity_curve"],
    },
    Section {
        anchor: "drop-compare",
        question: "Do the two models differ?",
        asked: "The drops of two models on the same sequences, paired by document.",
        statistics: &[("drop_difference", None)],
        charts: &["drop_compare"],
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::CHARTS;

    #[test]
    fn every_kind_of_chart_has_exactly_one_section() {
        let mut placed: Vec<&str> = SECTIONS.iter().flat_map(|section| section.charts).copied().collect();
        placed.sort_unstable();
        let mut kinds: Vec<&str> = CHARTS.iter().map(|kind| kind.stem).collect();
        kinds.sort_unstable();
        assert_eq!(placed, kinds);
    }
}
