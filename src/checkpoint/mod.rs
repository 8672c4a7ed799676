//! A checkpoint folder: opened once, validated whole, read tensor by tensor.
//!
//! Weights stay on disk. A [`Checkpoint`] knows where every tensor lies and reads it, or a part of it, with positioned
//! reads into a buffer of the caller, widened exactly to f32.

mod config;
mod config_json;
mod hash;
mod header;
mod hub;
mod locate;
mod read;
mod sanity;
mod shapes;
mod state;
mod torch;
mod validate;

pub use config::Config;
pub use hash::sha256_file;
pub use hub::{check_blob, repository_name, snapshot};
pub use sanity::{Oddity, OddityKind, describe_oddities};
pub use shapes::{ExpectedTensor, ParameterCount};
pub use state::CheckpointState;

use std::{
    collections::HashMap,
    fmt,
    fs::File,
    path::{Path, PathBuf},
};

use crate::error::{Error, Result};

/// How the numbers of a tensor are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// bfloat16: the upper half of an f32.
    Bf16,
    /// IEEE half precision.
    F16,
    /// IEEE single precision.
    F32,
}

impl Dtype {
    /// The type of a safetensors name; `None` for those that are not supported.
    fn parse(name: &str) -> Option<Self> {
        match name {
            "BF16" => Some(Self::Bf16),
            "F16" => Some(Self::F16),
            "F32" => Some(Self::F32),
            _ => None,
        }
    }

    /// Bytes of one number.
    pub fn bytes(self) -> usize {
        match self {
            Self::Bf16 | Self::F16 => 2,
            Self::F32 => 4,
        }
    }

    /// The name in files and tables: "bf16", "f16", "f32".
    pub fn name(self) -> &'static str {
        match self {
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
            Self::F32 => "f32",
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A weight file.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct WeightFile {
    /// Path: the checkpoint folder as given, and the file name.
    pub path: PathBuf,
    /// Size in bytes.
    pub bytes: u64,
}

/// How many tensors, numbers and bytes are stored in one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct DtypeCount {
    /// The type.
    pub dtype: Dtype,
    /// Tensors of it.
    pub tensors: usize,
    /// Numbers in those tensors.
    pub parameters: u64,
    /// Bytes on disk.
    pub bytes: u64,
}

/// Where a tensor lies.
#[derive(Clone, Debug, PartialEq, Eq)]
struct StoredTensor {
    /// Index into the weight files.
    file: usize,
    /// First byte.
    offset: u64,
    dtype: Dtype,
    shape: Vec<usize>,
}

impl StoredTensor {
    fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// A validated checkpoint: every tensor that its configuration implies is there with the right shape.
#[derive(Debug)]
pub struct Checkpoint {
    dir: PathBuf,
    config: Config,
    files: Vec<WeightFile>,
    handles: Vec<File>,
    tensors: HashMap<String, StoredTensor>,
    /// SHA-256 of the bytes of config.json as they were read.
    config_sha256: String,
}

/// What one reading of a whole weight file tells.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightReading {
    /// SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
    /// What is odd about its numbers.
    pub oddities: Vec<Oddity>,
}

impl Checkpoint {
    /// Opens a folder in the Hugging Face layout and validates all of it; reads headers only.
    ///
    /// Weights are looked for as `model.safetensors`, `model.safetensors.index.json`, `pytorch_model.bin`,
    /// `pytorch_model.bin.index.json`, in this order. `*.rotary_emb.inv_freq` buffers are ignored; every other tensor
    /// that the configuration does not imply is a problem.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] with every problem: no folder, no configuration, no weights, unsupported options; absent
    /// shards, truncated files; missing, extra, duplicated, misshaped tensors, and unsupported types.
    pub fn open(dir: &Path) -> Result<Self> {
        let refuse = |problem: String, hint: &str| refusal(dir, vec![problem], hint);
        check_folder(dir)?;
        let bytes = std::fs::read(dir.join("config.json")).map_err(Error::io("read", dir.join("config.json")))?;
        let config_sha256 = hash::sha256_bytes(&bytes);
        let text = String::from_utf8(bytes)
            .map_err(|error| refuse(format!("`config.json` is not UTF-8: {error}"), "the file may be damaged"))?;
        let located = locate::locate(dir).ok_or_else(|| no_weights(dir))?;
        let (config, mut problems) = match Config::parse(&text) {
            Ok(config) => (Some(config), Vec::new()),
            Err(problems) => (None, problems),
        };
        let expected = config.as_ref().map(Config::tensors);
        let validated = validate::validate(&located, expected.as_deref());
        problems.extend(validated.problems);
        match config {
            Some(config) if problems.is_empty() => {
                Self::with_files(dir, config, config_sha256, located, validated.tensors)
            }
            _ => Err(refusal(dir, problems, hint_for(expected.is_some()))),
        }
    }

