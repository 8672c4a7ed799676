//! Every container of weights opens, and gives the numbers that the reference reads.

use super::*;

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
        let count = checkpoint.map().parameter_count();
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
    expect![[r#"
        internal error: tensor `model.norm.bias` was asked for; `fixtures/goldens/C_batch3` has none of that name
    "#]]
    .assert_eq(&told(&checkpoint.read("model.norm.bias", &mut out).unwrap_err()));
}

#[test]
fn router_settings_come_from_the_configuration() {
    let config = Checkpoint::open(&fixture("goldens/B_top1_bin")).unwrap().architecture().clone();
    let settings = config.router_settings(None, None);
    assert_eq!((settings.num_experts, settings.top_k, settings.capacity_factor, settings.min_capacity), (8, 1, 2.0, 3));
    assert_eq!(config.router_settings(Some(CapacityRule::T5x), Some(1.25)).capacity_factor, 1.25);
    assert_eq!(config.moe_layers(), [1, 3]);
}

#[test]
fn threads_can_share_a_checkpoint() {
    fn shared<T: Sync + Send>(_: &T) {}
    shared(&Checkpoint::open(&fixture("goldens/C_batch3")).unwrap());
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
fn hashes_are_those_of_the_corpus_manifest() {
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(fixture("corpora/manifest.json")).unwrap()).unwrap();
    for file in manifest.as_array().unwrap().iter().filter(|file| file["sha256"].is_string()) {
        let path = fixture("corpora").join(file["path"].as_str().unwrap());
        assert_eq!(sha256_file(&path).unwrap(), file["sha256"].as_str().unwrap(), "{}", path.display());
    }
}

#[test]
fn shards_of_bins_open() {
    // The one file under a shard's name, with an index that names it for every tensor.
    let dir = copy("goldens/B_top1_bin");
    let whole = Checkpoint::open(dir.path()).unwrap();
    let shard = "pytorch_model-00001-of-00001.bin";
    let map: serde_json::Map<_, _> =
        whole.map().expected().into_iter().map(|tensor| (tensor.name, shard.into())).collect();
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
