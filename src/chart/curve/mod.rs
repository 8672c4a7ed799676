//! Curves and points over a linear or logarithmic axis, one panel per layer or data set.

mod labels;
mod scale;

pub(super) use scale::AxisScale;

use plotters_backend::DrawingBackend;

use super::{
    axis::{count, log_ticks},
    canvas::{Align, Canvas, Marker, Point, Type},
    font,
    legend::{self, LegendEntry},
    theme::{
        AXIS_LINE, BAND_ALPHA, CEILING_LINE, Color, GRID_LINE, GUTTER, HEADING, LABEL, MUTED, SMALL, Stroke, TEXT,
    },
};
use crate::error::Result;

/// Panels that share both axes.
#[derive(Clone, Debug)]
pub(super) struct CurveFigure {
    /// What the horizontal axis is.
    pub(super) x_label: String,
    /// What the vertical axis is.
    pub(super) y_label: String,
    /// First and last value of the horizontal axis.
    pub(super) x_range: (f64, f64),
    /// Whether the horizontal axis is linear; else it is logarithmic.
    pub(super) x_linear: bool,
    /// Ticks of the horizontal axis and their labels; empty: round numbers.
    pub(super) x_ticks: Vec<(f64, String)>,
    /// Added to x before the logarithm, so that position 0 has a place.
    pub(super) x_shift: f64,
    /// The vertical axis.
    pub(super) y: AxisScale,
    /// The strip under each panel, which shares its horizontal axis.
    pub(super) strip: Option<Strip>,
    /// What the line styles mean.
    pub(super) legend: Vec<LegendEntry>,
    /// The panels.
    pub(super) panels: Vec<CurvePanel>,
}

/// The axis of the strips under the panels.
#[derive(Clone, Debug)]
pub(super) struct Strip {
    /// What its vertical axis is.
    pub(super) y_label: String,
    /// Its vertical axis.
    pub(super) y: AxisScale,
    /// Its height in pixels.
    pub(super) height: f64,
}

/// A place on the horizontal axis and the ends of the interval there.
pub(super) type Span = (f64, f64, f64);

/// What is drawn over one pair of axes, from back to front.
#[derive(Clone, Debug, Default)]
pub(super) struct CurvePanel {
    /// Title of the panel.
    pub(super) title: String,
    /// What the line styles of this panel mean, where panels differ.
    pub(super) legend: Vec<LegendEntry>,
    /// Intervals as areas: colour, (x, low, high).
    pub(super) bands: Vec<(Color, Vec<Span>)>,
    /// Places on the horizontal axis that are marked over the whole height.
    pub(super) verticals: Vec<(f64, String)>,
    /// Curves.
    pub(super) lines: Vec<(Stroke, Vec<Point>)>,
    /// Single points.
    pub(super) marks: Vec<Mark>,
    /// The content of the strip under the panel.
    pub(super) strip: Option<Box<CurvePanel>>,
}

/// One data point.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    /// Its place.
    pub(super) at: Point,
    /// Its interval.
    pub(super) interval: Option<(f64, f64)>,
    /// Its shape.
    pub(super) marker: Marker,
    /// Its colour.
    pub(super) color: Color,
    /// Its name, written beside it if there is room.
    pub(super) label: String,
}

/// Narrowest panel with its axis.
const NARROWEST: f64 = 270.0;
const PANEL_HEIGHT: f64 = 250.0;
const TITLE_HEIGHT: f64 = 24.0;
const LEFT: f64 = 66.0;
const BOTTOM: f64 = 48.0;
/// White space over a strip.
const STRIP_GAP: f64 = 10.0;
/// Widest name of a tick, in pixels.
const TICK_ROOM: f64 = 96.0;
/// A tick with less room than this gets no label at all.
const LEAST_TICK_ROOM: f64 = 30.0;
/// Radius of a data point.
const DISC: f64 = 2.6;
/// Radius of the points that stand out.
const SQUARE: f64 = 4.2;
/// Half the width in which the interval of a single place is drawn.
const SINGLE: f64 = 14.0;
/// Least height of it.
const SINGLE_HEIGHT: f64 = 6.0;

/// The plotting area of a panel on the page.
#[derive(Clone, Copy)]
struct CurveFrame {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
    scale: AxisScale,
}

impl CurveFrame {
    fn bottom(self) -> f64 {
        self.top + self.height
    }

    fn right(self) -> f64 {
        self.left + self.width
    }

    fn y(self, value: f64) -> f64 {
        self.top + self.height * (1.0 - self.scale.place(value))
    }
}

impl CurveFigure {
    fn columns(&self, room: f64) -> usize {
        let columns: usize = match self.panels.len() {
            1 => 1,
            3 | 5 | 6 | 9 => 3,
            _ => 2,
        };
        columns.min((room / NARROWEST) as usize).max(1)
    }

