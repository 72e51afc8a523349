//! Payment records: out of a row, and the questions about them.
//!
//! guide:read-1 guide:read-3 guide:pay-3

use std::str::FromStr;

use asaanbill_core::{
    Bill, ChannelId, Description, DynamicQr, FieldError, GeoPoint, Identifier, NewPayment, OpenQr, Payment, PaymentId,
    PaymentKind, PaymentStatus, Psid, Stage, Title,
};
use asaanbill_storage::StorageError;
use asaanbill_wire::{PageRequest, StatusText, read_generation_type};

use super::Script;
use super::book::Record;
use super::tally;
use super::tx::{Columns as _, Row, Tx, contradiction, id, senseless};

/// The columns that [`record`] reads, in order, as text that `concat!` takes.
macro_rules! payment_columns {
    () => {
        "id, kind, title, identifier, description, amount, due_date, amount_after_due_date, longitude, latitude, status, \
         psid, amount_paid, paid_at, why, created_at, updated_at, channel, bulk_request, bulk_row, bank_reference"
    };
}
pub(super) use payment_columns;

/// All records of a batch, in the order of its rows.
pub(super) const OF_BATCH: &str =
    concat!("SELECT ", payment_columns!(), " FROM payments WHERE channel = $1 AND bulk_request = $2 ORDER BY bulk_row");

/// A value of the domain that a column may have.
pub(super) fn optional<T: FromStr<Err = FieldError>>(row: &Row<'_>, column: usize) -> Result<Option<T>, StorageError> {
    row.text_or_null(column)?.map(|text| text.parse().map_err(contradiction)).transpose()
}

/// A record out of a row of [`payment_columns`].
pub(super) fn record(row: &Row<'_>) -> Result<Record, StorageError> {
    let bulk = match (row.int_or_null(18)?, row.int_or_null(19)?) {
        (Some(_), Some(place)) => Some((id(row, 18)?, u32::try_from(place).map_err(contradiction)?)),
        _ => None,
    };
    Ok(Record {
        channel: id(row, 17)?,
        payment: payment(row)?,
        bulk,
        reference: row.text_or_null(20)?.map(str::to_owned),
    })
}

fn payment(row: &Row<'_>) -> Result<Payment, StorageError> {
    let kind = read_generation_type(row.text(1)?).ok_or_else(|| senseless("an unknown kind of payment"))?;
    let new = match kind {
        PaymentKind::Psid => NewPayment::Psid(bill(row)?),
        PaymentKind::StaticQr => NewPayment::StaticQr(bill(row)?),
        PaymentKind::OpenQr => NewPayment::OpenQr(OpenQr {
            title: row.parsed::<Title>(2)?,
            identifier: optional(row, 3)?,
            description: optional::<Description>(row, 4)?,
        }),
        PaymentKind::DynamicQr => NewPayment::DynamicQr(DynamicQr {
            title: optional(row, 2)?,
            identifier: optional(row, 3)?,
            description: optional(row, 4)?,
            amount: row.parsed(5)?,
            place: GeoPoint { longitude: row.parsed(8)?, latitude: row.parsed(9)? },
        }),
    };
    Ok(Payment {
        id: id::<PaymentId>(row, 0)?,
        new,
        stage: stage(row)?,
        created_at: row.time(15)?,
        updated_at: row.time(16)?,
    })
}

fn bill(row: &Row<'_>) -> Result<Bill, StorageError> {
    Ok(Bill {
        title: row.parsed(2)?,
        identifier: row.parsed(3)?,
        amount: row.parsed(5)?,
        due_date: row.parsed(6)?,
        amount_after_due_date: row.parsed(7)?,
    })
}

/// The status in a column.
pub(super) fn status(row: &Row<'_>, column: usize) -> Result<PaymentStatus, StorageError> {
    StatusText::text(row.text(column)?).status().ok_or_else(|| senseless("an unknown status"))
}

