//! Radar figures: experts around a circle, one small radar per category, position or token.

use plotters_backend::DrawingBackend;

use super::{
    axis::{percent, ticks},
    canvas::{Align, Canvas, Point, Type, circle, polar},
    font,
    legend::{self, LegendEntry, Sample},
    theme::{
        BAND_ALPHA, GRID_LINE, HEADING, MARGIN, MIN_WIDTH, MUTED, OVERALL_LINE, SMALL, TEXT, TINY, UNIFORM_LINE, VALUE,
        VALUE_LINE,
    },
};
use crate::error::Result;

/// Small radars that share their experts and their scale.
#[derive(Clone, Debug)]
pub(super) struct RadarFigure {
    /// Experts per layer.
    pub(super) experts: usize,
    /// The number of spokes: one for each expert, or for each group of experts.
    pub(super) spokes: usize,
    /// Radars in a row; `None`: chosen by their number.
    pub(super) columns: Option<usize>,
    /// The meaning of the line behind each share.
    pub(super) overall_label: &'static str,
    /// One radar per category.
    pub(super) panels: Vec<RadarPanel>,
}

/// The expert shares of one category. Each list has one entry per expert.
#[derive(Clone, Debug, Default)]
pub(super) struct RadarPanel {
    /// Name of the category.
    pub(super) title: String,
    /// n, under the name.
    pub(super) note: String,
    /// Share of each expert.
    pub(super) share: Vec<f64>,
    /// Lower ends of the intervals; empty where withheld.
    pub(super) low: Vec<f64>,
    /// Upper ends of the intervals; empty where withheld.
    pub(super) high: Vec<f64>,
    /// Shares over everything; empty where unknown.
    pub(super) overall: Vec<f64>,
}

/// Narrowest radar, unless the number of columns is given.
const NARROWEST: f64 = 150.0;
const TITLE_HEIGHT: f64 = 44.0;
const SPOKE_LABEL: f64 = 24.0;

impl RadarFigure {
    fn columns(&self, room: f64) -> usize {
        if let Some(columns) = self.columns {
            return columns.max(1);
        }
        let columns = match self.panels.len() {
            0..=3 => self.panels.len().max(1),
            4 => 2,
            5..=6 => 3,
            7..=12 => 4,
            13..=15 => 5,
            _ => 6,
        };
        columns.min((room / NARROWEST) as usize).max(1)
    }

    fn cell(&self, room: f64) -> f64 {
        (room / self.columns(room) as f64).min(360.0)
    }

    /// Width of the figure, wide enough for the legend.
    fn width(&self, room: f64) -> f64 {
        (self.cell(room) * self.columns(room) as f64).max((MIN_WIDTH - 2.0 * MARGIN).min(room))
    }

    fn legend(&self) -> Vec<LegendEntry> {
        let uniform = format!("uniform routing, 1/{} = {}", self.experts, percent(1.0 / self.experts as f64));
        let mut entries = vec![LegendEntry::new(Sample::Area(VALUE_LINE), "expert share")];
        if self.panels.iter().any(|panel| !panel.low.is_empty()) {
            entries.push(LegendEntry::new(Sample::Band(VALUE), "95 % interval"));
        }
        if self.panels.iter().any(|panel| !panel.overall.is_empty()) {
            entries.push(LegendEntry::new(Sample::Line(OVERALL_LINE), self.overall_label));
        }
        entries.push(LegendEntry::new(Sample::Line(UNIFORM_LINE), uniform));
        let rings: Vec<String> = self.rings().into_iter().map(|ring| percent(ring).replace(".0 %", " %")).collect();
        entries.push(LegendEntry::new(Sample::Line(GRID_LINE), format!("rings at {}", rings.join(", "))));
        entries
    }

    /// Width and height in pixels, laid out for a width.
    pub(super) fn size(&self, room: f64) -> (f64, f64) {
        let rows = self.panels.len().div_ceil(self.columns(room));
        let legend = legend::height(&self.legend(), self.width(room));
        (self.width(room), legend + rows as f64 * (self.cell(room) + TITLE_HEIGHT))
    }

    /// The share at the rim: no part of any curve or interval lies outside.
    fn rim(&self) -> f64 {
        let all = self.panels.iter().flat_map(|panel| panel.share.iter().chain(&panel.high).chain(&panel.overall));
        all.copied().fold(1.5 / self.experts as f64, f64::max).min(1.0) * 1.02
    }

