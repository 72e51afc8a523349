//! What the hub shows. It changes nothing.
//!
//! guide:bulk-8 guide:read-2 guide:read-4 guide:read-6

use asaanbill_core::{BulkRequestId, ChannelId, Payment, PaymentId, Psid};
use asaanbill_wire::{
    BulkDetail, BulkPayment, BulkSummary, CONTENT_TYPE_JSON, ListedPayment, Message, Page, PageRequest, Scalar, Stamp,
    StatusText,
};

use super::Refusal;
use crate::code::qr_string;
use crate::store::{self, BulkRecord, Store};

fn listed(payment: &Payment) -> ListedPayment {
    ListedPayment::new(payment, &qr_string(payment))
}

/// The channel's payments that have a PSID, last changed first.
pub(crate) async fn payments(
    store: &Store,
    channel: ChannelId,
    page: PageRequest,
) -> Result<Page<ListedPayment>, Refusal> {
    let (total, payments) = store.look(store::Listed { channel, page }).await?;
    Ok(Page::new(page, total, payments.iter().map(listed).collect()))
}

/// One payment by its record's number.
pub(crate) async fn payment(store: &Store, channel: ChannelId, id: &str) -> Result<ListedPayment, Refusal> {
    // What isn't a number is no record's.
    let found = match id.parse::<PaymentId>() {
        Ok(id) => store.look(store::FindPayment { channel, id }).await?,
        Err(_) => None,
    };
    found.as_ref().map(listed).ok_or_else(|| Refusal::not_found(Message::PaymentNotFound))
}

/// All payments of a PSID, newest first; none for what isn't one. (The guide says both that and 404.)
pub(crate) async fn search(
    store: &Store,
    channel: ChannelId,
    psid: &str,
    page: PageRequest,
) -> Result<Page<ListedPayment>, Refusal> {
    let (total, payments) = match psid.parse::<Psid>() {
        Ok(psid) => store.look(store::OfPsid { channel, psid, page }).await?,
        Err(_) => (0, Vec::new()),
    };
    Ok(Page::new(page, total, payments.iter().map(listed).collect()))
}

/// The channel's batches of a content type, newest first. Batches that come as files come over the portal, which the
/// simulator doesn't have: there are none. (assumed)
pub(crate) async fn bulk_list(
    store: &Store,
    channel: ChannelId,
    content_type: &str,
    page: PageRequest,
) -> Result<Page<BulkSummary>, Refusal> {
    let (total, batches) = match content_type {
        CONTENT_TYPE_JSON => store.look(store::BulkList { channel, page }).await?,
        _ => (0, Vec::new()),
    };
    Ok(Page::new(page, total, batches.iter().map(summary).collect()))
}

fn summary(batch: &BulkRecord) -> BulkSummary {
    let BulkRecord { id, channel: _, vouchers, stage, due_at: _, polls: _, created_at, updated_at } = batch;
    BulkSummary {
        id: Some(Scalar::number(id.get())),
        created_at: Some(Stamp::tight(*created_at)),
        updated_at: Some(Stamp::tight(*updated_at)),
        file_name: None,
        content_type: Some(Scalar::text(CONTENT_TYPE_JSON)),
        vouchers_count: Some(Scalar::number(*vouchers)),
        status: Some(StatusText::text(stage.as_str())),
        message: None,
    }
}

/// One batch with all its payments.
pub(crate) async fn bulk_detail(store: &Store, channel: ChannelId, id: BulkRequestId) -> Result<BulkDetail, Refusal> {
    let found = store.look(store::BulkDetail { channel, id }).await?;
    let (batch, payments) = found.ok_or_else(|| Refusal::not_found(Message::BulkRequestNotFound))?;
    let payments = payments.iter().map(BulkPayment::from).collect();
    let status = StatusText::text(batch.stage.as_str());
    Ok(BulkDetail::new(batch.id, batch.created_at, batch.updated_at, status, payments))
}
