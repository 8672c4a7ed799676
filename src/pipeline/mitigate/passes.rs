//! The forward passes of a mitigate run: the unchanged model, every strategy in all layers or in one, and the calibration text.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use crate::{
    checkpoint::Checkpoint,
    corpus::ChatTemplate,
    error::{Error, OptionName, Result},
    model::read_gate,
    pipeline::{
        checkpoint_comparison::check_compatible,
        fingerprint::Fingerprint,
        intervention::{Intervention, ShapeChange, capacity},
        options::{CheckpointSpec, MitigateOptions, StrategyOption},
        pass::Pass,
        progress::Progress,
    },
    routing::{
        CapacityRule, EarlyRouter, LayerId, OnLayers, OtherGates, PriorityRule, QueueIn, QueueOrder, Reroute,
        RoutingPolicy, RoutingShape, Strategy, Substitute,
    },
    run::{CheckpointFiles, RecordedInput, RecordedIntervention},
};

/// The folder of the passes.
pub(super) const PASSES: &str = "passes";
/// The label of the pass that changes nothing.
pub(super) const UNCHANGED: &str = "unchanged";
/// The label of the pass over the calibration text.
pub(super) const CALIBRATION: &str = "calibration";
/// Longest name of a folder, in bytes; file systems take 255.
const LONGEST_NAME: usize = 200;

/// One strategy, all layers or one.
pub(super) struct Planned {
    /// Its name in tables, charts and folders.
    pub(super) label: String,
    /// What is changed.
    pub(super) option: StrategyOption,
    /// Where.
    pub(super) layers: BTreeSet<LayerId>,
}

/// The strategies that are run, random experts and the hash last: they are the scale. With `each_layer`, then each of them in one layer
/// after the other.
///
/// # Errors
/// [`Error::Usage`] if a strategy is named twice, or two have one folder.
pub(super) fn planned(options: &MitigateOptions, layers: &[LayerId]) -> Result<Vec<Planned>> {
    let mut strategies = frozen_named(&options.strategies)?;
    for scale in [Strategy::Random, Strategy::Hash] {
        if strategies.iter().all(|option| option.strategy != scale) {
            strategies.push(scale.into());
        }
    }
    let all: BTreeSet<LayerId> = layers.iter().copied().collect();
    let whole = strategies.iter().map(|option| Planned {
        label: option.strategy.to_string(),
        option: option.clone(),
        layers: all.clone(),
    });
    let in_layer = |option: &StrategyOption, layer: LayerId| Planned {
        label: format!("{} in layer {layer}", option.strategy),
        option: option.clone(),
        layers: BTreeSet::from([layer]),
    };
    let single = strategies.iter().flat_map(|option| layers.iter().map(move |layer| in_layer(option, *layer)));
    let planned: Vec<Planned> = whole.chain(single.filter(|_| options.each_layer && layers.len() > 1)).collect();
    check_names(&planned)?;
    Ok(planned)
}

/// The same strategies, with each checkpoint of frozen routers under its own name: with that of the folder around it, or its commit,
/// where two would be alike. Tables, charts and folders tell nothing about where it lies.
fn frozen_named(strategies: &[StrategyOption]) -> Result<Vec<StrategyOption>> {
    let place = |spec: &CheckpointSpec| spec.folder.canonicalize().unwrap_or_else(|_| spec.folder.clone());
    let longer = |spec: &CheckpointSpec| {
        if let Some(origin) = spec.origin() {
            return format!("{}@{}", spec.label, origin.commit.get(..7).unwrap_or(&origin.commit));
        }
        let around = place(spec).parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        format!("{}/{}", around.unwrap_or_default(), spec.label)
    };
    let all: Vec<&CheckpointSpec> = strategies.iter().filter_map(|option| option.routers.as_ref()).collect();
    let mut named = Vec::new();
    for option in strategies {
        let Some(spec) = &option.routers else {
            named.push(option.clone());
            continue;
        };
        if all.iter().filter(|other| place(other) == place(spec)).count() > 1 {
            return Err(Error::usage(
                format!("{} is given twice; expected each strategy once", OptionName::Strategy.with(&option.strategy)),
                "leave one of them out",
            ));
        }
        let is_alone = all.iter().filter(|other| other.label == spec.label).count() == 1;
        let short = if is_alone { spec.label.clone() } else { longer(spec) };
        let before =
            named.iter().filter(|known: &&StrategyOption| known.strategy == Strategy::Frozen((&short).into())).count();
        let short = if before == 0 { short } else { format!("{short}#{}", before + 1) };
        named.push(StrategyOption { strategy: Strategy::Frozen(short.into()), ..option.clone() });
    }
    Ok(named)
}

