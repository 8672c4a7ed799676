//! Which positions are listed if there are too many: from coarse to fine.

/// Whether charts draw a position by itself: 0, the powers of two and the last one.
pub(crate) fn is_drawn_alone(position: u32, is_last: bool) -> bool {
    position == 0 || position.is_power_of_two() || is_last
}

/// How early a position is listed: those that charts draw first; then the multiples of ever smaller powers of two, so that any
/// number of them lies evenly.
pub(super) fn listing_priority(position: u32, is_last: bool) -> u64 {
    if is_drawn_alone(position, is_last) {
        return u64::from(u32::BITS);
    }
    position.trailing_zeros().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coarse_positions_come_first() {
        let mut positions: Vec<u32> = (0..20).collect();
        positions.sort_by_key(|position| (std::cmp::Reverse(listing_priority(*position, *position == 19)), *position));
        assert_eq!(positions[..12], [0, 1, 2, 4, 8, 16, 19, 12, 6, 10, 14, 18]);
    }
}
