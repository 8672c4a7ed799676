//! The verdict on one layer: whether its routing is context-independent.

use super::{Answer, Evidence, FindingKey, Independence, Missing, Number, Verdict};
use crate::{
    routing::{ExpertId, LayerId, View},
    stats::{Finding, Statistic, Subject, Variable},
};

/// Routing is called context-independent if the token id explains at least this share of what can be explained ...
const TOKEN_EXPLAINS: f64 = 0.5;
/// ... and no context variable adds more than this share of what is left ...
pub(super) const CONTEXT_ADDS: f64 = 0.1;
/// ... or if the token id explains at least this share, so that hardly anything is left.
const TOKEN_EXPLAINS_ALL: f64 = 0.95;
/// Fewer bits than this count as none; below it the statistics give no `explained`.
const LEAST_EXPLAINABLE: f64 = 0.05;
/// Bits that come from rounding alone.
const ROUNDING: f64 = 1e-9;

/// A context variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// The document that the token stands in.
    Document,
    /// The token before it.
    PreviousToken,
    /// The category of the document.
    Category,
    /// The position within the sequence, in buckets.
    Position,
}

impl Context {
    /// All of them, in the order in which sentences name them.
    pub const ALL: [Self; 4] = [Self::Document, Self::PreviousToken, Self::Category, Self::Position];

    /// Its name in the findings.
    pub fn variable(self) -> Variable {
        match self {
            Self::Document => Variable::Document,
            Self::PreviousToken => Variable::PreviousToken,
            Self::Category => Variable::Category,
            Self::Position => Variable::PositionBucket,
        }
    }

    /// Whether its share is an upper end, because its baseline is lenient: see docs/statistics.md, Baselines.
    pub fn is_upper_end(self) -> bool {
        self == Self::PreviousToken
    }
}

/// A share with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// The estimate.
    pub value: f64,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end of the 95 % interval.
    pub high: f64,
}

impl Share {
    /// Whether two intervals have a value in common.
    pub fn overlaps(self, other: Self) -> bool {
        self.low <= other.high && other.low <= self.high
    }
}

/// How much a variable explains.
#[derive(Clone, Debug, PartialEq)]
pub enum Explained {
    /// A share of what can be explained.
    Share(Share),
    /// Fewer bits than 0.05 could be explained at all: these.
    Nothing(f64),
    /// There is no number.
    Unknown(Missing),
}

impl Explained {
    /// The share, if it is known.
    pub fn share(&self) -> Option<Share> {
        match self {
            Self::Share(share) => Some(*share),
            Self::Nothing(_) | Self::Unknown(_) => None,
        }
    }

    /// What a row explains.
    fn of(row: Option<&Finding>) -> Self {
        let Some(row) = row else { return Self::Unknown(Missing::NotMeasured) };
        let note = || row.note.clone();
        let (Some(estimate), Some(ceiling)) = (row.estimate, row.ceiling) else {
            return Self::Unknown(Missing::Withheld { note: note() });
        };
        if ceiling < LEAST_EXPLAINABLE {
            return Self::Nothing(ceiling.max(0.0));
        }
        let Some(chance) = row.baseline else { return Self::Unknown(Missing::WithoutPermutations) };
        // Counts of two different values give some information by chance; only a single value gives none in every shuffle.
        if estimate.abs() < ROUNDING && chance.abs() < ROUNDING {
            return Self::Unknown(Missing::SingleValue);
        }
        let Some(value) = row.explained else { return Self::Unknown(Missing::NearChance { chance, ceiling }) };
        match row.explained_low.zip(row.explained_high) {
            Some((low, high)) => Self::Share(Share { value, low, high }),
            None => Self::Unknown(Missing::NoInterval { note: note() }),
        }
    }
}

/// The verdict on one layer.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerIndependence {
    /// Decoder layer index.
    pub layer: LayerId,
    /// Whether the layer follows the token id alone.
    pub answer: Independence,
    /// What the token id explains.
    pub token: Explained,
    /// The bits that the token id leaves open, where these are fewer than 0.05 and nothing can be asked about them.
    pub nothing_left: Option<f64>,
    /// What each of [`Context::ALL`] adds.
    pub contexts: Vec<Explained>,
    /// Of a constant router: the experts that every token gets.
    pub experts: Vec<ExpertId>,
    /// The numbers that decided; that of the token id is the first.
    pub because: Vec<Evidence>,
}

