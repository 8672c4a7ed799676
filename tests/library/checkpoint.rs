//! Checkpoints of every container, and every way in which one can be broken.

use std::{fs, path::Path};

use openmoe_analyze::{
    checkpoint::{Checkpoint, Dtype, sha256_file},
    error::Error,
    routing::CapacityRule,
};
use safetensors::SafeTensors;

use crate::support::files::{copy_folder, fixture};

/// A copy of a fixture folder that a test may break.
fn copy(name: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy_folder(&fixture(name), dir.path());
    dir
}

fn problems(dir: &Path) -> Vec<String> {
    match Checkpoint::open(dir) {
        Err(Error::Checkpoint { problems, hint, .. }) => {
            assert!(hint.is_some());
            problems
        }
        other => panic!("{other:?}"),
    }
}

/// Exactly these problems, each with these parts.
fn assert_problems(dir: &Path, expected: &[&[&str]]) {
    let found = problems(dir);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for parts in expected {
        assert!(found.iter().any(|line| parts.iter().all(|part| line.contains(part))), "{parts:?} in {found:#?}");
    }
}

/// Rewrites the JSON header of a safetensors file; the data stay.
fn edit_header(path: &Path, edit: impl Fn(&mut serde_json::Map<String, serde_json::Value>)) {
    let bytes = fs::read(path).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    edit(&mut header);
    let json = serde_json::to_vec(&header).unwrap();
    let mut new = (json.len() as u64).to_le_bytes().to_vec();
    new.extend(json);
    new.extend(&bytes[8 + length..]);
    fs::write(path, new).unwrap();
}

fn edit_json(path: &Path, edit: impl Fn(&mut serde_json::Value)) {
    let mut value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    edit(&mut value);
    fs::write(path, value.to_string()).unwrap();
}

#[test]
fn every_container_opens() {
    for (name, files, dtype, tensors) in [
        ("goldens/A_wide_32e", 3, Dtype::F32, 121),
        ("goldens/B_top1_bin", 1, Dtype::F32, 49),
        ("goldens/C_batch3", 1, Dtype::F32, 67),
        ("goldens/D_bf16", 1, Dtype::Bf16, 49),
        ("checkpoints/openmoe-tiny-12.3M", 1, Dtype::Bf16, 72),
    ] {
        let checkpoint = Checkpoint::open(&fixture(name)).unwrap();
        assert_eq!(checkpoint.files().len(), files, "{name}");
        let count = checkpoint.config().parameter_count();
        let [dtypes] = checkpoint.dtypes()[..] else { panic!("{name}") };
        assert_eq!((dtypes.dtype, dtypes.tensors, dtypes.parameters), (dtype, tensors, count.total), "{name}");
    }
}

#[test]
fn safetensors_are_read_as_the_reference_crate_reads_them() {
    for name in ["goldens/C_batch3", "goldens/D_bf16"] {
        let checkpoint = Checkpoint::open(&fixture(name)).unwrap();
        let bytes = fs::read(fixture(name).join("model.safetensors")).unwrap();
        let reference = SafeTensors::deserialize(&bytes).unwrap();
        let mut numbers = Vec::new();
        for (tensor, view) in reference.iter() {
            let expected: Vec<f32> = match view.dtype() {
                safetensors::Dtype::F32 => {
                    view.data().chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
                }
                _ => view.data().chunks(2).map(|b| half::bf16::from_le_bytes(b.try_into().unwrap()).to_f32()).collect(),
            };
            assert_eq!(checkpoint.shape(tensor).unwrap(), view.shape());
            checkpoint.read(tensor, &mut numbers).unwrap();
            assert_eq!(numbers, expected, "{tensor}");
            let (first, count) = (expected.len() / 3, expected.len() / 2);
            checkpoint.read_part(tensor, first, count, &mut numbers).unwrap();
            assert_eq!(numbers, expected[first..first + count], "{tensor}");
        }
    }
}

