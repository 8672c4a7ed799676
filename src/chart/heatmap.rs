//! Heat maps: coloured cells, with the value written inside if there is room.

use plotters_backend::DrawingBackend;

use super::{
    canvas::{Align, Canvas, Point, Type},
    font,
    theme::{
        ACCENT, AXIS_LINE, Color, FIGURE_WIDTH, GRID_LINE, HEADING, LABEL, MUTED, PAPER, SMALL, Stroke, TEXT, TINY,
        VALUE, WASH,
    },
};
use crate::error::Result;

/// How a value becomes a colour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scale {
    /// White at 0, dark at the maximum.
    Sequential {
        /// The darkest value.
        max: f64,
    },
    /// White at a ratio of 1, orange above and blue below, as in the report; steps are equal on a logarithmic scale. Ratios
    /// below 1 are hatched so that greyscale tells the two sides apart.
    Ratio {
        /// The darkest ratio, above 1; its inverse is the darkest below.
        limit: f64,
    },
    /// White at a difference of 0, the colour of the first of two sides above and that of the second below; differences below 0 are hatched as ratios below 1 are.
    Difference {
        /// The darkest difference on both sides.
        limit: f64,
    },
}

/// White, and so far towards the colour of the lower or of the upper side.
fn towards(amount: f64, [below, above]: [Color; 2]) -> Color {
    PAPER.towards(if amount < 0.0 { below } else { above }, amount.abs())
}

impl Scale {
    fn color(self, value: f64) -> Color {
        match self {
            Self::Sequential { max } => PAPER.towards(VALUE.towards(TEXT, 0.25), value / max.max(1e-12)),
            Self::Ratio { .. } => towards(self.distance(value), [VALUE, ACCENT]),
            Self::Difference { .. } => towards(self.distance(value), [ACCENT, VALUE]),
        }
    }

    /// How far a value is from the middle of a scale with two sides; 1 at the darkest value.
    fn distance(self, value: f64) -> f64 {
        match self {
            Self::Sequential { .. } => 0.0,
            Self::Ratio { limit } => value.max(1e-12).ln() / limit.ln().max(1e-12),
            Self::Difference { limit } => value / limit.max(1e-12),
        }
    }

    fn is_hatched(self, value: f64) -> bool {
        self.distance(value) < -0.2
    }

    /// The middle of a scale with two sides.
    fn middle(self) -> Option<u8> {
        match self {
            Self::Sequential { .. } => None,
            Self::Ratio { .. } => Some(1),
            Self::Difference { .. } => Some(0),
        }
    }

    /// Values along the colour bar.
    fn samples(self) -> Vec<f64> {
        match self {
            Self::Sequential { max } => (0..=8).map(|step| max * f64::from(step) / 8.0).collect(),
            Self::Ratio { limit } => (-4..=4).map(|step| limit.powf(f64::from(step) / 4.0)).collect(),
            Self::Difference { limit } => (-4..=4).map(|step| limit * f64::from(step) / 4.0).collect(),
        }
    }
}

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

/// How the cells of a figure look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CellLook {
    /// Whether they hold their value, where there is room.
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
}

const TITLE_HEIGHT: f64 = 26.0;
const HEADER: f64 = 20.0;
const BLOCK_GAP: f64 = 16.0;
const BAR_HEIGHT: f64 = 64.0;
const AXIS_HEIGHT: f64 = 22.0;
const LABEL_ROOM: f64 = 190.0;
const COLUMN_ROOM: f64 = 96.0;
/// Most decimals under the colour bar.
const MOST_DECIMALS: usize = 5;
/// Cells narrower than this have their numbers in the smallest type.
const NARROW: f64 = 34.0;
/// Height of all rows of a figure together, and of the lowest row: taller pictures are opened by few programs.
const TALLEST: f64 = 2_400.0;
const LOWEST_ROW: f64 = 7.0;
/// Rows that a figure has room for in all its blocks.
pub(super) const MOST_ROWS: usize = 320;
/// Cells lower than this have no room for their value, so the lower side of a scale with two sides is hatched.
const HATCH_BELOW: f64 = 15.0;

impl HeatFigure {
    fn label_width(&self) -> f64 {
        let rows = self.blocks.iter().flat_map(|block| &block.rows);
        rows.map(|row| font::width(row, LABEL, false)).fold(30.0, f64::max).min(LABEL_ROOM) + 10.0
    }

    fn cell(&self) -> (f64, f64) {
        let columns = self.blocks.iter().map(|block| block.columns.len()).max().unwrap_or(1).max(1);
        let rows = self.blocks.iter().map(|block| block.rows.len()).max().unwrap_or(1).max(1);
        let width = ((FIGURE_WIDTH - self.label_width()) / columns as f64).clamp(7.0, 64.0);
        let suited = if rows > 40 { width } else { width.clamp(20.0, 30.0) };
        let all: usize = self.blocks.iter().map(|block| block.rows.len()).sum();
        let room = (TALLEST / all.max(1) as f64).max(LOWEST_ROW);
        (width, self.row_height.unwrap_or(suited).min(room))
    }

