//! Batches: accepted at once, approved later.
//!
//! guide:bulk-2 guide:bulk-3 guide:bulk-4 guide:bulk-5 guide:bulk-9 guide:bulk-12 guide:call-9

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use asaanbill_core::{
    BULK_ROWS_MAX, BatchError, BulkRequestId, ChannelId, Identifier, IdentifierState, NewPayment, Outcome, PaymentKind,
    PaymentStatus, Refused, decide_batch,
};
use asaanbill_storage::StorageError;
use asaanbill_wire::{
    BULK_APPROVED_PATH, BulkAnswer, BulkApproved, BulkEcho, BulkRequest, Envelope, Literals, Message, NotText,
    RowStatus, SUCCESS, Scalar, refusal,
};
use jiff::{SignedDuration, Timestamp};

use super::add::{approve, commit};
use super::{Cause, Refusal};
use crate::store::{BatchRow, Book, BulkRecord, BulkStage, contradiction};

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

/// How a batch comes from draft to approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BulkProgress {
    /// As soon as the worker gets to it.
    AtOnce,
    /// After so long on the simulator's clock: half of it as drafts, half of it scheduled.
    After(SignedDuration),
    /// After its detail was asked for so often: scheduled by the first time, approved by the last. At least one.
    Polls(u32),
    /// A step whenever somebody asks for it.
    ByHand,
}

impl fmt::Display for BulkProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtOnce => f.write_str("at-once"),
            Self::After(delay) => write!(f, "after:{}", delay.as_secs()),
            Self::Polls(polls) => write!(f, "polls:{polls}"),
            Self::ByHand => f.write_str("by-hand"),
        }
    }
}

/// What is no progress of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected at-once, after:SECONDS, polls:N or by-hand")]
pub struct UnknownProgress(());

/// `at-once`, `after:SECONDS`, `polls:N` or `by-hand`.
impl FromStr for BulkProgress {
    type Err = UnknownProgress;

    fn from_str(text: &str) -> Result<Self, UnknownProgress> {
        let number = |digits: &str| digits.parse::<u32>().map_err(|_| UnknownProgress(()));
        match text.split_once(':') {
            None if text == "at-once" => Ok(Self::AtOnce),
            None if text == "by-hand" => Ok(Self::ByHand),
            Some(("after", seconds)) => Ok(Self::After(SignedDuration::from_secs(number(seconds)?.into()))),
            Some(("polls", polls)) => match number(polls)? {
                0 => Err(UnknownProgress(())),
                polls => Ok(Self::Polls(polls)),
            },
            _ => Err(UnknownProgress(())),
        }
    }
}

impl BulkProgress {
    /// When a batch's next step is due, from now: none where something else brings it on.
    fn due_at(self, stage: BulkStage, now: Timestamp) -> Option<Timestamp> {
        match (self, stage) {
            (_, BulkStage::Processed) | (Self::Polls(_) | Self::ByHand, _) => None,
            (Self::AtOnce, _) => Some(now),
            (Self::After(delay), BulkStage::Draft) => now.checked_add(delay / 2).ok(),
            (Self::After(delay), BulkStage::InProcess) => now.checked_add(delay - delay / 2).ok(),
        }
    }
}

/// Stores a batch's good rows as drafts.
pub(super) fn accept(
    book: &mut Book,
    channel: ChannelId,
    good: &[NewPayment],
    progress: BulkProgress,
    cause: Cause,
    now: Timestamp,
) -> Result<BulkRequestId, StorageError> {
    let vouchers = good.len().try_into().map_err(contradiction)?;
    let id = book.insert_batch(channel, vouchers, progress.due_at(BulkStage::Draft, now), now)?;
    for (row, new) in (0..).zip(good) {
        book.insert(channel, new.clone(), Some((id, row)), now)?;
    }
    book.note(cause.batch_event(channel, id, now, &format!("accepted: {vouchers} payments")));
    Ok(id)
}

/// Why a batch takes a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Push {
    /// The clock says so.
    Due,
    /// Somebody asks for it.
    Hand,
}

impl Push {
    /// Whether a batch takes both its steps in one transaction, as nobody could see it between them.
    pub(super) fn goes_all_the_way(self, progress: BulkProgress) -> bool {
        self == Self::Due && progress == BulkProgress::AtOnce
    }
}

/// Takes a batch one step further: its drafts are scheduled, or its scheduled payments get their PSIDs. Returns how far it is
/// then; none if there is no such batch.
pub(super) fn step(
    book: &mut Book,
    (channel, id): (ChannelId, BulkRequestId),
    push: Push,
    progress: BulkProgress,
    cause: Cause,
    now: Timestamp,
) -> Result<Option<BulkStage>, StorageError> {
    let Some((batch, rows)) = book.batch(channel, id) else { return Ok(None) };
    let (mut batch, rows) = (batch.clone(), rows.to_vec());
    // Somebody else was quicker, or the clock was set back.
    let early = push == Push::Due && batch.due_at.is_none_or(|due| due > now);
    if early || batch.stage == BulkStage::Processed {
        return Ok(Some(batch.stage));
    }
    if batch.stage == BulkStage::Draft {
        book.note(cause.batch_event(channel, id, now, "scheduled"));
        batch.stage = BulkStage::InProcess;
        if push.goes_all_the_way(progress) {
            assign_all(book, &mut batch, &rows, cause, now)?;
        } else {
            book.schedule(channel, id, now);
        }
    } else {
        assign_all(book, &mut batch, &rows, cause, now)?;
    }
    batch.due_at = progress.due_at(batch.stage, now);
    batch.updated_at = now;
    let stage = batch.stage;
    book.put_batch(batch);
    Ok(Some(stage))
}