#[test]
fn a_bin_is_read_as_candle_reads_it() {
    let checkpoint = Checkpoint::open(&fixture("goldens/B_top1_bin")).unwrap();
    let all = candle_core::pickle::read_all(fixture("goldens/B_top1_bin/pytorch_model.bin")).unwrap();
    assert_eq!(all.len(), 49);
    let mut numbers = Vec::new();
    for (name, tensor) in all {
        assert_eq!(checkpoint.shape(&name).unwrap(), tensor.dims());
        checkpoint.read(&name, &mut numbers).unwrap();
        assert_eq!(numbers, tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap(), "{name}");
    }
}

#[test]
fn parts_beyond_the_tensor_and_unknown_names_are_errors() {
    let checkpoint = Checkpoint::open(&fixture("goldens/C_batch3")).unwrap();
    let mut out = Vec::new();
    // model.norm.weight has 40 elements.
    checkpoint.read_part("model.norm.weight", 39, 1, &mut out).unwrap();
    assert!(checkpoint.read_part("model.norm.weight", 39, 2, &mut out).is_err());
    assert!(checkpoint.read_part("model.norm.weight", usize::MAX, 2, &mut out).is_err());
    assert!(checkpoint.read("model.norm.bias", &mut out).unwrap_err().to_string().contains("model.norm.bias"));
}

#[test]
fn router_settings_come_from_the_configuration() {
    let config = Checkpoint::open(&fixture("goldens/B_top1_bin")).unwrap().config().clone();
    let settings = config.router_settings(CapacityRule::Port, None);
    assert_eq!((settings.num_experts, settings.top_k, settings.capacity_factor, settings.min_capacity), (8, 1, 2.0, 3));
    assert_eq!(config.router_settings(CapacityRule::T5x, Some(1.25)).capacity_factor, 1.25);
    assert_eq!(config.moe_layers(), [1, 3]);
}

#[test]
fn threads_can_share_a_checkpoint() {
    fn shared<T: Sync + Send>(_: &T) {}
    shared(&Checkpoint::open(&fixture("goldens/C_batch3")).unwrap());
}

#[test]
fn what_is_no_checkpoint_folder_gets_its_own_message() {
    let dir = tempfile::tempdir().unwrap();
    assert_problems(&dir.path().join("absent"), &[&["does not exist"]]);
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    assert_problems(&file, &[&["is a file"]]);
    assert_problems(dir.path(), &[&["no `config.json`"]]);
    fs::copy(fixture("goldens/A_wide_32e/config.json"), dir.path().join("config.json")).unwrap();
    assert_problems(dir.path(), &[&["no weights", "`pytorch_model.bin.index.json`"]]);
    fs::write(dir.path().join("model-00001-of-00003.safetensors"), "").unwrap();
    assert_problems(dir.path(), &[&["no weights", "found `model-00001-of-00003.safetensors`"]]);
}

