//! Traces that are built from arrays come back as they were given; wrong arrays are refused by name.

use expect_test::expect;
use openmoe_analyze::{
    corpus::{Role, Span},
    routing::{
        CapacityPolicy, CapacityRule, GroupRule, LayerRouting, LayerShape, RouterSettings, RoutingObserver,
        RoutingShape, route,
    },
    run::{Identity, Occupied, RecordedLayout, RunDir, RunKind, RunRecord},
    trace::{
        Block, Provides, RoutedSequence, RoutingTrace, TraceBuilder, TraceLayout, TraceOptions, TraceWriter,
        write_inputs,
    },
};
use serde_json::json;
use tempfile::TempDir;

use crate::support::snapshot::told;

/// Two layers: top-1 of 4 experts at factor 1, at least 1 slot, and top-2 of 8 experts without a limit.
fn shape() -> RoutingShape {
    let port = CapacityPolicy { rule: CapacityRule::Port, factor: 1.0, minimum: 1 };
    let few = LayerShape { capacity: Some(port), ..LayerShape::of_choices(4, 1) };
    let many = LayerShape { capacity: Some(CapacityPolicy::UNLIMITED), ..LayerShape::of_choices(8, 2) };
    RoutingShape::new(vec![(2, few), (5, LayerShape { shared_experts: 1, ..many })]).unwrap()
}

/// Three positions: expert 3 twice and 1 in layer 2; (7, 0), (6, 5), (0, 7) in layer 5.
const EXPERTS: [u16; 9] = [3, 7, 0, 3, 6, 5, 1, 0, 7];

fn builder(shape: RoutingShape) -> (TempDir, TraceBuilder) {
    let folder = tempfile::tempdir().unwrap();
    let builder = TraceBuilder::create(folder.path(), shape, TraceOptions::default()).unwrap();
    (folder, builder)
}

#[test]
fn arrays_come_back_layer_by_layer() {
    let (_folder, mut builder) = builder(shape());
    let probability: Vec<f32> = (1..=9).map(|tenth| tenth as f32 / 10.0).collect();
    let entropy = [0.5, 1.5, 0.25, 1.25, 0.125, 1.125];
    for (text, category) in [("a", Some("x")), ("a", Some("x")), ("b", None)] {
        let sequence = RoutedSequence {
            experts: &EXPERTS,
            probability: Some(&probability),
            combine_weight: Some(&probability),
            entropy: Some(&entropy),
            token_ids: Some(&[4, 4, 9]),
            document: Some(text),
            category,
            ..RoutedSequence::default()
        };
        builder.push(&sequence).unwrap();
    }
    let trace = builder.finish(|id| (id == 4).then(|| "four".to_owned())).unwrap();
    assert_eq!(trace.shape(), &shape());
    let expected = Provides::forward_pass(false).without(Block::MarginFirst).without(Block::MarginK);
    assert_eq!(trace.provides(), expected);
    let few = trace.layer(2).unwrap();
    assert_eq!((few.num_experts, few.top_k, few.len()), (4, 1, 9));
    assert_eq!(few.expert[..3], [3, 3, 1]);
    assert_eq!(few.probability[..3], [0.1, 0.4, 0.7]);
    assert_eq!(few.entropy[..3], [0.5, 0.25, 0.125]);
    // 1 * 1.0 * 3 / 4 = 0 slots, at least 1: the second token that wants expert 3 finds none.
    assert_eq!(few.kept[..3], [true, false, true]);
    let many = trace.layer(5).unwrap();
    assert_eq!(many.choices(1), [6, 5]);
    assert_eq!(many.entropy[..3], [1.5, 1.25, 1.125]);
    assert!(many.kept.iter().all(|kept| *kept) && many.margin_k.is_empty());
    assert_eq!(trace.slots(5, 0).unwrap().unwrap()[..6], [0, 1, 0, 0, 0, 1]);
    assert_eq!((trace.groups(2).unwrap().capacity, trace.groups(5).unwrap().capacity), (vec![1; 3], vec![u32::MAX; 3]));
    let sequences = trace.sequences().unwrap();
    assert_eq!(sequences.document, [0, 0, 1]);
    assert_eq!(sequences.category, [Some(0), Some(0), None]);
    assert_eq!(sequences.token_text.get(&4).map(String::as_str), Some("four"));
    assert_eq!(trace.combine_weights(2, 0).unwrap().unwrap()[..3], [0.1, 0.4, 0.7]);
}

