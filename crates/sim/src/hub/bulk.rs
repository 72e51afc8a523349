//! Batches: accepted at once, approved later.
//!
//! guide:bulk-2 guide:bulk-3 guide:bulk-4 guide:bulk-5 guide:bulk-9 guide:bulk-12 guide:call-9

use std::collections::BTreeMap;

use asaanbill_core::{
    BULK_ROWS_MAX, BatchError, BulkRequestId, ChannelId, IdentifierState, NewPayment, Outcome, Payment, PaymentKind,
    PaymentStatus, decide_batch,
};
use asaanbill_storage::StorageError;
use asaanbill_wire::{
    BULK_APPROVED_PATH, BulkAnswer, BulkApproved, BulkEcho, BulkRequest, Envelope, Literals, Message, NotText,
    RowStatus, SUCCESS, Scalar, refusal,
};
use jiff::Timestamp;

use super::Refusal;
use super::add::{approve, commit};
use crate::store::{BulkStage, Tx, contradiction};

/// A batch as it was asked for: its good rows, and what is said of each.
pub(crate) struct Batch<'a> {
    request: &'a BulkRequest<'a>,
    statuses: Vec<RowStatus>,
    /// The good rows, in order.
    pub(crate) good: Vec<NewPayment>,
}

impl<'a> Batch<'a> {
    /// Reads the rows. A row's status names its first error. (Guide, Add Bulk, sample)
    ///
    /// # Errors
    ///
    /// [`Refusal`] if there are no rows or too many, one holds anything but strings, or all are bad.
    pub(crate) fn read(request: &'a BulkRequest<'a>, literals: Literals) -> Result<Self, Refusal> {
        if request.payments.is_empty() || request.payments.len() > BULK_ROWS_MAX {
            return Err(Refusal::bad_request(Message::BulkSize));
        }
        let mut batch = Self { request, statuses: Vec::with_capacity(request.payments.len()), good: Vec::new() };
        for row in &request.payments {
            let fields = row.fields(literals).map_err(|NotText| Refusal::bad_request(Message::InvalidBody))?;
            match NewPayment::parse(PaymentKind::Psid, &fields) {
                Ok(new) => {
                    batch.statuses.push(RowStatus::accepted());
                    batch.good.push(new);
                }
                Err(invalid) => batch.statuses.push(RowStatus::text(refusal(&invalid.errors()[0]))),
            }
        }
        if batch.good.is_empty() {
            let data = serde_json::value::to_raw_value(&batch.data(None)).ok();
            return Err(Refusal { data, ..Refusal::bad_request(Message::InvalidBulk) });
        }
        Ok(batch)
    }

    /// The answer: the request's strings verbatim, in order, each with its status.
    pub(crate) fn answer(&self, id: BulkRequestId) -> impl serde::Serialize + use<'_> {
        let all_good = self.statuses.iter().all(RowStatus::is_accepted);
        let message = if all_good { Message::Processed } else { Message::PartlyProcessed };
        Envelope::new(SUCCESS, message.as_str(), Some(self.data(Some(id))))
    }

    fn data(&self, id: Option<BulkRequestId>) -> BulkAnswer<BulkEcho<'_>> {
        let rows = self.request.payments.iter().zip(&self.statuses);
        BulkAnswer {
            bulk_payment_request_id: id.map(|id| Scalar::number(id.get())),
            payments: rows.map(|(row, status)| BulkEcho { row, status: status.clone() }).collect(),
        }
    }
}

/// Stores a batch's good rows as drafts.
pub(crate) fn accept(
    tx: Tx<'_>,
    channel: ChannelId,
    good: Vec<NewPayment>,
    now: Timestamp,
) -> Result<BulkRequestId, StorageError> {
    let id = tx.insert_bulk_request(channel, good.len(), now)?;
    for new in good {
        tx.insert_payment(channel, new, Some(id), now)?;
    }
    Ok(id)
}

/// Takes the oldest unfinished batch one step further: its drafts are scheduled, or its scheduled payments get their PSIDs.
/// Says whether there may be more to do.
pub(crate) fn advance(tx: Tx<'_>, now: Timestamp) -> Result<bool, StorageError> {
    let Some(batch) = tx.open_bulk_request()? else { return Ok(false) };
    let payments = tx.of_bulk_request(batch.id)?;
    if batch.status.as_str() == BulkStage::Draft.as_str() {
        for payment in payments {
            commit(tx, payment.clone(), payment.schedule(now))?;
        }
        tx.put_bulk_stage(batch.id, BulkStage::InProcess, now)?;
    } else {
        assign(tx, batch.channel, payments, now)?;
        tx.put_bulk_stage(batch.id, BulkStage::Processed, now)?;
        // "Successfully assigned PSIDs": a batch of which every row was overtaken has none to tell of. (assumed)
        let approved = tx.of_bulk_request(batch.id)?.iter().any(|p| p.status() == PaymentStatus::Approved);
        if approved {
            tx.owe(batch.channel, BULK_APPROVED_PATH, &BulkApproved::from(batch.id), now)?;
        }
    }
    Ok(true)
}

fn assign(tx: Tx<'_>, channel: ChannelId, payments: Vec<Payment>, now: Timestamp) -> Result<(), StorageError> {
    let rows: Vec<_> = payments.iter().map(|payment| (payment.id, payment.new.identifier().cloned())).collect();
    let mut states: BTreeMap<_, IdentifierState> = BTreeMap::new();
    for identifier in rows.iter().filter_map(|(_, identifier)| identifier.as_ref()) {
        if !states.contains_key(identifier) {
            states.insert(identifier.clone(), tx.identifier(channel, identifier)?);
        }
    }
    let assigned = match decide_batch(&rows, &mut states, |_, _| tx.allocate_psid()) {
        Ok(assigned) => assigned,
        Err(BatchError::Allocate(error)) => return Err(error),
        Err(BatchError::TooManyRows(error)) => return Err(contradiction(error)),
    };
    for (payment, row) in payments.into_iter().zip(assigned) {
        match row.outcome {
            Outcome::Approved { psid, discard } => {
                approve(tx, channel, &payment, psid, discard, now)?;
            }
            Outcome::AlreadySo => {}
            Outcome::Overtaken { by } => {
                commit(tx, payment.clone(), payment.overtake(by, now))?;
            }
        }
    }
    Ok(())
}
