//! Reads JSON as programs really write it: with NaN and Infinity, single halves of surrogate pairs, numbers of any length and
//! brackets of any depth. Standard JSON keeps its meaning.

use std::ops::Range;

use serde_json::{Map, Number, Value};

use crate::first_bytes::NOT_FINITE;

/// The deepest nesting of brackets that is read; deeper values are skipped.
const DEEPEST: usize = 512;

/// Oddities of a value that was read, but not unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Oddities {
    /// A key that occurs twice in one object.
    pub twice: Option<String>,
    /// The number of single halves of surrogate pairs.
    pub halves: usize,
    /// Whether a value was skipped because it was nested too deep.
    pub deep: bool,
}

/// Reads the value at the start of a text, and returns it with the rest of the text.
///
/// # Errors
/// The text does not begin with a JSON value; the reason is in the words of `serde_json`.
pub(super) fn parse<'a>(text: &'a str, oddities: &mut Oddities) -> Result<(Value, &'a str), String> {
    let mut parser = Parser { text, at: 0, oddities, words: Vec::new() };
    let value = parser.value(0);
    let Parser { at, words, .. } = parser;
    match value {
        Some(value) => Ok((value, text[at..].trim_ascii_start())),
        None => Err(reason(text, words)),
    }
}

/// The reason in the words of `serde_json`, which refuses everything that is refused here and gives lines and columns. The
/// ranges `words`, which only `serde_json` would refuse, are replaced by numbers, so that it reaches the real error.
fn reason(text: &str, words: Vec<Range<usize>>) -> String {
    let mut text = text.as_bytes().to_vec();
    for word in words {
        text[word].fill(b'1');
    }
    let found = serde_json::from_slice::<serde::de::IgnoredAny>(&text);
    let reason = found.err().map_or_else(|| "no value".to_owned(), |error| error.to_string());
    format!("broken JSON: {}", reason.replace(" at line 1 column ", " at column "))
}

struct Parser<'a, 'o> {
    text: &'a str,
    at: usize,
    oddities: &'o mut Oddities,
    /// The ranges of words such as `NaN` in the place of a number.
    words: Vec<Range<usize>>,
}

