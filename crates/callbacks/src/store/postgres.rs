//! The inbox in PostgreSQL: one statement for many rows wherever that can be.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use asaanbill_storage::queue::{Claim, Cursor, Due, Job, Lease, Lost};
use asaanbill_storage::tokio_postgres::Row;
use asaanbill_storage::tokio_postgres::types::FromSql;
use asaanbill_storage::{Isolation, Migration, Postgres, PostgresTransaction, StorageError, queue_schema_postgres};
use async_trait::async_trait;
use futures_util::FutureExt as _;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, oneshot};

use super::{
    Again, CONFIRMS, Counts, Decision, End, HANDLINGS, LOG_MAX, NewReceipt, Open, PRUNED, PostgresUrl, Redriven,
    Settled, Store, SweepFrom, Unhandled, What, Which, confirm_job, handling_job, log_line, read_log,
};
use crate::event::{Confirmed, Effect, Notice};
use crate::handler::{HandlerError, Handling, Kind, Panicked, PostgresHandler};
use crate::receipt::{EffectView, History, Receipt, ReceiptState, SWEPT_PATH};

const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "inbox",
    sql: concat!(
        include_str!("schema_postgres.sql"),
        queue_schema_postgres!("confirms"),
        queue_schema_postgres!("handlings")
    ),
}];

/// The most receipts of one commit: more would make the first of them wait without sharing the flush much better.
const GROUP_MAX: usize = 512;

/// How many receipts may wait for a commit; then accepting itself waits, within its budget.
const WAITING_MAX: usize = 4096;

const RECEIPT: &str = "id, path, source, received_at, state, resolved_at, attempts, failures";

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

type Arrival = (NewReceipt, oneshot::Sender<Result<i64, StorageError>>);

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

/// One commit for all that arrived while the one before it was on its way.
async fn gather(db: Postgres, mut arriving: mpsc::Receiver<Arrival>) {
    let mut group = Vec::new();
    while arriving.recv_many(&mut group, GROUP_MAX).await > 0 {
        let (new, tell): (Vec<_>, Vec<_>) = group.drain(..).unzip();
        let new = &new;
        let stored = db.transaction(Isolation::ReadCommitted, |tx| async move { receive(&tx, new).await }).await;
        match stored {
            Ok(ids) => {
                for (tell, id) in tell.into_iter().zip(ids) {
                    // Whoever stopped waiting isn't told.
                    let _ = tell.send(Ok(id));
                }
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "call-backs could not be stored");
                // Each sender learns that its own failed by being dropped.
                drop(tell);
            }
        }
    }
}

