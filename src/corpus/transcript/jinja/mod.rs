//! Runs the chat template of a tokenizer: finds its file (`origin`), in the dialect of transformers (`dialect`).
//!
//! A template is a program that came with a download, so it is limited (`sandbox`): steps, output and strings by fuel, compiling
//! and a first short conversation by a clock; a large stack allows deep nesting.
//!
//! To find which part of the text belongs to which message, the first message is rendered, then the first two, and so on: a
//! message has the text that it adds. Two kinds of templates need more:
//!
//! * The text of a message changes when others follow (for example, only the last message has an end mark). The message then ends
//!   where the two texts begin to differ, if its whole content lies before; otherwise the conversation is refused, because tokens
//!   would be counted for the wrong speaker.
//! * A message adds no text by itself, or cannot be the last one (a system message that the template writes into the first user
//!   message). It has the text up to the end of its content, if the text that the next message adds contains its content and then
//!   the content of the next message; otherwise it has no token.

mod dialect;
mod origin;
mod python_json;
mod sandbox;
#[cfg(test)]
mod tests;
mod values;

use std::path::Path;

use minijinja::{Environment, Value};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use self::{
    dialect::DATE,
    origin::{CONFIG, Found, find_template, unusable_template},
    sandbox::{FUEL_OF_PARTS, NAME, PartsFuel, RenderFailure},
};
pub(super) use self::{origin::other_templates, sandbox::STACK};
use super::{
    message::{CALL_KEYS, Message},
    other_keys::Given,
    template_parts::{Special, TemplateSource, TemplateTokens},
};
use crate::{
    corpus::Tokenizer,
    error::{Error, OptionName, Result},
};

/// The name of the template for conversations with tools.
const TOOLS: &str = "chat_template_for_tools";

/// A compiled template with the special tokens of its file.
#[derive(Clone, Debug)]
pub(super) struct Jinja {
    environment: Environment<'static>,
    /// The origin of the template.
    pub source: TemplateSource,
    /// The text of all templates.
    text: String,
    has_tools: bool,
    bos: Option<String>,
    eos: Option<String>,
    /// Further special tokens by name, such as `pad_token`.
    named: Vec<(String, String)>,
    /// `added_tokens_decoder`: words and ids.
    added: Vec<(String, u32)>,
}

impl Jinja {
    /// Whether the text of a template contains a word.
    pub(super) fn speaks_of(&self, word: &str) -> bool {
        self.text.contains(word)
    }

    /// Opens the template of a checkpoint folder; `None` if it has none.
    ///
    /// # Errors
    /// The file cannot be read, or the template is broken.
    pub(super) fn open(checkpoint: &Path) -> Result<Option<Self>> {
        let (Some(found), config) = find_template(checkpoint)? else { return Ok(None) };
        let mut templates = vec![(NAME, found.default.clone())];
        templates.extend(found.tools.clone().map(|source| (TOOLS, source)));
        let text: String = templates.iter().map(|(_, source)| source.as_str()).collect();
        let environment = sandbox::compile(templates).map_err(|reason| unusable_template(&found.path, &reason))?;
        Ok(Some(Self {
            environment,
            source: source(&found, &text),
            has_tools: found.tools.is_some(),
            text,
            bos: token_word(&config["bos_token"]),
            eos: token_word(&config["eos_token"]),
            named: named_tokens(&config),
            added: added_tokens(&config),
        }))
    }

