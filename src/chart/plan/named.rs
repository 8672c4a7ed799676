//! Charts by name.

use super::{CHARTS, ChartSpec};

/// The charts that a name means: the chart of this name; else those whose names continue it, as `category_load` or
/// `category_load_layer_3` do; else the charts of a statistic. Empty if it means none.
pub fn specs_named<'a>(specs: &'a [ChartSpec], name: &str) -> Vec<&'a ChartSpec> {
    let longer = format!("{name}_");
    let shows = |spec: &ChartSpec| CHARTS.iter().any(|kind| kind.stem == spec.kind && kind.statistic.name() == name);
    let tests: [&dyn Fn(&ChartSpec) -> bool; 3] =
        [&|spec| spec.name == name, &|spec| spec.name.starts_with(&longer), &shows];
    let chosen = |test: &&dyn Fn(&ChartSpec) -> bool| specs.iter().filter(|spec| test(spec)).collect::<Vec<_>>();
    tests.iter().map(chosen).find(|found| !found.is_empty()).unwrap_or_default()
}
