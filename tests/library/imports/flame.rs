//! FLAME-MoE traces: a planted one in their layout, and copies of it in which tokens and routes do not belong together.

use std::{
    fs,
    path::{Path, PathBuf},
};

use expect_test::expect;
use openmoe_analyze::{
    error::Error,
    import::{GateReport, ImportOptions, Outcome},
    pipeline::{ImportRunOptions, Unwatched, import, options::StatisticSettings, read_tables},
    trace::RoutingTrace,
};

use crate::support::{
    carriers::{LayerRoutes, Recorded, RecordedRoutes},
    files::fixture,
    random::Random,
    snapshot::told,
};

/// Experts and choices of the published models.
const EXPERTS: usize = 64;
const TOP_K: usize = 6;
const SEQUENCES: usize = 48;
const LENGTH: usize = 64;

/// Routes that follow from the token id and chance.
fn planted() -> Recorded {
    let mut random = Random(5);
    let mut sequence = |_| {
        let token_ids: Vec<u32> = (0..LENGTH).map(|_| random.below(12) * random.below(12)).collect();
        let layers = [1_u32, 2].map(|layer| {
            let mut routes = LayerRoutes::default();
            for id in &token_ids {
                let first = (id * 31 + layer * 7) % 50;
                let chosen = random.subset(14, TOP_K);
                routes.experts.extend(chosen.iter().map(|expert| first as u16 + expert));
                routes.shares.extend((0..TOP_K).map(|rank| 0.25 / (rank + 1) as f32));
            }
            routes
        });
        RecordedRoutes { token_ids, layers: layers.to_vec(), ..RecordedRoutes::default() }
    };
    Recorded {
        layers: vec![1, 2],
        experts: EXPERTS,
        top_k: TOP_K,
        sequences: (0..SEQUENCES).map(&mut sequence).collect(),
    }
}

/// The same with the routes of each layer in another order: row `i` has those that stood in row `from(i)`.
fn reordered(mut recorded: Recorded, from: impl Fn(usize) -> usize) -> Recorded {
    for layer in 0..recorded.layers.len() {
        let all: Vec<u16> = recorded.sequences.iter().flat_map(|of| of.layers[layer].experts.clone()).collect();
        let rows = recorded.sequences.iter_mut().flat_map(|of| of.layers[layer].experts.chunks_exact_mut(TOP_K));
        rows.enumerate().for_each(|(row, into)| into.copy_from_slice(&all[from(row) * TOP_K..][..TOP_K]));
    }
    recorded
}

/// What stands at a place of micro-batches that are kept position by position.
fn transposed(row: usize) -> usize {
    let (block, at) = (row / (8 * LENGTH), row % (8 * LENGTH));
    block * 8 * LENGTH + at % 8 * LENGTH + at / 8
}

fn options(path: &Path, micro_batch: Option<usize>) -> ImportRunOptions {
    ImportRunOptions {
        paths: vec![path.to_path_buf()],
        import: ImportOptions { sequence_length: Some(LENGTH), micro_batch, ..ImportOptions::default() },
        statistics: StatisticSettings { resamples: 0, permutations: 0, ..StatisticSettings::default() },
        ..ImportRunOptions::default()
    }
}

/// Writes a trace, and gives the folder of its model.
fn written(recorded: &Recorded, folder: &Path) -> PathBuf {
    let path = folder.join("flame-moe-290m");
    recorded.write_flame(&path);
    path
}

fn aligned(gate: &GateReport) -> Outcome {
    gate.checks.iter().find(|check| check.check == "tokens_aligned").unwrap().outcome
}

#[test]
fn a_trace_becomes_a_run_and_a_transposed_one_is_taken_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(&planted(), &folder.path().join("good"));
    let (run, _, gate) = import(options(&path, None), &folder.path().join("run"), &Unwatched).unwrap();
    assert_eq!((gate.failed().count(), aligned(&gate)), (0, Outcome::Passed), "{:#?}", gate.checks);
    let record = run.record().unwrap();
    assert_eq!(record.layout.moe_layers, [1, 2]);
    let told = record.identity.import.unwrap();
    assert_eq!((told.format.as_str(), told.sequences, told.ranked), ("flame", SEQUENCES as u64, true));
    assert_eq!(record.label, "flame-moe-290m iter_5473");
    let apart = written(&reordered(planted(), transposed), &folder.path().join("transposed"));
    let (again, _, gate) = import(options(&apart, Some(8)), &folder.path().join("again"), &Unwatched).unwrap();
    assert_eq!(aligned(&gate), Outcome::Passed);
    assert_eq!(read_tables(&again).unwrap(), read_tables(&run).unwrap());
}

