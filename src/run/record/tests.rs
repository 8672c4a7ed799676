//! Manifests of real runs are read and written again byte for byte; the errors for damaged ones say what is wrong.

use std::{collections::BTreeSet, path::Path};

use serde_json::{Value, json};

use super::*;

/// The manifests of finished runs, and of a pass of one of them, from before they had the key `schema`.
const MANIFESTS: [(&str, &str); 4] = [
    ("route", include_str!("../../../tests/cases/manifests/route.json")),
    ("drift", include_str!("../../../tests/cases/manifests/drift.json")),
    ("drops", include_str!("../../../tests/cases/manifests/drops.json")),
    ("pass", include_str!("../../../tests/cases/manifests/pass.json")),
];

fn manifest(name: &str) -> Value {
    serde_json::from_str(MANIFESTS.iter().find(|(known, _)| *known == name).unwrap().1).unwrap()
}

fn read(manifest: &Value) -> Result<RunRecord> {
    RunRecord::read(Path::new("RUN"), manifest)
}

/// Message and hint for the manifest of a route run after a change.
fn refused(change: impl FnOnce(&mut Value)) -> (String, String) {
    let mut changed = manifest("route");
    change(&mut changed);
    let error = read(&changed).unwrap_err();
    (error.to_string(), error.hint().unwrap_or_default())
}

