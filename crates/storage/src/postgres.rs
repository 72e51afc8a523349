//! A pool of connections to PostgreSQL, and transactions that are run again when others were in the way.

mod address;

mod transaction;

pub(crate) mod sqlstate;

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, PoolError, QueueMode, RecyclingMethod, Runtime, TimeoutType,
};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Config, NoTls, Row};

use crate::error::{StorageError, StorageErrorKind};
use crate::migrate::{Migration, migrate_postgres};
pub use transaction::PostgresTransaction;
use transaction::{Failure, Session};

/// The most connections of one store, without those [beside](Postgres::beside) it. A server admits a hundred as it comes, so that a
/// handful of instances fit.
pub const CONNECTIONS: usize = 16;

/// How long a free connection is waited for: longer means that the server is behind, and more waiting won't help it.
pub const CONNECTION_WAIT: Duration = Duration::from_secs(5);

/// How long a new connection may take, names and passwords included.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// After how long the server gives up on a statement, unless the URL's `options` say otherwise. Nobody waits for it any more.
pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

/// After how long without a statement the server ends an open transaction, unless the URL's `options` say otherwise: an
/// instance that froze must not keep its locks.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the migrations of another instance, or a lock on a table that they change, are waited for.
pub const MIGRATION_WAIT: Duration = Duration::from_secs(60);

/// How often a transaction is tried when others are in its way each time. With the pauses between, about a second.
pub const ATTEMPTS_MAX: u32 = 10;

/// Prepared statements that a connection keeps.
const STATEMENTS_CACHED: usize = 128;

/// The longest pause before the second attempt; each further one may be twice as long, up to the most.
const PAUSE_FIRST: Duration = Duration::from_millis(4);
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// The advisory lock of whoever migrates: eight letters of our name, so that others don't choose the same by chance.
const MIGRATION_LOCK: i64 = i64::from_be_bytes(*b"asaanbil");

/// A store in a PostgreSQL database (tested with 15), which other instances may share. Cheap to clone; when the last clone is
/// dropped, its connections are closed.
///
/// What is answered is as durable as the server makes it: its `fsync` must be on, as it is unless switched off. Connections
/// ask for `synchronous_commit=on` themselves.
///
/// Statements are planned once, and so that they find their rows by key: a plan may be made while a table is still empty. `options`
/// in the URL may say otherwise, and so may `SET LOCAL` in a transaction.
///
/// Not supported: TLS to the server, which comes later. Until then a server on another machine has to be asked for with
/// `sslmode=disable`, which says that the network between is trusted; `sslmode=require` is refused. Nor is a proxy that
/// gives each transaction another session: statements are prepared, and migrations hold a lock of their session.
///
/// ```no_run
/// use asaanbill_storage::{Isolation, Migration, Postgres, StorageError};
///
/// # async fn notes() -> Result<(), StorageError> {
/// const MIGRATIONS: &[Migration] = &[Migration { version: 1, name: "notes", sql: "CREATE TABLE notes (text TEXT)" }];
/// let store = Postgres::connect("postgres://biller:secret@127.0.0.1/bills", MIGRATIONS).await?;
///
/// let text = "durable";
/// let write = store.transaction(Isolation::ReadCommitted, |tx| async move {
///     tx.execute("INSERT INTO notes VALUES ($1)", &[&text]).await
/// });
/// assert_eq!(write.await?, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Postgres {
    pool: Pool,
    config: Config,
}

/// What a transaction sees of those beside it. The stricter, the more often it is run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Each statement sees what was committed before it. What must not change meanwhile is locked by the closure.
    ReadCommitted,
    /// All statements see what was committed before the first one, and a row that another transaction has changed since
    /// can't be changed.
    RepeatableRead,
    /// As if transactions ran one after another.
    Serializable,
}

/// How a transaction begins.
#[derive(Clone, Copy)]
struct Mode {
    isolation: Isolation,
    read_only: bool,
}

/// How an attempt ended.
enum Attempt<T, E> {
    Settled(Result<T, E>),
    /// Undone by the server because another transaction was in the way, in the server's words.
    Conflict(String),
}

impl Postgres {
    /// Connects to the database that a URL names (`postgres://user:password@host:port/database`; `host=… user=…` as libpq
    /// takes it will do too) and brings its tables up to date. Several instances may do so at once: one migrates, the others
    /// wait for it, [`MIGRATION_WAIT`] at the most. A migration itself takes as long as it takes.
    ///
    /// Each connection is driven by a task of the runtime that this is called in.
    ///
    /// Cancellation: safe; the migration that was being applied is undone.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if the URL can't be read or asks for TLS, the server can't be reached within [`CONNECT_TIMEOUT`] or
    /// refuses the user, or the migrations don't fit. The password is in none of them.
    pub async fn connect(url: &str, migrations: &[Migration]) -> Result<Self, StorageError> {
        let store = Self::with_pool(address::parse(url)?, CONNECTIONS)?;
        store.migrate(migrations).await?;
        Ok(store)
    }

