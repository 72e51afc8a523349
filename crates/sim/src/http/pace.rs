//! What a connection is waiting for, and since when: so that nobody slow is waited for too long.
//!
//! Time is counted in a connection's own ticks: a request costs some stores to memory that nobody shares, and asks no clock
//! and sets no timer.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

/// How long each kind of waiting may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// How often a connection looks at its own pace: nothing is noticed earlier.
    pub(super) tick: Duration,
    /// From a head's first byte to its last.
    pub(super) head: Duration,
    /// From the first time that a handler had to wait for the body, to the body's last byte.
    pub(super) body: Duration,
    /// Between two requests, and before the first.
    pub(super) idle: Duration,
    /// Until the peer takes more of an answer.
    pub(super) write: Duration,
    /// For a peer that still sends what nobody reads, after its answer.
    pub(super) linger: Duration,
}

/// What is waited for. The number is what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// For a request.
    Idle = 0,
    /// For the rest of a head.
    Head = 1,
    /// For the rest of a body.
    Body = 2,
    /// For ourselves.
    Answer = 3,
    /// For the peer to stop sending.
    Linger = 4,
}

/// A connection's pace. Shared by the parts of one connection, all of which run in one task.
#[derive(Debug)]
pub(super) struct Pace {
    now: AtomicU32,
    phase: AtomicU8,
    since: AtomicU32,
    /// The tick from which on nothing could be written; 0 if all could.
    stuck: AtomicU32,
    late: AtomicBool,
    unread: AtomicBool,
    abrupt: AtomicBool,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            now: AtomicU32::new(1),
            phase: AtomicU8::new(Phase::Idle as u8),
            since: AtomicU32::new(1),
            stuck: AtomicU32::new(0),
            late: AtomicBool::new(false),
            unread: AtomicBool::new(false),
            abrupt: AtomicBool::new(false),
        }
    }

    /// Bytes came: where none were expected a head begins.
    pub(super) fn bytes_came(&self) {
        if self.is(Phase::Idle) {
            self.enter(Phase::Head);
        }
    }

    /// Bytes went out. What is answered slowly, byte by byte, is no idle connection.
    pub(super) fn bytes_went(&self) {
        self.stuck.store(0, Relaxed);
        if self.is(Phase::Idle) {
            self.since.store(self.now.load(Relaxed), Relaxed);
        }
    }

    /// The peer takes no more bytes for now.
    pub(super) fn is_stuck(&self) {
        if self.stuck.load(Relaxed) == 0 {
            self.stuck.store(self.now.load(Relaxed), Relaxed);
        }
    }

    /// A whole head came; the handler has it.
    pub(super) fn answering(&self) {
        self.enter(Phase::Answer);
    }

    /// The handler waits for more of the body.
    pub(super) fn body_awaited(&self) {
        if !self.is(Phase::Body) {
            self.enter(Phase::Body);
        }
    }

    /// The answer is there.
    pub(super) fn answered(&self) {
        self.enter(Phase::Idle);
    }

    /// Nobody reads the rest of a request any more.
    pub(super) fn left_unread(&self) {
        self.unread.store(true, Relaxed);
    }

    /// Whether the peer may still be sending what nobody reads. Then it is listened to for a moment, or the reset that its
    /// bytes would cause could reach it before the answer.
    pub(super) fn lingers(&self) -> bool {
        // Also a head that can't be read, of which the rest may still come.
        if self.unread.load(Relaxed) || self.is(Phase::Head) {
            self.unread.store(false, Relaxed);
            self.enter(Phase::Linger);
        }
        self.is(Phase::Linger)
    }

    /// The connection is to end without an answer.
    pub(super) fn end_abruptly(&self) {
        self.abrupt.store(true, Relaxed);
    }

    pub(super) fn is_abrupt(&self) -> bool {
        self.abrupt.load(Relaxed)
    }

    /// Whether the body took too long, so that waiting for it fails.
    pub(super) fn body_is_late(&self) -> bool {
        self.late.load(Relaxed)
    }

    /// Counts a tick, and says whether the connection has to be given up. Where others wait for a place, an idle one goes
    /// first.
    pub(super) fn tick(&self, patience: &Patience, crowded: bool) -> bool {
        let now = self.now.load(Relaxed).saturating_add(1);
        self.now.store(now, Relaxed);
        let over = |since: u32, limit: Duration| {
            let ticks = limit.as_nanos().div_ceil(patience.tick.as_nanos().max(1));
            u128::from(now.saturating_sub(since)) > ticks
        };
        let stuck = self.stuck.load(Relaxed);
        if stuck != 0 && over(stuck, patience.write) {
            return true;
        }
        let since = self.since.load(Relaxed);
        match self.phase.load(Relaxed) {
            phase if phase == Phase::Idle as u8 => over(since, if crowded { Duration::ZERO } else { patience.idle }),
            phase if phase == Phase::Head as u8 => over(since, patience.head),
            phase if phase == Phase::Body as u8 => {
                let late = over(since, patience.body);
                // The handler is told first, and can still answer.
                let told = late && self.late.swap(true, Relaxed);
                if late {
                    self.since.store(now, Relaxed);
                }
                told
            }
            phase if phase == Phase::Linger as u8 => over(since, patience.linger),
            _ => false,
        }
    }

    fn is(&self, phase: Phase) -> bool {
        self.phase.load(Relaxed) == phase as u8
    }

    fn enter(&self, phase: Phase) {
        self.since.store(self.now.load(Relaxed), Relaxed);
        self.phase.store(phase as u8, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::{Pace, Patience};
    use std::time::Duration;

    const PATIENCE: Patience = Patience {
        tick: Duration::from_secs(1),
        head: Duration::from_secs(2),
        body: Duration::from_secs(3),
        idle: Duration::from_secs(5),
        write: Duration::from_secs(4),
        linger: Duration::from_secs(1),
    };

    /// After how many ticks a connection is given up, if within twenty.
    fn check(pace: &Pace, crowded: bool, expected: Option<usize>) {
        assert_eq!((1..=20).find(|_| pace.tick(&PATIENCE, crowded)), expected);
    }

    #[test]
    fn each_kind_of_waiting_has_its_limit() {
        let idle = Pace::new();
        check(&idle, false, Some(6));
        check(&Pace::new(), true, Some(1));

        let head = Pace::new();
        head.tick(&PATIENCE, false);
        head.bytes_came();
        head.tick(&PATIENCE, false);
        head.bytes_came();
        check(&head, false, Some(2)); // One byte a tick doesn't help.

        let answering = Pace::new();
        answering.bytes_came();
        answering.answering();
        check(&answering, true, None);
        answering.is_stuck();
        answering.is_stuck();
        check(&answering, false, Some(5));
    }

    #[test]
    fn a_late_body_is_told_before_it_is_given_up() {
        let pace = Pace::new();
        pace.answering();
        pace.body_awaited();
        for _ in 0..4 {
            assert!(!pace.body_is_late());
            pace.body_awaited();
            assert!(!pace.tick(&PATIENCE, false));
        }
        assert!(pace.body_is_late());
        check(&pace, false, Some(4));
    }

    #[test]
    fn whoever_gets_bytes_is_not_idle() {
        let pace = Pace::new();
        for _ in 0..10 {
            assert!(!pace.tick(&PATIENCE, false));
            pace.is_stuck();
            pace.bytes_went();
        }
        check(&pace, false, Some(6));
    }

    #[test]
    fn lingering_is_for_what_was_left_unread() {
        let broken = Pace::new();
        broken.bytes_came();
        assert!(broken.lingers());
        let pace = Pace::new();
        assert!(!pace.lingers());
        pace.left_unread();
        assert!(pace.lingers());
        assert!(!pace.tick(&PATIENCE, false));
        assert!(pace.lingers());
        check(&pace, false, Some(1));
    }
}
