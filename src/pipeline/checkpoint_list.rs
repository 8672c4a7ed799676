//! The checkpoints of a drift run in order, with their labels and training tokens, checked.

use std::{collections::BTreeMap, path::PathBuf};

use super::{
    checkpoint_spec::{CheckpointSpec, folder_label},
    imported_checkpoints::refuse_noise_floor,
    options::DriftOptions,
    progress::Progress,
    reused_runs::{checkpoint_of, refuse_other_commands},
};
use crate::{
    error::{Error, OptionName, Result, bullets},
    model::Arithmetic,
};

/// The checkpoints in order: the time axis, then the extra model, then the last one again in bf16 arithmetic.
///
/// # Errors
/// [`Error::Usage`] for labels that repeat or cannot name a folder, for a list of training tokens that does not have one
/// value for each checkpoint or does not grow, and for a noise floor whose checkpoint is not known.
pub(crate) fn checkpoint_specs(options: &DriftOptions, progress: &dyn Progress) -> Result<Vec<CheckpointSpec>> {
    let mut specs = options.checkpoints.clone();
    assign_tokens(&mut specs, &options.training_tokens)?;
    if options.training_tokens.is_empty() {
        check_steps(&specs)?;
    }
    let beside = |spec: &CheckpointSpec| CheckpointSpec { training_tokens: None, off_axis: true, ..spec.clone() };
    specs.extend(options.off_axis.iter().map(beside));
    refuse_other_commands(&specs)?;
    if let (true, Some(last)) = (options.noise_floor, options.checkpoints.last()) {
        refuse_noise_floor(&specs)?;
        specs.push(noise_floor(last, progress)?);
    }
    check_labels(&specs)?;
    warn_of_copies(&specs, progress);
    Ok(specs)
}

/// Says that two labels stand for one folder: they agree in everything, whatever the model learnt.
fn warn_of_copies(specs: &[CheckpointSpec], progress: &dyn Progress) {
    for (at, spec) in specs.iter().enumerate() {
        let is_copy = |other: &&CheckpointSpec| place(other) == place(spec) && other.arithmetic == spec.arithmetic;
        if let Some(first) = specs[..at].iter().find(is_copy) {
            progress.warn(&format!(
                "`{}` and `{}` are one checkpoint, `{}`: they agree in everything",
                first.label,
                spec.label,
                spec.folder.display()
            ));
        }
    }
}

fn place(spec: &CheckpointSpec) -> PathBuf {
    spec.folder.canonicalize().unwrap_or_else(|_| spec.folder.clone())
}

/// Refuses a run of one checkpoint: its forward pass would show nothing that `route` does not.
///
/// # Errors
/// [`Error::Usage`].
pub(crate) fn refuse_one(specs: &[CheckpointSpec]) -> Result<()> {
    let [only] = specs else { return Ok(()) };
    Err(Error::usage(
        format!("drift has one checkpoint, `{}`, which has nothing to agree with; expected two or more", only.label),
        format!(
            "give the checkpoints of one training run in order, or a model beside it with {}; for one checkpoint alone there is `route`",
            OptionName::Final
        ),
    ))
}

/// The last checkpoint again, in bf16 arithmetic. A finished run holds no weights, so the checkpoint that it was made from is
/// used.
fn noise_floor(last: &CheckpointSpec, progress: &dyn Progress) -> Result<CheckpointSpec> {
    let folder = if last.is_run() { checkpoint_of(&last.folder, progress)? } else { last.folder.clone() };
    let label = format!("{}-bf16", last.label);
    let arithmetic = Arithmetic::Bf16;
    Ok(CheckpointSpec { label, folder, training_tokens: None, off_axis: true, arithmetic, ..last.clone() })
}

