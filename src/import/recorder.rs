//! Scripts that make an engine record its routes, as they are printed.

use std::str::FromStr;

use crate::error::{Error, Result};

/// A script.
#[derive(Clone, Copy, Debug)]
pub struct Recorder {
    /// The engine, as it is typed.
    pub engine: &'static str,
    /// The script, in Python.
    pub script: &'static str,
}

/// All of them.
pub const RECORDERS: [Recorder; 3] = [
    Recorder { engine: "transformers", script: include_str!("recorders/transformers.py") },
    Recorder { engine: "vllm", script: include_str!("recorders/vllm.py") },
    Recorder { engine: "sglang", script: include_str!("recorders/sglang.py") },
];

impl FromStr for Recorder {
    type Err = Error;

    fn from_str(engine: &str) -> Result<Self> {
        RECORDERS.into_iter().find(|recorder| recorder.engine == engine).ok_or_else(|| {
            let known: Vec<&str> = RECORDERS.iter().map(|recorder| recorder.engine).collect();
            Error::usage(
                format!("there is no recorder for `{engine}`; there is one for each of {}", known.join(", ")),
                "docs/import.md says how to record with other engines",
            )
        })
    }
}
