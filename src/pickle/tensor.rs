//! Tensors in a pickle of `torch.save`: views of storages, which stand outside of it.

use super::{
    read_pickle::Pickle,
    value::{Index, Value},
};

/// The arguments of `torch._utils._rebuild_tensor_v2`, also inside a parameter or a typed tensor.
fn rebuild_arguments(pickle: &Pickle, value: Index) -> Option<Vec<Index>> {
    let mut value = value;
    // torch wraps a tensor once or twice; a longer chain is not followed.
    for _ in 0..3 {
        let Value::Call(callable, arguments) = pickle.get(value) else { return None };
        let arguments = pickle.items(*arguments)?;
        match pickle.global(*callable)? {
            ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor" | "_rebuild_tensor_v3") => {
                return Some(arguments.to_vec());
            }
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => value = *arguments.first()?,
            ("torch._tensor", "_rebuild_from_type_v2") => return pickle.items(*arguments.get(2)?).map(<[_]>::to_vec),
            _ => return None,
        }
    }
    None
}

/// A tensor as a view of a storage.
pub(crate) struct StorageView<'a> {
    /// Storage class, e.g. `BFloat16Storage`.
    pub(crate) class: &'a str,
    /// The name of the storage.
    pub(crate) key: &'a str,
    /// First element in the storage.
    pub(crate) offset: usize,
    /// Size of each dimension.
    pub(crate) shape: Vec<usize>,
    /// Elements from one index of a dimension to the next.
    pub(crate) strides: Vec<usize>,
}

impl<'a> StorageView<'a> {
    /// A tensor that is a value of a pickle; `Ok(None)` for values that are none (such as `_metadata`).
    ///
    /// # Errors
    /// It is a tensor of a form that is not known.
    pub(crate) fn find(pickle: &Pickle<'a>, value: Index) -> Result<Option<Self>, String> {
        let Some(arguments) = rebuild_arguments(pickle, value) else { return Ok(None) };
        let view =
            Self::read(pickle, &arguments).ok_or("has an entry of an unknown form; expected _rebuild_tensor_v2")?;
        Ok(Some(view))
    }

    /// Whether a value is a tensor, of whatever form.
    pub(crate) fn is_tensor(pickle: &Pickle, value: Index) -> bool {
        rebuild_arguments(pickle, value).is_some()
    }

    /// (persistent id ("storage", class, key, location, size), offset, shape, strides, ...)
    fn read(pickle: &Pickle<'a>, arguments: &[Index]) -> Option<Self> {
        let [storage, offset, shape, strides, ..] = *arguments else { return None };
        let Value::Persistent(id) = pickle.get(storage) else { return None };
        let (key, class) = self::storage(pickle, *id)?;
        Some(Self {
            class,
            key,
            offset: pickle.count(offset)?,
            shape: counts(pickle, shape)?,
            strides: counts(pickle, strides)?,
        })
    }

    /// Whether its numbers stand one after the other in C order.
    pub(crate) fn is_contiguous(&self) -> bool {
        let mut expected = 1_usize;
        let dimensions = self.shape.iter().zip(&self.strides).rev();
        self.shape.len() == self.strides.len()
            && dimensions.into_iter().all(|(&dimension, &stride)| {
                let fits = dimension <= 1 || stride == expected;
                expected = expected.saturating_mul(dimension);
                fits
            })
    }
}

/// A tuple of counts, also as a `torch.Size`.
fn counts(pickle: &Pickle, index: Index) -> Option<Vec<usize>> {
    let items = match pickle.get(index) {
        Value::Call(_, arguments) => pickle.items(*pickle.items(*arguments)?.first()?)?,
        _ => pickle.items(index)?,
    };
    items.iter().map(|&item| pickle.count(item)).collect()
}

/// Name and class of the storage that a persistent id stands for.
pub(crate) fn storage<'a>(pickle: &Pickle<'a>, id: Index) -> Option<(&'a str, &'a str)> {
    let [_, class, key, ..] = *pickle.items(id)? else { return None };
    Some((pickle.text(key)?, pickle.global(class)?.1))
}
