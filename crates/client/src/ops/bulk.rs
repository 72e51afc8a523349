//! Batches.
//!
//! guide:bulk-6

use std::fmt;

use asaanbill_core::{BULK_ROWS_MAX, Bill, BulkRequestId};
use asaanbill_wire::{
    self as wire, BulkAnswer, BulkDetail, BulkRow, BulkStatus, CONTENT_TYPE, CONTENT_TYPE_JSON, Endpoint, Envelope,
    Item, Message, PageRequest, RowStatus, Scalar, StatusText,
};
use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use tracing::Instrument as _;

use super::create::{Begin, Creating};
use super::payments::{Page, page_query};
use super::{body, with_query};
use crate::check::{Strictness, Warning};
use crate::error::{ClientError, ErrorKind};
use crate::exchange::{Data, FromAnswer, Object, data_at_once};
use crate::intent::{Rows, Wanted};
use crate::journal::{ChunkKey, ChunkRecord, ChunkState, Closed, Digest};
use crate::raw::Request;
use crate::trace::operation;
use crate::{Client, Payment};

/// A batch that the hub has accepted, at least in part. Its payments get their PSIDs later.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BulkAccepted {
    /// The batch's number; none if the hub's can't be read.
    pub id: Option<BulkRequestId>,
    /// One for each bill, in order.
    pub rows: Vec<RowOutcome>,
    /// What was noticed, by the bill's position.
    pub warnings: Vec<(usize, Warning)>,
}

/// What the hub says of one row. `Debug` shows the hub's words only if they are known to name nobody.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RowOutcome {
    /// Accepted. (The hub says `PROCESSED`, which here doesn't mean paid.)
    Accepted,
    /// Refused, in the hub's words; nothing has changed for its identifier.
    Refused(Box<str>),
    /// The batch was found again, without it: it was refused, in words that are lost with the answer.
    Missing,
    /// The hub's answer has nothing readable for it, or the batch's outcome is unknown.
    Unknown,
    /// It was not sent. (In imports)
    Unsent,
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
    /// When it came, to the minute.
    pub created_at: Option<Timestamp>,
}

/// Path and query of a batch.
pub(crate) const PATH: &str = "/add-bulk?contentType=JSON";

/// What a batch's JSON needs for each row, so that it is written without growing much.
const ROW_CAPACITY: usize = 160;

impl Client {
    /// Adds up to 5000 bills at once. The batch is noted in the journal and sent **once**. For more, see
    /// [`import`](Self::import).
    ///
    /// A batch of which some rows are bad is accepted for the others: look at [`BulkAccepted::rows`].
    ///
    /// Cancellation: before the intent is noted nothing happens. Afterwards the batch may have been added, and the intent
    /// stays open in the journal.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::OutcomeUnknown`] with the intent if nobody knows whether the hub has added it;
    /// [`ErrorKind::Unresolved`] if one of the identifiers has such an intent already. After any other error the hub hasn't
    /// added it. [`ErrorKind::Refused`] also if every row is bad, or there are none or too many: too many are not sent.
    pub async fn add_bulk(&self, bills: &[Bill]) -> Result<BulkAccepted, ClientError> {
        self.add_rows(Rows::Bills(bills.into()), self.strictness(), None)
            .instrument(operation!("add_bulk", rows = bills.len()))
            .await
    }

