//! Templates in the style of well-known models, compared with the output of transformers.

use std::{fs, path::Path};

use serde_json::{Value as Json, json};

use super::*;
use crate::corpus::transcript::message::{Findings, read_messages};

/// A folder with files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn open(template: &str) -> Result<Jinja> {
    Jinja::open(folder(&[("chat_template.jinja", template)]).path()).map(Option::unwrap)
}

fn tokens() -> TemplateTokens {
    TemplateTokens { bos: "<pad>".into(), eos: "</s>".into(), words: Vec::new() }
}

fn read(list: &Json) -> Vec<Message> {
    read_messages(list.as_array().unwrap(), ("role", "content"), &mut Findings::default()).unwrap()
}

fn render(jinja: &Jinja, list: &Json, tools: Option<&Json>) -> std::result::Result<String, String> {
    let values = tools.map(|tools| ("tools", std::sync::Arc::new(tools.clone()))).into_iter().collect();
    jinja.render(&read(list), &Given { values }, &tokens()).map(|(text, _)| text)
}

#[test]
fn templates_write_what_transformers_writes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/chat_templates.json");
    let all: Json = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let mut compared = 0;
    for case in all["cases"].as_array().unwrap() {
        let jinja = open(case["template"].as_str().unwrap()).unwrap();
        // Tool calls stay in the text if a template does not write them; transformers drops them.
        let writes_calls = case["template"].as_str().unwrap().contains("tool_calls");
        for (name, expected) in
            case["chats"].as_object().unwrap().iter().filter(|(name, _)| writes_calls || *name != "tools")
        {
            let chat = &all["chats"][name];
            let found = render(&jinja, &chat["messages"], Some(&chat["tools"]).filter(|tools| !tools.is_null()));
            match &expected["text"] {
                Json::String(text) => assert_eq!(found.as_ref(), Ok(text), "{} {name}", case["name"]),
                _ => assert!(found.unwrap_err().contains(expected["refused"].as_str().unwrap())),
            }
            compared += 1;
        }
    }
    assert!(compared >= 30, "{compared}");
}

#[test]
fn templates_come_from_where_transformers_takes_them() {
    let config = |template: Json| json!({ "chat_template": template, "pad_token": "<p>" }).to_string();
    let old = config(json!("OLD"));
    let lists =
        config(json!([{"name": "default", "template": "D{{ pad_token }}"}, {"name": "tool_use", "template": "T"}]));
    let write = |files: &[(&str, &str)], tools: Option<&Json>| {
        let jinja = Jinja::open(folder(files).path()).unwrap().unwrap();
        let text = render(&jinja, &json!([{"role": "user", "content": "a"}]), tools).unwrap();
        format!("{text} from {}", jinja.source)
    };
    let tools = json!([{"name": "f"}]);
    let new = ("chat_template.jinja", "\u{feff}NEW");
    assert_eq!(
        write(&[new, (CONFIG, &old)], None),
        "NEW from chat_template.jinja; that of tokenizer_config.json is not used"
    );
    assert_eq!(write(&[(CONFIG, &lists)], None), "D<p> from tokenizer_config.json");
    assert_eq!(write(&[(CONFIG, &lists)], Some(&tools)), "T from tokenizer_config.json");
    let further = ("additional_chat_templates/tool_use.jinja", "ADD");
    assert_eq!(write(&[new, further], None), "NEW from chat_template.jinja");
    assert_eq!(write(&[new, further], Some(&tools)), "ADD from chat_template.jinja");
    assert_eq!(write(&[("chat_template.json", &old)], None), "OLD from chat_template.json");
    assert_eq!(
        write(&[("chat_template.jinja", "{{ strftime_now('%Y') }}")], None),
        "2024 from chat_template.jinja; strftime_now is 2024-07-26"
    );
    assert!(Jinja::open(folder(&[further]).path()).unwrap().is_none());
    let broken = Jinja::open(folder(&[("chat_template.json", "{")]).path()).unwrap_err();
    assert!(broken.to_string().contains("broken JSON") && broken.hint().is_some(), "{broken}");
    // A folder with the name of a template is an error; no other template is used instead.
    let other = folder(&[("chat_template.jinja/a", "x")]);
    let refused = Jinja::open(other.path()).unwrap_err();
    assert!(
        refused.to_string().contains("is not a regular file")
            && refused.hint().unwrap().contains("template = openmoe`")
    );
}