/// Refuses a strategy that is named twice, and names of which no folders can be made.
fn check_names(planned: &[Planned]) -> Result<()> {
    let mut folders: BTreeMap<String, &str> =
        BTreeMap::from([(folder_name(UNCHANGED), UNCHANGED), (folder_name(CALIBRATION), CALIBRATION)]);
    for Planned { label, .. } in planned {
        let name = folder_name(label);
        if name.len() > LONGEST_NAME {
            return Err(Error::usage(
                format!(
                    "{}: the folder of its pass would have a name of {} bytes; expected at most {LONGEST_NAME}",
                    OptionName::Strategy.with(label),
                    name.len()
                ),
                "give the checkpoint's folder a shorter name, or name a link to it",
            ));
        }
        if let Some(other) = folders.insert(name, label) {
            let typed = OptionName::Strategy.with(label);
            let (message, hint) = if other == label {
                (format!("{typed} is given twice; expected each strategy once"), "leave one of them out")
            } else {
                (
                    format!("{typed} and `{other}` would have one folder"),
                    "give the folder of one of the checkpoints another name",
                )
            };
            return Err(Error::usage(message, hint));
        }
    }
    Ok(())
}

/// The name of the folder of a pass: what shells and file systems take for something else is an underscore.
pub(super) fn folder_name(label: &str) -> String {
    label.replace(['=', '/', '\\', ':', ' ', '@'], "_")
}

/// The folder of a pass, below that of the run.
pub(super) fn folder(label: &str) -> String {
    format!("{PASSES}/{}", folder_name(label))
}

/// What the passes are made from.
pub(super) struct Ingredients<'a> {
    /// The options of the run.
    pub(super) options: &'a MitigateOptions,
    /// The checkpoint.
    pub(super) checkpoint: &'a Checkpoint,
    /// Experts, choices and capacity of the unchanged model.
    pub(super) shape: &'a RoutingShape,
    /// Chat template of the conversations.
    pub(super) template: ChatTemplate,
    /// The texts that tables are made from; empty: the text of the run itself.
    pub(super) calibration: &'a [RecordedInput],
}

impl Ingredients<'_> {
    /// The pass that changes nothing. Its router logits are kept if tables are made from them.
    pub(super) fn unchanged(&self) -> Pass {
        let own_tables = self.options.has_lookup() && self.options.calibration.is_empty();
        Pass {
            folder: folder(UNCHANGED),
            losses: true,
            template: self.template,
            ..Pass::of_run(self.options.checkpoint.clone(), self.options.log_logits || own_tables)
        }
    }

    /// The pass over the calibration text, of which only the routing is needed.
    pub(super) fn calibration(&self) -> Pass {
        Pass { folder: folder(CALIBRATION), ..Pass::of_run(self.options.checkpoint.clone(), true) }
    }

    /// The pass of a strategy. The tables of a lookup are made later.
    ///
    /// # Errors
    /// [`Error::Usage`] if the model cannot be changed so; those of reading the routers of another checkpoint.
    pub(super) fn pass(&self, planned: &Planned, gates: &mut Gates, progress: &dyn Progress) -> Result<Pass> {
        let StrategyOption { strategy, .. } = &planned.option;
        self.check(strategy)?;
        let seed = self.options.run.statistics.seed;
        let mut recorded = RecordedIntervention {
            strategy: strategy.to_string(),
            layers: planned.layers.iter().copied().collect(),
            seed: None,
            routers: None,
            calibration: Vec::new(),
        };
        let mut shape = ShapeChange { layers: planned.layers.clone(), ..ShapeChange::default() };
        let own = self.shape.layers().find_map(|(_, layer)| layer.capacity);
        let capacity = |rule, factor| own.map(|own| capacity(own, rule, factor));
        let policy: Option<Box<dyn RoutingPolicy>> = match strategy {
            Strategy::Lookup(_) => {
                recorded.calibration = self.calibration.to_vec();
                None
            }
            Strategy::Frozen(_) => {
                let (files, routers) = gates.of(&planned.option, self, progress)?;
                recorded.routers = Some(files);
                Some(Box::new(routers.of(&planned.layers)))
            }
            Strategy::Early => Some(Box::new(EarlyRouter)),
            Strategy::Capacity(factor) => {
                shape.capacity = capacity(None, Some(*factor));
                None
            }
            Strategy::Unlimited => {
                shape.capacity = capacity(Some(CapacityRule::Unlimited), None);
                None
            }
            Strategy::RuleT5x => {
                shape.capacity = capacity(Some(CapacityRule::T5x), None);
                None
            }
            Strategy::Priority(rule) => Some(Box::new(QueueIn(match rule {
                PriorityRule::Probability => QueueOrder::Probability,
                PriorityRule::Last => QueueOrder::Last,
                PriorityRule::Random => QueueOrder::Random { seed },
            }))),
            Strategy::Reroute => Some(Box::new(Reroute)),
            Strategy::TopK(choices) => {
                shape.top_k = Some(*choices);
                None
            }
            Strategy::Random => Some(Box::new(Substitute::Random { seed })),
            Strategy::Hash => Some(Box::new(Substitute::Hash { seed })),
        };
        let has_folds = strategy.is_lookup() && self.calibration.is_empty();
        recorded.seed = (strategy.is_random() || has_folds).then_some(seed);
        let layers = planned.layers.clone();
        let policy = policy.map(|policy| Arc::new(OnLayers { layers, policy }) as Arc<dyn RoutingPolicy>);
        shape.of(self.shape)?;
        Ok(Pass {
            folder: folder(&planned.label),
            losses: true,
            intervention: Some(Intervention { recorded, shape, policy }),
            template: self.template,
            ..Pass::of_run(self.options.checkpoint.clone(), self.options.log_logits)
        })
    }

    /// Refuses strategies that this model has no room for.
    fn check(&self, strategy: &Strategy) -> Result<()> {
        let architecture = self.checkpoint.architecture();
        let is_limited = |rule: CapacityRule| rule != CapacityRule::Unlimited;
        let limits = self.shape.layers().any(|(_, layer)| layer.capacity.is_some_and(|own| is_limited(own.rule)));
        if strategy.needs_capacity() && !limits {
            let family = &architecture.family;
            let who = if architecture.capacity.is_some() { "this run" } else { family.as_str() };
            return Err(Error::usage(
                format!(
                    "{} needs a capacity; {who} does not limit the slots of an expert, so nothing is dropped",
                    OptionName::Strategy.with(strategy)
                ),
                format!("for what a limit would do, give {} too", OptionName::CapacityRule.with(CapacityRule::Port)),
            ));
        }
        if let (Strategy::TopK(choices), Some(groups)) = (strategy, architecture.experts.router.groups) {
            let open = architecture.experts.number / groups.number * groups.kept;
            if *choices > open {
                return Err(Error::usage(
                    format!(
                        "{}; the router chooses among {open} experts, those of {} of {} groups",
                        OptionName::Strategy.with(strategy),
                        groups.kept,
                        groups.number
                    ),
                    "ask for at most as many choices",
                ));
            }
        }
        Ok(())
    }
}