#[test]
fn all_problems_of_all_kinds_stand_in_one_error() {
    let dir = copy("goldens/A_wide_32e");
    let shard = |number: usize| dir.path().join(format!("model-0000{number}-of-00003.safetensors"));
    let bytes = fs::read(shard(1)).unwrap();
    fs::write(shard(1), &bytes[..bytes.len() - 1]).unwrap();
    fs::remove_file(shard(2)).unwrap();
    edit_json(&dir.path().join("config.json"), |config| config["hidden_act"] = "gelu".into());
    let text = Checkpoint::open(dir.path()).unwrap_err().to_string();
    let parts = [
        "3 problems",
        "`hidden_act` is gelu",
        "shard",
        "is truncated: its header describes 609200 bytes, the file has 609199; cut off: `",
    ];
    for part in parts.into_iter().filter(|part| *part != "shard") {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(
        text.contains("names `model-00002-of-00003.safetensors`, which does not exist; it should hold `"),
        "{text}"
    );
}

#[test]
fn missing_extra_and_misshaped_tensors_are_named_with_file_and_shape() {
    let dir = copy("goldens/C_batch3");
    edit_header(&dir.path().join("model.safetensors"), |header| {
        let gate = header.remove("model.layers.2.mlp.gate_weight").unwrap();
        header.insert("model.layers.2.mlp.gate".into(), gate);
        header["model.layers.5.mlp.gate_weight"]["shape"] = serde_json::json!([40, 16]);
    });
    assert_problems(
        dir.path(),
        &[
            &["tensor `model.layers.2.mlp.gate_weight` is missing from `model.safetensors`", "implies shape [16, 40]"],
            &["tensor `model.layers.2.mlp.gate` in `model.safetensors` is not implied"],
            &["tensor `model.layers.5.mlp.gate_weight` in `model.safetensors` has shape [40, 16]; \
                 `config.json` implies [16, 40]"],
        ],
    );
}

#[test]
fn many_missing_tensors_are_grouped_and_all_named() {
    let dir = copy("goldens/C_batch3");
    edit_json(&dir.path().join("config.json"), |config| config["num_hidden_layers"] = 8.into());
    // Layers 6 and 7 are dense: nine kinds of tensors, six of them norms or projections of one shape each.
    let found = problems(dir.path());
    assert_eq!(found.len(), 9, "{found:#?}");
    let line = found.iter().find(|line| line.contains("q_proj")).unwrap();
    assert!(line.contains("`model.layers.6.self_attn.q_proj.weight`, `model.layers.7.self_attn.q_proj.weight`"));
}

#[test]
fn unsupported_types_and_wrong_sizes_are_named() {
    let dir = copy("goldens/C_batch3");
    edit_header(&dir.path().join("model.safetensors"), |header| {
        header["model.norm.weight"]["dtype"] = "I64".into();
        header["lm_head.weight"]["dtype"] = "BF16".into();
        header["model.embed_tokens.weight"] = "here".into();
    });
    assert_problems(
        dir.path(),
        &[
            &["`model.norm.weight`", "`model.safetensors`", "unsupported type I64"],
            // 160 * 40 numbers of 4 bytes that call themselves bf16.
            &["`lm_head.weight`", "takes 25600 bytes", "implies 12800"],
            &["`model.embed_tokens.weight`", "broken entry"],
        ],
    );
}

#[test]
fn truncation_at_every_place_is_seen() {
    let dir = copy("goldens/C_batch3");
    let path = dir.path().join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    for length in [0, 7, 100, bytes.len() - 1] {
        fs::write(&path, &bytes[..length]).unwrap();
        let found = problems(dir.path());
        assert!(found.len() == 1 && found[0].contains("`model.safetensors`"), "{length}: {found:#?}");
    }
    fs::write(&path, [bytes, vec![0]].concat()).unwrap();
    assert_problems(dir.path(), &[&["the last 1 belong to nothing"]]);
    fs::write(&path, [0xff; 64]).unwrap();
    assert_problems(dir.path(), &[&["not a safetensors file"]]);
}

#[test]
fn a_truncated_or_foreign_bin_is_named() {
    let dir = copy("goldens/B_top1_bin");
    let path = dir.path().join("pytorch_model.bin");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert_problems(dir.path(), &[&["`pytorch_model.bin` is truncated or not a zip archive"]]);
    fs::write(&path, "not torch").unwrap();
    assert_problems(dir.path(), &[&["`pytorch_model.bin` is truncated or not a zip archive"]]);
}

#[test]
fn the_index_is_held_against_the_shards() {
    let dir = copy("goldens/A_wide_32e");
    let index = dir.path().join("model.safetensors.index.json");
    edit_json(&index, |index| {
        let map = index["weight_map"].as_object_mut().unwrap();
        map["lm_head.weight"] = "model-00001-of-00003.safetensors".into();
    });
    let text: serde_json::Value =
        serde_json::from_slice(&fs::read(fixture("goldens/A_wide_32e/model.safetensors.index.json")).unwrap()).unwrap();
    let home = text["weight_map"]["lm_head.weight"].as_str().unwrap();
    assert_ne!(home, "model-00001-of-00003.safetensors", "the test must move it");
    assert_problems(
        dir.path(),
        &[
            &["says that tensor `lm_head.weight` is in `model-00001-of-00003.safetensors`; that file does not have it"],
            &["tensor `lm_head.weight`", home, "is not said to be there"],
        ],
    );
    fs::write(&index, "{}").unwrap();
    assert_problems(dir.path(), &[&["`model.safetensors.index.json` is not an index", "weight_map"]]);
    fs::write(&index, r#"{"weight_map": {"a": "../x.safetensors"}}"#).unwrap();
    assert!(problems(dir.path())[0].contains("not a file name of this folder"));
}

#[test]
fn duplicates_in_one_file_and_across_shards_are_named() {
    let dir = copy("goldens/C_batch3");
    let path = dir.path().join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let json = String::from_utf8(bytes[8..8 + length].to_vec()).unwrap();
    let entry = &json[json.find("\"model.norm.weight\"").unwrap()..];
    let entry = &entry[..=entry.find('}').unwrap()];
    let json = json.replacen(entry, &format!("{entry},{entry}"), 1);
    fs::write(&path, [&(json.len() as u64).to_le_bytes(), json.as_bytes(), &bytes[8 + length..]].concat()).unwrap();
    assert_problems(
        dir.path(),
        &[&["`model.norm.weight` is in `model.safetensors` twice"], &["`model.norm.weight`", "share bytes"]],
    );
}

#[test]
fn rotary_buffers_are_ignored() {
    let dir = copy("goldens/C_batch3");
    edit_header(&dir.path().join("model.safetensors"), |header| {
        let buffer = serde_json::json!({"dtype": "F32", "shape": [0], "data_offsets": [0, 0]});
        header.insert("model.layers.0.self_attn.rotary_emb.inv_freq".into(), buffer);
    });
    Checkpoint::open(dir.path()).unwrap();
}

#[test]
fn broken_configurations_are_refused_before_the_weights_are_compared() {
    let dir = copy("goldens/C_batch3");
    fs::write(dir.path().join("config.json"), "{").unwrap();
    assert_problems(dir.path(), &[&["`config.json` is not valid JSON"]]);
    fs::write(dir.path().join("config.json"), [0xff, 0xfe]).unwrap();
    assert_problems(dir.path(), &[&["`config.json` is not UTF-8"]]);
}

#[test]
fn hashes_are_those_of_the_corpus_manifest() {
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(fixture("corpora/manifest.json")).unwrap()).unwrap();
    for file in manifest.as_array().unwrap().iter().filter(|file| file["sha256"].is_string()) {
        let path = fixture("corpora").join(file["path"].as_str().unwrap());
        assert_eq!(sha256_file(&path).unwrap(), file["sha256"].as_str().unwrap(), "{}", path.display());
    }
}

/// Rewrites a torch zip; `edit` gets each entry's name and bytes and says how it is stored.
fn edit_zip(path: &Path, edit: impl Fn(&str, &mut Vec<u8>) -> bool) {
    let mut archive = zip::ZipArchive::new(fs::File::open(path).unwrap()).unwrap();
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).unwrap();
        let name = entry.name().unwrap().into_owned();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
        if edit(&name, &mut bytes) {
            let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
            writer.start_file(name, stored).unwrap();
            std::io::Write::write_all(&mut writer, &bytes).unwrap();
        }
    }
    fs::write(path, writer.finish().unwrap().into_inner()).unwrap();
}

