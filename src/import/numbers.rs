//! Columns of numbers, whatever their width in the file.

use polars_arrow::{
    array::{Array, FixedSizeListArray, Float16Array, ListArray, PrimitiveArray},
    datatypes::ArrowDataType as Type,
    types::NativeType,
};

use crate::{
    corpus::ParquetColumns,
    error::{self, Error},
};

/// A type that whole numbers of any width are read into.
pub(super) trait Whole: TryFrom<i128> + Copy {
    /// What stands for a null.
    const NULL: Option<Self>;
}

impl Whole for u16 {
    const NULL: Option<Self> = Some(super::ABSENT);
}

impl Whole for u32 {
    const NULL: Option<Self> = None;
}

impl Whole for u64 {
    const NULL: Option<Self> = None;
}

/// Reads every part of a column; what is wrong with one is said with file and column.
///
/// # Errors
/// [`Error::Corpus`] if the column holds what `read` does not take.
pub(super) fn gather(
    file: &ParquetColumns,
    name: &str,
    parts: &[Box<dyn Array>],
    mut read: impl FnMut(&dyn Array) -> Result<(), String>,
) -> error::Result<()> {
    parts.iter().try_for_each(|array| read(array.as_ref())).map_err(|what| {
        Error::corpus(
            format!("`{}`, column `{name}` {what}", file.path().display()),
            "docs/import.md lists the columns and their types",
        )
    })
}

/// Appends whole numbers; -1 and nulls are what [`Whole::NULL`] says.
///
/// # Errors
/// The column holds something else, a number that does not fit, or a null where there may be none.
pub(super) fn whole<T: Whole>(array: &dyn Array, into: &mut Vec<T>) -> Result<(), String> {
    macro_rules! of {
        ($type:ty) => {
            native::<$type, T>(array, into, |value| i128::from(value))
        };
    }
    match array.dtype() {
        Type::Int8 => of!(i8),
        Type::Int16 => of!(i16),
        Type::Int32 => of!(i32),
        Type::Int64 => of!(i64),
        Type::UInt8 => of!(u8),
        Type::UInt16 => of!(u16),
        Type::UInt32 => of!(u32),
        Type::UInt64 => of!(u64),
        other => Err(format!("holds {other:?}; expected whole numbers")),
    }
}

fn native<N: NativeType, T: Whole>(
    array: &dyn Array,
    into: &mut Vec<T>,
    wide: impl Fn(N) -> i128,
) -> Result<(), String> {
    let array: &PrimitiveArray<N> = of_type(array)?;
    into.reserve(array.len());
    for value in array {
        let number = match value.map(|value| wide(*value)) {
            None | Some(-1) => T::NULL.ok_or("has a null or -1 where a number is needed")?,
            Some(number) => T::try_from(number).map_err(|_| format!("holds {number}, which is out of range"))?,
        };
        into.push(number);
    }
    Ok(())
}

/// Appends fractions, wider ones rounded to single precision.
///
/// # Errors
/// The column holds something else, or nulls.
pub(super) fn fractions(array: &dyn Array, into: &mut Vec<f32>) -> Result<(), String> {
    if array.null_count() > 0 {
        return Err("has nulls where numbers are needed".to_owned());
    }
    match array.dtype() {
        Type::Float16 => into.extend(of_type::<Float16Array>(array)?.values_iter().map(|value| f32::from(*value))),
        Type::Float32 => into.extend(of_type::<PrimitiveArray<f32>>(array)?.values_iter()),
        Type::Float64 => into.extend(of_type::<PrimitiveArray<f64>>(array)?.values_iter().map(|value| *value as f32)),
        other => return Err(format!("holds {other:?}; expected fractions")),
    }
    Ok(())
}

/// The values of a column of lists, one after the other, and how many each list has, which must be the same for all.
///
/// # Errors
/// The column holds something else, or lists of different lengths.
pub(super) fn lists(array: &dyn Array) -> Result<(Box<dyn Array>, usize), String> {
    if array.null_count() > 0 {
        return Err("has nulls where lists are needed".to_owned());
    }
    match array.dtype() {
        Type::FixedSizeList(_, width) => {
            let array: &FixedSizeListArray = of_type(array)?;
            Ok((array.values().clone(), *width))
        }
        Type::LargeList(_) => {
            let array: &ListArray<i64> = of_type(array)?;
            let offsets = array.offsets();
            let width = offsets.windows(2).next().map_or(0, |pair| pair[1] - pair[0]);
            if let Some(pair) = offsets.windows(2).find(|pair| pair[1] - pair[0] != width) {
                return Err(format!("has lists of {width} and of {} values; expected one length", pair[1] - pair[0]));
            }
            let (first, last) = (*offsets.first() as usize, *offsets.last() as usize);
            Ok((array.values().sliced(first, last - first), width as usize))
        }
        other => Err(format!("holds {other:?}; expected lists")),
    }
}

fn of_type<A: 'static>(array: &dyn Array) -> Result<&A, String> {
    array.as_any().downcast_ref().ok_or_else(|| "is stored as another type than it has".to_owned())
}