    /// The shares at which a ring is drawn.
    fn rings(&self) -> Vec<f64> {
        ticks(0.0, self.rim(), 3).into_iter().filter(|ring| *ring > 0.0).collect()
    }

    /// Draws the figure with its top left corner at a point.
    pub(super) fn draw<B: DrawingBackend>(&self, canvas: &mut Canvas<'_, B>, at: Point, room: f64) -> Result<()> {
        let entries = self.legend();
        legend::draw(canvas, &entries, at, self.width(room))?;
        let top = at.1 + legend::height(&entries, self.width(room));
        let left = at.0 + (self.width(room) - self.cell(room) * self.columns(room) as f64) / 2.0;
        for (index, panel) in self.panels.iter().enumerate() {
            let (row, column) = (index / self.columns(room), index % self.columns(room));
            let corner = (left + column as f64 * self.cell(room), top + row as f64 * (self.cell(room) + TITLE_HEIGHT));
            self.draw_panel(canvas, panel, corner, self.cell(room))?;
        }
        Ok(())
    }

    fn draw_panel<B: DrawingBackend>(
        &self,
        canvas: &mut Canvas<'_, B>,
        panel: &RadarPanel,
        at: Point,
        cell: f64,
    ) -> Result<()> {
        let middle = at.0 + cell / 2.0;
        let title = font::fit(&panel.title, cell - 12.0, HEADING, true);
        canvas.text((middle, at.1 + 9.0), &title, Type::new(HEADING, TEXT).bold().align(Align::Middle))?;
        let note = font::fit(&panel.note, cell - 8.0, SMALL, false);
        canvas.text((middle, at.1 + 26.0), &note, Type::new(SMALL, MUTED).align(Align::Middle))?;
        let center = (middle, at.1 + TITLE_HEIGHT + cell / 2.0 - 2.0);
        let radius = cell / 2.0 - SPOKE_LABEL;
        self.draw_grid(canvas, center, radius, cell)?;
        self.draw_shares(canvas, panel, center, radius)
    }

    fn draw_grid<B: DrawingBackend>(
        &self,
        canvas: &mut Canvas<'_, B>,
        center: Point,
        radius: f64,
        cell: f64,
    ) -> Result<()> {
        let rim = self.rim();
        let step = self.spoke_step(cell);
        for expert in (0..self.spokes).step_by(step) {
            let turn = expert as f64 / self.spokes as f64;
            canvas.line(&[center, polar(center, radius, turn)], GRID_LINE)?;
            let label = Type::new(if cell < 240.0 { TINY } else { SMALL }, MUTED).align(Align::Middle);
            // Experts are numbered from 0; groups of experts are places in the order of load, from 1 as in the heat maps.
            let name = expert + usize::from(self.experts > self.spokes);
            canvas.text(polar(center, radius + 11.0, turn), &name.to_string(), label)?;
        }
        for ring in self.rings() {
            let mut points = circle(center, radius * ring / rim, 72);
            points.extend(points.first().copied());
            canvas.line(&points, GRID_LINE)?;
        }
        let mut uniform = circle(center, radius / (self.experts as f64 * rim), 48);
        uniform.extend(uniform.first().copied());
        canvas.line(&uniform, UNIFORM_LINE)
    }

    fn spoke_step(&self, cell: f64) -> usize {
        let room = if cell < 240.0 { 16 } else { 32 };
        let mut step = 1;
        while self.spokes.div_ceil(step) > room {
            step *= 2;
        }
        step
    }

    fn draw_shares<B: DrawingBackend>(
        &self,
        canvas: &mut Canvas<'_, B>,
        panel: &RadarPanel,
        center: Point,
        radius: f64,
    ) -> Result<()> {
        let outline = |shares: &[f64]| -> Vec<Point> {
            let turn = |expert: usize| expert as f64 / self.spokes as f64;
            shares
                .iter()
                .enumerate()
                .map(|(expert, share)| polar(center, radius * share.max(0.0) / self.rim(), turn(expert)))
                .collect()
        };
        let closed = |mut points: Vec<Point>| {
            points.extend(points.first().copied());
            points
        };
        canvas.fill(&outline(&panel.share), VALUE.with_alpha(BAND_ALPHA / 2.0))?;
        canvas.ring(&outline(&panel.high), &outline(&panel.low), VALUE.with_alpha(BAND_ALPHA))?;
        canvas.line(&closed(outline(&panel.overall)), OVERALL_LINE)?;
        canvas.line(&closed(outline(&panel.share)), VALUE_LINE)
    }
}
