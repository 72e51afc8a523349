//! Statements on PostgreSQL: a set of rows goes as arrays, in one round trip.

use asaanbill_storage::queue::{Claim, Due, Job, Lease, NewJob, Position};
use asaanbill_storage::tokio_postgres::types::{IsNull, ToSql, Type as ColumnType, to_sql_checked};
use asaanbill_storage::{PostgresTransaction, StorageError};
use bytes::BytesMut;
use jiff::Timestamp;

use super::book::{Entry, Key};
use super::load::{IDENTIFIERS, identifier, without_psid};
use super::outbox::OUTBOX;
use super::tx::{Arg, Counter, Each, Numbers, Row, Tx, Type, Wanted, senseless};

/// The sequence that counts.
fn sequence(counter: Counter) -> &'static str {
    match counter {
        Counter::Payments => "payment_ids",
        Counter::Psids => "psid_numbers",
    }
}

pub(super) struct PostgresTx {
    transaction: PostgresTransaction,
    shard: i64,
}

impl PostgresTx {
    pub(super) fn new(transaction: PostgresTransaction, shard: i64) -> Self {
        Self { transaction, shard }
    }

    async fn take(&self, counter: Counter, count: usize) -> Result<Vec<i64>, StorageError> {
        let Ok(count) = i64::try_from(count) else { return Ok(Vec::new()) };
        if count == 0 {
            return Ok(Vec::new());
        }
        let sequence = sequence(counter);
        let numbers = format!("SELECT ARRAY(SELECT nextval('{sequence}') FROM generate_series(1, $1::BIGINT))");
        Ok(self.transaction.query_one(&numbers, &[&count]).await?.try_get(0)?)
    }

    /// Lets a sequence go on from a number.
    async fn restart(&self, sequence: &str, next: i64) -> Result<(), StorageError> {
        self.transaction.execute(&format!("ALTER SEQUENCE {sequence} RESTART WITH {}", next.max(1)), &[]).await?;
        Ok(())
    }
}

/// Nothing, in a place of any type.
#[derive(Debug)]
struct Nothing;

impl ToSql for Nothing {
    fn to_sql(&self, _: &ColumnType, _: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        Ok(IsNull::Yes)
    }

    fn accepts(_: &ColumnType) -> bool {
        true
    }

    to_sql_checked!();
}

/// A value in the shape that the driver takes.
enum Value<'a> {
    Nothing,
    Int(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
    Ints(Vec<Option<i64>>),
    Texts(Vec<Option<&'a str>>),
}

impl Value<'_> {
    fn as_sql(&self) -> &(dyn ToSql + Sync) {
        match self {
            Self::Nothing => &Nothing,
            Self::Int(value) => value,
            Self::Text(value) => value,
            Self::Bytes(value) => value,
            Self::Ints(values) => values,
            Self::Texts(values) => values,
        }
    }
}

fn singles<'a>(args: &[Arg<'a>]) -> Vec<Value<'a>> {
    let single = |arg: &Arg<'a>| match *arg {
        Arg::Null => Value::Nothing,
        Arg::Int(value) => Value::Int(value),
        Arg::Text(value) => Value::Text(value),
        Arg::Bytes(value) => Value::Bytes(value),
    };
    args.iter().map(single).collect()
}

/// The columns of a set.
fn arrays<'a>(types: &[Type], rows: &[Vec<Arg<'a>>]) -> Result<Vec<Value<'a>>, StorageError> {
    let wrong = || senseless("a value is not of its column's type");
    let column = |(position, of): (usize, &Type)| match of {
        Type::Int => {
            let int = |row: &Vec<Arg<'a>>| match row.get(position) {
                Some(Arg::Int(value)) => Ok(Some(*value)),
                Some(Arg::Null) => Ok(None),
                _ => Err(wrong()),
            };
            Ok(Value::Ints(rows.iter().map(int).collect::<Result<_, _>>()?))
        }
        Type::Text => {
            let text = |row: &Vec<Arg<'a>>| match row.get(position) {
                Some(Arg::Text(value)) => Ok(Some(*value)),
                Some(Arg::Null) => Ok(None),
                _ => Err(wrong()),
            };
            Ok(Value::Texts(rows.iter().map(text).collect::<Result<_, _>>()?))
        }
    };
    types.iter().enumerate().map(column).collect()
}

