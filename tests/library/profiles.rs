//! Profiles of experts, tokens and categories on traces whose numbers are known beforehand, and against the tables of a run.

use openmoe_analyze::{
    report::{AnswerPart, CategoryReport, ExpertReport, ProfileSource, TokenMatch, TokenReport},
    routing::View,
    stats::{Finding, LayerProfiles, Rate, Settings, Statistic, Variable},
};

use crate::support::{
    made_up_trace::MadeUpTrace,
    random::Random,
    tables::{close, one_of},
};

fn settings() -> Settings {
    Settings { resamples: 200, permutations: 10, minimum_occurrences: 20, ..Settings::default() }
}

/// The low and the high end of an interval are those of a row, and so is the share.
#[track_caller]
fn same(rate: &Rate, row: &Finding) {
    assert_eq!((rate.estimate, rate.low, rate.high), (row.estimate, row.low, row.high), "{row:#?}");
}

/// Documents of two categories with random choices, some of which are dropped.
fn random_run() -> MadeUpTrace {
    let mut random = Random(11);
    let mut run = MadeUpTrace::new(6, 2, &[], &["a", "b"]);
    for document in 0..24 {
        let tokens: Vec<_> = (0..40)
            .map(|_| {
                let kept = (0..2).map(|_| random.below(10) > 0).collect::<Vec<_>>();
                (random.below(8), random.subset(6, 2), kept)
            })
            .collect();
        run.document(0, Some((document % 2) as u16), &tokens);
    }
    run
}

#[test]
fn numbers_that_a_table_has_are_the_same_to_the_last_digit() {
    let (run, settings) = (random_run(), settings());
    let tables = run.statistics(&settings);
    for view in View::ALL {
        let profiles = LayerProfiles::new(&run.sequences, &run.layer, &settings, view).unwrap();
        let shares: Vec<Finding> = tables["expert_share"].rows.iter().filter(|row| row.view == view).cloned().collect();
        for expert in 0..6 {
            let profile = profiles.expert(expert, 3);
            let own = |row: &&Finding| row.view == view && row.expert == Some(expert);
            same(&profile.load, one_of(&shares, |row| row.variable.is_none() && row.expert == Some(expert)));
            for part in &profile.categories {
                let rows = &tables["domain_specialization"].rows;
                let row = one_of(rows, |row| own(&row) && row.category.as_deref() == Some(part.name.as_str()));
                if row.statistic == Statistic::DomainSpecialization {
                    same(&part.takes, row);
                }
            }
            let z: Vec<Option<f64>> = tables["top_tokens"]
                .rows
                .iter()
                .filter(|row| own(row) && row.unit == "z")
                .take(3)
                .map(|row| row.estimate)
                .collect();
            assert_eq!(profile.top_tokens.iter().map(|token| Some(token.z)).collect::<Vec<_>>(), z);
            for partner in &profile.partners {
                let (low, high) = (expert.min(partner.expert), expert.max(partner.expert));
                let pair =
                    |row: &Finding| row.view == view && row.expert == Some(low) && row.other_expert == Some(high);
                let row = one_of(&tables["coactivation"].rows, pair);
                same(&partner.both, row);
                close(
                    partner.over_loads.as_ref().and_then(|lift| lift.times),
                    row.estimate.unwrap() / row.baseline.unwrap(),
                    1e-12,
                );
            }
        }
        for token_id in 0..8 {
            for own in profiles.token(token_id, 0).unwrap().experts {
                let is_own = |row: &Finding| {
                    row.variable == Some(Variable::Token)
                        && row.token_id == Some(token_id)
                        && row.expert == Some(own.expert)
                };
                same(&own.of_assignments, one_of(&shares, is_own));
            }
        }
        for (index, name) in ["a", "b"].iter().enumerate() {
            for own in profiles.category(index, 0).unwrap().unwrap().experts {
                let is_own = |row: &Finding| {
                    row.variable == Some(Variable::Category)
                        && row.category.as_deref() == Some(*name)
                        && row.expert == Some(own.expert)
                };
                same(&own.of_assignments, one_of(&shares, is_own));
            }
        }
    }
}

