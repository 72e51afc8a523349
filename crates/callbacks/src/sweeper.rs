//! Finds paid bills that no call-back announced, and tidies up.

use std::sync::Arc;
use std::time::Duration;

use asaanbill_storage::StorageError;
use asaanbill_wire::PageRequest;
use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};

use crate::confirm::SweptBody;
use crate::core::{Core, caught, pause};
use crate::event::Effect;
use crate::hub::HubError;
use crate::metrics::Event;
use crate::receipt::SWEPT_PATH;
use crate::record::{PaymentRecord, RecordPage};
use crate::store::{NewReceipt, SweepFrom, SweepTimes};

/// How far before the last sweep the next one looks: the hub's times have no seconds, and its list shifts while it is read.
const OVERLAP: SignedDuration = SignedDuration::from_hours(1);

/// How long a payment is left to its call-back.
const GRACE: SignedDuration = SignedDuration::from_mins(2);

/// How many payments are read at once.
const PAGE_SIZE: u32 = 500;

/// The most pages of one sweep: half a million payments. The next sweep begins where the last complete one did.
const PAGES_MAX: u32 = 1_000;

/// How often it is looked whether a sweep is due, or a receipt old.
const ROUND: Duration = Duration::from_secs(60);

/// How often the bound on floods is counted anew.
const COUNT_EVERY: Duration = Duration::from_secs(10);

/// How many receipts are forgotten in one transaction.
const PRUNE_AT_ONCE: u32 = 1_000;

/// Works until it is dropped.
pub(crate) async fn run(core: Arc<Core>) {
    let mut rounds = interval(ROUND);
    // They were counted as the receiver was built.
    let mut counts = interval_at(Instant::now() + COUNT_EVERY, COUNT_EVERY);
    // What was missed, as while the machine slept, isn't made up for.
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    counts.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = rounds.tick() => {
                if let Err(error) = round(&core).await {
                    pause(&error).await;
                }
            }
            _ = counts.tick() => match core.store.unresolved().await {
                Ok(counted) => core.unresolved.set(counted),
                Err(error) => pause(&error).await,
            }
        }
    }
}

async fn round(core: &Core) -> Result<(), StorageError> {
    let now = core.now();
    if let Some(retention) = core.retention {
        let before = now.saturating_sub(retention).unwrap_or(Timestamp::MIN);
        // All of it: what comes in faster than it goes would stay for ever.
        while core.store.prune(before, PRUNE_AT_ONCE).await? == u64::from(PRUNE_AT_ONCE) {}
    }
    let Some(sweep) = core.sweep else { return Ok(()) };
    let Some(from) = core.store.begin_sweep(SweepTimes::new(now, sweep)).await? else { return Ok(()) };
    core.metrics.count(Event::Sweep);
    match sweep_from(core, from, now).await {
        Ok(found) => {
            tracing::info!(found, "the hub's records were swept");
            core.store.end_sweep(now).await
        }
        Err(Interrupted::Store(error)) => Err(error),
        Err(Interrupted::Hub(error)) => {
            core.metrics.count(Event::SweepFailed);
            tracing::warn!(error = &*error, "the hub's records could not be swept to the end");
            Ok(())
        }
    }
}

enum Interrupted {
    Hub(HubError),
    Store(StorageError),
}

impl From<StorageError> for Interrupted {
    fn from(error: StorageError) -> Self {
        Self::Store(error)
    }
}

/// Reads payments from the last changed back. Says how many were found that nobody had announced.
async fn sweep_from(core: &Core, from: SweepFrom, now: Timestamp) -> Result<u64, Interrupted> {
    let oldest = from.swept_to.saturating_sub(OVERLAP).unwrap_or(Timestamp::MIN).max(minute_of(from.since));
    let mut found = 0;
    let mut page = PageRequest::new(0, PAGE_SIZE).ok();
    while let Some(request) = page.filter(|page| page.number() < PAGES_MAX) {
        let asked = caught(async {
            let channel = core.hub.channel().await?;
            Ok::<_, HubError>((channel, core.hub.latest_payments(request).await?))
        });
        let answer = asked.await.unwrap_or_else(|panicked| Err(panicked.into()));
        let (channel, read) = answer.map_err(Interrupted::Hub)?;
        let paid = unannounced(&read, oldest, now);
        let effects = paid.iter().filter_map(|record| Some(Effect::Payment(channel, record.id()?))).collect();
        let unknown = core.store.unknown(effects).await?;
        for record in paid {
            let (Some(id), Some(psid)) = (record.id(), record.psid()) else { continue };
            if unknown.contains(&Effect::Payment(channel, id)) {
                let body = SweptBody { psid: psid.as_str().to_owned(), id: id.get() };
                note(core, &body, now).await?;
                found += 1;
            }
        }
        page = request.next().filter(|_| !read.is_last && !reaches(&read, oldest));
    }
    Ok(found)
}

/// As the hub shows it: what was paid later in the same minute seems to be older.
fn minute_of(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second().div_euclid(60) * 60).unwrap_or(Timestamp::MIN)
}

/// Through the same inbox as call-backs: it is confirmed like them, and if its call-back comes after all, one of the two is a
/// duplicate.
async fn note(core: &Core, body: &SweptBody, now: Timestamp) -> Result<(), StorageError> {
    let body = serde_json::to_string(body).unwrap_or_default();
    let receipt = NewReceipt { path: SWEPT_PATH, body, source: None, received_at: now };
    let id = core.store.receive(receipt).await?;
    tracing::warn!(receipt = id, "a payment was found that no call-back had announced");
    core.metrics.count(Event::Swept);
    core.bells.received.notify_one();
    Ok(())
}

/// Those paid since `oldest`, and long enough ago for their call-backs.
fn unannounced(page: &RecordPage, oldest: Timestamp, now: Timestamp) -> Vec<&PaymentRecord> {
    let latest = now.saturating_sub(GRACE).unwrap_or(Timestamp::MIN);
    let is_ours = |record: &&PaymentRecord| {
        record.is_paid() && record.paid_at().is_some_and(|paid| (oldest..=latest).contains(&paid))
    };
    page.records.iter().filter(is_ours).collect()
}

/// Whether all that follows was changed before `oldest`: the list is by the time of the last change, which of a paid record
/// is the payment.
fn reaches(page: &RecordPage, oldest: Timestamp) -> bool {
    page.records.iter().any(|record| record.is_paid() && record.paid_at().is_some_and(|paid| paid < oldest))
}
