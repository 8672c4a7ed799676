//! Messages -> one text: the chat templates.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use super::{beside::Given, jinja::Jinja, message::Message};
use crate::{
    corpus::{Role, Tokenizer},
    error::{Error, Result},
};

/// Which chat template is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChatTemplate {
    /// The template of the checkpoint's tokenizer where there is one, else that of the authors.
    #[default]
    Auto,
    /// That of the authors' inference script: `<<SYS>>\n{system}\n<</SYS>>\n\n`, then `{bos}[INST] {user} [/INST]` and
    /// ` {assistant} {eos}`, message by message in whatever order they stand. It knows no tools: what a tool gave back is
    /// written like a user's message (and keeps the role `tool`).
    OpenMoe,
    /// That of the checkpoint's tokenizer: `chat_template.jinja`, else the `chat_template` of `tokenizer_config.json`, else
    /// that of `chat_template.json`.
    Tokenizer,
    /// The messages joined by newlines, one BOS at the start, as a document of a corpus. A newline belongs to the message
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
                "for example --template plain",
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
pub struct Template(Kind);

#[derive(Clone, Debug)]
enum Kind {
    OpenMoe,
    Plain,
    Jinja(Box<Jinja>),
}

/// Where a template of a tokenizer comes from, for the manifest.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TemplateSource {
    /// The file.
    #[serde(serialize_with = "crate::error::serialize_path")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub path: PathBuf,
    /// SHA-256 of the template's text, hexadecimal.
    pub sha256: String,
    /// The day at which its `strftime_now` stands still, if it asks for the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// Files that hold a template too, which is not used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_used: Vec<String>,
}

impl fmt::Display for TemplateSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path.file_name().unwrap_or_default().to_string_lossy())?;
        if let Some(date) = &self.date {
            write!(f, "; strftime_now is {date}")?;
        }
        if !self.not_used.is_empty() {
            write!(f, "; that of {} is not used", self.not_used.join(" and "))?;
        }
        Ok(())
    }
}

impl Template {
    /// Where the template comes from; `None` for one that is built in.
    pub fn source(&self) -> Option<&TemplateSource> {
        match &self.0 {
            Kind::Jinja(jinja) => Some(&jinja.source),
            Kind::OpenMoe | Kind::Plain => None,
        }
    }

    /// Opens the template that is asked for, for a checkpoint folder.
    ///
    /// # Errors
    /// [`Error::Tokenizer`]: the template's file cannot be read, or the template is broken. [`Error::Usage`]:
    /// [`ChatTemplate::Tokenizer`] where there is no `chat_template`.
    pub fn open(choice: ChatTemplate, checkpoint: &Path) -> Result<Self> {
        let kind = match choice {
            ChatTemplate::OpenMoe => Kind::OpenMoe,
            ChatTemplate::Plain => Kind::Plain,
            ChatTemplate::Auto => Jinja::open(checkpoint)?.map_or(Kind::OpenMoe, |jinja| Kind::Jinja(Box::new(jinja))),
            ChatTemplate::Tokenizer => match Jinja::open(checkpoint)? {
                Some(jinja) => Kind::Jinja(Box::new(jinja)),
                None => {
                    return Err(Error::usage(
                        format!(
                            "`{}` has neither a chat_template.jinja nor a tokenizer_config.json with a `chat_template`",
                            checkpoint.display()
                        ),
                        "--template openmoe is the template of the authors, --template plain is none",
                    ));
                }
            },
        };
        Ok(Self(kind))
    }

