//! llama.cpp, `llama-imatrix -o X.gguf`: beside what it is made for, the number of assignments of every expert. Each layer repeats
//! them for every matrix of its experts; one is read. The older `.dat` divides by them, so that they cannot be had from it.

use std::{collections::BTreeMap, path::Path};

use crate::{
    error::{Error, Result},
    import::{
        counts::{CountBuilder, CountRow, CountTable},
        format::{Format, Opened},
        gguf::{Gguf, MAGIC, refused},
        model_config::ModelConfig,
        record::Routes,
        routes::{Header, RecordedLayer},
        source::Source,
    },
    routing::{ExpertId, LayerId},
};

/// The format.
pub(super) const FORMAT: Format = Format {
    name: "imatrix",
    title: "llama.cpp, llama-imatrix (GGUF)",
    recognises: |source| match source.with_extension("gguf").next() {
        Some(path) => Ok(Source::first_bytes(path)?.starts_with(MAGIC)),
        None => Ok(false),
    },
    files: |source| source.with_extension("gguf").collect(),
    open,
};

/// Matrices of the experts of a layer, the first of which is read.
const MATRICES: [&str; 4] = ["ffn_gate_exps", "ffn_up_exps", "ffn_down_exps", "ffn_gate_up_exps"];

fn open(opened: &Opened<'_>) -> Result<Routes> {
    let files: Vec<&Path> = opened.source.with_extension("gguf").collect();
    let [path] = files[..] else {
        return Err(Error::usage(
            format!("there are {} files of GGUF; expected one", files.len()),
            "import each into a run of its own, and compare the runs",
        ));
    };
    let (counts, tokens) =
        Gguf::open(path).and_then(|mut gguf| read(&mut gguf).map_err(|what| refused(path, &what)))?;
    let top_k = choices(&counts, tokens, opened.model.as_ref()).ok_or_else(|| {
        let tokens = tokens.map_or_else(|| "an unknown number of".to_owned(), |tokens| tokens.to_string());
        Error::usage(
            format!(
                "`{}` does not say how many experts a token chooses: it has {} assignments of {tokens} tokens",
                path.display(),
                most(&counts)
            ),
            "give the configuration of the model",
        )
    })?;
    table(&counts, tokens, top_k).map(Routes::Counts).map_err(|what| refused(path, &what))
}

/// The layer that a tensor of counts is of, and the rank of its matrix.
fn layer_of(name: &str) -> Option<(LayerId, usize)> {
    let (layer, rest) = name.strip_prefix("blk.")?.split_once('.')?;
    let matrix = rest.strip_suffix(".weight.counts")?;
    Some((layer.parse().ok()?, MATRICES.iter().position(|known| *known == matrix)?))
}

/// Assignments by layer and expert, and how many tokens there were.
type Counts = (Vec<(LayerId, Vec<u64>)>, Option<u64>);

fn read(gguf: &mut Gguf) -> std::result::Result<Counts, String> {
    if gguf.text("general.type") != Some("imatrix") {
        return Err("is no imatrix: its `general.type` is another".to_owned());
    }
    let mut names: BTreeMap<LayerId, (usize, String)> = BTreeMap::new();
    for name in gguf.names() {
        let Some((layer, rank)) = layer_of(name) else { continue };
        let first = names.entry(layer).or_insert_with(|| (rank, name.to_owned()));
        if rank < first.0 {
            *first = (rank, name.to_owned());
        }
    }
    if names.is_empty() {
        return Err("counts no experts; expected tensors such as `blk.1.ffn_gate_exps.weight.counts`".to_owned());
    }
    let mut counts: Vec<(LayerId, Vec<u64>)> = Vec::new();
    for (layer, (_, name)) in names {
        let numbers = gguf.numbers(&name)?;
        let whole = |number: f32| {
            let is_count = number >= 0.0 && number.fract() == 0.0 && number < 1e18;
            is_count
                .then_some(number as u64)
                .ok_or_else(|| format!("has {number} in `{name}`; expected a number of tokens"))
        };
        counts.push((layer, numbers.into_iter().map(whole).collect::<std::result::Result<_, String>>()?));
    }
    let tokens = gguf.whole("imatrix.chunk_count").zip(gguf.whole("imatrix.chunk_size"));
    let tokens = tokens.and_then(|(chunks, size)| chunks.checked_mul(size)).filter(|tokens| *tokens > 0);
    Ok((counts, tokens))
}

/// The assignments of the layer that has most.
fn most(counts: &[(LayerId, Vec<u64>)]) -> u64 {
    counts.iter().map(|(_, counts)| counts.iter().copied().fold(0, u64::saturating_add)).max().unwrap_or(0)
}

/// Choices per token: as the model says, else as many as the counts have for each token.
fn choices(counts: &[(LayerId, Vec<u64>)], tokens: Option<u64>, model: Option<&ModelConfig>) -> Option<usize> {
    if let Some(model) = model {
        return Some(model.top_k);
    }
    let tokens = tokens.filter(|tokens| most(counts).is_multiple_of(*tokens))?;
    let found = usize::try_from(most(counts) / tokens).ok()?;
    let experts = counts.iter().map(|(_, counts)| counts.len()).min().unwrap_or(0);
    (1..=experts).contains(&found).then_some(found)
}

fn table(counts: &[(LayerId, Vec<u64>)], tokens: Option<u64>, top_k: usize) -> std::result::Result<CountTable, String> {
    let layer =
        |(layer, counts): &(LayerId, Vec<u64>)| RecordedLayer { layer: *layer, num_experts: Some(counts.len()), top_k };
    let mut header = Header::new(FORMAT.name, counts.iter().map(layer).collect());
    header.engine = Some("llama.cpp".to_owned());
    let mut builder = CountBuilder::new(header);
    for (layer, counts) in counts {
        for (at, &count) in counts.iter().enumerate() {
            let expert =
                ExpertId::try_from(at).map_err(|_| format!("has {} experts in layer {layer}", counts.len()))?;
            builder.add(&CountRow { layer: *layer, expert, count, ..CountRow::default() })?;
        }
    }
    Ok(CountTable { tokens, is_single_precision: true, ..builder.finish() })
}
