//! Call-backs on their way into commits.

use asaanbill_storage::{Isolation, Postgres, PostgresTransaction, StorageError};
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::super::{CONFIRMS, NewReceipt, confirm_job};
use super::row::get;

/// The most receipts of one commit: more would make the first of them wait without sharing the flush much better.
const GROUP_MAX: usize = 512;

/// A call-back, and who waits for its number.
pub(super) type Arrival = (NewReceipt, oneshot::Sender<Result<i64, StorageError>>);

/// One commit for all that arrived while the one before it was on its way.
pub(super) async fn gather(db: Postgres, mut arriving: mpsc::Receiver<Arrival>) {
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
                for tell in tell {
                    let _ = tell.send(Err(error.repeated()));
                }
            }
        }
    }
}

async fn receive(tx: &PostgresTransaction, new: &[NewReceipt]) -> Result<Vec<i64>, StorageError> {
    let paths: Vec<_> = new.iter().map(|new| new.path).collect();
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
