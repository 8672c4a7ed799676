//! From the index to arrays that can be read: `.zarray`, chunk grid and chunk files of each, and all problems with them.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use super::{
    array::{Array, Content},
    embedded::Embedded,
    grid::Grid,
    index::{Index, Leaf},
    reference::Reference,
    store::Store,
    unpack::Compressor,
    zarray::{self, Layout, MAX_ZARRAY, number_type},
};
use crate::checkpoint::problem_list::{Problems, quoted_name as shown, quoted_names};

/// The arrays of a step.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Those that can be read, by their names.
    pub(super) arrays: BTreeMap<String, Listed>,
    /// Shapes of those that cannot, as far as they are known.
    pub(super) broken: BTreeMap<String, Vec<usize>>,
    /// Names of what a problem mentions, so that they are not missing too.
    pub(super) mentioned: HashSet<String>,
    /// One line for each problem.
    pub(super) problems: Problems,
    /// Things that are no problem but should be known.
    pub(super) notes: Vec<String>,
}

/// An array, and the bytes that it takes.
#[derive(Debug)]
pub(super) struct Listed {
    /// The array.
    pub(super) array: Array,
    /// Bytes of its chunk files, or in the index.
    pub(super) bytes: u64,
}

impl Listing {
    /// Looks at every array of an index.
    pub(super) fn new(index: Index, store: &Store) -> Self {
        let mut listing = Self {
            problems: index.problems.into(),
            mentioned: index.mentioned.into_iter().collect(),
            ..Self::default()
        };
        let (mut without, mut pieces) = (Vec::new(), 0);
        for (name, leaf) in index.arrays {
            let shape = match &leaf {
                Leaf::Reference(reference) => reference.shape.clone().unwrap_or_default(),
                Leaf::Embedded(embedded) => embedded.shape.clone(),
            };
            let listed = match leaf {
                Leaf::Reference(reference) => listing.referenced(&name, &reference, index.version, store, &mut without),
                Leaf::Embedded(embedded) => {
                    pieces += 1;
                    in_index(&name, embedded, index.version)
                }
            };
            match listed {
                Ok(listed) => drop(listing.arrays.insert(name, listed)),
                Err(reason) => {
                    listing.problems.push(format!("array {} {reason}", shown(&name)));
                    listing.mentioned.insert(name.clone());
                    listing.broken.insert(name, shape.into_iter().map(|size| size as usize).collect());
                }
            }
        }
        if !without.is_empty() {
            let names: Vec<&str> = without.iter().map(String::as_str).collect();
            let count = names.len();
            listing.notes.push(format!(
                "`.zarray` is missing beside {count} of {} arrays ({}), and they are read by what the index says of them: row by row, `.` between \
                 the numbers in the names of chunks",
                listing.arrays.len() + listing.broken.len(),
                quoted_names(&names[..1])
            ));
        }
        if pieces > 0 && index.version < 2 {
            listing.notes.push(format!(
                "`checkpoint` is of version {}, older than T5X reads; its {pieces} arrays are all in it, so they are read",
                index.version
            ));
        }
        listing
    }

    /// An array in a folder of its own.
    fn referenced(
        &mut self,
        name: &str,
        reference: &Reference,
        version: u64,
        store: &Store,
        without: &mut Vec<String>,
    ) -> Result<Listed, String> {
        let zarray = store.bytes(&format!("{}/.zarray", reference.folder), MAX_ZARRAY);
        let layout = match zarray.map_err(|what| format!("has a `.zarray` that {what}"))? {
            Some(bytes) => zarray::read(&bytes, reference, version)?,
            None => zarray::from_index(reference, version)?,
        };
        if zarray_is_missing(store, reference) {
            without.push(name.to_owned());
        }
        let array = Array {
            name: name.to_owned(),
            tensor: String::new(),
            layout,
            content: Content::Folder(reference.folder.clone()),
            transposed: false,
        };
        let (mut bytes, mut missing) = (0, Vec::new());
        for chunk in 0..array.layout.grid.chunks() {
            let file = array.file(chunk);
            match store.size(&file) {
                Some(size) => bytes += size,
                None => missing.push(file),
            }
        }
        match (&missing[..], &array.layout.fill) {
            ([], _) => {}
            (_, Some(_)) => self.notes.push(format!(
                "{} of {} chunks of {} have no file; by its `fill_value` they are of one number",
                missing.len(),
                array.layout.grid.chunks(),
                shown(name)
            )),
            (_, None) => {
                let names: Vec<&str> = missing.iter().map(String::as_str).collect();
                return Err(format!(
                    "lacks {} of its {} chunk files: {}",
                    names.len(),
                    array.layout.grid.chunks(),
                    quoted_names(&names)
                ));
            }
        }
        Ok(Listed { array, bytes })
    }
}

fn zarray_is_missing(store: &Store, reference: &Reference) -> bool {
    store.size(&format!("{}/.zarray", reference.folder)).is_none()
}

/// An array in the index, as if it were an only chunk.
fn in_index(name: &str, embedded: Embedded, version: u64) -> Result<Listed, String> {
    let Embedded { shape, dtype, bytes } = embedded;
    let dtype = number_type(&dtype, version)?;
    let whole: Vec<u64> = shape.iter().map(|&size| size.max(1)).collect();
    let grid = Grid::new(&shape, &whole)?;
    let expected = grid.elements() * dtype.bytes();
    if bytes.len() != expected {
        return Err(format!("has {} bytes in `checkpoint`; shape {shape:?} implies {expected}", bytes.len()));
    }
    let layout = Layout { dtype, grid, compressor: Compressor::None, separator: ".", fill: None };
    let size = bytes.len() as u64;
    let content = Content::Index(Arc::from(bytes));
    Ok(Listed {
        array: Array { name: name.to_owned(), tensor: String::new(), layout, content, transposed: false },
        bytes: size,
    })
}
