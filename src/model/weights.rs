//! Reads weights ahead: a separate thread reads the next part while the current part computes.
//!
//! Parts use two buffers alternately, so that memory depends only on the largest part.

use std::{
    ops::Range,
    sync::mpsc::{Receiver, Sender, channel},
    thread::{Builder, Scope},
};

use super::matmul::Matrix;
use crate::{
    checkpoint::{Checkpoint, Config},
    error::{Error, Result},
};

/// One part computes, the next is being read.
const BUFFERS: usize = 2;
/// Stored rows that are read, then transposed, at a time.
const TRANSPOSED_ROWS: usize = 64;

/// A tensor, or the part of a stacked tensor that belongs to one expert.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    name: String,
    /// First element.
    first: usize,
    /// Shape in which it is stored; a vector has one row.
    rows: usize,
    columns: usize,
    /// Whether it is transposed: linear layers are stored `[outputs, inputs]` and used `[inputs, outputs]`.
    transposed: bool,
}

impl Piece {
    /// A vector, or any tensor that is used as it is stored.
    pub(super) fn as_stored(name: String, rows: usize, columns: usize) -> Self {
        Self { name, first: 0, rows, columns, transposed: false }
    }

    /// The matrix of a linear layer, stored `[outputs, inputs]`.
    pub(super) fn linear(name: String, outputs: usize, inputs: usize) -> Self {
        Self { name, first: 0, rows: outputs, columns: inputs, transposed: true }
    }

    /// Matrix number `index` of a tensor that stacks matrices of `rows` times `columns`.
    pub(super) fn stacked(name: String, index: usize, rows: usize, columns: usize) -> Self {
        Self { name, first: index * rows * columns, rows, columns, transposed: false }
    }

    fn elements(&self) -> usize {
        self.rows * self.columns
    }
}

/// The weights that one step of the forward pass needs, in the order in which it uses them.
pub(super) type Part = Vec<Piece>;

/// The weights of one part, as f32.
#[derive(Debug)]
pub(super) struct Weights {
    numbers: Vec<f32>,
    pieces: Vec<(Range<usize>, [usize; 2])>,
}

impl Weights {
    /// Vector number `index` of the part.
    pub(super) fn vector(&self, index: usize) -> &[f32] {
        &self.numbers[self.pieces[index].0.clone()]
    }

    /// Matrix number `index` of the part; linear layers as `[inputs, outputs]`.
    pub(super) fn matrix(&self, index: usize) -> Matrix<'_> {
        let [rows, columns] = self.pieces[index].1;
        Matrix::new(self.vector(index), rows, columns)
    }

    fn fill(&mut self, checkpoint: &Checkpoint, part: &Part, stored: &mut Vec<f32>) -> Result<()> {
        self.pieces.clear();
        let total: usize = part.iter().map(Piece::elements).sum();
        if self.numbers.len() < total {
            self.numbers.resize(total, 0.0);
        }
        let mut rest = &mut self.numbers[..];
        let mut start = 0;
        for piece in part {
            let (out, tail) = rest.split_at_mut(piece.elements());
            rest = tail;
            if piece.transposed {
                read_transposed(checkpoint, piece, out, stored)?;
                self.pieces.push((start..start + out.len(), [piece.columns, piece.rows]));
            } else {
                checkpoint.read_into(&piece.name, piece.first, out)?;
                self.pieces.push((start..start + out.len(), [piece.rows, piece.columns]));
            }
            start += out.len();
        }
        Ok(())
    }
}

/// Reads a matrix and writes its transpose.
fn read_transposed(checkpoint: &Checkpoint, piece: &Piece, out: &mut [f32], stored: &mut Vec<f32>) -> Result<()> {
    for first in (0..piece.rows).step_by(TRANSPOSED_ROWS) {
        let count = TRANSPOSED_ROWS.min(piece.rows - first);
        checkpoint.read_part(&piece.name, piece.first + first * piece.columns, count * piece.columns, stored)?;
        transpose(stored, piece.columns, &mut out[first..], piece.rows);
    }
    Ok(())
}

/// `out[column * out_stride + row] = rows[row][column]`, in tiles that fit the cache lines of both sides.
fn transpose(rows: &[f32], columns: usize, out: &mut [f32], out_stride: usize) {
    const TILE: usize = 16;
    for first in (0..columns).step_by(TILE) {
        let tile = first..columns.min(first + TILE);
        for (block, rows) in rows.chunks(TILE * columns).enumerate() {
            for column in tile.clone() {
                let target = &mut out[column * out_stride + block * TILE..];
                for (target, row) in target.iter_mut().zip(rows.chunks_exact(columns)) {
                    *target = row[column];
                }
            }
        }
    }
}

