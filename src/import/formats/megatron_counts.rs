//! Megatron-LM, `save_tokens_per_expert_interval`: `tokens_per_expert/rankR.jsonl`, a line for each iteration and layer with the
//! assignments of the experts that the rank holds, micro-batch by micro-batch.

use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
};

use serde::Deserialize;

use crate::{
    error::{Error, Result},
    import::{
        counts::{CountBuilder, CountRow},
        format::{Format, Opened},
        json_lines::{lines, refused},
        model_config::ModelConfig,
        record::Routes,
        routes::{Header, RecordedLayer},
        source::Source,
    },
    routing::{ExpertId, LayerId},
};

/// The format.
pub(super) const FORMAT: Format = Format {
    name: "megatron-counts",
    title: "Megatron-LM, tokens_per_expert",
    recognises: |source| match ranks(source).next() {
        Some((_, path)) => Ok(Source::first_bytes(path)?.windows(5).any(|part| part == b"\"tpe\"")),
        None => Ok(false),
    },
    files: |source| ranks(source).map(|(_, path)| path).collect(),
    open,
};

/// An example of a line.
const EXPECTED: &str = r#"{"iter": 100, "block": "decoder", "layer": 3, "tpe": [[5, 0, 7, 2]]}"#;

/// A line.
#[derive(Deserialize)]
struct Line {
    iter: u64,
    block: Option<String>,
    layer: LayerId,
    tpe: Vec<Vec<u64>>,
}

/// By iteration and layer the counts of every rank that has any, in the order of the ranks.
type Counts = BTreeMap<(u64, LayerId), Vec<Vec<u64>>>;

fn ranks(source: &Source) -> impl Iterator<Item = (u32, &Path)> {
    let rank = |path: &Path| path.file_stem()?.to_str()?.strip_prefix("rank")?.parse().ok();
    source.with_extension("jsonl").filter_map(move |path| Some((rank(path)?, path)))
}

fn open(opened: &Opened<'_>) -> Result<Routes> {
    let model = opened.model.as_ref().ok_or_else(|| {
        Error::usage(
            "the record does not say how many experts there are, and how many a token chooses",
            "give the configuration of the model",
        )
    })?;
    let mut counts = Counts::new();
    for (_, path) in files(opened.source)? {
        let mut seen = HashSet::new();
        for line in lines::<Line>(path, EXPECTED)? {
            let (number, line) = line?;
            if line.block.as_deref().is_some_and(|block| block != "decoder") {
                continue;
            }
            if !seen.insert((line.iter, line.layer)) {
                let what = format!("counts layer {} of iteration {} a second time", line.layer, line.iter);
                let hint =
                    "a run that was taken up again appends to its file: delete the earlier lines of what it repeats";
                return Err(Error::corpus(format!("`{}`, line {number} {what}", path.display()), hint));
            }
            let sum = sum(&line.tpe).map_err(|what| refused(path, number, &what, EXPECTED))?;
            counts.entry((line.iter, line.layer)).or_default().push(sum);
        }
    }
    let mut remarks = Vec::new();
    let whole = counts.into_iter().map(|(at, ranks)| Ok((at, whole(at, &ranks, model, &mut remarks)?)));
    let whole: BTreeMap<(u64, LayerId), Vec<u64>> = whole.collect::<Result<_>>()?;
    table(&whole, model, remarks)
}

/// The files in the order of the ranks, each of which has one.
fn files(source: &Source) -> Result<Vec<(u32, &Path)>> {
    let mut files: Vec<(u32, &Path)> = ranks(source).collect();
    files.sort_unstable();
    match files.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        None => Ok(files),
        Some(pair) => Err(Error::usage(
            format!("`{}` and `{}` are both of rank {}", pair[0].1.display(), pair[1].1.display(), pair[0].0),
            "name the folder `tokens_per_expert` of one run",
        )),
    }
}

/// The assignments of all micro-batches.
fn sum(micro_batches: &[Vec<u64>]) -> std::result::Result<Vec<u64>, String> {
    let width = micro_batches.first().map_or(0, Vec::len);
    let mut sums = vec![0_u64; width];
    for counts in micro_batches {
        if counts.len() != width {
            return Err(format!("has micro-batches of {width} and of {} experts", counts.len()));
        }
        for (sum, count) in sums.iter_mut().zip(counts) {
            *sum = sum.checked_add(*count).ok_or("counts more than a number of 64 bits holds")?;
        }
    }
    if width == 0 { Err("has no counts".to_owned()) } else { Ok(sums) }
}

/// The counts of all experts from those of the ranks: each rank has a part of the experts, or all have all.
fn whole(at: (u64, LayerId), ranks: &[Vec<u64>], model: &ModelConfig, remarks: &mut Vec<String>) -> Result<Vec<u64>> {
    let experts: usize = ranks.iter().map(Vec::len).sum();
    let mut told = |remark: String| {
        if !remarks.contains(&remark) {
            remarks.push(remark);
        }
    };
    if experts == model.num_experts {
        if ranks.len() > 1 {
            told(format!("{} ranks hold a part of the experts each, in the order of their numbers", ranks.len()));
        }
        return Ok(ranks.concat());
    }
    if ranks.iter().any(|rank| rank.len() != model.num_experts) {
        return Err(Error::corpus(
            format!(
                "iteration {}, layer {}: {} ranks count {experts} experts together; the model has {}",
                at.0,
                at.1,
                ranks.len(),
                model.num_experts
            ),
            "name the files of one group of ranks that holds every expert once",
        ));
    }
    if ranks.iter().all(|rank| *rank == ranks[0]) {
        told(format!("the counts of {} ranks are copies: one is taken", ranks.len()));
        return Ok(ranks[0].clone());
    }
    told(format!("the counts of {} ranks differ: they are added up", ranks.len()));
    sum(ranks)
        .map_err(|what| Error::corpus(format!("iteration {}, layer {} {what}", at.0, at.1), "write the files again"))
}

fn table(counts: &BTreeMap<(u64, LayerId), Vec<u64>>, model: &ModelConfig, remarks: Vec<String>) -> Result<Routes> {
    let mut ids: Vec<LayerId> = counts.keys().map(|(_, layer)| *layer).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Err(Error::corpus("the files count no layer", format!("expected lines such as {EXPECTED}")));
    }
    // Megatron counts layers from 1 where it numbers them over all stages.
    let from_one = ids.iter().all(|id| *id > 0 && model.moe_layers.contains(&(id - 1)))
        && !ids.iter().all(|id| model.moe_layers.contains(id));
    let shift = LayerId::from(from_one);
    let of =
        |id: LayerId| RecordedLayer { layer: id - shift, num_experts: Some(model.num_experts), top_k: model.top_k };
    let mut header = Header::new(FORMAT.name, ids.into_iter().map(of).collect());
    (header.engine, header.remarks) = (Some("Megatron-LM".to_owned()), remarks);
    if from_one {
        header.remarks.push("layers are numbered from 1 in the record, from 0 here".to_owned());
    }
    let mut builder = CountBuilder::new(header);
    for ((iteration, layer), counts) in counts {
        for (expert, &count) in (0..).zip(counts) {
            let expert: ExpertId = expert;
            let row = CountRow { layer: layer - shift, expert, count, step: Some(*iteration), ..CountRow::default() };
            builder
                .add(&row)
                .map_err(|what| Error::corpus(what, "compare the record with the configuration of the model"))?;
        }
    }
    Ok(Routes::Counts(builder.finish()))
}
