//! What of `sentencepiece_model.proto` decides how a text is cut. Fields that only training reads are passed over.
//!
//! Written by hand, because every crate that has these types compiles the `.proto` file, and a compiler of `.proto` files, first:
//! 20 crates and 40 seconds of a build for three messages.

use prost::{Enumeration, Message};

/// A model file.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ModelProto {
    /// The pieces; the place of one is its id.
    #[prost(message, repeated, tag = "1")]
    pub(super) pieces: Vec<PieceProto>,
    /// How the model was trained.
    #[prost(message, optional, tag = "2")]
    pub(super) trainer_spec: Option<TrainerSpec>,
    /// What is done to a text before it is cut.
    #[prost(message, optional, tag = "3")]
    pub(super) normalizer_spec: Option<NormalizerSpec>,
}

/// A piece.
#[derive(Clone, PartialEq, Message)]
pub(super) struct PieceProto {
    /// Its text.
    #[prost(string, optional, tag = "1")]
    pub(super) piece: Option<String>,
    /// Logarithm of its probability.
    #[prost(float, optional, tag = "2")]
    pub(super) score: Option<f32>,
    /// What it is.
    #[prost(enumeration = "PieceKind", optional, tag = "3", default = "Normal")]
    pub(super) kind: Option<i32>,
}

/// What a piece is: `Type` of the original.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub(super) enum PieceKind {
    /// Text.
    Normal = 1,
    /// What no piece covers.
    Unknown = 2,
    /// A mark such as the end of a sentence, which no text contains.
    Control = 3,
    /// Text that is never cut.
    UserDefined = 4,
    /// Not used.
    Unused = 5,
    /// A byte, for what no piece covers.
    Byte = 6,
}

/// How the model was trained.
#[derive(Clone, PartialEq, Message)]
pub(super) struct TrainerSpec {
    /// Which kind of model it is.
    #[prost(enumeration = "ModelType", optional, tag = "3", default = "Unigram")]
    pub(super) model_type: Option<i32>,
    /// Whether the space of a word stands behind it.
    #[prost(bool, optional, tag = "24", default = false)]
    pub(super) treat_whitespace_as_suffix: Option<bool>,
    /// Whether what no piece covers becomes bytes.
    #[prost(bool, optional, tag = "35", default = false)]
    pub(super) byte_fallback: Option<bool>,
    /// What an unknown piece is decoded to.
    #[prost(string, optional, tag = "44", default = " \u{2047} ")]
    pub(super) unk_surface: Option<String>,
}

/// The kind of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub(super) enum ModelType {
    /// The only one that is read here.
    Unigram = 1,
    /// Byte pair encoding.
    Bpe = 2,
    /// Words between spaces.
    Word = 3,
    /// Single characters.
    Char = 4,
}

/// What is done to a text before it is cut.
#[derive(Clone, PartialEq, Message)]
pub(super) struct NormalizerSpec {
    /// Rewriting rules, compiled.
    #[prost(bytes = "vec", optional, tag = "2")]
    pub(super) precompiled_charsmap: Option<Vec<u8>>,
    /// Whether a text gets a space in front.
    #[prost(bool, optional, tag = "3", default = true)]
    pub(super) add_dummy_prefix: Option<bool>,
    /// Whether spaces at both ends and repeated ones go.
    #[prost(bool, optional, tag = "4", default = true)]
    pub(super) remove_extra_whitespaces: Option<bool>,
    /// Whether spaces become a visible character.
    #[prost(bool, optional, tag = "5", default = true)]
    pub(super) escape_whitespaces: Option<bool>,
}
