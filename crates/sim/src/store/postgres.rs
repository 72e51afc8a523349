//! Statements on PostgreSQL: a set of rows goes as arrays, in one round trip.

use std::sync::LazyLock;

use asaanbill_storage::queue::{Claim, Due, Job, Lease, NewJob, Position};
use asaanbill_storage::tokio_postgres::types::{Field, IsNull, Kind, ToSql, Type as ColumnType, to_sql_checked};
use asaanbill_storage::{PostgresTransaction, StorageError};
use bytes::{BufMut as _, BytesMut};
use jiff::Timestamp;

use super::book::{Entry, Key};
use super::load::{IDENTIFIERS, identifier};
use super::outbox::OUTBOX;
use super::tx::{Arg, Counter, Each, Given, Numbers, Row, Rows, Tx, Type, Wanted, senseless};

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

/// Rows as an array of a composite type, in the server's binary form.
#[derive(Debug)]
pub(super) struct RowArray<'r, 'a>(pub(super) &'r [Vec<Arg<'a>>]);

type Unfit = Box<dyn std::error::Error + Sync + Send>;

/// A length that the server's form has four bytes for.
fn length(length: usize) -> Result<i32, Unfit> {
    i32::try_from(length).map_err(|_| "more than fits into a parameter".into())
}

/// Writes something behind its length.
fn measured(out: &mut BytesMut, write: impl FnOnce(&mut BytesMut) -> Result<(), Unfit>) -> Result<(), Unfit> {
    let start = out.len();
    out.put_i32(0);
    write(out)?;
    let written = length(out.len() - start - size_of::<i32>())?;
    out[start..start + size_of::<i32>()].copy_from_slice(&written.to_be_bytes());
    Ok(())
}

/// Writes a column's value behind its length.
fn put(arg: &Arg<'_>, of: &ColumnType, out: &mut BytesMut) -> Result<(), Unfit> {
    let mut bytes = |value: &[u8]| {
        out.put_i32(length(value.len())?);
        out.put_slice(value);
        Ok(())
    };
    match arg {
        Arg::Int(value) if *of == ColumnType::INT8 => bytes(&value.to_be_bytes()),
        Arg::Text(value) if *of == ColumnType::TEXT => bytes(value.as_bytes()),
        Arg::Null => {
            /// In place of a length.
            const NULL: i32 = -1;
            out.put_i32(NULL);
            Ok(())
        }
        _ => Err("a value is not of its column's type".into()),
    }
}

impl ToSql for RowArray<'_, '_> {
    fn to_sql(&self, array: &ColumnType, out: &mut BytesMut) -> Result<IsNull, Unfit> {
        const DIMENSIONS: i32 = 1;
        const NO_NULLS: i32 = 0;
        const FIRST: i32 = 1;
        let Some((row_type, columns)) = columns(array) else { return Err("no array of a composite type".into()) };
        out.put_i32(DIMENSIONS);
        out.put_i32(NO_NULLS);
        out.put_u32(row_type.oid());
        out.put_i32(length(self.0.len())?);
        out.put_i32(FIRST);
        for row in self.0 {
            if row.len() != columns.len() {
                return Err("a row has another number of columns than its type".into());
            }
            measured(out, |out| {
                out.put_i32(length(row.len())?);
                for (arg, column) in row.iter().zip(columns) {
                    out.put_u32(column.type_().oid());
                    put(arg, column.type_(), out)?;
                }
                Ok(())
            })?;
        }
        Ok(IsNull::No)
    }

    fn accepts(of: &ColumnType) -> bool {
        columns(of).is_some()
    }

    to_sql_checked!();
}

/// The type of an array's rows, and their columns.
fn columns(array: &ColumnType) -> Option<(&ColumnType, &[Field])> {
    let Kind::Array(row) = array.kind() else { return None };
    let Kind::Composite(columns) = row.kind() else { return None };
    Some((row, columns))
}

