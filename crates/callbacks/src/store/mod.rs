//! The durable inbox: what came, and what is to be handled once.
//!
//! Two queues drive it: a job of `confirms` is a receipt that is to be looked into, one of `handlings` an effect that is to be
//! handled. Whoever changes a receipt or an effect holds its job's lease, in the same transaction.

mod sqlite;

#[cfg(feature = "postgres")]
mod postgres;

#[cfg(test)]
mod contract;

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;

use asaanbill_storage::queue::{Claim, Due, Lease, Lost, NewJob, Queue, Tally};
use asaanbill_storage::{Location, StorageError};
use async_trait::async_trait;
use jiff::Timestamp;

use crate::event::{Confirmed, Effect};
use crate::handler::{HandlerError, Handling};
use crate::receipt::{History, Receipt, ReceiptState};
use crate::settings::Sweep;

#[cfg(feature = "postgres")]
pub(crate) use postgres::PostgresStore;
pub(crate) use sqlite::SqliteStore;

/// Receipts that are to be looked into. The payload is the receipt's number.
const CONFIRMS: Queue = Queue::new("confirms");

/// Effects that are to be handled. The payload is the effect's key.
const HANDLINGS: Queue = Queue::new("handlings");

/// The most characters of a receipt's log: the latest few dozen lines. A receipt is looked into about 15 times, and far more
/// often if the hub can't be asked.
const LOG_MAX: usize = 4_000;

/// What a statement reads of a receipt, in order.
const RECEIPT: &str = "id, path, source, received_at, state, resolved_at, attempts, failures";

/// Where the inbox is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Inbox {
    /// In SQLite: one receiver alone.
    Sqlite(Location),
    /// In a PostgreSQL database, by its URL: several receivers share it.
    #[cfg(feature = "postgres")]
    Postgres(PostgresUrl),
}

/// A database's URL. `Debug` hides it: it may hold a password.
#[cfg(feature = "postgres")]
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl(pub(crate) String);

#[cfg(feature = "postgres")]
impl Debug for PostgresUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PostgresUrl")
    }
}

/// An address that names no inbox.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an inbox is `sqlite:<file>`, `:memory:` or {POSTGRES_ADVICE}")]
pub struct InboxError;

#[cfg(feature = "postgres")]
const POSTGRES_ADVICE: &str = "`postgres://user:password@host/database`";
#[cfg(not(feature = "postgres"))]
const POSTGRES_ADVICE: &str = "(with the feature `postgres`) a database's URL";

impl Inbox {
    /// The inbox in a database of this URL, such as `postgres://user:password@host/database`.
    #[cfg(feature = "postgres")]
    pub fn postgres(url: impl Into<String>) -> Self {
        Self::Postgres(PostgresUrl(url.into()))
    }
}

impl std::str::FromStr for Inbox {
    type Err = InboxError;

    /// Reads `sqlite:inbox.db`, `:memory:` or `postgres://…`.
    fn from_str(text: &str) -> Result<Self, InboxError> {
        match text.split_once(':') {
            Some(("", "memory:")) => Ok(Self::Sqlite(Location::Memory)),
            Some(("sqlite", file)) if !file.is_empty() => Ok(Self::Sqlite(Location::File(file.into()))),
            #[cfg(feature = "postgres")]
            Some(("postgres" | "postgresql", _)) => Ok(Self::postgres(text)),
            _ => Err(InboxError),
        }
    }
}

impl From<Location> for Inbox {
    fn from(location: Location) -> Self {
        Self::Sqlite(location)
    }
}

/// What came.
#[derive(Clone)]
pub(crate) struct NewReceipt {
    pub(crate) path: &'static str,
    pub(crate) body: String,
    pub(crate) source: Option<String>,
    pub(crate) received_at: Timestamp,
}

/// A receipt that is to be looked into.
pub(crate) struct Open {
    pub(crate) lease: Lease,
    pub(crate) id: i64,
    pub(crate) path: String,
    pub(crate) body: String,
    pub(crate) source: Option<String>,
    pub(crate) attempts: u32,
    /// How often the hub knew nothing of the kind.
    pub(crate) unknowns: u32,
    /// How often the hub couldn't be asked.
    pub(crate) failures: u32,
}

