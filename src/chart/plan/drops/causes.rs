//! What filled the queues of the experts that drop most.

use super::{Specs, of_layer, precise, shown, spec};
use crate::{
    chart::{
        ChartKind,
        axis::count,
        page::Body,
        plan::{
            says,
            selection::{Selection, token_label},
        },
        table::{TableFigure, TableRow},
    },
    stats::{Finding, Role},
};

/// Token ids per expert.
const TOKENS: u32 = 7;
/// Experts of each layer where several layers share a table.
const WORST: usize = 3;
/// Messages per expert.
const TURNS: usize = 4;

/// The worst experts, the token ids in their queues, and who said them; a chart per layer.
pub(in crate::chart::plan) fn table(selection: &Selection<'_>, kind: &'static ChartKind) -> Specs {
    let mut specs = Specs::new();
    let shown = shown(selection, kind);
    let of = |layer| of_layer(selection, kind.statistic, layer).into_iter().filter(|row| row.expert.is_some());
    // Either several layers share a table, or each layer has its own.
    let tables: Vec<&[u16]> =
        if selection.has_many_layers() { vec![&shown.layers] } else { shown.layers.chunks(1).collect() };
    for layers in tables {
        let rows: Vec<&Finding> = layers.iter().flat_map(|layer| of(*layer)).collect();
        if rows.is_empty() {
            continue;
        }
        let caption = "The experts that drop most assignments, worst first, and what their queues consisted of in the routing groups that sent them more than their \
                       capacity. Coloured: the expert with the token id that exceeds its share of all tokens most. Each cell: share of these queues, in brackets the share of all tokens of the layer: a token id, role or message that is far more \
                       frequent in the queues than elsewhere is what filled them; an empty cell: fewer ids. n: assignments in these queues. ␣ is a space, ⏎ a line end. Intervals are in \
                       stats/drop_causes.csv.";
        let several = if selection.has_many_layers() { Some(WORST) } else { None };
        let (part, suffix, rule) = match layers {
            [layer] if several.is_none() => (format!("layer {layer}"), format!("layer_{layer}"), String::new()),
            _ => {
                let rule = format!(" Of each layer the {WORST} experts that drop most.{}", shown.rule());
                ("in layers of the model".to_owned(), String::new(), rule)
            }
        };
        let title = format!("What filled the queues of the experts that drop most, {part}");
        let filler = says::filler(&drawn(&rows, several));
        let body = Body::Table(figure(&rows, several, filler));
        let spec = spec(selection, kind, &suffix, title, &format!("{caption}{rule}"), body);
        specs.push(spec.saying(says::causes(filler, experts(&rows, several).len(), several.is_some())));
    }
    specs
}

/// Layer and expert in file order, of each layer the first `most` where several layers share the table.
fn experts(rows: &[&Finding], most: Option<usize>) -> Vec<(u16, u16)> {
    let mut experts: Vec<(u16, u16)> = Vec::new();
    for row in rows {
        let drawn = experts.iter().filter(|(layer, _)| *layer == row.layer).count();
        let room = most.is_none_or(|most| drawn < most);
        experts.extend(row.expert.map(|expert| (row.layer, expert)).filter(|own| room && !experts.contains(own)));
    }
    experts
}

/// The rows of the cells about token ids.
fn drawn<'a>(rows: &[&'a Finding], most: Option<usize>) -> Vec<&'a Finding> {
    let experts = experts(rows, most);
    let has_cell = |row: &&Finding| row.token_id.is_some() && row.rank.is_some_and(|rank| (1..=TOKENS).contains(&rank));
    let has_row = |row: &&Finding| row.expert.is_some_and(|expert| experts.contains(&(row.layer, expert)));
    rows.iter().copied().filter(has_cell).filter(has_row).collect()
}

/// The table; the row of the token id that the line above names is marked.
fn figure(rows: &[&Finding], most: Option<usize>, filler: Option<&Finding>) -> TableFigure {
    let experts = experts(rows, most);
    let mut roles: Vec<Role> = Vec::new();
    let mut turns: Vec<u16> = Vec::new();
    for row in rows {
        roles.extend(row.role.filter(|role| !roles.contains(role)));
        turns.extend(row.turn.filter(|turn| !turns.contains(turn)));
    }
    turns.sort_unstable();
    turns.truncate(TURNS);
    let mut groups = vec![("n".to_owned(), 1), ("token ids, most frequent first".to_owned(), TOKENS as usize)];
    groups.extend((!roles.is_empty()).then(|| ("role".to_owned(), roles.len())));
    groups.extend((!turns.is_empty()).then(|| ("message".to_owned(), turns.len())));
    let headers = std::iter::once("in queues".to_owned())
        .chain((1..=TOKENS).map(|rank| rank.to_string()))
        .chain(roles.iter().map(|role| role.name().to_owned()))
        .chain(turns.iter().map(u16::to_string));
    let headers = headers.collect();
    let row = |(layer, expert): &(u16, u16)| {
        let is_own = |row: &&Finding| row.layer == *layer && row.expert == Some(*expert);
        let own: Vec<&Finding> = rows.iter().copied().filter(is_own).collect();
        let find = |test: &dyn Fn(&Finding) -> bool| own.iter().copied().find(|row| test(row));
        let token = |rank: u32| find(&|row| row.token_id.is_some() && row.rank == Some(rank));
        let tokens = (1..=TOKENS).map(|rank| {
            token(rank).map_or_else(String::new, |row| {
                format!("{}\n{}", token_label(row), shares(row).replace('\n', " ").replace(" %)", ")"))
            })
        });
        let role = |role: &Role| find(&|row| row.role == Some(*role)).map_or_else(none, shares);
        let turn = |turn: &u16| find(&|row| row.turn == Some(*turn)).map_or_else(none, shares);
        let queue = own.first().map_or_else(String::new, |row| count(row.n));
        let cells = std::iter::once(queue).chain(tokens).chain(roles.iter().map(role)).chain(turns.iter().map(turn));
        let name = if most.is_some() { format!("layer {layer}, expert {expert}") } else { expert.to_string() };
        let marked = filler.is_some_and(|filler| is_own(&filler));
        TableRow { name, cells: cells.collect(), marked }
    };
    TableFigure { row_label: "expert".to_owned(), groups, headers, rows: experts.iter().map(row).collect() }
}

/// That none of the tokens in the queues are of a role or message.
fn none() -> String {
    "none".to_owned()
}

/// Share in the queues, and of all tokens.
fn shares(row: &Finding) -> String {
    let share = row.estimate.map(precise).unwrap_or_default();
    row.baseline.map_or_else(|| format!("{share} %"), |overall| format!("{share} %\n({} %)", precise(overall)))
}
