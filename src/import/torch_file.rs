//! Files of `torch.save` that hold records: dicts and lists of plain values, with tensors and arrays of numpy in them.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    number_array::{NumberArray, NumberType},
    source::Source,
};
use crate::{
    error::{Error, Result, quoted_name},
    pickle::{Index, Pickle, StorageView, TorchArchive},
    read_at::{LocalFile, ReadAt},
};

/// The most values of a file: lists of tokens have one for each.
const MAX_VALUES: usize = 1 << 25;
const HINT: &str = "expected a file that torch.save wrote; copy or record it again";

/// The first bytes of a zip, which every file is.
const MAGIC: &[u8] = b"PK\x03\x04";

/// Whether the first file is one of `torch.save` in whose beginning one of these keys stands; with no keys, any file of it is.
///
/// # Errors
/// [`Error::Io`].
pub(super) fn first_has(source: &Source, keys: &[&[u8]]) -> Result<bool> {
    let Some(first) = source.mostly("pt").into_iter().next() else { return Ok(false) };
    let bytes = Source::first_bytes(first)?;
    let has = |key: &&[u8]| bytes.windows(key.len()).any(|window| window == *key);
    Ok(bytes.starts_with(MAGIC) && (keys.is_empty() || keys.iter().any(has)))
}

/// A file, of which the pickle is in memory and the tensors are not.
#[derive(Debug)]
pub(super) struct TorchFile {
    path: PathBuf,
    bytes: Vec<u8>,
    file: Arc<LocalFile>,
}

impl TorchFile {
    /// Opens it.
    ///
    /// # Errors
    /// [`Error::Corpus`] if it is cut, or not of `torch.save`.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).and_then(LocalFile::new).map_err(Error::io("open", path))?;
        let file = Arc::new(file);
        let mut archive = TorchArchive::open(file.clone()).map_err(|what| refused(path, &what))?;
        let bytes = archive.data(file.size()).map_err(|what| refused(path, &what))?;
        Ok(Self { path: path.to_path_buf(), bytes, file })
    }

    /// What is in it.
    ///
    /// # Errors
    /// [`Error::Corpus`] if the pickle is damaged.
    pub(super) fn content(&self) -> Result<Content<'_>> {
        let refused = |what: String| self.refused(&what);
        let pickle = Pickle::read_up_to(&self.bytes, MAX_VALUES)
            .map_err(|what| refused(format!("holds a data.pkl that {what}")))?;
        let archive = TorchArchive::open(self.file.clone()).map_err(refused)?;
        Ok(Content { file: self, pickle, archive })
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// An error that names the file.
    pub(super) fn refused(&self, what: &str) -> Error {
        refused(&self.path, what)
    }
}

fn refused(path: &Path, what: &str) -> Error {
    Error::corpus(format!("`{}` {what}", path.display()), HINT)
}

/// The values of a file.
pub(super) struct Content<'a> {
    file: &'a TorchFile,
    pickle: Pickle<'a>,
    archive: TorchArchive,
}

impl<'a> Content<'a> {
    /// The outermost value.
    pub(super) fn root(&self) -> Index {
        self.pickle.root()
    }

    /// The value of a key of a dict; `None` if there is no such key.
    pub(super) fn get(&self, dict: Index, key: &str) -> Option<Index> {
        self.pickle.entry(dict, key)
    }

    /// The values of a list or tuple.
    pub(super) fn items(&self, value: Index) -> Option<Vec<Index>> {
        self.pickle.items(value).map(<[Index]>::to_vec)
    }

    /// Text.
    pub(super) fn text(&self, value: Index) -> Option<&'a str> {
        self.pickle.text(value)
    }

    /// A whole number that is not negative.
    pub(super) fn count(&self, value: Index) -> Option<usize> {
        self.pickle.count(value)
    }

    /// Whole numbers: a list of them, a tensor, or an array of numpy with one dimension.
    ///
    /// # Errors
    /// The value is something else, or a number is negative or too large.
    pub(super) fn numbers(&mut self, value: Index) -> std::result::Result<Vec<u32>, String> {
        let Some(items) = self.pickle.items(value) else { return self.array(value)?.whole() };
        let number = |item: &Index| self.pickle.count(*item).and_then(|number| u32::try_from(number).ok());
        let numbers: Option<Vec<u32>> = items.iter().map(number).collect();
        numbers.ok_or_else(|| "is a list that holds something else than numbers from 0".to_owned())
    }

    /// The numbers of a tensor, or of an array of numpy.
    ///
    /// # Errors
    /// The value is neither, is cut, or has numbers of an unusual type.
    pub(super) fn array(&mut self, value: Index) -> std::result::Result<NumberArray, String> {
        match StorageView::find(&self.pickle, value)? {
            Some(view) => self.tensor(&view),
            None => super::numpy_pickle::read(&self.pickle, value),
        }
    }

    fn tensor(&mut self, view: &StorageView<'_>) -> std::result::Result<NumberArray, String> {
        let kind = storage_type(view.class).ok_or_else(|| {
            format!("has numbers of type {}; expected whole numbers or floats", quoted_name(view.class))
        })?;
        if !view.is_contiguous() {
            return Err(format!("is not contiguous: shape {:?} with strides {:?}", view.shape, view.strides));
        }
        let (begin, stored) = self.archive.storage_range(view.key)?;
        let item = kind.bytes() as u64;
        let bytes = view.shape.iter().fold(item, |bytes, size| bytes.saturating_mul(*size as u64));
        let skipped = (view.offset as u64).saturating_mul(item);
        // What the archive says of a size need not be true.
        let stored = stored.min(self.file.file.size().saturating_sub(begin));
        if skipped.saturating_add(bytes) > stored {
            return Err(format!("is cut off: it takes {bytes} bytes behind {skipped} of a storage that has {stored}"));
        }
        let mut numbers = vec![0; bytes as usize];
        let read = self.file.file.read_exact_at(&mut numbers, begin + skipped);
        read.map_err(|error| format!("cannot be read: {error}"))?;
        NumberArray::new(view.shape.clone(), kind, numbers)
    }

    /// An error that names the file.
    pub(super) fn refused(&self, what: &str) -> Error {
        self.file.refused(what)
    }
}

/// The type of the numbers of a storage.
fn storage_type(class: &str) -> Option<NumberType> {
    let kind = match class {
        "BoolStorage" => NumberType::Bool,
        "CharStorage" => NumberType::I8,
        "ByteStorage" => NumberType::U8,
        "ShortStorage" => NumberType::I16,
        "IntStorage" => NumberType::I32,
        "LongStorage" => NumberType::I64,
        "HalfStorage" => NumberType::F16,
        "BFloat16Storage" => NumberType::Bf16,
        "FloatStorage" => NumberType::F32,
        "DoubleStorage" => NumberType::F64,
        _ => return None,
    };
    Some(kind)
}
