//! The tables in `stats/` of a run.

use std::{collections::BTreeMap, io::Cursor};

use crate::{
    error::{Error, Result},
    run::{RunDir, Staged},
    stats::{StatisticTable, TableFile, Tables, keep_shown_categories},
};

/// Rows by table.
pub(crate) type RowsInFiles = BTreeMap<String, usize>;

/// Every table as CSV and Parquet; the `files` replace what the tables hold. Returns the rows of each.
pub(crate) fn stage_tables(staged: &mut Staged<'_>, tables: &Tables, files: Vec<TableFile>) -> Result<RowsInFiles> {
    let mut rows = rows_of(tables);
    rows.extend(files.iter().map(|file| (file.name().to_owned(), file.rows())));
    let mut write = |name: &str, csv: &[u8], parquet: &[u8]| {
        staged.add(&format!("stats/{name}.csv"), csv)?;
        staged.add(&format!("stats/{name}.parquet"), parquet)
    };
    for table in tables.values().filter(|table| files.iter().all(|file| file.name() != table.name)) {
        let (csv, parquet) = table.to_bytes()?;
        write(&table.name, &csv, &parquet)?;
    }
    for file in files {
        let name = file.name().to_owned();
        let (csv, parquet) = file.into_bytes()?;
        write(&name, &csv, &parquet)?;
    }
    Ok(rows)
}

/// The tables of a finished run, as they are shown: without single categories, if these are many.
pub(crate) fn read_tables(run: &RunDir) -> Result<Tables> {
    Ok(read_tables_counted(run)?.0)
}

/// The same, with the rows that each file has.
pub(crate) fn read_tables_counted(run: &RunDir) -> Result<(Tables, RowsInFiles)> {
    let mut tables = Tables::new();
    for name in run.names("stats")? {
        if let Some(name) = name.strip_prefix("stats/").and_then(|name| name.strip_suffix(".parquet")) {
            tables.insert(name.to_owned(), read_table(run, name)?);
        }
    }
    let rows = rows_of(&tables);
    keep_shown_categories(&mut tables);
    Ok((tables, rows))
}

fn rows_of(tables: &Tables) -> RowsInFiles {
    tables.iter().map(|(name, table)| (name.clone(), table.rows.len())).collect()
}

/// A table of `stats/`, by its Parquet file.
pub(crate) fn read_table(run: &RunDir, name: &str) -> Result<StatisticTable> {
    let file = format!("stats/{name}.parquet");
    if !run.file(&file).is_file() {
        return Err(Error::run_folder(
            format!("`{}` does not exist", run.file(&file).display()),
            "make the statistics again with `openmoe-analyze stats RUN`",
        ));
    }
    StatisticTable::from_parquet(name, Cursor::new(run.read(&file)?))
}
