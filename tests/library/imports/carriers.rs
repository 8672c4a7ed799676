//! A run of this program, written in every carrier and imported again: every number that the carrier can give is the same, to the
//! last bit.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use expect_test::expect;
use openmoe_analyze::{
    error::Error,
    import::ImportOptions,
    pipeline::{
        ImportRunOptions, Unwatched, import,
        options::{InputOptions, RouteOptions, RunOptions, StatisticSettings},
        read_tables, route,
    },
    run::RunDir,
    stats::{Finding, Tables},
};
use tempfile::TempDir;

use crate::support::{
    carriers::{Array, Numbers, Recorded, With, write_npz, write_safetensors},
    files::fixture,
    snapshot::told,
};

/// A run of the bundled checkpoint over several domains, at a capacity that drops choices.
pub(super) struct Native {
    _folder: TempDir,
    pub(super) run: RunDir,
    pub(super) tables: Tables,
}

pub(super) fn settings() -> StatisticSettings {
    StatisticSettings { resamples: 20, permutations: 5, ..StatisticSettings::default() }
}

/// Options of the run.
pub(super) fn route_options() -> RouteOptions {
    let corpus = ["arxiv", "github", "wikipedia"].map(|domain| fixture(&format!("corpora/domains/{domain}.jsonl")));
    let mut run = RunOptions {
        corpus: corpus.to_vec(),
        input: InputOptions { context: Some(54), truncate: true, max_sequences: Some(40), ..InputOptions::default() },
        statistics: settings(),
        ..RunOptions::default()
    };
    run.routing.capacity_factor = Some(1.0);
    RouteOptions { checkpoint: checkpoint().into(), log_logits: true, run }
}

pub(super) static NATIVE: LazyLock<Native> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let (run, _) = route(route_options(), &folder.path().join("run"), &Unwatched).unwrap();
    let tables = read_tables(&run).unwrap();
    Native { _folder: folder, run, tables }
});

pub(super) fn checkpoint() -> PathBuf {
    fixture("checkpoints/openmoe-tiny-12.3M")
}

pub(super) fn options(path: &Path) -> ImportRunOptions {
    ImportRunOptions { paths: vec![path.to_path_buf()], statistics: settings(), ..ImportRunOptions::default() }
}

/// With the configuration of the model.
pub(super) fn with_model(path: &Path) -> ImportRunOptions {
    let import = ImportOptions { model_config: Some(checkpoint().join("config.json")), ..ImportOptions::default() };
    ImportRunOptions { import, ..options(path) }
}

pub(super) fn imported(options: ImportRunOptions, out: &Path) -> (RunDir, Tables) {
    let (run, _, gate) = import(options, out, &Unwatched).unwrap();
    assert_eq!(gate.failed().count(), 0, "{:#?}", gate.checks);
    let tables = read_tables(&run).unwrap();
    (run, tables)
}

/// A row as two runs must agree on it: an import without a tokenizer knows no texts.
fn comparable(row: &Finding) -> Finding {
    row.clone().about(|subject| openmoe_analyze::stats::Subject { text: None, ..subject })
}

/// Every number of the import is there in the native run and the same; gives how many there are, and how many the native run has.
pub(super) fn compare(native: &Tables, imported: &Tables) -> (usize, usize) {
    let (mut same, mut all) = (0, 0);
    assert!(native.keys().eq(imported.keys()));
    for (name, table) in imported {
        let natives: Vec<Finding> = native[name].rows.iter().map(comparable).collect();
        all += natives.iter().filter(|row| row.estimate.is_some()).count();
        let mut next = natives.iter();
        for row in table.rows.iter().filter(|row| row.estimate.is_some()).map(comparable) {
            // Rows are in the same order.
            let is_it = |native: &&Finding| {
                (native.view, native.layer, &native.subject) == (row.view, row.layer, &row.subject)
                    && native.statistic == row.statistic
            };
            let found = next.find(is_it).unwrap_or_else(|| panic!("{name}: no such row: {row:#?}"));
            assert_eq!(&row, found);
            same += 1;
        }
    }
    (same, all)
}

/// A name, and what writes the run in it.
pub(super) type Carrier<'a> = (&'static str, &'a dyn Fn(&Path));

