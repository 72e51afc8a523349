//! Where a worker begins to look, so that it needn't walk past what is done.
//!
//! PostgreSQL keeps the index entries of completed jobs for as long as any transaction is open that might see them: a backup,
//! or somebody's forgotten session. All of them lie at the beginning of the index, and each claim from the beginning would
//! visit each of them. A worker that remembers how far it got visits only those of the last seconds.

use jiff::{SignedDuration, Timestamp};

use super::job::{Claim, Job, micros};

/// For how long a place in the queue is still looked at after it was passed: what is enqueued meanwhile with an earlier due
/// time, by a slower transaction or an instance whose clock is behind, is found at once.
pub const SETTLE: SignedDuration = SignedDuration::from_secs(2);

/// After how long the whole queue is looked at again, at first: for jobs that were put before the cursor, as a revived one
/// may be.
pub const RESCAN_FIRST: SignedDuration = SignedDuration::from_secs(1);

/// The same at the most: each time that nothing is found before the cursor, the wait doubles. It is how late such a job may
/// be claimed.
pub const RESCAN_MAX: SignedDuration = SignedDuration::from_secs(16);

/// A place in the queue. Jobs before it aren't looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub(super) due: i64,
    pub(super) id: i64,
    pub(super) lease: i64,
}

impl Position {
    /// Before all jobs.
    pub const BEGINNING: Self = Self { due: i64::MIN, id: i64::MIN, lease: i64::MIN };

    fn key(self) -> (i64, i64) {
        (self.due, self.id)
    }
}

/// Remembers how far one worker got in one queue on PostgreSQL. It is a saving and no truth: a new one begins at the
/// beginning, and whatever it passes over wrongly is found by the next look at the whole queue.
///
/// ```text
/// claim.from(cursor.position(now))  →  transaction  →  cursor.passed(&claim, &jobs)
/// ```
#[derive(Clone, Debug)]
pub struct Cursor {
    /// Passed at least [`SETTLE`] ago: where to begin.
    settled: Position,
    /// Passed at `pending_since`, on its way to be settled.
    pending: Position,
    pending_since: Timestamp,
    /// Passed by now.
    passed: Position,
    /// The next look at everything, and the wait after it.
    rescan_at: Timestamp,
    rescan_after: SignedDuration,
}

impl Default for Cursor {
    fn default() -> Self {
        Self {
            settled: Position::BEGINNING,
            pending: Position::BEGINNING,
            pending_since: Timestamp::MIN,
            passed: Position::BEGINNING,
            rescan_at: Timestamp::MIN,
            rescan_after: RESCAN_FIRST,
        }
    }
}

impl Cursor {
    /// Where to begin at this real time: mostly where the cursor is, and now and then at the beginning.
    pub fn position(&self, now: Timestamp) -> Position {
        if self.rescan_at <= now { Position::BEGINNING } else { self.settled }
    }

    /// Takes note of what a claim found, once its transaction is committed.
    pub fn passed(&mut self, claim: &Claim, jobs: &[Job]) {
        let now = claim.clocks.now;
        let most = usize::try_from(claim.most()).unwrap_or(usize::MAX);
        let key = |job: &Job| (micros(job.due), job.lease.id);
        let ready = || jobs.iter().filter(|job| !job.rescued).map(key);
        // Who got less than was asked for has seen all that is due.
        let all = (micros(claim.clocks.due), i64::MAX);
        let reached = if jobs.len() < most { Some(all) } else { ready().max() };

        if claim.from == Position::BEGINNING {
            let found = ready().any(|key| key < self.settled.key());
            let through = reached.is_some_and(|reached| reached >= self.settled.key());
            self.rescanned(now, found, through);
        }
        if let Some((due, id)) = reached.filter(|reached| *reached > self.passed.key()) {
            self.passed = Position { due, id, ..self.passed };
        }
        // Leases are given for times to come: what has run out by now and isn't there, won't be.
        if jobs.iter().filter(|job| job.rescued).count() < most {
            self.passed.lease = self.passed.lease.max(micros(now));
        }
        if now.duration_since(self.pending_since) >= SETTLE {
            self.settled = self.pending;
            self.pending = self.passed;
            self.pending_since = now;
        }
    }

