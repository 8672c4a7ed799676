//! Router logits as `output_router_logits=True` of transformers gives them, saved by `numpy.savez` or safetensors: a file for each
//! sequence, in it `[tokens, experts]` for each layer that routes. The choices are recomputed.

use std::{collections::BTreeMap, path::Path};

use crate::{
    error::{Error, Result},
    import::{
        array_file::ArrayFile,
        category::FileCategories,
        file_names::FileNames,
        format::{Format, Opened},
        model_config::ModelConfig,
        record::Routes,
        routes::{ChoiceOrder, Header, RouteReader, RouteSequence},
        source::Source,
    },
    routing::{ExpertId, LayerId},
};

/// The format.
pub(super) const FORMAT: Format = Format {
    name: "router-logits",
    title: "transformers, router logits saved as NPZ or safetensors",
    recognises: |source| match files(source).first() {
        Some(path) => {
            Ok(ArrayFile::open(path).is_ok_and(|file| layers_of(&file).len() > usize::from(file.has(IDS[0]))))
        }
        None => Ok(false),
    },
    files,
    open,
};

/// Names of the token ids.
const IDS: [&str; 2] = ["token_ids", "input_ids"];
/// What stands before the number of a layer.
const BEFORE: [&str; 5] = ["", "layer", "layers", "router_logits", "router_logits_layer"];

fn files(source: &Source) -> Vec<&Path> {
    source.with_extension("npz").chain(source.with_extension("safetensors")).collect()
}

/// The arrays of layers by the number in their names.
fn layers_of(file: &ArrayFile) -> BTreeMap<LayerId, &str> {
    let number = |name: &str| -> Option<LayerId> {
        let before = name.trim_end_matches(|character: char| character.is_ascii_digit());
        let known = BEFORE.contains(&before.trim_end_matches(['_', '.', '-']));
        if known { name[before.len()..].parse().ok() } else { None }
    };
    file.names().filter_map(|name| Some((number(name)?, name))).collect()
}

/// The files of a record.
struct RouterLogits {
    header: Header,
    files: Vec<ArrayFile>,
    categories: FileCategories,
    names: FileNames,
    /// Numbers in the names of the arrays, in the order of the header.
    numbers: Vec<LayerId>,
    has_ids: bool,
}

fn open(opened: &Opened<'_>) -> Result<Routes> {
    let model = opened.model.as_ref().ok_or_else(|| {
        Error::usage("router logits do not say how many experts a token chooses", "give the configuration of the model")
    })?;
    let paths = files(opened.source);
    let files = paths.iter().map(|path| ArrayFile::open(path)).collect::<Result<Vec<_>>>()?;
    let first =
        files.first().ok_or_else(|| Error::usage("there is no file of arrays", "expected *.npz or *.safetensors"))?;
    let numbers: Vec<LayerId> = layers_of(first).into_keys().collect();
    let layers = decoder_layers(&numbers, model).map_err(|what| {
        Error::corpus(
            format!("`{}` {what}", first.path().display()),
            "name the arrays by their decoder layers, from 0, such as layer_3",
        )
    })?;
    let recorded = model.recorded(false).into_iter().filter(|layer| layers.contains(&layer.layer)).collect();
    let mut header = Header::new(FORMAT.name, recorded);
    (header.engine, header.order, header.has_logits) = (Some("transformers".to_owned()), ChoiceOrder::Weight, true);
    header.remarks.push(
        "choices are recomputed from logits: the largest, of equal ones that of the lower id; biases and groups of experts that \
         took part in the model's own choice are unknown"
            .to_owned(),
    );
    if layers != numbers {
        header.remarks.push("arrays are numbered by the layers that route, in their order".to_owned());
    }
    let has_ids = files.iter().all(|file| IDS.iter().any(|name| file.has(name)));
    let categories = FileCategories::new(&opened.options.category_from, paths.iter().copied());
    let names = FileNames::new(paths.into_iter());
    Ok(Routes::Tokens(Box::new(RouterLogits { header, files, categories, names, numbers, has_ids })))
}

