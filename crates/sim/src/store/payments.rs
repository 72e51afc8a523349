//! Payment records.
//!
//! guide:read-1 guide:read-3 guide:pay-3

use asaanbill_core::{BulkRequestId, Change, ChannelId, NewPayment, Payment, PaymentId, Psid, Stage};
use asaanbill_storage::StorageError;
use asaanbill_storage::rusqlite::{OptionalExtension as _, Params, ToSql, params};
use asaanbill_wire::{PageRequest, generation_type, status_text};
use jiff::Timestamp;

use super::row::{self, PAYMENT_COLUMNS};
use super::{Tx, micros};

impl Tx<'_> {
    /// Accepts a payment as a draft.
    pub(crate) fn insert_payment(
        self,
        channel: ChannelId,
        new: NewPayment,
        bulk_request: Option<BulkRequestId>,
        now: Timestamp,
    ) -> Result<Payment, StorageError> {
        let bill = new.bill();
        let place = match &new {
            NewPayment::DynamicQr(dynamic) => Some(dynamic.place),
            NewPayment::Psid(_) | NewPayment::StaticQr(_) | NewPayment::OpenQr(_) => None,
        };
        let mut insert = self.0.prepare_cached(
            "INSERT INTO payments (channel, kind, title, identifier, description, amount, due_date, amount_after_due_date,
                                   longitude, latitude, status, bulk_request, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 'DRAFT', ?11, ?12, ?12)",
        )?;
        let id = insert.insert(params![
            i64::from(channel),
            generation_type(new.kind()),
            new.title().map(|title| title.as_str()),
            new.identifier().map(|identifier| identifier.as_str()),
            new.description().map(|description| description.as_str()),
            new.amount().as_ref().map(|amount| amount.as_str()),
            bill.map(|bill| bill.due_date.to_string()),
            bill.map(|bill| bill.amount_after_due_date.as_str()),
            place.map(|place| place.longitude.to_string()),
            place.map(|place| place.latitude.to_string()),
            bulk_request.map(i64::from),
            micros(now),
        ])?;
        Ok(Payment::draft(PaymentId::try_from(id).map_err(row::corrupt)?, new, now))
    }

    /// Commits a change, unless the record has left the status that it starts from: then somebody else was first, and the
    /// transaction is to be undone.
    pub(crate) fn apply(self, change: &Change) -> Result<(), StorageError> {
        let Change { id, from, to, at } = change;
        let mut update = self.0.prepare_cached(
            "UPDATE payments SET status = ?1, psid = ?2, amount_paid = ?3, paid_at = ?4, why = ?5, updated_at = ?6
             WHERE id = ?7 AND status = ?8",
        )?;
        let (amount_paid, why) = match to {
            Stage::Processed { amount_paid, .. } => (Some(amount_paid.as_str()), None),
            Stage::Errored { why } => (None, Some(&**why)),
            Stage::Draft | Stage::InProcess | Stage::Approved { .. } | Stage::Discarded { .. } => (None, None),
        };
        let updated = update.execute(params![
            status_text(to.status()),
            to.psid().as_ref().map(Psid::as_str),
            amount_paid,
            to.paid_at().map(micros),
            why,
            micros(*at),
            i64::from(*id),
            status_text(*from),
        ])?;
        if updated == 1 {
            Ok(())
        } else {
            Err(asaanbill_storage::rusqlite::Error::StatementChangedRows(updated).into())
        }
    }

    /// Notes under which of a bank's references a record was paid.
    pub(crate) fn put_reference(self, id: PaymentId, reference: &str) -> Result<(), StorageError> {
        let mut update = self.0.prepare_cached("UPDATE payments SET bank_reference = ?1 WHERE id = ?2")?;
        update.execute(params![reference, i64::from(id)])?;
        Ok(())
    }

    /// The record that a bank paid under this reference.
    pub(crate) fn paid_under(self, psid: Psid, reference: &str) -> Result<Option<Payment>, StorageError> {
        self.one("psid = ?1 AND bank_reference = ?2", params![psid.as_str(), reference])
    }

    /// One record of a channel.
    pub(crate) fn payment(self, channel: ChannelId, id: PaymentId) -> Result<Option<Payment>, StorageError> {
        self.one("channel = ?1 AND id = ?2", params![i64::from(channel), i64::from(id)])
    }

    /// The record that a PSID pays now: the approved one, else the newest. With its channel.
    pub(crate) fn current(self, psid: Psid) -> Result<Option<(ChannelId, Payment)>, StorageError> {
        let mut select = self.0.prepare_cached(&format!(
            "SELECT {PAYMENT_COLUMNS}, channel FROM payments WHERE psid = ?1
             ORDER BY status = 'APPROVED' DESC, id DESC LIMIT 1"
        ))?;
        let found = select.query_row([psid.as_str()], |row| Ok((row::id::<ChannelId>(row, 17)?, row::payment(row)?)));
        Ok(found.optional()?)
    }

    /// A page of a channel's records that have a PSID, last changed first, and how many there are.
    pub(crate) fn listed(self, channel: ChannelId, page: PageRequest) -> Result<(u64, Vec<Payment>), StorageError> {
        let channel = i64::from(channel);
        self.page("channel = ?3 AND psid IS NOT NULL", "updated_at DESC, id DESC", page, &[&channel])
    }

    /// A page of a PSID's records, newest first, and how many there are.
    pub(crate) fn of_psid(
        self,
        channel: ChannelId,
        psid: Psid,
        page: PageRequest,
    ) -> Result<(u64, Vec<Payment>), StorageError> {
        let channel = i64::from(channel);
        self.page("channel = ?3 AND psid = ?4", "id DESC", page, &[&channel, &psid.as_str()])
    }

    /// All records of a batch, in the order of its rows.
    pub(crate) fn of_bulk_request(self, id: BulkRequestId) -> Result<Vec<Payment>, StorageError> {
        let mut select = self
            .0
            .prepare_cached(&format!("SELECT {PAYMENT_COLUMNS} FROM payments WHERE bulk_request = ?1 ORDER BY id"))?;
        let rows = select.query_map([i64::from(id)], row::payment)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn one(self, filter: &str, args: impl Params) -> Result<Option<Payment>, StorageError> {
        let mut select = self.0.prepare_cached(&format!("SELECT {PAYMENT_COLUMNS} FROM payments WHERE {filter}"))?;
        Ok(select.query_row(args, row::payment).optional()?)
    }

    /// `filter`'s arguments are numbered from 3.
    fn page(
        self,
        filter: &str,
        order: &str,
        page: PageRequest,
        args: &[&dyn ToSql],
    ) -> Result<(u64, Vec<Payment>), StorageError> {
        // Beyond what SQLite can count to there is nothing either.
        let offset = i64::try_from(page.offset()).unwrap_or(i64::MAX);
        let size = page.size();
        let args: Vec<&dyn ToSql> = [&size as &dyn ToSql, &offset].into_iter().chain(args.iter().copied()).collect();
        let mut count =
            self.0.prepare_cached(&format!("SELECT count(*) FROM payments WHERE {filter} AND ?1 >= 0 AND ?2 >= 0"))?;
        let total = count.query_row(args.as_slice(), |row| row.get(0))?;
        let mut select = self.0.prepare_cached(&format!(
            "SELECT {PAYMENT_COLUMNS} FROM payments WHERE {filter} ORDER BY {order} LIMIT ?1 OFFSET ?2"
        ))?;
        let rows = select.query_map(args.as_slice(), row::payment)?;
        Ok((total, rows.collect::<Result<_, _>>()?))
    }
}
