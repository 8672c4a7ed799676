//! Opens a folder as a checkpoint, or refuses it with all problems.

use std::path::Path;

use super::{
    Checkpoint, OpenMoeConfig, TensorMap, WeightFile,
    families::{self, Description},
    hash,
    locate::{Located, locate, weight_files},
    names,
    open_t5x::{is_t5x, open_t5x},
    problem_list::{Problems, quoted_names},
    refusal::{refusal, refusal_of_all},
    t5x::ConfigSource,
    validate::{self, Validated, about_the_head},
    weight_folder::{LocalFolder, WeightFolder},
};
use crate::{
    error::{Error, Result},
    first_bytes::{read_bytes, text_of},
};

/// Largest config.json that is read, in bytes.
const MAX_CONFIG: u64 = 16 << 20;

impl Checkpoint {
    /// Opens a folder in the Hugging Face layout, or a step of T5X (folder or ZIP), and validates all of it; reads headers only.
    ///
    /// Weights are looked for as `model.safetensors`, `model.safetensors.index.json`, `pytorch_model.bin`,
    /// `pytorch_model.bin.index.json`, in this order; their first bytes decide their format.
    /// `*.rotary_emb.inv_freq` buffers are ignored; every other tensor that the configuration does not imply is a problem. A
    /// prefix that all names share is removed, a state dict inside the dict of a training program is found, and
    /// `lm_head.weight` may be missing; [`Checkpoint::notes`] mentions each of these.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] with every problem: no folder, no configuration, no weights, unsupported options; absent
    /// shards, truncated files; missing, extra, duplicated, misshaped tensors, and unsupported types.
    pub fn open(dir: &Path) -> Result<Self> {
        if is_t5x(dir) {
            return open_t5x(dir, &ConfigSource::Found);
        }
        check_folder(dir)?;
        Self::open_with(dir, &LocalFolder::new(dir))
    }

    /// As [`Self::open`], with weight files that may be elsewhere; `dir` holds the files that are small.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(dir: &Path, folder: &dyn WeightFolder) -> Result<Self> {
        if dir.join("config.json").symlink_metadata().is_err() {
            return Err(no_config(dir, folder));
        }
        let refuse = |what: &str, hint| refusal(dir, vec![format!("`config.json` {what}")], hint);
        let bytes =
            read_bytes(&dir.join("config.json"), MAX_CONFIG).map_err(|found| refuse(&found.what, found.hint))?;
        let config_sha256 = hash::sha256_bytes(&bytes);
        let text = text_of(bytes).map_err(|found| refuse(&found.what, found.hint))?;
        // A checkpoint of another architecture is refused before its weights are examined, or missed.
        let recognised =
            families::recognise(&text).map_err(|unknown| refusal(dir, vec![unknown.problem], &unknown.hint))?;
        let (description, problems) = match recognised.describe() {
            Ok(description) => (Some(description), Problems::default()),
            Err(problems) => (None, problems.into()),
        };
        let Some(mut located) = locate(dir, folder) else { return Err(no_weights(dir, folder, problems)) };
        let renamed = names::unify(&mut located).map_err(|problem| refusal(dir, vec![problem], hint_for(true)))?;
        let model = description.map(Model::new);
        let known = model.as_ref();
        let mut validated = validate::validate(
            &located,
            known.map(|model| &model.map),
            known.and_then(|model| model.scaled_block),
            recognised.ignored(),
        );
        let mut all = problems;
        all.extend(&validated.problems);
        match model {
            Some(mut model) if all.is_empty() => {
                model.notes.append(&mut located.notes);
                model.notes.extend(located.files.iter().flat_map(|file| file.listing.notes.clone()));
                model.notes.extend(renamed);
                model.notes.append(&mut validated.notes);
                model.notes.extend(about_the_head(&model.map, &validated.tensors));
                Ok(Self::with_files(dir, folder, model, (text, config_sha256), located, validated))
            }
            model => Err(refusal_of_all(dir, all, located.hint().unwrap_or(hint_for(model.is_some())))),
        }
    }

    fn with_files(
        dir: &Path,
        folder: &dyn WeightFolder,
        model: Model,
        (config, config_sha256): (String, String),
        located: Located,
        validated: Validated,
    ) -> Self {
        let opened = located.files.into_iter().filter_map(|file| Some((file.name, file.bytes?)));
        let (files, bytes) = opened
            .map(|(name, bytes)| {
                let stated_sha256 = folder.stated_sha256(&name);
                (WeightFile { path: dir.join(name), bytes: bytes.size(), stated_sha256 }, bytes)
            })
            .unzip();
        let (tensors, Model { map, openmoe, notes, .. }) = (validated.tensors, model);
        Self { dir: dir.to_path_buf(), map, openmoe, files, bytes, arrays: None, tensors, config, config_sha256, notes }
    }
}

