//! The revisions of a repository that are the points of one training run.

use glob::Pattern;

use super::{checkpoint_spec::training_tokens, progress::Progress};
use crate::{
    error::{Error, OptionName, Result, one_line, quoted_name},
    hub::{Hub, HubName},
};

/// The revisions of a repository whose names look like `pattern`, in the order of training: by the tokens, then the numbers in their
/// names. Of these every `every`-th, from the first on, and the last. One whose name git does not allow is left out, with a note.
///
/// # Errors
/// [`Error::Usage`] for what is no pattern, or fits no revision; [`Error::Hub`].
pub(crate) fn revisions(
    hub: &Hub,
    name: &HubName,
    pattern: &str,
    every: usize,
    progress: &dyn Progress,
) -> Result<Vec<HubName>> {
    let matcher = Pattern::new(pattern).map_err(|error| {
        Error::usage(
            format!("{} is no pattern: {error}", OptionName::Revisions.with(pattern)),
            "for example 'step*-tokens*'",
        )
    })?;
    let all: Vec<String> = hub.refs(name)?.into_iter().map(|reference| reference.name).collect();
    let (named, odd): (Vec<String>, Vec<String>) = all
        .iter()
        .filter(|revision| matcher.matches(revision))
        .cloned()
        .partition(|revision| at_revision(name, revision).is_some());
    for revision in odd {
        progress.note(&format!(
            "{}: the revision {} is left out: no branch or tag may be called that",
            name.repository(),
            quoted_name(&one_line(&revision))
        ));
    }
    let chosen = in_training_order(named);
    if chosen.is_empty() {
        let shown: Vec<String> = all.iter().take(10).map(|revision| format!("`{revision}`")).collect();
        let more = if all.len() > 10 { format!(" and {} more", all.len() - 10) } else { String::new() };
        return Err(Error::usage(
            format!(
                "{} fits none of the {} revisions of {}: {}{more}",
                OptionName::Revisions.with(pattern),
                all.len(),
                name.repository(),
                shown.join(", ")
            ),
            "`*` stands for any text",
        ));
    }
    let named = thinned(&chosen, every).into_iter().map(|revision| {
        at_revision(name, revision).ok_or_else(|| Error::internal(format!("`{revision}` names no revision")))
    });
    named.collect()
}

/// A revision of a repository, if it may be called that.
fn at_revision(name: &HubName, revision: &str) -> Option<HubName> {
    HubName::parse(&format!("{}@{revision}", name.repository()), || false).ok().flatten()
}

/// Revisions by the training tokens in their names, then by their numbers.
fn in_training_order(mut revisions: Vec<String>) -> Vec<String> {
    let key = |revision: &String| (training_tokens(revision).unwrap_or(f64::INFINITY), numbers(revision));
    revisions.sort_by(|a, b| {
        let ((tokens_a, numbers_a), (tokens_b, numbers_b)) = (key(a), key(b));
        tokens_a.total_cmp(&tokens_b).then(numbers_a.cmp(&numbers_b)).then(a.cmp(b))
    });
    revisions
}

/// The whole numbers in a name.
fn numbers(name: &str) -> Vec<u64> {
    let digits = name.split(|character: char| !character.is_ascii_digit());
    digits.filter_map(|digits| digits.parse().ok()).collect()
}

/// Every `every`-th, and the last.
fn thinned(revisions: &[String], every: usize) -> Vec<&String> {
    let last = revisions.len() - 1;
    revisions
        .iter()
        .enumerate()
        .filter(|(at, _)| at % every == 0 || *at == last)
        .map(|(_, revision)| revision)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_stand_in_the_order_of_training() {
        let names = [
            "step10000-tokens41B",
            "step5000-tokens20B",
            "step15000-tokens62B",
            "step20000-tokens83B",
            "step200-tokens1B",
        ];
        let ordered = in_training_order(names.map(str::to_owned).to_vec());
        let expected = [
            "step200-tokens1B",
            "step5000-tokens20B",
            "step10000-tokens41B",
            "step15000-tokens62B",
            "step20000-tokens83B",
        ];
        assert_eq!(ordered, expected);
        assert_eq!(thinned(&ordered, 2), [expected[0], expected[2], expected[4]]);
        assert_eq!(thinned(&ordered, 3), [expected[0], expected[3], expected[4]]);
        assert_eq!(thinned(&ordered, 100), [expected[0], expected[4]]);
        let steps = in_training_order(["step-10", "step-9"].map(str::to_owned).to_vec());
        assert_eq!(steps, ["step-9", "step-10"], "names without tokens are ordered by their numbers");
    }
}