#[test]
fn what_is_read_is_written_byte_for_byte() {
    for (name, text) in MANIFESTS {
        let record = read(&manifest(name)).unwrap();
        assert!(record.unknown.0.is_empty(), "{name}: {:?}", record.unknown);
        let written = String::from_utf8(record.to_bytes().unwrap()).unwrap();
        assert!(written.starts_with("{\n  \"schema\": 1,\n"), "{written}");
        // Reading a clock may change its last digit.
        let settled = |text: &str| {
            text.lines()
                .filter(|line| !line.contains("_second") && !line.contains("\"schema\""))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(settled(&written), settled(text), "{name}");
    }
}

#[test]
fn what_decides_the_results_has_the_digest_that_was_recorded() {
    for (name, _) in MANIFESTS {
        let record = read(&manifest(name)).unwrap();
        let decisive = serde_json::to_value(record.decisive()).unwrap();
        let digest = crate::run::checksums::run_digest(&decisive);
        assert_eq!(record.run_digest.as_deref(), Some(digest.as_str()), "{name}");
    }
}

#[test]
fn a_damaged_key_is_named_with_its_value_and_what_was_expected() {
    let whole = "expected a whole number";
    for (key, value, found, expected) in [
        ("/layout/moe_layers/1", json!("three"), "`layout.moe_layers[1]` \"three\"", "from 0 to 65535"),
        ("/layout/moe_layers/0", json!(65_536), "`layout.moe_layers[0]` 65536", "from 0 to 65535"),
        ("/layout/moe_layers", json!([5, 3]), "`layout.moe_layers` [5,3]", "expected ascending numbers up to 65535"),
        ("/layout/num_experts", json!(0), "`layout.num_experts` 0", "from 1 to 65536"),
        ("/layout/top_k", json!(17), "`layout.top_k` 17", "from 1 to 16"),
        ("/layout/segments", json!(-1), "`layout.segments` -1", "from 0 to 10000000"),
        ("/layout", json!("none"), "`layout` \"none\"", "expected an object"),
        ("/seed", json!(-5), "`seed` -5", whole),
        ("/resamples", json!(1_000_000_000_000_u64), "`resamples` 1000000000000", "from 0 to 100000"),
        ("/permutations", json!(1e300), "`permutations` 1e+300", "from 0 to 100000"),
        ("/exclude_bos", json!("no"), "`exclude_bos` \"no\"", "expected true or false"),
        ("/tokens", json!(-1), "`tokens` -1", whole),
        ("/command", json!("train"), "`command` \"train\"", "expected one of `route`, `drift`, `drops`"),
        ("/complete", json!(1), "`complete` 1", "expected true or false"),
        ("/capacity_rule", json!("best"), "`capacity_rule` \"best\"", "`port`, `t5x`, `unlimited`"),
        ("/capacity_factor", json!("two"), "`capacity_factor` \"two\"", "expected a number"),
        ("/group", json!("batch:0"), "`group` \"batch:0\"", "sequence, batch:N or tokens:N"),
        ("/inputs/0/bytes", json!([]), "`inputs[0].bytes` []", whole),
        ("/config/num_experts", json!(null), "`config.num_experts` null", whole),
        ("/wall_seconds", json!("long"), "`wall_seconds` \"long\"", "expected a number"),
        ("/checkpoint/weights/0/path", json!(7), "`checkpoint.weights[0].path` 7", "expected a string"),
    ] {
        let (message, hint) = refused(|manifest| *manifest.pointer_mut(key).unwrap() = value);
        assert!(message.starts_with("manifest.json of `RUN` has "), "{message}");
        assert!(message.contains(found) && message.contains(expected), "{key}: {message}");
        assert!(hint.contains("`Occupied::Replace`"), "{hint}");
    }
}

#[test]
fn a_missing_key_is_no_silent_default() {
    let keys = ["command", "version", "complete", "seed", "resamples", "exclude_bos", "label", "layout", "tokens"];
    for key in keys.into_iter().chain(["context", "bos", "capacity_rule", "dtype", "wave_tokens", "forward_tokens"]) {
        let (message, hint) = refused(|manifest| drop(manifest.as_object_mut().unwrap().remove(key)));
        assert!(message.contains(&format!("has no `{key}`")), "{key}: {message}");
        assert!(!hint.is_empty());
    }
    let (message, _) = refused(|manifest| drop(manifest["layout"].as_object_mut().unwrap().remove("segments")));
    assert!(message.contains("has no `layout.segments`"), "{message}");
    assert!(read(&json!([])).unwrap_err().to_string().contains("has []; expected an object"));
}

/// The first manifests lacked these keys, which came later, partly with drift and drops.
#[test]
fn a_manifest_of_an_earlier_version_is_read() {
    let later = [
        "text_key",
        "skipped_total",
        "conversations_cut",
        "notes",
        "notes_total",
        "warnings",
        "categories",
        "config",
        "repeated_documents",
        "memory_limit_bytes",
        "transcripts",
        "forward_peak_memory_bytes",
        "statistics_version",
        "trace_digests",
        "peak_memory_bytes",
        "run_digest",
    ];
    for name in ["route", "drift", "drops"] {
        let mut early = manifest(name);
        for key in later {
            early.as_object_mut().unwrap().remove(key);
        }
        let record = read(&early).unwrap();
        assert_eq!((record.run_digest.as_ref(), record.text.skipped_total), (None, None));
        assert_eq!(record.statistics_version(), record.identity.version);
        assert_eq!(read(&record.to_json().unwrap()).unwrap(), record, "{name}");
    }
}

#[test]
fn keys_of_other_versions_stay() {
    let mut later = manifest("route");
    later["tomorrow"] = json!({"a": [1]});
    later["layout"]["experts_by_layer"] = json!([4, 8]);
    let record = read(&later).unwrap();
    let written = record.to_json().unwrap();
    assert_eq!((&written["tomorrow"], &written["layout"]), (&later["tomorrow"], &later["layout"]));
    assert_eq!(written.as_object().unwrap().len(), later.as_object().unwrap().len() + 1, "and `schema`");
}

#[test]
fn a_manifest_of_a_newer_version_is_refused_in_words() {
    let (message, hint) = refused(|manifest| manifest["schema"] = json!(SCHEMA + 1));
    assert!(message.contains("`schema` 2; expected at most 1"), "{message}");
    assert!(hint.contains("newer version"), "{hint}");
}

#[test]
fn keys_stand_once() {
    for (name, text) in MANIFESTS {
        let keys: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("  \"")?.split('"').next()).collect();
        assert_eq!(keys.len(), keys.iter().collect::<BTreeSet<_>>().len(), "{name}");
    }
}

#[test]
fn settings_of_the_summary_are_those_of_the_kind() {
    let keys = |name: &str| {
        let record = read(&manifest(name)).unwrap();
        let settings = serde_json::to_value(SummarySettings::of(&record)).unwrap();
        settings.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ")
    };
    let before = "label version context truncate category_key max_sequences";
    let after =
        "bos exclude_bos group capacity_rule capacity_factor seed resamples permutations sequences documents tokens";
    assert_eq!(keys("route"), format!("{before} conversations_cut {after}"));
    assert_eq!(keys("drift"), format!("{before} match_experts tokens_of_interest {after}"));
    assert_eq!(keys("drops"), format!("{before} template oasst_paths conversations_cut bin {after}"));
}

