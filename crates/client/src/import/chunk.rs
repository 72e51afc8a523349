//! One chunk, from the journal or the hub.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use asaanbill_core::{Bill, BulkRequestId, Psid};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::SUBMISSIONS_MAX;
use crate::Client;
use crate::check::Strictness;
use crate::error::{ClientError, ErrorKind};
use crate::intent::{Intent, Rows};
use crate::journal::{ChunkKey, ChunkRecord, ChunkState, Closed, Digest, digest};
use crate::ops::{BulkAccepted, BulkRequest, RowOutcome};
use crate::resolve::Resolution;

/// How long to wait for a batch's PSIDs between two looks, at first and at most.
const PSID_LOOK_FIRST: Duration = Duration::from_secs(1);
const PSID_LOOK_MAX: Duration = Duration::from_secs(15);

/// How long to leave a hub alone that says it is busy, but not for how long.
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// How often a busy hub is asked again with one chunk.
const BUSY_MAX: usize = 20;

/// What a refused row is told.
const EDGED: &str = "the identifier has white space at an edge; the client didn't send it";

/// A row that was read.
pub(super) enum Row {
    /// It goes to the hub.
    Sent(Bill),
    /// The client itself refuses it, for the white space at its identifier's edge.
    Edged,
}

/// Rows that go together.
pub(super) struct Chunk {
    pub(super) client: Client,
    pub(super) key: Option<ChunkKey>,
    /// What the journal knows of it from an earlier run.
    pub(super) stored: Option<ChunkRecord>,
    /// The first row's position.
    pub(super) first: u64,
    pub(super) rows: Vec<Row>,
    /// Resolves when all chunks before it are done.
    pub(super) before: Option<oneshot::Receiver<()>>,
    /// Dropped when it is done, and all before it.
    pub(super) done: oneshot::Sender<()>,
    pub(super) psids: Option<Duration>,
    pub(super) began: Instant,
}

/// What became of a chunk.
pub(super) struct Done {
    pub(super) first: u64,
    pub(super) batch: Option<BulkRequestId>,
    pub(super) rows: Vec<(RowOutcome, Option<Psid>)>,
    /// Not sent by this run.
    pub(super) resumed: bool,
    /// How many rows this run has sent.
    pub(super) sent: usize,
    pub(super) began: Instant,
}

impl Chunk {
    pub(super) async fn run(self, stop: Arc<AtomicBool>) -> Result<Done, ClientError> {
        let Self { client, key, stored, first, rows, before, done, psids, began } = self;
        let edged: Vec<bool> = rows.iter().map(|row| matches!(row, Row::Edged)).collect();
        let bills: Arc<[Bill]> = rows.into_iter().filter_map(Row::into_bill).collect();
        let mut sending = Sending { client, chunk: key.map(|key| (key, digest_of(&bills))), bills, before };
        let result = match sending.bills.is_empty() {
            true => Ok((None, Vec::new(), false)),
            false => sending.send(stored, &stop).await,
        };
        let (batch, outcomes, resumed) = match result {
            Ok(result) => result,
            Err(error) => {
                stop.store(true, Ordering::Release);
                return Err(error);
            }
        };
        let psids = match (psids, batch) {
            (Some(at_most), Some(batch)) => psids_of(&sending.client, batch, at_most).await,
            _ => HashMap::new(),
        };
        // The next chunk's turn comes after all before it.
        sending.wait_for_those_before().await;
        drop(done);
        let sent = match resumed {
            true => 0,
            false => outcomes.iter().filter(|outcome| **outcome != RowOutcome::Unsent).count(),
        };
        let (mut outcomes, mut bills) = (outcomes.into_iter(), sending.bills.iter());
        let row = |edged: bool| {
            if edged {
                return (RowOutcome::Refused(EDGED.into()), None);
            }
            let (bill, outcome) = (bills.next(), outcomes.next().unwrap_or(RowOutcome::Unknown));
            let psid = bill.and_then(|bill| psids.get(bill.identifier.as_str()));
            let psid = psid.filter(|_| outcome == RowOutcome::Accepted).copied();
            (outcome, psid)
        };
        Ok(Done { first, batch, rows: edged.into_iter().map(row).collect(), resumed, sent, began })
    }
}