/// Puts `new` in the place of the only `old`.
fn replace_bytes(bytes: &mut Vec<u8>, old: &[u8], new: &[u8]) {
    let at = bytes.windows(old.len()).position(|window| window == old).unwrap();
    bytes.splice(at..at + old.len(), new.iter().copied());
}

#[test]
fn what_is_wrong_inside_a_bin_is_named() {
    let dir = copy("goldens/B_top1_bin");
    let path = dir.path().join("pytorch_model.bin");
    edit_zip(&path, |name, bytes| {
        if name.ends_with("data.pkl") {
            replace_bytes(bytes, b"model.norm.", b"model.NORM.");
        }
        !name.ends_with("data/3")
    });
    let found = problems(dir.path());
    for part in ["`model.NORM.weight`", "`model.norm.weight` is missing", "data/3`"] {
        assert!(found.iter().any(|line| line.contains(part)), "{part}: {found:#?}");
    }
    edit_zip(&path, |name, bytes| {
        if name.ends_with("data.pkl") {
            replace_bytes(bytes, b"FloatStorage", b"DoubleStorage");
        }
        true
    });
    let found = problems(dir.path());
    assert_eq!(found.len(), 49);
    assert!(found.iter().all(|line| line.contains("unsupported type `DoubleStorage`")), "{found:#?}");
    edit_zip(&path, |name, bytes| {
        if name.ends_with("byteorder") {
            *bytes = b"big".to_vec();
        }
        true
    });
    assert_problems(dir.path(), &[&["byte order `big`", "expected `little`"]]);
    edit_zip(&path, |name, _| !name.ends_with("data.pkl"));
    assert_problems(dir.path(), &[&["holds no data.pkl"]]);
}

