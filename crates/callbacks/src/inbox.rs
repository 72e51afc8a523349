//! The durable inbox: what came, and what is to be handled once.

use asaanbill_storage::rusqlite::{Connection, OptionalExtension as _, params};
use asaanbill_storage::{Migration, Sqlite, StorageError};
use jiff::Timestamp;

use crate::handler::Effect;

pub(crate) const MIGRATIONS: &[Migration] = &[Migration { version: 1, name: "inbox", sql: include_str!("schema.sql") }];

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
    /// How often the hub was asked about it.
    pub attempts: u32,
}

/// A call-back that the hub is to be asked about.
pub(crate) struct Open {
    pub(crate) id: i64,
    pub(crate) path: String,
    pub(crate) body: String,
    pub(crate) attempts: u32,
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

impl Inbox {
    pub(crate) fn new(store: Sqlite) -> Self {
        Self(store)
    }

    /// Stores a call-back; once this resolves it is durable.
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
        self.0
            .read(move |db| {
                let mut select = db.prepare_cached(
                    "SELECT due_at, id, path, body, attempts FROM receipts WHERE state = 'received'
                     ORDER BY due_at, id LIMIT 1",
                )?;
                let next = select.query_row([], |row| {
                    let open = Open { id: row.get(1)?, path: row.get(2)?, body: row.get(3)?, attempts: row.get(4)? };
                    Ok((row.get(0)?, open))
                });
                Ok(due(next.optional()?, now))
            })
            .await
    }

    /// Asks again later.
    pub(crate) async fn defer(&self, id: i64, counts: bool, until: Timestamp) -> Result<(), StorageError> {
        let update = move |tx: &Connection| {
            tx.execute(
                "UPDATE receipts SET attempts = attempts + ?1, due_at = ?2 WHERE id = ?3",
                params![u32::from(counts), until.as_microsecond(), id],
            )?;
            Ok(())
        };
        self.0.write(update).await
    }

    /// The hub doesn't confirm it.
    pub(crate) async fn close(&self, id: i64, state: ReceiptState) -> Result<(), StorageError> {
        self.0.write(move |tx| set_state(tx, id, state)).await
    }

    /// The hub confirms it: the first of these effects that no other call-back had becomes this one's, in the same
    /// transaction. Says what became of it.
    pub(crate) async fn confirm(
        &self,
        id: i64,
        effects: Vec<Effect>,
        now: Timestamp,
    ) -> Result<ReceiptState, StorageError> {
        let confirm = move |tx: &Connection| {
            let mut insert = tx.prepare_cached(
                "INSERT INTO effects (key, receipt, due_at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            )?;
            for effect in effects {
                if insert.execute(params![effect.key(), id, now.as_microsecond()])? == 1 {
                    set_state(tx, id, ReceiptState::Confirmed)?;
                    return Ok(ReceiptState::Confirmed);
                }
            }
            set_state(tx, id, ReceiptState::Duplicate)?;
            Ok(ReceiptState::Duplicate)
        };
        self.0.write(confirm).await
    }

    /// The effect that waits longest to be handled.
    pub(crate) async fn next_unhandled(&self, now: Timestamp) -> Result<Due<Unhandled>, StorageError> {
        self.0
            .read(move |db| {
                let mut select = db.prepare_cached(
                    "SELECT due_at, key, attempts FROM effects WHERE handled_at IS NULL ORDER BY due_at LIMIT 1",
                )?;
                let next: Option<(i64, String, u32)> =
                    select.query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
                let next = next.and_then(|(at, key, attempts)| {
                    Effect::from_key(&key).map(|effect| (at, Unhandled { effect, attempts }))
                });
                Ok(due(next, now))
            })
            .await
    }

    pub(crate) async fn handled(&self, effect: Effect, now: Timestamp) -> Result<(), StorageError> {
        let update = move |tx: &Connection| {
            tx.execute(
                "UPDATE effects SET handled_at = ?1 WHERE key = ?2",
                params![now.as_microsecond(), effect.key()],
            )?;
            Ok(())
        };
        self.0.write(update).await
    }

    pub(crate) async fn handle_later(&self, effect: Effect, until: Timestamp) -> Result<(), StorageError> {
        let update = move |tx: &Connection| {
            tx.execute(
                "UPDATE effects SET attempts = attempts + 1, due_at = ?1 WHERE key = ?2",
                params![until.as_microsecond(), effect.key()],
            )?;
            Ok(())
        };
        self.0.write(update).await
    }

    /// All call-backs that were acknowledged, oldest first.
    pub(crate) async fn receipts(&self) -> Result<Vec<Receipt>, StorageError> {
        self.0
            .read(|db| {
                let mut select = db.prepare_cached("SELECT id, path, state, attempts FROM receipts ORDER BY id")?;
                let rows = select.query_map([], |row| {
                    let state = row.get_ref(2)?.as_str()?;
                    let state = ReceiptState::ALL.into_iter().find(|known| known.as_str() == state);
                    let state = state.unwrap_or(ReceiptState::Received);
                    Ok(Receipt { id: row.get(0)?, path: row.get(1)?, state, attempts: row.get(3)? })
                })?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }
}

fn set_state(tx: &Connection, id: i64, state: ReceiptState) -> Result<(), StorageError> {
    let mut update = tx.prepare_cached("UPDATE receipts SET state = ?1, attempts = attempts + 1 WHERE id = ?2")?;
    update.execute(params![state.as_str(), id])?;
    Ok(())
}

fn due<T>(next: Option<(i64, T)>, now: Timestamp) -> Due<T> {
    match next {
        None => Due::Never,
        Some((at, value)) if at <= now.as_microsecond() => Due::Now(value),
        Some((at, _)) => Due::At(Timestamp::from_microsecond(at).unwrap_or(now)),
    }
}