async fn receive(tx: &PostgresTransaction, new: &[NewReceipt]) -> Result<Vec<i64>, StorageError> {
    let paths: Vec<_> = new.iter().map(|new| new.path.as_str()).collect();
    let bodies: Vec<_> = new.iter().map(|new| new.body.as_str()).collect();
    let sources: Vec<_> = new.iter().map(|new| new.source.as_deref()).collect();
    let times: Vec<_> = new.iter().map(|new| new.received_at.as_microsecond()).collect();
    let rows = tx
        .query(
            "INSERT INTO receipts (path, body, source, received_at)
             SELECT path, body, source, received_at
             FROM UNNEST($1::TEXT[], $2::TEXT[], $3::TEXT[], $4::BIGINT[])
             WITH ORDINALITY AS new (path, body, source, received_at, place) ORDER BY place RETURNING id",
            &[&paths, &bodies, &sources, &times],
        )
        .await?;
    let ids: Vec<i64> = rows.iter().map(|row| get(row, 0)).collect::<Result<_, _>>()?;
    let jobs: Vec<_> = ids.iter().zip(new).map(|(id, new)| confirm_job(*id, new.received_at)).collect();
    let latest = new.iter().map(|new| new.received_at).max().unwrap_or(Timestamp::UNIX_EPOCH);
    CONFIRMS.postgres(tx).enqueue(&jobs, latest).await?;
    Ok(ids)
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
        let (jobs, opens) = transaction!(self, tx => claim_receipts(&tx, &claim).await)?;
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
        transaction!(self, tx => settle(&tx, decisions, now, until).await)
    }

    async fn claim_effects(&self, claim: Claim) -> Result<Vec<Unhandled>, StorageError> {
        let claim = self.begin(Which::Handlings, claim);
        let (jobs, effects) = transaction!(self, tx => claim_effects(&tx, &claim).await)?;
        self.passed(Which::Handlings, &claim, &jobs);
        Ok(effects)
    }

    async fn finish(&self, ends: Arc<Vec<(Lease, Effect, End)>>, now: Timestamp) -> Result<(), StorageError> {
        let ends = &ends;
        transaction!(self, tx => finish(&tx, ends, now).await)
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
        let together: Result<(), Failed> = transaction!(self, tx => handle_in(&tx, handler, all, now).await);
        if together.is_ok() {
            return events.iter().map(|_| Ok(())).collect();
        }
        let mut results = Vec::new();
        for event in &events {
            let one = std::slice::from_ref(event);
            let alone: Result<(), Failed> = transaction!(self, tx => handle_in(&tx, handler, one, now).await);
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
        self.db.read(|tx| async move { counts(&tx).await }).await
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
        self.db.read(|tx| async move { history(&tx, id).await }).await
    }

    async fn redrive(&self, id: i64, now: Timestamp) -> Result<Redriven, StorageError> {
        transaction!(self, tx => redrive(&tx, id, now).await)
    }

    async fn give_up(&self, id: i64, reason: String, now: Timestamp) -> Result<bool, StorageError> {
        let reason = reason.as_str();
        transaction!(self, tx => give_up(&tx, id, reason, now).await)
    }

    async fn unknown(&self, effects: Vec<Effect>) -> Result<Vec<Effect>, StorageError> {
        let keys: Vec<_> = effects.iter().map(|effect| effect.key()).collect();
        let keys = &keys;
        let known = self.db.read(|tx| async move { known(&tx, keys).await }).await?;
        Ok(effects.into_iter().filter(|effect| !known.contains(&effect.key())).collect())
    }

    async fn begin_sweep(
        &self,
        now: Timestamp,
        every: SignedDuration,
        since: Option<Timestamp>,
    ) -> Result<Option<SweepFrom>, StorageError> {
        let next = now.saturating_add(every).unwrap_or(Timestamp::MAX);
        let first_due = if since.is_some() { now } else { next };
        let [now, next, first_due, since] = [now, next, first_due, since.unwrap_or(now)].map(Timestamp::as_microsecond);
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
        let states = PRUNED.map(ReceiptState::as_str).to_vec();
        let (states, before, most) = (&states, before.as_microsecond(), i64::from(most));
        let sql = "DELETE FROM receipts WHERE id = ANY (ARRAY(
                       SELECT id FROM receipts WHERE state = ANY ($1) AND resolved_at < $2 LIMIT $3))";
        transaction!(self, tx => tx.execute(sql, &[states, &before, &most]).await)
    }
}

async fn claim_receipts(tx: &PostgresTransaction, claim: &Claim) -> Result<(Vec<Job>, Vec<Open>), StorageError> {
    let jobs = CONFIRMS.postgres(tx).claim(claim).await?;
    let leases: HashMap<i64, Lease> =
        jobs.iter().filter_map(|job| Some((job.payload.parse().ok()?, job.lease))).collect();
    if leases.is_empty() {
        return Ok((jobs, Vec::new()));
    }
    let ids: Vec<_> = leases.keys().copied().collect();
    let sql = "SELECT id, path, body, source, attempts, unknowns, failures FROM receipts WHERE id = ANY ($1)
               ORDER BY id";
    let rows = tx.query(sql, &[&ids]).await?;
    let open = |row: &Row| {
        let id = get(row, 0)?;
        Ok(Open {
            lease: leases[&id],
            id,
            path: get(row, 1)?,
            body: get(row, 2)?,
            source: get(row, 3)?,
            attempts: count(row, 4)?,
            unknowns: count(row, 5)?,
            failures: count(row, 6)?,
        })
    };
    let opens = rows.iter().map(open).collect::<Result<_, StorageError>>()?;
    Ok((jobs, opens))
}

