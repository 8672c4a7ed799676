//! TensorRT-LLM, `EXPERT_STATISTIC_ITER_RANGE`: `meta_info.json`, and for each rank `rankR.safetensors` with an array
//! `ITERATION_LAYER` of assignments for each iteration and layer.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;

use crate::{
    error::{Error, Result},
    import::{
        array_file::ArrayFile,
        counts::{CountBuilder, CountRow},
        format::{Format, Opened},
        record::Routes,
        routes::{Header, RecordedLayer},
        source::Source,
        text_file,
    },
    routing::{ExpertId, LayerId},
};

/// The format.
pub(super) const FORMAT: Format = Format {
    name: "trtllm",
    title: "TensorRT-LLM, ExpertStatistic",
    recognises: |source| Ok(source.named(META).is_some() && ranks(source).next().is_some()),
    files,
    open,
};

const META: &str = "meta_info.json";

/// What `meta_info.json` says.
#[derive(Deserialize)]
struct Meta {
    num_experts: usize,
    num_experts_per_token: usize,
}

/// Assignments by iteration and layer.
type Counts = BTreeMap<(u64, LayerId), Vec<u64>>;

fn ranks(source: &Source) -> impl Iterator<Item = &Path> {
    let is_rank = |path: &&Path| {
        let stem = path.file_stem().map(std::ffi::OsStr::to_string_lossy);
        stem.is_some_and(|stem| stem.strip_prefix("rank").is_some_and(|rank| rank.parse::<u32>().is_ok()))
    };
    source.with_extension("safetensors").filter(is_rank)
}

fn files(source: &Source) -> Vec<&Path> {
    let is_number = |path: &&Path| {
        let stem = path.file_stem().map(std::ffi::OsStr::to_string_lossy);
        stem.is_some_and(|stem| stem.starts_with("rank") && stem.ends_with("_numtokens"))
    };
    source.named(META).into_iter().chain(ranks(source)).chain(source.with_extension("json").filter(is_number)).collect()
}

fn open(opened: &Opened<'_>) -> Result<Routes> {
    let hint = "name the folder that EXPERT_STATISTIC_PATH named";
    let path =
        opened.source.named(META).ok_or_else(|| Error::usage(format!("there is no {META} among the files"), hint))?;
    let text = text_file::read(path)?;
    let refused = |what: String| Error::corpus(format!("`{}` {what}", path.display()), hint);
    let meta: Meta = serde_json::from_str(&text).map_err(|error| refused(format!("cannot be read: {error}")))?;
    if meta.num_experts == 0 || meta.num_experts_per_token == 0 || meta.num_experts_per_token > meta.num_experts {
        return Err(refused(format!(
            "has {} experts, of which a token chooses {}",
            meta.num_experts, meta.num_experts_per_token
        )));
    }
    let ranks = ranks(opened.source).map(|path| read(path, &meta)).collect::<Result<Vec<Counts>>>()?;
    let Some(first) = ranks.first() else {
        return Err(Error::usage(format!("there is no rank0.safetensors beside {META}"), hint));
    };
    // Where every rank sees all tokens, the ranks are copies; with attention by data, each has its own.
    let are_copies = ranks.len() > 1 && ranks.iter().all(|rank| rank == first);
    let taken = if are_copies { &ranks[..1] } else { &ranks[..] };
    let mut ids: Vec<LayerId> = taken.iter().flatten().map(|((_, layer), _)| *layer).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Err(Error::corpus(
            "no rank has counts",
            "the engine writes them in its last iteration, or when it ends well",
        ));
    }
    let of = |layer| RecordedLayer { layer, num_experts: Some(meta.num_experts), top_k: meta.num_experts_per_token };
    let mut header = Header::new(FORMAT.name, ids.into_iter().map(of).collect());
    header.engine = Some("TensorRT-LLM".to_owned());
    header.remarks.extend(match (are_copies, ranks.len()) {
        (true, ranks) => Some(format!("the files of {ranks} ranks are copies: one is taken")),
        (false, 1) => None,
        (false, ranks) => Some(format!("the files of {ranks} ranks differ: they are added up")),
    });
    let mut builder = CountBuilder::new(header);
    for ((iteration, layer), counts) in taken.iter().flatten() {
        for (expert, &count) in (0..).zip(counts) {
            let expert: ExpertId = expert;
            let row = CountRow { layer: *layer, expert, count, step: Some(*iteration), ..CountRow::default() };
            builder.add(&row).map_err(refused)?;
        }
    }
    Ok(Routes::Counts(builder.finish()))
}

/// The counts of a rank.
fn read(path: &Path, meta: &Meta) -> Result<Counts> {
    let file = ArrayFile::open(path)?;
    let mut counts = Counts::new();
    for name in file.names() {
        let key =
            name.split_once('_').and_then(|(iteration, layer)| Some((iteration.parse().ok()?, layer.parse().ok()?)));
        let key = key.ok_or_else(|| file.refused(name, "has another name than ITERATION_LAYER"))?;
        let array = file.read(name)?;
        if array.shape() != [meta.num_experts] {
            let what =
                format!("has the shape {:?}; expected [{}], the number of experts", array.shape(), meta.num_experts);
            return Err(file.refused(name, &what));
        }
        counts.insert(key, array.whole().map_err(|what| file.refused(name, &what))?);
    }
    Ok(counts)
}