/// Ten documents of each category. Category a: ids 1, 1, 2, 9; category b: ids 1, 2, 2, 3. Ids 1 and 9 always go to experts 0 and 1;
/// id 2 goes to 0 and 2 in category a, to 2 and 3 in b; id 3 to 2 and 3.
fn two_categories() -> MadeUpTrace {
    let mut run = MadeUpTrace::new(4, 2, &[], &["a", "b"]);
    for _ in 0..10 {
        run.document(0, Some(0), &[(1, vec![0, 1]), (1, vec![0, 1]), (2, vec![0, 2]), (9, vec![1, 0])]);
        run.document(0, Some(1), &[(1, vec![1, 0]), (2, vec![2, 3]), (2, vec![3, 2]), (3, vec![2, 3])]);
    }
    run
}

#[test]
fn an_expert_is_described_by_its_tokens() {
    let (run, settings) = (two_categories(), settings());
    let profiles = LayerProfiles::new(&run.sequences, &run.layer, &settings, View::Chosen).unwrap();
    let profile = profiles.expert(0, 10);
    // Of 80 tokens, expert 0 is chosen by all 40 of a and by 10 of b: 50 of 160 assignments.
    assert_eq!((profile.takes.estimate, profile.takes.n), (Some(50.0 / 80.0), 80));
    assert_eq!((profile.load.estimate, profile.load.n), (Some(50.0 / 160.0), 160));
    assert_eq!(profile.takes_over_even.times, Some(50.0 / 80.0 / 0.5));
    // Experts 1, 2 and 3 have 40, 40 and 30 assignments.
    assert_eq!([0, 1, 2, 3].map(|expert| profiles.expert(expert, 0).rank), [1, 2, 2, 4]);
    let a = &profile.categories[0];
    assert_eq!((a.name.as_str(), a.takes.estimate, a.takes.high, a.takes.documents), ("a", Some(1.0), Some(1.0), 10));
    // Ten documents would all go there in one of twenty cases if the share of all text were this.
    close(a.takes.low, 0.05_f64.powf(0.1), 1e-12);
    close(a.over_own.low, 0.05_f64.powf(0.1) * 80.0 / 50.0, 1e-9);
    assert_eq!((a.over_even.times, a.of_expert.estimate), (Some(2.0), Some(40.0 / 50.0)));
    close(a.over_own.times, 80.0 / 50.0, 1e-12);
    // Every fourth token is the first of its sequence; positions 1 to 3 of 4 are quarters of their own.
    let positions: Vec<(&str, u64)> = profile.positions.iter().map(|part| (part.name.as_str(), part.takes.n)).collect();
    assert_eq!(positions, [("position 0", 20), ("last quarter of a sequence", 20)]);
    // Expert 1 is with expert 0 in 30 tokens of a and in 10 of b, expert 2 in 10 of a.
    let partner = profile.partners.iter().find(|partner| partner.expert == 1).unwrap();
    assert_eq!((partner.both.estimate, partner.of_expert), (Some(40.0 / 80.0), Some(40.0 / 50.0)));
    // It is the first choice of 30 tokens of a.
    assert_eq!(profile.router.first_choice.unwrap().estimate, Some(30.0 / 50.0));
    // Probabilities are 1/2 for the first choice and 1/4 for the second.
    close(profile.router.probability.unwrap().estimate, (30.0 * 0.5 + 20.0 * 0.25) / 50.0, 1e-12);
    let top = profile.top_tokens.iter().find(|token| token.token_id == 1).unwrap();
    assert_eq!((top.takes.estimate, top.takes.n), (Some(1.0), 30));
    let example = &top.examples[0];
    assert_eq!((example.token.as_str(), example.before.as_str()), ("piece 1", ""));
    assert_eq!(example.after, "piece 1piece 2piece 9", "the text ends with its sequence");
}

