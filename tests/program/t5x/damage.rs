//! Every way in which a T5X checkpoint can be damaged, with its message and exit code.

use std::{fmt::Write as _, fs};

use expect_test::expect;
use rmpv::Value;
use serde_json::json;

use crate::support::{
    program::openmoe_with,
    snapshot::settled,
    t5x_store::{QUERY, Store, case, entries, sizes},
};

/// A name for what is wrong, and what makes it so.
type Damage = (&'static str, fn(&Store));

const CHUNKS: &[Damage] = &[
    ("truncated gzip", |store| {
        let bytes = fs::read(store.query("0.1")).unwrap();
        fs::write(store.query("0.1"), &bytes[..bytes.len() - 5]).unwrap();
    }),
    ("a bit flipped", |store| {
        let mut bytes = fs::read(store.query("0.1")).unwrap();
        let last = bytes.len() - 5;
        bytes[last] ^= 1;
        fs::write(store.query("0.1"), bytes).unwrap();
    }),
    ("a chunk that is too long", |store| store.pack("0.1", &[0; 20])),
    ("a chunk that is too short", |store| store.pack("0.1", &[0; 12])),
    ("a chunk that is not packed", |store| fs::write(store.query("0.1"), [0; 16]).unwrap()),
];

const LISTED: &[Damage] = &[
    ("a missing chunk", |store| fs::remove_file(store.query("0.1")).unwrap()),
    ("another shape in .zarray", |store| store.describe("shape", json!([4, 5]))),
    ("order F", |store| store.describe("order", "F".into())),
    ("filters", |store| store.describe("filters", json!([{"id": "delta"}]))),
    ("blosc", |store| store.describe("compressor", json!({"id": "blosc"}))),
    ("another type", |store| store.describe("dtype", ">f4".into())),
    ("chunks of 0", |store| {
        store.describe("chunks", json!([0, 2]));
        store.reference("metadata.chunks", sizes(&[0, 2]));
    }),
    ("another rank", |store| {
        store.describe("chunks", json!([2]));
        store.reference("metadata.chunks", sizes(&[2]));
    }),
    ("sizes beyond counting", |store| {
        store.describe("shape", json!([u64::MAX, 4]));
        store.reference("metadata.shape", sizes(&[u64::MAX, 4]));
    }),
    (".zarray that is no JSON", |store| fs::write(store.query(".zarray"), "{").unwrap()),
    ("wrong shapes in both", |store| {
        store.describe("shape", json!([4, 3]));
        store.reference("metadata.shape", sizes(&[4, 3]));
    }),
    ("an index that is cut", |store| {
        let bytes = fs::read(store.path("checkpoint")).unwrap();
        fs::write(store.path("checkpoint"), &bytes[..bytes.len() / 2]).unwrap();
    }),
    ("an index that is no msgpack", |store| fs::write(store.path("checkpoint"), [0xc1, 0, 0]).unwrap()),
    ("an index that is too deep", |store| {
        store.at("optimizer.state", |state| {
            *state = (0..80).fold(Value::Nil, |inner, _| Value::Map(vec![("a".into(), inner)]));
        });
    }),
    ("version 1", |store| store.at("version", |version| *version = 1.into())),
    ("version 9", |store| store.at("version", |version| *version = 9.into())),
    ("layers in one array", |store| {
        store.at("optimizer.target.decoder", |decoder| {
            let entries = entries(decoder);
            let layer = entries.iter().position(|(key, _)| key.as_str() == Some("layers_0")).unwrap();
            entries[layer].0 = "decoder".into();
        });
    }),
    ("a missing and an extra array", |store| {
        store.at("optimizer.target.decoder", |decoder| {
            let entries = entries(decoder);
            let norm = entries.iter().position(|(key, _)| key.as_str() == Some("decoder_norm")).unwrap();
            entries[norm].0 = "relpos_bias".into();
        });
    }),
    ("an array twice", |store| {
        store.reference("kvstore.path", "target.decoder.layers_0.self_attention.key.kernel/".into());
    }),
    ("a name twice", |store| {
        store.at("optimizer.target.decoder", |decoder| {
            let first = entries(decoder)[0].clone();
            entries(decoder).push(first);
        });
    }),
    ("an absolute path", |store| store.reference("kvstore.path", "/etc/".into())),
    ("a path that leads out", |store| store.reference("kvstore.path", "../../secret/".into())),
    ("a bucket", |store| {
        store.reference("kvstore.driver", "gcs".into());
        store.at(&format!("optimizer.{QUERY}.kvstore"), |kvstore| {
            entries(kvstore).push(("bucket".into(), "openmoe".into()));
        });
    }),
    ("a text in place of an array", |store| store.at(&format!("optimizer.{QUERY}"), |leaf| *leaf = "here".into())),
    ("Orbax with placeholders", |store| {
        store.at(&format!("optimizer.{QUERY}"), |leaf| *leaf = "PLACEHOLDER://query".into());
    }),
    ("Orbax with OCDBT", |store| fs::write(store.path("manifest.ocdbt"), [0x0c, 0xdb, 0x3a, 0x2a]).unwrap()),
    ("Orbax one level deeper", |store| {
        fs::create_dir(store.path("state")).unwrap();
        fs::rename(store.path("checkpoint"), store.path("state/checkpoint")).unwrap();
    }),
    ("an unfinished step", |store| {
        fs::rename(store.path(""), store.root().join("checkpoint_500.tmp-1690000000")).unwrap();
    }),
    ("two steps", |store| {
        fs::create_dir(store.root().join("checkpoint_1000")).unwrap();
        fs::write(store.root().join("checkpoint_1000/checkpoint"), "").unwrap();
    }),
    ("no config.json", |store| fs::remove_file(store.root().join("config.json")).unwrap()),
    ("the config.json of another family", |store| {
        fs::write(
            store.root().join("config.json"),
            r#"{"architectures": ["MixtralForCausalLM"], "num_local_experts": 2}"#,
        )
        .unwrap();
    }),
];

/// What `inspect`, or with an argument `convert`, says of the folder above the step.
fn messages(damages: &[Damage], convert: bool) -> String {
    let mut all = String::new();
    for (name, damage) in damages {
        let store = Store::new("tiny_f32");
        damage(&store);
        let root = store.root().display().to_string();
        let above = store.root().parent().unwrap().to_path_buf();
        let out = above.join("out").display().to_string();
        let outcome = openmoe_with(&if convert {
            vec!["convert", &root, "--out", &out, "--quiet"]
        } else {
            vec!["inspect", &root]
        });
        let left = fs::read_dir(above).unwrap().count();
        assert_eq!((outcome.stdout.as_str(), left), ("", 1), "{name}: nothing is printed, nothing is left");
        write!(all, "== {name}: {}\n{}", outcome.code, settled(&outcome.stderr)).unwrap();
    }
    all
}

#[test]
fn damaged_chunks_are_found_when_they_are_read() {
    expect![[r#"
        == truncated gzip: 2
        warning: TEMP/t5x: the configuration is that of `TEMP/t5x/config.json`
        warning: TEMP/t5x: the weights are those of training step 500
        error: cannot read `TEMP/t5x/checkpoint_500/target.decoder.layers_0.self_attention.query.kernel`: chunk `target.decoder.layers_0.self_attention.query.kernel/0.1`: unexpected end of file

        hint: the file is damaged: fetch or copy it again
        == a bit flipped: 2
        warning: TEMP/t5x: the configuration is that of `TEMP/t5x/config.json`
        warning: TEMP/t5x: the weights are those of training step 500
        error: cannot read `TEMP/t5x/checkpoint_500/target.decoder.layers_0.self_attention.query.kernel`: chunk `target.decoder.layers_0.self_attention.query.kernel/0.1`: corrupt gzip stream does not have a matching checksum

        hint: the file is damaged: fetch or copy it again
        == a chunk that is too long: 2
        warning: TEMP/t5x: the configuration is that of `TEMP/t5x/config.json`
        warning: TEMP/t5x: the weights are those of training step 500
        error: cannot read `TEMP/t5x/checkpoint_500/target.decoder.layers_0.self_attention.query.kernel`: chunk `target.decoder.layers_0.self_attention.query.kernel/0.1`: unpacks to more than the 16 bytes that the size of a chunk implies

        hint: the file is damaged: fetch or copy it again
        == a chunk that is too short: 2
        warning: TEMP/t5x: the configuration is that of `TEMP/t5x/config.json`
        warning: TEMP/t5x: the weights are those of training step 500
        error: cannot read `TEMP/t5x/checkpoint_500/target.decoder.layers_0.self_attention.query.kernel`: chunk `target.decoder.layers_0.self_attention.query.kernel/0.1`: unpacks to 12 bytes; the size of a chunk implies 16

        hint: the file is damaged: fetch or copy it again
        == a chunk that is not packed: 2
        warning: TEMP/t5x: the configuration is that of `TEMP/t5x/config.json`
        warning: TEMP/t5x: the weights are those of training step 500
        error: cannot read `TEMP/t5x/checkpoint_500/target.decoder.layers_0.self_attention.query.kernel`: chunk `target.decoder.layers_0.self_attention.query.kernel/0.1`: invalid gzip header

        hint: the file is damaged: fetch or copy it again
    "#]].assert_eq(&messages(CHUNKS, true));
}

#[test]
fn everything_else_is_found_when_a_checkpoint_is_opened() {
    expect![[r#"
        == a missing chunk: 2
        error: checkpoint `TEMP/t5x` cannot be used: 1 problem
          - array `target.decoder.layers_0.self_attention.query.kernel` lacks 1 of its 4 chunk files: `target.decoder.layers_0.self_attention.query.kernel/0.1`

        hint: the download may be incomplete, or the step is of another model: fetch the folder again, or give its own config.json
        == another shape in .zarray: 2
        error: checkpoint `TEMP/t5x` cannot be used: 1 problem
          - array `target.decoder.layers_0.self_attention.query.kernel` has shape [4, 5] by its `.zarray` and [4, 4] by the index; expected the same

        hint: the download may be incomplete, or the step is of another model: fetch the folder again, or give its own config.json
        == order F: 2
        error: checkpoint `TEMP/t5x` cannot be used: 1 problem
          - array `target.decoder.layers_0.self_attention.query.kernel` is stored in order `F`; expected `C`, row by row

        hint: the download may be incomplete, or the step is of another model: fetch the folder again, or give its own config.json
        == filters: 2
        error: checkpoint `TEMP/t5x` cannot be used: 1 problem
          - array `target.decoder.layers_0.self_attention.query.kernel` has filters `[{"id":"delta"}]`; expected none

        hint: the download may be incomplete, or the step is of another model: fetch the folder again, or give its own config.json
        == blosc: 2
        error: checkpoint `TEMP/t5x` cannot be used: 1 problem
          - array `target.decoder.layers_0.self_attention.query.kernel` is packed with `blosc`; expected gzip or zlib

        hint: the download may be incomplete, or the step is of another model: fetch the folder again, or give its own config.json
        == another type: 2
        error: checkpoint `TEMP/t5x` cannot be used: 1 problem
          - array `target.decoder.layers_0.self_attention.query.kernel` has the unsupported type `>f4`; expected float32 or bfloat16

        hint: the download may be incomplete, or the step is of another model: fetch the folder again, or give its own config.json
        == chunks of 0: 2
        error: checkpoint `TEMP/t5x` cannot be used: 1 problem
          - array `target.decoder.layers_0.self_attention.query.kernel` has chunks of [0, 2]; expected sizes above 0

        hint: the download may be incomplete, or the step is of another model: fetch the folder again, or give its own config.json
        == another rank: 2
        error: checkpoint `TEMP/t5x` cannot be used: 1 problem
          - array `target.decoder.layers_0.self_attention.query.kernel` has shape [4, 4] in chunks of [2]; expected as many sizes in both

        hint: the download may be incomplete, or the step is of another model: fetch the folder again, or give its own config.json
        == sizes beyond counting: 2
        error: checkpoint `TEMP/t5x` cannot be used: 1 problem
          - array `target.decoder.layers_0.self_attention.query.kernel` has shape [18446744073709551615, 4] in chunks of [2, 2], more than can be counted

        hint: the download may be incomplete, or the step is of another model: fetch the folder again, or give its own config.json
        == .zarray that is no JSON: 2
        error: checkpoint `TEMP/t5x` cannot be used: 1 problem
          - array `target.decoder.layers_0.self_attention.query.kernel` has a `.zarray` that is not valid JSON: EOF while parsing an object at line 1 column 1

        hint: the download may be incomplete, or the step is of another model: fetch the folder again, or give its own config.json
        == wrong shapes in both: 2
        error: checkpoint `TEMP/t5x` cannot be used: 1 problem
          - array `target.decoder.layers_0.self_attention.query.kernel` has shape [4, 3]; `TEMP/t5x/config.json` implies [4, 4]

        hint: the download may be incomplete, or the step is of another model: fetch the folder again, or give its own config.json
        == an index that is cut: 2
        error: checkpoint `TEMP/t5x` cannot be used: 1 problem
          - `checkpoint` is truncated, or no msgpack: it ends after 2375 bytes within a value

        hint: the download may be incomplete, or the step is of another model: fetch the folder again, or give its own config.json
        == an index that is no msgpack: 2
        error: checkpoint `TEMP/t5x` cannot be used: 1 problem
          - `checkpoint` has 2 bytes behind its msgpack; expected none

        hint: the download may be incomplete, or the step is of another model: fetch the folder again, or give its own config.json
        == an index that is too deep: 2
        error: checkpoint `TEMP/t5x` cannot be used: 1 problem
          - `checkpoint` is nested more than 64 deep; expected the index that T5X writes

        hint: the download may be incomplete, or the step is of another model: fetch the folder again, or give its own config.json
        == version 1: 2
        error: checkpoint `TEMP/t5x` cannot be used: 1 problem
          - `checkpoint` has version 1 and 26 arrays in folders of their own; expected version 2 or 3, the first ones with such arrays

        hint: the download may be incomplete, or the step is of another model: fetch the folder again, or give its own config.json
        == version 9: 2
        error: checkpoint `TEMP/t5x` cannot be used: 1 problem
          - `checkpoint` has version 9; expected 2 or 3

        hint: the download may be incomplete, or the step is of another model: fetch the folder again, or give its own config.json
        == layers in one array: 2
        error: checkpoint `TEMP/t5x` cannot be used: 1 problem
          - 9 arrays hold all layers in one (scan_layers), such as `target.decoder.decoder.mlp.wi_0.kernel`; expected arrays of `target.decoder.layers_0` and so on

        hint: OpenMoE was trained with scan_layers = False; another model of T5X is not read
        == a missing and an extra array: 2
        error: checkpoint `TEMP/t5x` cannot be used: 2 problems
          - array `target.decoder.decoder_norm.scale` is missing; `TEMP/t5x/config.json` implies shape [4]
          - array `target.decoder.relpos_bias.scale` is not implied by `TEMP/t5x/config.json`

        hint: the download may be incomplete, or the step is of another model: fetch the folder again, or give its own config.json
        == an array twice: 2
        error: checkpoint `TEMP/t5x` cannot be used: 1 problem
          - array `target.decoder.layers_0.self_attention.query.kernel` lies in `target.decoder.layers_0.self_attention.key.kernel`, as another array does; expected a folder for each

        hint: the download may be incomplete, or the step is of another model: fetch the folder again, or give its own config.json
        == a name twice: 2
        error: checkpoint `TEMP/t5x` cannot be used: 1 problem
          - array `target.decoder.decoder_norm` is in `checkpoint` twice; expected it once

        hint: the download may be incomplete, or the step is of another model: fetch the folder again, or give its own config.json
        == an absolute path: 2
        error: checkpoint `TEMP/t5x` cannot be used: 1 problem
          - array `target.decoder.layers_0.self_attention.query.kernel` lies in `/etc/`, which is no folder within that of the step

        hint: the download may be incomplete, or the step is of another model: fetch the folder again, or give its own config.json
        == a path that leads out: 2
        error: checkpoint `TEMP/t5x` cannot be used: 1 problem
          - array `target.decoder.layers_0.self_attention.query.kernel` lies in `../../secret/`, which is no folder within that of the step

        hint: the download may be incomplete, or the step is of another model: fetch the folder again, or give its own config.json
        == a bucket: 2
        error: checkpoint `TEMP/t5x` cannot be used: 1 problem
          - array `target.decoder.layers_0.self_attention.query.kernel` lies in the bucket `openmoe`, and is not part of this folder; expected `t5x-dummy-bucket`, which stands for the folder

        hint: the download may be incomplete, or the step is of another model: fetch the folder again, or give its own config.json
        == a text in place of an array: 2
        error: checkpoint `TEMP/t5x` cannot be used: 1 problem
          - array `target.decoder.layers_0.self_attention.query.kernel` is a text; expected an array

        hint: the download may be incomplete, or the step is of another model: fetch the folder again, or give its own config.json
        == Orbax with placeholders: 2
        error: checkpoint `TEMP/t5x` cannot be used: 1 problem
          - `checkpoint` has placeholders for arrays, as Orbax writes it; expected the index that T5X writes

        hint: restore it with Orbax and save it with T5X's own checkpointer (use_orbax = False), or fetch the PyTorch checkpoint of the same training
        == Orbax with OCDBT: 2
        error: checkpoint `TEMP/t5x` cannot be used: 1 problem
          - `checkpoint_500` in it holds `manifest.ocdbt`: Orbax wrote it, not T5X's own checkpointer

        hint: restore it with Orbax and save it with T5X's own checkpointer (use_orbax = False), or fetch the PyTorch checkpoint of the same training
        == Orbax one level deeper: 2
        error: checkpoint `TEMP/t5x` cannot be used: 1 problem
          - `checkpoint_500` in it holds `state/checkpoint`: Orbax wrote it, not T5X's own checkpointer

        hint: restore it with Orbax and save it with T5X's own checkpointer (use_orbax = False), or fetch the PyTorch checkpoint of the same training
        == an unfinished step: 2
        error: checkpoint `TEMP/t5x` cannot be used: 1 problem
          - it holds no finished step, only `checkpoint_500TEMP-1690000000`

        hint: give the folder of a finished step, checkpoint_N
        == two steps: 2
        error: checkpoint `TEMP/t5x` cannot be used: 1 problem
          - it holds 2 steps: `checkpoint_500`, `checkpoint_1000`

        hint: give the folder of one of them
        == no config.json: 2
        error: checkpoint `TEMP/t5x` cannot be used: 1 problem
          - there is no `config.json`, and the shapes of the arrays are those of no released OpenMoE (base, 8b, 34b): hidden 4, intermediate 4, 2 layers, experts in every layer that 2 divides, 2 experts, 4 numbers for all heads of a query

        hint: put the `config.json` of the model beside the step, or name it with --config: shapes do not tell how many heads share the numbers of a query
        == the config.json of another family: 2
        error: checkpoint `TEMP/t5x` cannot be used: 7 problems
          - `TEMP/t5x/config.json`: `hidden_size` is missing; expected a positive integer
          - `TEMP/t5x/config.json`: `max_position_embeddings` is missing; expected a positive integer
          - `TEMP/t5x/config.json`: `num_hidden_layers` is missing; expected a positive integer
          - `TEMP/t5x/config.json`: `vocab_size` is missing; expected a positive integer
          - `TEMP/t5x/config.json`: `num_attention_heads` is missing; expected a positive integer
          - `TEMP/t5x/config.json`: `intermediate_size` is missing; expected a positive integer
          - `TEMP/t5x/config.json`: `num_experts_per_tok` is missing; expected a positive integer

        hint: give the config.json of the same model, as the PyTorch checkpoint has it
    "#]].assert_eq(&messages(LISTED, false));
}

#[test]
fn damaged_archives() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = fs::read(case("C_batch3.zip")).unwrap();
    let mut all = String::new();
    let mut refused = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let outcome = openmoe_with(&["inspect", path.to_str().unwrap()]);
        write!(all, "== {name}: {}\n{}", outcome.code, settled(&outcome.stderr)).unwrap();
    };
    refused("cut.zip", &bytes[..bytes.len() / 2]);
    let mut other = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for name in ["readme.txt", "weights/model.safetensors"] {
        other.start_file(name, stored).unwrap();
    }
    refused("without.zip", &other.finish().unwrap().into_inner());
    let mut two = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for name in ["a/checkpoint_1/checkpoint", "a/checkpoint_2/checkpoint", "a/checkpoint_3.tmp-17/checkpoint"] {
        two.start_file(name, stored).unwrap();
    }
    refused("two.zip", &two.finish().unwrap().into_inner());
    // A byte of the index, which is stored in this archive.
    let mut flipped = fs::read(case("D_bf16.zip")).unwrap();
    let place = flipped.windows(9).position(|bytes| bytes == b"optimizer").unwrap();
    flipped[place + 1] ^= 0x20;
    refused("flipped.zip", &flipped);
    expect![[r#"
        == cut.zip: 2
        error: checkpoint `TEMP/cut.zip` cannot be used: 1 problem
          - it is truncated or not a ZIP archive (invalid Zip archive: Could not find EOCD)

        hint: fetch the file again
        == without.zip: 2
        error: checkpoint `TEMP/without.zip` cannot be used: 1 problem
          - it is a ZIP archive without an entry `checkpoint`, the index of a T5X checkpoint

        hint: expected a ZIP of the folder of a T5X checkpoint; for any other checkpoint give its folder
        == two.zip: 2
        error: checkpoint `TEMP/two.zip` cannot be used: 1 problem
          - it is a ZIP archive of 2 steps: `a/checkpoint_1`, `a/checkpoint_2`

        hint: unpack it, and give the folder of one of them
        == flipped.zip: 2
        error: checkpoint `TEMP/flipped.zip` cannot be used: 1 problem
          - `checkpoint` cannot be read: has not the checksum that the ZIP archive records

        hint: the download may be incomplete, or the step is of another model: fetch the folder again, or give its own config.json
    "#]].assert_eq(&all);
}

#[test]
fn a_configuration_that_cannot_be_meant() {
    let store = Store::new("tiny_f32");
    fs::remove_file(store.root().join("config.json")).unwrap();
    let root = store.root().display().to_string();
    let other = store.root().parent().unwrap().join("other.json");
    let other = other.to_str().unwrap();
    let mut all = String::new();
    for (content, typed) in
        [("", "nonsense"), ("", "34B"), ("a", other), ("{}", other), (r#"{"model_type": "llama"}"#, other)]
    {
        fs::write(other, content).unwrap();
        let outcome = openmoe_with(&["inspect", &root, "--config", typed]);
        // Every array has another shape than in the released model.
        let lines = settled(&outcome.stderr).split_inclusive('\n').take(2).collect::<String>();
        write!(all, "== {typed}: {}\n{lines}", outcome.code).unwrap();
    }
    let without = openmoe_with(&["inspect", &root]);
    write!(all, "== without: {}\n{}", without.code, settled(&without.stderr)).unwrap();
    let said = [
        "== nonsense: 2\nerror: --config nonsense is neither a released model nor a file; expected base, 8b, 34b, or",
        "== 34B: 2\nerror: checkpoint",
        "other.json` is not valid JSON: ",
        "other.json` describes a model that is not supported: ",
        "beside the step, or name it with --config: shapes do not tell",
    ];
    assert!(said.iter().all(|said| all.contains(said)), "{all}");
    assert!(!all.contains("`config.json` is not"), "{all}");
}
