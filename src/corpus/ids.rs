//! Token ids of a row: masked ones, padding.

use serde_json::Value;

use super::{told::Told, value_words::describe};

/// The ids that are not masked.
pub(super) fn token_ids(ids: Value, mask: Option<&Value>, told: &mut Vec<(Told, usize)>) -> Result<Vec<u32>, String> {
    let Value::Array(ids) = ids else {
        return Err(format!("`input_ids` is {}; expected a list of token ids", describe(&ids)));
    };
    if ids.is_empty() {
        return Err("`input_ids` is an empty list".into());
    }
    let ids = ids.iter().map(token_id).collect::<Result<Vec<u32>, _>>()?;
    let mask = match mask {
        Some(Value::Array(mask)) => mask,
        Some(Value::Null) | None => return Ok(ids),
        Some(other) => return Err(format!("`attention_mask` is {}; expected a list", describe(other))),
    };
    if mask.len() != ids.len() {
        return Err(format!("`attention_mask` has {} entries, `input_ids` {}", mask.len(), ids.len()));
    }
    let counts = mask.iter().map(counts).collect::<Result<Vec<bool>, _>>()?;
    let kept: Vec<u32> = ids.iter().zip(counts).filter(|(_, counts)| *counts).map(|(id, _)| *id).collect();
    match ids.len() - kept.len() {
        _ if kept.is_empty() => return Err("`attention_mask` masks all ids".into()),
        0 => {}
        masked => told.push((Told::Masked, masked)),
    }
    Ok(kept)
}

/// Whether an entry of a mask lets its id through.
fn counts(entry: &Value) -> Result<bool, String> {
    let number = entry.as_bool().map(f64::from).or_else(|| entry.as_f64());
    match number {
        Some(number) => Ok(number != 0.0),
        None => Err(format!("`attention_mask` holds {}; expected 0 and 1", describe(entry))),
    }
}

fn token_id(value: &Value) -> Result<u32, String> {
    let id = value.as_u64().and_then(|id| u32::try_from(id).ok());
    id.ok_or_else(|| format!("`input_ids` holds {value}; expected integers from 0"))
}

/// The id that stands at an end over and over, and how often, where that is more than half of the ids: padding, as far as
/// can be told without a mask.
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
