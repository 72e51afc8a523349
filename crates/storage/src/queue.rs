//! A durable queue inside its user's own transactions.
//!
//! A job is enqueued in the transaction that makes it necessary, and completed in the one that holds its effect: a crash
//! loses none and repeats none. Between the two it is **leased**: a worker claims it for a while under a random [`Token`],
//! and only who holds the token may complete it, put it off or bury it. A worker that died leaves leases that run out, and
//! others claim its jobs; a worker that was merely slow finds its token worthless.
//!
//! ```text
//!            claim                complete
//!   ready ──────────► leased ──────────────────► (gone)
//!     ▲   retry at      │  ▲ lease runs out: claim
//!     ├─────────────────┤  └──┐
//!     │ revive          └─────┘
//!     └──────── dead ◄── bury (with a cause)
//! ```
//!
//! - [`Queue::sqlite`] works on a connection inside [`Sqlite::write`](crate::Sqlite::write), `Queue::postgres` (feature
//!   `postgres`) inside a `PostgresTransaction`: one set of operations, each over many jobs at once.
//! - The table is the user's: [`queue_schema_sqlite!`](crate::queue_schema_sqlite) and
//!   [`queue_schema_postgres!`](crate::queue_schema_postgres) are its text for a [`Migration`](crate::Migration).
//! - **Two clocks.** What is due goes by [`Clocks::due`], which may be a simulated one; leases go by [`Clocks::now`], the real
//!   one, because a worker dies in real time.
//! - Jobs come in the order of their due times, then of their numbers; with several workers, only roughly so.
//!
//! ```
//! use asaanbill_storage::queue::{Claim, Clocks, NewJob, Queue, Token};
//! use asaanbill_storage::{Location, Migration, Sqlite, StorageError, queue_schema_sqlite};
//! use jiff::{SignedDuration, Timestamp};
//!
//! const LETTERS: Queue = Queue::new("letters");
//! const MIGRATIONS: &[Migration] = &[Migration { version: 1, name: "letters", sql: queue_schema_sqlite!("letters") }];
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), StorageError> {
//! # let now = Timestamp::UNIX_EPOCH;
//! let store = Sqlite::open(&Location::Memory, MIGRATIONS)?;
//! let letter = NewJob { lane: None, payload: "Dear payer".into(), due: now };
//! store.write(move |tx| LETTERS.sqlite(tx).enqueue(&[letter], now)).await?;
//!
//! let claim = Claim::new(10, Token::random()?, Clocks { due: now, now }, SignedDuration::from_secs(30));
//! let jobs = store.write(move |tx| LETTERS.sqlite(tx).claim(&claim)).await?;
//! assert_eq!(jobs[0].payload, "Dear payer");
//!
//! // … in the transaction that holds what was done:
//! let lost = store.write(move |tx| LETTERS.sqlite(tx).complete(&[jobs[0].lease])).await?;
//! assert!(lost.is_none(), "nobody took it over meanwhile");
//! # Ok(())
//! # }
//! ```

mod job;

mod backoff;

mod cursor;

mod schema;

mod sqlite;

#[cfg(feature = "postgres")]
mod postgres;

use rusqlite::Connection;

#[cfg(feature = "postgres")]
use crate::postgres::PostgresTransaction;

pub use backoff::Backoff;
pub use cursor::{Cursor, Position, RESCAN_FIRST, RESCAN_MAX, SETTLE};
pub use job::{CLAIM_MAX, Claim, Clocks, Due, Finding, Job, Lease, Lost, NewJob, PAYLOAD_MAX, State, Tally, Token};
#[cfg(feature = "postgres")]
pub use postgres::PostgresQueue;
pub use sqlite::SqliteQueue;

/// The longest name of a queue's table: its indexes' names are longer, and PostgreSQL cuts names at 63.
pub const NAME_MAX: usize = 40;

/// A queue, by the name of its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Invariant: lower-case ASCII letters, digits and underscores, a letter first, at most [`NAME_MAX`].
    table: &'static str,
}

impl Queue {
    /// A queue in this table. As a constant it is checked by the compiler.
    ///
    /// # Panics
    ///
    /// If the name isn't made of lower-case ASCII letters, digits and underscores, with a letter first, or is longer than
    /// [`NAME_MAX`].
    pub const fn new(table: &'static str) -> Self {
        let bytes = table.as_bytes();
        assert!(!bytes.is_empty() && bytes.len() <= NAME_MAX, "a queue's name has 1 to 40 letters");
        assert!(bytes[0].is_ascii_lowercase(), "a queue's name begins with a lower-case letter");
        let mut at = 0;
        while at < bytes.len() {
            let fits = matches!(bytes[at], b'a'..=b'z' | b'0'..=b'9' | b'_');
            assert!(fits, "a queue's name is made of lower-case letters, digits and underscores");
            at += 1;
        }
        Self { table }
    }

    /// The table's name.
    pub const fn table(self) -> &'static str {
        self.table
    }

    /// The queue within a transaction of SQLite: `tx` is what [`Sqlite::write`](crate::Sqlite::write) gives, or, for what only
    /// looks, [`Sqlite::read`](crate::Sqlite::read).
    pub fn sqlite(self, tx: &Connection) -> SqliteQueue<'_> {
        SqliteQueue { table: self.table, tx }
    }

    /// The queue within a transaction of PostgreSQL. [`ReadCommitted`](crate::Isolation::ReadCommitted) is enough, and the
    /// stricter ones make workers that meet run again.
    #[cfg(feature = "postgres")]
    pub fn postgres(self, tx: &PostgresTransaction) -> PostgresQueue<'_> {
        PostgresQueue { table: self.table, tx }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::Queue;

    #[test]
    fn names_that_are_none() {
        let long = "a".repeat(41);
        for name in ["", "1st", "_a", "Jobs", "jobs;", "my jobs", "نام", "a\"b", long.leak()] {
            assert!(catch_unwind(|| Queue::new(name)).is_err(), "{name}");
        }
        assert_eq!(Queue::new("a_2").table(), "a_2");
    }
}
