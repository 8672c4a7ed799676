//! Heat maps: coloured cells, with the value written inside if there is room.

use plotters_backend::DrawingBackend;

mod scale;

pub(super) use scale::Scale;

use super::{
    canvas::{Align, Canvas, Point, Type},
    font,
    theme::{AXIS_LINE, GRID_LINE, HEADING, LABEL, MUTED, SMALL, Stroke, TEXT, TINY, WASH},
};
use crate::error::Result;
use scale::{SMALL_NUMBER, cell_label, scale_ticks};

/// Blocks of cells over one colour scale.
#[derive(Clone, Debug)]
pub(super) struct HeatFigure {
    /// How a value becomes a colour.
    pub(super) scale: Scale,
    /// What the values are.
    pub(super) scale_label: String,
    /// What the columns are.
    pub(super) column_label: String,
    /// Height of a row in pixels; `None`: chosen by the number of columns.
    pub(super) row_height: Option<f64>,
    /// The blocks, one under the other.
    pub(super) blocks: Vec<HeatBlock>,
}

/// How a figure is laid out for a width.
#[derive(Clone, Copy, Debug, PartialEq)]
struct HeatLook {
    /// The width of the figure.
    room: f64,
    /// Width of the row names.
    left: f64,
    /// Width and height of a cell.
    cell: (f64, f64),
    /// Height of the column names.
    header: f64,
    /// Whether column names run upwards: words that are wider than a column.
    is_upright: bool,
    /// Whether cells hold their value, where there is room.
    numbers: bool,
    /// Whether the lower side of a scale with two sides is hatched.
    hatched: bool,
}

/// A matrix of values.
#[derive(Clone, Debug)]
pub(super) struct HeatBlock {
    /// Title above the block; may be empty.
    pub(super) title: String,
    /// Names of the rows.
    pub(super) rows: Vec<String>,
    /// Names of the columns.
    pub(super) columns: Vec<String>,
    /// One list of cells per row; `None` where there is no value.
    pub(super) cells: Vec<Vec<Option<f64>>>,
    /// Row and column of the cells that the line above the chart is about: they have a frame.
    pub(super) outlined: Vec<(usize, usize)>,
}

const TITLE_HEIGHT: f64 = 26.0;
const HEADER: f64 = 20.0;
const BLOCK_GAP: f64 = 16.0;
const BAR_HEIGHT: f64 = 64.0;
const AXIS_HEIGHT: f64 = 22.0;
const LABEL_ROOM: f64 = 190.0;
const COLUMN_ROOM: f64 = 96.0;
/// Cells narrower than this have their numbers in the smallest type.
const NARROW: f64 = 34.0;
/// Height of all rows of a figure together, and of the lowest row: taller pictures are opened by few programs.
const TALLEST: f64 = 2_400.0;
/// Narrowest figure, where the page is not narrower.
const LEAST_WIDTH: f64 = 560.0;
/// Width of a sample of the colour bar, and the width below which every second one has a label.
const SAMPLE: f64 = 44.0;
const CLOSE_SAMPLES: f64 = 34.0;
const LOWEST_ROW: f64 = 7.0;
/// Rows that a figure has room for in all its blocks.
pub(super) const MOST_ROWS: usize = 320;
/// The frame of a cell that the line above the chart is about.
const OUTLINE: Stroke = Stroke::solid(TEXT, 2.0);
/// Cells lower than this have no room for their value, so the lower side of a scale with two sides is hatched.
const HATCH_BELOW: f64 = 15.0;

impl HeatFigure {
    /// Frames a cell: row and column, counted through blocks that stand one under the other because one would be too wide.
    pub(super) fn outline(&mut self, (row, mut column): (usize, usize)) {
        for block in &mut self.blocks {
            if column < block.columns.len() {
                block.outlined.push((row, column));
                return;
            }
            column -= block.columns.len();
        }
    }

    /// Frames both cells of a pair in a matrix of things by the same things.
    pub(super) fn outline_pair(&mut self, (a, b): (usize, usize)) {
        self.outline((a, b));
        self.outline((b, a));
    }

    fn label_width(&self, room: f64) -> f64 {
        let rows = self.blocks.iter().flat_map(|block| &block.rows);
        rows.map(|row| font::width(row, LABEL, false)).fold(30.0, f64::max).min(LABEL_ROOM.min(room * 0.3)) + 10.0
    }