    fn with_files(
        dir: &Path,
        config: Config,
        config_sha256: String,
        located: locate::Located,
        tensors: HashMap<String, StoredTensor>,
    ) -> Result<Self> {
        let files: Vec<_> =
            located.files.into_iter().map(|file| WeightFile { path: dir.join(file.name), bytes: file.bytes }).collect();
        let open = |file: &WeightFile| File::open(&file.path).map_err(Error::io("open", &file.path));
        let handles = files.iter().map(open).collect::<Result<_>>()?;
        Ok(Self { dir: dir.to_path_buf(), config, files, handles, tensors, config_sha256 })
    }

    /// Reads a weight file (by its place in [`Self::files`]) from beginning to end: hash and numbers in one go, of the very
    /// file that the forward pass reads.
    ///
    /// # Errors
    /// The file cannot be read, or the cache of a hub knows it by another hash.
    pub fn read_whole(&self, file: usize) -> Result<WeightReading> {
        let WeightFile { path, bytes } = &self.files[file];
        let mut parts = self.parts_of(file);
        let sha256 = hash::sha256_and_scan(&self.handles[file], *bytes, &mut parts).map_err(Error::io("read", path))?;
        check_blob(path, &sha256)?;
        Ok(WeightReading { sha256, oddities: sanity::oddities(&parts) })
    }