    /// As [`add_bulk`](Self::add_bulk), with rows as text that nobody has checked: the hub judges each.
    ///
    /// Cancellation and errors: as there.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn add_bulk_rows(&self, rows: Vec<BulkRow<'_>>) -> Result<BulkAccepted, ClientError> {
        let span = operation!("add_bulk", rows = rows.len());
        let rows: Vec<_> = rows.into_iter().map(BulkRow::into_owned).collect();
        self.add_rows(Rows::Text(rows.into()), self.strictness(), None).instrument(span).await
    }

    /// Adds a batch, which may be part of an import.
    pub(crate) async fn add_rows(
        &self,
        rows: Rows,
        strictness: Strictness,
        chunk: Option<(ChunkKey, Digest)>,
    ) -> Result<BulkAccepted, ClientError> {
        let count = rows.len();
        if count == 0 || count > BULK_ROWS_MAX {
            let message = format!("a batch has 1 to {BULK_ROWS_MAX} bills, this one has {count}; nothing was sent");
            return Err(ClientError::new(ErrorKind::Refused, message));
        }
        let warnings = strictness.check_rows(&rows, self.environment().now())?;
        let endpoint = Endpoint::AddBulk;
        let written = body(&wire::BulkBody(rows.iter()), count * ROW_CAPACITY)?;
        let request = Request::create(endpoint, PATH, written);
        let creating = match Creating::begin(self, Wanted::AddBulk(rows), chunk).await? {
            Begin::Creating(creating) => creating,
            Begin::Done(record) => return Ok(BulkAccepted::of_record(record)),
        };
        match creating.send::<Echo>(request).await {
            Ok((Echo { id, rows }, noted)) => {
                let accepted = BulkAccepted { id, rows: in_length(rows, count), warnings };
                noted.close(accepted.to_closed()).await;
                Ok(accepted)
            }
            Err(error) => {
                let rows = outcomes_of(&error, count);
                Err(error.with_rows(rows))
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
        let request = Request::read(endpoint, endpoint.path(id));
        let read = self.sessions().read(&request, self.retry()).instrument(operation!("bulk_request")).await?;
        let Data::<BulkDetail>(detail) = read;
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
        let request = Request::read(endpoint, with_query(endpoint.template(), query));
        let read = self.sessions().read(&request, self.retry()).instrument(operation!("bulk_requests")).await?;
        let Data::<wire::Page<wire::BulkSummary>>(read) = read;
        Ok(Page::from_wire(*read, |summary| BulkSummary {
            id: summary.id.as_ref().and_then(number),
            payments: summary.vouchers_count.as_ref().and_then(Scalar::whole),
            status: word(summary.status.as_ref()),
            created_at: summary.created_at.as_ref().and_then(wire::Stamp::timestamp),
        }))
    }
}

impl BulkAccepted {
    /// As the journal knows it.
    pub(crate) fn of_record(record: ChunkRecord) -> Self {
        let mut rows = vec![RowOutcome::Accepted; record.rows];
        let ChunkState::Closed(Closed::AddedBulk { batch, exceptions }) = record.state else {
            return Self { id: None, rows: vec![RowOutcome::Unknown; record.rows], warnings: Vec::new() };
        };
        for (position, outcome) in exceptions {
            if let Some(row) = rows.get_mut(position) {
                *row = outcome;
            }
        }
        Self { id: batch, rows, warnings: Vec::new() }
    }

    /// As the journal keeps it.
    pub(crate) fn to_closed(&self) -> Closed {
        let exceptions = self.rows.iter().enumerate().filter(|(_, outcome)| **outcome != RowOutcome::Accepted);
        Closed::AddedBulk {
            batch: self.id,
            exceptions: exceptions.map(|(at, outcome)| (at, outcome.clone())).collect(),
        }
    }
}

/// What the hub says of each row of a batch that it refused as a whole; none if it says nothing.
pub(crate) fn outcomes_of(error: &ClientError, count: usize) -> Vec<RowOutcome> {
    if error.kind() != ErrorKind::Refused {
        return Vec::new();
    }
    let refused = error.refusal_data().and_then(|data| serde_json::from_str(data.get()).ok());
    refused.map_or_else(
        Vec::new,
        |refused: BulkAnswer<Item<BulkStatus>>| {
            if refused.payments.is_empty() { Vec::new() } else { row_outcomes(&refused, count) }
        },
    )
}

/// What the hub says of a batch that it accepted.
struct Echo {
    id: Option<BulkRequestId>,
    rows: Vec<RowOutcome>,
}

impl FromAnswer for Echo {
    fn at_once(body: &[u8]) -> Option<Self> {
        let answer: BulkAnswer<Object<EchoedRow<'_>>> = data_at_once(body)?;
        let id = answer.bulk_payment_request_id.as_ref().and_then(number);
        Some(Self { id, rows: answer.payments.iter().map(|row| row.0.outcome()).collect() })
    }

    fn from_answer(_: StatusCode, envelope: &Envelope<&RawValue>) -> Result<Self, wire::WireError> {
        let answer: BulkAnswer<Item<BulkStatus>> = envelope.data()?;
        Ok(Self { id: answer.id(), rows: answer.payments.iter().map(row_outcome).collect() })
    }
}

/// A row of the usual answer, of which nothing is kept but what is said of it.
#[derive(Deserialize)]
struct EchoedRow<'a> {
    #[serde(borrow, default)]
    status: Option<&'a RawValue>,
}

impl EchoedRow<'_> {
    fn outcome(&self) -> RowOutcome {
        match self.status.map(RawValue::get) {
            // As an accepted row has it, of which there are thousands.
            Some(r#""PROCESSED""#) => RowOutcome::Accepted,
            Some(said) => outcome(serde_json::from_str(said).ok().as_ref()),
            None => RowOutcome::Unknown,
        }
    }
}

