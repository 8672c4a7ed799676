//! Curves and points over a linear or logarithmic axis, one panel per layer.

use plotters_backend::DrawingBackend;

use super::{
    axis::{count, log_ticks, short, tick_labels, ticks},
    canvas::{Align, Canvas, Marker, Point, Type},
    font,
    legend::{self, Entry},
    theme::{
        AXIS_LINE, BAND_ALPHA, Color, FIGURE_WIDTH, GRID_LINE, GUTTER, HEADING, LABEL, MUTED, SMALL, Stroke, TEXT,
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
    /// Upper end of the vertical axis.
    pub(super) y_max: f64,
    /// Lower end of a logarithmic vertical axis; `None`: linear from 0.
    pub(super) y_log_from: Option<f64>,
    /// What the line styles mean.
    pub(super) legend: Vec<Entry>,
    /// One panel per layer.
    pub(super) panels: Vec<CurvePanel>,
}

/// A place on the horizontal axis and the ends of the interval there.
pub(super) type Span = (f64, f64, f64);

/// What is drawn over one pair of axes, from back to front.
#[derive(Clone, Debug, Default)]
pub(super) struct CurvePanel {
    /// Title of the panel.
    pub(super) title: String,
    /// Intervals as areas: colour, (x, low, high).
    pub(super) bands: Vec<(Color, Vec<Span>)>,
    /// Curves.
    pub(super) lines: Vec<(Stroke, Vec<Point>)>,
    /// Single points.
    pub(super) marks: Vec<Mark>,
}

/// One data point.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    /// Where it stands.
    pub(super) at: Point,
    /// Its interval.
    pub(super) interval: Option<(f64, f64)>,
    /// Its shape.
    pub(super) marker: Marker,
    /// Its colour.
    pub(super) color: Color,
    /// What it is, written beside it where there is room.
    pub(super) label: String,
}

const PANEL_HEIGHT: f64 = 250.0;
const TITLE_HEIGHT: f64 = 24.0;
const LEFT: f64 = 66.0;
const BOTTOM: f64 = 48.0;

/// The plotting area of a panel on the page.
#[derive(Clone, Copy)]
struct Frame {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

impl CurveFigure {
    fn columns(&self) -> usize {
        match self.panels.len() {
            1 => 1,
            3 | 5 | 6 | 9 => 3,
            _ => 2,
        }
    }

    /// Width and height in pixels.
    pub(super) fn size(&self) -> (f64, f64) {
        let rows = self.panels.len().div_ceil(self.columns()) as f64;
        let panel = PANEL_HEIGHT + TITLE_HEIGHT + BOTTOM;
        (FIGURE_WIDTH, legend::height(&self.legend, FIGURE_WIDTH) + rows * panel)
    }

    /// Draws the figure with its top left corner at a point.
    pub(super) fn draw<B: DrawingBackend>(&self, canvas: &mut Canvas<'_, B>, at: Point) -> Result<()> {
        legend::draw(canvas, &self.legend, at, FIGURE_WIDTH)?;
        let top = at.1 + legend::height(&self.legend, FIGURE_WIDTH);
        let columns = self.columns();
        let cell = (FIGURE_WIDTH - GUTTER * (columns - 1) as f64) / columns as f64;
        for (index, panel) in self.panels.iter().enumerate() {
            let (row, column) = ((index / columns) as f64, (index % columns) as f64);
            let frame = Frame {
                left: at.0 + column * (cell + GUTTER) + LEFT,
                top: top + row * (PANEL_HEIGHT + TITLE_HEIGHT + BOTTOM) + TITLE_HEIGHT,
                width: cell - LEFT - 8.0,
                height: PANEL_HEIGHT,
            };
            self.draw_axes(canvas, panel, frame)?;
            self.draw_panel(canvas, panel, frame)?;
        }
        Ok(())
    }

    fn x(&self, frame: Frame, value: f64) -> f64 {
        let (low, high) = self.x_range;
        let scale = |x: f64| if self.x_linear { x } else { (x + self.x_shift).max(1e-9).ln() };
        frame.left + frame.width * ((scale(value) - scale(low)) / (scale(high) - scale(low)).max(1e-9)).clamp(0.0, 1.0)
    }

    fn y(&self, frame: Frame, value: f64) -> f64 {
        let place = match self.y_log_from {
            Some(low) => (value.max(1e-12) / low).ln() / (self.y_max / low).ln().max(1e-9),
            None => value / self.y_max,
        };
        frame.top + frame.height * (1.0 - place.clamp(0.0, 1.0))
    }

