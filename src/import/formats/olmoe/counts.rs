//! Pickles of `run_routing_analysis.py`: a file for each domain, in it a list of what layers 0, 7 and 15 counted. In `expert_counts`
//! that is `{expert: assignments}`, in `eid2token` `{expert: {token id: assignments}}`. Pairs of layers (`expert_counts_crosslayer`)
//! and counts of first choices (`..._top1`) are not read.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use super::lines::NAME;
use crate::{
    error::{Error, Result},
    import::{
        category::FileCategories,
        counts::{CountBuilder, CountRow, CountTable},
        format::Opened,
        numpy_pickle::whole_number,
        routes::{Header, RecordedLayer},
        source::Source,
    },
    pickle::{Index, Pickle, Value},
    routing::{ExpertId, LayerId},
};

/// The layers that are counted, which the files do not say.
const LAYERS: [LayerId; 3] = [0, 7, 15];
/// The most values of a file: two for each expert and token id.
const MAX_VALUES: usize = 1 << 25;
const HINT: &str = "expected the files of `expert_counts` or `eid2token`, as run_routing_analysis.py writes them";
/// Classes and functions that counters and whole numbers of numpy are made of. Nothing is called: a file that names others holds
/// something else than counts.
const KNOWN: [(&str, &str); 9] = [
    ("collections", "Counter"),
    ("collections", "defaultdict"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
    ("builtins", "int"),
    ("builtins", "bytes"),
    ("__builtin__", "bytes"),
];

/// Whether a file begins as a pickle of counters does.
pub(super) fn recognises(start: &[u8]) -> bool {
    let names = |word: &[u8]| start.windows(word.len()).any(|part| part == word);
    start.starts_with(&[0x80]) && names(b"collections") && names(b"Counter")
}

/// Reads the counts of every domain.
///
/// # Errors
/// [`Error::Usage`] without a configuration of the model; [`Error::Corpus`] for what is no such file.
pub(super) fn read(opened: &Opened<'_>) -> Result<CountTable> {
    let model = opened.model.as_ref().ok_or_else(|| {
        Error::usage(
            "the counts do not say how many experts there are, and how many a token chooses",
            "give the configuration of the model",
        )
    })?;
    if let Some(layer) = LAYERS.iter().find(|layer| !model.moe_layers.contains(layer)) {
        return Err(Error::usage(
            format!(
                "the counts are of layers 0, 7 and 15; by the configuration of the model layer {layer} does not route"
            ),
            "is it the configuration of another model?",
        ));
    }
    let layer = |layer| RecordedLayer { layer, num_experts: Some(model.num_experts), top_k: model.top_k };
    let mut header = Header::new(NAME, LAYERS.map(layer).to_vec());
    header.engine = Some("transformers".to_owned());
    let (files, mut remarks) = files(opened)?;
    let categories = FileCategories::new(&opened.options.category_from, files.iter().map(PathBuf::as_path));
    let (mut builder, mut is_by_token) = (CountBuilder::new(header), false);
    for path in &files {
        let stem = path.file_stem().map(|stem| stem.to_string_lossy());
        let category = categories.of(path, stem.as_deref());
        let (counts, by_token) = of_file(path)?;
        is_by_token |= by_token;
        for (layer, expert, count) in counts {
            let row = CountRow { layer, expert, count, category: category.as_deref(), ..CountRow::default() };
            builder.add(&row).map_err(|what| refused(path, &what))?;
        }
    }
    if is_by_token {
        remarks.push("the counts of an expert are added up over all token ids: which ids it took is in the file, and not in what follows".to_owned());
    }
    let mut table = builder.finish();
    table.header.remarks.extend(remarks);
    Ok(table)
}

fn refused(path: &Path, what: &str) -> Error {
    Error::corpus(format!("`{}` {what}", path.display()), HINT)
}

/// The files that are read, one for each domain, and what is said about the others.
fn files(opened: &Opened<'_>) -> Result<(Vec<PathBuf>, Vec<String>)> {
    let (mut kept, mut remarks): (BTreeMap<String, PathBuf>, Vec<String>) = (BTreeMap::new(), Vec::new());
    for path in opened.source.with_extension("pkl") {
        let folder = Source::folder_name(path);
        let left_out = |what: &str| format!("`{}` {what}: left out", path.display());
        if folder.contains("crosslayer") || folder.ends_with("_top1") {
            remarks.push(left_out("counts pairs of layers, or first choices alone"));
            continue;
        }
        let several = |first: &Path| {
            Error::usage(
                format!("`{}` and `{}` may be of two models; expected one", first.display(), path.display()),
                "name the folder of one model, which holds expert_counts or eid2token",
            )
        };
        let of = |path: &Path| path.parent().and_then(Path::parent).map(Path::to_path_buf);
        if let Some(first) = kept.values().find(|first| of(first) != of(path)) {
            return Err(several(first));
        }
        let domain = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into());
        // The two folders hold the same counts, which is not known of any others.
        let is_one_of_two = |first: &Path| matches!(Source::folder_name(first).as_str(), "expert_counts" | "eid2token");
        match kept.get(&domain) {
            Some(first) if !is_one_of_two(first) || !is_one_of_two(path) || Source::folder_name(first) == folder => {
                return Err(several(first));
            }
            // Folders come by name, so that the counts by token id come first; those of the other folder are newer.
            Some(first) if folder == "expert_counts" => {
                remarks.push(format!("`{}` counts the same as `{}`: left out", first.display(), path.display()));
                kept.insert(domain, path.to_path_buf());
            }
            Some(first) => remarks.push(left_out(&format!("counts the same as `{}`", first.display()))),
            None => {
                kept.insert(domain, path.to_path_buf());
            }
        }
    }
    if kept.is_empty() {
        return Err(Error::usage("there is no file of counts among the files", HINT));
    }
    Ok((kept.into_values().collect(), remarks))
}

