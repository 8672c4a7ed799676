//! Statistics against closed forms, hand-made traces and degenerate inputs.

use openmoe_analyze::{
    routing::{ExpertId, View},
    stats::{
        Finding, STATISTICS, Settings, StatisticTable, Tables, headline, merge, route_statistics,
        routing_noise_variance, routing_std_ceiling,
    },
    trace::{LayerTrace, SequenceTable},
};

/// SplitMix64: random numbers for synthetic traces.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((word ^ (word >> 31)) % u64::from(bound)) as u32
    }

    /// `k` distinct experts in random order.
    fn subset(&mut self, experts: usize, k: usize) -> Vec<ExpertId> {
        let mut all: Vec<ExpertId> = (0..experts as ExpertId).collect();
        for i in 0..k {
            all.swap(i, i + self.below((experts - i) as u32) as usize);
        }
        all.truncate(k);
        all
    }
}

/// A run in the making: documents of one sequence each.
struct Run {
    sequences: SequenceTable,
    layer: LayerTrace,
}

impl Run {
    fn new(num_experts: usize, top_k: usize, categories: &[&str]) -> Self {
        let category_names = categories.iter().map(|name| (*name).to_owned()).collect();
        Self {
            sequences: SequenceTable { category_names, ..SequenceTable::default() },
            layer: LayerTrace { layer: 3, num_experts, top_k, ..LayerTrace::default() },
        }
    }

    /// Adds a document of one sequence; every token with its choices and their kept flags.
    fn document(&mut self, category: Option<u16>, tokens: &[(u32, Vec<ExpertId>, Vec<bool>)]) {
        let document = self.sequences.document_names.len() as u32;
        self.sequences.document_names.push(format!("document {document}"));
        self.chunk(document, category, tokens);
    }

    /// Adds a sequence to a document.
    fn chunk(&mut self, document: u32, category: Option<u16>, tokens: &[(u32, Vec<ExpertId>, Vec<bool>)]) {
        let sequence = self.sequences.tokens.len() as u32;
        self.sequences.tokens.push(tokens.len() as u32);
        self.sequences.document.push(document);
        self.sequences.category.push(category);
        for (position, (token, experts, kept)) in tokens.iter().enumerate() {
            self.sequences.token_text.insert(*token, format!("piece {token}"));
            self.layer.sequence.push(sequence);
            self.layer.position.push(position as u32);
            self.layer.token_id.push(*token);
            self.layer.expert.extend(experts);
            self.layer.probability.extend(experts.iter().map(|_| 0.5));
            self.layer.kept.extend(kept);
            self.layer.entropy.push(1.0 + position as f32);
            self.layer.margin_first.push(0.25);
            self.layer.margin_k.push(0.125);
        }
    }

    fn statistics(&self, settings: &Settings) -> Tables {
        let mut tables = Tables::new();
        merge(&mut tables, route_statistics(&self.sequences, &self.layer, settings, &|_| ()).unwrap());
        tables
    }
}

/// What a synthetic router looks at.
#[derive(Clone, Copy)]
enum Router {
    Token,
    Position,
    Nothing,
}

/// Documents of `length` tokens with random ids 0..20, in turn of category a and b; one choice of twenty is dropped.
fn synthetic(router: Router, experts: usize, k: usize, documents: u32, length: u32) -> Run {
    let mut random = Random(7);
    let fixed: Vec<Vec<ExpertId>> = (0..64).map(|_| random.subset(experts, k)).collect();
    let mut run = Run::new(experts, k, &["a", "b"]);
    for document in 0..documents {
        let tokens: Vec<_> = (0..length)
            .map(|position| {
                let token = random.below(20);
                let choices = match router {
                    Router::Token => fixed[token as usize].clone(),
                    Router::Position => fixed[(position % 64) as usize].clone(),
                    Router::Nothing => random.subset(experts, k),
                };
                let kept = (0..k).map(|_| random.below(20) > 0).collect();
                (token, choices, kept)
            })
            .collect();
        run.document(Some((document % 2) as u16), &tokens);
    }
    run
}

fn quick() -> Settings {
    Settings { resamples: 100, permutations: 20, ..Settings::default() }
}

/// The only row of a table that meets a condition.
#[track_caller]
fn one<'a>(tables: &'a Tables, table: &str, condition: impl Fn(&Finding) -> bool) -> &'a Finding {
    let rows: Vec<&Finding> = tables[table].rows.iter().filter(|row| condition(row)).collect();
    assert_eq!(rows.len(), 1, "{rows:#?}");
    rows[0]
}

