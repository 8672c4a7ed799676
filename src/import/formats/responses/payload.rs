//! The routes in a response: a `.npy` or plain int32 in base64, nested lists, or an array with its shape beside it.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde_json::{Map, Value};

use crate::{
    import::{
        model_config::ModelConfig,
        npy,
        number_array::{NumberArray, NumberType, shape_text},
        routes::ABSENT,
    },
    routing::ExpertId,
};

/// Base64 with or without its padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Expert ids `[rows, layers, k]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Payload {
    /// Tokens with a row.
    pub(super) rows: usize,
    /// Layers of a row, dense ones counted where the engine counts them.
    pub(super) layers: usize,
    /// Choices of a layer.
    pub(super) top_k: usize,
    /// The ids, row by row.
    pub(super) experts: Vec<ExpertId>,
}

/// What is known beside routes whose shape is not stored.
#[derive(Clone, Copy)]
pub(super) struct Beside<'a> {
    /// The model's configuration.
    pub(super) model: Option<&'a ModelConfig>,
    /// Rows that the tokens of the response ask for.
    pub(super) rows: Option<usize>,
}

impl Payload {
    /// Reads the value of a key such as `routed_experts`.
    ///
    /// # Errors
    /// It is damaged, has another number of dimensions, or lacks its shape.
    pub(super) fn read(value: &Value, beside: Beside<'_>) -> Result<Self, String> {
        match value {
            Value::String(text) => {
                let bytes = decode(text)?;
                if bytes.starts_with(npy::MAGIC) {
                    return Self::of_array(&npy::read(&bytes)?);
                }
                Self::of_plain(bytes, beside)
            }
            Value::Array(rows) => Self::of_lists(rows),
            Value::Object(object) => Self::of_object(object),
            other => Err(format!("is `{other}`; expected base64 or lists")),
        }
    }

    fn of_array(array: &NumberArray) -> Result<Self, String> {
        let [rows, layers, top_k] = *array.shape() else {
            return Err(format!("has the shape {}; expected [rows, layers, choices]", shape_text(array.shape())));
        };
        Ok(Self { rows, layers, top_k, experts: array.whole()? })
    }

    /// int32, one after the other; layers and choices are those of the model.
    fn of_plain(bytes: Vec<u8>, beside: Beside<'_>) -> Result<Self, String> {
        let model = beside.model.ok_or(
            "is plain int32 without a shape; give the configuration of the model, which has its layers and choices",
        )?;
        let row = |layers: usize| layers * model.top_k * NumberType::I32.bytes();
        let divides = |layers: &usize| bytes.len().is_multiple_of(row(*layers));
        let fits = |layers: &usize| {
            let rows = bytes.len() / row(*layers);
            divides(layers) && beside.rows.is_some_and(|expected| [rows, rows + 1].contains(&expected))
        };
        // SGLang has a place for every layer; an engine that has one for each that routes is told by the number of tokens.
        let all = model.layers;
        let found = [all, model.moe_layers.len()].into_iter().find(fits).or_else(|| Some(all).filter(divides));
        let layers = found.ok_or_else(|| {
            format!(
                "has {} bytes, which are no whole rows of {all} layers with {} choices, as the model has them",
                bytes.len(),
                model.top_k
            )
        })?;
        let shape = vec![bytes.len() / row(layers), layers, model.top_k];
        Self::of_array(&NumberArray::new(shape, NumberType::I32, bytes)?)
    }

    fn of_lists(rows: &[Value]) -> Result<Self, String> {
        let first = rows.first().map_or(Ok(&[][..]), list)?;
        let layers = first.len();
        let top_k = first.first().map_or(Ok(&[][..]), list)?.len();
        let mut experts = Vec::with_capacity(rows.len() * layers * top_k);
        for (at, row) in rows.iter().enumerate() {
            let row = list(row)?;
            if row.len() != layers {
                return Err(format!("has {} layers in row {at}, {layers} in row 0", row.len()));
            }
            for choices in row {
                let choices = choices.as_array().filter(|choices| choices.len() == top_k).ok_or_else(|| {
                    format!("has choices in row {at} that are no list of {top_k}, as those of row 0 are")
                })?;
                for expert in choices {
                    experts.push(expert_id(expert).ok_or_else(|| format!("has `{expert}` where an expert is due"))?);
                }
            }
        }
        Ok(Self { rows: rows.len(), layers, top_k, experts })
    }

    /// `{"data": base64, "dtype": name, "shape": [...]}`.
    fn of_object(object: &Map<String, Value>) -> Result<Self, String> {
        let expected = "is an object; expected `data` in base64, `dtype` and `shape` in it";
        let data = object.get("data").and_then(Value::as_str).ok_or(expected)?;
        let kind = object.get("dtype").and_then(Value::as_str).ok_or(expected)?;
        let sizes = object.get("shape").and_then(Value::as_array).ok_or(expected)?;
        let shape: Option<Vec<usize>> = sizes.iter().map(|size| size.as_u64().map(|size| size as usize)).collect();
        let kind =
            NumberType::named(kind).ok_or_else(|| format!("has numbers of type `{kind}`; expected whole numbers"))?;
        Self::of_array(&NumberArray::new(shape.ok_or(expected)?, kind, decode(data)?)?)
    }

