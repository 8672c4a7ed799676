//! `drift` through the binary: the same tokens through several checkpoints.
use std::path::Path;

use expect_test::{Expect, expect};
use serde_json::Value;

use crate::support::{
    files::{copy_folder, fixture, read_json},
    program::{Outcome, contents, floats, integers, openmoe_with, read_parts, tiny as checkpoint, twelve_documents},
};

/// Twelve short documents through the given checkpoints.
fn drift(out: &Path, checkpoints: &[&str], more: &[&str]) -> Outcome {
    let first = [&["drift"], checkpoints].concat();
    twelve_documents(&first, &[&["--out", out.to_str().unwrap()], more].concat())
}

/// The only finding of a statistic at layer 3, chosen view, of a checkpoint against a reference.
fn finding<'a>(summary: &'a Value, statistic: &str, checkpoint: &str, reference: &str) -> &'a Value {
    let of = |row: &&Value| {
        row["statistic"] == statistic
            && row["layer"] == 3
            && row["view"] == "chosen"
            && row["checkpoint"] == checkpoint
            && row["reference"] == reference
    };
    let rows: Vec<&Value> = summary["findings"].as_array().unwrap().iter().filter(of).collect();
    assert_eq!(rows.len(), 1, "{statistic} of {checkpoint} against {reference}: {rows:#?}");
    rows[0]
}

fn results(run: &Path) -> Vec<(String, Vec<u8>)> {
    let timed = |name: &str| name.ends_with("manifest.json") || name == "report.html";
    contents(run).into_iter().filter(|(name, _)| !timed(name)).collect()
}

