//! The durable inbox: what came, and what is to be handled once.

use asaanbill_storage::rusqlite::types::FromSqlError;
use asaanbill_storage::rusqlite::{Connection, OptionalExtension as _, Row, params};
use asaanbill_storage::{Migration, Sqlite, StorageError, rusqlite};
use jiff::Timestamp;

use crate::handler::Effect;

pub(crate) const MIGRATIONS: &[Migration] = &[Migration { version: 1, name: "inbox", sql: include_str!("schema.sql") }];

/// The most call-backs that are listed at once: an inbox keeps all that ever came.
pub const RECEIPTS_MAX: u32 = 1_000;

/// What became of a call-back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReceiptState {
    /// Acknowledged, and not yet confirmed.
    Received,
    /// The hub's records confirm it: its effect is handled, or will be.
    Confirmed,
    /// The hub's records confirm it, and an earlier call-back had the same effect.
    Duplicate,
    /// The hub's records show a payment of other amounts: held for a person to look at.
    Mismatch,
    /// The hub knows nothing of the kind: most likely forged.
    Rejected,
    /// The hub still doesn't show it as paid after all attempts.
    Unconfirmed,
}

impl ReceiptState {
    const ALL: [Self; 6] =
        [Self::Received, Self::Confirmed, Self::Duplicate, Self::Mismatch, Self::Rejected, Self::Unconfirmed];

    fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Confirmed => "confirmed",
            Self::Duplicate => "duplicate",
            Self::Mismatch => "mismatch",
            Self::Rejected => "rejected",
            Self::Unconfirmed => "unconfirmed",
        }
    }
}

/// One call-back that was acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// Its number in the inbox.
    pub id: i64,
    /// The path it came to.
    pub path: String,
    /// What became of it.
    pub state: ReceiptState,
    /// How often it was looked into. A time when the hub couldn't be asked doesn't count.
    pub attempts: u32,
}

/// A call-back that the hub is to be asked about.
pub(crate) struct Open {
    pub(crate) id: i64,
    pub(crate) path: String,
    pub(crate) body: String,
    pub(crate) attempts: u32,
    /// How often the hub knew nothing of the kind.
    pub(crate) unknowns: u32,
    /// How often the hub couldn't be asked.
    pub(crate) failures: u32,
}

/// Why the hub is to be asked again.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Again {
    /// It doesn't show it yet.
    NotYet,
    /// It knows nothing of the kind.
    Unknown,
    /// It couldn't be asked, which doesn't use up an attempt.
    Unasked,
}

/// An effect that is to be handled.
pub(crate) struct Unhandled {
    pub(crate) effect: Effect,
    pub(crate) attempts: u32,
}

/// When the next thing is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due<T> {
    Now(T),
    At(Timestamp),
    Never,
}

#[derive(Clone, Debug)]
pub(crate) struct Inbox(Sqlite);

const NEXT_OPEN: &str = "SELECT due_at, id, path, body, attempts, unknowns, failures FROM receipts
    WHERE state = 'received' ORDER BY due_at, id LIMIT 1";

const NEXT_UNHANDLED: &str = "SELECT due_at, kind, channel, record, attempts FROM effects
    WHERE handled_at IS NULL ORDER BY due_at LIMIT 1";

impl Inbox {
    pub(crate) fn new(store: Sqlite) -> Self {
        Self(store)
    }

    /// Stores a call-back; once this resolves it is durable.
    ///
    /// Cancellation: it is stored or not.
    pub(crate) async fn receive(&self, path: &'static str, body: String, now: Timestamp) -> Result<(), StorageError> {
        let insert = move |tx: &Connection| {
            let mut insert =
                tx.prepare_cached("INSERT INTO receipts (path, body, received_at, due_at) VALUES (?1, ?2, ?3, ?3)")?;
            insert.execute(params![path, body, now.as_microsecond()])?;
            Ok(())
        };
        self.0.write(insert).await
    }

