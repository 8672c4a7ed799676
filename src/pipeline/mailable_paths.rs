//! What a page or a chart does not tell, because it may be mailed: in which folders of a machine things lie, and what was
//! typed there. `--show-command` brings that into the page.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::stats::Tables;

/// Whether pages of this process show the command line and whole paths.
static SHOW_COMMAND: AtomicBool = AtomicBool::new(false);

/// Sets whether the pages that this process writes show the command line and whole paths.
pub(crate) fn show_command(show: bool) {
    SHOW_COMMAND.store(show, Ordering::Relaxed);
}

/// Paths of a run without the folders above what it was told to read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Paths {
    /// Folders that hold what was typed as corpus or transcripts, each with its separator; the longest first.
    above: Vec<String>,
}

impl Paths {
    /// Those of a run, from its manifest.
    pub(crate) fn of(manifest: &Value) -> Self {
        if SHOW_COMMAND.load(Ordering::Relaxed) {
            return Self::default();
        }
        let typed =
            ["corpus", "transcripts"].into_iter().flat_map(|key| manifest[key].as_array().into_iter().flatten());
        let typed = typed.filter_map(Value::as_str).filter(|path| is_absolute(path));
        let above = |path: &str| {
            let path = path.trim_end_matches(SEPARATORS);
            path.rfind(SEPARATORS).map(|end| path[..=end].to_owned()).filter(|above| above.len() > 1)
        };
        let mut above: Vec<String> = typed.filter_map(above).collect();
        above.sort_by_key(|folder| (usize::MAX - folder.len(), folder.clone()));
        above.dedup();
        Self { above }
    }

    /// A text without the folders above the corpus; of any other absolute path the last two names stay.
    pub(crate) fn shorten(&self, text: &str) -> String {
        if SHOW_COMMAND.load(Ordering::Relaxed) {
            return text.to_owned();
        }
        let mut rest = text.to_owned();
        for above in &self.above {
            rest = without(&rest, above);
        }
        let goes_on = ["\n", "`", ": ", " /"].into_iter().any(|sign| rest.contains(sign));
        if is_absolute(&rest) && !goes_on {
            return last_names(&rest).to_owned();
        }
        // A path inside a sentence ends where the sentence goes on.
        let mut short = String::with_capacity(rest.len());
        for word in rest.split_inclusive([' ', '`', '"', '\'', '(', ')', '\n', '\t', ',']) {
            short.push_str(if is_absolute(word) { last_names(word) } else { word });
        }
        short
    }

    /// The documents of the tables by their short names.
    pub(crate) fn shorten_documents(&self, tables: &mut Tables) {
        for name in
            tables.values_mut().flat_map(|table| &mut table.rows).filter_map(|row| row.subject.document.as_mut())
        {
            if self.concerns(name) {
                *name = self.shorten(name);
            }
        }
    }

    /// A manifest for people elsewhere: without the command line, all paths shortened.
    pub(crate) fn manifest(&self, manifest: &Value) -> Value {
        let mut told = manifest.clone();
        if !SHOW_COMMAND.load(Ordering::Relaxed) {
            if let Some(entries) = told.as_object_mut() {
                entries.remove("command_line");
            }
            self.shorten_all(&mut told);
        }
        told
    }

    fn shorten_all(&self, value: &mut Value) {
        match value {
            Value::String(text) if self.concerns(text) => *text = self.shorten(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.shorten_all(item)),
            Value::Object(entries) => entries.values_mut().for_each(|entry| self.shorten_all(entry)),
            _ => {}
        }
    }

    /// Whether a text may hold a path.
    #[expect(clippy::unused_self, reason = "stands beside what it saves work for")]
    fn concerns(&self, text: &str) -> bool {
        text.contains(SEPARATORS)
    }
}

const SEPARATORS: [char; 2] = ['/', '\\'];

