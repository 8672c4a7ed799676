//! The questions that the report answers, as data. Each statistic of the catalogue names the one that it belongs to.

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// Anchor in the page, and [`crate::stats::StatisticInfo::question`].
    pub(super) anchor: &'static str,
    /// The question in words.
    pub(super) words: &'static str,
    /// The measurements that answer it.
    pub(super) asked: &'static str,
}

/// All questions in the order of the page.
pub(super) const QUESTIONS: &[Question] = &[
    Question {
        anchor: "token",
        words: "Does the token id decide the expert?",
        asked: "How many bits the token id (and category and position) tells about the expert, how well the expert of unseen \
                documents is predicted from the token id alone, and whether each token id has its own expert.",
    },
    Question {
        anchor: "context",
        words: "Once the token id is known, does the context add anything?",
        asked: "How many bits the previous token, the category, the position and the document add to the token id. \
                Context-independent routing adds none. Also how often the next token repeats the expert.",
    },
    Question {
        anchor: "category",
        words: "Do categories, positions and token ids go to different experts?",
        asked: "The share of every expert in each category (domain, language ...), at each position and for each frequent token \
                id, and how far the categories are apart.",
    },
    Question {
        anchor: "load",
        words: "Is the load even, and which experts work together?",
        asked: "Measures of balance before and after capacity, and which pairs of experts the same token chooses.",
    },
    Question {
        anchor: "confidence",
        words: "How sure is the router?",
        asked: "The entropy of the gate probabilities and the margins between the choices. Where margins are small, a change \
                of arithmetic alone can change the expert.",
    },
    Question {
        anchor: "drift",
        words: "When was the routing learnt, and what still changes?",
        asked: "The same tokens through every checkpoint: how far their experts agree with those of the last one, against \
                load-matched chance; how many still change, and whether these are more than near-ties of the router.",
    },
    Question {
        anchor: "drift-tokens",
        words: "Do token ids and loads still move between checkpoints?",
        asked: "The distance between the expert shares of each token id, and between the loads, at each checkpoint and the \
                last one, against no change and against the distance that another corpus of this size would show.",
    },
    Question {
        anchor: "drop-trend",
        words: "Are later tokens dropped more?",
        asked: "The dropped share of the assignments by position, turn and role, the last quarter of each sequence against the \
                first, and both against the same choices in random order, whose queues fill up as well.",
    },
    Question {
        anchor: "drop-causes",
        words: "Why are tokens dropped?",
        asked: "Whether single texts ask for the same experts at once, when the queues fill up, which tokens filled them, and \
                which documents lose most.",
    },
    Question {
        anchor: "drop-capacity",
        words: "What capacity would prevent it?",
        asked: "The drops at other capacity factors, rules, groups and orders, recomputed from the logged choices, and the smallest \
                factors that keep them at 0.1, 1 and 5 %. If ranks share the experts: how long they wait for the slowest.",
    },
    Question {
        anchor: "drop-compare",
        words: "Do the two models differ?",
        asked: "The drops of two models on the same sequences, paired by document.",
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::STATISTICS;

    #[test]
    fn every_statistic_has_a_question_and_every_question_a_statistic() {
        for statistic in STATISTICS {
            assert!(QUESTIONS.iter().any(|question| question.anchor == statistic.question), "{}", statistic.name);
        }
        for question in QUESTIONS {
            assert!(STATISTICS.iter().any(|statistic| statistic.question == question.anchor), "{}", question.anchor);
        }
    }
}
