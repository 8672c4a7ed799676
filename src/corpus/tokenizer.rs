//! A checkpoint's tokenizer: from text to token ids and back.

use std::path::{Path, PathBuf};

use tokenizers::{ModelWrapper, PaddingStrategy};

use super::{
    byte_level::{as_text, is_byte_level},
    sentencepiece::SentencePiece,
    special::SpecialTokens,
    token::Token,
};
use crate::{
    error::{Error, Result},
    first_bytes::{Foreign, foreign, parse_json, read_bytes, text_of},
};

/// The SentencePiece model with which OpenMoE was trained and run.
const SENTENCEPIECE_FILE: &str = "spiece.model";
/// The same format under the name that Llama's tools use.
const LLAMA_FILE: &str = "tokenizer.model";
/// The file of the `tokenizers` library.
const JSON_FILE: &str = "tokenizer.json";
/// The next step where a checkpoint has no tokenizer.
pub const PUT_TOKENIZER: &str = "put the model's own `tokenizer.json` or `spiece.model` into the checkpoint folder";
const CONFIG_FILE: &str = "tokenizer_config.json";
/// A text that every tokenizer can encode.
const SOME_TEXT: &str = "a";
/// Largest tokenizer that is read, in bytes.
const MAX_FILE: u64 = 256 << 20;

/// Turns text into token ids exactly as the file says. Threads may share it.
#[derive(Debug)]
pub struct Tokenizer {
    file: PathBuf,
    engine: Engine,
    warnings: Vec<String>,
}

#[derive(Debug)]
enum Engine {
    SentencePiece(Box<SentencePiece>),
    Json(Box<tokenizers::Tokenizer>),
}

/// The bytes of a tokenizer file; refuses files that are recognized as something else.
fn sound_bytes(file: &Path) -> Result<Vec<u8>> {
    let refuse =
        |found: Foreign| Error::tokenizer(format!("tokenizer `{}` {}", file.display(), found.what), found.hint);
    let bytes = read_bytes(file, MAX_FILE).map_err(refuse)?;
    foreign(&bytes).map_or(Ok(bytes), |found| Err(refuse(found)))
}

/// Switches off settings that a training saved with its tokenizer and that would change the text: truncation, padding, random
/// merges. Returns the settings that were on, in words.
fn switch_off(tokenizer: &mut tokenizers::Tokenizer) -> Result<Vec<String>, tokenizers::Error> {
    let mut switched = Vec::new();
    if let Some(truncation) = tokenizer.get_truncation() {
        switched.push(format!("truncation to {} tokens", truncation.max_length));
        tokenizer.with_truncation(None)?;
    }
    if let Some(padding) = tokenizer.get_padding() {
        switched.push(match padding.strategy {
            PaddingStrategy::Fixed(length) => format!("padding to {length} tokens"),
            PaddingStrategy::BatchLongest => "padding".to_owned(),
        });
        tokenizer.with_padding(None);
    }
    if let ModelWrapper::BPE(bpe) = tokenizer.get_model()
        && let Some(dropout) = bpe.dropout.filter(|&dropout| dropout > 0.0)
    {
        switched.push(format!("dropout {dropout} of merges"));
        let mut bpe = bpe.clone();
        bpe.dropout = None;
        tokenizer.with_model(bpe);
    }
    Ok(switched)
}

/// The token that `tokenizer_config.json` of a folder puts before every text.
fn added_bos(folder: &Path) -> Result<Option<String>> {
    let path = folder.join(CONFIG_FILE);
    if path.symlink_metadata().is_err() {
        return Ok(None);
    }
    let refuse =
        |what: String| Error::tokenizer(format!("`{}` cannot be used: {what}", path.display()), "fetch the file again");
    let text = text_of(sound_bytes(&path)?).map_err(|found| refuse(found.what))?;
    let config: serde_json::Value = parse_json(&text).map_err(|error| refuse(error.to_string()))?;
    if config["add_bos_token"] != true {
        return Ok(None);
    }
    let token = &config["bos_token"];
    Ok(token.as_str().or_else(|| token["content"].as_str()).map(str::to_owned))
}

impl Tokenizer {
    /// Opens the tokenizer of a folder; `None` if it has neither `spiece.model`, `tokenizer.model` nor `tokenizer.json`. The
    /// first of these wins: of umT5's two files only `spiece.model` keeps newlines, tabs and runs of spaces.
    ///
    /// # Errors
    /// The file cannot be read or is not a tokenizer of its kind.
    pub fn open(dir: &Path) -> Result<Option<Self>> {
        let file = |name: &str| dir.join(name);
        // A link whose target does not exist counts as there, so that opening it gives an error.
        let is_there = |name: &str| file(name).symlink_metadata().is_ok();
        if is_there(SENTENCEPIECE_FILE) {
            return Self::from_sentencepiece(file(SENTENCEPIECE_FILE)).map(Some);
        }
        let unused = match is_there(LLAMA_FILE).then(|| Self::from_sentencepiece(file(LLAMA_FILE))) {
            // Other programs use this name for other formats.
            Some(Err(error)) if is_there(JSON_FILE) => Some(format!("{error}; `{JSON_FILE}` is used instead")),
            Some(opened) => return opened.map(Some),
            None => None,
        };
        if !is_there(JSON_FILE) {
            return Ok(None);
        }
        let mut tokenizer = Self::from_json(file(JSON_FILE))?;
        tokenizer.warnings.extend(unused);
        Ok(Some(tokenizer))
    }

