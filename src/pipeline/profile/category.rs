//! Which experts take a category.

use super::opened::{OpenedRun, ProfileOptions};
use crate::{
    error::{Error, OptionName, Result, is_meant, quoted_name, similar_names},
    pipeline::progress::Progress,
    report::CategoryReport,
    stats::{Languages, language_of},
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
    let index = find(&options.category, names)?;
    let category = &names[index];
    // Who asks for Czech and is answered about `cs` is told that it was taken for Czech.
    let asked = language_of(category).filter(|language| language.eq_ignore_ascii_case(&options.category));
    let language = asked.or_else(|| Languages::of(names.iter().map(String::as_str)).name(category));
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
    Ok(CategoryReport::new(opened.source(size), category.clone(), language, layers))
}

/// The place of the category that is meant: by its name, or by that of the language whose code only one category is.
fn find(asked: &str, names: &[String]) -> Result<usize> {
    if let Some(index) = names.iter().position(|name| name == asked) {
        return Ok(index);
    }
    let alike: Vec<usize> = (0..names.len()).filter(|index| names[*index].eq_ignore_ascii_case(asked)).collect();
    if let [index] = alike[..] {
        return Ok(index);
    }
    let is_meant = |name: &String| language_of(name).is_some_and(|language| language.eq_ignore_ascii_case(asked));
    let meant: Vec<usize> = (0..names.len()).filter(|index| is_meant(&names[*index])).collect();
    match meant[..] {
        [] => Err(no_such_category(asked, names)),
        [index] => Ok(index),
        _ => Err(Error::usage(
            format!("{} is the language of {} categories", quoted_name(asked), meant.len()),
            format!(
                "ask for one of them: {}",
                meant.iter().map(|index| names[*index].as_str()).collect::<Vec<_>>().join(", ")
            ),
        )),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_category_is_meant_by_its_name_or_by_the_one_language_whose_code_it_is() {
        let names = ["Portuguese", "cc", "he", "pt", "zh-cn", "zh-tw"].map(str::to_owned);
        assert_eq!(["he", "Hebrew", "hebrew"].map(|asked| find(asked, &names).unwrap()), [2, 2, 2]);
        assert_eq!(find("portuguese", &names).unwrap(), 0, "a name comes before a language");
        let error = find("Chinese", &names).unwrap_err();
        assert_eq!(error.to_string(), "`Chinese` is the language of 2 categories");
        assert_eq!(error.hint().unwrap(), "ask for one of them: zh-cn, zh-tw");
        assert_eq!(find("Dutch", &names).unwrap_err().to_string(), "the run has no category `Dutch`");
    }
}
