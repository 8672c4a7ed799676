//! Traces that Megatron's own code wrote by both of its paths, and made-up ones with what these do not have.

use super::*;
use crate::import::{Gate, ImportOptions, Outcome, Prepared, RecordedLayer, Source, open as open_any};

const NOTHING: ExpertId = ABSENT;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from("fixtures/imports").join(name)
}

fn with_model() -> ImportOptions {
    ImportOptions { model_config: Some(fixture("config.json")), ..ImportOptions::default() }
}

fn open_trace(paths: &[PathBuf], options: &ImportOptions) -> Result<Box<dyn RouteReader>> {
    let (format, routes) = open_any(&Source::new(paths)?, options)?;
    assert_eq!(format.name, "megatron");
    let Routes::Tokens(reader) = routes else { panic!("counts") };
    Ok(reader)
}

fn read(paths: &[PathBuf], options: &ImportOptions) -> Result<(Header, Vec<RouteSequence>)> {
    let reader = open_trace(paths, options)?;
    let sequences = reader.sequences()?.collect::<Result<_>>()?;
    Ok((reader.header().clone(), sequences))
}

fn refusal(paths: &[PathBuf], options: &ImportOptions) -> String {
    read(paths, options).map(|_| ()).unwrap_err().to_string()
}

/// A trace of rank 0 in a folder of its own, from step, layer and rows.
fn trace(lines: &[(u64, u16, &str)]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("router_trace_rank0.jsonl");
    let line = |(step, layer, rows): &(u64, u16, &str)| {
        let tokens = rows.matches('[').count() - 1;
        format!(
            r#"{{"step": {step}, "block": "decoder", "layer": {layer}, "rank": 0, "num_tokens": {tokens}, "topk": 2, "top_indices": {rows}}}"#
        )
    };
    std::fs::write(&path, lines.iter().map(|it| line(it) + "\n").collect::<String>()).unwrap();
    (folder, path)
}

#[test]
fn the_sink_keeps_the_order_and_counts_layers_from_1() {
    for options in [with_model(), ImportOptions::default()] {
        let (header, sequences) = read(&[fixture("megatron/sink_path.jsonl")], &options).unwrap();
        assert_eq!(header.layers.iter().map(|layer| layer.layer).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!((header.order, header.has_logits), (ChoiceOrder::Weight, false));
        assert_eq!(header.layers[0].num_experts, options.model_config.is_some().then_some(8));
        let [sequence] = &sequences[..] else { panic!("{sequences:?}") };
        let rows = [[4, 0, 7, 5, 6, 5], [7, 5, 5, 0, 5, 4], [0, 6, 7, 0, 7, 5], [2, 0, 5, 6, 4, 6], [1, 3, 3, 1, 5, 2]];
        assert_eq!(sequence.experts, rows.concat());
        assert_eq!((&sequence.positions, &sequence.token_ids), (&None, &None));
        assert!(header.remarks.iter().any(|it| it.contains("each pass is taken for one")), "{:?}", header.remarks);
    }
}

#[test]
fn hooks_lose_the_order_and_count_layers_from_0() {
    for options in [with_model(), ImportOptions::default()] {
        let (header, sequences) = read(&[fixture("megatron/hook_path.jsonl")], &options).unwrap();
        assert_eq!((header.layers[0].layer, header.order), (1, ChoiceOrder::Unknown));
        assert_eq!(sequences[0].experts, [0, 5, 6, 7, 1, 7]);
        let never = header.remarks.iter().any(|it| it.starts_with("2 layers that route"));
        assert_eq!(never, options.model_config.is_some(), "{:?}", header.remarks);
    }
}

#[test]
fn sequences_of_a_micro_batch_are_taken_apart() {
    let rows = ["[[1, 0], [3, 2], [5, 4], [7, 6]]", "[[0, 1], [2, 3], [4, 5], [6, 7]]"];
    let (folder, path) = trace(&[(0, 2, rows[0]), (0, 3, rows[1]), (0, 2, rows[1]), (0, 3, rows[0])]);
    let tokens = folder.path().join("tokens.txt");
    std::fs::write(&tokens, "10\n11\n12\n13\n14\n15\n16\n17\n").unwrap();
    let by_length = ImportOptions { sequence_length: Some(2), ..with_model() };
    let by_number = ImportOptions { micro_batch: Some(2), tokens: Some(tokens.clone()), ..with_model() };
    let (_, of_length) = read(std::slice::from_ref(&path), &by_length).unwrap();
    let (_, sequences) = read(std::slice::from_ref(&path), &by_number).unwrap();
    let experts =
        [[1, 0, 0, 1, 5, 4, 4, 5], [3, 2, 2, 3, 7, 6, 6, 7], [0, 1, 1, 0, 4, 5, 5, 4], [2, 3, 3, 2, 6, 7, 7, 6]];
    assert_eq!(sequences.iter().map(|it| it.experts.clone()).collect::<Vec<_>>(), experts);
    assert_eq!(of_length.iter().map(|it| it.experts.clone()).collect::<Vec<_>>(), experts);
    assert!(sequences.iter().all(|it| it.positions.as_deref() == Some(&[0, 1])));
    let ids: Vec<u32> = sequences.iter().flat_map(|it| it.token_ids.clone().unwrap()).collect();
    assert_eq!(ids, (10..18).collect::<Vec<_>>());
    let of_three = refusal(std::slice::from_ref(&path), &ImportOptions { micro_batch: Some(3), ..with_model() });
    assert!(of_three.contains("4 rows are no whole micro-batches of 3 sequences"), "{of_three}");
    let other = ImportOptions { micro_batch: Some(2), sequence_length: Some(3), ..with_model() };
    assert!(refusal(std::slice::from_ref(&path), &other).contains("4 rows are not 2 sequences of 3 tokens"));
    std::fs::write(&tokens, "10\n11\n").unwrap();
    assert!(refusal(&[path], &by_number).contains("has 2 token ids; the trace has 8 positions"));
}

#[test]
fn passes_and_layers_that_were_not_written_are_absent() {
    let rows = "[[0, 5], [6, 7]]";
    let (_folder, path) = trace(&[(0, 1, rows), (0, 2, rows), (0, 3, rows), (1, 1, rows), (1, 3, rows)]);
    let reader = open_trace(&[path], &with_model()).unwrap();
    let sequences: Vec<_> = reader.sequences().unwrap().collect::<Result<_>>().unwrap();
    assert_eq!(sequences[1].experts, [0, 5, NOTHING, NOTHING, 0, 5, 6, 7, NOTHING, NOTHING, 6, 7]);
    assert!(reader.header().remarks.iter().any(|it| it.starts_with("1 of 6 pairs of pass and layer have no line")));
    let report = Gate::pass(reader.as_ref(), |_| Ok(())).unwrap();
    let check = report.checks.iter().find(|check| check.check == "grid_complete").unwrap();
    assert_eq!(check.outcome, Outcome::Failed, "half of the positions");
}

#[test]
fn logits_give_back_the_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("router_trace_rank0.jsonl");
    let line = r#"{"step": 0, "block": "decoder", "layer": 1, "rank": 0, "num_tokens": 1, "topk": 2, "top_indices": [[0, 3]], "logit_offset": 2, "logit_bytes": 8, "logit_shape": [1, 4]}"#;
    std::fs::write(&path, line).unwrap();
    let bytes: Vec<u8> =
        [9.0, 0.5, -1.0, -2.0, 1.5].iter().flat_map(|it| half::bf16::from_f32(*it).to_le_bytes()).collect();
    let logits = folder.path().join("logits_rank0.bin");
    std::fs::write(&logits, &bytes).unwrap();
    let reader = open_trace(std::slice::from_ref(&path), &ImportOptions::default()).unwrap();
    assert_eq!(reader.header().layers, [RecordedLayer { layer: 1, num_experts: Some(4), top_k: 2 }]);
    let sequence = reader.sequences().unwrap().next().unwrap().unwrap();
    assert_eq!(sequence.logits.as_deref(), Some(&[0.5, -1.0, -2.0, 1.5][..]));
    assert_eq!(sequence.weights.as_deref(), Some(&[0.5, 1.5][..]));
    let report = Gate::pass(reader.as_ref(), |_| Ok(())).unwrap();
    let prepared = Prepared::new(reader.as_ref(), &report.reading).unwrap();
    assert!(prepared.is_ranked());
    assert_eq!(prepared.sequences().unwrap().next().unwrap().unwrap().experts, [3, 0]);
    assert!(refusal(std::slice::from_ref(&path), &with_model()).contains("logits of 4 experts"));
    std::fs::write(&logits, &bytes[..8]).unwrap();
    assert!(refusal(std::slice::from_ref(&path), &ImportOptions::default()).contains("8 bytes at 2 of a file of 8"));
    std::fs::remove_file(logits).unwrap();
    assert!(refusal(&[path], &ImportOptions::default()).contains("logits_rank0.bin"));
}

