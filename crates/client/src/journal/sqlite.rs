//! A journal on the disk.

mod text;

use std::fmt;
use std::path::Path;

use asaanbill_core::{BulkRequestId, Identifier, PaymentId};
use asaanbill_storage::rusqlite::{Connection, OptionalExtension as _, Row, params};
use asaanbill_storage::{Location, Migration, Sqlite, StorageError};
use async_trait::async_trait;
use jiff::Timestamp;

use super::{Begun, ChunkKey, ChunkRecord, ChunkState, Closed, Digest, Draft, Journal, JournalError, Known};
use crate::intent::{Intent, IntentId, Wanted};

const MIGRATIONS: &[Migration] = &[Migration { version: 1, name: "intents", sql: include_str!("schema.sql") }];

/// Keeps intents in a SQLite file: what is noted is on the disk before it is sent, and is there after a kill or a loss of
/// power. Several programs may share a file. Cheap to clone.
///
/// The file holds payers' data for as long as an intent is open, and identifiers, PSIDs and the hub's words on refused rows
/// for good: keep it as safe as your own records.
#[derive(Clone)]
pub struct SqliteJournal {
    store: Sqlite,
}

impl SqliteJournal {
    /// Opens a file, and makes it where there is none. Blocks for some milliseconds; starts one thread.
    ///
    /// # Errors
    ///
    /// [`JournalError`] if it can't be opened, or was written by a newer version.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, JournalError> {
        Self::at(&Location::File(path.as_ref().to_owned()))
    }

    /// In memory, gone when the last clone is dropped: for tests.
    ///
    /// # Errors
    ///
    /// [`JournalError`] if SQLite fails.
    pub fn in_memory() -> Result<Self, JournalError> {
        Self::at(&Location::Memory)
    }

    fn at(location: &Location) -> Result<Self, JournalError> {
        let store = Sqlite::open(location, MIGRATIONS)
            .map_err(|error| JournalError::new("its file can't be opened; the cause says why").caused(error))?;
        Ok(Self { store })
    }
}

#[async_trait]
impl Journal for SqliteJournal {
    async fn begin(&self, draft: Draft) -> Result<Begun, JournalError> {
        self.store.write(move |tx| begin(tx, draft)).await.map_err(Failed::into_error)
    }

    async fn close(&self, intent: IntentId, how: Closed) -> Result<(), JournalError> {
        self.store.write(move |tx| close(tx, intent, &how)).await.map_err(Failed::into_error)
    }

    async fn open(&self, after: Option<IntentId>, limit: usize) -> Result<Vec<Intent>, JournalError> {
        let after = after.map_or(0, number);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let read = move |db: &Connection| {
            let sql = format!("SELECT {INTENT} FROM intents WHERE state = 'open' AND id > ?1 ORDER BY id LIMIT ?2");
            let mut statement = db.prepare_cached(&sql)?;
            let mut rows = statement.query(params![after, limit])?;
            let mut intents = Vec::new();
            while let Some(row) = rows.next()? {
                intents.push(intent(row)?);
            }
            Ok(intents)
        };
        self.store.read(read).await.map_err(Failed::into_error)
    }

    async fn known(&self, identifier: &Identifier) -> Result<Option<Known>, JournalError> {
        let identifier = identifier.clone();
        self.store.read(move |db| known(db, &identifier)).await.map_err(Failed::into_error)
    }

    async fn has_batch(&self, batch: BulkRequestId) -> Result<bool, JournalError> {
        let read = move |db: &Connection| {
            let sql = "SELECT EXISTS (SELECT 1 FROM intents WHERE batch = ?1)";
            Ok::<_, Failed>(db.prepare_cached(sql)?.query_row([i64::from(batch)], |row| row.get(0))?)
        };
        self.store.read(read).await.map_err(Failed::into_error)
    }

