//! Grouped bars with intervals, baselines and ceilings; every bar is labelled directly.

use plotters_backend::DrawingBackend;

use super::{
    axis::{tick_labels, ticks},
    canvas::{Align, Canvas, Marker, Point, Type},
    font,
    legend::{self, LegendEntry, Sample},
    theme::{
        ACCENT, AXIS_LINE, CEILING_LINE, Color, GRID_LINE, GUTTER, HEADING, LABEL, MUTED, SMALL, Stroke, TEXT, TINY,
        WHISKER,
    },
};
use crate::{error::Result, routing::LayerId};

/// Panels of grouped bars, one under the other.
#[derive(Clone, Debug)]
pub(super) struct BarFigure {
    /// What the ticks over the bars mean, e.g. "mean over permutations".
    pub(super) baseline_label: String,
    /// The panels.
    pub(super) panels: Vec<BarPanel>,
}

/// Groups of bars over one vertical axis that begins at 0, or lower if a value is negative.
#[derive(Clone, Debug, Default)]
pub(super) struct BarPanel {
    /// Title of the panel.
    pub(super) title: String,
    /// What the vertical axis is.
    pub(super) y_label: String,
    /// Whether the axis is in percent.
    pub(super) percent: bool,
    /// Upper end of the axis; `None`: as high as the values need.
    pub(super) max: Option<f64>,
    /// The groups, from left to right.
    pub(super) groups: Vec<BarGroup>,
}

/// Bars that belong together.
#[derive(Clone, Debug)]
pub(super) struct BarGroup {
    /// What they have in common.
    pub(super) label: String,
    /// The bars, from left to right.
    pub(super) bars: Vec<Bar>,
}

/// One value.
#[derive(Clone, Debug)]
pub(super) struct Bar {
    /// Written under the bar.
    pub(super) label: String,
    /// The layer that it is about, if the bars of a group are layers.
    pub(super) layer: Option<LayerId>,
    /// The value; `None` if withheld.
    pub(super) value: Option<f64>,
    /// Its interval.
    pub(super) interval: Option<(f64, f64)>,
    /// What to compare it with.
    pub(super) baseline: Option<f64>,
    /// The largest value possible.
    pub(super) ceiling: Option<f64>,
    /// Fill.
    pub(super) color: Color,
}

const PANEL_HEIGHT: f64 = 230.0;
const TITLE_HEIGHT: f64 = 26.0;
const LEFT: f64 = 68.0;
const BOTTOM: f64 = 66.0;
/// Widest bar with its white space.
const WIDEST_SLOT: f64 = 64.0;
/// How much wider than others the bars of a group with long names may be.
const MOST_WIDENED: f64 = 1.8;
/// Narrowest figure with panels side by side.
const TWO_COLUMNS: f64 = 760.0;
const PITCH: f64 = PANEL_HEIGHT + TITLE_HEIGHT + BOTTOM;
/// White space between the labels of two groups.
const LABEL_GAP: f64 = 4.0;
const BASELINE: Stroke = Stroke::solid(ACCENT, 2.6);

/// The plotting area of a panel on the page.
#[derive(Clone, Copy)]
struct BarFrame {
    left: f64,
    top: f64,
    width: f64,
    low: f64,
    high: f64,
}

impl BarFrame {
    fn y(self, value: f64) -> f64 {
        self.top + PANEL_HEIGHT * (1.0 - (value - self.low) / (self.high - self.low))
    }
}

impl BarPanel {
    fn bars(&self) -> impl Iterator<Item = &Bar> {
        self.groups.iter().flat_map(|group| &group.bars)
    }

    /// Lower and upper end of the axis.
    fn range(&self) -> (f64, f64) {
        let values = || {
            self.bars().flat_map(|bar| {
                let (low, high) = bar.interval.unzip();
                [bar.value, low, high, bar.baseline, bar.ceiling]
            })
        };
        let high = values().flatten().fold(0.0, f64::max);
        let low = values().flatten().fold(0.0, f64::min);
        let high = self.max.unwrap_or(if high > low { high } else { low + 1.0 });
        (if low < 0.0 { low * 1.08 } else { 0.0 }, high * 1.08)
    }
}

impl BarFigure {
    fn legend(&self) -> Vec<LegendEntry> {
        let any = |test: &dyn Fn(&Bar) -> bool| self.panels.iter().flat_map(BarPanel::bars).any(test);
        let mut entries = Vec::new();
        if any(&|bar| bar.interval.is_some()) {
            entries.push(LegendEntry::new(Sample::Whisker, "95 % interval"));
        }
        if any(&|bar| bar.baseline.is_some()) {
            entries.push(LegendEntry::new(Sample::Line(BASELINE), self.baseline_label.clone()));
        }
        if any(&|bar| bar.ceiling.is_some()) {
            entries.push(LegendEntry::new(Sample::Line(CEILING_LINE), "ceiling: the largest value possible"));
        }
        entries
    }

