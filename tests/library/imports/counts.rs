//! Numbers of assignments: of a run of this program, whose numbers are known, and of other engines.

use std::{fs, path::Path};

use expect_test::expect;
use openmoe_analyze::{
    import::{CheckResult, ImportOptions, Outcome},
    pipeline::{
        ImportRunOptions, Unwatched, analyse, import,
        options::{ReportOptions, StatisticSettings},
        read_tables,
    },
    routing::{Provides, View},
    run::RunDir,
    stats::{Finding, Statistic, Tables, Variable},
};
use serde_json::json;

use super::carriers::{NATIVE, imported, options, with_model};
use crate::support::{
    carriers::{Array, Numbers, Recorded, write_safetensors},
    snapshot::told,
    tables::sound,
};

/// The statistics that follow from counts.
fn is_of_counts(row: &Finding) -> bool {
    let of_category = row.variable.is_none_or(|variable| variable == Variable::Category);
    let table = row.statistic.table();
    let known = [
        Statistic::ExpertShare,
        Statistic::MutualInformation,
        Statistic::DomainSpecialization,
        Statistic::CramersV,
        Statistic::JensenShannon,
        Statistic::MaxViolation,
    ];
    row.view == View::Chosen && of_category && known.iter().any(|statistic| statistic.table() == table)
}

fn near(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() < 1e-9,
        (a, b) => a == b,
    }
}

/// The row of the other run about the same.
fn same<'a>(tables: &'a Tables, row: &Finding) -> &'a Finding {
    let rows = &tables[row.statistic.table()].rows;
    let is_it = |other: &&Finding| {
        (other.statistic, other.layer, other.view, &other.subject) == (row.statistic, row.layer, row.view, &row.subject)
    };
    rows.iter().find(is_it).unwrap_or_else(|| panic!("no such row: {row:#?}"))
}

#[test]
fn counts_of_documents_give_the_numbers_of_the_run() {
    let folder = tempfile::tempdir().unwrap();
    Recorded::of(&NATIVE.run).write_counts(&folder.path().join("counts"), true);
    let (run, tables) = imported(options(&folder.path().join("counts")), &folder.path().join("run"));
    sound(&tables);
    let mut compared = 0;
    for native in NATIVE.tables.values().flat_map(|table| &table.rows).filter(|row| is_of_counts(row)) {
        let found = same(&tables, native);
        assert_eq!(
            (found.estimate, found.n, found.documents),
            (native.estimate, native.n, native.documents),
            "{native:#?}"
        );
        for (found, native) in [
            (found.low, native.low),
            (found.high, native.high),
            (found.baseline, native.baseline),
            (found.p_value, native.p_value),
            (found.explained, native.explained),
        ] {
            assert!(near(found, native), "{found:?} is not {native:?}");
        }
        compared += 1;
    }
    assert!(compared > 200, "{compared}");
    for row in tables.values().flat_map(|table| &table.rows).filter(|row| !is_of_counts(row)) {
        assert!(row.estimate.is_none(), "{row:#?}");
    }
    let coactivation = &tables[Statistic::Coactivation.table()].rows[0];
    expect!["the record holds numbers of assignments, not the choices of tokens"]
        .assert_eq(coactivation.note.as_deref().unwrap());
    again(&run, &tables);
}

/// `stats` on the run gives the same tables, from what the run kept.
fn again(run: &RunDir, tables: &Tables) {
    let run = RunDir::open_to_write(run.path()).unwrap();
    let mut record = run.record().unwrap();
    assert!(record.provides.is_some_and(Provides::is_counts));
    let analysis = analyse(&run, &mut record, ReportOptions::default(), &Unwatched).unwrap();
    assert_eq!(&read_tables(&run).unwrap(), tables);
    assert!(analysis.charts > 0);
    assert!(run.file("counts.parquet").is_file() && !run.file("trace").exists());
}

