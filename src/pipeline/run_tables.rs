//! The tables in `stats/` of a run.

use std::{collections::BTreeMap, io::Cursor};

use crate::{
    error::{CommandName, Error, Result},
    run::{RunDir, Staged},
    stats::{StatisticTable, TableBuilder, TableBuilders, Tables, keep_shown_categories},
};

/// The number of rows in the file of each table.
pub(crate) type RowsInFiles = BTreeMap<String, usize>;

/// Writes every table as CSV and Parquet. Returns the rows that charts and pages show, and the number of rows in each file.
pub(crate) fn stage_tables(staged: &mut Staged<'_>, computed: TableBuilders) -> Result<(Tables, RowsInFiles)> {
    let (mut tables, mut rows) = (Tables::new(), RowsInFiles::new());
    for (name, builder) in computed {
        rows.insert(name.clone(), builder.rows());
        tables.insert(name.clone(), builder.shown()?);
        staged.add_written(&format!("stats/{name}.csv"), |file| builder.write_csv(file))?;
        staged.add_written(&format!("stats/{name}.parquet"), |file| builder.write_parquet(file))?;
    }
    Ok((tables, rows))
}

/// The tables of a finished run as charts and pages show them: without single categories, if there are many.
///
/// # Errors
/// As [`read_table`].
pub fn read_tables(run: &RunDir) -> Result<Tables> {
    Ok(read_tables_counted(run)?.0)
}

/// The same, with the number of rows in each file.
pub(crate) fn read_tables_counted(run: &RunDir) -> Result<(Tables, RowsInFiles)> {
    let (mut tables, mut rows) = (Tables::new(), RowsInFiles::new());
    for name in run.names("stats")? {
        if let Some(name) = name.strip_prefix("stats/").and_then(|name| name.strip_suffix(".parquet")) {
            let builder = TableBuilder::from_parquet(name, table_file(run, name)?)?;
            rows.insert(name.to_owned(), builder.rows());
            tables.insert(name.to_owned(), builder.shown()?);
        }
    }
    keep_shown_categories(&mut tables);
    Ok((tables, rows))
}

/// A table of a finished run: all rows of the file `name` in its `stats/`.
///
/// # Errors
/// [`Error::RunFolder`] if there is no such file, or it is not what the run wrote; [`Error::Io`] if it cannot be read.
pub fn read_table(run: &RunDir, name: &str) -> Result<StatisticTable> {
    StatisticTable::from_parquet(name, table_file(run, name)?)
}

fn table_file(run: &RunDir, name: &str) -> Result<Cursor<Vec<u8>>> {
    let file = format!("stats/{name}.parquet");
    if !run.file(&file).is_file() {
        return Err(Error::run_folder(
            format!("`{}` does not exist", run.file(&file).display()),
            format!("make the statistics again with {}", CommandName::Stats.on_the_run()),
        ));
    }
    Ok(Cursor::new(run.read(&file)?))
}
