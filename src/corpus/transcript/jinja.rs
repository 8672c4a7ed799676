//! The `chat_template` of a `tokenizer_config.json`, in the dialect of Hugging Face: blocks swallow the line break after
//! them and the blanks before them, loops know `break` and `continue`, strings have Python's methods, `raise_exception`
//! refuses a conversation.
//!
//! Which part of the text belongs to which message is found by rendering the first message, the first two, and so on: a
//! message has what it adds. Two kinds of templates need more:
//!
//! * The text of a message changes when others follow (an end mark on the last one only, say). What the two texts have
//!   in common from their start is taken as the shorter conversation, if the message's own content lies wholly in it;
//!   else the conversation is refused, since its tokens would be counted for the wrong speaker.
//! * A message adds nothing by itself, or cannot stand last (a system message that the template puts into the first
//!   user's). It has the text up to the end of its content, if its content and then that of the next message stand in
//!   what the next one adds; else it has no token.

use std::path::Path;

use minijinja::{Environment, ErrorKind, context, syntax::SyntaxConfig};
use serde_json::Value;

use super::{
    message::Message,
    template::{Special, TemplateTokens},
};
use crate::{
    corpus::Tokenizer,
    error::{Error, Result},
};

/// The file that holds the template.
const FILE: &str = "tokenizer_config.json";
/// The template's name within its environment; error messages show it.
const NAME: &str = "chat_template";

/// A compiled template with the special tokens of its file.
#[derive(Clone, Debug)]
pub(super) struct Jinja {
    environment: Environment<'static>,
    bos: Option<String>,
    eos: Option<String>,
    /// `added_tokens_decoder`: words and ids.
    added: Vec<(String, u32)>,
}

impl Jinja {
    /// Opens the template of a checkpoint folder; `None` where there is none.
    ///
    /// # Errors
    /// The file cannot be read, or the template is broken.
    pub(super) fn open(checkpoint: &Path) -> Result<Option<Self>> {
        let path = checkpoint.join(FILE);
        if !path.is_file() {
            return Ok(None);
        }
        let bytes = std::fs::read(&path).map_err(Error::io("read", &path))?;
        let broken = |reason: String| {
            Error::tokenizer(
                format!("chat template of `{}` cannot be used: {reason}", path.display()),
                "--template openmoe is the template of the authors, --template plain is none",
            )
        };
        let config: Value = serde_json::from_slice(&bytes).map_err(|error| broken(format!("broken JSON: {error}")))?;
        let Some(source) = source(&config).map_err(broken)? else { return Ok(None) };
        let compiled = environment().and_then(|mut environment| {
            environment.add_template_owned(NAME, source)?;
            Ok(environment)
        });
        let environment = compiled.map_err(|error| broken(error.to_string()))?;
        Ok(Some(Self {
            environment,
            bos: token_word(&config["bos_token"]),
            eos: token_word(&config["eos_token"]),
            added: added_tokens(&config),
        }))
    }

    /// The BOS and EOS of the file, or where it names none those of the model; both and the file's added tokens are
    /// special.
    ///
    /// # Errors
    /// The file names a BOS or EOS that neither it nor the tokenizer has an id for.
    pub(super) fn tokens(&self, tokenizer: &Tokenizer, special: Special) -> Result<TemplateTokens> {
        let mut tokens = TemplateTokens::of_model(tokenizer, special)?;
        let in_model = |(_, id): &&(String, u32)| (*id as usize) < special.vocab_size;
        tokens.words.extend(self.added.iter().filter(in_model).cloned());
        for (own, word) in [(&self.bos, &mut tokens.bos), (&self.eos, &mut tokens.eos)] {
            let Some(own) = own.as_ref().filter(|_| !word.is_empty()) else { continue };
            if !tokens.words.iter().any(|(known, _)| known == own) {
                let id = tokenizer.id(own).ok_or_else(|| {
                    Error::tokenizer(
                        format!("{FILE} names the special token `{own}`; `{}` has none", tokenizer.file().display()),
                        "the two files belong to different models; or use --template openmoe",
                    )
                })?;
                tokens.words.push((own.clone(), id));
            }
            word.clone_from(own);
        }
        Ok(tokens)
    }

    /// The text of a conversation.
    ///
    /// # Errors
    /// The template refuses it; says why.
    pub(super) fn render(&self, messages: &[Message], tokens: &TemplateTokens) -> Result<String, String> {
        self.render_values(&values(messages), tokens)
    }

