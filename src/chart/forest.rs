//! Forest plots: estimates with their intervals one under the other, on one axis with the value that they are compared with.

use plotters_backend::DrawingBackend;

use super::{
    axis::{log_ticks, short, tick_labels, ticks},
    canvas::{Align, Canvas, Marker, Point, Type},
    font,
    legend::{self, LegendEntry},
    theme::{AXIS_LINE, Color, GRID_LINE, HEADING, LABEL, MUTED, SMALL, Stroke, TEXT, WASH},
};
use crate::error::Result;

/// How the values of a forest are placed on its axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ForestAxis {
    /// Ratios, on a logarithmic axis with a line at 1.
    Ratios,
    /// Shares, in percentage points around 0.
    Points,
    /// Differences in a unit of their own, around 0.
    Differences,
}

impl ForestAxis {
    /// The value that means no difference.
    fn origin(self) -> f64 {
        if self.is_log() { 1.0 } else { 0.0 }
    }

    fn is_log(self) -> bool {
        self == Self::Ratios
    }
}

/// Rows of points over one horizontal axis.
#[derive(Clone, Debug)]
pub(super) struct ForestFigure {
    /// What the horizontal axis is.
    pub(super) x_label: String,
    /// How values are placed.
    pub(super) axis: ForestAxis,
    /// What the columns of numbers on the right are.
    pub(super) headers: Vec<String>,
    /// What the markers mean.
    pub(super) legend: Vec<LegendEntry>,
    /// The rows, under their titles.
    pub(super) sections: Vec<(String, Vec<ForestRow>)>,
}

/// One row.
#[derive(Clone, Debug)]
pub(super) struct ForestRow {
    /// What it is about.
    pub(super) label: String,
    /// The n, written under the label.
    pub(super) note: String,
    /// The points, from top to bottom.
    pub(super) points: Vec<ForestPoint>,
    /// One number in words per header.
    pub(super) cells: Vec<String>,
}

/// A value with its interval.
#[derive(Clone, Copy, Debug)]
pub(super) struct ForestPoint {
    /// The value.
    pub(super) at: f64,
    /// Its interval.
    pub(super) interval: Option<(f64, f64)>,
    /// Its shape.
    pub(super) marker: Marker,
    /// Its colour.
    pub(super) color: Color,
}

const ROW: f64 = 46.0;
const SECTION: f64 = 30.0;
const HEADER: f64 = 24.0;
const AXIS: f64 = 46.0;
const LABEL_WIDTH: f64 = 236.0;
/// Widest labels as a share of a narrow figure.
const WIDEST_LABELS: f64 = 0.32;
/// Narrowest axis beside columns of numbers; without room for these they are left out from the right.
const NARROWEST: f64 = 380.0;
const CELL: f64 = 156.0;
/// Distance between the points of a row, in pixels.
const STEP: f64 = 12.0;

/// The plotting area.
#[derive(Clone, Copy)]
struct ForestFrame {
    /// Where the labels begin.
    start: f64,
    left: f64,
    width: f64,
    low: f64,
    high: f64,
    /// Columns of numbers that have room.
    columns: usize,
    axis: ForestAxis,
}

impl ForestFrame {
    fn x(self, value: f64) -> f64 {
        let scale = |value: f64| if self.axis.is_log() { value.max(self.low).ln() } else { value };
        let place = (scale(value) - scale(self.low)) / (scale(self.high) - scale(self.low));
        self.left + self.width * place.clamp(0.0, 1.0)
    }

    fn ticks(self) -> Vec<(f64, String)> {
        if self.axis.is_log() {
            return log_ticks(self.low, self.high).into_iter().map(|value| (value, short(value))).collect();
        }
        let values = ticks(self.low, self.high, 6);
        let factor = if self.axis == ForestAxis::Points { 100.0 } else { 1.0 };
        let points: Vec<f64> = values.iter().map(|value| value * factor).collect();
        let labels = tick_labels(&points, false).into_iter().map(|label| label.replace('-', "\u{2212}"));
        values.into_iter().zip(labels).collect()
    }
}

impl ForestFigure {
    fn rows(&self) -> impl Iterator<Item = &ForestRow> {
        self.sections.iter().flat_map(|section| &section.1)
    }

    fn height(&self) -> f64 {
        SECTION * self.sections.len() as f64 + ROW * self.rows().count() as f64
    }

    /// Width and height in pixels, laid out for a width.
    pub(super) fn size(&self, room: f64) -> (f64, f64) {
        (room, legend::height(&self.legend, room) + HEADER + self.height() + AXIS)
    }

