//! The entries, and their bounds.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use asaanbill_wire::Endpoint;
use tokio::sync::Notify;

use super::record::{Draft, RequestId, RequestOutcome, RequestRecord};

/// How many entries a page has where nothing is said.
pub(crate) const PAGE_DEFAULT: usize = 100;

/// How many entries a page has at most.
pub(crate) const PAGE_MAX: usize = 1000;

/// What a journal keeps. Whatever is over a limit drops the oldest entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalLimits {
    entries: usize,
    bytes: usize,
    body: usize,
}

impl JournalLimits {
    /// Entries where nothing is said: what a day of testing by hand makes.
    pub const ENTRIES: usize = 10_000;

    /// Bytes where nothing is said: a simulator should be small beside what is tested.
    pub const BYTES: usize = 8 * 1024 * 1024;

    /// Bytes of one body where nothing is said: every request and answer about one payment, and the beginning of a batch.
    pub const BODY: usize = 8 * 1024;

    /// Keeps nothing. Requests are numbered all the same.
    pub fn off() -> Self {
        Self { entries: 0, bytes: 0, body: 0 }
    }

    pub(crate) fn entries_max(self) -> usize {
        self.entries
    }

    /// How many entries.
    #[must_use]
    pub fn entries(mut self, entries: usize) -> Self {
        self.entries = entries;
        self
    }

    /// How many bytes all of them take.
    #[must_use]
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// How many bytes of one body are kept. Its end is cut off.
    #[must_use]
    pub fn body(mut self, body: usize) -> Self {
        self.body = body;
        self
    }

    pub(crate) fn body_max(&self) -> usize {
        self.body
    }
}

impl Default for JournalLimits {
    fn default() -> Self {
        Self { entries: Self::ENTRIES, bytes: Self::BYTES, body: Self::BODY }
    }
}

/// The requests that a simulator has had, but for those to its own pages. Cheap to clone; clones are the same journal.
///
/// An entry is made when the answer is ready to leave, so whoever has an answer finds its entry. What is secret never gets
/// into one: tokens and passwords are left out while it is written. It is kept in memory and bounded ([`JournalLimits`]).
#[derive(Clone)]
pub struct Journal {
    inner: Arc<Inner>,
}

struct Inner {
    limits: JournalLimits,
    last_id: AtomicU64,
    state: Mutex<State>,
    noted: Notify,
}

#[derive(Default)]
struct State {
    entries: VecDeque<RequestRecord>,
    bytes: usize,
    last_position: u64,
    dropped: u64,
}

/// Which entries somebody wants to see.
pub(crate) struct Wanted {
    pub(crate) after: u64,
    pub(crate) limit: usize,
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) outcome: Option<WantedOutcome>,
}

/// A status, or that there was none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WantedOutcome {
    Status(u16),
    NoAnswer,
}

/// Some entries, oldest first.
pub(crate) struct Page {
    pub(crate) requests: Vec<RequestRecord>,
    /// What to ask for after these.
    pub(crate) next: u64,
    /// Whether more of them are there already.
    pub(crate) more: bool,
    /// How many entries between `after` and the first one are gone.
    pub(crate) missed: u64,
    /// How many are gone since the start.
    pub(crate) dropped: u64,
}

impl Journal {
    pub(crate) fn new(limits: JournalLimits) -> Self {
        let (last_id, state) = (AtomicU64::new(0), Mutex::default());
        Self { inner: Arc::new(Inner { limits, last_id, state, noted: Notify::new() }) }
    }

    /// All entries that are kept, in the order in which their requests ended.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.lock().entries.iter().cloned().collect()
    }

    /// How many entries are gone, because newer ones needed their place.
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// What it keeps at most.
    pub fn limits(&self) -> JournalLimits {
        self.inner.limits
    }

    pub(crate) fn next_id(&self) -> RequestId {
        RequestId::new(self.inner.last_id.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// How many requests were numbered.
    pub(crate) fn numbered(&self) -> u64 {
        self.inner.last_id.load(Ordering::Relaxed)
    }

    pub(crate) fn is_off(&self) -> bool {
        self.inner.limits.entries == 0
    }

    pub(crate) fn note(&self, draft: Draft, outcome: RequestOutcome, duration: Duration) {
        let limits = self.inner.limits;
        let draft = draft.shrunk();
        // Freed after the lock is.
        let mut gone = Vec::new();
        {
            let mut state = self.lock();
            state.last_position += 1;
            let record = draft.finish(state.last_position, outcome, duration);
            state.bytes += record.size();
            state.entries.push_back(record);
            while state.entries.len() > limits.entries || state.bytes > limits.bytes {
                let Some(oldest) = state.entries.pop_front() else { break };
                state.bytes -= oldest.size();
                state.dropped += 1;
                gone.push(oldest);
            }
        }
        self.inner.noted.notify_waiters();
    }

    pub(crate) fn noted(&self) -> &Notify {
        &self.inner.noted
    }

    pub(crate) fn page(&self, wanted: &Wanted) -> Page {
        let state = self.lock();
        // Positions have no gaps, so an entry's place follows from its position.
        let first = state.entries.front().map_or(state.last_position + 1, RequestRecord::position);
        let skipped = usize::try_from(wanted.after.saturating_add(1).saturating_sub(first)).unwrap_or(usize::MAX);
        let is_wanted = |record: &&RequestRecord| {
            wanted.endpoint.is_none_or(|endpoint| record.endpoint() == Some(endpoint))
                && wanted.outcome.is_none_or(|outcome| match outcome {
                    WantedOutcome::Status(status) => record.status().is_some_and(|is| is.as_u16() == status),
                    WantedOutcome::NoAnswer => record.status().is_none(),
                })
        };
        let mut found = state.entries.iter().skip(skipped).filter(is_wanted);
        let requests: Vec<_> = found.by_ref().take(wanted.limit).cloned().collect();
        let more = found.next().is_some();
        let last = if more { requests.last().map(RequestRecord::position) } else { None };
        Page {
            next: last.unwrap_or_else(|| wanted.after.max(state.last_position)),
            more,
            missed: first.saturating_sub(wanted.after.saturating_add(1)),
            dropped: state.dropped,
            requests,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Journal")
            .field("limits", &self.inner.limits)
            .field("entries", &state.entries.len())
            .field("bytes", &state.bytes)
            .field("dropped", &state.dropped)
            .finish()
    }
}
