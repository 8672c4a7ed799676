//! `drift`: the same tokens through several checkpoints of one run -> when was routing learnt, and what still changes?

use std::{path::Path, time::Instant};

use serde_json::{Map, Value, json};

use super::{
    analyse::{Analysis, analyse},
    checkpoints::{Spec, refuse_one, specs},
    compatible::check_compatible,
    interest, machine,
    passes::{self, Pass, forward_one},
    plan::{Work, nothing_written, print_plan},
    prepare::Prepared,
    protect,
    request::Request,
    reuse,
    route::{self, note_resumed, out},
    terminal,
};
use crate::{
    cli::DriftArgs,
    error::{Error, Result, path_text},
    model::Arithmetic,
    run_dir::RunDir,
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

/// Runs `drift` and prints the result.
pub(super) fn run(arguments: &DriftArgs) -> anyhow::Result<()> {
    let Some((run, analysis)) = drift(arguments)? else { return Ok(()) };
    analysis.print(&run, arguments.common.execution.json)?;
    Ok(())
}

/// The whole run; `None` after `--dry-run`. Nothing is written before every checkpoint has been opened, validated and
/// compared with the others.
pub(super) fn drift(arguments: &DriftArgs) -> Result<Option<(RunDir, Analysis)>> {
    let clock = Instant::now();
    machine::watch_for_interrupts();
    machine::set_threads(arguments.common.execution.threads)?;
    let ready = Ready::new(arguments)?;
    if arguments.common.execution.dry_run {
        ready.print()?;
        return Ok(None);
    }
    let identity = Value::Object(ready.identity.clone());
    let execution = &arguments.common.execution;
    let (run, resumed) = RunDir::prepare(out(arguments.out.as_deref())?, execution.occupied(), &identity)?;
    note_resumed(&run, resumed, execution.quiet);
    let mut manifest = ready.manifest(arguments);
    if !passes::is_whole(&run, ready.prepared.as_ref(), &ready.passes) {
        run.write_manifest(&manifest)?;
    }
    if let Some(mut prepared) = ready.prepared {
        for pass in &ready.passes {
            prepared = prepared.with_checkpoint(&pass.spec, &pass.request)?;
            forward_one(&run, &prepared, pass)?;
        }
    }
    let analysis = analyse(&run, &mut manifest, arguments.common.execution.quiet, Some(clock))?;
    Ok(Some((run, analysis)))
}

/// A drift run, ready to start.
struct Ready {
    specs: Vec<Spec>,
    /// The forward passes: those of the checkpoints that are no finished runs.
    passes: Vec<Pass>,
    /// `None` if every checkpoint is a finished run.
    prepared: Option<Prepared>,
    /// What every trace must agree with: the manifest of a route run over the same text.
    expected: Value,
    identity: Map<String, Value>,
}

impl Ready {
    /// Opens, reads, validates and compares everything.
    fn new(arguments: &DriftArgs) -> Result<Self> {
        let specs = specs(arguments)?;
        if let Some(out) = &arguments.out {
            protect::folders(out, specs.iter().map(|spec| spec.folder.as_path()))?;
        }
        refuse_one(&specs)?;
        check_compatible(&specs)?;
        let passes: Vec<Pass> = specs.iter().filter(|spec| !spec.is_run()).map(|spec| pass(arguments, spec)).collect();
        let (prepared, expected) = prepare(arguments, &specs, &passes)?;
        reuse::check(&specs, &expected, arguments.common.execution.quiet)?;
        interest::check(arguments, prepared.as_ref(), &expected, &specs[0])?;
        let (prepared, identities) = match prepared {
            Some(prepared) => {
                let (prepared, identities) = passes::identities(prepared, &passes)?;
                (Some(prepared), identities)
            }
            None => (None, Vec::new()),
        };
        let identity = identity(arguments, &specs, &expected, &identities)?;
        if let Some(out) = &arguments.out {
            passes::check(out, arguments.common.execution.occupied(), &identity, &passes, &identities)?;
        }
        Ok(Self { specs, passes, prepared, expected, identity })
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
        manifest["command_line"] = json!(route::command_line());
        manifest["label"] = json!(labels.join(", "));
        for key in OF_THE_TEXT {
            manifest[key] = self.expected[key].clone();
        }
        manifest["threads"] = json!(rayon::current_num_threads());
        manifest
    }

    /// What `--dry-run` shows.
    fn print(&self) -> Result<()> {
        let lines = std::iter::once("checkpoints:".to_owned()).chain(self.specs.iter().map(plan_line)).collect();
        let work = Work { lines, passes: self.passes.len() };
        if let (Some(prepared), Some(pass)) = (&self.prepared, self.passes.first()) {
            return print_plan(prepared, &pass.request, &work);
        }
        work.lines.iter().try_for_each(|line| terminal::print(line))?;
        let count = |key: &str| terminal::grouped(self.expected[key].as_u64().unwrap_or_default());
        let (tokens, sequences) = (count("tokens"), count("sequences"));
        terminal::print(&format!(
            "0 forward passes: the traces of {tokens} tokens in {sequences} sequences are there"
        ))?;
        nothing_written()
    }
}

/// One checkpoint in the plan.
fn plan_line(spec: &Spec) -> String {
    let how = match (spec.is_run(), spec.arithmetic) {
        (true, _) => format!("reused, `{}`", spec.folder.display()),
        (false, Arithmetic::F32) => "forward pass".to_owned(),
        (false, Arithmetic::Bf16) => "forward pass with bf16 activations".to_owned(),
    };
    format!("  {}{}: {how}", spec.label, spec.trained())
}

/// Reads the text, if there is a checkpoint that it will go through; what every trace must agree with.
fn prepare(arguments: &DriftArgs, specs: &[Spec], passes: &[Pass]) -> Result<(Option<Prepared>, Value)> {
    let out = arguments.out.as_deref();
    let Some(first) = passes.first() else {
        out.map_or(Ok(()), |out| protect::paths(out, &arguments.corpus))?;
        return Ok((None, reuse::expected(arguments, &specs[0])?));
    };
    let prepared = Prepared::new(&first.request)?;
    out.map_or(Ok(()), |out| protect::texts(out, &first.request, &prepared.corpus))?;
    let expected = route::manifest(&prepared, &first.request);
    Ok((Some(prepared), expected))
}

/// The forward pass of one checkpoint. Router logits are kept, so that `gate_overlap` can be recomputed.
fn pass(arguments: &DriftArgs, spec: &Spec) -> Pass {
    let mut common = arguments.common.clone();
    common.execution.log_logits = true;
    let request =
        Request { checkpoint: spec.folder.clone(), corpus: arguments.corpus.clone(), transcripts: None, common };
    Pass { spec: spec.clone(), request, folder: below(spec) }
}

/// Where the trace of a checkpoint is, below the folder of the run.
fn below(spec: &Spec) -> String {
    path_text(&Path::new("checkpoints").join(&spec.label))
}

/// Where the trace of a checkpoint is: below the folder of the run, or the whole path of the run that is reused. The manifest,
/// where it is looked up again, is UTF-8.
fn trace(spec: &Spec) -> Result<String> {
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
    specs: &[Spec],
    expected: &Value,
    identities: &[Value],
) -> Result<Map<String, Value>> {
    let mut identity = reuse::in_common(expected);
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
    identity.insert("corpus".into(), json!(route::texts(&arguments.corpus)));
    Ok(identity)
}
