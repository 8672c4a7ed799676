//! Finds the tensors in a pickle of `torch.save`: a state dict, or a state dict inside the dict of a training program.

use std::collections::{HashSet, VecDeque};

use super::{header::ListedTensor, problem_list::quoted_name};
use crate::pickle::{Index, Pickle, StorageView, Value};

/// Keys under which programs save a model's state dict, the likeliest first.
const KNOWN: [&str; 5] = ["module", "model", "state_dict", "model_state_dict", "net"];
/// The end of the tensor name by which a model is recognized.
const EMBEDDING: &str = "embed_tokens.weight";
/// How deep a state dict may be nested.
const DEPTH: usize = 4;

/// Names and values of a dict, in their order.
pub(super) type Entries<'a> = Vec<(&'a str, Index)>;

/// A dict that holds tensors, by the keys that lead to it.
struct Candidate<'a> {
    path: Vec<&'a str>,
    entries: Entries<'a>,
    tensors: usize,
}

impl Candidate<'_> {
    /// Whether the embedding of a model is in it.
    fn is_model(&self) -> bool {
        self.entries.iter().any(|(name, _)| name.ends_with(EMBEDDING))
    }
}

/// The state dict of a pickle, and a note if there was a choice.
pub(super) fn find<'a>(pickle: &Pickle<'a>) -> Result<(Entries<'a>, Option<String>), String> {
    // A training program may also save tensors that are a counter or the state of an optimizer.
    let (mut candidates, mut others): (Vec<_>, Vec<_>) = collect(pickle).into_iter().partition(Candidate::is_model);
    if candidates.is_empty() {
        std::mem::swap(&mut candidates, &mut others);
    }
    if let Some(root) = candidates.iter().position(|candidate| candidate.path.is_empty()) {
        return Ok((candidates.swap_remove(root).entries, None));
    }
    let is_called = |candidate: &Candidate, name| candidate.path.last() == Some(&name);
    let known = KNOWN.into_iter().find_map(|name| candidates.iter().position(|candidate| is_called(candidate, name)));
    let chosen = known.or((candidates.len() == 1).then_some(0));
    let Some(chosen) = chosen else { return Err(none(pickle, &list(&candidates))) };
    let Candidate { path, entries, tensors } = candidates.swap_remove(chosen);
    candidates.append(&mut others);
    let others =
        if candidates.is_empty() { String::new() } else { format!("; tensors not used: {}", list(&candidates)) };
    Ok((entries, Some(format!("the dict {} in it holds the {tensors} tensors{others}", quoted_name(&path.join("."))))))
}

/// Dicts with the number of their tensors; of many the first ones and a count.
fn list(candidates: &[Candidate]) -> String {
    let shown = candidates.iter().take(5).map(|other| match &other.path[..] {
        [] => format!("{} outside of every dict", other.tensors),
        path => format!("{} in {}", other.tensors, quoted_name(&path.join("."))),
    });
    let more = if candidates.len() > 5 { format!(" and {} dicts more", candidates.len() - 5) } else { String::new() };
    format!("{}{more}", shown.collect::<Vec<_>>().join(", "))
}

/// The reason why no state dict was found.
fn none(pickle: &Pickle, candidates: &str) -> String {
    if !candidates.is_empty() {
        return format!(
            "holds several dicts of tensors and none with a known name: {candidates}; save the model's alone"
        );
    }
    if let Value::Call(callable, _) = pickle.get(pickle.root())
        && let Some((module, class)) = pickle.global(*callable)
    {
        return format!(
            "holds an object of {} and no state dict; save model.state_dict()",
            quoted_name(&format!("{module}.{class}"))
        );
    }
    "holds no state dict; expected a dict of tensors as torch.save writes it".into()
}

/// Dicts that hold tensors. The search is breadth-first, so a dict that several paths lead to is found by the shortest one, and none
/// is missed because it was first reached too deep.
fn collect<'a>(pickle: &Pickle<'a>) -> Vec<Candidate<'a>> {
    let (mut candidates, mut seen) = (Vec::new(), HashSet::from([pickle.root()]));
    let mut waiting = VecDeque::from([(pickle.root(), Vec::new())]);
    while let Some((index, path)) = waiting.pop_front() {
        let Value::Dict(dict) = pickle.get(index) else { continue };
        let entries: Entries = dict.iter().filter_map(|&(key, value)| Some((pickle.text(key)?, value))).collect();
        let tensors = entries.iter().filter(|(_, value)| StorageView::is_tensor(pickle, *value)).count();
        if path.len() < DEPTH {
            for &(key, value) in &entries {
                if matches!(pickle.get(value), Value::Dict(_)) && seen.insert(value) {
                    waiting.push_back((value, path.iter().copied().chain([key]).collect()));
                }
            }
        }
        if tensors > 0 {
            candidates.push(Candidate { path, entries, tensors });
        }
    }
    candidates
}

/// The place of a tensor's numbers, from the first byte and the size of its storage; `None` for values that are not tensors
/// (such as `_metadata`).
pub(super) fn locate(
    pickle: &Pickle,
    name: &str,
    value: Index,
    place: impl FnOnce(&str) -> Result<(u64, u64), String>,
) -> Result<Option<ListedTensor>, String> {
    let Some(view) = StorageView::find(pickle, value)? else { return Ok(None) };
    if !view.is_contiguous() {
        return Err(format!(
            "is not contiguous: shape {:?} with strides {:?}; save it with .contiguous()",
            view.shape, view.strides
        ));
    }
    let (dtype, item) = storage_dtype(view.class).ok_or_else(|| {
        format!("has the unsupported type {}; expected float32, float16 or bfloat16", quoted_name(view.class))
    })?;
    let (begin, stored) = place(view.key)?;
    let skipped = (view.offset as u64).saturating_mul(item);
    let bytes = view.shape.iter().fold(item, |bytes, &dimension| bytes.saturating_mul(dimension as u64));
    if skipped.saturating_add(bytes) > stored {
        return Err(format!(
            "is truncated: it takes bytes {skipped}..{} of storage {}, which has {stored}",
            skipped.saturating_add(bytes),
            quoted_name(view.key)
        ));
    }
    let begin = begin + skipped;
    Ok(Some(ListedTensor { name: name.into(), dtype: dtype.into(), shape: view.shape, begin, bytes }))
}

/// Name of the type as safetensors spells it, and the bytes of one number.
fn storage_dtype(class: &str) -> Option<(&'static str, u64)> {
    match class {
        "FloatStorage" => Some(("F32", 4)),
        "HalfStorage" => Some(("F16", 2)),
        "BFloat16Storage" => Some(("BF16", 2)),
        _ => None,
    }
}
