//! Effects: claimed, handled, and noted as that.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;

use asaanbill_storage::queue::{Claim, Job, Lease, Lost};
use asaanbill_storage::tokio_postgres::Row;
use asaanbill_storage::{PostgresTransaction, StorageError};
use futures_util::FutureExt as _;
use jiff::Timestamp;

use super::super::{End, HANDLINGS, Unhandled};
use super::row::{at, get};
use crate::event::{Confirmed, Effect, Notice};
use crate::handler::{HandlerError, Panicked, PostgresHandler};
use crate::receipt::SWEPT_PATH;

pub(super) async fn claim_effects(
    tx: &PostgresTransaction,
    claim: &Claim,
) -> Result<(Vec<Job>, Vec<Unhandled>), StorageError> {
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

pub(super) async fn finish(
    tx: &PostgresTransaction,
    ends: &[(Lease, Effect, End)],
    now: Timestamp,
) -> Result<(), StorageError> {
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
pub(super) struct Failed(pub(super) HandlerError);

impl From<StorageError> for Failed {
    fn from(error: StorageError) -> Self {
        Self(error.into())
    }
}

pub(super) async fn handle_in(
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
