//! Writes weights, configuration, tokenizer and record of a conversion into a folder.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use serde_json::json;
use sha2::{Digest, Sha256};

use super::{
    companions,
    folder::RECORD,
    narrow::Rounding,
    shards::{Shard, dtypes, index},
};
use crate::{
    checkpoint::{Checkpoint, CheckpointState, Dtype, hexadecimal, sha256_bytes},
    error::{Error, Result},
    pipeline::progress::RunningStage,
    run::write_file,
};

/// Numbers of a tensor that are in memory at a time.
const NUMBERS: usize = 24 << 20;
/// Numbers that are rounded at a time.
const ROUNDED: usize = 1 << 18;

/// What is written.
pub(super) struct Job<'a> {
    /// Where the checkpoint is.
    pub(super) source: &'a str,
    /// The checkpoint.
    pub(super) checkpoint: &'a Checkpoint,
    /// Files of weights.
    pub(super) shards: &'a [Shard],
    /// Files that are copied.
    pub(super) copied: &'a [PathBuf],
    /// The checkpoint's files as they were before their hashes were compared.
    pub(super) before: CheckpointState,
}

/// Writes everything into a folder, and opens it as a checkpoint.
///
/// # Errors
/// [`Error::Io`]; [`Error::Interrupted`]; what was written is no checkpoint, which is a fault of the tool.
pub(super) fn write(job: &Job, folder: &Path, stage: &RunningStage) -> Result<Rounding> {
    let mut rounding = Rounding::default();
    let mut files = Vec::new();
    for shard in job.shards {
        stage.working_on(&shard.name);
        let (bytes, sha256) = write_shard(job.checkpoint, shard, folder, &mut rounding, stage)?;
        files.push((shard.name.clone(), bytes, sha256));
    }
    job.checkpoint.check_unchanged(&job.before)?;
    let mut write = |name: &str, bytes: &[u8]| {
        files.push((name.to_owned(), bytes.len() as u64, sha256_bytes(bytes)));
        write_file(&folder.join(name), bytes)
    };
    if job.shards.len() > 1 {
        write("model.safetensors.index.json", index(job.shards).as_bytes())?;
    }
    for file in job.copied {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        write(&name, &std::fs::read(file).map_err(Error::io("read", file))?)?;
    }
    write("config.json", companions::config(job.checkpoint, &dtypes(job.shards)).as_bytes())?;
    let files =
        files.into_iter().map(|(name, bytes, sha256)| json!({ "name": name, "bytes": bytes, "sha256": sha256 }));
    let record = json!({
        "tool": concat!("openmoe-analyze ", env!("CARGO_PKG_VERSION")),
        "source": job.source,
        "notes": job.checkpoint.notes(),
        "rounding": rounding,
        "files": files.collect::<Vec<_>>(),
    });
    write_file(&folder.join(RECORD), format!("{record:#}\n").as_bytes())?;
    check(job, folder)?;
    Ok(rounding)
}

/// Writes a file of weights; returns its size and SHA-256.
fn write_shard(
    checkpoint: &Checkpoint,
    shard: &Shard,
    folder: &Path,
    rounding: &mut Rounding,
    stage: &RunningStage,
) -> Result<(u64, String)> {
    let path = folder.join(&shard.name);
    let file = File::create_new(&path).map_err(Error::io("write", &path))?;
    let mut out = Hashed { file: BufWriter::with_capacity(1 << 20, file), hasher: Sha256::new(), bytes: 0 };
    let mut numbers = Vec::new();
    out.take(&shard.header()).map_err(Error::io("write", &path))?;
    for tensor in &shard.tensors {
        let elements = tensor.elements();
        for first in (0..elements).step_by(NUMBERS) {
            stage.check()?;
            let count = NUMBERS.min(elements - first);
            checkpoint.read_part(&tensor.name, first, count, &mut numbers)?;
            write_numbers(&mut out, &numbers, tensor.dtype, rounding).map_err(Error::io("write", &path))?;
            stage.advance((count * tensor.dtype.bytes()) as u64);
        }
    }
    out.file.flush().and_then(|()| out.file.get_ref().sync_all()).map_err(Error::io("write", &path))?;
    Ok((out.bytes, hexadecimal(&out.hasher.finalize())))
}

fn write_numbers(out: &mut Hashed, numbers: &[f32], dtype: Dtype, rounding: &mut Rounding) -> std::io::Result<()> {
    let mut bytes = Vec::with_capacity(ROUNDED * dtype.bytes());
    for numbers in numbers.chunks(ROUNDED) {
        bytes.clear();
        rounding.narrow(numbers, dtype, &mut bytes);
        out.take(&bytes)?;
    }
    Ok(())
}

/// A file whose bytes are hashed on their way.
struct Hashed {
    file: BufWriter<File>,
    hasher: Sha256,
    bytes: u64,
}

impl Hashed {
    fn take(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes)
    }
}

/// Opens what was written, and compares names and shapes.
fn check(job: &Job, folder: &Path) -> Result<()> {
    let wrong = |what: &str| Error::internal(format!("what was converted cannot be read back: {what}"));
    let written = Checkpoint::open(folder).map_err(|error| wrong(&error.to_string()))?;
    for tensor in job.shards.iter().flat_map(|shard| &shard.tensors) {
        if written.shape(&tensor.name)? != tensor.shape || written.dtype(&tensor.name) != Some(tensor.dtype) {
            return Err(wrong(&tensor.name));
        }
    }
    Ok(())
}
