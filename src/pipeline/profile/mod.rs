//! Answers about one expert, one token or one category of a finished run, from the layers that they need.

mod category;
mod expert;
mod opened;
mod token;

pub use category::{CategoryOptions, category};
pub use expert::{ExpertOptions, expert};
pub use opened::ProfileOptions;
pub use token::{TokenOptions, moved_tokens, token};
