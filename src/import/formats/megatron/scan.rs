//! What all lines of a trace say together: layers, choices, which path of the program wrote them, and what is missing.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use super::passes::Pass;
use crate::{
    error::{Error, Result},
    import::{
        model_config::ModelConfig,
        routes::{ABSENT, RecordedLayer},
    },
    routing::LayerId,
};

/// Share of rows in the order of the ids above which the order is theirs.
const ASCENDING: f64 = 0.99;

/// A trace, or a file of one.
#[derive(Default)]
pub(super) struct Scan {
    /// By layer, as it is written, the passes that have it.
    pub(super) written: BTreeMap<u16, u64>,
    /// Choices of a token.
    pub(super) top_k: usize,
    /// Tokens over all passes.
    pub(super) positions: u64,
    /// Lines that are not of the decoder.
    pub(super) others: u64,
    passes: u64,
    lines: u64,
    with_logits: u64,
    experts: Option<usize>,
    rows: u64,
    ascending: u64,
    hasher: DefaultHasher,
}

/// How the lines count layers.
pub(super) struct Numbering {
    /// The number of the first decoder layer.
    base: u16,
    /// Whether the hooks wrote the lines, and not the sink.
    pub(super) is_hook: bool,
}

impl Scan {
    /// Looks at the next pass.
    ///
    /// # Errors
    /// Its lines differ in what they must have in common.
    pub(super) fn take(&mut self, pass: &Pass) -> std::result::Result<(), String> {
        self.passes += 1;
        self.positions += pass.rows as u64;
        for line in &pass.lines {
            if self.top_k == 0 {
                self.top_k = line.top_k;
            }
            if line.top_k != self.top_k {
                return Err(format!("layer {} has {} choices, others have {}", line.layer, line.top_k, self.top_k));
            }
            if let Some(logits) = line.logits {
                let experts = *self.experts.get_or_insert(logits.experts);
                if logits.experts != experts {
                    return Err(format!("layer {} has {} logits, others have {experts}", line.layer, logits.experts));
                }
                self.with_logits += 1;
            }
            self.lines += 1;
            *self.written.entry(line.layer).or_default() += 1;
            for row in line.experts.chunks_exact(line.top_k).filter(|row| !row.contains(&ABSENT)) {
                self.rows += 1;
                self.ascending += u64::from(row.is_sorted());
            }
            (line.layer, &line.experts).hash(&mut self.hasher);
        }
        Ok(())
    }

    /// What all routes are, in short.
    pub(super) fn digest(&self) -> u64 {
        self.hasher.clone().finish()
    }

    /// Joins another file.
    ///
    /// # Errors
    /// It is of other layers or of another model.
    pub(super) fn join(&mut self, other: Self) -> std::result::Result<(), String> {
        if self.positions == 0 {
            *self = other;
            return Ok(());
        }
        if self.top_k != other.top_k || self.experts != other.experts {
            return Err("has other numbers of choices or experts than the files before it".to_owned());
        }
        if !other.written.keys().any(|layer| self.written.contains_key(layer)) {
            return Err("has none of the layers of the files before it: the ranks are stages of a pipeline; import those of one stage".to_owned());
        }
        for (layer, passes) in other.written {
            *self.written.entry(layer).or_default() += passes;
        }
        self.positions += other.positions;
        self.others += other.others;
        self.passes += other.passes;
        self.lines += other.lines;
        self.with_logits += other.with_logits;
        self.rows += other.rows;
        self.ascending += other.ascending;
        Ok(())
    }

    /// Whether every line has its logits.
    pub(super) fn has_logits(&self) -> bool {
        self.lines > 0 && self.with_logits == self.lines
    }

    /// How layers are counted: as the configuration of the model allows, else as the path of the program does that wrote them.
    ///
    /// # Errors
    /// [`Error::Usage`] if the layers are none of those that route.
    pub(super) fn numbering(&self, model: Option<&ModelConfig>) -> Result<Numbering> {
        let ascends = self.top_k > 1 && self.ascending as f64 > ASCENDING * self.rows as f64;
        let is_hook = ascends || self.with_logits > 0 || self.written.contains_key(&0);
        let Some(model) = model else { return Ok(Numbering { base: u16::from(!is_hook), is_hook }) };
        if let Some(experts) = self.experts.filter(|experts| *experts != model.num_experts) {
            return Err(Error::usage(
                format!(
                    "the trace has logits of {experts} experts; the configuration of the model has {}",
                    model.num_experts
                ),
                "give the configuration of the model that was traced",
            ));
        }
        let routes = |base: u16| {
            let layer =
                |written: &u16| written.checked_sub(base).is_some_and(|layer| model.moe_layers.contains(&layer));
            self.written.keys().all(layer)
        };
        let base = match (routes(0), routes(1)) {
            (true, true) => u16::from(!is_hook),
            (true, false) => 0,
            (false, true) => 1,
            (false, false) => {
                let written: Vec<String> = self.written.keys().take(8).map(u16::to_string).collect();
                return Err(Error::usage(
                    format!(
                        "the trace has layers {}; by the configuration of the model these do not route, counted from 0 or from 1",
                        written.join(", ")
                    ),
                    "give the configuration of the model that was traced; a stage of a pipeline counts its own layers",
                ));
            }
        };
        Ok(Numbering { base, is_hook })
    }

    /// The layers that any pass has.
    pub(super) fn layers(&self, numbering: &Numbering, model: Option<&ModelConfig>) -> Vec<RecordedLayer> {
        let num_experts = model.map(|model| model.num_experts).or(self.experts);
        let layer = |written: &u16| {
            let layer: LayerId = written.saturating_sub(numbering.base);
            RecordedLayer { layer, num_experts, top_k: self.top_k }
        };
        self.written.keys().map(layer).collect()
    }

    /// What a reader should know.
    pub(super) fn remarks(&self, numbering: &Numbering, model: Option<&ModelConfig>) -> Vec<String> {
        let mut remarks = vec![match (numbering.is_hook, self.has_logits()) {
            (true, true) => "written by hooks on the routers, which keep no order of choices: choices are sorted by their logits",
            (true, false) => "written by hooks on the routers, which keep no order of choices",
            (false, _) => "written by the sink of routing replay, which keeps the order of choices",
        }
        .to_owned()];
        let guess = if self.top_k == 1 && model.is_none() {
            ", or so it seems: with one choice nothing else tells; the configuration of the model would"
        } else {
            ""
        };
        remarks.push(format!("layers are counted from {} in the files{guess}", numbering.base));
        let missing = self.passes * self.written.len() as u64 - self.lines;
        if missing > 0 {
            remarks.push(format!(
                "{missing} of {} pairs of pass and layer have no line: where a token was dropped, hooks write nothing for the layer",
                self.passes * self.written.len() as u64
            ));
        }
        let written = |layer: &LayerId| {
            layer.checked_add(numbering.base).is_some_and(|number| self.written.contains_key(&number))
        };
        let never = model.map_or(0, |model| model.moe_layers.iter().filter(|layer| !written(layer)).count());
        if never > 0 {
            remarks.push(format!("{never} layers that route by the configuration of the model have no line at all"));
        }
        if self.with_logits > 0 && !self.has_logits() {
            remarks.push(format!("{} of {} lines have logits: they are not used", self.with_logits, self.lines));
        }
        if self.others > 0 {
            remarks.push(format!("{} lines of layers that predict tokens further ahead were left out", self.others));
        }
        remarks
    }
}
