//! Adding payments whose identifiers are nobody's yet, as most are, in one statement on PostgreSQL.
//!
//! There is nothing that such a set has to know, so it is decided without asking. The server numbers its records where it inserts
//! them: to the rules they have the numbers from 1, and each a PSID of the same number. If an identifier is there after all, the
//! statement does nothing, and the set is decided again from what the store knows.

use std::collections::VecDeque;

use asaanbill_core::{PaymentId, Psid};
use asaanbill_storage::tokio_postgres::types::ToSql;
use asaanbill_storage::{Postgres, StorageError};
use jiff::Timestamp;

use super::book::Book;
use super::numbering::{Numbering, PSID_PREFIX, PSID_SEQUENCE_DIGITS};
use super::postgres::{RACED, RowArray};
use super::save::{self, Texts};
use super::tx::{contradiction, senseless};
use super::{Set, events};

/// `$1` to `$4` are identifiers, payments, events and totals, `$5` says how many numbers are needed, `$6` how a PSID begins and `$7` how many
/// digits follow. What stands last is done first, as in every set.
const ADD: &str = "\
    WITH numbers AS MATERIALIZED (
        SELECT ARRAY(SELECT nextval('payment_ids') FROM generate_series(1, $5::BIGINT)) AS ids,
            ARRAY(SELECT $6::TEXT || LPAD(nextval('psid_numbers')::TEXT, $7::INT, '0')
                  FROM generate_series(1, $5::BIGINT)) AS psids
        WHERE NOT EXISTS (
            SELECT FROM UNNEST($1::identifiers[]) AS new JOIN identifiers AS old
            ON old.channel = new.channel AND old.identifier = new.identifier
        )
    ), new_identifiers AS (
        INSERT INTO identifiers (channel, identifier, psid, newest, unpaid, made)
        SELECT channel, identifier, psids[newest::INT], ids[newest::INT], unpaid, made
        FROM numbers, UNNEST($1::identifiers[])
    ), new_payments AS (
        INSERT INTO payments (id, channel, kind, title, identifier, description, amount, due_date, amount_after_due_date,
            longitude, latitude, status, psid, amount_paid, paid_at, bank_reference, why, bulk_request, bulk_row,
            created_at, updated_at)
        SELECT ids[id::INT], channel, kind, title, identifier, description, amount, due_date, amount_after_due_date,
            longitude, latitude, status, psids[id::INT], amount_paid, paid_at, bank_reference, why, bulk_request, bulk_row,
            created_at, updated_at
        FROM numbers, UNNEST($2::payments[])
    ), new_events AS (
        INSERT INTO events (at, channel, payment, bulk_request, request, what)
        SELECT at, channel, ids[payment::INT], bulk_request, request, what FROM numbers, UNNEST($3::new_event[])
    ), totals AS (
        INSERT INTO tallies (channel, level, slice, shard, payments)
        SELECT channel, level, slice, shard, payments FROM numbers, UNNEST($4::tallies[])
        ON CONFLICT (channel, level, slice, shard) DO UPDATE SET payments = tallies.payments + excluded.payments
    )
    SELECT ids, psids FROM numbers";

/// The numbers that the store gave, in the place of those from 1.
#[derive(Debug)]
pub(crate) struct GivenNumbers(Vec<(PaymentId, Psid)>);

impl GivenNumbers {
    /// What a record that was decided under this number is stored under.
    pub(crate) fn of(&self, provisional: PaymentId) -> Result<(PaymentId, Psid), StorageError> {
        let place = provisional.get().checked_sub(1).and_then(|place| usize::try_from(place).ok());
        place.and_then(|place| self.0.get(place).copied()).ok_or_else(|| senseless("a record has no number"))
    }
}

/// How many payments a set adds, if that is all it does, and each has an identifier of its own and takes a number of the store's.
pub(super) fn count<D>(set: &Set<'_, D>) -> Option<usize> {
    set.wants.added_alone().filter(|_| set.seed.is_none())
}

/// Adds so many, and returns the set's answer and the numbers. None if an identifier is there already: nothing is changed then.
pub(super) async fn add<A, D>(
    pool: &Postgres,
    shard: i64,
    set: &Set<'_, D>,
    count: usize,
) -> Result<Option<(A, GivenNumbers)>, StorageError>
where
    D: Fn(&mut Book, Timestamp) -> Result<A, StorageError>,
{
    let last = i64::try_from(count).map_err(contradiction)?;
    let mut book = Book::new();
    let numbers: VecDeque<i64> = (1..=last).collect();
    book.numbering = Numbering::Taken { payments: numbers.clone(), psids: numbers };
    // Asked when the set's turn has come.
    let answer = (set.decide)(&mut book, set.clock.now())?;

    let texts: Vec<_> = book.new_records().map(Texts::of).collect();
    let payments: Vec<_> = texts.iter().map(Texts::row).collect();
    let [identifiers, changed] = save::identifiers(&book);
    let (events, totals) = (events::rows(&book.events), save::tally(&book).rows(shard));
    if !changed.rows.is_empty() || identifiers.rows.len() != count || payments.len() != count || !book.owed.is_empty() {
        return Err(senseless("new payments are not all that a set adds"));
    }
    let digits = i32::try_from(PSID_SEQUENCE_DIGITS).map_err(contradiction)?;
    let arrays = [&identifiers.rows, &payments, &events.rows, &totals.rows].map(|rows| RowArray(rows));
    let [identifiers, payments, events, totals] = &arrays;
    let values: [&(dyn ToSql + Sync); 7] = [identifiers, payments, events, totals, &last, &PSID_PREFIX, &digits];
    let Some(rows) = pool.at_once(RACED, ADD, &values).await? else { return Ok(None) };
    let Some(row) = rows.first() else { return Ok(None) };
    let (ids, psids): (Vec<i64>, Vec<&str>) = (row.try_get(0)?, row.try_get(1)?);
    let numbered = ids
        .into_iter()
        .zip(psids)
        .map(|(id, psid)| Ok((PaymentId::try_from(id).map_err(contradiction)?, psid.parse().map_err(contradiction)?)));
    let numbered = GivenNumbers(numbered.collect::<Result<_, StorageError>>()?);
    Ok(Some((answer, numbered)))
}
