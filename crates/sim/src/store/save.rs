//! Saving a book: what its commands changed, each table once.

use asaanbill_core::{IdentifierState, NewPayment, Payment, PaymentId, PaymentStatus, Psid, Stage};
use asaanbill_storage::StorageError;
use asaanbill_wire::{generation_type, status_text};
use jiff::Timestamp;

use super::book::{Book, Entry, Kept, Open, Record};
use super::events::History;
use super::load::key_args;
use super::numbering::Numbering;
use super::outbox::{Moment, Plan};
use super::tally::Tally;
use super::tx::{Arg, Each, Tx, Type, senseless};
use super::{bulk, events, outbox};

const INSERT_PAYMENT: Each = Each {
    one: "INSERT INTO payments (id, channel, kind, title, identifier, description, amount, due_date,
              amount_after_due_date, longitude, latitude, status, psid, amount_paid, paid_at, bank_reference, why,
              bulk_request, bulk_row, created_at, updated_at)
          VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)",
    all: "INSERT INTO payments (id, channel, kind, title, identifier, description, amount, due_date,
              amount_after_due_date, longitude, latitude, status, psid, amount_paid, paid_at, bank_reference, why,
              bulk_request, bulk_row, created_at, updated_at)
          SELECT * FROM UNNEST($1::BIGINT[], $2::BIGINT[], $3::TEXT[], $4::TEXT[], $5::TEXT[], $6::TEXT[], $7::TEXT[],
              $8::TEXT[], $9::TEXT[], $10::TEXT[], $11::TEXT[], $12::TEXT[], $13::TEXT[], $14::TEXT[], $15::BIGINT[],
              $16::TEXT[], $17::TEXT[], $18::BIGINT[], $19::BIGINT[], $20::BIGINT[], $21::BIGINT[])",
    types: &[
        Type::Int,
        Type::Int,
        Type::Text,
        Type::Text,
        Type::Text,
        Type::Text,
        Type::Text,
        Type::Text,
        Type::Text,
        Type::Text,
        Type::Text,
        Type::Text,
        Type::Text,
        Type::Text,
        Type::Int,
        Type::Text,
        Type::Text,
        Type::Int,
        Type::Int,
        Type::Int,
        Type::Int,
    ],
};

const UPDATE_PAYMENT: Each = Each {
    one: "UPDATE payments SET status = $1, psid = $2, amount_paid = $3, paid_at = $4, bank_reference = $5, why = $6,
              updated_at = $7
          WHERE id = $8 AND status = $9",
    all: "UPDATE payments p SET status = u.status, psid = u.psid, amount_paid = u.amount_paid, paid_at = u.paid_at,
              bank_reference = u.bank_reference, why = u.why, updated_at = u.updated_at
          FROM UNNEST($1::TEXT[], $2::TEXT[], $3::TEXT[], $4::BIGINT[], $5::TEXT[], $6::TEXT[], $7::BIGINT[],
              $8::BIGINT[], $9::TEXT[])
              AS u (status, psid, amount_paid, paid_at, bank_reference, why, updated_at, id, was)
          WHERE p.id = u.id AND p.status = u.was",
    types: &[Type::Text, Type::Text, Type::Text, Type::Int, Type::Text, Type::Text, Type::Int, Type::Int, Type::Text],
};

const INSERT_IDENTIFIER: Each = Each {
    one: "INSERT INTO identifiers (channel, identifier, psid, newest, unpaid, made) VALUES ($1, $2, $3, $4, $5, $6)",
    all: "INSERT INTO identifiers (channel, identifier, psid, newest, unpaid, made)
          SELECT * FROM UNNEST($1::BIGINT[], $2::TEXT[], $3::TEXT[], $4::BIGINT[], $5::BIGINT[], $6::BIGINT[])",
    types: &[Type::Int, Type::Text, Type::Text, Type::Int, Type::Int, Type::Int],
};

