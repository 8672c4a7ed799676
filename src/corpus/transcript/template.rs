//! The chat templates, which write the messages of a conversation as one text.

use std::{fmt, path::Path, str::FromStr};

use super::{
    jinja::{Jinja, other_templates},
    message::Message,
    other_keys::Given,
    template_parts::{Special, TemplateSource, TemplateTokens},
};
use crate::{
    corpus::{Role, Tokenizer},
    error::{Error, OptionName, Result},
};

/// The choice of a chat template.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChatTemplate {
    /// The template of the checkpoint's tokenizer if it has one, else the authors' template for an OpenMoE, and none for others.
    #[default]
    Auto,
    /// The template of the authors' inference script: `<<SYS>>\n{system}\n<</SYS>>\n\n`, then `{bos}[INST] {user} [/INST]` and
    /// ` {assistant} {eos}`, message by message in any order. It has no tools: the result of a tool is written like a user
    /// message (but keeps the role `tool`).
    OpenMoe,
    /// The template of the checkpoint's tokenizer: `chat_template.jinja`, else the `chat_template` of `tokenizer_config.json`, else
    /// that of `chat_template.json`.
    Tokenizer,
    /// The messages joined by newlines, with one BOS at the start, like a document of a corpus. A newline belongs to the message
    /// that it ends.
    Plain,
}

impl ChatTemplate {
    /// All templates.
    pub const ALL: [Self; 4] = [Self::Auto, Self::OpenMoe, Self::Tokenizer, Self::Plain];

    /// The name on the command line and in the manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::OpenMoe => "openmoe",
            Self::Tokenizer => "tokenizer",
            Self::Plain => "plain",
        }
    }
}

impl FromStr for ChatTemplate {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|template| template.name() == text).ok_or_else(|| {
            Error::usage(
                format!("chat template `{text}` is unknown; expected auto, openmoe, tokenizer or plain"),
                format!("for example {}", OptionName::Template.with("plain")),
            )
        })
    }
}

impl fmt::Display for ChatTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A chat template, ready to use. Its `Display` is `openmoe`, `tokenizer` or `plain`.
#[derive(Clone, Debug)]
pub struct Template(TemplateKind);

#[derive(Clone, Debug)]
enum TemplateKind {
    OpenMoe,
    Plain,
    Jinja(Box<Jinja>),
}

impl Template {
    /// The origin of the template; `None` for a built-in template.
    pub fn source(&self) -> Option<&TemplateSource> {
        match &self.0 {
            TemplateKind::Jinja(jinja) => Some(&jinja.source),
            TemplateKind::OpenMoe | TemplateKind::Plain => None,
        }
    }

    /// Opens the template that is asked for, for a checkpoint folder.
    ///
    /// # Errors
    /// [`Error::Tokenizer`]: the template's file cannot be read, or the template is broken. [`Error::Usage`]:
    /// [`ChatTemplate::Tokenizer`] although there is no `chat_template`.
    pub fn open(choice: ChatTemplate, checkpoint: &Path) -> Result<Self> {
        let kind = match choice {
            ChatTemplate::OpenMoe => TemplateKind::OpenMoe,
            ChatTemplate::Plain => TemplateKind::Plain,
            ChatTemplate::Auto => {
                Jinja::open(checkpoint)?.map_or(TemplateKind::OpenMoe, |jinja| TemplateKind::Jinja(Box::new(jinja)))
            }
            ChatTemplate::Tokenizer => match Jinja::open(checkpoint)? {
                Some(jinja) => TemplateKind::Jinja(Box::new(jinja)),
                None => {
                    return Err(Error::usage(
                        format!(
                            "`{}` has neither a chat_template.jinja nor a tokenizer_config.json with a `chat_template`",
                            checkpoint.display()
                        ),
                        other_templates(),
                    ));
                }
            },
        };
        Ok(Self(kind))
    }

