//! What a user's program does with an event.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use asaanbill_storage::rusqlite::Connection;
use async_trait::async_trait;

use crate::event::Confirmed;

/// What failed in a handler. The event stays, and the handler is asked again later.
pub type HandlerError = Box<dyn Error + Send + Sync>;

/// What a program does when a payment is paid or a batch has its PSIDs.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Handles an event. It may come again, after a crash, an error or the loss of its lease, with the same effect key.
    ///
    /// Cancellation: the future is dropped when the receiver is; the event comes again.
    ///
    /// # Errors
    ///
    /// Whatever keeps the event from being handled. A panic counts as an error.
    async fn handle(&self, event: Confirmed) -> Result<(), HandlerError>;
}

/// A handler that writes into the inbox's own SQLite file, in the transaction that notes the event as handled: both are
/// committed, or neither is, so that each event has its effect **exactly once**.
///
/// It runs on the store's only writer: no network, no waiting. Its tables are its own; those of the inbox it leaves alone.
pub trait SqliteHandler: Send + Sync {
    /// Handles an event. What it did is undone if it fails, or if the event turns out to be somebody else's.
    ///
    /// # Errors
    ///
    /// Whatever keeps the event from being handled. A panic counts as an error.
    fn handle(&self, event: &Confirmed, tx: &Connection) -> Result<(), HandlerError>;
}

/// A handler that writes into the inbox's own PostgreSQL database, in the transaction that notes the event as handled: both
/// are committed, or neither is, so that each event has its effect **exactly once**.
///
/// Several events may share a transaction; if one fails, the others are run again without it. A transaction may be run again
/// for other reasons too, so a handler leaves no trace outside of it.
#[cfg(feature = "postgres")]
#[async_trait]
pub trait PostgresHandler: Send + Sync {
    /// Handles an event. What it did is undone if it fails, or if the event turns out to be somebody else's.
    ///
    /// Cancellation: everything is undone, and the event comes again.
    ///
    /// # Errors
    ///
    /// Whatever keeps the event from being handled. A panic counts as an error.
    async fn handle(&self, event: &Confirmed, tx: &asaanbill_storage::PostgresTransaction) -> Result<(), HandlerError>;
}

/// How events are handled: any [`Handler`] turns into one, at least once; the transactional ones are exactly once.
#[derive(Clone)]
pub struct Handling(pub(crate) Kind);

#[derive(Clone)]
pub(crate) enum Kind {
    Plain(Arc<dyn Handler>),
    Sqlite(Arc<dyn SqliteHandler>),
    #[cfg(feature = "postgres")]
    Postgres(Arc<dyn PostgresHandler>),
}

impl Handling {
    /// Inside the SQLite inbox's transactions. The inbox must be in SQLite.
    pub fn in_sqlite(handler: impl SqliteHandler + 'static) -> Self {
        Self(Kind::Sqlite(Arc::new(handler)))
    }

    /// Inside the PostgreSQL inbox's transactions. The inbox must be in PostgreSQL. There, statements are planned once and to
    /// find rows by key; one that joins large tables says `SET LOCAL enable_hashjoin = on` before.
    #[cfg(feature = "postgres")]
    pub fn in_postgres(handler: impl PostgresHandler + 'static) -> Self {
        Self(Kind::Postgres(Arc::new(handler)))
    }
}

impl<H: Handler + 'static> From<H> for Handling {
    fn from(handler: H) -> Self {
        Self(Kind::Plain(Arc::new(handler)))
    }
}

impl fmt::Debug for Handling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Plain(_) => "Handling(Handler)",
            Kind::Sqlite(_) => "Handling(SqliteHandler)",
            #[cfg(feature = "postgres")]
            Kind::Postgres(_) => "Handling(PostgresHandler)",
        })
    }
}

/// Somebody else's code panicked: a handler's, or a hub's.
#[derive(Debug, thiserror::Error)]
#[error("it panicked")]
pub(crate) struct Panicked;
