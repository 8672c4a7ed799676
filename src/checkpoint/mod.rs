//! A checkpoint folder: opened once, validated whole, weights left on disk until their layer runs.