    /// The same store through connections of its own, so many at the most: for work on another runtime, whose tasks then drive them.
    /// They are opened when they are needed.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if there can't be such a pool.
    pub fn beside(&self, connections: usize) -> Result<Self, StorageError> {
        Self::with_pool(self.config.clone(), connections)
    }

    fn with_pool(config: Config, connections: usize) -> Result<Self, StorageError> {
        // Whether a pooled connection is still open shows without asking the server.
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let pool = Pool::builder(Manager::from_config(config.clone(), NoTls, recycling))
            .max_size(connections)
            // The one that was used last has its statements prepared and planned.
            .queue_mode(QueueMode::Lifo)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(CONNECTION_WAIT))
            .create_timeout(Some(CONNECT_TIMEOUT))
            .recycle_timeout(Some(CONNECT_TIMEOUT))
            .build()
            .map_err(|error| StorageError::new(StorageErrorKind::Unavailable, "making the pool").caused(error))?;
        Ok(Self { pool, config })
    }

    async fn migrate(&self, migrations: &[Migration]) -> Result<(), StorageError> {
        // Taken out of the pool for good: its settings and its lock end with it, however this future ends.
        let mut client = Object::take(self.pool.get().await.map_err(not_connected)?);
        let wait = MIGRATION_WAIT.as_millis();
        client.batch_execute(&format!("SET statement_timeout = 0; SET lock_timeout = {wait}")).await?;
        client.execute("SELECT pg_advisory_lock($1)", &[&MIGRATION_LOCK]).await?;
        migrate_postgres(&mut client, migrations).await?;
        // So that those who wait needn't wait for the server to notice that the connection is closed.
        client.execute("SELECT pg_advisory_unlock($1)", &[&MIGRATION_LOCK]).await?;
        Ok(())
    }

    /// Runs `work` inside a transaction, commits, and resolves when that is durable. If `work` fails, everything is undone.
    /// If the server undoes it because another transaction was in the way (a serialization failure, a deadlock), `work` is
    /// run again from the start, [`ATTEMPTS_MAX`] times in all, whatever it made of the server's error: so it has to leave no
    /// trace outside the transaction.
    ///
    /// A transaction holds one of [`CONNECTIONS`]; `work` that waits for something else holds up others.
    ///
    /// Cancellation: before the commit everything is undone, as soon as the server is through with the statement that it was at.
    /// During the commit, nobody knows.
    ///
    /// # Errors
    ///
    /// What `work` returns, or a [`StorageError`] turned into it:
    /// [`Unavailable`](StorageErrorKind::Unavailable) if there is no connection, it was lost before the commit, or others were
    /// in the way at each attempt; [`Unknown`](StorageErrorKind::Unknown) if the connection was lost during the commit; the
    /// kind of the first failed statement, if `work` went on after it.
    pub async fn transaction<T, E, F, W>(&self, isolation: Isolation, work: F) -> Result<T, E>
    where
        F: FnMut(PostgresTransaction) -> W + Send,
        W: Future<Output = Result<T, E>> + Send,
        T: Send,
        E: From<StorageError> + Send,
    {
        self.run(Mode { isolation, read_only: false }, work).await
    }

    /// Runs one statement as a transaction of its own, in a single round trip, and returns its rows when what it changed is durable.
    /// None if another transaction was in the way, or was quicker to insert one of the rows that it inserts into `table`: nothing is
    /// changed then, and it is for the caller to look what is there.
    ///
    /// It has the isolation that the URL's `options` give transactions, otherwise that of [`Isolation::ReadCommitted`].
    ///
    /// Cancellation: nobody knows whether the statement was run.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](StorageErrorKind::Unavailable) if there is no connection; [`Unknown`](StorageErrorKind::Unknown) if it was lost
    /// before the answer; otherwise why the server refused the statement or a parameter.
    pub async fn at_once(
        &self,
        table: &str,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Vec<Row>>, StorageError> {
        let connection = self.pool.get().await.map_err(not_connected)?;
        let mode = Mode { isolation: Isolation::ReadCommitted, read_only: false };
        Session::new(connection, mode).at_once(table, sql, params).await
    }

    /// Runs `work` on what is committed: all its queries see the same moment. It can't write. It is run again as
    /// [`transaction`](Self::transaction) is, which only a standby server makes necessary.
    ///
    /// Cancellation: safe.
    ///
    /// # Errors
    ///
    /// What `work` returns, or a [`StorageError`] turned into it.
    pub async fn read<T, E, F, W>(&self, work: F) -> Result<T, E>
    where
        F: FnMut(PostgresTransaction) -> W + Send,
        W: Future<Output = Result<T, E>> + Send,
        T: Send,
        E: From<StorageError> + Send,
    {
        self.run(Mode { isolation: Isolation::RepeatableRead, read_only: true }, work).await
    }

    async fn run<T, E, F, W>(&self, mode: Mode, mut work: F) -> Result<T, E>
    where
        F: FnMut(PostgresTransaction) -> W + Send,
        W: Future<Output = Result<T, E>> + Send,
        T: Send,
        E: From<StorageError> + Send,
    {
        let mut attempt = 1;
        loop {
            match self.attempt(mode, &mut work).await {
                Attempt::Settled(result) => return result,
                Attempt::Conflict(said) if attempt == ATTEMPTS_MAX => {
                    let why = "other transactions were in the way each time";
                    return Err(StorageError::new(StorageErrorKind::Unavailable, why).caused(said).into());
                }
                Attempt::Conflict(said) => tracing::debug!(attempt, said, "a transaction is run again"),
            }
            // The connection is back in the pool meanwhile.
            tokio::time::sleep(pause(attempt)).await;
            attempt += 1;
        }
    }

    async fn attempt<T, E, F, W>(&self, mode: Mode, work: &mut F) -> Attempt<T, E>
    where
        F: FnMut(PostgresTransaction) -> W + Send,
        W: Future<Output = Result<T, E>> + Send,
        T: Send,
        E: From<StorageError> + Send,
    {
        let session = match self.pool.get().await {
            Ok(connection) => Arc::new(Session::new(connection, mode)),
            Err(error) => return Attempt::Settled(Err(not_connected(error).into())),
        };
        let result = work(PostgresTransaction::new(&session)).await;
        let Some(mut session) = Arc::into_inner(session) else {
            let why = "a transaction was still in use when its closure ended";
            return Attempt::Settled(Err(StorageError::new(StorageErrorKind::Statement, why).into()));
        };
        match (result, session.take_failure()) {
            (result, Some(failure)) => {
                session.undo().await;
                failure.into_attempt(result)
            }
            (Err(error), None) => {
                session.undo().await;
                Attempt::Settled(Err(error))
            }
            (Ok(value), None) => match session.commit().await {
                Ok(()) => Attempt::Settled(Ok(value)),
                Err(error) if sqlstate::is_conflict(&error) => Attempt::Conflict(sqlstate::said(&error)),
                // There was nothing to commit: what was read is good.
                Err(_) if mode.read_only => Attempt::Settled(Ok(value)),
                Err(error) => Attempt::Settled(Err(sqlstate::of_commit(&error).into())),
            },
        }
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The pool's own would show where the server is and who we are to it.
        let status = self.pool.status();
        f.debug_struct("Postgres")
            .field("connections", &status.size)
            .field("idle", &status.available)
            .finish_non_exhaustive()
    }
}

