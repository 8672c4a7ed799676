//! What was typed -> what it means: everything is opened, read and validated before any long work.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{machine, read::read, request::Request, terminal};
use crate::{
    checkpoint::{Checkpoint, sha256_file},
    corpus::{Corpus, Tokenizer},
    error::{Error, Result},
    model::{Arithmetic, Cost, instruction_set},
    routing::RouterSettings,
    trace::{SEGMENT_TOKENS, TraceLayout},
};

/// A route run, ready to start.
pub(super) struct Prepared {
    pub(super) checkpoint: Checkpoint,
    /// The checkpoint's label: the name of its folder, unless given.
    pub(super) label: String,
    /// Rounding of activations.
    pub(super) arithmetic: Arithmetic,
    pub(super) tokenizer: Option<Tokenizer>,
    pub(super) corpus: Corpus,
    pub(super) router: RouterSettings,
    pub(super) layout: TraceLayout,
    pub(super) context: usize,
    pub(super) cost: Cost,
    pub(super) wave_tokens: usize,
    /// The keys of the manifest that decide the trace.
    pub(super) identity: Map<String, Value>,
}

impl Prepared {
    /// Opens, reads and validates everything that a run needs.
    pub(super) fn new(arguments: &Request) -> Result<Self> {
        check_factor(arguments.common.routing.capacity_factor)?;
        if arguments.common.input.no_bos && arguments.common.statistics.exclude_bos {
            return Err(Error::usage(
                "--exclude-bos leaves position 0 out, and with --no-bos that is a token of the text",
                "leave one of the two out",
            ));
        }
        let checkpoint = Checkpoint::open(&arguments.checkpoint)?;
        let config = checkpoint.config();
        let context = context(arguments, config.max_position_embeddings)?;
        let tokenizer = open_tokenizer(&checkpoint)?;
        let corpus = read(arguments, &checkpoint, tokenizer.as_ref(), context)?;
        let router =
            config.router_settings(arguments.common.routing.capacity_rule, arguments.common.routing.capacity_factor);
        let lengths: Vec<usize> = corpus.sequences.iter().map(|sequence| sequence.token_ids.len()).collect();
        let layout = TraceLayout::new(&lengths, arguments.common.routing.group, config.moe_layers());
        for group in &layout.groups {
            router.capacity(lengths[group.clone()].iter().sum())?;
        }
        let cost = Cost::new(config, context);
        let wave_tokens = arguments.common.execution.wave_tokens.map_or_else(|| default_wave(&cost), |n| n as usize);
        let identity = identity(arguments, &checkpoint, tokenizer.as_ref(), &corpus, &router, context)?;
        let label = label(checkpoint.dir());
        let arithmetic = Arithmetic::F32;
        Ok(Self {
            checkpoint,
            label,
            arithmetic,
            tokenizer,
            corpus,
            router,
            layout,
            context,
            cost,
            wave_tokens,
            identity,
        })
    }

    /// The same run with another checkpoint, which has been found to take the same tokens. A checkpoint that is open
    /// already is not opened and hashed again.
    pub(super) fn with_checkpoint(self, arguments: &Request) -> Result<Self> {
        if self.checkpoint.dir() == arguments.checkpoint {
            return Ok(self);
        }
        self.with_request(arguments)
    }

    /// The same tokens with another checkpoint or another capacity.
    pub(super) fn with_request(self, arguments: &Request) -> Result<Self> {
        let checkpoint = Checkpoint::open(&arguments.checkpoint)?;
        let routing = &arguments.common.routing;
        let router = checkpoint.config().router_settings(routing.capacity_rule, routing.capacity_factor);
        let identity = identity(arguments, &checkpoint, self.tokenizer.as_ref(), &self.corpus, &router, self.context)?;
        Ok(Self { label: label(checkpoint.dir()), checkpoint, router, identity, ..self })
    }
}

/// The name of a folder, for tables and charts.
pub(super) fn label(folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    folder.file_name().map_or_else(|| folder.display().to_string(), |name| name.to_string_lossy().into_owned())
}

