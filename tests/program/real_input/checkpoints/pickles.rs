//! Files of `torch.save`, old and new, whole and cut.

use super::*;

#[test]
fn every_form_of_torch_save_gives_the_same_numbers() {
    let plain = Bench::tiny("plain.safetensors", WEIGHTS).open();
    for (file, notes) in [
        (
            "old_protocol_2.bin",
            expect![[r#"
            `pytorch_model.bin`: the dict `model_state_dict` in it holds the 26 tensors; tensors not used: 1 outside of every dict
            the names of all 26 tensors begin with `module.`; they are read without it"#]],
        ),
        ("old_protocol_4.bin", expect![[""]]),
        (
            "wrapped_protocol_5.bin",
            expect![[r#"
            `pytorch_model.bin`: the dict `state_dict` in it holds the 26 tensors
            the names of all 26 tensors begin with `module._orig_mod.`; they are read without it"#]],
        ),
    ] {
        let checkpoint = Bench::tiny(file, "pytorch_model.bin").open();
        assert_same(&checkpoint, &plain);
        notes.assert_eq(&settled(&checkpoint.notes().join("\n")));
    }
    // Content decides, not the name.
    let misnamed = Bench::tiny("plain.safetensors", "pytorch_model.bin").open();
    assert_same(&misnamed, &plain);
    expect!["`pytorch_model.bin` holds safetensors, whatever its name says, and is read as that"]
        .assert_eq(&settled(&misnamed.notes().join("\n")));
    let misnamed = Bench::tiny("old_protocol_4.bin", WEIGHTS).open();
    assert_same(&misnamed, &plain);
}

/// Dots in a key are no depth.
#[test]
fn a_state_dict_under_a_key_with_dots_is_found() {
    let mut bytes = fs::read(case("old_protocol_2.bin")).unwrap();
    let (key, dotted) = (b"model_state_dict", b"net.a.b.c.d.e.fg");
    let at = bytes.windows(key.len()).position(|window| window == key).unwrap();
    bytes[at..at + key.len()].copy_from_slice(dotted);
    let bench = Bench::tiny("old_protocol_2.bin", "pytorch_model.bin");
    bench.write("pytorch_model.bin", bytes);
    let checkpoint = bench.open();
    assert_same(&checkpoint, &Bench::tiny("plain.safetensors", WEIGHTS).open());
    expect![[r#"
        `pytorch_model.bin`: the dict `net.a.b.c.d.e.fg` in it holds the 26 tensors; tensors not used: 1 outside of every dict
        the names of all 26 tensors begin with `module.`; they are read without it"#]].assert_eq(&settled(&checkpoint.notes().join("\n")));
}

#[test]
fn an_old_file_that_is_cut_names_what_is_gone() {
    let bytes = fs::read(case("old_protocol_2.bin")).unwrap();
    for (length, message) in [
        (
            3,
            expect![[r#"
            checkpoint `TEMP` cannot be used: 1 problem
              - `pytorch_model.bin` is a pickle that ends at byte 3 within a value; expected what torch.save writes

            hint: `config.json` and the weight files may come from different checkpoints, or a download is incomplete
        "#]],
        ),
        (
            20,
            expect![[r#"
            checkpoint `TEMP` cannot be used: 1 problem
              - `pytorch_model.bin` is a pickle that ends at byte 5 within a value; expected what torch.save writes

            hint: `config.json` and the weight files may come from different checkpoints, or a download is incomplete
        "#]],
        ),
        (
            200,
            expect![[r#"
            checkpoint `TEMP` cannot be used: 1 problem
              - `pytorch_model.bin` is a pickle that ends at byte 63 within a value; expected what torch.save writes

            hint: `config.json` and the weight files may come from different checkpoints, or a download is incomplete
        "#]],
        ),
        (
            2000,
            expect![[r#"
            checkpoint `TEMP` cannot be used: 1 problem
              - `pytorch_model.bin` is a pickle that ends at byte 1863 within a value; expected what torch.save writes

            hint: `config.json` and the weight files may come from different checkpoints, or a download is incomplete
        "#]],
        ),
        (
            bytes.len() - 100,
            expect![[r#"
            checkpoint `TEMP` cannot be used: 1 problem
              - tensor `module.lm_head.weight` in `pytorch_model.bin` names storage `94892957768128`, which is cut off or not there

            hint: `config.json` and the weight files may come from different checkpoints, or a download is incomplete
        "#]],
        ),
    ] {
        let bench = Bench::tiny("old_protocol_2.bin", "pytorch_model.bin");
        bench.write("pytorch_model.bin", &bytes[..length]).refused(&message);
    }
    let bench = Bench::tiny("old_protocol_2.bin", "pytorch_model.bin");
    bench.write("pytorch_model.bin", b"\x80\x02]q\0.").refused(&expect![[r#"
        checkpoint `TEMP` cannot be used: 1 problem
          - `pytorch_model.bin` is a pickle, but not one that torch.save wrote; expected a state dict of torch.save

        hint: `config.json` and the weight files may come from different checkpoints, or a download is incomplete
    "#]]);
}

#[test]
fn pickles_of_any_depth_are_refused_in_words() {
    let deep = [&b"\x80\x02N"[..], &b"\x85q\0".repeat(1_000_000), b"."].concat();
    let mut doubling = b"\x80\x02]q\0".to_vec();
    (0..40).for_each(|n: u8| doubling.extend([b'(', b'h', n, b'h', n, b't', b'q', n + 1]));
    doubling.push(b'.');
    for (pickle, message) in [
        (
            deep,
            expect![[r#"
                checkpoint `TEMP` cannot be used: 1 problem
                  - `pytorch_model.bin` holds no state dict; expected a dict of tensors as torch.save writes it

                hint: `config.json` and the weight files may come from different checkpoints, or a download is incomplete
            "#]],
        ),
        (
            doubling,
            expect![[r#"
                checkpoint `TEMP` cannot be used: 1 problem
                  - `pytorch_model.bin` holds no state dict; expected a dict of tensors as torch.save writes it

                hint: `config.json` and the weight files may come from different checkpoints, or a download is incomplete
            "#]],
        ),
    ] {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        zip.start_file("archive/data.pkl", stored).unwrap();
        std::io::Write::write_all(&mut zip, &pickle).unwrap();
        let bench = Bench::tiny("old_protocol_2.bin", "pytorch_model.bin");
        bench.write("pytorch_model.bin", zip.finish().unwrap().into_inner()).refused(&message);
    }
}
