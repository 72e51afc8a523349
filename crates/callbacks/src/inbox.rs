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
            let mut select = tx.prepare_cached("SELECT state = 'received' FROM receipts WHERE id = ?1")?;
            // The last write of an earlier worker may come after it has ended: then the effect is this call-back's already.
            if !select.query_row([id], |row| row.get::<_, bool>(0))? {
                return Ok(true);
            }
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
    const UPDATE: &str = "UPDATE receipts SET state = ?1, attempts = attempts + 1 WHERE id = ?2 AND state = 'received'";
    let mut update = tx.prepare_cached(UPDATE)?;
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

#[cfg(test)]
mod tests {
    use asaanbill_storage::{Location, Sqlite, StorageError};
    use futures_util::future::try_join_all;
    use jiff::Timestamp;

    use super::{Again, Due, Inbox, MIGRATIONS, NEXT_OPEN, NEXT_UNHANDLED, RECEIPTS_MAX, ReceiptState};
    use crate::handler::Effect;

    const NOW: Timestamp = Timestamp::constant(1_753_900_000, 0);

    fn inbox() -> Inbox {
        Inbox::new(Sqlite::open(&Location::Memory, MIGRATIONS).unwrap())
    }

    fn effect(kind: &str, record: i64) -> Effect {
        Effect::from_columns(kind, 23, record).unwrap()
    }

    async fn run(inbox: &Inbox, sql: String) -> Result<(), StorageError> {
        inbox.0.write(move |tx| Ok(tx.execute_batch(&sql)?)).await
    }

    /// The worker's questions cost the same however many rows are done with.
    #[tokio::test]
    async fn what_is_next_is_found_by_an_index_alone() {
        for (query, index) in [(NEXT_OPEN, "receipts_due"), (NEXT_UNHANDLED, "effects_due")] {
            let inbox = inbox();
            let plan = inbox.0.read(move |db| {
                let mut explain = db.prepare(&format!("EXPLAIN QUERY PLAN {query}"))?;
                let steps = explain.query_map([], |row| row.get::<_, String>("detail"))?;
                Ok::<_, StorageError>(steps.collect::<Result<Vec<_>, _>>()?)
            });
            let plan = plan.await.unwrap().join("; ");
            assert!(plan.contains(&format!("INDEX {index}")), "{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "nothing is sorted: {plan}");
        }
    }

    #[tokio::test]
    async fn the_list_is_the_latest_and_has_an_end() {
        let inbox = inbox();
        let count = i64::from(RECEIPTS_MAX) + 7;
        try_join_all((0..count).map(|_| inbox.receive("/processed", "{}".into(), NOW))).await.unwrap();
        let ids: Vec<_> = inbox.receipts().await.unwrap().into_iter().map(|receipt| receipt.id).collect();
        assert_eq!(ids, (8..=count).collect::<Vec<_>>());
    }

    /// A row that can't be read would be the first for ever.
    #[tokio::test]
    async fn there_is_no_effect_that_cannot_be_read() {
        let inbox = inbox();
        inbox.receive("/processed", "{}".into(), NOW).await.unwrap();
        for values in
            ["'refund', 23, 7", "'payment', 0, 7", "'payment', 23, -7", "'payment', 23, 'x'", "'bulk', 23, NULL"]
        {
            let insert =
                format!("INSERT INTO effects (kind, channel, record, receipt, due_at) VALUES ({values}, 1, 0)");
            assert!(run(&inbox, insert).await.is_err(), "{values}");
        }
        assert!(matches!(inbox.next_unhandled(NOW).await.unwrap(), Due::Never));
    }

    #[tokio::test]
    async fn an_effect_is_claimed_once() {
        let inbox = inbox();
        for _ in 0..3 {
            inbox.receive("/processed", "{}".into(), NOW).await.unwrap();
        }
        let effects = || vec![effect("payment", 1), effect("payment", 2)];
        assert!(inbox.claim(1, effects(), NOW).await.unwrap());
        assert!(inbox.claim(1, effects(), NOW).await.unwrap(), "it has its own");
        assert!(inbox.claim(2, effects(), NOW).await.unwrap());
        assert!(!inbox.claim(3, effects(), NOW).await.unwrap());
        inbox.close(3, ReceiptState::Duplicate).await.unwrap();
        // An earlier worker's word comes too late.
        inbox.close(1, ReceiptState::Rejected).await.unwrap();
        inbox.defer(2, Again::NotYet, NOW).await.unwrap();
        let states: Vec<_> = inbox.receipts().await.unwrap().into_iter().map(|receipt| receipt.state).collect();
        assert_eq!(states, [ReceiptState::Confirmed, ReceiptState::Confirmed, ReceiptState::Duplicate]);

        for expected in [1, 2] {
            let Due::Now(next) = inbox.next_unhandled(NOW).await.unwrap() else { panic!("an effect") };
            assert_eq!(next.effect, effect("payment", expected));
            inbox.handled(next.effect, NOW).await.unwrap();
        }
        assert!(matches!(inbox.next_unhandled(NOW).await.unwrap(), Due::Never));
        assert!(matches!(inbox.next_open(NOW).await.unwrap(), Due::Never));
    }

    #[test]
    fn keys_are_read_back_from_their_columns() {
        for (kind, key) in [("payment", "payment/23/7"), ("bulk", "bulk/23/7")] {
            let effect = effect(kind, 7);
            let (kind, channel, record) = effect.columns();
            assert_eq!((effect.key(), Effect::from_columns(kind, channel, record)), (key.into(), Some(effect)));
        }
        assert_eq!(Effect::from_columns("refund", 23, 7), None);
        assert_eq!(Effect::from_columns("payment", 23, 0), None);
    }
}