/// Reads parts ahead of their use. Dropping it ends its thread.
pub(super) struct Loader {
    requests: Sender<Part>,
    read: Receiver<Result<Weights>>,
    used: Sender<Weights>,
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
        let largest = Parts(checkpoint.config()).largest();
        for _ in 0..BUFFERS {
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
        Ok(Self { requests, read, used })
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
        self.read.recv().map_err(|_| Error::internal("the thread that reads weights has stopped"))?
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

/// Names and shapes of the parts of a model.
#[derive(Clone, Copy)]
pub(super) struct Parts<'a>(pub(super) &'a Config);

impl Parts<'_> {
    /// Input norm; query, key, value and output projections; norm before the MLP or the router; the router's matrix
    /// where the layer routes.
    pub(super) fn attention(self, layer: usize) -> Part {
        let config = self.0;
        let name = |part: &str| format!("model.layers.{layer}.{part}.weight");
        let hidden = config.hidden_size;
        let query = config.num_attention_heads * config.head_dim;
        let key = config.num_key_value_heads * config.head_dim;
        let mut part = vec![
            Piece::as_stored(name("input_layernorm"), 1, hidden),
            Piece::linear(name("self_attn.q_proj"), query, hidden),
            Piece::linear(name("self_attn.k_proj"), key, hidden),
            Piece::linear(name("self_attn.v_proj"), key, hidden),
            Piece::linear(name("self_attn.o_proj"), hidden, query),
            Piece::as_stored(name("post_attention_layernorm"), 1, hidden),
        ];
        if config.is_moe_layer(layer) {
            let name = format!("model.layers.{layer}.mlp.gate_weight");
            part.push(Piece::as_stored(name, config.num_experts, hidden));
        }
        part
    }

    /// Gate, up and down projection of the dense MLP of a layer without experts.
    pub(super) fn mlp(self, layer: usize) -> Part {
        self.dense(&format!("model.layers.{layer}.mlp"))
    }

    /// The same for the dense MLP after the experts, followed by its norm.
    pub(super) fn extra_mlp(self, layer: usize) -> Part {
        let mut part = self.dense(&format!("model.layers.{layer}.extra_mlp"));
        let norm = format!("model.layers.{layer}.pre_extra_mlp_layernorm.weight");
        part.push(Piece::as_stored(norm, 1, self.0.hidden_size));
        part
    }

    fn dense(self, prefix: &str) -> Part {
        let (hidden, inner) = (self.0.hidden_size, self.0.intermediate_size);
        [("gate_proj", 2 * inner, hidden), ("up_proj", inner, hidden), ("down_proj", hidden, inner)]
            .map(|(name, outputs, inputs)| Piece::linear(format!("{prefix}.{name}.weight"), outputs, inputs))
            .into()
    }

    /// Gate, up and down projection of one expert.
    pub(super) fn expert(self, layer: usize, expert: usize) -> Part {
        let (hidden, inner) = (self.0.hidden_size, self.0.intermediate_size);
        [("wi_gate", hidden, 2 * inner), ("wi_up", hidden, inner), ("wo", inner, hidden)]
            .map(|(name, rows, columns)| {
                Piece::stacked(format!("model.layers.{layer}.mlp.experts.{name}"), expert, rows, columns)
            })
            .into()
    }

    /// The final norm.
    pub(super) fn final_norm(self) -> Part {
        vec![Piece::as_stored("model.norm.weight".to_owned(), 1, self.0.hidden_size)]
    }

    /// Numbers of the largest part.
    fn largest(self) -> usize {
        let numbers = |part: Part| part.iter().map(Piece::elements).sum::<usize>();
        let layers = 0..self.0.num_hidden_layers;
        let attention = layers.map(|layer| numbers(self.attention(layer))).max().unwrap_or(0);
        attention.max(numbers(self.extra_mlp(0)))
    }

    /// Bytes of the two buffers, and of the rows that are read before they are transposed.
    pub(super) fn buffer_bytes(self) -> usize {
        let widest = self.0.hidden_size.max(self.0.intermediate_size).max(self.0.num_attention_heads * self.0.head_dim);
        4 * (BUFFERS * self.largest() + TRANSPOSED_ROWS * widest)
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
            transpose(&matrix, columns, &mut out, rows);
            for row in 0..rows {
                for column in 0..columns {
                    assert_eq!(out[column * rows + row], matrix[row * columns + column], "{rows} x {columns}");
                }
            }
        }
    }
}
