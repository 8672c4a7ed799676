//! The catalogue of statistics, its documentation and the charts say the same.

use std::{collections::BTreeSet, fs, path::Path};

use openmoe_analyze::{
    chart::CHARTS,
    stats::{STATISTICS, StatisticInfo},
};

/// Headings of `docs/statistics.md` that are no statistics.
const OTHER_HEADINGS: [&str; 3] = ["Rules for all statistics", "Contrasts", "References"];

/// The sections of `docs/statistics.md`: heading and text, in the order of the page.
fn sections() -> Vec<(String, String)> {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/statistics.md")).unwrap();
    let sections = page.split("\n## ").skip(1);
    sections
        .map(|section| {
            let (heading, text) = section.split_once('\n').unwrap();
            (heading.trim_matches(['`', ' ']).to_owned(), text.to_owned())
        })
        .collect()
}

#[test]
fn every_statistic_has_one_section_and_every_section_a_statistic_in_the_same_order() {
    let documented: Vec<String> = sections().into_iter().map(|(heading, _)| heading).collect();
    let documented: Vec<&str> =
        documented.iter().map(String::as_str).filter(|heading| !OTHER_HEADINGS.contains(heading)).collect();
    let listed: Vec<&str> = STATISTICS.iter().map(|statistic| statistic.name).collect();
    assert_eq!(documented, listed);
    println!("{} statistics are documented", listed.len());
}

#[test]
fn every_section_answers_the_same_questions_and_names_table_and_unit() {
    for statistic in STATISTICS {
        let (_, text) = sections().into_iter().find(|(heading, _)| heading == statistic.name).unwrap();
        let needed = ["Question", "Formula", "Unit", "Interval", "Baseline", "Withheld", "Example", "Source"];
        for part in needed {
            assert!(text.contains(&format!("**{part}")), "{}: no **{part}**", statistic.name);
        }
        assert!(text.contains(&format!("`{}`", statistic.table)), "{}: table `{}`", statistic.name, statistic.table);
        assert!(text.contains(statistic.unit), "{}: unit {}", statistic.name, statistic.unit);
        let views = if statistic.kept { "chosen and kept" } else { "chosen view only" };
        assert!(text.contains(views), "{}: the section does not say `{views}`", statistic.name);
    }
}

#[test]
fn names_are_unique_and_every_entry_is_complete() {
    let names: BTreeSet<&str> = STATISTICS.iter().map(|statistic| statistic.name).collect();
    assert_eq!(names.len(), STATISTICS.len());
    let titles: BTreeSet<&str> = STATISTICS.iter().map(|statistic| statistic.title).collect();
    assert_eq!(titles.len(), STATISTICS.len());
    let fields = |s: &StatisticInfo| [s.name, s.title, s.table, s.unit, s.definition, s.baseline, s.source];
    for statistic in STATISTICS {
        assert!(fields(statistic).iter().all(|field| !field.trim().is_empty()), "{statistic:?}");
    }
}

#[test]
fn no_two_kinds_of_chart_have_one_file_name() {
    let stems: BTreeSet<&str> = CHARTS.iter().map(|chart| chart.stem).collect();
    assert_eq!(stems.len(), CHARTS.len());
}
