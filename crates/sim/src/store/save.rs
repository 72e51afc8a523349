//! Saving a book: what its commands changed, each table once.

use asaanbill_core::{IdentifierState, NewPayment, Payment, PaymentId, PaymentStatus, Psid, Stage};
use asaanbill_storage::StorageError;
use asaanbill_wire::{generation_type, status_text};
use jiff::Timestamp;

use super::book::{Book, Entry, Kept, Open, Record};
use super::load::key_args;
use super::numbering::Numbering;
use super::outbox::{Moment, Plan};
use super::tally::Tally;
use super::tx::{Arg, Each, Given, Rows, Tx, senseless};
use super::{bulk, events, outbox};

const INSERT_PAYMENT: Each = Each {
    one: "INSERT INTO payments (id, channel, kind, title, identifier, description, amount, due_date,
              amount_after_due_date, longitude, latitude, status, psid, amount_paid, paid_at, bank_reference, why,
              bulk_request, bulk_row, created_at, updated_at)
          VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)",
    all: "INSERT INTO payments (id, channel, kind, title, identifier, description, amount, due_date,
              amount_after_due_date, longitude, latitude, status, psid, amount_paid, paid_at, bank_reference, why,
              bulk_request, bulk_row, created_at, updated_at)
          SELECT * FROM UNNEST($1::payments[])",
    given: Given::Rows,
};

const UPDATE_PAYMENT: Each = Each {
    one: "UPDATE payments SET status = $1, psid = $2, amount_paid = $3, paid_at = $4, bank_reference = $5, why = $6,
              updated_at = $7
          WHERE id = $8 AND status = $9",
    all: "UPDATE payments p SET status = u.status, psid = u.psid, amount_paid = u.amount_paid, paid_at = u.paid_at,
              bank_reference = u.bank_reference, why = u.why, updated_at = u.updated_at
          FROM UNNEST($1::payment_change[]) AS u WHERE p.id = u.id AND p.status = u.was",
    given: Given::Rows,
};

const INSERT_IDENTIFIER: Each = Each {
    one: "INSERT INTO identifiers (channel, identifier, psid, newest, unpaid, made) VALUES ($1, $2, $3, $4, $5, $6)",
    all: "INSERT INTO identifiers (channel, identifier, psid, newest, unpaid, made)
          SELECT * FROM UNNEST($1::identifiers[])",
    given: Given::Rows,
};

const UPDATE_IDENTIFIER: Each = Each {
    one: "UPDATE identifiers SET psid = $1, newest = $2, unpaid = $3, made = $4 WHERE channel = $5 AND identifier = $6",
    all: "UPDATE identifiers i SET psid = u.psid, newest = u.newest, unpaid = u.unpaid, made = u.made
          FROM UNNEST($1::identifier_change[]) AS u WHERE i.channel = u.channel AND i.identifier = u.identifier",
    given: Given::Rows,
};

/// Stores what a book's commands changed.
pub(super) async fn save<T: Tx>(tx: &T, book: &Book, moment: Moment, plan: &Plan) -> Result<(), StorageError> {
    bulk::save(tx, book).await?;
    let texts: Vec<_> = book.new_records().map(Texts::of).collect();
    let kept = book.changed_records().filter_map(Update::of_record);
    let updates: Vec<Update<'_>> = kept.chain(book.open.iter().filter_map(Update::of_open)).collect();
    let mut changes = Vec::from(identifiers(book));
    if let Numbering::Seeded(_) = book.numbering {
        // Two who add the same identifier draw the same numbers. The second finds that out before it inserts a record.
        tx.together(&changes).await?;
        changes.clear();
    }
    changes.extend([
        Rows { statement: &INSERT_PAYMENT, rows: texts.iter().map(Texts::row).collect() },
        events::rows(&book.events),
        tally(book).rows(tx.shard()),
        Rows { statement: &UPDATE_PAYMENT, rows: updates.iter().map(Update::row).collect() },
    ]);
    if tx.together(&changes).await? != count(updates.len()) {
        return Err(senseless("a record has left the status that a change starts from"));
    }
    outbox::owe(tx, &book.owed, moment, plan).await
}

/// What the book changes of the kept totals.
pub(super) fn tally(book: &Book) -> Tally {
    let mut tally = Tally::default();
    for kept in book.changed_records() {
        tally.moved(kept.record.channel, kept.stored.and_then(|stored| stored.listed_at), kept.record.listed_at());
    }
    for open in book.open.values() {
        tally.moved(open.channel, None, open.changed_at.filter(|_| open.stage.psid().is_some()));
    }
    tally
}

/// The identifiers that are new, and those that changed.
fn identifiers(book: &Book) -> [Rows<'_>; 2] {
    let mut changed: Vec<_> = book.identifiers.iter().filter(|(_, entry)| entry.changed).collect();
    // Neighbours in the index are written one after another, and by everybody in this order.
    changed.sort_unstable_by_key(|(key, _)| *key);
    let (old, new): (Vec<_>, Vec<_>) = changed.into_iter().partition(|(_, entry)| entry.stored);
    let inserts = new.iter().map(|(key, entry)| [key_args(key), state_args(entry)].concat()).collect();
    let updates = old.iter().map(|(key, entry)| [state_args(entry), key_args(key)].concat()).collect();
    [Rows { statement: &INSERT_IDENTIFIER, rows: inserts }, Rows { statement: &UPDATE_IDENTIFIER, rows: updates }]
}

/// How many columns a record has.
const PAYMENT_COLUMNS: usize = 21;

/// What a new record's columns borrow.
pub(super) struct Texts<'r> {
    record: &'r Record,
    psid: Option<Psid>,
    due_date: Option<String>,
    place: Option<(String, String)>,
    amount: Option<asaanbill_core::Amount>,
}

impl<'r> Texts<'r> {
    pub(super) fn of(record: &'r Record) -> Self {
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

    /// From `channel` to `latitude`, in the order of the columns.
    pub(super) fn submitted(&self) -> [Arg<'_>; 10] {
        let Self { record, due_date, place, amount, .. } = self;
        let Record { channel, payment, .. } = record;
        let new = &payment.new;
        [
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
        ]
    }

    fn row(&self) -> Vec<Arg<'_>> {
        let Record { payment, bulk, reference, .. } = self.record;
        let Payment { id, stage, created_at, updated_at, .. } = payment;
        let (amount_paid, why) = outcome(stage);
        let mut row = Vec::with_capacity(PAYMENT_COLUMNS);
        row.push(i64::from(*id).into());
        row.extend(self.submitted());
        row.extend([
            status_text(payment.status()).into(),
            self.psid.as_ref().map(Psid::as_str).into(),
            amount_paid,
            stage.paid_at().into(),
            reference.as_deref().into(),
            why,
            bulk.map(|(request, _)| i64::from(request)).into(),
            bulk.map(|(_, row)| row).into(),
            (*created_at).into(),
            (*updated_at).into(),
        ]);
        row
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
