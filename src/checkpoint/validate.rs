//! Compares the tensors that are there with those that the configuration implies.

use std::collections::{BTreeMap, HashMap};

use super::{
    ExpectedTensor, HEAD,
    header::ListedTensor,
    locate::{ListedFile, Located},
    problem_list::{Problems, quoted_name, quoted_names},
    tensor::{Dtype, StoredTensor},
};

/// The usable tensors, and all problems.
#[derive(Debug, Default)]
pub(super) struct Validated {
    /// Usable tensors by name.
    pub tensors: HashMap<String, StoredTensor>,
    /// One line per problem, each naming file and tensor.
    pub problems: Problems,
}

/// Compares the listed tensors with the expected ones; without a usable configuration only the files are checked.
pub(super) fn validate(located: &Located, expected: Option<&[ExpectedTensor]>) -> Validated {
    let mut validated = Validated { problems: located.problems.clone(), ..Validated::default() };
    let shapes: Option<HashMap<&str, &[usize]>> =
        expected.map(|tensors| tensors.iter().map(|tensor| (tensor.name.as_str(), tensor.shape.as_slice())).collect());
    let mut holder: HashMap<&str, &str> = HashMap::new();
    for (index, file) in located.files.iter().enumerate() {
        validated.problems.extend(&file.listing.problems);
        let mut extra = Vec::new();
        for tensor in file.listing.tensors.iter().filter(|tensor| !is_harmless(&tensor.name)) {
            if let Some(other) = holder.insert(&tensor.name, &file.name) {
                let name = quoted_name(&tensor.name);
                let again = if other == file.name { "twice".into() } else { format!("and in `{other}` too") };
                validated.problems.push(format!("tensor {name} is in `{}` {again}; expected it once", file.name));
            }
            match shapes.as_ref().map(|shapes| shapes.get(tensor.name.as_str())) {
                Some(None) => extra.push(tensor.name.as_str()),
                Some(Some(shape)) => validated.check(index, file, tensor, Some(shape)),
                None => validated.check(index, file, tensor, None),
            }
        }
        validated.extra(&file.name, &extra);
    }
    if let Some(expected) = expected {
        validated.missing(located, expected, &holder);
    }
    validated
}

/// Buffers that some versions of transformers save beside the weights: the rotary tables follow from `head_dim` and
/// are computed here. Every other tensor that the configuration does not imply is a problem.
fn is_harmless(name: &str) -> bool {
    name.ends_with(".rotary_emb.inv_freq")
}

impl Validated {
    /// Checks type, shape and size of one tensor.
    fn check(&mut self, index: usize, file: &ListedFile, tensor: &ListedTensor, shape: Option<&[usize]>) {
        let ListedTensor { dtype, .. } = tensor;
        let name = quoted_name(&tensor.name);
        if let Some(shape) = shape.filter(|shape| *shape != tensor.shape) {
            self.problems.push(format!(
                "tensor {name} in `{}` has shape {:?}; `config.json` implies {shape:?}",
                file.name, tensor.shape
            ));
        }
        let Some(stored) = Dtype::parse(dtype) else {
            self.problems.push(format!(
                "tensor {name} in `{}` has the unsupported type {}; expected BF16, F16 or F32",
                file.name,
                dtype.chars().take(40).collect::<String>()
            ));
            return;
        };
        let size = stored.bytes() as u64;
        let bytes = tensor.shape.iter().fold(size, |bytes, &dimension| bytes.saturating_mul(dimension as u64));
        if bytes != tensor.bytes {
            self.problems.push(format!(
                "tensor {name} in `{}` takes {} bytes; shape {:?} of {dtype} implies {bytes}",
                file.name, tensor.bytes, tensor.shape
            ));
        }
        let stored = StoredTensor { file: index, offset: tensor.begin, dtype: stored, shape: tensor.shape.clone() };
        self.tensors.insert(tensor.name.clone(), stored);
    }

    /// Reports in one line all tensors of a file that the configuration does not imply.
    fn extra(&mut self, file: &str, names: &[&str]) {
        match names {
            [] => {}
            [name] => {
                self.problems.push(format!("tensor {} in `{file}` is not implied by `config.json`", quoted_name(name)));
            }
            _ => self.problems.push(format!(
                "{} tensors in `{file}` are not implied by `config.json`: {}",
                names.len(),
                quoted_names(names)
            )),
        }
    }

    /// Reports in one line all missing tensors that have the same place in their layers and the same shape.
    fn missing(&mut self, located: &Located, expected: &[ExpectedTensor], holder: &HashMap<&str, &str>) {
        let mut groups: BTreeMap<(&str, &[usize]), Vec<&str>> = BTreeMap::new();
        let accounted = |name: &str| {
            located.reported.contains(name) || located.files.iter().any(|file| file.listing.mentioned.contains(name))
        };
        // Routing needs no head, and a model whose head is its embedding stores it once.
        let is_optional = |tensor: &ExpectedTensor| tensor.name == HEAD;
        for tensor in expected.iter().filter(|tensor| !holder.contains_key(tensor.name.as_str())) {
            if !located.blind && !accounted(&tensor.name) && !is_optional(tensor) {
                groups.entry((role(&tensor.name), &tensor.shape)).or_default().push(&tensor.name);
            }
        }
        let files: Vec<&str> = located.files.iter().map(|file| file.name.as_str()).collect();
        for ((_, shape), names) in groups {
            let place = if files.is_empty() { "the weight files".into() } else { quoted_names(&files) };
            let tensors = if names.len() == 1 { "tensor" } else { "tensors" };
            let are = if names.len() == 1 { "is" } else { "are" };
            self.problems.push(format!(
                "{tensors} {} {are} missing from {place}; `config.json` implies shape {shape:?}",
                quoted_names(&names)
            ));
        }
    }
}

/// The name without its layer: `model.layers.3.mlp.gate_weight` -> `mlp.gate_weight`.
fn role(name: &str) -> &str {
    name.strip_prefix("model.layers.").and_then(|rest| rest.split_once('.')).map_or(name, |(_, role)| role)
}
