//! Tables of text: columns as wide as their cells.

/// A table with a head.
pub(super) struct TextTable<'a> {
    /// The heads of the columns.
    pub(super) heads: &'a [&'a str],
    /// Columns of text, which are aligned to the left; numbers are aligned to the right.
    pub(super) text: &'a [usize],
    /// The cells, row by row.
    pub(super) rows: Vec<Vec<String>>,
}

impl TextTable<'_> {
    /// The lines, the heads first; none without rows.
    pub(super) fn lines(&self) -> Vec<String> {
        if self.rows.is_empty() {
            return Vec::new();
        }
        let heads: Vec<String> = self.heads.iter().map(ToString::to_string).collect();
        let all = || std::iter::once(&heads).chain(&self.rows);
        let width = |column: usize| all().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..heads.len()).map(width).collect();
        let cell = |(column, text): (usize, &String)| {
            let width = widths[column];
            if self.text.contains(&column) { format!("{text:<width$}") } else { format!("{text:>width$}") }
        };
        let line = |row: &Vec<String>| row.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ");
        all().map(|row| line(row).trim_end().to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_cells() {
        let rows = [["1", "69 %", "a b"], ["12", "5 %", ":"]].map(|row| row.map(str::to_owned).to_vec()).to_vec();
        let table = TextTable { heads: &["layer", "takes", "text"], text: &[2], rows };
        assert_eq!(table.lines(), ["layer  takes  text", "    1   69 %  a b", "   12    5 %  :"]);
        assert!(TextTable { rows: Vec::new(), ..table }.lines().is_empty());
    }
}
