//! Settings, and how rows of the drop statistics are named.

pub(crate) use openmoe_analyze::stats::{BaselineKind, Cohort, Role};
use openmoe_analyze::stats::{DropSettings, Finding, Settings, Tables, Variable, Variant};

pub(crate) use crate::support::{
    made_up_trace::MadeUpTrace,
    random::Random,
    tables::{RATIOS, close, one, one_of},
};

pub(crate) fn quick() -> DropSettings {
    with(Settings { resamples: 100, permutations: 20, ..Settings::default() })
}

pub(crate) fn with(statistics: Settings) -> DropSettings {
    DropSettings { statistics, ..DropSettings::default() }
}

/// The keys of a row in words, in a fixed order: `dataset=a role=user`; over all: nothing.
pub(crate) fn key(row: &Finding) -> String {
    let text = |name: &str, value: Option<&str>| value.map(|value| format!("{name}={value}"));
    let number = |name: &str, value: Option<u32>| value.map(|value| format!("{name}={value}"));
    let parts = [
        text("variable", row.variable.map(Variable::name)),
        text("cohort", row.cohort.map(Cohort::name)),
        text("dataset", row.dataset.as_deref()),
        text("category", row.category.as_deref()),
        text("role", row.role.map(Role::name)),
        number("turn", row.turn.map(u32::from)),
        number("expert", row.expert.map(u32::from)),
        number("position", row.position),
        number("token_id", row.token_id),
        text("variant", row.variant.map(Variant::name)),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// The row with these keys and no others.
#[track_caller]
pub(crate) fn at<'a>(tables: &'a Tables, table: &str, keys: &str) -> &'a Finding {
    one(tables, table, |row| key(row) == keys)
}
