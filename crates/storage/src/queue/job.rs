//! A job, and what is said about it.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::cursor::Position;
use crate::error::{StorageError, StorageErrorKind};

/// The most bytes of a payload. What is larger belongs into a table of its own, and its number into the payload.
pub const PAYLOAD_MAX: usize = 1024 * 1024;

/// The most jobs that are claimed or listed at once. With the longest payloads they are a gigabyte, with usual ones a few
/// hundred kilobytes; more wouldn't make a claim cheaper.
pub const CLAIM_MAX: u32 = 1_000;

/// What is to be done.
#[derive(Clone, PartialEq, Eq)]
pub struct NewJob {
    /// Whose job it is, or what it is about. The queue attaches no meaning to it, and can count by it.
    pub lane: Option<String>,
    /// What the worker has to know: at most [`PAYLOAD_MAX`] bytes.
    pub payload: String,
    /// Not to be claimed before this time of [`Clocks::due`].
    pub due: Timestamp,
}

/// A job in a queue. Debug shows neither lane nor payload.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Job {
    /// Its number and, while it is leased to the one who asks, the token. A job that was only looked at has a token that
    /// nobody was given.
    pub lease: Lease,
    /// As it was enqueued.
    pub lane: Option<String>,
    /// As it was enqueued.
    pub payload: String,
    /// When it was or will be due.
    pub due: Timestamp,
    /// When it was enqueued, in real time.
    pub enqueued: Timestamp,
    /// How often it was claimed, this time included.
    pub attempts: u32,
    /// Whether an earlier lease ran out: it may have been done half, or wholly.
    pub rescued: bool,
}

/// The right to say what becomes of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The job's number, never used again.
    pub id: i64,
    /// Proves that the job wasn't given to somebody else since.
    pub token: Token,
}

/// A random number that fences a claim's jobs against whoever claimed them before.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token(i64);

impl Token {
    /// What a job has that is only looked at: [`random`](Self::random) gives another.
    pub(super) const NONE: Self = Self(0);

    /// A new one from the system's randomness.
    ///
    /// # Errors
    ///
    /// If the system has none to give.
    pub fn random() -> Result<Self, StorageError> {
        let no_randomness =
            |error| StorageError::new(StorageErrorKind::Unavailable, "the system's randomness").caused(error);
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).map_err(no_randomness)?;
        Ok(Self::from_bytes(bytes))
    }

    /// A token from somebody else's randomness: no two claims may have the same.
    pub fn from_bytes(bytes: [u8; 8]) -> Self {
        // Zero is nobody's.
        Self(i64::from_be_bytes(bytes) | 1)
    }

    pub(super) fn number(self) -> i64 {
        self.0
    }
}

/// Who holds a token may complete its jobs, so it isn't shown.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// Which leases were lost: their jobs were given to somebody else, or given up, since they were claimed, and nothing of them
/// has changed. What was done for them in the same transaction must be undone, if it isn't to be done twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a lost lease's work must be undone"]
pub struct Lost(pub(super) Vec<Lease>);

impl Lost {
    /// Whether none was.
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this one was.
    pub fn contains(&self, lease: Lease) -> bool {
        self.0.contains(&lease)
    }

    /// The lost ones, in the order in which they were asked for.
    pub fn leases(&self) -> &[Lease] {
        &self.0
    }
}

/// The two clocks of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// Says what is due. It may be simulated, and jump.
    pub due: Timestamp,
    /// The real time, by which leases run out.
    pub now: Timestamp,
}

/// What a worker asks for.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Claim {
    /// How many jobs at the most, [`CLAIM_MAX`] in any case.
    pub most: u32,
    /// The token that the jobs are leased under.
    pub token: Token,
    /// What time it is.
    pub clocks: Clocks,
    /// How long the jobs are this worker's alone, unless it asks for longer with a heartbeat.
    pub lease: SignedDuration,
    /// Where to begin, for PostgreSQL: see [`Cursor`](super::Cursor). SQLite always begins at the beginning.
    pub from: Position,
}

impl Claim {
    /// From the beginning of the queue.
    pub fn new(most: u32, token: Token, clocks: Clocks, lease: SignedDuration) -> Self {
        Self { most, token, clocks, lease, from: Position::BEGINNING }
    }