/// What is known of a model before its weights are examined.
struct Model {
    map: TensorMap,
    openmoe: Option<OpenMoeConfig>,
    scaled_block: Option<[usize; 2]>,
    notes: Vec<String>,
}

impl Model {
    fn new(description: Description) -> Self {
        let Description { architecture, names, openmoe, scaled_block, notes } = description;
        Self { map: TensorMap::new(architecture, names), openmoe, scaled_block, notes }
    }
}

/// Refuses a folder that is not that of a checkpoint at all.
fn check_folder(dir: &Path) -> Result<()> {
    let refuse = |problem: &str, hint: &str| Err(refusal(dir, vec![problem.to_owned()], hint));
    if !dir.exists() {
        return refuse(
            "the folder does not exist; expected one with `config.json` and weight files",
            "give the path of a checkpoint, or its name on the hub, such as OrionZheng/openmoe-8b",
        );
    }
    if !dir.is_dir() {
        return refuse(
            "it is a file; expected a folder with `config.json` and weight files",
            "give the folder that holds the file",
        );
    }
    let config = dir.join("config.json");
    if config.is_dir() {
        return refuse(
            "`config.json` in it is a folder; expected a file",
            "download `config.json` of the checkpoint again",
        );
    }
    Ok(())
}

fn no_config(dir: &Path, folder: &dyn WeightFolder) -> Error {
    if let Some(refusal) = adapter(dir, folder) {
        return refusal;
    }
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let inside = entries.map(|entry| entry.path()).filter(|path| path.join("config.json").is_file());
    let mut inside: Vec<String> =
        inside.filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())).collect();
    inside.sort();
    if inside.is_empty() {
        let problem = "there is no `config.json` in it".to_owned();
        let hint = "give the folder of a checkpoint in the Hugging Face layout: config.json beside the weight files";
        return refusal(dir, vec![problem], hint);
    }
    let inside: Vec<&str> = inside.iter().map(String::as_str).collect();
    let problem = format!("there is no `config.json` in it, but in its folders {}", quoted_names(&inside));
    refusal(dir, vec![problem], "give one of these folders")
}

/// The refusal of a folder with an adapter of a fine-tuning, if it is one.
fn adapter(dir: &Path, folder: &dyn WeightFolder) -> Option<Error> {
    let names = ["adapter_model.safetensors", "adapter_model.bin", "adapter_config.json"];
    let name = names.into_iter().find(|name| folder.has(name))?;
    let problem = format!("`{name}`: it holds an adapter, not a model");
    let hint = "merge the adapter into its base model first (peft: merge_and_unload), and give the merged model";
    Some(refusal(dir, vec![problem], hint))
}

fn no_weights(dir: &Path, folder: &dyn WeightFolder, mut problems: Problems) -> Error {
    if let Some(refusal) = adapter(dir, folder) {
        return refusal;
    }
    let problem = "there are no weights in it; expected `model.safetensors`, `model.safetensors.index.json`, \
                   `pytorch_model.bin` or `pytorch_model.bin.index.json`";
    let found = weight_files(folder);
    let names: Vec<&str> = found.iter().map(String::as_str).collect();
    if names.is_empty() {
        problems.push(problem.to_owned());
        return refusal_of_all(dir, problems, "the download may be incomplete");
    }
    problems.push(format!("{problem}; found {}", quoted_names(&names)));
    let is_shard = |name: &&str| name.contains("-of-");
    let is_whole =
        |name: &&str| Path::new(name).extension().is_some_and(|ending| ending == "safetensors" || ending == "bin");
    let hint = if names.iter().any(is_shard) {
        "shards need their index file; download it as well"
    } else if names.iter().any(is_whole) {
        "if that file is the whole model, call it model.safetensors or pytorch_model.bin"
    } else {
        "fetch or convert the checkpoint: only the files named above are read"
    };
    refusal_of_all(dir, problems, hint)
}

fn hint_for(has_config: bool) -> &'static str {
    if has_config {
        "`config.json` and the weight files may come from different checkpoints, or a download is incomplete"
    } else {
        "correct `config.json`, or fetch it again: it decides what is computed; if it is the original one, this checkpoint cannot be run"
    }
}
