//! Everything about one expert of a layer.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    context::{Example, examples},
    counted_layer::CountedLayer,
    part::{Part, Standing, Tally},
    rate::{ByDocument, Counted, Lift, Rate},
    router::Router,
    token_class::TokenClass,
};
use crate::{
    routing::{ExpertId, LayerId, View, is_bos},
    stats::{
        catalog::Statistic,
        finding::Finding,
        names::Ranking,
        study::{Group, Study},
    },
    trace::{Block, shown},
};

/// Occurrences that are shown of each of the top tokens.
const EXAMPLES: usize = 3;

/// A token id that goes to an expert more often than its frequency says.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TopToken {
    /// The token id.
    pub token_id: u32,
    /// The piece, as the tokenizer has it; absent without a tokenizer.
    pub text: Option<String>,
    /// The piece, as people are shown it.
    pub shown: Option<String>,
    /// z of its log-odds at the expert, against all assignments of the layer.
    pub z: f64,
    /// The share of its occurrences that chose the expert.
    pub takes: Rate,
    /// Some of the occurrences that chose the expert.
    pub examples: Vec<Example>,
}

/// An expert that is chosen by the same tokens.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Partner {
    /// The other expert.
    pub expert: ExpertId,
    /// The share of all tokens that chose both.
    pub both: Rate,
    /// That share over what the loads of the experts alone would give; absent where that is unknown.
    pub over_loads: Option<Lift>,
    /// The share of the expert's tokens that chose the other one too.
    pub of_expert: Option<f64>,
}

/// Everything about one expert.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ExpertProfile {
    /// Decoder layer index.
    pub layer: LayerId,
    /// The expert.
    pub expert: ExpertId,
    /// Before or after capacity.
    pub view: View,
    /// Experts of the layer.
    pub experts: usize,
    /// Choices of every token.
    pub choices: usize,
    /// The expert's share of the assignments (`expert_share`).
    pub load: Rate,
    /// That share over an even load, 1 / experts.
    pub load_over_even: Lift,
    /// The share of the tokens that chose it.
    pub takes: Rate,
    /// That share over the even one, choices / experts.
    pub takes_over_even: Lift,
    /// Its place among the experts by load, from 1; experts of one load have the same place.
    pub rank: usize,
    /// By category, the largest share first.
    pub categories: Vec<Part>,
    /// By kind of token, and upper case.
    pub classes: Vec<Part>,
    /// By script, the largest share first.
    pub scripts: Vec<Part>,
    /// The first position, and the first and last quarter of every sequence.
    pub positions: Vec<Part>,
    /// The token ids whose log-odds are largest, the largest first.
    pub top_tokens: Vec<TopToken>,
    /// All other experts, the most favoured partner first.
    pub partners: Vec<Partner>,
    /// How sure the router is, and what is dropped.
    pub router: Router,
    /// What is not there, with the reason.
    pub withheld: BTreeMap<&'static str, String>,
}

impl ExpertProfile {
    pub(super) fn new(layer: &CountedLayer<'_>, expert: ExpertId, top: usize) -> Self {
        let (study, view) = (&layer.study, layer.view);
        let Totals { tokens, chosen, load, rank } = Totals::new(study, view, expert);
        let (experts, choices) = (study.data.experts, study.data.top_k);
        let takes = chosen.of(study, &tokens);
        let standing = Standing { study, tokens, chosen, even: choices as f64 / experts as f64 };
        let makers = PartMaker { layer, standing: &standing, expert };
        let (classes, scripts) = makers.classes();
        Self {
            layer: study.data.layer,
            expert,
            view,
            experts,
            choices,
            load_over_even: Lift::over(1.0 / experts as f64, &load),
            load,
            takes_over_even: Lift::over(standing.even, &takes),
            takes,
            rank,
            categories: makers.categories(),
            classes,
            scripts,
            positions: makers.positions(),
            top_tokens: makers.top_tokens(top),
            partners: makers.partners(),
            router: Router::new(study, view, expert),
            withheld: withheld(study),
        }
    }
}

