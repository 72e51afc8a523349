//! Loading a book: what a set of commands has to know, found by key and, on PostgreSQL, locked.
//!
//! Locks are taken in one order: channels, batches, identifiers (each sorted), payments. What is read after a lock was committed
//! before it. An identifier that isn't there can't be locked: if two add it at once, the second finds it where it inserts, and is run
//! again.

use std::collections::BTreeSet;

use asaanbill_core::{
    BulkRequestId, ChannelId, Identifier, IdentifierState, NewPayment, PaymentId, PaymentStatus, Psid, Stage,
};
use asaanbill_storage::StorageError;

use super::book::{Batch, BatchRow, Book, Entry, Kept, Key, Open, Paying, Record, Rows, Stored, Wants};
use super::bulk::{self, BulkStage};
use super::numbering::{Numbering, Seed};
use super::payments::{optional, payment_columns, record, status};
use super::tx::{Arg, Columns as _, Each, Given, Numbers, Row, Tx, Type, Wanted, id, senseless};

/// Where a PSID belongs: its oldest record says so.
const PLACE_OF_PSID: Each = Each {
    one: "SELECT psid, id, channel, identifier FROM payments WHERE psid = $1 ORDER BY id LIMIT 1",
    all: "SELECT DISTINCT ON (psid) psid, id, channel, identifier FROM payments WHERE psid = ANY($1::TEXT[])
          ORDER BY psid, id",
    given: Given::Columns(&[Type::Text]),
};

const NEWEST_OF_PSID: Each = Each {
    one: "SELECT psid, id FROM payments WHERE psid = $1 ORDER BY id DESC LIMIT 1",
    all: "SELECT DISTINCT ON (psid) psid, id FROM payments WHERE psid = ANY($1::TEXT[]) ORDER BY psid, id DESC",
    given: Given::Columns(&[Type::Text]),
};

const UNDER_REFERENCE: Each = Each {
    one: "SELECT psid, bank_reference, id FROM payments WHERE psid = $1 AND bank_reference = $2",
    all: "SELECT p.psid, bank_reference, id FROM payments p JOIN UNNEST($1::TEXT[], $2::TEXT[]) AS k (psid, reference)
          ON p.psid = k.psid AND bank_reference = reference",
    given: Given::Columns(&[Type::Text, Type::Text]),
};

/// Identifiers by their keys. On PostgreSQL they are locked; one that isn't there yet is nobody's until it is inserted.
pub(super) const IDENTIFIERS: Each = Each {
    one: "SELECT channel, identifier, psid, newest, unpaid, made FROM identifiers WHERE channel = $1 AND identifier = $2",
    all: "SELECT i.channel, i.identifier, psid, newest, unpaid, made FROM identifiers i
          JOIN UNNEST($1::BIGINT[], $2::TEXT[]) AS k (channel, identifier) USING (channel, identifier)
          ORDER BY i.channel, i.identifier FOR UPDATE OF i",
    given: Given::Columns(&[Type::Int, Type::Text]),
};

const LOCK_RECORDS: Each = Each {
    one: "SELECT id FROM payments WHERE id = $1",
    all: "SELECT id FROM payments WHERE id = ANY($1::BIGINT[]) ORDER BY id FOR UPDATE",
    given: Given::Columns(&[Type::Int]),
};

const CHANNELS: Each = Each {
    one: "SELECT id, batches FROM channels WHERE id = $1",
    all: "SELECT id, batches FROM channels WHERE id = ANY($1::BIGINT[]) ORDER BY id FOR UPDATE",
    given: Given::Columns(&[Type::Int]),
};

/// The payments of a batch that isn't done, in the order of its rows.
const OPEN_ROWS: &str =
    "SELECT id, identifier, status, why FROM payments WHERE channel = $1 AND bulk_request = $2 ORDER BY bulk_row";

/// Loads what `wants` names.
pub(super) async fn load<T: Tx>(tx: &T, wants: &Wants, seed: Option<Seed>) -> Result<Book, StorageError> {
    let mut book = Book::new();
    load_channels(tx, &mut book, &wants.channels).await?;
    let mut keys = wants.identifiers.clone();
    for ((channel, id), rows) in &wants.batches {
        load_batch(tx, &mut book, *channel, *id, *rows, &mut keys).await?;
    }
    let adding = keys.clone();
    let mut records = BTreeSet::new();
    let nameless = places(tx, wants, &mut book, &mut keys, &mut records).await?;
    if seed.is_none() {
        // Nothing is kept of payments without an identifier.
        keys.retain(|(_, identifier)| identifier.is_some());
    }
    let keys: Vec<_> = keys.iter().map(key_args).collect();
    let wanted = Wanted { records: wants.records, psids: wants.nameless };
    let (identifiers, numbers) = tx.identifiers(&keys, seed.is_none().then_some(wanted)).await?;
    book.identifiers = identifiers.into_iter().collect();
    if !wants.psids.is_empty() {
        let nameless: Vec<_> = nameless.iter().map(|id: &PaymentId| vec![Arg::from(i64::from(*id))]).collect();
        tx.query_each(&LOCK_RECORDS, &nameless, |_| Ok(())).await?;
        current_records(tx, &mut book, &mut records).await?;
        load_references(tx, wants, &mut book, &mut records).await?;
    }
    for key in &adding {
        if let Some(Entry { state: IdentifierState::InUse { newest, unpaid: true, .. }, .. }) =
            book.identifiers.get(key)
        {
            records.insert(*newest);
        }
    }
    load_records(tx, &mut book, &records).await?;
    book.numbering = match seed {
        Some(seed) => Numbering::Seeded(seed),
        None => numbering(tx, wants, &book, numbers).await?,
    };
    Ok(book)
}

