//! What a run reads from the hub, in words, before it starts.

use super::{pass::Pass, progress::Progress, quantities};
use crate::checkpoint::Checkpoint;

/// Bytes that one forward pass over `waves` waves fetches of a checkpoint that is elsewhere, in all.
pub(crate) fn bytes_to_fetch(pass: &Pass, checkpoint: &Checkpoint, waves: usize) -> u64 {
    match &pass.spec.weights {
        Some(weights) if checkpoint.bytes_elsewhere() > 0 => {
            let once = if pass.losses { checkpoint.bytes() } else { checkpoint.bytes_to_fetch_for_routing() };
            once * if weights.is_streamed { waves.max(1) as u64 } else { 1 }
        }
        _ => 0,
    }
}

/// Says what one forward pass over `waves` waves reads of a checkpoint that is elsewhere.
pub(crate) fn note_download(pass: &Pass, checkpoint: &Checkpoint, waves: usize, progress: &dyn Progress) {
    let Some(weights) = &pass.spec.weights else { return };
    let origin = &weights.origin;
    let bytes = |bytes: u64| quantities::bytes(bytes as f64);
    let (all, routing) = (checkpoint.bytes(), checkpoint.bytes_for_routing());
    let how = if checkpoint.bytes_elsewhere() == 0 {
        "all of it is there".to_owned()
    } else if pass.losses {
        format!("losses need all of its {}, what is not here yet is fetched", bytes(all))
    } else if weights.is_streamed {
        let again = if waves > 1 { format!(", once for each of {waves} waves") } else { String::new() };
        format!("routing reads about {} of its {}{again}, and keeps nothing", bytes(routing), bytes(all))
    } else {
        let kept = match routing.saturating_sub(bytes_to_fetch(pass, checkpoint, waves)) {
            0 => "nothing of it is here yet".to_owned(),
            kept if kept == routing => {
                "it is here already, but for rows of the embedding that no run has read".to_owned()
            }
            kept => format!("{} of it are here already", bytes(kept)),
        };
        format!("routing reads about {} of its {}; {kept}", bytes(routing), bytes(all))
    };
    progress.note(&format!("{} is commit {}: {how}", origin.repository, origin.commit));
}

/// Says what all passes over several checkpoints fetch together; nothing where at most one is elsewhere, or if nothing is left to do,
/// which is looked up only where there would be something to say.
pub(crate) fn note_downloads(to_fetch: &[u64], is_done: impl FnOnce() -> bool, progress: &dyn Progress) {
    let all: u64 = to_fetch.iter().sum();
    let elsewhere = to_fetch.iter().filter(|bytes| **bytes > 0).count();
    if elsewhere > 1 && !is_done() {
        progress.note(&format!(
            "about {} are fetched in all, of {elsewhere} checkpoints, one after the other",
            quantities::bytes(all as f64)
        ));
    }
}
