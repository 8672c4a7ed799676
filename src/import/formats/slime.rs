//! slime (THUDM/slime, `--save-debug-rollout-data`): rollouts as `torch.save` writes them, `{"samples": [...]}`, each sample with
//! its tokens and the experts of all but the last, `[tokens - 1, layers, choices]`.

use std::collections::HashSet;

use crate::{
    error::Result,
    import::{
        category::FileCategories,
        file_names::FileNames,
        format::{Format, Opened},
        layer_array::LayerArray,
        left_out::LeftOut,
        number_array::shape_text,
        record::Routes,
        routes::{Header, RouteReader, RouteSequence},
        source::Source,
        torch_file::{self, Content, TorchFile},
    },
    pickle::Index,
    routing::ExpertId,
};

/// The format.
pub(super) const FORMAT: Format = Format {
    name: "slime",
    title: "slime: saved rollouts, with routing replay",
    recognises: |source: &Source| torch_file::first_has(source, &[b"rollout_id", b"samples"]),
    files: |source| source.mostly("pt"),
    open,
};

const HINT: &str =
    "expected samples with `tokens` and `rollout_routed_experts`, as slime saves them with routing replay";

/// The files of several rollouts.
struct Slime {
    header: Header,
    array: LayerArray,
    files: Vec<TorchFile>,
    categories: FileCategories,
    names: FileNames,
    /// File and sample of what cannot be used.
    unusable: HashSet<(usize, usize)>,
}

/// Routes of a sample as they stand in the file.
struct Found {
    tokens: Vec<u32>,
    /// Rows, layers, choices.
    shape: [usize; 3],
    experts: Vec<ExpertId>,
}

fn open(opened: &Opened<'_>) -> Result<Routes> {
    let files = opened.source.mostly("pt").into_iter().map(TorchFile::open).collect::<Result<Vec<_>>>()?;
    let mut array: Option<LayerArray> = None;
    let (mut unusable, mut left_out) = (HashSet::new(), LeftOut::new(opened.options.strict, HINT));
    for (at, file) in files.iter().enumerate() {
        let mut content = file.content()?;
        for (number, sample) in samples(&content)?.into_iter().enumerate() {
            let taken = find(&mut content, sample).and_then(|found| {
                let array = match &array {
                    Some(array) => array,
                    None => array.insert(LayerArray::new(found.shape[1], found.shape[2], opened.model.as_ref())?),
                };
                take(&found, array)
            });
            if let Err(what) = taken {
                left_out.push(format!("`{}`, sample {number} {what}", file.path().display()))?;
                unusable.insert((at, number));
            }
        }
    }
    let Some(array) = array else { return Err(left_out.nothing_left("no sample holds routes")) };
    let header = Header {
        engine: Some("slime".to_owned()),
        may_hold_dense_layers: array.may_hold_dense_layers(),
        remarks: array.remark().into_iter().chain(left_out.remark("sample")).collect(),
        ..Header::new(FORMAT.name, array.layers().to_vec())
    };
    let categories = FileCategories::new(&opened.options.category_from, files.iter().map(TorchFile::path));
    let names = FileNames::new(files.iter().map(TorchFile::path));
    Ok(Routes::Tokens(Box::new(Slime { header, array, files, categories, names, unusable })))
}

/// The samples of a file.
fn samples(content: &Content<'_>) -> Result<Vec<Index>> {
    let list = content.get(content.root(), "samples").and_then(|samples| content.items(samples));
    list.ok_or_else(|| content.refused("has no list `samples`"))
}

/// Tokens and routes of a sample.
fn find(content: &mut Content<'_>, sample: Index) -> std::result::Result<Found, String> {
    let key = "rollout_routed_experts";
    let value = content.get(sample, "tokens").ok_or("has no `tokens`")?;
    let tokens = content.numbers(value).map_err(|what| format!("has `tokens` that cannot be read: it {what}"))?;
    let value = content.get(sample, key).ok_or_else(|| format!("has no `{key}`"))?;
    let array = content.array(value).map_err(|what| format!("has no usable `{key}`: it {what}"))?;
    let shape = <[usize; 3]>::try_from(array.shape()).map_err(|_| {
        format!("has a `{key}` of the shape {}; expected [tokens - 1, layers, choices]", shape_text(array.shape()))
    })?;
    if shape[0] == 0 {
        return Err(format!("has a `{key}` without a row"));
    }
    Ok(Found { tokens, shape, experts: array.whole().map_err(|what| format!("has a `{key}` that {what}"))? })
}

/// The choices of a sample in the layers that are recorded; rows of zeros are padding.
fn take(found: &Found, array: &LayerArray) -> std::result::Result<Vec<ExpertId>, String> {
    let [_, layers, top_k] = found.shape;
    if (layers, top_k) != array.shape() {
        let (expected, choices) = array.shape();
        return Err(format!(
            "has routes of {layers} layers with {top_k} choices; expected {expected} with {choices}, as in the first sample"
        ));
    }
    array.rows(&found.experts)
}