    /// Rows behind those of this one.
    ///
    /// # Errors
    /// They have other layers or choices.
    pub(super) fn followed_by(mut self, other: &Self) -> Result<Self, String> {
        if other.rows == 0 {
            return Ok(self);
        }
        if self.rows == 0 {
            return Ok(other.clone());
        }
        if (self.layers, self.top_k) != (other.layers, other.top_k) {
            return Err(format!(
                "has {} layers with {} choices for the prompt, {} with {} for the answer",
                self.layers, self.top_k, other.layers, other.top_k
            ));
        }
        self.rows += other.rows;
        self.experts.extend_from_slice(&other.experts);
        Ok(self)
    }
}

fn list(value: &Value) -> Result<&[Value], String> {
    Ok(value.as_array().ok_or_else(|| format!("has {value} where a list is due"))?)
}

fn decode(text: &str) -> Result<Vec<u8>, String> {
    BASE64.decode(text.trim()).map_err(|error| format!("is no base64: {error}"))
}

fn expert_id(value: &Value) -> Option<ExpertId> {
    match value.as_i64()? {
        -1 => Some(ABSENT),
        id => ExpertId::try_from(id).ok(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOTHING: Beside<'_> = Beside { model: None, rows: None };

    fn base64(bytes: &[u8]) -> Value {
        Value::String(BASE64.encode(bytes))
    }

    fn payload(rows: usize, layers: usize, experts: &[ExpertId]) -> Payload {
        Payload { rows, layers, top_k: 2, experts: experts.to_vec() }
    }

    #[test]
    fn every_form_gives_the_same_routes() {
        let npy =
            [npy::MAGIC, b"\x01\0\x3d\0{'descr': '|u1', 'fortran_order': False, 'shape': (1, 2, 2)} ", &[6, 7, 1, 0]]
                .concat();
        let routes = payload(1, 2, &[6, 7, 1, 0]);
        assert_eq!(Payload::read(&base64(&npy), NOTHING).unwrap(), routes);
        let model = ModelConfig { layers: 2, num_experts: 8, top_k: 2, moe_layers: vec![1] };
        let plain = base64(&[6, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
        let told = |rows| Beside { model: Some(&model), rows };
        assert_eq!(Payload::read(&plain, told(None)).unwrap(), routes);
        assert_eq!(Payload::read(&plain, told(Some(1))).unwrap(), routes);
        let routed = Payload::read(&plain, told(Some(2))).unwrap();
        assert_eq!(routed, routes, "one row may be short of the tokens");
        let routed = Payload::read(&plain, told(Some(3))).unwrap();
        assert_eq!(routed, payload(2, 1, &[6, 7, 1, 0]), "two tokens and a last one in the layer that routes");
        assert_eq!(Payload::read(&json!([[[6, 7], [1, 0]]]), NOTHING).unwrap(), routes);
        let object = json!({ "data": BASE64.encode([6, 0, 7, 0, 1, 0, 0, 0]), "dtype": "int16", "shape": [1, 2, 2] });
        assert_eq!(Payload::read(&object, NOTHING).unwrap(), routes);
        assert_eq!(Payload::read(&json!([[[-1, -1]]]), NOTHING).unwrap(), payload(1, 1, &[ABSENT, ABSENT]));
    }

    #[test]
    fn damage_is_an_error() {
        let model = ModelConfig { layers: 2, num_experts: 8, top_k: 2, moe_layers: vec![1] };
        let refused = |value: &Value, words: &str| {
            let error = Payload::read(value, Beside { model: Some(&model), rows: None }).unwrap_err();
            assert!(error.contains(words), "{value}: {error}");
        };
        refused(&json!("not base64!"), "no base64");
        refused(&json!(7), "is `7`");
        refused(&base64(&[0; 15]), "15 bytes, which are no whole rows of 2 layers with 2 choices");
        refused(&base64(b"\x93NUMPY\x01\0"), "cut off");
        refused(&json!([[[1, 2], [3, 4]], [[1, 2]]]), "1 layers in row 1, 2 in row 0");
        refused(&json!([[[1, 2], [3]]]), "no list of 2");
        refused(&json!([[[1, 70000]]]), "`70000` where an expert is due");
        refused(&json!([[1, 2]]), "has 1 where a list is due");
        refused(&json!({ "data": "AAAA", "dtype": "int16" }), "`shape`");
        refused(&json!({ "data": "AAAA", "dtype": "object", "shape": [1] }), "type `object`");
        refused(&json!({ "data": "AAAA", "dtype": "uint8", "shape": [3] }), "[3]; expected [rows, layers, choices]");
        let plain = Payload::read(&base64(&[0; 16]), NOTHING).unwrap_err();
        assert!(plain.contains("give the configuration of the model"), "{plain}");
        assert!(payload(1, 2, &[1, 2, 3, 4]).followed_by(&payload(2, 1, &[1, 2, 3, 4])).is_err());
    }
}
