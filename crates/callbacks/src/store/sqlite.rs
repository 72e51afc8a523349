//! The inbox in SQLite. [`arrivals`] stores what comes.

mod arrivals;

use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use asaanbill_storage::queue::{Claim, Due, Lease, Lost};
use asaanbill_storage::rusqlite::types::FromSql;
use asaanbill_storage::rusqlite::{Connection, OptionalExtension as _, Row, params};
use asaanbill_storage::{Location, Migration, Sqlite, StorageError, queue_schema_sqlite, rusqlite};
use async_trait::async_trait;
use futures_util::future::join_all;
use jiff::Timestamp;

use self::arrivals::Arrivals;
use super::{
    Again, CONFIRMS, Counts, Decision, End, HANDLINGS, LOG_MAX, NewReceipt, Open, PRUNE, RECEIPT, Redriven, Settled,
    Store, SweepFrom, SweepTimes, Unhandled, What, Which, confirm_job, handling_job, log_line, read_log,
};
use crate::event::{Confirmed, Effect, Notice};
use crate::handler::{HandlerError, Handling, Kind, Panicked, SqliteHandler};
use crate::receipt::{EffectView, History, Receipt, ReceiptState, SWEPT_PATH};

const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "inbox",
    sql: concat!(
        include_str!("schema_sqlite.sql"),
        queue_schema_sqlite!("confirms"),
        queue_schema_sqlite!("handlings")
    ),
}];

pub(crate) struct SqliteStore {
    db: Sqlite,
    /// Call-backs on their way into a commit.
    arrivals: Arrivals,
}

impl SqliteStore {
    /// Blocks for as long as opening takes.
    pub(crate) fn open(location: &Location) -> Result<Self, StorageError> {
        Ok(Self { db: Sqlite::open(location, MIGRATIONS)?, arrivals: Arrivals::default() })
    }

    /// A file has one receiver: whoever holds leases in it is dead, and they needn't run out.
    pub(crate) async fn take_over(&self) -> Result<(), StorageError> {
        const FREE: &str = "SET state = 'ready', token = NULL, lease_until = NULL WHERE state = 'leased'";
        self.write(|tx| Ok(tx.execute_batch(&format!("UPDATE confirms {FREE}; UPDATE handlings {FREE}"))?)).await
    }

    async fn write<T, F>(&self, work: F) -> Result<T, StorageError>
    where
        F: FnOnce(&Connection) -> Result<T, StorageError> + Send + 'static,
        T: Send + 'static,
    {
        self.db.write(work).await
    }