    fn cell(&self, room: f64) -> (f64, f64) {
        let columns = self.blocks.iter().map(|block| block.columns.len()).max().unwrap_or(1).max(1);
        let rows = self.blocks.iter().map(|block| block.rows.len()).max().unwrap_or(1).max(1);
        let width = ((room - self.label_width(room)) / columns as f64).clamp(7.0, 64.0);
        let suited = if rows > 40 { width } else { width.clamp(20.0, 30.0) };
        let all: usize = self.blocks.iter().map(|block| block.rows.len()).sum();
        let room = (TALLEST / all.max(1) as f64).max(LOWEST_ROW);
        (width, self.row_height.unwrap_or(suited).min(room))
    }

    fn block_height(block: &HeatBlock, look: HeatLook) -> f64 {
        let title = if block.title.is_empty() { 0.0 } else { TITLE_HEIGHT };
        title + look.header + block.rows.len() as f64 * look.cell.1 + BLOCK_GAP
    }

    /// Width and height in pixels, laid out for a width.
    pub(super) fn size(&self, room: f64) -> (f64, f64) {
        let columns = self.blocks.iter().map(|block| block.columns.len()).max().unwrap_or(1);
        let look = self.look(room);
        let width = (look.left + columns as f64 * look.cell.0).max(LEAST_WIDTH.min(room));
        let blocks: f64 = self.blocks.iter().map(|block| Self::block_height(block, look)).sum();
        (width, BAR_HEIGHT + AXIS_HEIGHT + blocks)
    }

    /// Draws the figure with its top left corner at a point.
    pub(super) fn draw<B: DrawingBackend>(&self, canvas: &mut Canvas<'_, B>, at: Point, room: f64) -> Result<()> {
        let look = self.look(room);
        self.draw_scale(canvas, at, look)?;
        let left = at.0 + look.left;
        let label = Type::new(LABEL, TEXT);
        canvas.text((left, at.1 + BAR_HEIGHT + AXIS_HEIGHT / 2.0), &self.column_label, label)?;
        let mut top = at.1 + BAR_HEIGHT + AXIS_HEIGHT;
        for block in &self.blocks {
            self.draw_block(canvas, block, (left, top), look)?;
            top += Self::block_height(block, look);
        }
        Ok(())
    }

    /// How the figure is laid out. Differences have a number in every cell or in none: a cell without one beside others would
    /// look empty.
    fn look(&self, room: f64) -> HeatLook {
        let (cell, left) = (self.cell(room), self.label_width(room));
        let cells = self.blocks.iter().flat_map(|block| &block.cells).flatten().flatten();
        let is_difference = matches!(self.scale, Scale::Difference { .. });
        let has_room = |value: &f64| number_size(&cell_label(*value, self.scale), cell).is_some();
        let numbers = !is_difference || cells.into_iter().all(has_room);
        let (widest, is_upright) = (self.widest_column(), self.is_upright(cell.0));
        let header = if is_upright { widest.min(COLUMN_ROOM) + 12.0 } else { HEADER };
        HeatLook { room, left, cell, header, is_upright, numbers, hatched: cell.1 < HATCH_BELOW || !numbers }
    }

    /// Whether all cells have room for their numbers but those whose number has two decimals because it is small.
    fn leaves_small_ones_out(&self, look: HeatLook) -> bool {
        let cells = || self.blocks.iter().flat_map(|block| &block.cells).flatten().flatten();
        let is_empty = |value: &&f64| number_size(&cell_label(**value, self.scale), look.cell).is_none();
        let small = |value: &f64| value.abs() < SMALL_NUMBER;
        look.numbers && cells().any(|value| is_empty(&value)) && cells().filter(is_empty).all(small)
    }

    fn draw_scale<B: DrawingBackend>(&self, canvas: &mut Canvas<'_, B>, at: Point, look: HeatLook) -> Result<()> {
        let left = at.0 + look.left;
        let middle = self.scale.middle().filter(|_| look.hatched);
        let hatched = middle.map(|middle| format!("; below {middle} hatched")).unwrap_or_default();
        let unsaid = if self.leaves_small_ones_out(look) { "; without a number: below 0.1" } else { "" };
        let label = format!("{}{hatched}{unsaid}", self.scale_label);
        canvas.text((left, at.1 + 9.0), &label, Type::new(LABEL, TEXT))?;
        let samples = self.scale.samples();
        let step = ((look.room - look.left) / samples.len() as f64).min(SAMPLE);
        let every = if step < CLOSE_SAMPLES { 2 } else { 1 };
        for (index, (value, tick)) in samples.iter().zip(scale_ticks(&samples)).enumerate() {
            let from = (left + index as f64 * step, at.1 + 20.0);
            self.fill_cell(canvas, from, (step, 16.0), *value, look)?;
            let middle = (from.0 + step / 2.0, at.1 + 46.0);
            if index % every == 0 {
                canvas.text(middle, &tick, Type::new(SMALL, MUTED).align(Align::Middle))?;
            }
        }
        canvas.frame((left, at.1 + 20.0), (left + step * samples.len() as f64, at.1 + 36.0), AXIS_LINE)
    }

