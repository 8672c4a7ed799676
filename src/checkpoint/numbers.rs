//! The numbers of a checkpoint, looked at before anything is made of them.

use super::{
    Checkpoint,
    sanity::{Part, Scan},
};
use crate::error::Result;

impl Checkpoint {
    /// Every reason why a router gives all tokens the same logits: its rows are all equal, or the norm before it is zero.
    /// Routers are small, so that they are read at once.
    ///
    /// # Errors
    /// A weight file cannot be read.
    pub fn constant_routers(&self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        let mut numbers = Vec::new();
        for layer in self.config.moe_layers() {
            let gate = format!("model.layers.{layer}.mlp.gate_weight");
            self.read(&gate, &mut numbers)?;
            let rows: Vec<&[f32]> = numbers.chunks(self.config.hidden_size).collect();
            if rows.len() > 1 && rows.iter().all(|row| *row == rows[0]) {
                let zero = if numbers.iter().all(|&x| x == 0.0) { " (zero)" } else { "" };
                let count = rows.len();
                found.push(format!("all {count} rows of `{gate}` are equal{zero}: this router cannot choose"));
            }
            let norm = format!("model.layers.{layer}.post_attention_layernorm.weight");
            self.read(&norm, &mut numbers)?;
            if numbers.iter().all(|&x| x == 0.0) {
                found.push(format!("`{norm}` is zero throughout: the router behind it sees no token"));
            }
        }
        Ok(found)
    }

    /// The parts of a weight file whose numbers are looked at on their own, by place: whole tensors, and each expert of a
    /// tensor that stacks them.
    pub(super) fn parts_of(&self, file: usize) -> Vec<Part> {
        let mut parts: Vec<Part> = Vec::new();
        for (name, tensor) in self.tensors.iter().filter(|(_, tensor)| tensor.file == file && tensor.elements() > 0) {
            let slices = if tensor.shape.len() == 3 { tensor.shape[0] } else { 1 };
            let numbers = (tensor.elements() / slices) as u64;
            let bytes = numbers * tensor.dtype.bytes() as u64;
            parts.extend((0..slices).map(|slice| Part {
                name: name.clone(),
                expert: (slices > 1).then_some(slice),
                begin: tensor.offset + slice as u64 * bytes,
                end: tensor.offset + (slice as u64 + 1) * bytes,
                scan: Scan::new(tensor),
            }));
        }
        parts.sort_by(|a, b| (a.begin, &a.name).cmp(&(b.begin, &b.name)));
        parts
    }
}
