//! Writes what a run recorded as other engines would: in each carrier of the interchange, and as the hook of OpenMoE's authors.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write as _,
    path::Path,
};

use ::zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};
use openmoe_analyze::{
    routing::{LayerId, softmax},
    run::RunDir,
    trace::RoutingTrace,
};
use polars::prelude::*;
use safetensors::{Dtype, tensor::TensorView};
use serde_json::{Value, json};

/// What is written beside the choices.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is there or not, whatever the others are")]
pub(crate) struct With {
    pub(crate) ids: bool,
    /// Whether the choices are said to stand by weight.
    pub(crate) order: bool,
    pub(crate) logits: bool,
    pub(crate) shares: bool,
    pub(crate) drops: bool,
}

impl With {
    pub(crate) const ALL: Self = Self { ids: true, order: true, logits: true, shares: true, drops: true };
}

/// Token ids, and the order of the choices.
impl Default for With {
    fn default() -> Self {
        Self { ids: true, order: true, logits: false, shares: false, drops: false }
    }
}

/// The routes of a sequence in one layer.
#[derive(Clone, Debug, Default)]
pub(crate) struct LayerRoutes {
    /// `[tokens, k]`, as the other lists.
    pub(crate) experts: Vec<u16>,
    pub(crate) shares: Vec<f32>,
    pub(crate) dropped: Vec<bool>,
    pub(crate) slots: Vec<u32>,
    /// `[tokens, experts]`.
    pub(crate) logits: Vec<f32>,
}

/// A sequence.
#[derive(Clone, Debug, Default)]
pub(crate) struct RecordedRoutes {
    pub(crate) document: String,
    pub(crate) category: Option<String>,
    pub(crate) dataset: String,
    pub(crate) token_ids: Vec<u32>,
    pub(crate) layers: Vec<LayerRoutes>,
}

/// All that a run recorded.
pub(crate) struct Recorded {
    pub(crate) layers: Vec<LayerId>,
    pub(crate) experts: usize,
    pub(crate) top_k: usize,
    pub(crate) sequences: Vec<RecordedRoutes>,
}

impl Recorded {
    /// Reads a run that kept its router logits.
    pub(crate) fn of(run: &RunDir) -> Self {
        let trace = RoutingTrace::open(run).unwrap();
        let table = trace.sequences().unwrap();
        let layers = trace.moe_layers().to_vec();
        let (experts, top_k) = (trace.shape().most_experts(), trace.shape().most_choices());
        let name = |sequence: usize| RecordedRoutes {
            document: table.document_names[table.document[sequence] as usize].clone(),
            category: table.category[sequence].map(|category| table.category_names[usize::from(category)].clone()),
            dataset: table.dataset_names[usize::from(table.dataset[sequence])].clone(),
            ..RecordedRoutes::default()
        };
        let mut sequences: Vec<RecordedRoutes> = (0..table.tokens.len()).map(name).collect();
        for (at, &layer) in layers.iter().enumerate() {
            let columns = trace.layer(layer).unwrap();
            let segments = 0..trace.segments();
            let slots: Vec<u32> =
                segments.clone().flat_map(|segment| trace.slots(layer, segment).unwrap().unwrap()).collect();
            let logits: Vec<f32> = segments.flat_map(|segment| logits_of(run, segment * layers.len() + at)).collect();
            for (row, &sequence) in columns.sequence.iter().enumerate() {
                let sequence = &mut sequences[sequence as usize];
                if at == 0 {
                    sequence.token_ids.push(columns.token_id[row]);
                }
                if sequence.layers.len() <= at {
                    sequence.layers.push(LayerRoutes::default());
                }
                let (routes, choices) = (&mut sequence.layers[at], row * top_k..(row + 1) * top_k);
                routes.experts.extend(&columns.expert[choices.clone()]);
                routes.shares.extend(&columns.probability[choices.clone()]);
                routes.dropped.extend(columns.kept[choices.clone()].iter().map(|kept| !kept));
                routes.slots.extend(&slots[choices]);
                routes.logits.extend(&logits[row * experts..(row + 1) * experts]);
            }
        }
        Self { layers, experts, top_k, sequences }
    }

    /// `routing.json` and `sequences.jsonl`.
    pub(crate) fn write_header(&self, folder: &Path, with: With) {
        fs::create_dir_all(folder).unwrap();
        let header = json!({
            "format": "moe-routing", "version": 1, "num_experts": self.experts, "top_k": self.top_k,
            "moe_layers": self.layers, "engine": "test", "choice_order": if with.order { "weight" } else { "unknown" }, "expert_ids": "logical",
            "weights": if with.shares { "softmax_all" } else { "none" },
        });
        fs::write(folder.join("routing.json"), header.to_string()).unwrap();
        let names = self.sequences.iter().enumerate().map(|(sequence, of)| {
            let dataset = Some(&of.dataset).filter(|name| !name.is_empty());
            json!({ "sequence": sequence, "document": of.document, "category": of.category, "dataset": dataset })
        });
        write_json(&folder.join("sequences.jsonl"), names);
    }

