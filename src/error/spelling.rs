//! Names that somebody may have meant who typed another one.

/// The name that is spelt most like `typed`, if one is close.
pub fn nearest_spelling<'a>(typed: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_lowercase();
    // With only two letters, one different letter makes another word.
    let most = match typed.chars().count() {
        0..=2 => 0,
        letters => 1 + letters / 4,
    };
    let last = |name: &'a str| name.rsplit('.').next().unwrap_or(name);
    let far = |name: &'a str| distance(&typed, &name.to_lowercase()).min(distance(&typed, &last(name).to_lowercase()));
    let all = names.into_iter().map(|name| (far(name), name));
    all.filter(|(distance, _)| *distance <= most).min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

/// Names that may be meant: those that begin with `typed`, or else the one that is spelt most like it.
pub fn similar_names<'a>(typed: &str, names: impl IntoIterator<Item = &'a str> + Clone) -> Vec<&'a str> {
    let lower = typed.to_lowercase();
    let begins = |name: &&str| !lower.is_empty() && name.to_lowercase().starts_with(&lower);
    let alike: Vec<&str> = names.clone().into_iter().filter(begins).take(NAMES_OFFERED).collect();
    if alike.is_empty() { nearest_spelling(typed, names).into_iter().collect() } else { alike }
}

/// "; is `a` or `b` meant?" behind a message, or nothing.
pub fn is_meant(names: &[&str]) -> String {
    let named: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    if named.is_empty() { String::new() } else { format!("; is {} meant?", named.join(" or ")) }
}

/// Names that a message offers.
const NAMES_OFFERED: usize = 4;

/// The number of letters to insert, remove or replace.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, other) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_alike_or_is_spelt_alike_may_be_meant() {
        assert_eq!(nearest_spelling("styl", ["text", "style", "year"]), Some("style"));
        assert_eq!(nearest_spelling("Set", ["text", "meta.set"]), Some("meta.set"));
        assert_eq!(nearest_spelling("zzzz", ["text", "style"]), None);
        assert_eq!((nearest_spelling("y", ["x"]), nearest_spelling("X", ["x"])), (None, Some("x")));
        assert_eq!(similar_names("zh", ["en", "zh-cn", "zh-tw"]), ["zh-cn", "zh-tw"]);
        assert_eq!(similar_names("styl", ["text", "style"]), ["style"]);
        assert_eq!([is_meant(&["a", "b"]), is_meant(&[])], ["; is `a` or `b` meant?", ""]);
    }
}
