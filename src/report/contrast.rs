//! Writes a contrast for people (sentences, text, Markdown) and for programs (JSON).

use serde_json::{Value, json};

use crate::{
    error::one_line,
    stats::{
        CarrierToken, Carriers, Contrast, ContrastRow, ContrastedExpert, FALSE_DISCOVERY_RATE, Settings, counted,
        points, share_words, shown, thousands,
    },
};

/// Version of the layout of `contrast.json`.
const SCHEMA: u64 = 1;
/// Token ids that a sentence names.
const IN_A_SENTENCE: usize = 3;

/// One run of a contrast.
#[derive(Clone, Debug)]
pub struct ContrastedRun {
    /// The folder, as text.
    pub name: String,
    /// The label of the checkpoint.
    pub checkpoint: String,
    /// The names of the texts.
    pub corpus: String,
}

/// A contrast, to be written in several formats.
#[derive(Clone, Debug)]
pub struct ContrastReport<'a> {
    /// The numbers.
    pub contrast: &'a Contrast,
    /// The run, or both.
    pub runs: &'a [ContrastedRun],
    /// What sentences call the sides.
    pub names: [&'a str; 2],
    /// The conditions as typed.
    pub conditions: [&'a [String]; 2],
    /// How it was computed.
    pub settings: &'a Settings,
}

impl ContrastReport<'_> {
    /// What is found, in sentences.
    pub fn verdict(&self) -> Vec<String> {
        let Some(row) = self.contrast.headline() else {
            return vec!["There is no expert to compare.".to_owned()];
        };
        let mut lines = vec![self.answer(row)];
        let is_same = |expert: &&ContrastedExpert| (expert.row.layer, expert.row.expert) == (row.layer, row.expert);
        let carriers = self.contrast.top.iter().find(is_same).and_then(|expert| expert.carriers.as_ref());
        match (carriers, &self.contrast.no_tokens) {
            (Some(carriers), _) => lines.push(carried_by(row, carriers)),
            (None, Some(why)) => lines.push(format!("Which token ids carry it is not known: {why}.")),
            (None, None) => {}
        }
        lines
    }

    fn answer(&self, row: &ContrastRow) -> String {
        let [a, b] = self.names;
        let q = row.q_words().map(|q| format!(", {q}")).unwrap_or_default();
        let numbers = format!("({}{q})", row.difference_words());
        let (of_a, of_b) = (share_words(row.rate_a), share_words(row.rate_b));
        let place = row.place();
        if let Some(why) = &self.contrast.withheld {
            return format!(
                "Whether {a} and {b} use the experts differently cannot be told: {why}. The largest difference is {place}: \
                 {of_a} and {of_b} {numbers}."
            );
        }
        let (differing, all) = (self.contrast.differing(), self.contrast.rows.len() as u64);
        if differing == 0 {
            return format!(
                "No expert of {} tells {a} from {b} beyond chance (false discovery rate {}); the largest difference is \
                 {place}: {of_a} and {of_b} {numbers}.",
                thousands(all),
                digit(FALSE_DISCOVERY_RATE)
            );
        }
        format!(
            "{} uses {place} in {of_a} of its tokens, {b} in {of_b} {numbers}; {} of {} experts differ (false discovery rate {}).",
            capitalized(a),
            thousands(differing as u64),
            thousands(all),
            digit(FALSE_DISCOVERY_RATE)
        )
    }

    /// The sides, and the largest differences as a table of text.
    pub fn lines(&self, shown: usize) -> Vec<String> {
        let mut lines = vec![format!("A: {}", self.side(0)), format!("B: {}", self.side(1))];
        let header =
            ["layer", "expert", "in A", "in B", "difference [95 %]", "false discovery", "token ids that carry it"];
        lines.push(text_line(&header.map(str::to_owned)));
        lines.extend(self.contrast.top.iter().take(shown).map(|expert| text_line(&cells(expert))));
        lines
    }

    /// A side with its n: "category `zh`, 1,200 tokens of 10 documents".
    fn side(&self, side: usize) -> String {
        let (tokens, documents) = self.sizes(side);
        let (tokens, documents) = (counted(tokens, "token"), counted(documents as u64, "document"));
        format!("{}, {tokens} of {documents}", self.names[side])
    }

    /// Tokens and documents of a side: those of the layer that has most.
    fn sizes(&self, side: usize) -> (u64, usize) {
        let layers = &self.contrast.layers;
        let most = layers.iter().max_by_key(|layer| layer.tokens[side]);
        most.map_or((0, 0), |layer| (layer.tokens[side], layer.documents[side]))
    }

    fn shared(&self) -> usize {
        self.contrast.layers.iter().map(|layer| layer.shared).max().unwrap_or(0)
    }

    /// `contrast.json`.
    pub fn json(&self) -> Value {
        let run = |run: &ContrastedRun| json!({ "run": run.name, "checkpoint": run.checkpoint, "corpus": run.corpus });
        let side = |side: usize| {
            let (tokens, documents) = self.sizes(side);
            json!({
                "name": self.names[side], "conditions": self.conditions[side], "tokens": tokens, "documents": documents,
            })
        };
        let ranked = self.contrast.top.iter().enumerate();
        json!({
            "schema": SCHEMA,
            "command": "contrast",
            "runs": self.runs.iter().map(run).collect::<Vec<_>>(),
            "a": side(0),
            "b": side(1),
            "shared_documents": self.shared(),
            "settings": {
                "seed": self.settings.seed,
                "resamples": self.settings.resamples,
                "permutations": self.settings.permutations,
                "exclude_bos": !self.settings.include_bos,
                "minimum_documents": self.settings.minimum_documents,
                "false_discovery_rate": FALSE_DISCOVERY_RATE,
            },
            "verdict": self.verdict(),
            "experts": self.contrast.rows.len(),
            "differing": self.contrast.withheld.is_none().then(|| self.contrast.differing()),
            "withheld": self.contrast.withheld,
            "tokens_withheld": self.contrast.no_tokens,
            "layers": self.layers(),
            "top": ranked.map(|(at, expert)| ranked_json(at + 1, expert)).collect::<Vec<_>>(),
        })
    }

    fn layers(&self) -> Vec<Value> {
        let of_layer = |layer: &crate::stats::ContrastLayer| {
            let rows = self.contrast.rows.iter().filter(|row| row.layer == layer.layer);
            let differing = rows.filter(|row| row.differs()).count();
            json!({
                "layer": layer.layer, "experts": layer.experts, "tokens": layer.tokens, "documents": layer.documents,
                "differing": self.contrast.withheld.is_none().then_some(differing),
            })
        };
        self.contrast.layers.iter().map(of_layer).collect()
    }

    /// `contrast.md`.
    pub fn markdown(&self) -> String {
        let [a, b] = self.names;
        let mut lines = vec![format!("# {} against {}", capitalized(&escaped(a)), escaped(b)), String::new()];
        lines.extend(self.verdict().iter().map(|line| format!("{}  ", escaped(line))));
        lines.extend([String::new(), "| side | tokens | documents | run | checkpoint |".to_owned()]);
        lines.push("| --- | ---: | ---: | --- | --- |".to_owned());
        for (side, name) in [("A", a), ("B", b)] {
            let at = usize::from(side == "B");
            let (tokens, documents) = self.sizes(at);
            let run = self.runs.get(at).or(self.runs.last());
            let (folder, checkpoint) = run.map_or(("", ""), |run| (&run.name, &run.checkpoint));
            lines.push(format!(
                "| {side}: {} | {} | {} | {} | {} |",
                cell(name),
                thousands(tokens),
                thousands(documents as u64),
                cell(folder),
                cell(checkpoint)
            ));
        }
        lines.extend([String::new(), "## Largest differences".to_owned(), String::new()]);
        lines.push("| rank | layer | expert | in A | in B | difference [95 %] | z | q | frequency | routing | token ids of A | token ids of B |".to_owned());
        lines.push("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- | --- |".to_owned());
        lines.extend(self.contrast.top.iter().enumerate().map(|(at, expert)| markdown_row(at + 1, expert)));
        lines.extend([String::new(), self.reading()]);
        lines.join("\n") + "\n"
    }

    /// How to read the table.
    fn reading(&self) -> String {
        let pairing = if self.shared() > 0 {
            "Documents with tokens on both sides are drawn and exchanged as pairs."
        } else {
            "No document has tokens on both sides: the documents of each are drawn among themselves."
        };
        format!(
            "The share of a side's tokens that chose the expert among their choices; differences in percentage points with 95 % \
             intervals over {} resamples of whole documents. {pairing} q: the false discovery rate (Benjamini-Hochberg over all \
             experts of all layers) of p-values from {} permutations, pooled over the experts. Frequency and routing add up to \
             the difference: what follows from token ids that are more or less frequent, and from the same token ids going to \
             other experts. A token's points are its part of the difference. Every expert is in contrast.csv.",
            thousands(self.settings.resamples as u64),
            thousands(self.settings.permutations as u64),
        )
    }
}

