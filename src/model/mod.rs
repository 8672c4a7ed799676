//! The forward pass, layer-major: the unit of work is a wave of sequences. A layer's weights are read, used for every
//! sequence of the wave and overwritten by the next layer's, so that a checkpoint is read once per wave and memory does
//! not grow with the number of layers.
//!
//! Arithmetic is f32 whatever the stored dtype (widening bf16 and f16 is exact); [`Arithmetic::Bf16`] rounds every
//! activation at the places where OpenMoE's code, run in bf16, rounds, whatever the family.

mod attention;
mod attention_kernel;
mod attention_layer;
mod cost;
mod experts;
mod forward;
mod head;
mod kernels;
mod layers;
mod matmul;
mod mlp;
mod rotary;
mod scratch;
mod wave;
mod weights;

pub use attention_kernel::PANEL;
pub use cost::{Cost, multiply_rate};
pub use forward::{Arithmetic, ForwardOptions, Model};
pub use matmul::{ROW_MULTIPLE, instruction_set};
pub use wave::{Outputs, Wave, WaveOutput};
pub use weights::read_gate;
