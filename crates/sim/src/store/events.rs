//! What happened to payments and batches, why, and by which request.

use std::sync::atomic::{AtomicUsize, Ordering};

use asaanbill_core::{BulkRequestId, ChannelId, PaymentId};
use asaanbill_storage::StorageError;
use jiff::Timestamp;

use super::Script;
use super::tx::{Arg, Columns as _, Each, Given, Row, Rows, Tx, contradiction, id, senseless};

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

/// After how many events of its own, roughly, a program looks whether a store has too many.
const LOOKED_AFTER: usize = 1_000;

/// About how many events this program has stored since it looked.
#[derive(Debug, Default)]
pub(crate) struct History(AtomicUsize);

impl History {
    /// Counts what may have been stored, and says whether it is time to look.
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
pub(crate) struct Trim;

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

const COLUMNS: &str = "id, at, channel, payment, bulk_request, request, what, several";

/// What a row tells: one event, or those of several payments.
fn numbered(row: &Row<'_>) -> Result<Vec<Numbered>, StorageError> {
    let (at, what) = (row.time(1)?, row.text(6)?);
    if let Some(several) = row.text_or_null(7)? {
        return several.split(BETWEEN_EVENTS).map(|event| one_of_several(event, at, what)).collect();
    }
    let number = |column| row.int_or_null(column);
    let event = Event {
        at,
        channel: id(row, 2)?,
        payment: number(3)?.map(PaymentId::try_from).transpose().map_err(contradiction)?,
        bulk_request: number(4)?.map(BulkRequestId::try_from).transpose().map_err(contradiction)?,
        request: number(5)?.and_then(|number| u64::try_from(number).ok()),
        what: what.to_owned(),
    };
    Ok(vec![Numbered { number: row.int(0)?, event }])
}

/// What stands between the events in `several`, and between the numbers of each: the event's, its payment, its channel, and the request
/// if there was one.
pub(super) const BETWEEN_EVENTS: &str = ";";
pub(super) const BETWEEN_NUMBERS: &str = " ";

fn one_of_several(event: &str, at: Timestamp, what: &str) -> Result<Numbered, StorageError> {
    let numbers =
        event.split(BETWEEN_NUMBERS).map(str::parse).collect::<Result<Vec<i64>, _>>().map_err(contradiction)?;
    let (number, payment, channel, request) = match *numbers {
        [number, payment, channel] => (number, payment, channel, None),
        [number, payment, channel, request] => (number, payment, channel, Some(request)),
        _ => return Err(senseless("an event of several payments has other numbers")),
    };
    let event = Event {
        at,
        channel: ChannelId::try_from(channel).map_err(contradiction)?,
        payment: Some(PaymentId::try_from(payment).map_err(contradiction)?),
        bulk_request: None,
        request: request.and_then(|number| u64::try_from(number).ok()),
        what: what.to_owned(),
    };
    Ok(Numbered { number, event })
}

fn sort(events: &mut [Numbered]) {
    events.sort_by_key(|numbered| numbered.number);
}

/// How many rows are read at once for a page of events. Each may tell of as many payments as a set adds.
const ROWS_AT_ONCE: i64 = 100;

/// The events after a number, oldest first.
pub(crate) struct Events {
    pub(crate) after: i64,
    pub(crate) limit: u32,
}

impl Script for Events {
    type Answer = Vec<Numbered>;

