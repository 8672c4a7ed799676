//! What the numbers of a layer say about context independence. [`super::verdict()`] has the words for it.

use crate::{
    routing::{LayerId, View},
    stats::{Finding, Statistic, Variable},
};

/// Routing is called context-independent if the token id explains at least this share of what can be explained ...
pub(super) const TOKEN_EXPLAINS: f64 = 0.5;
/// ... and no context variable adds more than this share of what is left ...
pub(super) const CONTEXT_ADDS: f64 = 0.1;
/// ... or if the token id explains at least this share, so that hardly anything is left.
pub(super) const TOKEN_EXPLAINS_ALL: f64 = 0.95;
/// Fewer bits than these are as good as none; below them the statistics give no `explained`.
const LEAST_EXPLAINABLE: f64 = 0.05;
/// Bits that come from rounding alone.
const ROUNDING: f64 = 1e-9;

/// A context variable with its name in words.
pub(super) struct Context {
    /// Its name in the findings.
    pub(super) variable: Variable,
    /// Its name in words.
    pub(super) name: &'static str,
    /// Whether its share is an upper end, because its baseline is lenient: see docs/statistics.md, Baselines.
    pub(super) is_upper_end: bool,
}

/// The context variables, in the order in which they are said.
pub(super) const CONTEXTS: [Context; 4] = [
    Context { variable: Variable::Document, name: "the document", is_upper_end: false },
    Context { variable: Variable::PreviousToken, name: "the previous token", is_upper_end: true },
    Context { variable: Variable::Category, name: "the category", is_upper_end: false },
    Context { variable: Variable::PositionBucket, name: "the position", is_upper_end: false },
];

/// Whether routing follows the token id alone, from the ends of the intervals and never from a point estimate. The one that
/// fits least comes last.
///
/// With `t` the interval of the share that the token id explains, and `c` the interval of the share that a context
/// variable (document, previous token, category, position) adds once the token id is known:
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Independence {
    /// Less than 0.05 bits are left, and the lower end of `t` is at least 0.95 or every token id always has the same experts.
    Fully,
    /// The lower end of `t` is at least 0.95; or it is at least 0.5, and the upper end of every `c` is at most 0.1.
    Yes,
    /// The lower end of `t` is at least 0.5, but the interval of some `c` contains 0.1, and none lies above it.
    AtLeastMostly,
    /// The lower end of `t` is at least 0.5, but some `c` lies above 0.1.
    Mostly,
    /// The interval of `t` contains 0.5.
    Undecided,
    /// The upper end of `t` is below 0.5, but no `c` lies above 0.1: neither is shown to decide.
    Unexplained,
    /// The upper end of `t` is below 0.5, and some `c` lies above 0.1.
    No,
}

/// A share with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Share {
    pub(super) value: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Share {
    pub(super) fn overlaps(self, other: Self) -> bool {
        self.low <= other.high && other.low <= self.high
    }
}

/// How much a variable explains.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Explained {
    Share(Share),
    /// Fewer bits than [`LEAST_EXPLAINABLE`] could be explained at all.
    Nothing(f64),
    /// The reason why there is no number.
    Unknown(String),
}

impl Explained {
    pub(super) fn share(&self) -> Option<Share> {
        match self {
            Self::Share(share) => Some(*share),
            Self::Nothing(_) | Self::Unknown(_) => None,
        }
    }
}

/// What the findings say about one layer.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) id: LayerId,
    pub(super) token: Explained,
    /// Bits that the token id leaves open.
    pub(super) left: Option<f64>,
    /// What each of [`CONTEXTS`] adds.
    pub(super) contexts: Vec<Explained>,
    /// The experts that take any assignment at all, where no token could have another choice than all others.
    pub(super) constant: Option<Vec<u16>>,
}

