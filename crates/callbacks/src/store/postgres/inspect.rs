//! What a person sees, and may do.

use asaanbill_storage::{PostgresTransaction, StorageError};
use jiff::Timestamp;

use super::super::{CONFIRMS, Counts, HANDLINGS, RECEIPT, Redriven, confirm_job, log_line, read_log};
use super::row::{at, get, receipt, state, unsigned};
use crate::receipt::{EffectView, History};

pub(super) async fn counts(tx: &PostgresTransaction) -> Result<Counts, StorageError> {
    let rows = tx.query("SELECT state, count(*) FROM receipts GROUP BY state", &[]).await?;
    let receipts = rows
        .iter()
        .map(|row| Ok::<_, StorageError>((state(row, 0)?, unsigned(get(row, 1)?))))
        .collect::<Result<_, _>>()?;
    let (confirms, handlings) = (CONFIRMS.postgres(tx).tallies().await?, HANDLINGS.postgres(tx).tallies().await?);
    Ok(Counts { confirms, handlings, receipts })
}

pub(super) async fn history(tx: &PostgresTransaction, id: i64) -> Result<Option<History>, StorageError> {
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

pub(super) async fn redrive(tx: &PostgresTransaction, id: i64, now: Timestamp) -> Result<Redriven, StorageError> {
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

pub(super) async fn give_up(
    tx: &PostgresTransaction,
    id: i64,
    reason: &str,
    now: Timestamp,
) -> Result<bool, StorageError> {
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