impl Parser<'_, '_> {
    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        let blank = rest.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))?;
        self.at += blank;
        Some(rest[blank])
    }

    /// Consumes a character if it comes next.
    fn takes(&mut self, sign: u8) -> bool {
        let found = self.peek() == Some(sign);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        match self.peek()? {
            b'{' | b'[' if depth == DEEPEST => self.pass_over(),
            b'{' => self.object(depth),
            b'[' => self.list(depth),
            b'"' => self.string().map(Value::String),
            _ => self.word(),
        }
    }

    fn object(&mut self, depth: usize) -> Option<Value> {
        let mut object = Map::new();
        self.at += 1;
        if self.takes(b'}') {
            return Some(Value::Object(object));
        }
        loop {
            let key = (self.peek()? == b'"').then(|| self.string())??;
            if !self.takes(b':') {
                return None;
            }
            let value = self.value(depth + 1)?;
            if object.contains_key(&key) {
                self.oddities.twice.get_or_insert_with(|| key.clone());
            }
            object.insert(key, value);
            if self.takes(b'}') {
                return Some(Value::Object(object));
            }
            if !self.takes(b',') {
                return None;
            }
        }
    }

    fn list(&mut self, depth: usize) -> Option<Value> {
        let mut list = Vec::new();
        self.at += 1;
        if self.takes(b']') {
            return Some(Value::Array(list));
        }
        loop {
            list.push(self.value(depth + 1)?);
            if self.takes(b']') {
                return Some(Value::Array(list));
            }
            if !self.takes(b',') {
                return None;
            }
        }
    }

    /// Skips a value that is nested too deep, up to its closing bracket.
    fn pass_over(&mut self) -> Option<Value> {
        self.oddities.deep = true;
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Some(Value::Null);
            }
        }
    }

    fn string(&mut self) -> Option<String> {
        self.at += 1;
        let mut found = String::new();
        loop {
            let rest = &self.text[self.at..];
            let end = rest.bytes().position(|byte| byte == b'"' || byte == b'\\' || byte < 0x20)?;
            found.push_str(&rest[..end]);
            self.at += end + 1;
            match rest.as_bytes()[end] {
                b'"' => return Some(found),
                b'\\' => found.push(self.escape()?),
                _ => return None,
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        let sign = *self.text.as_bytes().get(self.at)?;
        self.at += 1;
        Some(match sign {
            b'"' | b'\\' | b'/' => sign as char,
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.unit()?;
                self.surrogates(unit)
            }
            _ => return None,
        })
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Option<u16> {
        let digits = self.text.get(self.at..self.at + 4)?;
        let is_hexadecimal = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        self.at += 4;
        is_hexadecimal.then(|| u16::from_str_radix(digits, 16).ok())?
    }

    /// The character of a `\u` escape; a first surrogate half needs a second one after it, and a single half is U+FFFD.
    fn surrogates(&mut self, unit: u16) -> char {
        if let Some(character) = char::from_u32(u32::from(unit)) {
            return character;
        }
        let start = self.at;
        if (0xd800..0xdc00).contains(&unit) && self.text[self.at..].starts_with("\\u") {
            self.at += 2;
            let low = self.unit().filter(|low| (0xdc00..0xe000).contains(low));
            if let Some(Ok(character)) = low.and_then(|low| char::decode_utf16([unit, low]).next()) {
                return character;
            }
            self.at = start;
        }
        self.oddities.halves += 1;
        char::REPLACEMENT_CHARACTER
    }

    /// A number, `true`, `false`, `null`, or `NaN` and `Infinity` as Python writes them.
    fn word(&mut self) -> Option<Value> {
        let rest = &self.text[self.at..];
        let length = rest.bytes().position(|byte| !is_word(byte)).unwrap_or(rest.len());
        let word = &rest[..length];
        let value = match word {
            "null" => Value::Null,
            _ if NOT_FINITE.contains(&word) => {
                self.words.push(self.at..self.at + length);
                Value::Null
            }
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => number(word)?,
        };
        self.at += length;
        Some(value)
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

/// A number; whole numbers too large for 64 bits become text, so that they keep all digits.
fn number(word: &str) -> Option<Value> {
    let digits = word.strip_prefix('-').unwrap_or(word);
    let whole = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    if whole && (digits.len() == 1 || !digits.starts_with('0')) {
        let small = word.parse::<u64>().map(Number::from).or_else(|_| word.parse::<i64>().map(Number::from));
        return Some(match small {
            Ok(_) if word == "-0" => Value::from(-0.0),
            Ok(number) => Value::Number(number),
            Err(_) => Value::String(word.to_owned()),
        });
    }
    match serde_json::from_str(word) {
        Ok(number @ Value::Number(_)) => Some(number),
        Err(error) if error.to_string().starts_with("number out of range") => Some(Value::Null),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn odd(text: &str) -> (Value, Oddities) {
        let mut oddities = Oddities::default();
        let (value, rest) = parse(text, &mut oddities).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(rest, "");
        (value, oddities)
    }

    #[test]
    fn standard_json_is_read_as_serde_reads_it() {
        let texts = [
            r#"{"a": [1, -2, 0, -0, 1.5, 1e3, 1E-2, 18446744073709551615, -9223372036854775808], "b": {}, "c": []}"#,
            r#"  {"text" : "q\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00 é 中" , "n":null,"t":true,"f":false}  "#,
            r#""alone""#,
            "12.25",
            "[[[[]]]]",
            r#"{"a": 1, "a": 2}"#,
        ];
        for text in texts {
            assert_eq!(odd(text).0, serde_json::from_str::<Value>(text).unwrap(), "{text}");
        }
        for text in [
            "",
            "{",
            "[1",
            "[1,]",
            "{\"a\" 1}",
            "{\"a\": }",
            "{a: 1}",
            "01",
            "1.",
            "+1",
            "--1",
            "nul",
            "'a'",
            "\"a",
            "\"\t\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\ud83",
            "{\"a\": 1,}",
            "]",
            "-",
            "1e",
            ".5",
        ] {
            let mine = parse(text, &mut Oddities::default());
            let theirs = serde_json::from_str::<Value>(text);
            assert!(theirs.is_err(), "{text}");
            assert!(mine.unwrap_err().starts_with("broken JSON: "), "{text}");
        }
    }

    #[test]
    fn what_programs_really_write_is_read_and_counted() {
        assert_eq!(
            odd(r#"{"a": NaN, "b": [Infinity, -Infinity], "c": 1e999}"#).0,
            json!({"a": null, "b": [null, null], "c": null})
        );
        let (value, oddities) = odd(r#"["cut \ud83d", "\ude00x", "\ud83d\u0041", "\ud83d\ud83d\ude00"]"#);
        assert_eq!(value, json!(["cut \u{fffd}", "\u{fffd}x", "\u{fffd}A", "\u{fffd}\u{1f600}"]));
        assert_eq!(oddities.halves, 4);
        let big = "340282366920938463463374607431768211457";
        assert_eq!(odd(&format!("[{big}, -{big}]")).0, json!([big, format!("-{big}")]));
        assert_eq!(odd(r#"{"text": "first", "text": "second"}"#).1.twice.as_deref(), Some("text"));
        assert_eq!(odd(r#"{"text": "first", "a": {"text": "second"}}"#).1, Oddities::default());
    }

    #[test]
    fn a_fault_is_named_where_it_is_whatever_stands_before_it() {
        let odd = r#"{"score": NaN, "list": [-Infinity, Infinity, 1e999], "half \ud83d": "\ude00 \ud83dx", "text": "one two""#;
        let plain = odd.replace("-Infinity", "111111111").replace("Infinity", "11111111").replace("NaN", "111");
        for fault in ["", ", ", "} {", "x", ": 1", ", \"b\": Nan}"] {
            let reason = |text: &str| match parse(&format!("{text}{fault}"), &mut Oddities::default()) {
                Ok((_, rest)) => parse(rest, &mut Oddities::default()).unwrap_err(),
                Err(reason) => reason,
            };
            assert_eq!(reason(odd), reason(&plain), "{fault}");
        }
        let error = parse(odd, &mut Oddities::default()).unwrap_err();
        assert!(error.contains(&format!("column {}", odd.len())), "{error}");
    }

    #[test]
    fn depth_is_no_limit() {
        let deep = |levels: usize| format!("{{\"a\": {}1{}, \"b\": 2}}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(odd(&deep(200)).1, Oddities::default());
        let (value, oddities) = odd(&deep(1_000_000));
        assert_eq!(value["b"], 2);
        assert!(oddities.deep);
        assert!(parse(&"[".repeat(1_000_000), &mut Oddities::default()).is_err());
    }
}