#[test]
fn counts_without_documents_have_no_interval_and_no_permutations() {
    let folder = tempfile::tempdir().unwrap();
    Recorded::of(&NATIVE.run).write_counts(&folder.path().join("counts"), false);
    let (run, tables) = imported(options(&folder.path().join("counts")), &folder.path().join("run"));
    for row in tables.values().flat_map(|table| &table.rows) {
        assert_eq!((row.low, row.p_value, row.documents), (None, None, None), "{row:#?}");
        if is_of_counts(row) {
            let native = same(&NATIVE.tables, row);
            assert_eq!((row.estimate, row.n), (native.estimate, native.n));
        }
    }
    let share = tables[Statistic::ExpertShare.table()].rows.iter().find(|row| row.estimate.is_some()).unwrap();
    expect!["no interval: the record does not tell documents apart"].assert_eq(share.note.as_deref().unwrap());
    // What a run wrote is a record of counts itself.
    let copy = folder.path().join("copy");
    fs::create_dir(&copy).unwrap();
    fs::copy(run.file("counts.parquet"), copy.join("counts.parquet")).unwrap();
    let (_, from_copy) = imported(with_model(&copy), &folder.path().join("again"));
    assert_eq!(from_copy, tables);
}

fn check<'a>(checks: &'a [CheckResult], name: &str) -> &'a CheckResult {
    checks.iter().find(|check| check.check == name).unwrap()
}

/// Counts without resamples.
fn plain(path: &Path, model: Option<&Path>) -> ImportRunOptions {
    ImportRunOptions {
        paths: vec![path.to_path_buf()],
        import: ImportOptions { model_config: model.map(Path::to_path_buf), ..ImportOptions::default() },
        statistics: StatisticSettings { resamples: 0, permutations: 0, ..StatisticSettings::default() },
        ..ImportRunOptions::default()
    }
}

/// TensorRT-LLM: three experts of which two are chosen, 300 tokens in two iterations.
fn write_trtllm(folder: &Path, ranks: usize) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("meta_info.json"), r#"{"num_experts": 3, "num_experts_per_token": 2}"#).unwrap();
    for rank in 0..ranks {
        let array = |name: &str, counts: [u64; 3]| Array::new(name, &[3], Numbers::U64(counts.to_vec()));
        let arrays = [
            array("100_1", [90, 70, 40]),
            array("100_2", [100, 60, 40]),
            array("101_1", [150, 150, 100]),
            array("101_2", [200, 120, 80]),
        ];
        write_safetensors(&folder.join(format!("rank{rank}")), &arrays);
    }
}

