//! Prefixes that training programs add to the names of all tensors, or leave out: `module.`, `_orig_mod.`, `base_model.model.`.

use std::collections::HashSet;

use super::{locate::Located, problem_list::quoted_name};

/// The tensor whose name shows the prefix.
const EMBEDDING: &str = "embed_tokens.weight";
const HEAD: &str = "lm_head.";

/// Gives tensors the names that the configuration implies, if they differ only in a prefix that all of them have. Returns a note on
/// it.
///
/// # Errors
/// Only some names have the prefix, so it is unclear which tensors are meant.
pub(super) fn unify(located: &mut Located) -> Result<Option<String>, String> {
    let names: Vec<&str> = located.names().collect();
    let Some(embedding) = names.iter().filter_map(|name| name.strip_suffix(EMBEDDING)).min_by_key(|head| head.len())
    else {
        return Ok(None);
    };
    let (prefix, bare) = match embedding.strip_suffix("model.") {
        Some(prefix) => (prefix.to_owned(), false),
        None => (embedding.to_owned(), true),
    };
    if prefix.is_empty() && !bare || !(prefix.is_empty() || prefix.ends_with('.')) {
        return Ok(None);
    }
    let without = names.iter().filter(|name| !name.starts_with(&prefix)).count();
    if without > 0 {
        let (with, all) = (names.len() - without, names.len());
        return Err(format!("{with} of {all} names begin with {}; expected all of them or none", quoted_name(&prefix)));
    }
    located.rename(|name| {
        let rest = name.strip_prefix(&prefix).unwrap_or(name);
        if bare && !rest.starts_with(HEAD) { format!("model.{rest}") } else { rest.to_owned() }
    });
    let all = located.names().collect::<HashSet<_>>().len();
    Ok(Some(match (prefix.is_empty(), bare) {
        (true, _) => format!("the names of all {all} tensors lack `model.`; they are read as if it were there"),
        (false, false) => {
            format!("the names of all {all} tensors begin with {}; they are read without it", quoted_name(&prefix))
        }
        (false, true) => format!(
            "the names of all {all} tensors begin with {}; they are read with `model.` in its place",
            quoted_name(&prefix)
        ),
    }))
}