/// What is not there, with the reason.
fn withheld(study: &Study) -> BTreeMap<&'static str, String> {
    let absent = |blocks: &[Block]| study.trace.provides.missing(blocks).map(|block| block.absence().to_owned());
    let texts = study.sequences.token_text.is_empty().then(|| "the run has no tokenizer".to_owned());
    let categories = study.data.category_names.is_empty().then(|| "the run names no categories".to_owned());
    let alone = (study.data.top_k < 2).then(|| "one choice per token: there are no pairs".to_owned());
    let reasons = [
        ("categories", categories),
        ("classes", absent(&[Block::TokenIds]).or(texts)),
        (Statistic::TopTokens.table(), absent(&[Block::TokenIds])),
        ("positions", absent(&[Block::Positions])),
        ("partners", alone),
        ("dropped", absent(&[Block::Drops])),
        ("first_choice", absent(&[Block::Ranks])),
        ("probability", absent(&[Block::Probability])),
        ("margin", absent(&[Block::MarginFirst])),
    ];
    reasons.into_iter().filter_map(|(part, reason)| Some((part, reason?))).collect()
}

/// Tokens and assignments of the whole layer.
struct Totals {
    tokens: Counted,
    chosen: Counted,
    load: Rate,
    rank: usize,
}

impl Totals {
    fn new(study: &Study, view: View, expert: ExpertId) -> Self {
        let counts = &study.counts[view as usize];
        let all = |of: &dyn Fn(usize) -> u32| -> Counted {
            Counted::new(study, &(0..study.data.documents()).map(|d| (d, of(d))).collect::<Vec<_>>())
        };
        let chosen = all(&|document| counts.of(document)[usize::from(expert)]);
        // Documents count by their tokens, whether or not any of them was kept.
        let tokens = all(&|document| counts.occurrences[document]);
        let assignments = Counted { documents: tokens.documents, ..all(&|document| counts.assignments[document]) };
        let load = chosen.of(study, &assignments);
        let loads = counts.total(&(0..study.data.documents()).collect::<Vec<_>>());
        let rank = 1 + loads.iter().filter(|load| **load > chosen.total).count();
        Self { tokens, load: Rate { n: assignments.total, ..load }, chosen, rank }
    }
}

/// Makes the parts of a profile.
struct PartMaker<'a> {
    layer: &'a CountedLayer<'a>,
    standing: &'a Standing<'a>,
    expert: ExpertId,
}

