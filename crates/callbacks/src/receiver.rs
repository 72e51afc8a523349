//! The receiver.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::builder::ReceiverBuilder;
use crate::core::Core;
use crate::error::ReceiverError;
use crate::handler::Handling;
use crate::health::Health;
use crate::hub::HubRecords;
use crate::receipt::{History, RECEIPTS_MAX, Receipt, ReceiptState};
use crate::serve;
use crate::store::{Inbox, Redriven};

/// How long a draining receiver waits for its workers: a handler has that long.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// A receiver of call-backs. Cheap to clone; its workers stop with the last clone.
#[derive(Clone)]
pub struct Receiver {
    core: Arc<Core>,
    workers: Arc<Workers>,
}

/// The tasks that confirm, hand over and sweep. They end with it.
pub(crate) struct Workers(Mutex<[Option<JoinHandle<()>>; 3]>);

impl Workers {
    pub(crate) fn new(tasks: [JoinHandle<()>; 3]) -> Self {
        Self(Mutex::new(tasks.map(Some)))
    }
}

/// What was begun again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Redrive {
    /// The hub is asked again, from the first attempt on.
    Confirming,
    /// The handler is asked again.
    Handling,
    /// There is nothing to do again: it is under way or done, or there is no such receipt.
    Nothing,
}

impl Receiver {
    /// A receiver with its inbox there, which confirms with this hub's records and hands over to this handler. An inbox in
    /// memory is for tests: a crash loses what it has acknowledged.
    pub fn builder(
        inbox: impl Into<Inbox>,
        hub: impl HubRecords + 'static,
        handling: impl Into<Handling>,
    ) -> ReceiverBuilder {
        ReceiverBuilder::new(inbox.into(), Arc::new(hub), handling.into())
    }

    pub(crate) fn new(core: Arc<Core>, workers: Workers) -> Self {
        Self { core, workers: Arc::new(workers) }
    }

    /// The receiver as part of your own server: an axum `Router`, which is a tower `Service` as well. Give the hub the address
    /// under which it is mounted. Bounds on connections and slow heads are your server's then.
    pub fn router(&self) -> Router {
        // The workers live as long as the router does.
        let workers = Arc::clone(&self.workers);
        serve::router(Arc::clone(&self.core)).layer(axum::Extension(workers))
    }

    /// `/metrics` in Prometheus' text format, and `/health`: 200 and `{"stuck":[]}` if it is well, else 503 with what is stuck
    /// and what to do about it. `/receipts` lists them, with `?state=`, `?before=` and `?limit=`; `/receipts/{id}` tells one's
    /// history; `POST /receipts/{id}/redrive` and `/receipts/{id}/give-up` with `{"reason":"…"}` do what
    /// [`redrive`](Self::redrive) and [`give_up`](Self::give_up) do. For an address that only you reach: it asks nobody who
    /// they are.
    pub fn operator_router(&self) -> Router {
        serve::operator_router(self.clone())
    }

    /// Serves HTTP/1 until `stop` resolves, bounded in connections and in time; then answers what was accepted, and
    /// [drains](Self::drain).
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
        serve::serve(Arc::clone(&self.core), listener, stop).await?;
        self.drain().await;
        Ok(())
    }

    /// Begins nothing new, and waits for what is under way, [`DRAIN_TIMEOUT`] at the most. Call-backs that come after it are
    /// still stored and acknowledged; the next receiver on the inbox does the rest.
    ///
    /// Cancellation: nothing new is begun all the same.
    pub async fn drain(&self) {
        self.core.draining.send_replace(true);
        let tasks = {
            let mut tasks = self.workers.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(sweeper) = tasks[2].take() {
                sweeper.abort();
            }
            [tasks[0].take(), tasks[1].take()]
        };
        let deadline = Instant::now() + DRAIN_TIMEOUT;
        for mut task in tasks.into_iter().flatten() {
            if timeout_at(deadline, &mut task).await.is_err() {
                tracing::warn!("work was given up that did not end; it is done again");
                task.abort();
            }
        }
    }

    /// The latest receipts, oldest first: at most [`RECEIPTS_MAX`].
    ///
    /// Cancellation: safe.
    ///
    /// # Errors
    ///
    /// If the inbox fails.
    pub async fn receipts(&self) -> Result<Vec<Receipt>, ReceiverError> {
        let mut latest = self.core.store.receipts(None, i64::MAX, RECEIPTS_MAX).await?;
        latest.reverse();
        Ok(latest)
    }

    /// Receipts in a state, or in any, latest first: those before that number, `i64::MAX` for the latest, and at most
    /// [`RECEIPTS_MAX`] of them.
    ///
    /// Cancellation: safe.
    ///
    /// # Errors
    ///
    /// If the inbox fails.
    pub async fn list(
        &self,
        state: Option<ReceiptState>,
        before: i64,
        most: u32,
    ) -> Result<Vec<Receipt>, ReceiverError> {
        Ok(self.core.store.receipts(state, before, most.min(RECEIPTS_MAX)).await?)
    }

    /// One receipt with all that happened to it.
    ///
    /// Cancellation: safe.
    ///
    /// # Errors
    ///
    /// If the inbox fails.
    pub async fn history(&self, receipt: i64) -> Result<Option<History>, ReceiverError> {
        Ok(self.core.store.history(receipt).await?)
    }

    /// Begins again: asks the hub about a receipt that came to an end without being confirmed, or the handler about an event
    /// that was given up.
    ///
    /// Cancellation: it is begun again or not.
    ///
    /// # Errors
    ///
    /// If the inbox fails.
    pub async fn redrive(&self, receipt: i64) -> Result<Redrive, ReceiverError> {
        Ok(match self.core.store.redrive(receipt, self.core.now()).await? {
            Redriven::Confirming => {
                self.core.bells.received.notify_one();
                Redrive::Confirming
            }
            Redriven::Handling => {
                self.core.bells.confirmed.notify_one();
                Redrive::Handling
            }
            Redriven::Nothing => Redrive::Nothing,
        })
    }

    /// Gives up an unresolved receipt, or the handling of a confirmed one, with a reason for whoever looks later. Says
    /// whether there was anything to give up.
    ///
    /// Cancellation: it is given up or not.
    ///
    /// # Errors
    ///
    /// If the inbox fails.
    pub async fn give_up(&self, receipt: i64, reason: &str) -> Result<bool, ReceiverError> {
        /// A reason is a sentence.
        const REASON_MAX: usize = 200;
        let reason: String = reason.chars().filter(|c| !c.is_control()).take(REASON_MAX).collect();
        let given_up = self.core.store.give_up(receipt, reason, self.core.now()).await?;
        if given_up {
            // Counted anew, as whose it was isn't known here.
            self.core.unresolved.set(self.core.store.unresolved().await?);
        }
        Ok(given_up)
    }

    /// Counts and ages in Prometheus' text format.
    ///
    /// Cancellation: safe.
    ///
    /// # Errors
    ///
    /// If the inbox fails.
    pub async fn metrics(&self) -> Result<String, ReceiverError> {
        Ok(self.core.metrics.text(&self.core.store.counts().await?, self.core.now()))
    }

    /// What is stuck, why, and what to do about it.
    ///
    /// Cancellation: safe.
    pub async fn health(&self) -> Health {
        Health::of(&self.core).await
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        let tasks = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        for task in tasks.iter().flatten() {
            task.abort();
        }
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("store", &self.core.store)
            .field("guard", &self.core.guard)
            .finish_non_exhaustive()
    }
}