    /// The axis, which contains every point, its interval and the value that means no difference.
    fn frame(&self, left: f64, room: f64) -> ForestFrame {
        let points = || self.rows().flat_map(|row| &row.points);
        let ends = |point: &ForestPoint| point.interval.map_or([point.at; 2], |(low, high)| [low, high]);
        let (origin, is_log) = (self.axis.origin(), self.axis.is_log());
        let values = || points().flat_map(ends).filter(|value| !is_log || *value > 0.0);
        let (low, high) = (values().fold(origin, f64::min), values().fold(origin, f64::max));
        let margin = (high - low).max(1e-4) * 0.04;
        let (low, high) = if is_log { (low / 1.3, high * 1.3) } else { (low - margin, high + margin) };
        let labels = LABEL_WIDTH.min(room * WIDEST_LABELS);
        let left_over = ((room - labels - NARROWEST) / CELL).max(0.0) as usize;
        let columns = self.headers.len().min(left_over);
        let width = room - labels - CELL * columns as f64 - 20.0;
        ForestFrame { start: left, left: left + labels, width, low, high, columns, axis: self.axis }
    }

    /// Draws the figure with its top left corner at a point.
    pub(super) fn draw<B: DrawingBackend>(&self, canvas: &mut Canvas<'_, B>, at: Point, room: f64) -> Result<()> {
        legend::draw(canvas, &self.legend, at, room)?;
        let frame = self.frame(at.0, room);
        let mut top = at.1 + legend::height(&self.legend, room);
        for (index, header) in self.headers.iter().take(frame.columns).enumerate() {
            let header = font::fit(header, CELL - 8.0, SMALL, false);
            canvas.text((cell_left(frame, index), top + HEADER / 2.0), &header, Type::new(SMALL, MUTED))?;
        }
        top += HEADER;
        self.draw_axis(canvas, frame, top)?;
        for (title, rows) in &self.sections {
            canvas.text((at.0, top + SECTION / 2.0), title, Type::new(HEADING, TEXT).bold())?;
            top += SECTION;
            for (index, row) in rows.iter().enumerate() {
                if index % 2 == 0 {
                    canvas.rect((at.0, top), (frame.left - 4.0, top + ROW), WASH)?;
                }
                draw_row(canvas, row, frame, top)?;
                top += ROW;
            }
        }
        Ok(())
    }

    fn draw_axis<B: DrawingBackend>(&self, canvas: &mut Canvas<'_, B>, frame: ForestFrame, top: f64) -> Result<()> {
        let bottom = top + self.height();
        for (value, label) in frame.ticks() {
            let x = frame.x(value);
            canvas.line(&[(x, top), (x, bottom)], GRID_LINE)?;
            canvas.text((x, bottom + 12.0), &label, Type::new(SMALL, MUTED).align(Align::Middle))?;
        }
        let origin = frame.x(frame.axis.origin());
        canvas.line(&[(origin, top), (origin, bottom)], Stroke::solid(TEXT, 1.2))?;
        canvas.line(&[(frame.left, bottom), (frame.left + frame.width, bottom)], AXIS_LINE)?;
        let label = Type::new(LABEL, TEXT).align(Align::Middle);
        canvas.text((frame.left + frame.width / 2.0, bottom + 32.0), &self.x_label, label)
    }
}

fn cell_left(frame: ForestFrame, index: usize) -> f64 {
    frame.left + frame.width + 20.0 + CELL * index as f64
}

fn draw_row<B: DrawingBackend>(
    canvas: &mut Canvas<'_, B>,
    row: &ForestRow,
    frame: ForestFrame,
    top: f64,
) -> Result<()> {
    let middle = top + ROW / 2.0;
    let labels = frame.left - frame.start - 22.0;
    let label = font::fit(&row.label, labels, LABEL, false);
    canvas.text((frame.start + 8.0, middle - 8.0), &label, Type::new(LABEL, TEXT))?;
    let note = font::fit(&row.note, labels, SMALL, false);
    canvas.text((frame.start + 8.0, middle + 9.0), &note, Type::new(SMALL, MUTED))?;
    let first = middle - STEP * (row.points.len().saturating_sub(1)) as f64 / 2.0;
    for (index, point) in row.points.iter().enumerate() {
        let y = first + STEP * index as f64;
        if let Some((low, high)) = point.interval {
            let stroke = Stroke::solid(point.color, 1.6);
            canvas.line(&[(frame.x(low), y), (frame.x(high), y)], stroke)?;
            for end in [low, high] {
                canvas.line(&[(frame.x(end), y - 3.0), (frame.x(end), y + 3.0)], stroke)?;
            }
        }
        canvas.marker((frame.x(point.at), y), point.marker, 4.5, point.color)?;
    }
    for (index, cell) in row.cells.iter().take(frame.columns).enumerate() {
        let cell = font::fit(cell, CELL - 6.0, SMALL, false);
        canvas.text((cell_left(frame, index), middle), &cell, Type::new(SMALL, TEXT))?;
    }
    Ok(())
}
