//! The values of one column of a table: written as a polars column and read back.

use polars::prelude::*;

use super::{
    catalog::Statistic,
    names::{BaselineKind, Cohort, Priority, Ranking, Variable, Variant},
    subject::Name,
};
use crate::{
    routing::{CapacityRule, View},
    trace::Role,
};

/// Why a column cannot be read.
pub(super) enum Fault {
    /// It has another type.
    Type(PolarsError),
    /// A row, counted from 1, has a name that this version does not know, with the message about it.
    Unknown(usize, String),
}

/// A value of one column.
pub(super) trait Cell: Sized {
    /// The value if a file has no such column; `None` if every file has it.
    const ABSENT: Option<Self>;

    /// Whether there is a value to write.
    fn is_there(&self) -> bool;

    /// A column of such values.
    fn column<'a>(name: &str, cells: impl Iterator<Item = &'a Self>) -> Column
    where
        Self: 'a;

    /// The values of a column.
    ///
    /// # Errors
    /// [`Fault`] if it holds others.
    fn read(column: &Column) -> Result<Vec<Self>, Fault>;
}

macro_rules! numbers {
    ($($type:ident),*) => { $(
        impl Cell for Option<$type> {
            const ABSENT: Option<Self> = Some(None);

            fn is_there(&self) -> bool {
                self.is_some()
            }

            fn column<'a>(name: &str, cells: impl Iterator<Item = &'a Self>) -> Column {
                Column::new(name.into(), cells.copied().collect::<Vec<_>>())
            }

            fn read(column: &Column) -> Result<Vec<Self>, Fault> {
                Ok(column.$type().map_err(Fault::Type)?.iter().collect())
            }
        }

        impl Cell for $type {
            const ABSENT: Option<Self> = None;

            fn is_there(&self) -> bool {
                true
            }

            fn column<'a>(name: &str, cells: impl Iterator<Item = &'a Self>) -> Column {
                Column::new(name.into(), cells.copied().collect::<Vec<_>>())
            }

            fn read(column: &Column) -> Result<Vec<Self>, Fault> {
                Ok(column.$type().map_err(Fault::Type)?.iter().map(Option::unwrap_or_default).collect())
            }
        }
    )* };
}

numbers!(u16, u32, u64, f64);

/// A value that is text in a file.
trait Text: Sized {
    fn text(&self) -> &str;

    /// The value of a text, or the message that this version does not know it.
    fn parsed(text: &str) -> Result<Self, String>;
}

impl Text for String {
    fn text(&self) -> &str {
        self
    }

    fn parsed(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl Text for Name {
    fn text(&self) -> &str {
        self
    }

    fn parsed(text: &str) -> Result<Self, String> {
        Ok(Self::Owned(text.to_owned()))
    }
}

macro_rules! names {
    ($($type:ident),*) => { $(
        impl Text for $type {
            fn text(&self) -> &str {
                self.name()
            }

            fn parsed(text: &str) -> Result<Self, String> {
                Self::parsed(text)
            }
        }
    )* };
}

names!(Statistic, Variable, Variant, Ranking, Priority, Cohort, BaselineKind);

impl Text for View {
    fn text(&self) -> &str {
        self.name()
    }

    fn parsed(text: &str) -> Result<Self, String> {
        Self::from_name(text).ok_or_else(|| format!("`{text}` is no view of this version"))
    }
}

impl Text for CapacityRule {
    fn text(&self) -> &str {
        self.name()
    }

    fn parsed(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|rule| rule.name() == text);
        known.ok_or_else(|| format!("`{text}` is no capacity rule of this version"))
    }
}

impl Text for Role {
    fn text(&self) -> &str {
        self.name()
    }

    fn parsed(text: &str) -> Result<Self, String> {
        Self::from_name(text).ok_or_else(|| format!("`{text}` is no role of this version"))
    }
}

impl<T: Text> Cell for T {
    const ABSENT: Option<Self> = None;

    fn is_there(&self) -> bool {
        true
    }

    fn column<'a>(name: &str, cells: impl Iterator<Item = &'a Self>) -> Column
    where
        Self: 'a,
    {
        Column::new(name.into(), cells.map(Text::text).collect::<Vec<&str>>())
    }

    fn read(column: &Column) -> Result<Vec<Self>, Fault> {
        parsed(column, |text| T::parsed(text.unwrap_or_default()))
    }
}

impl<T: Text> Cell for Option<T> {
    const ABSENT: Option<Self> = Some(None);

    fn is_there(&self) -> bool {
        self.is_some()
    }

    fn column<'a>(name: &str, cells: impl Iterator<Item = &'a Self>) -> Column
    where
        Self: 'a,
    {
        Column::new(name.into(), cells.map(|cell| cell.as_ref().map(Text::text)).collect::<Vec<Option<&str>>>())
    }

    fn read(column: &Column) -> Result<Vec<Self>, Fault> {
        parsed(column, |text| text.map(T::parsed).transpose())
    }
}

fn parsed<T>(column: &Column, value: impl Fn(Option<&str>) -> Result<T, String>) -> Result<Vec<T>, Fault> {
    let texts = column.str().map_err(Fault::Type)?;
    let row = |(index, text)| value(text).map_err(|what| Fault::Unknown(index + 1, what));
    texts.iter().enumerate().map(row).collect()
}
