//! Contrasts: which experts do two conditions of a run, or two runs, use differently?
//!
//! A condition is a part of the tokens (`condition`, `side`). Per layer and expert, the activation rate of each side is the share of
//! its occurrences that chose the expert; the difference of the rates has an interval by resampling whole documents, and a p-value
//! by exchanging the sides of whole documents (`design`), whose distribution is pooled over all experts of all layers
//! (`discovery`). `tokens` says which token ids carry a difference.

mod condition;
mod counts;
mod design;
mod discovery;
mod side;
mod study;
mod table;
#[cfg(test)]
mod tests;
mod tokens;
mod words;

pub use condition::{Condition, ConditionKey};
pub use counts::LayerSide;
pub use discovery::FALSE_DISCOVERY_RATE;
pub use side::Side;
pub use study::{Contrast, ContrastLayer, ContrastRow, ContrastSettings, ContrastStudy, ContrastedExpert};
pub(super) use tokens::carriers;
pub use tokens::{CarrierToken, Carriers};
pub use words::{difference_and_interval, fixed, points, share_and_interval, share_words};
