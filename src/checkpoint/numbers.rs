//! Examines the numbers of a checkpoint before they are used.

use super::{
    Checkpoint, Role,
    sanity::{Scan, ScannedPart},
};
use crate::error::Result;

impl Checkpoint {
    /// Every reason why a router gives all tokens the same logits: its rows are all equal, or the norm before it is zero.
    /// Routers are small, so they are read whole.
    ///
    /// # Errors
    /// A weight file cannot be read.
    pub fn constant_routers(&self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        let mut numbers = Vec::new();
        for layer in self.architecture().moe_layers() {
            let stored = |role| self.map().stored(layer.into(), role).name;
            let gate = stored(Role::Router);
            self.read(&gate, &mut numbers)?;
            let rows: Vec<&[f32]> = numbers.chunks(self.architecture().hidden).collect();
            if rows.len() > 1 && rows.iter().all(|row| *row == rows[0]) {
                let zero = if numbers.iter().all(|&x| x == 0.0) { " (zero)" } else { "" };
                let count = rows.len();
                found.push(format!("all {count} rows of `{gate}` are equal{zero}: this router cannot choose"));
            }
            let norm = stored(Role::FeedForwardNorm);
            self.read(&norm, &mut numbers)?;
            if numbers.iter().all(|&x| x == 0.0) {
                found.push(format!("`{norm}` is zero throughout: the router behind it sees no token"));
            }
        }
        Ok(found)
    }

    /// The parts of a weight file whose numbers are examined separately, in file order: whole tensors, and each expert of a
    /// tensor that stacks experts.
    pub(super) fn parts_of(&self, file: usize) -> Vec<ScannedPart> {
        let mut parts: Vec<ScannedPart> = Vec::new();
        for (name, tensor) in self.tensors.iter().filter(|(_, tensor)| tensor.file == file && tensor.elements() > 0) {
            let slices = if tensor.shape.len() >= 3 { tensor.shape[0] } else { 1 };
            let bytes = (tensor.bytes() / slices) as u64;
            parts.extend((0..slices).map(|slice| ScannedPart {
                name: name.clone(),
                expert: (slices > 1).then_some(slice),
                begin: tensor.offset + slice as u64 * bytes,
                end: tensor.offset + (slice as u64 + 1) * bytes,
                scan: Scan::new(tensor.dtype),
            }));
        }
        parts.sort_by(|a, b| (a.begin, &a.name).cmp(&(b.begin, &b.name)));
        parts
    }
}