/// A value in the shape that the driver takes.
enum Value<'a> {
    Nothing,
    Int(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
    Ints(Vec<Option<i64>>),
    Texts(Vec<Option<&'a str>>),
    Rows(RowArray<'a, 'a>),
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
            Self::Rows(rows) => rows,
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

/// All rows, as a statement wants them.
fn all<'a>(statement: &Each, rows: &'a [Vec<Arg<'a>>]) -> Result<Vec<Value<'a>>, StorageError> {
    match statement.given {
        Given::Columns(types) => arrays(types, rows),
        Given::Rows => Ok(vec![Value::Rows(RowArray(rows))]),
    }
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

/// What [`IDENTIFIERS`] finds, and then one row of numbers: `$3` of records, and of PSIDs `$4` less those that the identifiers have.
static IDENTIFIERS_AND_NUMBERS: LazyLock<String> = LazyLock::new(|| {
    let taken = |counter, count: &str| {
        format!("ARRAY(SELECT nextval('{}') FROM generate_series(1, {count}))", sequence(counter))
    };
    format!(
        "WITH found AS MATERIALIZED ({})
         SELECT found.*, NULL::BIGINT[], NULL::BIGINT[] FROM found
         UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL, {}, {}",
        IDENTIFIERS.all,
        taken(Counter::Payments, "$3::BIGINT"),
        taken(Counter::Psids, "$4::BIGINT - (SELECT COUNT(*) FROM found WHERE psid IS NOT NULL)"),
    )
});

/// The table whose rows others may be inserting too.
pub(super) const RACED: &str = "identifiers";

/// One statement of several, each of which has one parameter: `last`, or else none, says how many rows it changed. The server runs it
/// first and then the others from the last one back, though it doesn't promise to: so everybody comes to the kept totals before what
/// is new.
fn joined(changes: &[&Rows<'_>], last: Option<&Rows<'_>>) -> String {
    let text = |change: &Rows<'_>, place: usize| change.statement.all.replace("$1", &format!("${place}"));
    let with = (1..).zip(changes).map(|(place, change)| format!("change_{place} AS ({})", text(change, place)));
    let with: Vec<_> = with.collect();
    let with = if with.is_empty() { String::new() } else { format!("WITH {} ", with.join(", ")) };
    with + &last.map_or_else(|| "SELECT".to_owned(), |last| text(last, changes.len() + 1))
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
        let values = all(statement, keys)?;
        let rows = self.transaction.query(statement.all, &sql(&values)).await?;
        rows.iter().map(|row| read(&Row::Postgres(row))).collect()
    }

    async fn execute_each(&self, statement: &'static Each, rows: &[Vec<Arg<'_>>]) -> Result<u64, StorageError> {
        if rows.is_empty() {
            return Ok(0);
        }
        let values = all(statement, rows)?;
        self.transaction.execute(statement.all, &sql(&values)).await
    }

    async fn together(&self, changes: &[Rows<'_>]) -> Result<u64, StorageError> {
        let Some((last, before)) = changes.split_last() else { return Ok(0) };
        let before: Vec<&Rows<'_>> = before.iter().filter(|change| !change.rows.is_empty()).collect();
        let last = Some(last).filter(|change| !change.rows.is_empty());
        if before.is_empty() && last.is_none() {
            return Ok(0);
        }
        let statement = joined(&before, last);
        let mut values = Vec::new();
        for change in before.into_iter().chain(last) {
            values.extend(all(change.statement, &change.rows)?);
        }
        let changed = self.transaction.insert(RACED, &statement, &sql(&values)).await?;
        Ok(if last.is_some() { changed } else { 0 })
    }

    async fn take_records(&self, count: usize) -> Result<Vec<i64>, StorageError> {
        self.take(Counter::Payments, count).await
    }

    /// The numbers are taken when the locks are held, and as many as what was found leaves to be numbered, all in one statement: a later
    /// look could find what somebody else has added meanwhile.
    async fn identifiers(
        &self,
        keys: &[Vec<Arg<'_>>],
        wanted: Option<Wanted>,
    ) -> Result<(Vec<(Key, Entry)>, Numbers), StorageError> {
        let Some(Wanted { records, psids }) = wanted else {
            return Ok((self.query_each(&IDENTIFIERS, keys, identifier).await?, Numbers::default()));
        };
        if keys.is_empty() && records == 0 && psids == 0 {
            return Ok((Vec::new(), Numbers::default()));
        }
        let mut values = all(&IDENTIFIERS, keys)?;
        let count = |count: usize| i64::try_from(count).map_err(|_| senseless("too many numbers"));
        values.extend([Value::Int(count(records)?), Value::Int(count(psids + keys.len())?)]);
        let rows = self.transaction.query(&IDENTIFIERS_AND_NUMBERS, &sql(&values)).await?;
        let (numbers, found) = rows.split_last().ok_or_else(|| senseless("no numbers were taken"))?;
        let numbers = Numbers { records: numbers.try_get(6)?, psids: numbers.try_get(7)? };
        let found = found.iter().map(|row| identifier(&Row::Postgres(row))).collect::<Result<_, _>>()?;
        Ok((found, numbers))
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

#[cfg(test)]
mod tests {
    use asaanbill_storage::tokio_postgres::types::{Field, Kind, ToSql, Type as ColumnType};
    use bytes::BytesMut;

    use super::{Arg, Each, Given, RowArray, Rows, joined};

    fn array_of(columns: &[(&str, ColumnType)]) -> ColumnType {
        let columns = columns.iter().map(|(name, of)| Field::new((*name).to_owned(), of.clone()));
        let row = ColumnType::new("pair".to_owned(), 70_000, Kind::Composite(columns.collect()), String::new());
        ColumnType::new("_pair".to_owned(), 70_001, Kind::Array(row), String::new())
    }

    fn written(rows: &[Vec<Arg<'_>>], of: &ColumnType) -> Result<Vec<u8>, String> {
        let mut out = BytesMut::new();
        RowArray(rows).to_sql(of, &mut out).map(|_| out.to_vec()).map_err(|error| error.to_string())
    }

    /// As PostgreSQL's `array_recv` and `record_recv` read it.
    #[test]
    fn rows_are_written_as_the_server_reads_them() {
        let pair = array_of(&[("id", ColumnType::INT8), ("name", ColumnType::TEXT)]);
        let (int, text) = ([0, 0, 0, 20], [0, 0, 0, 25]);
        let expected = [
            &[0, 0, 0, 1, 0, 0, 0, 0][..],
            &70_000_u32.to_be_bytes(),
            &[0, 0, 0, 2, 0, 0, 0, 1],
            &[0, 0, 0, 30, 0, 0, 0, 2],
            &int,
            &[0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 7],
            &text,
            &[0, 0, 0, 2, b'a', b'b'],
            &[0, 0, 0, 20, 0, 0, 0, 2],
            &int,
            &[0xff; 4],
            &text,
            &[0, 0, 0, 0],
        ];
        let rows = [vec![Arg::Int(7), Arg::Text("ab")], vec![Arg::Null, Arg::Text("")]];
        assert_eq!(written(&rows, &pair), Ok(expected.concat()));
        assert!(RowArray::accepts(&pair) && !RowArray::accepts(&ColumnType::TEXT_ARRAY));
    }

    #[test]
    fn rows_of_another_shape_are_refused() {
        let pair = array_of(&[("id", ColumnType::INT8), ("name", ColumnType::TEXT)]);
        let check = |row, of: &ColumnType, expected: &str| assert_eq!(written(&[row], of), Err(expected.to_owned()));
        check(vec![Arg::Int(7)], &pair, "a row has another number of columns than its type");
        check(vec![Arg::Text("7"), Arg::Text("ab")], &pair, "a value is not of its column's type");
        check(vec![Arg::Int(7), Arg::Int(8)], &pair, "a value is not of its column's type");
        check(vec![Arg::Int(7)], &ColumnType::INT8_ARRAY, "no array of a composite type");
    }

    #[test]
    fn changes_are_joined_with_a_parameter_each() {
        const ONE: Each = Each { one: "", all: "INSERT INTO one SELECT * FROM UNNEST($1::one[])", given: Given::Rows };
        const TWO: Each = Each { one: "", all: "UPDATE two SET a = 1 FROM UNNEST($1::two[])", given: Given::Rows };
        let (one, two) = (Rows { statement: &ONE, rows: vec![vec![]] }, Rows { statement: &TWO, rows: vec![vec![]] });
        assert_eq!(joined(&[], Some(&one)), ONE.all);
        assert_eq!(joined(&[&one], None), format!("WITH change_1 AS ({}) SELECT", ONE.all));
        assert_eq!(
            joined(&[&one, &two], Some(&one)),
            "WITH change_1 AS (INSERT INTO one SELECT * FROM UNNEST($1::one[])), \
             change_2 AS (UPDATE two SET a = 1 FROM UNNEST($2::two[])) \
             INSERT INTO one SELECT * FROM UNNEST($3::one[])"
        );
    }
}
