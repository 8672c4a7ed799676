//! Whether tokens and routes of several sequences stand in different orders: training engines keep a micro-batch position by
//! position, `[positions, sequences]`, and its tokens sequence by sequence.

use super::information::TokenTable;
use crate::{import::routes::ABSENT, routing::ExpertId};

/// Sequences of a micro-batch.
const BATCHES: [usize; 4] = [2, 4, 8, 16];
/// Most sequences that are kept.
const MOST: usize = 16;
/// Tokens of a sequence that is kept.
const LONGEST: usize = 1 << 14;
/// Rows that are looked at: the order is the same all along.
const ROWS: usize = 1 << 18;
/// How far from its token a row is that it tells nothing about.
const FAR: usize = 17;

/// The choices of a sequence in one layer, and its tokens.
struct Sequence {
    ids: Vec<u32>,
    /// `[rows, width]`, filled up with [`ABSENT`].
    experts: Vec<ExpertId>,
    width: usize,
}

/// Which of the two stands position by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mixed {
    Routes,
    Tokens,
}

/// Pairs of tokens and routes of the same rows, in several orders: their information is biased alike.
#[derive(Default)]
struct Orders {
    /// As in the record.
    own: TokenTable,
    /// A token with the routes of a row far before it.
    far: TokenTable,
    /// As if the routes stood position by position.
    routes: TokenTable,
    /// As if the tokens did.
    tokens: TokenTable,
}

/// Pairs of tokens and routes, in the order of the record and in others.
#[derive(Default)]
pub(super) struct Interleaved {
    /// Sequences of one length.
    waiting: Vec<Sequence>,
    rows: usize,
    /// By size of the micro-batch.
    orders: [Orders; BATCHES.len()],
}

/// An order in which the tokens fit the routes.
pub(super) struct Found {
    /// What stands position by position.
    pub(super) what: Mixed,
    /// Sequences of a micro-batch.
    pub(super) batch: usize,
    /// Bits that a token tells about the experts of its row, in this order and in that of the record.
    pub(super) bits: (f64, f64),
}

impl Interleaved {
    /// Takes the next sequence: ids of its rows, and for each row its choices.
    pub(super) fn see(&mut self, ids: &[u32], rows: &[&[ExpertId]]) {
        if self.rows >= ROWS || ids.len() != rows.len() || ids.len() > LONGEST || ids.is_empty() {
            return;
        }
        if self.waiting.first().is_some_and(|first| first.ids.len() != ids.len()) {
            self.look();
        }
        let width = rows.iter().map(|row| row.len()).max().unwrap_or(0);
        let filled = |row: &&[ExpertId]| {
            let rest = width - row.len();
            row.iter().copied().chain(std::iter::repeat_n(ABSENT, rest)).collect::<Vec<_>>()
        };
        self.waiting.push(Sequence { ids: ids.to_vec(), experts: rows.iter().flat_map(filled).collect(), width });
        if self.waiting.len() == MOST {
            self.look();
        }
    }

    /// Counts the pairs of the sequences that wait.
    fn look(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        self.rows += waiting.iter().map(|sequence| sequence.ids.len()).sum::<usize>();
        for (batch, orders) in BATCHES.iter().zip(&mut self.orders) {
            for group in waiting.chunks_exact(*batch) {
                let length = group[0].ids.len();
                let id = |at: usize| Some(group[at / length].ids[at % length]);
                pair(group, id, &mut orders.own);
                let after = |row: usize| (row % length + FAR < length).then_some(row + FAR).and_then(id);
                pair(group, after, &mut orders.far);
                pair(group, |row| id(row % batch * length + row / batch), &mut orders.routes);
                pair(group, |row| id(row % length * batch + row / length), &mut orders.tokens);
            }
        }
    }

    /// The order in which a token tells far more about the experts of its row than in that of the record.
    pub(super) fn finish(mut self, is_more: impl Fn(f64, f64, f64) -> bool) -> Option<Found> {
        self.look();
        let of_batch = |(batch, orders): (&usize, &Orders)| {
            let (far, noise) = (orders.far.bits(), orders.own.noise());
            let own = orders.own.bits() - far;
            let found =
                |what, table: &TokenTable| (Found { what, batch: *batch, bits: (table.bits() - far, own) }, noise);
            [found(Mixed::Routes, &orders.routes), found(Mixed::Tokens, &orders.tokens)]
        };
        let told = BATCHES.iter().zip(&self.orders).flat_map(of_batch);
        let fitting = told.filter(|(found, noise)| is_more(found.bits.0, found.bits.1, *noise)).map(|(found, _)| found);
        fitting.max_by(|a, b| a.bits.0.total_cmp(&b.bits.0))
    }
}

/// Counts the choices of every row of a group with the token that `id` gives for the row.
fn pair(group: &[Sequence], id: impl Fn(usize) -> Option<u32>, table: &mut TokenTable) {
    let rows = group.iter().flat_map(|sequence| sequence.experts.chunks_exact(sequence.width.max(1)));
    for (row, choices) in rows.enumerate() {
        if let Some(id) = id(row) {
            choices.iter().filter(|expert| **expert != ABSENT).for_each(|expert| table.add(id, *expert));
        }
    }
}
