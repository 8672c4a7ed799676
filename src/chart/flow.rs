//! Running text, token by token, with some tokens marked.

use plotters_backend::DrawingBackend;

use super::{
    canvas::{Align, Canvas, Point, Type},
    font, script,
    theme::{ACCENT, Color, GRID_LINE, MUTED, PAPER, SMALL, Stroke, TEXT, VALUE},
};
use crate::{error::Result, stats::shown_in_text};

/// Paragraphs of running text.
#[derive(Clone, Debug)]
pub(super) struct FlowFigure {
    /// What the marks mean, in the order in which they are explained.
    pub(super) legend: Vec<(Tint, String)>,
    /// The paragraphs.
    pub(super) paragraphs: Vec<Paragraph>,
}

/// The text of one speaker.
#[derive(Clone, Debug, Default)]
pub(super) struct Paragraph {
    /// Who speaks, in the margin.
    pub(super) label: String,
    /// The tokens.
    pub(super) tokens: Vec<FlowToken>,
}

/// One token.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FlowToken {
    /// Its piece, as the tokenizer has it.
    pub(super) piece: String,
    /// How it is marked.
    pub(super) tint: Tint,
}

/// How a token is marked: by its background and, for greyscale, by its underline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tint {
    /// Not at all.
    Plain,
    /// A light background.
    Light,
    /// A stronger background, underlined.
    Strong,
    /// A dark background.
    Dark,
}

impl Tint {
    fn background(self) -> Option<Color> {
        match self {
            Self::Plain => None,
            Self::Light => Some(PAPER.towards(VALUE, 0.22)),
            Self::Strong => Some(PAPER.towards(ACCENT, 0.5)),
            Self::Dark => Some(TEXT),
        }
    }

    fn ink(self) -> Color {
        self.background().map_or(TEXT, Color::ink)
    }
}

/// A token with its place on the page.
#[derive(Clone, Debug, PartialEq)]
struct Placed {
    text: String,
    left: f64,
    width: f64,
    line: usize,
    tint: Tint,
}

const TYPE_SIZE: f64 = 13.0;
const LINE: f64 = 21.0;
const MARGIN_WIDTH: f64 = 110.0;
const PARAGRAPH_GAP: f64 = 12.0;
const LEGEND: f64 = 34.0;
/// Line ends as they are shown.
const LINE_END: &str = "\u{23ce}";

impl FlowFigure {
    /// Width and height in pixels, laid out for a width.
    pub(super) fn size(&self, room: f64) -> (f64, f64) {
        let lines: usize = self.paragraphs.iter().map(|paragraph| line_count(&place(paragraph, room))).sum();
        (room, LEGEND + LINE * lines as f64 + PARAGRAPH_GAP * self.paragraphs.len() as f64)
    }

    /// Draws the figure with its top left corner at a point.
    pub(super) fn draw<B: DrawingBackend>(&self, canvas: &mut Canvas<'_, B>, at: Point, room: f64) -> Result<()> {
        self.draw_legend(canvas, at)?;
        let mut top = at.1 + LEGEND;
        for paragraph in &self.paragraphs {
            let placed = place(paragraph, room);
            let label = font::fit(&paragraph.label, MARGIN_WIDTH - 16.0, SMALL, true);
            canvas.text((at.0, top + LINE / 2.0), &label, Type::new(SMALL, MUTED).bold())?;
            let height = LINE * line_count(&placed) as f64;
            canvas.line(&[(at.0 + MARGIN_WIDTH - 10.0, top), (at.0 + MARGIN_WIDTH - 10.0, top + height)], GRID_LINE)?;
            for token in &placed {
                draw_token(canvas, token, (at.0 + MARGIN_WIDTH, top))?;
            }
            top += height + PARAGRAPH_GAP;
        }
        Ok(())
    }

