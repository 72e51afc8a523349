//! What the hub's records say of a call-back.
//!
//! guide:call-13

use asaanbill_client::{BulkRequest, Client, ClientError, Page, PageRequest, Payment, Status};
use asaanbill_core::{Amount, BulkRequestId, ChannelId, PaymentId, PaymentStatus, Psid};
use asaanbill_storage::StorageError;
use asaanbill_wire::{BULK_APPROVED_PATH, BulkApproved, Money, Processed, Scalar};
use jiff::Timestamp;

use crate::handler::{Confirmed, ConfirmedBulk, ConfirmedPayment, Effect, HandlerError};
use crate::inbox::{Inbox, Open, ReceiptState};

/// What the records say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// They show what the call-back claims, and its effect is in the inbox.
    Confirmed,
    /// They don't show it yet, or not to the end: ask again later, and in the end give up with this state.
    NotYet { at_last: ReceiptState },
    /// The hub knows nothing of the kind.
    Unknown,
    /// It ends here.
    Closed(ReceiptState),
}

/// Why there is no verdict.
pub(crate) enum Undecided {
    /// The hub can't be asked: that says nothing about the call-back.
    Hub(ClientError),
    /// The inbox fails.
    Inbox(StorageError),
}

/// Asks the hub about a call-back, and notes the effect if the records confirm it.
pub(crate) async fn confirm(client: &Client, inbox: &Inbox, open: &Open, now: Timestamp) -> Result<Verdict, Undecided> {
    const UNREADABLE: Verdict = Verdict::Closed(ReceiptState::Rejected);
    if open.path == BULK_APPROVED_PATH {
        let claimed: Option<BulkApproved> = serde_json::from_str(&open.body).ok();
        let id = claimed.and_then(|claimed| claimed.bulk_payment_request_id).and_then(|id| id.whole());
        let Some(id) = id.and_then(|id| BulkRequestId::try_from(id).ok()) else { return Ok(UNREADABLE) };
        let confirming = Confirming { client, inbox, channel: client.log_in().await?, receipt: open.id, now };
        return confirming.bulk(id).await;
    }
    let claimed: Option<Processed> = serde_json::from_str(&open.body).ok();
    let Some(claimed) = claimed else { return Ok(UNREADABLE) };
    let psid = claimed.psid.as_ref().map(Scalar::as_str).and_then(|psid| psid.parse().ok());
    let Some(psid) = psid else { return Ok(UNREADABLE) };
    let confirming = Confirming { client, inbox, channel: client.log_in().await?, receipt: open.id, now };
    confirming.payment(psid, &claimed).await
}

/// How many of a PSID's records are read at once, newest first. A genuine call-back is about one of the newest.
const PAGE_SIZE: u32 = 1_000;

/// The most pages of one PSID's records that are read: 100,000 payments of one template.
const PAGES_MAX: usize = 100;

struct Confirming<'a> {
    client: &'a Client,
    inbox: &'a Inbox,
    channel: ChannelId,
    receipt: i64,
    now: Timestamp,
}

impl Confirming<'_> {
    async fn bulk(&self, id: BulkRequestId) -> Result<Verdict, Undecided> {
        let batch = match self.client.bulk_request(id).await {
            Ok(batch) => batch,
            Err(error) if error.is_not_found() => return Ok(Verdict::Unknown),
            Err(error) => return Err(error.into()),
        };
        if !is_done(&batch) {
            return Ok(Verdict::NotYet { at_last: ReceiptState::Unconfirmed });
        }
        let first = self.claim(vec![Effect::Bulk(self.channel, id)]).await?;
        Ok(if first { Verdict::Confirmed } else { Verdict::Closed(ReceiptState::Duplicate) })
    }

    /// Reads the PSID's records from the newest back, until one confirms the call-back that has confirmed no other.
    async fn payment(&self, psid: Psid, claimed: &Processed) -> Result<Verdict, Undecided> {
        let mut seen = Seen::default();
        let mut page = PageRequest::new(0, PAGE_SIZE).ok();
        for _ in 0..PAGES_MAX {
            let Some(request) = page else { break };
            let read = self.client.search(psid, request).await?;
            let confirming = seen.look_at(&read, claimed);
            let effects: Vec<_> = confirming.into_iter().map(|id| Effect::Payment(self.channel, id)).collect();
            if !effects.is_empty() && self.claim(effects).await? {
                return Ok(Verdict::Confirmed);
            }
            page = request.next().filter(|_| !read.is_last);
        }
        seen.undecided |= page.is_some();
        Ok(seen.verdict())
    }

    async fn claim(&self, effects: Vec<Effect>) -> Result<bool, StorageError> {
        self.inbox.claim(self.receipt, effects, self.now).await
    }
}

