//! Chance that can be had again: a number drawn from a seed, an event and what it is for.

use sha2::{Digest as _, Sha256};

/// A number that looks random and is the same whenever it is drawn for the same seed, event and purpose, in any order and
/// by any instance.
pub(crate) fn draw(seed: u64, event: u64, purpose: &str) -> u64 {
    // Both numbers have a fixed length, so that no two drawings share an input.
    let digest = Sha256::new().chain_update(seed.to_be_bytes()).chain_update(event.to_be_bytes()).chain_update(purpose);
    let digest: [u8; 32] = digest.finalize().into();
    digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::draw;

    #[test]
    fn each_input_counts() {
        let draws = [draw(1, 2, "a"), draw(2, 1, "a"), draw(1, 2, "b"), draw(1, 3, "a"), draw(1, 2, "")];
        assert_eq!(draws.iter().collect::<HashSet<_>>().len(), draws.len());
    }

    /// A seed in somebody's bug report has to mean the same in the next version.
    #[test]
    fn numbers_stay_as_they_are() {
        assert_eq!(draw(0, 0, ""), 3_983_162_290_893_594_069);
        assert_eq!(draw(7, 1, "loss"), 4_533_828_074_877_561_511);
    }
}
