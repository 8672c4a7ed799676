//! Which rows of SGLang's passes belong to which sequence. The recorder keeps no request ids: a prefill says how many tokens each
//! request has, a pass that decodes has one token of each, told apart by their positions alone. Where two requests are equally
//! long, nobody can tell their rows apart; these are left out, and all rows that follow them.

use std::collections::BTreeMap;

/// The tokens of a pass.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Pass {
    /// Their ids.
    pub(super) token_ids: Vec<u32>,
    /// Their places in their sequences.
    pub(super) positions: Vec<u32>,
    /// Tokens of each request; `None` in a pass that decodes.
    pub(super) lengths: Option<Vec<usize>>,
}

/// A sequence: positions and tokens of its rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rebuilt {
    /// Places in the sequence, ascending.
    pub(super) positions: Vec<u32>,
    /// Token ids of the rows.
    pub(super) token_ids: Vec<u32>,
}

/// Sequences, pass by pass.
#[derive(Debug, Default)]
pub(super) struct Rebuilding {
    /// By pass and row the sequence that it belongs to.
    pub(super) owners: Vec<Vec<Option<u32>>>,
    /// The sequences so far.
    pub(super) sequences: Vec<Rebuilt>,
    /// Requests that may go on.
    open: Vec<Open>,
    /// The sequence that a prefill ended with: a long one goes on in the next pass.
    last_prefill: Option<u32>,
    /// Rows of requests that are equally long.
    pub(super) ambiguous: u64,
    /// Rows of requests whose beginning was not recorded.
    pub(super) without_beginning: u64,
    /// Sequences whose first tokens were served from a cache.
    pub(super) behind_cache: u64,
    /// Parts of a prefill that were taken for the rest of the sequence before.
    pub(super) chunks: u64,
}

/// A request that may go on.
#[derive(Clone, Copy, Debug)]
struct Open {
    of: Of,
    next: u32,
}

/// Which request it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    /// That of a sequence.
    Sequence(u32),
    /// One of several that cannot be told apart.
    OneOfSeveral,
    /// One whose beginning was not recorded.
    Earlier,
}

impl Rebuilding {
    /// Takes the next pass.
    ///
    /// # Errors
    /// Its tokens, positions and lengths do not fit together.
    pub(super) fn take(&mut self, pass: &Pass) -> Result<(), String> {
        let rows = pass.positions.len();
        if pass.token_ids.len() != rows {
            return Err(format!("has {} input_ids and {rows} positions; expected as many", pass.token_ids.len()));
        }
        self.owners.push(vec![None; rows]);
        let Some(lengths) = &pass.lengths else {
            self.decode(pass, 0..rows, true);
            self.last_prefill = None;
            return Ok(());
        };
        let told = lengths.iter().fold(0_usize, |sum, length| sum.saturating_add(*length));
        if told != rows {
            return Err(format!("has {rows} positions, and {told} by its extend_seq_lens; expected as many"));
        }
        let (mut first, mut decoded, mut last) = (0, Vec::new(), None);
        for &length in lengths.iter().filter(|length| **length > 0) {
            let part = first..first + length;
            first += length;
            let positions = &pass.positions[part.clone()];
            let gap =
                positions.iter().zip(&positions[1..]).find(|(before, after)| before.checked_add(1) != Some(**after));
            if let Some((before, after)) = gap {
                return Err(format!("has position {after} behind {before} within one request"));
            }
            if length == 1 && positions[0] > 0 && self.is_awaited(positions[0]) {
                decoded.push(part.start);
                continue;
            }
            last = Some(if let Some(sequence) = self.prefilled(positions[0]) {
                self.append_all(sequence, pass, part)
            } else {
                self.behind_cache += u64::from(positions[0] > 0);
                self.begin(pass, part)
            });
        }
        // Passes that mix both kinds have the requests that decode as parts of one token.
        self.decode(pass, decoded.into_iter(), false);
        self.last_prefill = last;
        Ok(())
    }

    /// The sequence that the last prefill ended with, if it goes on at this position.
    fn prefilled(&mut self, position: u32) -> Option<u32> {
        let sequence = self.last_prefill?;
        let goes_on = position > 0 && self.open.iter().any(|it| it.of == Of::Sequence(sequence) && it.next == position);
        if goes_on {
            self.chunks += 1;
            self.last_prefill = None;
        }
        goes_on.then_some(sequence)
    }

