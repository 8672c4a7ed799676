//! Arrays as numpy saves them (`.npy`, versions 1 to 3): plain numbers in C order. Arrays of Python objects, which would have to be
//! unpickled, are refused.

use super::number_array::{NumberArray, NumberType};

/// The first bytes of every file.
pub(super) const MAGIC: &[u8] = b"\x93NUMPY";

/// Reads an array.
///
/// # Errors
/// It is cut or damaged, stored in Fortran order, or of other things than plain numbers.
pub(super) fn read(bytes: &[u8]) -> Result<NumberArray, String> {
    let (header, numbers) = split(bytes)?;
    let (kind, swapped) = number_type(value(header, "descr")?)?;
    if !value(header, "fortran_order")?.starts_with("False") {
        return Err("is stored in Fortran order; save numpy.ascontiguousarray of it".to_owned());
    }
    let mut numbers = numbers.to_vec();
    if swapped {
        numbers.chunks_exact_mut(kind.bytes()).for_each(<[u8]>::reverse);
    }
    NumberArray::new(shape(value(header, "shape")?)?, kind, numbers)
}

/// The header, a Python dict as text, and the bytes behind it.
fn split(bytes: &[u8]) -> Result<(&str, &[u8]), String> {
    let rest = bytes.strip_prefix(MAGIC).ok_or("is no array of numpy: its first bytes are others")?;
    let cut = || "is cut off within its header".to_owned();
    let (version, rest) = rest.split_at_checked(2).ok_or_else(cut)?;
    let (length, rest) = match version[0] {
        1 => rest.split_first_chunk::<2>().map(|(length, rest)| (u16::from_le_bytes(*length) as usize, rest)),
        2 | 3 => rest.split_first_chunk::<4>().map(|(length, rest)| (u32::from_le_bytes(*length) as usize, rest)),
        other => return Err(format!("is of version {other} of the format; expected 1 to 3")),
    }
    .ok_or_else(cut)?;
    let (header, numbers) = rest.split_at_checked(length).ok_or_else(cut)?;
    let header = std::str::from_utf8(header).map_err(|_| "has a header that is no text")?;
    Ok((header, numbers))
}

/// What stands behind a key of the header.
fn value<'a>(header: &'a str, key: &str) -> Result<&'a str, String> {
    let behind = |quote: char| header.split_once(&format!("{quote}{key}{quote}:")).map(|(_, behind)| behind);
    let found = behind('\'').or_else(|| behind('"'));
    Ok(found.ok_or_else(|| format!("has no `{key}` in its header"))?.trim_start())
}

/// The type of the numbers, and whether the high byte comes first.
fn number_type(text: &str) -> Result<(NumberType, bool), String> {
    let quote = text.chars().next().filter(|quote| ['\'', '"'].contains(quote));
    let quoted = quote.and_then(|quote| text[1..].split(quote).next());
    let name = quoted.ok_or("holds records of several types; expected an array of numbers")?;
    let (order, code) = name.split_at_checked(1).unwrap_or(("", name));
    let kind = plain_type(code)
        .ok_or_else(|| format!("holds numbers of type `{name}`; expected bool, whole numbers or floats"))?;
    if !["<", ">", "|", "="].contains(&order) {
        return Err(format!("has numbers in byte order `{order}`; expected `<` or `>`"));
    }
    Ok((kind, order == ">" && kind.bytes() > 1))
}

/// The type of a code such as `i4`.
pub(super) fn plain_type(code: &str) -> Option<NumberType> {
    let kind = match code {
        "b1" => NumberType::Bool,
        "i1" => NumberType::I8,
        "u1" => NumberType::U8,
        "i2" => NumberType::I16,
        "u2" => NumberType::U16,
        "i4" => NumberType::I32,
        "u4" => NumberType::U32,
        "i8" => NumberType::I64,
        "u8" => NumberType::U64,
        "f2" => NumberType::F16,
        "f4" => NumberType::F32,
        "f8" => NumberType::F64,
        _ => return None,
    };
    Some(kind)
}

/// The sizes in `(3, 4)`, `(3,)` or `()`; Python 2 wrote `3L`.
fn shape(text: &str) -> Result<Vec<usize>, String> {
    let inside = text.strip_prefix('(').and_then(|text| text.split_once(')')).map(|(inside, _)| inside);
    let sizes = inside.ok_or("has no shape in its header")?.split(',').map(str::trim).filter(|size| !size.is_empty());
    let size = |size: &str| {
        let digits = size.strip_suffix('L').unwrap_or(size);
        digits.parse().map_err(|_| format!("has `{size}` in its shape; expected a size"))
    };
    sizes.map(size).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of version 1, as `numpy.save` writes it.
    fn file(header: &str, numbers: &[u8]) -> Vec<u8> {
        [MAGIC, &[1, 0], &(header.len() as u16).to_le_bytes(), header.as_bytes(), numbers].concat()
    }

    #[test]
    fn arrays_of_numpy_are_read() {
        let bytes = file(
            "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }      \n",
            &[1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0],
        );
        let array = read(&bytes).unwrap();
        assert_eq!(array.shape(), [2, 3]);
        assert_eq!(array.whole::<u16>().unwrap(), [1, 2, 3, 4, 5, 6]);
        let big =
            read(&file("{\"descr\": \">i2\", \"fortran_order\": False, \"shape\": (2L,)}", &[1, 2, 0, 3])).unwrap();
        assert_eq!(big.whole::<u16>().unwrap(), [258, 3]);
        let flags = read(&file("{'descr': '|b1', 'fortran_order': False, 'shape': (), }", &[1])).unwrap();
        assert_eq!((flags.shape(), flags.flags().unwrap()), (&[][..], vec![true]));
        let version_2 = b"\x93NUMPY\x02\x00\x37\0\0\0{'descr': '|u1', 'fortran_order': False, 'shape': (1,)}\x09";
        assert_eq!(read(version_2).unwrap().whole::<u16>().unwrap(), [9]);
    }

    #[test]
    fn damage_is_an_error() {
        let good = file("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", &[0; 8]);
        assert!(read(&good).is_ok());
        for length in 0..good.len() {
            assert!(read(&good[..length]).is_err(), "{length} bytes");
        }
        let refused = |header: &str, words: &str| {
            let error = read(&file(header, &[0; 8])).unwrap_err();
            assert!(error.contains(words), "{header}: {error}");
        };
        refused("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "type `|O`");
        refused("{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (1,)}", "records of several types");
        refused("{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", "type `<c8`");
        refused("{'descr': '<f4', 'fortran_order': True, 'shape': (2,)}", "Fortran order");
        refused("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}", "`-2` in its shape");
        refused("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", "in its shape");
        refused("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", "fewer numbers");
        refused("{'descr': '<f4', 'fortran_order': False}", "no `shape`");
        refused("{'descr': 'é', 'fortran_order': False, 'shape': (2,)}", "type `é`");
        assert!(read(b"\x93NUMPY\x09\x00aaaaaaaa").unwrap_err().contains("version 9"));
    }
}
