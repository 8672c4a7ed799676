//! Tables of text: columns as wide as their cells.

use unicode_width::UnicodeWidthStr;

/// A part of an answer for a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerPart {
    /// A sentence or an empty line; it may be broken at any blank.
    Line(String),
    /// Rows that stay whole.
    Table(TextTable),
}

/// Lines of an answer, one after the other.
pub(super) fn line(text: impl Into<String>) -> AnswerPart {
    AnswerPart::Line(text.into())
}

/// A table with a head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextTable {
    /// The heads of the columns; `\n` is a line break in a head.
    pub(super) heads: Vec<&'static str>,
    /// Columns of text, which are aligned to the left; numbers are aligned to the right.
    pub(super) text: &'static [usize],
    /// Columns that are left out where the table is too wide, the first of them first; the others always stay.
    pub(super) spared: &'static [usize],
    /// The cells, row by row.
    pub(super) rows: Vec<Vec<String>>,
}

impl TextTable {
    /// The lines, the heads first, and whether a column was left out because they would not fit into `columns`; none without rows.
    pub fn lines(&self, columns: Option<usize>) -> (Vec<String>, bool) {
        if self.rows.is_empty() {
            return (Vec::new(), false);
        }
        // A column in which nothing is known says nothing.
        let is_known = |column: &usize| self.rows.iter().any(|row| row[*column] != "-");
        let known: Vec<usize> = (0..self.heads.len()).filter(is_known).collect();
        let mut shown = known.clone();
        let mut spared = self.spared.iter();
        loop {
            let width: usize = shown.iter().map(|column| self.width(*column) + GAP).sum::<usize>().saturating_sub(GAP);
            if columns.is_none_or(|columns| width <= columns) {
                break;
            }
            let Some(column) = spared.next() else { break };
            shown.retain(|own| own != column);
        }
        (self.lines_of(&shown), shown.len() < known.len())
    }

    fn lines_of(&self, shown: &[usize]) -> Vec<String> {
        let height = shown.iter().map(|column| self.heads[*column].split('\n').count()).max().unwrap_or(1);
        // Heads of fewer lines stand directly above the cells.
        let head = |line: usize| {
            let text = |column: &usize| {
                let lines: Vec<&str> = self.heads[*column].split('\n').collect();
                let at = (line + lines.len()).checked_sub(height);
                (*column, at.map_or("", |at| lines[at]))
            };
            self.line(shown.iter().map(text))
        };
        let row = |cells: &Vec<String>| self.line(shown.iter().map(|column| (*column, cells[*column].as_str())));
        (0..height).map(head).chain(self.rows.iter().map(row)).collect()
    }

    fn line<'a>(&self, cells: impl Iterator<Item = (usize, &'a str)>) -> String {
        let cell = |(column, text): (usize, &str)| {
            let blanks = " ".repeat(self.width(column).saturating_sub(text.width()));
            if self.text.contains(&column) { format!("{text}{blanks}") } else { format!("{blanks}{text}") }
        };
        cells.map(cell).collect::<Vec<_>>().join(&" ".repeat(GAP)).trim_end().to_owned()
    }

    fn width(&self, column: usize) -> usize {
        let heads = self.heads[column].split('\n');
        heads.chain(self.rows.iter().map(|row| row[column].as_str())).map(UnicodeWidthStr::width).max().unwrap_or(0)
    }
}

/// Blanks between columns.
const GAP: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_cells() {
        let rows =
            [["1", "69 %", "\u{4e2d} b"], ["12", "5 %", ":"]].map(|row| row.map(str::to_owned).to_vec()).to_vec();
        let table = TextTable { heads: vec!["layer", "it\ntakes", "text"], text: &[2], spared: &[0, 2], rows };
        let (lines, left_out) = table.lines(None);
        assert_eq!(lines, ["          it", "layer  takes  text", "    1   69 %  \u{4e2d} b", "   12    5 %  :"]);
        assert!(!left_out);
        assert_eq!(table.lines(Some(18)), (lines, false));
        assert_eq!(table.lines(Some(17)).0[1..3], ["takes  text", " 69 %  \u{4e2d} b"]);
        let narrow = ["   it", "takes", " 69 %", "  5 %"].map(str::to_owned).to_vec();
        assert_eq!(table.lines(Some(3)), (narrow, true), "the number stays");
        let unknown = [["1", "-", "a"], ["2", "-", "b"]].map(|row| row.map(str::to_owned).to_vec()).to_vec();
        let unknown = TextTable { rows: unknown, ..table.clone() };
        assert_eq!(unknown.lines(None), (["layer  text", "    1  a", "    2  b"].map(str::to_owned).to_vec(), false));
        assert!(TextTable { rows: Vec::new(), ..table }.lines(None).0.is_empty());
    }
}
