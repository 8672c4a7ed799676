//! Reads config.json into a [`Config`], and reports all problems together.

use serde_json::{Map, Value};

use super::{Config, ignored_keys};
use crate::first_bytes::parse_json;

/// The class that the authors' checkpoints name in `architectures`; their `model_type` is "llama" and is ignored.
const ARCHITECTURE: &str = "OpenMoeForCausalLM";

impl Config {
    /// Reads the text of a config.json: both spellings of the router's keys, defaults of the authors' models for
    /// missing ones.
    ///
    /// # Errors
    /// Every problem on a separate line: not JSON, not an OpenMoE, missing sizes, wrong types, options that the
    /// original does not run.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        Self::parse_with_notes(text).map(|(config, _)| config)
    }

    /// As [`Self::parse`], with notes on keys that are there but ignored.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_with_notes(text: &str) -> Result<(Self, Vec<String>), Vec<String>> {
        let object = openmoe(text).map_err(|problem| vec![problem])?;
        let mut keys = ConfigKeys { object: &object, problems: Vec::new() };
        let config = keys.config();
        keys.check(&config);
        if keys.problems.is_empty() { Ok((config, ignored_keys::notes(&object))) } else { Err(keys.problems) }
    }

    /// Checks whether a text is the configuration of an OpenMoE at all.
    ///
    /// # Errors
    /// What the text is instead.
    pub fn recognise(text: &str) -> Result<(), String> {
        openmoe(text).map(|_| ())
    }
}

/// The keys of a text that is the configuration of an OpenMoE.
fn openmoe(text: &str) -> Result<Map<String, Value>, String> {
    let value: Value = parse_json(text)
        .map_err(|error| format!("`config.json` is not valid JSON: {error}; expected one JSON object"))?;
    let Value::Object(object) = value else {
        return Err(format!("`config.json` holds {}; expected one JSON object", kind(&value)));
    };
    recognise(&object)?;
    Ok(object)
}

/// The largest size that is accepted, so that products of sizes do not overflow.
const MAX_SIZE: usize = 1 << 24;

/// Recognizes an OpenMoE by `architectures` and the MoE keys.
fn recognise(object: &Map<String, Value>) -> Result<(), String> {
    let named = object.get("architectures").filter(|value| !value.is_null());
    let missing: Vec<_> = ["num_experts", "moe_layer_interval"].into_iter().filter(|&key| !has(object, key)).collect();
    let is_openmoe = match named {
        Some(Value::Array(names)) => names.iter().any(|name| name == ARCHITECTURE),
        Some(_) => false,
        None => missing.is_empty(),
    };
    if is_openmoe && missing.is_empty() {
        return Ok(());
    }
    let found = named.map_or("no `architectures`".into(), |names| format!("`architectures` {names}"));
    let keys =
        if missing.is_empty() { String::new() } else { format!(" and without the keys {}", quoted_list(&missing)) };
    Err(format!(
        "`config.json` does not describe an OpenMoE: found {found}{keys}; expected [\"{ARCHITECTURE}\"] with \
         `num_experts` and `moe_layer_interval`"
    ))
}

fn has(object: &Map<String, Value>, key: &str) -> bool {
    object.get(key).is_some_and(|value| !value.is_null())
}

fn quoted_list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
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

/// Reads keys and collects the problems with them.
struct ConfigKeys<'a> {
    object: &'a Map<String, Value>,
    problems: Vec<String>,
}

impl<'a> ConfigKeys<'a> {
    fn config(&mut self) -> Config {
        let heads = self.size(&["num_attention_heads"], None);
        Config {
            vocab_size: self.size(&["vocab_size"], Some(256_384)),
            hidden_size: self.size(&["hidden_size"], None),
            intermediate_size: self.size(&["intermediate_size"], None),
            num_hidden_layers: self.size(&["num_hidden_layers"], None),
            moe_layer_interval: self.size(&["moe_layer_interval"], None),
            num_attention_heads: heads,
            num_key_value_heads: self.size(&["num_key_value_heads"], Some(heads)),
            head_dim: self.size(&["head_dim"], None),
            max_position_embeddings: self.size(&["max_position_embeddings"], Some(2048)),
            rms_norm_eps: self.positive(&["rms_norm_eps"], 1e-6),
            num_experts: self.size(&["num_experts"], None),
            router_topk: self.size(&["router_topk", "topk"], Some(2)),
            router_capacity_factor_eval: self.positive(&["router_capacity_factor_eval", "capacity_factor_eval"], 2.0),
            router_capacity_factor_train: self
                .positive(&["router_capacity_factor_train", "capacity_factor_train"], 1.25),
            router_min_capacity: self.id(&["router_min_capacity", "min_capacity"], 4),
            bos_token_id: self.id(&["bos_token_id"], 0),
            eos_token_id: self.id(&["eos_token_id"], 1),
            pad_token_id: self.id(&["pad_token_id"], 0),
            hidden_act: self.text(&["hidden_act"], "swiglu"),
            mlp_gated: self.truth(&["mlp_gated", "gated"], true),
            // New versions of transformers write `dtype`; if both keys are there, the authors wrote the older one.
            torch_dtype: self
                .text(if has(self.object, "torch_dtype") { &["torch_dtype"] } else { &["dtype"] }, "float32"),
            tie_word_embeddings: self.truth(&["tie_word_embeddings"], false),
        }
    }

