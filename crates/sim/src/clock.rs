//! The simulator's clock: everything that has a time has it from here, in whole microseconds, as stores keep it: otherwise a clock
//! that stands would go back by less than one of them when its store is read.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

/// One clock for a whole simulator. Cheap to clone; clones show the same time. It counts whole microseconds: what is finer in a time that it
/// is given is cut off.
#[derive(Clone)]
pub struct Clock(Arc<Inner>);

struct Inner {
    course: Mutex<Course>,
    /// Counts how often the course was changed, for those who wait for a time.
    changes: watch::Sender<u64>,
}

/// How time goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Course {
    /// With the system's time.
    Real,
    /// It stands still at an instant.
    Frozen(Timestamp),
    /// It passes so many times as fast as the system's.
    Scaled {
        /// The system's time at which it began.
        since: Timestamp,
        /// What it showed then.
        from: Timestamp,
        /// How many seconds pass in a second.
        speed: NonZeroU32,
    },
}

/// The longest that the system's clock is left unasked while a time is waited for: it can be set, too.
const GLANCE: Duration = Duration::from_secs(60);

impl Clock {
    fn new(course: Course) -> Self {
        Self(Arc::new(Inner { course: Mutex::new(course.whole()), changes: watch::Sender::new(0) }))
    }

    /// The system's time.
    pub fn real() -> Self {
        Self::new(Course::Real)
    }

    /// Stands at an instant until it is moved.
    pub fn frozen(at: Timestamp) -> Self {
        Self::new(Course::Frozen(at))
    }

    /// Begins at an instant, and passes `speed` times as fast as the system's time.
    pub fn scaled(from: Timestamp, speed: NonZeroU32) -> Self {
        Self::new(Course::Scaled { since: system_time(), from, speed })
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.course().now()
    }

    /// How time goes.
    pub fn course(&self) -> Course {
        *self.lock()
    }

    /// Moves the clock to an instant, and lets it stand there.
    pub fn set(&self, at: Timestamp) {
        self.change(|_| Course::Frozen(at));
    }

    /// Moves the clock by a duration, and lets it stand there. At the ends of time it stops.
    pub fn advance(&self, by: SignedDuration) {
        self.change(|now| Course::Frozen(now.saturating_add(by).unwrap_or(now)));
    }

    /// Lets it stand where it is.
    pub fn freeze(&self) {
        self.change(Course::Frozen);
    }

    /// Lets it go with the system's time again.
    pub fn resume(&self) {
        self.change(|_| Course::Real);
    }

    /// Lets it go on from where it is, `speed` times as fast as the system's time.
    pub fn scale(&self, speed: NonZeroU32) {
        self.change(|now| Course::Scaled { since: system_time(), from: now, speed });
    }

    /// Lets time go as it goes elsewhere.
    pub(crate) fn adopt(&self, course: Course) {
        self.change(|_| course);
    }

