//! The legend of a figure: a row of samples, wrapped if it is too long.

use plotters_backend::DrawingBackend;

use super::{
    canvas::{Canvas, Marker, Point, Type},
    font,
    theme::{BAND_ALPHA, Color, LABEL, Stroke, TEXT, WHISKER},
};
use crate::error::Result;

/// The sample before a label.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Sample {
    /// A line.
    Line(Stroke),
    /// A line with the filled area under it.
    Area(Stroke),
    /// An interval band.
    Band(Color),
    /// A data point.
    Point(Marker, Color),
    /// An interval whisker.
    Whisker,
}

/// A sample and what it stands for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LegendEntry {
    /// The sample.
    pub(super) sample: Sample,
    /// What it stands for.
    pub(super) label: String,
}

impl LegendEntry {
    /// A sample and what it stands for.
    pub(super) fn new(sample: Sample, label: impl Into<String>) -> Self {
        Self { sample, label: label.into() }
    }
}

const SAMPLE_WIDTH: f64 = 30.0;
const GAP: f64 = 8.0;
const BETWEEN: f64 = 22.0;
const ROW: f64 = 20.0;

/// Height of a legend of this width.
pub(super) fn height(entries: &[LegendEntry], width: f64) -> f64 {
    place(entries, width).last().map_or(0.0, |(_, y)| y + ROW + 8.0)
}

/// Draws the legend with its top left corner at a point.
pub(super) fn draw<B: DrawingBackend>(
    canvas: &mut Canvas<'_, B>,
    entries: &[LegendEntry],
    at: Point,
    width: f64,
) -> Result<()> {
    for (entry, (x, y)) in entries.iter().zip(place(entries, width)) {
        let middle = (at.0 + x, at.1 + y + ROW / 2.0);
        sample(canvas, entry.sample, middle)?;
        canvas.text((middle.0 + SAMPLE_WIDTH + GAP, middle.1), &entry.label, Type::new(LABEL, TEXT))?;
    }
    Ok(())
}

/// The places of the entries.
fn place(entries: &[LegendEntry], width: f64) -> Vec<Point> {
    let (mut x, mut y) = (0.0, 0.0);
    entries
        .iter()
        .map(|entry| {
            let needed = SAMPLE_WIDTH + GAP + font::width(&entry.label, LABEL, false);
            if x > 0.0 && x + needed > width {
                (x, y) = (0.0, y + ROW);
            }
            let at = (x, y);
            x += needed + BETWEEN;
            at
        })
        .collect()
}

fn sample<B: DrawingBackend>(canvas: &mut Canvas<'_, B>, sample: Sample, (x, y): Point) -> Result<()> {
    let end = x + SAMPLE_WIDTH;
    match sample {
        Sample::Line(stroke) => canvas.line(&[(x, y), (end, y)], stroke),
        Sample::Area(stroke) => {
            canvas.rect((x, y), (end, y + 6.0), stroke.color.with_alpha(BAND_ALPHA))?;
            canvas.line(&[(x, y), (end, y)], stroke)
        }
        Sample::Band(color) => canvas.rect((x, y - 6.0), (end, y + 6.0), color.with_alpha(BAND_ALPHA)),
        Sample::Point(marker, color) => canvas.marker((x + SAMPLE_WIDTH / 2.0, y), marker, 4.5, color),
        Sample::Whisker => canvas.whisker(x + SAMPLE_WIDTH / 2.0, y - 7.0, y + 7.0, 4.0, WHISKER),
    }
}
