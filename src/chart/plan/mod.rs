//! Decides which charts the tables of a run allow. One file per question.

mod context;
mod drift;
mod drops;
mod index;
mod load;
mod many;
mod paper;
mod room;
mod selection;
mod series;
mod share;
mod spec;
mod spread;
mod token_table;
mod tokens;

use super::{ChartContext, ChartKind};
use crate::stats::{Statistic, Tables};
use index::Index;
pub use paper::plan_comparison;
use selection::Selection;
pub use spec::ChartSpec;

/// Plans the charts of one kind.
type Planner = fn(&Selection<'_>, &'static ChartKind) -> Vec<ChartSpec>;

macro_rules! kinds {
    ($($plan:path: $stem:literal, $statistic:ident, $paper:literal, $question:literal;)*) => {
        /// All kinds of chart, in the order of the report.
        pub const CHARTS: &[ChartKind] = &[$(ChartKind {
            stem: $stem, statistic: Statistic::$statistic, paper: $paper, question: $question,
        }),*];
        const PLANNERS: &[Planner] = &[$($plan),*];
    };
}

kinds! {
    context::unconditional: "mutual_information", MutualInformation, "",
        "How much does each variable tell about the expert?";
    context::conditional: "conditional_mutual_information", ConditionalMutualInformation, "",
        "Once the token id is known, what does the context add?";
    tokens::predictability: "token_predictability", TokenPredictability, "",
        "Can the expert be predicted from the token id alone?";
    tokens::vocabulary: "vocabulary_specialization", VocabularySpecialization, "",
        "Does each token id have its own expert?";
    share::tokens: "radar_token", ExpertShare, "Fig. 10",
        "Which experts do the most frequent token ids go to?";
    tokens::top_tokens: "top_tokens", TopTokens, "Tables 9 and 15",
        "Which tokens does each expert take?";
    spread::by_token: "routing_std_token", RoutingStd, "Fig. 14",
        "How unevenly is each token id spread over the experts?";
    share::categories: "radar_category", ExpertShare, "Figs. 5-8",
        "Do categories of text go to different experts?";
    share::category_load: "category_load", ExpertShare, "Figs. 5-8",
        "How far is each category's load from even, expert by expert?";
    share::domain: "domain_specialization", DomainSpecialization, "",
        "Which share of a category's tokens does each expert see?";
    context::cramers_v: "cramers_v", CramersV, "",
        "How strongly are category and expert associated?";
    load::jensen_shannon: "jensen_shannon", JensenShannon, "",
        "Which categories are routed alike?";
    share::positions: "radar_position", ExpertShare, "Fig. 9",
        "Do positions go to different experts?";
    spread::by_position: "routing_std_position", RoutingStd, "Fig. 13",
        "How unevenly is each position spread over the experts?";
    context::repetition: "expert_repetition", ExpertRepetition, "",
        "Does the next token go to the same expert?";
    load::overall: "expert_load", ExpertShare, "",
        "How is the load spread over the experts?";
    load::balance: "load_balance", MaxViolation, "",
        "How far is the load from even?";
    load::coactivation: "coactivation", Coactivation, "",
        "Which experts are chosen together?";
    load::confidence: "router_confidence", RouterEntropy, "",
        "How sure is the router?";
    drift::agreement: "drift_agreement", RouterSaturation, "",
        "When was the final routing learnt?";
    drift::matrix: "drift_matrix", RouterSaturation, "",
        "Which checkpoints route alike?";
    drift::beside: "drift_beside", FirstChoiceAgreement, "",
        "How far is a checkpoint beside the time axis from the last one?";
    drift::last_change: "drift_last_change", LastChange, "",
        "How many tokens still change their first choice?";
    drift::by_margin: "drift_margin", AgreementByMargin, "",
        "Do only near-ties of the router still flip?";
    drift::radars: "drift_radar_token", TokenDrift, "Fig. 11",
        "How do the experts of the most frequent token ids change in training?";
    drift::by_frequency: "drift_token", TokenDrift, "Fig. 11",
        "Which token ids still move, and by more than another corpus would?";
    drift::load: "drift_load", LoadDrift, "",
        "Does the load of the experts change in training?";
    drops::forest: "drop_trend", DropTrend, "Fig. 12",
        "Are later tokens dropped more, and more than in random order?";
    drops::by_position: "drop_position", AssignmentDropRatio, "Fig. 12",
        "Where in a sequence are assignments dropped?";
    drops::by_message: "drop_turn_role", AssignmentDropRatio, "Fig. 12",
        "Whose messages are dropped, and which?";
    drops::side_by_side: "drop_choice", FirstChoiceDropRatio, "",
        "Are first choices, second choices or whole tokens lost?";
    drops::burstiness: "burstiness", Burstiness, "",
        "Do single texts ask for the same experts?";
    drops::occupancy: "expert_occupancy", ExpertOccupancy, "",
        "When do the queues of the experts fill up?";
    drops::causes: "drop_causes", DropCauses, "",
        "Which tokens filled the queues of the experts that drop most?";
    drops::conversation: "dropped_tokens", DroppedTokens, "",
        "Which tokens of the worst document are dropped?";
    drops::capacity: "capacity_curve", CapacityReplay, "",
        "What capacity would prevent the drops?";
    drops::difference: "drop_compare", DropDifference, "Fig. 12b",
        "Does one model drop more than the other on the same text?";
}

/// Decides which charts the tables allow; an empty or withheld table gives no chart.
pub fn plan(tables: &Tables, context: &ChartContext) -> Vec<ChartSpec> {
    let index = Index::new(tables);
    let selection = Selection::new(&index, context);
    CHARTS.iter().zip(PLANNERS).flat_map(|(kind, planner)| planner(&selection, kind)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_charts_has_no_duplicates_and_every_entry_is_described() {
        let mut stems: Vec<&str> = CHARTS.iter().map(|kind| kind.stem).collect();
        stems.sort_unstable();
        stems.dedup();
        assert_eq!(stems.len(), CHARTS.len());
        assert_eq!(CHARTS.len(), PLANNERS.len());
        assert!(CHARTS.iter().all(|kind| kind.question.ends_with('?')));
    }

    #[test]
    fn no_tables_give_no_charts() {
        assert!(plan(&Tables::new(), &ChartContext::default()).is_empty());
    }
}
