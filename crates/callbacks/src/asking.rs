//! How fast the hub is asked, and when it is left alone.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// After how many failures in a row, whatever they were about, the hub is taken to be away.
const AWAY_AFTER: u32 = 8;

/// How long it is left alone then, by how often that was in vain; the last one from then on. All call-backs wait meanwhile
/// and use up nothing; then one is tried, and if it is answered, all others follow.
const AWAY_SECONDS: [u64; 5] = [1, 2, 5, 15, 30];

/// Lets so many questions a second pass, as many at once after a quiet second.
#[derive(Debug)]
pub(crate) struct Pace {
    /// None for no limit.
    per_second: Option<u32>,
    /// When the next question would be due if they had come evenly.
    next: Mutex<Option<Instant>>,
}

impl Pace {
    pub(crate) fn new(per_second: Option<u32>) -> Self {
        Self { per_second, next: Mutex::new(None) }
    }

    /// Waits for one's turn.
    pub(crate) async fn turn(&self) {
        if let Some(at) = self.take(Instant::now()) {
            sleep_until(at).await;
        }
    }

    /// Takes the next turn, and says when it is, if not at once.
    fn take(&self, now: Instant) -> Option<Instant> {
        const SECOND: Duration = Duration::from_secs(1);
        let each = SECOND / self.per_second?;
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let even = next.map_or(now, |next| next.max(now));
        *next = Some(even + each);
        // A whole second's questions may come at once.
        even.checked_sub(SECOND - each).filter(|at| *at > now)
    }
}

/// Leaves the hub alone while it is away.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    failures: u32,
    /// How often it was left alone in vain.
    waits: usize,
    closed_until: Option<Instant>,
}

impl Breaker {
    /// How many of at most `most` questions may be under way.
    pub(crate) fn room(&self, most: usize, now: Instant) -> usize {
        match self.closed_until {
            None => most,
            Some(until) if now < until => 0,
            // One, to see whether it is back.
            Some(_) => 1,
        }
    }

    /// Until when there is no room.
    pub(crate) fn closed_until(&self) -> Option<Instant> {
        self.closed_until
    }

    pub(crate) fn answered(&mut self) {
        *self = Self::default();
    }

    /// Says whether the hub is taken to be away.
    pub(crate) fn failed(&mut self, now: Instant) -> bool {
        self.failures = self.failures.saturating_add(1);
        let away = self.failures >= AWAY_AFTER;
        // Those that were under way when it was closed say nothing new.
        if away && self.closed_until.is_none_or(|until| until <= now) {
            let seconds = AWAY_SECONDS[self.waits.min(AWAY_SECONDS.len() - 1)];
            self.waits += 1;
            self.closed_until = Some(now + Duration::from_secs(seconds));
        }
        away
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn so_many_a_second_and_no_more() {
        let pace = Pace::new(Some(10));
        let begun = Instant::now();
        let mut passed = Vec::new();
        for _ in 0..30 {
            pace.turn().await;
            passed.push(begun.elapsed().as_millis());
        }
        let within = |millis: u128| passed.iter().filter(|at| **at < millis).count();
        assert_eq!((within(1), within(1_000), within(2_000)), (10, 19, 29), "{passed:?}");
        let unlimited = Pace::new(None);
        for _ in 0..1_000 {
            unlimited.turn().await;
        }
        assert_eq!(begun.elapsed().as_millis(), *passed.last().unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn a_hub_that_is_away_is_asked_by_one_at_a_time() {
        let mut breaker = Breaker::default();
        let now = Instant::now();
        for _ in 1..AWAY_AFTER {
            assert!(!breaker.failed(now));
        }
        assert_eq!(breaker.room(16, now), 16);
        assert!(breaker.failed(now));
        // The others that were under way.
        assert!(breaker.failed(now));
        let mut at = now;
        for seconds in [1, 2, 5, 15, 30, 30] {
            let second = Duration::from_secs(1);
            at += second * seconds;
            assert_eq!((breaker.room(16, at - second / 2), breaker.room(16, at)), (0, 1), "{seconds}");
            breaker.failed(at);
        }
        breaker.answered();
        assert_eq!(breaker.room(16, at), 16);
    }
}