fn stage(row: &Row<'_>) -> Result<Stage, StorageError> {
    Ok(match status(row, 10)? {
        PaymentStatus::Draft => Stage::Draft,
        PaymentStatus::InProcess => Stage::InProcess,
        PaymentStatus::Approved => Stage::Approved { psid: row.parsed(11)? },
        PaymentStatus::Processed => {
            Stage::Processed { psid: row.parsed(11)?, amount_paid: row.parsed(12)?, paid_at: row.time(13)? }
        }
        PaymentStatus::Discarded => Stage::Discarded { psid: row.parsed(11)? },
        PaymentStatus::Errored => Stage::Errored { why: row.text(14)?.into() },
    })
}

/// One record of a channel.
pub(crate) struct FindPayment {
    pub(crate) channel: ChannelId,
    pub(crate) id: PaymentId,
}

impl Script for FindPayment {
    type Answer = Option<Payment>;

    async fn run<T: Tx>(&self, tx: &T) -> Result<Option<Payment>, StorageError> {
        let select = concat!("SELECT ", payment_columns!(), " FROM payments WHERE id = $1 AND channel = $2");
        tx.query_one(select, &[i64::from(self.id).into(), i64::from(self.channel).into()], payment).await
    }
}

/// A page of a channel's records that have a PSID, last changed first, and how many there are.
pub(crate) struct Listed {
    pub(crate) channel: ChannelId,
    pub(crate) page: PageRequest,
}

/// Up to this place in a list it is quicker to walk than to go by the kept totals.
const WALKED_MAX: u64 = 2_000;

impl Script for Listed {
    type Answer = (u64, Vec<Payment>);

    async fn run<T: Tx>(&self, tx: &T) -> Result<(u64, Vec<Payment>), StorageError> {
        let Self { channel, page } = self;
        let total = tally::total(tx, *channel).await?;
        if page.offset() >= total {
            return Ok((total, Vec::new()));
        }
        let start = match page.offset() {
            near @ ..=WALKED_MAX => tally::Start { before: i64::MAX, skip: near },
            far => tally::start(tx, *channel, far).await?,
        };
        let select = concat!(
            "SELECT ",
            payment_columns!(),
            " FROM payments WHERE channel = $1 AND psid IS NOT NULL AND updated_at < $2
             ORDER BY updated_at DESC, id DESC LIMIT $3 OFFSET $4"
        );
        let skip = i64::try_from(start.skip).unwrap_or(i64::MAX);
        let args = [i64::from(*channel).into(), start.before.into(), page.size().into(), skip.into()];
        Ok((total, tx.query(select, &args, payment).await?))
    }
}

/// A page of a PSID's records, newest first, and how many there are.
pub(crate) struct OfPsid {
    pub(crate) channel: ChannelId,
    pub(crate) psid: Psid,
    pub(crate) page: PageRequest,
}

/// The plus keeps the channel's own index out of it: through that one SQLite would walk through all that the channel has.
const OF_PSID: &str = concat!(
    "SELECT ",
    payment_columns!(),
    " FROM payments WHERE psid = $1 AND +channel = $2 ORDER BY id DESC LIMIT $3 OFFSET $4"
);
const COUNT_OF_PSID: &str = "SELECT COUNT(*) FROM payments WHERE psid = $1 AND +channel = $2";

impl Script for OfPsid {
    type Answer = (u64, Vec<Payment>);

    async fn run<T: Tx>(&self, tx: &T) -> Result<(u64, Vec<Payment>), StorageError> {
        let Self { channel, psid, page } = self;
        // Beyond what the store can count to there is nothing either.
        let offset = i64::try_from(page.offset()).unwrap_or(i64::MAX);
        let args = [psid.as_str().into(), i64::from(*channel).into(), page.size().into(), offset.into()];
        let found = tx.query(OF_PSID, &args, payment).await?;
        let all_seen = page.offset() == 0 && found.len() < usize::try_from(page.size()).unwrap_or(usize::MAX);
        if all_seen {
            return Ok((found.len().try_into().unwrap_or(u64::MAX), found));
        }
        let total = tx.query_one(COUNT_OF_PSID, &args[..2], |row| row.count(0)).await?;
        Ok((total.unwrap_or_default(), found))
    }
}