    /// Whether the template is [`ChatTemplate::Plain`]: no special tokens in the text, one BOS before it.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self.0, TemplateKind::Plain)
    }

    /// Whether the template contains a word: it cannot write a value whose name it does not contain.
    pub(super) fn speaks_of(&self, word: &str) -> bool {
        matches!(&self.0, TemplateKind::Jinja(jinja) if jinja.speaks_of(word))
    }

    /// The special tokens that the template writes and that cut its text.
    ///
    /// # Errors
    /// The tokenizer does not know a token that the template uses.
    pub(super) fn tokens(&self, tokenizer: &Tokenizer, special: Special) -> Result<TemplateTokens> {
        match &self.0 {
            TemplateKind::Plain => Ok(TemplateTokens::default()),
            TemplateKind::OpenMoe => TemplateTokens::of_model(tokenizer, special),
            TemplateKind::Jinja(jinja) => jinja.tokens(tokenizer, special),
        }
    }

    /// The text of a conversation.
    ///
    /// # Errors
    /// The reason why a template of the tokenizer refuses the conversation.
    pub(super) fn render(
        &self,
        messages: &[Message],
        given: &Given,
        tokens: &TemplateTokens,
    ) -> Result<Rendered, String> {
        Ok(match &self.0 {
            TemplateKind::OpenMoe => written(messages, |text, message| openmoe(text, message, tokens)),
            TemplateKind::Plain => {
                let mut left = messages.len();
                written(messages, |text, message| {
                    text.push_str(&message.text);
                    left -= 1;
                    text.push_str(if left > 0 { "\n" } else { "" });
                })
            }
            TemplateKind::Jinja(jinja) => {
                let (text, steps) = jinja.render(messages, given, tokens)?;
                Rendered { text, steps, ends: None }
            }
        })
    }

    /// Where the text of each message ends, for messages that begin at or before byte `last` of the rendered text.
    ///
    /// # Errors
    /// The reason why it cannot be decided where the messages end.
    pub(super) fn ends(
        &self,
        messages: &[Message],
        given: &Given,
        tokens: &TemplateTokens,
        rendered: Rendered,
        last: usize,
    ) -> Result<Vec<usize>, String> {
        match (&self.0, rendered.ends) {
            (TemplateKind::Jinja(jinja), None) => {
                jinja.ends(messages, given, tokens, (&rendered.text, rendered.steps), last)
            }
            (_, ends) => Ok(ends.unwrap_or_default()),
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            TemplateKind::OpenMoe => "openmoe",
            TemplateKind::Plain => "plain",
            TemplateKind::Jinja(_) => "tokenizer",
        })
    }
}

/// A conversation as text.
pub(super) struct Rendered {
    /// The whole text, with special tokens as words.
    pub text: String,
    /// The number of steps that the template of a tokenizer took.
    steps: u64,
    /// Where the text of each message ends, if the template knows it directly.
    ends: Option<Vec<usize>>,
}

/// Renders the messages one after the other with `write`.
fn written(messages: &[Message], mut write: impl FnMut(&mut String, &Message)) -> Rendered {
    let mut text = String::new();
    let mut end = |message| {
        write(&mut text, message);
        text.len()
    };
    let ends = messages.iter().map(&mut end).collect();
    Rendered { text, steps: 0, ends: Some(ends) }
}

/// The authors' template for one message.
fn openmoe(text: &mut String, message: &Message, tokens: &TemplateTokens) {
    let (before, after) = match message.role {
        Role::System => (["", "<<SYS>>\n"], ["\n<</SYS>>\n\n", ""]),
        Role::User | Role::Tool => ([tokens.bos.as_str(), "[INST] "], [" [/INST]", ""]),
        Role::Assistant => (["", " "], [" ", tokens.eos.as_str()]),
    };
    for part in before.into_iter().chain([&*message.text]).chain(after) {
        text.push_str(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for template in ChatTemplate::ALL {
            assert_eq!(template.to_string().parse::<ChatTemplate>().unwrap(), template);
        }
        assert!("llama".parse::<ChatTemplate>().is_err());
    }

    #[test]
    fn the_authors_template_and_the_plain_one() {
        let messages = [(Role::System, "S"), (Role::User, "U"), (Role::Assistant, "A"), (Role::Tool, "")]
            .map(|(role, text)| Message::new(role, text));
        let tokens = TemplateTokens { bos: "<pad>".into(), eos: "</s>".into(), words: Vec::new() };
        let render = |kind| Template(kind).render(&messages, &Given::default(), &tokens).unwrap();
        let openmoe = render(TemplateKind::OpenMoe);
        assert_eq!(openmoe.text, "<<SYS>>\nS\n<</SYS>>\n\n<pad>[INST] U [/INST] A </s><pad>[INST]  [/INST]");
        assert_eq!(openmoe.ends.unwrap(), [20, 41, 48, 68]);
        let plain = render(TemplateKind::Plain);
        assert_eq!((plain.text.as_str(), plain.ends.unwrap()), ("S\nU\nA\n", vec![2, 4, 6, 6]));
    }
}
