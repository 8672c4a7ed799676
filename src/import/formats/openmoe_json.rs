//! The hook of the authors of OpenMoE (`analysis/colossalai_replace/layer.py`), `output.json`: a line for each call of a layer that
//! routes, in the order of the calls. The only record that says which choices found a slot; it has no token ids.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};

use crate::{
    error::{Error, Result},
    import::{
        category::FileCategories,
        file_names::FileNames,
        format::{Format, Opened},
        json_lines::{lines, refused},
        record::Routes,
        routes::{ChoiceOrder, Header, RecordedLayer, RouteReader, RouteSequence},
        source::Source,
    },
    routing::{ExpertId, RoutingShape, route},
};

/// The format.
pub(super) const FORMAT: Format = Format {
    name: "openmoe-json",
    title: "XueFuzhao/OpenMoE, the hook of analysis/",
    recognises: |source| match files(source).next() {
        Some(path) => is_of_the_hook(path),
        None => Ok(false),
    },
    files: |source| files(source).filter(|path| is_of_the_hook(path).unwrap_or(true)).collect(),
    open,
};

/// An example of a line.
const EXPECTED: &str = r#"{"gate_output": [[0.1, 2.3]], "used_capacity": [0, 1], "dispatch_mask": [[[false], [true]]], "combine_score": ...}"#;

/// A call of a layer; other keys are passed over.
#[derive(Deserialize)]
struct Call {
    /// Scores, `[tokens, experts]`.
    gate_output: Vec<Vec<f32>>,
    /// Which slot a token has, `[tokens, experts, slots]`.
    dispatch_mask: Vec<Vec<Vec<Flag>>>,
}

/// True and false, also as 1 and 0.
#[derive(Clone, Copy)]
struct Flag(bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Bool(bool),
            Number(f64),
        }
        Ok(Self(match Written::deserialize(deserializer)? {
            Written::Bool(value) => value,
            Written::Number(number) => number != 0.0,
        }))
    }
}

fn is_of_the_hook(path: &Path) -> Result<bool> {
    Ok(Source::first_bytes(path)?.windows(13).any(|part| part == b"\"gate_output\""))
}

fn files(source: &Source) -> impl Iterator<Item = &Path> {
    source.with_extension("json").chain(source.with_extension("jsonl"))
}

/// The files of a record.
struct OpenMoeJson {
    header: Header,
    files: Vec<PathBuf>,
    names: FileNames,
    categories: FileCategories,
    /// Tokens of a sequence, where a call holds several.
    length: Option<usize>,
}

fn open(opened: &Opened<'_>) -> Result<Routes> {
    let model = opened.model.as_ref().ok_or_else(|| {
        Error::usage(
            "the record does not say which layers route, and how many experts a token chooses",
            "give the configuration of the model",
        )
    })?;
    let mut header = Header::new(FORMAT.name, model.recorded(false));
    (header.order, header.has_logits) = (ChoiceOrder::Weight, true);
    let length = opened.options.sequence_length;
    if length.is_none() {
        let remark = "each forward pass is taken for one sequence: where it held several, say how many tokens each has";
        header.remarks.push(remark.to_owned());
    }
    let mut files: Vec<PathBuf> = Vec::new();
    for path in files_of(opened) {
        if is_of_the_hook(path)? {
            files.push(path.to_path_buf());
        }
    }
    let names = FileNames::new(files.iter().map(PathBuf::as_path));
    let categories = FileCategories::new(&opened.options.category_from, files.iter().map(PathBuf::as_path));
    Ok(Routes::Tokens(Box::new(OpenMoeJson { header, files, names, categories, length })))
}

fn files_of<'a>(opened: &Opened<'a>) -> impl Iterator<Item = &'a Path> {
    files(opened.source)
}

impl RouteReader for OpenMoeJson {
    fn header(&self) -> &Header {
        &self.header
    }

    fn sequences(&self) -> Result<Box<dyn Iterator<Item = Result<RouteSequence>> + '_>> {
        let of_file = |path: &'_ PathBuf| -> Box<dyn Iterator<Item = Result<Vec<RouteSequence>>> + '_> {
            match Passes::open(self, path) {
                Ok(passes) => Box::new(passes),
                Err(error) => Box::new(std::iter::once(Err(error))),
            }
        };
        Ok(Box::new(self.files.iter().flat_map(of_file).flat_map(|pass| match pass {
            Ok(sequences) => sequences.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        })))
    }
}

/// The forward passes of a file: as many lines each as layers route.
struct Passes<'a> {
    of: &'a OpenMoeJson,
    path: PathBuf,
    lines: Box<dyn Iterator<Item = Result<(usize, Call)>>>,
    pass: usize,
}

impl<'a> Passes<'a> {
    fn open(of: &'a OpenMoeJson, path: &Path) -> Result<Self> {
        Ok(Self { of, path: path.to_path_buf(), lines: Box::new(lines(path, EXPECTED)?), pass: 0 })
    }

