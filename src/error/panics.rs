//! Turns panics into errors. A library's panic over a user's file becomes an error that names the file; any other panic is a
//! fault of the tool.
//!
//! The panic hook prints nothing: it runs in the thread that panics, which may belong to a pool, and the message of a library
//! names neither the file nor a next step. The code that catches the panic reports it, once.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook},
    sync::{Mutex, PoisonError},
};

use super::{Error, Result};

/// The message and place of the first panic that has not been caught yet. Later panics follow from it.
static FIRST: Mutex<Option<String>> = Mutex::new(None);

/// From now on a panic of any thread of the process is remembered instead of printed; [`guarded`] and [`last_resort`]
/// return it as an error.
pub fn quiet_panics() {
    set_hook(Box::new(remember));
}

fn remember(panic: &PanicHookInfo<'_>) {
    let place =
        panic.location().map_or_else(String::new, |place| format!(" ({}:{})", short(place.file()), place.line()));
    let told = format!("{}{place}", message(panic.payload()));
    first().get_or_insert(told);
}

/// Locks the remembered panic. A poisoned lock is fine: the text in it is whole, whichever thread panicked while it held the lock.
fn first() -> std::sync::MutexGuard<'static, Option<String>> {
    FIRST.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a library's code on a user's data, where it may panic instead of returning an error; also in a pool that hands on the
/// panic of its thread. `describe` turns the message of the panic, one line, into an error that says what was being done with
/// which file.
///
/// # Errors
/// Those of `work`; if it panics, the error that `describe` makes.
pub fn guarded<T>(describe: impl FnOnce(String) -> Error, work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        first().take();
        Err(describe(message(payload.as_ref())))
    })
}

/// Runs a whole command: whatever panics in it is a fault of the tool.
///
/// # Errors
/// [`Error::Internal`] with the message and the place of the panic.
pub fn last_resort<T>(work: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let told = first().take();
        Error::internal(told.unwrap_or_else(|| message(payload.as_ref())))
    })
}

/// The message of a panic, in one line.
fn message(payload: &(dyn Any + Send)) -> String {
    let text = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text.as_str(),
        _ => "a panic without a message",
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The path of a source file, beginning at the name of its crate: what stands before it belongs to the machine that built the
/// program.
fn short(file: &str) -> &str {
    let below = file.split_once("registry/src/").and_then(|(_, rest)| rest.split_once('/'));
    below.map_or(file, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_the_error_that_is_described() {
        let describe = |message| Error::corpus(format!("`a.parquet` cannot be read: {message}"), "write it again");
        let one = guarded(describe, || -> Result<()> { panic!("no {}\n  type", "such") }).unwrap_err();
        assert_eq!(one.to_string(), "`a.parquet` cannot be read: no such type");
        let pool = guarded(describe, || -> Result<()> { rayon::join(|| (), || panic!("elsewhere")).1 }).unwrap_err();
        assert!(pool.to_string().ends_with("elsewhere"), "{pool}");
        assert_eq!(guarded(describe, || Ok(7)).unwrap(), 7);
        assert!(matches!(guarded(describe, || -> Result<()> { Err(Error::Interrupted) }), Err(Error::Interrupted)));
    }

    #[test]
    fn any_other_panic_is_a_fault_of_the_tool() {
        let error = last_resort(|| -> u8 { panic!("lost") }).unwrap_err();
        assert!(error.to_string().starts_with("internal error: lost"), "{error}");
        assert_eq!(error.exit_code(), 3);
    }

    #[test]
    fn places_do_not_tell_of_the_machine_that_built_the_program() {
        assert_eq!(short("/home/a/.cargo/registry/src/host-1/polars-0.55.2/src/a.rs"), "polars-0.55.2/src/a.rs");
        assert_eq!(short("src/commands/route.rs"), "src/commands/route.rs");
    }
}
