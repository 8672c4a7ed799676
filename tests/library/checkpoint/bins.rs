//! Files of `torch.save`, and what is no checkpoint at all.

use super::*;

#[test]
fn what_is_no_checkpoint_folder_gets_its_own_message() {
    let dir = tempfile::tempdir().unwrap();
    assert_refused(
        &dir.path().join("absent"),
        &expect![[r#"
        checkpoint `TEMP/absent` cannot be used: 1 problem
          - the folder does not exist; expected one with `config.json` and weight files

        hint: give the path of a checkpoint, or its name on the hub, such as OrionZheng/openmoe-8b
    "#]],
    );
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    assert_refused(
        &file,
        &expect![[r#"
        checkpoint `TEMP/file` cannot be used: 1 problem
          - it is a file; expected a folder with `config.json` and weight files

        hint: give the folder that holds the file
    "#]],
    );
    assert_refused(
        dir.path(),
        &expect![[r#"
        checkpoint `TEMP` cannot be used: 1 problem
          - there is no `config.json` in it

        hint: give the folder of a checkpoint in the Hugging Face layout: config.json beside the weight files
    "#]],
    );
    fs::copy(fixture("goldens/A_wide_32e/config.json"), dir.path().join("config.json")).unwrap();
    assert_refused(
        dir.path(),
        &expect![[r#"
        checkpoint `TEMP` cannot be used: 1 problem
          - there are no weights in it; expected `model.safetensors`, `model.safetensors.index.json`, `pytorch_model.bin` or `pytorch_model.bin.index.json`

        hint: the download may be incomplete
    "#]],
    );
    fs::write(dir.path().join("model-00001-of-00003.safetensors"), "").unwrap();
    assert_refused(
        dir.path(),
        &expect![[r#"
        checkpoint `TEMP` cannot be used: 1 problem
          - there are no weights in it; expected `model.safetensors`, `model.safetensors.index.json`, `pytorch_model.bin` or `pytorch_model.bin.index.json`; found `model-00001-of-00003.safetensors`

        hint: shards need their index file; download it as well
    "#]],
    );
}

#[test]
fn a_truncated_or_foreign_bin_is_named() {
    let dir = copy("goldens/B_top1_bin");
    let path = dir.path().join("pytorch_model.bin");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert_refused(
        dir.path(),
        &expect![[r#"
        checkpoint `TEMP` cannot be used: 1 problem
          - `pytorch_model.bin` is truncated or not a zip archive (invalid Zip archive: Could not find EOCD); expected what torch.save writes since PyTorch 1.6

        hint: `config.json` and the weight files may come from different checkpoints, or a download is incomplete
    "#]],
    );
    fs::write(&path, "not torch").unwrap();
    assert_refused(
        dir.path(),
        &expect![[r#"
        checkpoint `TEMP` cannot be used: 1 problem
          - `pytorch_model.bin` is truncated or not a zip archive (invalid Zip archive: Could not find EOCD); expected what torch.save writes since PyTorch 1.6

        hint: `config.json` and the weight files may come from different checkpoints, or a download is incomplete
    "#]],
    );
}

#[test]
fn broken_configurations_are_refused_before_the_weights_are_compared() {
    let dir = copy("goldens/C_batch3");
    fs::write(dir.path().join("config.json"), "{").unwrap();
    assert_refused(
        dir.path(),
        &expect![[r#"
            checkpoint `TEMP` cannot be used: 1 problem
              - `config.json` is not valid JSON: EOF while parsing an object at line 1 column 1; expected one JSON object

            hint: fetch `config.json` of the checkpoint again
        "#]],
    );
    fs::write(dir.path().join("config.json"), [0xff, 0xfe]).unwrap();
    assert_refused(
        dir.path(),
        &expect![[r#"
        checkpoint `TEMP` cannot be used: 1 problem
          - `config.json` is not UTF-8 but UTF-16

        hint: save it as UTF-8
    "#]],
    );
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
    assert_refused(
        dir.path(),
        &expect![[r#"
        checkpoint `TEMP` cannot be used: 3 problems
          - tensor `model.layers.0.self_attn.v_proj.weight` in `pytorch_model.bin` names entry `pytorch_model/data/3`, which is not there
          - tensor `model.NORM.weight` in `pytorch_model.bin` is not implied by `config.json`
          - tensor `model.norm.weight` is missing from `pytorch_model.bin`; `config.json` implies shape [48]

        hint: `config.json` and the weight files may come from different checkpoints, or a download is incomplete
    "#]],
    );
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
    assert_refused(
        dir.path(),
        &expect![[r#"
        checkpoint `TEMP` cannot be used: 1 problem
          - `pytorch_model.bin` stores its numbers in byte order `big`; expected `little`

        hint: `config.json` and the weight files may come from different checkpoints, or a download is incomplete
    "#]],
    );
    edit_zip(&path, |name, _| !name.ends_with("data.pkl"));
    assert_refused(
        dir.path(),
        &expect![[r#"
        checkpoint `TEMP` cannot be used: 1 problem
          - `pytorch_model.bin` holds no data.pkl; expected what torch.save writes

        hint: `config.json` and the weight files may come from different checkpoints, or a download is incomplete
    "#]],
    );
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
    assert_refused(
        dir.path(),
        &expect![[r#"
        checkpoint `TEMP` cannot be used: 1 problem
          - tensor `model.embed_tokens.weight` in `pytorch_model.bin` is truncated: it takes bytes 0..30720 of storage `0`, which has 30719

        hint: `config.json` and the weight files may come from different checkpoints, or a download is incomplete
    "#]],
    );
}
