//! A checkpoint of any form that is read, written as safetensors: tensor by tensor, never more than a part of one in memory.

mod companions;
mod folder;
mod hashes;
mod narrow;
mod shards;
mod write;

pub use narrow::Rounding;

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use self::{
    hashes::Known,
    shards::{Shard, Written, shards},
    write::Job,
};
use super::{
    checkpoint_spec::CheckpointSpec,
    progress::{PlannedStage, Progress, RunningStage, Stage},
    quantities::{bytes, count, grouped},
};
use crate::{
    checkpoint::{Checkpoint, Dtype, Encoding},
    error::{Error, OptionName, Result},
    hub::TOKENIZERS,
    run::real_path,
};

/// Bytes that are read, unpacked, hashed and written in a second, until it is measured.
const BYTES_PER_SECOND: f64 = 1e8;

/// The smallest limit on the size of a file that is taken.
const SMALLEST_SHARD: u64 = 100_000;

/// What is converted, and to what.
#[derive(Clone, Debug)]
pub struct ConvertOptions {
    /// The checkpoint; for one of T5X, with where its configuration comes from.
    pub checkpoint: CheckpointSpec,
    /// Type of the numbers that are written; `None`: as they are stored.
    pub dtype: Option<WrittenType>,
    /// Most bytes of a file of weights, at least 100,000; a single tensor may have more.
    pub max_shard_size: u64,
    /// Whether an earlier conversion is replaced.
    pub force: bool,
}

impl Default for ConvertOptions {
    fn default() -> Self {
        Self { checkpoint: CheckpointSpec::default(), dtype: None, max_shard_size: 5_000_000_000, force: false }
    }
}

impl ConvertOptions {
    /// Checks what needs no checkpoint, which may take long to fetch.
    ///
    /// # Errors
    /// [`Error::Usage`] for files that are too small; [`Error::RunFolder`] if `out` holds something else.
    pub fn check(&self, out: Option<&Path>) -> Result<()> {
        if self.max_shard_size < SMALLEST_SHARD {
            return Err(Error::usage(
                format!(
                    "{}; expected a size of at least 100 kB",
                    OptionName::MaxShardSize.with(bytes(self.max_shard_size as f64))
                ),
                "files of 1 to 10 GB are usual",
            ));
        }
        if let Some(out) = out {
            folder::check(out, self.force)?;
        }
        Ok(())
    }
}

/// A type in which numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrittenType {
    /// IEEE single precision.
    F32,
    /// bfloat16.
    Bf16,
    /// IEEE half precision.
    F16,
}

impl WrittenType {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::F32, Self::Bf16, Self::F16];

    /// Its name.
    pub fn name(self) -> &'static str {
        self.dtype().name()
    }

    fn dtype(self) -> Dtype {
        match self {
            Self::F32 => Dtype::F32,
            Self::Bf16 => Dtype::Bf16,
            Self::F16 => Dtype::F16,
        }
    }
}

impl FromStr for WrittenType {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|dtype| dtype.name() == name)
            .ok_or_else(|| Error::usage(format!("no type of numbers is called `{name}`"), "expected f32, bf16 or f16"))
    }
}

impl fmt::Display for WrittenType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A conversion that is ready to start: the checkpoint is open, and what is written is decided.
#[derive(Debug)]
pub struct Conversion {
    source: String,
    checkpoint: Checkpoint,
    out: Option<PathBuf>,
    shards: Vec<Shard>,
    copied: Vec<PathBuf>,
}

/// A finished conversion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// The folder.
    pub folder: PathBuf,
    /// Tensors that were written.
    pub tensors: u64,
    /// Files that hold them.
    pub files: u64,
    /// Bytes of their numbers.
    pub bytes: u64,
    /// What rounding did.
    pub rounding: Rounding,
}

impl Converted {
    /// The result in lines.
    pub fn lines(&self) -> Vec<String> {
        let Rounding { numbers, changed, infinite, zero } = self.rounding;
        let size = bytes(self.bytes as f64);
        let weights = format!(
            "{}, {} numbers, {size} in {}",
            count(self.tensors, "tensor"),
            grouped(numbers),
            count(self.files, "file")
        );
        let rounded = if changed == 0 {
            "every number is the one that was stored".to_owned()
        } else {
            format!(
                "{} of these numbers were rounded to another; {} of them became infinite, {} became 0",
                grouped(changed),
                grouped(infinite),
                grouped(zero)
            )
        };
        vec![weights, rounded, format!("written to {}", self.folder.display())]
    }
}

impl Conversion {
    /// Opens the checkpoint and decides what is written; `out` may be missing if nothing will be.
    ///
    /// # Errors
    /// The checkpoint cannot be used, or its numbers have scales; those of [`ConvertOptions::check`].
    pub fn new(options: &ConvertOptions, out: Option<&Path>, progress: &dyn Progress) -> Result<Self> {
        options.check(out)?;
        let (source, checkpoint) = (options.checkpoint.place(), options.checkpoint.open()?);
        for note in checkpoint.notes() {
            progress.warn_once(&format!("{source}: {note}"));
        }
        if let Some(out) = out {
            check_apart(out, checkpoint.dir())?;
        }
        let shards = shards(tensors(&checkpoint, options.dtype)?, options.max_shard_size);
        let copied = companions::copied(&checkpoint.companions());
        Ok(Self { source, checkpoint, out: out.map(Path::to_path_buf), shards, copied })
    }

