//! Many rows into SQLite by few statements.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use rusqlite::Connection;
use rusqlite::types::{ToSqlOutput, ValueRef};

use crate::error::StorageError;

/// The most rows that one statement inserts. Twice as many make none of them noticeably cheaper.
const ROWS_MAX: usize = 32;

/// So few rows, or fewer, have a statement for just their number.
const FEW_ROWS: usize = 4;

/// How many statements for one row have kept texts for several. A program has a few dozen; one that makes them up starts anew.
const TEXTS_MAX: usize = 128;

/// Inserts rows. `insert` is the statement for one of them, such as `INSERT INTO letters (address, text) VALUES ($1, $2)`; after
/// the values may come what is to happen on a conflict. `value` says what stands in a row's column, both counted from 0.
///
/// SQLite opens tables, indexes and the `AUTOINCREMENT` once a statement, so a row among others costs about half of what it costs
/// alone.
///
/// # Errors
///
/// [`StorageError`] if a statement fails, or several rows are wanted of an `insert` without `VALUES ($1, …)`. Some rows may be there then: the transaction is to
/// be undone.
pub fn insert_rows<'v>(
    tx: &Connection,
    insert: &str,
    rows: usize,
    value: impl Fn(usize, usize) -> ValueRef<'v>,
) -> Result<Inserted, StorageError> {
    let mut inserted = Inserted { count: 0, end: 0 };
    let mut row = 0;
    while row < rows {
        let count = together(rows - row);
        let mut statement = match count {
            1 => tx.prepare_cached(insert)?,
            _ => tx.prepare_cached(&text(insert, count)?)?,
        };
        let columns = statement.parameter_count() / count;
        for place in 0..count * columns {
            let value = value(row + place / columns, place % columns);
            statement.raw_bind_parameter(place + 1, ToSqlOutput::Borrowed(value))?;
        }
        row += count;
        inserted.count += statement.raw_execute()?;
        inserted.end = tx.last_insert_rowid().saturating_add(1);
    }
    Ok(inserted)
}

/// How many of so many rows go into the next statement: all of a few, otherwise a power of two. So every number of rows is made of few
/// statements, and those stay compiled.
fn together(rows: usize) -> usize {
    if rows <= FEW_ROWS { rows } else { 1 << rows.min(ROWS_MAX).ilog2() }
}

/// Statements for several rows, by the statement for one and by how many.
type Texts = HashMap<String, HashMap<usize, Arc<str>>>;

/// The statement for several rows, put together once.
fn text(insert: &str, count: usize) -> Result<Arc<str>, StorageError> {
    static TEXTS: LazyLock<Mutex<Texts>> = LazyLock::new(Mutex::default);
    let mut texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = texts.get(insert).and_then(|counts| counts.get(&count)) {
        return Ok(Arc::clone(known));
    }
    if texts.len() >= TEXTS_MAX {
        texts.clear();
    }
    let text: Arc<str> = repeated(insert, count)?.into();
    texts.entry(insert.to_owned()).or_default().insert(count, Arc::clone(&text));
    Ok(text)
}

/// Puts it together.
fn repeated(insert: &str, count: usize) -> Result<String, StorageError> {
    let parts = || {
        let (before, values) = insert.split_once("VALUES (")?;
        let (values, after) = values.split_once(')')?;
        Some((before, values, after))
    };
    let (before, values, after) = parts().ok_or_else(|| StorageError::senseless("no values to repeat"))?;
    debug_assert!(values.split(',').zip(1..).all(|(value, place)| value.trim() == format!("${place}")), "{values}");
    let row = format!("({}?)", "?, ".repeat(values.matches(',').count()));
    let others = format!(", {row}").repeat(count - 1);
    Ok(format!("{before}VALUES {row}{others}{after}"))
}

/// What [`insert_rows`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inserted {
    /// How many rows were inserted, or changed instead: those that met a conflict may not have been.
    pub count: usize,
    /// What the next row would be numbered.
    end: i64,
}

impl Inserted {
    /// The numbers of the rows, in their order, if SQLite gave them: there is one writer, so that they follow each other.
    pub fn ids(&self) -> Range<i64> {
        self.end - i64::try_from(self.count).unwrap_or(i64::MAX)..self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::StorageErrorKind;

    const LETTERS: &str =
        "CREATE TABLE letters (id INTEGER PRIMARY KEY AUTOINCREMENT, address TEXT UNIQUE, pages INTEGER)";
    const INSERT: &str = "INSERT INTO letters (address, pages) VALUES ($1, $2)";

    fn letters() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(LETTERS).unwrap();
        connection
    }

    fn insert(connection: &Connection, sql: &str, addresses: &[String]) -> Result<Inserted, StorageError> {
        insert_rows(connection, sql, addresses.len(), |row, column| match column {
            0 => addresses[row].as_str().into(),
            _ => ValueRef::Integer(i64::try_from(row).unwrap()),
        })
    }

    fn addresses(count: usize, of: &str) -> Vec<String> {
        (0..count).map(|number| format!("{of}{number}")).collect()
    }

    fn stored(connection: &Connection) -> Vec<(i64, String, i64)> {
        let mut select = connection.prepare("SELECT id, address, pages FROM letters ORDER BY id").unwrap();
        select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn any_number_of_rows_is_there_in_order_under_the_numbers_that_are_told() {
        for count in [0, 1, 2, 3, 4, 5, 31, 32, 33, 63, 64, 100] {
            let connection = letters();
            insert(&connection, INSERT, &addresses(5, "before ")).unwrap();
            let all = addresses(count, "street ");
            let inserted = insert(&connection, INSERT, &all).unwrap();
            assert_eq!(inserted.count, count);
            let expected: Vec<_> = inserted.ids().zip(all).zip(0..).map(|((id, at), row)| (id, at, row)).collect();
            assert_eq!(stored(&connection)[5..], expected, "{count} rows");
        }
    }

    #[test]
    fn what_happens_on_a_conflict_stands_after_the_values() {
        let connection = letters();
        let sql = format!("{INSERT} ON CONFLICT (address) DO UPDATE SET pages = letters.pages + excluded.pages");
        insert(&connection, INSERT, &addresses(40, "street ")).unwrap();
        assert_eq!(insert(&connection, &sql, &addresses(40, "street ")).unwrap().count, 40);
        let pages: Vec<_> = stored(&connection).into_iter().map(|(_, _, pages)| pages).collect();
        assert_eq!(pages, (0..40).map(|row| row * 2).collect::<Vec<_>>());
        let sql = format!("{INSERT} ON CONFLICT DO NOTHING");
        assert_eq!(insert(&connection, &sql, &addresses(50, "street ")).unwrap().count, 10);
    }

    #[test]
    fn what_conflicts_or_has_no_values_is_an_error() {
        let connection = letters();
        insert(&connection, INSERT, &addresses(40, "street ")).unwrap();
        assert_eq!(
            insert(&connection, INSERT, &addresses(1, "street ")).unwrap_err().kind(),
            StorageErrorKind::Statement
        );
        let sql = "INSERT INTO letters (address) SELECT $1";
        assert_eq!(insert(&connection, sql, &addresses(2, "other ")).unwrap_err().kind(), StorageErrorKind::Statement);
    }
}
