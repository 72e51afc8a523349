//! Rows into SQLite, and nothing else: one writer, whole groups, flushed at each commit.

use std::path::Path;
use std::time::{Duration, Instant};

use asaanbill_storage::rusqlite::{Connection, Result, Statement, params};
use tokio::sync::mpsc;

use super::{Asked, Row, payments_only, psid};

/// The simulator's own tables.
const SCHEMA: &str = include_str!("../../../../sim/src/store/schema/sqlite.sql");

/// The most rows of one commit: the simulator's.
const GROUP_MAX: usize = 512;

/// Rows of one transaction while a file is filled.
const FILLED_AT_ONCE: i64 = 5000;

const INSERT: &str = "INSERT INTO payments VALUES \
    (?1, 23, 'PSID', ?2, ?3, NULL, ?4, ?5, ?6, NULL, NULL, 'APPROVED', ?7, NULL, NULL, NULL, NULL, ?8, ?9, ?10, ?10)";

/// Opens a new file with the payments' table.
pub(super) fn open(path: &Path) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.execute_batch(&payments_only(SCHEMA))?;
    Ok(connection)
}

fn insert(statement: &mut Statement<'_>, id: i64, row: &Row, bulk: Option<(i64, i64)>) -> Result<()> {
    let Row { title, identifier, amount, due_date, amount_after_due_date } = row;
    let (request, place) = bulk.unzip();
    // Later rows have later times, a batch's rows the same.
    let at = 1_700_000_000_000_000 + request.unwrap_or(id) * 50_000;
    let psid = psid(id);
    statement.execute(params![
        id, title, identifier, amount, due_date, amount_after_due_date, psid, request, place, at
    ])?;
    Ok(())
}

/// Commits what waits, as often as something does. (F2)
pub(super) fn write_groups(mut connection: Connection, mut queue: mpsc::Receiver<Asked>) -> Result<()> {
    let mut last = 0;
    let mut told = Vec::with_capacity(GROUP_MAX);
    while let Some(first) = queue.blocking_recv() {
        let transaction = connection.transaction()?;
        {
            let mut statement = transaction.prepare_cached(INSERT)?;
            let mut next = Some(first);
            while let Some(Asked { row, tell }) = next {
                last += 1;
                insert(&mut statement, last, &row, None)?;
                told.push((tell, last));
                next = if told.len() < GROUP_MAX { queue.try_recv().ok() } else { None };
            }
        }
        transaction.commit()?;
        for (tell, id) in told.drain(..) {
            let _ = tell.send(id);
        }
    }
    Ok(())
}

/// The bare transaction of a batch, in a file that grows.
#[derive(Debug)]
pub(crate) struct BareSqlite {
    connection: Connection,
    last: i64,
    batches: i64,
}

impl BareSqlite {
    /// Opens a new file.
    ///
    /// # Errors
    ///
    /// If it can't be made.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        Ok(Self { connection: open(path)?, last: 0, batches: 0 })
    }

    /// Inserts so many rows and commits them.
    ///
    /// # Errors
    ///
    /// If that fails.
    pub(crate) fn insert(&mut self, rows: i64) -> Result<Duration> {
        let new: Vec<_> = (0..rows).map(|row| Row::of_batch(self.last + row)).collect();
        let begin = Instant::now();
        let transaction = self.connection.transaction()?;
        {
            let mut statement = transaction.prepare_cached(INSERT)?;
            for (row, place) in new.iter().zip(0..) {
                self.last += 1;
                insert(&mut statement, self.last, row, Some((self.batches, place)))?;
            }
        }
        transaction.commit()?;
        self.batches += 1;
        Ok(begin.elapsed())
    }
}

/// Fills a new file with so many payments, in batches.
///
/// # Errors
///
/// If that fails.
pub(crate) fn fill(path: &Path, payments: u64) -> Result<()> {
    let mut bare = BareSqlite::open(path)?;
    let mut left = i64::try_from(payments).unwrap_or(i64::MAX);
    while left > 0 {
        bare.insert(left.min(FILLED_AT_ONCE))?;
        left -= FILLED_AT_ONCE;
    }
    Ok(())
}