    /// SHA-256 of the config.json that was read.
    pub fn config_sha256(&self) -> &str {
        &self.config_sha256
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The folder as it was given; also where its tokenizer is looked for.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Path of the config.json.
    pub fn config_path(&self) -> PathBuf {
        self.dir.join("config.json")
    }

    /// The weight files in name order.
    pub fn files(&self) -> &[WeightFile] {
        &self.files
    }

    /// How many tensors are stored in which type, in the order bf16, f16, f32; types that do not occur are left out.
    pub fn dtypes(&self) -> Vec<DtypeCount> {
        let count = |dtype: Dtype| {
            let tensors = self.tensors.values().filter(|tensor| tensor.dtype == dtype);
            let empty = DtypeCount { dtype, tensors: 0, parameters: 0, bytes: 0 };
            tensors.fold(empty, |count, tensor| DtypeCount {
                tensors: count.tensors + 1,
                parameters: count.parameters + tensor.elements() as u64,
                bytes: count.bytes + (tensor.elements() * dtype.bytes()) as u64,
                ..count
            })
        };
        [Dtype::Bf16, Dtype::F16, Dtype::F32].map(count).into_iter().filter(|count| count.tensors > 0).collect()
    }

    /// Shape of a tensor.
    ///
    /// # Errors
    /// The checkpoint has no tensor of that name.
    pub fn shape(&self, name: &str) -> Result<&[usize]> {
        Ok(&self.stored(name)?.shape)
    }

    /// Reads a whole tensor, row-major, widened to f32. `out` is resized to the number of elements and reused.
    ///
    /// # Errors
    /// The checkpoint has no tensor of that name, or its file cannot be read.
    pub fn read(&self, name: &str, out: &mut Vec<f32>) -> Result<()> {
        let elements = self.stored(name)?.elements();
        self.read_part(name, 0, elements, out)
    }

    /// Reads `count` elements of a tensor from element `first_element` on (row-major), such as one expert of a stacked
    /// `[E, ..]` tensor or one row of the embedding; nothing else is touched. `out` is resized to `count` and reused.
    ///
    /// # Errors
    /// The checkpoint has no tensor of that name, the part is not within it, or its file cannot be read.
    pub fn read_part(&self, name: &str, first_element: usize, count: usize, out: &mut Vec<f32>) -> Result<()> {
        out.resize(count, 0.0);
        self.read_into(name, first_element, out)
    }

    /// As [`Self::read_part`], into a slice that decides how much is read; for several threads that fill one buffer.
    ///
    /// # Errors
    /// As [`Self::read_part`].
    pub fn read_into(&self, name: &str, first_element: usize, out: &mut [f32]) -> Result<()> {
        let tensor = self.stored(name)?;
        let (count, elements) = (out.len(), tensor.elements());
        if first_element.checked_add(count).is_none_or(|end| end > elements) {
            return Err(Error::internal(format!(
                "elements {first_element} to {first_element} + {count} of tensor `{name}` were asked for; it has {elements}"
            )));
        }
        let offset = tensor.offset + (first_element * tensor.dtype.bytes()) as u64;
        read::read_numbers(&self.handles[tensor.file], offset, tensor.dtype, out)
            .map_err(Error::io("read", &self.files[tensor.file].path))
    }

    fn stored(&self, name: &str) -> Result<&StoredTensor> {
        self.tensors.get(name).ok_or_else(|| {
            Error::internal(format!("tensor `{name}` was asked for; `{}` has none of that name", self.dir.display()))
        })
    }
}

/// Refuses what is no checkpoint folder at all.
fn check_folder(dir: &Path) -> Result<()> {
    let refuse = |problem: &str, hint: &str| Err(refusal(dir, vec![problem.to_owned()], hint));
    if !dir.exists() {
        return refuse(
            "the folder does not exist; expected one with `config.json` and weight files",
            "give the path of a downloaded checkpoint; names of a hub are not looked up, nothing is downloaded",
        );
    }
    if !dir.is_dir() {
        return refuse(
            "it is a file; expected a folder with `config.json` and weight files",
            "give the folder that holds the file",
        );
    }
    if dir.join("config.json").is_dir() {
        return refuse(
            "`config.json` in it is a folder; expected a file",
            "download `config.json` of the checkpoint again",
        );
    }
    if !dir.join("config.json").is_file() {
        return refuse(
            "there is no `config.json` in it",
            "give the folder of a checkpoint in the Hugging Face layout: config.json beside the weight files",
        );
    }
    Ok(())
}

fn no_weights(dir: &Path) -> Error {
    let problem = "there are no weights in it; expected `model.safetensors`, `model.safetensors.index.json`, \
                   `pytorch_model.bin` or `pytorch_model.bin.index.json`";
    let strays = locate::stray_shards(dir);
    if strays.is_empty() {
        return refusal(dir, vec![problem.to_owned()], "the download may be incomplete");
    }
    let strays: Vec<&str> = strays.iter().map(String::as_str).collect();
    let problem = format!("{problem}; found {}", locate::quoted(&strays));
    refusal(dir, vec![problem], "shards need their index file; download it as well")
}

fn refusal(dir: &Path, problems: Vec<String>, hint: &str) -> Error {
    Error::Checkpoint { path: dir.to_path_buf(), problems, hint: Some(hint.to_owned()) }
}

fn hint_for(has_config: bool) -> &'static str {
    if has_config {
        "`config.json` and the weight files may come from different checkpoints, or a download is incomplete"
    } else {
        "the supported models are OpenMoE base, 8b and 34b and others of their form"
    }
}