/// An information statistic without a variant.
#[track_caller]
fn information<'a>(tables: &'a Tables, table: &str, variable: &str, view: &str) -> &'a Finding {
    one(tables, table, |row| row.variable.as_deref() == Some(variable) && row.view == view && row.variant.is_none())
}

#[track_caller]
fn close(found: Option<f64>, expected: f64, tolerance: f64) {
    let found = found.expect("a number");
    assert!((found - expected).abs() <= tolerance, "{found} is not {expected}");
}

const MI: &str = "mutual_information";
const CMI: &str = "conditional_mutual_information";

#[test]
fn closed_forms_of_the_standard_deviation() {
    assert!((routing_std_ceiling(32, 2, View::Chosen) - 0.121_031).abs() < 5e-7);
    assert!((routing_std_ceiling(32, 1, View::Chosen) - 0.173_99).abs() < 5e-6);
    assert!((routing_std_ceiling(32, 2, View::Kept) - 0.173_99).abs() < 5e-6);
    // 129 occurrences of a uniform router: E sum share^2 = 1/E + (1 - k/E) / (k n).
    let squares = 1.0 / 32.0 + (1.0 - 2.0 / 32.0) / (2.0 * 129.0);
    assert!((routing_noise_variance(squares, 129.0, 32, 2).sqrt() - 0.010_656).abs() < 5e-7);
}

#[test]
fn token_determined_routing_is_explained_by_the_token_alone() {
    let tables = synthetic(Router::Token, 8, 2, 24, 60).statistics(&quick());
    let token = information(&tables, MI, "token", "chosen");
    // H(E|X) = log2 k = 1 bit: the estimate is the ceiling H(E) - 1.
    close(token.estimate, token.ceiling.unwrap(), 1e-12);
    close(token.explained, 1.0, 1e-12);
    assert_eq!((token.n, token.documents), (24 * 60, Some(24)));
    close(token.p_value, 1.0 / 21.0, 1e-12);
    for variable in ["position_bucket", "previous_token", "document", "category"] {
        let context = information(&tables, CMI, variable, "chosen");
        close(context.estimate, 0.0, 1e-12);
        assert_eq!((context.given.as_deref(), context.explained), (Some("token"), None));
    }
    let accuracy = one(&tables, "token_predictability", |row| row.variant.as_deref() == Some("token"));
    close(accuracy.estimate, 1.0, 0.0);
    let overlap = one(&tables, "token_predictability", |row| row.variant.as_deref() == Some("top_k_overlap"));
    close(overlap.estimate, 1.0, 0.0);
    let frequent = |row: &Finding| row.variant.as_deref() == Some("unweighted") && row.view == "chosen";
    close(one(&tables, "vocabulary_specialization", frequent).estimate, 0.5, 1e-12);
}

#[test]
fn position_determined_routing_is_explained_by_the_position_alone() {
    let tables = synthetic(Router::Position, 8, 2, 24, 64).statistics(&quick());
    close(information(&tables, MI, "position", "chosen").explained, 1.0, 1e-12);
    let token = information(&tables, MI, "token", "chosen");
    assert!(token.explained.unwrap().abs() < 0.05, "{token:#?}");
}

#[test]
fn uniform_router_has_no_information_after_subtraction() {
    let tables = synthetic(Router::Nothing, 8, 2, 40, 100).statistics(&quick());
    for view in ["chosen", "kept"] {
        for variable in ["token", "position", "previous_token", "document", "category"] {
            let row = information(&tables, MI, variable, view);
            assert!(row.estimate.unwrap() > 0.0 && row.corrected.unwrap().abs() < 0.02, "{row:#?}");
            assert!(row.low.unwrap() < row.estimate.unwrap() && row.estimate.unwrap() < row.high.unwrap());
        }
    }
    let means =
        |row: &Finding| row.variable.as_deref() == Some("token") && row.token_id.is_none() && row.view == "chosen";
    let std = one(&tables, "routing_std", means);
    assert!((std.estimate.unwrap() / std.noise_floor.unwrap() - 1.0).abs() < 0.3, "{std:#?}");
    assert_eq!(std.n, 20);
    let repeats = one(&tables, "expert_repetition", |row| {
        row.variant.as_deref() == Some("first_or_second") && row.category.is_none()
    });
    close(repeats.uniform_baseline, 0.464_286, 1e-6);
    close(repeats.baseline, 0.464_286, 0.01);
    close(repeats.estimate, 0.464_286, 0.03);
}

