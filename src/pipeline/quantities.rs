//! Counts, sizes and times in words.

pub(crate) use crate::stats::{counted as count, thousands as grouped};

/// Bytes in the unit that reads best.
pub(crate) fn bytes(count: f64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let power = units.len().min(1 + (count.max(1.0).log2() / 10.0) as usize) - 1;
    let value = count / 1024_f64.powi(power as i32);
    if power == 0 { format!("{value:.0} B") } else { format!("{value:.1} {}", units[power]) }
}

/// Seconds in the unit that reads best.
pub(crate) fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 100.0 => format!("{s:.1} s"),
        s if s < 6000.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([1, 1200].map(|n| count(n, "token")), ["1 token", "1,200 tokens"]);
        assert_eq!([512.0, 1536.0, 3.0 * 1_073_741_824.0].map(bytes), ["512 B", "1.5 KiB", "3.0 GiB"]);
        assert_eq!([1.25, 120.0, 7200.0].map(duration), ["1.2 s", "2 min", "2.0 h"]);
    }
}
