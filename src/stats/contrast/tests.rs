//! Contrasts whose answer is known.

use super::*;
use crate::{
    random::{Purpose, Stream},
    routing::{ExpertId, Provides},
    stats::settings::Settings,
    trace::{Block, LayerTrace, Role, SequenceTable, SpanTable},
};

/// A layer in the making: every document is one sequence, every token has one id and `top_k` choices.
#[derive(Clone)]
struct MadeUp {
    sequences: SequenceTable,
    spans: SpanTable,
    trace: LayerTrace,
}

impl MadeUp {
    fn new(num_experts: usize, top_k: usize, categories: &[&str]) -> Self {
        let sequences = SequenceTable {
            category_names: categories.iter().map(|name| (*name).to_owned()).collect(),
            dataset_names: vec!["all".to_owned()],
            ..SequenceTable::default()
        };
        let provides = Provides::default().without(Block::Drops).without(Block::Probability).without(Block::Entropy);
        let provides = provides.without(Block::MarginFirst).without(Block::MarginK);
        let trace = LayerTrace { layer: 3, num_experts, top_k, provides, ..LayerTrace::default() };
        Self { sequences, spans: SpanTable::default(), trace }
    }

    /// Adds a document of `(token id, its choices)`.
    fn document(&mut self, category: u16, tokens: &[(u32, Vec<ExpertId>)]) {
        let sequence = self.sequences.tokens.len() as u32;
        self.sequences.tokens.push(tokens.len() as u32);
        self.sequences.document.push(sequence);
        self.sequences.document_names.push(format!("d{sequence}"));
        self.sequences.category.push(Some(category));
        self.sequences.dataset.push(0);
        for (position, (id, experts)) in tokens.iter().enumerate() {
            self.trace.sequence.push(sequence);
            self.trace.position.push(position as u32);
            self.trace.token_id.push(*id);
            self.trace.expert.extend(experts);
        }
    }

    /// Adds a message to the document that was added last.
    fn message(&mut self, turn: u16, role: Role, start: u32, end: u32) {
        self.spans.sequence.push(self.sequences.tokens.len() as u32 - 1);
        self.spans.turn.push(turn);
        self.spans.role.push(role);
        self.spans.start.push(start);
        self.spans.end.push(end);
    }

    fn side(&self, conditions: &[&str]) -> crate::error::Result<Side> {
        let conditions: Vec<Condition> = conditions.iter().map(|text| text.parse().unwrap()).collect();
        Side::of(&conditions, &self.sequences, &self.spans, self.trace.provides)
    }

    fn contrast(&self, a: &Side, b: &Side, settings: &Settings) -> Contrast {
        let settings = ContrastSettings { statistics: settings.clone(), top: 3, one_vocabulary: true };
        let mut study = ContrastStudy::new(&settings, self.sequences.tokens.len());
        let side = |side| LayerSide {
            sequences: &self.sequences,
            trace: &self.trace,
            side,
            document: &self.sequences.document,
        };
        study.add_layer(&side(a), &side(b)).unwrap();
        study.finish()
    }
}

fn settings(seed: u64) -> Settings {
    Settings { seed, resamples: 200, permutations: 200, ..Settings::default() }
}

/// 8 documents of `en` and 8 of `zh`, four tokens each, top-1 of 4 experts.
///
/// `en`: one token of each goes to expert 2, three to expert 0. `zh`: of even documents two tokens go to expert 2, of odd ones
/// three, the others to expert 1. Token ids: 7 for expert 2, 5 for others.
fn two_languages() -> MadeUp {
    let mut made = MadeUp::new(4, 1, &["en", "zh"]);
    for document in 0..8 {
        made.document(0, &[(7, vec![2]), (5, vec![0]), (5, vec![0]), (5, vec![0])]);
        let third = if document % 2 == 0 { (5, vec![1]) } else { (7, vec![2]) };
        made.document(1, &[(7, vec![2]), (7, vec![2]), third, (5, vec![1])]);
    }
    made
}

