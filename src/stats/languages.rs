//! Categories that are codes of languages, with their English names.

use std::collections::BTreeSet;

use isolang::Language;

/// Names of the standard that are rarely used, and the usual ones.
const USUAL: [(&str, &str); 4] =
    [("Kirghiz", "Kyrgyz"), ("Panjabi", "Punjabi"), ("Pushto", "Pashto"), ("Uighur", "Uyghur")];

/// Fewer categories that could be codes of languages are taken for names.
const LEAST: usize = 3;

/// Which categories of a run are codes of languages: "he", "zh-cn", "pt_BR" (ISO 639-1, with a region or without).
///
/// A short name alone proves nothing: "cs" is Czech or computer science, "ts" Tsonga or TypeScript. So the names of two letters are
/// taken for codes only where at least three of them are codes, and at least three quarters (beside twelve languages a data set may be
/// called "cc").
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Languages {
    codes: BTreeSet<String>,
}

impl Languages {
    /// Looks through the categories of a run, in any order, with or without repetitions.
    pub fn of<'c>(categories: impl IntoIterator<Item = &'c str>) -> Self {
        let shaped: BTreeSet<&str> = categories.into_iter().filter(|name| two_letters(name).is_some()).collect();
        // "de-en" and "fr-en" are pairs of languages, not German in a region.
        let region = |name: &str| name.split_once(['-', '_']).map(|(_, region)| region.to_owned());
        let is_pair = |name: &str| {
            region(name).is_some_and(|own| {
                let is_shared = shaped.iter().any(|other| *other != name && region(other).as_ref() == Some(&own));
                language_of(&own).is_some()
                    && (is_shared || shaped.iter().any(|other| two_letters(other) == Some(&own)))
            })
        };
        let codes: BTreeSet<String> = shaped
            .iter()
            .filter(|name| language_of(name).is_some() && !is_pair(name))
            .map(|name| (*name).to_owned())
            .collect();
        let are_taken = codes.len() >= LEAST && 4 * codes.len() >= 3 * shaped.len();
        Self { codes: if are_taken { codes } else { BTreeSet::new() } }
    }

    /// The English name of the language that a category stands for, if it stands for one.
    pub fn name(&self, category: &str) -> Option<&'static str> {
        self.codes.get(category).and_then(|code| language_of(code))
    }
}

/// A category in quotation marks, with its language if it is the code of one: `"he" (Hebrew)`.
pub fn quoted_category(category: &str, language: Option<&str>) -> String {
    with_language(&format!("\"{category}\""), language)
}

/// The label of a category, with its language if it is the code of one: `he (Hebrew)`.
pub fn with_language(label: &str, language: Option<&str>) -> String {
    language.map_or_else(|| label.to_owned(), |language| format!("{label} ({language})"))
}

/// The English name of the language whose code a name is, whatever the other names are: "Chinese" for "zh" and "zh-cn".
pub fn language_of(category: &str) -> Option<&'static str> {
    let name = Language::from_639_1(two_letters(category)?)?.to_name();
    // The standard's own names are exact where a reader needs less: "Modern Greek (1453-)", "Swahili (macrolanguage)".
    let short = name.split(" (").next().unwrap_or(name);
    let short = short.strip_prefix("Modern ").unwrap_or(short);
    Some(USUAL.iter().find(|(own, _)| *own == short).map_or(short, |(_, usual)| usual))
}

/// The two letters of a name that could be the code of a language: all of it, or what stands before a region of two letters or a
/// script of four.
fn two_letters(name: &str) -> Option<&str> {
    let (code, region) = name.split_once(['-', '_']).map_or((name, None), |(code, region)| (code, Some(region)));
    let is_code = code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_region =
        region.is_none_or(|own| [2, 4].contains(&own.len()) && own.bytes().all(|b| b.is_ascii_alphabetic()));
    (is_code && is_region).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_names_that_readers_use() {
        let names =
            ["he", "zh-cn", "zh_TW", "el", "sw", "pt-BR", "sr-Latn", "pa"].map(|code| language_of(code).unwrap());
        assert_eq!(names, ["Hebrew", "Chinese", "Chinese", "Greek", "Swahili", "Portuguese", "Serbian", "Punjabi"]);
        for other in ["c4", "cc", "book", "EN", "en-", "en-x", "e", "", "zh-cn-x", "ää"] {
            assert_eq!(language_of(other), None, "{other}");
        }
    }

    #[test]
    fn a_short_name_is_a_code_only_among_codes() {
        let of = |names: &[&str]| Languages::of(names.iter().copied());
        let languages = of(&["arxiv", "cc", "de", "de", "he", "python", "zh-cn"]);
        assert_eq!((languages.name("he"), languages.name("arxiv"), languages.name("cc")), (Some("Hebrew"), None, None));
        assert_eq!(quoted_category("zh-cn", languages.name("zh-cn")), "\"zh-cn\" (Chinese)");
        assert_eq!(quoted_category("arxiv", languages.name("arxiv")), "\"arxiv\"");
        assert_eq!(with_language("de", languages.name("de")), "de (German)");
        assert_eq!(of(&["cs", "math", "stat"]), Languages::default(), "computer science is not Czech");
        assert_eq!(of(&["ts", "go", "rs", "cs", "ml"]), Languages::default(), "languages of programming");
        assert_eq!(of(&["de-en", "fr-en", "zh-en", "en-de"]), Languages::default(), "pairs for translation");
        assert_eq!(of(&["en", "fr", "fr"]), Languages::default(), "two are too few to tell");
    }
}