    fn draw_axes<B: DrawingBackend>(&self, canvas: &mut Canvas<'_, B>, panel: &CurvePanel, frame: Frame) -> Result<()> {
        let bottom = frame.top + frame.height;
        let title = font::fit(&panel.title, frame.width, HEADING, true);
        canvas.text((frame.left, frame.top - 13.0), &title, Type::new(HEADING, TEXT).bold())?;
        for (value, label) in self.y_ticks() {
            let y = self.y(frame, value);
            canvas.line(&[(frame.left, y), (frame.left + frame.width, y)], GRID_LINE)?;
            canvas.text((frame.left - 7.0, y), &label, Type::new(SMALL, MUTED).align(Align::End))?;
        }
        let mut free_from = f64::NEG_INFINITY;
        for (value, label) in self.x_ticks() {
            let x = self.x(frame, value);
            canvas.line(&[(x, bottom), (x, bottom + 5.0)], AXIS_LINE)?;
            let half = font::width(&label, SMALL, false) / 2.0;
            if x - half >= free_from {
                canvas.text((x, bottom + 14.0), &label, Type::new(SMALL, MUTED).align(Align::Middle))?;
                free_from = x + half + 4.0;
            }
        }
        canvas.line(&[(frame.left, bottom), (frame.left + frame.width, bottom)], AXIS_LINE)?;
        let middle = Type::new(LABEL, TEXT).align(Align::Middle);
        canvas.text((frame.left + frame.width / 2.0, bottom + 32.0), &self.x_label, middle)?;
        canvas.text_up((frame.left - 54.0, frame.top + frame.height / 2.0), &self.y_label, middle)
    }

    fn y_ticks(&self) -> Vec<(f64, String)> {
        if let Some(low) = self.y_log_from {
            return log_ticks(low, self.y_max).into_iter().map(|value| (value, short(value))).collect();
        }
        let values = ticks(0.0, self.y_max, 5);
        values.iter().copied().zip(tick_labels(&values, false)).collect()
    }

    fn x_ticks(&self) -> Vec<(f64, String)> {
        if !self.x_ticks.is_empty() {
            return self.x_ticks.clone();
        }
        let (low, high) = self.x_range;
        let mut values = log_ticks(low.max(1.0), high);
        if values.len() > 6 && self.columns() == 3 {
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
        frame: Frame,
    ) -> Result<()> {
        for (color, points) in &panel.bands {
            let mut outline: Vec<Point> =
                points.iter().map(|(x, _, high)| (self.x(frame, *x), self.y(frame, *high))).collect();
            outline.extend(points.iter().rev().map(|(x, low, _)| (self.x(frame, *x), self.y(frame, *low))));
            canvas.fill(&outline, color.with_alpha(BAND_ALPHA))?;
        }
        for (stroke, points) in &panel.lines {
            let path: Vec<Point> = points.iter().map(|(x, y)| (self.x(frame, *x), self.y(frame, *y))).collect();
            canvas.line(&path, *stroke)?;
        }
        for mark in &panel.marks {
            let x = self.x(frame, mark.at.0);
            if let Some((low, high)) = mark.interval {
                let faint = Stroke::solid(mark.color.with_alpha(0.3), 1.0);
                canvas.line(&[(x, self.y(frame, low)), (x, self.y(frame, high))], faint)?;
            }
        }
        for mark in &panel.marks {
            let at = (self.x(frame, mark.at.0), self.y(frame, mark.at.1));
            canvas.marker(at, mark.marker, 2.6, mark.color)?;
        }
        self.draw_labels(canvas, panel, frame)
    }

    /// Labels in the order of the marks, each only where it meets no earlier label and no other mark.
    fn draw_labels<B: DrawingBackend>(
        &self,
        canvas: &mut Canvas<'_, B>,
        panel: &CurvePanel,
        frame: Frame,
    ) -> Result<()> {
        let points: Vec<Point> =
            panel.marks.iter().map(|mark| (self.x(frame, mark.at.0), self.y(frame, mark.at.1))).collect();
        let mut taken: Vec<(Point, Point)> = Vec::new();
        for (mark, at) in panel.marks.iter().zip(&points).filter(|(mark, _)| !mark.label.is_empty()) {
            let width = font::width(&mark.label, SMALL, false);
            let inside = |(from, to): &(Point, Point)| {
                from.0 >= frame.left
                    && to.0 <= frame.left + frame.width
                    && from.1 >= frame.top
                    && to.1 <= frame.top + frame.height
            };
            let free = |(from, to): &(Point, Point)| {
                let clear =
                    |p: &Point| p.0 < from.0 - 2.0 || p.0 > to.0 + 2.0 || p.1 < from.1 - 2.0 || p.1 > to.1 + 2.0;
                let apart = |(a, b): &(Point, Point)| to.0 < a.0 || from.0 > b.0 || to.1 < a.1 || from.1 > b.1;
                points.iter().all(clear) && taken.iter().all(apart)
            };
            let place = [(6.0, -6.5), (-6.0 - width, -6.5), (-width / 2.0, -19.0), (-width / 2.0, 6.0)]
                .map(|(dx, dy)| ((at.0 + dx, at.1 + dy), (at.0 + dx + width, at.1 + dy + 13.0)))
                .into_iter()
                .find(|place| inside(place) && free(place));
            if let Some(place) = place {
                canvas.text((place.0.0, f64::midpoint(place.0.1, place.1.1)), &mark.label, Type::new(SMALL, TEXT))?;
                taken.push(place);
            }
        }
        Ok(())
    }
}
