//! What is said of runs whose times are given.

use super::*;

fn plan(seconds: f64) -> [PlannedStage; 2] {
    [
        PlannedStage { stage: Stage::ForwardPass, seconds, units: Some(10) },
        PlannedStage { stage: Stage::Statistics, seconds, units: Some(2) },
    ]
}

/// Every line that a run says to a file: the forward pass takes `seconds`, then the statistics.
fn lines(seconds: f64) -> Vec<(f64, String)> {
    let mut shown = Shown::new(false);
    let mut said = Vec::new();
    let mut look = |shown: &mut Shown, now: f64| said.extend(shown.due(now).map(|line| (now, line)));
    shown.planned(0.0, &plan(seconds));
    for (stage, units, begin) in [(Stage::ForwardPass, 10, 0.0), (Stage::Statistics, 2, seconds)] {
        shown.started(begin, stage, Some(units));
        look(&mut shown, begin);
        for unit in 1..=units {
            let steps = 50;
            for step in 1..=steps {
                let share = ((unit - 1) * steps + step) as f64 / (units * steps) as f64;
                look(&mut shown, begin + seconds * share);
            }
            shown.working_on(&format!("layer {unit}"));
            shown.advanced(begin + seconds * unit as f64 / units as f64, 1);
        }
        shown.ended(begin + seconds, stage);
    }
    said
}

#[test]
fn a_long_run_says_each_stage_and_then_a_line_a_minute() {
    let said = lines(300.0);
    assert_eq!(said[0], (0.0, "forward pass; 0 % done, 0 s so far, about 10 min left".to_owned()));
    let stage = said.iter().find(|(_, line)| line.starts_with("statistics")).unwrap();
    assert_eq!(*stage, (300.0, "statistics; 50 % done, 5 min 00 s so far, about 5 min 00 s left".to_owned()));
    assert!(said.windows(2).all(|pair| pair[1].0 - pair[0].0 >= 59.0 || pair[1].0 == 300.0), "{said:#?}");
    assert!(said.windows(2).all(|pair| pair[1].0 - pair[0].0 <= 67.0), "nothing is silent for longer: {said:#?}");
    assert!((10..=12).contains(&said.len()), "{said:#?}");
}

#[test]
fn a_short_run_says_nothing_to_a_file_and_an_unexpectedly_long_one_does() {
    assert_eq!(lines(5.0), []);
    let mut shown = Shown::new(false);
    shown.started(0.0, Stage::Weights, None);
    assert_eq!(shown.due(19.0), None);
    assert_eq!(shown.due(21.0).as_deref(), Some("reading weights; 21 s so far"));
}

#[test]
fn a_terminal_gets_its_line_with_every_new_stage_and_ten_times_a_second() {
    let mut shown = Shown::new(true);
    assert_eq!(shown.status(0.0, || 80), None, "nothing runs yet");
    let part = |name: &str, share| Part { name: name.to_owned(), share };
    shown.part(0.0, &part("1 of 3: route", 0.5));
    shown.planned(0.0, &plan(50.0));
    shown.started(0.0, Stage::ForwardPass, Some(10));
    shown.working_on("layer 1 of 6");
    let first = shown.status(0.0, || 120).unwrap();
    assert_eq!(
        first,
        "1 of 3: route  [>                             ]   0 %  about 3 min 20 s left  forward pass: layer 1 of 6"
    );
    assert_eq!(shown.status(0.05, || 120), None);
    assert!(shown.status(0.11, || 50).unwrap().chars().count() < 50, "the width is asked for every time");
    assert_eq!(shown.due(500.0), None, "a terminal gets no plain lines");
    shown.ended(50.0, Stage::ForwardPass);
    assert_eq!(shown.status(50.0, || 120), None);
    shown.started(50.0, Stage::Statistics, Some(2));
    assert!(shown.status(50.0, || 120).unwrap().contains(" 25 %  about 2 min 30 s left  statistics"));
    // Nothing is known of the second run yet; the first one took 100 s for half of the whole.
    shown.part(100.0, &part("2 of 3: drift", 0.25));
    shown.started(100.0, Stage::Weights, None);
    let line = shown.status(101.0, || 120).unwrap();
    assert!(
        line.starts_with("2 of 3: drift  [") && line.contains(" 50 %  about 1 min 30 s left  reading weights"),
        "{line}"
    );
}
