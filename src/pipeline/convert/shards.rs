//! Which tensor goes into which file, and the header of each file.

use serde_json::{Map, Value, json};

use crate::checkpoint::Dtype;

/// A tensor that is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    /// Its name.
    pub(super) name: String,
    /// Its sizes.
    pub(super) shape: Vec<usize>,
    /// The type in which it is stored.
    pub(super) stored: Dtype,
    /// The type in which it is written.
    pub(super) dtype: Dtype,
}

impl Written {
    /// How many numbers it has.
    pub(super) fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> u64 {
        (self.elements() * self.dtype.bytes()) as u64
    }
}

/// A file of weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shard {
    /// Its name.
    pub(super) name: String,
    /// Its tensors in the order in which they are written.
    pub(super) tensors: Vec<Written>,
}

/// Puts tensors into files of at most so many bytes, in their order; a larger tensor has a file of its own.
pub(super) fn shards(tensors: Vec<Written>, most: u64) -> Vec<Shard> {
    let mut files: Vec<Vec<Written>> = Vec::new();
    let mut bytes = 0;
    for tensor in tensors {
        match files.last_mut() {
            Some(file) if bytes + tensor.bytes() <= most => {
                bytes += tensor.bytes();
                file.push(tensor);
            }
            _ => {
                bytes = tensor.bytes();
                files.push(vec![tensor]);
            }
        }
    }
    let count = files.len();
    let name = |index: usize| match count {
        1 => "model.safetensors".to_owned(),
        _ => format!("model-{:05}-of-{count:05}.safetensors", index + 1),
    };
    let shard = |(index, mut tensors): (usize, Vec<Written>)| {
        // Wider types first, so that every number lies at a multiple of its size.
        tensors.sort_by_key(|tensor| std::cmp::Reverse(tensor.dtype.bytes()));
        Shard { name: name(index), tensors }
    };
    files.into_iter().enumerate().map(shard).collect()
}

impl Shard {
    /// Bytes of its numbers.
    pub(super) fn bytes(&self) -> u64 {
        self.tensors.iter().map(Written::bytes).sum()
    }

    /// The types of its numbers, each once.
    pub(super) fn dtypes(&self) -> Vec<Dtype> {
        let mut dtypes: Vec<Dtype> = self.tensors.iter().map(|tensor| tensor.dtype).collect();
        dtypes.sort_unstable();
        dtypes.dedup();
        dtypes
    }

    /// What stands before the numbers: the length of the header, and the header, in JSON.
    pub(super) fn header(&self) -> Vec<u8> {
        let mut entries = Map::from_iter([("__metadata__".to_owned(), json!({ "format": "pt" }))]);
        let mut begin = 0;
        for tensor in &self.tensors {
            let end = begin + tensor.bytes();
            let entry =
                json!({ "dtype": safetensors_name(tensor.dtype), "shape": tensor.shape, "data_offsets": [begin, end] });
            entries.insert(tensor.name.clone(), entry);
            begin = end;
        }
        let mut header = Value::Object(entries).to_string().into_bytes();
        header.resize(header.len().next_multiple_of(8), b' ');
        [&(header.len() as u64).to_le_bytes()[..], &header].concat()
    }
}

/// The types of all numbers that are written, each once.
pub(super) fn dtypes(shards: &[Shard]) -> Vec<Dtype> {
    let mut dtypes: Vec<Dtype> = shards.iter().flat_map(Shard::dtypes).collect();
    dtypes.sort_unstable();
    dtypes.dedup();
    dtypes
}

/// The index of several files, which names the file of every tensor.
pub(super) fn index(shards: &[Shard]) -> String {
    let total: u64 = shards.iter().map(Shard::bytes).sum();
    let places = shards.iter().flat_map(|shard| shard.tensors.iter().map(|tensor| (&tensor.name, &shard.name)));
    let mut places: Vec<(&String, &String)> = places.collect();
    places.sort();
    let weights: Map<String, Value> =
        places.into_iter().map(|(tensor, shard)| (tensor.clone(), json!(shard))).collect();
    format!("{:#}\n", json!({ "metadata": { "total_size": total }, "weight_map": weights }))
}

/// The name of a type in safetensors.
fn safetensors_name(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::Bf16 => "BF16",
        Dtype::F16 => "F16",
        _ => "F32",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(name: &str, numbers: usize, dtype: Dtype) -> Written {
        Written { name: name.to_owned(), shape: vec![numbers], stored: dtype, dtype }
    }

    #[test]
    fn files_are_filled_in_order_and_a_large_tensor_stands_alone() {
        let tensors = vec![
            tensor("a", 4, Dtype::Bf16),
            tensor("b", 2, Dtype::F32),
            tensor("c", 9, Dtype::F32),
            tensor("d", 1, Dtype::F32),
        ];
        let files = shards(tensors.clone(), 16);
        let names: Vec<Vec<&str>> =
            files.iter().map(|file| file.tensors.iter().map(|tensor| tensor.name.as_str()).collect()).collect();
        assert_eq!(names, [vec!["b", "a"], vec!["c"], vec!["d"]]);
        assert_eq!(files[1].name, "model-00002-of-00003.safetensors");
        assert_eq!(shards(tensors, 1000)[0].name, "model.safetensors");
        let index: Value = serde_json::from_str(&index(&files)).unwrap();
        assert_eq!(index["metadata"]["total_size"], 56);
        assert_eq!(index["weight_map"]["d"], "model-00003-of-00003.safetensors");
    }

    #[test]
    fn the_header_is_that_of_safetensors() {
        let file = &shards(vec![tensor("a", 3, Dtype::Bf16), tensor("b", 2, Dtype::F32)], 100)[0];
        let header = file.header();
        assert!(header.len().is_multiple_of(8));
        let numbers = vec![0; file.bytes() as usize];
        let whole = [header, numbers].concat();
        let read = safetensors::SafeTensors::deserialize(&whole).unwrap();
        assert_eq!(read.tensor("a").unwrap().shape(), [3]);
        assert_eq!(read.tensor("b").unwrap().dtype(), safetensors::Dtype::F32);
    }
}