async fn load_channels<T: Tx>(tx: &T, book: &mut Book, channels: &BTreeSet<ChannelId>) -> Result<(), StorageError> {
    let keys: Vec<_> = channels.iter().map(|channel| vec![Arg::from(i64::from(*channel))]).collect();
    let read = |row: &Row<'_>| Ok((id(row, 0)?, row.count(1)?));
    book.last_batches = tx.query_each(&CHANNELS, &keys, read).await?.into_iter().collect();
    Ok(())
}

async fn load_batch<T: Tx>(
    tx: &T,
    book: &mut Book,
    channel: ChannelId,
    id: BulkRequestId,
    rows: Rows,
    keys: &mut BTreeSet<Key>,
) -> Result<(), StorageError> {
    let select = format!("SELECT {} FROM bulk_requests WHERE channel = $1 AND id = $2{}", bulk::COLUMNS, T::FOR_UPDATE);
    let args = [i64::from(channel).into(), i64::from(id).into()];
    let Some(found) = tx.query_one(&select, &args, bulk::record).await? else { return Ok(()) };
    let mut batch_rows = Vec::new();
    if rows == Rows::All && found.stage != BulkStage::Processed
        || rows == Rows::Scheduled && found.stage == BulkStage::InProcess
    {
        for (row, stage) in tx.query(OPEN_ROWS, &args, open_row).await? {
            keys.insert((channel, row.identifier.clone()));
            book.open.insert(row.id, Open { channel, stored: stage.status(), stage, changed_at: None });
            batch_rows.push(row);
        }
    }
    book.batches.insert((channel, id), Batch { record: found, rows: batch_rows, changed: false, scheduled: None });
    Ok(())
}

/// A row of [`OPEN_ROWS`].
fn open_row(row: &Row<'_>) -> Result<(BatchRow, Stage), StorageError> {
    let stage = match status(row, 2)? {
        PaymentStatus::Draft => Stage::Draft,
        PaymentStatus::InProcess => Stage::InProcess,
        PaymentStatus::Errored => Stage::Errored { why: row.text(3)?.into() },
        PaymentStatus::Approved | PaymentStatus::Processed | PaymentStatus::Discarded => {
            return Err(senseless("a payment of a batch that isn't done has a PSID"));
        }
    };
    Ok((BatchRow { id: id(row, 0)?, identifier: optional(row, 1)? }, stage))
}

fn keep(book: &mut Book, record: Record) {
    let stored = Some(Stored { status: record.payment.status(), listed_at: record.listed_at() });
    book.records.insert(record.payment.id, Kept { record, stored, changed: false });
}

/// Finds where the PSIDs belong that are to be paid. Returns the records of those that have no identifier.
async fn places<T: Tx>(
    tx: &T,
    wants: &Wants,
    book: &mut Book,
    keys: &mut BTreeSet<Key>,
    records: &mut BTreeSet<PaymentId>,
) -> Result<Vec<PaymentId>, StorageError> {
    let psids: Vec<_> = wants.psids.keys().map(|psid| vec![Arg::from(psid.as_str())]).collect();
    let read = |row: &Row<'_>| {
        let identifier = row.text_or_null(3)?.map(|text| text.parse::<Identifier>()).transpose();
        let identifier = identifier.map_err(super::tx::contradiction)?;
        Ok((row.parsed::<Psid>(0)?, id::<PaymentId>(row, 1)?, id::<ChannelId>(row, 2)?, identifier))
    };
    let mut nameless = Vec::new();
    for (psid, first, channel, identifier) in tx.query_each(&PLACE_OF_PSID, &psids, read).await? {
        let mut paying = Paying::default();
        if identifier.is_none() {
            // A PSID without an identifier serves one added payment, which is its oldest record.
            paying.current = Some(first);
            records.insert(first);
            nameless.push(first);
        }
        // The others' current records are known once their identifiers are locked.
        book.paying.insert(psid, paying);
        keys.insert((channel, identifier));
    }
    Ok(nameless)
}

