//! Writes values as Python's `json.dumps` does: chat templates print messages and tools with it, and models were trained
//! on its exact spacing.

use std::fmt::Write as _;

use minijinja::{
    Error, ErrorKind,
    value::{Kwargs, Rest, Value, ValueKind},
};

/// Deepest nesting that is written; Python's own limit is about 1,000.
const DEEPEST: usize = 500;

/// The most bytes that one value may become: a list that holds the same list twice, forty levels deep, is small in memory but
/// huge as text.
const MOST_BYTES: usize = 64 << 20;

/// The arguments of `json.dumps` that transformers offers to a chat template, with its defaults.
struct Style {
    ensure_ascii: bool,
    /// The indentation for each level; `None` for a single line.
    indent: Option<String>,
    /// The separator between two values.
    item: String,
    /// The separator between a key and its value.
    key: String,
    sort_keys: bool,
}

impl Style {
    /// Reads the arguments: first the positional ones, then the named ones.
    fn new(arguments: &[Value], named: &Kwargs) -> Result<Self, Error> {
        let names = ["ensure_ascii", "indent", "separators", "sort_keys"];
        if arguments.len() > names.len() {
            return Err(refused("too many arguments"));
        }
        let mut found: Vec<Option<Value>> = Vec::with_capacity(names.len());
        for (at, name) in names.into_iter().enumerate() {
            let value = arguments.get(at).cloned().map_or_else(|| named.get(name), |value| Ok(Some(value)))?;
            found.push(value.filter(|value: &Value| !value.is_none() && !value.is_undefined()));
        }
        named.assert_all_used()?;
        let is_true = |value: &Option<Value>| value.as_ref().is_some_and(Value::is_true);
        let indent = found[1].as_ref().map(indent).transpose()?;
        let (item, key) = match &found[2] {
            Some(separators) => two_texts(separators)?,
            None => (if indent.is_some() { "," } else { ", " }.to_owned(), ": ".to_owned()),
        };
        Ok(Self { ensure_ascii: is_true(&found[0]), indent, item, key, sort_keys: is_true(&found[3]) })
    }

    /// Begins a line at a level, if there is an indentation. An indentation may be any text, so its total size is checked before it
    /// is written.
    fn line(&self, out: &mut String, level: usize) -> Result<(), Error> {
        let Some(indent) = &self.indent else { return Ok(()) };
        check_size(indent.len().saturating_mul(level).saturating_add(out.len()))?;
        out.push('\n');
        (0..level).for_each(|_| out.push_str(indent));
        Ok(())
    }
}

/// The filter `tojson` of transformers' chat templates.
///
/// # Errors
/// JSON has no such value, or `json.dumps` has no such argument.
#[allow(clippy::needless_pass_by_value, reason = "the signature of a filter")]
pub(super) fn tojson(value: &Value, arguments: Rest<Value>, named: Kwargs) -> Result<String, Error> {
    let style = Style::new(&arguments, &named)?;
    let mut out = String::new();
    write(&mut out, value, &style, 0)?;
    Ok(out)
}

fn refused(reason: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("tojson: {}", reason.into()))
}

/// The indentation: a number of blanks, or a text.
fn indent(value: &Value) -> Result<String, Error> {
    if let Some(text) = value.as_str() {
        return Ok(text.to_owned());
    }
    let count = i64::try_from(value.clone()).map_err(|_| refused(format!("`indent` is {value}")))?;
    Ok(" ".repeat(count.clamp(0, 100) as usize))
}

fn two_texts(separators: &Value) -> Result<(String, String), Error> {
    let parts: Vec<Value> = separators.try_iter()?.collect();
    match &parts[..] {
        [item, key] => Ok((item.to_string(), key.to_string())),
        _ => Err(refused(format!("`separators` has {} parts; expected two", parts.len()))),
    }
}

fn write(out: &mut String, value: &Value, style: &Style, level: usize) -> Result<(), Error> {
    if level > DEEPEST {
        return Err(refused(format!("nested deeper than {DEEPEST}")));
    }
    check_size(out.len())?;
    match value.kind() {
        ValueKind::None => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => out.push_str(&number(value)),
        ValueKind::String => quoted(out, value.as_str().unwrap_or_default(), style.ensure_ascii),
        ValueKind::Map => return write_map(out, value, style, level),
        ValueKind::Seq | ValueKind::Iterable => return write_list(out, value, style, level),
        other => return Err(refused(format!("a value that is {other} cannot be written"))),
    }
    Ok(())
}

fn check_size(bytes: usize) -> Result<(), Error> {
    if bytes > MOST_BYTES { Err(refused(format!("more than {MOST_BYTES} bytes"))) } else { Ok(()) }
}

fn write_list(out: &mut String, list: &Value, style: &Style, level: usize) -> Result<(), Error> {
    out.push('[');
    let mut is_empty = true;
    for item in list.try_iter()? {
        if !is_empty {
            out.push_str(&style.item);
        }
        is_empty = false;
        style.line(out, level + 1)?;
        write(out, &item, style, level + 1)?;
    }
    if !is_empty {
        style.line(out, level)?;
    }
    out.push(']');
    Ok(())
}

fn write_map(out: &mut String, map: &Value, style: &Style, level: usize) -> Result<(), Error> {
    let mut keys: Vec<Value> = map.try_iter()?.collect();
    if style.sort_keys {
        keys.sort();
    }
    out.push('{');
    for (number, key) in keys.iter().enumerate() {
        if number > 0 {
            out.push_str(&style.item);
        }
        style.line(out, level + 1)?;
        quoted(out, &key_text(key)?, style.ensure_ascii);
        out.push_str(&style.key);
        write(out, &map.get_item(key)?, style, level + 1)?;
    }
    if !keys.is_empty() {
        style.line(out, level)?;
    }
    out.push('}');
    Ok(())
}

fn key_text(key: &Value) -> Result<String, Error> {
    match key.kind() {
        ValueKind::String => Ok(key.to_string()),
        ValueKind::Number => Ok(number(key)),
        ValueKind::Bool => Ok(key.to_string().to_lowercase()),
        ValueKind::None => Ok("null".to_owned()),
        other => Err(refused(format!("a key that is {other} cannot be written"))),
    }
}

/// A number as Python writes it: integers as they are, floats with the fewest digits that give them back.
fn number(value: &Value) -> String {
    if value.is_integer() {
        return value.to_string();
    }
    match f64::try_from(value.clone()) {
        Ok(number) => float(number),
        Err(_) => value.to_string(),
    }
}

/// Python's `repr` of a float: with an exponent below 1e-4 and from 1e16 on.
pub(super) fn float(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let size = number.abs();
    if size != 0.0 && !(1e-4..1e16).contains(&size) {
        let text = format!("{number:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    let text = number.to_string();
    if text.contains('.') { text } else { text + ".0" }
}

fn quoted(out: &mut String, text: &str, ensure_ascii: bool) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            other if other < ' ' || (ensure_ascii && !(' '..='~').contains(&other)) => escaped(out, other),
            other => out.push(other),
        }
    }
    out.push('"');
}

fn escaped(out: &mut String, character: char) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        let _ = write!(out, "\\u{unit:04x}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_those_of_python() {
        let shown = [1.0, 0.1, 1e16, 1.5e-5, 1e15, 1e22, -2.5e-7, 123_456.789, 0.0001, -0.0].map(float);
        let python = [
            "1.0",
            "0.1",
            "1e+16",
            "1.5e-05",
            "1000000000000000.0",
            "1e+22",
            "-2.5e-07",
            "123456.789",
            "0.0001",
            "-0.0",
        ];
        assert_eq!(shown, python);
    }
}
