//! The simulator's clock: everything that has a time has it from here.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// One clock for a whole simulator. Cheap to clone; clones show the same time.
#[derive(Clone)]
pub struct Clock {
    frozen: Arc<Mutex<Option<Timestamp>>>,
}

impl Clock {
    /// The system's time.
    pub fn real() -> Self {
        Self { frozen: Arc::new(Mutex::new(None)) }
    }

    /// Stands at an instant until it is moved.
    pub fn frozen(at: Timestamp) -> Self {
        Self { frozen: Arc::new(Mutex::new(Some(at))) }
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.at().unwrap_or_else(system_time)
    }

    /// Moves the clock to an instant, and lets it stand there.
    pub fn set(&self, at: Timestamp) {
        *self.lock() = Some(at);
    }

    /// Moves the clock by a duration, and lets it stand there. At the ends of time it stops.
    pub fn advance(&self, by: SignedDuration) {
        let mut frozen = self.lock();
        let now = frozen.unwrap_or_else(system_time);
        *frozen = Some(now.saturating_add(by).unwrap_or(now));
    }

    fn at(&self) -> Option<Timestamp> {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Timestamp>> {
        self.frozen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the outermost layer: all others ask the clock")]
fn system_time() -> Timestamp {
    Timestamp::now()
}

impl Default for Clock {
    fn default() -> Self {
        Self::real()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at() {
            Some(at) => write!(f, "Clock(frozen at {at})"),
            None => f.write_str("Clock(real)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;
    use jiff::{SignedDuration, Timestamp};

    #[test]
    fn clones_share_the_time() {
        let clock = Clock::frozen(Timestamp::UNIX_EPOCH);
        let other = clock.clone();
        clock.advance(SignedDuration::from_hours(1));
        assert_eq!(other.now().to_string(), "1970-01-01T01:00:00Z");
        other.set(Timestamp::MAX);
        clock.advance(SignedDuration::from_hours(1));
        assert_eq!(clock.now(), Timestamp::MAX);
    }

    #[test]
    fn a_real_clock_goes_on() {
        let clock = Clock::real();
        let before = clock.now();
        assert!(clock.now() >= before);
        assert!(before.as_second() > 1_700_000_000);
    }
}
