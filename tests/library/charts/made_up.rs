//! Tables of every statistic of `route`, made up, and the context that they are drawn in.

use openmoe_analyze::{
    chart::ChartContext,
    routing::{LayerShape, RoutingShape, View},
    stats::{Finding, Ranking, Statistic, StatisticTable, Subject, Tables, Variable, Variant},
};

use crate::support::random::Random;

const TEXTS: [&str; 24] = [
    "\u{2581}the",
    "<0x0A>",
    "\u{2581}",
    "ed",
    "\u{2581}و",
    "ال",
    "של",
    "中",
    "の",
    "하",
    "\u{2581}что",
    "\n\n",
    "\t",
    "\u{2581}a_rather_long_identifier_name",
    "<0xE4>",
    "\u{2581}क",
    "{",
    "\u{2581}&",
    "<b>",
    "\"",
    "1",
    ",",
    "\u{2581}größer",
    "ing",
];

/// A number in [0, 1) that depends on its argument alone.
fn noise(seed: usize) -> f64 {
    Random(seed as u64).unit()
}

/// Of a run with two MoE layers of 16 experts and 23 categories, unless the arguments say otherwise.
pub(super) fn context(experts: usize, layers: &[u16]) -> ChartContext {
    let names = [
        "ar",
        "de",
        "es",
        "fr",
        "he",
        "it",
        "ja",
        "ko",
        "nl",
        "ru",
        "zh-cn",
        "zh-tw",
        "arxiv",
        "book",
        "c4",
        "cc",
        "github",
        "stackexchange",
        "wikipedia",
        "assembly",
        "blitzmax",
        "java",
        "a category with a very long name indeed",
    ];
    ChartContext {
        is_openmoe: true,
        checkpoint: "openmoe-tiny-12.3M".into(),
        corpus: "domains + languages + code_languages".into(),
        shape: RoutingShape::uniform(layers.to_vec(), LayerShape::of_choices(experts, 2)),
        categories: names.map(String::from).to_vec(),
        sequences: 1_840,
        documents: 1_212,
        tokens: 934_112,
        bos: Some(true),
        bos_counted: true,
        tokens_of_interest: Vec::new(),
        ..ChartContext::default()
    }
}

fn shares(experts: usize, seed: usize, sharpness: f64) -> Vec<f64> {
    let raw: Vec<f64> = (0..experts).map(|e| (sharpness * noise(seed * 131 + e)).exp()).collect();
    let sum: f64 = raw.iter().sum();
    raw.iter().map(|value| value / sum).collect()
}

fn with_interval(row: Finding, estimate: f64, half: f64) -> Finding {
    Finding { estimate: Some(estimate), low: Some((estimate - half).max(0.0)), high: Some(estimate + half), ..row }
}

fn add(tables: &mut Tables, row: Finding) {
    let table = row.statistic.table();
    tables.entry(table.to_owned()).or_insert_with(|| StatisticTable::new(table)).rows.push(row);
}

fn add_shares(tables: &mut Tables, context: &ChartContext, layer: u16, view: View) {
    let experts = context.shape.experts(layer);
    let mut group = |key: Finding, seed: usize, sharpness: f64, n: u64| {
        for (expert, share) in shares(experts, seed, sharpness).into_iter().enumerate() {
            let row = Finding {
                baseline: Some(1.0 / experts as f64),
                n,
                ..key.clone().about(|subject| Subject { expert: Some(expert as u16), ..subject })
            };
            add(tables, with_interval(row, share, 0.12 * share + 0.004));
        }
    };
    let base = Finding::new(Statistic::ExpertShare, layer, view);
    group(base.clone(), usize::from(layer), 0.8, 1_868_224);
    for (index, category) in context.categories.iter().enumerate() {
        let key = base.clone().about(|subject| Subject {
            variable: Some(Variable::Category),
            category: Some(category.clone()),
            ..subject
        });
        group(key, 7 + index, 1.4, 81_234 + index as u64);
    }
    for position in (0..300).chain([511, 512, 1023, 1024, 2047]) {
        let key = base.clone().about(|subject| Subject {
            variable: Some(Variable::Position),
            position: Some(position),
            ..subject
        });
        group(key, 900 + position as usize, 0.5, 3_680);
    }
    for (index, text) in TEXTS.iter().enumerate() {
        let key = base.clone().about(|subject| Subject {
            variable: Some(Variable::Token),
            token_id: Some(index as u32),
            text: Some((*text).into()),
            ..subject
        });
        group(key, 2_000 + index, 5.0, 40_000 / (index as u64 + 1));
    }
}

