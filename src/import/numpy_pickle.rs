//! Arrays of numpy inside a pickle: a call that would make an empty array, and beside it the state that would fill it. Protocol 5
//! has one call with everything.

use super::{
    npy::plain_type,
    number_array::{NumberArray, NumberType},
};
use crate::pickle::{Index, Pickle, Value};

/// Reads an array.
///
/// # Errors
/// The value is no array of plain numbers in C order.
pub(super) fn read(pickle: &Pickle, value: Index) -> Result<NumberArray, String> {
    let is_none = || "is neither a tensor nor an array of numpy".to_owned();
    let (name, arguments) = call(pickle, value).ok_or_else(is_none)?;
    let parts = match name {
        ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => {
            let state =
                pickle.state(value).and_then(|state| pickle.items(state)).ok_or("is an array without numbers")?;
            let [_, shape, kind, is_fortran, bytes] = *state else {
                return Err("is an array in a form that is not known".to_owned());
            };
            (shape, kind, !pickle.is_false(is_fortran), bytes)
        }
        ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer") => {
            let [bytes, kind, shape, order] = *arguments else {
                return Err("is an array in a form that is not known".to_owned());
            };
            (shape, kind, pickle.text(order) == Some("F"), bytes)
        }
        _ => return Err(is_none()),
    };
    let (shape, kind, is_fortran, bytes) = parts;
    if is_fortran {
        return Err("is stored in Fortran order; save numpy.ascontiguousarray of it".to_owned());
    }
    let sizes = pickle.items(shape);
    let shape: Option<Vec<usize>> = sizes.and_then(|sizes| sizes.iter().map(|size| pickle.count(*size)).collect());
    let bytes = raw(pickle, bytes).ok_or("is an array whose numbers are no bytes")?;
    NumberArray::new(shape.ok_or("is an array with a shape that is none")?, number_type(pickle, kind)?, bytes)
}

/// A whole number from 0: of Python, or of numpy, which pickles it as a call of a type and its bytes.
///
/// # Errors
/// The value is something else.
pub(super) fn whole_number(pickle: &Pickle, value: Index) -> Result<u64, String> {
    let is_none = || "is no whole number from 0".to_owned();
    if let Some(number) = pickle.integer(value) {
        return u64::try_from(number).map_err(|_| is_none());
    }
    let (name, arguments) = call(pickle, value).ok_or_else(is_none)?;
    let (("numpy.core.multiarray" | "numpy._core.multiarray", "scalar"), [kind, bytes]) = (name, arguments) else {
        return Err(is_none());
    };
    let bytes = raw(pickle, *bytes).ok_or_else(is_none)?;
    let numbers = NumberArray::new(vec![1], number_type(pickle, *kind)?, bytes)?.whole::<u64>()?;
    numbers.first().copied().ok_or_else(is_none)
}

/// Module and name of what is called, and the arguments.
fn call<'a>(pickle: &'a Pickle, value: Index) -> Option<((&'a str, &'a str), &'a [Index])> {
    let Value::Call(callable, arguments) = pickle.get(value) else { return None };
    Some((pickle.global(*callable)?, pickle.items(*arguments)?))
}

/// `numpy.dtype("i4", ...)`, with the byte order in its state.
fn number_type(pickle: &Pickle, value: Index) -> Result<NumberType, String> {
    let called = call(pickle, value).filter(|(name, _)| *name == ("numpy", "dtype"));
    let name = called.and_then(|(_, arguments)| pickle.text(*arguments.first()?));
    let name = name.ok_or("is an array whose type is not known")?;
    let state = pickle.state(value).and_then(|state| pickle.items(state));
    let order = state.and_then(|state| pickle.text(*state.get(1)?));
    if order == Some(">") {
        return Err("is an array of a big-endian machine; expected little-endian numbers".to_owned());
    }
    plain_type(name).ok_or_else(|| format!("is an array of type `{name}`; expected bool, whole numbers or floats"))
}

