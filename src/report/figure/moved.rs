//! The token ids that moved most, one line each.

use std::collections::BTreeMap;

use super::{
    data::Columns,
    keys::in_order,
    layout::figure,
    row::FigureRow,
    shape::{Figure, FigureKind},
};
use crate::{
    report::text::{readable, rounded, token_text},
    routing::View,
    stats::{Finding, Statistic, StatisticInfo, Variant, verdict::moved_most},
};

/// How many of them.
const MOST: usize = 10;

/// The token ids that a checkpoint routes most differently from the last one on the time axis, each in all layers: of the first
/// checkpoint beside that axis, or else of the last but one on it. None for another statistic, or if nothing moved.
pub(super) fn figure_of_moved(info: &StatisticInfo, rows: &[FigureRow<'_>]) -> Option<Figure> {
    let is_distance = |row: &&FigureRow<'_>| {
        let finding = row.finding;
        finding.variant == Some(Variant::TotalVariation)
            && finding.view == View::Chosen
            && finding.token_id.is_some()
            && finding.estimate.is_some()
            && finding.checkpoint != finding.reference
    };
    if info.statistic != Statistic::TokenDrift {
        return None;
    }
    let own: Vec<FigureRow<'_>> = rows.iter().filter(is_distance).copied().collect();
    let checkpoint = compared(&own)?;
    let is_compared = |row: &&FigureRow<'_>| row.finding.checkpoint.as_deref() == Some(checkpoint);
    let own: Vec<FigureRow<'_>> = own.iter().filter(is_compared).copied().collect();
    let ids: Vec<Option<u32>> =
        moved_most(own.iter().map(|row| row.finding), MOST).into_iter().map(|row| row.token_id).collect();
    let place: BTreeMap<Option<u32>, usize> = ids.iter().enumerate().map(|(at, id)| (*id, at)).collect();
    let mut shown: Vec<FigureRow<'_>> =
        own.into_iter().filter(|row| place.contains_key(&row.finding.token_id)).collect();
    shown.sort_by_key(|row| (place[&row.finding.token_id], row.finding.layer));
    let label = |row: &FigureRow<'_>| row.finding.token_id.map_or_else(String::new, |id| token_text(row.finding, id));
    let mut columns = Columns::of(&shown);
    let mut percent = |name, value: fn(&Finding) -> Option<f64>| {
        let of_row = |row: &FigureRow<'_>| {
            value(row.finding).map_or_else(Default::default, |share| rounded(share * 100.0).into())
        };
        columns.add(name, shown.iter().map(of_row));
    };
    percent("estimate", |row| row.estimate);
    percent("low", |row| row.low);
    percent("high", |row| row.high);
    percent("baseline", |row| row.noise_floor);
    columns.words("label", shown.iter().map(label));
    (!shown.is_empty()).then(|| Figure {
        rows: in_order(shown.iter().map(label)),
        zero: true,
        decimals: Some(0),
        ..figure(FigureKind::Intervals, format!("moved most: {}", readable(checkpoint)), "%", columns)
    })
}

/// The checkpoint whose distances say most.
fn compared<'a>(rows: &[FigureRow<'a>]) -> Option<&'a str> {
    let beside = rows.iter().find(|row| row.finding.training_tokens.is_none());
    let tokens = |row: &&FigureRow<'_>| row.finding.training_tokens.unwrap_or(0.0);
    let before = rows.iter().max_by(|a, b| tokens(a).total_cmp(&tokens(b)));
    beside.or(before)?.finding.checkpoint.as_deref()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{run::RunKind, stats::Subject};

    #[test]
    fn those_that_moved_most_stand_in_all_layers_with_what_noise_gives() {
        let row = |id: u32, layer: u16, estimate: f64| {
            Finding {
                estimate: Some(estimate),
                low: Some(estimate - 0.05),
                noise_floor: Some(0.07),
                ..Finding::new(Statistic::TokenDrift, layer, View::Chosen)
            }
            .about(|subject| Subject {
                checkpoint: Some("chat".into()),
                reference: Some("last".into()),
                variant: Some(Variant::TotalVariation),
                token_id: Some(id),
                text: Some(format!("\u{2581}{id}")),
                ..subject
            })
        };
        let findings =
            [row(1, 1, 0.2), row(1, 3, 0.6), row(2, 1, 0.05), row(2, 3, 0.06), row(3, 1, 0.3), row(3, 3, 0.1)];
        let rows: Vec<FigureRow<'_>> =
            findings.iter().map(|finding| FigureRow { run: 0, command: RunKind::Drift, model: "m", finding }).collect();
        let figure = figure_of_moved(Statistic::TokenDrift.info(), &rows).unwrap();
        assert_eq!(figure.label, "moved most: chat");
        assert_eq!(figure.rows, ["␣1 (1)", "␣3 (3)"], "2 moved no farther than noise");
        assert_eq!(figure.data["estimate"], json!([20.0, 60.0, 30.0, 10.0]));
        assert_eq!(figure.data["baseline"][0], json!(7.0));
        assert!(figure_of_moved(Statistic::LoadDrift.info(), &rows).is_none());
    }
}