/// What is decided about a receipt.
pub(crate) struct Decision {
    pub(crate) lease: Lease,
    pub(crate) receipt: i64,
    pub(crate) what: What,
}

#[derive(Clone)]
pub(crate) enum What {
    /// The hub's records confirm it: the first of these effects that no other receipt led to is this one's. With each the
    /// record, as it is kept for the handler.
    Effects(Vec<(Effect, String)>),
    /// It ends here.
    Close(ReceiptState),
    /// It is to be looked into again.
    Again(Again, Timestamp),
}

/// Why a receipt is to be looked into again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// The hub doesn't show it yet.
    NotYet,
    /// It knows nothing of the kind.
    Unknown,
    /// It couldn't be asked, which doesn't use up an attempt.
    Unasked,
}

impl Again {
    /// In the receipt's log.
    fn words(self) -> &'static str {
        match self {
            Self::NotYet => "the hub's records don't show it yet",
            Self::Unknown => "the hub knows nothing of the kind",
            Self::Unasked => "the hub could not be asked",
        }
    }

    /// What is added to attempts, unknowns and failures.
    fn counts(self) -> (i32, i32, i32) {
        match self {
            Self::NotYet => (1, 0, 0),
            Self::Unknown => (1, 1, 0),
            Self::Unasked => (0, 0, 1),
        }
    }
}

/// What came of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// It is so.
    Done,
    /// Each of the effects was another receipt's already: nothing has changed.
    Taken,
    /// The receipt is somebody else's by now: nothing has changed.
    Lost,
}

/// An effect that is to be handled.
pub(crate) struct Unhandled {
    pub(crate) lease: Lease,
    pub(crate) effect: Effect,
    /// How often it was handed over, this time included.
    pub(crate) attempts: u32,
    /// None if what was kept can't be read any more.
    pub(crate) event: Option<Confirmed>,
}

/// How the handling of an effect ended.
pub(crate) enum End {
    /// The handler is done.
    Handled,
    /// It failed, and is asked again.
    Later(Timestamp),
    /// It is given up.
    Dead(&'static str),
}

/// From when on a sweep looks at payments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SweepFrom {
    pub(crate) swept_to: Timestamp,
    pub(crate) since: Timestamp,
}

/// When a sweep is due, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SweepTimes {
    now: i64,
    /// When the next one is due, once one began.
    next: i64,
    /// When the very first one is.
    first_due: i64,
    /// Before when payments are none of ours.
    since: i64,
}

impl SweepTimes {
    pub(crate) fn new(now: Timestamp, sweep: Sweep) -> Self {
        let next = now.saturating_add(sweep.every).unwrap_or(Timestamp::MAX);
        let first_due = if sweep.since.is_some() { now } else { next };
        let [now, next, first_due, since] =
            [now, next, first_due, sweep.since.unwrap_or(now)].map(Timestamp::as_microsecond);
        Self { now, next, first_due, since }
    }
}

/// Which jobs a lease is of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Which {
    Confirms,
    Handlings,
}

/// Where each of the two queues stands, and the receipts of each state.
pub(crate) struct Counts {
    pub(crate) confirms: Vec<Tally>,
    pub(crate) handlings: Vec<Tally>,
    pub(crate) receipts: Vec<(ReceiptState, u64)>,
}

/// What a person may do to a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Redriven {
    /// The hub is asked again, from the first attempt on.
    Confirming,
    /// The handler is asked again.
    Handling,
    /// There is nothing to be done again.
    Nothing,
}

/// One of the databases, with everything that is asked of it. Each operation is one transaction.
#[async_trait]
pub(crate) trait Store: Debug + Send + Sync {
    /// Stores a receipt, and the job to look into it; once this resolves both are durable.
    ///
    /// Cancellation: they are stored or not.
    async fn receive(&self, new: NewReceipt) -> Result<i64, StorageError>;

    async fn claim_receipts(&self, claim: Claim) -> Result<Vec<Open>, StorageError>;