fn check_factor(factor: Option<f64>) -> Result<()> {
    match factor {
        Some(factor) if !(factor.is_finite() && factor > 0.0) => Err(Error::usage(
            format!("--capacity-factor {factor}; expected a positive number"),
            "for no drops at all use --capacity-rule unlimited",
        )),
        _ => Ok(()),
    }
}

fn context(arguments: &Request, longest: usize) -> Result<usize> {
    match arguments.common.input.context.map(|context| context as usize) {
        Some(context) if context > longest => Err(Error::usage(
            format!("--context {context}; the model takes at most max_position_embeddings = {longest} tokens"),
            format!("use --context {longest} or less; longer documents are cut into several sequences"),
        )),
        context => Ok(context.unwrap_or(longest)),
    }
}

/// The checkpoint's tokenizer, checked against its vocabulary, its warnings passed on.
pub(super) fn open_tokenizer(checkpoint: &Checkpoint) -> Result<Option<Tokenizer>> {
    let tokenizer = Tokenizer::open(checkpoint.dir())?;
    if let Some(tokenizer) = &tokenizer {
        tokenizer.check_vocabulary(checkpoint.config().vocab_size)?;
        tokenizer.warnings().iter().for_each(|warning| terminal::warn(warning));
    }
    Ok(tokenizer)
}

/// As many whole segments as a quarter of the machine's memory holds, at most four: beyond that weights are read hardly
/// less often.
pub(super) fn default_wave(cost: &Cost) -> usize {
    let quarter = machine::total_memory().map_or(2.0e9, |total| total as f64 / 4.0);
    let fixed = cost.memory(0, rayon::current_num_threads());
    let tokens = ((quarter - fixed) / cost.activation_bytes_per_token).max(0.0) as usize;
    (tokens / SEGMENT_TOKENS).clamp(1, 4) * SEGMENT_TOKENS
}

fn identity(
    arguments: &Request,
    checkpoint: &Checkpoint,
    tokenizer: Option<&Tokenizer>,
    corpus: &Corpus,
    router: &RouterSettings,
    context: usize,
) -> Result<Map<String, Value>> {
    let weights = checkpoint
        .files()
        .iter()
        .map(|file| weight_identity(&file.path, arguments.common.execution.no_hash))
        .collect::<Result<Vec<_>>>()?;
    let tokenizer = match tokenizer {
        Some(tokenizer) => json!({ "path": tokenizer.file(), "sha256": sha256_file(tokenizer.file())? }),
        None => Value::Null,
    };
    let value = json!({
        "command": "route",
        "version": env!("CARGO_PKG_VERSION"),
        "checkpoint": {
            "path": checkpoint.dir(),
            "config_sha256": sha256_file(&checkpoint.config_path())?,
            "weights": weights,
        },
        "tokenizer": tokenizer,
        "inputs": corpus.files,
        "category_key": arguments.common.input.category,
        "context": context,
        "truncate": arguments.common.input.truncate,
        "bos": !arguments.common.input.no_bos,
        "max_sequences": arguments.common.input.max_sequences,
        "group": arguments.common.routing.group.to_string(),
        "capacity_rule": router.capacity_rule.to_string(),
        "capacity_factor": router.capacity_factor,
        "min_capacity": router.min_capacity,
        "dtype": "f32",
        "device": "cpu",
        "instruction_set": instruction_set(),
        "log_logits": arguments.common.execution.log_logits,
    });
    match value {
        Value::Object(mut map) => {
            if let Some(transcripts) = &arguments.transcripts {
                map.insert("template".into(), json!(transcripts.how.template.to_string()));
                map.insert("oasst_paths".into(), json!(transcripts.how.oasst_paths.to_string()));
            }
            Ok(map)
        }
        _ => Err(Error::internal("the identity of a run is an object")),
    }
}

/// A weight file's path with its SHA-256, or with its size and time of change.
fn weight_identity(path: &Path, no_hash: bool) -> Result<Value> {
    let metadata = std::fs::metadata(path).map_err(Error::io("read", path))?;
    if no_hash {
        let modified = metadata.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        return Ok(json!({
            "path": path, "bytes": metadata.len(), "modified": modified.map(|time| time.as_secs()),
        }));
    }
    Ok(json!({ "path": path, "bytes": metadata.len(), "sha256": sha256_file(path)? }))
}
