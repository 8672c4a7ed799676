//! A forward pass, ready to start: everything is opened, read and validated before any long work.

use std::{collections::BTreeMap, path::PathBuf};

use super::{
    checkpoint_spec::folder_label,
    download_plan::note_download,
    fingerprint::Fingerprint,
    input_text::{bos, read_text},
    memory_bound::check_room,
    memory_plan::{group_rows, needed_memory, wave_rows, wave_tokens},
    options::RunOptions,
    pass::Pass,
    pass_identity::{arithmetic_options, pass_identity, text_options},
    process_memory,
    progress::Progress,
};
use crate::{
    checkpoint::Checkpoint,
    corpus::{Corpus, LeftOut, Skipped, Tokenizer},
    error::{Error, OptionName, Result, path_text},
    model::{Arithmetic, Cost},
    routing::{CapacityPolicy, CapacityRule, LayerId, RouterSettings},
    run::Identity,
    trace::TraceLayout,
};

/// A forward pass, ready to start.
pub(crate) struct PreparedPass {
    /// The checkpoint, opened.
    pub(crate) checkpoint: Checkpoint,
    /// The label of the checkpoint: the name of its folder, unless another one was given.
    pub(crate) label: String,
    /// Rounding of activations.
    pub(crate) arithmetic: Arithmetic,
    /// The checkpoint's tokenizer, if it has one.
    pub(crate) tokenizer: Option<Tokenizer>,
    /// The text as token ids.
    pub(crate) corpus: Corpus,
    /// How logits become assignments.
    pub(crate) router: RouterSettings,
    /// Segments and routing groups of the trace.
    pub(crate) layout: TraceLayout,
    /// Most tokens of a sequence.
    pub(crate) context: usize,
    /// Its arithmetic and memory.
    pub(crate) cost: Cost,
    /// Decoder layers that are run.
    pub(crate) layers: u64,
    /// Tokens that go through a layer together.
    pub(crate) wave_tokens: usize,
    /// What decides the trace.
    pub(crate) identity: Identity,
    /// The checkpoints that were hashed already, by folder.
    fingerprints: BTreeMap<PathBuf, Fingerprint>,
}