impl Row {
    fn into_bill(self) -> Option<Bill> {
        match self {
            Self::Sent(bill) => Some(bill),
            Self::Edged => None,
        }
    }
}

/// The batch, each row's outcome, and whether an earlier run sent it.
type Outcome = (Option<BulkRequestId>, Vec<RowOutcome>, bool);

/// A chunk on its way.
struct Sending {
    client: Client,
    chunk: Option<(ChunkKey, Digest)>,
    bills: Arc<[Bill]>,
    before: Option<oneshot::Receiver<()>>,
}

impl Sending {
    async fn send(&mut self, stored: Option<ChunkRecord>, stop: &AtomicBool) -> Result<Outcome, ClientError> {
        if let Some(known) = self.known(stored).await? {
            return Ok(known);
        }
        let (mut submissions, mut busy) = (0, 0);
        while submissions < SUBMISSIONS_MAX {
            // A chunk before it has failed meanwhile, and this one hasn't begun.
            if stop.load(Ordering::Acquire) {
                break;
            }
            let error = match self
                .client
                .add_rows(Rows::Bills(Arc::clone(&self.bills)), Strictness::NONE, self.chunk.clone())
                .await
            {
                Ok(accepted) => return Ok((accepted.id, accepted.rows, false)),
                Err(error) => error,
            };
            match (error.kind(), error.intent().cloned()) {
                (ErrorKind::OutcomeUnknown, Some(intent)) => {
                    submissions += 1;
                    if let Some((batch, outcomes, _)) = self.resolve(&intent).await? {
                        return Ok((batch, outcomes, false));
                    }
                }
                // One of the identifiers is in a chunk before this one: its turn comes first.
                (ErrorKind::Unresolved, Some(_)) if self.before.is_some() => self.wait_for_those_before().await,
                // Or in an intent of somebody else, perhaps of a program that is gone.
                (ErrorKind::Unresolved, Some(intent)) => {
                    submissions += 1;
                    self.client.resolve(&intent).await?;
                }
                (ErrorKind::Refused, _)
                    if error.status().is_some_and(|status| status.as_u16() == 429) && busy < BUSY_MAX =>
                {
                    busy += 1;
                    sleep(error.retry_after().unwrap_or(BUSY_WAIT)).await;
                }
                (ErrorKind::Refused, _) if error.status().is_some() => {
                    let words: Box<str> = error.hub_message().unwrap_or_default().into();
                    let rows = match error.rows() {
                        [] => vec![RowOutcome::Refused(words); self.bills.len()],
                        rows => rows.to_vec(),
                    };
                    return Ok((None, rows, false));
                }
                _ => return Err(error),
            }
        }
        Ok((None, vec![RowOutcome::Unsent; self.bills.len()], false))
    }

    /// What an earlier run knew of the chunk, resolved if it has to be. None if it has to be sent.
    async fn known(&mut self, stored: Option<ChunkRecord>) -> Result<Option<Outcome>, ClientError> {
        let Some(record) = stored else { return Ok(None) };
        let same = self.chunk.as_ref().is_some_and(|(_, digest)| *digest == record.digest);
        if !same || record.rows != self.bills.len() {
            let message =
                "the import has other rows than when it began under this name; another import needs another name";
            return Err(ClientError::new(ErrorKind::Refused, format!("{message} (nothing more was sent)")));
        }
        match &record.state {
            ChunkState::Open(intent) => self.resolve(intent).await,
            ChunkState::Closed(Closed::AddedBulk { .. }) => {
                let BulkAccepted { id, rows, .. } = BulkAccepted::of_record(record);
                Ok(Some((id, rows, true)))
            }
            ChunkState::Closed(Closed::Refused(rows)) if rows.len() == self.bills.len() => {
                Ok(Some((None, rows.clone(), true)))
            }
            ChunkState::Closed(Closed::Duplicate) => Ok(Some(self.unknown())),
            ChunkState::Closed(_) => Ok(None),
        }
    }

