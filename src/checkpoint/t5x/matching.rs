//! Holds the arrays of a step against those that a configuration implies.

use std::collections::BTreeMap;

use super::{
    listing::{Listed, Listing},
    names::{array_of, layer_of},
};
use crate::checkpoint::{
    ExpectedTensor, TensorMap,
    problem_list::{Problems, quoted_name as shown, quoted_names},
};

/// An array as a tensor of the PyTorch port.
#[derive(Debug)]
pub(super) struct Matched {
    /// The tensor.
    pub(super) tensor: String,
    /// Its shape.
    pub(super) shape: Vec<usize>,
    /// The array.
    pub(super) listed: Listed,
}

/// The next step if layers are stacked.
const NOT_STACKED: &str = "OpenMoE was trained with scan_layers = False; another model of T5X is not read";

/// Every expected tensor with its array, by the names of the arrays.
///
/// # Errors
/// All that are missing, not expected, or of another shape, and the next step if there is one.
pub(super) fn matched(
    listing: Listing,
    map: &TensorMap,
    source: &str,
) -> Result<Vec<Matched>, (Problems, Option<&'static str>)> {
    let Listing { mut arrays, mentioned, mut problems, .. } = listing;
    if let Some(problem) = stacked(&arrays) {
        return Err((vec![problem].into(), Some(NOT_STACKED)));
    }
    let mut found = Vec::new();
    let mut missing: BTreeMap<(String, Vec<usize>), Vec<String>> = BTreeMap::new();
    for ExpectedTensor { name, shape, optional, .. } in map.expected() {
        let Some((array, transposed)) = array_of(&name) else { continue };
        let stored: Vec<usize> = if transposed { shape.iter().rev().copied().collect() } else { shape.clone() };
        match arrays.remove(&array) {
            Some(mut listed) if listed.array.layout.grid.shape() == stored => {
                listed.array.transposed = transposed;
                found.push(Matched { tensor: name, shape, listed });
            }
            Some(listed) => problems.push(format!(
                "array {} has shape {:?}; {source} implies {stored:?}",
                shown(&array),
                listed.array.layout.grid.shape()
            )),
            None if optional || mentioned.contains(&array) => {}
            None => {
                let part = layer_of(&array).map_or(array.as_str(), |(_, part)| part).to_owned();
                missing.entry((part, stored)).or_default().push(array);
            }
        }
    }
    for ((_, shape), names) in missing {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (arrays, are) = if names.len() == 1 { ("array", "is") } else { ("arrays", "are") };
        problems.push(format!("{arrays} {} {are} missing; {source} implies shape {shape:?}", quoted_names(&names)));
    }
    let extra: Vec<&str> = arrays.keys().map(String::as_str).collect();
    match extra[..] {
        [] => {}
        [name] => problems.push(format!("array {} is not implied by {source}", shown(name))),
        _ => problems.push(format!("{} arrays are not implied by {source}: {}", extra.len(), quoted_names(&extra))),
    }
    if !problems.is_empty() {
        return Err((problems, None));
    }
    found.sort_by(|a, b| a.listed.array.name.cmp(&b.listed.array.name));
    Ok(found)
}

/// The problem of a checkpoint whose layers are stacked along an axis of their arrays.
fn stacked(arrays: &BTreeMap<String, Listed>) -> Option<String> {
    let is_stacked =
        |name: &&String| name.starts_with("target.decoder.decoder.") || name.starts_with("target.decoder.layers.");
    let names: Vec<&str> = arrays.keys().filter(is_stacked).map(String::as_str).collect();
    let first = names.first()?;
    Some(format!(
        "{} arrays hold all layers in one (scan_layers), such as {}; expected arrays of `target.decoder.layers_0` and so on",
        names.len(),
        shown(first)
    ))
}
