//! Checkpoints that are not of one run, and an `--out` that holds what is read.

use super::*;

#[test]
fn everything_wrong_with_paths_order_and_labels_is_named_at_once() {
    let (first, late) = (tiny("2.5M"), tiny("12.3M"));
    let refused = |checkpoints: &[&str], message: &Expect| drift(checkpoints, &["--dry-run"]).refused(message);
    refused(
        &["nowhere", &late, "nothere"],
        &expect![[r#"
        error: 2 checkpoints cannot be used:
          - checkpoint `nowhere` cannot be used: 1 problem
            - the folder does not exist; expected one with `config.json` and weight files
          - checkpoint `nothere` cannot be used: 1 problem
            - the folder does not exist; expected one with `config.json` and weight files

        hint: give the path of a checkpoint, or its name on the hub, such as OrionZheng/openmoe-8b
    "#]],
    );
    refused(
        &[&late, &tiny("9.8M"), &first],
        &expect![[r#"
        error: the checkpoints are not in the order of training:
          - `openmoe-tiny-12.3M` stands before `openmoe-tiny-9.8M` but was trained on no fewer tokens
          - `openmoe-tiny-9.8M` stands before `openmoe-tiny-2.5M` but was trained on no fewer tokens

        hint: give the checkpoints in the order of training, or correct the numbers with --tokens
    "#]],
    );
    refused(
        &[&format!("a\nb={first}"), &late],
        &expect![[r#"
        error: label `a\nb` holds a control character; expected text in one line

        hint: name the checkpoint: LABEL=FOLDER
    "#]],
    );
}

#[test]
fn checkpoints_with_another_arithmetic_are_not_of_one_run() {
    let temporary = tempfile::tempdir().unwrap();
    let other = temporary.path().join("other-1M");
    copy_folder(Path::new(&tiny("2.5M")), &other);
    alter(&other.join("config.json"), |config| config["rms_norm_eps"] = json!(0.1));
    drift(&[&text(&other), &tiny("12.3M")], &["--dry-run"]).refused(&expect![[r#"
        error: the checkpoints are not of one run:
          - rms_norm_eps: 0.1 in `other-1M`, 0.000001 in `openmoe-tiny-12.3M`

        hint: the same tokens go through all of them: tokenizer, vocabulary, experts and MoE layers must agree
    "#]]);
}

#[test]
fn out_never_touches_what_is_read() {
    let temporary = tempfile::tempdir().unwrap();
    let [checkpoint, run] = ["checkpoint-1M", "run"].map(|name| temporary.path().join(name));
    copy_folder(Path::new(&tiny("2.5M")), &checkpoint);
    copy_tree(&runs().join("late"), &run);
    let text_inside = run.join("stats/text.jsonl");
    fs::write(&text_inside, "{\"text\": \"One line of text.\"}\n").unwrap();
    let before = contents(temporary.path());
    let (folder, inside) = (text(&checkpoint), text(&checkpoint.join("new/run")));
    let (run, above) = (text(&run), text(temporary.path()));
    for (out, message) in [
        (
            &folder,
            expect![[r#"
        error: --out `TEMP/checkpoint-1M` would change what it is made from:
          - it is `TEMP/checkpoint-1M`, which the run reads

        hint: choose an --out of its own, outside checkpoints, runs and text that are read; nothing was touched
    "#]],
        ),
        (
            &inside,
            expect![[r#"
        error: --out `TEMP/checkpoint-1M/new/run` would change what it is made from:
          - it lies inside `TEMP/checkpoint-1M`, which the run reads

        hint: choose an --out of its own, outside checkpoints, runs and text that are read; nothing was touched
    "#]],
        ),
        (
            &above,
            expect![[r#"
        error: --out `TEMP` would change what it is made from:
          - it holds `TEMP/checkpoint-1M`, which the run reads

        hint: choose an --out of its own, outside checkpoints, runs and text that are read; nothing was touched
    "#]],
        ),
    ] {
        let commands = ["route", "drift", "drops"].into_iter();
        let all =
            commands.flat_map(|command| [&[][..], &["--force"], &["--resume"]].map(|occupied| (command, occupied)));
        let outcomes =
            all.map(|(command, occupied)| twelve_documents(&[command, &folder], &[&["--out", out], occupied].concat()));
        message.assert_eq(&refusals(outcomes));
    }
    let outs = [run.clone(), format!("{run}/../run/checkpoints")];
    let outcomes = outs.iter().map(|out| drift(&[&folder, &run], &["--out", out, "--force"]));
    expect![[r#"
        error: --out `TEMP/run` would change what it is made from:
          - it is `TEMP/run`, which the run reads

        hint: choose an --out of its own, outside checkpoints, runs and text that are read; nothing was touched

        error: --out `TEMP/run/../run/checkpoints` would change what it is made from:
          - it lies inside `TEMP/run`, which the run reads

        hint: choose an --out of its own, outside checkpoints, runs and text that are read; nothing was touched
    "#]]
    .assert_eq(&refusals(outcomes));
    twelve_documents(&["route", &tiny("2.5M")], &["--out", &folder, "--force"]).refused(&expect![[r#"
        error: --out `TEMP/checkpoint-1M` would change what it is made from:
          - it holds a `config.json`: it is the folder of a checkpoint

        hint: choose an --out of its own, outside checkpoints, runs and text that are read; nothing was touched
    "#]]);
    let (earlier, other) = (tiny("9.8M"), tiny("12.3M"));
    let commands = [&["route", &other][..], &["drift", &earlier, &other], &["drops", &other]];
    let outcomes = commands.iter().map(|checkpoints| {
        let paths = ["--corpus", &text(&text_inside), "--out", &run, "--force"];
        openmoe_with(&[checkpoints, &paths[..]].concat())
    });
    expect![[r#"
        categories: none (no row has `domain`, `category` or `language`; --category names another key)
        error: --out `TEMP/run` would change what it is made from:
          - a run writes `stats` there, where the text `TEMP/run/stats/text.jsonl` lies

        hint: choose an --out of its own, outside checkpoints, runs and text that are read; nothing was touched
    "#]]
    .assert_eq(&refusals(outcomes));
    assert!(contents(temporary.path()) == before, "nothing was touched");
}

#[test]
fn tokens_of_interest_exist_and_rare_ones_get_a_word() {
    let (early, late) = (text(&runs().join("early")), tiny("12.3M"));
    let chosen = ["--dry-run", "--tokens-of-interest", "4096", "0", "70000"];
    drift(&[&early, &late], &chosen).refused(&expect![[r#"
        categories: 1 by `domain`
        --max-sequences left out 56 documents, in whole or in part
        error: --tokens-of-interest 4096 70000; expected ids below vocab_size = 4096

        hint: tokens.parquet of a run lists the ids that occur, with their text
    "#]]);
    let reused = text(&runs().join("late"));
    for (checkpoint, notes) in [
        (
            late,
            expect![[r#"
        categories: 1 by `domain`
        --max-sequences left out 56 documents, in whole or in part
        warning: token id 0 of --tokens-of-interest occurs 12 times; expert shares are listed from 128 on
        openmoe-tiny-12.3M: 5,206 tokens in 12 sequences of 12 documents; MoE layers [1, 3, 5], 16 experts, top-2
    "#]],
        ),
        (
            reused,
            expect![[r#"
        warning: token id 0 of --tokens-of-interest occurs 12 times; expert shares are listed from 128 on
    "#]],
        ),
    ] {
        drift(&[&early, &checkpoint], &["--dry-run", "--tokens-of-interest", "0"]).done_saying(&notes);
    }
}