impl LayerIndependence {
    /// Reads `mutual_information` (variable `token`), `conditional_mutual_information` given the token id and, for a constant
    /// router, `expert_share`; chosen view.
    pub(super) fn of(findings: &[Finding], layer: LayerId) -> Self {
        let own: Vec<&Finding> = findings.iter().filter(|row| row.layer == layer && row.view == View::Chosen).collect();
        let token_row = information(&own, Statistic::MutualInformation, Variable::Token);
        let token = Explained::of(token_row);
        let context_rows =
            Context::ALL.map(|context| information(&own, Statistic::ConditionalMutualInformation, context.variable()));
        let contexts: Vec<Explained> = context_rows.iter().map(|row| Explained::of(*row)).collect();
        let left = token_row.and_then(|row| Some((row.ceiling? - row.estimate?).max(0.0)));
        let answer = judge(&token, left, &contexts);
        let taken = if answer == Independence::ConstantRouter { taken(&own) } else { Vec::new() };
        let nothing_left = left.filter(|left| *left < LEAST_EXPLAINABLE);
        let open = nothing_left
            .zip(token_row)
            .map(|(left, row)| Evidence::point(row, Number::LeftOpen, Some(left)).against(LEAST_EXPLAINABLE));
        let token_evidence = evidence(&token, token_row, Statistic::MutualInformation, Variable::Token, layer);
        let context_evidence = contexts.iter().zip(context_rows).zip(Context::ALL).map(|((added, row), context)| {
            evidence(added, row, Statistic::ConditionalMutualInformation, context.variable(), layer)
        });
        let experts = taken.iter().map(|row| Evidence::point(row, Number::Estimate, row.estimate));
        let because = if answer.is_constant() {
            std::iter::once(token_evidence).chain(experts).collect()
        } else {
            std::iter::once(token_evidence).chain(open).chain(context_evidence).collect()
        };
        let experts = taken.iter().filter_map(|row| row.expert).collect();
        Self { layer, answer, token, nothing_left, contexts, experts, because }
    }

    /// The same as an entry of `summary.json`.
    pub fn verdict(&self) -> Verdict {
        let answer = Answer::ContextIndependent(self.answer);
        Verdict { layer: Some(self.layer), ..Verdict::new(answer, self.because.clone()) }
    }
}

/// The judgement about a layer of which the token id leaves so many bits open.
fn judge(token: &Explained, left: Option<f64>, contexts: &[Explained]) -> Independence {
    let token = match token {
        Explained::Share(share) => share,
        Explained::Nothing(bits) if *bits < ROUNDING => return Independence::ConstantRouter,
        Explained::Nothing(_) => return Independence::NearlyConstantRouter,
        Explained::Unknown(_) => return Independence::NotEnoughData,
    };
    let is_nothing_left = left.is_some_and(|left| left < LEAST_EXPLAINABLE);
    let is_function = left.is_some_and(|left| left < ROUNDING);
    if is_nothing_left && (token.low >= TOKEN_EXPLAINS_ALL || is_function) {
        return Independence::Fully;
    }
    if token.low >= TOKEN_EXPLAINS_ALL {
        return Independence::Yes;
    }
    let added: Vec<Share> = contexts.iter().filter_map(Explained::share).collect();
    if added.is_empty() {
        return Independence::NotEnoughData;
    }
    let some_adds = added.iter().any(|share| share.low > CONTEXT_ADDS);
    let none_adds = added.iter().all(|share| share.high <= CONTEXT_ADDS);
    match (token.low >= TOKEN_EXPLAINS, token.high < TOKEN_EXPLAINS) {
        (true, _) if none_adds => Independence::Yes,
        (true, _) if some_adds => Independence::Mostly,
        (true, _) => Independence::AtLeastMostly,
        (_, true) if some_adds => Independence::No,
        (_, true) => Independence::Unexplained,
        _ => Independence::Undecided,
    }
}

/// The row of an information statistic that decides.
fn information<'a>(rows: &[&'a Finding], statistic: Statistic, variable: Variable) -> Option<&'a Finding> {
    rows.iter().copied().find(|row| {
        row.statistic == statistic && row.variable == Some(variable) && row.category.is_none() && row.decides()
    })
}

/// What a variable explains, as a number of its finding, or of the one that is not there.
fn evidence(
    explained: &Explained,
    row: Option<&Finding>,
    statistic: Statistic,
    variable: Variable,
    layer: LayerId,
) -> Evidence {
    let is_context = statistic == Statistic::ConditionalMutualInformation;
    let absent = || {
        let row = Finding::new(statistic, layer, View::Chosen).by(variable);
        let given = is_context.then_some(Variable::Token);
        FindingKey::of(&row.about(|subject| Subject { given, ..subject }))
    };
    let number = if matches!(explained, Explained::Nothing(_)) { Number::Ceiling } else { Number::Explained };
    let number = Evidence::new(row.map_or_else(absent, FindingKey::of), number, row.map_or(0, |row| row.n));
    match explained {
        Explained::Share(Share { value, low, high }) => {
            let threshold = if is_context { CONTEXT_ADDS } else { TOKEN_EXPLAINS };
            Evidence { estimate: Some(*value), low: Some(*low), high: Some(*high), ..number }.against(threshold)
        }
        Explained::Nothing(bits) => Evidence { estimate: Some(*bits), ..number }.against(LEAST_EXPLAINABLE),
        Explained::Unknown(missing) => {
            let estimate = row.and_then(|row| row.explained);
            Evidence { estimate, missing: Some(missing.clone()), ..number }
        }
    }
}

