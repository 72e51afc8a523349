//! What may be asked of the hub's books, and what comes of it: sets of commands are decided together and committed as one.

#[cfg(feature = "postgres")]
use asaanbill_core::Stage;
use asaanbill_core::{Amount, BulkRequestId, ChannelId, NewPayment, Payment, PaymentId, Psid};
use asaanbill_storage::StorageError;
use jiff::Timestamp;

use super::bulk::{self, BulkProgress, Push};
use super::{add, pay};
use crate::bank::{BankError, Paid};
#[cfg(feature = "postgres")]
use crate::store::GivenNumbers;
use crate::store::{Book, BulkStage, Event, Rows, Wants};

/// Which request something is done for, if any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cause(pub(crate) Option<u64>);

impl Cause {
    pub(super) fn event(self, channel: ChannelId, payment: PaymentId, at: Timestamp, what: &str) -> Event {
        Event { at, channel, payment: Some(payment), bulk_request: None, request: self.0, what: what.to_owned() }
    }

    pub(super) fn batch_event(self, channel: ChannelId, id: BulkRequestId, at: Timestamp, what: &str) -> Event {
        Event { at, channel, payment: None, bulk_request: Some(id), request: self.0, what: what.to_owned() }
    }
}

/// What is to be done.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) act: Act,
    pub(crate) cause: Cause,
}

/// One command. Each is decided by itself, as if the others of its set had come before it or after it.
#[derive(Debug)]
pub(crate) enum Act {
    Add { channel: ChannelId, new: NewPayment },
    Pay { psid: Psid, amount: Amount, reference: String },
    Accept { channel: ChannelId, good: Vec<NewPayment> },
    Step { batch: (ChannelId, BulkRequestId), push: Push },
    Fail { batch: (ChannelId, BulkRequestId), places: Option<Vec<u32>>, why: String },
    Poll { batch: (ChannelId, BulkRequestId) },
}

/// What came of a command.
#[derive(Debug)]
pub(crate) enum Outcome {
    Added(Box<Payment>),
    Paid(Box<Result<Paid, BankError>>),
    Accepted(BulkRequestId),
    /// How far the batch is; none if there is no such batch.
    Stepped(Option<BulkStage>),
    /// How many rows failed; none if there is no such batch.
    Failed(Option<u64>),
    /// How far the batch is to be taken, and how far it is.
    Polled(Option<(BulkStage, BulkStage)>),
}

impl Command {
    /// How much of a set's room it takes, in records.
    pub(crate) fn weight(&self) -> usize {
        match &self.act {
            Act::Add { .. } | Act::Pay { .. } | Act::Poll { .. } => 1,
            Act::Accept { good, .. } => good.len().max(1),
            Act::Step { .. } | Act::Fail { .. } => asaanbill_core::BULK_ROWS_MAX,
        }
    }

    /// Adds what it has to know.
    fn add_wants(&self, wants: &mut Wants, seeded: bool, progress: BulkProgress) {
        match &self.act {
            Act::Add { channel, new } => {
                wants.records += 1;
                wants.nameless += usize::from(new.identifier().is_none());
                wants.identifiers.insert((*channel, new.identifier().cloned()));
            }
            Act::Pay { psid, reference, .. } => {
                wants.psids.entry(*psid).or_default().insert(reference.clone());
            }
            Act::Accept { channel, good } => {
                wants.channels.insert(*channel);
                wants.records += good.len();
                if seeded {
                    wants.identifiers.extend(good.iter().map(|new| (*channel, new.identifier().cloned())));
                }
            }
            // All steps at once: drafts are looked at already.
            Act::Step { batch, push } if push.goes_all_the_way(progress) => want_batch(wants, *batch, Rows::All),
            Act::Step { batch, .. } => want_batch(wants, *batch, Rows::Scheduled),
            Act::Fail { batch, .. } => want_batch(wants, *batch, Rows::All),
            Act::Poll { batch } => want_batch(wants, *batch, Rows::None),
        }
    }
}

fn want_batch(wants: &mut Wants, batch: (ChannelId, BulkRequestId), rows: Rows) {
    let wanted = wants.batches.entry(batch).or_insert(rows);
    *wanted = (*wanted).max(rows);
}

/// What a set has to know.
pub(crate) fn wants(commands: &[Command], seeded: bool, progress: BulkProgress) -> Wants {
    let mut wants = Wants::default();
    for command in commands {
        command.add_wants(&mut wants, seeded, progress);
    }
    wants
}

/// Decides a set, one command after another.
pub(crate) fn decide(
    commands: &[Command],
    progress: BulkProgress,
    book: &mut Book,
    now: Timestamp,
) -> Result<Vec<Outcome>, StorageError> {
    let mut outcomes = Vec::with_capacity(commands.len());
    for Command { act, cause } in commands {
        let outcome = match act {
            Act::Add { channel, new } => {
                let id = add::add(book, *channel, new.clone(), *cause, now)?;
                Outcome::Added(Box::new(book.payment(id)?.clone()))
            }
            Act::Pay { psid, amount, reference } => {
                Outcome::Paid(Box::new(pay::pay(book, *psid, *amount, reference, *cause, now)?))
            }
            Act::Accept { channel, good } => {
                Outcome::Accepted(bulk::accept(book, *channel, good, progress, *cause, now)?)
            }
            Act::Step { batch, push } => Outcome::Stepped(bulk::step(book, *batch, *push, progress, *cause, now)?),
            Act::Fail { batch, places, why } => {
                Outcome::Failed(bulk::fail(book, *batch, places.as_deref(), why, *cause, now)?)
            }
            Act::Poll { batch } => Outcome::Polled(bulk::poll(book, *batch, progress)),
        };
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

/// Gives what was added under provisional numbers those that the store gave.
#[cfg(feature = "postgres")]
pub(crate) fn renumber(outcomes: &mut [Outcome], numbers: &GivenNumbers) -> Result<(), StorageError> {
    for outcome in outcomes {
        if let Outcome::Added(payment) = outcome {
            let (id, given) = numbers.of(payment.id)?;
            payment.id = id;
            if let Stage::Approved { psid, .. } = &mut payment.stage {
                *psid = given;
            }
        }
    }
    Ok(())
}
