//! Under which key the text of a row is, and what is read beside it.

use super::*;

#[test]
fn a_category_that_no_row_has_is_an_error_that_names_the_keys() {
    let desk = Desk::new();
    let rows = desk.write("a.jsonl", "{\"id\": 1, \"text\": \"a b\", \"style\": \"x\", \"meta\": {\"set\": \"C4\"}}\n");
    for (category, message) in [
        (
            "styl",
            expect![[r#"
        error: no row has a value under the key `styl` of --category; the rows have id, meta.set, style, text

        hint: did you mean --category style?
    "#]],
        ),
        (
            "year",
            expect![[r#"
        error: no row has a value under the key `year` of --category; the rows have id, meta.set, style, text

        hint: name one of the keys of the rows, or leave --category out
    "#]],
        ),
        (
            "meta",
            expect![[r#"
        error: the corpus has no usable document: read `TEMP/a.jsonl`; places that cannot be used: 1
          - TEMP/a.jsonl:1: category `meta` is an object with set: try --category meta.set

        hint: try --category meta.set
    "#]],
        ),
    ] {
        desk.refused(&[&rows], &["--category", category], &message);
    }
    let text = desk.write("a.txt", "a b");
    desk.refused(
        &[&text],
        &["--category", "style"],
        &expect![[r#"
        error: no row has a value under the key `style` of --category; there are no rows with keys

        hint: name one of the keys of the rows, or leave --category out
    "#]],
    );
    desk.routed(
        &[&rows],
        &["--category", "meta.set"],
        &expect![[r#"
        categories: 1 by `meta.set`
        openmoe-tiny-12.3M: 4 tokens in 1 sequence of 1 document; MoE layers [1, 3, 5], 16 experts, top-2
        forward pass: 4 tokens in # s, # tokens/s
    "#]],
    );
    // <pad>, and `a b` as three pieces.
    assert_eq!(desk.sequences(), [(4, Some("C4".to_owned()))]);
}

#[test]
fn a_text_key_of_ones_own_is_proposed_and_read() {
    let desk = Desk::new();
    let control = desk.write("control.jsonl", "{\"text\": \"one two three four\"}\n");
    let expected = desk.planned(&[&control], &[]).0;
    for (row, key, message) in [
        (
            r#"{"id": 1, "content": "one two three four"}"#,
            "content",
            expect![[r#"
            error: the corpus has no usable document: read `TEMP/a.jsonl`; places that cannot be used: 1
              - TEMP/a.jsonl:1: neither `text` nor `input_ids`; the row has id, content: try --text-key content

            hint: try --text-key content
        "#]],
        ),
        (
            r#"{"url": "u", "raw_content": "one two three four"}"#,
            "raw_content",
            expect![[r#"
            error: the corpus has no usable document: read `TEMP/a.jsonl`; places that cannot be used: 1
              - TEMP/a.jsonl:1: neither `text` nor `input_ids`; the row has url, raw_content: try --text-key raw_content

            hint: try --text-key raw_content
        "#]],
        ),
        (
            r#"{"Text": "one two three four"}"#,
            "Text",
            expect![[r#"
            error: the corpus has no usable document: read `TEMP/a.jsonl`; places that cannot be used: 1
              - TEMP/a.jsonl:1: neither `text` nor `input_ids`; the row has Text: try --text-key Text

            hint: try --text-key Text
        "#]],
        ),
        (
            r#"{"data": {"body": "one two three four"}}"#,
            "data.body",
            expect![[r#"
            error: the corpus has no usable document: read `TEMP/a.jsonl`; places that cannot be used: 1
              - TEMP/a.jsonl:1: neither `text` nor `input_ids`; the row has data: try --text-key data.body

            hint: try --text-key data.body
        "#]],
        ),
        (
            r#"{"data": "{\"body\": \"one two three four\"}"}"#,
            "data.body",
            expect![[r#"
            error: the corpus has no usable document: read `TEMP/a.jsonl`; places that cannot be used: 1
              - TEMP/a.jsonl:1: neither `text` nor `input_ids`; the row has data: try --text-key data.body

            hint: try --text-key data.body
        "#]],
        ),
    ] {
        let rows = desk.write("a.jsonl", row);
        desk.refused(&[&rows], &[], &message);
        assert_eq!(desk.planned(&[&rows], &["--text-key", key]).0, expected, "{row}");
    }
}

#[test]
fn lines_and_prompts_with_what_follows_them_are_one_text_and_told() {
    let desk = Desk::new();
    for (row, text, told) in [
        (
            r#"{"text": ["one two", "three"]}"#,
            "one two\\nthree",
            expect![[r#"
            categories: none (no row has `domain`, `category` or `language`; --category names another key)
            TEMP/a.jsonl:1: `text` is a list: its strings are joined, one a line
            openmoe-tiny-12.3M: 7 tokens in 1 sequence of 1 document; MoE layers [1, 3, 5], 16 experts, top-2
        "#]],
        ),
        (
            r#"{"prompt": "one two", "completion": " three"}"#,
            "one two three",
            expect![[r#"
            categories: none (no row has `domain`, `category` or `language`; --category names another key)
            TEMP/a.jsonl:1: `prompt` and `completion` joined into one text, a line each where no space is between them
            openmoe-tiny-12.3M: 4 tokens in 1 sequence of 1 document; MoE layers [1, 3, 5], 16 experts, top-2
        "#]],
        ),
        (
            r#"{"instruction": "one", "input": "", "output": "three"}"#,
            "one\\nthree",
            expect![[r#"
            categories: none (no row has `domain`, `category` or `language`; --category names another key)
            TEMP/a.jsonl:1: `instruction` and `output` joined into one text, a line each where no space is between them
            openmoe-tiny-12.3M: 6 tokens in 1 sequence of 1 document; MoE layers [1, 3, 5], 16 experts, top-2
        "#]],
        ),
        (
            r#"{"instruction": "a", "input": "b", "output": "c"}"#,
            "a\\nb\\nc",
            expect![[r#"
            categories: none (no row has `domain`, `category` or `language`; --category names another key)
            TEMP/a.jsonl:1: `instruction` and `input` and `output` joined into one text, a line each where no space is between them
            openmoe-tiny-12.3M: 6 tokens in 1 sequence of 1 document; MoE layers [1, 3, 5], 16 experts, top-2
        "#]],
        ),
    ] {
        let control = desk.write("control.jsonl", format!("{{\"text\": \"{text}\"}}\n"));
        let rows = desk.write("a.jsonl", row);
        let (tokens, said) = desk.planned(&[&rows], &[]);
        assert_eq!(tokens, desk.planned(&[&control], &[]).0, "{row}");
        told.assert_eq(&said);
    }
}

#[test]
fn padding_is_masked_or_warned_of() {
    let desk = Desk::new();
    let ids = format!("[0, 17, 300, 41, 1{}]", ", 0".repeat(507));
    let mask = format!("[1, 1, 1, 1, 1{}]", ", 0".repeat(507));
    let rows = desk.write("a.jsonl", format!("{{\"input_ids\": {ids}, \"attention_mask\": {mask}}}\n"));
    desk.routed(
        &[&rows],
        &["--dry-run"],
        &expect![[r#"
        categories: none (no row has `domain`, `category` or `language`; --category names another key)
        TEMP/a.jsonl:1: 507 of 512 ids left out: `attention_mask` masks them
        openmoe-tiny-12.3M: 5 tokens in 1 sequence of 1 document; MoE layers [1, 3, 5], 16 experts, top-2
    "#]],
    );
    let rows = desk.write("a.jsonl", format!("{{\"input_ids\": {ids}}}\n"));
    desk.routed(&[&rows], &["--dry-run"], &expect![[r#"
        warning: TEMP/a.jsonl:1: 99 % of `input_ids` are id 0 at an end: padding is routed like text; leave it out, or give an `attention_mask`
        categories: none (no row has `domain`, `category` or `language`; --category names another key)
        openmoe-tiny-12.3M: 512 tokens in 1 sequence of 1 document; MoE layers [1, 3, 5], 16 experts, top-2
    "#]]);
}
