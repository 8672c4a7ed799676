//! ESFT (deepseek-ai/ESFT, `results/expert_scores`): a folder for each domain, in it `expert_weights_LAYER.txt` for each layer, in
//! that a line for each document: the ids of all choices of all tokens, two tabs, their shares in the softmax over all experts with
//! four decimals. Choices are not sorted; there are no token ids.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader, Lines},
    path::{Path, PathBuf},
};

use crate::{
    error::{Error, Result},
    import::{
        format::{Format, Opened},
        options::CategoryFrom,
        record::Routes,
        routes::{ChoiceOrder, Header, RecordedLayer, RouteReader, RouteSequence, Weights},
        source::Source,
        text_file,
    },
    routing::LayerId,
};

/// The format.
pub(super) const FORMAT: Format = Format {
    name: "esft",
    title: "deepseek-ai/ESFT, results/expert_scores",
    recognises: |source| Ok(source.files.iter().any(|path| layer_of(path).is_some())),
    files: |source| source.files.iter().map(PathBuf::as_path).filter(|path| layer_of(path).is_some()).collect(),
    open,
};

/// Experts and choices of DeepSeek-V2-Lite, of which the published files are: they do not say it themselves.
const PUBLISHED: (usize, usize) = (64, 6);

/// The layer that a file is of.
fn layer_of(path: &Path) -> Option<LayerId> {
    path.file_name()?.to_str()?.strip_prefix("expert_weights_")?.strip_suffix(".txt")?.parse().ok()
}

/// The domains of a record.
struct Esft {
    header: Header,
    /// By domain the files by layer.
    domains: BTreeMap<String, BTreeMap<LayerId, PathBuf>>,
}

fn open(opened: &Opened<'_>) -> Result<Routes> {
    if let CategoryFrom::File | CategoryFrom::Key(_) = opened.options.category_from {
        return Err(Error::usage(
            "a record of ESFT has no categories but the folders of its domains: its files are layers, its lines have no keys",
            "leave it to the folders",
        ));
    }
    let domains = domains(opened.source)?;
    let hint = "name the folder that holds the folders of the domains";
    let Some((first, files)) = domains.iter().next() else {
        return Err(Error::usage("there is no expert_weights_LAYER.txt among the files", hint));
    };
    let layers: Vec<LayerId> = files.keys().copied().collect();
    if let Some((other, found)) = domains.iter().find(|(_, files)| !files.keys().eq(layers.iter())) {
        return Err(Error::corpus(
            format!("domain `{other}` has {} layers, domain `{first}` {}", found.len(), layers.len()),
            "every domain has the same layers: fetch the files that are missing",
        ));
    }
    let (experts, top_k) = opened.model.as_ref().map_or(PUBLISHED, |model| (model.num_experts, model.top_k));
    let layer = |&layer: &LayerId| RecordedLayer { layer, num_experts: Some(experts), top_k };
    let header = Header {
        format: FORMAT.name,
        engine: None,
        model: opened.model.is_none().then(|| "DeepSeek-V2-Lite".to_owned()),
        layers: layers.iter().map(layer).collect(),
        may_hold_dense_layers: false,
        order: ChoiceOrder::SortByWeight,
        weights: Weights::SoftmaxAll,
        has_logits: false,
        physical_to_logical: None,
        capacity: None,
        remarks: vec![
            "choices are sorted by their shares; shares that are equal to four decimals keep the order of the file"
                .into(),
        ],
    };
    Ok(Routes::Tokens(Box::new(Esft { header, domains })))
}

/// The files by domain and layer; each must be there once.
fn domains(source: &Source) -> Result<BTreeMap<String, BTreeMap<LayerId, PathBuf>>> {
    let mut domains: BTreeMap<String, BTreeMap<LayerId, PathBuf>> = BTreeMap::new();
    for path in &source.files {
        let Some(layer) = layer_of(path) else { continue };
        let folder = Source::folder_name(path);
        let files = domains.entry(folder.clone()).or_default();
        if let Some(first) = files.insert(layer, path.clone()) {
            return Err(Error::usage(
                format!("`{}` and `{}` are both layer {layer} of domain `{folder}`", first.display(), path.display()),
                "domains are told apart by the names of their folders: name the folders of one record",
            ));
        }
    }
    Ok(domains)
}

impl RouteReader for Esft {
    fn header(&self) -> &Header {
        &self.header
    }

    fn sequences(&self) -> Result<Box<dyn Iterator<Item = Result<RouteSequence>> + '_>> {
        Ok(Box::new(self.domains.iter().flat_map(|(name, files)| match Domain::open(&self.header, name, files) {
            Ok(domain) => Box::new(domain) as Box<dyn Iterator<Item = _>>,
            Err(error) => Box::new(std::iter::once(Err(error))),
        })))
    }
}

