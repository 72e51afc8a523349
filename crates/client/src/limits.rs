//! How much of the hub one client takes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::error::{ClientError, ErrorKind};

/// How many requests of one client are under way at once if nothing is said: far more than an ordinary program has, and few
/// enough that a loop gone wild doesn't take the hub from others.
pub const CONCURRENCY: usize = 64;

/// What a client allows itself. Shared by its clones.
///
/// ```
/// use asaanbill_client::Limits;
///
/// let polite = Limits::default().concurrency(8).per_second(20);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub(crate) concurrency: usize,
    pub(crate) per_second: Option<u32>,
}

impl Limits {
    /// At most this many requests at once, at least one. [`CONCURRENCY`] if nothing is said.
    #[must_use]
    pub fn concurrency(mut self, requests: usize) -> Self {
        self.concurrency = requests.clamp(1, Semaphore::MAX_PERMITS);
        self
    }

    /// At most this many requests a second, at least one, spread evenly. No limit if nothing is said: the guide names none.
    #[must_use]
    pub fn per_second(mut self, requests: u32) -> Self {
        self.per_second = Some(requests.max(1));
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { concurrency: CONCURRENCY, per_second: None }
    }
}

/// Keeps to the limits.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    lanes: Arc<Semaphore>,
    pace: Option<Arc<Pace>>,
}

/// A place among the requests that are under way.
#[derive(Debug)]
pub(crate) struct Lane {
    _permit: OwnedSemaphorePermit,
}

impl Gate {
    pub(crate) fn new(limits: Limits) -> Self {
        let pace = limits.per_second.map(|requests| Arc::new(Pace::new(Duration::from_secs(1) / requests)));
        Self { lanes: Arc::new(Semaphore::new(limits.concurrency)), pace }
    }

    /// Waits for a place, first come first served, to the deadline. Nothing was sent.
    pub(crate) async fn enter(&self, deadline: Instant) -> Result<Lane, ClientError> {
        let full =
            || ClientError::new(ErrorKind::NotSent, "too many requests are under way in this client; nothing was sent");
        let permit = match Arc::clone(&self.lanes).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                let waited = Box::pin(timeout_at(deadline, Arc::clone(&self.lanes).acquire_owned())).await;
                waited.map_err(|_| full())?.map_err(|_| full())?
            }
        };
        Ok(Lane { _permit: permit })
    }

    /// Waits for its turn in the rate. Called for each attempt.
    pub(crate) async fn pace(&self, deadline: Instant) -> Result<(), ClientError> {
        let Some(pace) = &self.pace else { return Ok(()) };
        let turn = pace.reserve(Instant::now(), deadline);
        let turn = turn.ok_or_else(|| {
            ClientError::new(
                ErrorKind::NotSent,
                "this client's own rate leaves no turn before the deadline; nothing was sent",
            )
        })?;
        Box::pin(sleep_until(turn)).await;
        Ok(())
    }
}

/// Turns at equal distances. Those who come early wait; what nobody uses isn't saved up, so there are no bursts.
#[derive(Debug)]
struct Pace {
    distance: Duration,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    fn new(distance: Duration) -> Self {
        Self { distance, next: Mutex::new(None) }
    }

    /// The next turn, unless it comes after the deadline: then nobody takes it.
    fn reserve(&self, now: Instant, deadline: Instant) -> Option<Instant> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = next.map_or(now, |next| next.max(now));
        if turn > deadline {
            return None;
        }
        *next = Some(turn + self.distance);
        Some(turn)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Gate, Limits, Pace};

    #[tokio::test(start_paused = true)]
    async fn turns_come_at_equal_distances_and_are_not_saved_up() {
        let pace = Pace::new(Duration::from_millis(100));
        let start = Instant::now();
        let far = start + Duration::from_secs(60);
        let after = |ms: u64| Some(start + Duration::from_millis(ms));
        assert_eq!(pace.reserve(start, far), after(0));
        assert_eq!(pace.reserve(start, far), after(100));
        assert_eq!(pace.reserve(start, start), None, "the turn comes after the deadline");
        assert_eq!(pace.reserve(start, far), after(200), "and isn't used up by that");
        let late = start + Duration::from_secs(10);
        assert_eq!(pace.reserve(late, far), Some(late));
        assert_eq!(pace.reserve(late, far), Some(late + Duration::from_millis(100)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_client_says_that_nothing_was_sent() {
        let gate = Gate::new(Limits::default().concurrency(0).per_second(0));
        let soon = Instant::now() + Duration::from_millis(10);
        let lane = gate.enter(soon).await.unwrap();
        let error = gate.enter(soon).await.unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::NotSent);
        drop(lane);
        assert!(gate.enter(soon).await.is_ok());
        gate.pace(soon).await.unwrap();
        assert!(gate.pace(soon).await.is_err(), "one a second");
    }
}