    /// The number of columns: three or more panels are placed side by side where there is room.
    fn columns(&self, room: f64) -> usize {
        if self.panels.len() > 2 && room >= TWO_COLUMNS { 2 } else { 1 }
    }

    /// Width and height in pixels, laid out for a width.
    pub(super) fn size(&self, room: f64) -> (f64, f64) {
        let rows = self.panels.len().div_ceil(self.columns(room));
        (room, legend::height(&self.legend(), room) + PITCH * rows as f64)
    }

    /// Draws the figure with its top left corner at a point.
    pub(super) fn draw<B: DrawingBackend>(&self, canvas: &mut Canvas<'_, B>, at: Point, room: f64) -> Result<()> {
        let entries = self.legend();
        legend::draw(canvas, &entries, at, room)?;
        let top = at.1 + legend::height(&entries, room);
        let columns = self.columns(room);
        let cell = (room - GUTTER * (columns - 1) as f64) / columns as f64;
        for (index, panel) in self.panels.iter().enumerate() {
            let (low, high) = panel.range();
            let (row, column) = ((index / columns) as f64, (index % columns) as f64);
            let left = at.0 + column * (cell + GUTTER) + LEFT;
            let frame = BarFrame { left, top: top + row * PITCH + TITLE_HEIGHT, width: cell - LEFT, low, high };
            draw_axes(canvas, panel, frame)?;
            draw_groups(canvas, panel, frame)?;
        }
        Ok(())
    }
}

fn draw_axes<B: DrawingBackend>(canvas: &mut Canvas<'_, B>, panel: &BarPanel, frame: BarFrame) -> Result<()> {
    let title = font::fit(&panel.title, frame.width, HEADING, true);
    canvas.text((frame.left, frame.top - 14.0), &title, Type::new(HEADING, TEXT).bold())?;
    let values = ticks(frame.low, frame.high, 5);
    for (value, label) in values.iter().zip(tick_labels(&values, panel.percent)) {
        let y = frame.y(*value);
        canvas.line(&[(frame.left, y), (frame.left + frame.width, y)], GRID_LINE)?;
        canvas.text((frame.left - 7.0, y), &label, Type::new(SMALL, MUTED).align(Align::End))?;
    }
    let label = Type::new(LABEL, TEXT).align(Align::Middle);
    canvas.text_up((frame.left - 56.0, frame.top + PANEL_HEIGHT / 2.0), &panel.y_label, label)
}

fn draw_groups<B: DrawingBackend>(canvas: &mut Canvas<'_, B>, panel: &BarPanel, frame: BarFrame) -> Result<()> {
    let slots = slots(panel, frame.width);
    let wide = |group: &BarGroup, slot: f64| slot * (group.bars.len() + 1) as f64;
    let used: f64 = panel.groups.iter().zip(&slots).map(|(group, slot)| wide(group, *slot)).sum();
    let spread = (frame.width - used) / panel.groups.len().max(1) as f64;
    let rooms: Vec<f64> = panel.groups.iter().zip(&slots).map(|(group, slot)| wide(group, *slot) + spread).collect();
    let size = label_size(panel, &rooms);
    let mut x = frame.left;
    for ((group, slot), wide) in panel.groups.iter().zip(slots).zip(rooms) {
        let first = x + (wide - slot * group.bars.len() as f64) / 2.0;
        for (index, bar) in group.bars.iter().enumerate() {
            draw_bar(canvas, panel, bar, frame, first + slot * index as f64, slot)?;
        }
        let style = Type::new(size, TEXT).bold().align(Align::Middle);
        // Two lines have room over the next panel.
        for (line, words) in font::wrap(&group.label, wide - LABEL_GAP, size, true).iter().take(2).enumerate() {
            let below = frame.top + PANEL_HEIGHT + 36.0 + line as f64 * 14.0;
            canvas.text((x + wide / 2.0, below), words, style)?;
        }
        x += wide;
    }
    let zero = frame.y(0.0);
    canvas.line(&[(frame.left, zero), (frame.left + frame.width, zero)], AXIS_LINE)
}

/// The largest size of the labels of the groups at which no word of them is cut, if there is one. `rooms`: the width of each group.
fn label_size(panel: &BarPanel, rooms: &[f64]) -> f64 {
    let fits = |size: &f64| {
        panel.groups.iter().zip(rooms).all(|(group, room)| {
            group.label.split_ascii_whitespace().all(|word| font::width(word, *size, true) <= room - LABEL_GAP)
        })
    };
    [LABEL, SMALL, TINY].into_iter().find(fits).unwrap_or(LABEL)
}