impl PreparedPass {
    /// Opens, reads and validates everything that a pass needs.
    pub(crate) fn new(options: &RunOptions, pass: &Pass, progress: &dyn Progress) -> Result<Self> {
        options.check()?;
        let checkpoint = pass.spec.open()?;
        check_routers(&checkpoint, options, progress)?;
        let architecture = checkpoint.architecture();
        let context = options.input.context(architecture.longest_sequence)?;
        let tokenizer = open_tokenizer(&checkpoint, progress)?;
        let bos = bos(&checkpoint, tokenizer.as_ref(), options)?;
        let corpus = read_text(options, pass.template, &checkpoint, tokenizer.as_ref(), bos, context, progress)?;
        let router = pass.router(&checkpoint, options);
        check_capacity(&checkpoint, pass, options, progress)?;
        let lengths: Vec<usize> = corpus.sequences.iter().map(|sequence| sequence.token_ids.len()).collect();
        let shape = architecture.routing_shape_of(router);
        let layout = TraceLayout::new(&lengths, options.routing.group, shape);
        layout.capacities()?;
        let cost = pass.cost(&checkpoint, context);
        let rows = group_rows(&layout, &corpus.sequences);
        let wave_tokens = wave_tokens(&options.execution, pass.log_logits, architecture, &cost, &rows)?;
        let memory = needed_memory(architecture, &cost, pass.log_logits, wave_rows(wave_tokens, &rows));
        check_room((memory as u64).saturating_sub(process_memory::resident_memory()))?;
        let fingerprint = fingerprint(pass, &checkpoint, options, waves(&corpus, wave_tokens), progress)?;
        let text = text_options(options, corpus.files.iter().map(Into::into).collect(), context, bos.is_some());
        let identity =
            pass_identity(options, pass, &fingerprint.files, tokenizer.as_ref(), &corpus, &router, Some(text))?;
        Ok(Self {
            label: folder_label(checkpoint.dir()),
            fingerprints: BTreeMap::from([(checkpoint.dir().to_path_buf(), fingerprint)]),
            layers: pass.layers(checkpoint.architecture()),
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

    /// The same tokens with the checkpoint, label, arithmetic and capacity of another pass, whose checkpoint is known to accept
    /// these tokens. A checkpoint that is open already is not opened again.
    pub(crate) fn with_pass(self, options: &RunOptions, pass: &Pass, progress: &dyn Progress) -> Result<Self> {
        let same = self.checkpoint.dir() == pass.spec.folder && self.router == pass.router(&self.checkpoint, options);
        let mut prepared = if same { self } else { self.with_checkpoint(options, pass, progress)? };
        prepared.label.clone_from(&pass.spec.label);
        prepared.arithmetic = pass.spec.arithmetic;
        prepared.identity.arithmetic = Some(arithmetic_options(pass.spec.arithmetic));
        Ok(prepared)
    }

    /// The same with the checkpoint of a pass. No checkpoint is hashed twice.
    fn with_checkpoint(mut self, options: &RunOptions, pass: &Pass, progress: &dyn Progress) -> Result<Self> {
        let checkpoint = pass.spec.open()?;
        check_routers(&checkpoint, options, progress)?;
        check_capacity(&checkpoint, pass, options, progress)?;
        let router = pass.router(&checkpoint, options);
        let shape = checkpoint.architecture().routing_shape_of(router);
        let layout = TraceLayout { shape, ..self.layout };
        layout.capacities()?;
        let fingerprint = if let Some(known) = self.fingerprints.get(checkpoint.dir()) {
            known.clone()
        } else {
            fingerprint(pass, &checkpoint, options, waves(&self.corpus, self.wave_tokens), progress)?
        };
        checkpoint.check_unchanged(&fingerprint.state)?;
        // The text stays the same, and was identified with the first pass.
        let text = self.identity.text.clone();
        let (tokenizer, corpus) = (self.tokenizer.as_ref(), &self.corpus);
        let identity = pass_identity(options, pass, &fingerprint.files, tokenizer, corpus, &router, text)?;
        self.fingerprints.insert(checkpoint.dir().to_path_buf(), fingerprint);
        Ok(Self { label: folder_label(checkpoint.dir()), checkpoint, router, layout, identity, ..self })
    }

    /// The same checkpoint and tokens with what a pass changes about the routers and keeps. `self` is a pass that changes nothing.
    ///
    /// # Errors
    /// [`Error::Usage`] if a layer cannot have the shape that is asked for, or a group is left without a slot.
    pub(crate) fn with_intervention(mut self, pass: &Pass) -> Result<Self> {
        let own = self.checkpoint.architecture().routing_shape_of(self.router);
        let shape = pass.intervention.as_ref().map_or_else(|| Ok(own.clone()), |changed| changed.shape.of(&own))?;
        self.layout = TraceLayout { shape, ..self.layout };
        self.layout.capacities()?;
        // Layers that differ are recorded one by one.
        let capacity = self.layout.shape.alike().or(own.alike()).and_then(|layer| layer.capacity);
        if let (Some(queues), Some(policy)) = (&mut self.identity.queues, capacity) {
            let CapacityPolicy { rule, factor, minimum } = policy;
            (queues.capacity_rule, queues.capacity_factor, queues.min_capacity) = (rule, factor, minimum);
        }
        if let Some(kept) = &mut self.identity.forward_pass {
            (kept.log_logits, kept.losses) = (pass.log_logits, pass.losses);
        }
        self.identity.intervention = pass.intervention.as_ref().map(|changed| changed.recorded.clone());
        self.layers = pass.layers(self.checkpoint.architecture());
        let own = folder_label(self.checkpoint.dir());
        self.label = match &self.identity.intervention {
            None => own,
            Some(changed) if changed.layers.len() < self.layout.shape.len() => {
                format!("{own} with {} in {}", changed.strategy, counted_layers(&changed.layers))
            }
            Some(changed) => format!("{own} with {}", changed.strategy),
        };
        Ok(self)
    }

    /// How many waves its tokens are.
    pub(crate) fn waves(&self) -> usize {
        waves(&self.corpus, self.wave_tokens)
    }

    /// Refuses to go on if the weights are not those that were hashed.
    pub(crate) fn check_unchanged(&self) -> Result<()> {
        match self.fingerprints.get(self.checkpoint.dir()) {
            Some(fingerprint) => self.checkpoint.check_unchanged(&fingerprint.state),
            None => Ok(()),
        }
    }

    /// Every path of the text: the paths that were given, and the files found there.
    pub(crate) fn text_paths<'a>(&'a self, options: &'a RunOptions) -> impl Iterator<Item = &'a PathBuf> {
        options.text_paths().chain(self.corpus.files.iter().map(|file| &file.path))
    }

    /// Notes on what was left out of rows that are used, and on what is odd about the checkpoint.
    pub(crate) fn notes(&self) -> LeftOut {
        let own = self.fingerprints.get(self.checkpoint.dir()).into_iter().flat_map(|known| &known.notes);
        let place = path_text(self.checkpoint.dir());
        let mut notes = self.corpus.notes.clone();
        notes.extend(own.map(|reason| Skipped { place: place.clone(), reason: reason.clone() }));
        notes
    }
}

/// "layer 3", or "layers 3, 5".
fn counted_layers(layers: &[LayerId]) -> String {
    let numbers: Vec<String> = layers.iter().map(ToString::to_string).collect();
    format!("layer{} {}", if layers.len() == 1 { "" } else { "s" }, numbers.join(", "))
}

/// How many waves the tokens of a text are.
fn waves(corpus: &Corpus, wave_tokens: usize) -> usize {
    corpus.tokens().div_ceil(wave_tokens.max(1) as u64) as usize
}

/// The identity of the checkpoint of a pass, with the repository that it is read from; says before what the pass will read there.
fn fingerprint(
    pass: &Pass,
    checkpoint: &Checkpoint,
    options: &RunOptions,
    waves: usize,
    progress: &dyn Progress,
) -> Result<Fingerprint> {
    note_download(pass, checkpoint, waves, progress);
    let mut fingerprint = Fingerprint::new(checkpoint, options.execution.no_hash, progress)?;
    fingerprint.files.hub = pass.spec.origin().cloned();
    Ok(fingerprint)
}

/// Slots of a model that never limits them are a question of what would happen: says so, and refuses a factor without a rule.
fn check_capacity(checkpoint: &Checkpoint, pass: &Pass, options: &RunOptions, progress: &dyn Progress) -> Result<()> {
    let router = pass.router(checkpoint, options);
    let architecture = checkpoint.architecture();
    if architecture.capacity.is_some() {
        return Ok(());
    }
    let family = &architecture.family;
    let (option, factor) = match pass.capacity_factor {
        Some(factor) => (OptionName::ExactReplay, Some(factor)),
        None => (OptionName::CapacityFactor, options.routing.capacity_factor),
    };
    if let Some(factor) = factor.filter(|_| options.routing.capacity_rule.is_none()) {
        return Err(Error::usage(
            format!("{}; {family} does not limit the slots of an expert", option.with(factor)),
            format!("for what a limit would do, give {} too", OptionName::CapacityRule.with(CapacityRule::Port)),
        ));
    }
    if router.capacity_rule != CapacityRule::Unlimited {
        progress.warn_once(&format!(
            "{family} does not limit the slots of an expert: what this run drops is what rule {} at factor {} would drop, not what \
             the model does",
            router.capacity_rule, router.capacity_factor
        ));
    }
    Ok(())
}

/// Refuses routers that give every token the same logits, unless the options allow them.
fn check_routers(checkpoint: &Checkpoint, options: &RunOptions, progress: &dyn Progress) -> Result<()> {
    let problems = checkpoint.constant_routers()?;
    if problems.is_empty() {
        return Ok(());
    }
    if options.routing.allow_constant_router {
        for problem in &problems {
            progress.warn_once(problem);
        }
        return Ok(());
    }
    Err(Error::Checkpoint {
        path: checkpoint.dir().to_path_buf(),
        problems,
        left_out: 0,
        hint: Some(format!(
            "every token gets the same experts; {} routes it all the same",
            OptionName::AllowConstantRouter
        )),
    })
}

/// Opens the checkpoint's tokenizer, checks it against the vocabulary, and passes its warnings on.
pub(crate) fn open_tokenizer(checkpoint: &Checkpoint, progress: &dyn Progress) -> Result<Option<Tokenizer>> {
    let tokenizer = Tokenizer::open(&checkpoint.text_folder())?;
    if let Some(tokenizer) = &tokenizer {
        tokenizer.check_vocabulary(checkpoint.architecture().vocabulary)?;
        tokenizer.warnings().iter().for_each(|warning| progress.warn(warning));
    }
    Ok(tokenizer)
}
