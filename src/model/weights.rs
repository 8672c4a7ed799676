//! Reads weights ahead: a separate thread reads the next part while the current part computes.
//!
//! Parts use two or three buffers in turn, so that memory depends only on the largest part.

use std::{
    ops::Range,
    sync::{
        Mutex, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    thread::{Builder, Scope},
};

use super::matmul::Matrix;
use crate::{
    checkpoint::{Block, Checkpoint, Order, Role, StoredPart, TensorMap},
    error::{Error, Result},
    routing::{Gate, LayerId},
};

/// Bytes that a third buffer may take. With two, one part computes and the next is being read; with three, two experts compute
/// beside each other, each in larger products.
const THIRD_BUFFER: usize = 256 << 20;
/// Stored rows that are read, then put into another order, at a time; an even number.
const REORDERED_ROWS: usize = 64;

/// The weights that one step of the forward pass needs, in the order in which it uses them.
pub(super) type Part = Vec<(Role, StoredPart)>;

/// The weights of one part, as f32.
#[derive(Debug)]
pub(super) struct Weights {
    numbers: Vec<f32>,
    pieces: Vec<(Role, Range<usize>, [usize; 2])>,
}

impl Weights {
    /// Where the numbers of a role are, and their shape.
    fn piece(&self, role: Role) -> Option<(&[f32], [usize; 2])> {
        let piece = self.pieces.iter().find(|(known, ..)| *known == role);
        piece.map(|(_, range, shape)| (&self.numbers[range.clone()], *shape))
    }

    /// The numbers of a role that the part may lack.
    pub(super) fn optional(&self, role: Role) -> Option<&[f32]> {
        self.piece(role).map(|(numbers, _)| numbers)
    }

    /// The vector of a role of the part.
    pub(super) fn vector(&self, role: Role) -> &[f32] {
        self.optional(role).unwrap_or_else(|| panic!("{role:?} was not requested with this part"))
    }

    /// The matrix of a role of the part; linear layers as `[inputs, outputs]`.
    pub(super) fn matrix(&self, role: Role) -> Matrix<'_> {
        let (numbers, [rows, columns]) =
            self.piece(role).unwrap_or_else(|| panic!("{role:?} was not requested with this part"));
        Matrix::new(numbers, rows, columns)
    }

    fn fill(&mut self, checkpoint: &Checkpoint, part: &Part, stored: &mut Vec<f32>) -> Result<()> {
        self.pieces.clear();
        let total: usize = part.iter().map(|(_, piece)| piece.elements()).sum();
        if self.numbers.len() < total {
            self.numbers.resize(total, 0.0);
        }
        let mut rest = &mut self.numbers[..];
        let mut start = 0;
        for (role, piece) in part {
            let (out, tail) = rest.split_at_mut(piece.elements());
            rest = tail;
            if piece.order == Order::Same {
                checkpoint.read_into(&piece.name, piece.first(), out)?;
            } else {
                read_reordered(checkpoint, piece, out, stored)?;
            }
            self.pieces.push((*role, start..start + out.len(), piece.used_shape()));
            start += out.len();
        }
        Ok(())
    }
}

/// Reads a matrix and writes it in the order in which it is used.
fn read_reordered(checkpoint: &Checkpoint, piece: &StoredPart, out: &mut [f32], stored: &mut Vec<f32>) -> Result<()> {
    let (rows, columns) = (piece.rows, piece.columns);
    for first in (0..rows).step_by(REORDERED_ROWS) {
        let count = REORDERED_ROWS.min(rows - first);
        checkpoint.read_part(&piece.name, piece.first() + first * columns, count * columns, stored)?;
        match piece.order {
            Order::Same => out[first * columns..][..stored.len()].copy_from_slice(stored),
            Order::Transposed => transpose(stored, columns, columns, &mut out[first..], rows),
            Order::ColumnsAlternate => {
                for (row, out) in stored.chunks_exact(columns).zip(out[first * columns..].chunks_exact_mut(columns)) {
                    separate(row, out);
                }
            }
            // `first` is even, because a whole number of pairs is read at a time.
            Order::TransposedRowsAlternate => {
                transpose(stored, 2 * columns, columns, &mut out[first / 2..], rows);
                transpose(&stored[columns..], 2 * columns, columns, &mut out[rows / 2 + first / 2..], rows);
            }
        }
    }
    Ok(())
}