#[test]
fn lines_that_cannot_be_read_are_counted_or_an_error() {
    let (_folder, path) = trace(&[(0, 2, "[[1, 0]]"), (0, 3, "[[1, 0]]")]);
    let text = std::fs::read_to_string(&path).unwrap();
    let mtp = text.lines().next().unwrap().replace("decoder", "mtp");
    std::fs::write(&path, format!("{text}{mtp}\n{}", &text[..40])).unwrap();
    let (header, sequences) = read(std::slice::from_ref(&path), &with_model()).unwrap();
    assert_eq!(sequences.len(), 1);
    let has =
        |words: &str| assert!(header.remarks.iter().any(|it| it.contains(words)), "{words}: {:?}", header.remarks);
    has("1 line was left out: `");
    has("line 4 cannot be read");
    has("1 lines of layers that predict tokens further ahead");
    let strict = ImportOptions { strict: true, ..with_model() };
    assert!(refusal(&[path], &strict).contains("line 4 cannot be read"));
}

#[test]
fn ranks_are_copies_parts_or_stages() {
    let (folder, path) = trace(&[(0, 2, "[[1, 0]]")]);
    let other = folder.path().join("router_trace_rank1.jsonl");
    std::fs::copy(&path, &other).unwrap();
    let both = [path.clone(), other.clone()];
    let (header, sequences) = read(&both, &with_model()).unwrap();
    assert_eq!(sequences.len(), 1);
    assert!(header.remarks.iter().any(|it| it.contains("router_trace_rank1.jsonl` has the routes of `")));
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&other, text.replace("[1, 0]", "[2, 0]")).unwrap();
    assert_eq!(read(&both, &with_model()).unwrap().1.len(), 2);
    std::fs::write(&other, text.replace("\"layer\": 2", "\"layer\": 3")).unwrap();
    assert!(refusal(&both, &with_model()).contains("stages of a pipeline"));
    std::fs::write(&other, text.replace("\"layer\": 2", "\"layer\": 9")).unwrap();
    assert!(
        refusal(&[other], &with_model()).contains("layers 9; by the configuration of the model these do not route")
    );
}