    /// Applies decisions, in order, and says what came of each. Leases of receipts whose effects were taken last until
    /// `until`.
    async fn settle(
        &self,
        decisions: Arc<Vec<Decision>>,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Settled>, StorageError>;

    async fn claim_effects(&self, claim: Claim) -> Result<Vec<Unhandled>, StorageError>;

    /// Notes how handlings ended. A lost lease changes nothing.
    async fn finish(&self, ends: Arc<Vec<(Lease, Effect, End)>>, now: Timestamp) -> Result<(), StorageError>;

    /// Runs a transactional handler for each event, and notes it as handled in the handler's transaction. Says in order how
    /// each ended; what failed is undone and not noted.
    async fn handle(
        &self,
        handling: &Handling,
        events: Vec<(Lease, Effect, Confirmed)>,
        now: Timestamp,
    ) -> Vec<Result<(), HandlerError>>;

    async fn heartbeat(&self, which: Which, held: Vec<Lease>, until: Timestamp) -> Result<Lost, StorageError>;

    /// Gives jobs back unfinished, to be claimed from then on.
    async fn release(&self, which: Which, held: Vec<Lease>, due: Timestamp) -> Result<(), StorageError>;

    /// When there is something to claim.
    async fn next_due(&self, which: Which, now: Timestamp) -> Result<Due, StorageError>;

    async fn counts(&self) -> Result<Counts, StorageError>;

    /// How many unresolved receipts there are of each source.
    async fn unresolved(&self) -> Result<HashMap<Option<String>, u64>, StorageError>;

    /// The latest receipts with numbers below `before`, in a state or in any, latest first.
    async fn receipts(&self, state: Option<ReceiptState>, before: i64, most: u32)
    -> Result<Vec<Receipt>, StorageError>;

    async fn history(&self, id: i64) -> Result<Option<History>, StorageError>;

    async fn redrive(&self, id: i64, now: Timestamp) -> Result<Redriven, StorageError>;

    /// Gives up an unresolved receipt, or the handling of a confirmed one. Says whether there was anything to give up.
    async fn give_up(&self, id: i64, reason: String, now: Timestamp) -> Result<bool, StorageError>;

    /// Which of these effects no receipt has led to.
    async fn unknown(&self, effects: Vec<Effect>) -> Result<Vec<Effect>, StorageError>;

    /// Whether a sweep is due, which is then this caller's: up to when the last one saw everything, and before when payments
    /// are none of ours. For the very first both are `since`; without one they are the present, and it isn't due yet.
    async fn begin_sweep(&self, times: SweepTimes) -> Result<Option<SweepFrom>, StorageError>;

    /// The sweep that began then saw everything.
    async fn end_sweep(&self, began: Timestamp) -> Result<(), StorageError>;

    /// Forgets receipts that came to nothing and were resolved before then, so many at the most. Says how many.
    async fn prune(&self, before: Timestamp, most: u32) -> Result<u64, StorageError>;
}

/// Forgets receipts that came to nothing, of which nobody asks after a while: forged ones and repeats. The words are those of
/// the index, or it wouldn't be used.
const PRUNE: &str = "DELETE FROM receipts WHERE id IN (
    SELECT id FROM receipts WHERE state IN ('duplicate', 'rejected') AND resolved_at < $1 ORDER BY resolved_at LIMIT $2)";

impl Which {
    fn queue(self) -> Queue {
        match self {
            Self::Confirms => CONFIRMS,
            Self::Handlings => HANDLINGS,
        }
    }
}

fn confirm_job(receipt: i64, due: Timestamp) -> NewJob {
    NewJob { lane: None, payload: receipt.to_string(), due }
}

fn handling_job(effect: Effect, due: Timestamp) -> NewJob {
    NewJob { lane: None, payload: effect.key(), due }
}

/// One line of a receipt's log.
fn log_line(now: Timestamp, what: &str) -> String {
    format!("{} {what}\n", now.as_microsecond())
}

/// Reads a receipt's log, of which the first line may be cut.
fn read_log(log: &str) -> Vec<crate::receipt::Step> {
    let read = |line: &str| {
        let (at, what) = line.split_once(' ')?;
        let at = Timestamp::from_microsecond(at.parse().ok()?).ok()?;
        Some(crate::receipt::Step { at, what: what.to_owned() })
    };
    log.lines().filter_map(read).collect()
}
