//! `drift` over imports: a known share of changed routes is the share that is found; what one record lacks is withheld; records of
//! other tokens are refused.

use std::{fs, path::Path};

use expect_test::expect;
use openmoe_analyze::{
    error::Error,
    pipeline::{
        Unwatched, drift,
        options::{CheckpointSpec, DriftOptions, RunOptions},
        read_tables,
    },
    routing::View,
    run::RunDir,
    stats::{Finding, Statistic, Tables},
};
use serde_json::Value;

use super::carriers::{NATIVE, imported, options, settings, with_model};
use crate::support::{
    carriers::{Recorded, With},
    snapshot::told,
};

/// Every fourth token goes elsewhere.
const EVERY: usize = 4;

/// The routes of the native run, the first choice of every fourth token of each layer another expert; gives the share of changed
/// tokens too.
fn changed() -> (Recorded, f64) {
    let mut recorded = Recorded::of(&NATIVE.run);
    let (k, experts) = (recorded.top_k, recorded.experts as u16);
    let (mut tokens, mut moved) = (0, 0);
    for sequence in &mut recorded.sequences {
        for at in 0..sequence.token_ids.len() {
            tokens += 1;
            if tokens % EVERY != 0 {
                continue;
            }
            moved += 1;
            for routes in &mut sequence.layers {
                let choices = &mut routes.experts[at * k..(at + 1) * k];
                let other = (0..experts).find(|expert| !choices.contains(expert)).unwrap();
                choices[0] = other;
            }
        }
    }
    (recorded, f64::from(moved) / tokens as f64)
}

/// Writes lines, changed by `change`, and imports them.
fn import_lines(folder: &Path, name: &str, recorded: &Recorded, with: With, change: impl Fn(&mut Value)) -> RunDir {
    let path = folder.join(format!("{name}-record"));
    recorded.write_lines(&path, with);
    let lines = fs::read_to_string(path.join("routes.jsonl")).unwrap();
    let lines = lines.lines().map(|line| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        change(&mut line);
        format!("{line}\n")
    });
    fs::write(path.join("routes.jsonl"), lines.collect::<String>()).unwrap();
    imported(options(&path), &folder.join(name)).0
}

/// Two finished runs, the second of which is the reference.
fn compared(runs: [&RunDir; 2], out: &Path) -> Result<Tables, Error> {
    let spec = |run: &RunDir| CheckpointSpec::new(run.path(), false);
    let run = RunOptions { statistics: settings(), ..RunOptions::default() };
    let options = DriftOptions { checkpoints: runs.map(spec).to_vec(), run, ..DriftOptions::default() };
    let (run, _) = drift(options, out, &Unwatched)?;
    read_tables(&run)
}

/// The estimates of a statistic in the chosen view for the first of two checkpoints, by layer.
fn of_first(tables: &Tables, statistic: Statistic, first: &str) -> Vec<Option<f64>> {
    let about = |row: &&Finding| {
        row.statistic == statistic
            && row.view == View::Chosen
            && row.subject.checkpoint.as_deref() == Some(first)
            && row.subject.reference.as_deref() != Some(first)
    };
    tables[statistic.table()].rows.iter().filter(about).map(|row| row.estimate).collect()
}

#[test]
fn the_share_of_changed_routes_is_the_share_that_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (other, share) = changed();
    let early = import_lines(folder.path(), "early", &other, With::default(), |_| {});
    let late = import_lines(folder.path(), "late", &Recorded::of(&NATIVE.run), With::default(), |_| {});
    let tables = compared([&early, &late], &folder.path().join("drift")).unwrap();
    let same = |statistic, expected: f64| {
        let found = of_first(&tables, statistic, "early");
        assert_eq!(found.len(), 3, "{statistic}: {found:?}");
        assert!(found.iter().all(|found| (found.unwrap() - expected).abs() < 1e-12), "{statistic}: {found:?}");
    };
    same(Statistic::ExactSetAgreement, 1.0 - share);
    same(Statistic::FirstChoiceAgreement, 1.0 - share);
    // One of two choices of a changed token stayed.
    same(Statistic::RouterSaturation, 1.0 - share / 2.0);
    same(Statistic::Jaccard, 1.0 - share * 2.0 / 3.0);
    let record = RunDir::open(&folder.path().join("drift")).unwrap().record().unwrap();
    assert!(record.identity.text.is_none() && record.identity.import.is_none() && record.config.is_none());
}

#[test]
fn an_import_may_stand_beside_a_route_run_of_the_same_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let (other, share) = changed();
    let early = import_lines(folder.path(), "early", &other, With::default(), |_| {});
    let tables = compared([&early, &NATIVE.run], &folder.path().join("drift")).unwrap();
    let found = of_first(&tables, Statistic::ExactSetAgreement, "early");
    assert!(found.iter().all(|found| (found.unwrap() - (1.0 - share)).abs() < 1e-12), "{found:?}");
}

