//! The keys of a manifest that decide a trace.

use serde_json::{Map, Value, json};

use super::request::Request;
use crate::{
    checkpoint::{check_blob, sha256_file},
    cli::CommonArgs,
    corpus::{Corpus, Tokenizer},
    error::{Result, path_text},
    model::instruction_set,
    routing::RouterSettings,
};

pub(crate) fn identity(
    arguments: &Request,
    fingerprint: &Value,
    tokenizer: Option<&Tokenizer>,
    corpus: &Corpus,
    router: &RouterSettings,
    context: usize,
) -> Result<Map<String, Value>> {
    let tokenizer = match tokenizer {
        Some(tokenizer) => {
            let sha256 = sha256_file(tokenizer.file())?;
            check_blob(tokenizer.file(), &sha256)?;
            json!({ "path": path_text(tokenizer.file()), "sha256": sha256 })
        }
        None => Value::Null,
    };
    let mut identity = Map::new();
    identity.insert("command".into(), json!("route"));
    identity.insert("version".into(), json!(env!("CARGO_PKG_VERSION")));
    identity.insert("checkpoint".into(), fingerprint.clone());
    identity.insert("tokenizer".into(), tokenizer);
    identity.insert("inputs".into(), json!(corpus.files));
    identity.extend(options(&arguments.common, router, context));
    identity.insert("log_logits".into(), json!(arguments.common.execution.log_logits));
    if arguments.common.routing.allow_constant_router {
        identity.insert("allow_constant_router".into(), json!(true));
    }
    if let Some(transcripts) = &arguments.transcripts {
        identity.insert("template".into(), json!(transcripts.how.template.to_string()));
        identity.insert("oasst_paths".into(), json!(transcripts.how.oasst_paths.to_string()));
        if let Some(source) = &corpus.template {
            identity.insert("chat_template".into(), json!(source));
        }
    }
    Ok(identity)
}

/// The part of an identity that options and machine decide, whatever the text and the weights.
pub(crate) fn options(common: &CommonArgs, router: &RouterSettings, context: usize) -> Map<String, Value> {
    let value = json!({
        "category_key": common.input.category,
        "text_key": common.input.text_key,
        "context": context,
        "truncate": common.input.truncate,
        "bos": !common.input.no_bos,
        "max_sequences": common.input.max_sequences,
        "group": common.routing.group.to_string(),
        "capacity_rule": router.capacity_rule.to_string(),
        "capacity_factor": router.capacity_factor,
        "min_capacity": router.min_capacity,
        "dtype": "f32",
        "device": "cpu",
        "instruction_set": instruction_set(),
    });
    if let Value::Object(options) = value { options } else { Map::new() }
}