#[test]
fn every_carrier_gives_the_numbers_of_the_run() {
    let recorded = Recorded::of(&NATIVE.run);
    let dropped = recorded.sequences.iter().flat_map(|of| &of.layers).flat_map(|routes| &routes.dropped);
    assert!(dropped.filter(|dropped| **dropped).count() > 20, "the run must drop choices");
    let folder = tempfile::tempdir().unwrap();
    let write: [Carrier; 6] = [
        ("rows", &|path| recorded.write_rows(path, With::ALL)),
        ("npz", &|path| recorded.write_arrays(path, With::ALL, write_npz)),
        ("one-npz", &|path| recorded.write_one_array(path, With::ALL, write_npz)),
        ("safetensors", &|path| recorded.write_arrays(path, With::ALL, write_safetensors)),
        ("one-safetensors", &|path| recorded.write_one_array(path, With::ALL, write_safetensors)),
        ("lines", &|path| recorded.write_lines(path, With::ALL)),
    ];
    for (name, write) in write {
        let path = folder.path().join(name);
        write(&path);
        let (_, tables) = imported(options(&path), &folder.path().join(format!("run-{name}")));
        let (same, all) = compare(&NATIVE.tables, &tables);
        assert_eq!(same, all, "{name}");
        assert!(all > 1000, "{all}");
    }
}

#[test]
fn what_a_carrier_lacks_is_withheld_and_nothing_else_changes() {
    let recorded = Recorded::of(&NATIVE.run);
    let folder = tempfile::tempdir().unwrap();
    let mut given = Vec::new();
    for (name, with) in [
        ("ids", With::default()),
        ("shares", With { shares: true, ..With::default() }),
        ("logits", With { logits: true, ..With::default() }),
    ] {
        let path = folder.path().join(name);
        recorded.write_arrays(&path, with, write_npz);
        let (_, tables) = imported(options(&path), &folder.path().join(format!("run-{name}")));
        let (same, all) = compare(&NATIVE.tables, &tables);
        assert!(2 * same > all / 2 && same < all, "{name}: {same} of {all}");
        given.push(same);
    }
    assert!(given.is_sorted(), "{given:?}");
}

#[test]
fn arrays_and_lines_need_no_routing_json_where_the_model_is_known() {
    let recorded = Recorded::of(&NATIVE.run);
    let folder = tempfile::tempdir().unwrap();
    for (name, write) in [
        ("npz", (&|path: &Path| recorded.write_one_array(path, With::default(), write_npz)) as &dyn Fn(&Path)),
        ("lines", &|path| recorded.write_lines(path, With::default())),
    ] {
        let path = folder.path().join(name);
        write(&path);
        fs::remove_file(path.join("routing.json")).unwrap();
        let (run, tables) = imported(with_model(&path), &folder.path().join(format!("run-{name}")));
        let import = run.record().unwrap().identity.import.unwrap();
        // The order of the choices is what nobody said.
        assert_eq!((import.format.as_str(), import.ranked), ("moe-routing", false));
        let (same, all) = compare(&NATIVE.tables, &tables);
        assert!(4 * same > all && same < all, "{name}: {same} of {all}");
    }
}

