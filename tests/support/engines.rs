//! Writes what a run recorded as engines and analysis scripts would have: in their files, with what these hold and no more.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::Write as _,
    path::Path,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use polars::prelude::*;
use serde_json::{Value, json};

use super::{
    carriers::{Array, Numbers, Recorded, RecordedRoutes, npy},
    torch_file::Python,
};

/// Decoder layers of the bundled checkpoint, of which some are dense.
const DECODER_LAYERS: usize = 6;

impl Recorded {
    /// The choices `[tokens, decoder layers, k]`, those of dense layers `dense`.
    fn in_all_layers(&self, of: &RecordedRoutes, dense: i32) -> Vec<i32> {
        let (k, mut all) = (self.top_k, Vec::new());
        for token in 0..of.token_ids.len() {
            for layer in 0..DECODER_LAYERS {
                match self.layers.iter().position(|routed| usize::from(*routed) == layer) {
                    Some(at) => all.extend(of.layers[at].experts[token * k..][..k].iter().map(|it| i32::from(*it))),
                    None => all.extend(std::iter::repeat_n(dense, k)),
                }
            }
        }
        all
    }

    /// Responses of vLLM: arrays of numpy in base64, a row for every token but the last, which was sampled.
    pub(crate) fn write_vllm(&self, path: &Path) {
        let line = |of: &RecordedRoutes| {
            let experts = self.in_all_layers(of, 0).into_iter().map(|expert| expert as u16).collect();
            let array = Array::new("", &[of.token_ids.len(), DECODER_LAYERS, self.top_k], Numbers::U16(experts));
            json!({
                "document": of.document, "category": of.category, "dataset": of.dataset,
                "response": { "id": "cmpl-1", "choices": [{
                    "index": 0, "prompt_token_ids": of.token_ids, "token_ids": [7],
                    "routed_experts": BASE64_STANDARD.encode(npy(&array)),
                }] },
            })
        };
        self.write_lines_of(path, line);
    }

    /// Responses of SGLang: int32 in base64, without a shape.
    pub(crate) fn write_sglang(&self, path: &Path) {
        let line = |of: &RecordedRoutes| {
            let bytes: Vec<u8> = self.in_all_layers(of, 0).iter().flat_map(|expert| expert.to_le_bytes()).collect();
            json!({
                "document": of.document, "category": of.category, "dataset": of.dataset, "input_ids": of.token_ids,
                "output_ids": [7],
                "meta_info": {
                    "prompt_tokens": of.token_ids.len(), "completion_tokens": 1,
                    "routed_experts": BASE64_STANDARD.encode(bytes),
                },
            })
        };
        self.write_lines_of(path, line);
    }

    fn write_lines_of(&self, path: &Path, line: impl Fn(&RecordedRoutes) -> Value) {
        let mut file = File::create(path).unwrap();
        self.sequences.iter().for_each(|of| writeln!(file, "{}", line(of)).unwrap());
    }

    /// The sequences of each category, in a folder of its name.
    fn by_category(&self) -> Vec<(&str, Vec<&RecordedRoutes>)> {
        let mut folders: Vec<(&str, Vec<&RecordedRoutes>)> = Vec::new();
        for of in &self.sequences {
            let category = of.category.as_deref().unwrap();
            match folders.last_mut().filter(|(last, _)| *last == category) {
                Some((_, sequences)) => sequences.push(of),
                None => folders.push((category, vec![of])),
            }
        }
        assert!(folders.is_sorted_by_key(|(category, _)| *category), "folders are read by name");
        folders
    }

    /// SGLang's recorder of tokens: a prefill for each sequence, padded to eight choices.
    pub(crate) fn write_sglang_per_token(&self, folder: &Path) {
        for (category, sequences) in self.by_category() {
            let record = |(pass, of): (usize, &&RecordedRoutes)| {
                let tokens = of.token_ids.len();
                let (all, mut ids) = (self.in_all_layers(of, -1), vec![-1; DECODER_LAYERS * tokens * 8]);
                for (at, row) in all.chunks_exact(self.top_k).enumerate() {
                    let (token, layer) = (at / DECODER_LAYERS, at % DECODER_LAYERS);
                    ids[(layer * tokens + token) * 8..][..self.top_k].copy_from_slice(row);
                }
                Python::Dict(vec![
                    ("forward_pass_id", Python::Int(pass as i32)),
                    ("rank", Python::Int(0)),
                    ("gatherer_key", Python::Text("primary".to_owned())),
                    ("input_ids", Python::ints(of.token_ids.iter().copied())),
                    ("positions", Python::ints(0..tokens as u32)),
                    ("extend_seq_lens", Python::ints([tokens as u32])),
                    ("forward_mode", Python::Int(1)),
                    ("topk_ids_of_layer", Python::Tensor(vec![DECODER_LAYERS, tokens, 8], ids)),
                ])
            };
            let map = (0..DECODER_LAYERS).flat_map(|_| 0..self.experts as i32).collect();
            let file = Python::Dict(vec![
                ("records", Python::List(sequences.iter().enumerate().map(record).collect())),
                ("last_physical_to_logical_map", Python::Tensor(vec![DECODER_LAYERS, self.experts], map)),
            ]);
            fs::create_dir_all(folder.join(category)).unwrap();
            file.save(&folder.join(category).join("expert_distribution_recorder_1_0.pt"));
        }
    }