impl Mode {
    fn begin(self) -> String {
        let isolation = match self.isolation {
            Isolation::ReadCommitted => "READ COMMITTED",
            Isolation::RepeatableRead => "REPEATABLE READ",
            Isolation::Serializable => "SERIALIZABLE",
        };
        let access = if self.read_only { "READ ONLY" } else { "READ WRITE" };
        format!("START TRANSACTION ISOLATION LEVEL {isolation}, {access}")
    }
}

impl Failure {
    /// What a transaction with a failed statement comes to. The server has undone it, so `work` can't have succeeded.
    fn into_attempt<T, E: From<StorageError>>(self, result: Result<T, E>) -> Attempt<T, E> {
        if self.conflict {
            return Attempt::Conflict(self.said);
        }
        Attempt::Settled(result.and_then(|_| {
            let why = "a transaction went on after a failed statement and was undone";
            Err(StorageError::new(self.kind, why).caused(self.said).into())
        }))
    }
}

fn not_connected(error: PoolError) -> StorageError {
    let unavailable = |why| StorageError::new(StorageErrorKind::Unavailable, why);
    match error {
        PoolError::Timeout(TimeoutType::Wait) => unavailable("all connections to PostgreSQL were in use for too long"),
        PoolError::Timeout(_) => unavailable("PostgreSQL did not answer in time"),
        PoolError::Backend(error) => unavailable("connecting to PostgreSQL").caused(sqlstate::said_connecting(&error)),
        other => unavailable("connecting to PostgreSQL").caused(other.to_string()),
    }
}

/// Full jitter: any time up to a bound that doubles, so that those who met once don't meet again.
fn pause(attempt: u32) -> Duration {
    let bound = PAUSE_FIRST.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(PAUSE_MAX);
    let bound = u64::try_from(bound.as_micros()).unwrap_or(u64::MAX - 1);
    // The standard library's hash keys are random enough to part transactions.
    Duration::from_micros(RandomState::new().hash_one(attempt) % (bound + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_differ() {
        let longest = |attempt| (0..2000).map(|_| pause(attempt)).max().unwrap_or_default();
        for (attempt, bound) in [(1, PAUSE_FIRST), (2, PAUSE_FIRST * 2), (5, PAUSE_FIRST * 16), (100, PAUSE_MAX)] {
            assert!(longest(attempt) <= bound, "{attempt}");
            assert!(longest(attempt) > bound / 2, "{attempt}");
        }
    }
}