#[test]
fn a_token_goes_to_shares_of_its_occurrences() {
    let (run, settings) = (two_categories(), settings());
    let profiles = LayerProfiles::new(&run.sequences, &run.layer, &settings, View::Chosen).unwrap();
    let token = profiles.token(1, 2).unwrap();
    assert_eq!((token.occurrences, token.documents, token.examples.len()), (30, 20, 2));
    // Every occurrence goes to both: 100 % each, and half of the assignments each.
    let shares: Vec<_> = token.experts.iter().map(|own| (own.takes.estimate, own.of_assignments.estimate)).collect();
    assert_eq!(shares, [(Some(1.0), Some(0.5)); 2]);
    assert!(token.categories.is_empty(), "{:?}", token.categories);
    // Id 2: of 30 occurrences 10 go to expert 0, all of those in category a; 20 to expert 3, all of those in b.
    let token = profiles.token(2, 0).unwrap();
    let named: Vec<_> = token.categories.iter().map(|own| (own.category.as_str(), own.expert, own.of_all)).collect();
    assert_eq!(named, [("a", 0, 10.0 / 30.0), ("b", 3, 20.0 / 30.0)]);
    assert!(profiles.token(77, 0).is_none());
}

#[test]
fn what_token_ids_give_elsewhere_is_told_from_what_the_category_adds() {
    let (run, settings) = (two_categories(), settings());
    let profiles = LayerProfiles::new(&run.sequences, &run.layer, &settings, View::Chosen).unwrap();
    let category = profiles.category(0, 4).unwrap().unwrap();
    let expert = &category.experts[0];
    assert_eq!((expert.expert, expert.takes.estimate, category.tokens), (0, Some(1.0), 40));
    // Three of four tokens have an id that occurs in b: id 1 (twice) goes to expert 0 there too, id 2 never.
    let known = expert.once_known.as_ref().unwrap();
    assert_eq!((known.covered, known.takes), (0.75, 1.0));
    close(Some(known.expected), 2.0 / 3.0, 1e-12);
    close(Some(known.added), 1.0 / 3.0, 1e-12);
    let (low, high) = (known.added_low.unwrap(), known.added_high.unwrap());
    assert!((low - 1.0 / 3.0).abs() < 1e-12 && (high - 1.0 / 3.0).abs() < 1e-12, "documents of a category are alike");
    let carriers = &known.carriers;
    assert!((carriers.from_frequency + carriers.from_routing - (1.0 - 0.25)).abs() < 1e-12);
    assert_eq!(carriers.a[0].token_id, 1, "a quarter of the tokens of a more than of b");
}

#[test]
fn kept_choices_are_those_that_found_a_slot() {
    let (run, settings) = (random_run(), settings());
    let profile = |view| LayerProfiles::new(&run.sequences, &run.layer, &settings, view).unwrap().expert(2, 0);
    let (chosen, kept) = (profile(View::Chosen), profile(View::Kept));
    let counted = |only_kept: bool| {
        let choices = run.layer.expert.iter().zip(&run.layer.kept);
        choices.filter(|(expert, kept)| **expert == 2 && (**kept || !only_kept)).count() as f64
    };
    let tokens = run.layer.len() as f64;
    assert_eq!(
        (chosen.takes.estimate, kept.takes.estimate),
        (Some(counted(false) / tokens), Some(counted(true) / tokens))
    );
    let dropped = 1.0 - counted(true) / counted(false);
    close(chosen.router.dropped.unwrap().estimate, dropped, 1e-12);
    close(kept.router.dropped.unwrap().estimate, dropped, 1e-12);
}

fn source(run: &MadeUpTrace, settings: &Settings, only: &[&str]) -> ProfileSource {
    ProfileSource {
        run: "run".into(),
        checkpoint: "model".into(),
        checkpoints: vec!["model".into()],
        only: only.iter().map(ToString::to_string).collect(),
        tokens: run.layer.len() as u64,
        documents: run.sequences.document_names.len() as u64,
        settings: settings.into(),
    }
}

