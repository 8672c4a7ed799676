//! Tables as figures: a row per expert, groups of columns side by side.

use plotters_backend::DrawingBackend;

use super::{
    canvas::{Align, Canvas, Point, Type},
    font,
    theme::{ACCENT, AXIS_LINE, GRID_LINE, HEADING, LABEL, MUTED, PAPER, SMALL, TEXT, WASH},
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
    /// Whether the line above the chart is about it: it has the background that stands out.
    pub(super) marked: bool,
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
/// The same where columns are left out for the sake of readable text: it becomes smaller by as much.
const READABLE_STRETCH: f64 = 1.1;
/// Narrowest column.
const NARROWEST: f64 = 52.0;
/// How strongly a marked row is coloured.
const MARKED: f64 = 0.28;

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

    /// How much of a width is left for columns.
    fn columns_room(&self, width: f64) -> f64 {
        width - self.name_width() - GROUP_GAP * self.groups.len() as f64
    }

    /// How many columns of each group are drawn: all, but of numbered ones, where the last matter least, as many as are readable.
    fn drawn_columns(&self, room: f64) -> Vec<usize> {
        let fit = (self.columns_room(room * READABLE_STRETCH) / (NARROWEST * self.groups.len().max(1) as f64)) as usize;
        let drawn =
            |(_, columns): &(String, usize)| if self.headers.is_empty() { fit.clamp(1, *columns) } else { *columns };
        self.groups.iter().map(drawn).collect()
    }

    fn column(&self, room: f64) -> f64 {
        let drawn: usize = self.drawn_columns(room).iter().sum();
        let all: usize = self.groups.iter().map(|group| group.1).sum();
        let stretch = if drawn < all { READABLE_STRETCH } else { STRETCH };
        (self.columns_room(room * stretch) / drawn.max(1) as f64).clamp(NARROWEST, 132.0)
    }

    /// The cells of a row that are drawn.
    fn cells<'a>(&self, row: &'a TableRow, room: f64) -> Vec<&'a String> {
        let mut from = 0;
        let mut cells = Vec::new();
        for ((_, columns), drawn) in self.groups.iter().zip(self.drawn_columns(room)) {
            cells.extend(row.cells.iter().skip(from).take(drawn));
            from += columns;
        }
        cells
    }

    /// Width and height in pixels, laid out for a width.
    pub(super) fn size(&self, room: f64) -> (f64, f64) {
        let columns: usize = self.drawn_columns(room).iter().sum();
        let width = self.name_width() + self.groups.len() as f64 * GROUP_GAP + columns as f64 * self.column(room);
        (width, HEADER + self.row_height() * self.rows.len() as f64 + 4.0)
    }

    /// Left edge of every column, from the left edge of the table.
    fn lefts(&self, room: f64) -> Vec<f64> {
        let mut x = self.name_width();
        let mut lefts = Vec::new();
        for columns in self.drawn_columns(room) {
            x += GROUP_GAP;
            lefts.extend((0..columns).map(|column| x + column as f64 * self.column(room)));
            x += columns as f64 * self.column(room);
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
            let back = if row.marked { Some(PAPER.towards(ACCENT, MARKED)) } else { (index % 2 == 0).then_some(WASH) };
            if let Some(color) = back {
                canvas.rect((at.0, top), (at.0 + width, top + row_height), color)?;
            }
            let name = Type::new(LABEL, TEXT).bold().align(Align::End);
            let shown = font::fit(&row.name, self.name_width() - 8.0, LABEL, true);
            canvas.text((at.0 + self.name_width() - 6.0, middle), &shown, name)?;
            for (cell, left) in self.cells(row, room).into_iter().zip(&lefts) {
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
        for ((title, _), columns) in self.groups.iter().zip(self.drawn_columns(room)) {
            let left = at.0 + lefts.get(first).copied().unwrap_or_else(|| self.name_width());
            let right = left + columns as f64 * self.column(room);
            canvas.text(
                (left, at.1 + 10.0),
                &font::fit(title, right - left, HEADING, true),
                Type::new(HEADING, TEXT).bold(),
            )?;
            canvas.line(&[(left, at.1 + 24.0), (right - 8.0, at.1 + 24.0)], GRID_LINE)?;
            for column in 0..columns {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_table_has_the_first_of_its_numbered_columns() {
        let cells = (1..=20).map(|cell| cell.to_string()).collect();
        let row = TableRow { name: "7".to_owned(), cells, marked: false };
        let groups = vec![("frequent".to_owned(), 10), ("characteristic".to_owned(), 10)];
        let table = TableFigure { row_label: "expert".to_owned(), groups, headers: Vec::new(), rows: vec![row] };
        assert_eq!(table.drawn_columns(1160.0), [10, 10]);
        assert_eq!(table.drawn_columns(442.0), [3, 3]);
        assert_eq!(table.cells(&table.rows[0], 442.0), ["1", "2", "3", "11", "12", "13"]);
        assert!(table.size(442.0).0 <= 442.0 * READABLE_STRETCH + 1e-6);
        let named = TableFigure { headers: vec!["n".to_owned(); 20], ..table };
        assert_eq!(named.drawn_columns(442.0), [10, 10]);
    }
}