/// Two documents, ten tokens, E = 4, k = 2; one choice is dropped.
fn hand_made() -> Run {
    let mut run = Run::new(4, 2, &["a", "b"]);
    let kept = || vec![true, true];
    run.document(
        Some(0),
        &[
            (0, vec![0, 1], kept()),
            (5, vec![0, 1], kept()),
            (6, vec![2, 0], kept()),
            (5, vec![1, 0], vec![true, false]),
            (5, vec![1, 2], kept()),
        ],
    );
    run.document(
        Some(1),
        &[
            (0, vec![0, 1], kept()),
            (6, vec![2, 0], kept()),
            (6, vec![2, 0], kept()),
            (5, vec![0, 1], kept()),
            (6, vec![2, 3], kept()),
        ],
    );
    run
}

#[test]
fn hand_made_counts() {
    // Choices chosen: expert 0: 8, 1: 6, 2: 5, 3: 1, of 20. Kept: expert 0 loses one: 7, 6, 5, 1, of 19.
    let tables = hand_made().statistics(&Settings { minimum_occurrences: 4, ..quick() });
    for (view, expected) in [("chosen", [8.0, 6.0, 5.0, 1.0]), ("kept", [7.0, 6.0, 5.0, 1.0])] {
        for (expert, count) in expected.iter().enumerate() {
            let share = one(&tables, "expert_share", |row| {
                row.view == view && row.variable.is_none() && row.expert == Some(expert as u16)
            });
            close(share.estimate, count / expected.iter().sum::<f64>(), 1e-15);
            assert_eq!((share.n, share.low, share.baseline), (10, None, Some(0.25)));
            assert!(share.note.as_deref().unwrap().starts_with("no interval: 2 documents"));
        }
    }
    let violation = one(&tables, "expert_load", |row| {
        row.statistic == "max_violation" && row.view == "chosen" && row.category.is_none()
    });
    close(violation.estimate, 8.0 / 20.0 * 4.0 - 1.0, 1e-15);
    // Category a chose expert 0 in 4 of 5 occurrences; kept 3.
    let domain = |view: &'static str| {
        one(&tables, "domain_specialization", move |row| {
            row.view == view && row.category.as_deref() == Some("a") && row.expert == Some(0)
        })
    };
    close(domain("chosen").estimate, 0.8, 1e-15);
    close(domain("chosen").baseline, 0.5, 1e-15);
    close(domain("kept").estimate, 0.6, 1e-15);
    // Experts 0 and 1 together: tokens 1, 2, 4 of a; 1 and 4 of b: 5 of 10; kept 4.
    let pair = |view: &'static str| {
        one(&tables, "coactivation", move |row| {
            row.view == view && row.expert == Some(0) && row.other_expert == Some(1)
        })
    };
    close(pair("chosen").estimate, 0.5, 1e-15);
    close(pair("kept").estimate, 0.4, 1e-15);
    close(pair("chosen").uniform_baseline, 1.0 / 6.0, 1e-15);
}

#[test]
fn hand_made_repetition_spread_and_top_tokens() {
    let tables = hand_made().statistics(&Settings { minimum_occurrences: 4, ..quick() });
    // First choices a: 0 0 2 1 1, b: 0 2 2 0 2: repeats 2 + 1 of 8 pairs.
    let first =
        one(&tables, "expert_repetition", |row| row.variant.as_deref() == Some("first") && row.category.is_none());
    close(first.estimate, 3.0 / 8.0, 1e-15);
    // Load-matched: first choices 0: 4, 1: 2, 2: 4 of 10.
    close(first.baseline, 0.16 + 0.04 + 0.16, 1e-15);
    // Token 5 at (0,1) (1,0) (1,2) (0,1): shares 3/8, 4/8, 1/8, 0.
    let std = one(&tables, "routing_std", |row| row.view == "chosen" && row.token_id == Some(5));
    let variance: f64 = [0.375_f64, 0.5, 0.125, 0.0].iter().map(|share| (share - 0.25).powi(2)).sum::<f64>() / 4.0;
    close(std.estimate, variance.sqrt(), 1e-12);
    assert_eq!((std.n, std.text.as_deref()), (4, Some("piece 5")));
    // Noise: (1 - 2 * (9 + 16 + 1) / 64) / (4 * 2 * 3).
    close(std.noise_floor, ((1.0 - 52.0 / 64.0) / 24.0_f64).sqrt(), 1e-12);
    // Expert 0's most frequent ids: 6 three times (of 4 occurrences), 5 three times; the tie goes to the lower id.
    let top = |rank| {
        one(&tables, "top_tokens", move |row| {
            row.view == "chosen"
                && row.expert == Some(0)
                && row.ranking.as_deref() == Some("count")
                && row.rank == Some(rank)
        })
    };
    assert_eq!((top(1).token_id, top(1).n, top(2).token_id, top(3).token_id), (Some(5), 3, Some(6), Some(0)));
}

