//! A transaction: what a closure may do inside it, and how it begins and ends.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use deadpool_postgres::{ClientWrapper, Object};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row, Statement};

use super::{Mode, STATEMENTS_CACHED, sqlstate};
use crate::error::{StorageError, StorageErrorKind};

/// An open transaction. Its statements are prepared once a connection and kept.
///
/// After an error from any of these methods the transaction can only be undone, as PostgreSQL has it: what is done with the
/// error changes nothing. What may fail and be survived is written so in SQL, such as `ON CONFLICT DO NOTHING`; what may fail because
/// another transaction was quicker is for [`insert`](Self::insert).
///
/// It ends with the closure that it was given to, which therefore keeps it to itself: where it was handed on and is still
/// there at the end, nothing is committed. `COMMIT` and `ROLLBACK` are not for the closure to say, and what it sets, it sets
/// `LOCAL`.
pub struct PostgresTransaction {
    session: Arc<Session>,
}

impl PostgresTransaction {
    pub(super) fn new(session: &Arc<Session>) -> Self {
        Self { session: Arc::clone(session) }
    }

    /// Runs a statement, and says how many rows it changed.
    ///
    /// Cancellation: the transaction is undone with its closure, so nothing is kept.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if the statement or a parameter is wrong, or the server gave up on it.
    pub async fn execute(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<u64, StorageError> {
        self.run(sql, async |client, statement| client.execute(statement, params).await).await
    }

    /// Runs a query, and returns all its rows: a query of unknown length has a `LIMIT`.
    ///
    /// Cancellation: as for [`execute`](Self::execute).
    ///
    /// # Errors
    ///
    /// [`StorageError`] if the query or a parameter is wrong, or the server gave up on it.
    pub async fn query(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, StorageError> {
        self.run(sql, async |client, statement| client.query(statement, params).await).await
    }

    /// Runs a query of at most one row.
    ///
    /// Cancellation: as for [`execute`](Self::execute).
    ///
    /// # Errors
    ///
    /// As for [`query`](Self::query), or if there is more than one row.
    pub async fn query_opt(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Option<Row>, StorageError> {
        self.run(sql, async |client, statement| client.query_opt(statement, params).await).await
    }

    /// Runs a query of exactly one row.
    ///
    /// Cancellation: as for [`execute`](Self::execute).
    ///
    /// # Errors
    ///
    /// As for [`query`](Self::query), or if there is no row or more than one.
    pub async fn query_one(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Row, StorageError> {
        self.run(sql, async |client, statement| client.query_one(statement, params).await).await
    }

    /// As [`execute`](Self::execute), for a statement that inserts rows into `table` which other transactions may be inserting too. If
    /// one of them is there already, the transaction is given up and run again from the start, as for a conflict that the server sees.
    /// `ON CONFLICT DO NOTHING` would have the server look for each key twice.
    ///
    /// Cancellation: as for [`execute`](Self::execute).
    ///
    /// # Errors
    ///
    /// As for [`execute`](Self::execute).
    pub async fn insert(&self, table: &str, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<u64, StorageError> {
        let conflict = |error: &Error| sqlstate::is_conflict_over(error, table);
        self.run_with(conflict, sql, async |client, statement| client.execute(statement, params).await).await
    }

    async fn run<R>(
        &self,
        sql: &str,
        ask: impl AsyncFnOnce(&ClientWrapper, &Statement) -> Result<R, Error>,
    ) -> Result<R, StorageError> {
        self.run_with(sqlstate::is_conflict, sql, ask).await
    }

    /// Runs a statement. `conflict` says which errors are another transaction's doing.
    async fn run_with<R>(
        &self,
        conflict: impl Fn(&Error) -> bool,
        sql: &str,
        ask: impl AsyncFnOnce(&ClientWrapper, &Statement) -> Result<R, Error>,
    ) -> Result<R, StorageError> {
        let session = &*self.session;
        let asked = async {
            let statement = session.prepare(sql).await?;
            ask(session.client(), &statement).await.map_err(|error| session.failed(sql, &error, conflict(&error)))
        };
        let Some(begin) = session.beginning() else { return asked.await };
        // Sent before anything else is, and answered with the first answer: a round trip less. It fails only where the
        // connection is lost, or the server stops, and then nothing after it succeeds.
        let begun = async {
            session.client().batch_execute(&begin).await.map_err(|error| session.failed(&begin, &error, false))
        };
        tokio::try_join!(biased; begun, asked).map(|((), answer)| answer)
    }
}

impl fmt::Debug for PostgresTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresTransaction").field("failure", &self.session.failure.get()).finish_non_exhaustive()
    }
}

/// Why a transaction can't be committed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: StorageErrorKind,
    /// Another transaction was in the way: to be run again.
    pub(super) conflict: bool,
    pub(super) said: String,
}

/// A connection of the pool with a transaction on it.
///
/// Unless the transaction ends in good order the connection is closed: after a cancelled or panicked one the server may
/// still be at a statement, and nobody should get a connection with somebody else's statement before theirs.
pub(super) struct Session {
    connection: Option<Object>,
    mode: Mode,
    /// Whether the transaction was begun. It is with its first statement.
    begun: AtomicBool,
    /// The first failure of a statement. PostgreSQL answers a commit after it with a silent rollback.
    failure: OnceLock<Failure>,
}

impl Session {
    pub(super) fn new(connection: Object, mode: Mode) -> Self {
        Self { connection: Some(connection), mode, begun: AtomicBool::new(false), failure: OnceLock::new() }
    }

    /// Runs one statement, which is a transaction of its own. None if another transaction was in the way.
    pub(super) async fn at_once(
        mut self,
        table: &str,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Vec<Row>>, StorageError> {
        let statement = self.prepare(sql).await?;
        let error = match self.client().query(&statement, params).await {
            Ok(rows) => {
                drop(self.connection.take());
                return Ok(Some(rows));
            }
            Err(error) => error,
        };
        let conflict = sqlstate::is_conflict_over(&error, table);
        if !conflict {
            self.failed(sql, &error, false);
        }
        // The server has undone it, and goes on.
        if sqlstate::is_refusal(&error) {
            drop(self.connection.take());
        }
        if conflict { Ok(None) } else { Err(sqlstate::of_commit(&error)) }
    }

    async fn prepare(&self, sql: &str) -> Result<Statement, StorageError> {
        let client = self.client();
        // The cache has no limit of its own. Programs have a few dozen statements; one that makes them up starts anew.
        if client.statement_cache.size() > STATEMENTS_CACHED {
            client.statement_cache.clear();
        }
        let prepared = client.prepare_cached(sql).await;
        prepared.map_err(|error| self.failed(sql, &error, sqlstate::is_conflict(&error)))
    }

    /// How the transaction begins, for whoever asks first.
    fn beginning(&self) -> Option<String> {
        (!self.begun.swap(true, Ordering::AcqRel)).then(|| self.mode.begin())
    }

    pub(super) async fn commit(self) -> Result<(), Error> {
        self.end("COMMIT").await
    }

    /// What fails here is undone by the server itself, when it notices that the connection is closed.
    pub(super) async fn undo(self) {
        let _ = self.end("ROLLBACK").await;
    }

    async fn end(mut self, how: &str) -> Result<(), Error> {
        if !*self.begun.get_mut() {
            drop(self.connection.take());
            return Ok(());
        }
        let ended = self.client().batch_execute(how).await;
        // A commit that is refused ends the transaction as well.
        if ended.as_ref().err().is_none_or(sqlstate::is_refusal) {
            drop(self.connection.take());
        }
        ended
    }

    pub(super) fn take_failure(&mut self) -> Option<Failure> {
        self.failure.take()
    }

    /// Notes that a statement failed, and whether because of another transaction.
    fn failed(&self, sql: &str, error: &Error, conflict: bool) -> StorageError {
        // A statement that was prepared before its tables changed never works again: the next one is prepared anew. One
        // that couldn't be prepared leaves an empty place in the cache.
        let _ = self.client().statement_cache.remove(sql, &[]);
        let kind = if conflict { StorageErrorKind::Unavailable } else { sqlstate::kind(error) };
        let said = sqlstate::said(error);
        let failure = Failure { kind, conflict, said: said.clone() };
        // Only the first counts: those after it say that it was the first.
        let _ = self.failure.set(failure);
        StorageError::new(kind, "PostgreSQL").caused(said)
    }

    fn client(&self) -> &ClientWrapper {
        self.connection.as_ref().expect("it is there until the session ends, which takes the session")
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(Object::take(connection));
        }
    }
}
