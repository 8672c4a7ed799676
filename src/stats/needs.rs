//! The parts of a trace that each statistic needs; withholds numbers that a trace cannot give.

use std::collections::HashSet;

use super::{Finding, Priority, Statistic, StatisticTable, Subject, Variable, Variant};
use crate::{
    routing::{LayerId, View},
    trace::{Block, Provides},
};

/// The blocks of a trace that a statistic needs besides the chosen experts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// Blocks that every number needs.
    pub always: &'static [Block],
    /// Further blocks that some variants need.
    pub variants: &'static [(Variant, &'static [Block])],
}

/// The blocks that the ratios of a replay need. The number of assignments that an expert cannot take is the same in any order and
/// needs none.
const RATIOS: &[(Variant, &[Block])] = &[
    (Variant::Of(Statistic::FirstChoiceDropRatio), &[Block::Ranks]),
    (Variant::Of(Statistic::SecondChoiceDropRatio), &[Block::Ranks]),
    (Variant::Of(Statistic::ChoiceDropRatio), &[Block::Ranks]),
    (Variant::Of(Statistic::TokenDropRatio), &[Block::Ranks]),
    (Variant::Of(Statistic::GateMassLost), &[Block::Ranks, Block::Probability]),
];

impl Statistic {
    /// The blocks of a trace that it needs.
    pub fn needs(self) -> Needs {
        Needs { always: self.always(), variants: self.variants() }
    }

    /// What every number of it is made of, beside the chosen experts.
    fn always(self) -> &'static [Block] {
        use Block::{Drops, Entropy, Positions, Probability, Ranks, TokenIds};
        match self {
            Self::TopTokens
            | Self::VocabularySpecialization
            | Self::ConditionalMutualInformation
            | Self::TokenPredictability
            | Self::TokenDrift
            | Self::ExpertMatching => &[TokenIds],
            Self::ExpertRepetition => &[Positions],
            Self::RouterEntropy => &[Entropy],
            Self::FirstChoiceAgreement | Self::LastChange => &[Ranks],
            Self::AssignmentDropRatio
            | Self::TokenDropRatio
            | Self::DocumentDrops
            | Self::Burstiness
            | Self::DropCauses
            | Self::CapacityReplay
            | Self::ExactReplay
            | Self::DropDifference => &[Drops],
            Self::FirstChoiceDropRatio
            | Self::SecondChoiceDropRatio
            | Self::ChoiceDropRatio
            | Self::ExpertOccupancy => &[Drops, Ranks],
            Self::DroppedTokens => &[Drops, TokenIds, Positions, Ranks],
            Self::GateMassLost => &[Drops, Probability],
            Self::DropTrend => &[Drops, Positions],
            // The experts alone: a test has the list.
            _ => &[],
        }
    }

    /// Whether numbers of assignments are enough, over all or by category.
    fn follows_from_counts(self) -> bool {
        matches!(
            self,
            Self::ExpertShare
                | Self::MutualInformation
                | Self::DomainSpecialization
                | Self::CramersV
                | Self::JensenShannon
                | Self::MaxViolation
                | Self::LoadCv
                | Self::LoadGini
                | Self::LoadEntropy
                | Self::EffectiveExperts
                | Self::DeadExperts
                | Self::N50
        )
    }

    /// Further blocks that some variants need.
    fn variants(self) -> &'static [(Variant, &'static [Block])] {
        use Block::{MarginFirst, MarginK, Positions, Ranks, TokenIds};
        match self {
            Self::TokenPredictability => &[
                (Variant::Token, &[Ranks]),
                (Variant::TokenAndPrevious, &[Ranks, Positions]),
                (Variant::ContextGain, &[Ranks, Positions]),
            ],
            Self::DropCauses => {
                &[(Variant::Token, &[TokenIds]), (Variant::Role, &[Positions]), (Variant::Turn, &[Positions])]
            }
            Self::ExpertRepetition => &[(Variant::First, &[Ranks])],
            Self::RouterMargin => &[(Variant::MarginFirst, &[MarginFirst]), (Variant::MarginK, &[MarginK])],
            Self::AgreementByMargin => &[
                (Variant::Overlap, &[MarginK]),
                (Variant::ExactSet, &[MarginK]),
                (Variant::FirstChoice, &[MarginFirst, Ranks]),
            ],
            Self::CapacityReplay | Self::ExactReplay | Self::DropDifference => RATIOS,
            _ => &[],
        }
    }
}

