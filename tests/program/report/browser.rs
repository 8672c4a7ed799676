//! What a real browser does with a page.

use openmoe_analyze::corpus::meant_by;

use super::*;

/// Debian's name, and those of other systems.
fn browser() -> Option<&'static str> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    names
        .into_iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success()))
}

/// What somebody means who types a token: to the command `token` and to the search of the page.
const SPELLINGS: &str = include_str!("../../browser/spellings.json");

/// The page with `tests/browser/drive.js` at its end, through a headless browser of a width: what the driver saw, and what the
/// browser logged. Of the driver's steps only those in `steps` are done, if it names some.
fn driven(browser: &str, page: &Path, width: u32, steps: &str) -> (Value, String) {
    let folder = tempfile::tempdir().unwrap();
    let driver = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/drive.js");
    let html = fs::read_to_string(page).unwrap();
    let (before, after) = html.rsplit_once("</body>").unwrap();
    let copy = folder.path().join("driven.html");
    let steps = if steps.is_empty() { String::new() } else { format!(" data-steps=\"{steps}\"") };
    let spellings = format!("<script type=\"application/json\" id=\"spellings\">{SPELLINGS}</script>");
    let driver = fs::read_to_string(driver).unwrap();
    fs::write(&copy, format!("{before}{spellings}<script{steps}>{driver}</script></body>{after}")).unwrap();
    let network = folder.path().join("network.json");
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        .arg(format!("--window-size={width},800"))
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

/// A page before anything is unfolded has at most so many screens of this height.
const SCREENS: u64 = 12;
const SCREEN: u64 = 800;

/// The number in the summary that a mark of a picture beside the words stands for, as a percentage or in points.
fn told_by_summary(findings: &[Value], command: &str, mark: &Value) -> f64 {
    let text = |key: &str| mark[key].as_str().unwrap_or_default();
    let (label, series) = (text("label"), text("series"));
    let own = |statistic: &str| -> Vec<&Value> {
        let has =
            |row: &&Value| row["statistic"] == statistic && row["layer"] == mark["layer"] && row["view"] == "chosen";
        findings.iter().filter(has).collect()
    };
    let number = |row: &Value, key: &str| row[key].as_f64().unwrap() * 100.0;
    let variable = |row: &&&Value| {
        let name = row["variable"].as_str().unwrap().replace("_bucket", "").replace('_', " ");
        let decides = !name.starts_with("position") || row["variant"] == "within_sequence_shift";
        decides && row["explained"].is_f64() && label.trim_end_matches(" (at most)").trim_end_matches(" id") == name
    };
    let over_all = |row: &&&Value| {
        let keys = row.as_object().unwrap();
        !["dataset", "category", "role", "turn", "checkpoint", "variable"].iter().any(|key| keys.contains_key(*key))
    };
    match (command, series) {
        ("route", series) if series.contains(" that expert ") => {
            let [expert, layer] = ["expert ", "layer "].map(|word| {
                let (_, rest) = series.split_once(word).unwrap();
                rest.split(' ').next().unwrap().parse::<u64>().unwrap()
            });
            assert_eq!(mark["layer"], layer);
            let category = label.trim_matches(['\u{201c}', '\u{201d}']);
            let rows = own("domain_specialization");
            // A line break in a name is shown as its sign.
            let shown = |row: &Value| row["category"].as_str().unwrap_or_default().replace('\n', "\u{23ce}");
            let is_own = |row: &&&Value| row["expert"] == expert && shown(row) == category;
            number(rows.iter().find(is_own).unwrap(), "estimate")
        }
        ("route", "once the token id is known: % of what is left") => {
            number(own("conditional_mutual_information").iter().find(variable).unwrap(), "explained")
        }
        ("route", _) => number(own("mutual_information").iter().find(variable).unwrap(), "explained"),
        ("drift", _) => {
            let rows = own("router_saturation");
            let trained = |row: &&&Value| row["training_tokens"].as_f64().map_or(0, |tokens| tokens as u64);
            let last = &rows.iter().max_by_key(trained).unwrap()["checkpoint"];
            let pair = rows.iter().find(|row| row["checkpoint"] == label && row["reference"] == *last);
            number(pair.unwrap(), "corrected")
        }
        (_, series) if series.starts_with("share of the rise") => {
            let rows = own("drop_trend");
            let of = |variant: &str| *rows.iter().filter(over_all).find(|row| row["variant"] == variant).unwrap();
            let left = number(of("last_minus_first_excess"), "high").max(0.0);
            (100.0 - 100.0 * left / number(of("last_minus_first"), "low")).max(0.0)
        }
        (_, series) if series.starts_with("dropped") => {
            number(own("assignment_drop_ratio").iter().find(over_all).unwrap(), "estimate")
        }
        _ => {
            let left = label.starts_with("left");
            let variant = if left { "last_minus_first_excess" } else { "last_minus_first" };
            let rows = own("drop_trend");
            let row = rows.iter().filter(over_all).find(|row| row["variant"] == variant).unwrap();
            number(row, if label == "in random order" { "baseline" } else { "estimate" })
        }
    }
}

/// Whether the words about a layer name the number of a mark too.
fn is_in_words(command: &str, mark: &Value) -> bool {
    let [label, series] = ["label", "series"].map(|key| mark[key].as_str().unwrap_or_default());
    match command {
        // The details name no category, and the share of the rise only of the layer where it is least.
        _ if series.contains(" that expert ") || series.starts_with("share of the rise") => false,
        "route" => label == "token id" || series.starts_with("once"),
        // The words name the checkpoint before the last one alone.
        "drift" => false,
        _ => true,
    }
}

/// Words and pictures on the first screen say what the summaries say.
fn first_screen_is_true(result: &Value, names: &[&str]) {
    let heroes = result["heroes"].as_array().unwrap();
    assert_eq!(heroes.len(), names.len(), "a picture beside the words of every run");
    for hero in heroes {
        let run = hero["run"].as_u64().unwrap() as usize;
        let summary = read_json(&runs().folder.path().join(names[run]).join("summary.json"));
        let findings = summary["findings"].as_array().unwrap();
        let (command, words) = (hero["command"].as_str().unwrap(), result["words"][run].as_str().unwrap());
        let marks = hero["marks"].as_array().unwrap();
        assert!(marks.len() >= 3, "{hero}");
        for mark in marks {
            let written = mark["written"].as_str().unwrap();
            let shown: f64 = written.trim_end_matches(" %").replace('\u{2212}', "-").parse().unwrap();
            let decimals = written.split_once('.').map_or(0, |(_, digits)| digits.trim_end_matches(" %").len());
            let expected = told_by_summary(findings, command, mark);
            let off = (shown - expected).abs();
            assert!(off <= 0.501 * 0.1_f64.powi(decimals as i32), "{mark} is {expected} in the summary of {command}");
            let line =
                words.lines().find(|line| line.trim().starts_with(&format!("layer {}:", mark["layer"]))).unwrap();
            let number = written.trim_end_matches(" %").replace('\u{2212}', "-");
            assert!(!is_in_words(command, mark) || line.contains(&number), "{mark} is not in the words: {line}");
        }
    }
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
        let (result, console) = driven(browser, &page, 1280, "");
        println!("{file}, {} bytes: {result}", fs::metadata(&page).unwrap().len());
        assert_eq!(result["errors"], json!([]), "{file}");
        assert_eq!(result["failures"], json!([]), "{file}");
        assert_eq!(console, "", "{file}");
        assert!(result["figures_drawn"].as_u64().unwrap() >= 10, "{result}");
        first_screen_is_true(&result, names);
        let height = result["height"].as_u64().unwrap();
        assert!(height <= SCREENS * SCREEN, "{file}: {height} pixels before anything is unfolded");
        assert_eq!(result["largest"], largest(names), "{file}: the top of the sorted table");
        for check in ["table_sorts_ok", "filter_ok", "token_view_ok", "theme_ok", "escaped_ok"] {
            assert_eq!(result[check], true, "{check}: {result}");
        }
    }
}

#[test]
fn a_typed_token_means_the_same_to_the_page_and_to_the_program() {
    let list: Vec<Value> = serde_json::from_str(SPELLINGS).unwrap();
    for spelling in list {
        let meant: BTreeSet<String> = meant_by(spelling["typed"].as_str().unwrap()).into_iter().collect();
        let listed: BTreeSet<String> = serde_json::from_value(spelling["meant"].clone()).unwrap();
        assert_eq!(meant, listed, "{spelling}");
    }
}

#[test]
fn in_a_narrow_window_every_link_lands_where_it_says_and_nothing_scrolls_sideways() {
    let Some(browser) = browser() else {
        println!("NOT RUN: no chromium on this machine");
        return;
    };
    let page = report(&["nasty", "drift", "drops"], "narrow.html");
    // No window of this browser is narrower than 500; the style sheet has its narrow form up to 640.
    let (result, console) = driven(browser, &page, 500, "first heroes landing address printing safety");
    assert_eq!(result["width"], 500, "the browser has another width");
    assert_eq!((&result["errors"], &result["failures"], console.as_str()), (&json!([]), &json!([]), ""), "{result}");
    assert!(result["links"].as_u64().unwrap() > 15, "{result}");
}