#[test]
fn rates_and_standard_errors_are_those_of_the_hand() {
    let made = two_languages();
    let (a, b) = (made.side(&["category=zh"]).unwrap(), made.side(&["category=en"]).unwrap());
    let contrast = made.contrast(&a, &b, &settings(0));
    assert_eq!(contrast.layers[0].tokens, [32, 32]);
    assert_eq!((contrast.layers[0].documents, contrast.layers[0].shared), ([8, 8], 0));
    let row = &contrast.rows[2];
    // zh: (4 * 2 + 4 * 3) / 32 = 0.625; en: 8 / 32 = 0.25.
    assert_eq!((row.rate_a, row.rate_b, row.difference), (0.625, 0.25, 0.375));
    // A document of zh adds (2 or 3 - 0.625 * 4) / 32 = -+ 0.5 / 32, one of en 0; the variance is 8 / 7 * 8 * (0.5 / 32)^2.
    let error = (8.0 / 7.0 * 8.0 * (0.5_f64 / 32.0).powi(2)).sqrt();
    assert!((row.z.unwrap() - 0.375 / error).abs() < 1e-9, "{row:?}");
    assert!(row.low.unwrap() > 0.25 && row.high.unwrap() < 0.5 && row.differs(), "{row:?}");
    // Expert 1: 12 / 32 in zh, never in en. Expert 0: never in zh, 24 / 32 in en, in every document alike: no standard error.
    assert_eq!((contrast.rows[1].difference, contrast.rows[0].difference), (0.375, -0.75));
    assert_eq!(contrast.rows[0].z, Some(-50.0));
    // Nobody chose expert 3, which is not tested.
    assert_eq!((contrast.rows[3].difference, contrast.rows[3].z, contrast.rows[3].q), (0.0, None, None));
    assert_eq!(contrast.top.iter().map(|expert| expert.row.expert).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(contrast.headline().unwrap().expert, 0);
}

#[test]
fn tokens_add_up_to_the_difference_and_are_split_into_frequency_and_routing() {
    let made = two_languages();
    let (a, b) = (made.side(&["category=zh"]).unwrap(), made.side(&["category=en"]).unwrap());
    let contrast = made.contrast(&a, &b, &settings(0));
    let carriers = |at: usize| contrast.top[at].carriers.clone().unwrap();
    // Expert 2 is chosen by token 7 and by all of them: its difference is one of frequency.
    let two = carriers(2);
    assert_eq!((two.from_frequency, two.from_routing), (0.375, 0.0));
    assert_eq!((two.a.len(), two.b.len()), (1, 0));
    assert_eq!((two.a[0].token_id, two.a[0].contribution), (7, 0.375));
    assert_eq!((two.a[0].occurrences, two.a[0].chosen), ([20, 8], [20, 8]));
    // Token 5 goes to expert 1 in zh (12 of 12) and to expert 0 in en (24 of 24). Of expert 1: frequency
    // (12 / 32 - 24 / 32) * (1 + 0) / 2 = -0.1875, routing (12 / 32 + 24 / 32) / 2 * (1 - 0) = 0.5625.
    let one = carriers(1);
    assert!((one.from_frequency + 0.1875).abs() < 1e-12 && (one.from_routing - 0.5625).abs() < 1e-12, "{one:?}");
    // Of expert 0, which only en chose: (12 / 32 - 24 / 32) * (0 + 1) / 2 = -0.1875, and -0.5625.
    let zero = carriers(0);
    assert!((zero.from_frequency + 0.1875).abs() < 1e-12 && (zero.from_routing + 0.5625).abs() < 1e-12, "{zero:?}");
    assert_eq!((zero.a.len(), zero.b[0].token_id, zero.b[0].contribution), (0, 5, -0.75));
}

#[test]
fn messages_of_one_conversation_are_paired() {
    // Ten conversations of six tokens: the user's three, then the assistant's three. In conversation i both choose expert 0
    // alike often, which differs between conversations; the assistant chooses expert 1 once more, the user expert 2.
    let mut made = MadeUp::new(3, 1, &["chat"]);
    for document in 0..10_u16 {
        let common = if document % 2 == 0 { 0 } else { 2 };
        let tokens = [2, common, common, 1, common, common].map(|expert| (1, vec![expert]));
        made.document(0, &tokens);
        made.message(0, Role::User, 0, 3);
        made.message(1, Role::Assistant, 3, 6);
    }
    let assistant = made.side(&["role=assistant"]).unwrap();
    let user = made.side(&["turn=0", "role=user"]).unwrap();
    assert_eq!((assistant.name(), user.name()), ("role `assistant`", "turn `0` and role `user`"));
    assert_eq!(assistant.rest().unwrap(), user.clone().named("everything else".to_owned()));
    let contrast = made.contrast(&assistant, &user, &settings(0));
    assert_eq!((contrast.layers[0].documents, contrast.layers[0].shared), ([10, 10], 10));
    // Expert 0: 10 of 30 on both sides, and the same in every conversation: the interval of the difference is a point.
    let zero = &contrast.rows[0];
    assert_eq!(
        (zero.rate_a, zero.rate_b, zero.low, zero.high, zero.z),
        (1.0 / 3.0, 1.0 / 3.0, Some(0.0), Some(0.0), Some(0.0))
    );
    let one = &contrast.rows[1];
    assert!((one.difference - 1.0 / 3.0).abs() < 1e-12 && one.differs(), "{one:?}");
    // The same without the first position, which is the user's: 2 tokens of each conversation are left.
    let without = Settings { include_bos: false, ..settings(0) };
    assert_eq!(made.contrast(&assistant, &user, &without).layers[0].tokens, [30, 20]);
}

/// Documents of 20 to 40 tokens, top-2 of 16 experts; every document prefers an expert of its own, and in category 1 a share of the
/// tokens goes to expert 5 first.
fn random_documents(seed: u64, documents: usize, planted: u32) -> MadeUp {
    let mut made = MadeUp::new(16, 2, &["a", "b"]);
    let mut stream = Stream::new(seed, 0, Purpose::Pairs, 0);
    for document in 0..documents {
        let (category, favourite) = ((document % 2) as u16, stream.below(16) as u16);
        let mut tokens = Vec::new();
        for _ in 0..20 + stream.below(21) {
            let mut first = if stream.below(4) == 0 { favourite } else { stream.below(16) as u16 };
            if category == 1 && stream.below(100) < planted {
                first = 5;
            }
            let second = (first + 1 + stream.below(15) as u16) % 16;
            tokens.push((stream.below(50), vec![first, second]));
        }
        made.document(category, &tokens);
    }
    made
}

#[test]
fn a_planted_difference_is_found_with_its_sign() {
    let made = random_documents(1, 40, 15);
    let b = made.side(&["category=b"]).unwrap();
    let a = b.rest().unwrap();
    let contrast = made.contrast(&a, &b, &settings(0));
    let row = contrast.headline().unwrap();
    assert!(row.expert == 5 && row.difference < 0.0 && row.differs() && row.high.unwrap() < 0.0, "{row:?}");
    let turned = made.contrast(&b, &a, &settings(0));
    assert_eq!(turned.headline().unwrap().difference, -row.difference);
}

/// Conversations of two messages that are routed alike, for the first `shared` of `documents`; the others have the first one alone.
fn conversations(seed: u64, documents: usize, shared: usize, planted: u32) -> MadeUp {
    let mut made = MadeUp::new(16, 2, &["chat"]);
    let mut stream = Stream::new(seed, 0, Purpose::Pairs, 1);
    for document in 0..documents {
        let (favourite, cut) = (stream.below(16) as u16, 10 + stream.below(20));
        let cut = if document < shared { cut } else { 40 };
        let choices = |position: u32, stream: &mut Stream| {
            let first = if stream.below(4) == 0 { favourite } else { stream.below(16) as u16 };
            let first = if position >= cut && stream.below(100) < planted { 5 } else { first };
            (stream.below(50), vec![first, (first + 1 + stream.below(15) as u16) % 16])
        };
        let tokens: Vec<_> = (0..40).map(|position| choices(position, &mut stream)).collect();
        made.document(0, &tokens);
        made.message(0, Role::User, 0, cut);
        if cut < 40 {
            made.message(1, Role::Assistant, cut, 40);
        }
    }
    made
}

#[test]
fn where_nothing_differs_nothing_is_found() {
    let categories = |seed: u64| {
        let made = random_documents(100 + seed, 24, 0);
        let a = made.side(&["category=a"]).unwrap();
        made.contrast(&a, &a.rest().unwrap(), &settings(seed)).differing()
    };
    let roles = |seed: u64, shared: usize| {
        let made = conversations(seed, 24, shared, 0);
        let a = made.side(&["role=user"]).unwrap();
        made.contrast(&a, &a.rest().unwrap(), &settings(seed)).differing()
    };
    let designs: [&dyn Fn(u64) -> usize; 4] =
        [&categories, &|seed| roles(seed, 24), &|seed| roles(seed, 14), &|seed| roles(seed, 8)];
    for (at, differing) in designs.into_iter().enumerate() {
        let found: Vec<usize> = (0..20).map(differing).collect();
        assert!(found.iter().filter(|count| **count > 0).count() <= 1, "design {at}: {found:?}");
    }
}

#[test]
fn a_difference_between_messages_is_found_whether_or_not_every_document_has_both() {
    for shared in [24, 14] {
        let made = conversations(3, 24, shared, 30);
        let a = made.side(&["role=assistant"]).unwrap();
        let contrast = made.contrast(&a, &made.side(&["role=user"]).unwrap(), &settings(0));
        assert_eq!((contrast.layers[0].documents, contrast.layers[0].shared), ([shared, 24], shared));
        let row = contrast.headline().unwrap();
        assert!(row.expert == 5 && row.differs() && row.low.unwrap() > 0.1, "{shared}: {row:?}");
    }
}

#[test]
fn threads_change_nothing() {
    let made = random_documents(7, 24, 8);
    let a = made.side(&["category=a"]).unwrap();
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| made.contrast(&a, &a.rest().unwrap(), &settings(3)))
    };
    let one = with(1);
    assert_eq!(one, with(2));
    assert_eq!(one.to_csv().unwrap(), with(2).to_csv().unwrap());
    assert_ne!(one, made.contrast(&a, &a.rest().unwrap(), &settings(4)), "another seed draws other documents");
}