/// Why a number cannot be given from a trace, if it cannot: a block that its statistic, variant, keys or view needs and that the
/// trace does not provide.
fn reason(row: &Finding, provides: Provides) -> Option<&'static str> {
    let is_of_counts = || row.variable.is_none_or(|variable| variable == Variable::Category);
    if provides.is_counts() && !(row.statistic.follows_from_counts() && is_of_counts()) {
        return Some(Provides::COUNTS_ALONE);
    }
    let Needs { always, variants } = row.statistic.needs();
    let of_variant = variants.iter().filter(|(variant, _)| row.variant == Some(*variant)).map(|(_, blocks)| *blocks);
    let of_keys = [row.variable, row.given].into_iter().flatten().map(of_variable);
    let of_view: &[Block] = if row.view == View::Kept { &[Block::Drops] } else { &[] };
    let by_gate = row.priority == Some(Priority::GateProbability);
    let of_order: &[Block] = if by_gate { &[Block::Probability] } else { &[] };
    let of_subject = [of_token(row), of_place(row)];
    let needed = [always, of_view, of_order].into_iter().chain(of_variant).chain(of_keys);
    let mut needed = needed.chain(of_subject);
    let missing = needed.find_map(|blocks| provides.missing(blocks));
    missing.filter(|block| !is_left_alone(*block)).map(Block::absence)
}

/// What a number about one token id needs.
fn of_token(row: &Subject) -> &'static [Block] {
    if row.token_id.is_some() || row.text.is_some() { &[Block::TokenIds] } else { &[] }
}

/// What a number about one place of the text, or about one message of a conversation, needs: messages are ranges of positions.
fn of_place(row: &Subject) -> &'static [Block] {
    let is_of_place = row.position.is_some() || row.turn.is_some() || row.role.is_some();
    if is_of_place { &[Block::Positions] } else { &[] }
}

/// The blocks that a number about a variable needs.
fn of_variable(variable: Variable) -> &'static [Block] {
    match variable {
        Variable::Token => &[Block::TokenIds],
        Variable::Position | Variable::PositionBucket => &[Block::Positions],
        Variable::PreviousToken => &[Block::TokenIds, Block::Positions],
        Variable::Category | Variable::Document | Variable::Expert => &[],
    }
}

/// Whether no number of a statistic can be given.
pub(super) fn is_out_of_reach(statistic: Statistic, provides: Provides) -> bool {
    absence(statistic, provides).is_some()
}

/// Why no number of a statistic can be given.
fn absence(statistic: Statistic, provides: Provides) -> Option<&'static str> {
    if provides.is_counts() && !statistic.follows_from_counts() {
        return Some(Provides::COUNTS_ALONE);
    }
    provides.missing(statistic.needs().always).map(Block::absence)
}

/// The rows of a statistic that was not computed: one for each view that it is given for.
pub(super) fn without_numbers(statistic: Statistic, layer: LayerId, provides: Provides) -> Vec<Finding> {
    let reason = absence(statistic, provides).unwrap_or("not computed");
    let views = &View::ALL[..if statistic.info().kept { 2 } else { 1 }];
    views.iter().map(|view| Finding::new(statistic, layer, *view).withheld(reason)).collect()
}

