//! The checkpoints of a drift run as typed: labels, training tokens, and whether they belong together.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::prepare::label;
use crate::{
    checkpoint::{Checkpoint, Config, sha256_file},
    cli::DriftArgs,
    corpus::Tokenizer,
    error::{Error, Result},
    model::Arithmetic,
};

/// One checkpoint of a drift run.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Spec {
    /// Name in tables, charts and folders; unique.
    pub(super) label: String,
    /// The checkpoint, or a finished route run.
    pub(super) folder: PathBuf,
    /// Tokens that it was trained on, where known.
    pub(super) training_tokens: Option<f64>,
    /// Beside the time axis.
    pub(super) off_axis: bool,
    /// Rounding of activations.
    pub(super) arithmetic: Arithmetic,
}

impl Spec {
    /// Reads FOLDER or LABEL=FOLDER.
    pub(super) fn new(typed: &str, off_axis: bool) -> Self {
        let (name, folder) = match typed.split_once('=') {
            Some((name, folder)) if !Path::new(typed).exists() => (Some(name), PathBuf::from(folder)),
            _ => (None, PathBuf::from(typed)),
        };
        let label = name.map_or_else(|| label(&folder), str::to_owned);
        let training_tokens = training_tokens(&label);
        Self { label, folder, training_tokens, off_axis, arithmetic: Arithmetic::F32 }
    }

    /// Where its trace is: a sub-folder of the run, or the whole path of the run that is reused.
    pub(super) fn trace(&self) -> PathBuf {
        if self.is_run() {
            self.folder.canonicalize().unwrap_or_else(|_| self.folder.clone())
        } else {
            Path::new("checkpoints").join(&self.label)
        }
    }

    /// Whether the folder is a route run rather than a checkpoint.
    pub(super) fn is_run(&self) -> bool {
        self.folder.join("manifest.json").is_file()
    }
}

/// The checkpoints in order: the time axis, then the extra model, then the last one again in bf16 arithmetic.
///
/// # Errors
/// [`Error::Usage`] for labels that repeat or are no folder name, and for training tokens that cannot be read, are not
/// as many as the checkpoints, or do not grow.
pub(super) fn specs(arguments: &DriftArgs) -> Result<Vec<Spec>> {
    let mut specs: Vec<Spec> = arguments.checkpoints.iter().map(|typed| Spec::new(typed, false)).collect();
    assign_tokens(&mut specs, &arguments.tokens)?;
    specs.extend(arguments.off_axis.iter().map(|typed| Spec { training_tokens: None, ..Spec::new(typed, true) }));
    if arguments.noise_floor {
        let last = &specs[arguments.checkpoints.len() - 1];
        let label = format!("{}-bf16", last.label);
        specs.push(Spec { label, training_tokens: None, off_axis: true, arithmetic: Arithmetic::Bf16, ..last.clone() });
    }
    check_labels(&specs)?;
    Ok(specs)
}

/// Refuses labels that repeat or cannot be the name of a folder.
pub(super) fn check_labels(specs: &[Spec]) -> Result<()> {
    let mut seen = BTreeSet::new();
    for spec in specs {
        if !seen.insert(&spec.label) {
            return Err(Error::usage(
                format!("two checkpoints are called `{}`; expected different labels", spec.label),
                "name them: LABEL=FOLDER",
            ));
        }
        if spec.label.is_empty() || spec.label.contains(['/', '\\']) || spec.label.starts_with('.') {
            return Err(Error::usage(
                format!("label `{}` cannot be the name of a folder", spec.label),
                "name the checkpoint: LABEL=FOLDER",
            ));
        }
    }
    Ok(())
}

fn assign_tokens(specs: &mut [Spec], typed: &[String]) -> Result<()> {
    if !typed.is_empty() {
        if typed.len() != specs.len() {
            return Err(Error::usage(
                format!("--tokens has {} values for {} checkpoints", typed.len(), specs.len()),
                "give one value per checkpoint of the time axis, in order",
            ));
        }
        for (spec, typed) in specs.iter_mut().zip(typed) {
            spec.training_tokens = Some(count(typed).ok_or_else(|| {
                Error::usage(format!("--tokens `{typed}` is no number of tokens"), "for example 200B, 1T or 2.5M")
            })?);
        }
    }
    let known: Vec<(f64, &str)> =
        specs.iter().filter_map(|spec| Some((spec.training_tokens?, spec.label.as_str()))).collect();
    match known.windows(2).find(|pair| pair[0].0 >= pair[1].0) {
        Some(pair) => Err(Error::usage(
            format!("`{}` stands before `{}` but was trained on no fewer tokens", pair[0].1, pair[1].1),
            "give the checkpoints in the order of training, or correct the numbers with --tokens",
        )),
        None => Ok(()),
    }
}