fn sql<'v>(values: &'v [Value<'_>]) -> Vec<&'v (dyn ToSql + Sync)> {
    values.iter().map(Value::as_sql).collect()
}

impl Tx for PostgresTx {
    const FOR_UPDATE: &'static str = " FOR UPDATE";

    fn shard(&self) -> i64 {
        self.shard
    }

    async fn query<R: Send>(
        &self,
        statement: &str,
        args: &[Arg<'_>],
        read: impl Fn(&Row<'_>) -> Result<R, StorageError> + Send,
    ) -> Result<Vec<R>, StorageError> {
        let values = singles(args);
        let rows = self.transaction.query(statement, &sql(&values)).await?;
        rows.iter().map(|row| read(&Row::Postgres(row))).collect()
    }

    async fn execute(&self, statement: &str, args: &[Arg<'_>]) -> Result<u64, StorageError> {
        self.transaction.execute(statement, &sql(&singles(args))).await
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
        let values = arrays(statement.types, keys)?;
        let rows = self.transaction.query(statement.all, &sql(&values)).await?;
        rows.iter().map(|row| read(&Row::Postgres(row))).collect()
    }

    async fn execute_each(&self, statement: &'static Each, rows: &[Vec<Arg<'_>>]) -> Result<u64, StorageError> {
        if rows.is_empty() {
            return Ok(0);
        }
        let values = arrays(statement.types, rows)?;
        self.transaction.execute(statement.all, &sql(&values)).await
    }

    async fn insert_each(&self, statement: &'static Each, rows: &[Vec<Arg<'_>>]) -> Result<(), StorageError> {
        if !rows.is_empty() {
            let values = arrays(statement.types, rows)?;
            self.transaction.insert(statement.all, &sql(&values)).await?;
        }
        Ok(())
    }

    async fn take_records(&self, count: usize) -> Result<Vec<i64>, StorageError> {
        self.take(Counter::Payments, count).await
    }

    /// The numbers are asked for when the locks are held, and as many as what was found leaves to be numbered: a later look could find
    /// what somebody else has added meanwhile.
    async fn identifiers(
        &self,
        keys: &[Vec<Arg<'_>>],
        wanted: Option<Wanted>,
    ) -> Result<(Vec<(Key, Entry)>, Numbers), StorageError> {
        let found = self.query_each(&IDENTIFIERS, keys, identifier).await?;
        let Some(wanted) = wanted else { return Ok((found, Numbers::default())) };
        let (records, psids) = tokio::try_join!(
            self.take_records(wanted.records),
            self.take(Counter::Psids, wanted.psids + without_psid(keys.len(), &found)),
        )?;
        Ok((found, Numbers { records, psids }))
    }

    async fn counter(&self, counter: Counter) -> Result<i64, StorageError> {
        let select = format!("SELECT last_value + CASE WHEN is_called THEN 1 ELSE 0 END FROM {}", sequence(counter));
        Ok(self.transaction.query_one(&select, &[]).await?.try_get(0)?)
    }

    /// `setval` would stay if the transaction were undone; this is undone with it.
    async fn put_counter(&self, counter: Counter, next: i64) -> Result<(), StorageError> {
        self.restart(sequence(counter), next).await?;
        // Rows that were restored with their numbers count too.
        for table in ["events", "callbacks", "attempts"] {
            let next = format!("SELECT pg_get_serial_sequence('{table}', 'id'), COALESCE(MAX(id), 0) + 1 FROM {table}");
            let row = self.transaction.query_one(&next, &[]).await?;
            self.restart(row.try_get(0)?, row.try_get(1)?).await?;
        }
        Ok(())
    }

    /// In the order in which sets of commands lock: who is in the middle of one is waited for.
    async fn alone(&self) -> Result<(), StorageError> {
        let lock =
            "LOCK TABLE channels, bulk_requests, identifiers, payments, callbacks, outbox, events, tallies, attempts
                    IN EXCLUSIVE MODE";
        self.transaction.execute(lock, &[]).await?;
        Ok(())
    }

    async fn enqueue(&self, jobs: &[NewJob], real: Timestamp) -> Result<(), StorageError> {
        OUTBOX.postgres(&self.transaction).enqueue(jobs, real).await?;
        Ok(())
    }

    async fn claim(&self, claim: &Claim) -> Result<Vec<Job>, StorageError> {
        OUTBOX.postgres(&self.transaction).claim(claim).await
    }

    async fn complete(&self, lease: Lease) -> Result<bool, StorageError> {
        Ok(OUTBOX.postgres(&self.transaction).complete(&[lease]).await?.is_none())
    }

    async fn retry(&self, lease: Lease, at: Timestamp) -> Result<bool, StorageError> {
        Ok(OUTBOX.postgres(&self.transaction).retry(&[(lease, at)]).await?.is_none())
    }

    async fn next_due(&self) -> Result<Due, StorageError> {
        OUTBOX.postgres(&self.transaction).next_due(Position::BEGINNING).await
    }
}
