//! The page of one run and of several: what it holds, what it must never hold, and what a real browser does with it.

use std::{
    collections::BTreeSet,
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use openmoe_analyze::{routing::View, stats::StatisticTable};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::support::{
    files::{fixture, read_json},
    program::{openmoe_with, tiny, twelve_documents},
};

const SCRIPT: &str = "</script><script>document.title = 'taken over'</script><img src=x onerror=alert(1)>";

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Runs that the tests only read: two of route, one of drift, one of drops.
struct Runs {
    folder: TempDir,
}

impl Runs {
    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

/// Documents and categories full of markup, quotes, control characters and other scripts.
fn nasty_corpus(folder: &Path) -> PathBuf {
    let texts = [
        SCRIPT,
        "\"quotes\" & 'more' {{ braces }} {% raw %} `code`",
        "\u{5e9}\u{5dc}\u{5d5}\u{5dd} \u{202e}turned",
        "\u{1f600} tabs\tand\nlines",
    ];
    let rows = (0..16).map(|row| {
        let category = if row % 2 == 0 { SCRIPT } else { "a \"category\"\\ of two\nlines" };
        json!({ "id": format!("{SCRIPT} {row}"), "domain": category, "text": format!("{} {}", texts[row % 4].repeat(3), row) }).to_string()
    });
    let path = folder.join("nasty.jsonl");
    fs::write(&path, rows.collect::<Vec<_>>().join("\n")).unwrap();
    path
}

fn runs() -> &'static Runs {
    static RUNS: OnceLock<Runs> = OnceLock::new();
    RUNS.get_or_init(|| {
        let runs = Runs { folder: tempfile::tempdir().unwrap() };
        let corpus = nasty_corpus(runs.folder.path());
        let few = ["--resamples", "40", "--permutations", "10", "-q"];
        let (last, earlier) = (tiny("12.3M"), tiny("2.5M"));
        let route = |checkpoint: &str, name: &str| {
            let out = runs.path(name);
            let outcome =
                openmoe_with(&[&["route", checkpoint, "--corpus", text(&corpus), "--out", &out], &few[..]].concat());
            assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        };
        route(&last, "nasty");
        route(&earlier, "earlier");
        let outcome = twelve_documents(&["drift", &earlier, &last], &["--out", &runs.path("drift"), "-q"]);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let transcripts = fixture("corpora/transcripts/openai_messages.jsonl").display().to_string();
        let out = runs.path("drops");
        let drops = ["drops", &last, "--transcripts", &transcripts, "--max-sequences", "12", "--out", &out];
        let outcome = openmoe_with(&[&drops[..], &few].concat());
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        runs
    })
}

/// A report of several runs.
fn report(names: &[&str], file: &str) -> PathBuf {
    let out = runs().folder.path().join(file);
    let folders: Vec<String> = names.iter().map(|name| runs().path(name)).collect();
    let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
    let outcome = openmoe_with(&[&["report"], &folders[..], &["--out", text(&out), "-q", "--force"]].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    out
}

/// The page without scripts and packed numbers, which no value of a run reaches as text.
fn markup(page: &str) -> String {
    let mut rest = page;
    let mut markup = String::new();
    while let Some((before, after)) = rest.split_once("<script") {
        markup.push_str(before);
        rest = after.split_once("</script>").unwrap().1;
    }
    markup + rest
}

#[test]
fn a_page_asks_no_host_and_shows_markup_as_text() {
    let page = fs::read_to_string(runs().folder.path().join("nasty/report.html")).unwrap();
    let markup = markup(&page);
    assert!(markup.contains("&lt;&#x2f;script&gt;&lt;script&gt;") || markup.contains("&lt;/script&gt;&lt;script&gt;"));
    assert!(!markup.contains("<img") && !markup.contains("taken over'</script>"), "markup of a document");
    let tags = markup.split('<').skip(1).map(|rest| rest.split('>').next().unwrap());
    for tag in tags.filter(|tag| tag.contains("src=") || tag.contains("href=")) {
        assert!(tag.starts_with("a ") && !tag.contains("src=") && !tag.contains("//"), "<{tag}>");
    }
    assert!(!markup.contains("@import") && !markup.contains("url("));
    assert!(page.contains("default-src 'none'"));
    assert_eq!(page.matches("</script>").count(), page.matches("<script").count() - scripts_in_libraries(&page));
}

/// `<script` inside the text of a script opens nothing.
fn scripts_in_libraries(page: &str) -> usize {
    let mut inside = 0;
    let mut rest = page;
    while let Some((_, after)) = rest.split_once("<script") {
        let (script, next) = after.split_once("</script>").unwrap();
        inside += script.matches("<script").count();
        rest = next;
    }
    inside
}

#[test]
fn every_verdict_and_every_headline_statistic_is_in_the_page() {
    let page = fs::read_to_string(report(&["nasty", "drift", "drops"], "three.html")).unwrap();
    for name in ["nasty", "drift", "drops"] {
        let summary = read_json(&runs().folder.path().join(name).join("summary.json"));
        for finding in summary["findings"].as_array().unwrap() {
            let heading = format!("-{}\" class=\"statistic\"", finding["statistic"].as_str().unwrap());
            assert!(page.contains(&heading), "no section {heading}");
        }
    }
    assert!(
        page.contains("context-independent") && page.contains("of the way from chance") && page.contains("dropped")
    );
}

/// Keys of a finding that say what it is about; the others are its numbers.
const NUMBERS: [&str; 19] = [
    "estimate",
    "low",
    "high",
    "n",
    "documents",
    "baseline",
    "baseline_kind",
    "uniform_baseline",
    "p_value",
    "corrected",
    "corrected_low",
    "corrected_high",
    "ceiling",
    "explained",
    "explained_low",
    "explained_high",
    "noise_floor",
    "unit",
    "note",
];

/// A row without its numbers.
fn keys(finding: &Value) -> Map<String, Value> {
    let of = |(key, value): (&String, &Value)| (key.clone(), value.clone());
    finding.as_object().unwrap().iter().filter(|(key, _)| !NUMBERS.contains(&key.as_str())).map(of).collect()
}

#[test]
fn every_verdict_rests_on_findings_of_the_summary() {
    for (name, claims) in [("nasty", 2), ("drift", 1), ("drops", 3)] {
        let summary = read_json(&runs().folder.path().join(name).join("summary.json"));
        let findings: Vec<_> = summary["findings"].as_array().unwrap().iter().map(|row| (keys(row), row)).collect();
        let mut seen = BTreeSet::new();
        for verdict in summary["verdicts"].as_array().unwrap() {
            seen.insert(verdict["claim"].as_str().unwrap());
            assert!(verdict["answer"].is_string() && !verdict["words"].as_str().unwrap().is_empty(), "{verdict}");
            for number in verdict["because"].as_array().unwrap() {
                // Single token ids are in the table alone, and what was not measured is nowhere.
                if number["finding"]["token_id"].is_u64() && verdict["claim"] == "token_moved" {
                    continue;
                }
                let about = number["finding"].as_object().unwrap();
                let rows: Vec<_> = findings.iter().filter(|(keys, _)| keys == about).collect();
                if number["missing"]["reason"] == "not_measured" {
                    assert!(rows.is_empty(), "{about:?}");
                    continue;
                }
                assert_eq!(rows.len(), 1, "{about:?}");
                let named = number["number"].as_str().unwrap();
                if ["estimate", "corrected", "explained", "ceiling"].contains(&named) {
                    assert_eq!(number["estimate"], rows[0].1[named], "{number}");
                }
            }
        }
        assert!(seen.len() >= claims, "{name}: {seen:?}");
    }
}

#[test]
fn two_runs_of_a_kind_stand_side_by_side_with_their_difference() {
    let page = fs::read_to_string(report(&["nasty", "earlier"], "two.html")).unwrap();
    assert!(page.contains("openmoe-tiny-2.5M less openmoe-tiny-12.3M"));
    let finding = |name: &str| -> f64 {
        let summary = read_json(&runs().folder.path().join(name).join("summary.json"));
        let found = summary["findings"].as_array().unwrap().iter().find(|finding| {
            finding["statistic"] == "load_cv"
                && finding["layer"] == 1
                && finding["view"] == "kept"
                && finding.get("category").is_none()
        });
        found.unwrap()["estimate"].as_f64().unwrap()
    };
    let difference = finding("earlier") - finding("nasty");
    let numbers = numbers(&page);
    let values = numbers["statistics"]["load_cv"]["differences"]["columns"]["difference"].as_array().unwrap();
    let differs = |value: &Value| (value.as_f64().unwrap() - difference).abs() < 1e-12;
    assert!(values.iter().any(differs), "no difference {difference}");
}

/// What the scripts of a page read.
fn numbers(page: &str) -> Value {
    let (_, from) = page.split_once("id=\"report-data\">").unwrap();
    let bytes = STANDARD.decode(from.split_once("</script>").unwrap().0.trim()).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Rows of a statistic in the CSV file of a table.
fn rows_of_csv(run: &str, table: &str, statistic: &str) -> Vec<String> {
    let text = fs::read_to_string(runs().folder.path().join(run).join(format!("stats/{table}.csv"))).unwrap();
    text.lines().filter(|line| line.starts_with(&format!("{statistic},"))).map(str::to_owned).collect()
}

#[test]
fn tables_count_the_files_and_hold_all_of_those_that_are_not_long() {
    for (run, table, statistic) in [
        ("earlier", "domain_specialization", "domain_specialization"),
        ("earlier", "expert_share", "expert_share"),
        ("earlier", "coactivation", "coactivation"),
        ("drift", "token_drift", "token_drift"),
        ("drops", "capacity_replay", "capacity_replay"),
        ("drops", "assignment_drop_ratio", "assignment_drop_ratio"),
    ] {
        let page = fs::read_to_string(runs().folder.path().join(run).join("report.html")).unwrap();
        let found = &numbers(&page)["statistics"][statistic]["table"];
        let shown = found["columns"]["layer"].as_array().unwrap().len();
        let all = rows_of_csv(run, table, statistic).len();
        assert_eq!(found["total"], all, "{statistic}");
        assert!(all > 0 && (shown == all || (shown < all && all > 8000)), "{statistic}: {shown} of {all}");
        let (shown, all) = (thousands(shown), thousands(all));
        assert!(
            page.contains(&format!("{shown} rows: all of")) || page.contains(&format!("{shown} of {all} rows are in"))
        );
    }
}

fn thousands(number: usize) -> String {
    openmoe_analyze::stats::thousands(number as u64)
}

/// Everything that a page says, its packed numbers included.
fn said(path: &Path) -> String {
    let page = fs::read_to_string(path).unwrap();
    let packed = numbers(&page).to_string();
    page + &packed
}

#[test]
fn a_page_tells_no_folder_of_the_machine_unless_asked() {
    let folder = runs().folder.path().display().to_string();
    let texts = fixture("corpora/transcripts").display().to_string();
    for name in ["nasty", "drift", "drops"] {
        let page = said(&runs().folder.path().join(name).join("report.html"));
        assert!(!page.contains(&folder) && !page.contains(&texts), "a path of this machine in the page of {name}");
        assert!(!page.contains("command_line"), "the command line in the page of {name}");
        assert!(!page.contains(env!("CARGO_MANIFEST_DIR")), "the folder of the program in the page of {name}");
    }
    // Beside each other two runs of one label are told apart by their folders, as far as needed.
    let out = runs().folder.path().join("twice.html");
    let run = runs().path("nasty");
    let outcome = openmoe_with(&["report", &run, &run, "--out", text(&out), "-q"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(!said(&out).contains(&folder));
    let outcome = openmoe_with(&["report", &run, "--out", text(&out), "-q", "--force", "--show-command"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let page = said(&out).replace("&#x2f;", "/");
    assert!(page.contains(&folder) && page.contains("command_line") && page.contains("--resamples"));
}

#[test]
fn charts_name_documents_below_what_was_typed() {
    let folder = tempfile::tempdir().unwrap();
    let texts = folder.path().join("private/texts");
    fs::create_dir_all(&texts).unwrap();
    let words = "the same words again and again ".repeat(60);
    let rows = (0..12).map(|row| json!({ "domain": "a", "text": format!("{row} {words}") }).to_string());
    fs::write(texts.join("lines.jsonl"), rows.collect::<Vec<_>>().join("\n")).unwrap();
    let out = folder.path().join("run");
    let outcome = openmoe_with(&[
        "drops",
        &tiny("12.3M"),
        "--corpus",
        text(&texts),
        "--out",
        text(&out),
        "--resamples",
        "0",
        "--permutations",
        "0",
        "-q",
    ]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let charts = fs::read_dir(out.join("charts")).unwrap().map(|entry| entry.unwrap().path());
    let svg = charts.filter(|path| path.extension().is_some_and(|extension| extension == "svg"));
    let svg: String = svg.map(|path| fs::read_to_string(path).unwrap()).collect();
    let page = said(&out.join("report.html"));
    for told in [&svg, &page] {
        assert!(!told.contains("private") && told.contains("lines.jsonl:"), "a folder above the corpus");
    }
    // The files keep whole names: they stay where they are.
    let csv = fs::read_to_string(out.join("stats/document_drops.csv")).unwrap();
    assert!(csv.contains(text(&texts)));
}

#[test]
fn what_cannot_be_reported_is_refused_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |arguments: &[&str], words: &[&str]| {
        let outcome = openmoe_with(&[&["report"], arguments].concat());
        assert_eq!(outcome.code, 2, "{}", outcome.stderr);
        for word in words {
            assert!(outcome.stderr.contains(word), "no `{word}` in: {}", outcome.stderr);
        }
    };
    let (nasty, earlier) = (runs().path("nasty"), runs().path("earlier"));
    refused(&[&nasty, &earlier], &["2 runs", "hint:", "--out report.html"]);
    refused(&[text(folder.path())], &["is not the folder of a run", "hint:"]);
    refused(&[&nasty, "--out", text(folder.path())], &["is a folder", "report.html"]);
    let taken = folder.path().join("notes.html");
    fs::write(&taken, "mine").unwrap();
    refused(&[&nasty, "--out", text(&taken)], &["is there already", "--force"]);
    assert_eq!(fs::read_to_string(&taken).unwrap(), "mine");
    let unfinished = folder.path().join("unfinished");
    fs::create_dir(&unfinished).unwrap();
    fs::write(unfinished.join("manifest.json"), "{\"command\":\"route\",\"complete\":false}").unwrap();
    refused(&[text(&unfinished)], &["is not complete", "stats RUN"]);
}

/// Debian's name, and those of other systems.
fn browser() -> Option<&'static str> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    names
        .into_iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success()))
}

/// The page with `tests/browser/drive.js` at its end, through a headless browser: what the driver saw, and what the browser logged.
fn driven(browser: &str, page: &Path) -> (Value, String) {
    let folder = tempfile::tempdir().unwrap();
    let driver = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/drive.js");
    let html = fs::read_to_string(page).unwrap();
    let (before, after) = html.rsplit_once("</body>").unwrap();
    let copy = folder.path().join("driven.html");
    fs::write(&copy, format!("{before}<script>{}</script></body>{after}", fs::read_to_string(driver).unwrap()))
        .unwrap();
    let network = folder.path().join("network.json");
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,1000"])
        .args(["--enable-logging=stderr", "--v=0", "--virtual-time-budget=600000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
        .arg(format!("--log-net-log={}", network.display()))
        .arg(format!("file://{}", copy.display()))
        .output()
        .unwrap();
    let dom = String::from_utf8_lossy(&output.stdout);
    let logged = String::from_utf8_lossy(&output.stderr);
    let result =
        dom.split_once("<pre id=\"result\"").and_then(|(_, rest)| rest.split_once('>')?.1.split_once("</pre>"));
    let result = result.unwrap_or_else(|| panic!("the driver left no result: {logged}")).0;
    let result = result.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    let console = logged.lines().filter(|line| line.contains("CONSOLE")).collect::<Vec<_>>().join("\n");
    assert_eq!(asked(&network, &copy), Vec::<String>::new(), "requests of the page");
    (serde_json::from_str(&result).unwrap(), console)
}

/// Addresses that the page asked for, itself left out.
fn asked(network: &Path, page: &Path) -> Vec<String> {
    let log = fs::read_to_string(network).unwrap();
    let own = format!("file://{}", page.display());
    let initiated = log.split("\"initiator\":").skip(1).map(|rest| rest.split(['}', '\n']).next().unwrap());
    let of_page = initiated.filter(|event| event.starts_with("\"file:") || event.contains(&own));
    of_page.map(str::to_owned).collect()
}

/// The largest domain specialization of the chosen view in the files of runs, as the table of a page shows it.
fn largest(names: &[&str]) -> Value {
    let tables = names.iter().filter_map(|name| {
        let path = runs().folder.path().join(name).join("stats/domain_specialization.parquet");
        Some(StatisticTable::from_parquet("domain_specialization", fs::File::open(path).ok()?).unwrap())
    });
    let rows = tables.flat_map(|table| table.rows).filter(|row| row.view == View::Chosen);
    json!(format!("{:.4}", rows.filter_map(|row| row.estimate).fold(0.0, f64::max)))
}

#[test]
fn in_a_real_browser_everything_works_and_nothing_is_logged() {
    let Some(browser) = browser() else {
        println!("NOT RUN: no chromium on this machine");
        return;
    };
    for (names, file) in
        [(&["nasty"][..], "one.html"), (&["nasty", "drift", "drops"], "all.html"), (&["nasty", "earlier"], "pair.html")]
    {
        let page = report(names, file);
        let (result, console) = driven(browser, &page);
        println!("{file}, {} bytes: {result}", fs::metadata(&page).unwrap().len());
        assert_eq!(result["errors"], json!([]), "{file}");
        assert_eq!(result["failures"], json!([]), "{file}");
        assert_eq!(console, "", "{file}");
        assert!(result["figures_drawn"].as_u64().unwrap() >= 10, "{result}");
        assert_eq!(result["largest"], largest(names), "{file}: the top of the sorted table");
        for check in ["table_sorts_ok", "filter_ok", "token_view_ok", "theme_ok", "escaped_ok"] {
            assert_eq!(result[check], true, "{check}: {result}");
        }
    }
}
