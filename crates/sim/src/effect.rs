//! What the workers did as time went on.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::Serialize;

/// How many effects are remembered. The oldest are forgotten first; a day's advance of a busy hub has fewer.
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
}

impl Effects {
    pub(crate) fn push(&self, effect: Effect) {
        let mut log = self.lock();
        if log.kept.len() == EFFECTS_MAX {
            log.kept.pop_front();
            log.forgotten += 1;
        }
        log.kept.push_back(effect);
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

    /// A mark behind the newest one.
    pub(crate) fn mark(&self) -> u64 {
        let log = self.lock();
        log.forgotten + u64::try_from(log.kept.len()).unwrap_or(u64::MAX)
    }

    /// Those after a mark, oldest first.
    pub(crate) fn since(&self, mark: u64) -> Vec<Effect> {
        let log = self.lock();
        let skip = usize::try_from(mark.saturating_sub(log.forgotten)).unwrap_or(usize::MAX);
        log.kept.iter().skip(skip).cloned().collect()
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
    fn the_newest_are_kept() {
        let effects = Effects::default();
        let push = |number: usize| effects.push(Effect { at: Timestamp::UNIX_EPOCH, what: number.to_string() });
        push(0);
        let mark = effects.mark();
        assert_eq!(effects.since(mark), []);
        (1..=EFFECTS_MAX).for_each(push);
        let since = effects.since(mark);
        assert_eq!((since.len(), since[0].what.as_str()), (EFFECTS_MAX, "1"));
        push(EFFECTS_MAX + 1);
        assert_eq!(effects.since(mark)[0].what, "2");
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
