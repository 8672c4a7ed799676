//! ESFT: the published trace of DeepSeek-V2-Lite where it is there, and a small one in its format.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use expect_test::expect;
use openmoe_analyze::{
    pipeline::{ImportRunOptions, Unwatched, import, options::StatisticSettings, read_tables},
    routing::View,
    run::RunDir,
    stats::{Finding, Statistic, Tables, Variable, Variant},
};
use serde_json::Value;

use crate::support::{random::Random, snapshot::told};

/// An import without resamples and permutations: estimates alone.
fn options(path: &Path) -> ImportRunOptions {
    ImportRunOptions {
        paths: vec![path.to_path_buf()],
        statistics: StatisticSettings { resamples: 0, permutations: 0, ..StatisticSettings::default() },
        ..ImportRunOptions::default()
    }
}

fn imported(path: &Path, out: &Path) -> (RunDir, Tables) {
    let (run, _, gate) = import(options(path), out, &Unwatched).unwrap();
    assert_eq!(gate.failed().count(), 0, "{:#?}", gate.checks);
    let tables = read_tables(&run).unwrap();
    (run, tables)
}

/// The row that fits, in a layer.
fn row(tables: &Tables, statistic: Statistic, layer: u16, fits: impl Fn(&Finding) -> bool) -> &Finding {
    let rows = &tables[statistic.table()].rows;
    let chosen = |row: &&Finding| row.statistic == statistic && row.layer == layer && row.view == View::Chosen;
    rows.iter().filter(chosen).find(|row| fits(row)).unwrap_or_else(|| panic!("no {statistic} in layer {layer}"))
}

/// The folder of the domains, which is not part of the repository: an unpacked `esft.tar.xz` beside it, or what
/// `ESFT` names.
fn published() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/traces/esft");
    let folder = std::env::var_os("ESFT").map_or(beside, PathBuf::from).join("results/expert_scores");
    folder.is_dir().then_some(folder)
}

#[test]
fn the_published_trace_gives_the_published_numbers() {
    let Some(folder) = published() else {
        println!("not checked: the published trace of ESFT is not here; ESFT=FOLDER names it");
        return;
    };
    let out = tempfile::tempdir().unwrap();
    let (_, tables) = imported(&folder, &out.path().join("run"));
    // Computed from the files by others, with numpy: bits about the category, Cramer's V, same first choice as the token
    // before, experts that carry half of the load.
    let expected = [
        (1, [0.18941, 0.29883, 0.04745, 23.0]),
        (13, [0.27867, 0.36594, 0.19289, 20.0]),
        (26, [0.25140, 0.34067, 0.12838, 20.0]),
    ];
    for (layer, numbers) in expected {
        let found = [
            row(&tables, Statistic::MutualInformation, layer, |row| row.variable == Some(Variable::Category)),
            row(&tables, Statistic::CramersV, layer, |_| true),
            row(&tables, Statistic::ExpertRepetition, layer, |row| {
                row.variant == Some(Variant::First) && row.category.is_none()
            }),
            row(&tables, Statistic::N50, layer, |row| row.category.is_none()),
        ];
        for (row, number) in found.iter().zip(numbers) {
            let estimate = row.estimate.unwrap();
            assert!((estimate - number).abs() < 6e-6, "layer {layer}, {}: {estimate} is not {number}", row.statistic);
        }
    }
    check_shares(&folder, &tables);
}

/// The shares of assignments that the authors published with the trace, which have four decimals.
fn check_shares(folder: &Path, tables: &Tables) {
    let mut compared = 0;
    for domain in ["intent", "law", "summary", "translation"] {
        let text = fs::read_to_string(folder.join(domain).join("summary.json")).unwrap();
        let summary: Value = serde_json::from_str(&text).unwrap();
        let of_domain = |row: &&Finding| row.view == View::Chosen && row.category.as_deref() == Some(domain);
        for row in tables["expert_share"].rows.iter().filter(of_domain) {
            let expert = row.expert.unwrap().to_string();
            let published = summary["token_scores"][row.layer.to_string()][&expert].as_f64().unwrap();
            assert!((row.estimate.unwrap() - published).abs() <= 5.1e-5, "{domain}, layer {}, {expert}", row.layer);
            compared += 1;
        }
    }
    assert_eq!(compared, 4 * 26 * 64);
}