    /// Rows in Parquet, token by token, layer by layer.
    pub(crate) fn write_rows(&self, folder: &Path, with: With) {
        self.write_header(folder, with);
        let (mut sequence, mut layer, mut position, mut token) = (vec![], vec![], vec![], vec![]);
        let mut lists: BTreeMap<&str, Vec<Series>> = BTreeMap::new();
        for (index, of) in self.sequences.iter().enumerate() {
            for (at, &id) in of.token_ids.iter().enumerate() {
                for (&number, routes) in self.layers.iter().zip(&of.layers) {
                    sequence.push(index as u32);
                    layer.push(u32::from(number));
                    position.push(at as u32);
                    token.push(id);
                    let choices = at * self.top_k..(at + 1) * self.top_k;
                    let mut push = |name, series| lists.entry(name).or_default().push(series);
                    push("expert", Series::new("".into(), &routes.experts[choices.clone()]));
                    if with.shares {
                        push("weight", Series::new("".into(), &routes.shares[choices.clone()]));
                    }
                    if with.logits {
                        let scores = at * self.experts..(at + 1) * self.experts;
                        push("logits", Series::new("".into(), &routes.logits[scores]));
                    }
                    if with.drops {
                        push("dropped", Series::new("".into(), &routes.dropped[choices.clone()]));
                        push("slot", Series::new("".into(), &routes.slots[choices]));
                    }
                }
            }
        }
        let mut columns = vec![
            Column::new("sequence".into(), sequence),
            Column::new("layer".into(), layer),
            Column::new("position".into(), position),
            Column::new("token_id".into(), token),
        ];
        let height = columns[0].len();
        columns.extend(lists.into_iter().map(|(name, lists)| Column::new(name.into(), lists)));
        let mut frame = DataFrame::new(height, columns).unwrap();
        let file = File::create(folder.join("routing-00000.parquet")).unwrap();
        ParquetWriter::new(file).finish(&mut frame).unwrap();
    }

    /// A file of arrays for each sequence.
    pub(crate) fn write_arrays(&self, folder: &Path, with: With, write: fn(&Path, &[Array])) {
        self.write_header(folder, with);
        for (index, of) in self.sequences.iter().enumerate() {
            write(&folder.join(format!("sequence-{index:05}")), &self.arrays(std::slice::from_ref(of), with));
        }
    }

    /// All sequences in one file of arrays, with their lengths.
    pub(crate) fn write_one_array(&self, folder: &Path, with: With, write: fn(&Path, &[Array])) {
        self.write_header(folder, with);
        let mut arrays = self.arrays(&self.sequences, with);
        let lengths: Vec<u64> = self.sequences.iter().map(|of| of.token_ids.len() as u64).collect();
        arrays.push(Array::new("lengths", &[lengths.len()], Numbers::U64(lengths)));
        write(&folder.join("all"), &arrays);
    }

    fn arrays(&self, sequences: &[RecordedRoutes], with: With) -> Vec<Array> {
        let tokens: usize = sequences.iter().map(|of| of.token_ids.len()).sum();
        let shape = |width: usize| vec![tokens, self.layers.len(), width];
        let choices = shape(self.top_k);
        let k = self.top_k;
        let ids: Vec<u32> = sequences.iter().flat_map(|of| of.token_ids.clone()).collect();
        let layers: Vec<i32> = self.layers.iter().map(|layer| i32::from(*layer)).collect();
        let mut arrays = vec![
            Array::new("experts", &choices, Numbers::U16(by_token(sequences, k, |routes| &routes.experts))),
            Array::new("layers", &[layers.len()], Numbers::I32(layers)),
        ];
        if with.ids {
            arrays.push(Array::new("token_ids", &[tokens], Numbers::U32(ids)));
        }
        if with.shares {
            let shares = Numbers::F32(by_token(sequences, k, |routes| &routes.shares));
            arrays.push(Array::new("weights", &choices, shares));
        }
        if with.logits {
            let logits = Numbers::F32(by_token(sequences, self.experts, |routes| &routes.logits));
            arrays.push(Array::new("logits", &shape(self.experts), logits));
        }
        if with.drops {
            let dropped = Numbers::Bool(by_token(sequences, k, |routes| &routes.dropped));
            arrays.push(Array::new("dropped", &choices, dropped));
            arrays.push(Array::new("slots", &choices, Numbers::U32(by_token(sequences, k, |routes| &routes.slots))));
        }
        arrays
    }