    fn draw_legend<B: DrawingBackend>(&self, canvas: &mut Canvas<'_, B>, at: Point) -> Result<()> {
        let mut left = 0.0;
        for (tint, label) in &self.legend {
            let text = format!(" {label} ");
            let width = font::width(&text, TYPE_SIZE, false);
            draw_token(canvas, &Placed { text, left, width, line: 0, tint: *tint }, at)?;
            left += width + 18.0;
        }
        Ok(())
    }
}

fn line_count(placed: &[Placed]) -> usize {
    placed.iter().map(|token| token.line + 1).max().unwrap_or(1)
}

fn draw_token<B: DrawingBackend>(canvas: &mut Canvas<'_, B>, token: &Placed, at: Point) -> Result<()> {
    let (left, top) = (at.0 + token.left, at.1 + LINE * token.line as f64);
    let right = left + token.width;
    if let Some(color) = token.tint.background() {
        canvas.rect((left + 0.5, top + 1.5), (right - 0.5, top + LINE - 1.5), color)?;
    }
    if token.tint == Tint::Strong {
        let y = top + LINE - 2.5;
        canvas.line(&[(left + 0.5, y), (right - 0.5, y)], Stroke::solid(TEXT, 1.5))?;
    }
    // Viewers drop spaces at the ends of a text, so they are left out here too.
    let shown = token.text.trim_matches(' ');
    let spaces = token.text.len() - token.text.trim_start_matches(' ').len();
    let spaces = if is_right_to_left(shown) { 0 } else { spaces };
    let lead = font::width(&token.text[..spaces], TYPE_SIZE, false);
    let style = Type::new(TYPE_SIZE, token.tint.ink()).align(Align::Start);
    canvas.text((left + lead, top + LINE / 2.0), shown, style)
}

/// Places the tokens of a paragraph on lines: words stay together where they fit, a line end ends a line.
fn place(paragraph: &Paragraph, room: f64) -> Vec<Placed> {
    let room = room - MARGIN_WIDTH;
    let texts: Vec<String> =
        paragraph.tokens.iter().map(|token| script::printable(&shown_in_text(&token.piece))).collect();
    let widths: Vec<f64> = texts.iter().map(|text| font::width(text, TYPE_SIZE, false)).collect();
    let (mut placed, mut line, mut left) = (Vec::new(), 0, 0.0);
    for word in words(&texts) {
        let width: f64 = widths[word.clone()].iter().sum();
        if left > 0.0 && left + width > room {
            (line, left) = (line + 1, 0.0);
        }
        for index in word {
            for (text, width) in pieces(&texts[index], widths[index], room) {
                if left > 0.0 && left + width > room {
                    (line, left) = (line + 1, 0.0);
                }
                placed.push(Placed { text, left, width, line, tint: paragraph.tokens[index].tint });
                left += width;
            }
            if texts[index].ends_with(LINE_END) {
                (line, left) = (line + 1, 0.0);
            }
        }
    }
    turn_right_to_left(&mut placed);
    placed
}

/// Groups of tokens that stay on one line: each ends at a space, a line end or an ideograph.
fn words(texts: &[String]) -> Vec<std::ops::Range<usize>> {
    let mut words: Vec<std::ops::Range<usize>> = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let free = text.starts_with(' ') || text.chars().next().is_some_and(is_wide);
        match words.last_mut() {
            Some(word) if !free && !texts[index - 1].ends_with(LINE_END) => word.end = index + 1,
            _ => words.push(index..index + 1),
        }
    }
    words
}

/// Scripts that are written without spaces.
fn is_wide(character: char) -> bool {
    matches!(u32::from(character), 0x0E00..=0x0EFF | 0x1000..=0x109F | 0x2E80..=0x9FFF | 0xAC00..=0xD7AF | 0xF900..=0xFAFF | 0xFF00..=0xFFEF)
}