#[test]
fn tokens_and_routes_in_different_orders_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let rows = SEQUENCES * LENGTH;
    let inverse = |row: usize| (0..rows).find(|from| transposed(*from) == row).unwrap();
    let copies = [
        reordered(planted(), transposed),
        reordered(planted(), inverse),
        reordered(planted(), |row| (row + rows - 1) % rows),
        reordered(planted(), |row| (row + 1) % rows),
    ];
    let told: Vec<String> = copies
        .iter()
        .enumerate()
        .map(|(at, copy)| {
            let path = written(copy, &folder.path().join(at.to_string()));
            let Err(error) = import(options(&path, None), &folder.path().join("no"), &Unwatched) else {
                panic!("copy {at} was imported")
            };
            told(&error)
        })
        .collect();
    expect![[r#"
        the record cannot be true: 1 of 16 checks failed
          - tokens_aligned: a token tells -0.042 bits about the experts of its own row, and 1.861 if the routes of 8 sequences stand position by position and their tokens sequence by sequence: the two are in different orders; `ImportOptions::micro_batch = 8` takes the routes apart

        hint: mend the recording; or import it all the same with `ImportRunOptions::force_checks`, which marks the run

        the record cannot be true: 1 of 16 checks failed
          - tokens_aligned: a token tells -0.043 bits about the experts of its own row, and 1.857 if the tokens of 8 sequences stand position by position and their routes sequence by sequence: the two are in different orders

        hint: mend the recording; or import it all the same with `ImportRunOptions::force_checks`, which marks the run

        the record cannot be true: 1 of 16 checks failed
          - tokens_aligned: a token tells -0.045 bits about the experts of its own row and 1.855 about those of the row of the token before it: tokens and routes are shifted by one

        hint: mend the recording; or import it all the same with `ImportRunOptions::force_checks`, which marks the run

        the record cannot be true: 1 of 16 checks failed
          - tokens_aligned: a token tells -0.063 bits about the experts of its own row and 1.845 about those of the row of the token after it: tokens and routes are shifted by one

        hint: mend the recording; or import it all the same with `ImportRunOptions::force_checks`, which marks the run
    "#]].assert_eq(&told.join("\n"));
}

#[test]
fn f16_and_i16_of_the_published_files_are_read() {
    let mut options = options(&fixture("imports/flame"), None);
    options.import.sequence_length = Some(6);
    let folder = tempfile::tempdir().unwrap();
    let (run, _, gate) = import(options, &folder.path().join("run"), &Unwatched).unwrap();
    assert_eq!((gate.failed().count(), gate.sequences, gate.positions), (0, 2, 12));
    let trace = RoutingTrace::open(&run).unwrap();
    let layer = trace.layer(2).unwrap();
    // Token 7 at position 1: (5 * 7 + 11 * 3 + 9 c) % 64; its first share is the f16 nearest to 0.301.
    assert_eq!((layer.token_id[1], &layer.expert[6..12]), (7, &[4, 13, 22, 31, 40, 49][..]));
    assert_eq!(layer.probability[6], half::f16::from_f32(0.301).to_f32());
}

#[test]
fn files_that_do_not_belong_together_are_refused() {
    let refused = |change: fn(&Path), options: fn(&Path) -> ImportRunOptions| {
        let folder = tempfile::tempdir().unwrap();
        let path = written(&planted(), folder.path());
        change(&path);
        let result: Result<_, Error> = import(options(&path), &folder.path().join("run"), &Unwatched);
        let Err(error) = result else { panic!("it was imported") };
        told(&error).replace(&folder.path().display().to_string(), "TEMP")
    };
    let plain = |path: &Path| options(path, None);
    let told = [
        refused(
            |path| {
                let other = path.join("actives/iter_5400");
                fs::create_dir(&other).unwrap();
                fs::copy(path.join("actives/iter_5473/layer_02.parquet"), other.join("layer_02.parquet")).unwrap();
            },
            plain,
        ),
        refused(|path| fs::remove_file(path.join("samples/001.parquet")).unwrap(), plain),
        refused(
            |path| {
                let samples = path.join("samples/000.parquet");
                fs::copy(samples, path.join("actives/iter_5473/layer_03.parquet")).unwrap();
            },
            plain,
        ),
        refused(
            |path| {
                let layer = path.join("actives/iter_5473/layer_02.parquet");
                let bytes = fs::read(&layer).unwrap();
                fs::write(&layer, &bytes[..bytes.len() / 2]).unwrap();
            },
            plain,
        ),
        refused(|_| (), |path| options(path, Some(5))),
        refused(
            |_| (),
            |path| {
                let mut options = options(path, None);
                options.import.model_config = Some(fixture("imports/config.json"));
                options
            },
        ),
    ];
    expect![[r#"
        there are files of 2 checkpoints, such as `TEMP/flame-moe-290m/actives/iter_5400` and `TEMP/flame-moe-290m/actives/iter_5473`; expected one

        hint: name the folder `samples` and one folder `actives/iter_NNNN`, of the same model

        the samples have 1024 token ids, each layer has 3072 rows

        hint: a file may be missing or cut: fetch it again

        `TEMP/flame-moe-290m/actives/iter_5473/layer_03.parquet` has 1024 rows, `TEMP/flame-moe-290m/actives/iter_5473/layer_02.parquet` 3072

        hint: a file may be missing or cut: fetch it again

        `TEMP/flame-moe-290m/actives/iter_5473/layer_02.parquet` is not a readable Parquet file: parquet: File out of specification: The file must end with PAR1

        hint: it may be cut or damaged: fetch or write it again

        3072 rows are no whole micro-batches of 5 sequences of 64 tokens

        hint: give another number of sequences, or their length

        `TEMP/flame-moe-290m/actives/iter_5473/layer_02.parquet`, column `indices` has lists of 6 values; expected 2, as many as a token has choices

        hint: docs/import.md lists the columns and their types
    "#]].assert_eq(&told.join("\n"));
}