    /// Width of a panel with its axis.
    fn cell(&self, room: f64) -> f64 {
        let columns = self.columns(room) as f64;
        (room - GUTTER * (columns - 1.0)) / columns
    }

    /// Height of the legends over the panels.
    fn panel_legend(&self, room: f64) -> f64 {
        let width = self.cell(room) - LEFT - 8.0;
        self.panels.iter().map(|panel| legend::height(&panel.legend, width)).fold(0.0, f64::max)
    }

    /// Height of a row of panels.
    fn pitch(&self, room: f64) -> f64 {
        let strip = self.strip.as_ref().map_or(0.0, |strip| strip.height + STRIP_GAP);
        TITLE_HEIGHT + self.panel_legend(room) + PANEL_HEIGHT + strip + BOTTOM
    }

    /// Width and height in pixels, laid out for a width.
    pub(super) fn size(&self, room: f64) -> (f64, f64) {
        let rows = self.panels.len().div_ceil(self.columns(room)) as f64;
        (room, legend::height(&self.legend, room) + rows * self.pitch(room))
    }

    /// Draws the figure with its top left corner at a point.
    pub(super) fn draw<B: DrawingBackend>(&self, canvas: &mut Canvas<'_, B>, at: Point, room: f64) -> Result<()> {
        legend::draw(canvas, &self.legend, at, room)?;
        let top = at.1 + legend::height(&self.legend, room);
        let (columns, cell) = (self.columns(room), self.cell(room));
        for (index, panel) in self.panels.iter().enumerate() {
            let (row, column) = ((index / columns) as f64, (index % columns) as f64);
            let frame = CurveFrame {
                left: at.0 + column * (cell + GUTTER) + LEFT,
                top: top + row * self.pitch(room) + TITLE_HEIGHT + self.panel_legend(room),
                width: cell - LEFT - 8.0,
                height: PANEL_HEIGHT,
                scale: self.y,
            };
            self.draw_cell(canvas, panel, frame, self.panel_legend(room))?;
        }
        Ok(())
    }

    /// A panel with its axes and its strip.
    fn draw_cell<B: DrawingBackend>(
        &self,
        canvas: &mut Canvas<'_, B>,
        panel: &CurvePanel,
        frame: CurveFrame,
        legends: f64,
    ) -> Result<()> {
        let title = font::fit(&panel.title, frame.width, HEADING, true);
        canvas.text((frame.left, frame.top - legends - 13.0), &title, Type::new(HEADING, TEXT).bold())?;
        legend::draw(canvas, &panel.legend, (frame.left, frame.top - legends), frame.width)?;
        draw_y_axis(canvas, frame, &self.y_label, 5)?;
        self.draw_panel(canvas, panel, frame)?;
        let Some(strip) = &self.strip else { return self.draw_x_axis(canvas, frame) };
        canvas.line(&[(frame.left, frame.bottom()), (frame.right(), frame.bottom())], AXIS_LINE)?;
        let below = CurveFrame { top: frame.bottom() + STRIP_GAP, height: strip.height, scale: strip.y, ..frame };
        draw_y_axis(canvas, below, &strip.y_label, ((strip.height / 26.0) as usize).max(2))?;
        if let Some(panel) = &panel.strip {
            self.draw_panel(canvas, panel, below)?;
        }
        self.draw_x_axis(canvas, below)
    }

    fn x(&self, frame: CurveFrame, value: f64) -> f64 {
        let (low, high) = self.x_range;
        let scale = |x: f64| if self.x_linear { x } else { (x + self.x_shift).max(1e-9).ln() };
        frame.left + frame.width * ((scale(value) - scale(low)) / (scale(high) - scale(low)).max(1e-9)).clamp(0.0, 1.0)
    }

    fn draw_x_axis<B: DrawingBackend>(&self, canvas: &mut Canvas<'_, B>, frame: CurveFrame) -> Result<()> {
        let bottom = frame.bottom();
        let ticks = self.x_ticks();
        let places: Vec<f64> = ticks.iter().map(|(value, _)| self.x(frame, *value)).collect();
        let mut free_from = f64::NEG_INFINITY;
        for (index, (_, label)) in ticks.iter().enumerate() {
            let x = places[index];
            canvas.line(&[(x, bottom), (x, bottom + 5.0)], AXIS_LINE)?;
            let label = font::fit(label, tick_room(&places, index, frame), SMALL, false);
            let half = font::width(&label, SMALL, false) / 2.0;
            if x - half >= free_from {
                canvas.text((x, bottom + 14.0), &label, Type::new(SMALL, MUTED).align(Align::Middle))?;
                free_from = x + half + 4.0;
            }
        }
        canvas.line(&[(frame.left, bottom), (frame.right(), bottom)], AXIS_LINE)?;
        let middle = Type::new(LABEL, TEXT).align(Align::Middle);
        canvas.text((frame.left + frame.width / 2.0, bottom + 32.0), &self.x_label, middle)
    }

