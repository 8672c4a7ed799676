//! Lines become forward passes: those of a micro-batch stand one after the other, by layer.

use std::{
    collections::HashSet,
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use super::line::Line;
use crate::{
    error::{Error, Result},
    import::text_file,
};

/// The layers of one micro-batch in one step, in the order of their lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pass {
    /// Training iteration or inference step.
    pub(super) step: u64,
    /// Tokens.
    pub(super) rows: usize,
    /// One for each layer.
    pub(super) lines: Vec<Line>,
}

/// The passes of a file.
pub(super) struct Passes<'a, F> {
    path: &'a Path,
    lines: std::iter::Zip<std::ops::RangeFrom<usize>, std::io::Lines<BufReader<File>>>,
    /// Numbers of lines that are passed over.
    skipped: Option<&'a HashSet<usize>>,
    /// What is told of lines that cannot be read.
    unusable: F,
    next: Option<Line>,
    /// Lines that are not of the decoder.
    pub(super) others: u64,
}

impl<'a, F: FnMut(usize, String) -> Result<()>> Passes<'a, F> {
    /// Opens a file; `unusable` is told the number and fault of every line that cannot be read, and may end the reading.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn open(path: &'a Path, skipped: Option<&'a HashSet<usize>>, unusable: F) -> Result<Self> {
        let file = text_file::open(path)?;
        Ok(Self { path, lines: (1..).zip(file.lines()), skipped, unusable, next: None, others: 0 })
    }

    /// The next line of the decoder.
    fn line(&mut self) -> Result<Option<Line>> {
        for (number, text) in self.lines.by_ref() {
            let text = text.map_err(Error::io("read", self.path))?;
            if text.trim().is_empty() || self.skipped.is_some_and(|skipped| skipped.contains(&number)) {
                continue;
            }
            match Line::read(&text) {
                Ok(line) if line.is_decoder => return Ok(Some(line)),
                Ok(_) => self.others += 1,
                Err(what) => (self.unusable)(number, what)?,
            }
        }
        Ok(None)
    }

    fn pass(&mut self) -> Result<Option<Pass>> {
        let first = match self.next.take() {
            Some(line) => line,
            None => match self.line()? {
                Some(line) => line,
                None => return Ok(None),
            },
        };
        let mut pass = Pass { step: first.step, rows: first.rows, lines: vec![first] };
        while let Some(line) = self.line()? {
            let is_further = pass.lines.last().is_none_or(|last| line.layer > last.layer);
            if line.step != pass.step || line.rows != pass.rows || !is_further {
                self.next = Some(line);
                break;
            }
            pass.lines.push(line);
        }
        Ok(Some(pass))
    }
}

impl<F: FnMut(usize, String) -> Result<()>> Iterator for Passes<'_, F> {
    type Item = Result<Pass>;

    fn next(&mut self) -> Option<Self::Item> {
        self.pass().transpose()
    }
}
