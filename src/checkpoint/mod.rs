//! A checkpoint folder: opened once, validated whole, read tensor by tensor.
//!
//! Weights stay on disk. A [`Checkpoint`] knows where every tensor is and reads it, or a part of it, with positioned
//! reads into the caller's buffer, widened exactly to f32.

mod architecture;
mod checked_archive;
mod families;
mod hash;
mod header;
mod header_entry;
mod hub;
mod locate;
mod names;
mod numbers;
mod open;
mod open_t5x;
mod problem_list;
mod quantised;
mod read_numbers;
mod refusal;
mod sanity;
mod scales;
mod state;
mod state_dict;
mod t5x;
mod tensor;
mod tensor_map;
mod torch;
mod validate;
mod weight_folder;

pub use crate::hub::{repository_name, snapshot};
pub use architecture::{
    Activation, Architecture, Attention, DecoderLayer, Experts, FeedForward, Head, Latent, Mlp, Norm, NormKind, Pairs,
    Projection, QueryKeyNorm, Rotary, RotaryScaling, SharedExperts, SpecialTokens,
};
pub use families::OpenMoeConfig;
pub use hash::{hexadecimal, sha256_bytes, sha256_file};
pub use hub::check_blob;
pub(crate) use hub::known_sha256;
pub(crate) use locate::has_weights_in;
pub(crate) use open_t5x::config_of_its_own;
pub use sanity::{Oddity, OddityKind, describe_oddities};
pub use state::CheckpointState;
pub use t5x::{ConfigSource, released_names};
pub use tensor::Dtype;
pub use tensor_map::{
    Block, Encoding, ExpectedTensor, MlpPart, Order, ParameterCount, Role, StoredPart, TensorGroup, TensorMap,
};
pub use weight_folder::{LocalFolder, WeightFolder};

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::Arc,
};

use self::{t5x::T5x, tensor::StoredTensor};
use crate::{
    error::{Error, Result},
    read_at::ReadAt,
};

/// A weight file.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct WeightFile {
    /// Path: the checkpoint folder as given, and the file name.
    pub path: PathBuf,
    /// Size in bytes.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal, where the place that holds it states it and the whole file is not read.
    #[serde(skip)]
    pub stated_sha256: Option<String>,
}

/// The number of tensors, parameters and bytes that are stored in one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct DtypeCount {
    /// The type.
    pub dtype: Dtype,
    /// Tensors of this type.
    pub tensors: usize,
    /// Numbers in those tensors.
    pub parameters: u64,
    /// Bytes on disk.
    pub bytes: u64,
}

/// A validated checkpoint: every tensor that its configuration implies is there with the right shape.
#[derive(Debug)]
pub struct Checkpoint {
    dir: PathBuf,
    map: TensorMap,
    openmoe: Option<OpenMoeConfig>,
    files: Vec<WeightFile>,
    /// The bytes of the weight files, in the order of `files`.
    bytes: Vec<Arc<dyn ReadAt>>,
    /// The arrays of a T5X checkpoint, which take the place of `bytes`.
    arrays: Option<T5x>,
    tensors: HashMap<String, StoredTensor>,
    /// The text of the configuration.
    config: String,
    /// SHA-256 of its bytes as they were read.
    config_sha256: String,
    notes: Vec<String>,
}

/// The result of reading a whole weight file.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightReading {
    /// SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
    /// Oddities of its numbers.
    pub oddities: Vec<Oddity>,
}

impl Checkpoint {
    /// Reads a weight file (by its index in [`Self::files`]) from beginning to end, through the same handle as the forward pass:
    /// hashes it and examines its numbers in one go. The hash of an array of T5X is that of its chunk files, one behind the other. `watch` is called with the size of every block.
    ///
    /// # Errors
    /// The file cannot be read, or the cache of a hub has another hash for it.
    pub fn read_whole(&self, file: usize, watch: &mut dyn FnMut(u64)) -> Result<WeightReading> {
        let path = &self.files[file].path;
        if let Some(arrays) = &self.arrays {
            let (sha256, oddities) = arrays.read_whole(file, watch).map_err(Error::io("read", path))?;
            return Ok(WeightReading { sha256, oddities });
        }
        let mut parts = self.parts_of(file);
        let sha256 = hash::sha256_and_scan(&*self.bytes[file], &mut parts, watch).map_err(Error::io("read", path))?;
        check_blob(path, &sha256)?;
        Ok(WeightReading { sha256, oddities: sanity::oddities(&parts) })
    }

    /// The text of its configuration: that of its config.json, or the one that a T5X checkpoint was given.
    pub fn config(&self) -> &str {
        &self.config
    }

    /// SHA-256 of the config.json that was read.
    pub fn config_sha256(&self) -> &str {
        &self.config_sha256
    }

    /// What the model computes.
    pub fn architecture(&self) -> &Architecture {
        self.map.architecture()
    }

    /// Its tensors by role.
    pub fn map(&self) -> &TensorMap {
        &self.map
    }

