//! Files that the recorder of SGLang wrote, against what went into it (`passes.json`), and what damage makes of them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::*;
use crate::import::{
    CountTable, Gate, ImportOptions, ModelConfig, Outcome, Prepared, RouteReader, RouteSequence, open as open_any,
};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from("fixtures/imports").join(name)
}

fn routes(path: &Path, with_model: bool) -> Result<Routes> {
    let model_config = with_model.then(|| fixture("config.json"));
    let source = Source::new(&[path.to_path_buf()])?;
    let (format, routes) = open_any(&source, &ImportOptions { model_config, ..ImportOptions::default() })?;
    assert_eq!(format.name, "sglang");
    Ok(routes)
}

fn tokens(path: &Path, with_model: bool) -> Box<dyn RouteReader> {
    let Routes::Tokens(reader) = routes(path, with_model).unwrap() else { panic!("counts") };
    reader
}

fn counts(path: &Path) -> CountTable {
    let Routes::Counts(counts) = routes(path, true).unwrap() else { panic!("tokens") };
    counts
}

/// What went into the recorder: by sequence and position the token and the choices of layers 1 to 3.
fn recorded() -> Vec<Vec<(u32, Vec<u16>)>> {
    let passes: Value = serde_json::from_str(&std::fs::read_to_string(fixture("sglang/passes.json")).unwrap()).unwrap();
    let mut sequences = vec![Vec::new(), Vec::new()];
    for (pass, owners) in passes.as_array().unwrap().iter().zip([&[0, 0, 0, 1, 1][..], &[0, 1]]) {
        for (row, owner) in owners.iter().enumerate() {
            let choices = |layer: u16| {
                let choices = pass["layers"][layer.to_string()][row].as_array().unwrap();
                choices.iter().map(|expert| expert.as_u64().unwrap() as u16).collect::<Vec<_>>()
            };
            let id = pass["input_ids"][row].as_u64().unwrap() as u32;
            let sequence: &mut Vec<_> = &mut sequences[*owner];
            assert_eq!(pass["positions"][row].as_u64().unwrap() as usize, sequence.len());
            sequence.push((id, (1..4).flat_map(choices).collect()));
        }
    }
    sequences
}

#[test]
fn what_went_into_the_recorder_comes_out_of_its_files() {
    for with_model in [true, false] {
        let reader = tokens(&fixture("sglang/per_token.pt"), with_model);
        let report = Gate::pass(reader.as_ref(), |_| Ok(())).unwrap();
        assert!(report.checks.iter().all(|check| check.outcome != Outcome::Failed), "{:#?}", report.checks);
        let prepared = Prepared::new(reader.as_ref(), &report.reading).unwrap();
        assert_eq!(prepared.shape().moe_layers(), [1, 2, 3]);
        let sequences: Vec<_> = prepared.sequences().unwrap().collect::<Result<_>>().unwrap();
        assert_eq!(sequences.len(), 2);
        for (mut found, expected) in sequences.into_iter().zip(recorded()) {
            let (ids, choices): (Vec<u32>, Vec<Vec<u16>>) = expected.into_iter().unzip();
            assert_eq!(found.positions.take().unwrap(), (0..ids.len() as u32).collect::<Vec<_>>());
            assert_eq!(found.token_ids.take().unwrap(), ids);
            assert_eq!(found.experts, choices.concat());
        }
        assert_eq!(reader.header().remarks, Vec::<String>::new());
    }
}

#[test]
fn physical_ids_are_mapped() {
    // The map is storage 4 of the file: places 0 and 1 of every layer change their experts.
    let (_folder, path) = changed("sglang/per_token.pt", "data/4", |numbers| {
        numbers.chunks_exact_mut(64).for_each(|layer| layer.copy_within(8..16, 0));
        numbers.chunks_exact_mut(64).for_each(|layer| layer[8..16].fill(0));
    });
    let reader = tokens(&path, true);
    let report = Gate::pass(reader.as_ref(), |_| Ok(())).unwrap();
    let prepared = Prepared::new(reader.as_ref(), &report.reading).unwrap();
    let swapped = |expert: u16| if expert < 2 { 1 - expert } else { expert };
    for (found, expected) in prepared.sequences().unwrap().zip(recorded()) {
        let expected: Vec<u16> = expected.into_iter().flat_map(|(_, choices)| choices).map(swapped).collect();
        assert_eq!(found.unwrap().experts, expected);
    }
    assert_eq!(report.checks.iter().find(|check| check.check == "expert_ids").unwrap().outcome, Outcome::Warned);
}

/// The counts of the passes that went in, by step, layer and expert.
fn counted() -> BTreeMap<(u64, u16, u16), u64> {
    let mut counts = BTreeMap::new();
    for (step, rows) in [(1, [(0, 0..3), (1, 0..2)]), (2, [(0, 3..4), (1, 2..3)])] {
        for (sequence, positions) in rows {
            for (_, choices) in &recorded()[sequence][positions] {
                for (at, expert) in choices.iter().enumerate() {
                    *counts.entry((step, 1 + at as u16 / 2, *expert)).or_default() += 1;
                }
            }
        }
    }
    counts
}

/// The counts of a file pass by pass.
fn by_pass(name: &str) -> counts::Counts {
    let model = ModelConfig::read(&fixture("config.json")).unwrap();
    counts::collect(&model, &[TorchFile::open(&fixture(name)).unwrap()]).unwrap().0
}

/// The counts of all passes, layer by layer.
fn summed(factor: u64) -> Vec<u64> {
    let mut sums = vec![0; 3 * 8];
    for ((_, layer, expert), count) in counted() {
        sums[usize::from(layer - 1) * 8 + usize::from(expert)] += factor * count;
    }
    sums
}

