//! Writes dates and times as text in ISO 8601.

use polars_arrow::datatypes::TimeUnit;

/// The date that is this many days after the first of January 1970.
pub(super) fn date(days: i64) -> String {
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// The time of day that is this long after midnight.
pub(super) fn time(value: i64, unit: TimeUnit) -> String {
    let (seconds, fraction) = parts(value, unit);
    format!("{:02}:{:02}:{:02}{fraction}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// The date and time that is this long after the first of January 1970.
pub(super) fn timestamp(value: i64, unit: TimeUnit) -> String {
    let day = 86_400 * per_second(unit);
    format!("{}T{}", date(value.div_euclid(day)), time(value.rem_euclid(day), unit))
}

fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// Whole seconds, and the fraction without trailing zeros.
fn parts(value: i64, unit: TimeUnit) -> (i64, String) {
    let (base, width) = (per_second(unit), per_second(unit).ilog10() as usize);
    let rest = value.rem_euclid(base);
    let digits = format!("{rest:0width$}");
    let fraction = if rest == 0 { String::new() } else { format!(".{}", digits.trim_end_matches('0')) };
    (value.div_euclid(base), fraction)
}

/// Year, month and day of the Gregorian calendar. The calculation lets years begin in March, so that the leap day comes last.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (days, expected) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (11_016, "2000-02-29"),
            (19_782, "2024-02-29"),
            (47_540, "2100-02-28"),
        ] {
            assert_eq!(date(days), expected);
        }
        assert_eq!(timestamp(-1, TimeUnit::Millisecond), "1969-12-31T23:59:59.999");
        assert_eq!(timestamp(1_700_000_000, TimeUnit::Second), "2023-11-14T22:13:20");
        assert_eq!(time(1_500_000_000, TimeUnit::Nanosecond), "00:00:01.5");
    }
}
