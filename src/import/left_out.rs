//! What of a record could not be used: an error where the user wants none of it, else counted and told.

use crate::error::{Error, Result};

/// What could not be used so far.
#[derive(Debug)]
pub(super) struct LeftOut {
    strict: bool,
    hint: &'static str,
    first: Option<String>,
    count: u64,
}

impl LeftOut {
    /// Nothing yet. `hint` says what a record should look like.
    pub(super) fn new(strict: bool, hint: &'static str) -> Self {
        Self { strict, hint, first: None, count: 0 }
    }

    /// Counts something that cannot be used; `what` says where it is and why.
    ///
    /// # Errors
    /// [`Error::Corpus`] if it was strict.
    pub(super) fn push(&mut self, what: String) -> Result<()> {
        if self.strict {
            return Err(Error::corpus(what, self.hint));
        }
        self.count += 1;
        self.first.get_or_insert(what);
        Ok(())
    }

    /// For the remarks of the record, where something was left out: `3 lines were left out, such as ...`.
    pub(super) fn remark(&self, thing: &str) -> Option<String> {
        let first = self.first.as_ref()?;
        Some(match self.count {
            1 => format!("1 {thing} was left out: {first}"),
            count => format!("{count} {thing}s were left out, such as {first}"),
        })
    }

    /// The error where nothing is left.
    pub(super) fn nothing_left(&self, what: &str) -> Error {
        let first = self.first.as_ref().map_or_else(String::new, |first| format!(": {first}"));
        Error::corpus(format!("{what}{first}"), self.hint)
    }
}
