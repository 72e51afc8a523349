//! Adding payments whose identifiers are nobody's yet, as most are, in one statement on PostgreSQL.
//!
//! There is nothing that such a set has to know, so it is decided without asking. The server numbers its records where it inserts
//! them: to the rules they have the numbers from 1, and each a PSID of the same number. If an identifier is there after all, the
//! statement does nothing, and the set is decided again from what the store knows.

use std::collections::{BTreeMap, VecDeque};
use std::sync::LazyLock;

use asaanbill_core::{IdentifierState, PaymentId, PaymentStatus, Psid, Stage};
use asaanbill_storage::tokio_postgres::types::ToSql;
use asaanbill_storage::{Postgres, StorageError};
use asaanbill_wire::status_text;
use jiff::Timestamp;

use super::Set;
use super::book::{Book, Entry, Kept, Key, Record};
use super::events::{BETWEEN_EVENTS, BETWEEN_NUMBERS, Event};
use super::numbering::{Numbering, PSID_PREFIX, PSID_SEQUENCE_DIGITS};
use super::postgres::{RACED, RowArray};
use super::save::{self, Texts};
use super::tx::{Arg, contradiction, senseless};

/// `$1` are the payments and `$2` the totals, `$3` says how a PSID begins and `$4` how many digits follow; `$5` is the payments' status, `$6`
/// the time and `$7` what happened. What stands last is done first, as in every set.
static ADD: LazyLock<String> = LazyLock::new(|| {
    format!(
        "WITH new AS MATERIALIZED (
            SELECT nextval('payment_ids') AS id,
                nextval('events_id_seq') AS event,
                $3::TEXT || LPAD(nextval('psid_numbers')::TEXT, $4::INT, '0') AS psid,
                given.*
            FROM UNNEST($1::new_payment[]) AS given
            WHERE NOT EXISTS (
                SELECT FROM UNNEST($1::new_payment[]) AS given JOIN identifiers AS old
                ON old.channel = given.channel AND old.identifier = given.identifier
            )
        ), new_identifiers AS (
            INSERT INTO identifiers (channel, identifier, psid, newest, unpaid, made)
            SELECT channel, identifier, psid, id, unpaid, 0 FROM new
        ), new_payments AS (
            INSERT INTO payments (id, channel, kind, title, identifier, description, amount, due_date, amount_after_due_date,
                longitude, latitude, status, psid, created_at, updated_at)
            SELECT id, channel, kind, title, identifier, description, amount, due_date, amount_after_due_date,
                longitude, latitude, $5::TEXT, psid, $6::BIGINT, $6
            FROM new
        ), new_events AS (
            INSERT INTO events (id, first_id, at, payment, through, what, several)
            SELECT MAX(event), MIN(event), $6, MIN(id), MAX(id), $7::TEXT,
                string_agg(concat_ws('{BETWEEN_NUMBERS}', event, id, channel, request), '{BETWEEN_EVENTS}')
            FROM new HAVING COUNT(*) > 0
        ), totals AS (
            INSERT INTO tallies (channel, level, slice, shard, payments)
            SELECT * FROM UNNEST($2::tallies[]) WHERE EXISTS (SELECT FROM new)
            ON CONFLICT (channel, level, slice, shard) DO UPDATE SET payments = tallies.payments + excluded.payments
        )
        SELECT array_agg(number), array_agg(id), array_agg(psid) FROM new"
    )
});

/// How many columns a row of `new_payment` has.
const COLUMNS: usize = 13;

/// The numbers that the store gave, by those that records were decided under.
#[derive(Debug)]
pub(crate) struct GivenNumbers(BTreeMap<PaymentId, (PaymentId, Psid)>);

