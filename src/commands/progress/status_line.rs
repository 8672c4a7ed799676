//! The lines that say how far a run is.

use super::estimate::Known;
use crate::{
    commands::wrap::{columns, cut},
    pipeline::progress::Stage,
};

/// The bar of a wide terminal and of a usual one: the least width, and the columns of the bar.
const BARS: [(usize, usize); 2] = [(100, 30), (70, 14)];

/// A stage with what it is working on.
pub(super) fn working(stage: Stage, what: &str) -> String {
    if what.is_empty() { stage.name().to_owned() } else { format!("{}: {what}", stage.name()) }
}

/// The line of a terminal, one column narrower than it, because a full line would wrap.
pub(super) fn status(part: &str, known: Known, words: &str, width: usize) -> String {
    let bar = BARS.into_iter().find(|(least, _)| width >= *least).map_or(0, |(_, columns)| columns);
    let done = known.done.map(|done| {
        let percent = format!("{:.0} %", (done * 100.0).floor());
        if bar == 0 { percent } else { format!("{} {percent:>5}", drawn(done, bar)) }
    });
    let mut parts: Vec<String> = Vec::new();
    parts.extend((!part.is_empty()).then(|| part.to_owned()));
    parts.extend(done);
    parts.push(time(known));
    let head = parts.join("  ");
    let room = width.saturating_sub(1);
    if columns(&head) + 2 >= room { cut(&head, room) } else { cut(&format!("{head}  {words}"), room) }
}

/// A bar of which a part is done.
fn drawn(done: f64, columns: usize) -> String {
    let full = (done * columns as f64).floor() as usize;
    let mut text = "=".repeat(full);
    text.extend((full < columns).then_some('>'));
    format!("[{text:<columns$}]")
}

/// The time that is left, or the time that has passed where that is not known.
fn time(known: Known) -> String {
    match known.left {
        Some(left) => format!("about {} left", span(left)),
        None => format!("{} so far", span(known.elapsed)),
    }
}

/// A plain line for a file or a pipe.
pub(super) fn plain(part: &str, known: Known, words: &str) -> String {
    let part = if part.is_empty() { String::new() } else { format!("{part}, ") };
    let done = known.done.map_or_else(String::new, |done| format!("{:.0} % done, ", (done * 100.0).floor()));
    let left = known.left.map_or_else(String::new, |left| format!(", about {} left", span(left)));
    format!("{part}{words}; {done}{} so far{left}", span(known.elapsed))
}

/// Seconds in the units that people use: no more exact than an estimate is.
pub(super) fn span(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..600 => format!("{} min {:02} s", whole / 60, whole % 60 / 10 * 10),
        600..3600 => format!("{} min", (whole + 30) / 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: Known = Known { elapsed: 40.0, done: Some(0.333), left: Some(80.0) };

    #[test]
    fn no_line_is_as_wide_as_its_terminal() {
        for width in [1, 8, 20, 50, 80, 120, 200] {
            for part in ["", "2 of 3: drift"] {
                let line = status(part, KNOWN, "statistics: layer 3 (2 of 3), permutations", width);
                assert!(columns(&line) < width.max(2), "{width}: {line}");
            }
        }
    }

    #[test]
    fn a_narrow_terminal_loses_the_bar_before_the_words() {
        let of = |width| status("2 of 3: drift", KNOWN, "statistics: layer 3 (2 of 3)", width);
        assert_eq!(
            of(120),
            "2 of 3: drift  [=========>                    ]  33 %  about 1 min 20 s left  statistics: layer 3 (2 of 3)"
        );
        assert_eq!(of(80), "2 of 3: drift  [====>         ]  33 %  about 1 min 20 s left  statistics: laye…");
        assert_eq!(of(50), "2 of 3: drift  33 %  about 1 min 20 s left  stat…");
        assert_eq!(of(20), "2 of 3: drift  33 …");
    }

    #[test]
    fn what_is_not_known_is_not_said() {
        let unknown = Known { elapsed: 3.0, done: None, left: None };
        assert_eq!(status("", unknown, "reading weights", 80), "3 s so far  reading weights");
        assert_eq!(plain("", unknown, "reading weights"), "reading weights; 3 s so far");
        assert_eq!(
            plain("2 of 3: drift", KNOWN, "statistics"),
            "2 of 3: drift, statistics; 33 % done, 40 s so far, about 1 min 20 s left"
        );
    }

    #[test]
    fn times_are_rounded_as_people_say_them() {
        let said = [0.0, 59.4, 75.0, 599.0, 1210.0, 7300.0].map(span);
        assert_eq!(said, ["0 s", "59 s", "1 min 10 s", "9 min 50 s", "20 min", "2 h 01 min"]);
    }
}
