//! `stats/mitigation.csv` and `stats/mitigation.parquet`.

use std::io::Cursor;

use polars::prelude::*;

use super::{
    parts::PartKind,
    row::{Changed, Exposure, Measure, MitigationRow, ShareOf},
};
use crate::{
    error::{Error, Result, guarded},
    stats::table::{csv, parquet, table_error},
};

/// The name of the table.
pub const MITIGATION: &str = "mitigation";

/// The rows as CSV text.
///
/// # Errors
/// [`Error::Internal`] if polars cannot write it.
pub fn mitigation_to_csv(rows: &[MitigationRow]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    csv(MITIGATION, &mut frame(rows)?, true, &mut bytes)?;
    Ok(bytes)
}

/// The rows as a Parquet file.
///
/// # Errors
/// As [`mitigation_to_csv`].
pub fn mitigation_to_parquet(rows: &[MitigationRow]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    parquet(MITIGATION, &mut frame(rows)?, &mut bytes)?;
    Ok(bytes)
}

fn frame(rows: &[MitigationRow]) -> Result<DataFrame> {
    macro_rules! column {
        ($name:literal, $of:expr) => {
            Column::new($name.into(), rows.iter().map($of).collect::<Vec<_>>())
        };
    }
    let columns = vec![
        column!("strategy", |row| row.strategy.as_str()),
        column!("only_layer", |row| row.only_layer),
        column!("measure", |row| row.measure.name()),
        column!("layer", |row| row.layer),
        column!("part", |row| row.part.name()),
        column!("value", |row| row.value.as_deref()),
        column!("exposure", |row| row.exposure.map(Exposure::name)),
        column!("estimate", |row| row.change.estimate),
        column!("low", |row| row.change.low),
        column!("high", |row| row.change.high),
        column!("unchanged", |row| row.change.unchanged),
        column!("changed", |row| row.change.changed),
        column!("share_of_random", |row| row.of_random.map(|share| share.estimate)),
        column!("share_of_random_low", |row| row.of_random.and_then(|share| share.low)),
        column!("share_of_random_high", |row| row.of_random.and_then(|share| share.high)),
        column!("share_of_hash", |row| row.of_hash.map(|share| share.estimate)),
        column!("share_of_hash_low", |row| row.of_hash.and_then(|share| share.low)),
        column!("share_of_hash_high", |row| row.of_hash.and_then(|share| share.high)),
        column!("coverage", |row| row.coverage),
        column!("n", |row| row.n),
        column!("documents", |row| row.documents),
        column!("unit", |row| row.unit),
    ];
    DataFrame::new(rows.len(), columns).map_err(|error| table_error(MITIGATION, &error))
}

/// Reads the rows of a Parquet file back; `file` names it in messages.
///
/// # Errors
/// [`Error::RunFolder`] if it is not such a table.
pub fn mitigation_from_parquet(bytes: Vec<u8>, file: &str) -> Result<Vec<MitigationRow>> {
    let fault = |error: &dyn std::fmt::Display| {
        Error::run_folder(format!("`{file}` cannot be read: {error}"), "make the statistics again with `stats`")
    };
    let read = || {
        let frame = ParquetReader::new(Cursor::new(bytes)).finish().map_err(|error| fault(&error))?;
        rows_of(&frame).map_err(|error| fault(&error))
    };
    guarded(|panic| fault(&panic), read)
}

fn rows_of(frame: &DataFrame) -> PolarsResult<Vec<MitigationRow>> {
    macro_rules! columns {
        ($($name:ident: $kind:ident),* $(,)?) => { $(let $name = frame.column(stringify!($name))?.$kind()?;)* };
    }
    columns! {
        strategy: str, only_layer: u16, measure: str, layer: u16, part: str, value: str, exposure: str, estimate: f64, low: f64,
        high: f64, unchanged: f64, changed: f64, share_of_random: f64, share_of_random_low: f64, share_of_random_high: f64,
        share_of_hash: f64, share_of_hash_low: f64, share_of_hash_high: f64, coverage: f64, n: u64, documents: u64,
    }
    let unknown = |what: &str, name: Option<&str>| polars_err!(ComputeError: "{} `{}` is unknown to this version", what, name.unwrap_or("null"));
    let share = |estimate: Option<f64>, low, high| estimate.map(|estimate| ShareOf { estimate, low, high });
    (0..frame.height())
        .map(|at| {
            let named = |name: Option<&str>, what: &str| unknown(what, name);
            let measure_name = measure.get(at);
            let known = Measure::ALL.into_iter().find(|known| Some(known.name()) == measure_name);
            let measure = known.ok_or_else(|| named(measure_name, "measure"))?;
            let part_name = part.get(at);
            let known = PartKind::ALL.into_iter().find(|known| Some(known.name()) == part_name);
            let part = known.ok_or_else(|| named(part_name, "part"))?;
            let exposure = exposure.get(at).map(|name| {
                let known = Exposure::ALL.into_iter().find(|known| known.name() == name);
                known.ok_or_else(|| named(Some(name), "exposure"))
            });
            Ok(MitigationRow {
                strategy: strategy.get(at).unwrap_or_default().to_owned(),
                only_layer: only_layer.get(at),
                measure,
                layer: layer.get(at),
                part,
                value: value.get(at).map(str::to_owned),
                exposure: exposure.transpose()?,
                change: Changed {
                    estimate: estimate.get(at).unwrap_or(f64::NAN),
                    low: low.get(at),
                    high: high.get(at),
                    unchanged: unchanged.get(at),
                    changed: changed.get(at),
                },
                of_random: share(share_of_random.get(at), share_of_random_low.get(at), share_of_random_high.get(at)),
                of_hash: share(share_of_hash.get(at), share_of_hash_low.get(at), share_of_hash_high.get(at)),
                coverage: coverage.get(at),
                n: n.get(at).unwrap_or(0),
                documents: documents.get(at).unwrap_or(0),
                unit: measure.unit(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let plain = MitigationRow::new(("early", Some(3)), Measure::Loss, Changed::default());
        let row = MitigationRow {
            layer: Some(5),
            part: PartKind::Turn,
            value: Some("2".to_owned()),
            exposure: Some(Exposure::AfterDrop),
            change: Changed { low: Some(-0.5), unchanged: Some(2.0), ..Changed::default() },
            of_random: Some(ShareOf { estimate: 0.5, low: None, high: Some(0.75) }),
            coverage: Some(0.875),
            n: 7,
            documents: 2,
            ..MitigationRow::new(("lookup", None), Measure::DropCost, Changed::default())
        };
        let rows = vec![plain, row];
        assert_eq!(mitigation_from_parquet(mitigation_to_parquet(&rows).unwrap(), "m").unwrap(), rows);
        let csv = String::from_utf8(mitigation_to_csv(&rows).unwrap()).unwrap();
        assert_eq!(csv.lines().count(), 3);
        let refused = mitigation_from_parquet(b"nothing".to_vec(), "m.parquet").unwrap_err().to_string();
        assert!(refused.contains("`m.parquet` cannot be read"), "{refused}");
    }
}