fn add_spread(tables: &mut Tables, layer: u16, view: View) {
    let base = Finding { ceiling: Some(0.1654), ..Finding::new(Statistic::RoutingStd, layer, view) };
    let floor = |n: f64| (0.055 / n).sqrt();
    for position in 0..2048u32 {
        let n = 3_680.0 / (1.0 + f64::from(position) / 150.0);
        let estimate = floor(n) + 0.02 / (1.0 + f64::from(position)) + 0.004 * noise(position as usize);
        let key = Finding {
            n: n as u64,
            ..base.clone().about(|subject| Subject {
                variable: Some(Variable::Position),
                position: Some(position),
                ..subject
            })
        };
        add(tables, with_interval(Finding { noise_floor: Some(floor(n)), ..key.clone() }, estimate, 0.002));
        if view == View::Chosen {
            let row = Finding { statistic: Statistic::RoutingStdCorrected, ..key };
            add(tables, with_interval(row, 0.02 / (1.0 + f64::from(position)) + 0.003, 0.002));
        }
    }
    for id in 0..300u32 {
        let n = 20_000.0 / f64::from(id + 1).powf(0.9) + 130.0;
        let text = TEXTS[id as usize % TEXTS.len()].to_owned();
        let key = Finding {
            n: n as u64,
            ..base.clone().about(|subject| Subject {
                variable: Some(Variable::Token),
                token_id: Some(id),
                text: Some(text),
                ..subject
            })
        };
        let row = Finding { noise_floor: Some(floor(n)), ..key };
        add(tables, with_interval(row, 0.04 + 0.12 * noise(id as usize + 5), 0.006));
    }
    for variable in [Variable::Position, Variable::Token] {
        let row = Finding { n: 300, ..base.clone().about(|subject| Subject { variable: Some(variable), ..subject }) };
        add(tables, with_interval(row, if variable == Variable::Token { 0.096 } else { 0.011 }, 0.001));
    }
}

fn add_information(tables: &mut Tables, layer: u16, view: View) {
    let plain = [Variable::Token, Variable::PreviousToken, Variable::Category, Variable::Position, Variable::Document];
    let given = [Variable::PreviousToken, Variable::Category, Variable::PositionBucket, Variable::Document];
    let mut row = |statistic: Statistic, variable: Variable, bits: f64, baseline: f64, ceiling: f64| {
        let explained = (bits - baseline) / (ceiling - baseline);
        let key = Finding {
            baseline: Some(baseline),
            ceiling: Some(ceiling),
            corrected: Some(bits - baseline),
            explained: Some(explained),
            explained_low: Some(explained - 0.02),
            explained_high: Some(explained + 0.02),
            p_value: Some(1.0 / 101.0),
            n: 1_868_224,
            ..Finding::new(statistic, layer, view).about(|subject| Subject {
                variable: Some(variable),
                given: (statistic != Statistic::MutualInformation).then_some(Variable::Token),
                ..subject
            })
        };
        add(tables, with_interval(key, bits, 0.03));
    };
    let fade = 1.0 / (1.0 + f64::from(layer) * 0.15);
    for (index, variable) in plain.into_iter().enumerate() {
        row(
            Statistic::MutualInformation,
            variable,
            2.2 * fade / (1.0 + index as f64).powi(2),
            0.02 * index as f64,
            2.9,
        );
    }
    for (index, variable) in given.into_iter().enumerate() {
        row(Statistic::ConditionalMutualInformation, variable, 0.3 / (fade * (1.0 + index as f64)), 0.05, 1.1);
    }
}