#[test]
fn choices_follow_from_router_logits() {
    let folder = tempfile::tempdir().unwrap();
    for (name, recorded) in
        [("logits", Recorded::of(&NATIVE.run)), ("probabilities", Recorded::of(&NATIVE.run).with_probabilities())]
    {
        let path = folder.path().join(name);
        recorded.write_router_logits(&path, if name == "logits" { write_npz } else { write_safetensors });
        let out = folder.path().join(format!("run-{name}"));
        let (run, _) = imported(with_model(&path), &out);
        let again = openmoe_analyze::trace::RoutingTrace::open(&run).unwrap();
        let native = openmoe_analyze::trace::RoutingTrace::open(&NATIVE.run).unwrap();
        for layer in [1, 3, 5] {
            let (again, native) = (again.layer(layer).unwrap(), native.layer(layer).unwrap());
            assert_eq!((&again.expert, &again.token_id), (&native.expert, &native.token_id));
            if name == "logits" {
                assert_eq!((&again.probability, &again.entropy), (&native.probability, &native.entropy));
            }
        }
        let import = run.record().unwrap().identity.import.unwrap();
        assert_eq!((import.format.as_str(), import.ranked), ("router-logits", true));
        assert!(import.remarks[0].starts_with("choices are recomputed from logits"));
    }
    let Err(error) = import(options(&folder.path().join("logits")), &folder.path().join("no"), &Unwatched) else {
        panic!("without k there are no choices");
    };
    expect![[r#"
        router logits do not say how many experts a token chooses

        hint: give the configuration of the model
    "#]]
    .assert_eq(&told(&error));
}

#[test]
fn drops_and_slots_of_the_hook_of_openmoe_come_back() {
    let recorded = Recorded::of(&NATIVE.run);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("output.json");
    let native = openmoe_analyze::trace::RoutingTrace::open(&NATIVE.run).unwrap();
    let most =
        |tokens: usize| native.groups(1).unwrap().capacity.into_iter().max().unwrap().min(tokens as u32) as usize;
    recorded.write_openmoe_json(&path, most);
    let (run, tables) = imported(with_model(&path), &folder.path().join("run"));
    let again = openmoe_analyze::trace::RoutingTrace::open(&run).unwrap();
    for layer in [1, 3, 5] {
        let (found, expected) = (again.layer(layer).unwrap(), native.layer(layer).unwrap());
        assert_eq!((found.expert, found.kept), (expected.expert, expected.kept));
        assert_eq!((found.probability, found.margin_k), (expected.probability, expected.margin_k));
        assert_eq!(again.slots(layer, 0).unwrap(), native.slots(layer, 0).unwrap());
    }
    assert!(tables.values().flat_map(|table| &table.rows).any(|row| row.estimate.is_some()));
    let text = fs::read_to_string(&path).unwrap();
    let refused = |text: &str| {
        fs::write(&path, text).unwrap();
        let Err(error) = import(with_model(&path), &folder.path().join("no"), &Unwatched) else { panic!("imported") };
        told(&error).replace(&folder.path().display().to_string(), "TEMP")
    };
    let lines: Vec<&str> = text.lines().collect();
    let without_last = lines[..lines.len() - 1].join("\n");
    let other_order = [lines[1], lines[0], &lines[2..].join("\n")]
        .join("\n")
        .replacen("true", "false", 3)
        .replacen("false", "true", 1);
    let told: Vec<String> = [without_last.as_str(), &text[..text.len() / 2], &other_order].map(refused).to_vec();
    expect![[r#"
        `TEMP/output.json`, line 119 is the last, and its forward pass has 2 lines; expected 3, one for each layer

        hint: expected lines such as {"gate_output": [[0.1, 2.3]], "used_capacity": [0, 1], "dispatch_mask": [[[false], [true]]], "combine_score": ...}

        `TEMP/output.json`, line 60 cannot be read: EOF while parsing a list at column 73514

        hint: expected lines such as {"gate_output": [[0.1, 2.3]], "used_capacity": [0, 1], "dispatch_mask": [[[false], [true]]], "combine_score": ...}

        `TEMP/output.json`, line 1 sends token 0 to expert 0, which is not among its largest scores [12, 13]

        hint: expected lines such as {"gate_output": [[0.1, 2.3]], "used_capacity": [0, 1], "dispatch_mask": [[[false], [true]]], "combine_score": ...}
    "#]].assert_eq(&told.join("\n"));
}

/// Writes a file of arrays, and gives the message with which it is refused.
fn refusal(arrays: &[Array], with: bool) -> String {
    let folder = tempfile::tempdir().unwrap();
    write_npz(&folder.path().join("a"), arrays);
    let path = folder.path().join("a.npz");
    let options = if with { with_model(&path) } else { options(&path) };
    let result: Result<_, Error> = import(options, &folder.path().join("run"), &Unwatched);
    let Err(error) = result else { panic!("it was imported") };
    assert!(!folder.path().join("run").exists(), "nothing is written");
    told(&error).replace(&folder.path().display().to_string(), "TEMP")
}

#[test]
fn arrays_that_cannot_be_are_refused_by_name() {
    let experts = |layers: usize| {
        Array::new("experts", &[4, layers, 2], Numbers::U16((0..8 * layers as u16).map(|at| at % 16).collect()))
    };
    let ids = |count: u32| Array::new("token_ids", &[count as usize], Numbers::U32((0..count).collect()));
    let told = [
        refusal(&[experts(3)], false),
        refusal(&[experts(4)], true),
        refusal(&[Array::new("experts", &[4, 6], Numbers::U16(vec![0; 24]))], true),
        refusal(&[experts(3), ids(3)], true),
        refusal(&[experts(3), Array::new("lengths", &[2], Numbers::U64(vec![1, 2]))], true),
        refusal(&[experts(3), Array::new("weights", &[4, 3], Numbers::F32(vec![0.5; 12]))], true),
        refusal(&[experts(3), Array::new("layers", &[3], Numbers::I32(vec![5, 3, 1]))], true),
        refusal(&[experts(3), Array::new("lengths", &[2], Numbers::U64(vec![u64::MAX, 5]))], true),
    ];
    expect![[r#"
        `TEMP/a.npz` has an array `experts` that has 3 layers with 2 choices, and does not say which; expected routing.json, or the configuration of the model

        hint: docs/import.md lists the arrays; a damaged file is to be written again, by numpy.savez or safetensors

        `TEMP/a.npz` has an array `experts` that has 4 layers with 2 choices; the model has 6 layers, of which 3 route

        hint: docs/import.md lists the arrays; a damaged file is to be written again, by numpy.savez or safetensors

        `TEMP/a.npz` has an array `experts` that has the shape [4, 6]; expected [tokens, layers, choices]

        hint: docs/import.md lists the arrays; a damaged file is to be written again, by numpy.savez or safetensors

        `TEMP/a.npz` has an array `token_ids` that has 3 values; the choices have 4 rows

        hint: docs/import.md lists the arrays; a damaged file is to be written again, by numpy.savez or safetensors

        `TEMP/a.npz` has an array `lengths` that does not add up to the 4 rows of choices

        hint: docs/import.md lists the arrays; a damaged file is to be written again, by numpy.savez or safetensors

        `TEMP/a.npz` has an array `weights` that has the shape [4, 3]; expected [tokens, layers, choices]

        hint: docs/import.md lists the arrays; a damaged file is to be written again, by numpy.savez or safetensors

        `TEMP/a.npz` has an array `layers` that has layer 5 before layer 3; expected them to ascend

        hint: docs/import.md lists the arrays; a damaged file is to be written again, by numpy.savez or safetensors

        `TEMP/a.npz` has an array `lengths` that does not add up to the 4 rows of choices

        hint: docs/import.md lists the arrays; a damaged file is to be written again, by numpy.savez or safetensors
    "#]].assert_eq(&told.join("\n"));
}

#[test]
fn lines_that_cannot_be_are_refused_with_their_numbers() {
    let good = r#"{"token_ids": [5, 7], "layers": {"1": {"experts": [[3, 0], [2, 6]]}}}"#;
    let refused = |second: &str| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("routes.jsonl");
        fs::write(&path, format!("{good}\n{second}\n")).unwrap();
        let Err(error) = import(options(&path), &folder.path().join("run"), &Unwatched) else { panic!("imported") };
        told(&error).replace(&folder.path().display().to_string(), "TEMP")
    };
    let told = [
        &good[..good.len() - 4],
        r#"{"layers": {"1": {"experts": [[3, 0], [2]]}}}"#,
        r#"{"layers": {"2": {"experts": [[3, 0]]}}}"#,
        r#"{"layers": {"1": {"experts": [[3, -2]]}}}"#,
        r#"{"token_ids": [1], "layers": {"1": {"experts": [[3, 0], [2, 6]]}}}"#,
        r#"{"layers": {"1": {"experts": [[3, 0]], "weights": []}}}"#,
        r#"{"layers": {"1": {"experts": [[3, 99999999999]]}}}"#,
    ]
    .map(refused);
    expect![[r#"
        `TEMP/routes.jsonl`, line 2 cannot be read: EOF while parsing a list at column 65

        hint: expected lines such as {"document": "a", "token_ids": [5, 7], "layers": {"1": {"experts": [[3, 0], [2, 6]]}}}

        `TEMP/routes.jsonl`, line 2 has 1 values of `experts` in a row of layer 1; expected 2

        hint: expected lines such as {"document": "a", "token_ids": [5, 7], "layers": {"1": {"experts": [[3, 0], [2, 6]]}}}

        `TEMP/routes.jsonl`, line 2 has layers 2; the first line has 1

        hint: expected lines such as {"document": "a", "token_ids": [5, 7], "layers": {"1": {"experts": [[3, 0], [2, 6]]}}}

        `TEMP/routes.jsonl`, line 2 has expert -2; expected an id, or -1

        hint: expected lines such as {"document": "a", "token_ids": [5, 7], "layers": {"1": {"experts": [[3, 0], [2, 6]]}}}

        `TEMP/routes.jsonl`, line 2 has 1 token ids; expected 2, one for each row

        hint: expected lines such as {"document": "a", "token_ids": [5, 7], "layers": {"1": {"experts": [[3, 0], [2, 6]]}}}

        `TEMP/routes.jsonl`, line 2 has 0 rows of `weights` in layer 1; expected 1

        hint: expected lines such as {"document": "a", "token_ids": [5, 7], "layers": {"1": {"experts": [[3, 0], [2, 6]]}}}

        `TEMP/routes.jsonl`, line 2 cannot be read: invalid value: integer `99999999999`, expected i32 at column 45

        hint: expected lines such as {"document": "a", "token_ids": [5, 7], "layers": {"1": {"experts": [[3, 0], [2, 6]]}}}
    "#]].assert_eq(&told.join("\n"));
}