async fn settle(
    tx: &PostgresTransaction,
    decisions: &[Decision],
    now: Timestamp,
    until: Timestamp,
) -> Result<Vec<Settled>, StorageError> {
    let queue = CONFIRMS.postgres(tx);
    // Locks the jobs' rows, so that what is held now is held until the commit.
    let leases: Vec<_> = decisions.iter().map(|decision| decision.lease).collect();
    let lost = queue.heartbeat(&leases, until).await?;
    let held: Vec<_> = decisions.iter().filter(|decision| !lost.contains(decision.lease)).collect();

    let assigned = assign(tx, &held, now).await?;
    let (mut closed, mut again) = (Vec::new(), Vec::new());
    for decision in &held {
        match &decision.what {
            What::Effects(_) if assigned.contains_key(&decision.receipt) => {
                closed.push((*decision, ReceiptState::Confirmed));
            }
            What::Effects(_) => {}
            What::Close(state) => closed.push((*decision, *state)),
            What::Again(why, due) => again.push((*decision, *why, *due)),
        }
    }
    close(tx, &closed, now).await?;
    note_again(tx, &again, now).await?;
    if !assigned.is_empty() {
        let jobs: Vec<_> = assigned.values().map(|effect| handling_job(*effect, now)).collect();
        HANDLINGS.postgres(tx).enqueue(&jobs, now).await?;
    }
    let settled = |decision: &Decision| match &decision.what {
        _ if lost.contains(decision.lease) => Settled::Lost,
        What::Effects(_) if !assigned.contains_key(&decision.receipt) => Settled::Taken,
        _ => Settled::Done,
    };
    Ok(decisions.iter().map(settled).collect())
}

/// Gives each receipt the first of its effects that no other one has.
async fn assign(
    tx: &PostgresTransaction,
    held: &[&Decision],
    now: Timestamp,
) -> Result<HashMap<i64, Effect>, StorageError> {
    let mut wishes: Vec<(i64, &[(Effect, String)])> = Vec::new();
    for decision in held {
        if let What::Effects(effects) = &decision.what {
            wishes.push((decision.receipt, effects));
        }
    }
    let mut assigned = HashMap::new();
    let all: Vec<String> =
        wishes.iter().flat_map(|(_, effects)| effects.iter().map(|(effect, _)| effect.key())).collect();
    let mut taken = if all.is_empty() { HashSet::new() } else { known(tx, &all).await? };
    while !wishes.is_empty() {
        let (mut receipts, mut keys, mut records, mut chosen) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (receipt, effects) in &wishes {
            if let Some((effect, record)) = effects.iter().find(|(effect, _)| !taken.contains(&effect.key())) {
                taken.insert(effect.key());
                receipts.push(*receipt);
                keys.push(effect.key());
                records.push(record.as_str());
                chosen.push(*effect);
            }
        }
        if keys.is_empty() {
            break;
        }
        let rows = tx
            .query(
                "INSERT INTO effects (key, receipt, record, confirmed_at)
                 SELECT key, receipt, record, $4 FROM UNNEST($1::TEXT[], $2::BIGINT[], $3::TEXT[])
                 AS new (key, receipt, record) ORDER BY key ON CONFLICT DO NOTHING RETURNING receipt",
                &[&keys, &receipts, &records, &now.as_microsecond()],
            )
            .await?;
        let inserted: HashSet<i64> = rows.iter().map(|row| get(row, 0)).collect::<Result<_, _>>()?;
        assigned.extend(receipts.iter().zip(chosen).filter(|(id, _)| inserted.contains(id)).map(|(id, e)| (*id, e)));
        // Another instance was faster with some: those receipts may have another choice.
        wishes.retain(|(receipt, _)| receipts.contains(receipt) && !inserted.contains(receipt));
    }
    Ok(assigned)
}