    fn block_height(&self, block: &HeatBlock) -> f64 {
        let title = if block.title.is_empty() { 0.0 } else { TITLE_HEIGHT };
        title + self.header() + block.rows.len() as f64 * self.cell().1 + BLOCK_GAP
    }

    /// Width and height in pixels.
    pub(super) fn size(&self) -> (f64, f64) {
        let columns = self.blocks.iter().map(|block| block.columns.len()).max().unwrap_or(1);
        let width = (self.label_width() + columns as f64 * self.cell().0).max(560.0);
        let blocks: f64 = self.blocks.iter().map(|block| self.block_height(block)).sum();
        (width, BAR_HEIGHT + AXIS_HEIGHT + blocks)
    }

    /// Draws the figure with its top left corner at a point.
    pub(super) fn draw<B: DrawingBackend>(&self, canvas: &mut Canvas<'_, B>, at: Point) -> Result<()> {
        let look = self.look();
        self.draw_scale(canvas, at, look)?;
        let left = at.0 + self.label_width();
        let label = Type::new(LABEL, TEXT);
        canvas.text((left, at.1 + BAR_HEIGHT + AXIS_HEIGHT / 2.0), &self.column_label, label)?;
        let mut top = at.1 + BAR_HEIGHT + AXIS_HEIGHT;
        for block in &self.blocks {
            self.draw_block(canvas, block, (left, top), look)?;
            top += self.block_height(block);
        }
        Ok(())
    }

    /// How all cells look. Differences have a number in every cell or in none: a cell without one beside others would look empty.
    fn look(&self) -> CellLook {
        let cells = self.blocks.iter().flat_map(|block| &block.cells).flatten().flatten();
        let is_difference = matches!(self.scale, Scale::Difference { .. });
        let has_room = |value: &f64| number_size(&cell_label(*value, self.scale), self.cell()).is_some();
        let numbers = !is_difference || cells.into_iter().all(has_room);
        CellLook { numbers, hatched: self.cell().1 < HATCH_BELOW || !numbers }
    }

    fn draw_scale<B: DrawingBackend>(&self, canvas: &mut Canvas<'_, B>, at: Point, look: CellLook) -> Result<()> {
        let left = at.0 + self.label_width();
        let middle = self.scale.middle().filter(|_| look.hatched);
        let hatched = middle.map(|middle| format!("; below {middle} hatched")).unwrap_or_default();
        let label = format!("{}{hatched}", self.scale_label);
        canvas.text((left, at.1 + 9.0), &label, Type::new(LABEL, TEXT))?;
        let samples = self.scale.samples();
        let step = 44.0;
        for (index, (value, tick)) in samples.iter().zip(scale_ticks(&samples)).enumerate() {
            let from = (left + index as f64 * step, at.1 + 20.0);
            self.fill_cell(canvas, from, (step, 16.0), *value, look)?;
            let middle = (from.0 + step / 2.0, at.1 + 46.0);
            canvas.text(middle, &tick, Type::new(SMALL, MUTED).align(Align::Middle))?;
        }
        canvas.frame((left, at.1 + 20.0), (left + step * samples.len() as f64, at.1 + 36.0), AXIS_LINE)
    }

    fn fill_cell<B: DrawingBackend>(
        &self,
        canvas: &mut Canvas<'_, B>,
        (x, y): Point,
        (width, height): (f64, f64),
        value: f64,
        look: CellLook,
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
        look: CellLook,
    ) -> Result<()> {
        let (width, height) = self.cell();
        let mut top = at.1;
        if !block.title.is_empty() {
            let title = font::fit(&block.title, self.size().0 - self.label_width(), HEADING, true);
            canvas.text((at.0, top + 12.0), &title, Type::new(HEADING, TEXT).bold())?;
            top += TITLE_HEIGHT;
        }
        self.draw_column_labels(canvas, block, (at.0, top))?;
        top += self.header();
        let every = label_step(height);
        for (index, (row, cells)) in block.rows.iter().zip(&block.cells).enumerate() {
            let y = top + index as f64 * height;
            if index % every == 0 {
                let label = font::fit(row, LABEL_ROOM, LABEL, false);
                canvas.text((at.0 - 8.0, y + height / 2.0), &label, Type::new(LABEL, TEXT).align(Align::End))?;
            }
            for (column, value) in cells.iter().enumerate() {
                self.draw_cell(canvas, (at.0 + column as f64 * width, y), *value, look)?;
            }
        }
        let end = (at.0 + width * block.columns.len() as f64, top + height * block.rows.len() as f64);
        canvas.frame((at.0, top), end, AXIS_LINE)
    }

    /// Width of the widest column name.
    fn widest_column(&self) -> f64 {
        let columns = self.blocks.iter().flat_map(|block| &block.columns);
        columns.map(|column| font::width(column, SMALL, false)).fold(0.0, f64::max)
    }

