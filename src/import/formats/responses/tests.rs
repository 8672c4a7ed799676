//! Responses as servers give them: every form, what is missing in them, and what is damaged.

use std::path::PathBuf;

use super::*;
use crate::import::{ABSENT, ChoiceOrder, Gate, ImportOptions, Outcome, Source, Weights, open as open_any};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from("fixtures/imports").join(name)
}

/// What is read of files, with the configuration of the fixtures' model or without.
fn read(paths: &[PathBuf], options: &ImportOptions) -> Result<(&'static str, Header, Vec<RouteSequence>)> {
    let source = Source::new(paths)?;
    let (format, routes) = open_any(&source, options)?;
    let Routes::Tokens(reader) = routes else { panic!("counts") };
    let sequences = reader.sequences()?.collect::<Result<Vec<_>>>()?;
    Ok((format.name, reader.header().clone(), sequences))
}

fn with_model() -> ImportOptions {
    ImportOptions { model_config: Some(fixture("config.json")), ..ImportOptions::default() }
}

/// Lines in a file of their own.
fn saved(lines: &[&str]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("responses.jsonl");
    std::fs::write(&path, lines.join("\n")).unwrap();
    (folder, path)
}

/// The routes of the fixtures: of position p, layer l and choice c the expert (3 p + 2 l + 5 c) % 8.
fn expected(positions: std::ops::Range<u16>, layers: &[u16]) -> Vec<u16> {
    let choices = |p: u16, l: u16| (0..2).map(move |c| (3 * p + 2 * l + 5 * c) % 8);
    positions.flat_map(|p| layers.iter().flat_map(move |l| choices(p, *l))).collect()
}