/// Replaces every number that the trace cannot give by the reason; rows that differ only in single keys become one row.
pub(super) fn withhold(tables: &mut [StatisticTable], provides: Provides) {
    if Block::ALL.into_iter().all(|block| provides.has(block) || is_left_alone(block)) {
        return;
    }
    for table in tables {
        let mut told = HashSet::new();
        table.rows = std::mem::take(&mut table.rows)
            .into_iter()
            .filter_map(|row| match reason(&row, provides) {
                None => Some(row),
                Some(reason) => told.insert(kind(&row)).then(|| bare(&row).withheld(reason)),
            })
            .collect();
    }
}

/// Whether the absence of a block withholds nothing here: no statistic needs it or, of router logits, the statistic itself says what
/// is missing, because a run keeps them only on request.
fn is_left_alone(block: Block) -> bool {
    matches!(block, Block::CombineWeight | Block::Slots | Block::Logits | Block::Losses)
}

/// The keys that withheld rows with one reason have in common.
type WithheldKind =
    (Statistic, LayerId, View, Option<Variable>, Option<Variable>, Option<Variant>, Option<String>, Option<String>);

fn kind(row: &Finding) -> WithheldKind {
    (
        row.statistic,
        row.layer,
        row.view,
        row.variable,
        row.given,
        row.variant,
        row.checkpoint.clone(),
        row.reference.clone(),
    )
}