    /// Refuses options that the original does not run, and sizes that contradict each other.
    fn check(&mut self, config: &Config) {
        let Config { router_topk: k, num_experts: experts, num_attention_heads: heads, .. } = *config;
        let Config { num_key_value_heads: kv_heads, head_dim, moe_layer_interval: interval, .. } = *config;
        let layers = config.num_hidden_layers;
        self.expect(config.hidden_act == "swiglu", "hidden_act", &config.hidden_act, "swiglu, the only one it runs");
        self.expect(config.mlp_gated, "mlp_gated", false, "true, the only one it runs");
        self.expect(k == 0 || k <= 2, "router_topk", k, "1 or 2");
        self.expect(experts == 0 || experts >= k, "num_experts", experts, &format!("at least router_topk = {k}"));
        self.expect(experts <= 65_536, "num_experts", experts, "at most 65536");
        self.expect(head_dim.is_multiple_of(2), "head_dim", head_dim, "an even number, for the rotary halves");
        let divides = heads == 0 || kv_heads == 0 || heads.is_multiple_of(kv_heads);
        self.expect(divides, "num_key_value_heads", kv_heads, &format!("a divisor of num_attention_heads = {heads}"));
        self.expect(layers <= 65_536, "num_hidden_layers", layers, "at most 65536");
        let reached = layers == 0 || interval <= layers;
        self.expect(reached, "moe_layer_interval", interval, &format!("at most num_hidden_layers = {layers}"));
        for (key, id) in [("bos_token_id", config.bos_token_id), ("eos_token_id", config.eos_token_id)] {
            let vocab_size = config.vocab_size;
            self.expect(vocab_size == 0 || (id as usize) < vocab_size, key, id, &format!("an id below {vocab_size}"));
        }
        let bias = self.truth(&["attention_bias"], false);
        self.expect(!bias, "attention_bias", true, "false, the only one it runs");
    }

    fn expect(&mut self, holds: bool, key: &str, found: impl std::fmt::Display, expected: &str) {
        if !holds {
            self.problems.push(format!("`config.json`: `{key}` is {found}; OpenMoE expects {expected}"));
        }
    }

