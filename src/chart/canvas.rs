//! Draws text, lines and areas on any plotters backend; every figure is drawn through this.

use plotters::{
    prelude::RGBColor,
    style::{
        FontFamily, FontStyle, FontTransform, IntoFont, TextStyle,
        text_anchor::{HPos, Pos, VPos},
    },
};
use plotters_backend::{BackendColor, BackendCoord, BackendStyle, DrawingBackend};

use super::{
    font,
    theme::{Color, FONT_FAMILIES, Stroke, UNITS},
};
use crate::error::{Error, Result};

/// A point in pixels from the top left corner.
pub(super) type Point = (f64, f64);

/// Which side of the text its point is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    /// The text begins at the point.
    Start,
    /// The text is centred on the point.
    Middle,
    /// The text ends at the point.
    End,
}

/// How a text is set; it is always centred vertically on its point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Type {
    /// Pixels per em.
    pub(super) size: f64,
    /// Weight.
    pub(super) bold: bool,
    /// Colour.
    pub(super) color: Color,
    /// Which side of the text its point is.
    pub(super) align: Align,
}

impl Type {
    /// Regular text that begins at its point.
    pub(super) const fn new(size: f64, color: Color) -> Self {
        Self { size, bold: false, color, align: Align::Start }
    }

    /// The same in bold.
    pub(super) const fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    /// The same, aligned.
    pub(super) const fn align(self, align: Align) -> Self {
        Self { align, ..self }
    }
}

/// The shape of a data point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marker {
    /// A disc.
    Disc,
    /// A square standing on a corner.
    Diamond,
    /// A square.
    Square,
}

struct Pen {
    color: Color,
    width: u32,
}

impl BackendStyle for Pen {
    fn color(&self) -> BackendColor {
        BackendColor { alpha: self.color.alpha, rgb: self.color.rgb }
    }

    fn stroke_width(&self) -> u32 {
        self.width
    }
}

/// A plotters backend with [`UNITS`] coordinates per pixel.
pub(super) struct Canvas<'a, B: DrawingBackend> {
    backend: &'a mut B,
}

impl<'a, B: DrawingBackend> Canvas<'a, B> {
    /// Draws on a backend.
    pub(super) fn new(backend: &'a mut B) -> Self {
        Self { backend }
    }

    /// One line of text.
    pub(super) fn text(&mut self, at: Point, text: &str, style: Type) -> Result<()> {
        self.set(at, text, style, FontTransform::None)
    }

    /// One line of text that runs upwards.
    pub(super) fn text_up(&mut self, at: Point, text: &str, style: Type) -> Result<()> {
        self.set(at, text, style, FontTransform::Rotate270)
    }