#[test]
fn too_few_documents_and_unknown_tokens_withhold_by_name() {
    let mut made = random_documents(7, 15, 50);
    let a = made.side(&["category=a"]).unwrap();
    let contrast = made.contrast(&a, &a.rest().unwrap(), &settings(0));
    assert_eq!(contrast.withheld.as_deref(), Some("7 documents on one side, at least 8 needed"));
    assert!(contrast.rows.iter().all(|row| row.low.is_none() && row.z.is_none() && row.q.is_none()));
    assert!(contrast.rows[5].difference < 0.0, "the rates themselves are given");
    made.trace.provides = made.trace.provides.without(Block::TokenIds);
    made.trace.token_id = Vec::new();
    let contrast = made.contrast(&a, &a.rest().unwrap(), &settings(0));
    assert_eq!(contrast.no_tokens.as_deref(), Some(Block::TokenIds.absence()));
    assert!(contrast.top.len() == 3 && contrast.top.iter().all(|expert| expert.carriers.is_none()));
    let none = Settings { permutations: 0, minimum_documents: 2, ..settings(0) };
    let contrast = made.contrast(&a, &a.rest().unwrap(), &none);
    assert_eq!(contrast.withheld.as_deref(), Some("no permutations"));
    assert!(contrast.rows[5].low.is_some() && contrast.rows[5].p.is_none());
}