    /// From where a [`Cursor`](super::Cursor) says.
    #[must_use]
    pub fn from(self, from: Position) -> Self {
        Self { from, ..self }
    }

    pub(super) fn most(&self) -> i64 {
        self.most.min(CLAIM_MAX).into()
    }

    pub(super) fn lease_until(&self) -> i64 {
        later(self.clocks.now, self.lease)
    }
}

/// When something is to be done next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// When the next ready job is due, by [`Clocks::due`]; it may be past.
    pub ready: Option<Timestamp>,
    /// When the next lease runs out, by [`Clocks::now`]; it may be past.
    pub lease: Option<Timestamp>,
}

/// Where a job is in its life. Completed ones aren't there any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Waits to be due, and then to be claimed.
    Ready,
    /// A worker has it, or had it when it died.
    Leased,
    /// Buried, until somebody revives it or it is pruned.
    Dead,
}

impl State {
    pub(super) const ALL: [Self; 3] = [Self::Ready, Self::Leased, Self::Dead];

    /// As it stands in the table's column `state`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Leased => "leased",
            Self::Dead => "dead",
        }
    }
}

/// A job that is looked at, and how it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The job, without a token.
    pub job: Job,
    /// Where it is in its life.
    pub state: State,
    /// Why it was buried.
    pub cause: Option<String>,
}

/// How many jobs are in a state.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// The state.
    pub state: State,
    /// Of dead jobs, why they were buried.
    pub cause: Option<String>,
    /// How many.
    pub count: u64,
    /// When the oldest of them was enqueued, in real time.
    pub oldest: Timestamp,
    /// When the first of them is or was due.
    pub first_due: Timestamp,
}

impl fmt::Debug for NewJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewJob").field("due", &self.due).finish_non_exhaustive()
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lease, due, enqueued, attempts, rescued, lane: _, payload: _ } = self;
        f.debug_struct("Job")
            .field("lease", lease)
            .field("due", due)
            .field("enqueued", enqueued)
            .field("attempts", attempts)
            .field("rescued", rescued)
            .finish_non_exhaustive()
    }
}

/// Refuses payloads that are too long before anything is written.
pub(super) fn check(jobs: &[NewJob]) -> Result<(), StorageError> {
    if jobs.iter().all(|job| job.payload.len() <= PAYLOAD_MAX) {
        return Ok(());
    }
    Err(StorageError::new(StorageErrorKind::Statement, "enqueueing a job with more than a mebibyte of payload"))
}

/// Times are stored as microseconds since 1970 in UTC.
pub(super) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

pub(super) fn later(at: Timestamp, by: SignedDuration) -> i64 {
    micros(at.saturating_add(by).unwrap_or(Timestamp::MAX))
}

pub(super) fn at(micros: i64) -> Result<Timestamp, StorageError> {
    Timestamp::from_microsecond(micros)
        .map_err(|_| StorageError::new(StorageErrorKind::Statement, "a job's time is out of range"))
}

pub(super) fn state(text: &str) -> Result<State, StorageError> {
    let known = State::ALL.into_iter().find(|state| state.as_str() == text);
    known.ok_or_else(|| StorageError::new(StorageErrorKind::Statement, "a job's state is unknown"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_what_a_log_may_hold() {
        let now = Timestamp::UNIX_EPOCH;
        let lease = Lease { id: 7, token: Token::from_bytes(*b"12345678") };
        let (lane, payload) = (Some("a lane".to_owned()), "a payload".to_owned());
        let new = NewJob { lane: lane.clone(), payload: payload.clone(), due: now };
        let job = Job { lease, lane, payload, due: now, enqueued: now, attempts: 1, rescued: false };
        let shown = format!("{new:?} {job:?}");
        assert!(shown.contains("id: 7") && shown.contains("attempts: 1"), "{shown}");
        for hidden in ["a lane", "a payload", "3544952156018063161", "12345678"] {
            assert!(!shown.contains(hidden), "{shown}");
        }
    }

    #[test]
    fn tokens_differ_and_are_never_nobodys() {
        let (one, other) = (Token::random().unwrap(), Token::random().unwrap());
        assert_ne!(one, other);
        assert_ne!(Token::from_bytes([0; 8]), Token::NONE);
    }
}
