//! Keeps the folders of a machine, and the command line that was typed there, out of pages and charts, because these may be
//! mailed. [`ReportOptions::show_command`](super::options::ReportOptions) shows them.

use serde_json::Value;

use super::options::ReportOptions;
use crate::{error::Result, run::RunRecord, stats::Tables};

/// Shortens the paths of a run: cuts off the folders above the text that it read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Paths {
    /// Whether paths are shown whole after all.
    whole: bool,
    /// The folders that hold the corpus and the transcripts, each with its separator, the longest first.
    above: Vec<String>,
}

impl Paths {
    /// Those of a run.
    pub(crate) fn of(record: &RunRecord, options: ReportOptions) -> Self {
        let transcripts = record.forward_pass.iter().filter_map(|pass| pass.transcripts.as_ref()).flatten();
        let above = Self::above(record.corpus.iter().chain(transcripts).map(String::as_str));
        Self { whole: options.show_command, ..above }
    }

    /// Those of no run in particular.
    pub(crate) fn elsewhere(options: ReportOptions) -> Self {
        Self { whole: options.show_command, above: Vec::new() }
    }

    fn above<'a>(typed: impl Iterator<Item = &'a str>) -> Self {
        let typed = typed.filter(|path| is_absolute(path));
        let above = |path: &str| {
            let path = path.trim_end_matches(SEPARATORS);
            path.rfind(SEPARATORS).map(|end| path[..=end].to_owned()).filter(|above| above.len() > 1)
        };
        let mut above: Vec<String> = typed.filter_map(above).collect();
        above.sort_by_key(|folder| (usize::MAX - folder.len(), folder.clone()));
        above.dedup();
        Self { whole: false, above }
    }

    /// A text whose paths have lost the folders above the corpus; any other absolute path keeps only its last two names.
    pub(crate) fn shorten(&self, text: &str) -> String {
        if self.whole {
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
        // A path inside a sentence ends at the next space or punctuation mark.
        let mut short = String::with_capacity(rest.len());
        for word in rest.split_inclusive([' ', '`', '"', '\'', '(', ')', '\n', '\t', ',', '=']) {
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

    /// The record as the page shows it, by the keys of the manifest: without the command line, and with all paths shortened.
    pub(crate) fn provenance(&self, record: &RunRecord) -> Result<Value> {
        let mut told = record.to_json()?;
        if !self.whole {
            if let Some(entries) = told.as_object_mut() {
                entries.shift_remove("command_line");
            }
            self.shorten_all(&mut told);
        }
        Ok(told)
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
    fn concerns(&self, text: &str) -> bool {
        !self.whole && text.contains(SEPARATORS)
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

/// The last two names of a path, with whatever follows the path.
fn last_names(path: &str) -> &str {
    let end = path.trim_end_matches(SEPARATORS).len();
    let mut places = path[..end].rmatch_indices(SEPARATORS);
    match (places.next(), places.next()) {
        (Some(_), Some((second, _))) => &path[second + 1..],
        (Some((first, _)), None) => &path[first + 1..],
        _ => path,
    }
}

/// Removes a folder from a text, wherever a path begins with it.
fn without(text: &str, folder: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(folder) {
        let (before, from) = rest.split_at(at);
        // In the middle of a longer path the same name is another folder.
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
    use std::path::Path;

    use serde_json::json;

    use super::*;

    fn paths() -> Paths {
        let typed = ["/home/me/texts/domains", "/home/me/texts/", "relative/x", "C:\\chats\\a.jsonl"];
        Paths::above(typed.into_iter())
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
    fn a_record_tells_neither_folders_nor_the_command_line() {
        let manifest = json!({
            "command": "route", "version": "1", "complete": true, "label": "base", "seed": 0, "resamples": 0, "permutations": 0,
            "exclude_bos": false, "sequences": 1, "documents": 1, "tokens": 3,
            "layout": { "moe_layers": [1], "num_experts": 4, "top_k": 2, "segments": 1 },
            "corpus": ["/home/me/texts"], "command_line": ["/home/me/bin/openmoe-analyze", "route"],
            "tokenizer": { "path": "/home/me/texts/a.model", "sha256": "x" }, "warnings": ["read /home/me/texts/a.jsonl twice"],
        });
        let record = RunRecord::read(Path::new("run"), &manifest).unwrap();
        let told = Paths::of(&record, ReportOptions::default()).provenance(&record).unwrap();
        assert_eq!(told["tokenizer"]["path"], "texts/a.model");
        assert_eq!(told["warnings"], json!(["read texts/a.jsonl twice"]));
        assert!(told.get("command_line").is_none() && !told.to_string().contains("/home"));
    }
}