impl GivenNumbers {
    /// What a record that was decided under this number is stored under.
    pub(crate) fn of(&self, provisional: PaymentId) -> Result<(PaymentId, Psid), StorageError> {
        self.0.get(&provisional).copied().ok_or_else(|| senseless("a record has no number"))
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

    let new = Newcomers::of(&book).filter(|new| new.payments.len() == count);
    let Newcomers { payments, at, what } = new.ok_or_else(|| senseless("a set adds something else"))?;
    let payments: Vec<_> = payments.iter().map(Newcomer::row).collect();
    let totals = save::tally(&book).rows(shard);
    let digits = i32::try_from(PSID_SEQUENCE_DIGITS).map_err(contradiction)?;
    let (status, at) = (status_text(PaymentStatus::Approved), at.as_microsecond());
    let values: [&(dyn ToSql + Sync); 7] =
        [&RowArray(&payments), &RowArray(&totals.rows), &PSID_PREFIX, &digits, &status, &at, &what];
    let Some(rows) = pool.at_once(RACED, &ADD, &values).await? else { return Ok(None) };
    let row = rows.first().ok_or_else(|| senseless("nothing is said of what was added"))?;
    // None where nothing was added.
    let Some(numbers) = row.try_get::<_, Option<Vec<i64>>>(0)? else { return Ok(None) };
    let (ids, psids): (Vec<i64>, Vec<&str>) = (row.try_get(1)?, row.try_get(2)?);
    let id = |number: i64| PaymentId::try_from(number).map_err(contradiction);
    let numbered = numbers
        .into_iter()
        .zip(ids)
        .zip(psids)
        .map(|((number, given), psid)| Ok((id(number)?, (id(given)?, psid.parse().map_err(contradiction)?))));
    let numbered = GivenNumbers(numbered.collect::<Result<_, StorageError>>()?);
    Ok(Some((answer, numbered)))
}

/// All that a book holds, where that is newcomers.
struct Newcomers<'b> {
    /// In the order of the identifiers, in which everybody writes them.
    payments: Vec<Newcomer<'b>>,
    /// When they were added.
    at: Timestamp,
    /// What is noted of each.
    what: &'b str,
}

/// A payment that is the first of its identifier, and to which nothing has happened but that it was added.
struct Newcomer<'b> {
    /// The number that it was decided under.
    id: PaymentId,
    texts: Texts<'b>,
    unpaid: bool,
    /// The request that added it.
    request: Option<u64>,
}

impl Newcomer<'_> {
    fn row(&self) -> Vec<Arg<'_>> {
        let mut row = Vec::with_capacity(COLUMNS);
        row.push(i64::from(self.id).into());
        row.extend(self.texts.submitted());
        row.push(self.unpaid.into());
        row.push(self.request.and_then(|number| i64::try_from(number).ok()).into());
        row
    }
}

impl<'b> Newcomers<'b> {
    /// None if a book holds anything else.
    fn of(book: &'b Book) -> Option<Self> {
        if !book.owed.is_empty() || [book.records.len(), book.events.len()] != [book.identifiers.len(); 2] {
            return None;
        }
        let Event { at, what, .. } = book.events.first()?;
        let mut entries: Vec<_> = book.identifiers.iter().collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        let newcomer = |(key, entry)| newcomer(book, key, entry, (*at, what));
        Some(Self { payments: entries.into_iter().map(newcomer).collect::<Option<_>>()?, at: *at, what })
    }
}

fn newcomer<'b>(
    book: &'b Book,
    (channel, identifier): &Key,
    entry: &Entry,
    added: (Timestamp, &str),
) -> Option<Newcomer<'b>> {
    let IdentifierState::InUse { psid, newest: id, unpaid } = entry.state else { return None };
    let Kept { record, stored: None, .. } = book.records.get(&id)? else { return None };
    let Record { channel: of, payment, bulk: None, reference: None } = record else { return None };
    // Numbers are from 1, and each command has noted one event.
    let event = book.events.get(usize::try_from(id.get()).ok()?.checked_sub(1)?)?;
    let new = !entry.stored && entry.made == 0 && payment.stage == Stage::Approved { psid };
    let same = (of, payment.new.identifier()) == (channel, identifier.as_ref());
    let noted = (event.channel, event.payment, event.bulk_request) == (*of, Some(id), None)
        && (event.at, event.what.as_str()) == added
        && [payment.created_at, payment.updated_at] == [event.at; 2];
    (new && same && noted).then(|| Newcomer { id, texts: Texts::of(record), unpaid, request: event.request })
}

