//! Opens a step as a whole, or refuses it with all problems.

use std::{collections::HashMap, path::Path, sync::Mutex};

use super::{
    KEPT, T5x,
    array::Array,
    cache::ChunkCache,
    config::{ReleasedShape, Shapes, Sizes, released_names},
    index::{Index, MAX_INDEX},
    listing::Listing,
    matching::{Matched, matched},
    place,
};
use crate::{
    checkpoint::{
        OpenMoeConfig, TensorMap, WeightFile,
        families::{self, Description},
        problem_list::{Problems, quoted_name as shown},
        tensor::{Dtype, StoredTensor},
    },
    error::{Error, OptionName},
    first_bytes::read_text,
};

/// Largest config.json that is read, in bytes.
const MAX_CONFIG: u64 = 16 << 20;
const CONFIG: &str = "config.json";

/// Where the configuration of a T5X checkpoint comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ConfigSource {
    /// A config.json in the folder of the step or the one above it; else from the shapes, if they are those of a released model.
    #[default]
    Found,
    /// A released model, by its name: `base`, `8b` or `34b`.
    Released(&'static str),
    /// A config.json.
    File(std::path::PathBuf),
}

impl ConfigSource {
    /// What was typed: the name of a released model, in any capitals unless a file is called so, or else the path of a config.json.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is no such file.
    pub fn of(typed: &Path) -> Result<Self, Error> {
        let exists = typed.symlink_metadata().is_ok();
        let is = |name: &&str| {
            typed == Path::new(name)
                || (!exists && typed.to_str().is_some_and(|typed| typed.eq_ignore_ascii_case(name)))
        };
        match released_names().into_iter().find(is) {
            Some(name) => Ok(Self::Released(name)),
            None if exists => Ok(Self::File(typed.to_path_buf())),
            None => Err(Error::usage(
                format!(
                    "{} is neither a released model nor a file; expected {}, or the path of a config.json",
                    OptionName::Config.with(typed.display()),
                    released_names().join(", ")
                ),
                "check the spelling",
            )),
        }
    }
}

/// A step that can be used.
#[derive(Debug)]
pub(in crate::checkpoint) struct Opened {
    /// Its arrays.
    pub(in crate::checkpoint) arrays: T5x,
    /// For each array its path and the bytes of its chunk files.
    pub(in crate::checkpoint) files: Vec<WeightFile>,
    /// Its tensors by the names of the PyTorch port; `file` is the number of the array.
    pub(in crate::checkpoint) tensors: HashMap<String, StoredTensor>,
    /// The tensors that its configuration implies.
    pub(in crate::checkpoint) map: TensorMap,
    /// The configuration.
    pub(in crate::checkpoint) openmoe: Option<OpenMoeConfig>,
    /// The text of the configuration: that of a file, or the one that was made up.
    pub(in crate::checkpoint) config: String,
    /// Things that should be known.
    pub(in crate::checkpoint) notes: Vec<String>,
}

/// Why a step cannot be used.
#[derive(Debug)]
pub(in crate::checkpoint) struct Refused {
    /// Everything that is wrong.
    pub(in crate::checkpoint) problems: Problems,
    /// The next step.
    pub(in crate::checkpoint) hint: String,
}

impl Refused {
    fn new(problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { problems: vec![problem.into()].into(), hint: hint.into() }
    }
}

/// The configuration, with what it is called in messages.
struct Config {
    text: String,
    source: String,
    description: Description,
    notes: Vec<String>,
}

/// The next step where arrays are missing or damaged.
const INCOMPLETE: &str = "the download may be incomplete, or the step is of another model: fetch the folder again, or give its own config.json";

/// Opens the step that a path means.
///
/// # Errors
/// There is none, or it cannot be used.
pub(in crate::checkpoint) fn open(path: &Path, source: &ConfigSource) -> Result<Opened, Refused> {
    let store = place::open(path).map_err(|unusable| Refused::new(unusable.problem, unusable.hint))?;
    let refuse = |what: String, hint: Option<&str>| {
        Refused::new(format!("`{}` {what}", place::INDEX), hint.unwrap_or(INCOMPLETE))
    };
    let bytes = store.bytes(place::INDEX, MAX_INDEX).map_err(|what| refuse(what, None))?;
    let bytes = bytes.ok_or_else(|| refuse("is missing".to_owned(), None))?;
    let index = Index::read(&bytes).map_err(|(what, hint)| refuse(what, hint))?;
    let step = index.step;
    let listing = Listing::new(index, &store);
    if listing.arrays.is_empty() && listing.problems.is_empty() {
        return Err(refuse("names no arrays in its `target`".to_owned(), None));
    }
    let config = config(&store.beside(), source, &listing)?;
    let mut notes = config.notes;
    notes.extend(listing.notes.clone());
    let Description { architecture, names, openmoe, notes: about_config, .. } = config.description;
    notes.extend(about_config);
    let map = TensorMap::new(architecture, names);
    let matched = matched(listing, &map, &config.source)
        .map_err(|(problems, hint)| Refused { problems, hint: hint.unwrap_or(INCOMPLETE).to_owned() })?;
    notes.extend(step.map(|step| format!("the weights are those of training step {step}")));
    let (mut tensors, mut files, mut arrays) = (HashMap::new(), Vec::new(), Vec::new());
    for (file, Matched { tensor, shape, listed }) in matched.into_iter().enumerate() {
        let dtype = listed.array.layout.dtype;
        tensors.insert(tensor.clone(), StoredTensor { file, offset: 0, dtype, shape, scales: None });
        files.push(WeightFile { path: store.path(&listed.array.name), bytes: listed.bytes, stated_sha256: None });
        arrays.push(Array { tensor, ..listed.array });
    }
    let arrays = T5x { store, arrays, cache: ChunkCache::new(KEPT), cursor: Mutex::default() };
    Ok(Opened { arrays, files, tensors, map, openmoe, config: config.text, notes })
}

