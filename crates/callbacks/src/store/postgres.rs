//! The inbox in PostgreSQL: one statement for many rows wherever that can be.
//!
//! In reading order: [`arrivals`] stores what comes, [`confirms`] settles it, [`handlings`] has it handled, [`inspect`] is for
//! whoever looks, and [`row`] reads columns.

mod arrivals;
mod confirms;
mod handlings;
mod inspect;
mod row;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use asaanbill_storage::queue::{Claim, Cursor, Due, Job, Lease, Lost};
use asaanbill_storage::{Isolation, Migration, Postgres, StorageError, queue_schema_postgres};
use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use self::arrivals::{Arrival, gather};
use self::handlings::Failed;
use self::row::{at, get, receipt, unsigned};
use super::{
    Counts, Decision, End, NewReceipt, Open, PRUNE, PostgresUrl, RECEIPT, Redriven, Settled, Store, SweepFrom,
    SweepTimes, Unhandled, Which,
};
use crate::event::{Confirmed, Effect};
use crate::handler::{HandlerError, Handling, Kind};
use crate::receipt::{History, Receipt, ReceiptState};

const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "inbox",
    sql: concat!(
        include_str!("schema_postgres.sql"),
        queue_schema_postgres!("confirms"),
        queue_schema_postgres!("handlings")
    ),
}];

/// How many receipts may wait for a commit; then accepting itself waits, within its budget.
const WAITING_MAX: usize = 4096;

/// In a transaction of which a crash may lose the commit: leases that are lost with it are given again. It saves a flush each
/// time.
const LAZILY: &str = "SET LOCAL synchronous_commit TO off";

/// Runs one closure in a transaction of its own.
macro_rules! transaction {
    ($store:expr, $tx:ident => $work:expr) => {
        $store.db.transaction(Isolation::ReadCommitted, |$tx| async move { $work }).await
    };
}

pub(crate) struct PostgresStore {
    db: Postgres,
    /// Call-backs on their way into a commit.
    arrivals: mpsc::Sender<Arrival>,
    confirms: Mutex<Cursor>,
    handlings: Mutex<Cursor>,
}

impl PostgresStore {
    /// Starts a task that gathers call-backs into commits; it ends with the store.
    pub(crate) async fn open(url: &PostgresUrl) -> Result<Self, StorageError> {
        let db = Postgres::connect(&url.0, MIGRATIONS).await?;
        let (arrivals, arriving) = mpsc::channel(WAITING_MAX);
        tokio::spawn(gather(db.clone(), arriving));
        Ok(Self { db, arrivals, confirms: Mutex::default(), handlings: Mutex::default() })
    }

    fn cursor(&self, which: Which) -> MutexGuard<'_, Cursor> {
        let cursor = match which {
            Which::Confirms => &self.confirms,
            Which::Handlings => &self.handlings,
        };
        cursor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a claim begins. In its own function, so that no lock is held across an await.
    fn begin(&self, which: Which, claim: Claim) -> Claim {
        claim.from(self.cursor(which).position(claim.clocks.now))
    }