    /// Plans the next look at everything.
    fn rescanned(&mut self, now: Timestamp, found: bool, through: bool) {
        let after = match (through, found) {
            // It ended before the cursor: the next claim goes on from there.
            (false, _) => SignedDuration::ZERO,
            (true, true) => RESCAN_FIRST,
            (true, false) => self.rescan_after,
        };
        let next = if found { RESCAN_FIRST } else { self.rescan_after.saturating_mul(2).min(RESCAN_MAX) };
        self.rescan_after = next;
        self.rescan_at = now.saturating_add(after).unwrap_or(Timestamp::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::super::job::{Clocks, Lease, Token};
    use super::*;

    const START: Timestamp = Timestamp::constant(1_753_900_000, 0);

    fn at(seconds: i64) -> Timestamp {
        START + SignedDuration::from_secs(seconds)
    }

    fn job(id: i64, due: i64, rescued: bool) -> Job {
        let lease = Lease { id, token: Token::from_bytes([1; 8]) };
        let (lane, payload) = (None, String::new());
        Job { lease, lane, payload, due: at(due), enqueued: START, attempts: 1, rescued }
    }

    /// Two jobs a claim, the two clocks alike.
    fn claim(cursor: &Cursor, seconds: i64) -> Claim {
        let clocks = Clocks { due: at(seconds), now: at(seconds) };
        Claim::new(2, Token::from_bytes([1; 8]), clocks, SignedDuration::from_secs(30))
            .from(cursor.position(at(seconds)))
    }

    /// Claims at these seconds and gets these jobs: (number, due). Says where each began, in seconds and numbers.
    fn check(steps: &[(i64, &[(i64, i64)])], expected: &[&str]) {
        let mut cursor = Cursor::default();
        let mut began = Vec::new();
        for (second, jobs) in steps {
            let claim = claim(&cursor, *second);
            began.push(match claim.from {
                Position::BEGINNING => "beginning".to_owned(),
                Position { due: i64::MIN, .. } => "first".to_owned(),
                Position { due, id: i64::MAX, .. } => format!("{}", due / 1_000_000 - START.as_second()),
                Position { due, id, .. } => format!("{}/{id}", due / 1_000_000 - START.as_second()),
            });
            cursor.passed(&claim, &jobs.iter().map(|(id, due)| job(*id, *due, false)).collect::<Vec<_>>());
        }
        assert_eq!(began, expected);
    }

    #[test]
    fn it_begins_at_what_was_passed_a_while_ago() {
        // Full claims: as far as the last job. Looks at everything after 1, 2, 4 … seconds.
        check(
            &[(0, &[(1, 0), (2, 0)]), (2, &[(3, 0), (4, 1)]), (2, &[(5, 1), (6, 1)]), (4, &[(7, 2), (8, 2)]), (5, &[])],
            &["beginning", "beginning", "0/2", "beginning", "1/4"],
        );
        // Claims that got all: as far as the clock.
        check(
            &[(0, &[]), (2, &[(1, 1)]), (3, &[]), (4, &[]), (5, &[])],
            &["beginning", "beginning", "0", "beginning", "2"],
        );
    }

    #[test]
    fn it_looks_at_everything_more_seldom_while_that_finds_nothing() {
        let mut cursor = Cursor::default();
        let mut looks = Vec::new();
        for second in 0..60 {
            let claim = claim(&cursor, second);
            if claim.from == Position::BEGINNING {
                looks.push(second);
            }
            // One that was put before the cursor.
            let late = if second == 30 { vec![job(99, -5, false)] } else { Vec::new() };
            cursor.passed(&claim, &late);
        }
        assert_eq!(looks, [0, 1, 2, 6, 14, 30, 31, 32, 34, 38, 46]);
    }

    #[test]
    fn a_look_at_everything_goes_on_until_it_meets_the_cursor() {
        let late: &[(i64, i64)] = &[(50, -9), (51, -9)];
        check(
            &[(0, &[]), (2, &[]), (4, &[]), (8, late), (8, late), (8, &[]), (8, &[])],
            &["beginning", "beginning", "beginning", "beginning", "beginning", "beginning", "4"],
        );
    }

    #[test]
    fn leases_are_passed_by_the_real_clock_once_all_are_rescued() {
        let mut cursor = Cursor::default();
        for (second, jobs) in [(0, vec![]), (2, vec![job(1, 0, true), job(2, 0, true)]), (4, vec![]), (6, vec![])] {
            let claim = claim(&cursor, second);
            cursor.passed(&claim, &jobs);
        }
        assert_eq!((cursor.settled.lease, cursor.passed.lease), (micros(at(4)), micros(at(6))));
        let claim = claim(&cursor, 9);
        cursor.passed(&claim, &[job(1, 0, true), job(2, 0, true)]);
        assert_eq!(cursor.passed.lease, micros(at(6)), "more may have run out");
    }
}