/// Puts numbers at even places before those at odd ones.
fn separate(alternating: &[f32], out: &mut [f32]) {
    let (even, odd) = out.split_at_mut(alternating.len().div_ceil(2));
    for (pair, (even, odd)) in alternating.chunks_exact(2).zip(even.iter_mut().zip(odd)) {
        (*even, *odd) = (pair[0], pair[1]);
    }
}

/// `out[column * out_stride + row] = rows[row * stride + column]`, in tiles that fit the cache lines of both sides. The last row
/// may end with its last column.
fn transpose(rows: &[f32], stride: usize, columns: usize, out: &mut [f32], out_stride: usize) {
    const TILE: usize = 16;
    for first in (0..columns).step_by(TILE) {
        let tile = first..columns.min(first + TILE);
        for (block, rows) in rows.chunks(TILE * stride).enumerate() {
            for column in tile.clone() {
                let target = &mut out[column * out_stride + block * TILE..];
                for (target, row) in target.iter_mut().zip(rows.chunks(stride)) {
                    *target = row[column];
                }
            }
        }
    }
}

/// Reads the weights of the router of a decoder layer.
///
/// # Errors
/// Those of reading; [`Error::Usage`] without memory for them.
///
/// # Panics
/// If the layer does not route.
pub fn read_gate(checkpoint: &Checkpoint, layer: LayerId) -> Result<Gate> {
    let map = checkpoint.map();
    let part = Parts(map).part(usize::from(layer), map.router());
    let numbers = part.iter().map(|(_, piece)| piece.elements()).sum();
    let mut weights = Weights { numbers: room(numbers)?, pieces: Vec::new() };
    weights.fill(checkpoint, &part, &mut Vec::new())?;
    let optional = |role| weights.optional(role).map(<[f32]>::to_vec).unwrap_or_default();
    Ok(Gate {
        weight: weights.vector(Role::Router).to_vec(),
        bias: optional(Role::RouterBias),
        correction_bias: optional(Role::CorrectionBias),
    })
}

/// Reads parts ahead of their use. Dropping it ends its thread.
pub(super) struct Loader {
    requests: Sender<Part>,
    read: Mutex<Receiver<Result<Weights>>>,
    used: Sender<Weights>,
    buffers: usize,
}

impl Loader {
    /// Starts the reading thread.
    ///
    /// # Errors
    /// [`Error::Usage`] if the system does not allow another thread, or has no memory for the buffers.
    pub(super) fn start<'scope>(scope: &'scope Scope<'scope, '_>, checkpoint: &'scope Checkpoint) -> Result<Self> {
        let (requests, requested) = channel::<Part>();
        let (finished, read) = channel();
        let (used, free) = channel();
        let parts = Parts(checkpoint.map());
        let (largest, buffers) = (parts.largest(), parts.buffers());
        for _ in 0..buffers {
            // The buffers are large enough for any part from the beginning: growing would need old and new memory together. Sending
            // cannot fail, because the other end of the channel is in this function.
            let _ = used.send(Weights { numbers: room(largest)?, pieces: Vec::new() });
        }
        let reading = move || {
            let mut stored = Vec::new();
            while let (Ok(part), Ok(mut weights)) = (requested.recv(), free.recv()) {
                let outcome = weights.fill(checkpoint, &part, &mut stored).map(|()| weights);
                if finished.send(outcome).is_err() {
                    break;
                }
            }
        };
        Builder::new().name("weights".into()).spawn_scoped(scope, reading).map_err(|error| {
            Error::usage(
                format!("the thread that reads weights cannot be started: {error}"),
                "allow more processes (ulimit -u) or address space (ulimit -v)",
            )
        })?;
        Ok(Self { requests, read: Mutex::new(read), used, buffers })
    }

    /// Requests a part; parts come in the order of the requests.
    pub(super) fn request(&self, part: Part) {
        // If the reading thread has ended, `take` reports it.
        let _ = self.requests.send(part);
    }

    /// Waits for the next part.
    ///
    /// # Errors
    /// Those of reading.
    pub(super) fn take(&self) -> Result<Weights> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.recv().map_err(|_| Error::internal("the thread that reads weights has stopped"))?
    }

    /// How many parts can be in use while another is being read.
    pub(super) fn parts_at_once(&self) -> usize {
        self.buffers - 1
    }

    /// Returns a part's buffer to the reading thread.
    pub(super) fn give_back(&self, weights: Weights) {
        let _ = self.used.send(weights);
    }
}

