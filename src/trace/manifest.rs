//! What a manifest says about a trace, as far as it can be true.

use std::ops::RangeInclusive;

use serde_json::Value;

use crate::{
    error::{Error, Result},
    routing::LayerId,
    run::RunDir,
};

/// A number of a manifest, which anybody may have edited: what follows trusts it.
///
/// # Errors
/// [`Error::RunFolder`] if it is none, or not in the range.
pub fn manifest_number(run: &RunDir, value: &Value, key: &str, range: RangeInclusive<usize>) -> Result<usize> {
    let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
    number.filter(|number| range.contains(number)).ok_or_else(|| {
        Error::run_folder(
            format!(
                "manifest.json of `{}` has `{key}` {}; expected a number from {} to {}",
                run.path().display(),
                terse(value),
                range.start(),
                range.end()
            ),
            "the manifest was changed or the run made by another version: run it again with --force",
        )
    })
}

/// The MoE layers of a manifest, in order.
pub(super) fn layers(run: &RunDir, value: &Value) -> Result<Vec<LayerId>> {
    let layer = |value: &Value| value.as_u64().and_then(|layer| LayerId::try_from(layer).ok());
    let layers: Option<Vec<LayerId>> = value.as_array().and_then(|list| list.iter().map(layer).collect());
    layers.filter(|layers| layers.is_sorted_by(|one, other| one < other)).ok_or_else(|| {
        Error::run_folder(
            format!(
                "manifest.json of `{}` has `layout.moe_layers` {}; expected ascending numbers up to {}",
                run.path().display(),
                terse(value),
                LayerId::MAX
            ),
            "the manifest was changed or the run made by another version: run it again with --force",
        )
    })
}

/// JSON, cut where it is long.
fn terse(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() > 60 { format!("{}…", text.chars().take(60).collect::<String>()) } else { text }
}
