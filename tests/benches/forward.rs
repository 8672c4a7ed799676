//! The routing-only forward pass at the shape of openmoe-base: 4 sequences of 2,048 tokens, random weights.
//!
//! `cargo bench --bench forward` prints tokens per second and the share of the machine's multiplication rate, which is
//! measured before and after every pass. `-- --rounds N`; `-- --checkpoint DIR` runs another checkpoint with the token
//! ids of its `tokens.json`; `-- --prepare` only writes the checkpoint and prints where; `-- --json` prints numbers.
#![allow(clippy::print_stdout, clippy::unwrap_used)] // it prints what it measured, and stops with the reason

#[path = "support/forward_pass.rs"]
mod forward_pass;
#[path = "../support/synthetic_checkpoint.rs"]
mod synthetic_checkpoint;

use forward_pass::{BASE, Options, measure_pass, tokens_of};
use openmoe_analyze::{checkpoint::Dtype, model::Cost};
use serde_json::json;

const SEQUENCES: usize = 4;
const LENGTH: usize = 2048;

fn main() {
    let options = Options::parse();
    let folder = options.checkpoint.clone().unwrap_or_else(|| {
        let folder = forward_pass::folder("base-f32");
        let sequences = forward_pass::random_sequences(SEQUENCES, LENGTH, BASE.vocabulary as u32);
        BASE.write(&folder, Dtype::F32, |_| true, &sequences.concat());
        forward_pass::write_tokens(&folder, &sequences);
        folder
    });
    if options.prepare {
        println!("{}", folder.display());
        return;
    }
    let sequences = tokens_of(&folder);
    for round in 0..options.rounds {
        let pass = measure_pass(&folder, &sequences);
        let cost = Cost::new(&pass.map, sequences[0].len());
        let tokens = sequences.iter().map(Vec::len).sum::<usize>() as f64;
        let share = cost.flop_per_token * tokens / pass.seconds / pass.multiply_rate;
        if options.json {
            println!(
                "{}",
                json!({ "seconds": pass.seconds, "tokens": tokens, "gflop_per_second": pass.multiply_rate / 1e9, "share": share })
            );
        } else {
            println!(
                "round {round}: {:.2} s, {:.0} tokens/s, {:.2} of {:.0} GFLOP/s",
                pass.seconds,
                tokens / pass.seconds,
                share,
                pass.multiply_rate / 1e9
            );
        }
    }
}