    /// Opens a tokenizer by its file, or by the folder that it lies in.
    ///
    /// # Errors
    /// As [`Self::open`]; there is none.
    pub fn at(path: &Path) -> Result<Self> {
        if path.is_dir() {
            return Self::open(path)?.ok_or_else(|| {
                Error::tokenizer(
                    format!("`{}` holds no tokenizer", path.display()),
                    format!("expected one of {SENTENCEPIECE_FILE}, {LLAMA_FILE} and {JSON_FILE}"),
                )
            });
        }
        let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        if is_json { Self::from_json(path.to_path_buf()) } else { Self::from_sentencepiece(path.to_path_buf()) }
    }

    fn from_sentencepiece(file: PathBuf) -> Result<Self> {
        let shown = file.display().to_string();
        let bytes = sound_bytes(&file)?;
        let model = SentencePiece::from_bytes(&bytes).map_err(|reason| {
            Error::tokenizer(
                format!("tokenizer `{shown}` {reason}"),
                "compare with the `spiece.model` of google/umt5-small",
            )
        })?;
        Ok(Self { file, engine: Engine::SentencePiece(Box::new(model)), warnings: Vec::new() })
    }

    fn from_json(file: PathBuf) -> Result<Self> {
        let shown = file.display().to_string();
        let refuse = |error: String| {
            Error::tokenizer(
                format!("tokenizer `{shown}` cannot be used: {error}"),
                "fetch the file again, or put the `spiece.model` of the model beside it",
            )
        };
        let text = text_of(sound_bytes(&file)?).map_err(|found| refuse(found.what))?;
        let mut tokenizer: tokenizers::Tokenizer = parse_json(&text).map_err(|error| refuse(error.to_string()))?;
        let switched = switch_off(&mut tokenizer).map_err(|error| refuse(error.to_string()))?;
        let mut tokenizer = Self { file, engine: Engine::Json(Box::new(tokenizer)), warnings: Vec::new() };
        let switched = (!switched.is_empty()).then(|| {
            let what = switched.join(", ");
            format!(
                "tokenizer `{shown}` is saved with {what}; switched off, so that every text is taken whole and as it is"
            )
        });
        tokenizer.warnings = switched.into_iter().chain(tokenizer.check_newline()?).collect();
        Ok(tokenizer)
    }

    /// A warning if the tokenizer loses newlines: they become `<unk>`, or have the same ids as a space or as nothing.
    fn check_newline(&self) -> Result<Option<String>> {
        let newline = self.encode("a\nb")?;
        let unknown = newline.iter().any(|&id| self.piece(id).is_some_and(|piece| piece == "<unk>"));
        let fate = if unknown {
            "turns newlines into <unk>"
        } else if newline == self.encode("a b")? {
            "turns newlines into spaces"
        } else if newline == self.encode("ab")? {
            "drops newlines"
        } else {
            return Ok(None);
        };
        Ok(Some(format!(
            "tokenizer `{}` {fate}; if the model was trained with a `spiece.model` that keeps them, routing of code and of \
             texts with several lines will not be the model's own: put that file beside it",
            self.file.display()
        )))
    }