    /// Whether the text is a plain one: no special tokens in it, one BOS before it.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self.0, Kind::Plain)
    }

    /// Whether a word stands in the template: what it does not speak of it does not write.
    pub(super) fn speaks_of(&self, word: &str) -> bool {
        matches!(&self.0, Kind::Jinja(jinja) if jinja.speaks_of(word))
    }

    /// The special tokens that the template writes and that cut its text.
    ///
    /// # Errors
    /// The tokenizer does not know a token that the template uses.
    pub(super) fn tokens(&self, tokenizer: &Tokenizer, special: Special) -> Result<TemplateTokens> {
        match &self.0 {
            Kind::Plain => Ok(TemplateTokens::default()),
            Kind::OpenMoe => TemplateTokens::of_model(tokenizer, special),
            Kind::Jinja(jinja) => jinja.tokens(tokenizer, special),
        }
    }

    /// The text of a conversation.
    ///
    /// # Errors
    /// A template of the tokenizer refuses the conversation; says why.
    pub(super) fn render(
        &self,
        messages: &[Message],
        given: &Given,
        tokens: &TemplateTokens,
    ) -> Result<Rendered, String> {
        Ok(match &self.0 {
            Kind::OpenMoe => written(messages, |text, message| openmoe(text, message, tokens)),
            Kind::Plain => {
                let mut left = messages.len();
                written(messages, |text, message| {
                    text.push_str(&message.text);
                    left -= 1;
                    text.push_str(if left > 0 { "\n" } else { "" });
                })
            }
            Kind::Jinja(jinja) => {
                let (text, steps) = jinja.render(messages, given, tokens)?;
                Rendered { text, steps, ends: None }
            }
        })
    }

    /// Where the text of each message ends, for those that begin at or before byte `last` of what was rendered.
    ///
    /// # Errors
    /// The template does not let its messages be told apart; says why.
    pub(super) fn ends(
        &self,
        messages: &[Message],
        given: &Given,
        tokens: &TemplateTokens,
        rendered: Rendered,
        last: usize,
    ) -> Result<Vec<usize>, String> {
        match (&self.0, rendered.ends) {
            (Kind::Jinja(jinja), None) => jinja.ends(messages, given, tokens, (&rendered.text, rendered.steps), last),
            (_, ends) => Ok(ends.unwrap_or_default()),
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::OpenMoe => "openmoe",
            Kind::Plain => "plain",
            Kind::Jinja(_) => "tokenizer",
        })
    }
}

/// The special ids of a model.
#[derive(Clone, Copy, Debug)]
pub(super) struct Special {
    /// `None` for no BOS at all.
    pub bos: Option<u32>,
    /// Id of the EOS.
    pub eos: u32,
    /// Ids are below it.
    pub vocab_size: usize,
}

/// Special tokens as words of a text.
#[derive(Clone, Debug, Default)]
pub(super) struct TemplateTokens {
    /// What the template writes for the BOS; empty for none.
    pub bos: String,
    /// What the template writes for the EOS.
    pub eos: String,
    /// All words that are special tokens, with their ids.
    pub words: Vec<(String, u32)>,
}

impl TemplateTokens {
    /// The BOS and the EOS of the model, by the names that its tokenizer has for them.
    ///
    /// # Errors
    /// The tokenizer has no such id.
    pub(super) fn of_model(tokenizer: &Tokenizer, special: Special) -> Result<Self> {
        let word = |name: &str, id: u32| {
            tokenizer.piece(id).filter(|word| !word.is_empty()).ok_or_else(|| {
                Error::tokenizer(
                    format!("tokenizer `{}` has no token {id}, the model's {name}", tokenizer.file().display()),
                    "the tokenizer belongs to another model; or use --template plain",
                )
            })
        };
        let bos = special.bos.map(|id| Ok((word("BOS", id)?, id))).transpose()?;
        let eos = (word("EOS", special.eos)?, special.eos);
        Ok(Self {
            bos: bos.as_ref().map_or_else(String::new, |(word, _)| word.clone()),
            eos: eos.0.clone(),
            words: bos.into_iter().chain([eos]).collect(),
        })
    }
}

/// A conversation as text.
pub(super) struct Rendered {
    /// All of it, special tokens as words.
    pub text: String,
    /// What it took a template of others.
    steps: u64,
    /// Where the text of each message ends, where the template knows without asking.
    ends: Option<Vec<usize>>,
}

/// Writes message after message.
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
        let openmoe = render(Kind::OpenMoe);
        assert_eq!(openmoe.text, "<<SYS>>\nS\n<</SYS>>\n\n<pad>[INST] U [/INST] A </s><pad>[INST]  [/INST]");
        assert_eq!(openmoe.ends.unwrap(), [20, 41, 48, 68]);
        let plain = render(Kind::Plain);
        assert_eq!((plain.text.as_str(), plain.ends.unwrap()), ("S\nU\nA\n", vec![2, 4, 6, 6]));
    }
}