/// How an identifier is looked for.
pub(super) fn key_args(key: &Key) -> Vec<Arg<'_>> {
    let (channel, identifier) = key;
    vec![i64::from(*channel).into(), Arg::Text(identifier.as_ref().map_or("", |identifier| identifier.as_str()))]
}

/// A row of [`IDENTIFIERS`].
pub(super) fn identifier(row: &Row<'_>) -> Result<(Key, Entry), StorageError> {
    let identifier = row.text(1)?;
    let identifier = if identifier.is_empty() { None } else { Some(row.parsed::<Identifier>(1)?) };
    let state = match row.text_or_null(2)? {
        None => IdentifierState::Unused,
        Some(_) => IdentifierState::InUse { psid: row.parsed(2)?, newest: id(row, 3)?, unpaid: row.flag(4)? },
    };
    let entry = Entry { state, made: row.count(5)?, stored: true, changed: false };
    Ok(((id::<ChannelId>(row, 0)?, identifier), entry))
}

/// How many of so many identifiers have no PSID yet, by what was found of them.
pub(super) fn without_psid(keys: usize, found: &[(Key, Entry)]) -> usize {
    keys - found.iter().filter(|(_, entry)| entry.state != IdentifierState::Unused).count()
}

/// The records that PSIDs with an identifier pay: the newest added one if it is unpaid, else whichever is newest.
async fn current_records<T: Tx>(
    tx: &T,
    book: &mut Book,
    records: &mut BTreeSet<PaymentId>,
) -> Result<(), StorageError> {
    for entry in book.identifiers.values() {
        if let IdentifierState::InUse { psid, newest, unpaid: true } = entry.state
            && let Some(paying) = book.paying.get_mut(&psid)
        {
            paying.current = Some(newest);
            records.insert(newest);
        }
    }
    let settled = book.paying.iter().filter(|(_, paying)| paying.current.is_none()).map(|(psid, _)| *psid);
    let settled: Vec<Psid> = settled.collect();
    let settled: Vec<_> = settled.iter().map(|psid| vec![Arg::from(psid.as_str())]).collect();
    let read = |row: &Row<'_>| Ok((row.parsed::<Psid>(0)?, id::<PaymentId>(row, 1)?));
    for (psid, newest) in tx.query_each(&NEWEST_OF_PSID, &settled, read).await? {
        if let Some(paying) = book.paying.get_mut(&psid) {
            paying.current = Some(newest);
            records.insert(newest);
        }
    }
    Ok(())
}

async fn load_references<T: Tx>(
    tx: &T,
    wants: &Wants,
    book: &mut Book,
    records: &mut BTreeSet<PaymentId>,
) -> Result<(), StorageError> {
    let pairs = wants.psids.iter().flat_map(|(psid, references)| {
        references.iter().map(move |reference| vec![Arg::from(psid.as_str()), Arg::from(reference.as_str())])
    });
    let pairs: Vec<_> = pairs.collect();
    let read = |row: &Row<'_>| Ok((row.parsed::<Psid>(0)?, row.text(1)?.to_owned(), id::<PaymentId>(row, 2)?));
    for (psid, reference, id) in tx.query_each(&UNDER_REFERENCE, &pairs, read).await? {
        if let Some(paying) = book.paying.get_mut(&psid) {
            paying.references.insert(reference, id);
            records.insert(id);
        }
    }
    Ok(())
}

async fn load_records<T: Tx>(tx: &T, book: &mut Book, records: &BTreeSet<PaymentId>) -> Result<(), StorageError> {
    let missing = records.iter().filter(|id| !book.records.contains_key(id));
    let missing: Vec<_> = missing.map(|id| vec![Arg::from(i64::from(*id))]).collect();
    for record in tx.query_each(&BY_ID, &missing, record).await? {
        keep(book, record);
    }
    Ok(())
}

const BY_ID: Each = Each {
    one: concat!("SELECT ", payment_columns!(), " FROM payments WHERE id = $1"),
    all: concat!("SELECT ", payment_columns!(), " FROM payments WHERE id = ANY($1::BIGINT[])"),
    given: Given::Columns(&[Type::Int]),
};

/// The numbers that were taken, and those that only the records show to be needed: a payment of a template adds a record, unless
/// it is a replay.
async fn numbering<T: Tx>(tx: &T, wants: &Wants, book: &Book, numbers: Numbers) -> Result<Numbering, StorageError> {
    let Numbers { mut records, psids } = numbers;
    let templates = wants.psids.iter().map(|(psid, references)| {
        let current = book.current(*psid).and_then(|id| book.payment(id).ok());
        let is_template = current.is_some_and(|payment| matches!(payment.new, NewPayment::OpenQr(_)));
        let new = references.iter().filter(|reference| book.paid_under(*psid, reference).is_none());
        if is_template { new.count() } else { 0 }
    });
    records.extend(tx.take_records(templates.sum()).await?);
    Ok(Numbering::Taken { payments: records.into(), psids: psids.into() })
}
