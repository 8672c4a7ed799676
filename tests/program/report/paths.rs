//! What a page must never tell, and what is refused.

use super::*;

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
    let (run, again) = (runs().path("nasty"), runs().folder.path().join("again"));
    copy_tree(Path::new(&run), &again);
    let outcome = openmoe_with(&["report", &run, text(&again), "--out", text(&out), "-q"]);
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
    let refused = |arguments: &[&str], message: &Expect| {
        openmoe_with(&[&["report"], arguments].concat()).refused(message);
    };
    let (nasty, earlier) = (runs().path("nasty"), runs().path("earlier"));
    refused(
        &[&nasty, &earlier],
        &expect![[r#"
        error: 2 runs, but no file for their report

        hint: name one, such as --out report.html
    "#]],
    );
    refused(
        &[text(folder.path())],
        &expect![[r#"
        error: `TEMP` is not the folder of a run: manifest.json: No such file or directory (os error 2)

        hint: give the folder that --out named
    "#]],
    );
    refused(
        &[&nasty, "--out", text(folder.path())],
        &expect![[r#"
        error: --out `TEMP` is a folder; expected the name of a file

        hint: write `TEMP/report.html`
    "#]],
    );
    let taken = folder.path().join("notes.html");
    fs::write(&taken, "mine").unwrap();
    refused(
        &[&nasty, "--out", text(&taken)],
        &expect![[r#"
        error: --out `TEMP/notes.html` is there already

        hint: replace it with --force
    "#]],
    );
    assert_eq!(fs::read_to_string(&taken).unwrap(), "mine");
    let unfinished = folder.path().join("unfinished");
    fs::create_dir(&unfinished).unwrap();
    fs::write(unfinished.join("manifest.json"), "{\"command\":\"route\",\"complete\":false}").unwrap();
    refused(
        &[text(&unfinished)],
        &expect![[r#"
        error: run `TEMP/unfinished` is not complete: its statistics may be missing or of other settings

        hint: repeat the command that made it with --resume, or make the statistics with `openmoe-analyze stats RUN`
    "#]],
    );
}
