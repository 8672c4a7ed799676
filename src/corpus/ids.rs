//! Token ids of a row: applies masks and recognizes padding.

use serde_json::Value;

use super::{row_treatment::Treatment, value_words::describe_value};

/// The ids that are not masked.
pub(super) fn token_ids(
    ids: Value,
    mask: Option<&Value>,
    told: &mut Vec<(Treatment, usize)>,
) -> Result<Vec<u32>, String> {
    let Value::Array(ids) = ids else {
        return Err(format!("`input_ids` is {}; expected a list of token ids", describe_value(&ids)));
    };
    if ids.is_empty() {
        return Err("`input_ids` is an empty list".into());
    }
    let ids = ids.iter().map(token_id).collect::<Result<Vec<u32>, _>>()?;
    let mask = match mask {
        Some(Value::Array(mask)) => mask,
        Some(Value::Null) | None => return Ok(ids),
        Some(other) => return Err(format!("`attention_mask` is {}; expected a list", describe_value(other))),
    };
    if mask.len() != ids.len() {
        return Err(format!("`attention_mask` has {} entries, `input_ids` {}", mask.len(), ids.len()));
    }
    let counts = mask.iter().map(counts).collect::<Result<Vec<bool>, _>>()?;
    let kept: Vec<u32> = ids.iter().zip(counts).filter(|(_, counts)| *counts).map(|(id, _)| *id).collect();
    match ids.len() - kept.len() {
        _ if kept.is_empty() => return Err("`attention_mask` masks all ids".into()),
        0 => {}
        masked => told.push((Treatment::Masked, masked)),
    }
    Ok(kept)
}

/// Whether an entry of a mask keeps its id.
fn counts(entry: &Value) -> Result<bool, String> {
    let number = entry.as_bool().map(f64::from).or_else(|| entry.as_f64());
    match number {
        Some(number) => Ok(number != 0.0),
        None => Err(format!("`attention_mask` holds {}; expected 0 and 1", describe_value(entry))),
    }
}

fn token_id(value: &Value) -> Result<u32, String> {
    let id = value.as_u64().and_then(|id| u32::try_from(id).ok());
    id.ok_or_else(|| format!("`input_ids` holds {value}; expected integers from 0"))
}

/// The id that is repeated at the start or the end, and how often, if these are more than half of all ids: probably padding,
/// as only a mask could tell for certain.
pub(super) fn padding(ids: &[u32]) -> Option<(u32, usize)> {
    const LEAST: usize = 16;
    let run = |ids: &mut dyn Iterator<Item = &u32>| {
        let first = *ids.next()?;
        Some((first, 1 + ids.take_while(|id| **id == first).count()))
    };
    let (left, right) = (run(&mut ids.iter())?, run(&mut ids.iter().rev())?);
    let longest = if right.1 >= left.1 { right } else { left };
    (longest.1 >= LEAST && 2 * longest.1 > ids.len()).then_some(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_one_id_at_an_end_of_more_than_half() {
        let padded = |text: &[u32], pad: usize| [text, &vec![0; pad]].concat();
        assert_eq!(padding(&padded(&[7, 8, 9], 40)), Some((0, 40)));
        assert_eq!(padding(&[vec![3; 20], vec![7, 8]].concat()), Some((3, 20)));
        assert_eq!(padding(&padded(&[7, 8, 9], 15)), None);
        assert_eq!(padding(&padded(&(1..60).collect::<Vec<_>>(), 20)), None);
        assert_eq!(padding(&[]), None);
    }
}