    fn fill_cell<B: DrawingBackend>(
        &self,
        canvas: &mut Canvas<'_, B>,
        (x, y): Point,
        (width, height): (f64, f64),
        value: f64,
        look: HeatLook,
    ) -> Result<()> {
        let color = self.scale.color(value);
        canvas.rect((x, y), (x + width, y + height), color)?;
        if self.scale.is_hatched(value) && look.hatched {
            let stroke = Stroke::solid(color.ink().with_alpha(0.55), 0.75);
            let reach = width.min(height) - 1.0;
            canvas.line(&[(x + 1.0, y + height - 1.0), (x + reach, y + height - reach)], stroke)?;
        }
        Ok(())
    }

    fn draw_block<B: DrawingBackend>(
        &self,
        canvas: &mut Canvas<'_, B>,
        block: &HeatBlock,
        at: Point,
        look: HeatLook,
    ) -> Result<()> {
        let (width, height) = look.cell;
        let mut top = at.1;
        if !block.title.is_empty() {
            let title = font::fit(&block.title, self.size(look.room).0 - look.left, HEADING, true);
            canvas.text((at.0, top + 12.0), &title, Type::new(HEADING, TEXT).bold())?;
            top += TITLE_HEIGHT;
        }
        self.draw_column_labels(canvas, block, (at.0, top), look)?;
        top += look.header;
        let every = label_step(height);
        for (index, (row, cells)) in block.rows.iter().zip(&block.cells).enumerate() {
            let y = top + index as f64 * height;
            if index % every == 0 {
                let label = font::fit(row, look.left - 10.0, LABEL, false);
                canvas.text((at.0 - 8.0, y + height / 2.0), &label, Type::new(LABEL, TEXT).align(Align::End))?;
            }
            for (column, value) in cells.iter().enumerate() {
                self.draw_cell(canvas, (at.0 + column as f64 * width, y), *value, look)?;
            }
        }
        let end = (at.0 + width * block.columns.len() as f64, top + height * block.rows.len() as f64);
        canvas.frame((at.0, top), end, AXIS_LINE)?;
        for (row, column) in &block.outlined {
            let from = (at.0 + *column as f64 * width, top + *row as f64 * height);
            canvas.frame(from, (from.0 + width, from.1 + height), OUTLINE)?;
        }
        Ok(())
    }

    /// Width of the widest column name.
    fn widest_column(&self) -> f64 {
        let columns = self.blocks.iter().flat_map(|block| &block.columns);
        columns.map(|column| font::width(column, SMALL, false)).fold(0.0, f64::max)
    }

    fn is_upright(&self, column: f64) -> bool {
        let numeric = |name: &String| name.bytes().all(|byte| byte.is_ascii_digit());
        self.widest_column() > column - 4.0 && !self.blocks.iter().flat_map(|b| &b.columns).all(numeric)
    }

    fn draw_column_labels<B: DrawingBackend>(
        &self,
        canvas: &mut Canvas<'_, B>,
        block: &HeatBlock,
        at: Point,
        look: HeatLook,
    ) -> Result<()> {
        let (width, _) = look.cell;
        let middle = |index: usize| at.0 + (index as f64 + 0.5) * width;
        let style = Type::new(SMALL, MUTED);
        if look.is_upright {
            for (index, column) in block.columns.iter().enumerate().step_by(label_step(width)) {
                let label = font::fit(column, COLUMN_ROOM, SMALL, false);
                canvas.text_up((middle(index), at.1 + look.header - 6.0), &label, style)?;
            }
            return Ok(());
        }
        let every = label_step(width / (self.widest_column() + 4.0) * 14.0);
        for (index, column) in block.columns.iter().enumerate().step_by(every) {
            canvas.text((middle(index), at.1 + 10.0), column, style.align(Align::Middle))?;
        }
        Ok(())
    }

    fn draw_cell<B: DrawingBackend>(
        &self,
        canvas: &mut Canvas<'_, B>,
        at: Point,
        value: Option<f64>,
        look: HeatLook,
    ) -> Result<()> {
        let (width, height) = look.cell;
        let end = (at.0 + width, at.1 + height);
        let Some(value) = value else {
            canvas.rect(at, end, WASH)?;
            return canvas.line(&[(at.0, at.1), end], GRID_LINE);
        };
        self.fill_cell(canvas, at, (width, height), value, look)?;
        let text = cell_label(value, self.scale);
        if let Some(size) = number_size(&text, (width, height)).filter(|_| look.numbers) {
            let ink = self.scale.color(value).ink();
            let middle = (f64::midpoint(at.0, end.0), f64::midpoint(at.1, end.1));
            canvas.text(middle, &text, Type::new(size, ink).align(Align::Middle))?;
        }
        Ok(())
    }
}

