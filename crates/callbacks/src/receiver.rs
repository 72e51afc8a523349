//! The receiver.

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;

use asaanbill_client::Client;
use asaanbill_storage::{Location, Sqlite};
use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::error::ReceiverError;
use crate::handler::Handler;
use crate::inbox::{Inbox, MIGRATIONS, Receipt};
use crate::serve;
use crate::worker::Worker;

/// A receiver of call-backs. Cheap to clone; its worker stops with the last clone.
#[derive(Clone)]
pub struct Receiver {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) inbox: Inbox,
    pub(crate) bell: Arc<Notify>,
    worker: AbortHandle,
}

/// Settings of a [`Receiver`].
pub struct ReceiverBuilder {
    location: Location,
    client: Client,
    handler: Box<dyn Handler>,
}

impl Receiver {
    /// A receiver with its inbox at `location`, which confirms with this client and hands over to this handler. An inbox in
    /// memory is for tests: a crash loses what it has acknowledged.
    pub fn builder(location: Location, client: Client, handler: impl Handler + 'static) -> ReceiverBuilder {
        ReceiverBuilder { location, client, handler: Box::new(handler) }
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

    /// All call-backs that were acknowledged, and what became of them, oldest first.
    ///
    /// # Errors
    ///
    /// If the inbox fails.
    pub async fn receipts(&self) -> Result<Vec<Receipt>, ReceiverError> {
        Ok(self.inner.inbox.receipts().await?)
    }
}

impl ReceiverBuilder {
    /// Opens the inbox and starts the worker on tokio's current runtime. What an earlier process left undone is done first.
    ///
    /// # Errors
    ///
    /// If the inbox can't be opened.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn build(self) -> Result<Receiver, ReceiverError> {
        let Self { location, client, handler } = self;
        let opened = tokio::task::spawn_blocking(move || Sqlite::open(&location, MIGRATIONS)).await;
        let store = opened.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()))?;
        let inbox = Inbox::new(store);
        let bell = Arc::new(Notify::new());
        let (worker, ring) = (Worker { inbox: inbox.clone(), client, handler }, Arc::clone(&bell));
        let worker = tokio::spawn(async move { worker.run(&ring).await }).abort_handle();
        Ok(Receiver { inner: Arc::new(Inner { inbox, bell, worker }) })
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