/// Writes two domains of three documents, three layers of 64 experts; of each token the choices stand unsorted.
fn write_small(folder: &Path) {
    let mut random = Random(3);
    for domain in ["law", "intent"] {
        fs::create_dir_all(folder.join(domain)).unwrap();
        let lengths = [40, 25, 60];
        for layer in 1..=3 {
            let mut text = String::new();
            for tokens in lengths {
                let choices: Vec<u16> =
                    (0..tokens).flat_map(|_| random.subset(if domain == "law" { 64 } else { 40 }, 6)).collect();
                let ids: Vec<String> = choices.iter().map(u16::to_string).collect();
                let shares: Vec<String> = choices.iter().map(|_| format!("{:.4}", 0.1 * random.unit())).collect();
                writeln!(text, "{}\t\t{}", ids.join("\t"), shares.join("\t")).unwrap();
            }
            fs::write(folder.join(domain).join(format!("expert_weights_{layer}.txt")), text).unwrap();
        }
    }
}

#[test]
fn a_small_trace_becomes_a_run() {
    let folder = tempfile::tempdir().unwrap();
    write_small(&folder.path().join("scores"));
    let (run, tables) = imported(&folder.path().join("scores"), &folder.path().join("run"));
    let record = run.record().unwrap();
    let import = record.identity.import.unwrap();
    assert_eq!((import.format.as_str(), import.sequences, import.positions, import.ranked), ("esft", 6, 250, true));
    let loads = &tables["expert_load"].rows;
    let categories: Vec<_> = loads.iter().filter_map(|row| row.category.as_deref()).collect();
    assert!(categories.contains(&"law") && categories.contains(&"intent"));
    // No token ids: what is made of them is withheld, and says why.
    let token = row(&tables, Statistic::MutualInformation, 1, |row| row.variable == Some(Variable::Token));
    assert_eq!(token.estimate, None);
    expect!["the trace records no token ids: which token was routed is unknown"]
        .assert_eq(token.note.as_deref().unwrap());
}

#[test]
fn what_is_no_such_line_is_refused_with_its_place() {
    let refused = |damage: fn(String) -> String| {
        let folder = tempfile::tempdir().unwrap();
        write_small(&folder.path().join("scores"));
        let file = folder.path().join("scores/law/expert_weights_2.txt");
        fs::write(&file, damage(fs::read_to_string(&file).unwrap())).unwrap();
        let Err(error) = import(options(&folder.path().join("scores")), &folder.path().join("run"), &Unwatched) else {
            panic!("it was imported");
        };
        assert!(!folder.path().join("run").exists(), "nothing is written");
        told(&error).replace(&folder.path().display().to_string(), "TEMP")
    };
    let cases: [fn(String) -> String; 4] = [
        |text| text.replacen("\t\t", "\t", 1),
        |text| text.replacen('\t', "\tx", 1),
        |text| text.lines().next().unwrap().to_owned() + "\n",
        |text| text[..text.len() / 2].to_owned(),
    ];
    let found: Vec<String> = cases.into_iter().map(refused).collect();
    expect![[r#"
        `TEMP/scores/law/expert_weights_2.txt`, line 1 has no two tabs between ids and shares

        hint: expected ids, two tabs, and as many shares, all separated by tabs

        `TEMP/scores/law/expert_weights_2.txt`, line 1 has `x29` where an id is due

        hint: expected ids, two tabs, and as many shares, all separated by tabs

        law, line 2: layer 2 has 0 tokens, layer 1 25

        hint: line i must be the same document in every layer: fetch the files again

        `TEMP/scores/law/expert_weights_2.txt`, line 2 has 150 ids and 129 shares; expected as many, 6 for each token

        hint: expected ids, two tabs, and as many shares, all separated by tabs
    "#]]
    .assert_eq(&found.join("\n"));
}

#[test]
fn a_blank_line_is_no_end_of_the_record() {
    let folder = tempfile::tempdir().unwrap();
    let scores = folder.path().join("scores");
    write_small(&scores);
    for layer in 1..=3 {
        let file = scores.join(format!("law/expert_weights_{layer}.txt"));
        let text = fs::read_to_string(&file).unwrap();
        let end = text.find('\n').unwrap() + 1;
        fs::write(&file, format!("\n{}\n{}\n", &text[..end], &text[end..])).unwrap();
    }
    let (run, _) = imported(&scores, &folder.path().join("run"));
    let import = run.record().unwrap().identity.import.unwrap();
    assert_eq!((import.sequences, import.positions), (6, 250));
}

#[test]
fn two_folders_of_one_name_are_not_one_domain() {
    let folder = tempfile::tempdir().unwrap();
    for record in ["a", "b"] {
        write_small(&folder.path().join("scores").join(record));
    }
    let read = import(options(&folder.path().join("scores")), &folder.path().join("run"), &Unwatched);
    expect![[r#"
        `TEMP/scores/a/intent/expert_weights_1.txt` and `TEMP/scores/b/intent/expert_weights_1.txt` are both layer 1 of domain `intent`

        hint: domains are told apart by the names of their folders: name the folders of one record
    "#]]
    .assert_eq(&told(&read.err().unwrap()).replace(&folder.path().display().to_string(), "TEMP"));
}