    fn is_awaited(&self, position: u32) -> bool {
        self.open.iter().any(|it| it.next == position)
    }

    fn begin(&mut self, pass: &Pass, rows: std::ops::Range<usize>) -> u32 {
        let sequence = self.sequences.len() as u32;
        self.sequences.push(Rebuilt::default());
        self.open.push(Open { of: Of::Sequence(sequence), next: pass.positions[rows.start] });
        self.append_all(sequence, pass, rows)
    }

    fn append_all(&mut self, sequence: u32, pass: &Pass, rows: std::ops::Range<usize>) -> u32 {
        let next = pass.positions[rows.end - 1].saturating_add(1);
        rows.for_each(|row| self.append(sequence, pass, row));
        // Once for all rows: a recording of prefills alone has as many open requests as sequences.
        if let Some(open) = self.open.iter_mut().rev().find(|open| open.of == Of::Sequence(sequence)) {
            open.next = next;
        }
        sequence
    }

    fn append(&mut self, sequence: u32, pass: &Pass, row: usize) {
        let of = &mut self.sequences[sequence as usize];
        of.positions.push(pass.positions[row]);
        of.token_ids.push(pass.token_ids[row]);
        if let Some(owner) = self.owners.last_mut().and_then(|owners| owners.get_mut(row)) {
            *owner = Some(sequence);
        }
    }

    /// Rows of one token of a request each. In a pass that only decodes, requests without a row have ended.
    fn decode(&mut self, pass: &Pass, rows: impl Iterator<Item = usize>, ends_others: bool) {
        let mut by_position: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        rows.for_each(|row| by_position.entry(pass.positions[row]).or_default().push(row));
        let mut going_on = Vec::new();
        for (position, rows) in by_position {
            let (awaited, others): (Vec<Open>, Vec<Open>) = self.open.iter().partition(|open| open.next == position);
            self.open = others;
            let next = position.saturating_add(1);
            if let ([Open { of: Of::Sequence(sequence), .. }], [row]) = (&awaited[..], &rows[..]) {
                self.append(*sequence, pass, *row);
                going_on.push(Open { of: Of::Sequence(*sequence), next });
                continue;
            }
            let is_earlier = awaited.iter().all(|open| open.of == Of::Earlier);
            let (count, of) = if is_earlier {
                (&mut self.without_beginning, Of::Earlier)
            } else {
                (&mut self.ambiguous, Of::OneOfSeveral)
            };
            *count += rows.len() as u64;
            going_on.extend(rows.iter().map(|_| Open { of, next }));
        }
        if ends_others {
            self.open.clear();
        }
        self.open.extend(going_on);
    }