    /// What will be written, in lines.
    pub fn plan(&self) -> Vec<String> {
        let dtypes: Vec<String> = self
            .checkpoint
            .dtypes()
            .iter()
            .map(|stored| format!("{} in {}", count(stored.tensors as u64, "tensor"), stored.dtype))
            .collect();
        let mut lines = vec![format!("source          {}: {}", self.source, dtypes.join(", "))];
        lines.extend(self.shards.iter().map(|shard| {
            let names: Vec<&str> = shard.dtypes().into_iter().map(Dtype::name).collect();
            let tensors = count(shard.tensors.len() as u64, "tensor");
            format!(
                "weights         {}: {tensors}, {} in {}",
                shard.name,
                bytes(shard.bytes() as f64),
                names.join(" and ")
            )
        }));
        if self.checkpoint.bytes_elsewhere() > 0 {
            let missing = bytes(self.checkpoint.bytes_elsewhere() as f64);
            lines.insert(0, format!("download        {missing} of weights, which are fetched whole first"));
        }
        lines.push("configuration   config.json".to_owned());
        let copied = self.copied.iter().map(|file| format!("copied          {}", file.display()));
        lines.extend(copied);
        if !self.has_tokenizer() {
            lines.push(
                "tokenizer       none beside the checkpoint: put the model's spiece.model into the new folder"
                    .to_owned(),
            );
        }
        lines
    }

    /// Compares the hashes that are known of the checkpoint's files, then writes everything; nothing is left if it does not end.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if a file is not the one that was fetched; [`Error::Io`]; [`Error::Interrupted`].
    pub fn run(self, progress: &dyn Progress) -> Result<Converted> {
        let Some(out) = &self.out else { return Err(Error::internal("a conversion without a folder was started")) };
        let place = real_path(out);
        let (total, stage, known) = (self.bytes(), Stage::Conversion, Known::of(&self.checkpoint));
        let writing = PlannedStage { stage, seconds: total as f64 / BYTES_PER_SECOND, units: Some(total) };
        progress.planned(&known.planned().into_iter().chain([writing]).collect::<Vec<_>>());
        let before = self.checkpoint.state()?;
        known.compare(&self.checkpoint, progress)?;
        for left in folder::left_over(&place) {
            progress.note(&left);
        }
        // From here on an interrupt is waited for, so that the unfinished folder is removed.
        let stage = RunningStage::begin(progress, stage, Some(total));
        let made = folder::unfinished(&place)?;
        let Self { source, checkpoint, shards, copied, .. } = &self;
        let rounding = write::write(&Job { source, checkpoint, shards, copied, before }, made.path(), &stage)?;
        stage.check()?;
        folder::finish(made, &place)?;
        Ok(Converted {
            folder: out.clone(),
            tensors: self.shards.iter().map(|shard| shard.tensors.len() as u64).sum(),
            files: self.shards.len() as u64,
            bytes: self.bytes(),
            rounding,
        })
    }

    /// Bytes of all numbers that are written.
    fn bytes(&self) -> u64 {
        self.shards.iter().map(Shard::bytes).sum()
    }

    fn has_tokenizer(&self) -> bool {
        self.copied.iter().any(|file| TOKENIZERS.iter().any(|name| file.ends_with(name)))
    }
}

/// The tensors of a checkpoint in the order of its layers.
fn tensors(checkpoint: &Checkpoint, dtype: Option<WrittenType>) -> Result<Vec<Written>> {
    let mut tensors = Vec::new();
    for expected in checkpoint.map().expected() {
        // The head may be missing.
        let Some(stored) = checkpoint.dtype(&expected.name) else { continue };
        if expected.encoding != Encoding::Numbers || !matches!(stored, Dtype::F32 | Dtype::Bf16 | Dtype::F16) {
            return Err(Error::usage(
                format!(
                    "checkpoint `{}` cannot be converted: tensor `{}` is stored as {stored}, with scales; expected f32, f16 or bf16",
                    checkpoint.dir().display(),
                    expected.name
                ),
                "use the checkpoint as it is: every command reads it",
            ));
        }
        let shape = checkpoint.shape(&expected.name)?.to_vec();
        tensors.push(Written { name: expected.name, shape, stored, dtype: dtype.map_or(stored, WrittenType::dtype) });
    }
    Ok(tensors)
}

/// Refuses to write into the checkpoint that is read.
fn check_apart(out: &Path, source: &Path) -> Result<()> {
    if source.is_dir() && real_path(out).starts_with(real_path(source)) {
        return Err(Error::usage(
            format!("{} `{}` is within the checkpoint that is read", OptionName::Out, out.display()),
            format!("choose another {}", OptionName::Out),
        ));
    }
    Ok(())
}
