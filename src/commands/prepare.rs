//! What was typed -> what it means: everything is opened, read and validated before any long work.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};

use super::{
    checkpoints::Spec,
    fingerprint::Fingerprint,
    machine,
    memory::{Bound, check_room},
    read::read,
    request::Request,
    terminal,
};
use crate::{
    checkpoint::{Checkpoint, Config, check_blob, repository_name, sha256_file},
    cli::{CommonArgs, ExecutionArgs},
    corpus::{Corpus, LeftOut, Sequence, Skipped, Tokenizer},
    error::{Error, Result, path_text},
    model::{Arithmetic, Cost, PANEL, instruction_set},
    routing::{LayerShape, RouterSettings, RoutingShape},
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
    /// What was hashed already, by folder.
    fingerprints: BTreeMap<PathBuf, Fingerprint>,
}

impl Prepared {
    /// Opens, reads and validates everything that a run needs.
    pub(super) fn new(arguments: &Request) -> Result<Self> {
        check_options(&arguments.common)?;
        let checkpoint = Checkpoint::open(&arguments.checkpoint)?;
        check_routers(&checkpoint, &arguments.common)?;
        let config = checkpoint.config();
        let context = context(&arguments.common, config.max_position_embeddings)?;
        let tokenizer = open_tokenizer(&checkpoint)?;
        let corpus = read(arguments, &checkpoint, tokenizer.as_ref(), context)?;
        let router = router(&checkpoint, &arguments.common);
        let lengths: Vec<usize> = corpus.sequences.iter().map(|sequence| sequence.token_ids.len()).collect();
        let layout = TraceLayout::new(&lengths, arguments.common.routing.group, shape(&checkpoint, &arguments.common));
        layout.capacities()?;
        let cost = Cost::new(config, context);
        let rows = group_rows(&layout, &corpus.sequences);
        let wave_tokens = wave_tokens(&arguments.common.execution, config, &cost, &rows)?;
        let memory = memory(config, &cost, arguments.common.execution.log_logits, wave_rows(wave_tokens, &rows));
        check_room((memory as u64).saturating_sub(machine::resident_memory()))?;
        let fingerprint = Fingerprint::new(&checkpoint, arguments.common.execution.no_hash)?;
        let identity = identity(arguments, &fingerprint.value, tokenizer.as_ref(), &corpus, &router, context)?;
        Ok(Self {
            label: label(checkpoint.dir()),
            fingerprints: BTreeMap::from([(checkpoint.dir().to_path_buf(), fingerprint)]),
            checkpoint,
            arithmetic: Arithmetic::F32,
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

    /// The same tokens with the checkpoint of `spec`, which has been found to take them, under its label, in its
    /// arithmetic and with the capacity of the request. What is open already is not opened again.
    pub(super) fn with_checkpoint(self, spec: &Spec, arguments: &Request) -> Result<Self> {
        let same =
            self.checkpoint.dir() == arguments.checkpoint && self.router == router(&self.checkpoint, &arguments.common);
        let mut prepared = if same { self } else { self.with_request(arguments)? };
        prepared.label.clone_from(&spec.label);
        prepared.arithmetic = spec.arithmetic;
        prepared.identity.insert("dtype".into(), json!(spec.arithmetic.name()));
        Ok(prepared)
    }

    /// No checkpoint is hashed twice.
    fn with_request(mut self, arguments: &Request) -> Result<Self> {
        let checkpoint = Checkpoint::open(&arguments.checkpoint)?;
        check_routers(&checkpoint, &arguments.common)?;
        let router = router(&checkpoint, &arguments.common);
        let layout = TraceLayout { shape: shape(&checkpoint, &arguments.common), ..self.layout };
        layout.capacities()?;
        let fingerprint = match self.fingerprints.get(checkpoint.dir()) {
            Some(known) => known.clone(),
            None => Fingerprint::new(&checkpoint, arguments.common.execution.no_hash)?,
        };
        checkpoint.check_unchanged(&fingerprint.state)?;
        let identity =
            identity(arguments, &fingerprint.value, self.tokenizer.as_ref(), &self.corpus, &router, self.context)?;
        self.fingerprints.insert(checkpoint.dir().to_path_buf(), fingerprint);
        Ok(Self { label: label(checkpoint.dir()), checkpoint, router, layout, identity, ..self })
    }

    /// Refuses to go on if the weights are not those that were hashed.
    pub(super) fn check_unchanged(&self) -> Result<()> {
        match self.fingerprints.get(self.checkpoint.dir()) {
            Some(fingerprint) => self.checkpoint.check_unchanged(&fingerprint.state),
            None => Ok(()),
        }
    }

    /// What was left out of rows that are used, and what is odd about the checkpoint.
    pub(super) fn notes(&self) -> LeftOut {
        let own = self.fingerprints.get(self.checkpoint.dir()).into_iter().flat_map(|known| &known.notes);
        let place = path_text(self.checkpoint.dir());
        let mut notes = self.corpus.notes.clone();
        notes.extend(own.map(|reason| Skipped { place: place.clone(), reason: reason.clone() }));
        notes
    }
}

/// Refuses routers that cannot choose, unless they are wanted.
fn check_routers(checkpoint: &Checkpoint, common: &CommonArgs) -> Result<()> {
    let problems = checkpoint.constant_routers()?;
    if problems.is_empty() {
        return Ok(());
    }
    if common.routing.allow_constant_router {
        for problem in &problems {
            terminal::warn_once(problem);
        }
        return Ok(());
    }
    Err(Error::Checkpoint {
        path: checkpoint.dir().to_path_buf(),
        problems,
        left_out: 0,
        hint: Some("every token gets the same experts; --allow-constant-router routes it all the same".to_owned()),
    })
}

/// The name of a folder, for tables and charts; of a hub's snapshot that of its repository.
pub(super) fn label(folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    if let Some(name) = repository_name(&folder) {
        return name;
    }
    folder.file_name().map_or_else(|| folder.display().to_string(), |name| name.to_string_lossy().into_owned())
}

fn router(checkpoint: &Checkpoint, common: &CommonArgs) -> RouterSettings {
    checkpoint.config().router_settings(common.routing.capacity_rule, common.routing.capacity_factor)
}

fn shape(checkpoint: &Checkpoint, common: &CommonArgs) -> RoutingShape {
    checkpoint.config().routing_shape(common.routing.capacity_rule, common.routing.capacity_factor)
}

/// Refuses options that contradict each other or leave no slot.
pub(super) fn check_options(common: &CommonArgs) -> Result<()> {
    if common.input.no_bos && common.statistics.exclude_bos {
        return Err(Error::usage(
            "--exclude-bos leaves position 0 out, and with --no-bos that is a token of the text",
            "leave one of the two out",
        ));
    }
    match common.routing.capacity_factor {
        Some(factor) if !(factor.is_finite() && factor > 0.0) => Err(Error::usage(
            format!("--capacity-factor {factor}; expected a positive number"),
            "for no drops at all use --capacity-rule unlimited",
        )),
        _ => Ok(()),
    }
}

/// Tokens per sequence: as typed, else as many as the model takes.
pub(super) fn context(common: &CommonArgs, longest: usize) -> Result<usize> {
    match common.input.context.map(|context| context as usize) {
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

/// Rows that every routing group takes of a wave: its tokens, each sequence rounded up to whole panels of attention.
pub(super) fn group_rows(layout: &TraceLayout, sequences: &[Sequence]) -> Vec<usize> {
    let rows = |sequence: &Sequence| sequence.token_ids.len().next_multiple_of(PANEL);
    layout.groups.iter().map(|group| sequences[group.clone()].iter().map(rows).sum()).collect()
}

/// Rows of the largest wave: a group is never cut.
pub(super) fn wave_rows(wave_tokens: usize, group_rows: &[usize]) -> usize {
    wave_tokens.max(group_rows.iter().copied().max().unwrap_or(0)).min(group_rows.iter().sum())
}

/// Tokens of a wave: as typed, else what the memory holds.
///
/// # Errors
/// [`Error::Usage`] if `--memory` does not hold the largest routing group.
fn wave_tokens(execution: &ExecutionArgs, config: &Config, cost: &Cost, group_rows: &[usize]) -> Result<usize> {
    if let Some(tokens) = execution.wave_tokens {
        return Ok(tokens as usize);
    }
    let Some(limit) = execution.memory.map(|size| size.as_u64()) else {
        return Ok(wave_within(config, cost, execution.log_logits, Bound::for_run(None).bytes));
    };
    let wave = wave_within(config, cost, execution.log_logits, limit);
    let largest_group = group_rows.iter().copied().max().unwrap_or(0);
    if wave < largest_group {
        let needed = memory(config, cost, execution.log_logits, largest_group);
        return Err(Error::usage(
            format!(
                "--memory {}: the largest routing group has {} and needs about {}",
                terminal::bytes(limit as f64),
                terminal::count(largest_group as u64, "row"),
                terminal::bytes(needed),
            ),
            "give more memory, shorter sequences (--context) or smaller routing groups (--group)",
        ));
    }
    Ok(wave)
}

/// Memory of the process with a wave of so many rows: what it holds already, what the allocator and the threads that
/// write tables take (measured: up to 90 MiB), the parts of the trace that are not written yet, and the wave.
pub(super) fn memory(config: &Config, cost: &Cost, log_logits: bool, rows: usize) -> f64 {
    const BESIDE: u64 = 112 << 20;
    // Of every MoE layer the segment that is being filled, and four parts on their way, which are copied once.
    let parts = config.moe_layers().len() + 8;
    let token = LayerShape::of_choices(config.num_experts, config.router_topk).buffered_bytes(log_logits);
    (machine::resident_memory() + BESIDE) as f64
        + (parts * token * SEGMENT_TOKENS) as f64
        + cost.memory(rows, rayon::current_num_threads())
}

/// As many rows as go into `limit` bytes, at most four segments: beyond that weights are read hardly less often.
pub(super) fn wave_within(config: &Config, cost: &Cost, log_logits: bool, limit: u64) -> usize {
    let rows = (limit as f64 - memory(config, cost, log_logits, 0)) / cost.activation_bytes_per_token;
    (rows.max(0.0) as usize).min(4 * SEGMENT_TOKENS)
}

fn identity(
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
pub(super) fn options(common: &CommonArgs, router: &RouterSettings, context: usize) -> Map<String, Value> {
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