/// What was seen among a PSID's records.
#[derive(Default)]
struct Seen {
    /// Any record.
    any: bool,
    /// A paid one.
    paid: bool,
    /// A paid one that matches.
    matching: bool,
    /// One that may yet turn out to be what is claimed: not paid so far, or not readable.
    undecided: bool,
}

impl Seen {
    /// Looks at some more records. Says which of them are paid and match, oldest first.
    fn look_at(&mut self, page: &Page<Payment>, claimed: &Processed) -> Vec<PaymentId> {
        let mut confirming = Vec::new();
        for record in &page.items {
            self.any = true;
            let status = record.status();
            let paid = status == Some(Status::Known(PaymentStatus::Processed));
            self.paid |= paid;
            match (matches(record, claimed), paid, record.id()) {
                (true, true, Some(id)) => confirming.push(id),
                // Paid, but without a number there is no key; or not paid yet, as a call-back may be faster than the records.
                (true, true, None) => self.undecided = true,
                (true, false, _) => self.undecided |= !is_over(status.as_ref()),
                (false, _, _) => {}
            }
        }
        confirming.sort_unstable();
        self.matching |= !confirming.is_empty();
        self.undecided |= page.unread > 0;
        confirming
    }

    /// What all of it says, if no record was free to confirm the call-back.
    fn verdict(&self) -> Verdict {
        match self {
            // The next payment on the PSID looks like the one before it, and so do their call-backs.
            Self { undecided: true, matching: true, .. } => Verdict::NotYet { at_last: ReceiptState::Duplicate },
            Self { undecided: true, .. } => Verdict::NotYet { at_last: ReceiptState::Unconfirmed },
            Self { matching: true, .. } => Verdict::Closed(ReceiptState::Duplicate),
            Self { paid: true, .. } => Verdict::Closed(ReceiptState::Mismatch),
            Self { any: true, .. } => Verdict::Closed(ReceiptState::Rejected),
            _ => Verdict::Unknown,
        }
    }
}

/// Whether a call-back's amounts are the record's. A record without them (an open QR code's template) matches any.
fn matches(record: &Payment, claimed: &Processed) -> bool {
    let same = |record: Option<Amount>, claimed: &Option<Money>| match record {
        None => true,
        Some(amount) => claimed.as_ref().and_then(Money::amount) == Some(amount),
    };
    same(record.amount(), &claimed.amount) && same(record.amount_after_due_date(), &claimed.amount_after_due_date)
}

/// Whether a payment can't be paid any more. Of a status that the guide doesn't have, nobody knows.
fn is_over(status: Option<&Status>) -> bool {
    matches!(status, Some(Status::Known(PaymentStatus::Discarded | PaymentStatus::Errored)))
}

/// Whether each of a batch's payments has its PSID or never will, and one at least has it. Of one that can't be read nobody
/// knows.
fn is_done(batch: &BulkRequest) -> bool {
    let has_psid = |payment: &Payment| payment.psid().is_some();
    batch.unread == 0
        && batch.payments.iter().all(|payment| has_psid(payment) || is_over(payment.status().as_ref()))
        && batch.payments.iter().any(has_psid)
}

/// The hub's record of an effect, as it stands now.
///
/// # Errors
///
/// If the hub can't be asked, or doesn't show it any more.
pub(crate) async fn record(client: &Client, effect: Effect) -> Result<Confirmed, HandlerError> {
    let (Effect::Payment(channel, _) | Effect::Bulk(channel, _)) = effect;
    if client.log_in().await? != channel {
        return Err("the client belongs to another channel than the event".into());
    }
    match effect {
        Effect::Payment(channel, id) => {
            let record = client.payment(id).await?;
            if record.id() != Some(id) || record.status() != Some(Status::Known(PaymentStatus::Processed)) {
                return Err("the hub doesn't show the payment as paid any more".into());
            }
            Ok(Confirmed::Payment(ConfirmedPayment { channel, id, record: Box::new(record) }))
        }
        Effect::Bulk(channel, id) => {
            let record = client.bulk_request(id).await?;
            if !is_done(&record) {
                return Err("the hub doesn't show the batch as done any more".into());
            }
            Ok(Confirmed::Bulk(ConfirmedBulk { channel, id, record }))
        }
    }
}

impl From<ClientError> for Undecided {
    fn from(error: ClientError) -> Self {
        Self::Hub(error)
    }
}

impl From<StorageError> for Undecided {
    fn from(error: StorageError) -> Self {
        Self::Inbox(error)
    }
}