/// Which of these keys there are.
async fn known(tx: &PostgresTransaction, keys: &[String]) -> Result<HashSet<String>, StorageError> {
    let rows = tx.query("SELECT key FROM effects WHERE key = ANY ($1)", &[&keys]).await?;
    rows.iter().map(|row| get(row, 0)).collect()
}

async fn close(
    tx: &PostgresTransaction,
    closed: &[(&Decision, ReceiptState)],
    now: Timestamp,
) -> Result<(), StorageError> {
    if closed.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = closed.iter().map(|(decision, _)| decision.receipt).collect();
    let states: Vec<_> = closed.iter().map(|(_, state)| state.as_str()).collect();
    let leases: Vec<_> = closed.iter().map(|(decision, _)| decision.lease).collect();
    let sql = "UPDATE receipts SET state = new.state, resolved_at = $3, attempts = attempts + 1
               FROM UNNEST($1::BIGINT[], $2::TEXT[]) AS new (id, state) WHERE receipts.id = new.id";
    tx.execute(sql, &[&ids, &states, &now.as_microsecond()]).await?;
    drop(CONFIRMS.postgres(tx).complete(&leases).await?);
    Ok(())
}

async fn note_again(
    tx: &PostgresTransaction,
    again: &[(&Decision, Again, Timestamp)],
    now: Timestamp,
) -> Result<(), StorageError> {
    if again.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = again.iter().map(|(decision, ..)| decision.receipt).collect();
    let attempts: Vec<_> = again.iter().map(|(_, why, _)| why.counts().0).collect();
    let unknowns: Vec<_> = again.iter().map(|(_, why, _)| why.counts().1).collect();
    let failures: Vec<_> = again.iter().map(|(_, why, _)| why.counts().2).collect();
    let lines: Vec<_> = again.iter().map(|(_, why, _)| log_line(now, why.words())).collect();
    let log_max = i32::try_from(LOG_MAX).unwrap_or(i32::MAX);
    let sql = "UPDATE receipts SET attempts = receipts.attempts + new.attempts,
                   unknowns = receipts.unknowns + new.unknowns, failures = receipts.failures + new.failures,
                   log = right(receipts.log || new.line, $6)
               FROM UNNEST($1::BIGINT[], $2::INTEGER[], $3::INTEGER[], $4::INTEGER[], $5::TEXT[])
               AS new (id, attempts, unknowns, failures, line) WHERE receipts.id = new.id";
    tx.execute(sql, &[&ids, &attempts, &unknowns, &failures, &lines, &log_max]).await?;
    let due: Vec<_> = again.iter().map(|(decision, _, due)| (decision.lease, *due)).collect();
    drop(CONFIRMS.postgres(tx).retry(&due).await?);
    Ok(())
}

async fn claim_effects(tx: &PostgresTransaction, claim: &Claim) -> Result<(Vec<Job>, Vec<Unhandled>), StorageError> {
    let jobs = HANDLINGS.postgres(tx).claim(claim).await?;
    if jobs.is_empty() {
        return Ok((jobs, Vec::new()));
    }
    let keys: Vec<_> = jobs.iter().map(|job| job.payload.as_str()).collect();
    let sql = "SELECT e.key, e.record, r.id, r.path, r.body, r.received_at
               FROM effects e JOIN receipts r ON r.id = e.receipt WHERE e.key = ANY ($1)";
    let rows = tx.query(sql, &[&keys]).await?;
    let mut kept: HashMap<&str, &Row> = HashMap::new();
    for row in &rows {
        kept.insert(get(row, 0)?, row);
    }
    let mut effects = Vec::new();
    for job in &jobs {
        let Some(effect) = Effect::from_key(&job.payload) else {
            // Somebody wrote into the queue's table: kept, and looked at by a person.
            drop(HANDLINGS.postgres(tx).bury(&[(job.lease, "record")], claim.clocks.now).await?);
            continue;
        };
        let event = match kept.get(job.payload.as_str()) {
            None => None,
            Some(row) => {
                let swept = get::<&str>(row, 3)? == SWEPT_PATH;
                let (receipt, received_at) = (get(row, 2)?, at(row, 5)?);
                let notice = Notice { receipt, received_at, swept, attempt: job.attempts };
                effect.event(get(row, 1)?, get(row, 4)?, notice)
            }
        };
        effects.push(Unhandled { lease: job.lease, effect, attempts: job.attempts, event });
    }
    drop(kept);
    Ok((jobs, effects))
}

