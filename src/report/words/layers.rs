//! Lists of layers that stay readable for a model with many layers.

use crate::{
    error::{noun_of, plural},
    routing::LayerId,
    stats::{LAYERS_EACH, verdict::Evidence},
};

/// "layer 3" or "layers 3, 5"; if there are more than eight layers, three or more consecutive ones become "10 to 57".
pub(super) fn named(layers: &[LayerId]) -> String {
    let names: Vec<String> = if layers.len() > LAYERS_EACH {
        runs(layers).into_iter().flat_map(run_words).collect()
    } else {
        layers.iter().map(ToString::to_string).collect()
    };
    format!("{} {}", noun_of(layers.len() as u64, "layer"), names.join(", "))
}

/// The first and the last layer of each run of consecutive layers.
fn runs(layers: &[LayerId]) -> Vec<(LayerId, LayerId)> {
    let mut runs: Vec<(LayerId, LayerId)> = Vec::new();
    for &layer in layers {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(layer) => *last = layer,
            _ => runs.push((layer, layer)),
        }
    }
    runs
}

fn run_words((first, last): (LayerId, LayerId)) -> Vec<String> {
    match last - first {
        0 => vec![first.to_string()],
        1 => vec![first.to_string(), last.to_string()],
        _ => vec![format!("{first} to {last}")],
    }
}

/// A number of each layer in words, separated by commas; from the ninth layer on, only the range of the estimates.
pub(super) fn listed(
    numbers: &[&Evidence],
    words: impl Fn(&Evidence) -> String,
    end: impl Fn(f64) -> String,
) -> String {
    let (shown, others) = numbers.split_at(numbers.len().min(LAYERS_EACH));
    let each = shown.iter().map(|number| words(number));
    each.chain(between(others, end)).collect::<Vec<_>>().join(", ")
}

/// "between 1.20 and 3.40 in 50 more layers".
fn between(numbers: &[&Evidence], end: impl Fn(f64) -> String) -> Option<String> {
    let estimates = || numbers.iter().filter_map(|number| number.estimate);
    let (low, high) = (estimates().reduce(f64::min), estimates().reduce(f64::max));
    let more = plural(numbers.len() as u64, "more layer");
    match low.zip(high) {
        _ if numbers.is_empty() => None,
        Some((low, high)) => {
            let (low, high) = (end(low), end(high));
            let range = if low == high { low } else { format!("between {low} and {high}") };
            Some(format!("{range} in {more}"))
        }
        None => Some(format!("not known in {more}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_layers_are_named_one_by_one_and_many_in_runs() {
        assert_eq!([named(&[3]), named(&[1, 2, 3])], ["layer 3", "layers 1, 2, 3"]);
        let many: Vec<LayerId> = (3..60).chain([70, 80, 81]).collect();
        assert_eq!(named(&many), "layers 3 to 59, 70, 80, 81");
        assert_eq!(named(&(0..128).collect::<Vec<_>>()), "layers 0 to 127");
    }
}