/// The decoder layers that numbers stand for: they are these, or count the layers that route.
fn decoder_layers(numbers: &[LayerId], model: &ModelConfig) -> std::result::Result<Vec<LayerId>, String> {
    let routed = &model.moe_layers;
    if numbers.iter().all(|number| routed.contains(number)) {
        return Ok(numbers.to_vec());
    }
    if numbers.len() == routed.len() && numbers.iter().map(|number| usize::from(*number)).eq(0..routed.len()) {
        return Ok(routed.clone());
    }
    let shown: Vec<String> = numbers.iter().take(8).map(LayerId::to_string).collect();
    Err(format!(
        "has arrays of {} layers ({}); the model has {} that route, {} first",
        numbers.len(),
        shown.join(", "),
        routed.len(),
        routed[0]
    ))
}

impl RouteReader for RouterLogits {
    fn header(&self) -> &Header {
        &self.header
    }

    fn sequences(&self) -> Result<Box<dyn Iterator<Item = Result<RouteSequence>> + '_>> {
        Ok(Box::new(self.files.iter().map(|file| self.read(file))))
    }
}

impl RouterLogits {
    fn read(&self, file: &ArrayFile) -> Result<RouteSequence> {
        let arrays = layers_of(file);
        if !arrays.keys().eq(&self.numbers) {
            return Err(Error::corpus(
                format!(
                    "`{}` has arrays of {} layers; the first file has {}",
                    file.path().display(),
                    arrays.len(),
                    self.numbers.len()
                ),
                "save the same layers of every sequence",
            ));
        }
        let mut of_layers: Vec<Vec<f32>> = Vec::new();
        for (name, layer) in arrays.values().zip(&self.header.layers) {
            of_layers.push(scores(file, name, layer.num_experts.unwrap_or(0))?);
        }
        let experts: Vec<usize> = self.header.layers.iter().map(|layer| layer.num_experts.unwrap_or(0)).collect();
        let rows = of_layers[0].len() / experts[0];
        for ((name, scores), experts) in arrays.values().zip(&of_layers).zip(&experts) {
            if scores.len() != rows * experts {
                let what = format!("has {} rows; another layer has {rows}", scores.len() / experts);
                return Err(file.refused(name, &what));
            }
        }
        let (mut choices, mut logits) = (Vec::new(), Vec::new());
        for row in 0..rows {
            for (scores, layer) in of_layers.iter().zip(&self.header.layers) {
                let experts = layer.num_experts.unwrap_or(0);
                let scores = &scores[row * experts..(row + 1) * experts];
                choices.extend(largest(scores, layer.top_k));
                logits.extend_from_slice(scores);
            }
        }
        let name = self.names.of(file.path());
        Ok(RouteSequence {
            document: Some(name.clone()),
            category: self.categories.of(file.path(), None),
            place: name,
            tokens: self.has_ids.then_some(rows),
            token_ids: self.has_ids.then(|| ids(file, rows)).transpose()?,
            experts: choices,
            logits: Some(logits),
            ..RouteSequence::default()
        })
    }
}

/// The scores of a layer, `[rows, experts]`.
fn scores(file: &ArrayFile, name: &str, experts: usize) -> Result<Vec<f32>> {
    let array = file.read(name)?;
    let shape = array.shape();
    if shape.len() < 2 || shape.last() != Some(&experts) || shape[..shape.len() - 2].iter().any(|size| *size != 1) {
        let what = format!("has the shape {shape:?}; expected [tokens, {experts}] of one sequence");
        return Err(file.refused(name, &what));
    }
    let scores = array.fractions().map_err(|what| file.refused(name, &what))?;
    match scores.iter().find(|score| score.is_nan()) {
        Some(_) => Err(file.refused(name, "has scores that are no numbers: nothing can be chosen by them")),
        None => Ok(scores),
    }
}

fn ids(file: &ArrayFile, rows: usize) -> Result<Vec<u32>> {
    let name = IDS.into_iter().find(|name| file.has(name)).unwrap_or(IDS[0]);
    let ids: Vec<u32> = file.read(name)?.whole().map_err(|what| file.refused(name, &what))?;
    if ids.len() == rows {
        return Ok(ids);
    }
    Err(file.refused(name, &format!("has {} values; the logits have {rows} rows", ids.len())))
}

/// The experts with the largest scores, the largest first, of equal ones the lower id.
fn largest(scores: &[f32], count: usize) -> Vec<ExpertId> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].partial_cmp(&scores[*a]).unwrap_or(std::cmp::Ordering::Equal));
    order.into_iter().take(count).map(|expert| expert as ExpertId).collect()
}