async fn finish(tx: &PostgresTransaction, ends: &[(Lease, Effect, End)], now: Timestamp) -> Result<(), StorageError> {
    let queue = HANDLINGS.postgres(tx);
    let (mut done, mut later, mut dead) = (Vec::new(), Vec::new(), Vec::new());
    for (lease, effect, end) in ends {
        match end {
            End::Handled => done.push((*lease, *effect)),
            End::Later(due) => later.push((*lease, *due)),
            End::Dead(cause) => dead.push((*lease, *cause)),
        }
    }
    drop(handled(tx, &done, now).await?);
    if !later.is_empty() {
        drop(queue.retry(&later).await?);
    }
    if !dead.is_empty() {
        drop(queue.bury(&dead, now).await?);
    }
    Ok(())
}

/// Notes effects as handled whose leases are still held. Says which weren't.
async fn handled(tx: &PostgresTransaction, done: &[(Lease, Effect)], now: Timestamp) -> Result<Lost, StorageError> {
    if done.is_empty() {
        return Ok(Lost::default());
    }
    let leases: Vec<_> = done.iter().map(|(lease, _)| *lease).collect();
    let lost = HANDLINGS.postgres(tx).complete(&leases).await?;
    let held = done.iter().filter(|(lease, _)| !lost.contains(*lease));
    let keys: Vec<_> = held.map(|(_, effect)| effect.key()).collect();
    let sql = "UPDATE effects SET handled_at = $2 WHERE key = ANY ($1)";
    tx.execute(sql, &[&keys, &now.as_microsecond()]).await?;
    Ok(lost)
}

/// Why a transactional handling was undone.
struct Failed(HandlerError);

impl From<StorageError> for Failed {
    fn from(error: StorageError) -> Self {
        Self(error.into())
    }
}

async fn handle_in(
    tx: &PostgresTransaction,
    handler: &dyn PostgresHandler,
    events: &[(Lease, Effect, Confirmed)],
    now: Timestamp,
) -> Result<(), Failed> {
    // First, so that a lost lease costs nothing, and nobody else claims them meanwhile.
    let done: Vec<_> = events.iter().map(|(lease, effect, _)| (*lease, *effect)).collect();
    if !handled(tx, &done, now).await?.is_none() {
        return Err(Failed("the lease was lost".into()));
    }
    for (_, _, event) in events {
        // Also before there is a future.
        let handling = AssertUnwindSafe(async { handler.handle(event, tx).await });
        handling.catch_unwind().await.unwrap_or_else(|_| Err(Panicked.into())).map_err(Failed)?;
    }
    Ok(())
}

async fn counts(tx: &PostgresTransaction) -> Result<Counts, StorageError> {
    let rows = tx.query("SELECT state, count(*) FROM receipts GROUP BY state", &[]).await?;
    let receipts = rows
        .iter()
        .map(|row| Ok::<_, StorageError>((state(row, 0)?, unsigned(get(row, 1)?))))
        .collect::<Result<_, _>>()?;
    let (confirms, handlings) = (CONFIRMS.postgres(tx).tallies().await?, HANDLINGS.postgres(tx).tallies().await?);
    Ok(Counts { confirms, handlings, receipts })
}

