//! `contrast.csv` and `contrast.parquet`: every expert of every layer, the largest difference first.

use polars::prelude::*;

use super::study::{Contrast, ContrastRow};
use crate::{
    error::Result,
    stats::table::{csv, parquet, table_error},
};

const NAME: &str = "contrast";

impl Contrast {
    /// The rows as CSV text.
    ///
    /// # Errors
    /// [`crate::error::Error::Internal`] if polars cannot write it.
    pub fn to_csv(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        csv(NAME, &mut self.frame()?, true, &mut bytes)?;
        Ok(bytes)
    }

    /// The rows as a Parquet file.
    ///
    /// # Errors
    /// As [`Self::to_csv`].
    pub fn to_parquet(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        parquet(NAME, &mut self.frame()?, &mut bytes)?;
        Ok(bytes)
    }

    fn frame(&self) -> Result<DataFrame> {
        let rows = self.ranked();
        let number = |name: &str, of: fn(&ContrastRow) -> f64| {
            Column::new(name.into(), rows.iter().map(|row| of(row)).collect::<Vec<f64>>())
        };
        let optional = |name: &str, of: fn(&ContrastRow) -> Option<f64>| {
            Column::new(name.into(), rows.iter().map(|row| of(row)).collect::<Vec<Option<f64>>>())
        };
        let columns = vec![
            Column::new("rank".into(), (1..=rows.len() as u32).collect::<Vec<u32>>()),
            Column::new("layer".into(), rows.iter().map(|row| row.layer).collect::<Vec<u16>>()),
            Column::new("expert".into(), rows.iter().map(|row| row.expert).collect::<Vec<u16>>()),
            number("rate_a", |row| row.rate_a),
            number("rate_b", |row| row.rate_b),
            number("difference", |row| row.difference),
            optional("low", |row| row.low),
            optional("high", |row| row.high),
            optional("z", |row| row.z),
            optional("p", |row| row.p),
            optional("q", |row| row.q),
        ];
        DataFrame::new(rows.len(), columns).map_err(|error| table_error(NAME, &error))
    }
}
