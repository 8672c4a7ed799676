//! Compares the tensors that are there with those that the configuration implies.

use std::collections::{BTreeMap, HashMap};

use super::{
    Encoding, ExpectedTensor, Role, TensorMap,
    families::IgnoredTensors,
    header::ListedTensor,
    locate::{ListedFile, Located},
    problem_list::{Problems, quoted_name, quoted_names},
    scales,
    tensor::{Dtype, StoredTensor},
};

/// The usable tensors, and all problems.
#[derive(Debug, Default)]
pub(super) struct Validated {
    /// Usable tensors by name.
    pub tensors: HashMap<String, StoredTensor>,
    /// One line per problem, each naming file and tensor.
    pub problems: Problems,
    /// Notes: things that are no problem but should be known.
    pub notes: Vec<String>,
    /// Rows and columns of a block of 8-bit numbers, if the model has such.
    scaled_block: Option<[usize; 2]>,
}

/// Types of numbers.
const NUMBERS: &[Dtype] = &[Dtype::Fp8, Dtype::Bf16, Dtype::F16, Dtype::F32];
/// The type of what is stored in bytes.
const BYTES: &[Dtype] = &[Dtype::Scale];

/// Compares the listed tensors with the expected ones; without a usable configuration only the files are checked.
pub(super) fn validate(
    located: &Located,
    map: Option<&TensorMap>,
    scaled_block: Option<[usize; 2]>,
    ignored: &[IgnoredTensors],
) -> Validated {
    let mut validated = Validated { problems: located.problems.clone(), scaled_block, ..Validated::default() };
    let expected = map.map(TensorMap::expected);
    let known: Option<HashMap<&str, &ExpectedTensor>> =
        expected.as_ref().map(|tensors| tensors.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect());
    let layers = map.map_or(usize::MAX, |map| map.architecture().layers.len());
    let mut further = Vec::new();
    let mut holder: HashMap<&str, &str> = HashMap::new();
    for (index, file) in located.files.iter().enumerate() {
        validated.problems.extend(&file.listing.problems);
        let mut extra = Vec::new();
        for tensor in &file.listing.tensors {
            match ignored.iter().find(|ignored| ignored.holds(&tensor.name, layers)) {
                Some(IgnoredTensors::FurtherLayers) => further.push(tensor.name.as_str()),
                Some(IgnoredTensors::RotaryFrequencies) => {}
                None => {
                    if let Some(other) = holder.insert(&tensor.name, &file.name) {
                        validated.twice(tensor, file, other);
                    }
                    match known.as_ref().map(|known| known.get(tensor.name.as_str())) {
                        Some(None) if scaled_block.is_some() && scales::scaled(&tensor.name).is_some() => {
                            validated.check(index, file, tensor, None);
                        }
                        Some(None) => extra.push(tensor.name.as_str()),
                        Some(Some(expected)) => validated.check(index, file, tensor, Some(expected)),
                        None => validated.check(index, file, tensor, None),
                    }
                }
            }
        }
        validated.extra(&file.name, &extra);
    }
    if let Some(expected) = &expected {
        validated.missing(located, expected, &holder);
    }
    validated.attach_scales();
    if !further.is_empty() {
        let count = further.len();
        validated.notes.push(format!(
            "{count} tensors of layers behind the last one are not used: {}",
            quoted_names(&further[..1])
        ));
    }
    validated
}

impl Validated {
    /// Gives tensors their scales, and reports tensors without them and scales without a tensor.
    fn attach_scales(&mut self) {
        let outcome = scales::attach(&mut self.tensors, self.scaled_block);
        for problem in outcome {
            self.problems.push(problem);
        }
    }

    /// Reports a tensor that was in a file before.
    fn twice(&mut self, tensor: &ListedTensor, file: &ListedFile, other: &str) {
        let name = quoted_name(&tensor.name);
        let again = if other == file.name { "twice".into() } else { format!("and in `{other}` too") };
        self.problems.push(format!("tensor {name} is in `{}` {again}; expected it once", file.name));
    }

    /// Checks type, shape and size of one tensor.
    fn check(&mut self, index: usize, file: &ListedFile, tensor: &ListedTensor, expected: Option<&ExpectedTensor>) {
        let ListedTensor { dtype, .. } = tensor;
        let name = quoted_name(&tensor.name);
        if let Some(shape) = expected.map(|expected| &expected.shape).filter(|shape| **shape != tensor.shape) {
            self.problems.push(format!(
                "tensor {name} in `{}` has shape {:?}; `config.json` implies {shape:?}",
                file.name, tensor.shape
            ));
        }
        let (allowed, expected_types) = match expected.map(|expected| expected.encoding) {
            None => (&Dtype::ALL[..], "BF16, F16 or F32"),
            Some(Encoding::Numbers) if self.scaled_block.is_some() => (NUMBERS, "BF16, F16, F32 or F8_E4M3"),
            Some(Encoding::Numbers) => (&NUMBERS[1..], "BF16, F16 or F32"),
            Some(Encoding::FourBits | Encoding::Scales) => (BYTES, "U8"),
        };
        let Some(stored) = Dtype::parse(dtype).filter(|dtype| allowed.contains(dtype)) else {
            self.problems.push(format!(
                "tensor {name} in `{}` has the unsupported type {}; expected {expected_types}",
                file.name,
                dtype.chars().take(40).collect::<String>()
            ));
            return;
        };
        let is_four_bits = expected.is_some_and(|expected| expected.encoding == Encoding::FourBits);
        let stored = if is_four_bits { Dtype::Mxfp4 } else { stored };
        let size = stored.bytes() as u64;
        let bytes = tensor.shape.iter().fold(size, |bytes, &dimension| bytes.saturating_mul(dimension as u64));
        if bytes != tensor.bytes {
            self.problems.push(format!(
                "tensor {name} in `{}` takes {} bytes; shape {:?} of {dtype} implies {bytes}",
                file.name, tensor.bytes, tensor.shape
            ));
        }
        let (offset, shape) = (tensor.begin, tensor.shape.clone());
        let stored = StoredTensor { file: index, offset, dtype: stored, shape, scales: None };
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
        for tensor in expected.iter().filter(|tensor| !holder.contains_key(tensor.name.as_str())) {
            if !located.blind && !accounted(&tensor.name) && !tensor.optional {
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

/// A note on the tensor that gives logits, if that is not the one that the configuration says.
pub(super) fn about_the_head(map: &TensorMap, tensors: &HashMap<String, StoredTensor>) -> Option<String> {
    let head = map.stored(0, Role::Head).name;
    match (tensors.contains_key(&head), map.architecture().head.tied) {
        (false, false) => Some(format!("there is no `{head}`; the embedding stands for it, and routing needs neither")),
        (true, true) => Some(format!(
            "`{head}` is not used: by `tie_word_embeddings` the embedding stands for it; routing needs neither"
        )),
        (false, true) | (true, false) => None,
    }
}

/// The name without its layer: `model.layers.3.mlp.gate_weight` -> `mlp.gate_weight`.
fn role(name: &str) -> &str {
    name.strip_prefix("model.layers.").and_then(|rest| rest.split_once('.')).map_or(name, |(_, role)| role)
}
