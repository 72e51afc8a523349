//! A bill's fate, by asking politely.

use std::collections::HashMap;
use std::time::Duration;

use asaanbill_core::{PaymentId, Psid};
use asaanbill_wire::PageRequest;
use futures_util::stream;

use crate::items::Items;
use crate::{Client, Payment, Status};

/// How long a watch waits at first, and again after each change.
pub const WATCH_FIRST: Duration = Duration::from_secs(5);

/// How long it waits at most while nothing changes.
pub const WATCH_MAX: Duration = Duration::from_secs(60);

/// How many of a PSID's newest records are watched.
const WATCHED: u32 = 50;

/// How often a watch asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchPolicy {
    first: Duration,
    max: Duration,
}

impl WatchPolicy {
    /// The first wait and the longest. [`WATCH_FIRST`] and [`WATCH_MAX`] if nothing is said. The wait doubles while nothing
    /// changes.
    pub fn new(first: Duration, max: Duration) -> Self {
        Self { first, max: max.max(first) }
    }
}

impl Default for WatchPolicy {
    fn default() -> Self {
        Self::new(WATCH_FIRST, WATCH_MAX)
    }
}

impl Client {
    /// A PSID's records, each when it is first seen and whenever its status has changed. It ends when all of them are final,
    /// which an open QR code's never are: then it goes on for as long as it is listened to.
    ///
    /// It asks at once, and then at intervals that grow while nothing changes. **Call-backs are faster**: a watch is for
    /// programs that can't be called back. Statuses between two looks aren't seen.
    ///
    /// An error is given, and ends it; the retry policy has dealt with what passes. A PSID that the hub doesn't know is
    /// watched until it does.
    pub fn watch(&self, psid: Psid, policy: WatchPolicy) -> Items<Payment> {
        let watch =
            Watch { client: self.clone(), psid, policy, wait: None, stood: HashMap::new(), changes: Vec::new() };
        Items::new(stream::try_unfold(watch, |mut watch| async move {
            loop {
                if let Some(change) = watch.changes.pop() {
                    return Ok(Some((change, watch)));
                }
                if !watch.look().await? {
                    return Ok(None);
                }
            }
        }))
    }
}

struct Watch {
    client: Client,
    psid: Psid,
    policy: WatchPolicy,
    /// None before the first look.
    wait: Option<Duration>,
    stood: HashMap<Option<PaymentId>, Option<Status>>,
    /// To be given out, the newest first.
    changes: Vec<Payment>,
}

impl Watch {
    /// Waits, and looks for changes. Says whether there may be any more.
    async fn look(&mut self) -> Result<bool, crate::ClientError> {
        let all_final =
            !self.stood.is_empty() && self.stood.values().all(|status| status.as_ref().is_some_and(Status::is_final));
        if all_final {
            return Ok(false);
        }
        if let Some(wait) = self.wait {
            tokio::time::sleep(wait).await;
        }
        let newest = PageRequest::new(0, WATCHED).unwrap_or_default();
        let page = self.client.search(self.psid, newest).await?;
        // What has left the page isn't watched any more.
        let before = std::mem::take(&mut self.stood);
        for payment in page.items {
            let (id, status) = (payment.id(), payment.status());
            let changed = before.get(&id).is_none_or(|stood| *stood != status);
            self.stood.insert(id, status);
            if changed {
                self.changes.push(payment);
            }
        }
        self.wait = Some(match self.wait {
            Some(wait) if self.changes.is_empty() => wait.saturating_mul(2).min(self.policy.max),
            _ => self.policy.first,
        });
        Ok(true)
    }
}
