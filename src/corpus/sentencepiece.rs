//! SentencePiece unigram models: `spiece.model`.
//!
//! Follows SentencePiece's own sources (`unigram_model.cc`, `EncodeOptimized`; `normalizer.cc`;
//! `sentencepiece_processor.cc`) down to the width of its sums: scores add up in f32, so that ties among equal pieces
//! ("----") are broken in the same way. In f64 one of the 80 golden texts gets other tokens.
//!
//! Why it is written here, measured on the 80 golden texts (40 with umT5's 256,000 pieces, 40 with 4,096) and on 215 KB of
//! prose, code, Russian and Japanese with umT5, all optimised, one thread:
//!
//! | way | exact of 80 | misses | seconds per 2 MB |
//! |---|---|---|---|
//! | this module | 80 | | 0.3 |
//! | `sentencepiece-rs` 0.2.2 | 80 | | 698: tries every piece with the same first byte |
//! | `sentencepiece-rust` 0.1.1 | 78 | the empty text | 0.6 |
//! | `tokenizers` `Unigram` fed from the protobuf | 72 | literal `</s>` and `<pad>`; ties, as it adds in f64 | 1.2 |
//! | `kitoken` 0.11.0 | 66 | bytes of one character reversed; ties | 0.5 |
//!
//! 1 MB of one repeated character takes this module 0.1 to 0.4 s. Over a very long text without a break the f32 sums become
//! imprecise, but so do SentencePiece's, and equal tokens are the aim.

use prost::Message;

use super::{
    normalize::{Normalizer, SPACE_SYMBOL},
    piece::byte,
    sentencepiece_proto::{ModelProto, ModelType, PieceKind},
    token::Token,
    trie::PieceTrie,
};

/// [`SPACE_SYMBOL`] as a character.
const SPACE_CHARACTER: char = '\u{2581}';
/// How far the score of an unknown character lies below that of the rarest piece.
const UNKNOWN_PENALTY: f32 = 10.0;

/// A unigram model with byte fallback, digits and user-defined pieces as its file says.
#[derive(Clone, Debug)]
pub(super) struct SentencePiece {
    pieces: Vec<Piece>,
    trie: PieceTrie,
    normalizer: Normalizer,
    unknown: u32,
    unknown_score: f32,
    unknown_surface: String,
    /// Ids of the 256 byte pieces, if the model falls back to bytes.
    bytes: Option<Vec<u32>>,
}

#[derive(Clone, Debug)]
struct Piece {
    text: String,
    score: f32,
    kind: PieceKind,
}

/// The best way to cut the text up to a position.
#[derive(Clone, Copy)]
struct BestPath {
    piece: u32,
    /// Sum of the scores so far.
    score: f32,
    /// Where the last piece starts; `usize::MAX` while no path is known.
    start: usize,
}