    /// What a reader should know.
    pub(super) fn remarks(&self) -> Vec<String> {
        let told = [
            (
                self.ambiguous,
                "rows are of requests that were equally long when they were decoded together: they cannot be told \
                              apart, and are left out; record with one request at a time",
            ),
            (self.without_beginning, "rows are of requests whose beginning was not recorded, and are left out"),
            (
                self.behind_cache,
                "sequences begin behind a prefix that was served from the cache: it has no rows; record without \
                                 the cache",
            ),
            (
                self.chunks,
                "parts of a prefill were taken for the rest of the sequence before them, which they continue",
            ),
        ];
        let counted = told.iter().filter(|(count, _)| *count > 0).map(|(count, says)| format!("{count} {says}"));
        counted.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefill(parts: &[(u32, usize)]) -> Pass {
        let positions: Vec<u32> = parts.iter().flat_map(|(first, length)| *first..first + *length as u32).collect();
        let lengths = Some(parts.iter().map(|(_, length)| *length).collect());
        Pass { token_ids: positions.iter().map(|position| 100 + position).collect(), positions, lengths }
    }

    fn decode(positions: &[u32]) -> Pass {
        Pass { token_ids: positions.to_vec(), positions: positions.to_vec(), lengths: None }
    }

    fn rebuild(passes: &[Pass]) -> Rebuilding {
        let mut rebuilding = Rebuilding::default();
        for pass in passes {
            rebuilding.take(pass).unwrap();
        }
        rebuilding
    }

    fn positions(rebuilding: &Rebuilding) -> Vec<Vec<u32>> {
        rebuilding.sequences.iter().map(|it| it.positions.clone()).collect()
    }

    #[test]
    fn decoded_rows_follow_their_prefill() {
        let it = rebuild(&[prefill(&[(0, 3), (0, 2)]), decode(&[3, 2]), decode(&[4])]);
        assert_eq!(positions(&it), [vec![0, 1, 2, 3, 4], vec![0, 1, 2]]);
        assert_eq!(
            it.owners,
            [vec![Some(0), Some(0), Some(0), Some(1), Some(1)], vec![Some(0), Some(1)], vec![Some(0)]]
        );
        assert_eq!(it.sequences[0].token_ids, [100, 101, 102, 3, 4]);
        assert_eq!(it.remarks(), Vec::<String>::new());
    }

    #[test]
    fn rows_of_equally_long_requests_are_left_out_to_their_end() {
        // Two of length 2 and one of 4; then the pair passes the length of a fourth request, which begins later.
        let it = rebuild(&[
            prefill(&[(0, 2), (0, 2), (0, 4)]),
            decode(&[2, 2, 4]),
            decode(&[3, 3, 5]),
            decode(&[4]),
            prefill(&[(0, 5)]),
            decode(&[5, 5]),
        ]);
        assert_eq!(positions(&it), [vec![0, 1], vec![0, 1], vec![0, 1, 2, 3, 4, 5], vec![0, 1, 2, 3, 4]]);
        assert_eq!(it.ambiguous, 7);
        assert!(it.remarks()[0].starts_with("7 rows are of requests that were equally long"), "{:?}", it.remarks());
    }

    #[test]
    fn a_request_that_ended_does_not_take_rows() {
        // The first request ends after its prefill; a later one reaches its length.
        let it = rebuild(&[prefill(&[(0, 3)]), prefill(&[(0, 2)]), decode(&[2]), decode(&[3])]);
        assert_eq!(positions(&it), [vec![0, 1, 2], vec![0, 1, 2, 3]]);
        assert_eq!(it.ambiguous, 0);
    }

    #[test]
    fn what_began_before_the_recording_is_left_out() {
        let it = rebuild(&[decode(&[7]), prefill(&[(0, 9)]), decode(&[8, 9]), decode(&[9, 10])]);
        assert_eq!(positions(&it), [(0..11).collect::<Vec<_>>()]);
        assert_eq!((it.without_beginning, it.ambiguous), (3, 0));
    }

    #[test]
    fn long_prefills_go_on_and_cached_ones_begin_later() {
        let it = rebuild(&[prefill(&[(0, 2), (0, 4)]), prefill(&[(4, 3), (6, 2)]), decode(&[7])]);
        assert_eq!(positions(&it), [vec![0, 1], (0..8).collect(), vec![6, 7]]);
        assert_eq!((it.chunks, it.behind_cache), (1, 1));
    }

    #[test]
    fn passes_of_both_kinds_are_taken_apart() {
        let it = rebuild(&[prefill(&[(0, 3)]), prefill(&[(0, 2), (3, 1)]), decode(&[2, 4])]);
        assert_eq!(positions(&it), [vec![0, 1, 2, 3, 4], vec![0, 1, 2]]);
        assert_eq!(it.remarks(), Vec::<String>::new());
    }

    #[test]
    fn passes_that_do_not_fit_are_refused() {
        let refused = |pass: Pass| Rebuilding::default().take(&pass).unwrap_err();
        let pass = prefill(&[(0, 3)]);
        assert!(refused(Pass { lengths: Some(vec![2]), ..pass.clone() }).contains("3 positions, and 2 by its extend"));
        assert!(refused(Pass { lengths: Some(vec![usize::MAX, 5]), ..pass.clone() }).contains("extend_seq_lens"));
        assert!(refused(Pass { token_ids: vec![1], ..pass.clone() }).contains("1 input_ids and 3 positions"));
        assert!(refused(Pass { positions: vec![0, 2, 3], ..pass }).contains("position 2 behind 0"));
        let last = Pass { token_ids: vec![0, 0], positions: vec![u32::MAX, 0], lengths: Some(vec![2]) };
        assert!(refused(last).contains("position 0 behind 4294967295"));
    }
}
