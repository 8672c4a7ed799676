//! Counts notes on what was left out of rows, so that a file with a million rows gives each note only once.

use crate::corpus::Skipped;

/// The most different notes about one file.
const MOST_KINDS: usize = 40;

/// The notes of one file, or of all together.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes {
    kinds: Vec<NoteKind>,
    /// The number of further notes, which are not distinguished any more.
    further: usize,
}

#[derive(Clone, Debug)]
struct NoteKind {
    reason: String,
    /// The place of the first.
    place: String,
    count: usize,
}

impl Notes {
    /// Adds a note with its place and its count.
    pub(super) fn add(&mut self, place: &str, reason: &str, count: usize) {
        if let Some(kind) = self.kinds.iter_mut().find(|kind| kind.reason == reason) {
            kind.count += count;
        } else if self.kinds.len() < MOST_KINDS {
            self.kinds.push(NoteKind { reason: reason.to_owned(), place: place.to_owned(), count });
        } else {
            self.further += count;
        }
    }

    /// The notes in the order of their first places.
    pub(super) fn into_list(self, file: &str) -> Vec<Skipped> {
        let further = (self.further > 0).then(|| Skipped {
            place: file.to_owned(),
            reason: format!("{} further notes of other kinds", self.further),
        });
        let told = |NoteKind { reason, place, count }| match count {
            0 | 1 => Skipped { place, reason },
            _ => Skipped { place, reason: format!("{reason} ({count} times in this file, here first)") },
        };
        self.kinds.into_iter().map(told).chain(further).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_is_said_once_with_its_count_and_kinds_are_bounded() {
        let mut notes = Notes::default();
        notes.add("a:1", "x", 1);
        notes.add("a:2", "y", 1);
        notes.add("a:3", "x", 2);
        (0..50).for_each(|number| notes.add("a:4", &format!("z{number}"), 1));
        let list = notes.into_list("a");
        assert_eq!((list[0].place.as_str(), list[0].reason.as_str()), ("a:1", "x (3 times in this file, here first)"));
        assert_eq!((list[1].reason.as_str(), list.len()), ("y", MOST_KINDS + 1));
        assert_eq!(list[MOST_KINDS].reason, "12 further notes of other kinds");
    }
}
