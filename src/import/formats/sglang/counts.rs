//! Modes `per_pass`, `stat` and `stat_approx` of the recorder: assignments by layer and expert.

use std::collections::BTreeMap;

use super::records::{NAME, physical_to_logical, records};
use crate::{
    error::{Error, Result},
    import::{
        counts::{CountBuilder, CountRow, CountTable},
        format::Opened,
        model_config::ModelConfig,
        number_array::shape_text,
        routes::{ABSENT, Header},
        torch_file::{Content, TorchFile},
    },
    routing::{ExpertId, LayerId},
};

/// Assignments by step, decoder layer and logical expert; those that are 0 are not kept.
pub(super) type Counts = BTreeMap<(u64, LayerId, ExpertId), u64>;

/// Adds up the files.
///
/// # Errors
/// [`Error::Usage`] without the configuration of the model, which alone says how many choices a token has; [`Error::Corpus`] for
/// files that are damaged, of another model, or contradict each other.
pub(super) fn open(opened: &Opened<'_>, files: &[TorchFile]) -> Result<CountTable> {
    let model = opened.model.as_ref().ok_or_else(|| {
        Error::usage(
            "the files hold counts, which do not say how many choices a token has",
            "give the configuration of the model",
        )
    })?;
    let (counts, remarks) = collect(model, files)?;
    let engine = Some("sglang".to_owned());
    let header = Header { engine, remarks, ..Header::new(NAME, model.recorded(false)) };
    let mut builder = CountBuilder::new(header);
    for ((step, layer, expert), count) in counts {
        let row = CountRow { layer, expert, count, step: Some(step), ..CountRow::default() };
        builder.add(&row).map_err(|what| files[0].refused(&what))?;
    }
    Ok(builder.finish())
}

/// The counts of all files, and what a reader should know.
///
/// # Errors
/// Those of [`open`].
pub(super) fn collect(model: &ModelConfig, files: &[TorchFile]) -> Result<(Counts, Vec<String>)> {
    let (mut counts, mut remarks) = (Counts::new(), Vec::new());
    for (at, file) in files.iter().enumerate() {
        let mut content = file.content()?;
        let found = match content.get(content.root(), "logical_count") {
            Some(_) if at > 0 => return Err(file.refused("is a second file of counts: import the two one by one")),
            Some(value) => stat(&mut content, value, model, &mut remarks)?,
            None => per_pass(&mut content, model)?,
        };
        join(&mut counts, found, file, &mut remarks)?;
    }
    Ok((counts, remarks))
}

/// One record for each pass, summed over all ranks and counted by places of experts.
fn per_pass(content: &mut Content<'_>, model: &ModelConfig) -> Result<Counts> {
    let records = records(content)?;
    if records.is_empty() {
        return Err(content.refused("has no record of a pass: nothing ran while it was recorded"));
    }
    let map = physical_to_logical(content)?;
    let mut counts = Counts::new();
    for record in records {
        let array = record.counts(content)?;
        let expected = [map.len(), map[0].len()];
        let refused = |content: &Content<'_>, what: &str| record.refused(content, "global_physical_count", what);
        if array.shape() != expected {
            let what = format!("has the shape {}; expected {}", shape_text(array.shape()), shape_text(&expected));
            return Err(refused(content, &what));
        }
        let values: Vec<u64> = array.whole().map_err(|what| refused(content, &what))?;
        for (layer, (row, map)) in values.chunks_exact(expected[1]).zip(&map).enumerate() {
            for (count, expert) in row.iter().zip(map) {
                add(&mut counts, model, (record.id, layer, *expert), *count).map_err(|what| refused(content, &what))?;
            }
        }
        check_layers(map.len(), model).map_err(|what| refused(content, &what))?;
    }
    Ok(counts)
}

