//! Confirms what came, and hands over what is confirmed.

use std::error::Error;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use asaanbill_client::Client;
use asaanbill_storage::StorageError;
use futures_util::FutureExt as _;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::confirm::{Undecided, Verdict, confirm, record};
use crate::handler::Handler;
use crate::inbox::{Again, Due, Inbox, Open, ReceiptState, Unhandled};

/// How long to wait before the hub is asked again about a payment that it doesn't show as paid, in seconds; then it is
/// [`ReceiptState::Unconfirmed`]. The sum is somewhat over a day.
pub const CONFIRM_DELAYS_SECONDS: [u32; 12] = [1, 2, 5, 15, 60, 300, 900, 3_600, 7_200, 14_400, 28_800, 43_200];

/// How often the hub is asked about something that it knows nothing of; then it is [`ReceiptState::Rejected`].
pub const CONFIRM_ATTEMPTS_UNKNOWN: u32 = 3;

/// How long to wait when the hub can't be asked, or a handler fails, at most.
const RETRY_DELAY_MAX_SECONDS: u32 = 60;

/// How long to wait when the store fails.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// How long the worker rests at most. A call-back whose sender went away, or for which the store took too long, is stored
/// without a bell; and the timer stands still while the machine sleeps.
const REST_MAX: Duration = Duration::from_secs(30);

/// What wakes the worker.
#[derive(Default)]
pub(crate) struct Bells {
    /// A call-back is stored.
    pub(crate) received: Notify,
    /// An effect is noted.
    confirmed: Notify,
}

pub(crate) struct Worker {
    pub(crate) inbox: Inbox,
    pub(crate) client: Client,
    pub(crate) handler: Box<dyn Handler>,
    pub(crate) clock: Clock,
    pub(crate) bells: Arc<Bells>,
}

impl Worker {
    /// Works until it is dropped. It confirms and hands over side by side, so that a slow handler holds up no confirmation.
    pub(crate) async fn run(self) {
        tokio::join!(self.confirm_all(), self.handle_all());
    }

    async fn confirm_all(&self) {
        loop {
            let next = self.confirm_next().await;
            self.rest(next, &self.bells.received).await;
        }
    }

    async fn handle_all(&self) {
        loop {
            let next = self.handle_next().await;
            self.rest(next, &self.bells.confirmed).await;
        }
    }

    /// Waits until there is something to do.
    async fn rest(&self, next: Result<Due<()>, StorageError>, bell: &Notify) {
        let rest = match next {
            Ok(Due::Now(())) => return,
            Ok(Due::At(at)) => Duration::try_from(at.duration_since(self.clock.now())).unwrap_or_default(),
            Ok(Due::Never) => REST_MAX,
            Err(error) => return pause(&error).await,
        };
        // Whether it was the bell or the timer, the inbox is looked at.
        let _ = tokio::time::timeout(rest.min(REST_MAX), bell.notified()).await;
    }

    /// Asks about the call-back that is due, or says when one is.
    async fn confirm_next(&self) -> Result<Due<()>, StorageError> {
        Ok(match self.inbox.next_open(self.clock.now()).await? {
            Due::Now(open) => Due::Now(self.ask(open).await?),
            Due::At(at) => Due::At(at),
            Due::Never => Due::Never,
        })
    }

    async fn ask(&self, open: Open) -> Result<(), StorageError> {
        let id = open.id;
        let verdict = match caught(confirm(&self.client, &self.inbox, &open, self.clock.now())).await {
            Ok(Ok(verdict)) => verdict,
            Ok(Err(Undecided::Inbox(error))) => return Err(error),
            Ok(Err(Undecided::Hub(error))) => return self.unasked(&open, &error).await,
            Err(panicked) => return self.unasked(&open, &panicked).await,
        };
        let (again, at_last) = match verdict {
            Verdict::Confirmed => {
                self.bells.confirmed.notify_one();
                tracing::info!(receipt = id, state = ?ReceiptState::Confirmed, "call-back");
                return Ok(());
            }
            Verdict::Closed(state) => return self.close(id, state).await,
            Verdict::Unknown if open.unknowns + 1 >= CONFIRM_ATTEMPTS_UNKNOWN => {
                return self.close(id, ReceiptState::Rejected).await;
            }
            Verdict::Unknown => (Again::Unknown, ReceiptState::Unconfirmed),
            Verdict::NotYet { at_last } => (Again::NotYet, at_last),
        };
        match confirm_delay(open.attempts) {
            Some(seconds) => self.inbox.defer(id, again, self.after(seconds)).await,
            None => self.close(id, at_last).await,
        }
    }

    /// Neither open nor closed: the attempt doesn't count, and nothing is believed.
    async fn unasked(&self, open: &Open, error: &(dyn Error + Send + Sync + 'static)) -> Result<(), StorageError> {
        tracing::warn!(receipt = open.id, error, "the hub can't be asked");
        self.inbox.defer(open.id, Again::Unasked, self.after(retry_delay(open.failures))).await
    }

    async fn close(&self, id: i64, state: ReceiptState) -> Result<(), StorageError> {
        self.inbox.close(id, state).await?;
        match state {
            ReceiptState::Mismatch | ReceiptState::Unconfirmed => {
                tracing::warn!(receipt = id, ?state, "call-back: somebody should look at it");
            }
            _ => tracing::info!(receipt = id, ?state, "call-back"),
        }
        Ok(())
    }

    /// Hands over the effect that is due, or says when one is.
    async fn handle_next(&self) -> Result<Due<()>, StorageError> {
        Ok(match self.inbox.next_unhandled(self.clock.now()).await? {
            Due::Now(unhandled) => Due::Now(self.handle(unhandled).await?),
            Due::At(at) => Due::At(at),
            Due::Never => Due::Never,
        })
    }

    async fn handle(&self, unhandled: Unhandled) -> Result<(), StorageError> {
        let Unhandled { effect, attempts } = unhandled;
        // A panicking handler is one that failed: the others' events go on.
        let handled = caught(async { self.handler.handle(record(&self.client, effect).await?).await });
        let failure = match handled.await {
            Ok(Ok(())) => {
                // It is done: if it can't be noted, only the note is tried again, not the handler.
                while let Err(error) = self.inbox.handled(effect, self.clock.now()).await {
                    pause(&error).await;
                }
                return Ok(());
            }
            Ok(Err(error)) => error,
            Err(panicked) => panicked.into(),
        };
        tracing::warn!(key = effect.key(), error = &*failure as &dyn Error, "an event was not handled");
        self.inbox.handle_later(effect, self.after(retry_delay(attempts))).await
    }

    fn after(&self, seconds: u32) -> Timestamp {
        let now = self.clock.now();
        now.saturating_add(SignedDuration::from_secs(seconds.into())).unwrap_or(now)
    }
}

async fn pause(error: &StorageError) {
    tracing::error!(error = error as &dyn Error, "the inbox failed");
    tokio::time::sleep(STORE_PAUSE).await;
}

fn confirm_delay(attempts: u32) -> Option<u32> {
    CONFIRM_DELAYS_SECONDS.get(usize::try_from(attempts).ok()?).copied()
}

fn retry_delay(failures: u32) -> u32 {
    confirm_delay(failures).unwrap_or(u32::MAX).min(RETRY_DELAY_MAX_SECONDS)
}

/// Somebody else's code panicked: a handler's, or a transport's.
#[derive(Debug, thiserror::Error)]
#[error("it panicked")]
struct Panicked;

async fn caught<T>(work: impl Future<Output = T>) -> Result<T, Panicked> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|_| Panicked)
}