/// Training tokens in a name such as openmoe-8b-200B or openmoe-tiny-2.5M: the last part that is one. Units are capital
/// letters, so that the 8b of a model's size is none.
fn training_tokens(label: &str) -> Option<f64> {
    label.split(['-', '_']).rev().find_map(count)
}

/// "2.5M" as 2,500,000; units K, M, B, T.
fn count(text: &str) -> Option<f64> {
    let scale = match text.chars().last()? {
        'K' => 1e3,
        'M' => 1e6,
        'B' => 1e9,
        'T' => 1e12,
        _ => return None,
    };
    let number: f64 = text[..text.len() - 1].parse().ok()?;
    (number.is_finite() && number >= 0.0).then_some(number * scale)
}

/// Opens every checkpoint once and compares it with the first: shapes, routing, tokenizer.
///
/// # Errors
/// [`Error::Usage`] that names every difference; the errors of opening.
pub(super) fn check_compatible(specs: &[Spec]) -> Result<()> {
    let mut first: Option<(&Spec, Vec<(&'static str, String)>)> = None;
    let mut problems = Vec::new();
    for spec in specs.iter().filter(|spec| !spec.is_run()) {
        let checkpoint = Checkpoint::open(&spec.folder)?;
        let facts = facts(checkpoint.config(), tokenizer_hash(&checkpoint)?);
        let Some((reference, expected)) = &first else {
            first = Some((spec, facts));
            continue;
        };
        for ((key, found), (_, expected)) in facts.iter().zip(expected).filter(|(a, b)| a.1 != b.1) {
            problems.push(format!("{key}: {} in `{}`, {} in `{}`", expected, reference.label, found, spec.label));
        }
    }
    if first.is_none() {
        return Err(Error::usage(
            "every folder given is a finished run; expected at least one checkpoint",
            "give the folder of one of the checkpoints, so that the tokens can be compared",
        ));
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(Error::usage(
        format!("the checkpoints are not of one run:\n  - {}", problems.join("\n  - ")),
        "the routing of the same tokens is compared: tokenizer, vocabulary, experts and MoE layers must agree",
    ))
}

fn tokenizer_hash(checkpoint: &Checkpoint) -> Result<String> {
    match Tokenizer::open(checkpoint.dir())? {
        Some(tokenizer) => sha256_file(tokenizer.file()),
        None => Ok("none".to_owned()),
    }
}

/// What must agree between the checkpoints of one run.
fn facts(config: &Config, tokenizer: String) -> Vec<(&'static str, String)> {
    vec![
        ("tokenizer (SHA-256)", tokenizer),
        ("vocab_size", config.vocab_size.to_string()),
        ("num_experts", config.num_experts.to_string()),
        ("MoE layers", format!("{:?}", config.moe_layers())),
        ("router_topk", config.router_topk.to_string()),
        ("num_hidden_layers", config.num_hidden_layers.to_string()),
        ("hidden_size", config.hidden_size.to_string()),
        ("intermediate_size", config.intermediate_size.to_string()),
        ("num_attention_heads", config.num_attention_heads.to_string()),
        ("head_dim", config.head_dim.to_string()),
        ("max_position_embeddings", config.max_position_embeddings.to_string()),
        ("router_capacity_factor_eval", config.router_capacity_factor_eval.to_string()),
        ("router_min_capacity", config.router_min_capacity.to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn training_tokens_are_read_from_names() {
        let expected = [
            ("openmoe-8b-200B", Some(2e11)),
            ("openmoe-8b-1T", Some(1e12)),
            ("openmoe-tiny-0.25M", Some(2.5e5)),
            ("openmoe-tiny-12.3M-chat", Some(1.23e7)),
            ("openmoe-8b", None),
            ("base", None),
        ];
        for (name, tokens) in expected {
            assert_eq!(training_tokens(name), tokens, "{name}");
        }
    }

    #[test]
    fn checkpoints_must_grow_and_have_labels_of_their_own() {
        let spec = |label: &str| Spec::new(&format!("{label}=nowhere"), false);
        let mut specs = [spec("a-2M"), spec("b-1M")];
        let error = assign_tokens(&mut specs, &[]).unwrap_err();
        assert!(error.to_string().contains("`a-2M` stands before `b-1M`"), "{error}");
        assign_tokens(&mut specs, &["1K".to_owned(), "2.5K".to_owned()]).unwrap();
        assert_eq!(specs[1].training_tokens, Some(2500.0));
        assert!(assign_tokens(&mut specs, &["1K".to_owned()]).unwrap_err().to_string().contains("1 values for 2"));
        assert!(assign_tokens(&mut specs, &["1K".to_owned(), "many".to_owned()]).is_err());
    }
}