/// Rows are matched by position, so an answer of another length says nothing of any.
fn row_outcomes(answer: &BulkAnswer<Item<BulkStatus>>, count: usize) -> Vec<RowOutcome> {
    in_length(answer.payments.iter().map(row_outcome).collect(), count)
}

fn in_length(rows: Vec<RowOutcome>, count: usize) -> Vec<RowOutcome> {
    if rows.len() == count { rows } else { vec![RowOutcome::Unknown; count] }
}

fn row_outcome(row: &Item<BulkStatus>) -> RowOutcome {
    outcome(row.read().and_then(|row| row.status.as_ref()))
}

fn outcome(status: Option<&RowStatus>) -> RowOutcome {
    status.map_or(RowOutcome::Unknown, |status| {
        status.refusal().map_or(RowOutcome::Accepted, |why| RowOutcome::Refused(why.into()))
    })
}

impl fmt::Debug for RowOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted => f.write_str("Accepted"),
            Self::Refused(why) if Message::is_known(why) => write!(f, "Refused({why:?})"),
            Self::Refused(why) => write!(f, "Refused(<{} characters>)", why.chars().count()),
            Self::Missing => f.write_str("Missing"),
            Self::Unknown => f.write_str("Unknown"),
            Self::Unsent => f.write_str("Unsent"),
        }
    }
}

fn number(id: &Scalar) -> Option<BulkRequestId> {
    BulkRequestId::try_from(id.whole()?).ok()
}

fn word(status: Option<&StatusText>) -> Box<str> {
    status.map_or_else(Box::default, |status| status.as_str().into())
}

#[cfg(test)]
mod tests {
    use asaanbill_wire::{CONTENT_TYPE, CONTENT_TYPE_JSON, Endpoint, Envelope};
    use http::StatusCode;

    use super::{Echo, RowOutcome};
    use crate::exchange::FromAnswer as _;

    #[test]
    fn the_path_is_the_guides() {
        let pair = (CONTENT_TYPE, CONTENT_TYPE_JSON.to_owned());
        assert_eq!(super::PATH, crate::ops::with_query(Endpoint::AddBulk.template(), [pair]));
    }

    /// What is read at once is what is read at leisure; what is odd is left to the latter.
    #[test]
    fn rows_are_read_alike_in_both_ways() {
        let check = |row: &str, at_once: bool, expected: RowOutcome| {
            let accepted = r#"{"title":"Ali \"T\"","identifier":"A","amount":"5","status":"PROCESSED"}"#;
            let body = format!(
                r#"{{"responseCode":200,"responseMessage":"","data":{{"bulkPaymentRequestId":11,"payments":[{accepted},{row}]}}}}"#
            );
            let expected = [RowOutcome::Accepted, expected];
            let quick = Echo::at_once(body.as_bytes());
            assert_eq!(quick.is_some(), at_once, "{row}");
            let slow = Echo::from_answer(StatusCode::OK, &Envelope::read(&body).unwrap()).unwrap();
            for echo in quick.into_iter().chain([slow]) {
                assert_eq!((echo.id.map(|id| id.get()), &*echo.rows), (Some(11), &expected[..]), "{row}");
            }
        };
        check(r#"{"status":"PROCESSED","new":[{"status":1}]}"#, true, RowOutcome::Accepted);
        check(r#"{"status":"\u0050ROCESSED"}"#, true, RowOutcome::Accepted);
        check(r#"{"status":"Invalid amount"}"#, true, RowOutcome::Refused("Invalid amount".into()));
        check(r#"{"status":"processed"}"#, true, RowOutcome::Refused("processed".into()));
        check(r#"{"status":""}"#, true, RowOutcome::Refused("".into()));
        check(r#"{"status":5}"#, true, RowOutcome::Refused("5".into()));
        check(r#"{"status":"\ud800"}"#, true, RowOutcome::Refused(r#""\ud800""#.into()));
        check(r#"{"status":null}"#, true, RowOutcome::Unknown);
        check("{}", true, RowOutcome::Unknown);
        check(r#"{"status":"PROCESSED","status":"PROCESSED"}"#, false, RowOutcome::Unknown);
        for odd in ["null", "5", "[]", r#"["PROCESSED"]"#, r#""PROCESSED""#] {
            check(odd, false, RowOutcome::Unknown);
        }
    }
}
