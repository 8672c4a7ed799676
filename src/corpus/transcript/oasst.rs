//! Trees of replies, as Open Assistant exports them.

use serde_json::{Map, Value};

use super::{
    OasstPaths,
    message::{Message, role_of},
};
use crate::corpus::row::describe;

/// The conversations of a tree: paths from its prompt to messages without replies, in the order of the file. A deleted
/// message goes with everything that follows it; `notes` hears how many there were.
///
/// # Errors
/// A message cannot be used, or the prompt is deleted; says why.
pub(super) fn paths(prompt: &Value, choice: OasstPaths, notes: &mut Vec<String>) -> Result<Vec<Vec<Message>>, String> {
    let mut walk = Walk { choice, path: Vec::new(), found: Vec::new(), deleted: 0 };
    if is_deleted(prompt) {
        return Err("the prompt is deleted, and with it the whole tree".into());
    }
    walk.message(prompt)?;
    if walk.deleted > 0 {
        notes.push(format!("{} deleted messages left out with what follows them", walk.deleted));
    }
    Ok(walk.found)
}

struct Walk {
    choice: OasstPaths,
    /// The messages on the way to where the walk is.
    path: Vec<Message>,
    found: Vec<Vec<Message>>,
    deleted: usize,
}

impl Walk {
    /// A message and everything below it. The reader of JSON bounds the depth.
    fn message(&mut self, value: &Value) -> Result<(), String> {
        let Value::Object(object) = value else {
            return Err(format!("a message is {}; expected an object", describe(value)));
        };
        self.path.push(message(object)?);
        let replies = self.replies(object)?;
        if replies.is_empty() {
            self.found.push(self.path.clone());
        }
        for reply in replies {
            self.message(reply)?;
        }
        self.path.pop();
        Ok(())
    }

    /// The replies to follow.
    fn replies<'a>(&mut self, message: &'a Map<String, Value>) -> Result<Vec<&'a Value>, String> {
        let all = match message.get("replies") {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Array(all)) => all,
            Some(other) => return Err(format!("`replies` is {}; expected a list", describe(other))),
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

fn message(object: &Map<String, Value>) -> Result<Message, String> {
    let of = |reason| match object.get("message_id").and_then(Value::as_str) {
        Some(id) => format!("message {id}: {reason}"),
        None => format!("a message: {reason}"),
    };
    let role = role_of(object, "role").map_err(of)?;
    match object.get("text") {
        Some(Value::String(text)) => Ok(Message { role, text: text.clone() }),
        Some(other) => Err(of(format!("`text` is {}; expected a string", describe(other)))),
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
            let mut notes = Vec::new();
            let paths = paths(&tree(), choice, &mut notes).unwrap();
            let texts = |path: Vec<Message>| path.into_iter().map(|message| message.text).collect::<Vec<_>>().concat();
            (paths.into_iter().map(texts).collect::<Vec<_>>(), notes)
        };
        let (all, notes) = read(OasstPaths::All);
        assert_eq!(all, ["pa", "pbmoree", "pc"]);
        assert_eq!(notes, ["2 deleted messages left out with what follows them"]);
        assert_eq!(read(OasstPaths::Best).0, ["pbmoree"]);
    }

    #[test]
    fn what_cannot_be_used_says_why() {
        let refused = |tree: Value| paths(&tree, OasstPaths::All, &mut Vec::new()).unwrap_err();
        assert!(refused(json!({"deleted": true})).contains("the prompt is deleted"));
        assert!(refused(json!(["p"])).contains("a message is a list"));
        let message = json!({"message_id": "m7", "role": "prompter", "text": 5});
        assert_eq!(refused(message), "message m7: `text` is 5; expected a string");
        assert!(refused(json!({"role": "prompter", "text": "a", "replies": 1})).contains("`replies` is 1"));
    }
}