#[cfg(test)]
mod tests {
    use asaanbill_core::{Fields, NewPayment, PaymentKind};
    use jiff::{SignedDuration, Timestamp};

    use super::{COLUMNS, Newcomers};
    use crate::hub::{self, Act, BulkProgress, Cause, Command};
    use crate::store::book::Book;
    use crate::store::numbering::Numbering;

    fn book(identifiers: &[&str]) -> Book {
        let add = |identifier: &&str| {
            let fields = Fields { title: Some("Ali Tuck Shop"), identifier: Some(identifier), ..Fields::default() };
            let new = NewPayment::parse(PaymentKind::OpenQr, &fields).unwrap();
            Command { act: Act::Add { channel: "23".parse().unwrap(), new }, cause: Cause(Some(7)) }
        };
        let commands: Vec<_> = identifiers.iter().map(add).collect();
        let mut book = Book::new();
        book.numbering = Numbering::Taken { payments: (1..=9).collect(), psids: (1..=9).collect() };
        hub::decide(&commands, BulkProgress::AtOnce, &mut book, Timestamp::UNIX_EPOCH).unwrap();
        book
    }

    #[test]
    fn they_come_in_the_order_of_their_identifiers() {
        let book = book(&["FS-3", "FS-1", "FS-2"]);
        let Newcomers { payments, at, what } = Newcomers::of(&book).unwrap();
        assert_eq!(payments.iter().map(|new| new.id.get()).collect::<Vec<_>>(), [2, 3, 1]);
        assert!(payments.iter().all(|new| new.row().len() == COLUMNS && new.request == Some(7)));
        assert_eq!((at, what), (Timestamp::UNIX_EPOCH, "added"));
    }

    /// The statement has no place for it.
    #[test]
    fn whatever_else_a_book_holds() {
        let spoilt = |spoil: fn(&mut Book)| {
            let mut book = book(&["FS-1", "FS-2"]);
            assert!(Newcomers::of(&book).is_some());
            spoil(&mut book);
            Newcomers::of(&book).is_none()
        };
        assert!(Newcomers::of(&book(&["FS-1", "FS-1"])).is_none(), "one is discarded");
        assert!(spoilt(|book| book.owe("23".parse().unwrap(), "/processed", &()).unwrap()));
        assert!(spoilt(|book| book.events.extend(book.events.clone())));
        assert!(spoilt(|book| book.events.swap(0, 1)));
        assert!(spoilt(|book| book.events[0].at += SignedDuration::from_secs(1)));
        assert!(spoilt(|book| book.events[1].what = "added again".into()));
        assert!(spoilt(|book| _ = book.records.pop_first()));
        assert!(spoilt(|book| book
            .records
            .values_mut()
            .for_each(|kept| kept.record.bulk = "1".parse().ok().zip(Some(0)))));
        assert!(spoilt(|book| book
            .records
            .values_mut()
            .for_each(|kept| kept.record.reference = Some("8f9e10".into()))));
        assert!(spoilt(|book| book.records.values_mut().for_each(|kept| kept.record.channel = "24".parse().unwrap())));
        assert!(spoilt(|book| book.identifiers.values_mut().for_each(|entry| entry.stored = true)));
        assert!(spoilt(|book| book.identifiers.values_mut().for_each(|entry| entry.made = 1)));
        assert!(spoilt(|book| book.identifiers.values_mut().for_each(|entry| entry.state = Default::default())));
    }
}
