//! What every face of the simulator shares: the store, the clock, and the bells that wake the workers.
//!
//! guide:pay-9

use std::fmt;
use std::sync::Arc;

use asaanbill_storage::rusqlite::Connection;
use asaanbill_storage::{Sqlite, StorageError};
use jiff::Timestamp;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::store::Tx;

#[derive(Clone)]
pub(crate) struct Engine(Arc<Inner>);

struct Inner {
    store: Sqlite,
    clock: Clock,
    batches: Arc<Notify>,
    callbacks: Arc<Notify>,
}

/// Which worker is woken.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bell {
    /// A batch is accepted.
    Batches,
    /// Call-backs are owed.
    Callbacks,
}

/// Rings when it is dropped. It travels with a transaction's answer, which comes after the commit, whether or not anybody
/// still waits for it: so no worker is woken too early, and none stays asleep because a caller has gone.
struct Ring(Arc<Notify>);

impl Drop for Ring {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Engine {
    pub(crate) fn new(store: Sqlite, clock: Clock) -> Self {
        Self(Arc::new(Inner { store, clock, batches: Arc::default(), callbacks: Arc::default() }))
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Runs an operation in a transaction of its own, at the time at which its turn comes: payments accepted later have
    /// later times. Resolves when it is durable.
    pub(crate) async fn write<T, E, F>(&self, operation: F) -> Result<T, E>
    where
        F: FnOnce(Tx<'_>, Timestamp) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        let clock = self.0.clock.clone();
        self.0.store.write(move |connection| operation(Tx(connection), clock.now())).await
    }

    /// As [`write`](Self::write), and wakes a worker when the changes are durable.
    pub(crate) async fn write_and_ring<T, E, F>(&self, bell: Bell, operation: F) -> Result<T, E>
    where
        F: FnOnce(Tx<'_>, Timestamp) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        let ring = Ring(Arc::clone(self.bell(bell)));
        let written = self.write(move |tx, now| Ok((operation(tx, now)?, ring))).await;
        written.map(|(value, _ring)| value)
    }

    /// Looks at what is committed, all of it at one moment.
    pub(crate) async fn read<T, E, F>(&self, look: F) -> Result<T, E>
    where
        F: FnOnce(Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        let look = move |connection: &Connection| {
            let moment = connection.unchecked_transaction().map_err(StorageError::from)?;
            look(Tx(&moment))
        };
        self.0.store.read(look).await
    }

    /// Waits for a bell. One that rang while nobody waited is heard too.
    pub(crate) async fn until_rung(&self, bell: Bell) {
        self.bell(bell).notified().await;
    }

    fn bell(&self, bell: Bell) -> &Arc<Notify> {
        match bell {
            Bell::Batches => &self.0.batches,
            Bell::Callbacks => &self.0.callbacks,
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("store", &self.0.store).field("clock", &self.0.clock).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use asaanbill_storage::{Location, Migration, Sqlite, StorageError};
    use tokio::sync::oneshot;
    use tokio::time::timeout;

    use super::{Bell, Engine};
    use crate::clock::Clock;

    fn engine() -> Engine {
        Engine::new(Sqlite::open(&Location::Memory, &[]).unwrap(), Clock::real())
    }

    async fn rings(engine: &Engine, bell: Bell) -> bool {
        timeout(Duration::from_secs(30), engine.until_rung(bell)).await.is_ok()
    }

    #[tokio::test]
    async fn a_write_rings_its_own_bell_for_those_who_come_later() {
        let engine = engine();
        engine.write_and_ring(Bell::Callbacks, |_, _| Ok::<_, StorageError>(())).await.unwrap();
        assert!(rings(&engine, Bell::Callbacks).await);
        engine.write_and_ring(Bell::Batches, |_, _| Ok::<_, StorageError>(())).await.unwrap();
        assert!(rings(&engine, Bell::Batches).await);
    }

    /// A count and the rows that it counts are from the same moment, though something is committed between them.
    #[tokio::test]
    async fn a_look_is_of_one_moment() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = Location::File(folder.path().join("hub.db"));
        let notes = Migration { version: 1, name: "notes", sql: "CREATE TABLE notes (text TEXT)" };
        let engine = Engine::new(Sqlite::open(&file, &[notes]).unwrap(), Clock::real());
        let (entered, inside) = oneshot::channel();
        let (go_on, wait) = mpsc::channel();
        let looking = engine.read(move |tx| {
            let count = || tx.0.query_row("SELECT count(*) FROM notes", [], |row| row.get::<_, i64>(0));
            let before = count()?;
            entered.send(()).unwrap();
            wait.recv().unwrap();
            Ok::<_, StorageError>((before, count()?))
        });
        let writing = async {
            inside.await.unwrap();
            let insert = "INSERT INTO notes VALUES ('between')";
            engine.write(move |tx, _| Ok::<_, StorageError>(tx.0.execute(insert, [])?)).await.unwrap();
            go_on.send(()).unwrap();
        };
        let (seen, ()) = tokio::join!(looking, writing);
        assert_eq!(seen.unwrap(), (0, 0));
    }

    /// Somebody hangs up while the transaction is under way: it is committed, so the worker has to know.
    #[tokio::test]
    async fn a_write_that_nobody_waits_for_rings_too() {
        let engine = engine();
        let (entered, inside) = oneshot::channel();
        let (go_on, wait) = mpsc::channel();
        let writing = engine.write_and_ring(Bell::Batches, move |_, _| {
            entered.send(()).unwrap();
            wait.recv().unwrap();
            Ok::<_, StorageError>(())
        });
        tokio::select! {
            _ = writing => unreachable!("it waits"),
            entered = inside => entered.unwrap(),
        }
        go_on.send(()).unwrap();
        assert!(rings(&engine, Bell::Batches).await);
    }
}
