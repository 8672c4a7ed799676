//! The families of models that run: one file for each, and one line here.

mod check;
mod common;
mod deepseek;
mod deepseek_v2;
mod deepseek_v3;
mod family;
mod glm4_moe;
mod gpt_oss;
mod granitemoe;
mod keys;
mod latent;
mod mixtral;
mod olmoe;
mod openmoe;
mod phimoe;
mod qwen2_moe;
mod qwen3_moe;
mod rope;

pub(super) use family::{Description, IgnoredTensors};
pub use openmoe::OpenMoeConfig;

use serde_json::{Map, Value};

use self::{family::Family, keys::ConfigKeys};
use super::tensor_map::TensorMap;
use crate::first_bytes::parse_json;

/// All families.
const FAMILIES: &[Family] = &[
    openmoe::FAMILY,
    olmoe::FAMILY,
    mixtral::FAMILY,
    qwen2_moe::FAMILY,
    qwen3_moe::FAMILY,
    granitemoe::FAMILY,
    phimoe::FAMILY,
    deepseek::FAMILY,
    deepseek_v2::FAMILY,
    deepseek_v3::FAMILY,
    glm4_moe::FAMILY,
    gpt_oss::FAMILY,
];

/// What models call themselves that look like one of the families and compute something else.
const RELATIVES: &[&str] = &[
    "bailing_moe",
    "dots1",
    "emo",
    "ernie4_5_moe",
    "flex_olmo",
    "glm4_moe_lite",
    "granitemoehybrid",
    "granitemoeshared",
    "grinmoe",
    "hunyuan_v1_moe",
    "jetmoe",
    "llama4",
    "minimax_m2",
    "qwen3_next",
];

/// The family of a configuration, and its keys.
pub(super) struct Recognised {
    family: &'static Family,
    object: Map<String, Value>,
}

/// A text that no family reads: what it is instead, and what to do about it.
pub(super) struct Unrecognised {
    /// What the text is.
    pub(super) problem: String,
    /// The next step.
    pub(super) hint: String,
}

impl Unrecognised {
    /// A text that is no configuration at all.
    fn broken(problem: String) -> Self {
        Self { problem, hint: "fetch `config.json` of the checkpoint again".to_owned() }
    }

    /// The configuration of another model.
    fn unknown(problem: String) -> Self {
        let families: Vec<&str> = FAMILIES.iter().map(|family| family.name).collect();
        Self { problem, hint: format!("the supported families are {}", families.join(", ")) }
    }
}

/// Finds the family of the text of a config.json.
///
/// # Errors
/// What the text is instead.
pub(super) fn recognise(text: &str) -> Result<Recognised, Unrecognised> {
    let object = object(text).map_err(Unrecognised::broken)?;
    if openmoe::recognise(&object).map_err(Unrecognised::broken)? {
        return Ok(Recognised { family: &openmoe::FAMILY, object });
    }
    match FAMILIES.iter().find(|family| family.is(&object)) {
        Some(family) => Ok(Recognised { family, object }),
        None => Err(Unrecognised::unknown(unknown(&object))),
    }
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    let value: Value = parse_json(text)
        .map_err(|error| format!("`config.json` is not valid JSON: {error}; expected one JSON object"))?;
    match value {
        Value::Object(object) => Ok(object),
        other => Err(format!("`config.json` holds {}; expected one JSON object", kind(&other))),
    }
}

fn unknown(object: &Map<String, Value>) -> String {
    let named = object.get("architectures").filter(|value| !value.is_null());
    let model_type = object.get("model_type").filter(|value| !value.is_null());
    let found = match (named, model_type) {
        (Some(names), _) => format!("`architectures` {names}"),
        (None, Some(name)) => format!("no `architectures` and `model_type` {name}"),
        (None, None) => "no `architectures`".to_owned(),
    };
    let relative = model_type.and_then(Value::as_str).filter(|name| RELATIVES.contains(name));
    let relative = relative
        .map_or_else(String::new, |name| format!(" (`{name}` is not computed as the families that it resembles)"));
    let classes: Vec<&str> = FAMILIES.iter().flat_map(|family| family.classes).copied().collect();
    format!(
        "`config.json` describes a model that is not supported: found {found}{relative}; expected one of {}",
        classes.join(", ")
    )
}

impl Recognised {
    /// Reads the configuration.
    ///
    /// # Errors
    /// Every problem on a separate line: missing sizes, wrong types, options that are not supported.
    pub(super) fn describe(&self) -> Result<Description, Vec<String>> {
        let mut keys = ConfigKeys::new(&self.object, self.family.name);
        let description = (self.family.read)(&mut keys);
        let problems = keys.problems();
        if problems.is_empty() { Ok(description) } else { Err(problems) }
    }

    /// Tensors that may be there and are not used.
    pub(super) fn ignored(&self) -> &'static [IgnoredTensors] {
        self.family.ignored
    }
}

impl TensorMap {
    /// The tensors that the text of a config.json implies.
    ///
    /// # Errors
    /// Every problem on a separate line: not JSON, not a family that is supported, missing sizes, wrong types, options that are
    /// not supported.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let recognised = recognise(text).map_err(|unknown| vec![unknown.problem])?;
        let Description { architecture, names, .. } = recognised.describe()?;
        Ok(Self::new(architecture, names))
    }
}

/// What a JSON value is, in words.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_or_a_type_belongs_to_one_family() {
        let mut names: Vec<&str> =
            FAMILIES.iter().flat_map(|family| family.classes.iter().chain(family.model_types)).copied().collect();
        assert!(names.iter().all(|name| !RELATIVES.contains(name)));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn models_that_look_alike_are_refused_by_name() {
        let problem = |text: &str| recognise(text).err().map(|unknown| unknown.problem).unwrap();
        let relative = problem(r#"{"architectures": ["Qwen3NextForCausalLM"], "model_type": "qwen3_next"}"#);
        assert!(relative.contains("`qwen3_next` is not computed as the families that it resembles"), "{relative}");
        for name in RELATIVES {
            for text in [
                format!(r#"{{"model_type": "{name}"}}"#),
                format!(r#"{{"architectures": ["X"], "model_type": "{name}"}}"#),
            ] {
                assert!(problem(&text).contains(&format!("`{name}` is not computed")), "{text}");
            }
        }
        let other = problem(r#"{"model_type": "gpt2"}"#);
        assert!(other.contains("no `architectures` and `model_type` \"gpt2\"; expected one of Open"), "{other}");
    }
}
