//! Statements on SQLite: each is done when it returns.

use asaanbill_storage::queue::{Claim, Due, Job, Lease, NewJob};
use asaanbill_storage::rusqlite::types::{ToSqlOutput, ValueRef};
use asaanbill_storage::rusqlite::{self, Connection, ToSql, params_from_iter};
use asaanbill_storage::{StorageError, insert_rows};
use jiff::Timestamp;
use send_wrapper::SendWrapper;

use super::book::{Entry, Key};
use super::load::{IDENTIFIERS, identifier, without_psid};
use super::outbox::OUTBOX;
use super::tx::{Arg, Columns as _, Counter, Each, Numbers, Row, Rows, Tx, Wanted, senseless};

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

/// A counter's column.
fn name(counter: Counter) -> &'static str {
    match counter {
        Counter::Payments => "payment",
        Counter::Psids => "psid",
    }
}

impl SqliteTx<'_> {
    /// Takes numbers of both sequences. In two statements: for RETURNING, SQLite makes a table of its own each time. There is one
    /// writer, so nothing comes between.
    fn take(&self, records: usize, psids: usize) -> Result<Numbers, StorageError> {
        if records == 0 && psids == 0 {
            return Ok(Numbers::default());
        }
        let select = "SELECT payment, psid FROM counters";
        let mut next = Vec::new();
        rows(&mut self.0.prepare_cached(select)?, &[], &|row| Ok((row.int(0)?, row.int(1)?)), &mut next)?;
        let (record, psid) = next.pop().ok_or_else(|| senseless("the counters are missing"))?;
        let after = |first: i64, count: usize| {
            i64::try_from(count)
                .ok()
                .and_then(|count| first.checked_add(count))
                .ok_or_else(|| senseless("too many numbers"))
        };
        let (last_record, last_psid) = (after(record, records)?, after(psid, psids)?);
        let update = "UPDATE counters SET payment = ?1, psid = ?2";
        self.0.prepare_cached(update)?.execute([last_record, last_psid])?;
        Ok(Numbers { records: (record..last_record).collect(), psids: (psid..last_psid).collect() })
    }
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

    async fn together(&self, changes: &[Rows<'_>]) -> Result<u64, StorageError> {
        let mut changed = 0;
        for Rows { statement, rows } in changes {
            changed = self.execute_each(statement, rows).await?;
        }
        Ok(changed)
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

    async fn counter(&self, counter: Counter) -> Result<i64, StorageError> {
        let select = format!("SELECT {} FROM counters", name(counter));
        let found = self.query_one(&select, &[], |row| row.int(0)).await?;
        found.ok_or_else(|| senseless("a counter is missing"))
    }

    async fn put_counter(&self, counter: Counter, next: i64) -> Result<(), StorageError> {
        self.execute(&format!("UPDATE counters SET {} = $1", name(counter)), &[next.into()]).await?;
        // Rows that were restored with their numbers count too.
        for table in ["callbacks", "attempts"] {
            let restart = format!(
                "UPDATE sqlite_sequence SET seq = (SELECT COALESCE(MAX(id), 0) FROM {table}) WHERE name = '{table}'"
            );
            self.execute(&restart, &[]).await?;
        }
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