#[test]
fn responses_of_vllm_are_read() {
    let (format, header, sequences) = read(&[fixture("vllm/responses.jsonl")], &with_model()).unwrap();
    assert_eq!((format, header.engine.as_deref()), ("vllm", Some("vllm-0.33.0-tp1")));
    assert_eq!(header.model.as_deref(), Some("tiny-moe"));
    assert_eq!(header.layers.iter().map(|layer| layer.layer).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(
        (header.layers[0].num_experts, header.order, header.weights),
        (Some(8), ChoiceOrder::Unknown, Weights::None)
    );
    assert_eq!(header.remarks, Vec::<String>::new());
    let names: Vec<_> = sequences.iter().map(|it| it.document.as_deref().unwrap()).collect();
    assert_eq!(names, ["cmpl-1 0", "cmpl-1 1", "chatcmpl-2"]);
    let categories: Vec<_> = sequences.iter().map(|it| it.category.as_deref().unwrap()).collect();
    assert_eq!(categories, ["law", "law", "code"]);
    assert_eq!(sequences[0].token_ids.as_deref(), Some(&[11, 12, 13, 21][..]));
    assert_eq!(sequences[1].token_ids.as_deref(), Some(&[11, 12, 13, 31, 32][..]));
    assert_eq!(sequences[2].token_ids.as_deref(), Some(&[41, 42][..]));
    assert_eq!(sequences.iter().map(|it| it.tokens).collect::<Vec<_>>(), [Some(5), Some(6), Some(3)]);
    for (sequence, rows) in sequences.iter().zip([4, 5, 2]) {
        assert_eq!(sequence.experts, expected(0..rows, &[1, 2, 3]));
    }
}

#[test]
fn routes_of_the_prompt_that_stand_apart_are_joined() {
    let (_, header, sequences) = read(&[fixture("vllm/responses-0.21.jsonl")], &with_model()).unwrap();
    assert_eq!(header.layers.len(), 3, "the second dimension counts the layers that route");
    assert_eq!(sequences[0].token_ids.as_deref(), Some(&[61, 62, 71][..]));
    assert_eq!(sequences[0].experts, expected(0..3, &[1, 2, 3]));
}

#[test]
fn without_the_configuration_layers_are_counted_from_0() {
    let (_, header, sequences) = read(&[fixture("vllm/responses.jsonl")], &ImportOptions::default()).unwrap();
    assert!(header.may_hold_dense_layers && header.layers.len() == 4 && header.layers[3].num_experts.is_none());
    assert_eq!(&sequences[2].experts[..2], [ABSENT, ABSENT], "zeros are no choice");
    assert!(header.remarks[0].contains("counted as the arrays have them"), "{:?}", header.remarks);
}

#[test]
fn responses_of_sglang_are_read() {
    let (format, header, sequences) = read(&[fixture("sglang/responses.jsonl")], &with_model()).unwrap();
    assert_eq!((format, header.layers.len()), ("sglang", 3));
    let names: Vec<_> = sequences.iter().map(|it| it.document.as_deref().unwrap()).collect();
    assert_eq!(names, ["first", "chat-2", "third"]);
    assert_eq!(sequences[0].token_ids.as_deref(), Some(&[11, 12, 13][..]));
    assert_eq!(sequences[1].token_ids.as_deref(), Some(&[41, 42, 51][..]));
    assert_eq!(sequences[0].experts, expected(0..3, &[1, 2, 3]));
    // The third asked for its routes from position 1 on.
    assert_eq!(sequences[2].token_ids.as_deref(), Some(&[72, 73][..]));
    assert_eq!((sequences[2].positions.as_deref(), sequences[2].tokens), (Some(&[1, 2][..]), Some(3)));
    assert_eq!(sequences[2].experts, expected(1..3, &[1, 2, 3]));
    let error = read(&[fixture("sglang/responses.jsonl")], &ImportOptions::default()).unwrap_err().to_string();
    assert!(error.contains("line 1") && error.contains("give the configuration of the model"), "{error}");
}

#[test]
fn lines_that_cannot_be_used_are_counted_or_an_error() {
    let good = r#"{"prompt_token_ids": [1, 2], "token_ids": [3], "routed_experts": [[[1, 2]], [[3, 4]]]}"#;
    let lines = [good, "{\"choices\": [", r#"{"choices": [{"routed_experts": null}]}"#, "", good, "[1]", "7"];
    let (_folder, path) = saved(&lines);
    let (_, header, sequences) = read(std::slice::from_ref(&path), &ImportOptions::default()).unwrap();
    assert_eq!(sequences.len(), 2);
    let remark = header.remarks.last().unwrap();
    assert!(remark.starts_with("4 lines were left out, such as `") && remark.contains("line 2 is no JSON"), "{remark}");
    let strict = ImportOptions { strict: true, ..ImportOptions::default() };
    let error = read(&[path], &strict).unwrap_err().to_string();
    assert!(error.contains("line 2 is no JSON"), "{error}");
}

#[test]
fn a_record_without_any_routes_is_refused() {
    let (_folder, path) = saved(&[r#"{"choices": [{"text": "a", "routed_experts": null}]}"#]);
    let error = read(&[path], &ImportOptions::default()).unwrap_err().to_string();
    assert!(error.contains("no line holds routes: ") && error.contains("was not asked for them"), "{error}");
}

#[test]
fn rows_that_are_not_those_of_the_tokens_get_no_token_ids_and_fail() {
    let line = r#"{"prompt_token_ids": [1, 2, 3, 4], "token_ids": [5], "routed_experts": [[[1, 2], [3, 4]], [[3, 4], [5, 6]]]}"#;
    let (_folder, path) = saved(&[line]);
    let source = Source::new(&[path]).unwrap();
    let Routes::Tokens(reader) = open_any(&source, &ImportOptions::default()).unwrap().1 else { panic!() };
    let sequence = reader.sequences().unwrap().next().unwrap().unwrap();
    assert_eq!((sequence.token_ids, sequence.tokens), (None, Some(5)));
    let report = Gate::pass(reader.as_ref(), |_| Ok(())).unwrap();
    let check = report.checks.iter().find(|check| check.check == "rows_of_tokens").unwrap();
    assert_eq!(check.outcome, Outcome::Failed);
}

#[test]
fn a_response_inside_what_the_client_saved_is_found() {
    let line = r#"[{"id": "mine", "category": "law", "request": {"input_ids": [1, 2], "routed_experts_start_len": 1}, "response": {"output_ids": [3], "meta_info": {"routed_experts": [[[1, 2]]]}}}]"#;
    let (_folder, path) = saved(&[line]);
    let (format, _, sequences) = read(&[path], &ImportOptions::default()).unwrap();
    assert_eq!(format, "sglang");
    assert_eq!(sequences[0].document.as_deref(), Some("mine"));
    assert_eq!(
        (sequences[0].token_ids.as_deref(), sequences[0].positions.as_deref()),
        (Some(&[2][..]), Some(&[1][..]))
    );
    for start in ["-1", "1e300", "18446744073709551615", "\"a\""] {
        let (_folder, path) = saved(&[&line.replace("_len\": 1", &format!("_len\": {start}"))]);
        let error = read(&[path], &ImportOptions::default()).unwrap_err().to_string();
        assert!(error.contains("expected a position"), "{error}");
    }
}