    /// Ids of a text, without BOS or EOS. A literal `</s>` or `<pad>` is text to `spiece.model`, as in SentencePiece;
    /// to `tokenizer.json` it is the special token.
    ///
    /// # Errors
    /// The `tokenizers` library refuses the text; `spiece.model` never does.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        match &self.engine {
            Engine::SentencePiece(model) => Ok(model.encode(text)),
            Engine::Json(tokenizer) => {
                let encoding = tokenizer.encode_fast(text, false).map_err(|error| self.refused(&error))?;
                Ok(encoding.get_ids().to_vec())
            }
        }
    }

    /// The id that the tokenizer's own files put before every text: by the post-processor of `tokenizer.json`, else by
    /// `add_bos_token` of `tokenizer_config.json`. A BOS that only config.json names is none.
    ///
    /// # Errors
    /// The file cannot be read, or names a token that the tokenizer does not have.
    pub fn bos(&self) -> Result<Option<u32>> {
        if let Engine::Json(tokenizer) = &self.engine {
            let encode = |special| tokenizer.encode_fast(SOME_TEXT, special).map_err(|error| self.refused(&error));
            let (text, whole) = (encode(false)?, encode(true)?);
            // What a post-processor appends is no BOS.
            if !whole.get_ids().starts_with(text.get_ids()) {
                return Ok(whole.get_ids().first().copied());
            }
        }
        let Some(bos) = self.file.parent().map(added_bos).transpose()?.flatten() else { return Ok(None) };
        self.id(&bos).map(Some).ok_or_else(|| {
            Error::tokenizer(
                format!(
                    "`{CONFIG_FILE}` puts `{bos}` before every text; tokenizer `{}` has no such token",
                    self.file.display()
                ),
                "the two files belong to different models: take those that were released with the checkpoint",
            )
        })
    }

    /// The ids of [`Self::encode`], each with its place in the text.
    ///
    /// # Errors
    /// As for [`Self::encode`].
    pub fn encode_with_offsets(&self, text: &str) -> Result<Vec<Token>> {
        match &self.engine {
            Engine::SentencePiece(model) => Ok(model.encode_with_offsets(text)),
            Engine::Json(tokenizer) => {
                let encoding = tokenizer.encode(text, false).map_err(|error| self.refused(&error))?;
                let mut least = 0;
                let tokens = encoding.get_ids().iter().zip(encoding.get_offsets()).map(|(&id, &(start, end))| {
                    let covered = text.get(start..end).unwrap_or_default();
                    let spaces = covered.len() - covered.trim_start_matches(' ').len();
                    least = least.max(if spaces == covered.len() { start } else { start + spaces });
                    Token { id, offset: least }
                });
                Ok(tokens.collect())
            }
        }
    }

    /// Encodes a text in which special tokens occur as words, such as `</s>`. With `spiece.model` they cut the text, and each piece
    /// between them is encoded as a separate text (as `T5Tokenizer` does); `tokenizer.json` finds its special tokens by itself.
    pub(super) fn encode_prompt(&self, text: &str, special: &SpecialTokens) -> Result<Vec<Token>> {
        let Engine::SentencePiece(model) = &self.engine else {
            return self.encode_with_offsets(text);
        };
        let mut tokens = Vec::new();
        for (range, id) in special.split(text) {
            match id {
                Some(id) => tokens.push(Token { id, offset: range.start }),
                None => tokens.extend(
                    model
                        .encode_with_offsets(&text[range.clone()])
                        .into_iter()
                        .map(|token| Token { offset: range.start + token.offset, ..token }),
                ),
            }
        }
        Ok(tokens)
    }

    fn refused(&self, error: &tokenizers::Error) -> Error {
        Error::Tokenizer {
            message: format!("tokenizer `{}` cannot encode a text: {error}", self.file.display()),
            hint: None,
        }
    }

    /// Id of a piece as it is stored, such as `</s>`.
    pub fn id(&self, piece: &str) -> Option<u32> {
        match &self.engine {
            Engine::SentencePiece(model) => model.id(piece),
            Engine::Json(tokenizer) => tokenizer.token_to_id(piece),
        }
    }

    /// The piece of an id as it is stored, such as `▁the` or `<0x0A>`, that of byte-level BPE in the same spelling; `None` beyond the
    /// vocabulary.
    pub fn piece(&self, id: u32) -> Option<String> {
        match &self.engine {
            Engine::SentencePiece(model) => model.piece(id).map(str::to_owned),
            Engine::Json(tokenizer) => {
                let piece = tokenizer.id_to_token(id)?;
                Some(if is_byte_level(tokenizer) { as_text(&piece) } else { piece })
            }
        }
    }

    /// The text of ids; special tokens and ids beyond the vocabulary are left out, bytes that are not UTF-8 become
    /// U+FFFD.
    pub fn decode(&self, ids: &[u32]) -> String {
        match &self.engine {
            Engine::SentencePiece(model) => model.decode(ids),
            Engine::Json(tokenizer) => tokenizer.decode(ids, true).unwrap_or_default(),
        }
    }

    /// Largest id + 1.
    pub fn vocab_size(&self) -> usize {
        match &self.engine {
            Engine::SentencePiece(model) => model.len(),
            Engine::Json(tokenizer) => {
                tokenizer.get_vocab(true).into_values().max().map_or(0, |largest| largest as usize + 1)
            }
        }
    }

    /// The file that was read.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Warnings about this tokenizer for the user; empty if there are none.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Checks that every id has a row in the model's embedding.
    ///
    /// # Errors
    /// The tokenizer has ids beyond `vocab_size`. Fewer ids than rows are fine.
    pub fn check_vocabulary(&self, vocab_size: usize) -> Result<()> {
        let own = self.vocab_size();
        if own <= vocab_size {
            return Ok(());
        }
        Err(Error::tokenizer(
            format!(
                "tokenizer `{}` has ids up to {}; the model's vocab_size is {vocab_size}, so ids must be below it",
                self.file.display(),
                own - 1
            ),
            "the tokenizer belongs to another model; take the one that was released with the checkpoint",
        ))
    }
}
