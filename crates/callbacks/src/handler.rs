//! What a user's handler gets: what the hub's own records say.

use std::error::Error;

use asaanbill_client::{BulkRequest, Payment};
use asaanbill_core::{BulkRequestId, ChannelId, PaymentId};
use async_trait::async_trait;

/// What failed in a handler. The event stays, and the handler is asked again later.
pub type HandlerError = Box<dyn Error + Send + Sync>;

/// What a program does when a payment is paid or a batch has its PSIDs.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Handles an event. It may come again, after a crash or an error, with the same effect key. Events come one after
    /// another: the next one waits until this returns.
    ///
    /// Cancellation: the future is dropped when the receiver is; the event comes again.
    ///
    /// # Errors
    ///
    /// Whatever keeps the event from being handled. A panic counts as an error.
    async fn handle(&self, event: Confirmed) -> Result<(), HandlerError>;
}

/// Something that the hub's records confirm.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Confirmed {
    /// A payment is paid.
    Payment(ConfirmedPayment),
    /// A batch has its PSIDs.
    Bulk(ConfirmedBulk),
}

/// A payment that the hub's records show as paid. Only the confirmer makes one.
#[derive(Clone, Debug)]
pub struct ConfirmedPayment {
    pub(crate) channel: ChannelId,
    pub(crate) id: PaymentId,
    pub(crate) record: Box<Payment>,
}

impl ConfirmedPayment {
    /// Permanent and unique: the same for a repeat of this event, another for any other payment.
    pub fn effect_key(&self) -> String {
        Effect::Payment(self.channel, self.id).key()
    }

    /// The record's number in the hub.
    pub fn id(&self) -> PaymentId {
        self.id
    }

    /// The hub's record.
    pub fn record(&self) -> &Payment {
        &self.record
    }
}

/// A batch that the hub's records show as done. Only the confirmer makes one.
#[derive(Clone, Debug)]
pub struct ConfirmedBulk {
    pub(crate) channel: ChannelId,
    pub(crate) id: BulkRequestId,
    pub(crate) record: BulkRequest,
}

impl ConfirmedBulk {
    /// Permanent and unique: the same for a repeat of this event, another for any other batch.
    pub fn effect_key(&self) -> String {
        Effect::Bulk(self.channel, self.id).key()
    }

    /// The batch's number in the hub.
    pub fn id(&self) -> BulkRequestId {
        self.id
    }

    /// The hub's record, with the payments.
    pub fn record(&self) -> &BulkRequest {
        &self.record
    }
}

/// What is to be handled once: a record of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Payment(ChannelId, PaymentId),
    Bulk(ChannelId, BulkRequestId),
}

impl Effect {
    const PAYMENT: &str = "payment";
    const BULK: &str = "bulk";

    /// Made from the hub's record, never from what a call-back claims.
    pub(crate) fn key(self) -> String {
        let (kind, channel, record) = self.columns();
        format!("{kind}/{channel}/{record}")
    }

    /// As it is stored: kind, channel and record.
    pub(crate) fn columns(self) -> (&'static str, i64, i64) {
        match self {
            Self::Payment(channel, id) => (Self::PAYMENT, channel.into(), id.into()),
            Self::Bulk(channel, id) => (Self::BULK, channel.into(), id.into()),
        }
    }

    pub(crate) fn from_columns(kind: &str, channel: i64, record: i64) -> Option<Self> {
        let channel = channel.try_into().ok()?;
        match kind {
            Self::PAYMENT => Some(Self::Payment(channel, record.try_into().ok()?)),
            Self::BULK => Some(Self::Bulk(channel, record.try_into().ok()?)),
            _ => None,
        }
    }
}