    fn passed(&self, which: Which, claim: &Claim, jobs: &[Job]) {
        self.cursor(which).passed(claim, jobs);
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn receive(&self, new: NewReceipt) -> Result<i64, StorageError> {
        let (tell, told) = oneshot::channel();
        // The gatherer lives as long as the store, unless the runtime is going down.
        let _ = self.arrivals.send((new, tell)).await;
        told.await.map_err(|_| StorageError::unavailable("the group of this call-back was not stored"))?
    }

    async fn claim_receipts(&self, claim: Claim) -> Result<Vec<Open>, StorageError> {
        let claim = self.begin(Which::Confirms, claim);
        let (jobs, opens) = transaction!(self, tx => {
            tx.execute(LAZILY, &[]).await?;
            confirms::claim_receipts(&tx, &claim).await
        })?;
        self.passed(Which::Confirms, &claim, &jobs);
        Ok(opens)
    }

    async fn settle(
        &self,
        decisions: Arc<Vec<Decision>>,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Settled>, StorageError> {
        let decisions = &decisions;
        transaction!(self, tx => confirms::settle(&tx, decisions, now, until).await)
    }

    async fn claim_effects(&self, claim: Claim) -> Result<Vec<Unhandled>, StorageError> {
        let claim = self.begin(Which::Handlings, claim);
        let (jobs, effects) = transaction!(self, tx => {
            tx.execute(LAZILY, &[]).await?;
            handlings::claim_effects(&tx, &claim).await
        })?;
        self.passed(Which::Handlings, &claim, &jobs);
        Ok(effects)
    }

    async fn finish(&self, ends: Arc<Vec<(Lease, Effect, End)>>, now: Timestamp) -> Result<(), StorageError> {
        let ends = &ends;
        transaction!(self, tx => handlings::finish(&tx, ends, now).await)
    }

    async fn handle(
        &self,
        handling: &Handling,
        events: Vec<(Lease, Effect, Confirmed)>,
        now: Timestamp,
    ) -> Vec<Result<(), HandlerError>> {
        let Kind::Postgres(handler) = &handling.0 else {
            return events.iter().map(|_| Err("the handler is not for this inbox".into())).collect();
        };
        let handler = &**handler;
        // All in one transaction, which is one flush; if that fails, each in its own, so that only the culprit's is undone.
        let all = &events;
        let together: Result<(), Failed> = transaction!(self, tx => handlings::handle_in(&tx, handler, all, now).await);
        if together.is_ok() {
            return events.iter().map(|_| Ok(())).collect();
        }
        let mut results = Vec::new();
        for event in &events {
            let one = std::slice::from_ref(event);
            let alone: Result<(), Failed> =
                transaction!(self, tx => handlings::handle_in(&tx, handler, one, now).await);
            results.push(alone.map_err(|Failed(error)| error));
        }
        results
    }

    async fn heartbeat(&self, which: Which, held: Vec<Lease>, until: Timestamp) -> Result<Lost, StorageError> {
        let held = &held;
        transaction!(self, tx => which.queue().postgres(&tx).heartbeat(held, until).await)
    }

    async fn release(&self, which: Which, held: Vec<Lease>, due: Timestamp) -> Result<(), StorageError> {
        let held: Vec<_> = held.into_iter().map(|lease| (lease, due)).collect();
        let held = &held;
        transaction!(self, tx => which.queue().postgres(&tx).retry(held).await.map(drop))
    }

    async fn next_due(&self, which: Which, now: Timestamp) -> Result<Due, StorageError> {
        let from = self.cursor(which).position(now);
        self.db.read(|tx| async move { which.queue().postgres(&tx).next_due(from).await }).await
    }

    async fn counts(&self) -> Result<Counts, StorageError> {
        self.db.read(|tx| async move { inspect::counts(&tx).await }).await
    }

    async fn unresolved(&self) -> Result<HashMap<Option<String>, u64>, StorageError> {
        let sql = "SELECT source, count(*) FROM receipts WHERE state = 'received' GROUP BY source";
        let rows = self.db.read(|tx| async move { tx.query(sql, &[]).await }).await?;
        rows.iter().map(|row| Ok((get(row, 0)?, unsigned(get(row, 1)?)))).collect()
    }

    async fn receipts(
        &self,
        state: Option<ReceiptState>,
        before: i64,
        most: u32,
    ) -> Result<Vec<Receipt>, StorageError> {
        let of_state = state.map_or("", |_| "AND state = $3");
        let sql = format!("SELECT {RECEIPT} FROM receipts WHERE id < $1 {of_state} ORDER BY id DESC LIMIT $2");
        let (sql, most, word) = (&sql, i64::from(most), state.map(ReceiptState::as_str));
        let read = self.db.read(|tx| async move {
            match word {
                Some(word) => tx.query(sql, &[&before, &most, &word]).await,
                None => tx.query(sql, &[&before, &most]).await,
            }
        });
        read.await?.iter().map(receipt).collect()
    }

    async fn history(&self, id: i64) -> Result<Option<History>, StorageError> {
        self.db.read(|tx| async move { inspect::history(&tx, id).await }).await
    }

    async fn redrive(&self, id: i64, now: Timestamp) -> Result<Redriven, StorageError> {
        transaction!(self, tx => inspect::redrive(&tx, id, now).await)
    }

    async fn give_up(&self, id: i64, reason: String, now: Timestamp) -> Result<bool, StorageError> {
        let reason = reason.as_str();
        transaction!(self, tx => inspect::give_up(&tx, id, reason, now).await)
    }

    async fn unknown(&self, effects: Vec<Effect>) -> Result<Vec<Effect>, StorageError> {
        let keys: Vec<_> = effects.iter().map(|effect| effect.key()).collect();
        let keys = &keys;
        let known = self.db.read(|tx| async move { confirms::known(&tx, keys).await }).await?;
        Ok(effects.into_iter().filter(|effect| !known.contains(&effect.key())).collect())
    }

    async fn begin_sweep(&self, times: SweepTimes) -> Result<Option<SweepFrom>, StorageError> {
        let SweepTimes { now, next, first_due, since } = times;
        let row = transaction!(self, tx => {
            let first = "INSERT INTO sweeps (one, swept_to, since, due_at) VALUES (1, $1, $1, $2) ON CONFLICT DO NOTHING";
            tx.execute(first, &[&since, &first_due]).await?;
            let begin = "UPDATE sweeps SET due_at = $2 WHERE due_at <= $1 RETURNING swept_to, since";
            tx.query_opt(begin, &[&now, &next]).await
        })?;
        row.map(|row| Ok(SweepFrom { swept_to: at(&row, 0)?, since: at(&row, 1)? })).transpose()
    }

    async fn end_sweep(&self, began: Timestamp) -> Result<(), StorageError> {
        let began = began.as_microsecond();
        let sql = "UPDATE sweeps SET swept_to = greatest(swept_to, $1)";
        transaction!(self, tx => tx.execute(sql, &[&began]).await.map(drop))
    }

    async fn prune(&self, before: Timestamp, most: u32) -> Result<u64, StorageError> {
        let (before, most) = (before.as_microsecond(), i64::from(most));
        transaction!(self, tx => tx.execute(PRUNE, &[&before, &most]).await)
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("db", &self.db).finish_non_exhaustive()
    }
}
