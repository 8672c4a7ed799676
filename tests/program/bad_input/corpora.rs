//! Text that cannot be read, or that the model cannot take.

use super::*;

#[test]
fn empty_corpus() {
    let bench = Bench::new(TINY);
    bench.write("corpus.jsonl", "");
    bench.refused(
        &[],
        &expect![[r#"
        error: the corpus has no usable document: read `TEMP/corpus.jsonl`; places that cannot be used: 0

        hint: a row is a JSON object with the key `text`: {"text": "..."}; --text-key names another one
    "#]],
    );
}

#[test]
fn broken_json_line_is_listed_and_strict_refuses_it() {
    let bench = Bench::new(TINY);
    bench.write("corpus.jsonl", "{\"text\": \"good\"}\n{\"text\": \n{\"txt\": \"no text\"}\n");
    bench.route(&[]).done_saying(&expect![[r#"
        warning: TEMP/corpus.jsonl:2 left out: broken JSON: EOF while parsing a value at column 8
        warning: TEMP/corpus.jsonl:3 left out: neither `text` nor `input_ids`; the row has txt: try --text-key txt
        categories: none (no row has `domain`, `category` or `language`; --category names another key)
        checkpoint: 2 tokens in 1 sequence of 1 document; MoE layers [1, 3, 5], 16 experts, top-2
        forward pass: 2 tokens in # s, # tokens/s
    "#]]);
    let skipped = &read_json(&bench.path("out/manifest.json"))["skipped"];
    assert_eq!(skipped.as_array().unwrap().len(), 2, "{skipped}");
    fs::remove_dir_all(bench.path("out")).unwrap();
    bench.refused(
        &["--strict"],
        &expect![[r#"
        error: 2 places cannot be used:
          - TEMP/corpus.jsonl:2: broken JSON: EOF while parsing a value at column 8
          - TEMP/corpus.jsonl:3: neither `text` nor `input_ids`; the row has txt: try --text-key txt

        hint: correct them, or leave out --strict to go on without them
    "#]],
    );
}

#[test]
fn invalid_utf8() {
    let bench = Bench::new(TINY);
    bench.write("corpus.jsonl", b"{\"text\": \"good\"}\n{\"text\": \"\xff\xfe\"}\n");
    bench.route(&["--dry-run"]).done_saying(&expect![[r#"
        warning: TEMP/corpus.jsonl:2 left out: invalid UTF-8 at byte 10 of the line
        categories: none (no row has `domain`, `category` or `language`; --category names another key)
        checkpoint: 2 tokens in 1 sequence of 1 document; MoE layers [1, 3, 5], 16 experts, top-2
    "#]]);
}

#[test]
fn a_folder_as_a_file_and_a_file_as_a_folder() {
    let bench = Bench::new(TINY);
    let config = bench.path("checkpoint/config.json");
    fs::remove_file(&config).unwrap();
    fs::create_dir(&config).unwrap();
    bench.refused(
        &[],
        &expect![[r#"
        error: checkpoint `TEMP/checkpoint` cannot be used: 1 problem
          - `config.json` in it is a folder; expected a file

        hint: download `config.json` of the checkpoint again
    "#]],
    );
    let file = bench.path("checkpoint/model.safetensors");
    let corpus = bench.path("corpus.jsonl");
    openmoe_with(&["route", file.to_str().unwrap(), "--corpus", corpus.to_str().unwrap(), "--out", "x"]).refused(
        &expect![[r#"
            error: checkpoint `TEMP/checkpoint/model.safetensors` cannot be used: 1 problem
              - it is a file; expected a folder with `config.json` and weight files

            hint: give the folder that holds the file
        "#]],
    );
}

#[test]
fn sequence_longer_than_the_model() {
    let bench = Bench::new(TINY);
    bench.refused(
        &["--context", "4096"],
        &expect![[r#"
        error: --context 4096; the model takes at most max_position_embeddings = 2048 tokens

        hint: use --context 2048 or less; longer documents are cut into several sequences
    "#]],
    );
    let ids: Vec<u32> = vec![5; 2049];
    bench.write("corpus.jsonl", serde_json::json!({ "input_ids": ids }).to_string());
    bench.refused(
        &[],
        &expect![[r#"
        error: TEMP/corpus.jsonl:1: `input_ids` has 2049 ids; the context is 2048

        hint: ids are used as they are and never cut; shorten the row or raise --context
    "#]],
    );
}

#[test]
fn memory_that_holds_no_routing_group() {
    let bench = Bench::new(TINY);
    bench.refused(
        &["--memory", "1MiB"],
        &expect![[r#"
        categories: none (no row has `domain`, `category` or `language`; --category names another key)
        error: --memory 1.0 MiB: the largest routing group has 64 rows and needs about # MiB

        hint: give more memory, shorter sequences (--context) or smaller routing groups (--group)
    "#]],
    );
    bench.refused(&["--memory", "much"], &expect![[r#"
        error: invalid value 'much' for '--memory <SIZE>': expected a number with a unit, such as 800MB, 1.5GiB or 2TiB

        hint: units of 1000 are kB, MB, GB and TB, those of 1024 KiB, MiB, GiB and TiB; without a unit the number counts bytes

        For more information, try '--help'.
    "#]]);
}

#[test]
fn ids_beyond_the_vocabulary() {
    let bench = Bench::new(TINY);
    bench.write("corpus.jsonl", "{\"input_ids\": [0, 5, 4096]}\n");
    bench.refused(
        &[],
        &expect![[r#"
        error: TEMP/corpus.jsonl:1: `input_ids` holds 4096; the model's vocab_size is 4096

        hint: the ids were made with another tokenizer
    "#]],
    );
}