/// Whether a text begins like a path from the root, of this or another system.
fn is_absolute(text: &str) -> bool {
    let letters = text.as_bytes();
    let drive = letters.len() > 2
        && letters[0].is_ascii_alphabetic()
        && letters[1] == b':'
        && matches!(letters[2], b'/' | b'\\');
    let rooted = text.strip_prefix('/').or(text.strip_prefix("\\\\")).and_then(|rest| rest.chars().next());
    drive || rooted.is_some_and(|letter| letter.is_alphanumeric() || matches!(letter, '.' | '_' | '~'))
}

/// The last two names of a path; what follows the path stays with it.
fn last_names(path: &str) -> &str {
    let end = path.trim_end_matches(SEPARATORS).len();
    let mut places = path[..end].rmatch_indices(SEPARATORS);
    match (places.next(), places.next()) {
        (Some(_), Some((second, _))) => &path[second + 1..],
        (Some((first, _)), None) => &path[first + 1..],
        _ => path,
    }
}

/// The text without a folder, wherever a path begins with it.
fn without(text: &str, folder: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(folder) {
        let (before, from) = rest.split_at(at);
        // Inside of a longer path it is another folder.
        let begins = before
            .chars()
            .next_back()
            .or(result.chars().next_back())
            .is_none_or(|letter| !letter.is_alphanumeric() && !matches!(letter, '.' | '_' | '-' | '/' | '\\'));
        result.push_str(before);
        if !begins {
            result.push_str(folder);
        }
        rest = &from[folder.len()..];
    }
    result + rest
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn paths() -> Paths {
        Paths::of(
            &json!({ "corpus": ["/home/me/texts/domains", "/home/me/texts/", "relative/x"], "transcripts": ["C:\\chats\\a.jsonl"] }),
        )
    }

    #[test]
    fn names_are_relative_to_what_was_typed_and_others_keep_their_end() {
        for (name, short) in [
            ("/home/me/texts/domains/a/b.jsonl:12", "domains/a/b.jsonl:12"),
            ("/home/me/texts/x.jsonl", "x.jsonl"),
            ("C:\\chats\\a.jsonl:3", "a.jsonl:3"),
            ("/other/models/base/config.json", "base/config.json"),
            ("/x", "x"),
            ("/my models/base 8b/config.json", "base 8b/config.json"),
            (
                "/models/a/base/spiece.model: no tokenizer in /models/a/base",
                "base/spiece.model: no tokenizer in a/base",
            ),
            ("/models/a/base is missing", "a/base is missing"),
            ("relative/x/y.jsonl:1", "relative/x/y.jsonl:1"),
            ("an id / with a slash", "an id / with a slash"),
            ("/home/me/my texts/a b.jsonl:2", "my texts/a b.jsonl:2"),
            (
                "`/home/me/texts/domains/b.jsonl` line 3: not JSON, see (/var/log/a/b.txt)",
                "`domains/b.jsonl` line 3: not JSON, see (a/b.txt)",
            ),
        ] {
            assert_eq!(paths().shorten(name), short);
        }
    }

    #[test]
    fn a_manifest_tells_neither_folders_nor_the_command_line() {
        let manifest = json!({
            "corpus": ["/home/me/texts"], "command_line": ["/home/me/bin/openmoe-analyze", "route"], "command": "route",
            "inputs": [{ "path": "/home/me/texts/a.jsonl" }], "notes": ["read /home/me/texts/a.jsonl twice"], "tokens": 3
        });
        let told = Paths::of(&manifest).manifest(&manifest);
        let expected = json!({
            "corpus": ["me/texts"], "command": "route", "inputs": [{ "path": "texts/a.jsonl" }],
            "notes": ["read texts/a.jsonl twice"], "tokens": 3
        });
        assert_eq!(told["inputs"], expected["inputs"]);
        assert_eq!(told["notes"], expected["notes"]);
        assert!(told.get("command_line").is_none() && !told.to_string().contains("/home"));
    }
}
