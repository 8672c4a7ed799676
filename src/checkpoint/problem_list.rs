//! Keeps names and problems in messages few and short, whatever a file contains.

pub(super) use crate::error::quoted_name;

/// The most names in one line.
const IN_LINE: usize = 20;
/// The most problems that are kept; the rest is counted.
const KEPT: usize = 200;

/// Names in backticks, separated by commas; if there are many, the first ones and a count.
pub(super) fn quoted_names(names: &[&str]) -> String {
    let shown = names.iter().take(IN_LINE).map(|name| quoted_name(name)).collect::<Vec<_>>().join(", ");
    if names.len() > IN_LINE { format!("{shown} and {} more", names.len() - IN_LINE) } else { shown }
}

/// Problems, one line for each; if there are very many, the first ones and a count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Problems {
    /// The first ones.
    pub(super) lines: Vec<String>,
    /// How many more there are.
    pub(super) left_out: usize,
}

impl Problems {
    /// Adds one.
    pub(super) fn push(&mut self, line: String) {
        if self.lines.len() < KEPT {
            self.lines.push(line);
        } else {
            self.left_out += 1;
        }
    }

    /// Adds those of another list.
    pub(super) fn extend(&mut self, others: &Self) {
        others.lines.iter().for_each(|line| self.push(line.clone()));
        self.left_out += others.left_out;
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

impl From<Vec<String>> for Problems {
    fn from(lines: Vec<String>) -> Self {
        Self { lines, left_out: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_problems_are_bounded() {
        let long = quoted_name(&"x".repeat(1_000_000));
        assert!(long.chars().count() < 130 && long.contains('…'), "{long}");
        assert!(quoted_names(&["a"; 23]).ends_with("`a` and 3 more") && quoted_names(&["a", "b"]) == "`a`, `b`");
        let mut problems = Problems::default();
        (0..KEPT + 5).for_each(|n| problems.push(n.to_string()));
        let mut all = Problems::default();
        all.push("first".into());
        all.extend(&problems);
        assert_eq!((all.lines.len(), all.left_out), (KEPT, 6));
    }
}
