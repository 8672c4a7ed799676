//! What a real browser does with a page.

use super::*;

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