    fn render_values(&self, messages: &[minijinja::Value], tokens: &TemplateTokens) -> Result<String, String> {
        let template = self.environment.get_template(NAME);
        let rendered = template.and_then(|template| {
            template.render(context! {
                messages => minijinja::Value::from(messages.to_vec()),
                bos_token => tokens.bos.as_str(),
                eos_token => tokens.eos.as_str(),
                add_generation_prompt => false,
            })
        });
        rendered.map_err(|error| format!("the chat template refuses the conversation: {error}"))
    }

    /// Where the text of each message ends, for those that begin at or before byte `last` of `text`.
    ///
    /// # Errors
    /// The text of a message changes when others follow.
    pub(super) fn ends(
        &self,
        messages: &[Message],
        tokens: &TemplateTokens,
        text: &str,
        last: usize,
    ) -> Result<Vec<usize>, String> {
        let values = values(messages);
        let mut ends = Vec::new();
        let mut start = 0;
        for (turn, message) in messages.iter().enumerate() {
            if start > last {
                break;
            }
            start = if turn + 1 == messages.len() {
                text.len()
            } else {
                match self.render_values(&values[..=turn], tokens) {
                    Ok(shorter) => common_end(&shorter, text, start, message).ok_or_else(|| changes(turn))?,
                    Err(_) => start,
                }
            };
            ends.push(start);
        }
        give_own_text(&mut ends, messages, text);
        Ok(ends)
    }
}

fn changes(turn: usize) -> String {
    format!(
        "the chat template writes message {turn} otherwise when more messages follow, so its tokens cannot be told from \
         those of the next; --template openmoe or plain can"
    )
}

/// Where a message ends: as far as the shorter conversation agrees with the whole one, never before `start`. `None` if
/// they part before the message's content is over.
fn common_end(shorter: &str, text: &str, start: usize, message: &Message) -> Option<usize> {
    if text.starts_with(shorter) {
        return Some(shorter.len().max(start));
    }
    let same = shorter.bytes().zip(text.bytes()).take_while(|(a, b)| a == b).count();
    let end = (0..=same).rev().find(|&end| text.is_char_boundary(end))?;
    (end >= start && text[start..end].contains(message.text.trim())).then_some(end)
}

/// Messages that add nothing get the text up to the end of their content, where that stands before the next one's.
fn give_own_text(ends: &mut [usize], messages: &[Message], text: &str) {
    let mut start = 0;
    for turn in 0..ends.len().saturating_sub(1) {
        let (own, next) = (messages[turn].text.trim(), messages[turn + 1].text.trim());
        if ends[turn] == start && !own.is_empty() {
            let region = &text[start..ends[turn + 1]];
            let found = region.find(own).map(|at| at + own.len()).filter(|&end| region[end..].contains(next));
            ends[turn] = start + found.unwrap_or(0);
        }
        start = ends[turn];
    }
}

fn values(messages: &[Message]) -> Vec<minijinja::Value> {
    let value = |message: &Message| context! { role => message.role.name(), content => message.text.as_str() };
    messages.iter().map(value).collect()
}

/// The template as text: the only one, or the one that is called default.
fn source(config: &Value) -> Result<Option<String>, String> {
    match &config["chat_template"] {
        Value::Null => Ok(None),
        Value::String(source) => Ok(Some(source.clone())),
        Value::Array(named) => {
            let default = named.iter().find(|template| template["name"] == "default");
            let source = default.and_then(|template| template["template"].as_str());
            source.map(|source| Some(source.to_owned())).ok_or_else(|| {
                let names: Vec<_> = named.iter().map(|template| template["name"].to_string()).collect();
                format!("`chat_template` is a list without a template named \"default\"; found {}", names.join(", "))
            })
        }
        other => Err(format!("`chat_template` is {other}; expected a text or a list of named texts")),
    }
}

/// A token is written as its text, or as an object with the text as `content`.
fn token_word(token: &Value) -> Option<String> {
    let word = token.as_str().or_else(|| token["content"].as_str())?;
    Some(word.to_owned()).filter(|word| !word.is_empty())
}

fn added_tokens(config: &Value) -> Vec<(String, u32)> {
    let entries = config["added_tokens_decoder"].as_object().into_iter().flatten();
    entries.filter_map(|(id, token)| Some((token_word(token)?, id.parse().ok()?))).collect()
}

fn environment() -> Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_function("raise_exception", |message: String| -> Result<String, minijinja::Error> {
        Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
    });
    environment.add_filter("tojson", |value: minijinja::Value| {
        serde_json::to_string(&value)
            .map_err(|error| minijinja::Error::new(ErrorKind::InvalidOperation, error.to_string()))
    });
    Ok(environment)
}