    /// Resolves when the course was changed after this call.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    fn change(&self, to: impl FnOnce(Timestamp) -> Course) {
        {
            let mut course = self.lock();
            *course = to(course.now()).whole();
        }
        self.0.changes.send_modify(|changes| *changes += 1);
    }

    /// Waits until the clock shows `at`, or was moved; forever, if there is no time to wait for and nobody moves it.
    pub(crate) async fn until(&self, at: Option<Timestamp>) {
        let mut changes = self.0.changes.subscribe();
        let wait = match at {
            Some(at) => match self.course().real_wait(at) {
                Some(Duration::ZERO) => return,
                wait => wait,
            },
            None => None,
        };
        let changed = changes.changed();
        match wait {
            Some(wait) => drop(tokio::time::timeout(wait.min(GLANCE), changed).await),
            None => drop(changed.await),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Course> {
        self.0.course.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Course {
    /// In whole microseconds, so that it is the same when it was stored.
    fn whole(self) -> Self {
        match self {
            Self::Real => Self::Real,
            Self::Frozen(at) => Self::Frozen(whole(at)),
            Self::Scaled { since, from, speed } => Self::Scaled { since: whole(since), from: whole(from), speed },
        }
    }

    fn now(self) -> Timestamp {
        match self {
            Self::Real => system_time(),
            Self::Frozen(at) => at,
            Self::Scaled { since, from, speed } => {
                let passed = system_time().duration_since(since);
                let passed = passed.checked_mul(i32::try_from(speed.get()).unwrap_or(i32::MAX));
                passed.and_then(|passed| from.checked_add(passed).ok()).unwrap_or(Timestamp::MAX)
            }
        }
    }

    /// For how long the system's time has to pass until `at`: none if that doesn't help.
    fn real_wait(self, at: Timestamp) -> Option<Duration> {
        let wait = Duration::try_from(at.duration_since(self.now())).unwrap_or(Duration::ZERO);
        match self {
            _ if wait.is_zero() => Some(Duration::ZERO),
            Self::Real => Some(wait),
            Self::Scaled { speed, .. } => Some(wait / speed.get() + Duration::from_millis(1)),
            Self::Frozen(_) => None,
        }
    }
}

/// The system's time, in whole microseconds.
#[expect(clippy::disallowed_methods, reason = "this is the outermost layer: all others ask the clock")]
pub(crate) fn system_time() -> Timestamp {
    whole(Timestamp::now())
}

/// Cut to whole microseconds.
fn whole(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

impl Default for Clock {
    fn default() -> Self {
        Self::real()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.course() {
            Course::Real => f.write_str("Clock(real)"),
            Course::Frozen(at) => write!(f, "Clock(frozen at {at})"),
            course @ Course::Scaled { speed, .. } => write!(f, "Clock({speed} times as fast, at {})", course.now()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use super::Clock;
    use jiff::{SignedDuration, Timestamp};
    use tokio::time::timeout;

    #[test]
    fn clones_share_the_time() {
        let clock = Clock::frozen(Timestamp::UNIX_EPOCH);
        let other = clock.clone();
        clock.advance(SignedDuration::from_hours(1));
        assert_eq!(other.now().to_string(), "1970-01-01T01:00:00Z");
        other.set(Timestamp::MAX);
        let last = clock.now();
        clock.advance(SignedDuration::from_hours(1));
        assert_eq!(clock.now(), last);
        assert!(Timestamp::MAX.duration_since(last) < SignedDuration::from_micros(1));
    }

    /// What a store gives back is what it was given.
    #[test]
    fn times_are_whole_microseconds() {
        let odd = Timestamp::new(1_736_486_550, 123_456_789).unwrap();
        let cut = Timestamp::new(1_736_486_550, 123_456_000).unwrap();
        let clock = Clock::frozen(odd);
        assert_eq!(clock.now(), cut);
        clock.advance(SignedDuration::from_nanos(1_999));
        assert_eq!(clock.now(), cut + SignedDuration::from_micros(1));
        clock.set(odd);
        assert_eq!(clock.now(), cut);
        clock.scale(NonZeroU32::MIN);
        clock.resume();
        clock.freeze();
        assert_eq!(clock.now().subsec_nanosecond() % 1_000, 0);
        assert_eq!(Clock::real().now().subsec_nanosecond() % 1_000, 0);
    }

    #[test]
    fn a_real_clock_goes_on() {
        let clock = Clock::real();
        let before = clock.now();
        assert!(clock.now() >= before);
        assert!(before.as_second() > 1_700_000_000);
        clock.freeze();
        let stood = clock.now();
        assert_eq!(clock.now(), stood);
        clock.resume();
        assert!(clock.now() >= stood);
    }

    #[test]
    fn a_scaled_clock_hurries() {
        let clock = Clock::scaled(Timestamp::UNIX_EPOCH, NonZeroU32::new(1_000_000).unwrap());
        while clock.now() < Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1) {}
        clock.freeze();
        let stood = clock.now();
        clock.scale(NonZeroU32::MIN);
        assert!(clock.now() >= stood);
        assert!(clock.now() < stood + SignedDuration::from_hours(1));
    }

    #[tokio::test]
    async fn a_time_is_waited_for() {
        let soon = Duration::from_secs(30);
        let clock = Clock::frozen(Timestamp::UNIX_EPOCH);
        timeout(soon, clock.until(Some(Timestamp::UNIX_EPOCH))).await.unwrap();
        let later = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(1);
        let moved = async {
            tokio::task::yield_now().await;
            clock.set(later);
        };
        let ((), waited) = tokio::join!(moved, timeout(soon, clock.until(Some(later))));
        waited.unwrap();
        clock.scale(NonZeroU32::new(1_000_000).unwrap());
        timeout(soon, clock.until(Some(later + SignedDuration::from_secs(1000)))).await.unwrap();
        clock.resume();
        timeout(soon, clock.until(Some(clock.now() + SignedDuration::from_millis(5)))).await.unwrap();
    }
}