    async fn read<T, F>(&self, work: F) -> Result<T, StorageError>
    where
        F: FnOnce(&Connection) -> Result<T, StorageError> + Send + 'static,
        T: Send + 'static,
    {
        self.db.read(work).await
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SqliteStore").field(&self.db).finish()
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn receive(&self, new: NewReceipt) -> Result<i64, StorageError> {
        self.arrivals.store(&self.db, new).await
    }

    async fn claim_receipts(&self, claim: Claim) -> Result<Vec<Open>, StorageError> {
        self.write(move |tx| {
            let mut select = tx.prepare_cached(
                "SELECT id, path, body, source, attempts, unknowns, failures FROM receipts WHERE id = ?1",
            )?;
            let mut opens = Vec::new();
            for job in CONFIRMS.sqlite(tx).claim(&claim)? {
                let lease = job.lease;
                opens.push(select.query_row([job.payload], |row| open(row, lease))?);
            }
            Ok(opens)
        })
        .await
    }

    async fn settle(
        &self,
        decisions: Arc<Vec<Decision>>,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Settled>, StorageError> {
        self.write(move |tx| decisions.iter().map(|decision| settle(tx, decision, now, until)).collect()).await
    }

    async fn claim_effects(&self, claim: Claim) -> Result<Vec<Unhandled>, StorageError> {
        self.write(move |tx| {
            let mut select = tx.prepare_cached(
                "SELECT e.record, r.id, r.path, r.body, r.received_at FROM effects e JOIN receipts r ON r.id = e.receipt
                 WHERE e.key = ?1",
            )?;
            let mut effects = Vec::new();
            let queue = HANDLINGS.sqlite(tx);
            for job in queue.claim(&claim)? {
                let Some(effect) = Effect::from_key(&job.payload) else {
                    // Somebody wrote into the queue's table: kept, and looked at by a person.
                    let _ = queue.bury(&[(job.lease, "record")], claim.clocks.now)?;
                    continue;
                };
                let read = |row: &Row<'_>| {
                    let notice = Notice {
                        receipt: row.get(1)?,
                        received_at: at(row, 4)?,
                        swept: row.get_ref(2)?.as_str()? == SWEPT_PATH,
                        attempt: job.attempts,
                    };
                    Ok(effect.event(row.get_ref(0)?.as_str()?, row.get_ref(3)?.as_str()?, notice))
                };
                let event = select.query_row([&job.payload], read).optional()?.flatten();
                effects.push(Unhandled { lease: job.lease, effect, attempts: job.attempts, event });
            }
            Ok(effects)
        })
        .await
    }

    async fn finish(&self, ends: Arc<Vec<(Lease, Effect, End)>>, now: Timestamp) -> Result<(), StorageError> {
        self.write(move |tx| {
            let queue = HANDLINGS.sqlite(tx);
            for (lease, effect, end) in ends.iter() {
                match end {
                    End::Handled => drop(handled(tx, *lease, *effect, now)?),
                    End::Later(due) => drop(queue.retry(&[(*lease, *due)])?),
                    End::Dead(cause) => drop(queue.bury(&[(*lease, *cause)], now)?),
                }
            }
            Ok(())
        })
        .await
    }

    async fn handle(
        &self,
        handling: &Handling,
        events: Vec<(Lease, Effect, Confirmed)>,
        now: Timestamp,
    ) -> Vec<Result<(), HandlerError>> {
        let Kind::Sqlite(handler) = &handling.0 else {
            return events.iter().map(|_| Err("the handler is not for this inbox".into())).collect();
        };
        // Each in a transaction of its own, so that a failure undoes its own and no other; the writer commits them together.
        let one = |(lease, effect, event): (Lease, Effect, Confirmed)| {
            let handler = Arc::clone(handler);
            self.db.write(move |tx| in_transaction(tx, &*handler, lease, effect, &event, now))
        };
        let results = join_all(events.into_iter().map(one)).await;
        results.into_iter().map(|result| result.map_err(|Failed(error)| error)).collect()
    }

    async fn heartbeat(&self, which: Which, held: Vec<Lease>, until: Timestamp) -> Result<Lost, StorageError> {
        self.write(move |tx| which.queue().sqlite(tx).heartbeat(&held, until)).await
    }

    async fn release(&self, which: Which, held: Vec<Lease>, due: Timestamp) -> Result<(), StorageError> {
        let held: Vec<_> = held.into_iter().map(|lease| (lease, due)).collect();
        self.write(move |tx| which.queue().sqlite(tx).retry(&held).map(drop)).await
    }

    async fn next_due(&self, which: Which, _now: Timestamp) -> Result<Due, StorageError> {
        self.read(move |db| which.queue().sqlite(db).next_due()).await
    }

    async fn counts(&self) -> Result<Counts, StorageError> {
        self.read(|db| {
            let mut select = db.prepare_cached("SELECT state, count(*) FROM receipts GROUP BY state")?;
            let rows = select.query_map([], |row| Ok((state(row, 0)?, row.get::<_, u64>(1)?)))?;
            let receipts = rows.collect::<Result<Vec<_>, _>>()?;
            let (confirms, handlings) = (CONFIRMS.sqlite(db).tallies()?, HANDLINGS.sqlite(db).tallies()?);
            Ok(Counts { confirms, handlings, receipts })
        })
        .await
    }

    async fn unresolved(&self) -> Result<HashMap<Option<String>, u64>, StorageError> {
        self.read(|db| {
            let sql = "SELECT source, count(*) FROM receipts WHERE state = 'received' GROUP BY source";
            let mut select = db.prepare_cached(sql)?;
            let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn receipts(
        &self,
        state: Option<ReceiptState>,
        before: i64,
        most: u32,
    ) -> Result<Vec<Receipt>, StorageError> {
        self.read(move |db| {
            let of_state = state.map_or("", |_| "AND state = ?3");
            let sql = format!("SELECT {RECEIPT} FROM receipts WHERE id < ?1 {of_state} ORDER BY id DESC LIMIT ?2");
            let mut select = db.prepare_cached(&sql)?;
            let rows = match state {
                Some(state) => select.query(params![before, most, state.as_str()])?,
                None => select.query(params![before, most])?,
            };
            Ok(rows.mapped(receipt).collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn history(&self, id: i64) -> Result<Option<History>, StorageError> {
        self.read(move |db| {
            let sql = format!("SELECT {RECEIPT}, log FROM receipts WHERE id = ?1");
            let found = db.prepare_cached(&sql)?.query_row([id], |row| Ok((receipt(row)?, row.get::<_, String>(8)?)));
            let Some((receipt, log)) = found.optional()? else { return Ok(None) };
            Ok(Some(History { receipt, steps: read_log(&log), effect: effect_of(db, id)? }))
        })
        .await
    }

    async fn redrive(&self, id: i64, now: Timestamp) -> Result<Redriven, StorageError> {
        self.write(move |tx| {
            let mut reopen = tx.prepare_cached(
                "UPDATE receipts SET state = 'received', resolved_at = NULL, attempts = 0, unknowns = 0, failures = 0,
                 log = log || ?2 WHERE id = ?1 AND state NOT IN ('received', 'confirmed')",
            )?;
            if reopen.execute(params![id, log_line(now, "a person asked for it again")])? > 0 {
                CONFIRMS.sqlite(tx).enqueue(&[confirm_job(id, now)], now)?;
                return Ok(Redriven::Confirming);
            }
            let dead = jobs_of(tx, id, "state = 'dead'")?;
            let revived = HANDLINGS.sqlite(tx).revive(&dead, now)?;
            Ok(if revived.is_empty() { Redriven::Nothing } else { Redriven::Handling })
        })
        .await
    }

    async fn give_up(&self, id: i64, reason: String, now: Timestamp) -> Result<bool, StorageError> {
        self.write(move |tx| {
            let mut close = tx.prepare_cached(
                "UPDATE receipts SET state = 'given-up', resolved_at = ?2, log = log || ?3
                 WHERE id = ?1 AND state = 'received'",
            )?;
            let line = log_line(now, &format!("given up: {reason}"));
            if close.execute(params![id, now.as_microsecond(), line])? > 0 {
                tx.prepare_cached("DELETE FROM confirms WHERE payload = ?1")?.execute([id.to_string()])?;
                return Ok(true);
            }
            let open = jobs_of(tx, id, "state <> 'dead'")?;
            Ok(!HANDLINGS.sqlite(tx).give_up(&open, &reason, now)?.is_empty())
        })
        .await
    }

    async fn unknown(&self, effects: Vec<Effect>) -> Result<Vec<Effect>, StorageError> {
        self.read(move |db| {
            let mut select = db.prepare_cached("SELECT EXISTS (SELECT 1 FROM effects WHERE key = ?1)")?;
            let mut unknown = Vec::new();
            for effect in effects {
                if !select.query_row([effect.key()], |row| row.get::<_, bool>(0))? {
                    unknown.push(effect);
                }
            }
            Ok(unknown)
        })
        .await
    }

    async fn begin_sweep(&self, times: SweepTimes) -> Result<Option<SweepFrom>, StorageError> {
        let SweepTimes { now, next, first_due, since } = times;
        self.write(move |tx| {
            let first =
                "INSERT INTO sweeps (one, swept_to, since, due_at) VALUES (1, ?1, ?1, ?2) ON CONFLICT DO NOTHING";
            tx.prepare_cached(first)?.execute([since, first_due])?;
            let mut begin =
                tx.prepare_cached("UPDATE sweeps SET due_at = ?2 WHERE due_at <= ?1 RETURNING swept_to, since")?;
            let from = |row: &Row<'_>| Ok(SweepFrom { swept_to: at(row, 0)?, since: at(row, 1)? });
            Ok(begin.query_row([now, next], from).optional()?)
        })
        .await
    }

    async fn end_sweep(&self, began: Timestamp) -> Result<(), StorageError> {
        self.write(move |tx| {
            tx.prepare_cached("UPDATE sweeps SET swept_to = max(swept_to, ?1)")?.execute([began.as_microsecond()])?;
            Ok(())
        })
        .await
    }

    async fn prune(&self, before: Timestamp, most: u32) -> Result<u64, StorageError> {
        self.write(move |tx| {
            let mut delete = tx.prepare_cached(PRUNE)?;
            let pruned = delete.execute(params![before.as_microsecond(), most])?;
            Ok(u64::try_from(pruned).unwrap_or(u64::MAX))
        })
        .await
    }
}

fn settle(tx: &Connection, decision: &Decision, now: Timestamp, until: Timestamp) -> Result<Settled, StorageError> {
    let Decision { lease, receipt, what } = decision;
    let queue = CONFIRMS.sqlite(tx);
    match what {
        What::Again(again, due) => {
            if !queue.retry(&[(*lease, *due)])?.is_none() {
                return Ok(Settled::Lost);
            }
            note_again(tx, *receipt, *again, now)?;
        }
        What::Close(state) => {
            if !queue.complete(&[*lease])?.is_none() {
                return Ok(Settled::Lost);
            }
            close(tx, *receipt, *state, now)?;
        }
        What::Effects(effects) => {
            // Before the effect: whoever lost the lease must not make one.
            if !queue.hold(&[*lease])?.is_none() {
                return Ok(Settled::Lost);
            }
            let Some(effect) = first_free(tx, *receipt, effects, now)? else {
                // More is asked about it.
                drop(queue.heartbeat(&[*lease], until)?);
                return Ok(Settled::Taken);
            };
            HANDLINGS.sqlite(tx).enqueue(&[handling_job(effect, now)], now)?;
            drop(queue.complete(&[*lease])?);
            close(tx, *receipt, ReceiptState::Confirmed, now)?;
        }
    }
    Ok(Settled::Done)
}

fn first_free(
    tx: &Connection,
    receipt: i64,
    effects: &[(Effect, String)],
    now: Timestamp,
) -> Result<Option<Effect>, StorageError> {
    let mut insert = tx.prepare_cached(
        "INSERT INTO effects (key, receipt, record, confirmed_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
    )?;
    for (effect, record) in effects {
        if insert.execute(params![effect.key(), receipt, record, now.as_microsecond()])? == 1 {
            return Ok(Some(*effect));
        }
    }
    Ok(None)
}

fn close(tx: &Connection, receipt: i64, state: ReceiptState, now: Timestamp) -> Result<(), StorageError> {
    let mut update =
        tx.prepare_cached("UPDATE receipts SET state = ?2, resolved_at = ?3, attempts = attempts + 1 WHERE id = ?1")?;
    update.execute(params![receipt, state.as_str(), now.as_microsecond()])?;
    Ok(())
}

fn note_again(tx: &Connection, receipt: i64, again: Again, now: Timestamp) -> Result<(), StorageError> {
    let mut update = tx.prepare_cached(
        "UPDATE receipts SET attempts = attempts + ?2, unknowns = unknowns + ?3, failures = failures + ?4,
         log = substr(log || ?5, ?6) WHERE id = ?1",
    )?;
    let (attempts, unknowns, failures) = again.counts();
    let log_max = i64::try_from(LOG_MAX).unwrap_or(i64::MAX);
    update.execute(params![receipt, attempts, unknowns, failures, log_line(now, again.words()), -log_max])?;
    Ok(())
}

/// Notes an effect as handled, if the lease is still held.
fn handled(tx: &Connection, lease: Lease, effect: Effect, now: Timestamp) -> Result<bool, StorageError> {
    if !HANDLINGS.sqlite(tx).complete(&[lease])?.is_none() {
        return Ok(false);
    }
    let mut update = tx.prepare_cached("UPDATE effects SET handled_at = ?2 WHERE key = ?1")?;
    update.execute(params![effect.key(), now.as_microsecond()])?;
    Ok(true)
}

/// Why a transactional handling was undone.
struct Failed(HandlerError);

impl From<StorageError> for Failed {
    fn from(error: StorageError) -> Self {
        Self(error.into())
    }
}

fn in_transaction(
    tx: &Connection,
    handler: &dyn SqliteHandler,
    lease: Lease,
    effect: Effect,
    event: &Confirmed,
    now: Timestamp,
) -> Result<(), Failed> {
    // First, so that a lost lease costs nothing.
    if !handled(tx, lease, effect, now)? {
        return Err(Failed("the lease was lost".into()));
    }
    let done = catch_unwind(AssertUnwindSafe(|| handler.handle(event, tx)));
    done.unwrap_or_else(|_| Err(Panicked.into())).map_err(Failed)
}

/// The handling jobs of a receipt's effect.
fn jobs_of(tx: &Connection, receipt: i64, which: &str) -> Result<Vec<i64>, StorageError> {
    let sql =
        format!("SELECT j.id FROM effects e JOIN handlings j ON j.payload = e.key WHERE e.receipt = ?1 AND j.{which}");
    let mut select = tx.prepare_cached(&sql)?;
    let ids = select.query_map([receipt], |row| row.get(0))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

fn effect_of(db: &Connection, receipt: i64) -> Result<Option<EffectView>, StorageError> {
    let mut select = db.prepare_cached(
        "SELECT e.key, e.handled_at, j.attempts, j.cause FROM effects e LEFT JOIN handlings j ON j.payload = e.key
         WHERE e.receipt = ?1",
    )?;
    let view = |row: &Row<'_>| {
        let handled_at = row.get::<_, Option<i64>>(1)?.map(|_| at(row, 1)).transpose()?;
        let attempts = row.get::<_, Option<u32>>(2)?.unwrap_or_default();
        Ok(EffectView { key: row.get(0)?, handled_at, attempts, dead: row.get(3)? })
    };
    Ok(select.query_row([receipt], view).optional()?)
}

fn open(row: &Row<'_>, lease: Lease) -> rusqlite::Result<Open> {
    Ok(Open {
        lease,
        id: row.get(0)?,
        path: row.get(1)?,
        body: row.get(2)?,
        source: row.get(3)?,
        attempts: row.get(4)?,
        unknowns: row.get(5)?,
        failures: row.get(6)?,
    })
}

fn receipt(row: &Row<'_>) -> rusqlite::Result<Receipt> {
    Ok(Receipt {
        id: row.get(0)?,
        path: row.get(1)?,
        source: row.get(2)?,
        received_at: at(row, 3)?,
        state: state(row, 4)?,
        resolved_at: row.get::<_, Option<i64>>(5)?.map(|_| at(row, 5)).transpose()?,
        attempts: row.get(6)?,
        failures: row.get(7)?,
    })
}

fn state(row: &Row<'_>, column: usize) -> rusqlite::Result<ReceiptState> {
    ReceiptState::from_word(row.get_ref(column)?.as_str()?).ok_or_else(|| out_of_range(column))
}

fn at(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    Timestamp::from_microsecond(i64::column_result(row.get_ref(column)?)?).map_err(|_| out_of_range(column))
}

/// Without the value: it may be anything.
fn out_of_range(column: usize) -> rusqlite::Error {
    rusqlite::Error::IntegralValueOutOfRange(column, 0)
}
