//! `drift`: the same tokens through several checkpoints of one run -> when was routing learnt, and what still changes?

use std::{path::Path, time::Instant};

use serde_json::{Map, Value, json};

use super::{
    checkpoint_comparison::check_compatible,
    checkpoint_list::{refuse_one, specs},
    checkpoint_spec::CheckpointSpec,
    pass::{self, Pass, forward_one},
    pass_manifest::{command_line, manifest, texts},
    prepared_pass::Prepared,
    request::Request,
    reused_runs,
    run_folder::note_resumed,
    statistics::{Analysis, analyse},
    token_ids,
};
use crate::{
    cli::DriftArgs,
    error::{Error, Result, path_text},
    run::{RunDir, protect_folders, protect_texts},
};

/// What the manifest says of text and model, as that of a route run does.
const OF_THE_TEXT: [&str; 13] = [
    "config",
    "layout",
    "sequences",
    "documents",
    "tokens",
    "skipped",
    "skipped_total",
    "documents_left_out",
    "notes",
    "notes_total",
    "warnings",
    "categories",
    "repeated_documents",
];

/// A drift run, ready to start.
pub(crate) struct DriftRun {
    pub(crate) specs: Vec<CheckpointSpec>,
    /// The forward passes: those of the checkpoints that are no finished runs.
    pub(crate) passes: Vec<Pass>,
    /// `None` if every checkpoint is a finished run.
    pub(crate) prepared: Option<Prepared>,
    /// What every trace must agree with: the manifest of a route run over the same text.
    pub(crate) expected: Value,
    identity: Map<String, Value>,
}

impl DriftRun {
    /// Opens, reads, validates and compares everything.
    pub(crate) fn new(arguments: &DriftArgs) -> Result<Self> {
        let specs = specs(arguments)?;
        if let Some(out) = &arguments.out {
            protect_folders(out, specs.iter().map(|spec| spec.folder.as_path()))?;
        }
        refuse_one(&specs)?;
        check_compatible(&specs)?;
        let passes: Vec<Pass> = specs.iter().filter(|spec| !spec.is_run()).map(|spec| pass(arguments, spec)).collect();
        let (prepared, expected) = prepare(arguments, &specs, &passes)?;
        reused_runs::check(&specs, &expected, arguments.common.execution.quiet)?;
        token_ids::check(arguments, prepared.as_ref(), &expected, &specs[0])?;
        let (prepared, identities) = match prepared {
            Some(prepared) => {
                let (prepared, identities) = pass::identities(prepared, &passes)?;
                (Some(prepared), identities)
            }
            None => (None, Vec::new()),
        };
        let identity = identity(arguments, &specs, &expected, &identities)?;
        if let Some(out) = &arguments.out {
            pass::check(out, arguments.common.execution.occupied(), &identity, &passes, &identities)?;
        }
        Ok(Self { specs, passes, prepared, expected, identity })
    }

    /// The whole run, in the folder `out`. Nothing is written before every checkpoint has been opened, validated and
    /// compared with the others. `clock` started with the command.
    pub(crate) fn run(self, arguments: &DriftArgs, out: &Path, clock: Instant) -> Result<(RunDir, Analysis)> {
        let identity = Value::Object(self.identity.clone());
        let execution = &arguments.common.execution;
        let (run, resumed) = RunDir::prepare(out, execution.occupied(), &identity)?;
        note_resumed(&run, resumed, execution.quiet);
        let mut manifest = self.manifest(arguments);
        if !pass::is_whole(&run, self.prepared.as_ref(), &self.passes) {
            run.write_manifest(&manifest)?;
        }
        if let Some(mut prepared) = self.prepared {
            for pass in &self.passes {
                prepared = prepared.with_checkpoint(&pass.spec, &pass.request)?;
                forward_one(&run, &prepared, pass)?;
            }
        }
        let analysis = analyse(&run, &mut manifest, execution.quiet, Some(clock))?;
        Ok((run, analysis))
    }

