//! Everything about one expert.

use super::opened::{OpenedRun, ProfileOptions};
use crate::{
    error::{Error, Result},
    pipeline::progress::Progress,
    report::ExpertReport,
    routing::{ExpertId, LayerId},
};

/// Which expert, and how much is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpertOptions {
    /// Of which tokens of which run; its layers are not used.
    pub profile: ProfileOptions,
    /// Decoder layer index.
    pub layer: LayerId,
    /// The expert.
    pub expert: ExpertId,
    /// The number of token ids that are listed.
    pub top: usize,
}

/// Everything about one expert of a finished run; nothing is written.
///
/// # Errors
/// [`Error::Usage`] if the run has no such layer, expert, checkpoint, view or condition; [`Error::RunFolder`] if it is not complete
/// or cannot be read.
pub fn expert(options: &ExpertOptions, progress: &dyn Progress) -> Result<ExpertReport> {
    let profile = ProfileOptions { layers: vec![options.layer], ..options.profile.clone() };
    let opened = OpenedRun::open(&profile, progress)?;
    let experts = opened.trace.shape().experts(options.layer);
    if usize::from(options.expert) >= experts {
        return Err(Error::usage(
            format!("expert {} of layer {}; expected 0 to {}", options.expert, options.layer, experts - 1),
            "experts are counted from 0 in every layer",
        ));
    }
    progress.check()?;
    let trace = opened.layer(options.layer)?;
    let profile = opened.profiles(&trace)?.expert(options.expert, options.top);
    let source = opened.source((profile.takes.n, profile.takes.documents));
    Ok(ExpertReport::new(source, profile))
}
