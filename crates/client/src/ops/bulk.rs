//! Batches.
//!
//! guide:bulk-6

use std::fmt;

use asaanbill_core::{BULK_ROWS_MAX, Bill, BulkRequestId};
use asaanbill_wire::{
    self as wire, BulkAnswer, BulkDetail, BulkRow, BulkStatus, CONTENT_TYPE, CONTENT_TYPE_JSON, Endpoint, Item,
    Message, PageRequest, Scalar, StatusText,
};
use bytes::Bytes;

use super::payments::{Page, page_query};
use super::{body, now, with_query};
use crate::error::{ClientError, ErrorKind};
use crate::exchange::{Call, Effect};
use crate::{Client, Intent, Payment};

/// A batch that the hub has accepted, at least in part. Its payments get their PSIDs later.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BulkAccepted {
    /// The batch's number; none if the hub's can't be read.
    pub id: Option<BulkRequestId>,
    /// One for each bill, in order.
    pub rows: Vec<RowOutcome>,
}

/// What the hub says of one row. `Debug` shows the hub's words only if they are known to name nobody.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RowOutcome {
    /// Accepted. (The hub says `PROCESSED`, which here doesn't mean paid.)
    Accepted,
    /// Refused, in the hub's words; nothing has changed for its identifier.
    Refused(Box<str>),
    /// The hub's answer has nothing readable for it.
    Unknown,
}

/// One batch with its payments.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BulkRequest {
    /// The batch's number.
    pub id: Option<BulkRequestId>,
    /// How far it is, in the hub's word: `PROCESSED` when all its payments are done.
    pub status: Box<str>,
    /// Its payments, in the hub's order.
    pub payments: Vec<Payment>,
    /// How many of its payments can't be read.
    pub unread: usize,
}

/// One batch in the list of batches.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BulkSummary {
    /// The batch's number.
    pub id: Option<BulkRequestId>,
    /// How many payments it has.
    pub payments: Option<u64>,
    /// How far it is, in the hub's word.
    pub status: Box<str>,
}

impl Client {
    /// Adds up to 5000 bills at once. It is sent once.
    ///
    /// A batch of which some rows are bad is accepted for the others: look at [`BulkAccepted::rows`].
    ///
    /// Cancellation: the batch may have been added, and nobody is told; look for it before adding it again.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::OutcomeUnknown`] with the intent if nobody knows whether the hub has added it; after any other error it
    /// hasn't. [`ErrorKind::Refused`] also if every row is bad, or there are none or too many: too many are not sent.
    pub async fn add_bulk(&self, bills: &[Bill]) -> Result<BulkAccepted, ClientError> {
        self.add_bulk_rows(bills.iter().map(BulkRow::from).collect()).await
    }

    /// As [`add_bulk`](Self::add_bulk), with rows as text that nobody has checked: the hub judges each.
    ///
    /// Cancellation and errors: as there.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn add_bulk_rows(&self, rows: Vec<BulkRow<'_>>) -> Result<BulkAccepted, ClientError> {
        let count = rows.len();
        if count == 0 || count > BULK_ROWS_MAX {
            let message = format!("a batch has 1 to {BULK_ROWS_MAX} bills, this one has {count}; nothing was sent");
            return Err(ClientError::new(ErrorKind::Refused, message));
        }
        let endpoint = Endpoint::AddBulk;
        let request = wire::BulkRequest { payments: rows };
        let call = Call {
            endpoint,
            path: with_query(&endpoint.path(""), [(CONTENT_TYPE, CONTENT_TYPE_JSON.into())]),
            body: body(&request)?,
            effect: Effect::Create,
        };
        let sent_at = now();
        let answer: Result<BulkAnswer<Item<BulkStatus>>, _> = self.sessions.call(&call).await;
        let rows = || request.payments.into_iter().map(BulkRow::into_owned).collect();
        match answer {
            Ok(answer) => Ok(BulkAccepted { id: answer.id(), rows: outcomes(&answer, count) }),
            Err(error) => {
                let refused = error.refusal_data().and_then(|data| serde_json::from_str(data.get()).ok());
                let rows_refused = refused.map_or_else(Vec::new, |refused| outcomes(&refused, count));
                Err(error.with_rows(rows_refused).intended(|| Intent::AddBulk { rows: rows(), sent_at }))
            }
        }
    }

    /// One batch with all its payments.
    ///
    /// Cancellation: safe.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is no such batch.
    pub async fn bulk_request(&self, id: BulkRequestId) -> Result<BulkRequest, ClientError> {
        let endpoint = Endpoint::BulkRequest;
        let call = Call { endpoint, path: endpoint.path(id), body: Bytes::new(), effect: Effect::Read };
        let detail: BulkDetail = self.sessions.call(&call).await?;
        let count = detail.payments.content.len();
        let payments: Vec<_> =
            detail.payments.content.into_iter().filter_map(Item::into_read).map(Payment::from).collect();
        Ok(BulkRequest {
            id: detail.bulk_payment_request_id.as_ref().and_then(number),
            status: word(detail.status.as_ref()),
            unread: count - payments.len(),
            payments,
        })
    }

    /// A page of the channel's batches that came over the interface, newest first; not those that came as files.
    ///
    /// Cancellation: safe.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn bulk_requests(&self, page: PageRequest) -> Result<Page<BulkSummary>, ClientError> {
        let endpoint = Endpoint::BulkRequests;
        let query = page_query(page).into_iter().chain([(CONTENT_TYPE, CONTENT_TYPE_JSON.to_owned())]);
        let path = with_query(&endpoint.path(""), query);
        let call = Call { endpoint, path, body: Bytes::new(), effect: Effect::Read };
        let read: wire::Page<wire::BulkSummary> = self.sessions.call(&call).await?;
        Ok(Page::from_wire(read, |summary| BulkSummary {
            id: summary.id.as_ref().and_then(number),
            payments: summary.vouchers_count.as_ref().and_then(Scalar::whole),
            status: word(summary.status.as_ref()),
        }))
    }
}

/// Rows are matched by position, so an answer of another length says nothing of any.
fn outcomes(answer: &BulkAnswer<Item<BulkStatus>>, count: usize) -> Vec<RowOutcome> {
    if answer.payments.len() == count {
        answer.payments.iter().map(row_outcome).collect()
    } else {
        vec![RowOutcome::Unknown; count]
    }
}

fn row_outcome(row: &Item<BulkStatus>) -> RowOutcome {
    match row.read().and_then(|row| row.status.as_ref()) {
        None => RowOutcome::Unknown,
        Some(status) => status.refusal().map_or(RowOutcome::Accepted, |why| RowOutcome::Refused(why.into())),
    }
}

impl fmt::Debug for RowOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted => f.write_str("Accepted"),
            Self::Refused(why) if Message::is_known(why) => write!(f, "Refused({why:?})"),
            Self::Refused(why) => write!(f, "Refused(<{} characters>)", why.chars().count()),
            Self::Unknown => f.write_str("Unknown"),
        }
    }
}

fn number(id: &Scalar) -> Option<BulkRequestId> {
    BulkRequestId::try_from(id.whole()?).ok()
}

fn word(status: Option<&StatusText>) -> Box<str> {
    status.map_or_else(Box::default, |status| status.as_str().into())
}