impl PartMaker<'_> {
    fn study(&self) -> &Study<'_> {
        &self.layer.study
    }

    fn chose(&self, row: usize) -> bool {
        self.study().data.choices(self.layer.view, row).contains(&self.expert)
    }

    /// By category, the largest share first.
    fn categories(&self) -> Vec<Part> {
        let study = self.study();
        let counts = &study.counts[self.layer.view as usize];
        let of_group = |group: Group| {
            let by_document = |of: &dyn Fn(usize) -> u32| -> ByDocument {
                group.documents.iter().map(|document| (*document, of(*document))).collect()
            };
            let tokens = by_document(&|document| counts.occurrences[document]);
            let chosen = by_document(&|document| counts.of(document)[usize::from(self.expert)]);
            let name = &study.data.category_names[group.category?];
            self.standing.part(name, &Tally::of_documents(tokens, chosen))
        };
        let mut parts: Vec<Part> = study.groups().into_iter().filter_map(of_group).collect();
        largest_first(&mut parts);
        parts
    }

    /// By kind and case, and by script.
    fn classes(&self) -> (Vec<Part>, Vec<Part>) {
        let study = self.study();
        let provided = study.trace.provides.has(Block::TokenIds) && !study.sequences.token_text.is_empty();
        if !provided {
            return (Vec::new(), Vec::new());
        }
        let classes: Vec<Vec<TokenClass>> = study.data.token_ids.iter().map(|id| classes_of(study, *id)).collect();
        let mut tallies: BTreeMap<TokenClass, Tally> = BTreeMap::new();
        for row in 0..study.data.len() {
            let (document, chose) = (study.data.document[row] as usize, self.chose(row));
            for class in &classes[study.data.token[row] as usize] {
                tallies.entry(*class).or_default().add(document, chose);
            }
        }
        let part = |(class, tally): (&TokenClass, &Tally)| Some((*class, self.standing.part(class.name(), tally)?));
        let parts = tallies.iter().filter_map(part);
        let (scripts, kinds): (Vec<_>, Vec<_>) = parts.partition(|(class, _)| matches!(class, TokenClass::Script(_)));
        let mut scripts: Vec<Part> = scripts.into_iter().map(|(_, part)| part).collect();
        largest_first(&mut scripts);
        (kinds.into_iter().map(|(_, part)| part).collect(), scripts)
    }

    /// The first position, and the first and last quarter of the sequences.
    fn positions(&self) -> Vec<Part> {
        let study = self.study();
        if !study.trace.provides.has(Block::Positions) {
            return Vec::new();
        }
        let names = ["position 0", "first quarter of a sequence", "last quarter of a sequence"];
        let mut tallies = [(); 3].map(|()| Tally::default());
        for row in 0..study.data.len() {
            let position = study.data.position[row];
            let sequence = study.trace.sequence[study.data.source[row] as usize];
            let length = u64::from(study.sequences.tokens[sequence as usize]);
            let quarter = 4 * u64::from(position) / length.max(1);
            let is_in = [is_bos(position), quarter == 0 && !is_bos(position), quarter >= 3];
            let (document, chose) = (study.data.document[row] as usize, self.chose(row));
            for (tally, _) in tallies.iter_mut().zip(is_in).filter(|(_, is_in)| *is_in) {
                tally.add(document, chose);
            }
        }
        names.iter().zip(&tallies).filter_map(|(name, tally)| self.standing.part(name, tally)).collect()
    }

    /// The token ids with the largest log-odds.
    fn top_tokens(&self, top: usize) -> Vec<TopToken> {
        let study = self.study();
        if !study.trace.provides.has(Block::TokenIds) {
            return Vec::new();
        }
        let rows = self.layer.token_totals().list(study, (self.expert, Ranking::LogOdds), top);
        rows.into_iter().filter_map(|row| self.top_token(&row)).collect()
    }

    fn top_token(&self, row: &Finding) -> Option<TopToken> {
        let (study, token_id) = (self.study(), row.token_id?);
        let rows = study.rows_of_token(token_id)?;
        let mut tally = Tally::default();
        let chose: Vec<u32> = rows.iter().copied().filter(|row| self.chose(*row as usize)).collect();
        for row in rows {
            tally.add(study.data.document[*row as usize] as usize, self.chose(*row as usize));
        }
        Some(TopToken {
            token_id,
            text: row.text.clone(),
            shown: row.text.as_deref().map(shown),
            z: row.estimate?,
            takes: self.standing.part("", &tally)?.takes,
            examples: examples(study, &chose, EXAMPLES),
        })
    }

    /// The other experts, the most favoured first.
    fn partners(&self) -> Vec<Partner> {
        let n = self.standing.tokens.total as f64;
        let own = self.standing.chosen.total as f64;
        let partner = |row: Finding| {
            let (a, b) = (row.expert?, row.other_expert?);
            let both = Rate {
                estimate: row.estimate,
                low: row.low,
                high: row.high,
                n: row.n,
                documents: row.documents.unwrap_or_default(),
            };
            Some(Partner {
                expert: if a == self.expert { b } else { a },
                over_loads: row.baseline.map(|chance| Lift::over(chance, &both)),
                of_expert: row.estimate.map(|both| both * n / own).filter(|share| share.is_finite()),
                both,
            })
        };
        let rows = self.layer.pairs().map_or_else(Vec::new, |pairs| pairs.of_expert(self.study(), self.expert));
        let mut partners: Vec<Partner> = rows.into_iter().filter_map(partner).collect();
        let times = |partner: &Partner| partner.over_loads.as_ref().and_then(|lift| lift.times).unwrap_or_default();
        partners.sort_by(|a, b| times(b).total_cmp(&times(a)));
        partners
    }
}

fn largest_first(parts: &mut [Part]) {
    let share = |part: &Part| part.takes.estimate.unwrap_or_default();
    parts.sort_by(|a, b| share(b).total_cmp(&share(a)));
}

fn classes_of(study: &Study, token_id: u32) -> Vec<TokenClass> {
    study.sequences.token_text.get(&token_id).map_or_else(Vec::new, |piece| TokenClass::of(piece))
}
