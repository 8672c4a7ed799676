//! One saved response: which of its keys hold the tokens and the routes, in the forms that clients save.

use serde_json::{Map, Value};

use super::payload::{Beside, Payload};
use crate::import::model_config::ModelConfig;

/// One answer of a response.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    /// What the client or the engine calls it.
    pub(super) name: Option<String>,
    /// Routes of the rows that the engine gave.
    pub(super) routes: Payload,
    /// Position of the first row.
    pub(super) start: usize,
    /// Tokens of prompt and answer, where the response says how many.
    pub(super) tokens: Option<usize>,
    /// The tokens of the rows; `None` where they are not in the response.
    pub(super) token_ids: Option<Vec<u32>>,
}

type Object = Map<String, Value>;

/// A response, and what the client saved around it.
pub(super) struct Saved<'a> {
    outer: &'a Object,
    response: &'a Object,
}

impl<'a> Saved<'a> {
    /// What stands in a line: a response, or an object with one under `response`.
    pub(super) fn new(outer: &'a Object) -> Self {
        let response = outer.get("response").and_then(Value::as_object).unwrap_or(outer);
        Self { outer, response }
    }

    /// What is under a key, as text.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        let found = [self.outer, self.response].into_iter().find_map(|object| object.get(key));
        match found? {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// Its answers that have routes.
    ///
    /// # Errors
    /// No answer has routes, or those of one cannot be read.
    pub(super) fn answers(&self, model: Option<&ModelConfig>) -> Result<Vec<Answer>, String> {
        // OpenAI's API has `choices`, the objects of vLLM and TensorRT-LLM `outputs`.
        let listed = ["choices", "outputs"].iter().find_map(|key| self.response.get(*key)?.as_array());
        let choices: Vec<&Object> = match listed {
            Some(list) => list.iter().filter_map(Value::as_object).collect(),
            None => vec![self.response],
        };
        let mut answers = Vec::new();
        for (index, choice) in choices.iter().enumerate() {
            let view = View::new(self, choice, index, choices.len());
            answers.extend(view.answer(model)?);
        }
        if answers.is_empty() {
            return Err("has no `routed_experts`: the engine was not asked for them, or ended early".to_owned());
        }
        Ok(answers)
    }
}

/// Objects inside those of a response: the engine's own, and what the client saved of its request.
const INNER: [&str; 4] = ["meta_info", "sglext", "request", "sampling_params"];

/// The objects in which the keys of an answer may be, the nearest first.
struct View<'a> {
    saved: &'a Saved<'a>,
    places: Vec<&'a Object>,
    index: usize,
    of: usize,
}

impl<'a> View<'a> {
    fn new(saved: &'a Saved<'a>, choice: &'a Object, index: usize, of: usize) -> Self {
        let mut places = Vec::new();
        for object in [choice, saved.response, saved.outer] {
            // SGLang's additions to the answers of OpenAI's API are those of the first choice.
            let inner: &[&str] = if index == 0 { &INNER } else { &INNER[2..] };
            places.push(object);
            places.extend(inner.iter().filter_map(|key| object.get(*key)?.as_object()));
        }
        Self { saved, places, index, of }
    }

    fn find(&self, keys: &[&str]) -> Option<&'a Value> {
        let of_key = |key: &&str| self.places.iter().find_map(|object| object.get(*key).filter(|it| !it.is_null()));
        keys.iter().find_map(of_key)
    }

    fn answer(&self, model: Option<&ModelConfig>) -> Result<Option<Answer>, String> {
        let start = self.start()?;
        let prompt = self.find(&["prompt_token_ids", "input_ids"]).and_then(|value| ids(value, self.index));
        let output = ["token_ids", "output_ids", "output_token_ids", "completion_token_ids"];
        let output = self.find(&output).and_then(|value| ids(value, self.index)).or_else(|| self.of_logprobs());
        let tokens = match (&prompt, &output) {
            (Some(prompt), Some(output)) => Some(prompt.len() + output.len()),
            (Some(prompt), None) => self.count("completion_tokens").map(|more| prompt.len().saturating_add(more)),
            _ => self
                .count("prompt_tokens")
                .and_then(|first| Some(first.saturating_add(self.count("completion_tokens")?))),
        };
        let beside = Beside { model, rows: tokens.and_then(|tokens| tokens.checked_sub(start)) };
        let Some(routes) = self.routes(beside)? else { return Ok(None) };
        let known: Vec<u32> = prompt.into_iter().flatten().chain(output.into_iter().flatten()).collect();
        let rows_match = match beside.rows {
            Some(rows) => routes.rows == rows || routes.rows + 1 == rows,
            None => start + routes.rows == known.len(),
        };
        let token_ids = known.get(start..start + routes.rows).filter(|_| rows_match).map(<[u32]>::to_vec);
        let name = ["document", "custom_id", "request_id", "id"].iter().find_map(|key| self.saved.text(key));
        let name = name.or_else(|| self.find(&["id"]).and_then(Value::as_str).map(str::to_owned));
        let name = if self.of > 1 { name.map(|name| format!("{name} {}", self.index)) } else { name };
        Ok(Some(Answer { name, routes, start, tokens: beside.rows, token_ids }))
    }

    /// The position of the first row, where the request asked for less than all.
    fn start(&self) -> Result<usize, String> {
        let Some(value) = self.find(&["routed_experts_start_len", "routed_experts_prompt_start"]) else { return Ok(0) };
        let position = value.as_u64().filter(|position| *position < u64::from(u32::MAX));
        let position = position.ok_or_else(|| format!("begins its routes at `{value}`; expected a position"))?;
        Ok(position as usize)
    }

    /// The routes of prompt and answer, which vLLM 0.21 gives apart.
    fn routes(&self, beside: Beside<'_>) -> Result<Option<Payload>, String> {
        let read = |key: &str, beside: Beside<'_>| {
            let value = self.find(&[key]);
            value
                .map(|value| Payload::read(value, beside).map_err(|what| format!("has a `{key}` that {what}")))
                .transpose()
        };
        let answer = read("routed_experts", beside)?;
        let prompt = read("prompt_routed_experts", Beside { rows: None, ..beside })?;
        match (prompt, answer) {
            (Some(prompt), Some(answer)) => prompt.followed_by(&answer).map(Some),
            (prompt, answer) => Ok(prompt.or(answer)),
        }
    }

    /// How many tokens the engine counted; of several answers it counts the sum.
    fn count(&self, key: &str) -> Option<usize> {
        let usage = self.saved.response.get("usage").filter(|_| self.of == 1).and_then(|usage| usage.get(key));
        let found = self.find(&[key]).or(usage)?;
        found.as_u64().map(|count| count as usize)
    }

    /// SGLang lists `[logprob, id, text]` for every token of the answer.
    fn of_logprobs(&self) -> Option<Vec<u32>> {
        let list = self.find(&["output_token_logprobs"])?.as_array()?;
        list.iter().map(|entry| token_id(entry.get(1)?)).collect()
    }
}

/// Token ids; of a list of lists those of answer `index`.
fn ids(value: &Value, index: usize) -> Option<Vec<u32>> {
    let list = value.as_array()?;
    if list.first().is_some_and(Value::is_array) {
        return ids(list.get(index).or_else(|| list.first())?, 0);
    }
    list.iter().map(token_id).collect()
}

fn token_id(value: &Value) -> Option<u32> {
    u32::try_from(value.as_u64()?).ok()
}
