//! What an option's value may be.

use std::{ffi::OsStr, str::FromStr};

use bytesize::ByteSize;
use clap::{
    Arg,
    builder::{PossibleValue, PossibleValuesParser, StringValueParser, TypedValueParser},
};

use crate::routing::GroupRule;

/// Values that have names: completions offer them, and a message on another one lists them.
pub(super) fn one_of<T, const N: usize>(all: [T; N], name: fn(T) -> &'static str) -> impl TypedValueParser<Value = T>
where
    T: Clone + FromStr<Err: std::error::Error + Send + Sync + 'static> + Send + Sync + 'static,
{
    PossibleValuesParser::new(all.map(name)).try_map(|name| name.parse())
}

/// Text with endless values, of which completions offer some.
#[derive(Clone, Debug)]
pub(super) struct Offered(pub(super) &'static [&'static str]);

impl TypedValueParser for Offered {
    type Value = GroupRule;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<GroupRule, clap::Error> {
        StringValueParser::new().try_map(|text| text.parse::<GroupRule>()).parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.0.iter().map(PossibleValue::new)))
    }
}

/// A size in bytes, or in a unit of them.
pub(super) fn size(text: &str) -> Result<ByteSize, String> {
    text.parse().map_err(|_| {
        "expected a number with a unit, such as 800MB, 1.5GiB or 2TiB\n\nhint: units of 1000 are kB, MB, GB and TB, those of 1024 KiB, MiB, GiB \
         and TiB; without a unit the number counts bytes"
            .to_owned()
    })
}

/// 0 for none, or enough for a number to mean something.
pub(super) fn repetitions(least: u32) -> impl TypedValueParser<Value = u32> {
    clap::value_parser!(u32).range(..=100_000).try_map(move |count: u32| match count {
        count if count == 0 || count >= least => Ok(count),
        count => Err(format!("{count} is not 0 (none) or {least}..=100000")),
    })
}

/// The width of a figure.
pub(super) fn millimetres(text: &str) -> Result<f64, String> {
    let width = text.parse().ok().filter(|width| (20.0..=1000.0).contains(width));
    width.ok_or_else(|| {
        "expected millimetres from 20 to 1000, without a unit\n\nhint: a column of a paper is about 85 wide, a page 170".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_a_unit_that_is_known() {
        assert_eq!([size("1.5GiB"), size("800MB")], [Ok(ByteSize::mib(1536)), Ok(ByteSize::mb(800))]);
        for text in ["3XB", "", "much", "-1GiB"] {
            assert!(size(text).unwrap_err().contains("hint: units"), "{text}");
        }
    }
}