    async fn chunk(&self, chunk: &ChunkKey) -> Result<Option<ChunkRecord>, JournalError> {
        let key = chunk.clone();
        self.store.read(move |db| chunk_record(db, &key)).await.map_err(Failed::into_error)
    }
}

/// The columns of an intent.
const INTENT: &str = "id, sent_at, kind, body, previous";

fn begin(tx: &Connection, draft: Draft) -> Result<Begun, Failed> {
    let Draft { wanted, sent_at, chunk } = draft;
    if let Some((key, _)) = &chunk
        && let Some(done) = chunk_record(tx, key)?.filter(ChunkRecord::is_added)
    {
        return Ok(Begun::Done(done));
    }
    let identifiers = wanted.identifiers();
    for identifier in &identifiers {
        let sql = "SELECT intent FROM taken WHERE identifier = ?1";
        let by: Option<i64> = tx.prepare_cached(sql)?.query_row([identifier.as_str()], |row| row.get(0)).optional()?;
        if let Some(by) = by {
            return Ok(Begun::Open(intent_by(tx, by)?));
        }
    }
    let known = match &wanted {
        Wanted::Add(_) => identifiers.first().map(|identifier| known(tx, identifier)).transpose()?.flatten(),
        Wanted::AddBulk(_) => None,
    };
    let previous = known.and_then(|known| known.payment);
    let (kind, body) = text::write(&wanted)?;
    let count = i64::try_from(wanted.count()).unwrap_or(i64::MAX);
    tx.prepare_cached("INSERT INTO intents (sent_at, kind, body, previous, rows) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![sent_at.as_microsecond(), kind, body, previous.map(i64::from), count])?;
    let id = tx.last_insert_rowid();
    // An identifier that a batch has twice is taken once.
    let mut take = tx.prepare_cached("INSERT OR IGNORE INTO taken (identifier, intent) VALUES (?1, ?2)")?;
    for identifier in &identifiers {
        take.execute(params![identifier.as_str(), id])?;
    }
    if let Some((ChunkKey { import, position }, digest)) = chunk {
        let sql = "INSERT OR REPLACE INTO chunks (import, position, digest, intent) VALUES (?1, ?2, ?3, ?4)";
        let position = i64::try_from(position).unwrap_or(i64::MAX);
        tx.prepare_cached(sql)?.execute(params![import, position, digest, id])?;
    }
    // As it will be read again: to the microsecond.
    let sent_at = Timestamp::from_microsecond(sent_at.as_microsecond()).map_err(|_| Failed::Broken("a time"))?;
    let id = IntentId(u64::try_from(id).map_err(|_| Failed::Broken("a number"))?);
    Ok(Begun::Noted(Intent { id, sent_at, wanted, previous }, known))
}

fn close(tx: &Connection, id: IntentId, how: &Closed) -> Result<(), Failed> {
    let sql = format!("SELECT {INTENT} FROM intents WHERE id = ?1 AND state = 'open'");
    let mut statement = tx.prepare_cached(&sql)?;
    let mut rows = statement.query([number(id)])?;
    let Some(row) = rows.next()? else { return Ok(()) };
    let open = intent(row)?;
    if let (Closed::Added(known), Wanted::Add(new)) = (how, &open.wanted)
        && let Some(identifier) = new.identifier()
    {
        let psid = known.psid.map(|psid| psid.to_string());
        tx.prepare_cached("INSERT OR REPLACE INTO known (identifier, psid, payment) VALUES (?1, ?2, ?3)")?
            .execute(params![identifier.as_str(), psid, known.payment.map(i64::from)])?;
    }
    let (state, batch, exceptions) = text::write_closed(how)?;
    let known = match how {
        Closed::Added(known) => *known,
        _ => Known { psid: None, payment: None },
    };
    let sql =
        "UPDATE intents SET state = ?2, batch = ?3, exceptions = ?4, psid = ?5, payment = ?6, body = '' WHERE id = ?1";
    let (psid, payment) = (known.psid.map(|psid| psid.to_string()), known.payment.map(i64::from));
    tx.prepare_cached(sql)?.execute(params![number(id), state, batch, exceptions, psid, payment])?;
    tx.prepare_cached("DELETE FROM taken WHERE intent = ?1")?.execute([number(id)])?;
    Ok(())
}

fn known(db: &Connection, identifier: &Identifier) -> Result<Option<Known>, Failed> {
    let mut statement = db.prepare_cached("SELECT psid, payment FROM known WHERE identifier = ?1")?;
    let mut rows = statement.query([identifier.as_str()])?;
    rows.next()?.map(|row| known_at(row, 0)).transpose()
}

/// A PSID and a payment's number, from this column on.
fn known_at(row: &Row<'_>, column: usize) -> Result<Known, Failed> {
    let (psid, payment): (Option<String>, Option<i64>) = (row.get(column)?, row.get(column + 1)?);
    Ok(Known {
        psid: psid.and_then(|psid| psid.parse().ok()),
        payment: payment.and_then(|id| PaymentId::try_from(id).ok()),
    })
}

fn chunk_record(db: &Connection, key: &ChunkKey) -> Result<Option<ChunkRecord>, Failed> {
    let sql = "SELECT c.digest, i.id, i.rows, i.state, i.batch, i.exceptions, i.psid, i.payment
               FROM chunks c JOIN intents i ON i.id = c.intent WHERE c.import = ?1 AND c.position = ?2";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params![key.import, i64::try_from(key.position).unwrap_or(i64::MAX)])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let digest: Digest = row.get(0)?;
    let count: i64 = row.get(2)?;
    let state: String = row.get(3)?;
    let state = if state == "open" {
        ChunkState::Open(intent_by(db, row.get(1)?)?)
    } else {
        ChunkState::Closed(text::read_closed(
            &state,
            row.get(4)?,
            row.get::<_, Option<String>>(5)?.as_deref(),
            known_at(row, 6)?,
        )?)
    };
    Ok(Some(ChunkRecord { rows: usize::try_from(count).map_err(|_| Failed::Broken("a count"))?, digest, state }))
}

fn intent_by(db: &Connection, id: i64) -> Result<Intent, Failed> {
    let sql = format!("SELECT {INTENT} FROM intents WHERE id = ?1");
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query([id])?;
    intent(rows.next()?.ok_or(Failed::Broken("an identifier without its intent"))?)
}

fn intent(row: &Row<'_>) -> Result<Intent, Failed> {
    let id: i64 = row.get(0)?;
    let kind: String = row.get(2)?;
    let body: String = row.get(3)?;
    let previous: Option<i64> = row.get(4)?;
    Ok(Intent {
        id: IntentId(u64::try_from(id).map_err(|_| Failed::Broken("a number"))?),
        sent_at: Timestamp::from_microsecond(row.get(1)?).map_err(|_| Failed::Broken("a time"))?,
        wanted: text::read(&kind, &body)?,
        previous: previous.and_then(|id| PaymentId::try_from(id).ok()),
    })
}

fn number(id: IntentId) -> i64 {
    i64::try_from(id.0).unwrap_or(i64::MAX)
}

/// Why a transaction failed.
enum Failed {
    Storage(StorageError),
    /// The file holds what this program never wrote.
    Broken(&'static str),
}

impl Failed {
    fn into_error(self) -> JournalError {
        match self {
            Self::Storage(error) => JournalError::new("its store failed; the cause says what to do").caused(error),
            Self::Broken(what) => JournalError::new(
                "its file is damaged; keep a copy, and look into the hub for bills that it may have noted",
            )
            .caused(what),
        }
    }
}

impl From<StorageError> for Failed {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl From<asaanbill_storage::rusqlite::Error> for Failed {
    fn from(error: asaanbill_storage::rusqlite::Error) -> Self {
        Self::Storage(error.into())
    }
}

impl fmt::Debug for SqliteJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteJournal").field("store", &self.store).finish()
    }
}