fn add_tokens(tables: &mut Tables, context: &ChartContext, layer: u16, view: View) {
    for expert in 0..context.shape.experts(layer) {
        for (ranking, offset) in [(Ranking::Count, 0), (Ranking::LogOdds, 7)] {
            for rank in 1..=10u32 {
                let index = (expert * 3 + rank as usize + offset) % TEXTS.len();
                let row = Finding {
                    estimate: Some(1000.0 / f64::from(rank)),
                    n: 1000,
                    ..Finding::new(Statistic::TopTokens, layer, view).about(|subject| Subject {
                        expert: Some(expert as u16),
                        ranking: Some(ranking),
                        rank: Some(rank),
                        token_id: Some(index as u32),
                        text: Some(TEXTS[index].into()),
                        ..subject
                    })
                };
                add(tables, row);
            }
        }
    }
    for (statistic, variants) in [
        (Statistic::TokenPredictability, [Variant::Token, Variant::TokenAndPrevious, Variant::TopKOverlap]),
        (Statistic::VocabularySpecialization, [Variant::Unweighted, Variant::TokenWeighted, Variant::Frequent]),
        (Statistic::ExpertRepetition, [Variant::First, Variant::FirstOrSecond, Variant::Overlap]),
    ] {
        for (index, variant) in variants.into_iter().enumerate() {
            let row = Finding {
                baseline: Some(0.12),
                n: 9_000,
                ..Finding::new(statistic, layer, view).about(|subject| Subject { variant: Some(variant), ..subject })
            };
            add(tables, with_interval(row, 0.7 - 0.05 * f64::from(layer) - 0.1 * index as f64, 0.02));
        }
    }
}

/// The load of a layer, and the gate.
fn add_load(tables: &mut Tables, layer: u16, view: View) {
    for (statistic, value) in [
        (Statistic::MaxViolation, 0.8),
        (Statistic::LoadCv, 0.31),
        (Statistic::LoadGini, 0.2),
        (Statistic::EffectiveExperts, 14.2),
    ] {
        let row = Finding { baseline: Some(0.0), n: 9_000, ..Finding::new(statistic, layer, view) };
        add(tables, with_interval(row, value + 0.01 * f64::from(layer), 0.02 * value));
    }
    for statistic in [Statistic::RouterEntropy, Statistic::RouterMargin] {
        for quantile in [None, Some(0.05), Some(0.25), Some(0.5), Some(0.75), Some(0.95)] {
            let row = Finding {
                n: 9_000,
                ..Finding::new(statistic, layer, view).about(|subject| Subject { quantile, ..subject })
            };
            add(tables, with_interval(row, 0.4 + quantile.unwrap_or(0.5), 0.01));
        }
    }
}

/// Every pair of experts.
fn add_coactivation(tables: &mut Tables, context: &ChartContext, layer: u16, view: View) {
    let experts = context.shape.experts(layer);
    for a in 0..experts {
        for b in a + 1..experts {
            let baseline = 2.0 / (experts * (experts - 1)) as f64;
            let row = Finding {
                baseline: Some(baseline),
                n: 934_112,
                ..Finding::new(Statistic::Coactivation, layer, view).about(|subject| Subject {
                    expert: Some(a as u16),
                    other_expert: Some(b as u16),
                    ..subject
                })
            };
            add(tables, with_interval(row, baseline * (2.0 * (noise(a * 977 + b) - 0.5) * 1.2).exp(), 0.001));
        }
    }
}

/// The categories against each other and against the layer.
fn add_categories(tables: &mut Tables, context: &ChartContext, layer: u16, view: View) {
    let experts = context.shape.experts(layer);
    for (index, category) in context.categories.iter().enumerate() {
        for other in &context.categories[index + 1..] {
            let row = Finding {
                n: 9_000,
                ..Finding::new(Statistic::JensenShannon, layer, view).about(|subject| Subject {
                    category: Some(category.clone()),
                    other_category: Some(other.clone()),
                    ..subject
                })
            };
            add(tables, with_interval(row, 0.002 + 0.03 * noise(index * 31 + other.len()), 0.001));
        }
    }
    for (index, category) in context.categories.iter().enumerate() {
        for (expert, share) in shares(experts, 40 + index, 1.2).into_iter().enumerate() {
            let row = Finding {
                baseline: Some(2.0 / experts as f64),
                n: 9_000,
                ..Finding::new(Statistic::DomainSpecialization, layer, view).about(|subject| Subject {
                    category: Some(category.clone()),
                    expert: Some(expert as u16),
                    ..subject
                })
            };
            add(tables, with_interval(row, 2.0 * share, 0.01));
        }
    }
    let row = Finding { baseline: Some(0.01), n: 9_000, ..Finding::new(Statistic::CramersV, layer, view) };
    add(tables, with_interval(row, 0.1, 0.01));
}

