//! What belongs to a checkpoint beside its weights: its configuration, and the files that are copied.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::{
    checkpoint::{Checkpoint, Dtype},
    hub::{TEXT_FILES, is_code},
};

/// What to generate with; it is copied like the files of the tokenizer and the chat template.
const GENERATION: &str = "generation_config.json";

/// The files that are copied, each from the nearest folder that has it.
pub(super) fn copied(folders: &[PathBuf]) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = Vec::new();
    for folder in folders {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut found: Vec<PathBuf> = entries.filter(|path| path.is_file() && is_copied(path)).collect();
        found.sort();
        found.retain(|path| files.iter().all(|known| known.file_name() != path.file_name()));
        files.extend(found);
    }
    files
}

fn is_copied(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    is_code(&name) || name == GENERATION || TEXT_FILES.contains(&&*name)
}

/// The text of the configuration; where it names the type of the weights, and all are written in one other type, with that one.
pub(super) fn config(checkpoint: &Checkpoint, dtypes: &[Dtype]) -> String {
    let text = checkpoint.config();
    let [only] = dtypes else { return text.to_owned() };
    let Ok(mut object) = serde_json::from_str::<Map<String, Value>>(text) else { return text.to_owned() };
    let name = match only {
        Dtype::Bf16 => "bfloat16",
        Dtype::F16 => "float16",
        _ => "float32",
    };
    let key = if object.contains_key("dtype") && !object.contains_key("torch_dtype") { "dtype" } else { "torch_dtype" };
    // What does not say its type is taken to be in f32.
    let said = object.get(key).and_then(Value::as_str).unwrap_or("float32");
    if said == name {
        return text.to_owned();
    }
    object.insert(key.to_owned(), name.into());
    format!("{:#}\n", Value::Object(object))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_nearest_file_of_a_name_is_copied() {
        let dir = tempfile::tempdir().unwrap();
        let step = dir.path().join("checkpoint_5");
        fs::create_dir(&step).unwrap();
        for file in [
            "checkpoint_5/spiece.model",
            "spiece.model",
            "tokenizer.json",
            "modeling_openmoe.py",
            "train.py",
            "notes.txt",
        ] {
            fs::write(dir.path().join(file), "").unwrap();
        }
        let files = copied(&[step.clone(), dir.path().to_path_buf()]);
        assert_eq!(
            files,
            [step.join("spiece.model"), dir.path().join("modeling_openmoe.py"), dir.path().join("tokenizer.json")]
        );
    }
}
