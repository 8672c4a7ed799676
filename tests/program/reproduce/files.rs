//! What is written, replaced and refused.

use super::*;

#[test]
fn files_and_charts_are_written_and_replaced_only_with_force() {
    let theirs = paper_shares("fig5_redpajama", "arxiv");
    let run = made_up("route", 32, &[("expert_share", shares("arxiv", &theirs, 0.001)), ("routing_std", Vec::new())]);
    let (folder, out) = (text(run.path()), run.path().join("reproduce"));
    let first = reproduce(&[&folder]);
    assert_eq!(first.code, 0, "{}", first.stderr);
    expect![[r#"
        The paper alone: 31 of 31 checks of its numbers against closed forms and each other hold
        Figure 5: agrees, because the spread over the experts is alike within the interval, widened by a third (expert shares by RedPajama subset (kept), beside TEMP)
        Figure 6: not compared beside TEMP, because the run has expert shares of none of its categories: assembly, blitzmax, java, python
        Figure 7: not compared beside TEMP, because the run has expert shares of none of its categories: ar, de, es, fr, he, it, ja, ko, nl, ru, zh-cn, zh-tw
        Figure 8: not compared beside TEMP, because the run has expert shares of none of its categories: writing, roleplay, reasoning, math, coding, extraction, stem, humanities
        Figure 9a: not compared beside TEMP, because the run has expert shares of none of its positions: Position 256, Position 512, Position 768, Position 1024, Position 1280, Position 1536, Position 1792
        Figure 9b: not compared beside TEMP, because the run has expert shares of none of its positions: Position 256, Position 257, Position 258, Position 259
        Figure 10: not compared beside TEMP, because the run has expert shares of none of its tokens: ., ,, 1, 2, a, an, ed
        Figure 13: not compared beside TEMP, because no position of the run has enough occurrences
        Figure 14: not compared beside TEMP, because no token id of the run has 128 occurrences
        Figure 11: not compared, because no drift run was given
        Figure 12: not compared, because no drops run was given
        1 chart in TEMP/reproduce/charts, every table with what else differs in TEMP/reproduce/comparison.md, every number in TEMP/reproduce/comparison.csv
    "#]].assert_eq(&settled(&first.stdout));
    let page = fs::read_to_string(out.join("comparison.md")).unwrap();
    let said = [
        "| relative_std | all that both have | 3 | 0.0440 |",
        "What differs: the checkpoint (",
        "\nFigure 5: agrees, because ",
    ];
    assert!(said.iter().all(|text| page.contains(text)), "{page}");
    assert_eq!(read_json(&out.join("comparison.json"))["figures"][0]["verdict"]["answer"], "agrees");
    for name in ["comparison.csv", "comparison.md", "charts/figure_5_profiles.svg", "charts/figure_5_profiles.png"] {
        assert!(fs::metadata(out.join(name)).unwrap().len() > 500, "{name}");
    }
    let csv = fs::read_to_string(out.join("comparison.csv")).unwrap();
    expect!["figure,run,measure,item,layer,summary,paper,paper_low,paper_high,paper_n,paper_n_unit,yours,yours_low,yours_high,yours_n,yours_n_unit,distance,distance_low,distance_high,unit,intervals"].assert_eq(csv.lines().next().unwrap());
    reproduce(&[&folder]).refused(&expect![[r#"
        `TEMP` was made before checksums were kept: damage to its files cannot be noticed
        error: --out `TEMP/reproduce` holds an earlier comparison; expected a new or empty folder

        hint: add --force to replace it, or choose another --out
    "#]]);
    fs::write(out.join("charts/old.svg"), "x").unwrap();
    fs::write(out.join("mine.txt"), "keep").unwrap();
    assert_eq!(reproduce(&[&folder, "--force"]).code, 0);
    assert!(!out.join("charts/old.svg").exists() && out.join("mine.txt").exists());
}

#[test]
fn a_comparison_that_was_stopped_is_replaced_with_force_and_other_files_never_are() {
    let theirs = paper_shares("fig5_redpajama", "arxiv");
    let run = made_up("route", 32, &[("expert_share", shares("arxiv", &theirs, 0.001)), ("routing_std", Vec::new())]);
    let (folder, out) = (text(run.path()), run.path().join("reproduce"));
    fs::create_dir_all(out.join("charts")).unwrap();
    fs::create_dir_all(out.join(".comparison-x1/charts")).unwrap();
    fs::write(out.join("charts/figure_5_profiles.svg"), "half").unwrap();
    reproduce(&[&folder]).refused(&expect![[r#"
        `TEMP` was made before checksums were kept: damage to its files cannot be noticed
        error: --out `TEMP/reproduce` holds an earlier comparison; expected a new or empty folder

        hint: add --force to replace it, or choose another --out
    "#]]);
    assert_eq!(reproduce(&[&folder, "--force"]).code, 0);
    let mut names: Vec<String> =
        fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["charts", "comparison.csv", "comparison.json", "comparison.md"]);
    let other = tempdir().unwrap();
    fs::create_dir(other.path().join("charts")).unwrap();
    fs::write(other.path().join("charts/holiday.png"), "mine").unwrap();
    reproduce(&[&folder, "--out", &text(other.path()), "--force"]).refused(&expect![[r#"
        `TEMP` was made before checksums were kept: damage to its files cannot be noticed
        error: --out `TEMP` holds other files; expected a new or empty folder

        hint: choose another --out
    "#]]);
    assert!(other.path().join("charts/holiday.png").exists());
}

/// A comparison that cannot be written leaves the earlier one as it is.
#[cfg(unix)]
#[test]
fn the_earlier_comparison_stays_until_there_is_a_new_one() {
    let theirs = paper_shares("fig5_redpajama", "arxiv");
    let run = made_up("route", 32, &[("expert_share", shares("arxiv", &theirs, 0.001)), ("routing_std", Vec::new())]);
    let (folder, out) = (text(run.path()), run.path().join("reproduce"));
    assert_eq!(reproduce(&[&folder]).code, 0);
    let before = fs::read(out.join("comparison.json")).unwrap();
    // A limit on the size of files stops the writing of the new one.
    let command = format!(
        "ulimit -f 1; trap '' XFSZ; exec '{}' reproduce '{folder}' --force --quiet",
        env!("CARGO_BIN_EXE_openmoe-analyze")
    );
    let output = Command::new("sh").args(["-c", &command]).output().unwrap();
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(fs::read(out.join("comparison.json")).unwrap(), before);
    assert!(out.join("charts/figure_5_profiles.svg").exists() && out.join("comparison.csv").exists());
}

#[test]
fn without_a_figure_the_checks_are_written_and_no_chart_is_claimed() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("paper");
    let outcome = reproduce(&["--paper-only", "--out", &text(&out)]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    expect![[r#"
        paper: OpenMoE, arXiv 2402.01739; numbers read from the vector graphics of its PDF, coordinates good to about 1e-5
        verdict figure what must hold                                                                             expected      found
        holds   13, 14 std ceiling of two choices among 32 experts                                        0.121031 ±5.0e-7   0.121031
                         both choices always the same pair: sqrt((1/2 - 1/32)/32)
        holds   13, 14 std ceiling of the kept view                                                       0.173993 ±5.0e-7   0.173993
                         a single choice left: sqrt((1 - 1/32)/32)
        holds   14     noise floor of 129 occurrences, even routing                                       0.010656 ±5.0e-7   0.010656
                         two distinct choices a token; 0.01083 if they could be the same
        holds   13     highest std of a position                                                       <= 0.121031 ±1.0e-5   0.121031
                         1 of 1726 vertices touch it (BOS)
        holds   14     highest std of a token id                                                       <= 0.121031 ±1.0e-5   0.121031
                         2 of 652 vertices touch it: always the same two experts
        holds   14     lowest std of a token id is above twice the floor                                       >= 0.021312   0.032202
                         no token id of Figure 14 looks evenly routed by noise alone
        holds   5-11   shares of a category sum to 1: largest difference                                      <= 0 ±2.0e-5     8.0e-6
                         59 categories, positions and tokens
        holds   9, 11  share x assignments is a whole number: largest difference                                <= 0 ±0.01    0.00101
                         21 categories whose assignments are known and below 1,000
        holds   9, 12  assignments kept = all x (1 - drop ratio): largest difference                            <= 0 ±0.01     4.9e-5
                         11 positions: Figure 9 is the kept view of the RedPajama sequences
        holds   11     total variation of "ed", 200B to 1.0T                                                 0.121 ±5.0e-5   0.121016
                         576 assignments at 200B
        holds   11     total variation of "an", 200B to 1.0T                                                 0.103 ±5.0e-5    0.10303
                         330 assignments at 200B
        holds   12     ratio x 2 x sequences is a whole number of drops: largest difference                    <= 0 ±0.001   0.000193
                         5592 distinct vertices with drops at which the bounds of the number of sequences agree; the bounds use that n never rises
        holds   12     "raw" of 12b is the MT-Bench curve of 12a: largest difference, percent                 <= 0 ±0.0001     2.0e-5
        holds   12     overall drop ratio of RedPajama, percent                                            0.147 ±0.000735   0.147316
        holds   12     overall drop ratio of TheStack, percent                                             0.765 ±0.003825   0.765403
        holds   12     overall drop ratio of TED, percent                                                   0.992 ±0.00496   0.992336
        holds   12     overall drop ratio of MT-Bench raw, percent                                           1.37 ±0.00685    1.36969
        holds   12     overall drop ratio of MT-Bench chat, percent                                          1.61 ±0.00805    1.60769
        holds   12     drops of RedPajama in five buckets: largest part off                                     <= 0 ±0.01   0.002845
                         [508, 171, 194, 154, 433] counted independently
        holds   12     drops of TheStack in five buckets: largest part off                                      <= 0 ±0.01   0.000513
                         [1292, 896, 609, 346, 1023] counted independently
        holds   12     drops of TED in five buckets: largest part off                                           <= 0 ±0.01   0.000647
                         [728, 1864, 8019, 7682, 1879] counted independently
        holds   12     drops of MTBench in five buckets: largest part off                                       <= 0 ±0.01   0.003072
                         [165, 162, 670, 304, 654] counted independently
        holds   12     drops of chat in five buckets: largest part off                                          <= 0 ±0.01   0.000879
                         [110, 124, 695, 543, 994] counted independently
        holds   12     drop ratio of MT-Bench from position 1536 on, percent                                    10.2 ±0.05    10.2269
                         654 of 6390 assignments; 10 conversations reach 1536, 3 the end at 1972
        holds   12     U-shape of RedPajama: lower end / bottom                                                     >= 1.5    3.15106
                         drops fall before they rise
        holds   12     U-shape of TheStack: lower end / bottom                                                      >= 1.5     3.2222
                         drops fall before they rise
        holds   12     TED rises from bucket to bucket: smallest step                                                 >= 1    1.55963
        holds   12     MTBench rises from bucket to bucket: smallest step                                             >= 1    1.17418
        holds   12     chat rises from bucket to bucket: smallest step                                                >= 1    1.27899
        holds   13     share of the variance over positions that is sampling noise                            0.746 ±0.005   0.747781
                         positions from 1 on, n(position) of Fig. 12, two distinct choices a token
        holds   13     share of the variance over positions that is sampling noise                            0.771 ±0.005    0.77147
                         the same if both choices could be the same expert
        31 of 31 checks hold
        no figure is compared; the checks are in TEMP/paper/comparison.json and TEMP/paper/comparison.md
    "#]].assert_eq(&settled(&outcome.stdout));
    let csv = fs::read_to_string(out.join("comparison.csv")).unwrap();
    assert!(csv.starts_with("figure,run,measure,item,") && csv.lines().count() == 1, "{csv}");
    assert!(!out.join("charts").exists());
}

/// Every refusal names what is wrong, has a hint, and exits with 2.
#[test]
fn what_cannot_be_compared_is_refused_with_a_hint() {
    let refused = |arguments: &[&str], message: &Expect| reproduce(arguments).refused(message);
    let empty = tempdir().unwrap();
    refused(
        &[],
        &expect![[r#"
        error: reproduce needs the folders of finished runs, or --paper-only

        hint: for example: openmoe-analyze reproduce openmoe-out openmoe-out/drift openmoe-out/drops
    "#]],
    );
    refused(
        &[&text(empty.path())],
        &expect![[r#"
        error: `TEMP` is not the folder of a run: manifest.json: No such file or directory (os error 2)

        hint: give the folder that --out named
    "#]],
    );
    let again = text(&empty.path().join("."));
    refused(
        &[&text(empty.path()), &again],
        &expect![[r#"
        error: run `TEMP/.` is given twice

        hint: give every run once
    "#]],
    );
    let shares = || vec![("expert_share", shares("arxiv", &[0.25; 4], 0.0)), ("routing_std", Vec::new())];
    let (four, other) = (made_up("route", 4, &shares()), made_up("drift", 32, &[("token_drift", Vec::new())]));
    refused(
        &[&text(four.path()), &text(other.path())],
        &expect![[r#"
        `TEMP` was made before checksums were kept: damage to its files cannot be noticed
        `TEMP` was made before checksums were kept: damage to its files cannot be noticed
        error: runs of different kinds of model: `TEMP` has 4 experts, top-2, MoE layers [3]; `TEMP` has 32 experts, top-2, MoE layers [3]

        hint: compare the runs of one kind of model at a time
    "#]],
    );
    let strange = made_up("inspect", 4, &shares());
    refused(
        &[&text(strange.path())],
        &expect![[r#"
        error: manifest.json of `TEMP` has `command` "inspect"; expected one of `route`, `drift`, `drops`, `import`, `mitigate`

        hint: the manifest was changed or the run made by another version: run it again with --force
    "#]],
    );
    let without = made_up("route", 4, &shares()[..1]);
    refused(
        &[&text(without.path())],
        &expect![[r#"
        `TEMP` was made before checksums were kept: damage to its files cannot be noticed
        error: `TEMP/stats/routing_std.parquet` does not exist

        hint: make the statistics again with `openmoe-analyze stats RUN`
    "#]],
    );
    let within = text(&four.path().join("stats/paper"));
    refused(
        &[&text(four.path()), "--out", &within],
        &expect![[r#"
        `TEMP` was made before checksums were kept: damage to its files cannot be noticed
        error: --out `TEMP/stats/paper` lies in `stats` of the run `TEMP`

        hint: leave --out away to write to RUN/reproduce, or choose a folder of its own
    "#]],
    );
    refused(
        &[&text(four.path()), "--out", &text(other.path())],
        &expect![[r#"
        `TEMP` was made before checksums were kept: damage to its files cannot be noticed
        error: --out `TEMP` holds other files; expected a new or empty folder

        hint: choose another --out
    "#]],
    );
    let unfinished = made_up("route", 4, &shares());
    let manifest = unfinished.path().join("manifest.json");
    let written = fs::read_to_string(&manifest).unwrap().replace("\"complete\":true", "\"complete\":false");
    fs::write(&manifest, written).unwrap();
    refused(
        &[&text(unfinished.path())],
        &expect![[r#"
        error: run `TEMP` is not complete: its statistics may be missing or of other settings

        hint: repeat the command that made it with --resume, or make the statistics with `openmoe-analyze stats RUN`
    "#]],
    );
}
