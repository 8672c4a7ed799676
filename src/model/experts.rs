//! The chosen experts of a layer. Every thread takes the next tile of rows; no expert waits for another to be finished, but
//! what experts make is added to a row in the order of the experts, so that sums do not depend on threads.

use std::{
    collections::VecDeque,
    marker::PhantomData,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use super::{
    kernels::Rounding,
    layers::{Buffers, Context},
    matmul::{TILE_ROWS, padded_rows},
    mlp::KeptRow,
    scratch::ScratchPool,
    weights::{Loader, Weights},
};
use crate::{checkpoint::Block, error::Result};

/// Rows of the output that are locked together while a tile is added to them.
const LOCKED_ROWS: usize = 64;

/// `output[row] += weight * expert(normed[row])` for the rows that every expert kept, ascending; nothing is padded to
/// capacity, and nothing is renormalised.
///
/// # Errors
/// Those of reading the weights.
pub(super) fn add_experts<R: Rounding>(
    context: &Context,
    loader: &Loader,
    kept: &[Vec<KeptRow>],
    buffers: &mut Buffers,
) -> Result<()> {
    let Buffers { normed, output, pool, made, .. } = buffers;
    let rows = output.chunks_mut(LOCKED_ROWS * context.architecture.hidden).map(Mutex::new).collect();
    let state = State::new(kept, std::mem::take(made));
    let layer = Layer::<R> {
        context,
        loader,
        input: normed,
        rows,
        state: Mutex::new(state),
        changed: Condvar::new(),
        rounding: PhantomData,
    };
    rayon::broadcast(|_| layer.work(pool));
    let State { free, outcome, .. } = layer.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    *made = free;
    outcome
}

/// The weights of an expert; its buffer goes back to the reading thread as soon as no tile needs it any more.
struct InUse<'a> {
    weights: Option<Weights>,
    loader: &'a Loader,
}

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        if let Some(weights) = self.weights.take() {
            self.loader.give_back(weights);
        }
    }
}

/// Some rows of an expert.
struct Tile<'a> {
    /// How many experts with rows come before this one.
    turn: usize,
    expert: usize,
    weights: Arc<InUse<'a>>,
    rows: &'a [KeptRow],
}

/// What an expert makes of the rows of a tile, `[rows, hidden]`.
struct Made<'a> {
    turn: usize,
    rows: &'a [KeptRow],
    numbers: Vec<f32>,
}

/// How far the experts of a layer are.
struct State<'a> {
    /// The experts with rows whose weights were not taken yet.
    to_come: VecDeque<(usize, &'a [KeptRow])>,
    /// The tiles that no thread has taken yet, all of one expert.
    tiles: VecDeque<Tile<'a>>,
    /// The expert whose tiles are added now.
    turn: usize,
    /// Tiles that are not added yet: of that expert, and of those after it whose weights were taken.
    unfinished: VecDeque<usize>,
    /// Tiles that wait for those of earlier experts.
    waiting: Vec<Made<'a>>,
    /// Buffers for what is made.
    free: Vec<Vec<f32>>,
    /// Whether a thread panicked: the others then stop, and the panic is passed on.
    panicked: bool,
    outcome: Result<()>,
}

impl<'a> State<'a> {
    fn new(kept: &'a [Vec<KeptRow>], free: Vec<Vec<f32>>) -> Self {
        let to_come = kept.iter().map(Vec::as_slice).enumerate().filter(|(_, rows)| !rows.is_empty()).collect();
        Self {
            to_come,
            tiles: VecDeque::new(),
            turn: 0,
            unfinished: VecDeque::new(),
            waiting: Vec::new(),
            free,
            panicked: false,
            outcome: Ok(()),
        }
    }

    /// Makes tiles of the rows of an expert.
    fn begin(&mut self, expert: usize, rows: &'a [KeptRow], weights: InUse<'a>, tile_rows: usize) {
        let (turn, weights) = (self.turn + self.unfinished.len(), Arc::new(weights));
        let tiles = rows.chunks(tile_rows).map(|rows| Tile { turn, expert, weights: Arc::clone(&weights), rows });
        self.tiles.extend(tiles);
        self.unfinished.push_back(self.tiles.len());
    }