    /// Lines of JSON, with and without `routing.json` beside them.
    pub(crate) fn write_lines(&self, folder: &Path, with: With) {
        self.write_header(folder, with);
        write_json(&folder.join("routes.jsonl"), self.sequences.iter().map(|of| self.line(of, with)));
    }

    fn line(&self, of: &RecordedRoutes, with: With) -> Value {
        let k = self.top_k;
        let mut layers = serde_json::Map::new();
        for (layer, routes) in self.layers.iter().zip(&of.layers) {
            let mut written = json!({ "experts": rows(&routes.experts, k) });
            if with.shares {
                written["weights"] = rows(&routes.shares, k);
            }
            if with.logits {
                written["logits"] = rows(&routes.logits, self.experts);
            }
            if with.drops {
                written["dropped"] = rows(&routes.dropped, k);
                written["slots"] = rows(&routes.slots, k);
            }
            layers.insert(layer.to_string(), written);
        }
        json!({
            "document": of.document, "category": of.category, "dataset": of.dataset, "token_ids": of.token_ids,
            "layers": layers,
        })
    }

    /// Router logits alone, an array for each layer that routes, numbered from 0.
    pub(crate) fn write_router_logits(&self, folder: &Path, write: fn(&Path, &[Array])) {
        fs::create_dir_all(folder).unwrap();
        for (index, of) in self.sequences.iter().enumerate() {
            let tokens = of.token_ids.len();
            let mut arrays = vec![Array::new("token_ids", &[tokens], Numbers::U32(of.token_ids.clone()))];
            for (at, routes) in of.layers.iter().enumerate() {
                let logits = Numbers::F32(routes.logits.clone());
                arrays.push(Array::new(&format!("router_logits.{at}"), &[tokens, self.experts], logits));
            }
            write(&folder.join(format!("sequence-{index:05}")), &arrays);
        }
    }

    /// A line for each call of a layer, as the hook of OpenMoE's authors writes it; `slots` each expert has.
    pub(crate) fn write_openmoe_json(&self, file: &Path, slots: impl Fn(usize) -> usize) {
        let mut out = File::create(file).unwrap();
        for of in &self.sequences {
            let tokens = of.token_ids.len();
            let capacity = slots(tokens);
            for routes in &of.layers {
                let mut mask = vec![vec![vec![false; capacity]; self.experts]; tokens];
                let mut score = vec![vec![vec![0.0_f32; capacity]; self.experts]; tokens];
                let mut used = vec![0; self.experts];
                for choice in (0..routes.experts.len()).filter(|choice| !routes.dropped[*choice]) {
                    let (token, expert) = (choice / self.top_k, usize::from(routes.experts[choice]));
                    mask[token][expert][routes.slots[choice] as usize] = true;
                    score[token][expert][routes.slots[choice] as usize] = routes.shares[choice];
                    used[expert] += 1;
                }
                let line = json!({
                    "gate_output": rows(&routes.logits, self.experts), "used_capacity": used,
                    "dispatch_mask": mask, "combine_score": score,
                });
                writeln!(out, "{line}").unwrap();
            }
        }
    }

    /// Numbers of assignments by document.
    pub(crate) fn write_counts(&self, folder: &Path, tells_documents: bool) {
        self.write_header(folder, With::default());
        let mut counts: BTreeMap<(usize, u16, u16, String), u64> = BTreeMap::new();
        let mut tokens: BTreeMap<(u16, String), u64> = BTreeMap::new();
        let mut units: Vec<String> = Vec::new();
        for of in &self.sequences {
            let document = tells_documents.then_some(&of.document);
            let unit = json!({ "document": document, "category": of.category }).to_string();
            let at = units.iter().position(|known| *known == unit).unwrap_or_else(|| {
                units.push(unit.clone());
                units.len() - 1
            });
            for (&layer, routes) in self.layers.iter().zip(&of.layers) {
                *tokens.entry((layer, unit.clone())).or_default() += of.token_ids.len() as u64;
                for &expert in &routes.experts {
                    *counts.entry((at, layer, expert, unit.clone())).or_default() += 1;
                }
            }
        }
        let rows = counts.iter().map(|((_, layer, expert, unit), count)| {
            let mut row: Value = serde_json::from_str(unit).unwrap();
            row["layer"] = json!(layer);
            row["expert"] = json!(expert);
            row["count"] = json!(count);
            row["tokens"] = json!(tokens[&(*layer, unit.clone())]);
            row
        });
        write_json(&folder.join("counts.jsonl"), rows);
    }

    /// Without categories and data sets.
    pub(crate) fn without_names(mut self) -> Self {
        for of in &mut self.sequences {
            of.category = None;
            of.dataset.clear();
        }
        self
    }

    /// With the shares as a format keeps them.
    pub(crate) fn with_shares(mut self, kept: fn(f32) -> f32) -> Self {
        let shares = self.sequences.iter_mut().flat_map(|of| &mut of.layers).flat_map(|routes| &mut routes.shares);
        shares.for_each(|share| *share = kept(*share));
        self
    }