#[test]
fn counts_of_every_pass_are_kept_without_zeros() {
    let table = counts(&fixture("sglang/per_pass.pt"));
    assert_eq!(by_pass("sglang/per_pass.pt"), counted());
    assert_eq!(table.units[0].assignments, summed(1));
    assert_eq!(table.header.remarks, ["the counts of 2 steps are added up"]);
    assert_eq!(
        table.header.layers.iter().map(|layer| (layer.layer, layer.top_k)).collect::<Vec<_>>(),
        [(1, 2), (2, 2), (3, 2)]
    );
    let error = routes(&fixture("sglang/per_pass.pt"), false).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("do not say how many choices"), "{error}");
}

#[test]
fn the_ring_of_counts_is_read_without_its_unused_places() {
    let one = counts(&fixture("sglang/stat.pt"));
    let expected: BTreeMap<_, _> =
        counted().into_iter().map(|((step, layer, expert), count)| ((step - 1, layer, expert), count)).collect();
    assert_eq!(by_pass("sglang/stat.pt"), expected);
    assert_eq!(one.units[0].assignments, summed(1));
    let two = counts(&fixture("sglang/stat_tp2.pt"));
    assert_eq!(two.units[0].assignments, summed(2));
    // What all counts are multiples of is told once, by the check.
    assert_eq!((one.header.remarks.len(), two.header.remarks.len()), (1, 1), "{:?}", two.header.remarks);
}

#[test]
fn copies_of_other_ranks_are_left_out() {
    for name in ["sglang/per_token.pt", "sglang/per_pass.pt"] {
        let source = Source::new(&[fixture(name), fixture(name)]).unwrap();
        let options = ImportOptions { model_config: Some(fixture("config.json")), ..ImportOptions::default() };
        let remarks = match open_any(&source, &options).unwrap().1 {
            Routes::Tokens(reader) => {
                assert_eq!(reader.sequences().unwrap().count(), 2);
                reader.header().remarks.clone()
            }
            Routes::Counts(table) => {
                assert_eq!(table.units[0].assignments, summed(1));
                table.header.remarks.into_iter().filter(|remark| !remark.contains("steps are added up")).collect()
            }
        };
        assert!(remarks.len() == 1 && remarks[0].contains("left out"), "{remarks:?}");
    }
}

/// A copy of a file, an entry of which is changed in place.
fn changed(name: &str, entry: &str, change: impl FnOnce(&mut [u8])) -> (tempfile::TempDir, PathBuf) {
    let mut bytes = std::fs::read(fixture(name)).unwrap();
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes.clone())).unwrap();
    let names: Vec<String> =
        (0..archive.len()).map(|at| archive.by_index_raw(at).unwrap().name().unwrap().to_string()).collect();
    let at = names.iter().position(|name| name.ends_with(entry)).unwrap();
    let (start, size) = {
        let file = archive.by_index_raw(at).unwrap();
        (file.data_start().unwrap() as usize, file.size() as usize)
    };
    change(&mut bytes[start..start + size]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("record.pt");
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

/// Reads everything that a file holds.
fn all(path: &Path) -> Result<Vec<RouteSequence>> {
    match routes(path, true)? {
        Routes::Tokens(reader) => reader.sequences()?.collect(),
        Routes::Counts(_) => Ok(Vec::new()),
    }
}

#[test]
fn damage_is_an_error_and_never_a_panic() {
    for name in ["sglang/per_token.pt", "sglang/per_pass.pt", "sglang/stat.pt"] {
        let bytes = std::fs::read(fixture(name)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record.pt");
        for length in [10, 100, bytes.len() / 2, bytes.len() - 1] {
            std::fs::write(&path, &bytes[..length]).unwrap();
            let source = Source::new(std::slice::from_ref(&path)).unwrap();
            let options = ImportOptions { format: Some("sglang".into()), ..ImportOptions::default() };
            let error = open_any(&source, &options).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains("record.pt"), "{error}");
        }
    }
    // Any byte of the pickle: its checksum is wrong then.
    let (_folder, path) = changed("sglang/per_token.pt", "data.pkl", |bytes| bytes[200] ^= 1);
    assert!(all(&path).unwrap_err().to_string().contains("unreadable entry"));
}

#[test]
fn the_configuration_of_another_model_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    let refused = |name: &str, layers: usize, dense: usize, experts: usize, top_k: usize| {
        let config = format!(
            r#"{{"num_hidden_layers": {layers}, "first_k_dense_replace": {dense}, "num_experts": {experts}, "num_experts_per_tok": {top_k}}}"#
        );
        std::fs::write(&path, config).unwrap();
        let source = Source::new(&[fixture(name)]).unwrap();
        let options = ImportOptions { model_config: Some(path.clone()), ..ImportOptions::default() };
        open_any(&source, &options).map(|_| ()).unwrap_err().to_string()
    };
    let of_tokens = |layers, dense, experts, top_k| refused("sglang/per_token.pt", layers, dense, experts, top_k);
    assert!(of_tokens(5, 1, 8, 2).contains("record 4 layers; the configuration of the model has 5"));
    assert!(of_tokens(4, 2, 8, 2).contains("hold routes of layer 1, which does not route"));
    assert!(of_tokens(4, 1, 16, 2).contains("leads to 8 experts; the configuration of the model has 16"));
    assert!(of_tokens(4, 1, 16, 10).contains("has 10 choices a token; this recorder keeps 8"));
    for name in ["sglang/per_pass.pt", "sglang/stat.pt"] {
        assert!(refused(name, 5, 1, 8, 2).contains("counts 4 layers; the configuration of the model has 5"));
        assert!(refused(name, 4, 2, 8, 2).contains("counts choices in layer 1, which does not route"));
        assert!(refused(name, 4, 1, 4, 2).contains("the model has 4 experts"));
    }
}
