//! One way to speak to both engines: statements that both understand, values in and columns out.
//!
//! What the hub reads and writes is written once, as `async` functions over [`Tx`]. On SQLite they never wait, and run to
//! their end inside the writer's or a reader's closure; on PostgreSQL they wait for the server.

use std::future::Future;

use asaanbill_storage::StorageError;
use asaanbill_storage::queue::{Claim, Due, Job, Lease, NewJob};
use jiff::Timestamp;

use super::book::{Entry, Key};

/// A value for a statement.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Arg<'a> {
    Null,
    Int(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
}

impl From<i64> for Arg<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<bool> for Arg<'_> {
    fn from(value: bool) -> Self {
        Self::Int(value.into())
    }
}

impl From<u32> for Arg<'_> {
    fn from(value: u32) -> Self {
        Self::Int(value.into())
    }
}

impl From<Timestamp> for Arg<'_> {
    fn from(at: Timestamp) -> Self {
        Self::Int(at.as_microsecond())
    }
}

impl<'a> From<&'a str> for Arg<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(value)
    }
}

impl<'a> From<&'a [u8]> for Arg<'a> {
    fn from(value: &'a [u8]) -> Self {
        Self::Bytes(value)
    }
}

impl<'a, T: Into<Arg<'a>>> From<Option<T>> for Arg<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// What a column of [`Each`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Int,
    Text,
}

/// How PostgreSQL is given the values of many rows.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "it is PostgreSQL's, and there is none"))]
pub(crate) enum Given {
    /// `$1` is the array of the first values, `$2` of the second, and so on.
    Columns(&'static [Type]),
    /// `$1` is an array of rows, of a composite type with these columns in this order. The server makes a table of its own of each
    /// array that it unnests, so many columns cost half in one.
    Rows,
}

/// A statement for each of many rows: on SQLite one statement a row, which costs a function call, or for up to 32 that are
/// inserted; on PostgreSQL one statement for all, which costs one round trip.
#[derive(Debug)]
pub(crate) struct Each {
    /// For one row, whose values are `$1`, `$2` and so on, first met in this order.
    pub(crate) one: &'static str,
    /// For all rows.
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "PostgreSQL's text, and there is none"))]
    pub(crate) all: &'static str,
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "PostgreSQL's parameters, and there are none"))]
    pub(crate) given: Given,
}

/// A statement and its rows.
#[derive(Debug)]
pub(crate) struct Rows<'r> {
    pub(crate) statement: &'static Each,
    pub(crate) rows: Vec<Vec<Arg<'r>>>,
}

/// A row's columns, by position.
pub(crate) trait Columns {
    fn int_or_null(&self, column: usize) -> Result<Option<i64>, StorageError>;

    fn text_or_null(&self, column: usize) -> Result<Option<&str>, StorageError>;

    fn int(&self, column: usize) -> Result<i64, StorageError> {
        self.int_or_null(column)?.ok_or_else(|| senseless("a number is missing"))
    }

    fn text(&self, column: usize) -> Result<&str, StorageError> {
        self.text_or_null(column)?.ok_or_else(|| senseless("a text is missing"))
    }

    fn flag(&self, column: usize) -> Result<bool, StorageError> {
        Ok(self.int(column)? != 0)
    }

    fn count(&self, column: usize) -> Result<u64, StorageError> {
        u64::try_from(self.int(column)?).map_err(contradiction)
    }

    fn time(&self, column: usize) -> Result<Timestamp, StorageError> {
        Timestamp::from_microsecond(self.int(column)?).map_err(contradiction)
    }

    fn time_or_null(&self, column: usize) -> Result<Option<Timestamp>, StorageError> {
        self.int_or_null(column)?.map(|at| Timestamp::from_microsecond(at).map_err(contradiction)).transpose()
    }

    /// A value of the domain, through its own door.
    fn parsed<T: std::str::FromStr<Err = asaanbill_core::FieldError>>(&self, column: usize) -> Result<T, StorageError>
    where
        Self: Sized,
    {
        self.text(column)?.parse().map_err(contradiction)
    }
}

/// An open transaction of either engine.
pub(crate) trait Tx: Sync {
    /// What a `SELECT` ends with that locks the rows it finds. SQLite has one writer and needs none.
    const FOR_UPDATE: &'static str;
    /// Which of the kept totals this program writes to, so that instances don't queue for one row.
    fn shard(&self) -> i64;

