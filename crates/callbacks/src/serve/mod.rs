//! Accepting: limits, guard, parse, one durable insert, acknowledge.
//!
//! guide:call-14

mod listener;
mod operator;

use std::sync::{Arc, LazyLock};

use asaanbill_storage::StorageErrorKind;
use asaanbill_wire::{Acknowledgement, BULK_APPROVED_PATH, BulkApproved, Envelope, Message, PROCESSED_PATH, Processed};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use http::{HeaderValue, Method, Request, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::core::Core;
use crate::metrics::{Event, Refusal};
use crate::store::NewReceipt;

pub(crate) use listener::serve;
pub use listener::{CONNECTIONS_MAX, bind};
pub(crate) use operator::router as operator_router;

/// The most bytes of a call-back. The guide's have about 200, the longest allowed texts make about 4000.
pub const CALLBACK_BODY_MAX: usize = 16 * 1024;

pub(crate) fn router(core: Arc<Core>) -> Router {
    let answer = async |State(core): State<Arc<Core>>, request: Request<Body>| accept(&core, request).await;
    Router::new().fallback(answer).with_state(core)
}

async fn accept(core: &Core, request: Request<Body>) -> Response {
    let stored = match tokio::time::timeout(core.limits.accept_timeout, store(core, request)).await {
        Ok(stored) => stored,
        // Whether it is stored isn't known, so it isn't acknowledged.
        Err(_) => Err(Refusal::TimedOut),
    };
    match stored {
        Ok(()) => {
            core.metrics.count(Event::Accepted);
            answer(StatusCode::OK, ACKNOWLEDGEMENT.clone())
        }
        Err(why) => {
            core.metrics.count(Event::Refused(why));
            refuse(why)
        }
    }
}

async fn store(core: &Core, request: Request<Body>) -> Result<(), Refusal> {
    let path = core.guard.unlock(request.uri().path()).ok_or(Refusal::Path)?;
    let path = [PROCESSED_PATH, BULK_APPROVED_PATH].into_iter().find(|known| *known == path).ok_or(Refusal::Path)?;
    let source = core.guard.source(request.headers(), request.extensions());
    if !core.guard.admits(source) {
        return Err(Refusal::Source);
    }
    if request.method() != Method::POST {
        return Err(Refusal::Method);
    }
    let place = request.extensions().get::<Arc<listener::Place>>().cloned();
    let body = axum::body::to_bytes(request.into_body(), CALLBACK_BODY_MAX).await.map_err(|_| Refusal::TooLarge)?;
    let _busy = place.as_ref().map(listener::Place::busy);
    let body = String::from_utf8(body.into()).map_err(|_| Refusal::Body)?;
    let readable = match path {
        PROCESSED_PATH => names::<Processed>(&body, |claimed| claimed.psid.is_some()),
        _ => names::<BulkApproved>(&body, |claimed| claimed.bulk_payment_request_id.is_some()),
    };
    if !readable {
        return Err(Refusal::Body);
    }
    let source = source.map(|address| address.to_string());
    if !core.unresolved.take(&source, &core.limits) {
        tracing::error!("the inbox has as many unresolved call-backs as it may");
        return Err(Refusal::Full);
    }
    let room = Room { core, source: Some(source.clone()) };
    let new = NewReceipt { path, body, source, received_at: core.now() };
    core.store.receive(new).await.map_err(|error| {
        core.storing.fails(core.now());
        tracing::error!(error = &error as &dyn std::error::Error, "a call-back could not be stored");
        if error.kind() == StorageErrorKind::Full { Refusal::Full } else { Refusal::Store }
    })?;
    core.storing.works();
    room.keep();
    core.bells.received.notify_one();
    Ok(())
}

/// A place among the unresolved, given back unless the call-back is stored.
struct Room<'a> {
    core: &'a Core,
    source: Option<Option<String>>,
}

impl Room<'_> {
    fn keep(mut self) {
        self.source = None;
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        if let Some(source) = &self.source {
            self.core.unresolved.give_back(source);
        }
    }
}

/// Whether a body names what it is about. More isn't asked for: known and unknown numbers are answered alike.
fn names<T: DeserializeOwned>(body: &str, named: impl FnOnce(&T) -> bool) -> bool {
    serde_json::from_str::<T>(body).is_ok_and(|claimed| named(&claimed))
}

fn refuse(why: Refusal) -> Response {
    let (status, message) = match why {
        Refusal::Path => (StatusCode::NOT_FOUND, Message::NotFound.as_str()),
        Refusal::Method => (StatusCode::METHOD_NOT_ALLOWED, Message::MethodNotAllowed.as_str()),
        Refusal::Source => (StatusCode::FORBIDDEN, Message::Forbidden.as_str()),
        Refusal::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, Message::TooLarge.as_str()),
        Refusal::Body => (StatusCode::BAD_REQUEST, Message::InvalidBody.as_str()),
        Refusal::TimedOut | Refusal::Full | Refusal::Store => {
            (StatusCode::SERVICE_UNAVAILABLE, "Not stored; send it again")
        }
    };
    let mut response = json(status, &Envelope::error(status.as_u16(), message));
    if why == Refusal::Method {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

/// What acknowledges, always the same.
static ACKNOWLEDGEMENT: LazyLock<Bytes> = LazyLock::new(|| written(&Acknowledgement::received()));

/// Nothing that is answered here can't be written.
fn written(body: &impl Serialize) -> Bytes {
    serde_json::to_vec(body).map(Bytes::from).unwrap_or_default()
}

fn json(status: StatusCode, body: &impl Serialize) -> Response {
    answer(status, written(body))
}

fn answer(status: StatusCode, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
