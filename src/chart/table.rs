//! Tables as figures: a row per expert, groups of columns side by side.

use plotters_backend::DrawingBackend;

use super::{
    canvas::{Align, Canvas, Point, Type},
    font,
    theme::{AXIS_LINE, GRID_LINE, HEADING, LABEL, MUTED, SMALL, TEXT, WASH},
};
use crate::error::Result;

/// Rows of words under groups of columns.
#[derive(Clone, Debug)]
pub(super) struct TableFigure {
    /// What the row names are.
    pub(super) row_label: String,
    /// Title and number of columns of each group.
    pub(super) groups: Vec<(String, usize)>,
    /// What the columns are, over all groups; empty: numbered within each group.
    pub(super) headers: Vec<String>,
    /// The rows.
    pub(super) rows: Vec<TableRow>,
}

/// One row.
#[derive(Clone, Debug)]
pub(super) struct TableRow {
    /// Its name.
    pub(super) name: String,
    /// One cell per column, over all groups; text after a line end is printed smaller below the rest.
    pub(super) cells: Vec<String>,
}

const ROW: f64 = 25.0;
const HEADER: f64 = 52.0;
/// Height of a row with two lines.
const TALL_ROW: f64 = 38.0;
const NAME_WIDTH: f64 = 62.0;
const WIDEST_NAME: f64 = 230.0;
const GROUP_GAP: f64 = 18.0;
/// How much wider than a figure a table may be.
const STRETCH: f64 = 1.25;

impl TableFigure {
    /// Width of the row names.
    fn name_width(&self) -> f64 {
        let names = self.rows.iter().map(|row| font::width(&row.name, LABEL, true) + 14.0);
        names.fold(NAME_WIDTH, f64::max).min(WIDEST_NAME)
    }

    fn row_height(&self) -> f64 {
        let tall = self.rows.iter().flat_map(|row| &row.cells).any(|cell| cell.contains('\n'));
        if tall { TALL_ROW } else { ROW }
    }

    fn column(&self, room: f64) -> f64 {
        let columns: usize = self.groups.iter().map(|group| group.1).sum();
        let gaps = GROUP_GAP * self.groups.len() as f64;
        ((room * STRETCH - self.name_width() - gaps) / columns.max(1) as f64).clamp(52.0, 132.0)
    }

    /// Width and height in pixels, laid out for a width.
    pub(super) fn size(&self, room: f64) -> (f64, f64) {
        let columns: usize = self.groups.iter().map(|group| group.1).sum();
        let width = self.name_width() + self.groups.len() as f64 * GROUP_GAP + columns as f64 * self.column(room);
        (width, HEADER + self.row_height() * self.rows.len() as f64 + 4.0)
    }

    /// Left edge of every column, from the left edge of the table.
    fn lefts(&self, room: f64) -> Vec<f64> {
        let mut x = self.name_width();
        let mut lefts = Vec::new();
        for (_, columns) in &self.groups {
            x += GROUP_GAP;
            lefts.extend((0..*columns).map(|column| x + column as f64 * self.column(room)));
            x += *columns as f64 * self.column(room);
        }
        lefts
    }

    /// Draws the figure with its top left corner at a point.
    pub(super) fn draw<B: DrawingBackend>(&self, canvas: &mut Canvas<'_, B>, at: Point, room: f64) -> Result<()> {
        let ((width, height), row_height) = (self.size(room), self.row_height());
        let lefts = self.lefts(room);
        self.draw_header(canvas, at, &lefts, room)?;
        for (index, row) in self.rows.iter().enumerate() {
            let top = at.1 + HEADER + index as f64 * row_height;
            let middle = top + row_height / 2.0;
            if index % 2 == 0 {
                canvas.rect((at.0, top), (at.0 + width, top + row_height), WASH)?;
            }
            let name = Type::new(LABEL, TEXT).bold().align(Align::End);
            let shown = font::fit(&row.name, self.name_width() - 8.0, LABEL, true);
            canvas.text((at.0 + self.name_width() - 6.0, middle), &shown, name)?;
            for (cell, left) in row.cells.iter().zip(&lefts) {
                self.draw_cell(canvas, cell, (at.0 + left, middle), room)?;
            }
        }
        let bottom = at.1 + height - 4.0;
        canvas.line(&[(at.0, bottom), (at.0 + width, bottom)], AXIS_LINE)
    }

    fn draw_cell<B: DrawingBackend>(&self, canvas: &mut Canvas<'_, B>, cell: &str, at: Point, room: f64) -> Result<()> {
        let room = self.column(room) - 8.0;
        let Some((first, second)) = cell.split_once('\n') else {
            return canvas.text(at, &font::fit(cell, room, LABEL, false), Type::new(LABEL, TEXT));
        };
        canvas.text((at.0, at.1 - 8.0), &font::fit(first, room, LABEL, false), Type::new(LABEL, TEXT))?;
        canvas.text((at.0, at.1 + 8.0), &font::fit(second, room, SMALL, false), Type::new(SMALL, MUTED))
    }

    fn draw_header<B: DrawingBackend>(
        &self,
        canvas: &mut Canvas<'_, B>,
        at: Point,
        lefts: &[f64],
        room: f64,
    ) -> Result<()> {
        let below = at.1 + HEADER - 12.0;
        let mut first = 0;
        for (title, columns) in &self.groups {
            let left = at.0 + lefts.get(first).copied().unwrap_or_else(|| self.name_width());
            let right = left + *columns as f64 * self.column(room);
            canvas.text(
                (left, at.1 + 10.0),
                &font::fit(title, right - left, HEADING, true),
                Type::new(HEADING, TEXT).bold(),
            )?;
            canvas.line(&[(left, at.1 + 24.0), (right - 8.0, at.1 + 24.0)], GRID_LINE)?;
            for column in 0..*columns {
                let x = left + column as f64 * self.column(room);
                let name = self.headers.get(first + column).cloned().unwrap_or_else(|| (column + 1).to_string());
                let name = font::fit(&name, self.column(room) - 8.0, SMALL, false);
                canvas.text((x, below), &name, Type::new(SMALL, MUTED))?;
            }
            first += columns;
        }
        canvas.text(
            (at.0 + self.name_width() - 6.0, below),
            &self.row_label,
            Type::new(SMALL, MUTED).align(Align::End),
        )?;
        let (width, _) = self.size(room);
        canvas.line(&[(at.0, at.1 + HEADER), (at.0 + width, at.1 + HEADER)], AXIS_LINE)
    }
}