    /// Whether column names run upwards: words that are wider than a column.
    fn is_upright(&self) -> bool {
        let numeric = |name: &String| name.bytes().all(|byte| byte.is_ascii_digit());
        self.widest_column() > self.cell().0 - 4.0 && !self.blocks.iter().flat_map(|b| &b.columns).all(numeric)
    }

    /// Height of the column names.
    fn header(&self) -> f64 {
        if self.is_upright() { self.widest_column().min(COLUMN_ROOM) + 12.0 } else { HEADER }
    }

    fn draw_column_labels<B: DrawingBackend>(
        &self,
        canvas: &mut Canvas<'_, B>,
        block: &HeatBlock,
        at: Point,
    ) -> Result<()> {
        let (width, _) = self.cell();
        let middle = |index: usize| at.0 + (index as f64 + 0.5) * width;
        let style = Type::new(SMALL, MUTED);
        if self.is_upright() {
            for (index, column) in block.columns.iter().enumerate().step_by(label_step(width)) {
                let label = font::fit(column, COLUMN_ROOM, SMALL, false);
                canvas.text_up((middle(index), at.1 + self.header() - 6.0), &label, style)?;
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
        look: CellLook,
    ) -> Result<()> {
        let (width, height) = self.cell();
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

/// The values under the colour bar, with as many decimals, two or more, as tell them apart.
fn scale_ticks(values: &[f64]) -> Vec<String> {
    let with = |decimals: usize| values.iter().map(|value| scale_tick(*value, decimals)).collect::<Vec<String>>();
    let differ = |ticks: &Vec<String>| ticks.windows(2).all(|pair| pair[0] != pair[1]);
    (2..MOST_DECIMALS).map(with).find(differ).unwrap_or_else(|| with(MOST_DECIMALS))
}

fn scale_tick(value: f64, decimals: usize) -> String {
    let text = if value.abs() >= 9.95 {
        format!("{value:.0}")
    } else {
        format!("{value:.decimals$}").trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    text.replace('-', "\u{2212}")
}

/// A value with two digits, which fit into a cell; if all values are below 1, all have two decimals.
fn cell_label(value: f64, scale: Scale) -> String {
    if let Scale::Difference { .. } = scale {
        // The sum turns a negative zero into zero.
        return format!("{:.0}", value.round() + 0.0).replace('-', "\u{2212}");
    }
    if matches!(scale, Scale::Sequential { max } if max <= 1.0) {
        format!("{value:.2}")
    } else if value.abs() >= 9.95 {
        format!("{value:.0}")
    } else if value.abs() >= 0.095 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
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

    #[test]
    fn the_values_of_a_narrow_scale_differ() {
        assert_eq!(scale_ticks(&Scale::Sequential { max: 2.0 }.samples())[..3], ["0", "0.25", "0.5"]);
        assert_eq!(scale_ticks(&Scale::Sequential { max: 0.05 }.samples())[..4], ["0", "0.006", "0.013", "0.019"]);
    }

    #[test]
    fn a_ratio_of_one_is_white_and_the_sides_mirror() {
        let scale = Scale::Ratio { limit: 4.0 };
        assert_eq!(scale.color(1.0), PAPER);
        assert_eq!(scale.color(0.25), VALUE);
        assert_eq!(scale.color(4.0), ACCENT);
        assert_eq!(scale.color(0.0), VALUE);
        assert!(scale.is_hatched(0.5) && !scale.is_hatched(2.0));
    }

    #[test]
    fn a_difference_of_zero_is_white_and_the_sides_mirror() {
        let scale = Scale::Difference { limit: 8.0 };
        assert_eq!([0.0, -8.0, 8.0, -20.0].map(|value| scale.color(value)), [PAPER, ACCENT, VALUE, ACCENT]);
        assert!(scale.is_hatched(-2.0) && !scale.is_hatched(-1.0) && !scale.is_hatched(8.0));
        assert_eq!([-8.0, -0.4, 3.0].map(|value| cell_label(value, scale)), ["\u{2212}8", "0", "3"]);
    }

    #[test]
    fn differences_have_a_number_in_every_cell_or_in_none() {
        let look = |columns: usize, scale: Scale| {
            let cells = vec![(0..columns).map(|_| Some(-12.0)).collect()];
            let block = HeatBlock { title: String::new(), rows: vec!["a".into()], columns: Vec::new(), cells };
            let columns = (0..columns).map(|at| at.to_string()).collect();
            let blocks = vec![HeatBlock { columns, ..block }];
            let words = String::new;
            let figure = HeatFigure { scale, scale_label: words(), column_label: words(), row_height: None, blocks };
            figure.look()
        };
        let difference = Scale::Difference { limit: 20.0 };
        assert_eq!(look(16, difference), CellLook { numbers: true, hatched: false });
        assert_eq!(look(64, difference), CellLook { numbers: false, hatched: true });
        assert_eq!(look(64, Scale::Ratio { limit: 2.0 }), CellLook { numbers: true, hatched: false });
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