    /// Probabilities instead of logits, as transformers 5.0 to 5.5 gave them.
    pub(crate) fn with_probabilities(mut self) -> Self {
        let experts = self.experts;
        for routes in self.sequences.iter_mut().flat_map(|of| &mut of.layers) {
            let scores = routes.logits.clone();
            let into = routes.logits.chunks_exact_mut(experts);
            scores.chunks_exact(experts).zip(into).for_each(|(scores, into)| softmax(scores, into));
        }
        self
    }
}

/// Writes objects, one a line.
fn write_json(path: &Path, values: impl Iterator<Item = Value>) {
    let mut file = File::create(path).unwrap();
    values.for_each(|value| writeln!(file, "{value}").unwrap());
}

/// The logits of a part.
fn logits_of(run: &RunDir, part: usize) -> Vec<f32> {
    let file = File::open(run.file(&format!("logits/part-{part:05}.parquet"))).unwrap();
    let frame = ParquetReader::new(file).finish().unwrap();
    let lists = frame.column("logits").unwrap().list().unwrap();
    lists.get_inner().f32().unwrap().iter().map(Option::unwrap).collect()
}

/// The values of all layers, token by token.
fn by_token<T: Copy>(sequences: &[RecordedRoutes], width: usize, values: impl Fn(&LayerRoutes) -> &Vec<T>) -> Vec<T> {
    let mut all = Vec::new();
    for of in sequences {
        for token in 0..of.token_ids.len() {
            for routes in &of.layers {
                all.extend_from_slice(&values(routes)[token * width..(token + 1) * width]);
            }
        }
    }
    all
}

fn rows<T: serde::Serialize>(values: &[T], width: usize) -> Value {
    values.chunks_exact(width).map(|row| json!(row)).collect()
}

/// A named array.
pub(crate) struct Array {
    name: String,
    shape: Vec<usize>,
    numbers: Numbers,
}

/// Its numbers.
pub(crate) enum Numbers {
    Bool(Vec<bool>),
    U16(Vec<u16>),
    I32(Vec<i32>),
    U32(Vec<u32>),
    U64(Vec<u64>),
    F32(Vec<f32>),
}

impl Array {
    pub(crate) fn new(name: &str, shape: &[usize], numbers: Numbers) -> Self {
        Self { name: name.to_owned(), shape: shape.to_vec(), numbers }
    }

    /// The name of its type in numpy and in safetensors, and its bytes.
    fn bytes(&self) -> (&'static str, Dtype, Vec<u8>) {
        match &self.numbers {
            Numbers::Bool(values) => ("|b1", Dtype::BOOL, values.iter().map(|value| u8::from(*value)).collect()),
            Numbers::U16(values) => ("<u2", Dtype::U16, values.iter().flat_map(|value| value.to_le_bytes()).collect()),
            Numbers::I32(values) => ("<i4", Dtype::I32, values.iter().flat_map(|value| value.to_le_bytes()).collect()),
            Numbers::U32(values) => ("<u4", Dtype::U32, values.iter().flat_map(|value| value.to_le_bytes()).collect()),
            Numbers::U64(values) => ("<u8", Dtype::U64, values.iter().flat_map(|value| value.to_le_bytes()).collect()),
            Numbers::F32(values) => ("<f4", Dtype::F32, values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        }
    }
}

/// Writes `path.npz` as `numpy.savez`.
pub(crate) fn write_npz(path: &Path, arrays: &[Array]) {
    let mut archive = ZipWriter::new(File::create(path.with_extension("npz")).unwrap());
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for array in arrays {
        archive.start_file(format!("{}.npy", array.name), stored).unwrap();
        archive.write_all(&npy(array)).unwrap();
    }
    archive.finish().unwrap();
}

/// An array as `numpy.save` writes it.
pub(crate) fn npy(array: &Array) -> Vec<u8> {
    let (descr, _, bytes) = array.bytes();
    let shape: Vec<String> = array.shape.iter().map(|size| format!("{size},")).collect();
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}), }}\n", shape.join(" "));
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), &bytes].concat()
}

/// Writes `path.safetensors`.
pub(crate) fn write_safetensors(path: &Path, arrays: &[Array]) {
    let bytes: Vec<(Dtype, Vec<u8>)> =
        arrays.iter().map(Array::bytes).map(|(_, dtype, bytes)| (dtype, bytes)).collect();
    let views = arrays.iter().zip(&bytes).map(|(array, (dtype, bytes))| {
        (array.name.clone(), TensorView::new(*dtype, array.shape.clone(), bytes).unwrap())
    });
    fs::write(path.with_extension("safetensors"), safetensors::serialize(views, None).unwrap()).unwrap();
}