/// Refuses labels that repeat or cannot be the name of a folder.
pub(crate) fn check_labels(specs: &[CheckpointSpec]) -> Result<()> {
    let mut seen: BTreeMap<&str, &CheckpointSpec> = BTreeMap::new();
    for spec in specs {
        if let Some(first) = seen.insert(&spec.label, spec) {
            refuse_twice(first, spec)?;
            return Err(Error::usage(
                format!("two checkpoints are called `{}`; expected different labels", spec.label),
                "name them: LABEL=FOLDER",
            ));
        }
        if spec.label.chars().any(char::is_control) {
            return Err(Error::usage(
                format!("label `{}` holds a control character; expected text in one line", spec.label.escape_debug()),
                "name the checkpoint: LABEL=FOLDER",
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

/// Refuses a folder that is given twice under one label: the second one would agree with the first in everything.
fn refuse_twice(first: &CheckpointSpec, second: &CheckpointSpec) -> Result<()> {
    if place(first) != place(second) {
        return Ok(());
    }
    Err(Error::usage(
        format!("`{}` is given twice; a checkpoint agrees with itself in everything", second.folder.display()),
        "leave one of them out, or name another checkpoint",
    ))
}

fn assign_tokens(specs: &mut [CheckpointSpec], given: &[f64]) -> Result<()> {
    if !given.is_empty() && given.len() != specs.len() {
        return Err(Error::usage(
            format!("{} has {} values for {} checkpoints", OptionName::TrainingTokens, given.len(), specs.len()),
            "give one value per checkpoint of the time axis, in order",
        ));
    }
    for (spec, tokens) in specs.iter_mut().zip(given) {
        spec.training_tokens = Some(*tokens);
    }
    let known: Vec<(f64, &str)> =
        specs.iter().filter_map(|spec| Some((spec.training_tokens?, spec.label.as_str()))).collect();
    let wrong: Vec<String> = known
        .windows(2)
        .filter(|pair| pair[0].0 >= pair[1].0)
        .map(|pair| format!("`{}` stands before `{}` but was trained on no fewer tokens", pair[0].1, pair[1].1))
        .collect();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Error::usage(
        format!("the checkpoints are not in the order of training:{}", bullets(&wrong)),
        format!(
            "give the checkpoints in the order of training, or correct the numbers with {}",
            OptionName::TrainingTokens
        ),
    ))
}

/// Refuses checkpoints whose names contain training steps that are not in ascending order.
fn check_steps(specs: &[CheckpointSpec]) -> Result<()> {
    let known: Vec<(TrainingStep, &str)> =
        specs.iter().filter_map(|spec| Some((TrainingStep::of(spec)?, spec.label.as_str()))).collect();
    let wrong: Vec<String> = known
        .windows(2)
        .filter(|pair| pair[0].0.unit == pair[1].0.unit && pair[0].0.number > pair[1].0.number)
        .map(|pair| {
            let ((before, first), (after, second)) = (&pair[0], &pair[1]);
            let unit = before.unit;
            format!("`{first}` ({unit} {}) stands before `{second}` ({unit} {})", before.number, after.number)
        })
        .collect();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Error::usage(
        format!("the checkpoints are not in the order of training:\n  - {}", wrong.join("\n  - ")),
        format!(
            "give the checkpoints in the order of training (a shell sorts checkpoint-1000 before checkpoint-200), or say with \
             {} how far each was trained",
            OptionName::TrainingTokens
        ),
    ))
}

/// A point in a training, such as step 1000 or epoch 3.
#[derive(Clone, Debug, PartialEq)]
struct TrainingStep {
    unit: &'static str,
    number: f64,
}

impl TrainingStep {
    /// The step in the label, or else in the name of the folder.
    fn of(spec: &CheckpointSpec) -> Option<Self> {
        Self::in_name(&spec.label).or_else(|| Self::in_name(&folder_label(&spec.folder)))
    }

    /// The step in a name such as `checkpoint-1000`, `global_step1000`, `step_5k` or `epoch=3`. If a name has several units, the
    /// one listed first counts; if it has a unit twice, the last occurrence counts.
    fn in_name(name: &str) -> Option<Self> {
        const UNITS: [(&str, &str); 6] = [
            ("step", "step"),
            ("checkpoint", "step"),
            ("ckpt", "step"),
            ("iteration", "step"),
            ("iter", "step"),
            ("epoch", "epoch"),
        ];
        let name = name.to_ascii_lowercase();
        let number = |word: &str| name.rmatch_indices(word).find_map(|(at, _)| number(&name[at + word.len()..]));
        UNITS.into_iter().find_map(|(word, unit)| number(word).map(|number| Self { unit, number }))
    }
}

/// The number at the beginning of a text, after at most one separator: 1000, -1000, _5k, =3.
fn number(text: &str) -> Option<f64> {
    let text = text.strip_prefix('s').unwrap_or(text);
    let text = text.strip_prefix(['-', '_', '=', '.', ' ']).unwrap_or(text);
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    let scale = match text[end..].chars().next() {
        Some('k') => 1e3,
        Some('m') => 1e6,
        _ => 1.0,
    };
    Some(number * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read_from_names_and_must_not_fall() {
        for (name, unit, number) in [
            ("checkpoint-1000", "step", 1000.0),
            ("global_step20", "step", 20.0),
            ("step-00000500", "step", 500.0),
            ("step5k-tokens", "step", 5000.0),
            ("epoch=3-step=1500", "step", 1500.0),
            ("epoch_3", "epoch", 3.0),
            ("iter_0000100", "step", 100.0),
        ] {
            assert_eq!(TrainingStep::in_name(name), Some(TrainingStep { unit, number }), "{name}");
        }
        for name in ["openmoe-8b-200B", "final", "steps", "checkpoint", "checkpoint-last"] {
            assert_eq!(TrainingStep::in_name(name), None, "{name}");
        }
        let check = |labels: &[&str]| {
            let specs: Vec<CheckpointSpec> =
                labels.iter().map(|label| CheckpointSpec::new(format!("{label}=nowhere"), false)).collect();
            check_steps(&specs).map_err(|error| error.to_string())
        };
        check(&["checkpoint-200", "checkpoint-1000", "final"]).unwrap();
        check(&["epoch-3", "step-2"]).unwrap();
        let message = check(&["checkpoint-1000", "checkpoint-200"]).unwrap_err();
        assert!(
            message.contains("`checkpoint-1000` (step 1000) stands before `checkpoint-200` (step 200)"),
            "{message}"
        );
        let folders = ["a=runs/step-5", "b=runs/step-4"].map(|typed| CheckpointSpec::new(typed, false));
        assert!(check_steps(&folders).is_err());
    }

    #[test]
    fn one_checkpoint_twice_is_called_that() {
        let error = |typed: [&str; 2]| {
            let specs = typed.map(|typed| CheckpointSpec::new(typed, false));
            check_labels(&specs).unwrap_err().to_string()
        };
        let twice = error(["nowhere/a", "nowhere/a"]);
        assert!(twice.contains("`nowhere/a` is given twice"), "{twice}");
        let two = error(["one/a", "another/a"]);
        assert!(two.contains("two checkpoints are called `a`"), "{two}");
    }

    #[test]
    fn checkpoints_must_grow_and_have_labels_of_their_own() {
        let spec = |label: &str| CheckpointSpec::new(format!("{label}=nowhere"), false);
        let mut specs = [spec("a-2M"), spec("b-1M")];
        let error = assign_tokens(&mut specs, &[]).unwrap_err();
        assert!(error.to_string().contains("`a-2M` stands before `b-1M`"), "{error}");
        assign_tokens(&mut specs, &[1000.0, 2500.0]).unwrap();
        assert_eq!(specs[1].training_tokens, Some(2500.0));
        assert!(assign_tokens(&mut specs, &[1000.0]).unwrap_err().to_string().contains("1 values for 2"));
    }
}