#[test]
fn a_trace_knows_what_it_does_not_provide() {
    let capacity = |_| LayerShape::of_choices(8, 2);
    let shape = RoutingShape::uniform(vec![0, 1], capacity(0));
    let folder = tempfile::tempdir().unwrap();
    let options = TraceOptions { ranked: false, ..TraceOptions::default() };
    let mut builder = TraceBuilder::create(folder.path(), shape, options).unwrap();
    builder.push(&RoutedSequence { experts: &[1, 0, 2, 3, 4, 5, 6, 7], ..RoutedSequence::default() }).unwrap();
    let trace = builder.finish(|_| None).unwrap();
    assert_eq!(trace.provides(), Provides::EXPERTS.with(Block::Positions));
    let layer = trace.layer(1).unwrap();
    assert_eq!(layer.expert, [2, 3, 6, 7]);
    assert!(layer.token_id.is_empty() && layer.probability.is_empty() && layer.kept.is_empty());
    assert_eq!((trace.slots(1, 0).unwrap(), trace.combine_weights(1, 0).unwrap()), (None, None));
    assert!(!folder.path().join("router").exists());
}

#[test]
fn a_sequence_may_begin_in_the_middle_and_have_gaps() {
    let (_folder, mut builder) = builder(shape());
    let at = |positions| RoutedSequence { experts: &EXPERTS, positions: Some(positions), ..RoutedSequence::default() };
    builder.push(&at(&[5, 7, 90])).unwrap();
    builder.push(&at(&[0, 1, 2])).unwrap();
    let error = builder.push(&at(&[0, 1, 1 << 24])).unwrap_err();
    expect![[r#"
        sequence 2 has place 16777216; expected them below 16777216

        hint: give every sequence the arrays that the shape asks for
    "#]]
    .assert_eq(&told(&error));
    let trace = builder.finish(|_| None).unwrap();
    let layer = trace.layer(2).unwrap();
    assert_eq!((layer.position, layer.sequence), (vec![5, 7, 90, 0, 1, 2], vec![0, 0, 0, 1, 1, 1]));
    assert_eq!(trace.sequences().unwrap().tokens, [91, 3]);
}

#[test]
fn wrong_arrays_are_refused_by_name() {
    let of = |experts| RoutedSequence { experts, ..RoutedSequence::default() };
    for (sequence, message) in [
        (
            of(&[3, 7]),
            expect![[r#"
            sequence 0 has 2 experts; expected a multiple of 3, at least one

            hint: give every sequence the arrays that the shape asks for
        "#]],
        ),
        (
            of(&[3, 7, 0, 4, 6, 5]),
            expect![[r#"
            sequence 0 chooses expert 4 of 4 at position 1, layer 2

            hint: give every sequence the arrays that the shape asks for
        "#]],
        ),
        (
            of(&[3, 7, 7]),
            expect![[r#"
            sequence 0 chooses an expert twice at position 0, layer 5: [7, 7]

            hint: give every sequence the arrays that the shape asks for
        "#]],
        ),
        (
            RoutedSequence { token_ids: Some(&[1]), ..of(&EXPERTS) },
            expect![[r#"
            sequence 0 has 1 token ids; expected 3 for 3 positions

            hint: give every sequence the arrays that the shape asks for
        "#]],
        ),
        (
            RoutedSequence { probability: Some(&[1.5; 9]), ..of(&EXPERTS) },
            expect![[r#"
            sequence 0 has a probability of 1.5; expected 0 to 1

            hint: give every sequence the arrays that the shape asks for
        "#]],
        ),
        (
            RoutedSequence { combine_weight: Some(&[f32::NAN; 9]), ..of(&EXPERTS) },
            expect![[r#"
            sequence 0 has the number NaN; expected finite ones

            hint: give every sequence the arrays that the shape asks for
        "#]],
        ),
    ] {
        message.assert_eq(&told(&builder(shape()).1.push(&sequence).unwrap_err()));
    }
    let (_folder, mut other) = builder(shape());
    other.push(&of(&EXPERTS)).unwrap();
    let mixed = RoutedSequence { token_ids: Some(&[1, 2, 3]), ..of(&EXPERTS) };
    expect![[r#"
        sequence 1 provides {"token_ids", "positions", "ranks", "drops", "slots"}, the first sequence {"positions", "ranks", "drops", "slots"}

        hint: give every sequence the arrays that the shape asks for
    "#]].assert_eq(&told(&other.push(&mixed).unwrap_err()));
    let (_folder, empty) = builder(shape());
    expect![[r#"
        the trace has no sequence

        hint: push at least one
    "#]]
    .assert_eq(&told(&empty.finish(|_| None).unwrap_err()));
    let folder = tempfile::tempdir().unwrap();
    let nothing = TraceBuilder::create(folder.path(), RoutingShape::default(), TraceOptions::default());
    expect![[r#"
        the shape has no routed layer

        hint: name the layers that route
    "#]]
    .assert_eq(&told(&nothing.err().unwrap()));
}

/// The routing of one sequence of 12 tokens by a router of 4 experts at factor 1, as a forward pass emits it.
fn forward(folder: &std::path::Path) -> (RoutingTrace, LayerRouting) {
    let router = RouterSettings {
        num_experts: 4,
        top_k: 2,
        capacity_rule: CapacityRule::Port,
        capacity_factor: 0.5,
        min_capacity: 1,
    };
    let sequence = openmoe_analyze::corpus::Sequence {
        source: "a.txt".into(),
        dataset: "a".into(),
        document: "a".into(),
        category: None,
        token_ids: (0..12).collect(),
        spans: Vec::new(),
        truncated: false,
    };
    let layout = TraceLayout::new(&[12], GroupRule::Sequence, RoutingShape::uniform(vec![1], router));
    let (run, _) = RunDir::prepare(folder, Occupied::Refuse, &()).unwrap();
    write_inputs(&run, &layout, std::slice::from_ref(&sequence), "a", |_| None).unwrap();
    let recorded = RecordedLayout::of(&layout.shape, layout.segments.len(), layout.groups.len());
    let record = RunRecord::new(Identity::new(RunKind::Route), "a", recorded);
    run.write_record(&RunRecord { provides: Some(Provides::forward_pass(false)), ..record }).unwrap();
    let logits = (0..48).map(|at| ((at * 7) % 11) as f32 / 5.0).collect();
    let routing = LayerRouting { layer: 1, sequences: 0..1, ..route(logits, 4, 2, router.capacity(12).unwrap()) };
    TraceWriter::new(&run, &layout, &[sequence], Provides::forward_pass(false)).observe_routing(&routing).unwrap();
    (RoutingTrace::open(&run).unwrap(), routing)
}

#[test]
fn the_combine_weight_is_the_probability_and_0_where_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let (trace, routing) = forward(folder.path());
    assert!(routing.dropped.iter().any(|dropped| *dropped) && routing.dropped.iter().any(|dropped| !*dropped));
    let expected: Vec<f32> =
        routing.probability.iter().zip(&routing.dropped).map(|(p, dropped)| if *dropped { 0.0 } else { *p }).collect();
    assert_eq!(trace.combine_weights(1, 0).unwrap().unwrap(), expected);
    // A run of the first version has it in its other columns.
    let mut manifest = trace_manifest(folder.path());
    manifest.as_object_mut().unwrap().remove("provides");
    std::fs::write(folder.path().join("manifest.json"), manifest.to_string()).unwrap();
    let old = RoutingTrace::open(&RunDir::open(folder.path()).unwrap()).unwrap();
    assert!(!old.provides().has(Block::CombineWeight));
    assert_eq!(old.combine_weights(1, 0).unwrap().unwrap(), expected);
}

fn trace_manifest(folder: &std::path::Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(folder.join("manifest.json")).unwrap()).unwrap()
}

#[test]
fn a_manifest_that_cannot_be_true_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    forward(folder.path());
    let sound = trace_manifest(folder.path());
    let refused = |key: &str, value: serde_json::Value| {
        let mut manifest = sound.clone();
        manifest[key] = value;
        std::fs::write(folder.path().join("manifest.json"), manifest.to_string()).unwrap();
        let error = told(&RoutingTrace::open(&RunDir::open(folder.path()).unwrap()).unwrap_err());
        std::fs::write(folder.path().join("manifest.json"), sound.to_string()).unwrap();
        error
    };
    expect![[r#"
        manifest.json of `TEMP` has `provides.trace_schema` 99; expected at most 2, the newest that version VERSION reads

        hint: the run was made by a newer version of openmoe-analyze: use that one
    "#]]
    .assert_eq(&refused("provides", json!({ "trace_schema": 99, "blocks": [] })));
    let mut layout = sound["layout"].clone();
    layout["moe_layers"] = json!([1, 2]);
    layout["layers"] =
        json!([{ "layer": 1, "num_experts": 4, "top_k": 1 }, { "layer": 2, "num_experts": 1, "top_k": 2 }]);
    expect![[r#"
        manifest.json of `TEMP` has `layout.layers` that cannot be: decoder layer 2 has 2 choices a token; expected 1 to 1

        hint: the manifest was changed or is damaged: run it again with `Occupied::Replace`
    "#]].assert_eq(&refused("layout", layout));
}

#[test]
fn a_manifest_that_promises_other_columns_than_the_files_have_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    forward(folder.path());
    let sound = trace_manifest(folder.path());
    let refused = |blocks: &[&str]| {
        let mut manifest = sound.clone();
        manifest["provides"]["blocks"] = json!(blocks);
        std::fs::write(folder.path().join("manifest.json"), manifest.to_string()).unwrap();
        let trace = RoutingTrace::open(&RunDir::open(folder.path()).unwrap()).unwrap();
        trace.layer(1).unwrap_err().to_string()
    };
    let fewer = refused(&["token_ids", "positions", "ranks"]);
    assert!(fewer.contains("part-00000.parquet") && fewer.contains("the `provides` of manifest.json"), "{fewer}");
}

#[test]
fn tokens_without_a_row_keep_their_places_and_messages_stand_by_position() {
    let (folder, mut builder) = builder(shape());
    let span = |turn, role, start, end| Span { turn, role, start, end };
    let spans = [span(0, Role::User, 0, 3), span(1, Role::Assistant, 3, 8)];
    let gaps =
        RoutedSequence { experts: &EXPERTS, positions: Some(&[1, 4, 7]), spans: &spans, ..RoutedSequence::default() };
    builder.push(&gaps).unwrap();
    builder.push(&RoutedSequence { experts: &EXPERTS, ..RoutedSequence::default() }).unwrap();
    let outside = [span(0, Role::User, 0, 9)];
    let crossed = [spans[1], spans[0]];
    let refused =
        [&outside[..], &crossed].map(|spans| told(&builder.push(&RoutedSequence { spans, ..gaps }).unwrap_err()));
    expect![[r#"
        sequence 2 has turn 0 at positions 0 to 9; expected them to ascend from 0 to 8

        hint: give every sequence the arrays that the shape asks for

        sequence 2 has turn 0 at positions 0 to 3; expected them to ascend from 8 to 8

        hint: give every sequence the arrays that the shape asks for
    "#]]
    .assert_eq(&refused.join("\n"));
    let trace = builder.finish(|_| None).unwrap();
    assert_eq!(trace.layer(5).unwrap().position, [1, 4, 7, 0, 1, 2]);
    let (mut sequences, mut table) = (trace.sequences().unwrap(), trace.spans().unwrap());
    assert_eq!(sequences.tokens, [8, 3]);
    assert_eq!((&table.sequence, &table.turn), (&vec![0, 0], &vec![0, 1]));
    assert_eq!((&table.role, &table.end), (&vec![Role::User, Role::Assistant], &vec![3, 8]));
    trace.count_in_rows(&mut sequences, &mut table).unwrap();
    assert_eq!((sequences.tokens, table.start, table.end), (vec![3, 3], vec![0, 1], vec![1, 3]));
    let record = RunDir::open(folder.path()).unwrap().record().unwrap();
    assert_eq!(record.text.tokens, 6);
}

#[test]
fn messages_of_rows_in_no_order_are_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let options = TraceOptions { in_order: false, ..TraceOptions::default() };
    let mut builder = TraceBuilder::create(folder.path(), shape(), options).unwrap();
    let spans = [Span { turn: 0, role: Role::User, start: 0, end: 3 }];
    builder.push(&RoutedSequence { experts: &EXPERTS, spans: &spans, ..RoutedSequence::default() }).unwrap();
    assert!(builder.finish(|_| None).unwrap().spans().unwrap().sequence.is_empty());
}
