//! Runs of earlier versions go on to open, and traces that record little or whose layers differ go all the way to a page.

use std::{
    fs,
    path::{Path, PathBuf},
};

use openmoe_analyze::{
    routing::{CapacityPolicy, CapacityRule, LayerShape, RoutingShape},
    stats::Statistic,
    trace::{Block, RoutedSequence, TraceBuilder, TraceOptions},
};
use polars::prelude::*;
use serde_json::json;

use crate::support::{
    files::{fixture, read_json},
    program::{copy_tree, openmoe_with, read_table},
};

/// A copy of a folder with all below it.
fn copy_of(from: &Path, to: &Path) -> PathBuf {
    copy_tree(from, to);
    to.to_path_buf()
}

#[track_caller]
fn run(arguments: &[&str], folder: &Path) {
    let all: Vec<&str> = arguments.iter().copied().chain([folder.to_str().unwrap(), "--quiet"]).collect();
    let outcome = openmoe_with(&all);
    assert_eq!(outcome.code, 0, "{all:?}: {}", outcome.stderr);
}

const STATS: [&str; 5] = ["stats", "--resamples", "40", "--permutations", "10"];

/// The tables of a run by file name, as bytes.
fn tables(run: &Path) -> Vec<(String, Vec<u8>)> {
    let mut paths: Vec<PathBuf> = fs::read_dir(run.join("stats")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "parquet"));
    paths.sort();
    paths
        .iter()
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap()))
        .collect()
}

/// A table without the spelling of its tokens, which the first version did not write.
fn without_shown(bytes: &[u8]) -> DataFrame {
    let table = ParquetReader::new(std::io::Cursor::new(bytes)).finish().unwrap();
    table.drop("shown").unwrap_or(table)
}

#[test]
fn a_route_run_of_the_first_version_gives_the_same_numbers_charts_and_page() {
    let folder = tempfile::tempdir().unwrap();
    let old = fixture("runs/route-0.1.0");
    let copy = copy_of(&old, &folder.path().join("run"));
    run(&["chart"], &copy);
    assert!(copy.join("charts/expert_load_kept.svg").is_file() && copy.join("report.html").is_file());
    run(&STATS, &copy);
    let (made, kept) = (tables(&copy), tables(&old));
    let names = |tables: &[(String, Vec<u8>)]| tables.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&made), names(&kept));
    for ((name, made), (_, kept)) in made.iter().zip(&kept) {
        assert!(made == kept || without_shown(made).equals_missing(&without_shown(kept)), "{name} differs");
    }
    fs::remove_file(copy.join("report.html")).unwrap();
    run(&["report"], &copy);
    assert!(fs::read_to_string(copy.join("report.html")).unwrap().contains("<html"));
    assert!(read_json(&copy.join("manifest.json")).get("provides").is_none());
}

#[test]
fn a_drops_run_of_the_first_version_gives_numbers_charts_and_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let copy = copy_of(&fixture("runs/drops-0.1.0"), &folder.path().join("run"));
    run(&STATS, &copy);
    run(&["chart"], &copy);
    run(&["report", "--force"], &copy);
    let ratio = read_table(&copy.join(format!("stats/{}.parquet", Statistic::AssignmentDropRatio.table())));
    assert!(ratio.column("estimate").unwrap().null_count() < ratio.height());
}