    /// All rows of a query. One of unknown length has a `LIMIT`.
    fn query<R: Send>(
        &self,
        sql: &str,
        args: &[Arg<'_>],
        read: impl Fn(&Row<'_>) -> Result<R, StorageError> + Send,
    ) -> impl Future<Output = Result<Vec<R>, StorageError>> + Send;

    /// Changes rows, and says how many.
    fn execute(&self, sql: &str, args: &[Arg<'_>]) -> impl Future<Output = Result<u64, StorageError>> + Send;

    /// The rows that are found for each of `keys`.
    fn query_each<R: Send>(
        &self,
        statement: &'static Each,
        keys: &[Vec<Arg<'_>>],
        read: impl Fn(&Row<'_>) -> Result<R, StorageError> + Send,
    ) -> impl Future<Output = Result<Vec<R>, StorageError>> + Send;

    /// Changes something for each of `rows`, and says how many rows were changed.
    fn execute_each(
        &self,
        statement: &'static Each,
        rows: &[Vec<Arg<'_>>],
    ) -> impl Future<Output = Result<u64, StorageError>> + Send;

    /// Makes several changes, of which none looks for what another does; on PostgreSQL all in one statement, as each that it answers
    /// costs both sides as much as a few rows do. Says how many rows the last one changed. If somebody was quicker to insert an
    /// identifier, the script is run again.
    fn together(&self, changes: &[Rows<'_>]) -> impl Future<Output = Result<u64, StorageError>> + Send;

    /// Takes `count` numbers of records that nobody else gets.
    fn take_records(&self, count: usize) -> impl Future<Output = Result<Vec<i64>, StorageError>> + Send;

    /// Finds the rows of identifiers, whose [keys](super::load::key_args) are sorted, and locks them; then takes the numbers
    /// that `wanted` asks for, which therefore grow within an identifier.
    fn identifiers(
        &self,
        keys: &[Vec<Arg<'_>>],
        wanted: Option<Wanted>,
    ) -> impl Future<Output = Result<(Vec<(Key, Entry)>, Numbers), StorageError>> + Send;

    /// The number that is taken next.
    fn counter(&self, counter: Counter) -> impl Future<Output = Result<i64, StorageError>> + Send;

    /// Lets a sequence go on from a number.
    fn put_counter(&self, counter: Counter, next: i64) -> impl Future<Output = Result<(), StorageError>> + Send;

    /// Keeps everybody else from changing anything until the transaction ends.
    fn alone(&self) -> impl Future<Output = Result<(), StorageError>> + Send;

    /// Puts deliveries into the outbox.
    fn enqueue(&self, jobs: &[NewJob], real: Timestamp) -> impl Future<Output = Result<(), StorageError>> + Send;

    /// Claims deliveries.
    fn claim(&self, claim: &Claim) -> impl Future<Output = Result<Vec<Job>, StorageError>> + Send;

    /// Ends a delivery. False if the lease was lost.
    fn complete(&self, lease: Lease) -> impl Future<Output = Result<bool, StorageError>> + Send;

    /// Puts a delivery off. False if the lease was lost.
    fn retry(&self, lease: Lease, at: Timestamp) -> impl Future<Output = Result<bool, StorageError>> + Send;

    /// When the next delivery is due.
    fn next_due(&self) -> impl Future<Output = Result<Due, StorageError>> + Send;

    /// At most one row.
    fn query_one<R: Send>(
        &self,
        sql: &str,
        args: &[Arg<'_>],
        read: impl Fn(&Row<'_>) -> Result<R, StorageError> + Send,
    ) -> impl Future<Output = Result<Option<R>, StorageError>> + Send {
        async { Ok(self.query(sql, args, read).await?.pop()) }
    }
}

/// Which numbers a set of commands needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// For so many records.
    pub(crate) records: usize,
    /// For so many PSIDs, beside those of the keys that have an identifier and no PSID yet.
    pub(crate) psids: usize,
}

/// Numbers that nobody else gets, each kind in its order.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    pub(crate) records: Vec<i64>,
    pub(crate) psids: Vec<i64>,
}

/// A sequence of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counter {
    Payments,
    Psids,
}

/// A row of either engine.
pub(crate) enum Row<'r> {
    Sqlite(&'r asaanbill_storage::rusqlite::Row<'r>),
    #[cfg(feature = "postgres")]
    Postgres(&'r asaanbill_storage::tokio_postgres::Row),
}

impl Columns for Row<'_> {
    fn int_or_null(&self, column: usize) -> Result<Option<i64>, StorageError> {
        match self {
            Self::Sqlite(row) => Ok(row.get(column)?),
            #[cfg(feature = "postgres")]
            Self::Postgres(row) => Ok(row.try_get(column)?),
        }
    }

    fn text_or_null(&self, column: usize) -> Result<Option<&str>, StorageError> {
        match self {
            Self::Sqlite(row) => row.get_ref(column)?.as_str_or_null().map_err(contradiction),
            #[cfg(feature = "postgres")]
            Self::Postgres(row) => Ok(row.try_get(column)?),
        }
    }
}

/// What the rules refuse of a record that the store holds: somebody else has written to it, and the transaction is to be undone.
pub(crate) fn contradiction(error: impl std::error::Error + Send + Sync + 'static) -> StorageError {
    StorageError::senseless(error)
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Senseless(&'static str);

pub(crate) fn senseless(what: &'static str) -> StorageError {
    StorageError::senseless(Senseless(what))
}

/// An id out of a column.
pub(crate) fn id<T: TryFrom<i64, Error = asaanbill_core::FieldError>>(
    row: &Row<'_>,
    column: usize,
) -> Result<T, StorageError> {
    T::try_from(row.int(column)?).map_err(contradiction)
}