async fn history(tx: &PostgresTransaction, id: i64) -> Result<Option<History>, StorageError> {
    let sql = format!("SELECT {RECEIPT}, log FROM receipts WHERE id = $1");
    let Some(row) = tx.query_opt(&sql, &[&id]).await? else { return Ok(None) };
    let sql = "SELECT e.key, e.handled_at, j.attempts, j.cause FROM effects e
               LEFT JOIN handlings j ON j.payload = e.key WHERE e.receipt = $1";
    let effect = tx.query_opt(sql, &[&id]).await?.map(|row| {
        let handled_at = get::<Option<i64>>(&row, 1)?.map(|_| at(&row, 1)).transpose()?;
        let attempts = get::<Option<i32>>(&row, 2)?.and_then(|count| u32::try_from(count).ok()).unwrap_or_default();
        Ok::<_, StorageError>(EffectView { key: get(&row, 0)?, handled_at, attempts, dead: get(&row, 3)? })
    });
    Ok(Some(History { receipt: receipt(&row)?, steps: read_log(get(&row, 8)?), effect: effect.transpose()? }))
}

async fn redrive(tx: &PostgresTransaction, id: i64, now: Timestamp) -> Result<Redriven, StorageError> {
    let reopen = "UPDATE receipts SET state = 'received', resolved_at = NULL, attempts = 0, unknowns = 0, failures = 0,
                  log = log || $2 WHERE id = $1 AND state NOT IN ('received', 'confirmed')";
    if tx.execute(reopen, &[&id, &log_line(now, "a person asked for it again")]).await? > 0 {
        CONFIRMS.postgres(tx).enqueue(&[confirm_job(id, now)], now).await?;
        return Ok(Redriven::Confirming);
    }
    let dead = jobs_of(tx, id, "state = 'dead'").await?;
    let revived = HANDLINGS.postgres(tx).revive(&dead, now).await?;
    Ok(if revived.is_empty() { Redriven::Nothing } else { Redriven::Handling })
}

async fn give_up(tx: &PostgresTransaction, id: i64, reason: &str, now: Timestamp) -> Result<bool, StorageError> {
    // The job first, as a worker does: two that lock in the same order don't block each other.
    tx.execute("DELETE FROM confirms WHERE payload = $1", &[&id.to_string()]).await?;
    let close = "UPDATE receipts SET state = 'given-up', resolved_at = $2, log = log || $3
                 WHERE id = $1 AND state = 'received'";
    let line = log_line(now, &format!("given up: {reason}"));
    if tx.execute(close, &[&id, &now.as_microsecond(), &line]).await? > 0 {
        return Ok(true);
    }
    let open = jobs_of(tx, id, "state <> 'dead'").await?;
    Ok(!HANDLINGS.postgres(tx).give_up(&open, reason, now).await?.is_empty())
}

/// The handling jobs of a receipt's effect.
async fn jobs_of(tx: &PostgresTransaction, receipt: i64, which: &str) -> Result<Vec<i64>, StorageError> {
    let sql =
        format!("SELECT j.id FROM effects e JOIN handlings j ON j.payload = e.key WHERE e.receipt = $1 AND j.{which}");
    tx.query(&sql, &[&receipt]).await?.iter().map(|row| get(row, 0)).collect()
}

fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, StorageError> {
    Ok(row.try_get(column)?)
}

fn receipt(row: &Row) -> Result<Receipt, StorageError> {
    Ok(Receipt {
        id: get(row, 0)?,
        path: get(row, 1)?,
        source: get(row, 2)?,
        received_at: at(row, 3)?,
        state: state(row, 4)?,
        resolved_at: get::<Option<i64>>(row, 5)?.map(|_| at(row, 5)).transpose()?,
        attempts: count(row, 6)?,
        failures: count(row, 7)?,
    })
}

fn state(row: &Row, column: usize) -> Result<ReceiptState, StorageError> {
    ReceiptState::from_word(get(row, column)?).ok_or_else(|| StorageError::unreadable("a receipt's state"))
}

fn at(row: &Row, column: usize) -> Result<Timestamp, StorageError> {
    Timestamp::from_microsecond(get(row, column)?).map_err(|_| StorageError::unreadable("a receipt's time"))
}

fn count(row: &Row, column: usize) -> Result<u32, StorageError> {
    Ok(u32::try_from(get::<i32>(row, column)?).unwrap_or_default())
}

fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or_default()
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("db", &self.db).finish_non_exhaustive()
    }
}
