//! Statements on SQLite: each is done when it returns.

use std::sync::LazyLock;

use asaanbill_storage::queue::{Claim, Due, Job, Lease, NewJob};
use asaanbill_storage::rusqlite::types::{ToSqlOutput, ValueRef};
use asaanbill_storage::rusqlite::{self, Connection, ToSql, params_from_iter};
use asaanbill_storage::{StorageError, insert_rows};
use jiff::Timestamp;
use send_wrapper::SendWrapper;

use super::book::{Entry, Key};
use super::load::{IDENTIFIERS, identifier, without_psid};
use super::numbering::{PSID_PREFIX, number_of_psid};
use super::outbox::OUTBOX;
use super::tx::{Arg, Columns as _, Counter, Each, Numbers, Row, Tx, Wanted, senseless};

/// A transaction on the thread that runs it. The wrapper lets the same `async` code be sent about for PostgreSQL's sake; here
/// it is polled once, where it was made.
pub(super) struct SqliteTx<'c>(SendWrapper<&'c Connection>);

impl<'c> SqliteTx<'c> {
    pub(super) fn new(connection: &'c Connection) -> Self {
        Self(SendWrapper::new(connection))
    }
}

impl<'a> Arg<'a> {
    fn as_ref(&self) -> ValueRef<'a> {
        match *self {
            Self::Null => ValueRef::Null,
            Self::Int(value) => ValueRef::Integer(value),
            Self::Text(value) => ValueRef::Text(value.as_bytes()),
            Self::Bytes(value) => ValueRef::Blob(value),
        }
    }
}

impl ToSql for Arg<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(self.as_ref()))
    }
}

/// PostgreSQL counts `$2`; to SQLite it is a name, and the names are numbered as they are met.
fn in_order(statement: &rusqlite::CachedStatement<'_>) -> bool {
    (1..=statement.parameter_count()).all(|place| statement.parameter_name(place) == Some(format!("${place}").as_str()))
}

fn rows<R>(
    statement: &mut rusqlite::CachedStatement<'_>,
    args: &[Arg<'_>],
    read: &impl Fn(&Row<'_>) -> Result<R, StorageError>,
    found: &mut Vec<R>,
) -> Result<(), StorageError> {
    debug_assert!(in_order(statement), "a statement meets its values in another order");
    let mut rows = statement.query(params_from_iter(args))?;
    while let Some(row) = rows.next()? {
        found.push(read(&Row::Sqlite(row))?);
    }
    Ok(())
}

/// The largest number that a record has, and the last PSID of ours. Both come from the end of an index, without the machinery of `MAX`.
static LAST: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT (SELECT id FROM payments ORDER BY id DESC LIMIT 1),
         (SELECT psid FROM payments WHERE psid >= '{PSID_PREFIX}' AND psid < '{}' ORDER BY psid DESC LIMIT 1)",
        PSID_PREFIX + 1
    )
});

impl SqliteTx<'_> {
    /// The next number of each sequence. There is one writer, so nobody else counts on from the same records.
    fn next(&self) -> Result<(i64, i64), StorageError> {
        let read = |row: &Row<'_>| {
            let psid = row.text_or_null(1)?.map_or(Ok(0), number_of_psid)?;
            Ok((after(row.int_or_null(0)?.unwrap_or_default(), 1)?, after(psid, 1)?))
        };
        let mut next = Vec::with_capacity(1);
        rows(&mut self.0.prepare_cached(&LAST)?, &[], &read, &mut next)?;
        next.pop().ok_or_else(|| senseless("a query without a row"))
    }

    fn take(&self, records: usize, psids: usize) -> Result<Numbers, StorageError> {
        if records == 0 && psids == 0 {
            return Ok(Numbers::default());
        }
        let (record, psid) = self.next()?;
        Ok(Numbers {
            records: (record..after(record, records)?).collect(),
            psids: (psid..after(psid, psids)?).collect(),
        })
    }
}

fn after(number: i64, count: usize) -> Result<i64, StorageError> {
    let after = i64::try_from(count).ok().and_then(|count| number.checked_add(count));
    after.ok_or_else(|| senseless("too many numbers"))
}