    /// The BOS and EOS that the file names, else those of the model. These and the file's added tokens are special.
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
                        format!("{CONFIG} names the special token `{own}`; `{}` has none", tokenizer.file().display()),
                        format!(
                            "the two files belong to different models; or use {}",
                            OptionName::Template.with("openmoe")
                        ),
                    )
                })?;
                tokens.words.push((own.clone(), id));
            }
            word.clone_from(own);
        }
        Ok(tokens)
    }

    /// The text of a conversation, and the number of steps that it took.
    ///
    /// # Errors
    /// The reason why the template refuses it.
    pub(super) fn render(
        &self,
        messages: &[Message],
        given: &Given,
        tokens: &TemplateTokens,
    ) -> Result<(String, u64), String> {
        let conversation = self.conversation(messages, given, tokens)?;
        let fuel = sandbox::fuel(messages.len(), conversation.bytes);
        conversation.render(messages.len(), fuel).map_err(|failure| failure.reason)
    }

    /// Where the text of each message ends, for messages that begin at or before byte `last` of a text that took `steps` steps.
    ///
    /// # Errors
    /// The text of a message changes when others follow; there are too many messages to write all parts of the conversation.
    pub(super) fn ends(
        &self,
        messages: &[Message],
        given: &Given,
        tokens: &TemplateTokens,
        written: (&str, u64),
        last: usize,
    ) -> Result<Vec<usize>, String> {
        let fuel = PartsFuel::new(FUEL_OF_PARTS, written.1, messages.len());
        self.conversation(messages, given, tokens)?.ends(messages, written.0, last, fuel)
    }

    /// A conversation as the template gets it.
    fn conversation(
        &self,
        messages: &[Message],
        given: &Given,
        tokens: &TemplateTokens,
    ) -> Result<Conversation, String> {
        let deep = || "what a message carries is nested too deep for a template".to_owned();
        let values: Option<Vec<Value>> = messages.iter().map(|message| self.message(message)).collect();
        let text = |name: &str, text: &str| (name.to_owned(), Value::from(text));
        let mut variables: Vec<(String, Value)> = self.named.iter().map(|(name, word)| text(name, word)).collect();
        variables.extend([text("bos_token", &tokens.bos), text("eos_token", &tokens.eos)]);
        variables.push(("add_generation_prompt".to_owned(), Value::from(false)));
        for name in ["tools", "documents"] {
            let value = given.values.iter().find(|(given, _)| *given == name);
            let value = value.map_or(Some(Value::from(())), |(_, value)| values::value(value));
            variables.push((name.to_owned(), value.ok_or_else(deep)?));
        }
        let with_tools = self.has_tools && given.values.iter().any(|(name, _)| *name == "tools");
        Ok(Conversation {
            environment: self.environment.clone(),
            template: if with_tools { TOOLS } else { NAME },
            messages: values.ok_or_else(deep)?,
            bytes: messages.iter().map(Message::bytes).sum::<usize>() + given.bytes(),
            variables,
        })
    }

    /// A message as transformers gives it to a template: all its keys that are not null. Tool calls stay in the text if the template
    /// does not write them.
    fn message(&self, message: &Message) -> Option<Value> {
        let more = message.more.as_deref();
        let writes_calls = CALL_KEYS.iter().any(|key| self.text.contains(key));
        let without_calls = more.and_then(|more| more.without_calls.as_ref()).filter(|_| writes_calls);
        let content = without_calls.map_or(Some(&message.text), |said| said.0.as_ref());
        let mut keys = vec![(Value::from("role"), Value::from(message.role.name()))];
        keys.extend(content.map(|content| (Value::from("content"), Value::from(&**content))));
        let other = |key: &str| !matches!(key, "role" | "content") && (writes_calls || !CALL_KEYS.contains(&key));
        for (key, value) in more.into_iter().flat_map(|more| &more.keys).filter(|(key, _)| other(key)) {
            keys.push((Value::from(key.as_str()), values::value(value)?));
        }
        if let Some((_, reasoning)) = message.reasoning() {
            let value = values::value(reasoning)?;
            if !keys.iter().any(|(key, _)| key.as_str() == Some("thinking")) {
                keys.push((Value::from("thinking"), value.clone()));
            }
            keys.retain(|(key, _)| key.as_str() != Some("reasoning_content"));
            keys.push((Value::from("reasoning_content"), value));
        }
        Some(Value::from_pairs(keys))
    }
}

/// A conversation that can be rendered wholly or in part.
struct Conversation {
    environment: Environment<'static>,
    template: &'static str,
    messages: Vec<Value>,
    /// The number of bytes of text that the template may have to move.
    bytes: usize,
    variables: Vec<(String, Value)>,
}

impl Conversation {
    /// The text of the first messages, and the number of steps that it took.
    fn render(&self, count: usize, fuel: u64) -> Result<(String, u64), RenderFailure> {
        let mut variables = self.variables.clone();
        variables.push(("messages".to_owned(), Value::from(self.messages[..count].to_vec())));
        sandbox::render(&self.environment, self.template, Value::from_pairs(variables), fuel).map_err(|failure| {
            RenderFailure {
                reason: format!("the chat template refuses the conversation: {}", failure.reason),
                ..failure
            }
        })
    }