/// Byte strings; protocol 2 has them as text, of which each character is a byte.
fn raw(pickle: &Pickle, value: Index) -> Option<Vec<u8>> {
    if let Some(bytes) = pickle.raw(value) {
        return Some(bytes.to_vec());
    }
    let (name, arguments) = call(pickle, value)?;
    match (name, arguments) {
        (("_codecs", "encode"), [text, ..]) => {
            pickle.text(*text)?.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect()
        }
        // Protocol 2 writes an empty byte string as a call without arguments.
        (("__builtin__" | "builtins", "bytes"), []) => Some(Vec::new()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `numpy.array([[[1]], [[200]]], int32)` as numpy 2.4 pickles it, by protocol.
    const ARRAYS: [&[u8]; 3] = [
        b"\x80\x02cnumpy._core.multiarray\n_reconstruct\nq\x00cnumpy\nndarray\nq\x01K\x00\x85q\x02c_codecs\nencode\nq\x03X\x01\x00\x00\x00bq\x04X\x06\x00\x00\x00latin1q\x05\x86q\x06Rq\x07\x87q\x08Rq\t(K\x01K\x02K\x01K\x01\x87q\ncnumpy\ndtype\nq\x0bX\x02\x00\x00\x00i4q\x0c\x89\x88\x87q\rRq\x0e(K\x03X\x01\x00\x00\x00<q\x0fNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x10b\x89h\x03X\t\x00\x00\x00\x01\x00\x00\x00\xc3\x88\x00\x00\x00q\x11h\x05\x86q\x12Rq\x13tq\x14b.",
        b"\x80\x04\x95\x95\x00\x00\x00\x00\x00\x00\x00\x8c\x16numpy._core.multiarray\x94\x8c\x0c_reconstruct\x94\x93\x94\x8c\x05numpy\x94\x8c\x07ndarray\x94\x93\x94K\x00\x85\x94C\x01b\x94\x87\x94R\x94(K\x01K\x02K\x01K\x01\x87\x94h\x03\x8c\x05dtype\x94\x93\x94\x8c\x02i4\x94\x89\x88\x87\x94R\x94(K\x03\x8c\x01<\x94NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t\x94b\x89C\x08\x01\x00\x00\x00\xc8\x00\x00\x00\x94t\x94b.",
        b"\x80\x05\x95y\x00\x00\x00\x00\x00\x00\x00\x8c\x13numpy._core.numeric\x94\x8c\x0b_frombuffer\x94\x93\x94(C\x08\x01\x00\x00\x00\xc8\x00\x00\x00\x94\x8c\x05numpy\x94\x8c\x05dtype\x94\x93\x94\x8c\x02i4\x94\x89\x88\x87\x94R\x94(K\x03\x8c\x01<\x94NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t\x94bK\x02K\x01K\x01\x87\x94\x8c\x01C\x94t\x94R\x94.",
    ];

    fn array(bytes: &[u8]) -> Result<NumberArray, String> {
        let pickle = Pickle::read(bytes)?;
        read(&pickle, pickle.root())
    }

    #[test]
    fn every_protocol_gives_the_same_numbers() {
        for bytes in ARRAYS {
            let array = array(bytes).unwrap();
            assert_eq!((array.shape(), array.whole::<u16>()), (&[2, 1, 1][..], Ok(vec![1, 200])));
        }
    }

    #[test]
    fn a_shape_that_is_no_tuple_is_not_taken_for_that_of_a_single_number() {
        let replaced = |bytes: &[u8], from: &[u8], to: &[u8]| {
            let at = bytes.windows(from.len()).position(|part| part == from).unwrap();
            [&bytes[..at], to, &bytes[at + from.len()..]].concat()
        };
        let one = replaced(ARRAYS[2], b"C\x08\x01\0\0\0\xc8\0\0\0", b"C\x04\x01\0\0\0");
        let shape = &b"K\x02K\x01K\x01\x87"[..];
        assert_eq!(array(&replaced(&one, shape, b")")).unwrap().shape(), &[] as &[usize]);
        let error = array(&replaced(&one, shape, b"K\x02")).unwrap_err();
        assert_eq!(error, "is an array with a shape that is none");
    }

    #[test]
    fn damage_is_an_error() {
        for bytes in ARRAYS {
            for length in 0..bytes.len() {
                assert!(array(&bytes[..length]).is_err(), "{length}");
            }
            for at in 0..bytes.len() {
                // Whatever the damage makes of it, reading does not panic.
                let _ = array(&[&bytes[..at], &[bytes[at] ^ 0x15], &bytes[at + 1..]].concat());
            }
        }
        let not = array(b"\x80\x02K\x01.").unwrap_err();
        assert_eq!(not, "is neither a tensor nor an array of numpy");
        let big = array(&String::from_utf8_lossy(ARRAYS[1]).replace('<', ">").into_bytes());
        assert!(big.is_err());
    }
}