/// The rows of the experts that take assignments, ascending.
fn taken<'a>(rows: &[&'a Finding]) -> Vec<&'a Finding> {
    let is_taken = |row: &&&Finding| {
        row.statistic == Statistic::ExpertShare
            && row.category.is_none()
            && row.position.is_none()
            && row.token_id.is_none()
            && row.estimate.is_some_and(|share| share > 0.0)
    };
    rows.iter().filter(is_taken).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{
        Variant,
        verdict::made::{Interval, function, layer},
    };

    fn judged(token: Interval, previous: Interval) -> Independence {
        LayerIndependence::of(&layer(1, token, previous), 1).answer
    }

    #[test]
    fn the_criterion_reads_interval_ends() {
        assert_eq!(judged((0.58, 0.51, 0.61), (0.09, 0.0, 0.1)), Independence::Yes);
        assert_eq!(judged((0.58, 0.51, 0.61), (0.12, 0.11, 0.13)), Independence::Mostly);
        assert_eq!(judged((0.58, 0.49, 0.61), (0.2, 0.15, 0.3)), Independence::Undecided);
        assert_eq!(judged((0.48, 0.40, 0.499), (0.2, 0.15, 0.3)), Independence::No);
        assert_eq!(judged((0.97, 0.951, 0.99), (0.2, 0.15, 0.3)), Independence::Yes);
        let alone = &layer(1, (0.9, 0.8, 0.95), (0.0, 0.0, 0.0))[..1];
        assert_eq!(LayerIndependence::of(alone, 1).answer, Independence::NotEnoughData);
    }

    #[test]
    fn context_is_not_claimed_where_its_interval_contains_the_threshold() {
        // Nothing explains a random router; that its token id does not is no sign of context.
        assert_eq!(judged((0.0, -0.01, 0.01), (0.0, -0.02, 0.02)), Independence::Unexplained);
        assert_eq!(judged((0.0, -0.01, 0.01), (0.2, 0.09, 0.3)), Independence::Unexplained);
        assert_eq!(judged((0.92, 0.90, 0.93), (0.13, -0.02, 0.27)), Independence::AtLeastMostly);
    }

    #[test]
    fn a_function_of_the_token_id_is_the_strongest_yes() {
        let answer = |rows: &[Finding]| LayerIndependence::of(rows, 3).answer;
        // Documents that differ much make the interval of a deterministic router wide; what is left is still nothing.
        assert_eq!(answer(&function(3, (1.0, 0.9, 1.1))), Independence::Fully);
        // 0.04 bits are left of few: neither a function nor nearly all.
        let mut nearly = function(3, (0.9, 0.8, 1.0));
        nearly[0].estimate = Some(2.46);
        assert_eq!(answer(&nearly), Independence::NotEnoughData);
        nearly[0].explained_low = Some(0.96);
        assert_eq!(answer(&nearly), Independence::Fully);
    }

    #[test]
    fn the_numbers_that_decided_are_named_with_their_thresholds() {
        let decided = LayerIndependence::of(&layer(1, (0.58, 0.51, 0.61), (0.12, 0.11, 0.13)), 1);
        let told: Vec<_> = decided
            .because
            .iter()
            .map(|own| {
                (own.finding.subject.variable.unwrap().name(), own.number, own.low.unwrap(), own.threshold.unwrap())
            })
            .collect();
        assert_eq!(
            told,
            [
                ("token", Number::Explained, 0.51, 0.5),
                ("document", Number::Explained, 0.02, 0.1),
                ("previous_token", Number::Explained, 0.11, 0.1),
                ("category", Number::Explained, 0.01, 0.1),
                ("position_bucket", Number::Explained, -0.01, 0.1),
            ]
        );
        assert_eq!(decided.because[4].finding.subject.variant, Some(Variant::WithinSequenceShift));
        let missing = LayerIndependence::of(&layer(1, (0.58, 0.51, 0.61), (0.12, 0.11, 0.13))[..1], 1);
        assert_eq!(missing.because[2].missing, Some(Missing::NotMeasured));
    }
}
