//! Verdicts of models whose routing is known beforehand: the bundled checkpoint with some of its weights replaced.

use std::path::Path;

use expect_test::{Expect, expect};
use openmoe_analyze::{
    checkpoint::Checkpoint,
    error::Result,
    model::{Arithmetic, ForwardOptions, Model, Outputs, Wave},
    report,
    routing::{CapacityRule, GroupRule, LayerRouting, RoutingObserver, View},
    stats::{
        Finding, Settings, Statistic, Tables, headline, merge, route_statistics,
        verdict::{Independence, RouteVerdict, RunVerdict},
    },
    trace::{LayerTrace, SequenceTable},
};

use crate::{
    statistics::support::{Router, synthetic},
    support::{
        planted_checkpoint::{planted, zeros},
        random::Random,
    },
};

/// Documents of one sequence each.
const DOCUMENTS: u32 = 24;
/// Tokens of each: three buckets of positions.
const LENGTH: usize = 192;
/// Different token ids, each some hundred times.
const IDS: u32 = 40;

/// Puts the routing of one sequence after another into a trace for each layer.
struct Tracer<'a> {
    layers: Vec<LayerTrace>,
    sequence: u32,
    ids: &'a [u32],
}

impl RoutingObserver for Tracer<'_> {
    fn observe_routing(&mut self, routing: &LayerRouting) -> Result<()> {
        if self.layers.iter().all(|layer| layer.layer != routing.layer) {
            let (num_experts, top_k) = (routing.num_experts, routing.top_k);
            self.layers.push(LayerTrace { layer: routing.layer, num_experts, top_k, ..LayerTrace::default() });
        }
        let layer = self.layers.iter_mut().find(|layer| layer.layer == routing.layer).unwrap();
        layer.sequence.extend(self.ids.iter().map(|_| self.sequence));
        layer.position.extend(0..self.ids.len() as u32);
        layer.token_id.extend(self.ids);
        layer.expert.extend(&routing.expert);
        layer.probability.extend(&routing.probability);
        layer.kept.extend(routing.dropped.iter().map(|dropped| !dropped));
        layer.entropy.extend(&routing.entropy);
        layer.margin_first.extend(&routing.margin_first);
        layer.margin_k.extend(&routing.margin_k);
        Ok(())
    }
}

/// The headline findings about a checkpoint that reads documents of random token ids.
fn findings(folder: &Path, rule: CapacityRule) -> Vec<Finding> {
    let checkpoint = Checkpoint::open(folder).unwrap();
    let shape = checkpoint.architecture().routing_shape(Some(rule), None);
    let outputs = Outputs { nll: false, final_logits: 0, hidden: 0 };
    let mut model = Model::new(&checkpoint, ForwardOptions { shape, arithmetic: Arithmetic::F32, outputs });
    let mut random = Random(1);
    let mut sequences = SequenceTable::default();
    let mut layers = Vec::new();
    for document in 0..DOCUMENTS {
        let ids: Vec<u32> = (0..LENGTH).map(|_| 300 + random.below(IDS)).collect();
        sequences.document_names.push(format!("document {document}"));
        sequences.tokens.push(LENGTH as u32);
        sequences.document.push(document);
        sequences.category.push(None);
        let wave = Wave { sequences: vec![&ids], groups: GroupRule::Sequence.partition(&[LENGTH]), ..Wave::default() };
        let mut tracer = Tracer { layers, sequence: document, ids: &ids };
        model.forward(&wave, &mut tracer).unwrap();
        layers = tracer.layers;
    }
    let settings = Settings { resamples: 40, permutations: 20, ..Settings::default() };
    let mut tables = Tables::new();
    for layer in &layers {
        merge(&mut tables, route_statistics(&sequences, layer, &settings, &|_| ()).unwrap());
    }
    headline(&tables)
}

/// What is said first, then one line for each layer.
fn assert_said(findings: &[Finding], verdict: &Expect) {
    let told = RunVerdict::route(findings);
    let lines = [report::headline_lines(&told), report::verdict_lines(&told)].concat();
    verdict.assert_eq(&(lines.join("\n") + "\n"));
}

