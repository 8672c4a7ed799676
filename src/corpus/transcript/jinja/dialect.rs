//! The dialect of Jinja that transformers renders chat templates in: blocks swallow the line break after them and the
//! blanks before them, loops know `break` and `continue`, strings, lists and dicts have Python's methods, `tojson` is
//! Python's `json.dumps`, `raise_exception` refuses a conversation, `{% generation %}` blocks are transparent, and
//! `strftime_now` gives the time, which is fixed here because results must not depend on the day.

use minijinja::{Environment, Error, ErrorKind, syntax::SyntaxConfig};

use super::python_json::tojson;

/// The day of `strftime_now`: the one that templates of Llama 3 use if there is no `strftime_now`.
pub(super) const DATE: &str = "2024-07-26";

/// An environment for this dialect.
///
/// # Errors
/// Never, as far as is known.
pub(super) fn environment() -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_function("raise_exception", |message: String| -> Result<String, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, message))
    });
    environment.add_function("strftime_now", |format: String| strftime(&format));
    environment.add_filter("tojson", tojson);
    Ok(environment)
}

/// Rewrites a template so that it can be compiled here: line breaks become `\n`, as everywhere in Jinja, and a `generation`
/// block becomes a `with` block, which also writes its content and has its own scope.
pub(super) fn prepared(source: &str) -> String {
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let mut out = String::with_capacity(source.len());
    let mut rest = source.as_str();
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = match rest.as_bytes().get(1) {
            Some(b'#') => rest.find("#}").map_or(rest.len(), |end| end + 2),
            Some(b'{') => code(rest, "}}"),
            Some(b'%') => code(rest, "%}"),
            _ => 1,
        };
        let tag = &rest[..length];
        rest = &rest[length..];
        match word(tag) {
            "generation" => out.push_str(&tag.replacen("generation", "with", 1)),
            "endgeneration" => out.push_str(&tag.replacen("endgeneration", "endwith", 1)),
            "raw" => {
                let end = end_of_raw(rest);
                out.push_str(tag);
                out.push_str(&rest[..end]);
                rest = &rest[end..];
            }
            _ => out.push_str(tag),
        }
    }
    out.push_str(rest);
    out
}

/// Bytes of the longest tag.
pub(super) fn longest_tag(source: &str) -> usize {
    let (mut longest, mut rest) = (0, source);
    while let Some(at) = rest.find('{') {
        rest = &rest[at..];
        let length = match rest.as_bytes().get(1) {
            Some(b'{') => code(rest, "}}"),
            Some(b'%') => code(rest, "%}"),
            _ => 0,
        };
        longest = longest.max(length);
        rest = &rest[length.max(1)..];
    }
    longest
}

/// The word of a block's tag, if the tag has only one; otherwise empty.
fn word(tag: &str) -> &str {
    let inner = tag.strip_prefix("{%").and_then(|tag| tag.strip_suffix("%}"));
    inner.map_or("", |inner| inner.trim_matches(['-', '+']).trim())
}

/// The number of bytes up to the end of the code that begins here; an end mark inside a string does not count.
fn code(text: &str, end: &str) -> usize {
    let (mut quote, mut escaped) = (None, false);
    for (at, byte) in text.bytes().enumerate().skip(2) {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if byte == b'\\' => escaped = true,
            Some(open) if byte == open => quote = None,
            None if matches!(byte, b'"' | b'\'') => quote = Some(byte),
            None if text.as_bytes()[at..].starts_with(end.as_bytes()) => return at + end.len(),
            _ => {}
        }
    }
    text.len()
}

/// The number of bytes up to the tag that ends a raw block.
fn end_of_raw(text: &str) -> usize {
    let mut from = 0;
    while let Some(at) = text[from..].find("{%").map(|at| at + from) {
        let length = code(&text[at..], "%}");
        if word(&text[at..at + length]) == "endraw" {
            return at;
        }
        from = at + 2;
    }
    text.len()
}

/// [`DATE`] in Python's format of dates.
fn strftime(format: &str) -> String {
    let mut out = String::new();
    let mut characters = format.chars().peekable();
    while let Some(character) = characters.next() {
        if character != '%' {
            out.push(character);
            continue;
        }
        let without_zero = characters.next_if(|next| matches!(next, '-' | '#')).is_some();
        let Some(directive) = characters.next() else {
            out.push('%');
            break;
        };
        let part = date_part(directive);
        match part {
            Some(part) if without_zero => out.push_str(part.strip_prefix('0').unwrap_or(part)),
            Some(part) => out.push_str(part),
            None => out.extend(['%', directive]),
        }
    }
    out
}

/// A part of [`DATE`], which is a Friday, at midnight UTC.
fn date_part(directive: char) -> Option<&'static str> {
    Some(match directive {
        'Y' | 'G' => "2024",
        'y' | 'g' => "24",
        'C' => "20",
        'm' => "07",
        'd' | 'e' => "26",
        'B' => "July",
        'b' | 'h' => "Jul",
        'A' => "Friday",
        'a' => "Fri",
        'w' | 'u' => "5",
        'j' => "208",
        'U' => "29",
        'W' | 'V' => "30",
        'H' | 'M' | 'S' => "00",
        'I' => "12",
        'p' => "AM",
        'f' => "000000",
        'Z' | 'z' => "",
        'F' => "2024-07-26",
        'D' | 'x' => "07/26/24",
        'T' | 'X' => "00:00:00",
        'R' => "00:00",
        'c' => "Fri Jul 26 00:00:00 2024",
        's' => "1721952000",
        'n' => "\n",
        't' => "\t",
        '%' => "%",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generation_blocks_pass_through_and_strings_comments_and_raw_blocks_stay() {
        assert_eq!(prepared("a{%- generation -%}b{%endgeneration%}\r\nc"), "a{%- with -%}b{%endwith%}\nc");
        for same in [
            "{{ '{% generation %}' }}",
            "{# {% generation %} #}",
            "{% raw %}{% generation %}{% endraw %}",
            "{% set generation = 1 %}{ {",
            "{% if x == '%}' %}{{ \"\\\"}}\" }}",
            "{%",
        ] {
            assert_eq!(prepared(same), same);
        }
    }

    #[test]
    fn time_stands_still() {
        assert_eq!(strftime("%d %b %Y, %-m %B %q 100%% %"), "26 Jul 2024, 7 July %q 100% %");
        assert_eq!(strftime(&format!("%Y-%m-%d{DATE}")), format!("{DATE}{DATE}"));
    }
}
