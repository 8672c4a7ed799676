//! What a page of one run or of several holds.

use super::*;

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
    expect![[r#"
        Overall: mostly context-independent. Where the token id explains least (layer 3), it explains 79 % [76, 83] of the routing.
        What surrounds a token may still matter: once the token id is known, the previous token explains at most 58 % [41, 76] of what is left (layer 1).
        Expert 9 of layer 1 specializes most: it takes 30 % [28, 35] of the tokens of category &quot;&lt;/script&gt;&lt;script&gt;document.title = &#x27;taken over&#x27;&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;&quot;, 2.4 times an even load.
        layer 1: mostly context-independent: the token id explains 89 % [87, 91] of the routing; of what is left, the document explains 24 % [7, 40], the previous token at most 58 % [41, 76], the category 15 % [6, 24], the position 5 % [3, 7]
        layer 3: mostly context-independent: the token id explains 79 % [76, 83] of the routing; of what is left, the document explains 17 % [1, 34], the previous token at most 56 % [39, 74], the category 13 % [5, 21], the position 6 % [5, 7]
        layer 5: mostly context-independent: the token id explains 80 % [76, 83] of the routing; of what is left, the document explains -2 % [-15, 11], the previous token at most 48 % [37, 58], the category 7 % [1, 13], the position 9 % [6, 12]
        &quot;mostly context-independent&quot; means: at least half is explained by the token id, but more than a tenth of the rest by a context
        expert 9 of layer 1: the clearest of 96 pairs of category and expert; 26 intervals lie above an even load and 44 below, where about 5 would miss it by chance

        Before openmoe-tiny-12.3M, the last checkpoint, no layer was halfway from chance to its routing: the nearest, layer 1, stood at 44 % [41, 45] at openmoe-tiny-2.5M.
        At openmoe-tiny-2.5M, the last checkpoint but one, the layer that agreed least, layer 3, stood at 26 % [24, 28].
        layer 1: did not reach half of its final agreement before openmoe-tiny-12.3M: openmoe-tiny-2.5M stands at 44 % [41, 45] of the way from chance to full agreement (chance-corrected; uncorrected 51 %, by chance 13 %)
        layer 3: did not reach half of its final agreement before openmoe-tiny-12.3M: openmoe-tiny-2.5M stands at 26 % [24, 28] of the way from chance to full agreement (chance-corrected; uncorrected 35 %, by chance 12 %)
        layer 5: did not reach half of its final agreement before openmoe-tiny-12.3M: openmoe-tiny-2.5M stands at 38 % [35, 40] of the way from chance to full agreement (chance-corrected; uncorrected 46 %, by chance 14 %)

        Later tokens are dropped more: up to 7.2 points [4.9, 10.5] more in the last quarter of a sequence than in the first (layer 3).
        This text does not tell how much of the rise is only the experts&#x27; queues filling up.
        Compared with tokens in random order, the trend differs in 1 of 3 layers; by chance it would in less than 1.
        layer 1: 0.39 % [0.08, 0.77] of the assignments are dropped; last quarter minus first quarter of 12 sequences +0.81 points [+0.27, +1.76], in random order +0.60 points, left +0.22 points [+0.01, +0.50]: later tokens are dropped more, beyond what random order gives
        layer 3: 6.75 % [3.13, 9.71] of the assignments are dropped; last quarter minus first quarter of 12 sequences +7.20 points [+4.94, +10.49], in random order +6.71 points, left +0.49 points [-0.93, +1.92]: later tokens are dropped more, but no more than in random order
        layer 5: 2.39 % [1.02, 4.06] of the assignments are dropped; last quarter minus first quarter of 12 sequences +5.59 points [+2.99, +10.44], in random order +6.37 points, left -0.78 points [-1.63, +0.10]: later tokens are dropped more, but no more than in random order
        by role in layer 3, which drops most: user 5.38 % [3.56, 7.05], assistant 7.30 % [2.75, 10.87]
        queues that overflow most, and the tokens that fill them: expert 7 of layer 1 (&quot;␣a&quot; 7 %, &quot;␣to&quot; 7 %, &quot;␣the&quot; 6 %); expert 2 of layer 3 (&quot;.&quot; 7 %, &quot;␣&quot; 7 %, &quot;,&quot; 6 %); expert 15 of layer 5 (&quot;␣you&quot; 7 %, &quot;’&quot; 6 %, &quot;␣&quot; 6 %)
        capacity factor that would drop at most 1 % (replay of the choices, rule port): 1.80 [1.69, 1.95] in layer 1, 2.85 [2.30, 3.01] in layer 3, 2.24 [2.02, 2.37] in layer 5
        of 3 intervals of what is left above random order, 1 lies above 0 and 0 below; by chance less than 1 would miss 0
    "#]].assert_eq(&verdicts(&page));
}

/// What the verdicts of a page say, one answer a line, with an empty line between runs.
fn verdicts(page: &str) -> String {
    let lists = page.split("<div class=\"verdict\">").skip(1).map(|rest| rest.split_once("</div>").unwrap().0);
    let answers = |list: &str| -> String {
        let items =
            list.split("<li").skip(1).map(|item| item.split_once('>').unwrap().1.split_once("</li>").unwrap().0);
        items.map(|answer| answer.replace("&#x2f;", "/") + "\n").collect()
    };
    lists.map(answers).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_link_of_a_page_leads_to_a_file_or_to_a_section() {
    let path = report(&["nasty", "drift", "drops"], "linked.html");
    let page = fs::read_to_string(&path).unwrap().replace("&#x2f;", "/");
    let markup = markup(&page);
    let links: Vec<&str> = markup.split("href=\"").skip(1).map(|rest| rest.split_once('"').unwrap().0).collect();
    let (sections, files): (Vec<&str>, Vec<&str>) = links.into_iter().partition(|link| link.starts_with('#'));
    assert!(sections.len() > 10 && files.len() > 100, "{} sections, {} files", sections.len(), files.len());
    for section in sections {
        assert!(markup.contains(&format!("id=\"{}\"", &section[1..])), "no section {section}");
    }
    for file in files {
        let name = percent_encoding::percent_decode_str(file).decode_utf8().unwrap();
        assert!(path.parent().unwrap().join(&*name).is_file(), "no file {name}");
    }
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