#[test]
fn the_parts_of_a_conversation_share_their_fuel() {
    let jinja = open("{% for m in messages %}{{ m.content }}{% endfor %}").unwrap();
    let ends = |list: &[Json], fuel: u64| {
        let (messages, given) = (read(&Json::from(list)), Given::default());
        let (text, steps) = jinja.render(&messages, &given, &tokens()).unwrap();
        let conversation = jinja.conversation(&messages, &given, &tokens()).unwrap();
        let fuel = PartsFuel::new(fuel, steps, messages.len());
        conversation.ends(&messages, &text, usize::MAX, fuel)
    };
    let list: Vec<Json> = (0..100).map(|turn| json!({"role": "user", "content": "a".repeat(turn % 3)})).collect();
    let found = ends(&list, FUEL_OF_PARTS).unwrap();
    assert_eq!((found.len(), found[2], found[99]), (100, 3, 99));
    let refused = ends(&list, FUEL_OF_PARTS >> 9).unwrap_err();
    assert!(refused.contains("its 100 messages apart") && refused.contains("template = openmoe`"), "{refused}");
    // A part that the template refuses is paid for too.
    let mut fuel = PartsFuel::new(10_000, 4_000, 4);
    assert_eq!([3, 3, 3].map(|messages| fuel.pay(messages, Err(()))), [Some(()), Some(()), None]);
}

#[test]
fn an_indent_of_any_length_is_bounded_with_what_it_indents() {
    let nested = "[".repeat(40) + &"]".repeat(40);
    let jinja = open("{{ messages[0].deep | tojson(indent=messages[0].content) }}").unwrap();
    let deep: Json = serde_json::from_str(&nested).unwrap();
    let indented =
        |length: usize| render(&jinja, &json!([{"role": "user", "content": "x".repeat(length), "deep": deep}]), None);
    assert_eq!(indented(1).unwrap().matches('x').count(), 39 * 39);
    let refused = indented(1 << 20).unwrap_err();
    assert!(refused.contains("tojson: more than 67108864 bytes"), "{refused}");
}

#[test]
fn templates_are_bounded_in_steps_output_strings_and_nesting() {
    let doubled = |what: &str| {
        format!("{{% set ns = namespace(s=['x'], t='x') %}}{{% for i in range(40) %}}{what}{{% endfor %}}")
    };
    for (template, reason) in [
        ("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", "steps"),
        ("{% for i in range(99999) %}{{ 'x' * 1000 }}{% endfor %}", "steps"),
        (doubled("{% set ns.t = ns.t ~ ns.t %}").as_str(), "steps"),
        ("{{ '%1000000000d' | format(1) }}", "steps"),
        ("{{ 'x' * 100000000 }}", "steps"),
        ("{% set ns = namespace(s=[]) %}{% for i in range(99999) %}{% set ns.s = [ns.s] %}{% endfor %}", "steps"),
        (&format!("{{{{ {} }}}}", vec!["1"; 50_000].join("+")), "a tag of it is longer"),
        ("{% for %}", "syntax error"),
    ] {
        let error = open(template).unwrap_err();
        assert!(error.to_string().contains(reason) && error.hint().unwrap().contains("openmoe"), "{error}");
    }
    for (template, reason) in [
        ("{{ '{:1000000000}'.format('a') }}", "a width of more than four digits"),
        (&format!("{}{{{{ ns.s }}}}", doubled("{% set ns.s = [ns.s, ns.s] %}")), "too many others"),
        ("{{ 'x' | center(9) }}", "filter center is unknown"),
        ("{{ range(10 ** 9) }}", "range has too many elements"),
    ] {
        let jinja = open(template).unwrap();
        let refused = render(&jinja, &json!([{"role": "user", "content": "a"}]), None).unwrap_err();
        assert!(refused.contains(reason), "{refused}");
    }
}

#[test]
fn a_message_has_all_its_keys_and_calls_stay_where_nobody_writes_them() {
    let list = json!([{"role": "assistant", "content": "so", "weight": 1, "none": null, "tool_calls": [{"name": "f"}]},
        {"role": "assistant", "content": null, "tool_calls": [{"name": "g"}]}, {"role": "assistant", "content": "c", "reasoning": "why"}]);
    let keys =
        "{% for m in messages %}{{ m.keys() | join(',') }} {{ m.reasoning_content }}{{ m.content }};{% endfor %}";
    let jinja = open(keys).unwrap();
    let expected = "role,content,weight so\n[{\"name\":\"f\"}];role,content [{\"name\":\"g\"}];\
                    role,content,reasoning,thinking,reasoning_content whyc;";
    assert_eq!(render(&jinja, &list, None).unwrap(), expected);
    let jinja = open(&format!("{keys}{{# tool_calls #}}")).unwrap();
    let expected =
        "role,content,weight,tool_calls so;role,tool_calls ;role,content,reasoning,thinking,reasoning_content whyc;";
    assert_eq!(render(&jinja, &list, None).unwrap(), expected);
}
