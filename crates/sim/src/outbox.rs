//! Call-backs out: each delivery is claimed under a lease, attempted, and noted.

use std::error::Error as _;
use std::time::Duration;

use asaanbill_storage::StorageError;
use asaanbill_storage::queue::{Claim, Clocks, Token};
use asaanbill_transport::{AttemptDeadline, HyperTransport, ResponseLimit, Transport};
use asaanbill_wire::Acknowledgement;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request};
use jiff::SignedDuration;
use tokio::time::Instant;

use crate::clock::system_time;
use crate::effect::Effect;
use crate::engine::Engine;
use crate::store::{Attempted, ClaimDeliveries, Claimed};

/// How long an integrator has: name resolution, connecting and the whole body included. (Guide, Call-backs, note)
pub const CALLBACK_DEADLINE: Duration = Duration::from_secs(5);

/// The most bytes of an integrator's answer that are read: what is longer is no acknowledgement. (assumed)
pub const CALLBACK_ANSWER_MAX: usize = 64 * 1024;

/// How long a delivery is one worker's alone: an attempt, and the time to note it. If the worker died, somebody else does it then.
const LEASE: SignedDuration = SignedDuration::from_secs(8);

/// Sends what is owed.
pub(crate) struct Outbox {
    transport: HyperTransport,
}

impl Outbox {
    pub(crate) fn new(transport: HyperTransport) -> Self {
        Self { transport }
    }

    /// Takes deliveries that are due for this program alone.
    pub(crate) async fn claim(&self, engine: &Engine, most: usize) -> Result<Vec<Claimed>, StorageError> {
        let clocks = Clocks { due: engine.clock().now(), now: system_time() };
        let most = most.try_into().unwrap_or(u32::MAX);
        engine.change(ClaimDeliveries(Claim::new(most, Token::random()?, clocks, LEASE))).await
    }

    /// Attempts a delivery and notes the outcome.
    pub(crate) async fn deliver(&self, engine: &Engine, delivery: Claimed) {
        let outcome = attempt(&delivery, &self.transport).await;
        let at = engine.clock().now();
        let failure = outcome.err();
        let outcome = failure.clone().unwrap_or_else(|| "acknowledged".to_owned());
        let what = format!("call-back {} {}: {outcome}", delivery.callback, delivery.path);
        let noted = Attempted { lease: delivery.lease, callback: delivery.callback, at, failure, again: None };
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
}

/// One attempt. The diagnosis names the step that failed.
async fn attempt(delivery: &Claimed, transport: &dyn Transport) -> Result<(), String> {
    let Some(url) = &delivery.url else { return Err("the channel wants no call-backs any more".to_owned()) };
    let mut request = Request::new(delivery.body.clone().into());
    *request.method_mut() = Method::POST;
    *request.uri_mut() =
        format!("{url}{}", delivery.path).parse().map_err(|_| "the call-back address is no address".to_owned())?;
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    request.extensions_mut().insert(AttemptDeadline(Instant::now() + CALLBACK_DEADLINE));
    request.extensions_mut().insert(ResponseLimit(CALLBACK_ANSWER_MAX));
    let answer = transport.send(request).await.map_err(|error| match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    })?;
    if !answer.status().is_success() {
        return Err(format!("HTTP status {}", answer.status().as_u16()));
    }
    Acknowledgement::read(answer.body()).map(drop).map_err(|refused| refused.to_string())
}