/// Layer, expert and assignments.
type Count = (LayerId, ExpertId, u64);

/// The counts of a file, and whether they were told apart by token id.
fn of_file(path: &Path) -> Result<(Vec<Count>, bool)> {
    let bytes = fs::read(path).map_err(Error::io("read", path))?;
    counts(&bytes).map_err(|what| refused(path, &what))
}

fn counts(bytes: &[u8]) -> std::result::Result<(Vec<Count>, bool), String> {
    let pickle = Pickle::read_up_to(bytes, MAX_VALUES).map_err(|what| format!("is a pickle that {what}"))?;
    if let Some((module, name)) = pickle.globals().find(|global| !KNOWN.contains(global)) {
        return Err(format!("names `{module}.{name}`, which no count is made of: it is not read"));
    }
    let layers = pickle.items(pickle.root()).filter(|layers| layers.len() == LAYERS.len());
    let layers = layers.ok_or_else(|| format!("holds no list of {} layers", LAYERS.len()))?;
    let (mut counts, mut is_by_token) = (Vec::new(), false);
    for (&layer, value) in LAYERS.iter().zip(layers) {
        for (expert, value) in entries(&pickle, *value).ok_or("holds something else than counters")? {
            let id = whole_number(&pickle, *expert).map_err(|what| format!("has an expert that {what}"))?;
            let id = ExpertId::try_from(id).map_err(|_| format!("counts expert {id}"))?;
            let count = match entries(&pickle, *value) {
                Some(tokens) => {
                    is_by_token = true;
                    tokens.iter().try_fold(0_u64, |sum, (_, count)| add(sum, &pickle, *count))
                }
                None => add(0, &pickle, *value),
            };
            counts.push((layer, id, count.map_err(|what| format!("has a count of expert {id} that {what}"))?));
        }
    }
    Ok((counts, is_by_token))
}

fn add(sum: u64, pickle: &Pickle, count: Index) -> std::result::Result<u64, String> {
    sum.checked_add(whole_number(pickle, count)?).ok_or_else(|| "no number of 64 bits holds".to_owned())
}

/// Keys and values of a dict, or of a counter, which is a call with a dict.
fn entries<'p>(pickle: &'p Pickle<'_>, value: Index) -> Option<&'p [(Index, Index)]> {
    match pickle.get(value) {
        Value::Dict(entries) => Some(entries),
        Value::Call(callable, arguments) if pickle.global(*callable)? == ("collections", "Counter") => {
            match pickle.items(*arguments)? {
                [] => Some(&[]),
                [dict] => match pickle.get(*dict) {
                    Value::Dict(entries) => Some(entries),
                    _ => None,
                },
                _ => None,
            }
        }
        _ => None,
    }
}