/// The documents of a domain: line by line of all its files together.
struct Domain<'a> {
    header: &'a Header,
    name: &'a str,
    files: Vec<(&'a Path, Lines<BufReader<File>>)>,
    line: usize,
}

/// Choices of one layer and their weights, `[tokens, k]`.
type Row = (Vec<u16>, Vec<f32>);

impl<'a> Domain<'a> {
    fn open(header: &'a Header, name: &'a str, files: &'a BTreeMap<LayerId, PathBuf>) -> Result<Self> {
        let lines = |path: &'a PathBuf| Ok((path.as_path(), text_file::open(path)?.lines()));
        Ok(Self { header, name, files: files.values().map(lines).collect::<Result<_>>()?, line: 0 })
    }

    /// The next document; `None` behind the last. A line that is blank in every layer is none.
    fn document(&mut self) -> Result<Option<RouteSequence>> {
        loop {
            self.line += 1;
            let next = |(path, lines): &mut (&Path, Lines<BufReader<File>>)| {
                lines.next().transpose().map_err(Error::io("read", &*path))
            };
            let texts: Vec<Option<String>> = self.files.iter_mut().map(next).collect::<Result<_>>()?;
            if texts.iter().all(Option::is_none) {
                return Ok(None);
            }
            if texts.iter().flatten().any(|text| !text.trim().is_empty()) {
                return self.of_line(&texts).map(Some);
            }
        }
    }

    /// The document whose line each layer has.
    fn of_line(&self, texts: &[Option<String>]) -> Result<RouteSequence> {
        let (top_k, line) = (self.header.layers[0].top_k, self.line);
        let row = |((path, _), text): (&(&Path, _), &Option<String>)| {
            let text = text.as_deref().filter(|text| !text.trim().is_empty());
            let read = text.map_or_else(|| Ok(Row::default()), |text| read(text, top_k));
            read.map_err(|what| {
                let message = format!("`{}`, line {line} {what}", path.display());
                Error::corpus(message, "expected ids, two tabs, and as many shares, all separated by tabs")
            })
        };
        let rows: Vec<Row> = self.files.iter().zip(texts).map(row).collect::<Result<_>>()?;
        let place = format!("{}, line {line}", self.name);
        let lengths: Vec<usize> = rows.iter().map(|row| row.0.len() / top_k).collect();
        if let Some(at) = lengths.iter().position(|length| *length != lengths[0]) {
            let (layer, first) = (self.header.layers[at].layer, self.header.layers[0].layer);
            return Err(Error::corpus(
                format!("{place}: layer {layer} has {} tokens, layer {first} {}", lengths[at], lengths[0]),
                "line i must be the same document in every layer: fetch the files again",
            ));
        }
        let tokens =
            || (0..lengths[0]).flat_map(|token| rows.iter().map(move |row| (row, token * top_k..(token + 1) * top_k)));
        Ok(RouteSequence {
            document: Some(format!("{} {line}", self.name)),
            category: Some(self.name.to_owned()).filter(|name| !name.is_empty()),
            experts: tokens().flat_map(|((experts, _), choices)| &experts[choices]).copied().collect(),
            weights: Some(tokens().flat_map(|((_, weights), choices)| &weights[choices]).copied().collect()),
            place,
            ..RouteSequence::default()
        })
    }
}

impl Iterator for Domain<'_> {
    type Item = Result<RouteSequence>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.document().transpose();
        if !matches!(next, Some(Ok(_))) {
            self.files.clear();
        }
        next
    }
}

/// Reads a line.
fn read(text: &str, top_k: usize) -> std::result::Result<Row, String> {
    let (ids, weights) = text.trim_end().split_once("\t\t").ok_or("has no two tabs between ids and shares")?;
    let id = |text: &str| text.parse::<u16>().map_err(|_| format!("has `{text}` where an id is due"));
    let weight = |text: &str| text.parse::<f32>().map_err(|_| format!("has `{text}` where a share is due"));
    let ids: Vec<u16> = ids.split('\t').map(id).collect::<std::result::Result<_, _>>()?;
    let weights: Vec<f32> = weights.split('\t').map(weight).collect::<std::result::Result<_, _>>()?;
    if ids.len() != weights.len() || !ids.len().is_multiple_of(top_k) {
        return Err(format!(
            "has {} ids and {} shares; expected as many, {top_k} for each token",
            ids.len(),
            weights.len()
        ));
    }
    Ok((ids, weights))
}
