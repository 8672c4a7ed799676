//! Which tensor holds the scales of which.

use std::collections::HashMap;

use super::{
    problem_list::quoted_name,
    quantised::FOUR_BIT_BLOCK,
    tensor::{Dtype, Scales, StoredTensor},
};

/// What is added to the name of a tensor of 8-bit numbers for that of its scales.
const OF_EIGHT_BITS: &str = "_scale_inv";

/// The tensor whose scales a tensor of this name holds, if it is one of scales of 8-bit numbers.
pub(super) fn scaled(name: &str) -> Option<&str> {
    name.strip_suffix(OF_EIGHT_BITS)
}

/// The name of the tensor that holds the scales of a tensor of 4-bit numbers.
pub(super) fn of_four_bits(name: &str) -> String {
    name.replace("_blocks", "_scales")
}

/// Gives every tensor of 8-bit or 4-bit numbers its scales. Returns a problem for each that has none or wrong ones, and for scales
/// without such a tensor.
pub(super) fn attach(tensors: &mut HashMap<String, StoredTensor>, block: Option<[usize; 2]>) -> Vec<String> {
    let mut problems = Vec::new();
    let mut names: Vec<String> = tensors.keys().cloned().collect();
    names.sort();
    for name in names {
        let (tensor, shown) = (&tensors[&name], quoted_name(&name));
        let found = match (tensor.dtype, block) {
            (Dtype::Mxfp4, _) => tensors.get(&of_four_bits(&name)).map(|scales| (scales, [1, FOUR_BIT_BLOCK])),
            (Dtype::Fp8, Some(block)) => tensors.get(&format!("{name}{OF_EIGHT_BITS}")).map(|scales| (scales, block)),
            _ => {
                let of = scaled(&name).map(|of| (of, tensors.get(of)));
                if let Some((of, tensor)) =
                    of.filter(|(_, tensor)| tensor.is_none_or(|tensor| tensor.dtype != Dtype::Fp8))
                {
                    let is = if tensor.is_some() { "does not have type F8_E4M3" } else { "is not there" };
                    problems.push(format!("{shown} holds scales of {}, which {is}", quoted_name(of)));
                }
                continue;
            }
        };
        // Scales of four-bit numbers are expected by the configuration, and reported as missing there.
        let Some((scales, block)) = found else {
            if tensor.dtype == Dtype::Fp8 {
                problems.push(format!(
                    "tensor {shown} has type F8_E4M3 and no scales; expected `{OF_EIGHT_BITS}` beside it"
                ));
            }
            continue;
        };
        if let Some(problem) = misfit(&shown, tensor, scales, block) {
            problems.push(problem);
            continue;
        }
        let scales = Scales { tensor: Box::new(scales.clone()), block };
        if let Some(tensor) = tensors.get_mut(&name) {
            tensor.scales = Some(scales);
        }
    }
    problems
}

/// Why scales of 8-bit numbers do not fit, if they do not.
fn misfit(shown: &str, tensor: &StoredTensor, scales: &StoredTensor, [rows, columns]: [usize; 2]) -> Option<String> {
    if tensor.dtype != Dtype::Fp8 {
        return None;
    }
    let [outputs, inputs] = tensor.shape[..] else {
        return Some(format!("tensor {shown} has type F8_E4M3 and shape {:?}; expected a matrix", tensor.shape));
    };
    let expected = [outputs.div_ceil(rows), inputs.div_ceil(columns)];
    (scales.dtype != Dtype::F32 || scales.shape != expected).then(|| {
        let found = scales.dtype.name().to_uppercase();
        format!("the scales of tensor {shown} are {found} {:?}; expected F32 {expected:?}", scales.shape)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(dtype: Dtype, shape: &[usize]) -> StoredTensor {
        StoredTensor { file: 0, offset: 0, dtype, shape: shape.to_vec(), scales: None }
    }

    fn attached(tensors: &[(&str, StoredTensor)]) -> (HashMap<String, StoredTensor>, Vec<String>) {
        let mut tensors = tensors.iter().map(|(name, tensor)| ((*name).to_owned(), tensor.clone())).collect();
        let problems = attach(&mut tensors, Some([2, 2]));
        (tensors, problems)
    }

    #[test]
    fn every_tensor_gets_its_scales() {
        let (tensors, problems) = attached(&[
            ("a", stored(Dtype::Fp8, &[3, 5])),
            ("a_scale_inv", stored(Dtype::F32, &[2, 3])),
            ("b_blocks", stored(Dtype::Mxfp4, &[1, 1, 1, 16])),
            ("b_scales", stored(Dtype::Scale, &[1, 1, 1])),
            ("c", stored(Dtype::Bf16, &[4])),
        ]);
        assert!(problems.is_empty(), "{problems:?}");
        assert!(tensors["a"].scales.is_some() && tensors["b_blocks"].scales.is_some() && tensors["c"].scales.is_none());
    }

    #[test]
    fn scales_that_are_missing_or_do_not_fit_are_named() {
        let of_eight = ("a", stored(Dtype::Fp8, &[3, 5]));
        for (tensors, expected) in [
            (vec![of_eight.clone()], "tensor `a` has type F8_E4M3 and no scales"),
            (vec![of_eight.clone(), ("a_scale_inv", stored(Dtype::F32, &[3, 2]))], "F32 [3, 2]; expected F32 [2, 3]"),
            (vec![of_eight, ("a_scale_inv", stored(Dtype::Bf16, &[2, 3]))], "BF16 [2, 3]; expected F32 [2, 3]"),
            (vec![("a_scale_inv", stored(Dtype::F32, &[2, 3]))], "scales of `a`, which is not there"),
            (
                vec![("a", stored(Dtype::Bf16, &[3, 5])), ("a_scale_inv", stored(Dtype::F32, &[2, 3]))],
                "scales of `a`, which does not have type F8_E4M3",
            ),
        ] {
            let (_, problems) = attached(&tensors);
            assert!(problems.len() == 1 && problems[0].contains(expected), "{problems:?}, expected {expected}");
        }
    }
}
