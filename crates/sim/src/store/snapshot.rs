//! All that was billed, as a document: saved under a name, restored, exported and imported, between engines too.
//!
//! Users, tokens and the addresses of call-backs are no part of it, and stay as they are. What waits to be sent is dropped
//! when something else is restored.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use asaanbill_storage::StorageError;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Script;
use super::tx::{Arg, Columns as _, Counter, Each, Given, Row, Tx, Type, contradiction, senseless};

/// The version of the document. A newer one is refused.
pub(crate) const VERSION: u32 = 1;

/// What the document says that it is.
const FORMAT: &str = "asaanbill-sim-snapshot";

/// The most rows of a snapshot: it is one document, held in memory.
pub(crate) const ROWS_MAX: usize = 500_000;

/// A table of the content.
struct Table {
    name: &'static str,
    columns: &'static [(&'static str, Type)],
    select: String,
    insert: Each,
}

/// The content's tables, with their columns in order. A new column comes last, and raises [`VERSION`].
static TABLES: LazyLock<Vec<Table>> = LazyLock::new(|| {
    use Type::{Int, Text};
    vec![
        Table::new(
            "identifiers",
            &[("channel", Int), ("identifier", Text), ("psid", Text), ("newest", Int), ("unpaid", Int), ("made", Int)],
        ),
        Table::new(
            "bulk_requests",
            &[
                ("channel", Int),
                ("id", Int),
                ("vouchers", Int),
                ("status", Text),
                ("due_at", Int),
                ("polls", Int),
                ("created_at", Int),
                ("updated_at", Int),
            ],
        ),
        Table::new(
            "payments",
            &[
                ("id", Int),
                ("channel", Int),
                ("kind", Text),
                ("title", Text),
                ("identifier", Text),
                ("description", Text),
                ("amount", Text),
                ("due_date", Text),
                ("amount_after_due_date", Text),
                ("longitude", Text),
                ("latitude", Text),
                ("status", Text),
                ("psid", Text),
                ("amount_paid", Text),
                ("paid_at", Int),
                ("bank_reference", Text),
                ("why", Text),
                ("bulk_request", Int),
                ("bulk_row", Int),
                ("created_at", Int),
                ("updated_at", Int),
            ],
        ),
        Table::new("tallies", &[("channel", Int), ("level", Int), ("slice", Int), ("shard", Int), ("payments", Int)]),
        Table::new(
            "events",
            &[
                ("id", Int),
                ("at", Int),
                ("channel", Int),
                ("payment", Int),
                ("bulk_request", Int),
                ("request", Int),
                ("what", Text),
                ("first_id", Int),
                ("through", Int),
                ("several", Text),
            ],
        ),
        Table::new("callbacks", &[("id", Int), ("channel", Int), ("path", Text), ("body", Text), ("created_at", Int)]),
        Table::new("attempts", &[("id", Int), ("callback", Int), ("kind", Text), ("at", Int), ("failure", Text)]),
    ]
});

impl Table {
    fn new(name: &'static str, columns: &'static [(&'static str, Type)]) -> Self {
        let names: Vec<&str> = columns.iter().map(|(column, _)| *column).collect();
        let names = names.join(", ");
        let places: Vec<String> = (1..=columns.len()).map(|place| format!("${place}")).collect();
        let arrays = places.iter().zip(columns).map(|(place, (_, of))| match of {
            Type::Int => format!("{place}::BIGINT[]"),
            Type::Text => format!("{place}::TEXT[]"),
        });
        let arrays: Vec<String> = arrays.collect();
        let types: Vec<Type> = columns.iter().map(|(_, of)| *of).collect();
        // Made once for the life of the program.
        let insert = Each {
            one: format!("INSERT INTO {name} ({names}) VALUES ({})", places.join(", ")).leak(),
            all: format!("INSERT INTO {name} ({names}) SELECT * FROM UNNEST({})", arrays.join(", ")).leak(),
            given: Given::Columns(types.leak()),
        };
        Self { name, columns, select: format!("SELECT {names} FROM {name} ORDER BY 1, 2 LIMIT $1"), insert }
    }
}

/// One value of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Value {
    Int(i64),
    Text(String),
    Null(()),
}

/// The document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Content {
    format: String,
    version: u32,
    /// The simulator's time when it was made.
    pub(crate) at: Timestamp,
    /// Whether the clock stood still there.
    pub(crate) frozen: bool,
    next_payment: i64,
    next_psid: i64,
    tables: BTreeMap<String, Vec<Vec<Value>>>,
}

