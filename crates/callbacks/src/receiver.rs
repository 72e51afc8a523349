//! The receiver.

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;

use asaanbill_client::{Client, RetryPolicy};
use asaanbill_storage::{Location, Sqlite};
use axum::Router;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use crate::clock::Clock;
use crate::error::ReceiverError;
use crate::handler::Handler;
use crate::inbox::{Inbox, MIGRATIONS, Receipt};
use crate::serve;
use crate::worker::{Bells, Worker};

/// A receiver of call-backs. Cheap to clone; its worker stops with the last clone.
#[derive(Clone)]
pub struct Receiver {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) inbox: Inbox,
    pub(crate) bells: Arc<Bells>,
    pub(crate) clock: Clock,
    worker: AbortHandle,
}

/// Settings of a [`Receiver`].
pub struct ReceiverBuilder {
    location: Location,
    client: Client,
    handler: Box<dyn Handler>,
    clock: Clock,
}

impl Receiver {
    /// A receiver with its inbox at `location`, which confirms with this client and hands over to this handler. An inbox in
    /// memory is for tests: a crash loses what it has acknowledged.
    pub fn builder(location: Location, client: Client, handler: impl Handler + 'static) -> ReceiverBuilder {
        // The worker has its own schedule: an attempt that waits would hold up all other events.
        let client = client.with_retry(RetryPolicy::never());
        ReceiverBuilder { location, client, handler: Box::new(handler), clock: Clock::default() }
    }

    /// The receiver as part of your own server. Give the hub the address under which it is mounted.
    pub fn router(&self) -> Router {
        serve::router(self.clone())
    }

    /// Serves HTTP until `stop` resolves, and then finishes what is in flight.
    ///
    /// Cancellation: connections are closed; a call-back that wasn't acknowledged may be stored or not.
    ///
    /// # Errors
    ///
    /// If the listener fails.
    pub async fn serve(
        &self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        axum::serve(listener, self.router()).with_graceful_shutdown(stop).await
    }

    /// The latest call-backs that were acknowledged, and what became of them, oldest first: at most
    /// [`RECEIPTS_MAX`](crate::RECEIPTS_MAX).
    ///
    /// Cancellation: safe.
    ///
    /// # Errors
    ///
    /// If the inbox fails.
    pub async fn receipts(&self) -> Result<Vec<Receipt>, ReceiverError> {
        Ok(self.inner.inbox.receipts().await?)
    }
}

impl ReceiverBuilder {
    /// What tells the time: the system's clock if nothing is said. It says when a call-back came and when the hub is to be
    /// asked again; the waiting itself goes by tokio's timer.
    #[must_use]
    pub fn clock(mut self, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Clock::new(now);
        self
    }

    /// Opens the inbox and starts the worker on tokio's current runtime. What an earlier process left undone is done first.
    ///
    /// Cancellation: the inbox's file may have been made; nothing runs.
    ///
    /// # Errors
    ///
    /// If the inbox can't be opened.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn build(self) -> Result<Receiver, ReceiverError> {
        let Self { location, client, handler, clock } = self;
        let opened = tokio::task::spawn_blocking(move || Sqlite::open(&location, MIGRATIONS)).await;
        let store = opened.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()))?;
        let inbox = Inbox::new(store);
        let bells = Arc::new(Bells::default());
        let worker = Worker { inbox: inbox.clone(), client, handler, clock: clock.clone(), bells: Arc::clone(&bells) };
        let worker = tokio::spawn(worker.run()).abort_handle();
        Ok(Receiver { inner: Arc::new(Inner { inbox, bells, clock, worker }) })
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.worker.abort();
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("inbox", &self.inner.inbox).finish_non_exhaustive()
    }
}

impl fmt::Debug for ReceiverBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiverBuilder").field("location", &self.location).finish_non_exhaustive()
    }
}
