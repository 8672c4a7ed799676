//! The trace of a route run -> its statistics.

use crate::{
    commands::{signals, terminal},
    error::Result,
    pipeline::recorded_settings::settings,
    run::{RunDir, RunRecord},
    stats::{StatisticTable, TableFile, Tables, merge, route_statistics},
    trace::RoutingTrace,
};

/// Token ids whose shares stay in memory: more than any chart draws. Those of all others are in the table's files only,
/// because a large run has a million such rows.
const TOKENS_IN_MEMORY: usize = 64;

/// Layer by layer: one is in memory at a time. Beside the tables the files of `expert_share`, which hold more rows.
pub(crate) fn compute(run: &RunDir, record: &RunRecord, quiet: bool) -> Result<(Tables, Vec<TableFile>)> {
    let trace = RoutingTrace::open(run)?;
    let sequences = trace.sequences()?;
    let settings = settings(record);
    let spinner = terminal::spinner("statistics", quiet);
    let mut tables = Tables::new();
    let mut shares = TableFile::new("expert_share");
    for &layer in trace.moe_layers() {
        signals::check_interrupt()?;
        let columns = trace.layer(layer)?;
        let progress = |what: &'static str| spinner.set_message(format!("layer {layer}: {what}"));
        let mut found = route_statistics(&sequences, &columns, &settings, &progress)?;
        for table in found.iter_mut().filter(|table| table.name == "expert_share") {
            shares.append(table)?;
            keep_frequent_tokens(table);
        }
        merge(&mut tables, found);
    }
    spinner.finish_and_clear();
    Ok((tables, vec![shares]))
}

/// Removes the rows of token ids that are not among the most frequent of the layer.
fn keep_frequent_tokens(table: &mut StatisticTable) {
    let mut ids: Vec<(u64, u32)> = table.rows.iter().filter_map(|row| Some((row.n, row.token_id?))).collect();
    ids.sort_unstable_by_key(|(n, id)| (u64::MAX - n, *id));
    ids.dedup();
    ids.truncate(TOKENS_IN_MEMORY);
    table.rows.retain(|row| row.token_id.is_none_or(|id| ids.contains(&(row.n, id))));
    table.rows.shrink_to_fit();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        routing::View,
        stats::{Finding, Statistic},
    };

    #[test]
    fn shares_of_the_most_frequent_token_ids_stay() {
        let row = |token_id, n| Finding { token_id, n, ..Finding::new(Statistic::ExpertShare, 1, View::Kept) };
        let ids = 0..100_u32;
        let tokens = ids.clone().flat_map(|id| [row(Some(id), u64::from(id / 2)), row(Some(id), u64::from(id / 2))]);
        let mut table = StatisticTable { name: "expert_share".into(), rows: vec![row(None, 1)] };
        table.rows.extend(tokens);
        keep_frequent_tokens(&mut table);
        let expected = std::iter::once(None).chain((100 - TOKENS_IN_MEMORY as u32..100).flat_map(|id| [Some(id); 2]));
        assert!(table.rows.iter().map(|row| row.token_id).eq(expected));
    }
}