impl Content {
    /// A simulator that nobody has used.
    pub(crate) fn empty(at: Timestamp) -> Self {
        let tables = TABLES.iter().map(|table| (table.name.to_owned(), Vec::new())).collect();
        Self { format: FORMAT.into(), version: VERSION, at, frozen: false, next_payment: 1, next_psid: 1, tables }
    }

    /// Reads a document that was exported.
    ///
    /// # Errors
    ///
    /// Why it is none, for a person.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Head {
            format: Option<String>,
            version: Option<u32>,
        }
        let head: Head = serde_json::from_str(text).map_err(|error| format!("this is no JSON document: {error}"))?;
        if head.format.as_deref() != Some(FORMAT) {
            return Err(format!("this is no snapshot: its \"format\" is not \"{FORMAT}\""));
        }
        match head.version {
            Some(VERSION) => {}
            Some(newer @ VERSION..) => {
                return Err(format!(
                    "this snapshot has version {newer}, and this simulator reads {VERSION}: use the newer simulator"
                ));
            }
            _ => return Err(format!("this snapshot's version is not {VERSION}")),
        }
        let content: Self = serde_json::from_str(text).map_err(|error| format!("this snapshot is broken: {error}"))?;
        for table in &*TABLES {
            let rows = content.tables.get(table.name).ok_or_else(|| format!("this snapshot has no {}", table.name))?;
            let fits = |row: &Vec<Value>| {
                let fits = |(value, (_, of)): (&Value, &(_, Type))| match value {
                    Value::Null(()) => true,
                    Value::Int(_) => *of == Type::Int,
                    Value::Text(_) => *of == Type::Text,
                };
                row.len() == table.columns.len() && row.iter().zip(table.columns).all(fits)
            };
            if !rows.iter().all(fits) {
                return Err(format!("this snapshot is broken: a row of {} has other columns", table.name));
            }
        }
        Ok(content)
    }
}

/// Makes the document of all that is there, and keeps it under a name if one is given.
pub(crate) struct Export {
    pub(crate) at: Timestamp,
    pub(crate) frozen: bool,
    pub(crate) name: Option<String>,
}

impl Script for Export {
    /// None if there is too much.
    type Answer = Option<Content>;

    async fn run<T: Tx>(&self, tx: &T) -> Result<Option<Content>, StorageError> {
        let mut content = Content { frozen: self.frozen, ..Content::empty(self.at) };
        content.next_payment = tx.counter(Counter::Payments).await?;
        content.next_psid = tx.counter(Counter::Psids).await?;
        let mut room = ROWS_MAX;
        for table in &*TABLES {
            let read = |row: &Row<'_>| {
                let value = |(place, (_, of)): (usize, &(_, Type))| match of {
                    Type::Int => Ok(row.int_or_null(place)?.map_or(Value::Null(()), Value::Int)),
                    Type::Text => {
                        Ok(row.text_or_null(place)?.map_or(Value::Null(()), |text| Value::Text(text.to_owned())))
                    }
                };
                table.columns.iter().enumerate().map(value).collect::<Result<Vec<_>, StorageError>>()
            };
            let limit = i64::try_from(room + 1).unwrap_or(i64::MAX);
            let rows = tx.query(&table.select, &[limit.into()], read).await?;
            let Some(left) = room.checked_sub(rows.len()) else { return Ok(None) };
            room = left;
            content.tables.insert(table.name.to_owned(), rows);
        }
        if let Some(name) = &self.name {
            let text = serde_json::to_string(&content).map_err(contradiction)?;
            let put = "INSERT INTO snapshots (name, at, content) VALUES ($1, $2, $3)
                       ON CONFLICT (name) DO UPDATE SET at = excluded.at, content = excluded.content";
            tx.execute(put, &[name.as_str().into(), self.at.into(), text.as_str().into()]).await?;
        }
        Ok(Some(content))
    }
}