/// The configuration: the one that was asked for, one that lies beside the step, or the one of the released model of these shapes.
fn config(beside: &[std::path::PathBuf], source: &ConfigSource, listing: &Listing) -> Result<Config, Refused> {
    let found = beside.iter().map(|folder| folder.join(CONFIG)).find(|file| file.symlink_metadata().is_ok());
    match (source, found) {
        (ConfigSource::File(file), _) => of_file(file),
        (ConfigSource::Found, Some(file)) => of_file(&file),
        (ConfigSource::Released(name), _) => match ReleasedShape::named(name) {
            Some(model) => of_released(model, listing),
            None => Err(Refused::new(
                format!("there is no released model {}", shown(name)),
                format!("expected one of {}", released_names().join(", ")),
            )),
        },
        (ConfigSource::Found, None) => {
            let sizes = sizes(listing);
            match sizes.released() {
                Some(model) => of_released(model, listing),
                None => Err(unknown(&sizes, listing)),
            }
        }
    }
}

fn of_file(file: &Path) -> Result<Config, Refused> {
    const CORRECT: &str = "give the config.json of the same model, as the PyTorch checkpoint has it";
    let name = format!("`{}`", file.display());
    let text =
        read_text(file, MAX_CONFIG).map_err(|found| Refused::new(format!("{name} {}", found.what), found.hint))?;
    // The messages of a folder's own configuration call it so.
    let named = |problem: String| match problem.strip_prefix("`config.json`") {
        Some(rest) => format!("{name}{rest}"),
        None => format!("{name}: {problem}"),
    };
    let recognised =
        families::recognise(&text).map_err(|unknown| Refused::new(named(unknown.problem), unknown.hint))?;
    let description = recognised.describe().map_err(|problems| {
        let problems: Vec<String> = problems.into_iter().map(named).collect();
        Refused { problems: problems.into(), hint: CORRECT.to_owned() }
    })?;
    if description.openmoe.is_none() {
        return Err(Refused::new(
            format!(
                "{name} describes {}; a checkpoint of T5X is read as OpenMoE only",
                description.architecture.family
            ),
            CORRECT,
        ));
    }
    Ok(Config { text, source: name.clone(), description, notes: vec![format!("the configuration is that of {name}")] })
}

fn of_released(model: ReleasedShape, listing: &Listing) -> Result<Config, Refused> {
    let dtypes = listing.arrays.values().map(|listed| listed.array.layout.dtype);
    let text = model.config_json(sizes(listing).vocabulary, dtypes.max().unwrap_or(Dtype::F32));
    let described = families::recognise(&text).ok().and_then(|recognised| recognised.describe().ok());
    let Some(description) = described else {
        return Err(Refused::new("its embedding has no rows", INCOMPLETE));
    };
    let source = format!("OpenMoE-{}", model.name);
    let note = format!("the configuration is that of {source}: there is no config.json in a T5X checkpoint");
    Ok(Config { text, source, description, notes: vec![note] })
}

/// What the shapes of all arrays imply, those that cannot be read included.
fn sizes(listing: &Listing) -> Sizes {
    let readable = listing.arrays.iter().map(|(name, listed)| (name.as_str(), listed.array.layout.grid.shape()));
    let broken = listing.broken.iter().map(|(name, shape)| (name.as_str(), &shape[..]));
    let shapes: Shapes = readable.chain(broken).collect();
    Sizes::of(&shapes)
}

fn unknown(sizes: &Sizes, listing: &Listing) -> Refused {
    let mut problems = listing.problems.clone();
    problems.push(format!(
        "there is no `{CONFIG}`, and the shapes of the arrays are those of no released OpenMoE ({}): {}",
        released_names().join(", "),
        sizes.in_words()
    ));
    Refused {
        problems,
        hint: format!(
            "put the `{CONFIG}` of the model beside the step, or name it with {}: shapes do not tell how many heads share the numbers of a query",
            OptionName::Config
        ),
    }
}