/// One array `[passes, layers, experts]` of a ring: places of passes that were not run are zero.
fn stat(
    content: &mut Content<'_>,
    value: crate::pickle::Index,
    model: &ModelConfig,
    remarks: &mut Vec<String>,
) -> Result<Counts> {
    let refused = |content: &Content<'_>, what: String| content.refused(&format!("has a `logical_count` that {what}"));
    let array = content.array(value).map_err(|what| refused(content, what))?;
    let [passes, layers, experts] = *array.shape() else {
        let what = format!("has the shape {}; expected [passes, layers, experts]", shape_text(array.shape()));
        return Err(refused(content, what));
    };
    check_layers(layers, model).map_err(|what| refused(content, what))?;
    let values: Vec<u64> = array.whole().map_err(|what| refused(content, what))?;
    let (mut counts, mut used) = (Counts::new(), 0);
    for (step, pass) in values.chunks_exact(layers.saturating_mul(experts).max(1)).enumerate() {
        used += usize::from(pass.iter().any(|count| *count > 0));
        for (layer, row) in pass.chunks_exact(experts.max(1)).enumerate() {
            for (expert, count) in row.iter().enumerate() {
                let key = (step as u64, layer, expert as ExpertId);
                add(&mut counts, model, key, *count).map_err(|what| refused(content, what))?;
            }
        }
    }
    if used == 0 {
        return Err(refused(content, "is zero everywhere: nothing ran while it was recorded".to_owned()));
    }
    if used == passes {
        remarks.push(format!(
            "all {passes} places of the buffer are used: earlier passes may have been overwritten, and a step is a place in the \
             buffer, not the number of a pass"
        ));
    }
    Ok(counts)
}

fn check_layers(layers: usize, model: &ModelConfig) -> std::result::Result<(), String> {
    if layers == model.layers {
        return Ok(());
    }
    Err(format!("counts {layers} layers; the configuration of the model has {}", model.layers))
}

fn add(
    counts: &mut Counts,
    model: &ModelConfig,
    (step, layer, expert): (u64, usize, ExpertId),
    count: u64,
) -> std::result::Result<(), String> {
    if count == 0 {
        return Ok(());
    }
    if expert == ABSENT {
        return Err(format!("counts {count} choices in layer {layer} at a place that the map leads to no expert"));
    }
    let layer = layer as LayerId;
    if !model.moe_layers.contains(&layer) {
        return Err(format!("counts choices in layer {layer}, which does not route by the configuration of the model"));
    }
    if usize::from(expert) >= model.num_experts {
        return Err(format!("counts expert {expert} in layer {layer}; the model has {} experts", model.num_experts));
    }
    let sum = counts.entry((step, layer, expert)).or_default();
    *sum = sum.saturating_add(count);
    Ok(())
}

/// Joins the counts of another file. Every rank writes the sum over all ranks: what is there already is left out.
fn join(counts: &mut Counts, found: Counts, file: &TorchFile, remarks: &mut Vec<String>) -> Result<()> {
    let steps = |counts: &Counts| counts.keys().map(|key| key.0).collect::<std::collections::BTreeSet<_>>();
    let known = steps(counts);
    let again = steps(&found).into_iter().find(|step| known.contains(step));
    match again {
        None => counts.extend(found),
        Some(_) if found.iter().all(|(key, count)| counts.get(key) == Some(count)) => remarks.push(format!(
            "`{}` has the counts of another file: left out, since every rank writes the sum over all ranks",
            file.path().display()
        )),
        Some(step) => {
            let what = format!("counts pass {step} in another way than the files before it: import them one by one");
            return Err(file.refused(&what));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_at_a_place_without_an_expert_is_refused() {
        let model = ModelConfig { layers: 2, num_experts: 8, top_k: 2, moe_layers: vec![1] };
        let mut counts = Counts::new();
        let mut added = |key, count| add(&mut counts, &model, key, count);
        assert_eq!(added((0, 1, ABSENT), 0), Ok(()));
        assert_eq!(added((0, 1, 3), 5), Ok(()));
        let refused = [(0, 1, ABSENT), (0, 0, 3), (0, 1, 8)].map(|key| added(key, 5).unwrap_err());
        assert_eq!(refused[0], "counts 5 choices in layer 1 at a place that the map leads to no expert");
        assert!(refused[1].contains("layer 0, which does not route") && refused[2].contains("expert 8"), "{refused:?}");
        assert_eq!(counts.into_values().collect::<Vec<_>>(), [5]);
    }
}