#[test]
fn what_one_of_two_records_lacks_is_withheld() {
    let folder = tempfile::tempdir().unwrap();
    let (other, share) = changed();
    let native = Recorded::of(&NATIVE.run);
    let without_ids = |line: &mut Value| {
        line.as_object_mut().unwrap().remove("token_ids");
    };
    let early = import_lines(folder.path(), "early", &other, With::default(), |_| {});
    let early_without_ids = import_lines(folder.path(), "early-without-ids", &other, With::default(), without_ids);
    let whole = import_lines(folder.path(), "whole", &native, With::ALL, |_| {});
    let bare = import_lines(folder.path(), "bare", &native, With::default(), without_ids);
    let unranked = {
        let path = folder.path().join("unranked-record");
        native.write_lines(&path, With::default());
        fs::remove_file(path.join("routing.json")).unwrap();
        imported(with_model(&path), &folder.path().join("unranked")).0
    };
    let lacking = [
        ("logits", [&early, &whole], Statistic::GateOverlap),
        ("logits of the last", [&whole, &early], Statistic::GateOverlap),
        ("margins of the last", [&whole, &early], Statistic::AgreementByMargin),
        ("token ids", [&early_without_ids, &whole], Statistic::TokenDrift),
        ("token ids of the last", [&early, &bare], Statistic::TokenDrift),
        ("ranks", [&unranked, &early], Statistic::FirstChoiceAgreement),
        ("ranks of the last", [&early, &unranked], Statistic::FirstChoiceAgreement),
    ];
    for (at, (what, runs, statistic)) in lacking.into_iter().enumerate() {
        let tables = compared(runs, &folder.path().join(format!("drift-{at}"))).unwrap();
        let first = runs[0].path().file_name().unwrap().to_str().unwrap();
        let withheld = of_first(&tables, statistic, first);
        assert!(!withheld.is_empty() && withheld.iter().all(Option::is_none), "{what}: {withheld:?}");
        let found = of_first(&tables, Statistic::ExactSetAgreement, first);
        assert!(found.iter().all(|found| (found.unwrap() - (1.0 - share)).abs() < 1e-12), "{what}: {found:?}");
    }
}

#[test]
fn records_of_other_tokens_are_refused_by_the_first_difference() {
    let folder = tempfile::tempdir().unwrap();
    let native = || Recorded::of(&NATIVE.run);
    let record = |name: &str, change: &dyn Fn(&mut Recorded)| {
        let mut recorded = native();
        change(&mut recorded);
        import_lines(folder.path(), name, &recorded, With::default(), |_| {})
    };
    let late = record("late", &|_| {});
    let others = [
        record("other-token", &|of| of.sequences[7].token_ids[5] = 1),
        record("other-document", &|of| of.sequences[2].document = "another".to_owned()),
        record("fewer-sequences", &|of| {
            of.sequences.pop();
        }),
        record("shorter", &|of| {
            let sequence = &mut of.sequences[4];
            sequence.token_ids.pop();
            sequence.layers.iter_mut().for_each(|routes| routes.experts.truncate(2 * sequence.token_ids.len()));
        }),
        record("fewer-layers", &|of| {
            of.layers.pop();
            of.sequences.iter_mut().for_each(|sequence| {
                sequence.layers.pop();
            });
        }),
    ];
    let late_from_one = import_lines(folder.path(), "from-one", &native(), With::default(), |line| {
        let rows = line["token_ids"].as_array().unwrap().len();
        line["positions"] = (1..=rows).collect();
    });
    let out = folder.path().join("drift");
    let refused: Vec<String> =
        others.iter().chain([&late_from_one]).map(|other| told(&compared([other, &late], &out).unwrap_err())).collect();
    assert!(!out.exists());
    expect![[r#"
        the runs are not of the same tokens in layers of the same kind:
          - `other-token` and `late`: position 5 of sequence 7 has the token id 1 and 867

        hint: drift compares every token with itself: record the same sequences with every checkpoint, in the same order

        the runs are not of the same tokens in layers of the same kind:
          - `other-document` and `late`: sequence 2 is of document `another` and of `fixtures/corpora/domains/arxiv.jsonl:3`

        hint: drift compares every token with itself: record the same sequences with every checkpoint, in the same order

        the runs are not of the same tokens in layers of the same kind:
          - `fewer-sequences` and `late`: 39 and 40 sequences

        hint: drift compares every token with itself: record the same sequences with every checkpoint, in the same order

        the runs are not of the same tokens in layers of the same kind:
          - `shorter` and `late`: sequence 4 has 53 and 54 tokens

        hint: drift compares every token with itself: record the same sequences with every checkpoint, in the same order

        the runs are not of the same tokens in layers of the same kind:
          - `fewer-layers` and `late`: 16 experts, top-2, MoE layers [1, 3]; 16 experts, top-2, MoE layers [1, 3, 5]

        hint: drift compares every token with itself: record the same sequences with every checkpoint, in the same order

        the runs are not of the same tokens in layers of the same kind:
          - `from-one` and `late`: sequence 0 has 55 and 54 tokens

        hint: drift compares every token with itself: record the same sequences with every checkpoint, in the same order
    "#]].assert_eq(&refused.join("\n"));
}
