//! Reads numbers of a manifest within the limits of what can be true: anybody may have edited the manifest, and the program relies
//! on these numbers.

use std::fmt;

use serde::{
    Deserializer,
    de::{DeserializeSeed, Error, SeqAccess, Unexpected, Visitor},
};

use crate::routing::LayerId;

/// A whole number within bounds, both included: `#[serde(deserialize_with = "between::<_, 1, 255>")]`.
///
/// # Errors
/// Those of the deserializer, for anything else.
pub(super) fn between<'de, D: Deserializer<'de>, const LOW: u64, const HIGH: u64>(
    deserializer: D,
) -> Result<usize, D::Error> {
    Between { low: LOW, high: HIGH }.deserialize(deserializer).map(|number| number as usize)
}

/// A whole number from 1 on.
///
/// # Errors
/// Those of the deserializer, for anything else.
pub(super) fn at_least_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    Between { low: 1, high: u64::from(u32::MAX) }.deserialize(deserializer).map(|number| number as u32)
}

/// Ascending layer numbers.
///
/// # Errors
/// Those of the deserializer, for anything else.
pub(super) fn layers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<LayerId>, D::Error> {
    let layers = deserializer.deserialize_seq(Layers)?;
    if layers.is_sorted_by(|one, other| one < other) {
        return Ok(layers);
    }
    Err(D::Error::custom(format!("expected ascending numbers up to {}", LayerId::MAX)))
}

#[derive(Clone, Copy)]
struct Between {
    low: u64,
    high: u64,
}

impl Visitor<'_> for Between {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from {} to {}", self.low, self.high)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<u64, E> {
        if (self.low..=self.high).contains(&number) {
            return Ok(number);
        }
        Err(E::invalid_value(Unexpected::Unsigned(number), &self))
    }
}

impl<'de> DeserializeSeed<'de> for Between {
    type Value = u64;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u64, D::Error> {
        deserializer.deserialize_u64(self)
    }
}

struct Layers;

impl<'de> Visitor<'de> for Layers {
    type Value = Vec<LayerId>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ascending numbers up to {}", LayerId::MAX)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut layers = Vec::new();
        while let Some(layer) = items.next_element_seed(Between { low: 0, high: u64::from(LayerId::MAX) })? {
            layers.push(layer as LayerId);
        }
        Ok(layers)
    }
}

/// A value that is written as the text that the command line takes: `#[serde(with = "as_text")]`.
pub(super) mod as_text {
    use std::{fmt::Display, str::FromStr};

    use serde::{Deserialize, Deserializer, de::Error};

    /// Writes the text.
    ///
    /// # Errors
    /// Those of the serializer.
    pub(in super::super) fn serialize<T: Display, S: serde::Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    /// Reads the text.
    ///
    /// # Errors
    /// Those of the deserializer, and of parsing.
    pub(in super::super) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
