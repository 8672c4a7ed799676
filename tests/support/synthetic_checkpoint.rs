//! Checkpoints of any shape for benchmarks and memory tests: a safetensors header over a file of holes, with numbers
//! only where they matter. A hole costs no disk and reads as zero.
#![allow(dead_code)] // every user uses a part of this

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{BufWriter, Seek, SeekFrom, Write},
    path::Path,
};

use half::bf16;
use openmoe_analyze::checkpoint::{Dtype, Encoding, ExpectedTensor, TensorGroup, TensorMap};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::{Map, Value, json};

/// The dimensions of an OpenMoE; the rest of config.json is the same for all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) hidden_size: usize,
    pub(crate) intermediate_size: usize,
    pub(crate) layers: usize,
    pub(crate) heads: usize,
    pub(crate) head_dim: usize,
    pub(crate) vocabulary: usize,
    pub(crate) experts: usize,
    /// Every so many layers one is a MoE layer.
    pub(crate) moe_interval: usize,
}

impl Shape {
    /// config.json.
    pub(crate) fn config_json(&self) -> Value {
        json!({
            "architectures": ["OpenMoeForCausalLM"],
            "vocab_size": self.vocabulary,
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.heads,
            "head_dim": self.head_dim,
            "max_position_embeddings": 2048,
            "rms_norm_eps": 1e-6,
            "pad_token_id": 0,
            "bos_token_id": 0,
            "eos_token_id": 1,
            "num_experts": self.experts,
            "moe_layer_interval": self.moe_interval,
            "router_topk": 2,
            "router_capacity_factor_train": 1.25,
            "router_capacity_factor_eval": 2.0,
            "router_min_capacity": 4,
            "hidden_act": "swiglu",
            "mlp_gated": true
        })
    }

    /// Writes the checkpoint into `folder`, as [`write_checkpoint`].
    pub(crate) fn write(&self, folder: &Path, dtype: Dtype, is_filled: IsFilled, ids: &[u32]) {
        write_checkpoint(&self.config_json(), folder, dtype, is_filled, ids);
    }
}

/// Which tensors hold numbers.
pub(crate) type IsFilled = fn(&ExpectedTensor) -> bool;

/// Routers hold numbers, other matrices are holes: every layer routes by the embedding, so that every expert is visited.
pub(crate) fn is_router(tensor: &ExpectedTensor) -> bool {
    tensor.group == TensorGroup::Routers
}

/// Writes the checkpoint of a configuration of any family into `folder`: norms are one, the tensors that `is_filled` names
/// are random, the others holes; numbers of four bits and their scales always are. Of the embedding only the rows of
/// `ids` are written, the head is not.
pub(crate) fn write_checkpoint(config: &Value, folder: &Path, dtype: Dtype, is_filled: IsFilled, ids: &[u32]) {
    fs::create_dir_all(folder).unwrap();
    let text = format!("{config:#}");
    fs::write(folder.join("config.json"), &text).unwrap();
    let tensors = TensorMap::parse(&text).unwrap().expected();
    let mut file = BufWriter::new(File::create(folder.join("model.safetensors")).unwrap());
    let (header, offsets) = header(&tensors, dtype);
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(header.as_bytes()).unwrap();
    let data = 8 + header.len() as u64;
    file.get_mut().set_len(data + offsets[tensors.len()]).unwrap();
    let ids: BTreeSet<u32> = ids.iter().copied().collect();
    let mut writer = Numbers { file, dtype, random: Xoshiro256PlusPlus::seed_from_u64(1) };
    for (tensor, offset) in tensors.iter().zip(offsets) {
        writer.tensor(tensor, data + offset, is_filled, &ids);
    }
    writer.file.flush().unwrap();
}

/// Bytes of a tensor whose numbers are of this type.
pub(crate) fn stored_bytes(tensor: &ExpectedTensor, dtype: Dtype) -> u64 {
    let bytes = if tensor.encoding == Encoding::Numbers { dtype.bytes() } else { 1 };
    (tensor.shape.iter().product::<usize>() * bytes) as u64
}

/// The header, padded to 8 bytes, and where every tensor starts behind it; last the end.
fn header(tensors: &[ExpectedTensor], dtype: Dtype) -> (String, Vec<u64>) {
    let mut offsets = vec![0];
    let mut entries = Map::new();
    // Without this transformers refuses the file.
    entries.insert("__metadata__".to_owned(), json!({ "format": "pt" }));
    for tensor in tensors {
        let start = offsets[offsets.len() - 1];
        let end = start + stored_bytes(tensor, dtype);
        let stored_as =
            if tensor.encoding == Encoding::Numbers { dtype.name().to_uppercase() } else { "U8".to_owned() };
        entries.insert(
            tensor.name.clone(),
            json!({ "dtype": stored_as, "shape": tensor.shape, "data_offsets": [start, end] }),
        );
        offsets.push(end);
    }
    let mut header = Value::Object(entries).to_string();
    header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
    (header, offsets)
}

/// Writes numbers into the file of weights.
struct Numbers {
    file: BufWriter<File>,
    dtype: Dtype,
    random: Xoshiro256PlusPlus,
}

impl Numbers {
    fn tensor(&mut self, tensor: &ExpectedTensor, offset: u64, is_filled: IsFilled, ids: &BTreeSet<u32>) {
        let count: usize = tensor.shape.iter().product();
        match tensor.group {
            _ if tensor.encoding != Encoding::Numbers => {}
            TensorGroup::Head => {}
            TensorGroup::Embedding => {
                let hidden = tensor.shape[1];
                for &id in ids {
                    self.random(offset + (id as usize * hidden * self.dtype.bytes()) as u64, hidden, 1.0);
                }
            }
            TensorGroup::Norms if tensor.name.ends_with(".weight") => self.write(offset, (0..count).map(|_| 1.0)),
            _ if is_filled(tensor) => {
                // Uniform numbers of variance 1 / (3 inputs): activations keep their size, whichever way it is stored.
                let inputs = tensor.shape.iter().rev().take(2).copied().min().unwrap_or(1);
                self.random(offset, count, (inputs as f32).sqrt().recip());
            }
            _ => {}
        }
    }

    fn random(&mut self, offset: u64, count: usize, scale: f32) {
        let mut random = self.random.clone();
        self.write(offset, (0..count).map(|_| random.random_range(-scale..scale)));
        self.random = random;
    }

    fn write(&mut self, offset: u64, numbers: impl Iterator<Item = f32>) {
        self.file.seek(SeekFrom::Start(offset)).unwrap();
        for number in numbers {
            match self.dtype {
                Dtype::F32 => self.file.write_all(&number.to_le_bytes()),
                Dtype::Bf16 => self.file.write_all(&bf16::from_f32(number).to_le_bytes()),
                Dtype::F16 => self.file.write_all(&half::f16::from_f32(number).to_le_bytes()),
                other => panic!("{other} is not written here"),
            }
            .unwrap();
        }
    }
}