const UPDATE_IDENTIFIER: Each = Each {
    one: "UPDATE identifiers SET psid = $1, newest = $2, unpaid = $3, made = $4 WHERE channel = $5 AND identifier = $6",
    all: "UPDATE identifiers i SET psid = u.psid, newest = u.newest, unpaid = u.unpaid, made = u.made
          FROM UNNEST($1::TEXT[], $2::BIGINT[], $3::BIGINT[], $4::BIGINT[], $5::BIGINT[], $6::TEXT[])
              AS u (psid, newest, unpaid, made, channel, identifier)
          WHERE i.channel = u.channel AND i.identifier = u.identifier",
    types: &[Type::Text, Type::Int, Type::Int, Type::Int, Type::Int, Type::Text],
};

/// Stores what a book's commands changed.
pub(super) async fn save<T: Tx>(
    tx: &T,
    book: &Book,
    moment: Moment,
    plan: &Plan,
    history: &History,
) -> Result<(), StorageError> {
    let mut tally = Tally::default();
    for kept in book.records.values().filter(|kept| kept.changed) {
        tally.moved(kept.record.channel, kept.stored.and_then(|stored| stored.listed_at), kept.record.listed_at());
    }
    for open in book.open.values() {
        tally.moved(open.channel, None, open.changed_at.filter(|_| open.stage.psid().is_some()));
    }
    bulk::save(tx, book).await?;
    let identifiers = save_identifiers(tx, book);
    // The totals last, because other sets wait for these rows.
    let rest = async {
        tokio::try_join!(biased; save_payments(tx, book), events::save(tx, &book.events, history), tally.save(tx))
    };
    if let Numbering::Seeded(_) = book.numbering {
        // Two who add the same identifier draw the same numbers. The second finds that out before it inserts a record.
        identifiers.await?;
        rest.await?;
    } else {
        // Sent to a server together, since none waits for another's answer.
        tokio::try_join!(biased; identifiers, rest)?;
    }
    outbox::owe(tx, &book.owed, moment, plan).await
}

async fn save_identifiers<T: Tx>(tx: &T, book: &Book) -> Result<(), StorageError> {
    let mut changed: Vec<_> = book.identifiers.iter().filter(|(_, entry)| entry.changed).collect();
    // Neighbours in the index are written one after another, and by everybody in this order.
    changed.sort_unstable_by_key(|(key, _)| *key);
    let (old, new): (Vec<_>, Vec<_>) = changed.into_iter().partition(|(_, entry)| entry.stored);
    let rows: Vec<_> = new.iter().map(|(key, entry)| [key_args(key), state_args(entry)].concat()).collect();
    let inserted = tx.insert_each(&INSERT_IDENTIFIER, &rows);
    let updates: Vec<_> = old.iter().map(|(key, entry)| [state_args(entry), key_args(key)].concat()).collect();
    tokio::try_join!(biased; inserted, tx.execute_each(&UPDATE_IDENTIFIER, &updates))?;
    Ok(())
}

async fn save_payments<T: Tx>(tx: &T, book: &Book) -> Result<(), StorageError> {
    let changed = || book.records.values().filter(|kept| kept.changed);
    let texts: Vec<_> = changed().filter(|kept| kept.stored.is_none()).map(|kept| Texts::of(&kept.record)).collect();
    let rows: Vec<_> = texts.iter().map(Texts::row).collect();
    let inserted = tx.execute_each(&INSERT_PAYMENT, &rows);
    let kept = changed().filter_map(Update::of_record);
    let updates: Vec<Update<'_>> = kept.chain(book.open.iter().filter_map(Update::of_open)).collect();
    let updates: Vec<_> = updates.iter().map(Update::row).collect();
    let (_, updated) = tokio::try_join!(biased; inserted, tx.execute_each(&UPDATE_PAYMENT, &updates))?;
    if updated == count(updates.len()) {
        Ok(())
    } else {
        Err(senseless("a record has left the status that a change starts from"))
    }
}

/// What a new record's columns borrow.
struct Texts<'r> {
    record: &'r Record,
    psid: Option<Psid>,
    due_date: Option<String>,
    place: Option<(String, String)>,
    amount: Option<asaanbill_core::Amount>,
}