/// A token id with what its layer says of it.
fn asked(profiles: &LayerProfiles, token_id: u32) -> TokenMatch {
    let layers: Vec<_> = profiles.token(token_id, 2).into_iter().collect();
    let text = Some(format!("piece {token_id}"));
    let occurrences = profiles.occurrences(token_id);
    TokenMatch { token_id, shown: text.clone(), text, occurrences, layers, moved: Vec::new() }
}

#[test]
fn rows_of_tables_fit_a_terminal() {
    let (run, settings) = (random_run(), settings());
    for view in View::ALL {
        let profiles = LayerProfiles::new(&run.sequences, &run.layer, &settings, view).unwrap();
        let source = || source(&run, &settings, &[]);
        let layers = profiles.category(0, 4).unwrap().into_iter().collect();
        let parts = [
            ExpertReport::new(source(), profiles.expert(2, 5)).lines(8),
            CategoryReport::new(source(), "a".into(), None, layers).lines(8),
            TokenReport::new(source(), "1".into(), vec![asked(&profiles, 1)]).lines(8),
        ]
        .concat();
        let tables: Vec<_> = parts
            .iter()
            .filter_map(|part| if let AnswerPart::Table(table) = part { Some(table) } else { None })
            .collect();
        assert!(tables.len() >= 6, "{}", tables.len());
        for (table, columns) in tables.iter().flat_map(|table| [(table, 60), (table, 80)]) {
            let (lines, _) = table.lines(Some(columns));
            assert!(lines.iter().all(|line| line.chars().count() <= columns), "{columns}\n{}", lines.join("\n"));
            assert!(lines.iter().any(|line| line.contains('%') || line.starts_with("expert")), "{}", lines.join("\n"));
        }
        assert!(tables.iter().all(|table| !table.lines(None).1), "elsewhere nothing is left out");
    }
}

#[test]
fn after_capacity_a_full_queue_is_not_called_a_preference() {
    let (run, settings) = (random_run(), settings());
    let answers = |view| {
        let profiles = LayerProfiles::new(&run.sequences, &run.layer, &settings, view).unwrap();
        let source = || source(&run, &settings, &[]);
        let layers = profiles.category(0, 4).unwrap().into_iter().collect();
        let token = TokenReport::new(source(), "1".into(), vec![asked(&profiles, 1)]);
        let sum: f64 = token.matches[0].layers[0].experts.iter().filter_map(|own| own.takes.estimate).sum();
        let words = [
            ExpertReport::new(source(), profiles.expert(2, 0)).words,
            CategoryReport::new(source(), "a".into(), None, layers).words,
        ];
        let add_up = |part: &AnswerPart| match part {
            AnswerPart::Line(line) if line.contains("add up to") => Some(line.clone()),
            _ => None,
        };
        (words, token.lines(8).iter().find_map(add_up).unwrap(), sum)
    };
    let (words, line, sum) = answers(View::Chosen);
    assert!(words.iter().all(|words| words.contains("even")), "{words:#?}");
    assert!(line.ends_with("add up to 200 %") && (sum - 2.0).abs() < 1e-9, "{line} {sum}");
    let (words, line, sum) = answers(View::Kept);
    assert!(words.iter().all(|words| words.contains("queue") && !words.contains("even")), "{words:#?}");
    assert!(line.ends_with(&format!("add up to {:.0} % instead of 200 %", 100.0 * sum)) && sum < 1.9, "{line} {sum}");
}

#[test]
fn a_token_that_the_tokens_lack_is_said_to_be_absent() {
    let (run, settings) = (two_categories(), settings());
    let profiles = LayerProfiles::new(&run.sequences, &run.layer, &settings, View::Chosen).unwrap();
    let report = TokenReport::new(source(&run, &settings, &["category `b`"]), "77".into(), vec![asked(&profiles, 77)]);
    assert_eq!(report.words, "No \"piece␣77\" (id 77) is among the tokens with category `b`.");
    assert!(report.lines(8).iter().all(|part| matches!(part, AnswerPart::Line(_))), "no table without rows");
}