/// Replaces all that is there by a document's content.
pub(crate) struct Import(pub(crate) Content);

impl Script for Import {
    type Answer = ();

    async fn run<T: Tx>(&self, tx: &T) -> Result<(), StorageError> {
        tx.alone().await?;
        for table in &*TABLES {
            tx.execute(&format!("DELETE FROM {}", table.name), &[]).await?;
        }
        tx.execute("DELETE FROM outbox", &[]).await?;
        for table in &*TABLES {
            let rows = self.0.tables.get(table.name).ok_or_else(|| senseless("a snapshot without a table"))?;
            let arg = |value| match value {
                &Value::Int(number) => Arg::Int(number),
                Value::Text(text) => Arg::Text(text),
                Value::Null(()) => Arg::Null,
            };
            let rows: Vec<Vec<Arg<'_>>> = rows.iter().map(|row| row.iter().map(arg).collect()).collect();
            tx.execute_each(&table.insert, &rows).await?;
        }
        // A channel that came with the document has no name and no users yet.
        let channels = "INSERT INTO channels (id, name) SELECT DISTINCT channel, '' FROM payments WHERE true
                        ON CONFLICT (id) DO NOTHING";
        tx.execute(channels, &[]).await?;
        let batches = "UPDATE channels SET batches =
                       COALESCE((SELECT MAX(id) FROM bulk_requests WHERE channel = channels.id), 0)";
        tx.execute(batches, &[]).await?;
        tx.put_counter(Counter::Payments, self.0.next_payment).await?;
        tx.put_counter(Counter::Psids, self.0.next_psid).await
    }
}

/// The names of the saved documents, with the simulator's time when each was made.
pub(crate) struct Saved;

impl Script for Saved {
    type Answer = Vec<(String, Timestamp)>;

    async fn run<T: Tx>(&self, tx: &T) -> Result<Self::Answer, StorageError> {
        let select = "SELECT name, at FROM snapshots ORDER BY name LIMIT 10000";
        tx.query(select, &[], |row| Ok((row.text(0)?.to_owned(), row.time(1)?))).await
    }
}

/// A saved document's text.
pub(crate) struct FindSaved {
    pub(crate) name: String,
}

impl Script for FindSaved {
    type Answer = Option<String>;

    async fn run<T: Tx>(&self, tx: &T) -> Result<Option<String>, StorageError> {
        let select = "SELECT content FROM snapshots WHERE name = $1";
        tx.query_one(select, &[self.name.as_str().into()], |row| Ok(row.text(0)?.to_owned())).await
    }
}

/// Removes a saved document. Says whether there was one.
pub(crate) struct DeleteSaved {
    pub(crate) name: String,
}

impl Script for DeleteSaved {
    type Answer = bool;

    async fn run<T: Tx>(&self, tx: &T) -> Result<bool, StorageError> {
        Ok(tx.execute("DELETE FROM snapshots WHERE name = $1", &[self.name.as_str().into()]).await? > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Content, VERSION};
    use jiff::Timestamp;

    #[test]
    fn only_what_was_exported_is_read() {
        let empty = Content::empty(Timestamp::UNIX_EPOCH);
        let text = serde_json::to_string(&empty).unwrap();
        assert_eq!(Content::read(&text).unwrap(), empty);
        let check = |from: &str, to: &str, why: &str| {
            assert!(text.contains(from), "{from}");
            let error = Content::read(&text.replacen(from, to, 1)).unwrap_err();
            assert!(error.contains(why), "{error}");
        };
        check("{", "", "no JSON");
        check("asaanbill-sim-snapshot", "another", "no snapshot");
        check(&format!("\"version\":{VERSION}"), "\"version\":2", "has version 2");
        check(&format!("\"version\":{VERSION}"), "\"version\":0", "is not 1");
        check("\"payments\":[]", "\"paiments\":[]", "has no payments");
        check("\"payments\":[]", "\"payments\":[[1]]", "a row of payments");
        check("\"attempts\":[]", "\"attempts\":[[\"1\",1,\"genuine\",1,null]]", "a row of attempts");
    }
}