impl Layer {
    /// Reads `mutual_information` (variable `token`), `conditional_mutual_information` given the token id and, for a constant
    /// router, `expert_share`; chosen view.
    pub(super) fn of(findings: &[Finding], id: LayerId) -> Self {
        let row = |statistic, variable| row(findings, statistic, variable, id);
        let token_row = row(Statistic::MutualInformation, Variable::Token);
        let token = explained(token_row, "every token has the same id");
        let context = |context: &Context| {
            explained(row(Statistic::ConditionalMutualInformation, context.variable), "it is the same for all tokens")
        };
        let is_constant = matches!(token, Explained::Nothing(bits) if bits < ROUNDING);
        Self {
            id,
            left: token_row.and_then(|row| Some((row.ceiling? - row.estimate?).max(0.0))),
            contexts: CONTEXTS.iter().map(context).collect(),
            constant: is_constant.then(|| experts(findings, id)),
            token,
        }
    }

    /// Whether so little is left open by the token id that nothing can be asked about it.
    pub(super) fn is_nothing_left(&self) -> bool {
        self.left.is_some_and(|left| left < LEAST_EXPLAINABLE)
    }

    /// The judgement; none without the interval of the token id, or without any context variable where one is needed.
    pub(super) fn independence(&self) -> Option<Independence> {
        let token = self.token.share()?;
        let is_function = self.left.is_some_and(|left| left < ROUNDING);
        if self.is_nothing_left() && (token.low >= TOKEN_EXPLAINS_ALL || is_function) {
            return Some(Independence::Fully);
        }
        if token.low >= TOKEN_EXPLAINS_ALL {
            return Some(Independence::Yes);
        }
        let added: Vec<Share> = self.contexts.iter().filter_map(Explained::share).collect();
        if added.is_empty() {
            return None;
        }
        let some_adds = added.iter().any(|share| share.low > CONTEXT_ADDS);
        let none_adds = added.iter().all(|share| share.high <= CONTEXT_ADDS);
        Some(match (token.low >= TOKEN_EXPLAINS, token.high < TOKEN_EXPLAINS) {
            (true, _) if none_adds => Independence::Yes,
            (true, _) if some_adds => Independence::Mostly,
            (true, _) => Independence::AtLeastMostly,
            (_, true) if some_adds => Independence::No,
            (_, true) => Independence::Unexplained,
            _ => Independence::Undecided,
        })
    }
}

/// The row of an information statistic that decides.
fn row(findings: &[Finding], statistic: Statistic, variable: Variable, layer: LayerId) -> Option<&Finding> {
    findings.iter().find(|row| {
        row.statistic == statistic
            && row.layer == layer
            && row.view == View::Chosen
            && row.variable == Some(variable)
            && row.category.is_none()
            && row.decides()
    })
}

/// What a row explains. `same` says why a variable without two values explains nothing.
fn explained(row: Option<&Finding>, same: &str) -> Explained {
    let Some(row) = row else { return Explained::Unknown("not measured".to_owned()) };
    let noted = |reason: &str| Explained::Unknown(row.note.as_deref().unwrap_or(reason).to_owned());
    let (Some(estimate), Some(ceiling)) = (row.estimate, row.ceiling) else { return noted("withheld") };
    if ceiling < LEAST_EXPLAINABLE {
        return Explained::Nothing(ceiling.max(0.0));
    }
    let Some(baseline) = row.baseline else {
        return Explained::Unknown("without permutations chance is not known".to_owned());
    };
    // Counts of two different values give some information by chance; only a single value gives none in every shuffle.
    if estimate.abs() < ROUNDING && baseline.abs() < ROUNDING {
        return Explained::Unknown(same.to_owned());
    }
    let Some(value) = row.explained else {
        return Explained::Unknown(format!("chance alone would explain {baseline:.2} of {ceiling:.2} bits"));
    };
    match row.explained_low.zip(row.explained_high) {
        Some((low, high)) => Explained::Share(Share { value, low, high }),
        None => noted("too few documents for an interval"),
    }
}

/// The experts that take assignments, ascending.
fn experts(findings: &[Finding], layer: LayerId) -> Vec<u16> {
    let is_taken = |row: &&Finding| {
        row.statistic == Statistic::ExpertShare
            && row.layer == layer
            && row.view == View::Chosen
            && row.category.is_none()
            && row.position.is_none()
            && row.token_id.is_none()
            && row.estimate.is_some_and(|share| share > 0.0)
    };
    findings.iter().filter(is_taken).filter_map(|row| row.expert).collect()
}
