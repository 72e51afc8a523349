//! Call-backs on their way into commits.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use asaanbill_storage::rusqlite::Connection;
use asaanbill_storage::rusqlite::types::ValueRef;
use asaanbill_storage::{Sqlite, StorageError, insert_rows};
use futures_util::FutureExt as _;
use tokio::sync::oneshot;

use super::super::{CONFIRMS, NewReceipt, confirm_job};

/// Who waits for a call-back's number.
type Tell = oneshot::Sender<Result<i64, StorageError>>;

/// Those that arrived since the writer looked: as many as there are connections, at the most.
#[derive(Clone, Default)]
pub(super) struct Arrivals(Arc<Mutex<Vec<(NewReceipt, Tell)>>>);

impl Arrivals {
    /// Stores a call-back in one transaction with the others that have arrived when the writer comes to it.
    pub(super) async fn store(&self, sqlite: &Sqlite, new: NewReceipt) -> Result<i64, StorageError> {
        let (tell, told) = oneshot::channel();
        let is_first = {
            let mut waiting = self.waiting();
            waiting.push((new, tell));
            waiting.len() == 1
        };
        if is_first {
            let mut errand = Box::pin(Errand(Some(self.clone())).run(self.clone(), sqlite.clone()));
            // Most often the writer takes it at once. Otherwise a task goes on with it: the others rely on it, so that it mustn't
            // end with this one's sender.
            if errand.as_mut().now_or_never().is_none() {
                tokio::spawn(errand);
            }
        }
        told.await.map_err(|_| StorageError::unavailable("the group of this call-back was not stored"))?
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<(NewReceipt, Tell)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Vec<(NewReceipt, Tell)> {
        mem::take(&mut self.waiting())
    }
}

/// Somebody on the way to the writer, for all who wait; nobody's any more when the writer is reached.
struct Errand(Option<Arrivals>);

impl Errand {
    async fn run(mut self, arrivals: Arrivals, sqlite: Sqlite) {
        let work = move |tx: &Connection| {
            let (new, tell): (Vec<_>, Vec<_>) = arrivals.take().into_iter().unzip();
            match receive(tx, &new) {
                Ok(ids) => Ok((ids, tell)),
                Err(error) => Err((error, tell)),
            }
        };
        let then = |stored: Result<(Vec<i64>, Vec<Tell>), _>, committed: Result<(), StorageError>| {
            match (stored, committed) {
                (Ok((ids, tell)), Ok(())) => {
                    for (tell, id) in tell.into_iter().zip(ids) {
                        // Whoever stopped waiting isn't told.
                        let _ = tell.send(Ok(id));
                    }
                }
                (Ok((_, tell)), Err(error)) | (Err((error, tell)), _) => {
                    for tell in tell {
                        let _ = tell.send(Err(error.repeated()));
                    }
                }
            }
        };
        if let Ok(()) = sqlite.write_then(work, then).await {
            self.0 = None;
        }
    }
}

impl Drop for Errand {
    /// The writer wasn't reached, as when the runtime goes down: nobody else goes there for those who wait.
    fn drop(&mut self) {
        drop(self.0.as_ref().map(Arrivals::take));
    }
}

fn receive(tx: &Connection, new: &[NewReceipt]) -> Result<Vec<i64>, StorageError> {
    let insert = "INSERT INTO receipts (path, body, source, received_at) VALUES ($1, $2, $3, $4)";
    let value = |row: usize, column| match column {
        0 => new[row].path.into(),
        1 => new[row].body.as_str().into(),
        2 => new[row].source.as_deref().into(),
        _ => ValueRef::Integer(new[row].received_at.as_microsecond()),
    };
    let ids: Vec<_> = insert_rows(tx, insert, new.len(), value)?.ids().collect();
    if let Some(latest) = new.iter().map(|receipt| receipt.received_at).max() {
        let jobs: Vec<_> = ids.iter().zip(new).map(|(id, receipt)| confirm_job(*id, receipt.received_at)).collect();
        CONFIRMS.sqlite(tx).enqueue(&jobs, latest)?;
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use asaanbill_storage::Location;
    use futures_util::future::{join_all, join3};
    use jiff::Timestamp;

    use super::super::MIGRATIONS;
    use super::*;

    fn new() -> NewReceipt {
        let body = r#"{"psid":"000000000000000000000001"}"#.to_owned();
        NewReceipt { path: "/processed", body, source: None, received_at: Timestamp::UNIX_EPOCH }
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().build().unwrap()
    }

    #[test]
    fn those_whose_errand_ends_on_the_way_are_told_and_hold_up_nobody() {
        let sqlite = Sqlite::open(&Location::Memory, MIGRATIONS).unwrap();
        let arrivals = Arrivals::default();
        let (tell, mut told) = oneshot::channel();
        arrivals.waiting().push((new(), tell));
        // As when the runtime goes down.
        drop(Errand(Some(arrivals.clone())).run(arrivals.clone(), sqlite.clone()));
        assert_eq!(told.try_recv().unwrap_err(), oneshot::error::TryRecvError::Closed);
        assert_eq!(runtime().block_on(arrivals.store(&sqlite, new())).unwrap(), 1);
    }

    #[test]
    fn those_that_arrive_together_share_a_transaction_and_have_numbers_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let sqlite = Sqlite::open(&Location::File(folder.path().join("inbox.db")), MIGRATIONS).unwrap();
        let arrivals = Arrivals::default();
        let before = sqlite.commits();
        let (release, held) = std::sync::mpsc::channel::<()>();
        // The writer is busy until all have arrived.
        let busy = sqlite.write(move |_| {
            let _ = held.recv();
            Ok::<_, StorageError>(())
        });
        let stored = join_all((0..100).map(|_| arrivals.store(&sqlite, new())));
        let (busy, ids, ()) = runtime().block_on(join3(busy, stored, async { drop(release) }));
        busy.unwrap();
        assert_eq!(ids.into_iter().map(Result::unwrap).collect::<Vec<_>>(), (1..=100).collect::<Vec<_>>());
        assert_eq!(sqlite.commits(), before + 1);
    }
}
