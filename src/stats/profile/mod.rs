//! What one expert does, where one token id goes, and which experts take a category: everything about one of them, from the trace
//! of the layers that it needs.
//!
//! Numbers that a table of the run has too (`expert_share`, `domain_specialization`, `top_tokens`, `coactivation`) are computed by
//! the same functions from the same resamples, and so are the same to the last digit; only where all or none of some tokens went to
//! an expert, which gives the tables an interval without width, has an interval here an end of its own (`rate`).

mod category;
mod context;
mod counted_layer;
mod expert;
mod layer;
mod part;
mod rate;
mod router;
mod token;
mod token_class;

pub use category::{CategoryExpert, CategoryLayer, OnceKnown};
pub use context::Example;
pub use expert::{ExpertProfile, Partner, TopToken};
pub use layer::LayerProfiles;
pub use part::Part;
pub use rate::{Lift, Mean, Rate};
pub use router::Router;
pub use token::{TokenCategory, TokenExpert, TokenLayer};
pub use token_class::{TokenClass, TokenKind, is_special_token};