    /// The manifest of the run before it starts.
    fn manifest(&self, arguments: &DriftArgs) -> Value {
        let mut manifest = Value::Object(self.identity.clone());
        let labels: Vec<&str> = self.specs.iter().map(|spec| spec.label.as_str()).collect();
        let statistics = &arguments.common.statistics;
        manifest["complete"] = json!(false);
        manifest["match_experts"] = json!(arguments.match_experts);
        manifest["tokens_of_interest"] = json!(arguments.tokens_of_interest);
        manifest["seed"] = json!(statistics.seed);
        manifest["resamples"] = json!(statistics.resamples);
        manifest["permutations"] = json!(statistics.permutations);
        manifest["exclude_bos"] = json!(statistics.exclude_bos);
        manifest["command_line"] = json!(command_line());
        manifest["label"] = json!(labels.join(", "));
        for key in OF_THE_TEXT {
            manifest[key] = self.expected[key].clone();
        }
        manifest["threads"] = json!(rayon::current_num_threads());
        manifest
    }
}

/// Reads the text, if there is a checkpoint that it will go through; what every trace must agree with.
fn prepare(arguments: &DriftArgs, specs: &[CheckpointSpec], passes: &[Pass]) -> Result<(Option<Prepared>, Value)> {
    let out = arguments.out.as_deref();
    let Some(first) = passes.first() else {
        out.map_or(Ok(()), |out| protect_texts(out, &arguments.corpus))?;
        return Ok((None, reused_runs::expected(arguments, &specs[0])?));
    };
    let prepared = Prepared::new(&first.request)?;
    out.map_or(Ok(()), |out| protect_texts(out, prepared.text_paths(&first.request)))?;
    let expected = manifest(&prepared, &first.request);
    Ok((Some(prepared), expected))
}

/// The forward pass of one checkpoint. Router logits are kept, so that `gate_overlap` can be recomputed.
fn pass(arguments: &DriftArgs, spec: &CheckpointSpec) -> Pass {
    let mut common = arguments.common.clone();
    common.execution.log_logits = true;
    let request =
        Request { checkpoint: spec.folder.clone(), corpus: arguments.corpus.clone(), transcripts: None, common };
    Pass { spec: spec.clone(), request, folder: below(spec) }
}

/// Where the trace of a checkpoint is, below the folder of the run.
fn below(spec: &CheckpointSpec) -> String {
    path_text(&Path::new("checkpoints").join(&spec.label))
}

/// Where the trace of a checkpoint is: below the folder of the run, or the whole path of the run that is reused. The manifest,
/// where it is looked up again, is UTF-8.
fn trace(spec: &CheckpointSpec) -> Result<String> {
    if !spec.is_run() {
        return Ok(below(spec));
    }
    let whole = spec.folder.canonicalize().ok().into_iter().chain(std::path::absolute(&spec.folder));
    whole.into_iter().find_map(|path| path.to_str().map(str::to_owned)).ok_or_else(|| {
        Error::usage(
            format!("the path of the run `{}` is no UTF-8, so no manifest can name it", spec.folder.display()),
            "give the run another name, or name a link to it",
        )
    })
}

/// What decides the traces: the checkpoints, and what their route runs have in common. `identities` are those of the
/// forward passes; a finished run records its own.
fn identity(
    arguments: &DriftArgs,
    specs: &[CheckpointSpec],
    expected: &Value,
    identities: &[Value],
) -> Result<Map<String, Value>> {
    let mut identity = reused_runs::in_common(expected);
    let mut identities = identities.iter();
    let mut checkpoints = Vec::new();
    for spec in specs {
        let record =
            if spec.is_run() { Some(RunDir::open(&spec.folder)?.manifest()?) } else { identities.next().cloned() };
        checkpoints.push(json!({
            "label": spec.label,
            "path": path_text(&spec.folder),
            "training_tokens": spec.training_tokens,
            "off_axis": spec.off_axis,
            "arithmetic": spec.arithmetic.name(),
            "trace": trace(spec)?,
            "checkpoint": record.unwrap_or_default()["checkpoint"],
        }));
    }
    identity.insert("command".into(), json!("drift"));
    identity.insert("checkpoints".into(), json!(checkpoints));
    identity.insert("corpus".into(), json!(texts(&arguments.corpus)));
    Ok(identity)
}