/// 0.05 as "5 %".
fn digit(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// Why the two sides differ, and by which tokens.
fn carried_by(row: &ContrastRow, carriers: &Carriers) -> String {
    let tokens = if row.difference > 0.0 { &carriers.a } else { &carriers.b };
    let named: Vec<String> =
        tokens.iter().take(IN_A_SENTENCE).map(|token| format!("\"{}\"", token_name(token))).collect();
    let most = if named.is_empty() { String::new() } else { format!(", most of all by {}", named.join(", ")) };
    format!(
        "Of these points {} come from token ids that are more or less frequent, {} from the same token ids going to other \
         experts{most}.",
        points(carriers.from_frequency),
        points(carriers.from_routing)
    )
}

/// A token as a table shows it: its text, or its id.
fn token_name(token: &CarrierToken) -> String {
    token.text.as_deref().map_or_else(|| format!("id {}", token.token_id), shown)
}

fn with_points(tokens: &[CarrierToken]) -> String {
    let one = |token: &CarrierToken| format!("{} ({})", token_name(token), points(token.contribution));
    tokens.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Layer, expert, both shares, difference, q, tokens of the side that chose the expert more often.
fn cells(expert: &ContrastedExpert) -> [String; 7] {
    let row = &expert.row;
    let tokens = expert.carriers.as_ref().map(|carriers| {
        let tokens = if row.difference > 0.0 { &carriers.a } else { &carriers.b };
        tokens.iter().map(token_name).collect::<Vec<_>>().join(" ")
    });
    [
        row.layer.to_string(),
        row.expert.to_string(),
        share_words(row.rate_a),
        share_words(row.rate_b),
        row.difference_words().replace(" points", ""),
        row.q_words().unwrap_or_else(|| "-".to_owned()),
        tokens.unwrap_or_else(|| "-".to_owned()),
    ]
}

fn text_line([layer, expert, a, b, difference, q, tokens]: &[String; 7]) -> String {
    let line = format!("{layer:>7} {expert:>7} {a:>9} {b:>9} {difference:>22} {q:>15}  {}", one_line(tokens));
    line.trim_end().to_owned()
}

fn ranked_json(rank: usize, expert: &ContrastedExpert) -> Value {
    let row = &expert.row;
    let token = |token: &CarrierToken| {
        json!({
            "token_id": token.token_id, "text": token.text, "contribution": token.contribution,
            "occurrences_a": token.occurrences[0], "occurrences_b": token.occurrences[1],
            "chosen_a": token.chosen[0], "chosen_b": token.chosen[1],
        })
    };
    let carriers = expert.carriers.as_ref();
    let tokens = |of: fn(&Carriers) -> &Vec<CarrierToken>| {
        carriers.map(|carriers| of(carriers).iter().map(token).collect::<Vec<_>>())
    };
    json!({
        "rank": rank, "layer": row.layer, "expert": row.expert, "rate_a": row.rate_a, "rate_b": row.rate_b,
        "difference": row.difference, "low": row.low, "high": row.high, "z": row.z, "p": row.p, "q": row.q,
        "from_frequency": carriers.map(|carriers| carriers.from_frequency),
        "from_routing": carriers.map(|carriers| carriers.from_routing),
        "tokens_a": tokens(|carriers| &carriers.a),
        "tokens_b": tokens(|carriers| &carriers.b),
    })
}

fn markdown_row(rank: usize, expert: &ContrastedExpert) -> String {
    let row = &expert.row;
    let carriers = expert.carriers.as_ref();
    let part = |of: fn(&Carriers) -> f64| carriers.map_or_else(|| "-".to_owned(), |carriers| points(of(carriers)));
    let tokens = |of: fn(&Carriers) -> &Vec<CarrierToken>| {
        cell(&carriers.map_or_else(|| "-".to_owned(), |carriers| with_points(of(carriers))))
    };
    let z = row.z.map_or_else(|| "-".to_owned(), |z| format!("{z:.1}"));
    format!(
        "| {rank} | {} | {} | {} | {} | {} | {z} | {} | {} | {} | {} | {} |",
        row.layer,
        row.expert,
        share_words(row.rate_a),
        share_words(row.rate_b),
        row.difference_words().replace(" points", ""),
        row.q_words()
            .map_or_else(|| "-".to_owned(), |q| q.trim_start_matches("q ").trim_start_matches("= ").to_owned()),
        part(|carriers| carriers.from_frequency),
        part(|carriers| carriers.from_routing),
        tokens(|carriers| &carriers.a),
        tokens(|carriers| &carriers.b),
    )
}

/// Text of the data inside Markdown: it makes no line, cell or tag. Before a space `<` begins no tag.
fn escaped(text: &str) -> String {
    one_line(text).replace('<', "&lt;").replace("&lt; ", "< ").replace('|', "\\|")
}

/// Text of the data in a cell of a Markdown table, where nothing is emphasized.
fn cell(text: &str) -> String {
    escaped(text).replace('*', "\\*").replace('_', "\\_")
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::needless_raw_string_hashes)] // UPDATE_EXPECT=1 writes snapshots so

    use expect_test::expect;

    use super::*;
    use crate::stats::ContrastLayer;

    fn row(expert: u16, difference: f64, q: Option<f64>) -> ContrastRow {
        ContrastRow {
            layer: 5,
            expert,
            rate_a: 0.04 + difference,
            rate_b: 0.04,
            difference,
            low: q.map(|_| difference - 0.03),
            high: q.map(|_| difference + 0.03),
            z: q.map(|_| 9.0),
            p: q,
            q,
        }
    }

    fn contrast(q: Option<f64>) -> Contrast {
        let token = CarrierToken {
            token_id: 7,
            text: Some("<b>|x".to_owned()),
            contribution: 0.2,
            occurrences: [20, 8],
            chosen: [20, 8],
        };
        let carriers = Carriers { from_frequency: 0.25, from_routing: 0.02, a: vec![token], b: Vec::new() };
        let rows = vec![row(12, 0.27, q), row(3, 0.001, q.map(|_| 0.4))];
        Contrast {
            layers: vec![ContrastLayer { layer: 5, experts: 2, tokens: [1200, 90], documents: [10, 9], shared: 0 }],
            top: vec![ContrastedExpert { row: rows[0].clone(), carriers: Some(carriers) }],
            rows,
            withheld: q.is_none().then(|| "7 documents on one side, at least 8 needed".to_owned()),
            no_tokens: None,
        }
    }

    /// What is written of a contrast: the sentences, the table in a terminal, the page, and the JSON.
    fn written(contrast: &Contrast) -> (String, String, String, Value) {
        let runs = [ContrastedRun { name: "runs/a_b".into(), checkpoint: "tiny".into(), corpus: "zh, en".into() }];
        let conditions = ["category=zh".to_owned()];
        let settings = Settings::default();
        let report = ContrastReport {
            contrast,
            runs: &runs,
            names: ["category `zh`", "everything else"],
            conditions: [&conditions, &[]],
            settings: &settings,
        };
        (report.verdict().join("\n"), report.lines(5).join("\n"), report.markdown(), report.json())
    }

    #[test]
    fn the_answer_is_a_sentence() {
        let verdict = |contrast: &Contrast| written(contrast).0;
        expect![[r#"
            Category `zh` uses expert 12 of layer 5 in 31 % of its tokens, everything else in 4.0 % (+27 points [24, 30], q < 0.001); 1 of 2 experts differ (false discovery rate 5 %).
            Of these points +25 come from token ids that are more or less frequent, +2.0 from the same token ids going to other experts, most of all by "<b>|x"."#]].assert_eq(&verdict(&contrast(Some(0.0001))));
        expect![[r#"
            No expert of 2 tells category `zh` from everything else beyond chance (false discovery rate 5 %); the largest difference is expert 12 of layer 5: 31 % and 4.0 % (+27 points [24, 30], q = 0.20).
            Of these points +25 come from token ids that are more or less frequent, +2.0 from the same token ids going to other experts, most of all by "<b>|x"."#]].assert_eq(&verdict(&contrast(Some(0.2))));
        let unknown = Contrast { no_tokens: Some("the trace records no token ids".to_owned()), ..contrast(None) };
        let top = unknown.top.iter().map(|expert| ContrastedExpert { carriers: None, ..expert.clone() }).collect();
        expect![[r#"
            Whether category `zh` and everything else use the experts differently cannot be told: 7 documents on one side, at least 8 needed. The largest difference is expert 12 of layer 5: 31 % and 4.0 % (+27 points).
            Which token ids carry it is not known: the trace records no token ids."#]].assert_eq(&verdict(&Contrast { top, ..unknown }));
        expect![["There is no expert to compare."]].assert_eq(&verdict(&Contrast::default()));
    }

    #[test]
    fn a_page_shows_what_the_data_hold_and_obeys_none_of_it() {
        expect![[r#"
            # Category `zh` against everything else

            Category `zh` uses expert 12 of layer 5 in 31 % of its tokens, everything else in 4.0 % (+27 points [24, 30], q < 0.001); 1 of 2 experts differ (false discovery rate 5 %).  
            Of these points +25 come from token ids that are more or less frequent, +2.0 from the same token ids going to other experts, most of all by "&lt;b>\|x".  

            | side | tokens | documents | run | checkpoint |
            | --- | ---: | ---: | --- | --- |
            | A: category `zh` | 1,200 | 10 | runs/a\_b | tiny |
            | B: everything else | 90 | 9 | runs/a\_b | tiny |

            ## Largest differences

            | rank | layer | expert | in A | in B | difference [95 %] | z | q | frequency | routing | token ids of A | token ids of B |
            | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- | --- |
            | 1 | 5 | 12 | 31 % | 4.0 % | +27 [24, 30] | 9.0 | < 0.001 | +25 | +2.0 | &lt;b>\|x (+20) |  |

            The share of a side's tokens that chose the expert among their choices; differences in percentage points with 95 % intervals over 1,000 resamples of whole documents. No document has tokens on both sides: the documents of each are drawn among themselves. q: the false discovery rate (Benjamini-Hochberg over all experts of all layers) of p-values from 100 permutations, pooled over the experts. Frequency and routing add up to the difference: what follows from token ids that are more or less frequent, and from the same token ids going to other experts. A token's points are its part of the difference. Every expert is in contrast.csv.
        "#]].assert_eq(&written(&contrast(Some(0.0001))).2);
        expect![[r#"
            A: category `zh`, 1,200 tokens of 10 documents
            B: everything else, 90 tokens of 9 documents
              layer  expert      in A      in B      difference [95 %] false discovery  token ids that carry it
                  5      12      31 %     4.0 %                    +27               -  <b>|x"#]]
        .assert_eq(&written(&contrast(None)).1);
    }

    #[test]
    fn programs_find_what_is_withheld() {
        let found = written(&contrast(None)).3;
        assert_eq!((&found["differing"], &found["layers"][0]["differing"]), (&Value::Null, &Value::Null));
        assert_eq!(
            found["a"],
            json!({"name": "category `zh`", "conditions": ["category=zh"], "tokens": 1200, "documents": 10})
        );
        assert_eq!((&found["top"][0]["q"], &found["top"][0]["tokens_a"][0]["token_id"]), (&Value::Null, &json!(7)));
        assert_eq!(written(&contrast(Some(0.01))).3["differing"], 1);
    }
}
