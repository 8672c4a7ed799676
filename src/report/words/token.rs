//! What a token is called in a sentence.

use crate::stats::{Subject, shown};

/// The text of a token in quotation marks, or its id where the run had no tokenizer.
pub(super) fn quoted(subject: &Subject) -> String {
    match (&subject.text, subject.token_id) {
        (Some(text), _) => format!("\"{}\"", shown(text)),
        (None, id) => format!("id {}", id.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_without_text_is_called_by_its_id() {
        let subject = Subject { token_id: Some(17), ..Subject::default() };
        assert_eq!(quoted(&subject), "id 17");
        assert_eq!(quoted(&Subject { text: Some("\u{2581}the".into()), ..subject }), "\"␣the\"");
    }
}