    fn x_ticks(&self) -> Vec<(f64, String)> {
        if !self.x_ticks.is_empty() {
            return self.x_ticks.clone();
        }
        let (low, high) = self.x_range;
        let mut values = log_ticks(low.max(1.0), high);
        if values.len() > 6 && matches!(self.panels.len(), 3 | 5 | 6 | 9) {
            values.retain(|value| value.log10().fract().abs() < 1e-9);
        }
        if low == 0.0 {
            values.insert(0, 0.0);
        }
        values.into_iter().map(|value| (value, count(value as u64))).collect()
    }

    fn draw_panel<B: DrawingBackend>(
        &self,
        canvas: &mut Canvas<'_, B>,
        panel: &CurvePanel,
        frame: CurveFrame,
    ) -> Result<()> {
        for (x, label) in &panel.verticals {
            let x = self.x(frame, *x);
            canvas.line(&[(x, frame.top), (x, frame.bottom())], CEILING_LINE)?;
            canvas.text((x + 4.0, frame.top + 7.0), label, Type::new(SMALL, TEXT))?;
        }
        for (color, points) in &panel.bands {
            self.draw_band(canvas, points, frame, color.with_alpha(BAND_ALPHA))?;
        }
        for (stroke, points) in &panel.lines {
            let path: Vec<Point> = points.iter().map(|(x, y)| (self.x(frame, *x), frame.y(*y))).collect();
            canvas.line(&path, *stroke)?;
        }
        for mark in &panel.marks {
            let x = self.x(frame, mark.at.0);
            if let Some((low, high)) = mark.interval {
                let faint = Stroke::solid(mark.color.with_alpha(0.3), 1.0);
                canvas.line(&[(x, frame.y(low)), (x, frame.y(high))], faint)?;
            }
        }
        for mark in &panel.marks {
            let at = (self.x(frame, mark.at.0), frame.y(mark.at.1));
            let radius = if mark.marker == Marker::Square { SQUARE } else { DISC };
            canvas.marker(at, mark.marker, radius, mark.color)?;
        }
        self.draw_labels(canvas, panel, frame)
    }

    /// The area between the ends of the intervals; a single place has a short bar.
    fn draw_band<B: DrawingBackend>(
        &self,
        canvas: &mut Canvas<'_, B>,
        points: &[Span],
        frame: CurveFrame,
        color: Color,
    ) -> Result<()> {
        if let [(x, low, high)] = points {
            let (x, top, bottom) = (self.x(frame, *x), frame.y(*high), frame.y(*low));
            let more = ((SINGLE_HEIGHT - (bottom - top)) / 2.0).max(0.0);
            return canvas.rect((x - SINGLE, top - more), (x + SINGLE, bottom + more), color);
        }
        let upper = points.iter().map(|(x, _, high)| (self.x(frame, *x), frame.y(*high)));
        let lower = points.iter().rev().map(|(x, low, _)| (self.x(frame, *x), frame.y(*low)));
        canvas.fill(&upper.chain(lower).collect::<Vec<Point>>(), color)
    }
}

fn draw_y_axis<B: DrawingBackend>(
    canvas: &mut Canvas<'_, B>,
    frame: CurveFrame,
    label: &str,
    ticks: usize,
) -> Result<()> {
    for (value, tick) in frame.scale.ticks(ticks) {
        let y = frame.y(value);
        canvas.line(&[(frame.left, y), (frame.right(), y)], GRID_LINE)?;
        canvas.text((frame.left - 7.0, y), &tick, Type::new(SMALL, MUTED).align(Align::End))?;
    }
    if frame.scale.crosses_zero() {
        canvas.line(&[(frame.left, frame.y(0.0)), (frame.right(), frame.y(0.0))], AXIS_LINE)?;
    }
    let label = font::fit(label, frame.height + 20.0, LABEL, false);
    let middle = Type::new(LABEL, TEXT).align(Align::Middle);
    canvas.text_up((frame.left - 54.0, frame.top + frame.height / 2.0), &label, middle)
}

/// How wide the label of a tick may be without touching its neighbours or crossing the edges.
fn tick_room(places: &[f64], index: usize, frame: CurveFrame) -> f64 {
    let x = places[index];
    let neighbours = [index.checked_sub(1), Some(index + 1)];
    let gaps = neighbours.into_iter().flatten().filter_map(|other| Some((x - places.get(other)?).abs() - 4.0));
    let gap = gaps.fold(TICK_ROOM, f64::min);
    let room = if gap < LEAST_TICK_ROOM { TICK_ROOM } else { gap };
    let edges = (x - (frame.left - LEFT)).min(frame.right() + 8.0 + GUTTER / 2.0 - x);
    room.min(2.0 * edges)
}
