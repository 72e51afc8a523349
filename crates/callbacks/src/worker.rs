//! Confirms what came and hands over what is confirmed, one after another.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use asaanbill_client::Client;
use asaanbill_storage::StorageError;
use futures_util::FutureExt as _;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

use crate::confirm::{Verdict, confirm, record};
use crate::handler::Handler;
use crate::inbox::{Due, Inbox, Open, ReceiptState, Unhandled};

/// How long to wait before the hub is asked again about a payment that it doesn't show as paid, in seconds; then it is
/// [`ReceiptState::Unconfirmed`]. The sum is somewhat over a day.
pub const CONFIRM_DELAYS_SECONDS: [u32; 12] = [1, 2, 5, 15, 60, 300, 900, 3_600, 7_200, 14_400, 28_800, 43_200];

/// How often the hub is asked about something that it knows nothing of; then it is [`ReceiptState::Rejected`].
pub const CONFIRM_ATTEMPTS_UNKNOWN: u32 = 3;

/// How long to wait when the hub can't be asked, or a handler fails, at most.
const RETRY_DELAY_MAX_SECONDS: u32 = 60;

/// How long to wait when the store fails.
const STORE_PAUSE: Duration = Duration::from_secs(1);

pub(crate) struct Worker {
    pub(crate) inbox: Inbox,
    pub(crate) client: Client,
    pub(crate) handler: Box<dyn Handler>,
}

impl Worker {
    /// Works until it is dropped. `bell` rings when something has come.
    pub(crate) async fn run(self, bell: &Notify) {
        loop {
            let next = match self.step().await {
                Ok(next) => next,
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "the inbox failed");
                    Due::At(after(now(), STORE_PAUSE.as_secs()))
                }
            };
            match next {
                Due::Now(()) => {}
                Due::Never => bell.notified().await,
                Due::At(at) => {
                    let wait = Duration::try_from(at.duration_since(now())).unwrap_or_default();
                    let _ = tokio::time::timeout(wait, bell.notified()).await;
                }
            }
        }
    }

    /// Does one thing that is due, and says when the next one is.
    async fn step(&self) -> Result<Due<()>, StorageError> {
        let unhandled = match self.inbox.next_unhandled(now()).await? {
            Due::Now(unhandled) => return self.handle(unhandled).await.map(Due::Now),
            Due::At(at) => Some(at),
            Due::Never => None,
        };
        let open = match self.inbox.next_open(now()).await? {
            Due::Now(open) => return self.ask(open).await.map(Due::Now),
            Due::At(at) => Some(at),
            Due::Never => None,
        };
        Ok(unhandled.into_iter().chain(open).min().map_or(Due::Never, Due::At))
    }

    async fn ask(&self, open: Open) -> Result<(), StorageError> {
        let id = open.id;
        let state = match confirm(&self.client, &open).await {
            // Neither open nor closed: the attempt doesn't count, and nothing is believed.
            Err(error) => {
                tracing::warn!(receipt = id, error = &error as &dyn std::error::Error, "the hub can't be asked");
                return self.inbox.defer(id, false, after(now(), RETRY_DELAY_MAX_SECONDS.min(5).into())).await;
            }
            Ok(Verdict::Confirmed(effects)) => self.inbox.confirm(id, effects, now()).await?,
            Ok(Verdict::Closed(state)) => self.close(id, state).await?,
            Ok(Verdict::Unknown) if open.attempts + 1 >= CONFIRM_ATTEMPTS_UNKNOWN => {
                self.close(id, ReceiptState::Rejected).await?
            }
            Ok(Verdict::NotYet | Verdict::Unknown) => match delay(open.attempts) {
                Some(seconds) => return self.inbox.defer(id, true, after(now(), seconds.into())).await,
                None => self.close(id, ReceiptState::Unconfirmed).await?,
            },
        };
        tracing::info!(receipt = id, ?state, "call-back");
        Ok(())
    }

    async fn close(&self, id: i64, state: ReceiptState) -> Result<ReceiptState, StorageError> {
        self.inbox.close(id, state).await?;
        Ok(state)
    }

    async fn handle(&self, unhandled: Unhandled) -> Result<(), StorageError> {
        let Unhandled { effect, attempts } = unhandled;
        let handled = match record(&self.client, effect).await {
            // A panicking handler is one that failed: the others' events go on.
            Ok(event) => match AssertUnwindSafe(self.handler.handle(event)).catch_unwind().await {
                Ok(handled) => handled,
                Err(_) => Err("the handler panicked".into()),
            },
            Err(error) => Err(error.into()),
        };
        match handled {
            Ok(()) => self.inbox.handled(effect, now()).await,
            Err(error) => {
                tracing::warn!(key = effect.key(), error = &*error, "an event was not handled");
                let seconds = delay(attempts).unwrap_or(u32::MAX).min(RETRY_DELAY_MAX_SECONDS);
                self.inbox.handle_later(effect, after(now(), seconds.into())).await
            }
        }
    }
}

fn delay(attempts: u32) -> Option<u32> {
    CONFIRM_DELAYS_SECONDS.get(usize::try_from(attempts).ok()?).copied()
}

fn after(now: Timestamp, seconds: u64) -> Timestamp {
    let wait = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
    now.saturating_add(wait).unwrap_or(now)
}

#[expect(clippy::disallowed_methods, reason = "a receiver is an outermost layer")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