#[test]
fn a_short_storage_is_named() {
    let dir = copy("goldens/B_top1_bin");
    edit_zip(&dir.path().join("pytorch_model.bin"), |name, bytes| {
        if name.ends_with("data/0") {
            bytes.pop();
        }
        true
    });
    assert_problems(dir.path(), &[&["is truncated: it takes bytes 0..30720 of storage `0`, which has 30719"]]);
}

#[test]
fn shards_of_bins_open() {
    // The one file under a shard's name, with an index that names it for every tensor.
    let dir = copy("goldens/B_top1_bin");
    let whole = Checkpoint::open(dir.path()).unwrap();
    let shard = "pytorch_model-00001-of-00001.bin";
    let map: serde_json::Map<_, _> =
        whole.config().tensors().into_iter().map(|tensor| (tensor.name, shard.into())).collect();
    fs::rename(dir.path().join("pytorch_model.bin"), dir.path().join(shard)).unwrap();
    let index = serde_json::json!({"metadata": {"total_size": 0}, "weight_map": map});
    fs::write(dir.path().join("pytorch_model.bin.index.json"), index.to_string()).unwrap();
    let sharded = Checkpoint::open(dir.path()).unwrap();
    assert_eq!(sharded.files()[0].path, dir.path().join(shard));
    let (mut expected, mut found) = (Vec::new(), Vec::new());
    whole.read("model.layers.1.mlp.experts.wo", &mut expected).unwrap();
    sharded.read("model.layers.1.mlp.experts.wo", &mut found).unwrap();
    assert!(!found.is_empty() && found == expected);
}

#[test]
fn damaged_bytes_never_panic() {
    for name in ["goldens/B_top1_bin", "goldens/C_batch3", "goldens/A_wide_32e"] {
        let dir = copy(name);
        let mut files: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| !path.ends_with("goldens.safetensors"));
        files.sort();
        for path in files {
            let bytes = fs::read(&path).unwrap();
            // Headers stand at the start (safetensors, JSON) or at the end (zip).
            for step in 0..60 {
                let at = if step % 2 == 0 {
                    (step * 37) % bytes.len().min(6000)
                } else {
                    bytes.len() - 1 - step * 17 % bytes.len()
                };
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << (step % 8);
                fs::write(&path, damaged).unwrap();
                if let Err(error) = Checkpoint::open(dir.path()) {
                    assert_eq!(error.exit_code(), 2, "{error}");
                }
            }
            fs::write(&path, bytes).unwrap();
        }
        Checkpoint::open(dir.path()).unwrap();
    }
}