    /// A rollout of slime.
    pub(crate) fn write_slime(&self, path: &Path) {
        let sample = |(index, of): (usize, &RecordedRoutes)| {
            let tokens = of.token_ids.len();
            let shape = vec![tokens, DECODER_LAYERS, self.top_k];
            Python::Dict(vec![
                ("index", Python::Int(index as i32)),
                ("status", Python::Text("completed".to_owned())),
                ("reward", Python::None),
                ("metadata", Python::Dict(vec![("domain", Python::Text(of.category.clone().unwrap()))])),
                ("tokens", Python::ints(of.token_ids.iter().copied().chain([7]))),
                ("rollout_routed_experts", Python::Tensor(shape, self.in_all_layers(of, 0))),
            ])
        };
        let samples = self.sequences.iter().enumerate().map(sample).collect();
        Python::Dict(vec![("rollout_id", Python::Int(3)), ("samples", Python::List(samples))]).save(path);
    }

    /// Megatron's trace of routing replay, `batch` sequences interleaved in a pass, and beside it the token ids.
    pub(crate) fn write_megatron(&self, folder: &Path, batch: usize) {
        fs::create_dir_all(folder).unwrap();
        let mut trace = File::create(folder.join("router_trace_rank0.jsonl")).unwrap();
        for (step, group) in self.sequences.chunks(batch).enumerate() {
            let length = group[0].token_ids.len();
            for (at, layer) in self.layers.iter().enumerate() {
                let row = |row: usize| {
                    &group[row % group.len()].layers[at].experts[row / group.len() * self.top_k..][..self.top_k]
                };
                let rows: Vec<&[u16]> = (0..length * group.len()).map(row).collect();
                let line = json!({
                    "step": step, "stage": "pre_dispatch", "block": "decoder", "layer": layer + 1, "rank": 0,
                    "num_tokens": rows.len(), "topk": self.top_k, "top_indices": rows,
                });
                writeln!(trace, "{line}").unwrap();
            }
        }
        let mut tokens = File::create(folder.join("tokens.txt")).unwrap();
        self.sequences.iter().flat_map(|of| &of.token_ids).for_each(|id| writeln!(tokens, "{id}").unwrap());
    }

    /// ESFT: shares with four decimals.
    pub(crate) fn write_esft(&self, folder: &Path) {
        for (category, sequences) in self.by_category() {
            fs::create_dir_all(folder.join(category)).unwrap();
            for (at, layer) in self.layers.iter().enumerate() {
                let mut text = String::new();
                for of in &sequences {
                    let ids: Vec<String> = of.layers[at].experts.iter().map(u16::to_string).collect();
                    let shares: Vec<String> = of.layers[at].shares.iter().map(|share| format!("{share:.4}")).collect();
                    writeln!(text, "{}\t\t{}", ids.join("\t"), shares.join("\t")).unwrap();
                }
                fs::write(folder.join(category).join(format!("expert_weights_{layer}.txt")), text).unwrap();
            }
        }
    }

    /// FLAME-MoE: samples in two files, and the actives of one checkpoint. Published scores are f16; what is written is as wide as
    /// the shares are.
    pub(crate) fn write_flame(&self, folder: &Path) {
        let ids: Vec<i32> =
            self.sequences.iter().flat_map(|of| &of.token_ids).map(|id| i32::try_from(*id).unwrap()).collect();
        let (first, second) = ids.split_at(ids.len() / 3);
        fs::create_dir_all(folder.join("samples")).unwrap();
        for (name, ids) in [("000", first), ("001", second)] {
            let column = Column::new("token_id".into(), ids);
            write_parquet(&folder.join("samples").join(format!("{name}.parquet")), vec![column]);
        }
        let actives = folder.join("actives/iter_5473");
        fs::create_dir_all(&actives).unwrap();
        for (at, layer) in self.layers.iter().enumerate() {
            let (mut indices, mut scores): (Vec<Series>, Vec<Series>) = (Vec::new(), Vec::new());
            for of in &self.sequences {
                for row in of.layers[at].experts.chunks_exact(self.top_k) {
                    indices.push(Series::new("".into(), row));
                }
                for row in of.layers[at].shares.chunks_exact(self.top_k) {
                    scores.push(Series::new("".into(), row));
                }
            }
            let columns = vec![Column::new("scores".into(), scores), Column::new("indices".into(), indices)];
            write_parquet(&actives.join(format!("layer_{:02}.parquet", layer + 1)), columns);
        }
    }

    /// OLMoE's lines, for a model of which every layer routes.
    pub(crate) fn write_olmoe(&self, path: &Path) {
        let line = |of: &RecordedRoutes| {
            let (k, all) = (self.top_k, self.in_all_layers(of, 0));
            let of_token = |token: &[i32]| -> Value {
                (0..k)
                    .map(|choice| (0..DECODER_LAYERS).map(|layer| token[layer * k + choice]).collect::<Value>())
                    .collect()
            };
            let experts: Value = all.chunks_exact(DECODER_LAYERS * k).map(of_token).collect();
            json!({ "input_ids": of.token_ids, "predicted_token_ids": of.token_ids, "exp_ids": experts })
        };
        self.write_lines_of(path, line);
    }
}

fn write_parquet(path: &Path, columns: Vec<Column>) {
    let mut frame = DataFrame::new(columns[0].len(), columns).unwrap();
    ParquetWriter::new(File::create(path).unwrap()).finish(&mut frame).unwrap();
}
