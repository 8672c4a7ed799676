//! Weights, configurations and tokenizers as they lie on disks.