#[test]
fn a_model_without_attention_is_fully_context_independent() {
    let folder = tempfile::tempdir().unwrap();
    planted(folder.path(), 6, &mut zeros(|name| name.ends_with("o_proj.weight")));
    assert_said(
        &findings(folder.path(), CapacityRule::Unlimited),
        &expect![[r#"
            Overall: fully context-independent. Where the token id explains least (layer 3), it explains 100 % [99, 100] of the routing.
            Expert 9 of layer 5 is the busiest: it takes 24 % [24, 25] of all assignments of tokens to experts, 3.8 times an even load.
            layer 1: fully context-independent: the token id explains 100 % [99, 100] of the routing; nothing is left for the context (0.00 bits)
            layer 3: fully context-independent: the token id explains 100 % [99, 100] of the routing; nothing is left for the context (0.00 bits)
            layer 5: fully context-independent: the token id explains 100 % [99, 100] of the routing; nothing is left for the context (0.00 bits)
            "fully context-independent" means: nothing is left for the context to explain
            expert 9 of layer 5: the clearest of 48 experts; 18 intervals lie above an even load and 28 below, where about 2 would miss it by chance
        "#]],
    );
}

#[test]
fn a_router_that_never_varies_is_constant_in_its_layer_and_in_all() {
    let folder = tempfile::tempdir().unwrap();
    planted(folder.path(), 6, &mut zeros(|name| name == "model.layers.3.mlp.gate_weight"));
    assert_said(
        &findings(folder.path(), CapacityRule::Port),
        &expect![[r#"
            Overall: mostly context-independent, because of layer 5. Where the token id explains least (layer 5), it explains 55 % [54, 56] of the routing; layer 3 is left out, because its router is constant.
            What surrounds a token may still matter: once the token id is known, the previous token explains at most 26 % [22, 29] of what is left (layer 5).
            Expert 0 of layer 3 is the busiest: it takes 50 % [50, 50] of all assignments of tokens to experts, 8.0 times an even load.
            layer 1: at least mostly context-independent: the token id explains 85 % [85, 86] of the routing; of what is left, the document explains 9 % [5, 12], the previous token at most 11 % [5, 18], the position 3 % [2, 5]; the category: not enough data (0 categories: at least 2 needed)
            layer 3: the router is constant: every token gets the experts 0, 1; there is nothing to explain
            layer 5: mostly context-independent: the token id explains 55 % [54, 56] of the routing; of what is left, the document explains 4 % [2, 5], the previous token at most 26 % [22, 29], the position 1 % [0, 1]; the category: not enough data (0 categories: at least 2 needed)
            "mostly context-independent" means: at least half is explained by the token id, but more than a tenth of the rest by a context
            expert 0 of layer 3: the clearest of 48 experts; 13 intervals lie above an even load and 32 below, where about 2 would miss it by chance
        "#]],
    );

    let folder = tempfile::tempdir().unwrap();
    planted(folder.path(), 6, &mut zeros(|name| name.ends_with("gate_weight")));
    assert_said(
        &findings(folder.path(), CapacityRule::Port),
        &expect![[r#"
            Overall: the router is constant in every layer, so there is nothing to explain (every token gets the experts 0, 1).
            layer 1: the router is constant: every token gets the experts 0, 1; there is nothing to explain
            layer 3: the router is constant: every token gets the experts 0, 1; there is nothing to explain
            layer 5: the router is constant: every token gets the experts 0, 1; there is nothing to explain
        "#]],
    );
}

/// Bits of a bf16 number from a sum of twelve uniform numbers, near enough to a normal one.
fn noise(random: &mut Random, scale: f64) -> u16 {
    let sum: f64 = (0..12).map(|_| random.unit()).sum::<f64>() - 6.0;
    (((sum * scale) as f32).to_bits() >> 16) as u16
}

#[test]
fn random_routers_on_noise_follow_no_context_that_their_intervals_do_not_show() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random(7);
    let mut replace = |name: &str, elements: usize| -> Option<Vec<u16>> {
        let scale = match name {
            "model.embed_tokens.weight" => 1.0,
            name if name.ends_with("gate_weight") => 0.5,
            _ => return None,
        };
        Some((0..elements).map(|_| noise(&mut random, scale)).collect())
    };
    planted(folder.path(), 6, &mut replace);
    let found = findings(folder.path(), CapacityRule::Port);
    let lines = report::verdict_lines(&RunVerdict::route(&found));
    let decided = RouteVerdict::of(&found).layers;
    assert_eq!(decided.iter().map(|layer| layer.layer).collect::<Vec<_>>(), [1, 3, 5]);
    for (line, layer) in lines.iter().zip(decided) {
        let shown = found.iter().any(|row| {
            row.statistic == Statistic::ConditionalMutualInformation
                && (row.layer, row.view) == (layer.layer, View::Chosen)
                && row.decides()
                && row.explained_low.is_some_and(|low| low > 0.1)
        });
        let expected = if shown { [Independence::Mostly; 2] } else { [Independence::Yes, Independence::AtLeastMostly] };
        assert!(expected.contains(&layer.answer), "{line}");
    }
}

#[test]
fn a_router_that_looks_at_nothing_is_undecided_and_one_that_looks_at_the_token_fully_independent() {
    let of = |router| {
        let run = synthetic(router, 16, 2, 20, 96);
        let tables = run.statistics(&Settings { resamples: 40, permutations: 20, ..Settings::default() });
        headline(&tables)
    };
    assert_said(
        &of(Router::Nothing),
        &expect![[r#"
            Overall: undecided whether context-independent. The token id explains 0 % [0, 1] of the routing in layer 3.
            What surrounds a token adds little: once the token id is known, no context explains more than a tenth of what is left; the surest, the document, explains 1 % [0, 2] (layer 3).
            Expert 0 of layer 3 is the busiest: it takes 7 % [6, 8] of all assignments of tokens to experts, 1.1 times an even load.
            layer 3: undecided whether context-independent: the token id explains 0 % [0, 1] of the routing; of what is left, the document explains 1 % [0, 2], the previous token at most 1 % [0, 3], the category 0 % [0, 1], the position 0 % [0, 0]
            "undecided whether context-independent" means: less than half is explained by the token id, but no context is shown to explain more than a tenth of the rest
            expert 0 of layer 3: the clearest of 16 experts; 1 interval lies above an even load and 0 below, where about 1 would miss it by chance
        "#]],
    );
    assert_said(
        &of(Router::Token),
        &expect![[r#"
            Overall: fully context-independent. The token id explains 100 % [99, 100] of the routing in layer 3.
            Expert 6 of layer 3 is the busiest: it takes 12 % [11, 13] of all assignments of tokens to experts, 1.9 times an even load.
            layer 3: fully context-independent: the token id explains 100 % [99, 100] of the routing; nothing is left for the context (0.00 bits)
            "fully context-independent" means: nothing is left for the context to explain
            expert 6 of layer 3: the clearest of 16 experts; 7 intervals lie above an even load and 9 below, where about 1 would miss it by chance
        "#]],
    );
}

#[test]
fn a_router_that_chooses_every_expert_is_constant() {
    let run = synthetic(Router::Nothing, 2, 2, 20, 96);
    let tables = run.statistics(&Settings { resamples: 40, permutations: 20, ..Settings::default() });
    assert_said(
        &headline(&tables),
        &expect![[r#"
            Overall: the router is constant in every layer, so there is nothing to explain (every token gets the experts 0, 1).
            layer 3: the router is constant: every token gets the experts 0, 1; there is nothing to explain
        "#]],
    );
}

#[test]
fn a_text_of_one_token_id_and_a_run_without_permutations_say_what_is_missing() {
    let mut run = synthetic(Router::Nothing, 16, 2, 20, 96);
    let settings = Settings { resamples: 40, permutations: 0, ..Settings::default() };
    assert_said(
        &headline(&run.statistics(&settings)),
        &expect![[r#"
            Overall: there is not enough data to say whether the token id decides the experts (without permutations chance is not known).
            Expert 0 of layer 3 is the busiest: it takes 7 % [6, 8] of all assignments of tokens to experts, 1.1 times an even load.
            layer 3: not enough data (without permutations chance is not known)
            expert 0 of layer 3: the clearest of 16 experts; 1 interval lies above an even load and 0 below, where about 1 would miss it by chance
        "#]],
    );
    run.layer.token_id.fill(5);
    assert_said(
        &headline(&run.statistics(&Settings { permutations: 20, ..settings })),
        &expect![[r#"
            Overall: there is not enough data to say whether the token id decides the experts (every token has the same id).
            Expert 0 of layer 3 is the busiest: it takes 7 % [6, 8] of all assignments of tokens to experts, 1.1 times an even load.
            layer 3: not enough data (every token has the same id)
            expert 0 of layer 3: the clearest of 16 experts; 1 interval lies above an even load and 0 below, where about 1 would miss it by chance
        "#]],
    );
}
