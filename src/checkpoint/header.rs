//! The list of tensors in a weight file, before it is compared with what is expected.

use std::{collections::HashSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, MapAccess, Visitor},
};

use super::{
    header_entry::{Entry, HeaderEntry},
    problem_list::{Problems, quoted_name, quoted_names},
};
use crate::read_at::ReadAt;

/// A tensor as a weight file lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ListedTensor {
    /// Name of the tensor.
    pub name: String,
    /// Name of the stored type, as the file spells it ("BF16", "F32", "I64" ...).
    pub dtype: String,
    /// Shape, row-major.
    pub shape: Vec<usize>,
    /// First byte in the file.
    pub begin: u64,
    /// Bytes that the file reserves for it.
    pub bytes: u64,
}

impl ListedTensor {
    /// The byte after its last one.
    fn end(&self) -> u64 {
        self.begin.saturating_add(self.bytes)
    }
}

/// The tensors of a file, and all problems with it.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Tensors in file order.
    pub tensors: Vec<ListedTensor>,
    /// One line per problem, each naming the file.
    pub problems: Problems,
    /// Tensors that a problem mentions, so that they are not reported as missing too.
    pub mentioned: HashSet<String>,
    /// Notes: things that are no problem but should be known.
    pub notes: Vec<String>,
    /// The next step, if the file is something else.
    pub hint: Option<&'static str>,
}

/// The most entries of a JSON object that are kept; no model has as many tensors.
const MAX_ENTRIES: usize = 1 << 20;
/// Largest header that safetensors allows, in bytes.
const MAX_HEADER: u64 = 100_000_000;

/// Whether a file begins like a safetensors file: a plausible length, then an object.
pub(super) fn is_safetensors(first: &[u8]) -> bool {
    let length = first.get(..8).and_then(|length| length.try_into().ok()).map(u64::from_le_bytes);
    length.is_some_and(|length| length <= MAX_HEADER) && first.get(8) == Some(&b'{')
}

/// Reads the header of a safetensors file: 8 bytes of length, JSON, data.
///
/// `file` is its name in problems.
pub(super) fn list_safetensors(bytes: &dyn ReadAt, file: &str) -> Listing {
    let mut listing = Listing::default();
    match read_header(bytes) {
        Ok((start, header)) => listing.collect(file, start, bytes.size(), header),
        Err(reason) => listing.problems.push(format!("`{file}` {reason}")),
    }
    listing
}

/// The first byte of the data and the entries of the header.
fn read_header(bytes: &dyn ReadAt) -> Result<(u64, Entries<Entry>), String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    let size = bytes.size();
    let mut length = [0_u8; 8];
    if size < 8 {
        return Err(format!("has {size} bytes; a safetensors file starts with 8 bytes of header length"));
    }
    bytes.read_exact_at(&mut length, 0).map_err(unreadable)?;
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER {
        return Err(format!(
            "is not a safetensors file: it begins with no header length; expected one of at most {MAX_HEADER} bytes"
        ));
    }
    if length + 8 > size {
        return Err(format!("is truncated: its header alone takes {} bytes, the file has {size}", length + 8));
    }
    let mut json = vec![0; length as usize];
    bytes.read_exact_at(&mut json, 8).map_err(unreadable)?;
    let entries = serde_json::from_slice(&json)
        .map_err(|error| format!("is not a safetensors file: its header is not valid JSON: {error}"))?;
    Ok((length + 8, entries))
}

impl Listing {
    /// Reports a tensor that cannot be used, and why.
    pub(super) fn broken(&mut self, name: &str, reason: &str) {
        self.problems.push(format!("tensor {} {reason}", quoted_name(name)));
        self.mentioned.insert(name.to_owned());
    }

    fn collect(&mut self, file: &str, start: u64, size: u64, header: Entries<Entry>) {
        let mut described = start;
        for (name, Entry(entry)) in header.0.into_iter().filter(|(name, _)| name != "__metadata__") {
            match entry {
                Ok(HeaderEntry { dtype, shape, data_offsets: (begin, end) }) if begin <= end => {
                    let (bytes, begin) = (end - begin, start.saturating_add(begin));
                    described = described.max(begin.saturating_add(bytes));
                    self.tensors.push(ListedTensor { name, dtype, shape, begin, bytes });
                }
                Ok(HeaderEntry { data_offsets: (begin, end), .. }) => {
                    self.broken(&name, &format!("in `{file}` ends at byte {end}, before it begins at {begin}"));
                }
                Err(reason) => self.broken(&name, &format!("in `{file}` has a broken entry: {reason}")),
            }
        }
        self.overlaps(file);
        if described > size {
            self.truncated(file, described, size);
        } else if described < size {
            self.problems.push(format!(
                "`{file}` has {size} bytes; its header describes {described}, so the last {} belong to nothing",
                size - described
            ));
        }
    }

    /// Reports tensors that share bytes with another tensor.
    fn overlaps(&mut self, file: &str) {
        let mut ordered: Vec<_> = self.tensors.iter().filter(|tensor| tensor.bytes > 0).collect();
        ordered.sort_by_key(|tensor| tensor.begin);
        for pair in ordered.windows(2).filter(|pair| pair[0].end() > pair[1].begin) {
            let (first, second) = (quoted_name(&pair[0].name), quoted_name(&pair[1].name));
            self.problems.push(format!("tensors {first} and {second} in `{file}` share bytes"));
        }
    }

    /// Reports a truncated file in one line, with every tensor that is cut off.
    fn truncated(&mut self, file: &str, described: u64, size: u64) {
        let names: Vec<&str> =
            self.tensors.iter().filter(|tensor| tensor.end() > size).map(|tensor| tensor.name.as_str()).collect();
        self.problems.push(format!(
            "`{file}` is truncated: its header describes {described} bytes, the file has {size}; cut off: {}",
            quoted_names(&names)
        ));
    }
}

/// A JSON object as a list, so that a repeated key is noticed.
#[derive(Debug)]
pub(super) struct Entries<T>(pub Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = Entries<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    if entries.len() == MAX_ENTRIES {
                        return Err(A::Error::custom(format!("more than {MAX_ENTRIES} entries")));
                    }
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(ObjectVisitor(std::marker::PhantomData))
    }
}

/// An index file, with its `weight_map` from tensor to shard, in file order.
#[derive(Debug, Deserialize)]
pub(super) struct ShardIndex {
    /// Tensor name and name of its shard.
    pub weight_map: Entries<String>,
    /// Sizes and the like, not used.
    #[serde(default, rename = "metadata")]
    _metadata: IgnoredAny,
}
