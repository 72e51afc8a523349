//! What the client asks of the machine that it runs on: the time, and randomness.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

type Clock = dyn Fn() -> Timestamp + Send + Sync;
type Randomness = dyn Fn() -> u64 + Send + Sync;

/// The clock and the randomness of a client. A test brings its own.
#[derive(Clone)]
pub(crate) struct Environment {
    clock: Arc<Clock>,
    randomness: Arc<Randomness>,
}

impl Environment {
    pub(crate) fn with_clock(self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { clock: Arc::new(clock), ..self }
    }

    pub(crate) fn with_randomness(self, randomness: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self { randomness: Arc::new(randomness), ..self }
    }

    /// What the clock shows.
    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// 64 random bits.
    pub(crate) fn random(&self) -> u64 {
        (self.randomness)()
    }

    /// A random number from 0 to `bound`, both included. Its tiny bias doesn't matter to a delay.
    pub(crate) fn up_to(&self, bound: u64) -> u64 {
        match bound.checked_add(1) {
            Some(count) => self.random() % count,
            None => self.random(),
        }
    }
}

impl Default for Environment {
    fn default() -> Self {
        Self { clock: Arc::new(system_clock), randomness: Arc::new(system_randomness) }
    }
}

#[expect(clippy::disallowed_methods, reason = "a client is an outermost layer")]
fn system_clock() -> Timestamp {
    Timestamp::now()
}

/// A system without randomness is no reason to stop billing: then the hash maps' own seed serves, which is fresh in each
/// process. Identifiers that the client makes are still told apart by the hub's records.
fn system_randomness() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    getrandom::u64().unwrap_or_else(|_| RandomState::new().hash_one(system_clock()))
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::Environment;

    #[test]
    fn a_bound_is_kept() {
        let environment = Environment::default();
        for bound in [0, 1, 7, u64::MAX] {
            assert!(environment.up_to(bound) <= bound);
        }
        assert_ne!(environment.random(), environment.random());
        assert_eq!(environment.with_randomness(|| 12).up_to(9), 2);
    }
}
