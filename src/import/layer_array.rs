//! Arrays `[rows, layers, k]` of expert ids: engines differ in what the second dimension counts, and in what they write where
//! nothing was routed.

use super::{
    model_config::ModelConfig,
    routes::{ABSENT, RecordedLayer, is_unrouted},
};
use crate::routing::{ExpertId, LayerId};

/// The id that some engines write for "nothing" where ids have one byte.
const BYTE_ABSENT: ExpertId = 255;

/// What the second dimension of an array counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LayerArray {
    layers: Vec<RecordedLayer>,
    /// By recorded layer the index in the array.
    places: Vec<usize>,
    columns: usize,
    top_k: usize,
    /// Whether the configuration of the model decided.
    is_known: bool,
}

impl LayerArray {
    /// Arrays `[rows, columns, top_k]`. With the configuration of the model the columns are all decoder layers (vLLM, SGLang) or
    /// those that route (TensorRT-LLM, vLLM 0.21), whichever they are as many as; without it they are counted from 0, and some of
    /// them may be dense.
    ///
    /// # Errors
    /// The configuration has other numbers of layers or choices.
    pub(super) fn new(columns: usize, top_k: usize, model: Option<&ModelConfig>) -> Result<Self, String> {
        if columns == 0 || top_k == 0 || columns > usize::from(LayerId::MAX) || top_k > 255 {
            return Err(format!("has routes of {columns} layers with {top_k} choices; expected 1 or more of both"));
        }
        let Some(model) = model else {
            let layer = |layer| RecordedLayer { layer, num_experts: None, top_k };
            let layers = (0..columns as LayerId).map(layer).collect();
            return Ok(Self { layers, places: (0..columns).collect(), columns, top_k, is_known: false });
        };
        if top_k != model.top_k {
            return Err(format!(
                "has {top_k} choices a token; the configuration of the model says {}: is it that of another model?",
                model.top_k
            ));
        }
        let places = if columns == model.layers {
            model.moe_layers.iter().map(|layer| usize::from(*layer)).collect()
        } else if columns == model.moe_layers.len() {
            (0..columns).collect()
        } else {
            return Err(format!(
                "has routes of {columns} layers; the configuration of the model has {} layers, of which {} route",
                model.layers,
                model.moe_layers.len()
            ));
        };
        Ok(Self { layers: model.recorded(false), places, columns, top_k, is_known: true })
    }

    /// The layers that [`Self::rows`] gives.
    pub(super) fn layers(&self) -> &[RecordedLayer] {
        &self.layers
    }

    /// Layers of the array, and choices of each.
    pub(super) fn shape(&self) -> (usize, usize) {
        (self.columns, self.top_k)
    }

    /// Whether dense layers may be among the layers.
    pub(super) fn may_hold_dense_layers(&self) -> bool {
        !self.is_known
    }

    /// What a reader should know where the configuration of the model was not given.
    pub(super) fn remark(&self) -> Option<String> {
        let remark = "layers are counted as the arrays have them, from 0; with the configuration of the model the dense ones and \
                      the number of experts would be known";
        (!self.is_known).then(|| remark.to_owned())
    }

    /// The choices of the recorded layers, `[rows, layers, k]`, of an array `[rows, columns, k]`. With several choices a row of
    /// nothing but zeros, or of nothing but 255, is absent: a token chooses an expert once.
    ///
    /// # Errors
    /// A layer that does not route holds routes.
    pub(super) fn rows(&self, array: &[ExpertId]) -> Result<Vec<ExpertId>, String> {
        let stride = self.columns * self.top_k;
        let mut rows = Vec::with_capacity(array.len() / self.columns * self.layers.len());
        for row in array.chunks_exact(stride) {
            let choices = |column: usize| &row[column * self.top_k..(column + 1) * self.top_k];
            if let Some(dense) =
                (0..self.columns).find(|column| self.is_dense(*column) && !is_nothing(choices(*column)))
            {
                return Err(format!(
                    "holds routes of layer {dense}, which does not route by the configuration of the model: is it that of \
                     another model?"
                ));
            }
            for (place, layer) in self.places.iter().zip(&self.layers) {
                let choices = choices(*place);
                if self.top_k > 1 && is_nothing(choices) {
                    rows.extend(std::iter::repeat_n(ABSENT, self.top_k));
                    continue;
                }
                let is_byte = |expert| expert == BYTE_ABSENT && layer.num_experts.is_some_and(|all| all <= 255);
                rows.extend(choices.iter().map(|expert| if is_byte(*expert) { ABSENT } else { *expert }));
            }
        }
        Ok(rows)
    }

    fn is_dense(&self, column: usize) -> bool {
        self.columns != self.layers.len() && !self.places.contains(&column)
    }
}

/// Whether the choices are those of a token that was not routed.
fn is_nothing(choices: &[ExpertId]) -> bool {
    is_unrouted(choices) || choices.iter().all(|expert| [0, BYTE_ABSENT].contains(expert))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> ModelConfig {
        ModelConfig { layers: 4, num_experts: 8, top_k: 2, moe_layers: vec![1, 3] }
    }

    #[test]
    fn the_second_dimension_counts_all_layers_or_those_that_route() {
        let all = LayerArray::new(4, 2, Some(&model())).unwrap();
        let layer = |layer| RecordedLayer { layer, num_experts: Some(8), top_k: 2 };
        assert_eq!(all.layers(), [layer(1), layer(3)]);
        assert_eq!(all.rows(&[0, 0, 5, 6, 0, 0, 7, 1]).unwrap(), [5, 6, 7, 1]);
        let routed = LayerArray::new(2, 2, Some(&model())).unwrap();
        assert_eq!(routed.layers(), all.layers());
        assert_eq!(routed.rows(&[5, 6, 7, 1]).unwrap(), [5, 6, 7, 1]);
        let unknown = LayerArray::new(4, 2, None).unwrap();
        assert_eq!(unknown.layers()[3], RecordedLayer { layer: 3, num_experts: None, top_k: 2 });
        assert!(unknown.may_hold_dense_layers() && !all.may_hold_dense_layers());
    }

    #[test]
    fn what_was_not_routed_is_absent() {
        let array = LayerArray::new(2, 2, Some(&model())).unwrap();
        let rows = array.rows(&[0, 0, 1, 0, 255, 255, 3, 255, ABSENT, ABSENT, 2, 1]).unwrap();
        assert_eq!(rows, [ABSENT, ABSENT, 1, 0, ABSENT, ABSENT, 3, ABSENT, ABSENT, ABSENT, 2, 1]);
        let one = LayerArray::new(1, 1, None).unwrap();
        assert_eq!(one.rows(&[0, 255]).unwrap(), [0, 255], "a single choice may be expert 0");
    }

    #[test]
    fn the_configuration_of_another_model_is_refused() {
        let refused = |columns, top_k| LayerArray::new(columns, top_k, Some(&model())).unwrap_err();
        assert!(
            refused(3, 2).contains("routes of 3 layers; the configuration of the model has 4 layers, of which 2 route")
        );
        assert!(refused(4, 3).contains("has 3 choices a token; the configuration of the model says 2"));
        let all = LayerArray::new(4, 2, Some(&model())).unwrap();
        assert!(all.rows(&[0, 0, 5, 6, 4, 2, 7, 1]).unwrap_err().contains("routes of layer 2"));
        assert!(LayerArray::new(0, 2, None).is_err() && LayerArray::new(2, 0, None).is_err());
    }
}