/// The same row without numbers and without the keys that single out one of many.
fn bare(row: &Finding) -> Finding {
    Finding {
        unit: row.unit.clone(),
        ..Finding::new(row.statistic, row.layer, row.view).about(|subject| Subject {
            variable: row.variable,
            given: row.given,
            variant: row.variant,
            checkpoint: row.checkpoint.clone(),
            reference: row.reference.clone(),
            training_tokens: row.training_tokens,
            ..subject
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::stats::STATISTICS;

    fn rows(statistic: Statistic) -> Vec<Finding> {
        let row = |view| Finding { estimate: Some(0.5), n: 9, ..Finding::new(statistic, 3, view) };
        vec![
            row(View::Chosen),
            row(View::Kept),
            row(View::Chosen).by(Variable::Token).about(|subject| Subject { token_id: Some(7), ..subject }),
            row(View::Chosen).by(Variable::Token).about(|subject| Subject { token_id: Some(8), ..subject }),
            row(View::Chosen).about(|subject| Subject { priority: Some(Priority::GateProbability), ..subject }),
        ]
    }

    #[test]
    fn a_trace_with_everything_withholds_nothing() {
        for info in STATISTICS {
            let mut tables = [StatisticTable { name: info.table.to_owned(), rows: rows(info.statistic) }];
            withhold(&mut tables, Provides::first_version(true));
            assert_eq!(tables[0].rows, rows(info.statistic), "{}", info.name);
        }
    }

    #[test]
    fn what_differs_in_its_keys_alone_is_withheld_in_one_row() {
        let mut tables =
            [StatisticTable { name: Statistic::ExpertShare.table().to_owned(), rows: rows(Statistic::ExpertShare) }];
        let provides = Provides::default().without(Block::TokenIds).without(Block::Drops).without(Block::Probability);
        withhold(&mut tables, provides);
        let told: Vec<(Option<f64>, Option<&str>)> =
            tables[0].rows.iter().map(|row| (row.estimate, row.note.as_deref())).collect();
        let absence = |block: Block| (None, Some(block.absence()));
        let expected =
            [(Some(0.5), None), absence(Block::Drops), absence(Block::TokenIds), absence(Block::Probability)];
        assert_eq!(told, expected);
        assert_eq!(tables[0].rows[2].token_id, None);
    }

    /// A statistic that is added is either here or asks for what it reads.
    #[test]
    fn the_chosen_experts_are_enough_for_these() {
        let enough =
            STATISTICS.iter().map(|info| info.statistic).filter(|statistic| statistic.needs().always.is_empty());
        let expected = [
            Statistic::ExpertShare,
            Statistic::RoutingStd,
            Statistic::RoutingStdCorrected,
            Statistic::MutualInformation,
            Statistic::DomainSpecialization,
            Statistic::CramersV,
            Statistic::JensenShannon,
            Statistic::Coactivation,
            Statistic::MaxViolation,
            Statistic::LoadCv,
            Statistic::LoadGini,
            Statistic::LoadEntropy,
            Statistic::EffectiveExperts,
            Statistic::DeadExperts,
            Statistic::N50,
            Statistic::RouterMargin,
            Statistic::RouterSaturation,
            Statistic::ExactSetAgreement,
            Statistic::Jaccard,
            Statistic::AgreementByMargin,
            Statistic::LoadDrift,
            Statistic::DocumentDrift,
            // It says itself that there are no logits.
            Statistic::GateOverlap,
            Statistic::RankLoad,
        ];
        assert_eq!(enough.collect::<BTreeSet<_>>(), BTreeSet::from(expected));
    }

    #[test]
    fn the_statistic_of_router_logits_says_itself_what_is_missing() {
        let own = Finding::new(Statistic::GateOverlap, 1, View::Chosen).withheld("its own reason");
        let mut tables = [StatisticTable { name: Statistic::GateOverlap.table().to_owned(), rows: vec![own] }];
        for provides in
            [Provides::default().without(Block::Logits).without(Block::TokenIds), Provides::first_version(false)]
        {
            withhold(&mut tables, provides);
            assert_eq!(tables[0].rows[0].note.as_deref(), Some("its own reason"));
        }
    }

    #[test]
    fn numbers_of_assignments_are_enough_for_loads_and_categories() {
        let row = |statistic| Finding::new(statistic, 1, View::Chosen);
        let reason = |row: Finding| reason(&row, Provides::COUNTS);
        assert_eq!(reason(row(Statistic::LoadGini)), None);
        assert_eq!(reason(row(Statistic::MutualInformation).by(Variable::Category)), None);
        for row in [row(Statistic::MutualInformation).by(Variable::Token), row(Statistic::Coactivation)] {
            assert_eq!(reason(row), Some(Provides::COUNTS_ALONE));
        }
        assert!(is_out_of_reach(Statistic::RouterEntropy, Provides::COUNTS));
    }

    #[test]
    fn single_keys_need_their_block_whatever_the_variable() {
        let row = |statistic| Finding::new(statistic, 1, View::Chosen);
        let without = |block| Provides::default().without(block);
        let told = |row: &Finding, block: Block| reason(row, without(block)) == Some(block.absence());
        let of_token = row(Statistic::DropCauses).about(|subject| Subject { token_id: Some(0), ..subject });
        assert!(told(&of_token, Block::TokenIds) && told(&row(Statistic::DroppedTokens), Block::TokenIds));
        assert!(told(&row(Statistic::DropCauses).variant(Variant::Token), Block::TokenIds));
        assert_eq!(reason(&row(Statistic::DropCauses).variant(Variant::Role), without(Block::TokenIds)), None);
        let ratio = || row(Statistic::AssignmentDropRatio);
        let places = [
            ratio().about(|subject| Subject { position: Some(0), ..subject }),
            ratio().about(|subject| Subject { turn: Some(0), ..subject }),
            ratio().about(|subject| Subject { role: Some(crate::trace::Role::User), ..subject }),
        ];
        assert!(places.iter().all(|row| told(row, Block::Positions)));
        assert_eq!(reason(&ratio(), without(Block::Positions)), None);
    }

    #[test]
    fn variants_may_need_more_than_their_statistic() {
        let row = |variant| Finding::new(Statistic::ExpertRepetition, 1, View::Chosen).variant(variant);
        let unranked = Provides::default().without(Block::Ranks);
        assert_eq!(reason(&row(Variant::First), unranked), Some(Block::Ranks.absence()));
        assert_eq!(reason(&row(Variant::FirstOrSecond), unranked), None);
    }
}