    fn set(&mut self, at: Point, text: &str, style: Type, transform: FontTransform) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        let (red, green, blue) = style.color.rgb;
        let ink = RGBColor(red, green, blue);
        let horizontal = match style.align {
            Align::Start => HPos::Left,
            Align::Middle => HPos::Center,
            Align::End => HPos::Right,
        };
        let weight = if style.bold { FontStyle::Bold } else { FontStyle::Normal };
        let font = (FontFamily::Name(FONT_FAMILIES), style.size * UNITS * EM_PER_SIZE, weight).into_font();
        let set = TextStyle::from(font.transform(transform)).color(&ink).pos(Pos::new(horizontal, VPos::Center));
        self.backend.draw_text(text, &set, units(at)).map_err(failed)
    }

    /// A line through points.
    pub(super) fn line(&mut self, points: &[Point], stroke: Stroke) -> Result<()> {
        if points.len() < 2 {
            return Ok(());
        }
        let pattern = stroke.dash.pattern();
        if pattern.is_empty() {
            return self.path(points, stroke);
        }
        for piece in dashes(points, pattern) {
            self.path(&piece, stroke)?;
        }
        Ok(())
    }

    fn path(&mut self, points: &[Point], stroke: Stroke) -> Result<()> {
        let pen = Pen { color: stroke.color, width: ((stroke.width * UNITS).round() as u32).max(1) };
        self.backend.draw_path(points.iter().copied().map(units), &pen).map_err(failed)
    }

    /// A filled polygon.
    pub(super) fn fill(&mut self, points: &[Point], color: Color) -> Result<()> {
        if points.len() < 3 {
            return Ok(());
        }
        self.backend.fill_polygon(points.iter().copied().map(units), &Pen { color, width: 1 }).map_err(failed)
    }

    /// A filled rectangle.
    pub(super) fn rect(&mut self, from: Point, to: Point, color: Color) -> Result<()> {
        self.fill(&corners(from, to), color)
    }

    /// The outline of a rectangle.
    pub(super) fn frame(&mut self, from: Point, to: Point, stroke: Stroke) -> Result<()> {
        let mut points = corners(from, to).to_vec();
        points.push(from);
        self.line(&points, stroke)
    }

    /// The area between an outer and an inner closed line.
    pub(super) fn ring(&mut self, outer: &[Point], inner: &[Point], color: Color) -> Result<()> {
        let (Some(&start), Some(&inner_start)) = (outer.first(), inner.first()) else { return Ok(()) };
        let mut points = outer.to_vec();
        points.extend([start, inner_start]);
        points.extend(inner.iter().rev());
        self.fill(&points, color)
    }

    /// A data point.
    pub(super) fn marker(&mut self, at: Point, marker: Marker, radius: f64, color: Color) -> Result<()> {
        match marker {
            Marker::Disc => self.fill(&circle(at, radius, 16), color),
            Marker::Diamond => self.fill(&circle(at, radius, 4), color),
            Marker::Square => {
                let half = radius * 0.85;
                self.rect((at.0 - half, at.1 - half), (at.0 + half, at.1 + half), color)
            }
        }
    }

    /// A vertical interval with caps.
    pub(super) fn whisker(&mut self, x: f64, low: f64, high: f64, cap: f64, stroke: Stroke) -> Result<()> {
        self.line(&[(x, low), (x, high)], stroke)?;
        self.line(&[(x - cap, low), (x + cap, low)], stroke)?;
        self.line(&[(x - cap, high), (x + cap, high)], stroke)
    }

    /// Lines of text from the top, left aligned; returns the y below them.
    pub(super) fn paragraph(&mut self, at: Point, width: f64, text: &str, style: Type, leading: f64) -> Result<f64> {
        let mut y = at.1;
        for line in font::wrap(text, width, style.size, style.bold) {
            self.text((at.0, y + style.size * leading / 2.0), &line, style)?;
            y += style.size * leading;
        }
        Ok(y)
    }
}

/// Plotters' font size per em, as its SVG backend has it.
pub(super) const EM_PER_SIZE: f64 = 1.24;

/// The corner points of a regular polygon, the first at the top.
pub(super) fn circle(center: Point, radius: f64, sides: usize) -> Vec<Point> {
    (0..sides).map(|side| polar(center, radius, side as f64 / sides as f64)).collect()
}

/// The point at a radius and a share of the full turn, clockwise from the top.
pub(super) fn polar(center: Point, radius: f64, turn: f64) -> Point {
    let angle = turn * std::f64::consts::TAU;
    (center.0 + radius * angle.sin(), center.1 - radius * angle.cos())
}

fn corners(from: Point, to: Point) -> [Point; 4] {
    [from, (to.0, from.1), to, (from.0, to.1)]
}

fn units(point: Point) -> BackendCoord {
    ((point.0 * UNITS).round() as i32, (point.1 * UNITS).round() as i32)
}

/// The visible pieces of a dashed line.
fn dashes(points: &[Point], pattern: &[f64]) -> Vec<Vec<Point>> {
    let mut pieces: Vec<Vec<Point>> = vec![vec![points[0]]];
    let (mut step, mut left) = (0, pattern[0]);
    for pair in points.windows(2) {
        let (mut from, to) = (pair[0], pair[1]);
        loop {
            let length = (to.0 - from.0).hypot(to.1 - from.1);
            let part = if length > left { left / length } else { 1.0 };
            let reached = (from.0 + (to.0 - from.0) * part, from.1 + (to.1 - from.1) * part);
            if let Some(piece) = pieces.last_mut().filter(|_| step % 2 == 0) {
                piece.push(reached);
            }
            if length <= left {
                left -= length;
                break;
            }
            step += 1;
            left = pattern[step % pattern.len()];
            from = reached;
            if step % 2 == 0 {
                pieces.push(vec![reached]);
            }
        }
    }
    pieces
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::internal(format!("a chart could not be drawn: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_carry_the_pattern_around_corners() {
        let pieces = dashes(&[(0.0, 0.0), (6.0, 0.0), (6.0, 6.0)], &[4.0, 3.0]);
        assert_eq!(pieces, [vec![(0.0, 0.0), (4.0, 0.0)], vec![(6.0, 1.0), (6.0, 5.0)]]);
    }

    #[test]
    fn polar_starts_at_the_top_and_runs_clockwise() {
        let (x, y) = polar((10.0, 10.0), 5.0, 0.25);
        assert!((x - 15.0).abs() < 1e-9 && (y - 10.0).abs() < 1e-9);
    }
}