/// A token in pieces that fit on a line.
fn pieces(text: &str, width: f64, room: f64) -> Vec<(String, f64)> {
    if width <= room {
        return vec![(text.to_owned(), width)];
    }
    let mut pieces: Vec<(String, f64)> = vec![(String::new(), 0.0)];
    for character in text.chars() {
        let wide = font::width(character.encode_utf8(&mut [0; 4]), TYPE_SIZE, false);
        match pieces.last_mut() {
            Some((piece, width)) if *width + wide <= room => {
                piece.push(character);
                *width += wide;
            }
            _ => pieces.push((character.to_string(), wide)),
        }
    }
    pieces
}

/// Lays runs of right-to-left tokens on a line from right to left.
fn turn_right_to_left(placed: &mut [Placed]) {
    let mut from = 0;
    while from < placed.len() {
        let line = placed[from].line;
        let same = placed[from..].iter().take_while(|token| token.line == line);
        let same =
            same.take_while(|token| is_right_to_left(&token.text) || !token.text.chars().any(char::is_alphabetic));
        let run = if is_right_to_left(&placed[from].text) { same.count() } else { 1 };
        // Spaces and punctuation between right-to-left tokens are reversed with them; those after the last one are not.
        let turned = placed[from..from + run].iter().rposition(|token| is_right_to_left(&token.text));
        let run = turned.map_or(1, |last| last + 1);
        if run > 1 {
            let tokens = &mut placed[from..from + run];
            let mut right = tokens[run - 1].left + tokens[run - 1].width;
            for token in tokens {
                right -= token.width;
                token.left = right;
            }
        }
        from += run.max(1);
    }
}

/// Whether the first letter of a text belongs to a script that runs from right to left.
fn is_right_to_left(text: &str) -> bool {
    let first = text.chars().find(|character| character.is_alphabetic());
    first.is_some_and(|letter| matches!(u32::from(letter), 0x0590..=0x08FF | 0xFB1D..=0xFDFF | 0xFE70..=0xFEFF))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::theme::FIGURE_WIDTH;

    fn paragraph(pieces: &[&str]) -> Paragraph {
        let tokens = pieces.iter().map(|piece| FlowToken { piece: (*piece).to_owned(), tint: Tint::Plain });
        Paragraph { label: String::new(), tokens: tokens.collect() }
    }

    #[test]
    fn tokens_follow_one_another_and_lines_end_where_they_must() {
        let placed = place(&paragraph(&["\u{2581}the", "\u{2581}end", "<0x0A>", "ing"]), FIGURE_WIDTH);
        assert_eq!(placed.iter().map(|token| token.line).collect::<Vec<_>>(), [0, 0, 0, 1]);
        assert!((placed[1].left - placed[0].width).abs() < 1e-9);
        assert_eq!(placed[2].text, LINE_END);
        assert!(placed[3].left.abs() < 1e-9);
    }

    #[test]
    fn nothing_leaves_the_page() {
        let long = "x".repeat(5_000);
        let ideographs: Vec<&str> = vec!["中文"; 300];
        for pieces in [vec![long.as_str(), "\u{2581}a"], ideographs, vec!["\u{2581}word"; 400], vec!["joined"; 400]] {
            let placed = place(&paragraph(&pieces), FIGURE_WIDTH);
            let room = FIGURE_WIDTH - MARGIN_WIDTH + 1e-6;
            assert!(placed.iter().all(|token| token.left >= 0.0 && token.left + token.width <= room));
            assert!(line_count(&placed) > 1);
        }
    }

    #[test]
    fn right_to_left_tokens_stand_from_right_to_left_within_their_run() {
        let placed = place(&paragraph(&["\u{2581}a", "\u{2581}של", "ום", "\u{2581}b"]), FIGURE_WIDTH);
        assert!(placed[2].left < placed[1].left && placed[1].left < placed[3].left);
        assert!((placed[2].left - placed[0].width).abs() < 1e-9);
        let right = placed[1].left + placed[1].width;
        assert!((right - placed[3].left).abs() < 1e-9);
    }

    #[test]
    fn no_tokens_need_one_line() {
        assert_eq!(line_count(&place(&Paragraph::default(), FIGURE_WIDTH)), 1);
    }
}