/// The record that a PSID pays: the approved one, else the newest. With its channel.
pub(crate) struct InquiryOf {
    pub(crate) psid: Psid,
}

impl Script for InquiryOf {
    type Answer = Option<Record>;

    async fn run<T: Tx>(&self, tx: &T) -> Result<Option<Record>, StorageError> {
        let args = [self.psid.as_str().into()];
        // The payment that was added last is the identifier's own; one without an identifier is the PSID's oldest.
        let added = "SELECT newest FROM identifiers i
                     JOIN (SELECT channel, identifier FROM payments WHERE psid = $1 ORDER BY id LIMIT 1) AS p
                     ON i.channel = p.channel AND i.identifier = p.identifier WHERE unpaid <> 0";
        let added = tx.query_one(added, &args, |row| row.int(0)).await?;
        if let Some(added) = added {
            let select = concat!("SELECT ", payment_columns!(), " FROM payments WHERE id = $1");
            return tx.query_one(select, &[added.into()], record).await;
        }
        let oldest = concat!("SELECT ", payment_columns!(), " FROM payments WHERE psid = $1 ORDER BY id LIMIT 1");
        let oldest = tx.query_one(oldest, &args, record).await?;
        if oldest.as_ref().is_none_or(|oldest| oldest.payment.new.identifier().is_none()) {
            return Ok(oldest);
        }
        let newest = concat!("SELECT ", payment_columns!(), " FROM payments WHERE psid = $1 ORDER BY id DESC LIMIT 1");
        tx.query_one(newest, &args, record).await
    }
}

/// The PSIDs of an identifier, one for each channel that has it, and of the record whose number it is, if that has none.
pub(crate) struct PsidOf {
    pub(crate) identifier: Identifier,
}

/// In how many channels an identifier is looked for: a simulator has a handful.
const CHANNELS_MAX: i64 = 100;

impl Script for PsidOf {
    type Answer = Vec<Psid>;

    async fn run<T: Tx>(&self, tx: &T) -> Result<Vec<Psid>, StorageError> {
        let select = "SELECT psid FROM channels c JOIN identifiers i ON i.channel = c.id
                      WHERE i.identifier = $1 AND psid IS NOT NULL ORDER BY c.id LIMIT $2";
        let named = [self.identifier.as_str().into(), CHANNELS_MAX.into()];
        let mut found = tx.query(select, &named, |row| row.parsed(0)).await?;
        if let Ok(id) = self.identifier.as_str().parse::<PaymentId>() {
            let select = "SELECT psid FROM payments WHERE id = $1 AND identifier IS NULL AND psid IS NOT NULL";
            found.extend(tx.query(select, &[i64::from(id).into()], |row| row.parsed::<Psid>(0)).await?);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use asaanbill_storage::{Location, StorageError};

    use super::{COUNT_OF_PSID, OF_PSID};
    use crate::store::tx::Columns as _;
    use crate::store::{Script, Store, Tx};

    /// How SQLite goes about a search.
    struct Plans;

    impl Script for Plans {
        type Answer = Vec<String>;

        async fn run<T: Tx>(&self, tx: &T) -> Result<Vec<String>, StorageError> {
            let (text, number) = ("100139000000000000000001".into(), 1_i64.into());
            let (one, all) = (format!("EXPLAIN QUERY PLAN {OF_PSID}"), format!("EXPLAIN QUERY PLAN {COUNT_OF_PSID}"));
            let mut plans = tx.query(&one, &[text, number, number, number], |row| Ok(row.text(3)?.to_owned())).await?;
            plans.extend(tx.query(&all, &[text, number], |row| Ok(row.text(3)?.to_owned())).await?);
            Ok(plans)
        }
    }

    /// Each finds its rows by the PSID; nothing walks through a channel.
    #[tokio::test]
    async fn a_search_goes_by_the_psid() {
        let plans = Store::sqlite(&Location::Memory).unwrap().look(Plans).await.unwrap();
        assert_eq!(plans, ["SEARCH payments USING INDEX payments_by_psid (psid=?)"; 2]);
    }
}
