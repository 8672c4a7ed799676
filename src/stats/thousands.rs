//! Counts as text for people.

use crate::error::noun_of;

/// A count with commas: 1234567 as "1,234,567".
pub fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with its noun: "1 document", "1,200 documents".
pub fn counted(count: u64, noun: &str) -> String {
    format!("{} {}", thousands(count), noun_of(count, noun))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_in_groups_of_three() {
        assert_eq!([thousands(0), thousands(999), thousands(1_234_567)], ["0", "999", "1,234,567"]);
        assert_eq!([thousands(7), thousands(1234)], ["7", "1,234"]);
    }
}