impl Tx for SqliteTx<'_> {
    const FOR_UPDATE: &'static str = "";

    fn shard(&self) -> i64 {
        0
    }

    async fn query<R: Send>(
        &self,
        sql: &str,
        args: &[Arg<'_>],
        read: impl Fn(&Row<'_>) -> Result<R, StorageError> + Send,
    ) -> Result<Vec<R>, StorageError> {
        let mut found = Vec::new();
        rows(&mut self.0.prepare_cached(sql)?, args, &read, &mut found)?;
        Ok(found)
    }

    async fn execute(&self, sql: &str, args: &[Arg<'_>]) -> Result<u64, StorageError> {
        let mut statement = self.0.prepare_cached(sql)?;
        debug_assert!(in_order(&statement), "a statement meets its values in another order");
        let changed = statement.execute(params_from_iter(args))?;
        Ok(changed.try_into().unwrap_or(u64::MAX))
    }

    async fn query_each<R: Send>(
        &self,
        statement: &'static Each,
        keys: &[Vec<Arg<'_>>],
        read: impl Fn(&Row<'_>) -> Result<R, StorageError> + Send,
    ) -> Result<Vec<R>, StorageError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut found = Vec::with_capacity(keys.len());
        let mut prepared = self.0.prepare_cached(statement.one)?;
        for key in keys {
            rows(&mut prepared, key, &read, &mut found)?;
        }
        Ok(found)
    }

    async fn execute_each(&self, statement: &'static Each, rows: &[Vec<Arg<'_>>]) -> Result<u64, StorageError> {
        if rows.is_empty() {
            return Ok(0);
        }
        let changed = if statement.one.starts_with("INSERT") {
            insert_rows(&self.0, statement.one, rows.len(), |row, column| rows[row][column].as_ref())?.count
        } else {
            let mut prepared = self.0.prepare_cached(statement.one)?;
            debug_assert!(in_order(&prepared), "a statement meets its values in another order");
            let mut changed = 0;
            for row in rows {
                changed += prepared.execute(params_from_iter(row))?;
            }
            changed
        };
        Ok(changed.try_into().unwrap_or(u64::MAX))
    }

    async fn take_records(&self, count: usize) -> Result<Vec<i64>, StorageError> {
        Ok(self.take(count, 0)?.records)
    }

    async fn identifiers(
        &self,
        keys: &[Vec<Arg<'_>>],
        wanted: Option<Wanted>,
    ) -> Result<(Vec<(Key, Entry)>, Numbers), StorageError> {
        let found = self.query_each(&IDENTIFIERS, keys, identifier).await?;
        let Some(Wanted { records, psids }) = wanted else { return Ok((found, Numbers::default())) };
        let new = without_psid(keys.len(), &found);
        Ok((found, self.take(records, psids + new)?))
    }

    /// There is one writer.
    fn overtaken(&self) -> StorageError {
        senseless("a row is there that was not")
    }

    async fn counter(&self, counter: Counter) -> Result<i64, StorageError> {
        let (payment, psid) = self.next()?;
        Ok(match counter {
            Counter::Payments => payment,
            Counter::Psids => psid,
        })
    }

    /// The records say it.
    async fn put_counter(&self, _: Counter, _: i64) -> Result<(), StorageError> {
        Ok(())
    }

    /// There is one writer.
    async fn alone(&self) -> Result<(), StorageError> {
        Ok(())
    }

    async fn enqueue(&self, jobs: &[NewJob], real: Timestamp) -> Result<(), StorageError> {
        OUTBOX.sqlite(&self.0).enqueue(jobs, real)?;
        Ok(())
    }

    async fn claim(&self, claim: &Claim) -> Result<Vec<Job>, StorageError> {
        OUTBOX.sqlite(&self.0).claim(claim)
    }

    async fn complete(&self, lease: Lease) -> Result<bool, StorageError> {
        Ok(OUTBOX.sqlite(&self.0).complete(&[lease])?.is_none())
    }

    async fn retry(&self, lease: Lease, at: Timestamp) -> Result<bool, StorageError> {
        Ok(OUTBOX.sqlite(&self.0).retry(&[(lease, at)])?.is_none())
    }

    async fn next_due(&self) -> Result<Due, StorageError> {
        OUTBOX.sqlite(&self.0).next_due()
    }
}
