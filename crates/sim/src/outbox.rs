//! Call-backs out: what is sent for each that is owed, and each delivery claimed under a lease, attempted, and noted.
//!
//! guide:call-7

use std::sync::Arc;
use std::time::Duration;

use asaanbill_storage::StorageError;
use asaanbill_storage::queue::{Claim, Clocks, Token};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use crate::callback::{
    self, Attempt, CALLBACK_DEADLINE, CallbackUrl, DeliveryKind, Diagnosis, Disturbance, Event, Schedule, Sender, draw,
};
use crate::clock::system_time;
use crate::effect::Effect;
use crate::engine::Engine;
use crate::settings::Settings;
use crate::store::{Attempted, ClaimDeliveries, Claimed, Delivery, Owed, Plan, Seed};

/// How long a delivery is one worker's alone: an attempt, and the time to note it. If the worker died, somebody else does it then.
const LEASE: SignedDuration = SignedDuration::from_secs(8);

/// How long after a claim was asked for an attempt may still begin: what begins later could go on when the lease has run out, and
/// somebody else sends the same.
pub(crate) const CLAIM_PATIENCE: Duration = Duration::from_secs(2);
const _: () =
    assert!(LEASE.as_secs().unsigned_abs() > CALLBACK_DEADLINE.as_secs() + CLAIM_PATIENCE.as_secs(), "or it could");

/// What the store notes where a channel has ceased to want call-backs before one was sent.
const UNWANTED: &str = "unwanted";

/// Sends what is owed.
pub(crate) struct Outbox {
    sender: Sender,
    schedule: Schedule,
    seed: u64,
    /// Whether some deliveries wait for the channel's next one.
    disorderly: bool,
}

/// What is really sent for a call-back that is owed, by the settings.
pub(crate) fn plan(seed: Option<Seed>, settings: &Settings) -> Arc<Plan> {
    let (seed, disturbances) = (number(seed), settings.disturbances.clone());
    if disturbances.is_quiet() {
        return Arc::new(|_, _| vec![Delivery::AT_ONCE]);
    }
    Arc::new(move |id, owed: &Owed| {
        let id = u64::try_from(id).unwrap_or_default();
        let deliveries = callback::plan(seed, &Event { id, path: owed.path, body: &owed.body }, &disturbances);
        deliveries.into_iter().map(|delivery| stored(&delivery, owed)).collect()
    })
}

/// Without a seed, chance is the same each time too: nobody wants a test that fails sometimes.
fn number(seed: Option<Seed>) -> u64 {
    seed.map_or(0, |Seed(seed)| seed)
}

fn stored(delivery: &callback::Delivery, owed: &Owed) -> Delivery {
    let own = *delivery.body == *owed.body.as_bytes();
    Delivery {
        after: SignedDuration::try_from(delivery.delay).unwrap_or(SignedDuration::MAX),
        kind: delivery.kind.name(),
        body: (!own).then(|| BASE64_STANDARD.encode(&delivery.body)),
        behind_next: delivery.behind_next.then_some(owed.channel),
    }
}

impl Outbox {
    pub(crate) fn new(sender: Sender, seed: Option<Seed>, settings: &Settings) -> Self {
        let disorderly = settings.disturbances.happens(Disturbance::Disorder);
        Self { sender, schedule: settings.callback_schedule, seed: number(seed), disorderly }
    }

    /// Takes deliveries that are due for this program alone.
    pub(crate) async fn claim(&self, engine: &Engine, most: usize) -> Result<Vec<Claimed>, StorageError> {
        let clocks = Clocks { due: engine.clock().now(), now: system_time() };
        let most = most.try_into().unwrap_or(u32::MAX);
        engine.change(ClaimDeliveries(Claim::new(most, Token::random()?, clocks, LEASE))).await
    }

    /// Attempts a delivery and notes the outcome.
    pub(crate) async fn deliver(&self, engine: &Engine, delivery: Claimed) {
        let _under_way = engine.effects().begin();
        let failure = self.attempt(&delivery).await;
        let at = engine.clock().now();
        let outcome = failure.clone().unwrap_or_else(|| "acknowledged".to_owned());
        let what = format!("call-back {} {} ({}): {outcome}", delivery.callback, delivery.path, delivery.kind);
        let again = failure.as_ref().and_then(|_| self.again(&delivery, at));
        let noted = Attempted {
            lease: delivery.lease,
            callback: delivery.callback,
            kind: delivery.kind.clone(),
            at,
            failure,
            again,
            // A forgery isn't the hub's: it makes no next one.
            let_go: (self.disorderly && delivery.kind != DeliveryKind::Forged.name()).then_some(delivery.channel),
        };
        match engine.change(noted).await {
            Ok(true) => {
                tracing::info!(path = delivery.path, outcome, "call-back");
                engine.done(Effect { at, what });
            }
            Ok(false) => tracing::warn!(delivery.callback, "a lease ran out before the attempt was noted"),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "an attempt could not be noted");
            }
        }
    }

    /// One attempt. The failure's text names the step.
    async fn attempt(&self, delivery: &Claimed) -> Option<String> {
        let Some(url) = &delivery.url else { return Some(UNWANTED.to_owned()) };
        let Ok(url) = url.parse::<CallbackUrl>() else { return Some(Diagnosis::Unsendable.as_text()) };
        let body = Bytes::from(delivery.body.clone());
        let Attempt { outcome, peer, status, took } =
            self.sender.send(&url, &delivery.path, body, CALLBACK_DEADLINE).await;
        let peer = peer.map(tracing::field::display);
        tracing::debug!(delivery.callback, delivery.attempt, peer, status, ?took, "a receiver was called");
        outcome.err().map(Diagnosis::as_text)
    }

    /// When a delivery that failed is attempted again, if it is.
    fn again(&self, delivery: &Claimed, now: Timestamp) -> Option<Timestamp> {
        delivery.url.as_ref()?;
        let purpose = format!("retry {} of {}", delivery.attempt, delivery.kind);
        let chance = draw(self.seed, u64::try_from(delivery.callback).unwrap_or_default(), &purpose);
        let wait: Duration = self.schedule.next(delivery.attempt, chance)?;
        now.checked_add(wait).ok()
    }
}

/// What is said to a person of a failure that the store noted.
pub(crate) fn sentence(failure: &str) -> String {
    match failure.parse::<Diagnosis>() {
        Ok(diagnosis) => diagnosis.to_string(),
        Err(_) if failure == UNWANTED => "the channel wanted no call-backs any more".to_owned(),
        Err(_) => failure.to_owned(),
    }
}