#[test]
fn a_checkpoint_against_itself_and_a_later_one() {
    let temporary = tempfile::tempdir().unwrap();
    let out = temporary.path().join("run");
    let (early, late) = (checkpoint("2.5M"), checkpoint("12.3M"));
    let again = format!("again-20M={late}");
    let outcome = drift(&out, &[&early, &late, &again], &["--noise-floor", "--final", &checkpoint("12.3M-chat")]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let summary = read_json(&out.join("summary.json"));
    let names = ["openmoe-tiny-2.5M", "openmoe-tiny-12.3M", "again-20M", "openmoe-tiny-12.3M-chat", "again-20M-bf16"];
    for statistic in ["router_saturation", "first_choice_agreement", "exact_set_agreement", "jaccard"] {
        for name in names {
            let row = finding(&summary, statistic, name, "again-20M");
            let (estimate, chance) = (row["estimate"].as_f64().unwrap(), row["baseline"].as_f64().unwrap());
            assert!(estimate > chance, "{row}");
        }
        assert_eq!(finding(&summary, statistic, "openmoe-tiny-12.3M", "again-20M")["estimate"], 1.0);
    }
    let saturation =
        |name: &str| finding(&summary, "router_saturation", name, "again-20M")["estimate"].as_f64().unwrap();
    assert!(saturation("openmoe-tiny-2.5M") < 0.8, "much was learnt after 2.5M tokens");
    // bf16 arithmetic moves near-ties only; tuning for chat moves more.
    let (arithmetic, chat) = (saturation("again-20M-bf16"), saturation("openmoe-tiny-12.3M-chat"));
    assert!(arithmetic < 1.0 && arithmetic > 0.95 && chat < arithmetic, "{arithmetic} {chat}");
    let overlap = finding(&summary, "gate_overlap", "openmoe-tiny-12.3M", "again-20M");
    let overlap = overlap["estimate"].as_f64().unwrap();
    assert!((1.0 - overlap) < 1e-12 && overlap <= 1.0, "{overlap}");
    // The last checkpoint stands on the axis twice, so that every layer is finished before the end of it.
    let verdicts = summary["verdicts"].as_array().unwrap();
    let of = |claim: &str| verdicts.iter().filter(|row| row["claim"] == claim).collect::<Vec<_>>();
    let half = of("half_of_final_agreement");
    assert_eq!(half.iter().map(|row| row["layer"].as_u64()).collect::<Vec<_>>(), [Some(1), Some(3), Some(5), None]);
    assert!(half.iter().all(|row| row["answer"] == "yes"), "{half:?}");
    let (chat, arithmetic) = (of("first_choice_differs"), of("first_choice_differs_by_arithmetic"));
    assert!(chat.len() == 3 && chat.iter().all(|row| row["checkpoint"] == "openmoe-tiny-12.3M-chat"), "{chat:?}");
    assert!(arithmetic.len() == 3 && arithmetic.iter().all(|row| row["checkpoint"] == "again-20M-bf16"));
    let manifest = read_json(&out.join("manifest.json"));
    assert_eq!((&manifest["complete"], &manifest["command"]), (&Value::from(true), &Value::from("drift")));
    assert_eq!(manifest["checkpoints"][2]["training_tokens"], 2e7);
    let dtype = |name: &str| read_json(&out.join("checkpoints").join(name).join("manifest.json"))["dtype"].clone();
    assert_eq!([dtype("again-20M"), dtype("again-20M-bf16")], ["f32", "bf16"]);
    // Statistics and charts follow from the traces alone.
    let before = results(&out);
    std::fs::remove_dir_all(out.join("charts")).unwrap();
    let again = openmoe_with(&["stats", out.to_str().unwrap()]);
    assert!(again.code == 0 && again.stdout == outcome.stdout, "{}{}", again.stdout, again.stderr);
    assert_eq!(openmoe_with(&["chart", out.to_str().unwrap()]).code, 0);
    assert!(results(&out) == before, "stats and chart give the same bytes");
}

#[test]
fn the_same_bytes_for_one_and_two_threads_and_after_resuming() {
    let temporary = tempfile::tempdir().unwrap();
    let checkpoints = [checkpoint("9.8M"), checkpoint("12.3M")];
    let checkpoints: Vec<&str> = checkpoints.iter().map(String::as_str).collect();
    let run = |name: &str, more: &[&str]| {
        let out = temporary.path().join(name);
        let outcome = drift(&out, &checkpoints, more);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        results(&out)
    };
    let expected = run("one", &["--threads", "1"]);
    assert!(expected.iter().any(|(name, _)| name == "checkpoints/openmoe-tiny-9.8M/trace/part-00002.parquet"));
    assert!(expected == run("two", &["--threads", "2"]), "two threads");
    // As a kill would leave it: the second checkpoint half done, no statistics.
    let out = temporary.path().join("two");
    std::fs::remove_file(out.join("checkpoints/openmoe-tiny-12.3M/trace/part-00002.parquet")).unwrap();
    std::fs::remove_dir_all(out.join("stats")).unwrap();
    assert!(expected == run("two", &["--resume"]), "resumed");
}

#[test]
fn a_finished_run_is_reused_and_lacks_only_the_gates() {
    let temporary = tempfile::tempdir().unwrap();
    let (run, out) = (temporary.path().join("openmoe-tiny-9.8M"), temporary.path().join("out"));
    let outcome = twelve_documents(&["route", &checkpoint("9.8M")], &["--out", run.to_str().unwrap()]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let outcome = drift(&out, &[run.to_str().unwrap(), &checkpoint("12.3M")], &[]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(!out.join("checkpoints/openmoe-tiny-9.8M").exists(), "reused, not recomputed");
    let reused = read_json(&out.join("summary.json"));
    let whole = temporary.path().join("whole");
    assert_eq!(drift(&whole, &[&checkpoint("9.8M"), &checkpoint("12.3M")], &[]).code, 0);
    let whole = read_json(&whole.join("summary.json"));
    let of = |summary, statistic| finding(summary, statistic, "openmoe-tiny-9.8M", "openmoe-tiny-12.3M").clone();
    assert_eq!(of(&reused, "router_saturation"), of(&whole, "router_saturation"));
    assert!(of(&reused, "gate_overlap")["estimate"].is_null() && of(&whole, "gate_overlap")["estimate"].is_number());
}

/// Refused with this message; nothing may be written.
fn refused(checkpoints: &[&str], more: &[&str], message: &Expect) {
    let temporary = tempfile::tempdir().unwrap();
    let out = temporary.path().join("out");
    drift(&out, checkpoints, more).refused(message);
    assert!(!out.exists());
}

#[test]
fn checkpoints_of_different_models_are_refused() {
    let wide = fixture("goldens/A_wide_32e").display().to_string();
    refused(
        &[&checkpoint("12.3M"), &wide],
        &[],
        &expect![[r#"
        error: the checkpoints are not of one run:
          - tokenizer (SHA-256): 28372b0cbdcd8d752162d445f3b2fc21c3fb482a7187474035149549086adae7 in `openmoe-tiny-12.3M`, none in `A_wide_32e`
          - vocab_size: 4096 in `openmoe-tiny-12.3M`, 160 in `A_wide_32e`
          - num_experts: 16 in `openmoe-tiny-12.3M`, 32 in `A_wide_32e`
          - MoE layers: [1, 3, 5] in `openmoe-tiny-12.3M`, [5, 11] in `A_wide_32e`
          - num_hidden_layers: 6 in `openmoe-tiny-12.3M`, 12 in `A_wide_32e`
          - hidden_size: 64 in `openmoe-tiny-12.3M`, 32 in `A_wide_32e`
          - intermediate_size: 96 in `openmoe-tiny-12.3M`, 40 in `A_wide_32e`
          - head_dim: 32 in `openmoe-tiny-12.3M`, 12 in `A_wide_32e`
          - max_position_embeddings: 2048 in `openmoe-tiny-12.3M`, 512 in `A_wide_32e`

        hint: the same tokens go through all of them: tokenizer, vocabulary, experts and MoE layers must agree
    "#]],
    );
}

#[test]
fn checkpoints_without_an_order_are_refused() {
    let (early, late) = (checkpoint("2.5M"), checkpoint("12.3M"));
    refused(
        &[&late, &early],
        &[],
        &expect![[r#"
        error: the checkpoints are not in the order of training:
          - `openmoe-tiny-12.3M` stands before `openmoe-tiny-2.5M` but was trained on no fewer tokens

        hint: give the checkpoints in the order of training, or correct the numbers with --tokens
    "#]],
    );
    refused(
        &[&late, &late],
        &["--tokens", "1M", "2M"],
        &expect![[r#"
        error: `fixtures/checkpoints/openmoe-tiny-12.3M` is given twice; a checkpoint agrees with itself in everything

        hint: leave one of them out, or name another checkpoint
    "#]],
    );
    refused(
        &[&early, &late],
        &["--tokens", "1M"],
        &expect![[r#"
        error: --tokens has 1 values for 2 checkpoints

        hint: give one value per checkpoint of the time axis, in order
    "#]],
    );
    refused(
        &[&early, "nowhere"],
        &[],
        &expect![[r#"
        error: checkpoint `nowhere` cannot be used: 1 problem
          - the folder does not exist; expected one with `config.json` and weight files

        hint: give the path of a checkpoint, or its name on the hub, such as OrionZheng/openmoe-8b
    "#]],
    );
}

/// A copy of a checkpoint whose experts have other numbers: expert e becomes e + 1, the last one 0.
fn renumbered(from: &Path, to: &Path) {
    copy_folder(from, to);
    let path = to.join("model.safetensors");
    let mut tensors = candle_core::safetensors::load(&path, &candle_core::Device::Cpu).unwrap();
    let moved: Vec<String> = tensors
        .keys()
        .filter(|name| name.contains(".mlp.gate_weight") || name.contains(".mlp.experts."))
        .cloned()
        .collect();
    for name in moved {
        let tensor = &tensors[&name];
        let experts = tensor.dim(0).unwrap() as u32;
        let order: Vec<u32> = (0..experts).map(|new| (new + experts - 1) % experts).collect();
        let order = candle_core::Tensor::new(order, &candle_core::Device::Cpu).unwrap();
        let tensor = tensor.index_select(&order, 0).unwrap();
        tensors.insert(name, tensor);
    }
    candle_core::safetensors::save(&tensors, path).unwrap();
}

#[test]
fn renumbered_experts_never_agree_and_matching_finds_all_but_near_ties() {
    let temporary = tempfile::tempdir().unwrap();
    let late = checkpoint("12.3M");
    let other = temporary.path().join("renumbered-10M");
    renumbered(Path::new(&late), &other);
    let other = other.to_str().unwrap();
    let agreement = |out: &Path, more: &[&str]| {
        let outcome = drift(out, &[other, &late], more);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let summary = read_json(&out.join("summary.json"));
        ["first_choice_agreement", "router_saturation"].map(|statistic| {
            finding(&summary, statistic, "renumbered-10M", "openmoe-tiny-12.3M")["estimate"].as_f64().unwrap()
        })
    };
    let (plain, matched) = (temporary.path().join("plain"), temporary.path().join("matched"));
    assert_eq!(agreement(&plain, &[])[0], 0.0, "no expert kept its number");
    let [first, saturation] = agreement(&matched, &["--match-experts"]);
    assert!(first >= 0.9999 && saturation >= 0.9999, "{first} {saturation}");
    // What is left must be near-ties: their order depends on the order of summation alone.
    let folder = |label: &str| matched.join("checkpoints").join(label);
    let (one, two) = (folder("renumbered-10M"), folder("openmoe-tiny-12.3M"));
    let experts = [&one, &two].map(|run| integers(&read_parts(run, "trace"), "expert"));
    let router = read_parts(&two, "router");
    let margins = ["margin_first", "margin_k"].map(|name| floats(&router, name));
    let mut flips = 0;
    for (token, (one, two)) in experts[0].chunks(2).zip(experts[1].chunks(2)).enumerate() {
        let expected: Vec<u64> = two.iter().map(|expert| (expert + 1) % 16).collect();
        if one != expected {
            flips += 1;
            assert!(margins[0][token].min(margins[1][token]) < 1e-5, "token {token}: {one:?}, expected {expected:?}");
        }
    }
    println!(
        "first choices {first}, saturation {saturation}; {flips} of {} tokens differ, all near-ties",
        router.height()
    );
}