/// A buffer for this many numbers.
fn room(numbers: usize) -> Result<Vec<f32>> {
    let mut room = Vec::new();
    room.try_reserve_exact(numbers).map_err(|error| {
        Error::usage(
            format!("no memory for a part of the weights, {numbers} numbers: {error}"),
            "raise the limit of the process (ulimit -v), or use a machine with more memory",
        )
    })?;
    Ok(room)
}

/// The parts of a model.
#[derive(Clone, Copy)]
pub(super) struct Parts<'a>(pub(super) &'a TensorMap);

impl Parts<'_> {
    /// Attention with both norms; the router where the layer routes.
    pub(super) fn attention(self, layer: usize) -> Part {
        let router = if self.0.architecture().routes(layer) { self.0.router() } else { Vec::new() };
        self.part(layer, self.0.attention().into_iter().chain(router))
    }

    /// An MLP.
    pub(super) fn mlp(self, layer: usize, block: Block) -> Part {
        self.part(layer, self.0.mlp(block))
    }

    /// The final norm.
    pub(super) fn final_norm(self) -> Part {
        self.part(0, self.0.final_norm())
    }

    fn part(self, layer: usize, roles: impl IntoIterator<Item = Role>) -> Part {
        roles.into_iter().map(|role| (role, self.0.stored(layer, role))).collect()
    }

    /// All parts that differ in size.
    fn sizes(self) -> impl Iterator<Item = Part> {
        let layers = (0..self.0.architecture().layers.len()).map(move |layer| {
            let expert = self.0.architecture().routes(layer).then_some(Block::Expert(0));
            let blocks = self.0.blocks(layer).into_iter().chain(expert);
            let mut parts: Vec<Part> = blocks.map(|block| self.mlp(layer, block)).collect();
            parts.push(self.attention(layer));
            parts
        });
        layers.flatten()
    }

    /// Numbers of the largest part.
    fn largest(self) -> usize {
        self.sizes().map(|part| part.iter().map(|(_, piece)| piece.elements()).sum()).max().unwrap_or(0)
    }

    /// Number of buffers that the parts use in turn.
    fn buffers(self) -> usize {
        if self.largest() * size_of::<f32>() <= THIRD_BUFFER { 3 } else { 2 }
    }

    /// Bytes of the buffers, and of the rows that are read before they are put into another order.
    pub(super) fn buffer_bytes(self) -> usize {
        let reordered = self.sizes().flatten().filter(|(_, piece)| piece.order != Order::Same);
        let widest = reordered.map(|(_, piece)| piece.columns).max().unwrap_or(0);
        4 * (self.buffers() * self.largest() + REORDERED_ROWS * widest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transpose_of_any_size_is_the_transpose() {
        for (rows, columns) in [(1, 1), (3, 70), (64, 16), (33, 40)] {
            let matrix: Vec<f32> = (0..rows * columns).map(|index| index as f32).collect();
            let mut out = vec![f32::NAN; rows * columns];
            transpose(&matrix, columns, columns, &mut out, rows);
            for row in 0..rows {
                for column in 0..columns {
                    assert_eq!(out[column * rows + row], matrix[row * columns + column], "{rows} x {columns}");
                }
            }
        }
    }

    #[test]
    fn what_alternates_is_separated() {
        let mut out = [0.0; 6];
        separate(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &mut out);
        assert_eq!(out, [1.0, 3.0, 5.0, 2.0, 4.0, 6.0]);
        // The rows (1, 2), (3, 4), (5, 6), (7, 8): even ones first, each a column.
        let rows = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
        let mut out = [0.0; 8];
        transpose(&rows, 4, 2, &mut out, 4);
        transpose(&rows[2..], 4, 2, &mut out[2..], 4);
        assert_eq!(out, [1.0, 5.0, 3.0, 7.0, 2.0, 6.0, 4.0, 8.0]);
    }
}