/// The routers of other checkpoints, each read once.
#[derive(Default)]
pub(super) struct Gates {
    known: BTreeMap<String, (CheckpointFiles, OtherGates)>,
}

impl Gates {
    /// The routers of the checkpoint of a strategy, in all layers, and its files.
    fn of(
        &mut self,
        option: &StrategyOption,
        ingredients: &Ingredients<'_>,
        progress: &dyn Progress,
    ) -> Result<(CheckpointFiles, OtherGates)> {
        let Some(spec) = &option.routers else {
            return Err(Error::internal(format!("{} names no checkpoint", option.strategy)));
        };
        let name = option.strategy.to_string();
        if let Some(known) = self.known.get(&name) {
            return Ok(known.clone());
        }
        let options = ingredients.options;
        let mut opened = check_compatible(&[options.checkpoint.clone(), spec.clone()])?;
        let other = opened.pop().ok_or_else(|| Error::internal("no checkpoint was opened"))?;
        let mut fingerprint = Fingerprint::new(&other, options.run.execution.no_hash, progress)?;
        fingerprint.files.hub = spec.origin().cloned();
        let layers: Vec<LayerId> = ingredients.shape.moe_layers().to_vec();
        let gates =
            layers.into_iter().map(|layer| Ok((layer, Arc::new(read_gate(&other, layer)?)))).collect::<Result<_>>()?;
        other.check_unchanged(&fingerprint.state)?;
        let found = (fingerprint.files, OtherGates(gates));
        self.known.insert(name, found.clone());
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_of_one_name_are_told_apart_and_one_is_not_taken_twice() {
        let root = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let folder = root.path().join(name);
            std::fs::create_dir_all(&folder).unwrap();
            StrategyOption::from(Strategy::Frozen(folder))
        };
        let names = |options: &[StrategyOption]| -> Vec<String> {
            frozen_named(options).unwrap().iter().map(|option| option.strategy.to_string()).collect()
        };
        assert_eq!(names(&[folder("one/200B"), Strategy::Early.into()]), ["frozen=200B", "early"]);
        assert_eq!(names(&[folder("one/200B"), folder("two/200B")]), ["frozen=one/200B", "frozen=two/200B"]);
        let alike = [folder("x/one/200B"), folder("y/one/200B")];
        assert_eq!(names(&alike), ["frozen=one/200B", "frozen=one/200B#2"]);
        let twice = frozen_named(&[folder("one/200B"), folder("one/../one/200B")]).unwrap_err();
        assert!(twice.to_string().contains("given twice"), "{twice}");
    }
}
