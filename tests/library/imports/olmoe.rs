//! OLMoE: the counts of its authors, as their script pickles them.

use std::{fs, path::Path};

use expect_test::expect;
use openmoe_analyze::{
    import::ImportOptions,
    pipeline::{ImportRunOptions, Unwatched, import, options::StatisticSettings, read_tables},
    run::RunRecord,
    stats::{Statistic, Tables},
};

use crate::support::{files::fixture, snapshot::told};

fn options(path: &Path) -> ImportRunOptions {
    let import = ImportOptions { model_config: Some(fixture("imports/olmoe/config.json")), ..ImportOptions::default() };
    ImportRunOptions {
        paths: vec![path.to_path_buf()],
        import,
        statistics: StatisticSettings { resamples: 0, permutations: 0, ..StatisticSettings::default() },
        ..ImportRunOptions::default()
    }
}

fn imported(path: &Path, out: &Path) -> (RunRecord, Tables) {
    let (run, _, gate) = import(options(path), out, &Unwatched).unwrap();
    assert_eq!(gate.failed().count(), 0, "{:#?}", gate.checks);
    (run.record().unwrap(), read_tables(&run).unwrap())
}

#[test]
fn pickled_counts_are_read_by_domain() {
    let folder = tempfile::tempdir().unwrap();
    let (record, tables) = imported(&fixture("imports/olmoe/expert_counts"), &folder.path().join("run"));
    assert_eq!((record.layout.moe_layers.as_slice(), record.text.tokens), (&[0, 7, 15][..], 120));
    let shares = tables[Statistic::ExpertShare.table()].rows.iter();
    let of_arxiv: Vec<f64> = shares
        .filter(|row| row.category.as_deref() == Some("arxiv") && row.layer == 0)
        .filter_map(|row| row.estimate)
        .collect();
    // As Python counted them: 13, 11, 20, 14, 10, 20, 17 and 15 of 120.
    assert_eq!(of_arxiv, [13, 11, 20, 14, 10, 20, 17, 15].map(|count| f64::from(count) / 120.0));
    // The same by token id: added up they are the same counts.
    let (by_token, same) = imported(&fixture("imports/olmoe/eid2token"), &folder.path().join("by-token"));
    assert_eq!(same, tables);
    let remarks = |record: RunRecord| record.identity.import.unwrap().remarks;
    expect!["the counts of an expert are added up over all token ids: which ids it took is in the file, and not in what follows"].assert_eq(&remarks(by_token).join("\n"));
    let both = folder.path().join("both");
    for kind in ["eid2token", "expert_counts", "expert_counts_top1"] {
        fs::create_dir_all(both.join(kind)).unwrap();
        let from = kind.trim_end_matches("_top1");
        fs::copy(fixture("imports/olmoe").join(from).join("arxiv.pkl"), both.join(kind).join("arxiv.pkl")).unwrap();
    }
    let (record, _) = imported(&both, &folder.path().join("of-both"));
    assert_eq!(record.text.tokens, 60, "counted once");
    let told = remarks(record).join("\n").replace(&folder.path().display().to_string(), "TEMP");
    expect![[r#"
        `TEMP/both/eid2token/arxiv.pkl` counts the same as `TEMP/both/expert_counts/arxiv.pkl`: left out
        `TEMP/both/expert_counts_top1/arxiv.pkl` counts pairs of layers, or first choices alone: left out"#]]
    .assert_eq(&told);
}

#[test]
fn counts_of_two_models_are_not_taken_for_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let copy = |to: &str| {
        let to = folder.path().join(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(fixture("imports/olmoe/expert_counts/arxiv.pkl"), to).unwrap();
    };
    let mut found = Vec::new();
    for (name, files) in [
        ("models", ["olmoe/expert_counts/arxiv.pkl", "mixtral/expert_counts/github.pkl"]),
        ("steps", ["step10/arxiv.pkl", "step20/arxiv.pkl"]),
        ("a_copy", ["backup/arxiv.pkl", "expert_counts/arxiv.pkl"]),
    ] {
        for file in files {
            copy(&format!("{name}/{file}"));
        }
        let read = import(options(&folder.path().join(name)), &folder.path().join("run"), &Unwatched);
        found.push(told(&read.err().unwrap()).replace(&folder.path().display().to_string(), "TEMP"));
    }
    expect![[r#"
        `TEMP/models/mixtral/expert_counts/github.pkl` and `TEMP/models/olmoe/expert_counts/arxiv.pkl` may be of two models; expected one

        hint: name the folder of one model, which holds expert_counts or eid2token

        `TEMP/steps/step10/arxiv.pkl` and `TEMP/steps/step20/arxiv.pkl` may be of two models; expected one

        hint: name the folder of one model, which holds expert_counts or eid2token

        `TEMP/a_copy/backup/arxiv.pkl` and `TEMP/a_copy/expert_counts/arxiv.pkl` may be of two models; expected one

        hint: name the folder of one model, which holds expert_counts or eid2token
    "#]]
    .assert_eq(&found.join("\n"));
}

#[test]
fn what_is_no_count_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("arxiv.pkl");
    let refused = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let mut options = options(&path);
        options.import.format = Some("olmoe".to_owned());
        let Err(error) = import(options, &folder.path().join("run"), &Unwatched) else { panic!("it was imported") };
        told(&error).replace(&folder.path().display().to_string(), "TEMP")
    };
    let good = fs::read(fixture("imports/olmoe/expert_counts/arxiv.pkl")).unwrap();
    let counter = |text: &str| format!("(lp0\n{text}a{text}a{text}a.").into_bytes();
    let told = [
        // What a pickle could do where it is executed.
        refused(&counter("cos\nsystem\n(S'true'\ntR")),
        refused(&counter("(S'true'\nios\nsystem\n")),
        // An extension code, which only a registry of Python can resolve.
        refused(b"\x80\x02]\x82\x01a."),
        refused(&good[..good.len() / 2]),
        refused(b"\x80\x02]K\x01a."),
        refused(&counter("ccollections\nCounter\n((dI9\nI5\nstR")),
        refused(&counter("ccollections\nCounter\n((dI1\nI-5\nstR")),
        refused(&counter("ccollections\nCounter\n((d(I0\nI1\ntI5\nstR")),
    ];
    expect![[r#"
        `TEMP/arxiv.pkl` names `os.system`, which no count is made of: it is not read

        hint: expected the files of `expert_counts` or `eid2token`, as run_routing_analysis.py writes them

        `TEMP/arxiv.pkl` names `os.system`, which no count is made of: it is not read

        hint: expected the files of `expert_counts` or `eid2token`, as run_routing_analysis.py writes them

        `TEMP/arxiv.pkl` is a pickle that has the unknown op-code 0x82 at byte 3

        hint: expected the files of `expert_counts` or `eid2token`, as run_routing_analysis.py writes them

        `TEMP/arxiv.pkl` is a pickle that ends at byte 330 within a value

        hint: expected the files of `expert_counts` or `eid2token`, as run_routing_analysis.py writes them

        `TEMP/arxiv.pkl` holds no list of 3 layers

        hint: expected the files of `expert_counts` or `eid2token`, as run_routing_analysis.py writes them

        `TEMP/arxiv.pkl` counts expert 9 in layer 0, which has 8

        hint: expected the files of `expert_counts` or `eid2token`, as run_routing_analysis.py writes them

        `TEMP/arxiv.pkl` has a count of expert 1 that is no whole number from 0

        hint: expected the files of `expert_counts` or `eid2token`, as run_routing_analysis.py writes them

        `TEMP/arxiv.pkl` has an expert that is no whole number from 0

        hint: expected the files of `expert_counts` or `eid2token`, as run_routing_analysis.py writes them
    "#]]
    .assert_eq(&told.join("\n"));
    for length in 0..good.len() {
        fs::write(&path, &good[..length]).unwrap();
        assert!(import(options(&path), &folder.path().join("run"), &Unwatched).is_err(), "cut to {length}");
    }
}

#[test]
fn lines_that_cannot_be_are_refused_with_their_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c4_results.jsonl");
    let line =
        |experts: &str| format!(r#"{{"input_ids": [5, 7], "predicted_token_ids": [1, 2], "exp_ids": {experts}}}"#);
    let good = line("[[[3, 1], [0, 2]], [[2, 4], [6, 5]]]");
    let refused = |second: &str| {
        fs::write(&path, format!("{good}\n{second}\n")).unwrap();
        let mut options = options(&path);
        options.import.model_config = None;
        let Err(error) = import(options, &folder.path().join("run"), &Unwatched) else { panic!("it was imported") };
        told(&error).replace(&folder.path().display().to_string(), "TEMP")
    };
    let told = [
        refused(&good[..good.len() - 4]),
        refused(&line("[[[3, 1], [0, 2]], [[2, 4]]]")),
        refused(&line("[[[3, 1], [0, 2]], [[2, 4], [6]]]")),
        refused(&line("[[[3, 1], [0, 2]], [[2, -4], [6, 5]]]")),
        refused(&line("[[[3, 1], [0, 2]]]").replace("[5, 7]", "[5, 7, 9]")),
    ];
    expect![[r#"
        `TEMP/c4_results.jsonl`, line 2 cannot be read: EOF while parsing a list at column 97

        hint: expected lines such as {"input_ids": [5, 7], "exp_ids": [[[3, 1], [0, 2]], [[2, 4], [6, 5]]]}

        `TEMP/c4_results.jsonl`, line 2 has 1 choices in 2 layers at position 1; expected 2 in 2, as at the first

        hint: expected lines such as {"input_ids": [5, 7], "exp_ids": [[[3, 1], [0, 2]], [[2, 4], [6, 5]]]}

        `TEMP/c4_results.jsonl`, line 2 has 2 choices in 1 layers at position 1; expected 2 in 2, as at the first

        hint: expected lines such as {"input_ids": [5, 7], "exp_ids": [[[3, 1], [0, 2]], [[2, 4], [6, 5]]]}

        `TEMP/c4_results.jsonl`, line 2 cannot be read: invalid value: integer `-4`, expected u16 at column 90

        hint: expected lines such as {"input_ids": [5, 7], "exp_ids": [[[3, 1], [0, 2]], [[2, 4], [6, 5]]]}

        the record cannot be true: 1 of 16 checks failed
          - rows_of_tokens: 1 of 2 sequences has neither a row for each token nor for all but the last, such as: `TEMP/c4_results.jsonl`, line 2 has 1 rows and 3 tokens

        hint: mend the recording; or import it all the same with `ImportRunOptions::force_checks`, which marks the run
    "#]].assert_eq(&told.join("\n"));
}