    /// The value under the first spelling of a key that is there; a second spelling with another value is a problem.
    fn find(&mut self, names: &[&'a str]) -> Option<(&'a str, &'a Value)> {
        let mut present = names.iter().filter_map(|&name| Some((name, self.object.get(name)?)));
        let mut present = present.by_ref().filter(|(_, value)| !value.is_null());
        let first = present.next()?;
        if let Some((name, value)) = present.next().filter(|(_, value)| *value != first.1) {
            self.problems.push(format!(
                "`config.json`: `{}` is {} but `{name}` is {value}; they are two spellings of one key",
                first.0, first.1
            ));
        }
        Some(first)
    }

    /// A value of the wanted type; the default if it is absent; the default and a problem if it is something else.
    fn get<T>(&mut self, names: &[&'a str], default: T, expected: &str, read: impl Fn(&Value) -> Option<T>) -> T {
        let Some((name, value)) = self.find(names) else { return default };
        read(value).unwrap_or_else(|| {
            self.problems.push(format!("`config.json`: `{name}` is {value}; expected {expected}"));
            default
        })
    }

    /// A positive count. Without a default the key is required; 0 stands for a count that was not found.
    fn size(&mut self, names: &[&'a str], default: Option<usize>) -> usize {
        if default.is_none() && !has(self.object, names[0]) {
            self.problems.push(format!("`config.json`: `{}` is missing; expected a positive integer", names[0]));
        }
        let read = |value: &Value| value.as_u64().and_then(|size| usize::try_from(size).ok());
        let in_range = |size: &usize| (1..=MAX_SIZE).contains(size);
        self.get(names, default.unwrap_or(0), "a positive integer up to 2^24", |value| read(value).filter(in_range))
    }

    fn id(&mut self, names: &[&'a str], default: u32) -> u32 {
        self.get(names, default, "an integer from 0", |value| value.as_u64().and_then(|id| u32::try_from(id).ok()))
    }

    fn positive(&mut self, names: &[&'a str], default: f64) -> f64 {
        self.get(names, default, "a positive number", |value| value.as_f64().filter(|&x| x > 0.0 && x.is_finite()))
    }

    fn text(&mut self, names: &[&'a str], default: &str) -> String {
        self.get(names, default.to_owned(), "a string", |value| value.as_str().map(str::to_owned))
    }

    fn truth(&mut self, names: &[&'a str], default: bool) -> bool {
        self.get(names, default, "true or false", Value::as_bool)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TINY: &str = include_str!("../../fixtures/checkpoints/openmoe-tiny-12.3M/config.json");

    /// The small checkpoint's config.json with one key set (or, with `null`, unset).
    fn with(key: &str, value: Value) -> Result<Config, Vec<String>> {
        let mut object: Map<String, Value> = serde_json::from_str(TINY).unwrap();
        object.insert(key.into(), value);
        Config::parse(&Value::Object(object).to_string())
    }

    #[test]
    fn both_spellings_and_the_defaults_are_read() {
        let config = Config::parse(TINY).unwrap();
        assert_eq!((config.hidden_size, config.num_experts, config.router_topk), (64, 16, 2));
        assert_eq!(config.moe_layers(), [1, 3, 5]);
        let short = r#"{"architectures": ["OpenMoeForCausalLM"], "hidden_size": 8, "intermediate_size": 8,
            "num_hidden_layers": 4, "moe_layer_interval": 2, "num_attention_heads": 2, "head_dim": 4, "num_experts": 4,
            "topk": 1, "capacity_factor_eval": 1.5, "capacity_factor_train": 3, "min_capacity": 3, "gated": true}"#;
        let config = Config::parse(short).unwrap();
        assert_eq!((config.router_topk, config.router_min_capacity, config.num_key_value_heads), (1, 3, 2));
        assert_eq!((config.router_capacity_factor_eval, config.router_capacity_factor_train), (1.5, 3.0));
        assert_eq!((config.vocab_size, config.max_position_embeddings, config.rms_norm_eps), (256_384, 2048, 1e-6));
        assert_eq!((config.bos_token_id, config.eos_token_id, config.pad_token_id), (0, 1, 0));
    }

    #[test]
    fn every_unsupported_option_is_named_with_its_value() {
        for (key, value, found) in [
            ("hidden_act", "gelu".into(), "gelu"),
            ("mlp_gated", false.into(), "false"),
            ("router_topk", 3.into(), "3"),
            ("router_topk", 0.into(), "0"),
            ("num_experts", 1.into(), "1"),
            ("moe_layer_interval", 0.into(), "0"),
            ("moe_layer_interval", 7.into(), "7"),
            ("head_dim", 31.into(), "31"),
            ("num_key_value_heads", 3.into(), "3"),
            ("hidden_size", "64".into(), "\"64\""),
            ("hidden_size", Value::Null, "missing"),
            ("hidden_size", (-64).into(), "-64"),
            ("rms_norm_eps", "small".into(), "\"small\""),
            ("attention_bias", true.into(), "true"),
            ("rms_norm_eps", "Infinity".into(), "\"Infinity\""),
            ("bos_token_id", 4096.into(), "4096"),
            ("topk", 1.into(), "2 but `topk` is 1"),
        ] {
            let problems = with(key, value).unwrap_err();
            let named = |line: &String| line.contains(&format!("`{key}`")) && line.contains(found);
            assert!(problems.iter().any(named), "{key}: {problems:?}");
        }
    }

    #[test]
    fn all_problems_are_collected() {
        let mut object: Map<String, Value> = serde_json::from_str(TINY).unwrap();
        object.insert("hidden_act".into(), "gelu".into());
        object.insert("head_dim".into(), 31.into());
        object.remove("num_hidden_layers");
        assert_eq!(Config::parse(&Value::Object(object).to_string()).unwrap_err().len(), 3);
    }

    #[test]
    fn other_models_are_refused_with_one_line() {
        let llama = with("architectures", serde_json::json!(["LlamaForCausalLM"])).unwrap_err();
        assert_eq!(llama.len(), 1);
        assert!(llama[0].contains("LlamaForCausalLM") && llama[0].contains(ARCHITECTURE), "{llama:?}");
        let dense = with("num_experts", Value::Null).unwrap_err();
        assert!(dense.len() == 1 && dense[0].contains("without the keys `num_experts`"), "{dense:?}");
        assert!(with("architectures", Value::Null).is_ok());
        assert!(Config::parse("[1]").unwrap_err()[0].contains("a list"));
        assert!(Config::parse("{").unwrap_err()[0].contains("not valid JSON"));
    }
}