#[test]
fn hand_made_mutual_information() {
    // Token 0: (0,1) twice -> 2 2 0 0 of 4; token 5: 3 4 1 0 of 8; token 6: (2,0) three times, (2,3) -> 3 0 4 1 of 8.
    let entropy = |counts: &[f64]| -> f64 {
        let n: f64 = counts.iter().sum();
        counts.iter().filter(|count| **count > 0.0).map(|count| -count / n * (count / n).log2()).sum()
    };
    let given = (4.0 * 1.0 + 8.0 * entropy(&[3.0, 4.0, 1.0]) + 8.0 * entropy(&[3.0, 4.0, 1.0])) / 20.0;
    let overall = entropy(&[8.0, 6.0, 5.0, 1.0]);
    let tables = hand_made().statistics(&quick());
    let token = information(&tables, MI, "token", "chosen");
    close(token.estimate, overall - given, 1e-12);
    close(token.ceiling, overall - 1.0, 1e-12);
    // Kept: token 5 has 2 4 1 of 7; one occurrence has a single choice: h = 9 * 2 / 19.
    let kept = information(&tables, MI, "token", "kept");
    let given = (4.0 + 7.0 * entropy(&[2.0, 4.0, 1.0]) + 8.0 * entropy(&[3.0, 4.0, 1.0])) / 19.0;
    close(kept.estimate, entropy(&[7.0, 6.0, 5.0, 1.0]) - given, 1e-12);
    close(kept.ceiling, entropy(&[7.0, 6.0, 5.0, 1.0]) - 18.0 / 19.0, 1e-12);
    // Two documents of one category each: the two labels can only be swapped, so that the null is the estimate.
    let category = information(&tables, MI, "category", "chosen");
    close(category.corrected, 0.0, 1e-12);
    close(category.p_value, 1.0, 0.0);
    // Rows with a previous token: 8. Given 5: 3 4 1 0, by previous token 0: {0,1}, 5: {1,2}, 6: {1,0} {0,1}: 1 bit each.
    // Given 6: 3 0 4 1, by previous token 0: {2,0}, 6: {2,0}: 1 bit each, 5: {2,0} {2,3}: 1 0 2 1 of 4, 1.5 bits.
    let previous = information(&tables, CMI, "previous_token", "chosen");
    close(previous.estimate, entropy(&[3.0, 4.0, 1.0]) - (8.0 + 4.0 + 4.0 * 1.5) / 16.0, 1e-12);
    assert_eq!(previous.n, 8);
}

#[test]
fn jackknife_is_the_recomputation_without_each_document() {
    let settings = Settings { permutations: 1, ..quick() };
    let full = synthetic(Router::Token, 4, 2, 9, 12);
    let mut noisy = full.layer.clone();
    let mut random = Random(3);
    for pair in noisy.expert.chunks_exact_mut(2).step_by(3) {
        pair.copy_from_slice(&random.subset(4, 2));
    }
    let estimate = |left_out: Option<u32>, table: &str, variable: &str| {
        let mut layer = LayerTrace { layer: 3, num_experts: 4, top_k: 2, ..LayerTrace::default() };
        for t in (0..noisy.len()).filter(|t| Some(noisy.sequence[*t]) != left_out) {
            layer.sequence.push(noisy.sequence[t]);
            layer.position.push(noisy.position[t]);
            layer.token_id.push(noisy.token_id[t]);
            layer.expert.extend(noisy.choices(t));
            layer.kept.extend(noisy.kept(t));
            layer.entropy.push(0.0);
            layer.margin_first.push(0.0);
            layer.margin_k.push(0.0);
        }
        let run = Run { sequences: full.sequences.clone(), layer };
        information(&run.statistics(&settings), table, variable, "kept").clone()
    };
    for (table, variable) in [(MI, "token"), (MI, "category"), (CMI, "document"), (CMI, "previous_token")] {
        let left: Vec<f64> = (0..9).map(|d| estimate(Some(d), table, variable).estimate.unwrap()).collect();
        let mean = left.iter().sum::<f64>() / 9.0;
        let error = (8.0 / 9.0 * left.iter().map(|value| (value - mean).powi(2)).sum::<f64>()).sqrt();
        let all = estimate(None, table, variable);
        close(all.high, all.estimate.unwrap() + 1.96 * error, 1e-12);
        close(all.low, all.estimate.unwrap() - 1.96 * error, 1e-12);
    }
}