/// Every kind of row, as many as a real run has.
pub(super) fn tables(context: &ChartContext) -> Tables {
    let mut tables = Tables::new();
    for &layer in context.shape.moe_layers() {
        for view in View::ALL {
            add_shares(&mut tables, context, layer, view);
            add_spread(&mut tables, layer, view);
            add_information(&mut tables, layer, view);
            add_tokens(&mut tables, context, layer, view);
            add_load(&mut tables, layer, view);
            add_coactivation(&mut tables, context, layer, view);
            add_categories(&mut tables, context, layer, view);
        }
    }
    tables
}

/// Every kind of row in every layer, few of each.
pub(super) fn lean_tables(context: &ChartContext) -> Tables {
    let mut tables = Tables::new();
    for (&layer, view) in context.shape.moe_layers().iter().flat_map(|layer| View::ALL.map(|view| (layer, view))) {
        let experts = context.shape.experts(layer);
        let seed = usize::from(layer) * 7919;
        let share = Finding::new(Statistic::ExpertShare, layer, view);
        let spread = Finding { ceiling: Some(0.3), ..Finding::new(Statistic::RoutingStd, layer, view) };
        let mut keys = vec![(share.clone(), spread.clone())];
        for category in &context.categories {
            let of = |row: &Finding| {
                let about = |subject| Subject { category: Some(category.clone()), ..subject };
                row.clone().by(Variable::Category).about(about)
            };
            keys.push((of(&share), of(&spread)));
        }
        for position in [0, 1, 2, 4, 8, 16, 32, 40] {
            let of = |row: &Finding| {
                row.clone().by(Variable::Position).about(|subject| Subject { position: Some(position), ..subject })
            };
            keys.push((of(&share), of(&spread)));
        }
        for (id, text) in (0..8).zip(TEXTS) {
            let of = |row: &Finding| {
                let about = |subject| Subject { token_id: Some(id), text: Some(text.into()), ..subject };
                row.clone().by(Variable::Token).about(about)
            };
            keys.push((of(&share), of(&spread)));
        }
        for variable in [Variable::Position, Variable::Token] {
            let row = spread.clone().by(variable);
            add(&mut tables, with_interval(row, 0.05 + 0.02 * noise(seed + variable.name().len()), 0.001));
        }
        for (at, (share, spread)) in keys.into_iter().enumerate() {
            let n = 9_000 / (at as u64 + 1);
            for (expert, value) in shares(experts, seed + at, 1.5).into_iter().enumerate() {
                let own = share.clone().about(|subject| Subject { expert: Some(expert as u16), ..subject });
                let row = Finding { baseline: Some(1.0 / experts as f64), n, ..own };
                add(&mut tables, with_interval(row, value, 0.1 * value));
            }
            if at > 0 {
                let row = Finding { noise_floor: Some(0.01), n, ..spread };
                add(&mut tables, with_interval(row, 0.04 + 0.1 * noise(seed + at), 0.01));
            }
        }
        add_information(&mut tables, layer, view);
        add_tokens(&mut tables, context, layer, view);
        add_load(&mut tables, layer, view);
        add_coactivation(&mut tables, context, layer, view);
        add_categories(&mut tables, context, layer, view);
    }
    tables
}

/// Layers that may differ in their experts; a few categories.
pub(super) fn lean_context(layers: &[(u16, usize)]) -> ChartContext {
    let shape = |&(layer, experts): &(u16, usize)| (layer, LayerShape::of_choices(experts, 2));
    ChartContext {
        shape: RoutingShape::new(layers.iter().map(shape).collect()).unwrap(),
        categories: ["book", "code", "news", "talk", "a category with a long name"].map(String::from).to_vec(),
        ..context(8, &[])
    }
}
