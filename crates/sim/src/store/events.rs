//! What happened to payments and batches, why, and by which request.

use std::sync::atomic::{AtomicUsize, Ordering};

use asaanbill_core::{BulkRequestId, ChannelId, PaymentId};
use asaanbill_storage::StorageError;
use jiff::Timestamp;

use super::Script;
use super::tx::{Arg, Columns as _, Each, Given, Row, Rows, Tx, id};

/// How many events a store keeps: the newest. A million and a half of a test suite's busiest hours; beyond it the oldest go, and
/// the numbers of those that are left show that there were others.
pub(crate) const EVENTS_MAX: i64 = 100_000;

/// How many of the oldest events are dropped at once.
const DROPPED_AT_ONCE: i64 = 1_000;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) at: Timestamp,
    pub(crate) channel: ChannelId,
    pub(crate) payment: Option<PaymentId>,
    /// A batch, where it happened to all its payments at once.
    pub(crate) bulk_request: Option<BulkRequestId>,
    /// The number of the request that caused it, in the journal of requests.
    pub(crate) request: Option<u64>,
    pub(crate) what: String,
}

/// An event as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Numbered {
    /// Grows by one from event to event: a gap at the beginning is what was dropped.
    pub(crate) number: i64,
    pub(crate) event: Event,
}

const INSERT: Each = Each {
    one: "INSERT INTO events (at, channel, payment, bulk_request, request, what) VALUES ($1, $2, $3, $4, $5, $6)",
    all: "INSERT INTO events (at, channel, payment, bulk_request, request, what)
          SELECT * FROM UNNEST($1::new_event[])",
    given: Given::Rows,
};

/// After how many events of its own a program looks whether a store has too many.
const LOOKED_AFTER: usize = 500;

/// How many events this program has stored since it looked.
#[derive(Debug, Default)]
pub(crate) struct History(AtomicUsize);

impl History {
    /// Counts events, and says whether it is time to look.
    pub(crate) fn is_long(&self, new: usize) -> bool {
        let long = self.0.fetch_add(new, Ordering::Relaxed) + new >= LOOKED_AFTER;
        if long {
            self.0.store(0, Ordering::Relaxed);
        }
        long
    }
}

/// Events as they are stored.
pub(super) fn rows(events: &[Event]) -> Rows<'_> {
    let rows = events.iter().map(|event| {
        let Event { at, channel, payment, bulk_request, request, what } = event;
        vec![
            (*at).into(),
            i64::from(*channel).into(),
            payment.map(i64::from).into(),
            bulk_request.map(i64::from).into(),
            request.and_then(|number| i64::try_from(number).ok()).into(),
            Arg::Text(what),
        ]
    });
    Rows { statement: &INSERT, rows: rows.collect() }
}

/// Drops the oldest events if there are too many.
#[derive(Debug)]
pub(super) struct Trim;

impl Script for Trim {
    type Answer = ();

    async fn run<T: Tx>(&self, tx: &T) -> Result<(), StorageError> {
        // Each end by itself comes from the end of the index; both in one query are found by walking through all events.
        let ends = "SELECT COALESCE((SELECT MIN(id) FROM events), 0), COALESCE((SELECT MAX(id) FROM events), 0)";
        let ends = tx.query_one(ends, &[], |row| Ok((row.int(0)?, row.int(1)?))).await?;
        if let Some((first, last)) = ends
            && last - first >= EVENTS_MAX + DROPPED_AT_ONCE
        {
            tx.execute("DELETE FROM events WHERE id <= $1", &[(last - EVENTS_MAX).into()]).await?;
        }
        Ok(())
    }
}

const COLUMNS: &str = "id, at, channel, payment, bulk_request, request, what";

fn numbered(row: &Row<'_>) -> Result<Numbered, StorageError> {
    let number = |column| row.int_or_null(column);
    let event = Event {
        at: row.time(1)?,
        channel: id(row, 2)?,
        payment: number(3)?.map(PaymentId::try_from).transpose().map_err(super::tx::contradiction)?,
        bulk_request: number(4)?.map(BulkRequestId::try_from).transpose().map_err(super::tx::contradiction)?,
        request: number(5)?.and_then(|number| u64::try_from(number).ok()),
        what: row.text(6)?.to_owned(),
    };
    Ok(Numbered { number: row.int(0)?, event })
}

/// The events after a number, oldest first.
pub(crate) struct Events {
    pub(crate) after: i64,
    pub(crate) limit: u32,
}

impl Script for Events {
    type Answer = Vec<Numbered>;

    async fn run<T: Tx>(&self, tx: &T) -> Result<Vec<Numbered>, StorageError> {
        let select = format!("SELECT {COLUMNS} FROM events WHERE id > $1 ORDER BY id LIMIT $2");
        tx.query(&select, &[self.after.into(), self.limit.into()], numbered).await
    }
}

/// What happened to one payment, its batch's events among them, oldest first.
pub(crate) struct HistoryOf {
    pub(crate) payment: PaymentId,
}

/// More than this happens to a template alone, which payers may pay for years.
const HISTORY_MAX: i64 = 1_000;

impl Script for HistoryOf {
    type Answer = Vec<Numbered>;

    async fn run<T: Tx>(&self, tx: &T) -> Result<Vec<Numbered>, StorageError> {
        let payment = [i64::from(self.payment).into(), HISTORY_MAX.into()];
        let select = format!("SELECT {COLUMNS} FROM events WHERE payment = $1 ORDER BY id LIMIT $2");
        let mut found = tx.query(&select, &payment, numbered).await?;
        let place = "SELECT channel, bulk_request FROM payments WHERE id = $1 AND bulk_request IS NOT NULL";
        let place = tx.query_one(place, &payment[..1], |row| Ok((row.int(0)?, row.int(1)?))).await?;
        if let Some((channel, batch)) = place {
            let select = format!(
                "SELECT {COLUMNS} FROM events WHERE bulk_request = $1 AND channel = $2 AND payment IS NULL
                 ORDER BY id LIMIT $3"
            );
            found.extend(tx.query(&select, &[batch.into(), channel.into(), HISTORY_MAX.into()], numbered).await?);
            found.sort_by_key(|numbered| numbered.number);
        }
        Ok(found)
    }
}
