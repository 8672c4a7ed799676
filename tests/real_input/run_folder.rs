//! The folder of a run: one writer, whole files, nothing foreign.
