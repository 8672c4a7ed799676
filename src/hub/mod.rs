//! Checkpoints on the Hugging Face hub: names, revisions, files, and their cache in the layout of the hub's own clients.
//!
//! [`HubName`] reads what was typed, [`HubSettings`] the variables of the environment. [`Hub::open`] finds the commit of a revision and
//! lists its files; [`HubFolder`] fetches them whole, with resume and hashes, or opens one as a [`RangeFile`], of which only those bytes
//! are fetched that are read.

mod address;
mod cache;
mod checkpoint_files;
mod client;
mod digest;
mod download;
mod exchange;
mod fault;
mod fetch;
mod folder;
mod hub_ref;
mod layout;
mod listing;
mod name;
mod part;
mod ranges;
mod settings;
mod source;
mod transport;
mod watch;

pub use checkpoint_files::{HubWeights, TEXT_FILES, TOKENIZERS, is_code};
pub use digest::git_hash;
pub use fetch::{FetchPlan, FetchProgress, Unseen};
pub use folder::{Hub, HubFolder};
pub use hub_ref::HubRef;
pub use layout::{blob_name, repository_name, snapshot};
pub use listing::HubFile;
pub use name::HubName;
pub use ranges::{RangeFile, RangeMode};
pub use settings::{HubSettings, Token, TokenSource};
pub use watch::{Alone, Watch};