    /// As [`Jinja::ends`], with a limit of fuel.
    fn ends(&self, messages: &[Message], text: &str, last: usize, mut fuel: PartsFuel) -> Result<Vec<usize>, String> {
        let mut ends = Vec::new();
        let mut start = 0;
        for (turn, message) in messages.iter().enumerate() {
            if start > last {
                break;
            }
            start = if turn + 1 == messages.len() {
                text.len()
            } else {
                let part = self.render(turn + 1, fuel.of_part());
                let price = part.as_ref().map(|(part, steps)| (part.len(), *steps)).map_err(drop);
                fuel.pay(turn + 1, price).ok_or_else(|| too_many(turn, messages.len()))?;
                match part {
                    Ok((shorter, _)) => common_end(&shorter, text, start, message).ok_or_else(|| changes(turn))?,
                    Err(failure) if failure.is_stopped => return Err(failure.reason),
                    Err(_) => start,
                }
            };
            ends.push(start);
        }
        give_own_text(&mut ends, messages, text);
        Ok(ends)
    }
}

/// The origin of a template, for the manifest.
fn source(found: &Found, text: &str) -> TemplateSource {
    let digest: Vec<_> = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    TemplateSource {
        path: found.path.clone(),
        sha256: digest.concat(),
        date: text.contains("strftime_now").then(|| DATE.to_owned()),
        not_used: found.others.iter().map(|&other| other.to_owned()).collect(),
    }
}

fn changes(turn: usize) -> String {
    format!(
        "the chat template writes message {turn} otherwise when more messages follow, so its tokens cannot be told from \
         those of the next; {} or plain can",
        OptionName::Template.with("openmoe")
    )
}

fn too_many(turn: usize, messages: usize) -> String {
    format!(
        "to tell its {messages} messages apart, the chat template has to write the first, the first two, and so on, which is \
         too much from message {turn} on; {} or plain needs to write them once",
        OptionName::Template.with("openmoe")
    )
}

/// Where a message ends: where the shorter conversation and the whole one begin to differ, never before `start`. `None` if they
/// differ before the message's content ends.
fn common_end(shorter: &str, text: &str, start: usize, message: &Message) -> Option<usize> {
    if text.starts_with(shorter) {
        return Some(shorter.len().max(start));
    }
    let same = shorter.bytes().zip(text.bytes()).take_while(|(a, b)| a == b).count();
    let end = (0..=same).rev().find(|&end| text.is_char_boundary(end))?;
    (end >= start && text[start..end].contains(message.said().trim())).then_some(end)
}

/// Gives messages that add no text the text up to the end of their content, if it comes before that of the next message.
fn give_own_text(ends: &mut [usize], messages: &[Message], text: &str) {
    let mut start = 0;
    for turn in 0..ends.len().saturating_sub(1) {
        let (own, next) = (messages[turn].said().trim(), messages[turn + 1].said().trim());
        if ends[turn] == start && !own.is_empty() {
            let region = &text[start..ends[turn + 1]];
            let found = region.find(own).map(|at| at + own.len()).filter(|&end| region[end..].contains(next));
            ends[turn] = start + found.unwrap_or(0);
        }
        start = ends[turn];
    }
}

/// A token is written as its text, or as an object with the text as `content`.
fn token_word(token: &Json) -> Option<String> {
    let word = token.as_str().or_else(|| token["content"].as_str())?;
    Some(word.to_owned()).filter(|word| !word.is_empty())
}

fn added_tokens(config: &Json) -> Vec<(String, u32)> {
    let entries = config["added_tokens_decoder"].as_object().into_iter().flatten();
    entries.filter_map(|(id, token)| Some((token_word(token)?, id.parse().ok()?))).collect()
}

/// Special tokens besides the BOS and the EOS, by their names in a template.
fn named_tokens(config: &Json) -> Vec<(String, String)> {
    let entries = config.as_object().into_iter().flatten().filter(|(name, _)| name.ends_with("_token"));
    entries.filter_map(|(name, token)| Some((name.clone(), token_word(token)?))).collect()
}