    /// A row has its last event's number. Where sets are numbered at the same time, the numbers of their events alternate: then an
    /// event of a later row may come before some of an earlier one.
    async fn run<T: Tx>(&self, tx: &T) -> Result<Vec<Numbered>, StorageError> {
        let select = format!("SELECT {COLUMNS} FROM events WHERE id > $1 ORDER BY id LIMIT $2");
        let limit = usize::try_from(self.limit).map_err(contradiction)?;
        let (mut events, mut read) = (Vec::new(), self.after);
        while events.len() < limit {
            let wanted = ROWS_AT_ONCE.min(i64::try_from(limit - events.len()).map_err(contradiction)?);
            let rows =
                tx.query(&select, &[read.into(), wanted.into()], |row| Ok((row.int(0)?, numbered(row)?))).await?;
            let Some((last, _)) = rows.last() else { break };
            read = *last;
            events.extend(rows.into_iter().flat_map(|(_, row)| row).filter(|numbered| numbered.number > self.after));
        }
        let in_order = |events: &mut Vec<Numbered>| {
            sort(events);
            events.truncate(limit);
        };
        in_order(&mut events);
        let Some(end) = events.last().map(|numbered| numbered.number) else { return Ok(events) };
        if end - self.after > i64::try_from(events.len()).map_err(contradiction)? {
            // Numbers are missing: they were given up, or dropped, or stand in rows that are not read yet.
            let later = format!("SELECT {COLUMNS} FROM events WHERE id > $1 AND first_id <= $2");
            let rows = tx.query(&later, &[read.into(), end.into()], numbered).await?;
            events.extend(rows.into_iter().flatten().filter(|numbered| numbered.number > self.after));
            in_order(&mut events);
        }
        Ok(events)
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
        // In no order of theirs: a server that planned this while there were no events would walk through all of them by number.
        let alone = format!(
            "SELECT {COLUMNS} FROM events WHERE payment = $1 AND through IS NULL AND bulk_request IS NULL LIMIT $2"
        );
        let mut found = tx.query(&alone, &payment, numbered).await?;
        let shared = format!(
            "SELECT {COLUMNS} FROM events WHERE through >= $1 AND payment <= $1 AND bulk_request IS NULL LIMIT $2"
        );
        found.extend(tx.query(&shared, &payment, numbered).await?);
        let place = "SELECT channel, bulk_request FROM payments WHERE id = $1 AND bulk_request IS NOT NULL";
        let place = tx.query_one(place, &payment[..1], |row| Ok((row.int(0)?, row.int(1)?))).await?;
        if let Some((channel, batch)) = place {
            let of_batch = format!(
                "SELECT {COLUMNS} FROM events WHERE bulk_request = $1 AND channel = $2 AND payment IS NULL LIMIT $3"
            );
            found.extend(tx.query(&of_batch, &[batch.into(), channel.into(), HISTORY_MAX.into()], numbered).await?);
        }
        let mut events: Vec<_> = found.into_iter().flatten().collect();
        sort(&mut events);
        // Payments that were added together share a row.
        events.retain(|Numbered { event, .. }| event.payment.is_none_or(|payment| payment == self.payment));
        Ok(events)
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, Events, Numbered, one_of_several};
    use crate::store::{Script, Store, Tx};
    use asaanbill_storage::{Location, StorageError};
    use jiff::Timestamp;

    /// Two sets that were numbered at the same time, and an event by itself.
    struct Alternating;

    impl Script for Alternating {
        type Answer = u64;

        async fn run<T: Tx>(&self, tx: &T) -> Result<u64, StorageError> {
            let insert = "INSERT INTO events (id, first_id, at, channel, payment, through, what, several) VALUES
                (35, 31, 0, NULL, 1, 3, 'added', '31 1 23;33 2 23;35 3 23'),
                (36, 32, 0, NULL, 4, 6, 'added', '32 4 23;34 5 23;36 6 23'),
                (38, NULL, 0, 23, 7, NULL, 'paid', NULL)";
            tx.execute(insert, &[]).await
        }
    }

    #[tokio::test]
    async fn no_page_passes_over_an_event() {
        let store = Store::sqlite(&Location::Memory).unwrap();
        assert_eq!(store.change(Alternating).await.unwrap(), 3);
        for limit in 1..=8 {
            let mut numbers = Vec::new();
            loop {
                let after = numbers.last().copied().unwrap_or(0);
                let page = store.look(Events { after, limit }).await.unwrap();
                assert!(page.len() <= limit.try_into().unwrap());
                if page.is_empty() {
                    break;
                }
                numbers.extend(page.iter().map(|numbered| numbered.number));
            }
            assert_eq!(numbers, [31, 32, 33, 34, 35, 36, 38], "{limit} a page");
        }
    }

    #[test]
    fn an_event_of_several_is_read_as_one() {
        let read = |text| one_of_several(text, Timestamp::UNIX_EPOCH, "added");
        let event = |request| Event {
            at: Timestamp::UNIX_EPOCH,
            channel: "23".parse().unwrap(),
            payment: "9".parse().ok(),
            bulk_request: None,
            request,
            what: "added".into(),
        };
        assert_eq!(read("31 9 23 7").unwrap(), Numbered { number: 31, event: event(Some(7)) });
        assert_eq!(read("31 9 23").unwrap(), Numbered { number: 31, event: event(None) });
        for broken in ["", "31", "31 9", "31 9 23 7 8", "31 9 x", "31  9 23", "31 0 23", "31 9 -1"] {
            assert!(read(broken).is_err(), "{broken}");
        }
    }
}
