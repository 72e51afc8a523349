//! A durable-commit engine: what is answered is on the disk.
//!
//! # What it is
//!
//! Two engines, with numbered, checksummed [`Migration`]s for both. A task's future resolves only after the commit that
//! holds its changes is durable.
//!
//! - [`Sqlite`], one file and one program: one writer thread that gathers the transactions of many tasks into one commit (a
//!   flush to the disk is the price of a commit, so it is shared), and a pool of readers beside it.
//! - `Postgres` (feature `postgres`), one database and several instances: a bounded pool of connections, transactions that are
//!   run again when others were in the way, and migrations that one instance applies while the others wait.
//!
//! [`insert_rows`] inserts many rows into SQLite by few statements. For both engines there is a durable [`queue`], whose
//! jobs are enqueued and completed inside the user's own transactions.
//!
//! # What it is not
//!
//! It knows no payments and no tables: those who use it bring their own SQL, in the language of the engine that they chose,
//! and run it inside a transaction. It is no ORM, and hides no database behind a trait. It speaks no TLS to PostgreSQL yet,
//! and refuses a server on another machine unless it is told that the network is trusted.
//!
//! # Example
//!
//! ```
//! use asaanbill_storage::{Location, Migration, Sqlite, StorageError};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), StorageError> {
//! const MIGRATIONS: &[Migration] = &[Migration { version: 1, name: "notes", sql: "CREATE TABLE notes (text TEXT)" }];
//! let store = Sqlite::open(&Location::Memory, MIGRATIONS)?;
//!
//! let written = store.write(|tx| Ok::<_, StorageError>(tx.execute("INSERT INTO notes VALUES ('durable')", [])?)).await?;
//! let count = store.read(|db| {
//!     let count: i64 = db.query_row("SELECT count(*) FROM notes", [], |row| row.get(0))?;
//!     Ok::<_, StorageError>(count)
//! });
//! let count = count.await?;
//! assert_eq!((written, count), (1, 1));
//! # Ok(())
//! # }
//! ```

/// The README's example is tested with the crate's own.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod sqlite;

#[cfg(feature = "postgres")]
mod postgres;

pub mod queue;

mod migrate;

mod rows;

mod error;

pub use error::{StorageError, StorageErrorKind};
pub use migrate::Migration;
#[cfg(feature = "postgres")]
pub use postgres::{
    ATTEMPTS_MAX, CONNECT_TIMEOUT, CONNECTION_WAIT, CONNECTIONS, IDLE_TIMEOUT, Isolation, MIGRATION_WAIT, Postgres,
    PostgresTransaction, STATEMENT_TIMEOUT,
};
pub use rows::{Inserted, insert_rows};
pub use rusqlite;
pub use sqlite::{GROUP_MAX, Location, QUEUE_MAX, READERS, SQLITE_VERSION_MIN, Sqlite};
#[cfg(feature = "postgres")]
pub use tokio_postgres;
