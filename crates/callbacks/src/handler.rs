//! What a user's handler gets: what the hub's own records say.

use std::error::Error;

use asaanbill_client::{BulkRequest, Payment};
use asaanbill_core::{BulkRequestId, PaymentId};
use async_trait::async_trait;

/// What failed in a handler. The event stays, and the handler is asked again later.
pub type HandlerError = Box<dyn Error + Send + Sync>;

/// What a program does when a payment is paid or a batch has its PSIDs.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Handles an event. It may come again, after a crash or an error, with the same effect key.
    ///
    /// Cancellation: the future is dropped when the receiver is; the event comes again.
    ///
    /// # Errors
    ///
    /// Whatever keeps the event from being handled.
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
    pub(crate) id: PaymentId,
    pub(crate) record: Payment,
}

impl ConfirmedPayment {
    /// Permanent and unique: the same for a repeat of this event, another for any other payment.
    pub fn effect_key(&self) -> String {
        Effect::Payment(self.id).key()
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
    pub(crate) id: BulkRequestId,
    pub(crate) record: BulkRequest,
}

impl ConfirmedBulk {
    /// Permanent and unique: the same for a repeat of this event, another for any other batch.
    pub fn effect_key(&self) -> String {
        Effect::Bulk(self.id).key()
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

/// What is to be handled once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Payment(PaymentId),
    Bulk(BulkRequestId),
}

impl Effect {
    /// Made from the hub's record, never from what a call-back claims.
    pub(crate) fn key(self) -> String {
        match self {
            Self::Payment(id) => format!("payment/{id}"),
            Self::Bulk(id) => format!("bulk/{id}"),
        }
    }

    pub(crate) fn from_key(key: &str) -> Option<Self> {
        match key.split_once('/')? {
            ("payment", id) => Some(Self::Payment(id.parse().ok()?)),
            ("bulk", id) => Some(Self::Bulk(id.parse().ok()?)),
            _ => None,
        }
    }
}