#[test]
fn a_document_is_known_by_the_end_of_its_name() {
    let mut made = two_languages();
    made.sequences.document_names[0] = "corpus/en.jsonl:1".to_owned();
    assert_eq!(
        made.side(&["document=en.jsonl:1"]).unwrap(),
        made.side(&["document=corpus/en.jsonl:1"]).unwrap().named("document `corpus/en.jsonl:1`".to_owned())
    );
    made.side(&["document=n.jsonl:1"]).unwrap_err();
    made.sequences.document_names[1] = "other/en.jsonl:1".to_owned();
    assert_eq!(
        made.side(&["document=en.jsonl:1"]).unwrap_err().to_string(),
        "document `en.jsonl:1` may be corpus/en.jsonl:1, other/en.jsonl:1"
    );
}

#[test]
fn conditions_that_cannot_be_met_name_those_that_exist() {
    let mut made = two_languages();
    let message = |made: &MadeUp, conditions: &[&str]| made.side(conditions).unwrap_err().to_string();
    assert_eq!(message(&made, &["category=chinese"]), "the run has no category `chinese`");
    assert_eq!(message(&made, &["role=user"]), "role `user`: the run holds no conversations");
    assert_eq!(message(&made, &["category=en", "category=zh"]), "no token meets category `en` and category `zh`");
    assert_eq!(message(&made, &["category=z"]), "the run has no category `z`; is `zh` meant?");
    assert_eq!(message(&made, &["document=x"]), "the run has no document `x`");
    assert_eq!(
        made.side(&["dataset=all"]).unwrap().rest().unwrap_err().to_string(),
        "every token of the run meets data set `all`: nothing is left to compare it with"
    );
    let (en, first) = (made.side(&["category=en"]).unwrap(), made.side(&["document=d0"]).unwrap());
    assert_eq!(
        en.check_apart(&first).unwrap_err().to_string(),
        "4 tokens belong to both sides: category `en` and document `d0`"
    );
    assert!(en.check_apart(&en.rest().unwrap()).is_ok());
    made.message(0, Role::User, 0, 4);
    made.trace.provides = made.trace.provides.without(Block::Positions);
    assert!(message(&made, &["role=user"]).starts_with("role `user`: the trace records no positions"));
    let unknown = |text: &str| text.parse::<Condition>().unwrap_err().to_string();
    assert_eq!(unknown("zh"), "condition `zh`; expected KEY=VALUE");
    assert_eq!(
        unknown("lang=zh"),
        "condition `lang=zh`: key `lang` is none of category, dataset, document, role, turn"
    );
}
