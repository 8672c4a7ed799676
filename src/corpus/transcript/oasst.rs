//! Trees of replies, as Open Assistant exports them.

use serde_json::{Map, Value};

use super::{
    OasstPaths,
    message::{Findings, Message, role_of},
};
use crate::corpus::value_words::describe_value;

/// The most messages and bytes of text that the paths of one tree may have together: paths repeat everything before a fork, so a
/// long prompt with thousands of replies would be encoded thousands of times.
const MOST: (usize, usize) = (1 << 20, 16 << 20);

/// The conversations of a tree: paths from its prompt to messages without replies, in the order of the file. A deleted
/// message is left out with everything that follows it; `findings` counts them.
///
/// # Errors
/// The reason why a message cannot be used, or that the prompt is deleted.
pub(super) fn paths(prompt: &Value, choice: OasstPaths, findings: &mut Findings) -> Result<Vec<Vec<Message>>, String> {
    if is_deleted(prompt) {
        return Err("the prompt is deleted, and with it the whole tree".into());
    }
    let mut walk = Walk { choice, path: Vec::new(), found: Vec::new(), size: (0, 0), deleted: 0, left_out: 0 };
    // This is not recursive, because a tree may be as deep as its file is long.
    let mut open = vec![(0, prompt)];
    while let Some((depth, message)) = open.pop() {
        walk.path.truncate(depth);
        let replies = walk.message(message, findings)?;
        open.extend(replies.into_iter().rev().map(|reply| (depth + 1, reply)));
    }
    if walk.deleted > 0 {
        findings.notes.push(("a deleted message left out with what follows it".into(), walk.deleted));
    }
    if walk.left_out > 0 {
        let reason = format!("a path left out: those before it have {} MiB of text together", MOST.1 >> 20);
        findings.notes.push((reason, walk.left_out));
    }
    Ok(walk.found)
}

struct Walk {
    choice: OasstPaths,
    /// The messages from the prompt to the current one.
    path: Vec<Message>,
    found: Vec<Vec<Message>>,
    /// The number of messages and bytes of all paths so far.
    size: (usize, usize),
    deleted: usize,
    left_out: usize,
}

impl Walk {
    /// Takes a message and returns the replies to follow.
    fn message<'a>(&mut self, value: &'a Value, findings: &mut Findings) -> Result<Vec<&'a Value>, String> {
        let Value::Object(object) = value else {
            return Err(format!("a message is {}; expected an object", describe_value(value)));
        };
        self.path.push(message(object, findings)?);
        let replies = self.replies(object)?;
        if replies.is_empty() {
            self.end_of_path();
        }
        Ok(replies)
    }

    /// Takes the current path, which has ended; the first path is taken whatever its size.
    fn end_of_path(&mut self) {
        let bytes: usize = self.path.iter().map(|message| message.text.len()).sum();
        let size = (self.size.0 + self.path.len(), self.size.1 + bytes);
        if !self.found.is_empty() && (size.0 > MOST.0 || size.1 > MOST.1) {
            self.left_out += 1;
            return;
        }
        self.size = size;
        self.found.push(self.path.clone());
    }

    /// The replies to follow.
    fn replies<'a>(&mut self, message: &'a Map<String, Value>) -> Result<Vec<&'a Value>, String> {
        let all = match message.get("replies") {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Array(all)) => all,
            Some(other) => return Err(format!("`replies` is {}; expected a list", describe_value(other))),
        };
        let kept: Vec<&Value> = all.iter().filter(|reply| !is_deleted(reply)).collect();
        self.deleted += all.len() - kept.len();
        Ok(match self.choice {
            OasstPaths::All => kept,
            OasstPaths::Best => kept.into_iter().min_by_key(|reply| rank(reply)).into_iter().collect(),
        })
    }
}

fn is_deleted(message: &Value) -> bool {
    message.get("deleted").and_then(Value::as_bool).unwrap_or(false)
}

fn rank(message: &Value) -> i64 {
    message.get("rank").and_then(Value::as_i64).unwrap_or(i64::MAX)
}

fn message(object: &Map<String, Value>, findings: &mut Findings) -> Result<Message, String> {
    let of = |reason| match object.get("message_id").and_then(Value::as_str) {
        Some(id) => format!("message {id}: {reason}"),
        None => format!("a message: {reason}"),
    };
    let role = role_of(object, "role", findings).map_err(of)?;
    match object.get("text") {
        Some(Value::String(text)) => Ok(Message::new(role, text.as_str())),
        Some(other) => Err(of(format!("`text` is {}; expected a string", describe_value(other)))),
        None => Err(of("no `text`".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tree() -> Value {
        let leaf = |text: &str, rank: Value, deleted: bool| json!({"text": text, "role": "assistant", "rank": rank, "deleted": deleted, "replies": []});
        let more = json!({"text": "more", "role": "prompter", "replies": [leaf("e", Value::Null, false)]});
        let mut best = leaf("b", json!(0), false);
        best["replies"] = json!([more, {"text": "gone", "role": "prompter", "deleted": true, "replies": [{}]}]);
        json!({"text": "p", "role": "prompter", "replies": [
            leaf("a", json!(1), false), best, leaf("c", Value::Null, false), leaf("d", json!(-1), true)
        ]})
    }

    #[test]
    fn every_path_or_the_best_one_without_what_is_deleted() {
        let read = |choice| {
            let mut findings = Findings::default();
            let paths = paths(&tree(), choice, &mut findings).unwrap();
            let texts =
                |path: Vec<Message>| path.into_iter().map(|message| message.text.to_string()).collect::<String>();
            (paths.into_iter().map(texts).collect::<Vec<_>>(), findings.notes)
        };
        let (all, notes) = read(OasstPaths::All);
        assert_eq!(all, ["pa", "pbmoree", "pc"]);
        assert_eq!(notes, [("a deleted message left out with what follows it".to_owned(), 2)]);
        assert_eq!(read(OasstPaths::Best).0, ["pbmoree"]);
    }

    #[test]
    fn what_cannot_be_used_says_why() {
        let refused = |tree: Value| paths(&tree, OasstPaths::All, &mut Findings::default()).unwrap_err();
        assert!(refused(json!({"deleted": true})).contains("the prompt is deleted"));
        assert!(refused(json!(["p"])).contains("a message is a list"));
        let message = json!({"message_id": "m7", "role": "prompter", "text": 5});
        assert_eq!(refused(message), "message m7: `text` is 5; expected a string");
        assert!(refused(json!({"role": "prompter", "text": "a", "replies": 1})).contains("`replies` is 1"));
    }

    #[test]
    fn a_tree_may_be_deep_and_its_paths_share_what_they_have_in_common() {
        let mut deep = json!({"role": "assistant", "text": "z"});
        for _ in 0..300 {
            deep = json!({"role": "prompter", "text": "x", "replies": [deep]});
        }
        assert_eq!(paths(&deep, OasstPaths::All, &mut Findings::default()).unwrap()[0].len(), 301);
        let reply = json!({"role": "assistant", "text": "r"});
        let wide = json!({"role": "prompter", "text": "x".repeat(1 << 20), "replies": vec![reply; 3_000]});
        let mut findings = Findings::default();
        let found = paths(&wide, OasstPaths::All, &mut findings).unwrap();
        assert!(std::sync::Arc::ptr_eq(&found[0][0].text, &found[14][0].text));
        assert_eq!((found.len(), findings.notes[0].1), (15, 2_985));
    }
}