/// A trace of two layers that differ in experts, choices and capacity; `k` of the second layer is 3.
fn uneven(folder: &Path, everything: bool) {
    let layer = |experts, choices, factor| LayerShape {
        capacity: everything.then_some(CapacityPolicy { rule: CapacityRule::Port, factor, minimum: 4 }),
        ..LayerShape::of_choices(experts, choices)
    };
    let shape = RoutingShape::new(vec![(1, layer(4, 1, 1.0)), (2, layer(8, 3, 1.25))]).unwrap();
    let options = TraceOptions { label: "uneven".into(), ranked: everything, ..TraceOptions::default() };
    let mut builder = TraceBuilder::create(folder, shape, options).unwrap();
    for text in 0..12_u32 {
        let ids: Vec<u32> = (0..80).map(|position| (position * position + 7 * text) % 11).collect();
        let rows = (0..).zip(&ids).map(|(position, id)| (position + text, *id as u16));
        let experts: Vec<u16> =
            rows.flat_map(|(place, id)| [id % 4, id % 8, (id + 1 + (place % 3) as u16) % 8, (id + 5) % 8]).collect();
        let (probability, measured) = (vec![0.2; experts.len()], vec![0.125; 2 * ids.len()]);
        let category = ["even", "odd"][text as usize % 2];
        let chosen = RoutedSequence { experts: &experts, category: Some(category), ..RoutedSequence::default() };
        let sequence = RoutedSequence {
            probability: Some(&probability),
            combine_weight: Some(&probability),
            entropy: Some(&measured),
            margin_first: Some(&measured),
            margin_k: Some(&measured),
            token_ids: Some(&ids),
            ..chosen
        };
        builder.push(if everything { &sequence } else { &chosen }).unwrap();
    }
    builder.finish(|id| Some(format!("word {id}"))).unwrap();
}

#[test]
fn layers_that_differ_go_all_the_way_to_a_page() {
    let folder = tempfile::tempdir().unwrap();
    uneven(folder.path(), true);
    run(&STATS, folder.path());
    run(&["report", "--force"], folder.path());
    let share = read_table(&folder.path().join(format!("stats/{}.parquet", Statistic::ExpertShare.table())));
    let layers = share.column("layer").unwrap().u16().unwrap().clone();
    let experts = share.column("expert").unwrap().u16().unwrap().clone();
    let most =
        |layer| layers.iter().zip(experts.iter()).filter(|(of, _)| *of == Some(layer)).filter_map(|(_, e)| e).max();
    assert_eq!((most(1), most(2)), (Some(3), Some(7)));
    // The same trace as a drops run: the capacity of each layer is its own.
    let mut manifest = read_json(&folder.path().join("manifest.json"));
    manifest["command"] = json!("drops");
    manifest["checkpoints"] = json!([{ "label": "uneven", "path": "uneven", "trace": "." }]);
    fs::write(folder.path().join("manifest.json"), manifest.to_string()).unwrap();
    run(&STATS, folder.path());
    let ratio = read_table(&folder.path().join(format!("stats/{}.parquet", Statistic::AssignmentDropRatio.table())));
    assert!(ratio.column("estimate").unwrap().f64().unwrap().max().unwrap() > 0.0);
}

#[test]
fn a_trace_of_experts_alone_withholds_with_its_reasons() {
    let folder = tempfile::tempdir().unwrap();
    uneven(folder.path(), false);
    run(&STATS, folder.path());
    run(&["chart"], folder.path());
    run(&["report", "--force"], folder.path());
    let notes = |statistic: Statistic| -> Vec<String> {
        let table = read_table(&folder.path().join(format!("stats/{}.parquet", statistic.table())));
        let notes = table.column("note").unwrap().str().unwrap().clone();
        notes.iter().flatten().map(str::to_owned).collect()
    };
    for (statistic, block) in [
        (Statistic::TopTokens, Block::TokenIds),
        (Statistic::RouterEntropy, Block::Entropy),
        (Statistic::RouterMargin, Block::MarginK),
        (Statistic::ExpertRepetition, Block::Ranks),
        (Statistic::ExpertShare, Block::Drops),
        (Statistic::MutualInformation, Block::TokenIds),
    ] {
        assert!(notes(statistic).iter().any(|note| note == block.absence()), "{statistic}: {:?}", notes(statistic));
    }
    // What sets alone say is there.
    let load = read_table(&folder.path().join(format!("stats/{}.parquet", Statistic::LoadCv.table())));
    assert!(load.column("estimate").unwrap().null_count() < load.height());
}
