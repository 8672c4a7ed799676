//! The binary: parse, run, message, exit code.

use std::process::ExitCode;

use openmoe_analyze::{commands, error};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    error::quiet_panics();
    match error::last_resort(run) {
        Ok(code) => code,
        Err(error) => commands::explain(&error.into()),
    }
}

fn run() -> ExitCode {
    let cli = match commands::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    match commands::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => commands::explain(&error),
    }
}
