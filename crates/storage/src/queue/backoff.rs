//! How long to wait before the next attempt.

use jiff::SignedDuration;

/// Waits that double from one attempt to the next, up to a bound, each with its upper half left to chance: workers that
/// failed together don't come back together, and none comes back at once.
///
/// ```
/// use asaanbill_storage::queue::Backoff;
/// use jiff::SignedDuration;
///
/// let backoff = Backoff { first: SignedDuration::from_secs(2), most: SignedDuration::from_secs(60) };
/// assert_eq!(backoff.after(1, 0), SignedDuration::from_secs(1));
/// assert_eq!(backoff.after(1, u64::MAX), SignedDuration::from_secs(2));
/// assert_eq!(backoff.after(100, u64::MAX), SignedDuration::from_secs(60));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The longest wait after the first attempt. Not negative.
    pub first: SignedDuration,
    /// The longest wait after any.
    pub most: SignedDuration,
}

impl Backoff {
    /// The wait after so many attempts (1 after the first): from half of the bound, where `random` is 0, to all of it.
    pub fn after(self, attempts: u32, random: u64) -> SignedDuration {
        // More doublings than this exceed any bound that an i64 of seconds holds.
        let doublings = attempts.saturating_sub(1).min(62);
        let bound = self.first.as_micros().saturating_mul(1 << doublings).min(self.most.as_micros()).max(0);
        let half = bound / 2;
        // A 64-bit random number as a fraction of the upper half.
        let share = (bound - half).saturating_mul(i128::from(random) + 1) >> 64;
        SignedDuration::from_micros(i64::try_from(half + share).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_double_up_to_the_most() {
        let seconds = SignedDuration::from_secs;
        let backoff = Backoff { first: seconds(1), most: seconds(60) };
        for (attempts, bound) in [(0, 1), (1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (63, 60), (u32::MAX, 60)] {
            assert_eq!(backoff.after(attempts, u64::MAX), seconds(bound), "{attempts}");
            assert_eq!(backoff.after(attempts, 0), SignedDuration::from_millis(500 * bound), "{attempts}");
            let between = backoff.after(attempts, u64::MAX / 2);
            assert!(SignedDuration::from_millis(740 * bound) < between, "{between}");
            assert!(between < SignedDuration::from_millis(760 * bound), "{between}");
        }
        let endless = Backoff { first: SignedDuration::MAX, most: SignedDuration::MAX };
        assert!(endless.after(u32::MAX, u64::MAX) > seconds(i64::from(u32::MAX)));
        let none = Backoff { first: SignedDuration::ZERO, most: SignedDuration::ZERO };
        assert_eq!(none.after(9, 9), SignedDuration::ZERO);
    }
}