impl Slime {
    fn sequence(
        &self,
        content: &mut Content<'_>,
        file: &TorchFile,
        number: usize,
        sample: Index,
    ) -> Result<RouteSequence> {
        let place = format!("`{}`, sample {number}", file.path().display());
        let refused = |content: &Content<'_>, what: String| content.refused(&format!("in sample {number} {what}"));
        let found = find(content, sample).map_err(|what| refused(content, what))?;
        let experts = take(&found, &self.array).map_err(|what| refused(content, what))?;
        let (rows, tokens) = (found.shape[0], found.tokens.len());
        let text = |key: &str| {
            let value = content.get(sample, key).or_else(|| content.get(content.get(sample, "metadata")?, key))?;
            content.text(value).map(str::to_owned).or_else(|| content.count(value).map(|count| count.to_string()))
        };
        let name = self.names.of(file.path());
        Ok(RouteSequence {
            document: Some(format!("{name} {}", text("index").unwrap_or_else(|| number.to_string()))),
            category: self.categories.of_row(file.path(), text),
            place,
            tokens: Some(tokens),
            token_ids: (rows == tokens || rows + 1 == tokens).then(|| found.tokens[..rows].to_vec()),
            experts,
            ..RouteSequence::default()
        })
    }

    fn of_file(&self, at: usize, file: &TorchFile) -> Result<Vec<Result<RouteSequence>>> {
        let mut content = file.content()?;
        let usable =
            samples(&content)?.into_iter().enumerate().filter(|(number, _)| !self.unusable.contains(&(at, *number)));
        Ok(usable.map(|(number, sample)| self.sequence(&mut content, file, number, sample)).collect())
    }
}

impl RouteReader for Slime {
    fn header(&self) -> &Header {
        &self.header
    }

    fn sequences(&self) -> Result<Box<dyn Iterator<Item = Result<RouteSequence>> + '_>> {
        let of_file = |(at, file)| self.of_file(at, file).unwrap_or_else(|error| vec![Err(error)]);
        Ok(Box::new(self.files.iter().enumerate().flat_map(of_file)))
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::import::{ABSENT, CategoryFrom, ImportOptions, open as open_any};

    fn read(options: &ImportOptions) -> Result<(Header, Vec<RouteSequence>)> {
        let source = Source::new(&["fixtures/imports/slime/rollout_3.pt".into()])?;
        let (format, routes) = open_any(&source, options)?;
        assert_eq!(format.name, "slime");
        let Routes::Tokens(reader) = routes else { panic!("counts") };
        let sequences = reader.sequences()?.collect::<Result<_>>()?;
        Ok((reader.header().clone(), sequences))
    }

    fn with_model() -> ImportOptions {
        ImportOptions { model_config: Some("fixtures/imports/config.json".into()), ..ImportOptions::default() }
    }

    /// The routes of the fixture: of position p, layer l and choice c the expert (3 p + 2 l + 5 c) % 8.
    fn expected(positions: &[u16]) -> Vec<u16> {
        let choice = |p: u16, l: u16, c: u16| if p == u16::MAX { ABSENT } else { (3 * p + 2 * l + 5 * c) % 8 };
        positions.iter().flat_map(|p| (1..4).flat_map(move |l| (0..2).map(move |c| choice(*p, l, c)))).collect()
    }

    #[test]
    fn samples_are_read_and_padding_is_absent() {
        let (header, sequences) = read(&with_model()).unwrap();
        assert_eq!(header.layers.iter().map(|layer| layer.layer).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(sequences.len(), 2);
        // The first holds an array of numpy, the second a tensor.
        assert_eq!(sequences[0].experts, expected(&[0, 1, 2]));
        assert_eq!(sequences[1].experts, expected(&[0, u16::MAX, 2, 3]));
        assert_eq!(sequences[1].token_ids.as_deref(), Some(&[31, 32, 33, 34][..]));
        assert_eq!(sequences[1].tokens, Some(5));
        assert_eq!(sequences[1].document.as_deref(), Some("rollout_3 8"));
        assert_eq!(sequences[0].category.as_deref(), Some("law"));
        assert!(header.remarks[0].starts_with("1 sample was left out: `"), "{:?}", header.remarks);
    }

    #[test]
    fn a_sample_without_routes_may_be_an_error() {
        let error = read(&ImportOptions { strict: true, ..with_model() }).unwrap_err().to_string();
        assert!(error.contains("sample 2 has no usable `rollout_routed_experts`"), "{error}");
    }

    #[test]
    fn any_key_of_a_sample_may_be_the_category() {
        let options = ImportOptions { category_from: CategoryFrom::Key("status".into()), ..with_model() };
        assert_eq!(read(&options).unwrap().1[0].category.as_deref(), Some("completed"));
    }

    #[test]
    fn damaged_files_are_refused() {
        let bytes = std::fs::read("fixtures/imports/slime/rollout_3.pt").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path: PathBuf = folder.path().join("rollout.pt");
        for length in (40..bytes.len()).step_by(97) {
            std::fs::write(&path, &bytes[..length]).unwrap();
            let source = Source::new(std::slice::from_ref(&path)).unwrap();
            let options = ImportOptions { format: Some("slime".into()), ..ImportOptions::default() };
            assert!(open_any(&source, &options).is_err(), "{length} bytes");
        }
    }
}
