//! What the hub's records say of a call-back.

use asaanbill_client::{Client, ClientError, PageRequest, Payment, Status};
use asaanbill_core::{BulkRequestId, PaymentStatus, Psid};
use asaanbill_wire::{BULK_APPROVED_PATH, BulkApproved, Money, Processed, Scalar};

use crate::handler::{Confirmed, ConfirmedBulk, ConfirmedPayment, Effect};
use crate::inbox::{Open, ReceiptState};

/// What to do about a call-back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The records show these, oldest first: the first that nobody had is this call-back's.
    Confirmed(Vec<Effect>),
    /// The records don't show it yet: ask again later.
    NotYet,
    /// The hub knows nothing of the kind.
    Unknown,
    /// It ends here.
    Closed(ReceiptState),
}

/// Asks the hub about a call-back.
///
/// # Errors
///
/// If the hub can't be asked: that says nothing about the call-back.
pub(crate) async fn confirm(client: &Client, open: &Open) -> Result<Verdict, ClientError> {
    if open.path == BULK_APPROVED_PATH {
        let claimed: Option<BulkApproved> = serde_json::from_str(&open.body).ok();
        let id = claimed.and_then(|claimed| claimed.bulk_payment_request_id).and_then(|id| id.whole());
        return match id.and_then(|id| BulkRequestId::try_from(id).ok()) {
            Some(id) => confirm_bulk(client, id).await,
            None => Ok(Verdict::Closed(ReceiptState::Rejected)),
        };
    }
    let claimed: Option<Processed> = serde_json::from_str(&open.body).ok();
    let Some(claimed) = claimed else { return Ok(Verdict::Closed(ReceiptState::Rejected)) };
    match claimed.psid.as_ref().map(Scalar::as_str).and_then(|psid| psid.parse().ok()) {
        Some(psid) => confirm_payment(client, psid, &claimed).await,
        None => Ok(Verdict::Closed(ReceiptState::Rejected)),
    }
}

async fn confirm_bulk(client: &Client, id: BulkRequestId) -> Result<Verdict, ClientError> {
    let batch = match client.bulk_request(id).await {
        Ok(batch) => batch,
        Err(error) if error.is_not_found() => return Ok(Verdict::Unknown),
        Err(error) => return Err(error),
    };
    let has_psid = |payment: &Payment| payment.psid().is_some();
    Ok(if batch.payments.iter().any(has_psid) { Verdict::Confirmed(vec![Effect::Bulk(id)]) } else { Verdict::NotYet })
}

async fn confirm_payment(client: &Client, psid: Psid, claimed: &Processed) -> Result<Verdict, ClientError> {
    let records = all_of(client, psid).await?;
    if records.is_empty() {
        return Ok(Verdict::Unknown);
    }
    let is = |record: &Payment, status| record.status() == Some(Status::Known(status));
    let paid: Vec<&Payment> = records.iter().filter(|record| is(record, PaymentStatus::Processed)).collect();
    let mut matching: Vec<_> = paid.iter().filter(|record| matches(record, claimed)).filter_map(|r| r.id()).collect();
    matching.sort_unstable();
    if !matching.is_empty() {
        return Ok(Verdict::Confirmed(matching.into_iter().map(Effect::Payment).collect()));
    }
    // A call-back may be faster than the hub's own records.
    if records.iter().any(|record| is(record, PaymentStatus::Approved) && matches(record, claimed)) {
        return Ok(Verdict::NotYet);
    }
    Ok(Verdict::Closed(if paid.is_empty() { ReceiptState::Rejected } else { ReceiptState::Mismatch }))
}

/// The most pages of one PSID's records that are read: 100 × 1000 payments of one template.
const PAGES_MAX: usize = 100;

async fn all_of(client: &Client, psid: Psid) -> Result<Vec<Payment>, ClientError> {
    const PAGE_SIZE: u32 = 1_000;
    let mut page = PageRequest::new(0, PAGE_SIZE).ok();
    let mut records = Vec::new();
    for _ in 0..PAGES_MAX {
        let Some(request) = page else { break };
        let read = client.search(psid, request).await?;
        records.extend(read.items);
        page = request.next().filter(|_| !read.is_last);
    }
    Ok(records)
}

/// Whether a call-back's amounts are the record's. A record without them (an open QR code's template) matches any.
fn matches(record: &Payment, claimed: &Processed) -> bool {
    let same = |record: Option<asaanbill_core::Amount>, claimed: &Option<Money>| match record {
        None => true,
        Some(amount) => claimed.as_ref().and_then(Money::amount) == Some(amount),
    };
    same(record.amount(), &claimed.amount) && same(record.amount_after_due_date(), &claimed.amount_after_due_date)
}

/// The hub's record of an effect, as it stands now.
///
/// # Errors
///
/// If the hub can't be asked, or doesn't show it any more.
pub(crate) async fn record(client: &Client, effect: Effect) -> Result<Confirmed, ClientError> {
    Ok(match effect {
        Effect::Payment(id) => Confirmed::Payment(ConfirmedPayment { id, record: client.payment(id).await? }),
        Effect::Bulk(id) => Confirmed::Bulk(ConfirmedBulk { id, record: client.bulk_request(id).await? }),
    })
}