    /// The sequences of the next pass; `None` behind the last.
    fn read(&mut self) -> Result<Option<Vec<RouteSequence>>> {
        let mut layers: Vec<Layer> = Vec::new();
        let mut last = 0;
        for recorded in &self.of.header.layers {
            let Some(line) = self.lines.next() else { break };
            let (number, call) = line?;
            last = number;
            let layer = Layer::of(&call, *recorded).and_then(|layer| match layers.first() {
                Some(first) if first.tokens != layer.tokens => Err(format!(
                    "has {} tokens; the layer before it in the same pass has {}",
                    layer.tokens, first.tokens
                )),
                _ => Ok(layer),
            });
            layers.push(layer.map_err(|what| refused(&self.path, number, &what, EXPECTED))?);
        }
        let needed = self.of.header.layers.len();
        match layers.len() {
            0 => Ok(None),
            found if found < needed => {
                let what = format!(
                    "is the last, and its forward pass has {found} lines; expected {needed}, one for each layer"
                );
                Err(refused(&self.path, last, &what, EXPECTED))
            }
            _ => self.split(&layers, last).map(Some),
        }
    }

    fn split(&mut self, layers: &[Layer], line: usize) -> Result<Vec<RouteSequence>> {
        let tokens = layers[0].tokens;
        let length = self.of.length.unwrap_or(tokens).max(1);
        if !tokens.is_multiple_of(length) {
            let what =
                format!("ends a forward pass of {tokens} tokens, which are no whole number of sequences of {length}");
            return Err(refused(&self.path, line, &what, EXPECTED));
        }
        self.pass += 1;
        let (name, category) = (self.of.names.of(&self.path), self.of.categories.of(&self.path, None));
        let (pass, several) = (self.pass, tokens > length);
        let sequence = |first: usize| {
            let place = format!("{name}, pass {pass}");
            let place = if several { format!("{place}, sequence {}", first / length) } else { place };
            let category = category.clone();
            let mut sequence =
                RouteSequence { document: Some(place.clone()), category, place, ..RouteSequence::default() };
            let (mut logits, mut dropped, mut slots) = (Vec::new(), Vec::new(), Vec::new());
            for token in first..first + length {
                for layer in layers {
                    let choices = token * layer.top_k..(token + 1) * layer.top_k;
                    sequence.experts.extend(&layer.experts[choices.clone()]);
                    dropped.extend(&layer.dropped[choices.clone()]);
                    slots.extend(&layer.slots[choices]);
                    logits.extend(&layer.logits[token * layer.num_experts..(token + 1) * layer.num_experts]);
                }
            }
            RouteSequence { logits: Some(logits), dropped: Some(dropped), slots: Some(slots), ..sequence }
        };
        Ok((0..tokens).step_by(length).map(sequence).collect())
    }
}

impl Iterator for Passes<'_> {
    type Item = Result<Vec<RouteSequence>>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.read().transpose();
        if !matches!(next, Some(Ok(_))) {
            self.lines = Box::new(std::iter::empty());
        }
        next
    }
}

/// One layer of a forward pass.
struct Layer {
    tokens: usize,
    num_experts: usize,
    top_k: usize,
    experts: Vec<ExpertId>,
    logits: Vec<f32>,
    dropped: Vec<bool>,
    slots: Vec<u32>,
}

impl Layer {
    /// Choices by the scores, drops by the mask, places in the queues by the order of the choices: where a choice found a slot, both
    /// must agree.
    fn of(call: &Call, recorded: RecordedLayer) -> std::result::Result<Self, String> {
        let (experts, top_k) = (recorded.num_experts.unwrap_or(0), recorded.top_k);
        let tokens = call.gate_output.len();
        if call.dispatch_mask.len() != tokens {
            return Err(format!(
                "has {tokens} tokens in gate_output and {} in dispatch_mask",
                call.dispatch_mask.len()
            ));
        }
        let most = RoutingShape::MOST_CHOICES;
        if top_k > most {
            return Err(format!("is of a model with {top_k} choices; expected at most {most}"));
        }
        let mut logits = Vec::with_capacity(tokens * experts);
        for (token, (scores, mask)) in call.gate_output.iter().zip(&call.dispatch_mask).enumerate() {
            if scores.len() != experts || mask.len() != experts {
                return Err(format!(
                    "has {} scores and {} experts of the mask for token {token}; expected {experts}",
                    scores.len(),
                    mask.len()
                ));
            }
            if scores.iter().any(|score| !score.is_finite()) {
                return Err(format!("has a score of token {token} that is no number"));
            }
            logits.extend(scores);
        }
        let routed = route(logits, experts, top_k, u32::MAX);
        let mut layer = Self {
            tokens,
            num_experts: experts,
            top_k,
            experts: routed.expert,
            logits: routed.router_logits,
            dropped: Vec::new(),
            slots: routed.slot,
        };
        layer.compare(&call.dispatch_mask)?;
        Ok(layer)
    }

    fn compare(&mut self, mask: &[Vec<Vec<Flag>>]) -> std::result::Result<(), String> {
        for (token, mask) in mask.iter().enumerate() {
            let choices = &self.experts[token * self.top_k..(token + 1) * self.top_k];
            let slot = |expert: usize| mask[expert].iter().position(|flag| flag.0);
            if let Some(other) =
                (0..self.num_experts).find(|e| slot(*e).is_some() && !choices.contains(&(*e as ExpertId)))
            {
                return Err(format!(
                    "sends token {token} to expert {other}, which is not among its largest scores {choices:?}"
                ));
            }
            for (expert, queued) in choices.iter().zip(&self.slots[token * self.top_k..]) {
                let found = slot(usize::from(*expert));
                if let Some(found) = found.filter(|found| *found != *queued as usize) {
                    return Err(format!(
                        "gives token {token} slot {found} of expert {expert}; in the order of the choices it is in place {queued}"
                    ));
                }
                self.dropped.push(found.is_none());
            }
        }
        Ok(())
    }
}
