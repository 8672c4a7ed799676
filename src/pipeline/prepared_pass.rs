//! What was typed -> what it means: everything is opened, read and validated before any long work.

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::{Map, Value, json};

use super::{
    checkpoint_spec::{CheckpointSpec, label},
    fingerprint::Fingerprint,
    identity::identity,
    input_text::read,
    memory_bound::check_room,
    memory_plan::{group_rows, memory, wave_rows, wave_tokens},
    options::{check_options, context},
    process_memory,
    request::Request,
};
use crate::{
    checkpoint::Checkpoint,
    cli::CommonArgs,
    commands::terminal,
    corpus::{Corpus, LeftOut, Skipped, Tokenizer},
    error::{Error, Result, path_text},
    model::{Arithmetic, Cost},
    routing::{RouterSettings, RoutingShape},
    trace::TraceLayout,
};

/// A route run, ready to start.
pub(crate) struct Prepared {
    pub(crate) checkpoint: Checkpoint,
    /// The checkpoint's label: the name of its folder, unless given.
    pub(crate) label: String,
    /// Rounding of activations.
    pub(crate) arithmetic: Arithmetic,
    pub(crate) tokenizer: Option<Tokenizer>,
    pub(crate) corpus: Corpus,
    pub(crate) router: RouterSettings,
    pub(crate) layout: TraceLayout,
    pub(crate) context: usize,
    pub(crate) cost: Cost,
    pub(crate) wave_tokens: usize,
    /// The keys of the manifest that decide the trace.
    pub(crate) identity: Map<String, Value>,
    /// What was hashed already, by folder.
    fingerprints: BTreeMap<PathBuf, Fingerprint>,
}

impl Prepared {
    /// Opens, reads and validates everything that a run needs.
    pub(crate) fn new(arguments: &Request) -> Result<Self> {
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
        check_room((memory as u64).saturating_sub(process_memory::resident_memory()))?;
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
    pub(crate) fn with_checkpoint(self, spec: &CheckpointSpec, arguments: &Request) -> Result<Self> {
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
    pub(crate) fn check_unchanged(&self) -> Result<()> {
        match self.fingerprints.get(self.checkpoint.dir()) {
            Some(fingerprint) => self.checkpoint.check_unchanged(&fingerprint.state),
            None => Ok(()),
        }
    }

    /// Every path of the text: as it was asked for, and the files that it holds.
    pub(crate) fn text_paths<'a>(&'a self, request: &'a Request) -> impl Iterator<Item = &'a PathBuf> {
        let typed = request.corpus.iter().chain(request.transcripts.iter().flat_map(|transcripts| &transcripts.paths));
        typed.chain(self.corpus.files.iter().map(|file| &file.path))
    }

    /// What was left out of rows that are used, and what is odd about the checkpoint.
    pub(crate) fn notes(&self) -> LeftOut {
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

fn router(checkpoint: &Checkpoint, common: &CommonArgs) -> RouterSettings {
    checkpoint.config().router_settings(common.routing.capacity_rule, common.routing.capacity_factor)
}

fn shape(checkpoint: &Checkpoint, common: &CommonArgs) -> RoutingShape {
    checkpoint.config().routing_shape(common.routing.capacity_rule, common.routing.capacity_factor)
}

/// The checkpoint's tokenizer, checked against its vocabulary, its warnings passed on.
pub(crate) fn open_tokenizer(checkpoint: &Checkpoint) -> Result<Option<Tokenizer>> {
    let tokenizer = Tokenizer::open(checkpoint.dir())?;
    if let Some(tokenizer) = &tokenizer {
        tokenizer.check_vocabulary(checkpoint.config().vocab_size)?;
        tokenizer.warnings().iter().for_each(|warning| terminal::warn(warning));
    }
    Ok(tokenizer)
}