impl SentencePiece {
    /// Reads the bytes of a `spiece.model`.
    ///
    /// # Errors
    /// The bytes are not a SentencePiece model, or not a unigram model; the text says which.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let model = ModelProto::decode(bytes).map_err(|error| format!("is not a SentencePiece model: {error}"))?;
        Self::new(&model)
    }

    fn new(model: &ModelProto) -> Result<Self, String> {
        let trainer = model.trainer_spec.clone().unwrap_or_default();
        if model.pieces.is_empty() || trainer.model_type() != ModelType::Unigram {
            return Err(format!(
                "is a {} model of {} pieces; expected a unigram model",
                format!("{:?}", trainer.model_type()).to_uppercase(),
                model.pieces.len()
            ));
        }
        let pieces: Vec<Piece> = model
            .pieces
            .iter()
            .map(|piece| Piece { text: piece.piece().to_owned(), score: piece.score(), kind: piece.kind() })
            .collect();
        let of = |kinds: &'static [PieceKind]| {
            let chosen = pieces.iter().enumerate().filter(|(_, piece)| kinds.contains(&piece.kind));
            PieceTrie::new(chosen.map(|(id, piece)| (piece.text.as_bytes(), id as u32)))
        };
        let unknown = pieces.iter().position(|piece| piece.kind == PieceKind::Unknown).ok_or("has no unknown piece")?;
        let normal = pieces.iter().filter(|piece| piece.kind == PieceKind::Normal);
        let spec = model.normalizer_spec.clone().unwrap_or_default();
        Ok(Self {
            trie: of(&[PieceKind::Normal, PieceKind::UserDefined]),
            normalizer: Normalizer::new(&spec, trainer.treat_whitespace_as_suffix(), of(&[PieceKind::UserDefined]))?,
            unknown: unknown as u32,
            unknown_score: normal.map(|piece| piece.score).fold(f32::MAX, f32::min) - UNKNOWN_PENALTY,
            unknown_surface: trainer.unk_surface().to_owned(),
            bytes: if trainer.byte_fallback() { Some(byte_pieces(&pieces)?) } else { None },
            pieces,
        })
    }

    /// Ids of a text. Linear in its length.
    pub(super) fn encode(&self, text: &str) -> Vec<u32> {
        let normalized = self.normalizer.normalize_with(text, |_, _| ());
        let mut ids = Vec::new();
        self.each_token(&normalized, |id, _, _| ids.push(id));
        ids
    }

    /// Ids of a text, each with the byte of the text at which its first character that is not a space begins; for a token of spaces
    /// only, its first space. The space that the model adds to a text counts as the start of the text.
    pub(super) fn encode_with_offsets(&self, text: &str) -> Vec<Token> {
        let mut steps = Vec::new();
        let normalized = self.normalizer.normalize_with(text, |to, from| steps.push((to, from)));
        let mut tokens = Vec::new();
        self.each_token(&normalized, |id, start, piece| {
            let spaces = piece.len() - piece.trim_start_matches([' ', SPACE_CHARACTER]).len();
            let first = if spaces == piece.len() { start } else { start + spaces };
            let step = steps.partition_point(|&(to, _)| to <= first) - 1;
            tokens.push(Token { id, offset: steps[step].1 });
        });
        tokens
    }

    /// Calls `emit` for every token of a normalised text, in order: its id, where its piece starts, and the piece.
    fn each_token(&self, normalized: &str, mut emit: impl FnMut(u32, usize, &str)) {
        let (mut start, mut last) = (0, None);
        for (id, piece) in self.segment(normalized) {
            match &self.bytes {
                Some(bytes) if id == self.unknown => {
                    piece.bytes().for_each(|byte| emit(bytes[usize::from(byte)], start, piece));
                }
                // A run of unknown characters is one unknown piece.
                _ if id == self.unknown && last == Some(id) => {}
                _ => emit(id, start, piece),
            }
            last = Some(id);
            start += piece.len();
        }
    }

    /// The best path through the normalised text: Viterbi over the pieces that start at each character.
    fn segment<'a>(&self, text: &'a str) -> Vec<(u32, &'a str)> {
        let unset = BestPath { piece: self.unknown, score: 0.0, start: usize::MAX };
        let mut best = vec![unset; text.len() + 1];
        for (start, character) in text.char_indices() {
            let so_far = best[start].score;
            let single = character.len_utf8();
            let mut has_single = false;
            for (length, piece) in self.trie.prefixes(&text.as_bytes()[start..]) {
                best[start + length].offer(so_far + self.score(piece, length), piece, start);
                has_single |= length == single;
            }
            if !has_single {
                best[start + single].offer(so_far + self.unknown_score, self.unknown, start);
            }
        }
        let mut path = Vec::new();
        let mut end = text.len();
        while end > 0 {
            let BestPath { piece, start, .. } = best[end];
            path.push((piece, &text[start..end]));
            end = start;
        }
        path.reverse();
        path
    }

    /// The score of a piece of `length` bytes. A user-defined piece beats everything that it could be cut into, and a longer one
    /// beats a shorter one.
    fn score(&self, piece: u32, length: usize) -> f32 {
        let piece = &self.pieces[piece as usize];
        if piece.kind == PieceKind::UserDefined { (0.1 * (length as f64 - 1.0)) as f32 } else { piece.score }
    }

    /// The number of pieces in the vocabulary.
    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Id of a piece as it is stored; of equal pieces the first.
    pub(super) fn id(&self, piece: &str) -> Option<u32> {
        self.pieces.iter().position(|known| known.text == piece).map(|id| id as u32)
    }

    /// The piece as it is stored.
    pub(super) fn piece(&self, id: u32) -> Option<&str> {
        self.pieces.get(id as usize).map(|piece| piece.text.as_str())
    }

    /// The text of ids: control pieces and unknown ids are left out, byte pieces are joined to UTF-8.
    pub(super) fn decode(&self, ids: &[u32]) -> String {
        let mut text: Vec<u8> = Vec::new();
        let mut at_start = self.normalizer.adds_prefix();
        for &id in ids {
            let Some(piece) = self.pieces.get(id as usize) else { continue };
            match (piece.kind, byte(&piece.text)) {
                (PieceKind::Control, _) => continue,
                (PieceKind::Unknown, _) => text.extend(self.unknown_surface.bytes()),
                (PieceKind::Byte, Some(byte)) => text.push(byte),
                _ => {
                    let piece = piece.text.strip_prefix(SPACE_SYMBOL).filter(|_| at_start).unwrap_or(&piece.text);
                    text.extend(piece.replace(SPACE_SYMBOL, " ").bytes());
                }
            }
            at_start = false;
        }
        String::from_utf8_lossy(&text).into_owned()
    }
}

impl BestPath {
    /// Takes a path if it is better than the known one; of equal paths the first stays.
    fn offer(&mut self, score: f32, piece: u32, start: usize) {
        if self.start == usize::MAX || score > self.score {
            *self = Self { piece, score, start };
        }
    }
}

/// Ids of the pieces `<0x00>` to `<0xFF>`.
fn byte_pieces(pieces: &[Piece]) -> Result<Vec<u32>, String> {
    let mut ids = vec![None; 256];
    for (id, piece) in pieces.iter().enumerate().filter(|(_, piece)| piece.kind == PieceKind::Byte) {
        if let Some(byte) = byte(&piece.text) {
            ids[usize::from(byte)] = Some(id as u32);
        }
    }
    let found = ids.iter().flatten().count();
    ids.into_iter().collect::<Option<_>>().ok_or(format!("has {found} byte pieces; byte fallback needs 256"))
}
