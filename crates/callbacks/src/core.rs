//! What a receiver's parts share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use asaanbill_storage::StorageError;
use asaanbill_storage::queue::{Claim, Clocks, Token};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, watch};

use crate::clock::Clock;
use crate::guard::Guard;
use crate::handler::Handling;
use crate::hub::HubRecords;
use crate::metrics::Metrics;
use crate::settings::{Limits, Sweep};
use crate::store::Store;

/// For how long a worker's jobs are its own; after it, somebody else takes them over. A worker that lives asks for more three
/// times in this time.
pub(crate) const LEASE: SignedDuration = SignedDuration::from_secs(15);

/// How often a worker asks for more time.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(5);

/// How long to wait when the store fails.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// How long a worker rests at most. A call-back whose sender went away, or for which the store took too long, is stored
/// without a bell; so is another instance's; and the timer stands still while the machine sleeps.
pub(crate) const REST_MAX: Duration = Duration::from_secs(5);

pub(crate) struct Core {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) hub: Arc<dyn HubRecords>,
    pub(crate) handling: Handling,
    pub(crate) handlers_at_once: usize,
    pub(crate) clock: Clock,
    pub(crate) limits: Limits,
    /// How long to wait after each attempt at a payment that the hub doesn't show as paid.
    pub(crate) confirm_schedule: Vec<SignedDuration>,
    pub(crate) guard: Guard,
    pub(crate) sweep: Option<Sweep>,
    pub(crate) retention: Option<SignedDuration>,
    pub(crate) bells: Bells,
    pub(crate) metrics: Metrics,
    pub(crate) unresolved: Unresolved,
    /// Asking the hub.
    pub(crate) asking: Failing,
    /// Storing what comes.
    pub(crate) storing: Failing,
    /// Whether no new work is begun any more.
    pub(crate) draining: watch::Sender<bool>,
}

/// What wakes the workers.
#[derive(Debug, Default)]
pub(crate) struct Bells {
    /// A call-back is stored.
    pub(crate) received: Notify,
    /// An effect is noted.
    pub(crate) confirmed: Notify,
}

impl Core {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn after(&self, wait: SignedDuration) -> Timestamp {
        self.now().saturating_add(wait).unwrap_or(Timestamp::MAX)
    }

    /// Until when a lease lasts that is given now.
    pub(crate) fn lease_until(&self) -> Timestamp {
        self.after(LEASE)
    }

    pub(crate) fn claim(&self, most: usize) -> Result<Claim, StorageError> {
        let now = self.now();
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        Ok(Claim::new(most, Token::random()?, Clocks { due: now, now }, LEASE))
    }

    pub(crate) fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// How long until then, by tokio's timer, but no longer than a worker rests.
    pub(crate) fn rest_until(&self, at: Option<Timestamp>) -> Duration {
        let Some(at) = at else { return REST_MAX };
        Duration::try_from(at.duration_since(self.now())).unwrap_or_default().min(REST_MAX)
    }
}

/// After a failure of the store.
pub(crate) async fn pause(error: &StorageError) {
    tracing::error!(error = error as &dyn std::error::Error, "the inbox failed");
    tokio::time::sleep(STORE_PAUSE).await;
}

/// Runs somebody else's code, of which a panic is a failure like any other.
pub(crate) async fn caught<T>(work: impl Future<Output = T>) -> Result<T, crate::handler::Panicked> {
    use futures_util::FutureExt as _;
    std::panic::AssertUnwindSafe(work).catch_unwind().await.map_err(|_| crate::handler::Panicked)
}

/// How many receipts are unresolved, as this process knows it: a bound on floods, and no truth. It is counted anew from the
/// store now and then, because others work on the same inbox.
#[derive(Debug, Default)]
pub(crate) struct Unresolved {
    by_source: Mutex<HashMap<Option<String>, u64>>,
    total: AtomicU64,
}

impl Unresolved {
    /// Takes a place for one more, if there is one.
    pub(crate) fn take(&self, source: &Option<String>, limits: &Limits) -> bool {
        let mut by_source = self.by_source();
        if self.total.load(Ordering::Relaxed) >= limits.unresolved {
            return false;
        }
        match by_source.get_mut(source) {
            Some(of_source) if *of_source >= limits.unresolved_per_source => return false,
            Some(of_source) => *of_source += 1,
            None if limits.unresolved_per_source == 0 => return false,
            None => drop(by_source.insert(source.clone(), 1)),
        }
        self.total.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// One of them is resolved, or wasn't stored after all.
    pub(crate) fn give_back(&self, source: &Option<String>) {
        let mut by_source = self.by_source();
        if let Some(count) = by_source.get_mut(source) {
            *count = count.saturating_sub(1);
            self.total.fetch_sub(1, Ordering::Relaxed);
            if *count == 0 {
                by_source.remove(source);
            }
        }
    }

    pub(crate) fn set(&self, counted: HashMap<Option<String>, u64>) {
        let mut by_source = self.by_source();
        self.total.store(counted.values().sum(), Ordering::Relaxed);
        *by_source = counted;
    }

    fn by_source(&self) -> MutexGuard<'_, HashMap<Option<String>, u64>> {
        self.by_source.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Since when something fails, for the health view.
#[derive(Debug, Default)]
pub(crate) struct Failing(Mutex<Option<Timestamp>>);

impl Failing {
    pub(crate) fn works(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// For the first time now, or since earlier.
    pub(crate) fn fails(&self, now: Timestamp) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(now);
    }

    pub(crate) fn since(&self) -> Option<Timestamp> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_one_source_leaves_room_for_others() {
        let limits = Limits { unresolved: 5, unresolved_per_source: 3, ..Limits::default() };
        let (one, other) = (Some("192.0.2.1".to_owned()), None);
        let unresolved = Unresolved::default();
        let taken = |source| (0..9).filter(|_| unresolved.take(source, &limits)).count();
        assert_eq!((taken(&one), taken(&other)), (3, 2));
        unresolved.give_back(&one);
        unresolved.give_back(&Some("nobody's".to_owned()));
        assert_eq!((taken(&one), taken(&other)), (1, 0));
        unresolved.set(HashMap::from([(other.clone(), 4)]));
        assert_eq!((taken(&other), taken(&one)), (0, 1));
    }
}
