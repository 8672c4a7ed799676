//! The status line: the last line of a terminal, drawn by indicatif so that a resized terminal does not break it.

use std::{
    io::{self, Write, stderr},
    sync::{Mutex, MutexGuard, PoisonError},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use terminal_size::{Width, terminal_size_of};

/// Goes to the beginning of the line and erases everything from there to the end of the screen.
const ERASE: &str = "\r\x1b[J";

/// The width of a terminal that does not say it.
const USUAL_WIDTH: usize = 80;

/// The line while it stands on the screen.
static LINE: Mutex<Option<ProgressBar>> = Mutex::new(None);

fn line() -> MutexGuard<'static, Option<ProgressBar>> {
    LINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The columns of the terminal that standard error is.
pub(super) fn width() -> usize {
    terminal_size_of(stderr()).map_or(USUAL_WIDTH, |(Width(columns), _)| usize::from(columns))
}

/// Draws the line in place of the last one. It should be narrower than the terminal.
pub(super) fn draw(text: &str) {
    line().get_or_insert_with(begun).set_message(text.to_owned());
}

/// Removes the line, and keeps it away while something else is written.
pub(super) fn without<T>(write: impl FnOnce() -> T) -> T {
    let mut line = line();
    if let Some(bar) = line.take() {
        bar.finish_and_clear();
    }
    write()
}

fn begun() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::term_like(Box::new(LastLine)));
    // The template is fixed; without it indicatif would draw its own.
    if let Ok(style) = ProgressStyle::with_template("{msg}") {
        bar.set_style(style);
    }
    bar
}

/// Standard error as indicatif draws on it. After every drawing the cursor stands at the beginning of the line, wherever the terminal
/// moves it later, so that erasing from the cursor on erases all of the line, also when a narrower terminal has broken it in two.
#[derive(Debug)]
struct LastLine;

impl TermLike for LastLine {
    fn width(&self) -> u16 {
        u16::try_from(width().saturating_sub(1)).unwrap_or(u16::MAX)
    }

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)
    }

    /// Spaces behind the line would only be broken by a narrower terminal.
    fn write_str(&self, text: &str) -> io::Result<()> {
        if text.trim_start_matches(' ').is_empty() { Ok(()) } else { write!(stderr(), "{text}") }
    }

    fn clear_line(&self) -> io::Result<()> {
        write!(stderr(), "{ERASE}")
    }

    fn flush(&self) -> io::Result<()> {
        write!(stderr(), "\r")?;
        stderr().flush()
    }
}