#[test]
fn a_loose_record_believes_nothing() {
    let loose = |text: &str| LooseRecord::parse(text.as_bytes()).unwrap();
    for (_, text) in MANIFESTS {
        let record = loose(text);
        assert!(record.is_of_a_run() && record.is_complete() && record.run_digest().is_some());
        assert!(!LooseRecord::parse(&record.clone().incomplete()).unwrap().is_complete());
        assert!(
            record
                .differences(&serde_json::to_value(read(&record.clone().into_json()).unwrap().decisive()).unwrap())
                .is_empty()
        );
    }
    let passes: Vec<String> = loose(MANIFESTS[2].1).passes().into_iter().map(str::to_owned).collect();
    assert_eq!(passes.last().map(String::as_str), Some("exact_replay/1.25"));
    assert!(loose(MANIFESTS[3].1).is_of_a_pass() && !loose(MANIFESTS[1].1).is_of_a_pass());
    for foreign in
        ["[]", "{\"command\": \"train\", \"version\": \"1\", \"complete\": true}", "{\"command\": \"route\"}"]
    {
        assert!(!loose(foreign).is_of_a_run(), "{foreign}");
    }
    let odd =
        loose("{\"command\": 1, \"complete\": \"yes\", \"checkpoints\": {\"trace\": 1}, \"exact_replay\": [1, {}]}");
    assert!(odd.kind().is_none() && !odd.is_complete() && odd.passes().is_empty() && odd.report_runs().is_empty());
}

#[test]
fn the_schema_of_the_manifest_is_that_of_the_types() {
    crate::run::json_schema::assert_is_described::<RunRecord>(
        "manifest.json of openmoe-analyze",
        "manifest.schema.json",
    );
}

/// Every key is possible by itself.
#[test]
fn keys_that_contradict_each_other_are_refused() {
    let layers = |factor: Value| {
        let layer = |at: usize, experts: usize| json!({"layer": at, "num_experts": experts, "top_k": 2});
        let mut layers = json!([layer(1, 8), layer(3, 16)]);
        layers[1]["capacity_rule"] = json!("port");
        layers[1]["capacity_factor"] = factor;
        layers[1]["min_capacity"] = json!(4);
        layers
    };
    let with = |key: &str, value: Value, factor: Value| {
        refused(|manifest| {
            let layout = &mut manifest["layout"];
            layout["moe_layers"] = json!([1, 3]);
            layout["layers"] = layers(factor);
            layout[key] = value;
        })
        .0
    };
    let factor = json!(1.0);
    assert!(
        with("moe_layers", json!([1, 5]), factor.clone())
            .contains("[1,5]; expected the layers of `layout.layers`, [1,3]")
    );
    assert!(with("num_experts", json!(8), factor.clone()).contains("`layout.num_experts` 8; expected 16"));
    assert!(with("top_k", json!(1), factor.clone()).contains("`layout.top_k` 1; expected 2"));
    assert!(with("num_experts", json!(16), json!(-3)).contains("`layout.layers[1].capacity_factor` -3"));
    assert!(
        with("num_experts", json!(16), Value::Null)
            .contains("`layout.layers[1].capacity_factor` null; expected a value")
    );
    for (key, value, found) in [
        ("/layout/segments", json!(0), "`layout.segments` 0"),
        ("/capacity_factor", json!(-3), "`capacity_factor` -3"),
        ("/context", json!(0), "`context` 0"),
    ] {
        let (message, _) = refused(|manifest| *manifest.pointer_mut(key).unwrap() = value);
        assert!(message.contains(found), "{message}");
    }
    let (message, _) = refused(|manifest| manifest["schema"] = json!(0));
    assert!(message.contains("`schema` 0; expected a whole number from 1 on"), "{message}");
    let (message, _) = refused(|manifest| manifest["checkpoints"] = json!([{"label": "a", "path": "a", "trace": "."}]));
    assert!(message.contains("`checkpoints` [\"a\"]; expected none in a run of `route`"), "{message}");
}

#[test]
fn columns_of_a_newer_version_are_refused_like_a_newer_manifest() {
    let (message, hint) = refused(|manifest| manifest["provides"] = json!({"trace_schema": 3, "blocks": []}));
    assert!(message.contains("`provides.trace_schema` 3; expected at most 2"), "{message}");
    assert!(hint.contains("newer version") && !hint.contains("Replace"), "{hint}");
}
