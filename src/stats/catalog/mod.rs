//! The list of statistics, as data: what each is, where it comes from, which table holds it. The only place where
//! their names are written out.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::routing::RunKind;

#[macro_use]
mod drift;
#[macro_use]
mod drops;
#[macro_use]
mod route;

/// What a reader needs to know about a statistic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatisticInfo {
    /// Which one it is.
    pub statistic: Statistic,
    /// The name in tables, `summary.json`, charts and documentation.
    pub name: &'static str,
    /// The name in words.
    pub title: &'static str,
    /// The kind of run, and thus the command, that gives it.
    pub command: RunKind,
    /// File stem below `stats/` of the table that holds it.
    pub table: &'static str,
    /// Anchor of the question of the report that it answers.
    pub question: &'static str,
    /// Unit of the estimate; a variant may have another one.
    pub unit: &'static str,
    /// Whether it is given for the kept view too.
    pub kept: bool,
    /// What it is, as a formula or in words.
    pub definition: &'static str,
    /// What it is compared with.
    pub baseline: &'static str,
    /// Paper, equation or figure that it comes from.
    pub source: &'static str,
    /// How to read it, for someone who sees it for the first time.
    pub reading: &'static str,
}

/// Makes the enum, the list and the lookup by name from the entries.
macro_rules! statistics {
    ($($statistic:ident = $name:literal {
        command: $command:ident, table: $table:literal, question: $question:literal, unit: $unit:literal, kept: $kept:literal,
        title: $title:literal,
        definition: $definition:literal,
        baseline: $baseline:literal,
        source: $source:literal,
        reading: $reading:literal,
    })*) => {
        /// Every number that this tool gives, by its one name; [`Statistic::info`] says what it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Statistic {
            $(#[doc = $title] $statistic,)*
        }

        /// Every statistic, in the order of the commands and of their tables.
        pub const STATISTICS: &[StatisticInfo] = &[$(StatisticInfo {
            statistic: Statistic::$statistic, name: $name, title: $title, command: RunKind::$command, table: $table,
            question: $question, unit: $unit, kept: $kept, definition: $definition, baseline: $baseline,
            source: $source, reading: $reading,
        },)*];

        impl Statistic {
            /// The statistic of that name, if this version has one.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$statistic),)*
                    _ => None,
                }
            }
        }
    };
}

with_route_statistics! {}

impl Statistic {
    /// What a reader needs to know about it.
    pub const fn info(self) -> &'static StatisticInfo {
        &STATISTICS[self as usize]
    }

    /// The name in tables, `summary.json`, charts and documentation.
    pub const fn name(self) -> &'static str {
        self.info().name
    }

    /// The statistic of that name; the error says that there is no such statistic.
    pub(super) fn parsed(name: &str) -> Result<Self, String> {
        Self::from_name(name).ok_or_else(|| format!("`{name}` is no statistic of this version"))
    }

    /// File stem below `stats/` of the table that holds it.
    pub const fn table(self) -> &'static str {
        self.info().table
    }
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Statistic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Statistic {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parsed(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
impl schemars::JsonSchema for Statistic {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Statistic".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let names: Vec<&str> = STATISTICS.iter().map(|info| info.name).collect();
        schemars::json_schema!({ "description": "Name of a statistic.", "type": "string", "enum": names })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statistic_is_its_own_entry_and_goes_by_its_name() {
        for (index, info) in STATISTICS.iter().enumerate() {
            assert_eq!(info.statistic as usize, index);
            assert_eq!(info.statistic.info(), info);
            assert_eq!(Statistic::from_name(info.name), Some(info.statistic));
            let text = serde_json::to_string(&info.statistic).unwrap();
            assert_eq!(text, format!("\"{}\"", info.statistic));
            assert_eq!(serde_json::from_str::<Statistic>(&text).unwrap(), info.statistic);
        }
    }

    #[test]
    fn an_unknown_name_is_refused() {
        assert_eq!(Statistic::from_name("routing_sdt"), None);
        let error = serde_json::from_str::<Statistic>("\"routing_sdt\"").unwrap_err();
        assert!(error.to_string().contains("`routing_sdt` is no statistic of this version"), "{error}");
    }
}