#[test]
fn the_number_of_threads_makes_no_difference() {
    let run = synthetic(Router::Nothing, 8, 2, 20, 40);
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run.statistics(&Settings { minimum_occurrences: 10, ..quick() }))
    };
    let (one, two) = (with(1), with(2));
    assert_eq!(one, two);
    for table in one.values() {
        assert_eq!(table.to_csv().unwrap(), two[&table.name].to_csv().unwrap());
    }
    let other_seed = run.statistics(&Settings { seed: 1, minimum_occurrences: 10, ..quick() });
    assert_ne!(one[MI], other_seed[MI]);
}

#[test]
fn categories_of_documents_are_judged_by_document() {
    // Every document has one expert pair of its own, at random: categories differ by chance alone, as permuted labels
    // do, while the shuffle of occurrences within token ids takes the documents apart.
    let mut random = Random(11);
    let mut run = Run::new(8, 2, &["a", "b"]);
    for document in 0..30 {
        let choices = random.subset(8, 2);
        let tokens: Vec<_> = (0..40).map(|_| (random.below(5), choices.clone(), vec![true; 2])).collect();
        run.document(Some(document % 2), &tokens);
    }
    let tables = run.statistics(&quick());
    let by_label = information(&tables, CMI, "category", "chosen");
    let by_row =
        one(&tables, CMI, |row| row.variant.as_deref() == Some("within_token_shuffle") && row.view == "chosen");
    assert_eq!(by_label.estimate, by_row.estimate);
    assert!(by_label.p_value.unwrap() > 0.05 && by_row.p_value.unwrap() < 0.05, "{by_label:#?}{by_row:#?}");
    assert!(by_label.baseline.unwrap() > 5.0 * by_row.baseline.unwrap());
    assert!(one(&tables, "cramers_v", |row| row.view == "chosen").p_value.unwrap() > 0.05);
}

#[test]
fn chunks_of_a_document_are_one_unit_and_bos_can_be_left_out() {
    let mut run = Run::new(4, 1, &[]);
    for _ in 0..8 {
        run.document(None, &[(0, vec![0], vec![true]), (7, vec![1], vec![true])]);
    }
    run.chunk(0, None, &[(0, vec![0], vec![true]), (8, vec![2], vec![true])]);
    let tables = run.statistics(&quick());
    let token = information(&tables, MI, "token", "chosen");
    assert_eq!((token.n, token.documents), (18, Some(8)));
    let tables = run.statistics(&Settings { include_bos: false, ..quick() });
    let token = information(&tables, MI, "token", "chosen");
    assert_eq!((token.n, token.documents), (9, Some(8)));
    // The BOS before is still the previous token of the first row that counts.
    assert_eq!(information(&tables, MI, "previous_token", "chosen").n, 9);
    assert!(one(&tables, "expert_repetition", |_| true).estimate.is_none());
    let category = information(&tables, MI, "category", "chosen");
    assert_eq!((category.estimate, category.note.as_deref()), (None, Some("0 categories: at least 2 needed")));
}

/// Every number is finite, every interval brackets its estimate, and every statistic of the list has a row.
#[track_caller]
fn sound(tables: &Tables) {
    for row in tables.values().flat_map(|table| &table.rows) {
        let numbers = [
            row.estimate,
            row.low,
            row.high,
            row.baseline,
            row.p_value,
            row.corrected,
            row.corrected_low,
            row.corrected_high,
            row.ceiling,
            row.explained,
            row.explained_low,
            row.explained_high,
            row.noise_floor,
            row.uniform_baseline,
            row.quantile,
        ];
        assert!(numbers.iter().flatten().all(|number| number.is_finite()), "{row:#?}");
        assert!(row.estimate.is_some() || row.note.is_some(), "withheld without a reason: {row:#?}");
        assert_eq!(row.low.is_some(), row.high.is_some());
    }
    for info in STATISTICS {
        let rows = &tables[info.table].rows;
        let found = |view: &str| rows.iter().any(|row| row.statistic == info.name && row.view == view);
        assert!(
            info.table == "top_tokens" || info.table == "domain_specialization" || found("chosen"),
            "{}",
            info.name
        );
        assert!(info.kept || !found("kept"), "{}", info.name);
    }
}

