//! The places that could not be used: the first ones are listed, all of them are counted.

use std::ops::Deref;

use serde::{Serialize, Serializer};

use super::Skipped;

/// The most places that are listed: a file with a hundred million bad lines must not fill the memory.
const KEPT: usize = 1000;
/// The most different reasons that are counted separately.
const KINDS: usize = 64;
/// The longest reason that is kept, in characters.
const LONGEST: usize = 400;

/// Places, each with a reason: the first thousand are listed (this derefs to a slice of them), the others are counted by kind of
/// reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    first: Vec<Skipped>,
    total: usize,
    kinds: Vec<ReasonKind>,
}

/// Reasons that differ only in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ReasonKind {
    /// The reason with every number replaced by `N`.
    pattern: String,
    /// The first such reason.
    reason: String,
    /// Whether all such reasons are the same as the first.
    alike: bool,
    count: usize,
}

impl LeftOut {
    /// Adds a place.
    pub fn push(&mut self, mut skipped: Skipped) {
        if let Some((end, _)) = skipped.reason.char_indices().nth(LONGEST) {
            skipped.reason.truncate(end);
            skipped.reason.push('…');
        }
        self.total += 1;
        self.count(&skipped.reason, 1, true);
        if self.first.len() < KEPT {
            self.first.push(skipped);
        }
    }

    /// Adds the places of another list.
    pub fn append(&mut self, other: Self) {
        self.total += other.total;
        for kind in other.kinds {
            self.count(&kind.reason, kind.count, kind.alike);
        }
        self.first.extend(other.first);
        self.first.truncate(KEPT);
    }

    /// The number of all places, listed or not.
    pub fn total(&self) -> usize {
        self.total
    }

    /// How many places follow the first `shown`, by reason, the most frequent first.
    pub fn rest(&self, shown: usize) -> Vec<(usize, String)> {
        let mut kinds = self.kinds.clone();
        for skipped in self.first.iter().take(shown) {
            let pattern = pattern(&skipped.reason);
            if let Some(kind) = kinds.iter_mut().find(|kind| kind.pattern == pattern) {
                kind.count -= 1;
            }
        }
        kinds.sort_by_key(|kind| std::cmp::Reverse(kind.count));
        let told = kinds.into_iter().filter(|kind| kind.count > 0).take(20);
        let mut rest: Vec<_> =
            told.map(|kind| (kind.count, if kind.alike { kind.reason } else { kind.pattern })).collect();
        let others = self.total - shown.min(self.first.len()) - rest.iter().map(|(count, _)| count).sum::<usize>();
        if others > 0 {
            rest.push((others, "other reasons".to_owned()));
        }
        rest
    }

    fn count(&mut self, reason: &str, count: usize, alike: bool) {
        let pattern = pattern(reason);
        if let Some(kind) = self.kinds.iter_mut().find(|kind| kind.pattern == pattern) {
            kind.count += count;
            kind.alike &= alike && kind.reason == reason;
        } else if self.kinds.len() < KINDS {
            self.kinds.push(ReasonKind { pattern, reason: reason.to_owned(), alike, count });
        }
    }
}

impl Deref for LeftOut {
    type Target = [Skipped];

    fn deref(&self) -> &[Skipped] {
        &self.first
    }
}

impl From<Vec<Skipped>> for LeftOut {
    fn from(places: Vec<Skipped>) -> Self {
        let mut all = Self::default();
        all.extend(places);
        all
    }
}

impl Extend<Skipped> for LeftOut {
    fn extend<I: IntoIterator<Item = Skipped>>(&mut self, places: I) {
        places.into_iter().for_each(|place| self.push(place));
    }
}

impl Serialize for LeftOut {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.first.serialize(serializer)
    }
}

/// A reason with every number replaced by `N`.
fn pattern(reason: &str) -> String {
    let mut pattern = String::with_capacity(reason.len());
    for character in reason.chars() {
        match character {
            digit if digit.is_ascii_digit() => {
                if !pattern.ends_with('N') {
                    pattern.push('N');
                }
            }
            other => pattern.push(other),
        }
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(number: usize, reason: &str) -> Skipped {
        Skipped { place: format!("a:{number}"), reason: reason.to_owned() }
    }

    #[test]
    fn the_first_are_kept_and_all_are_counted_by_reason() {
        let mut all = LeftOut::default();
        for number in 0..5000 {
            all.push(place(number, if number % 5 == 0 { "empty" } else { "no text" }));
        }
        assert_eq!((all.len(), all.total(), all[999].place.as_str()), (1000, 5000, "a:999"));
        assert_eq!(all.rest(20), [(3984, "no text".to_owned()), (996, "empty".to_owned())]);
        assert_eq!(serde_json::to_value(&all).unwrap().as_array().unwrap().len(), 1000);
    }

    #[test]
    fn reasons_that_differ_in_numbers_are_of_one_kind() {
        let mut all: LeftOut = (0..3).map(|n| place(n, &format!("broken at column {n}"))).collect::<Vec<_>>().into();
        assert_eq!(all.rest(1), [(2, "broken at column N".to_owned())]);
        all.append(vec![place(9, "broken at column 7"), place(10, "empty")].into());
        assert_eq!(all.rest(0), [(4, "broken at column N".to_owned()), (1, "empty".to_owned())]);
        assert_eq!(all.rest(9), []);
    }

    #[test]
    fn a_thousand_kinds_of_reason_are_still_counted() {
        let letters = |n: usize| format!("{}{}", char::from(b'a' + (n / 26) as u8), char::from(b'a' + (n % 26) as u8));
        let all: LeftOut = (0..500).map(|n| place(n, &letters(n))).collect::<Vec<_>>().into();
        let rest = all.rest(20);
        assert_eq!(rest.iter().map(|(count, _)| count).sum::<usize>(), 480);
        assert_eq!(rest.last().unwrap().1, "other reasons");
        let long = LeftOut::from(vec![place(1, &"é".repeat(5000))]);
        assert_eq!(long[0].reason.chars().count(), LONGEST + 1);
    }
}
