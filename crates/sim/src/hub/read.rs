//! What the hub shows. It changes nothing.
//!
//! guide:bulk-8 guide:read-2 guide:read-4 guide:read-6

use asaanbill_core::{BulkRequestId, ChannelId, Payment, PaymentId, Psid};
use asaanbill_wire::{
    BulkDetail, BulkPayment, BulkSummary, CONTENT_TYPE_JSON, ListedPayment, Message, Page, PageRequest, Scalar, Stamp,
};

use super::Refusal;
use crate::code::qr_string;
use crate::store::{BulkRecord, Tx};

fn listed(payment: &Payment) -> ListedPayment {
    ListedPayment::new(payment, &qr_string(payment))
}

/// The channel's payments that have a PSID, last changed first.
pub(crate) fn payments(tx: Tx<'_>, channel: ChannelId, page: PageRequest) -> Result<Page<ListedPayment>, Refusal> {
    let (total, payments) = tx.listed(channel, page)?;
    Ok(Page::new(page, total, payments.iter().map(listed).collect()))
}

/// One payment by its record's number.
pub(crate) fn payment(tx: Tx<'_>, channel: ChannelId, id: &str) -> Result<ListedPayment, Refusal> {
    // What isn't a number is no record's.
    let found = match id.parse::<PaymentId>() {
        Ok(id) => tx.payment(channel, id)?,
        Err(_) => None,
    };
    found.as_ref().map(listed).ok_or_else(|| Refusal::not_found(Message::PaymentNotFound))
}

/// All payments of a PSID, newest first; none for what isn't one. (The guide says both that and 404.)
pub(crate) fn search(
    tx: Tx<'_>,
    channel: ChannelId,
    psid: &str,
    page: PageRequest,
) -> Result<Page<ListedPayment>, Refusal> {
    let (total, payments) = match psid.parse::<Psid>() {
        Ok(psid) => tx.of_psid(channel, psid, page)?,
        Err(_) => (0, Vec::new()),
    };
    Ok(Page::new(page, total, payments.iter().map(listed).collect()))
}

/// The channel's batches of a content type, newest first. Batches that come as files come over the portal, which the
/// simulator doesn't have: there are none. (assumed)
pub(crate) fn bulk_list(
    tx: Tx<'_>,
    channel: ChannelId,
    content_type: &str,
    page: PageRequest,
) -> Result<Page<BulkSummary>, Refusal> {
    let (total, batches) = match content_type {
        CONTENT_TYPE_JSON => tx.bulk_requests(channel, page)?,
        _ => (0, Vec::new()),
    };
    Ok(Page::new(page, total, batches.into_iter().map(summary).collect()))
}

fn summary(batch: BulkRecord) -> BulkSummary {
    let BulkRecord { id, channel: _, vouchers, status, created_at, updated_at } = batch;
    BulkSummary {
        id: Some(Scalar::number(id.get())),
        created_at: Some(Stamp::tight(created_at)),
        updated_at: Some(Stamp::tight(updated_at)),
        file_name: None,
        content_type: Some(Scalar::text(CONTENT_TYPE_JSON)),
        vouchers_count: Some(Scalar::number(vouchers)),
        status: Some(status),
        message: None,
    }
}

/// One batch with all its payments.
pub(crate) fn bulk_detail(tx: Tx<'_>, channel: ChannelId, id: &str) -> Result<BulkDetail, Refusal> {
    let found = match id.parse::<BulkRequestId>() {
        Ok(id) => tx.bulk_request(channel, id)?,
        Err(_) => None,
    };
    let batch = found.ok_or_else(|| Refusal::not_found(Message::BulkRequestNotFound))?;
    let payments = tx.of_bulk_request(batch.id)?.iter().map(BulkPayment::from).collect();
    Ok(BulkDetail::new(batch.id, batch.created_at, batch.updated_at, batch.status, payments))
}
