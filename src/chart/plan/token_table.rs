//! The top tokens of experts as a table.

use super::{says, selection::token_label};
use crate::{
    chart::{
        page::Body,
        table::{TableFigure, TableRow},
    },
    stats::{Finding, Ranking},
};

/// Tokens per expert and ranking.
pub(super) const TOKENS: u32 = 10;

/// A row of an expert: so many tokens by either ranking. `rows` are those of its layer.
/// `named`: the tokens that the line above the table names.
pub(super) fn row(
    name: String,
    rows: &[&Finding],
    (expert, tokens): (usize, u32),
    named: Option<&[&Finding]>,
) -> TableRow {
    let own: Vec<&Finding> = rows.iter().copied().filter(|row| row.expert.map(usize::from) == Some(expert)).collect();
    let is_own = |named: &Finding| own.iter().any(|row| std::ptr::eq(*row, named));
    TableRow {
        name,
        cells: [Ranking::Count, Ranking::LogOdds]
            .into_iter()
            .flat_map(|ranking| ranked(&own, ranking, tokens))
            .collect(),
        marked: named.and_then(<[_]>::first).is_some_and(|first| is_own(first)),
    }
}

/// The table of several experts with so many tokens by either ranking.
pub(super) fn body(rows: Vec<TableRow>, tokens: u32) -> Body {
    Body::Table(TableFigure {
        row_label: "expert".to_owned(),
        groups: vec![
            ("most frequent (times its load)".to_owned(), tokens as usize),
            ("most characteristic (smoothed log-odds)".to_owned(), tokens as usize),
        ],
        headers: Vec::new(),
        rows,
    })
}

/// The tokens of one expert by one ranking, as many cells as the table has.
fn ranked(rows: &[&Finding], ranking: Ranking, tokens: u32) -> Vec<String> {
    (1..=tokens)
        .map(|rank| {
            let own = rows.iter().find(|row| row.rank == Some(rank) && row.ranking == Some(ranking));
            let times = |row| says::times_expected(row).filter(|_| ranking == Ranking::Count);
            own.map(|row| match times(row) {
                Some(times) => format!("{}\n{times} \u{d7}", token_label(row)),
                None => token_label(row),
            })
            .unwrap_or_default()
        })
        .collect()
}
