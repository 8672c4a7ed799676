//! Decides which charts the tables of a run allow. One file per question.

mod context;
mod contrast;
mod drift;
mod drops;
mod expert_load;
mod index;
mod load;
mod many;
mod mitigation;
mod named;
mod paper;
mod room;
mod says;
mod selection;
mod series;
mod share;
mod spec;
mod spread;
mod token_table;
mod tokens;

use super::{ChartContext, ChartKind};
use crate::stats::{Statistic, Tables};
pub use contrast::plan_contrast;
use index::RowIndex;
pub use mitigation::plan_mitigation;
pub use named::specs_named;
pub use paper::plan_comparison;
use selection::Selection;
pub use spec::ChartSpec;

/// Plans the charts of one kind.
type Planner = fn(&Selection<'_>, &'static ChartKind) -> Vec<ChartSpec>;

/// The beginning of the file names of a kind of chart: the name of its statistic, or another one.
macro_rules! stem {
    ($statistic:ident) => {
        Statistic::$statistic.name()
    };
    ($statistic:ident $stem:literal) => {
        $stem
    };
}

/// Whether a kind of chart is drawn only on request.
macro_rules! on_request {
    () => {
        false
    };
    (on_request) => {
        true
    };
}

macro_rules! kinds {
    ($($plan:path: $statistic:ident $(as $stem:literal)?, $paper:literal, $question:literal $(, $when:ident)?;)*) => {
        /// All kinds of chart, in the order of the report.
        pub const CHARTS: &[ChartKind] = &[$(ChartKind {
            stem: stem!($statistic $($stem)?), statistic: Statistic::$statistic, paper: $paper, question: $question,
            on_request: on_request!($($when)?),
        }),*];
        const PLANNERS: &[Planner] = &[$($plan),*];
    };
}

kinds! {
    context::unconditional: MutualInformation, "",
        "How much does each variable tell about the expert?";
    context::conditional: ConditionalMutualInformation, "",
        "Once the token id is known, what does the context add?";
    tokens::predictability: TokenPredictability, "",
        "Can the expert be predicted from the token id alone?";
    tokens::vocabulary: VocabularySpecialization, "",
        "Does each token id have its own expert?";
    share::tokens: ExpertShare as "radar_token", "Fig. 10",
        "Which experts do the most frequent token ids go to?", on_request;
    tokens::top_tokens: TopTokens, "Tables 9 and 15",
        "Which tokens does each expert take?";
    spread::by_token: RoutingStd as "routing_std_token", "Fig. 14",
        "How unevenly is each token id spread over the experts?";
    share::categories: ExpertShare as "radar_category", "Figs. 5-8",
        "Do categories of text go to different experts?", on_request;
    share::category_load: ExpertShare as "category_load", "Figs. 5-8",
        "How far is each category's load from even, expert by expert?";
    share::domain: DomainSpecialization, "",
        "Which share of a category's tokens does each expert see?";
    context::cramers_v: CramersV, "",
        "How strongly are category and expert associated?", on_request;
    load::jensen_shannon: JensenShannon, "",
        "Which categories are routed alike?";
    share::positions: ExpertShare as "radar_position", "Fig. 9",
        "Do positions go to different experts?", on_request;
    spread::by_position: RoutingStd as "routing_std_position", "Fig. 13",
        "How unevenly is each position spread over the experts?", on_request;
    context::repetition: ExpertRepetition, "",
        "Does the next token go to the same expert?";
    load::overall: ExpertShare as "expert_load", "",
        "How is the load spread over the experts?";
    load::balance: MaxViolation as "load_balance", "",
        "How far is the load from even?";
    load::coactivation: Coactivation, "",
        "Which experts are chosen together?";
    load::confidence: RouterEntropy as "router_confidence", "",
        "How sure is the router?", on_request;
    drift::agreement: RouterSaturation as "drift_agreement", "",
        "When was the final routing learnt?";
    drift::matrix: RouterSaturation as "drift_matrix", "",
        "Which checkpoints route alike?";
    drift::beside: FirstChoiceAgreement as "drift_beside", "",
        "How far is a model that is no step of the training from the last checkpoint?";
    drift::last_change: LastChange as "drift_last_change", "",
        "How many tokens still change their first choice?";
    drift::by_margin: AgreementByMargin as "drift_margin", "",
        "Do only near-ties of the router still flip?";
    drift::radars: TokenDrift as "drift_radar_token", "Fig. 11",
        "How do the experts of the most frequent token ids change in training?", on_request;
    drift::by_frequency: TokenDrift as "drift_token", "Fig. 11",
        "Which token ids still move, and by more than another corpus would?";
    drift::load: LoadDrift as "drift_load", "",
        "Does the load of the experts change in training?", on_request;
    drops::forest: DropTrend, "Fig. 12",
        "Are later tokens dropped more, and more than in random order?";
    drops::by_position: AssignmentDropRatio as "drop_position", "Fig. 12",
        "Where in a sequence are assignments dropped?", on_request;
    drops::by_message: AssignmentDropRatio as "drop_turn_role", "Fig. 12",
        "Whose messages are dropped, and which?";
    drops::side_by_side: FirstChoiceDropRatio as "drop_choice", "",
        "Are first choices, second choices or whole tokens lost?";
    drops::burstiness: Burstiness, "",
        "Do single texts ask for the same experts?", on_request;
    drops::occupancy: ExpertOccupancy, "",
        "When do the queues of the experts fill up?", on_request;
    drops::causes: DropCauses, "",
        "Which tokens filled the queues of the experts that drop most?";
    drops::conversation: DroppedTokens, "",
        "Which tokens of the worst document are dropped?";
    drops::capacity: CapacityReplay as "capacity_curve", "",
        "What capacity would prevent the drops?";
    drops::rank_load: RankLoad, "",
        "Are ranks that share the experts loaded alike?";
    drops::difference: DropDifference as "drop_compare", "Fig. 12b",
        "Does one model drop more than the other on the same text?", on_request;
}

/// Decides which charts the tables allow; an empty or withheld table gives no chart. Without those that are drawn on request only.
pub fn plan(tables: &Tables, context: &ChartContext) -> Vec<ChartSpec> {
    plan_kinds(tables, context, |kind| !kind.on_request)
}

/// The same with the charts that are drawn on request.
pub fn plan_all(tables: &Tables, context: &ChartContext) -> Vec<ChartSpec> {
    plan_kinds(tables, context, |_| true)
}

fn plan_kinds(tables: &Tables, context: &ChartContext, is_wanted: impl Fn(&ChartKind) -> bool) -> Vec<ChartSpec> {
    let index = RowIndex::new(tables);
    let selection = Selection::new(&index, context);
    let wanted = CHARTS.iter().zip(PLANNERS).filter(|(kind, _)| is_wanted(kind));
    wanted.flat_map(|(kind, planner)| planner(&selection, kind)).collect()
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