#[test]
fn degenerate_inputs_withhold_numbers_and_never_fail() {
    let drop_all = |mut run: Run| {
        run.layer.kept.fill(false);
        run
    };
    let one_token = |mut run: Run| {
        run.layer.token_id.fill(5);
        run
    };
    let one_category = |mut run: Run| {
        run.sequences.category.fill(Some(0));
        run
    };
    let runs = [
        Run::new(4, 2, &[]),
        Run::new(1, 1, &["a"]),
        synthetic(Router::Nothing, 4, 2, 1, 1),
        synthetic(Router::Nothing, 4, 2, 1, 30),
        synthetic(Router::Nothing, 2, 2, 9, 30),
        synthetic(Router::Nothing, 1, 1, 9, 30),
        synthetic(Router::Nothing, 4, 1, 12, 30),
        synthetic(Router::Nothing, 6, 3, 12, 30),
        drop_all(synthetic(Router::Nothing, 4, 2, 12, 30)),
        one_token(synthetic(Router::Nothing, 4, 2, 12, 30)),
        one_category(synthetic(Router::Nothing, 4, 2, 12, 30)),
    ];
    for run in &runs {
        for minimum_occurrences in [1, 128] {
            sound(&run.statistics(&Settings { resamples: 30, permutations: 3, minimum_occurrences, ..quick() }));
        }
        sound(&run.statistics(&Settings { resamples: 0, permutations: 0, ..quick() }));
    }
}

#[test]
fn intervals_bracket_their_estimates() {
    let tables = synthetic(Router::Token, 8, 2, 30, 60).statistics(&Settings { minimum_occurrences: 20, ..quick() });
    sound(&tables);
    for row in tables.values().flat_map(|table| &table.rows) {
        if let (Some(low), Some(estimate), Some(high)) = (row.low, row.estimate, row.high) {
            assert!(low <= estimate + 1e-9 && estimate <= high + 1e-9, "{row:#?}");
        }
    }
}

#[test]
fn columns_that_do_not_belong_together_are_a_fault() {
    let mut run = hand_made();
    run.layer.kept.pop();
    let error = route_statistics(&run.sequences, &run.layer, &quick(), &|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "internal error: trace of decoder layer 3: column `kept` has 19 values, expected 20");
    let mut run = hand_made();
    run.layer.expert[4] = 4;
    assert!(route_statistics(&run.sequences, &run.layer, &quick(), &|_| ()).is_err());
}

#[test]
fn the_list_of_statistics_is_complete_and_without_duplicates() {
    for (index, info) in STATISTICS.iter().enumerate() {
        assert!(STATISTICS[..index].iter().all(|other| other.name != info.name && other.title != info.title));
        assert!(!info.definition.is_empty() && !info.baseline.is_empty() && !info.source.is_empty());
    }
    let tables = synthetic(Router::Nothing, 8, 2, 12, 30).statistics(&Settings { minimum_occurrences: 5, ..quick() });
    for (name, table) in &tables {
        for row in &table.rows {
            let info = STATISTICS.iter().find(|info| info.name == row.statistic).expect("a listed statistic");
            assert_eq!((info.table, name), (name.as_str(), &table.name));
            assert!(info.unit == row.unit || info.name == "top_tokens", "{row:#?}");
        }
    }
}

#[test]
fn headline_leaves_the_long_tables_out() {
    let tables = synthetic(Router::Nothing, 8, 2, 12, 30).statistics(&Settings { minimum_occurrences: 5, ..quick() });
    let findings = headline(&tables);
    for view in ["chosen", "kept"] {
        for (statistic, variable) in [(MI, "token"), (MI, "category"), (MI, "position"), (CMI, "category")] {
            let found = findings.iter().filter(|row| {
                row.statistic == statistic
                    && row.view == view
                    && row.variable.as_deref() == Some(variable)
                    && row.variant.is_none()
            });
            assert_eq!(found.count(), 1, "{statistic} {variable}");
        }
    }
    assert!(findings.iter().all(|row| row.token_id.is_none() && row.position.is_none() && row.rank.is_none()));
    let rows: usize = tables.values().map(|table: &StatisticTable| table.rows.len()).sum();
    assert!(findings.len() < rows);
}
