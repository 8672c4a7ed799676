//! The bundled checkpoint with some of its weights replaced: a model whose routing is known beforehand.

use std::{fs, path::Path};

use serde_json::{Map, Value, json};

use super::files::{copy_folder, fixture, read_json};

/// The bundled checkpoint with other weights, in `folder`: `replace` gets the name and the number of elements of each tensor,
/// and returns the bits of its bf16 elements where they are to change. Of the decoder layers the first `layers` are left.
pub(crate) fn planted(folder: &Path, layers: usize, replace: &mut dyn FnMut(&str, usize) -> Option<Vec<u16>>) {
    copy_folder(&fixture("checkpoints/openmoe-tiny-12.3M"), folder);
    let path = folder.join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Map<String, Value> = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let layer = |name: &str| name.strip_prefix("model.layers.")?.split('.').next()?.parse::<usize>().ok();
    let (mut kept, mut data) = (Map::new(), Vec::new());
    for (name, mut tensor) in header.into_iter().filter(|(name, _)| layer(name).is_none_or(|layer| layer < layers)) {
        if name != "__metadata__" {
            let [from, to] = [0, 1].map(|end| 8 + length + tensor["data_offsets"][end].as_u64().unwrap() as usize);
            let start = data.len();
            match replace(&name, (to - from) / 2) {
                Some(values) => data.extend(values.iter().flat_map(|value| value.to_le_bytes())),
                None => data.extend_from_slice(&bytes[from..to]),
            }
            assert_eq!(data.len() - start, to - from, "{name}");
            tensor["data_offsets"] = json!([start, data.len()]);
        }
        kept.insert(name, tensor);
    }
    let header = Value::Object(kept).to_string();
    let file = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &data].concat();
    fs::write(path, file).unwrap();
    let path = folder.join("config.json");
    let mut config = read_json(&path);
    config["num_hidden_layers"] = json!(layers);
    fs::write(path, config.to_string()).unwrap();
}

/// Zeros for the tensors that are meant.
pub(crate) fn zeros(is_meant: impl Fn(&str) -> bool) -> impl FnMut(&str, usize) -> Option<Vec<u16>> {
    move |name, elements| is_meant(name).then(|| vec![0; elements])
}
