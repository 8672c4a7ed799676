//! What a run reads from the hub, in words, before it starts.

use super::{checkpoint_spec::CheckpointSpec, progress::Progress, quantities};
use crate::checkpoint::Checkpoint;

/// Says what one forward pass over `waves` waves reads of a checkpoint that is elsewhere.
pub(crate) fn note_download(spec: &CheckpointSpec, checkpoint: &Checkpoint, waves: usize, progress: &dyn Progress) {
    let Some(weights) = &spec.weights else { return };
    let origin = &weights.origin;
    let bytes = |bytes: u64| quantities::bytes(bytes as f64);
    let all = checkpoint.bytes();
    let how = if checkpoint.bytes_elsewhere() == 0 {
        "all of it is there".to_owned()
    } else if weights.is_streamed {
        let again = if waves > 1 { format!(", once for each of {waves} waves") } else { String::new() };
        format!(
            "routing reads about {} of its {}{again}, and keeps nothing",
            bytes(checkpoint.bytes_for_routing()),
            bytes(all)
        )
    } else {
        format!(
            "routing reads about {} of its {}; what was fetched before is not fetched again",
            bytes(checkpoint.bytes_for_routing()),
            bytes(all)
        )
    };
    progress.note(&format!("{} is commit {}: {how}", origin.repository, origin.commit));
}