impl<'r> Texts<'r> {
    fn of(record: &'r Record) -> Self {
        let new = &record.payment.new;
        let place = match new {
            NewPayment::DynamicQr(dynamic) => {
                Some((dynamic.place.longitude.to_string(), dynamic.place.latitude.to_string()))
            }
            NewPayment::Psid(_) | NewPayment::StaticQr(_) | NewPayment::OpenQr(_) => None,
        };
        Self {
            record,
            psid: record.payment.stage.psid(),
            due_date: new.bill().map(|bill| bill.due_date.to_string()),
            place,
            amount: new.amount(),
        }
    }

    fn row(&self) -> Vec<Arg<'_>> {
        let Self { record, psid, due_date, place, amount } = self;
        let Record { channel, payment, bulk, reference } = record;
        let Payment { id, new, stage, created_at, updated_at } = payment;
        let (amount_paid, why) = outcome(stage);
        vec![
            i64::from(*id).into(),
            i64::from(*channel).into(),
            generation_type(new.kind()).into(),
            new.title().map(|title| title.as_str()).into(),
            new.identifier().map(|identifier| identifier.as_str()).into(),
            new.description().map(|description| description.as_str()).into(),
            amount.as_ref().map(|amount| amount.as_str()).into(),
            due_date.as_deref().into(),
            new.bill().map(|bill| bill.amount_after_due_date.as_str()).into(),
            place.as_ref().map(|(longitude, _)| longitude.as_str()).into(),
            place.as_ref().map(|(_, latitude)| latitude.as_str()).into(),
            status_text(payment.status()).into(),
            psid.as_ref().map(Psid::as_str).into(),
            amount_paid,
            stage.paid_at().into(),
            reference.as_deref().into(),
            why,
            bulk.map(|(request, _)| i64::from(request)).into(),
            bulk.map(|(_, row)| row).into(),
            (*created_at).into(),
            (*updated_at).into(),
        ]
    }
}

/// The columns that only one status has: the amount paid, and why there is none.
fn outcome(stage: &Stage) -> (Arg<'_>, Arg<'_>) {
    match stage {
        Stage::Processed { amount_paid, .. } => (amount_paid.as_str().into(), Arg::Null),
        Stage::Errored { why } => (Arg::Null, Arg::Text(why)),
        Stage::Draft | Stage::InProcess | Stage::Approved { .. } | Stage::Discarded { .. } => (Arg::Null, Arg::Null),
    }
}

/// What changes of a record that is stored.
struct Update<'b> {
    id: PaymentId,
    was: PaymentStatus,
    stage: &'b Stage,
    psid: Option<Psid>,
    reference: Option<&'b str>,
    at: Timestamp,
}

impl<'b> Update<'b> {
    fn of_record(kept: &'b Kept) -> Option<Self> {
        let Record { payment, reference, .. } = &kept.record;
        let Payment { id, stage, updated_at, .. } = payment;
        let was = kept.stored?.status;
        Some(Self { id: *id, was, stage, psid: stage.psid(), reference: reference.as_deref(), at: *updated_at })
    }

    fn of_open((id, open): (&PaymentId, &'b Open)) -> Option<Self> {
        let Open { stage, stored, changed_at, .. } = open;
        Some(Self { id: *id, was: *stored, stage, psid: stage.psid(), reference: None, at: (*changed_at)? })
    }

    fn row(&self) -> Vec<Arg<'_>> {
        let Self { id, was, stage, psid, reference, at } = self;
        let (amount_paid, why) = outcome(stage);
        vec![
            status_text(stage.status()).into(),
            psid.as_ref().map(Psid::as_str).into(),
            amount_paid,
            stage.paid_at().into(),
            (*reference).into(),
            why,
            (*at).into(),
            i64::from(*id).into(),
            status_text(*was).into(),
        ]
    }
}

/// What an identifier's row says of it.
fn state_args(entry: &Entry) -> Vec<Arg<'_>> {
    let (psid, newest, unpaid) = match &entry.state {
        IdentifierState::Unused => (Arg::Null, Arg::Null, false),
        IdentifierState::InUse { psid, newest, unpaid } => (psid.as_str().into(), i64::from(*newest).into(), *unpaid),
    };
    vec![psid, newest, unpaid.into(), i64::try_from(entry.made).unwrap_or(i64::MAX).into()]
}

fn count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}
