//! The commands that messages mention. The library calls a command by the function that does the same; a program calls it as it is
//! typed, and says so once, when it starts, so that the library needs to know no command line.

use std::{fmt, sync::OnceLock};

/// The names that [`name_commands`] chose; while there are none, commands have the names of their functions.
static NAMES: OnceLock<fn(CommandName) -> &'static str> = OnceLock::new();

/// Gives the commands other names in every message of this process, such as the words of a command line. Only the first call
/// counts.
pub fn name_commands(names: fn(CommandName) -> &'static str) {
    let _ = NAMES.set(names);
}

/// A command that a message mentions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommandName {
    /// Draws charts and report of a run again.
    Chart,
    /// Makes the statistics of a run again.
    Stats,
}

impl CommandName {
    /// The function of the library that does the same.
    fn function(self) -> &'static str {
        match self {
            Self::Chart => "redraw_run",
            Self::Stats => "analyse",
        }
    }

    /// The command on a run, or on the word for any run: `` `analyse` of `RUN` ``, or the words that are typed.
    pub fn on(self, run: impl fmt::Display) -> String {
        match NAMES.get() {
            Some(name) => format!("`{} {run}`", name(self)),
            None => format!("`{}` of `{run}`", self.function()),
        }
    }

    /// The command on any run.
    pub fn on_the_run(self) -> String {
        self.on("RUN")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_calls_a_command_by_its_function() {
        assert_eq!(CommandName::Stats.on_the_run(), "`analyse` of `RUN`");
    }
}
