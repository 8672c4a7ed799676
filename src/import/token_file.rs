//! Token ids that lie beside a record that has none: an array of numpy, or text with one id a line.

use std::{fs, path::Path};

use super::{npy, text_file::unmarked};
use crate::error::{Error, Result};

/// Reads the ids, sequence after sequence.
///
/// # Errors
/// [`Error::Corpus`] for what is no id.
pub(super) fn read(path: &Path) -> Result<Vec<u32>> {
    let bytes = fs::read(path).map_err(Error::io("read", path))?;
    let refused = |what: String| {
        let message = format!("token ids `{}`: {what}", path.display());
        Error::corpus(message, "expected one id a line, or an array that numpy.save wrote")
    };
    if bytes.starts_with(npy::MAGIC) {
        return npy::read(&bytes).and_then(|array| array.whole()).map_err(|what| refused(format!("the array {what}")));
    }
    let text = String::from_utf8(bytes).map_err(|_| refused("neither text nor an array of numpy".to_owned()))?;
    let lines = (1..).zip(unmarked(&text).lines()).filter(|(_, line)| !line.trim().is_empty());
    let id = |(number, line): (usize, &str)| {
        line.trim().parse().map_err(|_| refused(format!("line {number} is `{line}`; expected an id")))
    };
    lines.map(id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_lines_or_an_array() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        let read_back = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            read(&path).map_err(|error| error.to_string())
        };
        assert_eq!(read_back(b"5\n 6 \n\n7\n"), Ok(vec![5, 6, 7]));
        let array = b"\x93NUMPY\x01\0\x3a\0{'descr': '<u2', 'fortran_order': False, 'shape': (1, 2)} \x05\0\x06\0";
        assert_eq!(read_back(array), Ok(vec![5, 6]));
        assert_eq!(read_back("\u{feff}5\n".as_bytes()), Ok(vec![5]));
        assert!(read_back(b"5\nsix\n").unwrap_err().contains("line 2 is `six`"));
        assert!(read_back(b"-1\n").unwrap_err().contains("line 1"));
        assert!(read_back(&[0xff, 0xfe]).unwrap_err().contains("neither text"));
        assert!(read_back(b"\x93NUMPY\x01").unwrap_err().contains("cut off"));
    }
}