    /// The call-back that waits longest to be confirmed.
    pub(crate) async fn next_open(&self, now: Timestamp) -> Result<Due<Open>, StorageError> {
        let read = |row: &Row<'_>| {
            Ok(Open {
                id: row.get("id")?,
                path: row.get("path")?,
                body: row.get("body")?,
                attempts: row.get("attempts")?,
                unknowns: row.get("unknowns")?,
                failures: row.get("failures")?,
            })
        };
        self.0.read(move |db| next(db, NEXT_OPEN, now, read)).await
    }

    /// Asks again later.
    pub(crate) async fn defer(&self, id: i64, why: Again, until: Timestamp) -> Result<(), StorageError> {
        let update = match why {
            Again::NotYet => "UPDATE receipts SET due_at = ?1, attempts = attempts + 1 WHERE id = ?2",
            Again::Unknown => {
                "UPDATE receipts SET due_at = ?1, attempts = attempts + 1, unknowns = unknowns + 1 WHERE id = ?2"
            }
            Again::Unasked => "UPDATE receipts SET due_at = ?1, failures = failures + 1 WHERE id = ?2",
        };
        let update = move |tx: &Connection| {
            tx.prepare_cached(update)?.execute(params![until.as_microsecond(), id])?;
            Ok(())
        };
        self.0.write(update).await
    }

    /// It ends here.
    pub(crate) async fn close(&self, id: i64, state: ReceiptState) -> Result<(), StorageError> {
        self.0.write(move |tx| set_state(tx, id, state)).await
    }

    /// The hub's records confirm it: the first of these effects that no other call-back had becomes this one's, and it is
    /// confirmed, in one transaction. Says whether there was one; if not, nothing has changed.
    pub(crate) async fn claim(&self, id: i64, effects: Vec<Effect>, now: Timestamp) -> Result<bool, StorageError> {
        let claim = move |tx: &Connection| {
            let mut insert = tx.prepare_cached(
                "INSERT INTO effects (kind, channel, record, receipt, due_at) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO NOTHING",
            )?;
            for effect in effects {
                let (kind, channel, record) = effect.columns();
                if insert.execute(params![kind, channel, record, id, now.as_microsecond()])? == 1 {
                    set_state(tx, id, ReceiptState::Confirmed)?;
                    return Ok(true);
                }
            }
            Ok(false)
        };
        self.0.write(claim).await
    }

    /// The effect that waits longest to be handled.
    pub(crate) async fn next_unhandled(&self, now: Timestamp) -> Result<Due<Unhandled>, StorageError> {
        let read = |row: &Row<'_>| {
            let effect = Effect::from_columns(row.get_ref("kind")?.as_str()?, row.get("channel")?, row.get("record")?);
            Ok(Unhandled { effect: effect.ok_or(FromSqlError::InvalidType)?, attempts: row.get("attempts")? })
        };
        self.0.read(move |db| next(db, NEXT_UNHANDLED, now, read)).await
    }

    pub(crate) async fn handled(&self, effect: Effect, now: Timestamp) -> Result<(), StorageError> {
        self.set_effect(effect, "handled_at = ?1", now).await
    }

    pub(crate) async fn handle_later(&self, effect: Effect, until: Timestamp) -> Result<(), StorageError> {
        self.set_effect(effect, "attempts = attempts + 1, due_at = ?1", until).await
    }

    async fn set_effect(&self, effect: Effect, change: &'static str, at: Timestamp) -> Result<(), StorageError> {
        let update = move |tx: &Connection| {
            let (kind, channel, record) = effect.columns();
            let update = format!("UPDATE effects SET {change} WHERE kind = ?2 AND channel = ?3 AND record = ?4");
            tx.prepare_cached(&update)?.execute(params![at.as_microsecond(), kind, channel, record])?;
            Ok(())
        };
        self.0.write(update).await
    }

    /// The latest [`RECEIPTS_MAX`] call-backs that were acknowledged, oldest first.
    pub(crate) async fn receipts(&self) -> Result<Vec<Receipt>, StorageError> {
        self.0
            .read(|db| {
                let mut select =
                    db.prepare_cached("SELECT id, path, state, attempts FROM receipts ORDER BY id DESC LIMIT ?1")?;
                let rows = select.query_map([RECEIPTS_MAX], |row| {
                    let state = row.get_ref("state")?.as_str()?;
                    let state = ReceiptState::ALL.into_iter().find(|known| known.as_str() == state);
                    let state = state.ok_or(FromSqlError::InvalidType)?;
                    Ok(Receipt { id: row.get("id")?, path: row.get("path")?, state, attempts: row.get("attempts")? })
                })?;
                let mut receipts = rows.collect::<Result<Vec<_>, _>>()?;
                receipts.reverse();
                Ok(receipts)
            })
            .await
    }
}

fn set_state(tx: &Connection, id: i64, state: ReceiptState) -> Result<(), StorageError> {
    let mut update = tx.prepare_cached("UPDATE receipts SET state = ?1, attempts = attempts + 1 WHERE id = ?2")?;
    update.execute(params![state.as_str(), id])?;
    Ok(())
}

/// The first row of a query that is sorted by its column `due_at`.
fn next<T>(
    db: &Connection,
    query: &str,
    now: Timestamp,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Due<T>, StorageError> {
    let first = db.prepare_cached(query)?.query_row([], |row| Ok((row.get("due_at")?, read(row)?))).optional()?;
    Ok(match first {
        None => Due::Never,
        Some((at, value)) if at <= now.as_microsecond() => Due::Now(value),
        Some((at, _)) => Due::At(Timestamp::from_microsecond(at).unwrap_or(now)),
    })
}