    /// The configuration of an OpenMoE, with defaults filled in; none for other families.
    pub fn openmoe(&self) -> Option<&OpenMoeConfig> {
        self.openmoe.as_ref()
    }

    /// The folder, or the ZIP of a T5X checkpoint, as it was given.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Notes on things that were not used, or not used as they are written.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The tensor that turns the last hidden states into logits: the head, or the embedding if the two are tied or there is no head.
    pub fn head(&self) -> String {
        let head = self.map.stored(0, Role::Head).name;
        let is_used = !self.architecture().head.tied && self.tensors.contains_key(&head);
        if is_used { head } else { self.map.stored(0, Role::Embedding).name }
    }

    /// Parameters by role; a head that is not stored has none.
    pub fn parameter_count(&self) -> ParameterCount {
        let count = self.map.parameter_count();
        if self.tensors.contains_key(&self.map.stored(0, Role::Head).name) { count } else { count.without_head() }
    }

    /// Path of the config.json.
    pub fn config_path(&self) -> PathBuf {
        self.dir.join("config.json")
    }

    /// The weight files in name order.
    pub fn files(&self) -> &[WeightFile] {
        &self.files
    }

    /// The counts for each type, from the narrowest on; types that do not occur are left out.
    pub fn dtypes(&self) -> Vec<DtypeCount> {
        let count = |dtype: Dtype| {
            let tensors = self.tensors.values().filter(|tensor| tensor.dtype == dtype);
            let empty = DtypeCount { dtype, tensors: 0, parameters: 0, bytes: 0 };
            tensors.fold(empty, |count, tensor| DtypeCount {
                tensors: count.tensors + 1,
                parameters: count.parameters + tensor.elements() as u64,
                bytes: count.bytes + tensor.bytes() as u64,
                ..count
            })
        };
        Dtype::ALL.map(count).into_iter().filter(|count| count.tensors > 0).collect()
    }

    /// Bytes of all weight files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Bytes of those weight files that are not on this machine as a whole.
    pub fn bytes_elsewhere(&self) -> u64 {
        self.files.iter().filter(|file| file.stated_sha256.is_some()).map(|file| file.bytes).sum()
    }

    /// Bytes of the stored tensors that routing needs: everything up to the last router but the embedding, of which only the rows that
    /// occur are read.
    pub fn bytes_for_routing(&self) -> u64 {
        self.routing_tensors().iter().map(|tensor| tensor.bytes() as u64).sum()
    }

    /// How many of these bytes are not on this machine, as far as it is known without reading those that are.
    pub fn bytes_to_fetch_for_routing(&self) -> u64 {
        let missing = |tensor: &&StoredTensor| {
            let range = tensor.offset..tensor.offset + tensor.bytes() as u64;
            self.bytes.get(tensor.file).map_or(0, |file| file.to_fetch(range))
        };
        self.routing_tensors().iter().map(missing).sum()
    }

    /// The tensors that [`Self::bytes_for_routing`] counts, with those that hold their scales.
    fn routing_tensors(&self) -> Vec<&StoredTensor> {
        let architecture = self.architecture();
        let last = architecture.moe_layers().last().map_or(0, |&layer| usize::from(layer));
        let mut names = BTreeSet::new();
        for layer in 0..=last {
            let mut roles = self.map.attention();
            if architecture.routes(layer) {
                roles.extend(self.map.router());
            }
            if layer < last {
                roles.extend(self.map.blocks(layer).into_iter().flat_map(|block| self.map.mlp(block)));
                if architecture.routes(layer) {
                    let experts = 0..architecture.experts.number;
                    roles.extend(experts.flat_map(|expert| self.map.mlp(Block::Expert(expert))));
                }
            }
            names.extend(roles.into_iter().map(|role| self.map.stored(layer, role).name));
        }
        let stored = names.iter().filter_map(|name| self.tensors.get(name));
        stored.flat_map(|own| std::iter::once(own).chain(own.scales.as_ref().map(|scales| &*scales.tensor))).collect()
    }

    /// The type in which a tensor is stored; `None` if there is no tensor of that name.
    pub fn dtype(&self, name: &str) -> Option<Dtype> {
        self.tensors.get(name).map(|tensor| tensor.dtype)
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

    /// As [`Self::read_part`], into a slice whose length decides how much is read; for several threads that fill one buffer.
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
        let read = if let Some(arrays) = &self.arrays {
            arrays.read(tensor.file, first_element, out)
        } else if let Some(scales) = &tensor.scales {
            quantised::Quantised { handles: &self.bytes, tensor, scales }.read(first_element, out)
        } else {
            let offset = tensor.offset + (first_element * tensor.dtype.bytes()) as u64;
            read_numbers::read_numbers(&*self.bytes[tensor.file], offset, tensor.dtype, out)
        };
        read.map_err(Error::io("read", &self.files[tensor.file].path))
    }

    fn stored(&self, name: &str) -> Result<&StoredTensor> {
        self.tensors.get(name).ok_or_else(|| {
            Error::internal(format!("tensor `{name}` was asked for; `{}` has none of that name", self.dir.display()))
        })
    }
}
