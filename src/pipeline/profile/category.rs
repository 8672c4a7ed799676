//! Which experts take a category.

use super::opened::{OpenedRun, ProfileOptions};
use crate::{
    error::{Error, OptionName, Result, is_meant, quoted_name, similar_names},
    pipeline::progress::Progress,
    report::CategoryReport,
};

/// Categories that a message lists.
const LISTED: usize = 60;

/// Which category, and how much is explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CategoryOptions {
    /// Of which tokens of which run.
    pub profile: ProfileOptions,
    /// The name of the category.
    pub category: String,
    /// For how many experts of a layer it is said what follows from the token ids of the category.
    pub explained: usize,
}

/// Which experts take a category of a finished run; nothing is written.
///
/// # Errors
/// [`Error::Usage`] if the run has no such category, layer, checkpoint, view or condition; [`Error::RunFolder`] if it is not complete
/// or cannot be read.
pub fn category(options: &CategoryOptions, progress: &dyn Progress) -> Result<CategoryReport> {
    let opened = OpenedRun::open(&options.profile, progress)?;
    let names = &opened.sequences.category_names;
    let Some(index) = names.iter().position(|name| *name == options.category) else {
        return Err(no_such_category(&options.category, names));
    };
    let (mut layers, mut size) = (Vec::new(), (0, 0));
    for &layer in &opened.layers {
        progress.check()?;
        let trace = opened.layer(layer)?;
        let profiles = opened.profiles(&trace)?;
        size = profiles.size();
        layers.extend(profiles.category(index, options.explained)?);
    }
    if layers.is_empty() {
        let what = format!("no token of category `{}` counts", options.category);
        return Err(Error::usage(what, format!("leave {} away", OptionName::Only)));
    }
    Ok(CategoryReport::new(opened.source(size), options.category.clone(), layers))
}

fn no_such_category(asked: &str, names: &[String]) -> Error {
    if names.is_empty() {
        return Error::usage(
            format!("category {}: the run names no categories", quoted_name(asked)),
            format!(
                "route the text again with {}, or with a corpus in one file or folder for each category",
                OptionName::Category
            ),
        );
    }
    let meant = is_meant(&similar_names(asked, names.iter().map(String::as_str)));
    let more = names.len().saturating_sub(LISTED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let listed = names.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
    Error::usage(
        format!("the run has no category {}{meant}", quoted_name(asked)),
        format!("its categories are {listed}{more}"),
    )
}