#[test]
fn counts_of_tensorrt_llm_are_added_up() {
    let folder = tempfile::tempdir().unwrap();
    write_trtllm(&folder.path().join("statistic"), 2);
    let (run, tables) = imported(plain(&folder.path().join("statistic"), None), &folder.path().join("run"));
    let import = run.record().unwrap().identity.import.unwrap();
    assert_eq!(import.format, "trtllm");
    expect![[r#"
        [
            "the files of 2 ranks are copies: one is taken",
            "the counts of 2 steps are added up",
        ]
    "#]]
    .assert_debug_eq(&import.remarks);
    let shares: Vec<f64> = tables["expert_share"].rows.iter().filter_map(|row| row.estimate).collect();
    // Layer 1: 240, 220 and 140 of 600.
    assert_eq!(shares[..3], [240.0 / 600.0, 220.0 / 600.0, 140.0 / 600.0]);
}

#[test]
fn counts_of_megatron_join_the_experts_of_the_ranks() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("config.json");
    let config = json!({ "num_hidden_layers": 2, "num_experts": 4, "num_experts_per_tok": 2 });
    fs::write(&model, config.to_string()).unwrap();
    let counts = folder.path().join("tokens_per_expert");
    fs::create_dir(&counts).unwrap();
    let line = |layer: u16, tpe: [[u64; 2]; 2]| json!({ "iter": 7, "block": "decoder", "layer": layer, "tpe": tpe });
    let mtp = json!({ "iter": 7, "block": "mtp", "layer": 1, "tpe": [[9, 9]] });
    let first = format!("{}\n{}\n{mtp}\n", line(1, [[50, 30], [10, 10]]), line(2, [[80, 20], [30, 0]]));
    let second = format!("{}\n{}\n", line(1, [[20, 80], [0, 0]]), line(2, [[40, 30], [0, 0]]));
    fs::write(counts.join("rank0.jsonl"), first).unwrap();
    fs::write(counts.join("rank1.jsonl"), second).unwrap();
    let (run, tables) = imported(plain(&counts, Some(&model)), &folder.path().join("run"));
    let record = run.record().unwrap();
    assert_eq!(record.layout.moe_layers, [0, 1]);
    let shares: Vec<f64> = tables["expert_share"].rows.iter().filter_map(|row| row.estimate).collect();
    assert_eq!(shares[..4], [0.3, 0.2, 0.1, 0.4]);
    assert_eq!(record.text.tokens, 100);
    expect![[r#"
        [
            "2 ranks hold a part of the experts each, in the order of their numbers",
            "layers are numbered from 1 in the record, from 0 here",
        ]
    "#]]
    .assert_debug_eq(&record.identity.import.unwrap().remarks);
}

#[test]
fn counts_of_megatron_that_are_there_twice_are_no_further_rank() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("config.json");
    let config = json!({ "num_hidden_layers": 1, "num_experts": 4, "num_experts_per_tok": 2 });
    fs::write(&model, config.to_string()).unwrap();
    // Two of four experts: twice the same would be taken for all four.
    let line = json!({ "iter": 7, "block": "decoder", "layer": 0, "tpe": [[50, 30]] });
    let refused = |name: &str, files: &[(&str, String)]| {
        let counts = folder.path().join(name);
        for (file, text) in files {
            fs::create_dir_all(counts.join(file).parent().unwrap()).unwrap();
            fs::write(counts.join(file), text).unwrap();
        }
        let read = import(plain(&counts, Some(&model)), &folder.path().join("run"), &Unwatched);
        told(&read.err().unwrap()).replace(&folder.path().display().to_string(), "TEMP")
    };
    let found = [
        refused("resumed", &[("rank0.jsonl", format!("{line}\n{line}\n"))]),
        refused("two_runs", &[("a/rank0.jsonl", format!("{line}\n")), ("b/rank0.jsonl", format!("{line}\n"))]),
    ];
    expect![[r#"
        `TEMP/resumed/rank0.jsonl`, line 2 counts layer 0 of iteration 7 a second time

        hint: a run that was taken up again appends to its file: delete the earlier lines of what it repeats

        `TEMP/two_runs/a/rank0.jsonl` and `TEMP/two_runs/b/rank0.jsonl` are both of rank 0

        hint: name the folder `tokens_per_expert` of one run
    "#]]
    .assert_eq(&found.join("\n"));
}

/// An imatrix of one layer: keys, and the counts of four experts.
fn imatrix(counts: [f32; 4], chunks: u32) -> Vec<u8> {
    let text = |text: &str| [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
    let mut bytes = b"GGUF\x03\x00\x00\x00".to_vec();
    bytes.extend(1_u64.to_le_bytes());
    bytes.extend(4_u64.to_le_bytes());
    bytes.extend([text("general.type"), 8_u32.to_le_bytes().to_vec(), text("imatrix")].concat());
    let names = [9_u32.to_le_bytes(), 8_u32.to_le_bytes()].concat();
    bytes.extend([text("imatrix.datasets"), names, 1_u64.to_le_bytes().to_vec(), text("a.txt")].concat());
    for (key, value) in [("imatrix.chunk_count", chunks), ("imatrix.chunk_size", 100)] {
        bytes.extend([text(key), 4_u32.to_le_bytes().to_vec(), value.to_le_bytes().to_vec()].concat());
    }
    bytes.extend([text("blk.3.ffn_up_exps.weight.counts"), 2_u32.to_le_bytes().to_vec()].concat());
    bytes.extend([1_u64.to_le_bytes(), 4_u64.to_le_bytes()].concat());
    bytes.extend([0_u32.to_le_bytes().to_vec(), 0_u64.to_le_bytes().to_vec()].concat());
    bytes.resize(bytes.len().next_multiple_of(32), 0);
    bytes.extend(counts.iter().flat_map(|count| count.to_le_bytes()));
    bytes
}

#[test]
fn counts_of_an_imatrix_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gguf");
    fs::write(&path, imatrix([500.0, 300.0, 0.0, 200.0], 5)).unwrap();
    let (run, tables) = imported(plain(&path, None), &folder.path().join("run"));
    let record = run.record().unwrap();
    // 1,000 assignments of 5 times 100 tokens: two choices.
    assert_eq!((record.layout.moe_layers.as_slice(), record.layout.top_k, record.text.tokens), (&[3][..], 2, 500));
    let dead = tables["expert_load"].rows.iter().find(|row| row.statistic == Statistic::DeadExperts).unwrap();
    assert_eq!(dead.estimate, Some(1.0));

    let refused = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let Err(error) = import(plain(&path, None), &folder.path().join("no"), &Unwatched) else { panic!("imported") };
        told(&error).replace(&folder.path().display().to_string(), "TEMP")
    };
    let told = [
        refused(&imatrix([500.5, 300.0, 0.0, 200.0], 5)),
        refused(&imatrix([500.0, 300.0, 0.0, 201.0], 5)),
        refused(&imatrix([0.0; 4], 5)),
    ];
    expect![[r#"
        `TEMP/x.gguf` has 500.5 in `blk.3.ffn_up_exps.weight.counts`; expected a number of tokens

        hint: it may be cut or damaged: write it again

        `TEMP/x.gguf` does not say how many experts a token chooses: it has 1001 assignments of 500 tokens

        hint: give the configuration of the model

        `TEMP/x.gguf` does not say how many experts a token chooses: it has 0 assignments of 500 tokens

        hint: give the configuration of the model
    "#]]
    .assert_eq(&told.join("\n"));
    // An even load may be true: it is told.
    fs::write(&path, imatrix([250.0; 4], 5)).unwrap();
    let (_, _, gate) = import(plain(&path, None), &folder.path().join("even"), &Unwatched).unwrap();
    assert_eq!(check(&gate.checks, "load_uneven").outcome, Outcome::Warned);
    let good = imatrix([500.0, 300.0, 0.0, 200.0], 5);
    for length in 0..good.len() {
        fs::write(&path, &good[..length]).unwrap();
        assert!(import(plain(&path, None), &folder.path().join("no"), &Unwatched).is_err(), "cut to {length}");
    }
}

#[test]
fn what_tensor_parallel_ranks_counted_together_is_divided() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("counts.jsonl");
    let model = folder.path().join("config.json");
    let config = json!({ "num_hidden_layers": 1, "num_experts": 3, "num_experts_per_tok": 2 });
    fs::write(&model, config.to_string()).unwrap();
    let row = |expert: u16, count: u64| {
        format!("{}\n", json!({ "layer": 0, "expert": expert, "count": count, "tokens": 500 }))
    };
    let text: String = [(0, 2000), (1, 1200), (2, 800)].map(|(expert, count)| row(expert, count)).concat();
    fs::write(&path, text).unwrap();
    let (run, _, gate) = import(plain(&path, Some(&model)), &folder.path().join("run"), &Unwatched).unwrap();
    expect!["there are 4 times as many assignments as tokens have choices, and every count is a multiple of 4: as many ranks counted the same tokens; the counts are divided by 4"].assert_eq(&check(&gate.checks, "counted_once").says);
    assert_eq!(run.record().unwrap().text.tokens, 500);
    let tables = read_tables(&run).unwrap();
    let share = &tables["expert_share"].rows[0];
    assert_eq!((share.estimate, share.n), (Some(0.5), 500));
}

#[test]
fn a_run_of_counts_is_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    write_trtllm(&folder.path().join("statistic"), 1);
    let (run, _) = imported(plain(&folder.path().join("statistic"), None), &folder.path().join("run"));
    let error = openmoe_analyze::trace::RoutingTrace::open(&run).unwrap_err();
    expect![[r#"
        `TEMP/run` holds numbers of assignments, not the choices of tokens

        hint: name a run with a trace: a forward pass, or an import of the routes of every token
    "#]]
    .assert_eq(&told(&error).replace(&folder.path().display().to_string(), "TEMP"));
}
