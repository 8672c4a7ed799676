//! No check fails on a good record: every file of the fixtures, and every carrier and format that the tests write.

use std::{collections::BTreeMap, fmt::Write as _};

use expect_test::expect;
use openmoe_analyze::{
    import::{GateReport, ImportOptions, Outcome},
    pipeline::{ImportRunOptions, Unwatched, import, options::StatisticSettings},
};

use super::{
    carriers::{Carrier, NATIVE, options, with_model},
    engines::ENGINES,
};
use crate::support::{
    carriers::{Recorded, With, write_npz, write_safetensors},
    files::fixture,
};

/// Files of the fixtures, with the configuration of their model.
const FIXTURES: [(&str, Option<&str>); 14] = [
    ("vllm/responses.jsonl", Some("config.json")),
    ("vllm/responses-0.21.jsonl", Some("config.json")),
    ("sglang/responses.jsonl", Some("config.json")),
    ("sglang/per_token.pt", Some("config.json")),
    ("sglang/per_pass.pt", Some("config.json")),
    ("sglang/stat.pt", Some("config.json")),
    ("sglang/stat_tp2.pt", Some("config.json")),
    ("slime/rollout_3.pt", Some("config.json")),
    ("megatron/sink_path.jsonl", Some("config.json")),
    ("megatron/hook_path.jsonl", Some("config.json")),
    ("flame", None),
    ("olmoe/expert_counts", Some("olmoe/config.json")),
    ("olmoe/eid2token", Some("olmoe/config.json")),
    ("imatrix/imatrix.gguf", None),
];

/// The checks that did not pass, and how.
#[derive(Default)]
struct Alarms(BTreeMap<(String, &'static str), Vec<String>>);

impl Alarms {
    /// Imports a record without resamples, and keeps what the gate says of it.
    fn look(&mut self, name: &str, mut options: ImportRunOptions) {
        options.statistics = StatisticSettings { resamples: 0, permutations: 0, ..StatisticSettings::default() };
        options.force_checks = true;
        let out = tempfile::tempdir().unwrap();
        let (_, _, gate) =
            import(options, &out.path().join("run"), &Unwatched).unwrap_or_else(|error| panic!("{name}: {error}"));
        self.keep(name, &gate);
    }

    fn keep(&mut self, name: &str, gate: &GateReport) {
        for check in &gate.checks {
            let outcome = match check.outcome {
                Outcome::Passed | Outcome::NotApplicable => continue,
                Outcome::Warned => "warned",
                Outcome::Failed => "FAILED",
            };
            self.0.entry((check.check.clone(), outcome)).or_default().push(name.to_owned());
        }
    }

    fn told(&self) -> String {
        let mut told = String::new();
        for ((check, outcome), records) in &self.0 {
            writeln!(told, "{check} {outcome}: {}", records.join(", ")).unwrap();
        }
        told
    }
}

#[test]
fn no_check_fails_on_a_good_file_of_the_fixtures() {
    let mut alarms = Alarms::default();
    for (name, model) in FIXTURES {
        let folder = fixture("imports");
        let import = ImportOptions { model_config: model.map(|model| folder.join(model)), ..ImportOptions::default() };
        alarms.look(name, ImportRunOptions { import, ..options(&folder.join(name)) });
    }
    expect![[r#"
        choice_order warned: vllm/responses.jsonl, vllm/responses-0.21.jsonl, sglang/responses.jsonl, sglang/per_token.pt, slime/rollout_3.pt, megatron/hook_path.jsonl
        counted_once warned: sglang/stat_tp2.pt
        grid_complete warned: slime/rollout_3.pt
        load_uneven warned: imatrix/imatrix.gguf
    "#]].assert_eq(&alarms.told());
}

#[test]
fn no_check_fails_on_what_the_tests_write() {
    let recorded = Recorded::of(&NATIVE.run);
    let folder = tempfile::tempdir().unwrap();
    let mut alarms = Alarms::default();
    let carriers: [Carrier; 5] = [
        ("rows", &|path| recorded.write_rows(path, With::ALL)),
        ("npz", &|path| recorded.write_arrays(path, With::ALL, write_npz)),
        ("safetensors", &|path| recorded.write_one_array(path, With::ALL, write_safetensors)),
        ("lines", &|path| recorded.write_lines(path, With::ALL)),
        ("counts", &|path| recorded.write_counts(path, true)),
    ];
    for (name, write) in carriers {
        let path = folder.path().join(name);
        write(&path);
        alarms.look(name, with_model(&path));
    }
    for engine in &ENGINES {
        let path = folder.path().join(engine.name);
        (engine.write)(&recorded, &path);
        alarms.look(engine.name, (engine.options)(&path));
    }
    expect![[r#"
        choice_order warned: vllm, sglang, sglang-per-token, slime
        sequences_once warned: rows, npz, safetensors, lines, vllm, sglang, sglang-per-token, slime, megatron, router-logits, openmoe-json, esft, flame, olmoe
    "#]].assert_eq(&alarms.told());
}