/// Width of a bar with its white space, by group: equal, except for groups with longer names under their bars.
fn slots(panel: &BarPanel, width: f64) -> Vec<f64> {
    let count = |group: &BarGroup| (group.bars.len() + 1) as f64;
    let even = width / panel.groups.iter().map(count).sum::<f64>().max(1.0);
    let weight = |group: &BarGroup| {
        let widest = group.bars.iter().map(|bar| font::width(&bar.label, SMALL, false)).fold(0.0, f64::max);
        ((widest + 6.0) / even).clamp(1.0, MOST_WIDENED)
    };
    let weights: Vec<f64> = panel.groups.iter().map(weight).collect();
    let all: f64 = panel.groups.iter().zip(&weights).map(|(group, weight)| weight * count(group)).sum();
    weights.iter().map(|weight| (weight * width / all.max(1.0)).min(WIDEST_SLOT)).collect()
}

fn draw_bar<B: DrawingBackend>(
    canvas: &mut Canvas<'_, B>,
    panel: &BarPanel,
    bar: &Bar,
    frame: BarFrame,
    left: f64,
    slot: f64,
) -> Result<()> {
    let (from, to) = (left + slot * 0.12, left + slot * 0.88);
    let middle = left + slot / 2.0;
    let size = if slot < 30.0 { TINY } else { SMALL };
    let label = font::fit(&bar.label, slot, size, false);
    let centred = Type::new(size, TEXT).align(Align::Middle);
    canvas.text((middle, frame.top + PANEL_HEIGHT + 16.0), &label, centred)?;
    let Some(value) = bar.value else {
        let note = Type::new(size, MUTED);
        return canvas.text_up((middle, frame.y(0.0) - 6.0), "withheld", note);
    };
    canvas.rect((from, frame.y(value.max(0.0))), (to, frame.y(value.min(0.0))), bar.color)?;
    canvas.frame((from, frame.y(value.max(0.0))), (to, frame.y(value.min(0.0))), AXIS_LINE)?;
    if let Some(ceiling) = bar.ceiling {
        canvas.line(&[(left + slot * 0.02, frame.y(ceiling)), (left + slot * 0.98, frame.y(ceiling))], CEILING_LINE)?;
    }
    if let Some(baseline) = bar.baseline {
        canvas.line(&[(left + slot * 0.04, frame.y(baseline)), (left + slot * 0.96, frame.y(baseline))], BASELINE)?;
    }
    let mut highest = value.max(bar.baseline.unwrap_or(value));
    if let Some((low, high)) = bar.interval {
        canvas.whisker(middle, frame.y(low), frame.y(high), (slot * 0.12).min(5.0), WHISKER)?;
        highest = highest.max(high);
    } else {
        canvas.marker((middle, frame.y(value)), Marker::Diamond, 3.0, TEXT)?;
    }
    let shown = value_label(value, panel.percent);
    let fits = font::width(&shown, size, false) <= slot - 3.0;
    let above = frame.y(highest) - size * 0.85;
    if fits {
        canvas.text((middle, clear_of(bar.ceiling.map(|ceiling| frame.y(ceiling)), above, size)), &shown, centred)?;
    }
    Ok(())
}

/// Where the number over a bar stands: `above`, or over the line of the ceiling where that would strike it through.
fn clear_of(ceiling: Option<f64>, above: f64, size: f64) -> f64 {
    let room = size * 0.85;
    ceiling.filter(|line| (line - above).abs() < room).map_or(above, |line| line - room)
}

fn value_label(value: f64, percent: bool) -> String {
    let text = match (percent, value.abs()) {
        // Close to all, a whole number would say all.
        (true, share) if share < 0.0995 || (0.995..1.0).contains(&share) => format!("{:.1}", value * 100.0),
        (true, _) => format!("{:.0}", value * 100.0),
        // Close to 1 two digits hide the difference.
        (false, size) if size > 0.99 && size < 1.0 => format!("{value:.3}"),
        (false, size) if size >= 9.95 => format!("{value:.1}"),
        (false, size) if size >= 0.0995 => format!("{value:.2}"),
        (false, _) => format!("{value:.3}"),
    };
    text.replace('-', "\u{2212}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_that_does_not_fit_gets_smaller_before_it_is_cut() {
        let group = |label: &str| BarGroup { label: label.to_owned(), bars: Vec::new() };
        let panel = BarPanel {
            title: String::new(),
            y_label: String::new(),
            percent: false,
            max: None,
            groups: vec![group("previous token"), group("document")],
        };
        let room = |size| font::width("document", size, true) + LABEL_GAP;
        assert_eq!(label_size(&panel, &[room(LABEL), room(LABEL)]), LABEL);
        assert_eq!(label_size(&panel, &[room(LABEL), room(SMALL)]), SMALL);
        assert_eq!(label_size(&panel, &[room(LABEL), room(TINY) - 1.0]), LABEL, "it is cut at any size");
    }

    #[test]
    fn the_line_of_the_ceiling_does_not_strike_a_number_through() {
        assert_eq!([None, Some(40.0)].map(|line| clear_of(line, 100.0, 10.0)), [100.0, 100.0]);
        assert_eq!([96.0, 104.0].map(|line| clear_of(Some(line), 100.0, 10.0)), [87.5, 95.5]);
    }
}
