//! Rows into PostgreSQL, and nothing else: one connection, rows gathered into one statement.

use std::time::{Duration, Instant};

use asaanbill_storage::tokio_postgres::{self, Client, Error, NoTls, Statement};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::{Asked, Row, payments_only, psid};

/// The simulator's own tables.
const SCHEMA: &str = include_str!("../../../../sim/src/store/schema/postgres.sql");

/// Rows of one statement: more are no quicker, and wait longer.
const GROUP_MAX: usize = 64;

const INSERT: &str = "\
    INSERT INTO payments
    SELECT id, 23, 'PSID', title, identifier, NULL, amount, due, after, NULL, NULL, 'APPROVED', psid, NULL, NULL, NULL, NULL,
        request, place, at, at
    FROM UNNEST($1::BIGINT[], $2::TEXT[], $3::TEXT[], $4::TEXT[], $5::TEXT[], $6::TEXT[], $7::TEXT[], $8::BIGINT[],
        $9::BIGINT[], $10::BIGINT[]) AS new (id, title, identifier, amount, due, after, psid, request, place, at)";

/// Connects to an empty database and makes the payments' table.
pub(super) async fn open(url: &str) -> Result<Client, Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    client.batch_execute(&payments_only(SCHEMA)).await?;
    Ok(client)
}

/// Inserts rows with the numbers after `last`, those of a batch or singles.
async fn insert(client: &Client, statement: &Statement, rows: &[Row], last: i64, batch: Option<i64>) -> Result<(), Error> {
    let text = |of: fn(&Row) -> &str| -> Vec<&str> { rows.iter().map(of).collect() };
    let ids: Vec<i64> = (last + 1..).take(rows.len()).collect();
    let psids: Vec<String> = ids.iter().map(|id| psid(*id)).collect();
    let requests = vec![batch; rows.len()];
    let places: Vec<Option<i64>> = (0..).take(rows.len()).map(|place| batch.map(|_| place)).collect();
    let at: Vec<i64> = ids.iter().map(|id| 1_700_000_000_000_000 + batch.unwrap_or(*id) * 50_000).collect();
    client
        .execute(
            statement,
            &[
                &ids,
                &text(|row| &row.title),
                &text(|row| &row.identifier),
                &text(|row| &row.amount),
                &text(|row| &row.due_date),
                &text(|row| &row.amount_after_due_date),
                &psids,
                &requests,
                &places,
                &at,
            ],
        )
        .await?;
    Ok(())
}

/// Commits what waits, as often as something does.
pub(super) async fn write_groups(client: Client, mut queue: mpsc::Receiver<Asked>) -> Result<(), Error> {
    let statement = client.prepare(INSERT).await?;
    let mut last = 0;
    while let Some(first) = queue.recv().await {
        let (mut rows, mut told) = (vec![first.row], vec![first.tell]);
        while rows.len() < GROUP_MAX
            && let Ok(Asked { row, tell }) = queue.try_recv()
        {
            rows.push(row);
            told.push(tell);
        }
        insert(&client, &statement, &rows, last, None).await?;
        for tell in told {
            last += 1;
            let _ = tell.send(last);
        }
    }
    Ok(())
}

/// The bare transaction of a batch, in a table that grows.
pub(crate) struct BarePostgres {
    runtime: Runtime,
    client: Client,
    statement: Statement,
    last: i64,
    batches: i64,
}

impl BarePostgres {
    /// Connects to an empty database.
    ///
    /// # Errors
    ///
    /// If that fails.
    pub(crate) fn open(url: &str) -> crate::Outcome<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (client, statement) = runtime.block_on(async {
            let client = open(url).await?;
            let statement = client.prepare(INSERT).await?;
            Ok::<_, Error>((client, statement))
        })?;
        Ok(Self { runtime, client, statement, last: 0, batches: 0 })
    }

    /// Inserts so many rows in one statement, which commits.
    ///
    /// # Errors
    ///
    /// If that fails.
    pub(crate) fn insert(&mut self, rows: i64) -> crate::Outcome<Duration> {
        let new: Vec<_> = (0..rows).map(|row| Row::of_batch(self.last + row)).collect();
        let begin = Instant::now();
        self.runtime.block_on(insert(&self.client, &self.statement, &new, self.last, Some(self.batches)))?;
        self.last += rows;
        self.batches += 1;
        Ok(begin.elapsed())
    }
}