/// Gives a batch's payments their PSIDs, and owes the call-back that says so.
fn assign_all(
    book: &mut Book,
    batch: &mut BulkRecord,
    rows: &[BatchRow],
    cause: Cause,
    now: Timestamp,
) -> Result<(), StorageError> {
    let (channel, id) = (batch.channel, batch.id);
    assign(book, channel, rows, cause, now)?;
    batch.stage = BulkStage::Processed;
    book.note(cause.batch_event(channel, id, now, "assigned: its payments have their PSIDs"));
    announce(book, channel, id, rows)
}

/// "Successfully assigned PSIDs": a batch of which every row was overtaken or failed has none to tell of. (assumed)
fn announce(book: &mut Book, channel: ChannelId, id: BulkRequestId, rows: &[BatchRow]) -> Result<(), StorageError> {
    let approved =
        rows.iter().any(|row| book.stage(row.id).is_ok_and(|stage| stage.status() == PaymentStatus::Approved));
    if approved { book.owe(channel, BULK_APPROVED_PATH, &BulkApproved::from(id)) } else { Ok(()) }
}

fn assign(
    book: &mut Book,
    channel: ChannelId,
    rows: &[BatchRow],
    cause: Cause,
    now: Timestamp,
) -> Result<(), StorageError> {
    let mut open = Vec::with_capacity(rows.len());
    let mut states: BTreeMap<Identifier, IdentifierState> = BTreeMap::new();
    for BatchRow { id, identifier } in rows {
        if book.stage(*id)?.status() == PaymentStatus::Errored {
            continue;
        }
        if let Some(identifier) = identifier {
            states.insert(identifier.clone(), book.identifier(channel, identifier));
        }
        open.push((*id, identifier.clone()));
    }
    let allocate = |id, identifier: Option<&Identifier>| book.allocate_psid(channel, identifier, id);
    let assigned = match decide_batch(&open, &mut states, allocate) {
        Ok(assigned) => assigned,
        Err(BatchError::Allocate(error)) => return Err(error),
        Err(BatchError::TooManyRows(error)) => return Err(contradiction(error)),
    };
    for ((id, identifier), row) in open.iter().zip(assigned) {
        match row.outcome {
            Outcome::Approved { psid, discard } => {
                approve(book, (channel, identifier.as_ref()), *id, psid, discard, cause, now)?;
            }
            Outcome::AlreadySo => {}
            Outcome::Overtaken { by } => {
                commit(book, book.stage(*id)?.overtake(*id, by, now))?;
                book.note(cause.event(channel, *id, now, &format!("errored: overtaken by payment {by}")));
            }
        }
    }
    Ok(())
}

/// Lets rows of an open batch fail, as a hub's own troubles would: those at these places (from 0), or all. Returns how many; none
/// if there is no such batch.
pub(super) fn fail(
    book: &mut Book,
    (channel, id): (ChannelId, BulkRequestId),
    places: Option<&[u32]>,
    why: &str,
    cause: Cause,
    now: Timestamp,
) -> Result<Option<u64>, StorageError> {
    let Some((batch, rows)) = book.batch(channel, id) else { return Ok(None) };
    if batch.stage == BulkStage::Processed {
        return Ok(Some(0));
    }
    let mut failed = 0;
    for (place, BatchRow { id, .. }) in (0..).zip(rows.to_vec()) {
        if places.is_some_and(|places| !places.contains(&place)) {
            continue;
        }
        match book.stage(id)?.fail(id, why, now) {
            Ok(change) => {
                book.apply(change)?;
                book.note(cause.event(channel, id, now, "errored: by an administrator"));
                failed += 1;
            }
            Err(Refused::AlreadySo | Refused::Invalid(_)) => {}
        }
    }
    Ok(Some(failed))
}

/// Counts that a batch's detail was asked for. Returns how far the batch is to be taken for that, and how far it is; none if there
/// is nothing to count.
pub(super) fn poll(
    book: &mut Book,
    (channel, id): (ChannelId, BulkRequestId),
    progress: BulkProgress,
) -> Option<(BulkStage, BulkStage)> {
    let BulkProgress::Polls(last) = progress else { return None };
    let mut batch = book.batch(channel, id)?.0.clone();
    batch.polls += 1;
    let (to, stage) = if batch.polls >= last.into() {
        (BulkStage::Processed, batch.stage)
    } else {
        (BulkStage::InProcess, batch.stage)
    };
    book.put_batch(batch);
    Some((to, stage))
}