    async fn resolve(&self, intent: &Intent) -> Result<Option<Outcome>, ClientError> {
        Ok(match self.client.resolve(intent).await? {
            Resolution::AddedBulk(BulkAccepted { id, rows, .. }) => Some((id, rows, true)),
            Resolution::NotFound => None,
            // It is there several times: a person should look.
            _ => Some(self.unknown()),
        })
    }

    fn unknown(&self) -> Outcome {
        (None, vec![RowOutcome::Unknown; self.bills.len()], true)
    }

    async fn wait_for_those_before(&mut self) {
        if let Some(before) = self.before.take() {
            // It is never sent to: dropping its other end is the signal.
            let _ = before.await;
        }
    }
}

/// The PSIDs of a batch by their identifiers, once it has them all or the time is over. One that can't be read has none.
async fn psids_of(client: &Client, batch: BulkRequestId, at_most: Duration) -> HashMap<Box<str>, Psid> {
    let (end, mut wait) = (Instant::now() + at_most, PSID_LOOK_FIRST);
    loop {
        let read = client.bulk_request(batch).await;
        let over = Instant::now() >= end;
        match read {
            Ok(batch) if over || is_done(&batch) => {
                let psid = |payment: &crate::Payment| Some((payment.identifier()?.into(), payment.psid()?));
                return batch.payments.iter().filter_map(psid).collect();
            }
            Err(error) if over => {
                tracing::warn!(kind = ?error.kind(), "the batch's PSIDs could not be read");
                return HashMap::new();
            }
            _ => {}
        }
        sleep(wait.min(end.saturating_duration_since(Instant::now()))).await;
        wait = wait.saturating_mul(2).min(PSID_LOOK_MAX);
    }
}

/// Whether each payment has its PSID, or never will.
fn is_done(batch: &BulkRequest) -> bool {
    let ended =
        |payment: &crate::Payment| payment.psid().is_some() || payment.status().is_some_and(|status| status.is_final());
    batch.payments.iter().all(ended)
}

/// What the rows are, in brief.
fn digest_of(bills: &[Bill]) -> Digest {
    let fields = bills.iter().flat_map(|bill| {
        let Bill { title, identifier, amount, due_date, amount_after_due_date } = bill;
        let text = |text| Cow::Borrowed(text);
        let due = Cow::Owned(due_date.to_string());
        [
            text(title.as_str()),
            text(identifier.as_str()),
            text(amount.as_str()),
            due,
            text(amount_after_due_date.as_str()),
        ]
    });
    digest(fields.map(Text))
}

struct Text<'a>(Cow<'a, str>);

impl AsRef<[u8]> for Text<'_> {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use asaanbill_core::{Bill, Fields, NewPayment, PaymentKind};

    use super::digest_of as digest;

    fn bill(title: &str, identifier: &str) -> Bill {
        let fields = Fields {
            title: Some(title),
            identifier: Some(identifier),
            amount: Some("50"),
            due_date: Some("2025-08-31"),
            amount_after_due_date: Some("50"),
            ..Fields::default()
        };
        NewPayment::parse(PaymentKind::Psid, &fields).unwrap().bill().unwrap().clone()
    }

    #[test]
    fn a_digest_is_of_the_rows_and_their_order() {
        let (one, two) = (bill("ab", "c"), bill("a", "bc"));
        // Durable: it must be the same in every version.
        assert_eq!(digest(&[]), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128.to_be_bytes());
        assert_eq!(digest(std::slice::from_ref(&one)), digest(&[bill("ab", "c")]));
        assert_ne!(digest(std::slice::from_ref(&one)), digest(std::slice::from_ref(&two)));
        assert_ne!(digest(&[one.clone(), two.clone()]), digest(&[two, one]));
    }
}
