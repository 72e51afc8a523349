//! What the workers did as time went on.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::Serialize;

/// How many effects are remembered while nobody asked for those that come. The oldest are forgotten first.
pub(crate) const EFFECTS_MAX: usize = 10_000;

/// Something that was due, and was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Effect {
    /// The simulator's time at which it was done.
    pub at: Timestamp,
    /// What it was, for a person and a test: `batch 29 of channel 23: PROCESSED` or
    /// `call-back 7 /processed: acknowledged`.
    pub what: String,
}

#[derive(Debug, Default)]
pub(crate) struct Effects {
    log: Mutex<Log>,
    under_way: AtomicUsize,
}

/// Something is being done: the store may know already, and its effect isn't noted yet. It ends when it is dropped.
#[derive(Debug)]
#[must_use]
pub(crate) struct UnderWay<'e>(&'e Effects);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}

#[derive(Debug, Default)]
struct Log {
    /// How many were forgotten.
    forgotten: u64,
    kept: VecDeque<Effect>,
    /// How many marks there are: nothing is forgotten meanwhile.
    marks: usize,
}

impl Log {
    /// How many there ever were.
    fn count(&self) -> u64 {
        self.forgotten.saturating_add(self.kept.len().try_into().unwrap_or(u64::MAX))
    }

    fn forget(&mut self) {
        if self.marks == 0 {
            let more = self.kept.len().saturating_sub(EFFECTS_MAX);
            self.kept.drain(..more);
            self.forgotten = self.forgotten.saturating_add(more.try_into().unwrap_or(u64::MAX));
        }
    }
}

/// A place in the log. What comes after it is kept until it is dropped.
#[derive(Debug)]
pub(crate) struct Mark<'e> {
    effects: &'e Effects,
    at: u64,
}

impl Mark<'_> {
    /// What came since, oldest first.
    pub(crate) fn since(&self) -> Vec<Effect> {
        let log = self.effects.lock();
        let skip = usize::try_from(self.at.saturating_sub(log.forgotten)).unwrap_or(usize::MAX);
        log.kept.iter().skip(skip).cloned().collect()
    }
}

impl Drop for Mark<'_> {
    fn drop(&mut self) {
        let mut log = self.effects.lock();
        log.marks -= 1;
        log.forget();
    }
}

impl Effects {
    pub(crate) fn push(&self, effect: Effect) {
        let mut log = self.lock();
        log.kept.push_back(effect);
        log.forget();
    }

    /// Begins what will be noted, before the store is told of it.
    pub(crate) fn begin(&self) -> UnderWay<'_> {
        self.under_way.fetch_add(1, Ordering::AcqRel);
        UnderWay(self)
    }

    /// Whether all that the store knows is noted.
    pub(crate) fn are_noted(&self) -> bool {
        self.under_way.load(Ordering::Acquire) == 0
    }

    /// How many there ever were.
    pub(crate) fn count(&self) -> u64 {
        self.lock().count()
    }

    /// A mark behind the newest one.
    pub(crate) fn mark(&self) -> Mark<'_> {
        let mut log = self.lock();
        log.marks += 1;
        Mark { effects: self, at: log.count() }
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{EFFECTS_MAX, Effect, Effects};
    use jiff::Timestamp;

    #[test]
    fn the_newest_are_kept_and_all_after_a_mark() {
        let effects = Effects::default();
        let push = |number: usize| effects.push(Effect { at: Timestamp::UNIX_EPOCH, what: number.to_string() });
        (0..=EFFECTS_MAX).for_each(push);
        let oldest = effects.lock().kept[0].what.clone();
        assert_eq!((effects.lock().kept.len(), oldest.as_str()), (EFFECTS_MAX, "1"));
        let mark = effects.mark();
        assert_eq!(mark.since(), []);
        (0..2 * EFFECTS_MAX).for_each(push);
        let since = mark.since();
        assert_eq!((since.len(), since[0].what.as_str()), (2 * EFFECTS_MAX, "0"));
        let later = effects.mark();
        drop(mark);
        assert_eq!(later.since(), []);
        drop(later);
        assert_eq!(effects.lock().kept.len(), EFFECTS_MAX);
        assert_eq!(effects.count(), 3 * EFFECTS_MAX as u64 + 1);
    }

    #[test]
    fn what_is_under_way_is_waited_for() {
        let effects = Effects::default();
        let (one, other) = (effects.begin(), effects.begin());
        drop(one);
        assert!(!effects.are_noted());
        drop(other);
        assert!(effects.are_noted());
    }
}
