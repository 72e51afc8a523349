//! Bugs that the schedules must catch. Each is planted at a seam of the client (its transport, its clock, its journal), and makes of the
//! client what it would be with the bug inside.

use std::sync::Arc;

use asaanbill_client::{
    Begun, ChunkKey, ChunkRecord, Closed, Draft, Intent, IntentId, Journal, JournalError, Known, SqliteJournal,
};
use asaanbill_core::{BulkRequestId, Identifier};
use asaanbill_transport::{Delivery, Transport, TransportError};
use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use jiff::SignedDuration;

use super::schedule::{Faults, Payers};

/// A bug, and none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plant {
    /// The client as it is.
    None,
    /// Whatever isn't an answer is sent again.
    NaiveRetry,
    /// What nobody knows counts as not sent, and so the client itself sends it again.
    UnknownIsUnsent,
    /// What isn't there yet isn't there: nobody waits until nothing can arrive any more.
    NoQuiescence,
    /// Any bill of the identifier is taken for the intent's.
    AnyBillIsIt,
    /// A program that was killed comes back without its journal.
    ForgottenJournal,
    /// An identifier whose bill nobody knows of takes another.
    TakenTwice,
}

impl Plant {
    /// All bugs.
    pub(super) const BUGS: [Self; 6] = [
        Self::NaiveRetry,
        Self::UnknownIsUnsent,
        Self::NoQuiescence,
        Self::AnyBillIsIt,
        Self::ForgottenJournal,
        Self::TakenTwice,
    ];

    /// In how many schedules of a hundred it must be caught, at least: in more than that. Schedules run on real time, so less than what was
    /// measured.
    pub(super) fn caught_at_least(self) -> usize {
        if self == Self::NaiveRetry { 50 } else { 0 }
    }

    /// How often of a hundred times the program is killed after an attempt.
    pub(super) fn killed_in_a_hundred(self) -> usize {
        if self == Self::ForgottenJournal { 60 } else { 20 }
    }

    /// How far the client's clock goes on each time it is asked: it stands, so that each resolution has the whole window, or the window is
    /// always over.
    pub(super) fn clock_step(self) -> SignedDuration {
        match self {
            Self::NoQuiescence => SignedDuration::from_secs(1),
            _ => SignedDuration::ZERO,
        }
    }

    /// The transport of a client with the bug.
    pub(super) fn transport(self, faults: &Faults, payers: &Payers) -> Arc<dyn Transport> {
        let (inner, payers) = (Arc::clone(faults), payers.clone());
        match self {
            Self::NaiveRetry => Arc::new(NaiveRetry { inner, payers }),
            Self::UnknownIsUnsent => Arc::new(UnknownIsUnsent { inner, payers }),
            Self::AnyBillIsIt => Arc::new(Blurred { inner }),
            Self::None | Self::NoQuiescence | Self::ForgottenJournal | Self::TakenTwice => inner,
        }
    }
}

/// Sends again, and doesn't tell the client. Payers are quicker.
#[derive(Debug)]
struct NaiveRetry {
    inner: Faults,
    payers: Payers,
}

#[async_trait]
impl Transport for NaiveRetry {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let mut outcome = self.inner.send(request.clone()).await;
        for _ in 0..3 {
            if outcome.as_ref().is_ok_and(|answer| !answer.status().is_server_error()) {
                break;
            }
            self.inner.release().await;
            self.payers.pay().await;
            outcome = self.inner.send(request.clone()).await;
        }
        outcome
    }
}

/// Says of each failure that nothing was sent.
#[derive(Debug)]
struct UnknownIsUnsent {
    inner: Faults,
    payers: Payers,
}

#[async_trait]
impl Transport for UnknownIsUnsent {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        match self.inner.send(request).await {
            Err(error) if error.delivery() == Delivery::Unknown => {
                self.inner.release().await;
                self.payers.pay().await;
                Err(TransportError::not_sent(error.kind()))
            }
            outcome => outcome,
        }
    }
}

/// Nobody can tell one bill of a list from another.
#[derive(Debug)]
struct Blurred {
    inner: Faults,
}

#[async_trait]
impl Transport for Blurred {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let answer = self.inner.send(request).await?;
        Ok(answer.map(|body| match serde_json::from_slice::<serde_json::Value>(&body) {
            Ok(mut answer) => {
                for payment in answer["data"]["content"].as_array_mut().into_iter().flatten() {
                    for field in ["id", "amount", "amountAfterDueDate"] {
                        payment[field] = "blurred".into();
                    }
                }
                Bytes::from(answer.to_string())
            }
            Err(_) => body,
        }))
    }
}

/// Closes whatever is in the way of a new intent.
#[derive(Debug)]
pub(super) struct TakenTwice(pub(super) SqliteJournal);

#[async_trait]
impl Journal for TakenTwice {
    async fn begin(&self, draft: Draft) -> Result<Begun, JournalError> {
        match self.0.begin(draft.clone()).await? {
            Begun::Open(open) => {
                self.0.close(open.id(), Closed::NotSent).await?;
                self.0.begin(draft).await
            }
            begun => Ok(begun),
        }
    }

    async fn close(&self, intent: IntentId, how: Closed) -> Result<(), JournalError> {
        self.0.close(intent, how).await
    }

    async fn open(&self, after: Option<IntentId>, limit: usize) -> Result<Vec<Intent>, JournalError> {
        self.0.open(after, limit).await
    }

    async fn known(&self, identifier: &Identifier) -> Result<Option<Known>, JournalError> {
        self.0.known(identifier).await
    }

    async fn has_batch(&self, batch: BulkRequestId) -> Result<bool, JournalError> {
        self.0.has_batch(batch).await
    }

    async fn chunk(&self, chunk: &ChunkKey) -> Result<Option<ChunkRecord>, JournalError> {
        self.0.chunk(chunk).await
    }
}
