//! Charts inside the page, as many as a page of reasonable size can carry.

use serde_json::{Value, json};

use crate::chart::Chart;

/// Bytes of charts that one page carries; what does not fit is linked.
const BUDGET: usize = 9_000_000;
/// An SVG up to this many bytes is preferred to its PNG: it stays sharp, and its words can be searched.
const SVG_PREFERRED: usize = 500_000;

/// Puts charts into a page until it is full.
#[derive(Debug, Default)]
pub(super) struct Embedder {
    used: usize,
}

impl Embedder {
    /// A chart for the template: its SVG, or its PNG where the SVG is large and larger, or neither where the page is full.
    pub(super) fn figure(&mut self, chart: &Chart) -> Value {
        let svg = inline(&chart.svg);
        let png_size = chart.png.len().div_ceil(3) * 4;
        let vector = svg.len() <= SVG_PREFERRED.max(png_size) || chart.png.is_empty();
        let size = if vector { svg.len() } else { png_size };
        let mut value = json!({ "name": chart.name, "title": chart.title, "caption": chart.caption });
        if self.used + size > BUDGET {
            return value;
        }
        self.used += size;
        if vector {
            value["svg"] = json!(svg);
        } else {
            value["png"] = json!(base64(&chart.png));
        }
        value
    }
}

/// An SVG document as an element of an HTML page, which needs no namespace.
fn inline(svg: &str) -> String {
    svg.replacen(" xmlns=\"http://www.w3.org/2000/svg\"", "", 1)
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = (word >> (18 - 6 * place) & 63) as usize;
            let letter = if place <= chunk.len() { char::from(ALPHABET[digit]) } else { '=' };
            text.push(letter);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_in_rfc_4648() {
        let pairs =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")];
        for (plain, coded) in pairs {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn a_large_chart_is_embedded_as_png_and_a_full_page_links() {
        let chart = |svg: usize, png: usize| Chart {
            name: "c".into(),
            kind: "mutual_information",
            title: String::new(),
            caption: String::new(),
            svg: "x".repeat(svg),
            png: vec![0; png],
        };
        let mut embedder = Embedder::default();
        assert!(embedder.figure(&chart(10, 30)).get("svg").is_some());
        assert!(embedder.figure(&chart(SVG_PREFERRED + 1, 30)).get("png").is_some());
        let large = embedder.figure(&chart(BUDGET, BUDGET));
        assert!(large.get("svg").is_none() && large.get("png").is_none());
    }
}