/// The size of a number in a cell of a width and a height: a space keeps it apart from the number beside it, and a line
/// has room for its height. None where the cell is too small: the colour says what the number would.
fn number_size(text: &str, (width, height): (f64, f64)) -> Option<f64> {
    let sizes = if width < NARROW { &[TINY][..] } else { &[SMALL, TINY][..] };
    let spaced = format!("{text} ");
    let has_room = |size: &&f64| font::width(&spaced, **size, false) <= width && font::line_height(**size) <= height;
    sizes.iter().find(has_room).copied()
}

/// Labels fit on every n-th line, if a line has this many pixels; returns n.
fn label_step(pixels: f64) -> usize {
    let mut step = 1;
    while pixels * (step as f64) < 14.0 {
        step *= 2;
    }
    step
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::theme::FIGURE_WIDTH;

    #[test]
    fn differences_have_a_number_in_every_cell_or_in_none() {
        let look = |columns: usize, scale: Scale| {
            let cells = vec![(0..columns).map(|_| Some(-12.0)).collect()];
            let block = HeatBlock {
                title: String::new(),
                rows: vec!["a".into()],
                columns: Vec::new(),
                cells,
                outlined: Vec::new(),
            };
            let columns = (0..columns).map(|at| at.to_string()).collect();
            let blocks = vec![HeatBlock { columns, ..block }];
            let words = String::new;
            let figure = HeatFigure { scale, scale_label: words(), column_label: words(), row_height: None, blocks };
            let look = figure.look(FIGURE_WIDTH);
            (look.numbers, look.hatched)
        };
        let difference = Scale::Difference { limit: 20.0 };
        assert_eq!(look(16, difference), (true, false));
        assert_eq!(look(64, difference), (false, true));
        assert_eq!(look(64, Scale::Ratio { limit: 2.0 }), (true, false));
    }

    #[test]
    fn numbers_that_are_left_out_are_said_to_be_small() {
        let leaves_out = |cells: [f64; 3], room: f64| {
            let block = HeatBlock {
                title: String::new(),
                rows: vec!["a".into()],
                columns: vec!["0".into(), "1".into(), "2".into()],
                cells: vec![cells.map(Some).to_vec()],
                outlined: Vec::new(),
            };
            let (scale_label, column_label) = (String::new(), String::new());
            let scale = Scale::Ratio { limit: 8.0 };
            let figure = HeatFigure { scale, scale_label, column_label, row_height: None, blocks: vec![block] };
            figure.leaves_small_ones_out(figure.look(room))
        };
        // Three cells that have room for "0.9", and not for "0.04".
        let space = |text: &str| font::width(&format!("{text} "), TINY, false);
        let room = 40.0 + 3.0 * f64::midpoint(space("0.9"), space("0.04"));
        assert!(leaves_out([0.9, 0.04, 3.1], room));
        assert!(!leaves_out([0.9, 0.4, 3.1], room) && !leaves_out([0.9, 0.04, 3.1], FIGURE_WIDTH));
    }

    #[test]
    fn numbers_of_neighbouring_cells_keep_a_space_apart() {
        let (text, space) = (font::width("0.05", TINY, false), font::width(" ", TINY, false));
        assert_eq!(number_size("0.05", (text + space, 20.0)), Some(TINY));
        // As wide as 48 columns are: the digits would fit and stand two pixels from the next ones.
        assert_eq!(number_size("0.05", (text + 0.9 * space, 20.0)), None);
        assert_eq!(number_size("0.05", (40.0, 20.0)), Some(SMALL));
        assert_eq!(number_size("0.05", (40.0, font::line_height(TINY))), Some(TINY));
        assert_eq!(number_size("0.05", (40.0, 0.9 * font::line_height(TINY))), None);
    }

    #[test]
    fn labels_thin_out_when_cells_are_small() {
        assert_eq!([label_step(20.0), label_step(7.0), label_step(4.0)], [1, 2, 4]);
        let label = |value, max| cell_label(value, Scale::Sequential { max });
        assert_eq!(
            [label(12.3, 20.0), label(1.23, 2.0), label(0.05, 2.0), label(0.34, 0.5)],
            ["12", "1.2", "0.05", "0.34"]
        );
    }
}