    /// A tile whose turn it is to be added.
    fn due(&mut self) -> Option<Made<'a>> {
        let due = self.waiting.iter().position(|made| made.turn == self.turn)?;
        Some(self.waiting.swap_remove(due))
    }

    /// A tile of the expert whose turn it is was added.
    fn added(&mut self, numbers: Vec<f32>) {
        self.free.push(numbers);
        if let Some(left) = self.unfinished.front_mut() {
            *left -= 1;
        }
        while self.unfinished.front() == Some(&0) {
            self.unfinished.pop_front();
            self.turn += 1;
        }
    }
}

/// The experts of a layer at work.
struct Layer<'a, R> {
    context: &'a Context<'a>,
    loader: &'a Loader,
    /// `[rows, hidden]`
    input: &'a [f32],
    /// The output, [`LOCKED_ROWS`] rows each.
    rows: Vec<Mutex<&'a mut [f32]>>,
    state: Mutex<State<'a>>,
    /// Something was added, or the work stops.
    changed: Condvar,
    rounding: PhantomData<fn() -> R>,
}

impl<'a, R: Rounding> Layer<'a, R> {
    /// What every thread does until no tile is left.
    fn work(&self, pool: &ScratchPool) {
        let _stops = StopsOthers(self);
        while let Some((tile, numbers)) = self.next() {
            let made = self.make(tile, numbers, pool);
            self.finish(made);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<'a>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next tile and a buffer for what is made of it. At most as many tiles as there are threads wait to be added, so that memory
    /// stays bounded.
    fn next(&self) -> Option<(Tile<'a>, Vec<f32>)> {
        let mut state = self.lock();
        loop {
            if state.panicked || state.outcome.is_err() {
                return None;
            }
            if state.waiting.len() >= rayon::current_num_threads() {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            } else if let Some(tile) = state.tiles.pop_front() {
                return Some((tile, state.free.pop().unwrap_or_default()));
            } else {
                let (expert, rows) = state.to_come.pop_front()?;
                // The other threads cannot go on either before these weights are there.
                match self.loader.take() {
                    Ok(weights) => {
                        let weights = InUse { weights: Some(weights), loader: self.loader };
                        state.begin(expert, rows, weights, tile_rows(rows.len(), self.loader.parts_at_once()));
                    }
                    Err(error) => state.outcome = Err(error),
                }
            }
        }
    }

    /// Computes a tile, and lets go of the weights.
    fn make(&self, tile: Tile<'a>, mut numbers: Vec<f32>, pool: &ScratchPool) -> Made<'a> {
        let Tile { turn, expert, weights, rows } = tile;
        if let Some(weights) = &weights.weights {
            let mlp = self.context.mlp(weights, Block::Expert(expert));
            mlp.of_rows::<R>(&mut numbers, self.input, rows, &mut pool.mine());
        }
        drop(weights);
        Made { turn, rows, numbers }
    }

    /// Adds a tile if its expert's turn has come, and those that waited for it.
    fn finish(&self, made: Made<'a>) {
        let mut state = self.lock();
        state.waiting.push(made);
        while let Some(made) = state.due() {
            drop(state);
            self.add(&made);
            state = self.lock();
            state.added(made.numbers);
        }
        drop(state);
        self.changed.notify_all();
    }

    fn add(&self, made: &Made) {
        let hidden = self.context.architecture.hidden;
        let mut numbers = made.numbers.chunks_exact(hidden);
        for rows in made.rows.chunk_by(|a, b| a.0 / LOCKED_ROWS == b.0 / LOCKED_ROWS) {
            let block = rows[0].0 / LOCKED_ROWS;
            let mut output = self.rows[block].lock().unwrap_or_else(PoisonError::into_inner);
            for (&(row, weight), made) in rows.iter().zip(&mut numbers) {
                let first = (row - block * LOCKED_ROWS) * hidden;
                for (sum, made) in output[first..first + hidden].iter_mut().zip(made) {
                    *sum += weight * made;
                }
            }
        }
    }
}

/// Lets the other threads stop when this one panics: they would wait for its tile for ever.
struct StopsOthers<'a, 'b, R: Rounding>(&'a Layer<'b, R>);

impl<R: Rounding> Drop for StopsOthers<'_, '_, R> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lock().panicked = true;
            self.0.changed.notify_all();
        }
    }
}

/// Rows of a tile of an expert with so many: all threads have a tile while as many experts compute together as weights are there
/// for.
fn tile_rows(rows: usize, experts_at_once: usize) -> usize {
    let tiles = rayon::current_num_threads().div_ceil(experts_at_once);
    padded_rows(rows.div_ceil(tiles)).min(TILE_ROWS)
}
