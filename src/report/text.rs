//! Numbers and token texts as a page shows them. A browser has more fonts than the charts, so no letter is replaced.

use crate::stats::{Finding, Statistic, Variant, fixed, share_words, shown, shown_in_text};

/// A name, with what is invisible in it spelled as in a token. Its spaces stay.
pub(super) fn readable(name: &str) -> String {
    shown_in_text(name)
}

/// The name of a document without the folders of its file; a name that is no path stays whole.
pub(super) fn file_and_line(name: &str) -> String {
    let is_path = !name.contains(char::is_whitespace) && name.contains('/');
    let last = name.rsplit('/').next().filter(|last| is_path && !last.is_empty());
    last.unwrap_or(name).to_owned()
}

/// The text of a token id with its number; only the number if there is no tokenizer.
pub(super) fn token_text(row: &Finding, id: u32) -> String {
    row.text.as_deref().map_or_else(|| format!("id {id}"), |text| format!("{} ({id})", shown(text)))
}

/// What a variant is called; most have plain names.
fn variant_words(variant: Variant) -> String {
    match variant {
        Variant::Token => "token id".to_owned(),
        Variant::TokenAndPrevious => "token id and previous token".to_owned(),
        Variant::ContextGain => "gain from the previous token".to_owned(),
        Variant::TopKOverlap => "overlap of all choices".to_owned(),
        _ => variant.name().replace('_', " "),
    }
}

/// The words for variable and variant. Information statistics have a second row for some variables, with a more lenient
/// baseline: the row that verdict and charts quote has the plain name, the name of the other row mentions its baseline.
pub(super) fn variable_words(row: &Finding) -> (Option<String>, Option<String>) {
    let variable = row.variable.map(|variable| variable.name().replace('_', " "));
    let variant = row.variant.map(variant_words);
    if !matches!(row.statistic, Statistic::MutualInformation | Statistic::ConditionalMutualInformation) {
        return (variable, variant);
    }
    let lenient = (!row.decides()).then(|| "(lenient baseline)".to_owned());
    (variable.map(|variable| [Some(variable), lenient].into_iter().flatten().collect::<Vec<_>>().join(" ")), None)
}

/// Four significant digits.
pub(super) fn short(value: f64) -> String {
    if value != 0.0 && value.abs() < 1e-4 {
        return format!("{value:.2e}").replace('-', "\u{2212}");
    }
    let magnitude = if value == 0.0 { 0 } else { value.abs().log10().floor() as i32 };
    let decimals = (3 - magnitude).clamp(0, 6) as usize;
    format!("{value:.decimals$}").replace('-', "\u{2212}")
}

/// Both ends of an interval with the same decimals: those that give the larger one four significant digits.
pub(super) fn bracket(low: f64, high: f64) -> String {
    let largest = low.abs().max(high.abs());
    if largest != 0.0 && largest < 1e-4 {
        return format!("[{}, {}]", short(low), short(high));
    }
    let magnitude = if largest == 0.0 { 0 } else { largest.log10().floor() as i32 };
    let decimals = (3 - magnitude).clamp(0, 6) as usize;
    format!("[{}, {}]", fixed(low, decimals), fixed(high, decimals)).replace('-', "\u{2212}")
}

/// Whether numbers of a unit are shown in per cent.
pub(super) fn is_share(unit: &str) -> bool {
    matches!(unit, "share" | "probability")
}

/// A number in running text, with its unit: shares in per cent as sentences write them, others with three significant digits.
pub(super) fn brief(value: f64, unit: &str) -> String {
    if is_share(unit) {
        return share_words(value).replace('-', "\u{2212}");
    }
    let unit = if unit == "ratio" { "" } else { unit };
    let magnitude = if value == 0.0 { 0 } else { value.abs().log10().floor() as i32 };
    let decimals = (2 - magnitude).clamp(0, 5) as usize;
    format!("{value:.decimals$} {unit}").trim_end().replace('-', "\u{2212}")
}

/// Five significant digits: what a figure can show. The whole number is in `stats/`.
pub(super) fn rounded(value: f64) -> f64 {
    format!("{value:.4e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_readable_and_cannot_turn_the_line() {
        assert_eq!(readable("a b\u{202e}c\u{7}"), "a bU+202EcU+0007");
        assert_eq!(readable("<script>\u{4e2d}"), "<script>\u{4e2d}");
    }

    #[test]
    fn a_document_keeps_its_file_and_line() {
        let names = ["texts/domains/book.jsonl:4", "116", "an id / with a slash", "a/b/"].map(file_and_line);
        assert_eq!(names, ["book.jsonl:4", "116", "an id / with a slash", "a/b/"]);
    }

    #[test]
    fn numbers_in_a_line_have_the_digits_that_they_need_and_their_unit() {
        let told = [brief(0.692, "share"), brief(-0.004_56, "share"), brief(2.434_56, "bits"), brief(12345.0, "count")];
        assert_eq!(told, ["69 %", "\u{2212}0.46 %", "2.43 bits", "12345 count"]);
        assert_eq!([brief(0.0, "ratio"), brief(0.25, "ratio"), brief(1.0, "probability")], ["0.00", "0.250", "100 %"]);
    }

    #[test]
    fn the_ends_of_an_interval_have_the_same_decimals() {
        let told = [bracket(0.051_23, 0.102_34), bracket(-0.2, 12.345), bracket(0.0, 0.0), bracket(1e-6, 2e-5)];
        assert_eq!(
            told,
            ["[0.0512, 0.1023]", "[\u{2212}0.20, 12.35]", "[0.000, 0.000]", "[1.00e\u{2212}6, 2.00e\u{2212}5]"]
        );
    }

    #[test]
    fn numbers_have_four_digits() {
        assert_eq!(
            [short(0.0), short(12.345_67), short(0.001_234_56), short(-1e-7)],
            ["0.000", "12.35", "0.001235", "\u{2212}1.00e\u{2212}7"]
        );
        assert_eq!([rounded(0.123_456_7), rounded(-12_345_678.0), rounded(0.0)], [0.12346, -12_346_000.0, 0.0]);
    }
}
