//! Input as people really have it: every kind of fault that was met, with its smallest inputs. Small files that only another
//! program can write lie in `tests/cases`; everything else is made here.

mod checkpoints;
mod corpus_files;
mod corpus_rows;
mod process;
mod run_folder;
mod transcripts;
