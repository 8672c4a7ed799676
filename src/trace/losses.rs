//! The losses of next tokens (`losses/`) of a run.

use super::{
    frame::{read_parquet, unreadable, values},
    part::part_name,
    read_trace::RoutingTrace,
};
use crate::{
    error::{Error, Result},
    routing::Block,
};

/// The loss of every next token, in input order. The last token of a sequence is followed by none and has no row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LossTable {
    /// Index of the sequence, `[next tokens]`.
    pub sequence: Vec<u32>,
    /// Position of the token that is followed, `[next tokens]`.
    pub position: Vec<u32>,
    /// `-log p` of the token that follows, in nats, `[next tokens]`.
    pub loss: Vec<f32>,
}

impl LossTable {
    /// Number of next tokens.
    pub fn len(&self) -> usize {
        self.loss.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.loss.is_empty()
    }
}

impl RoutingTrace {
    /// The losses of all next tokens.
    ///
    /// # Errors
    /// [`Error::RunFolder`] if the run kept none, or a part cannot be read or holds a loss that is not a finite number.
    pub fn losses(&self) -> Result<LossTable> {
        if !self.provides().has(Block::Losses) {
            return Err(Error::run_folder(
                format!("`{}`: {}", self.run.path().display(), Block::Losses.absence()),
                "mitigate records them",
            ));
        }
        let mut table = LossTable::default();
        for segment in 0..self.segments() {
            let name = part_name("losses", segment);
            let path = self.run.file(&name);
            let frame = read_parquet(&self.run, &name, &["sequence", "position", "loss"])?;
            table.sequence.extend_from_slice(&values!(frame, &path, "sequence", u32));
            table.position.extend_from_slice(&values!(frame, &path, "position", u32));
            let losses = values!(frame, &path, "loss", f32);
            if let Some(loss) = losses.iter().find(|loss| !loss.is_finite()) {
                return Err(unreadable(&path, &format!("loss {loss}; expected a finite number")));
            }
            table.loss.extend_from_slice(&losses);
        }
        Ok(table)
    }
}
