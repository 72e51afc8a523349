//! Accepting: parse, one durable insert, acknowledge.
//!
//! guide:call-14

use std::time::Duration;

use asaanbill_wire::{Acknowledgement, BULK_APPROVED_PATH, BulkApproved, Envelope, Message, PROCESSED_PATH, Processed};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderValue, Method, Request, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::receiver::Receiver;

/// The most bytes of a call-back. The guide's have about 200, the longest allowed texts make about 4000.
pub const CALLBACK_BODY_MAX: usize = 16 * 1024;

/// How long accepting may take: the hub gives up after 5 s, and connecting is part of that.
const ACCEPT_TIMEOUT: Duration = Duration::from_secs(1);

pub(crate) fn router(receiver: Receiver) -> Router {
    Router::new().fallback(accept).with_state(receiver)
}

async fn accept(State(receiver): State<Receiver>, request: Request<Body>) -> Response {
    match tokio::time::timeout(ACCEPT_TIMEOUT, store(&receiver, request)).await {
        Ok(Ok(())) => json(StatusCode::OK, &Acknowledgement::received()),
        Ok(Err(status)) => refuse(status),
        // Whether it is stored isn't known, so it isn't acknowledged.
        Err(_) => refuse(StatusCode::SERVICE_UNAVAILABLE),
    }
}

async fn store(receiver: &Receiver, request: Request<Body>) -> Result<(), StatusCode> {
    let path = match request.uri().path() {
        PROCESSED_PATH => PROCESSED_PATH,
        BULK_APPROVED_PATH => BULK_APPROVED_PATH,
        _ => return Err(StatusCode::NOT_FOUND),
    };
    if request.method() != Method::POST {
        return Err(StatusCode::METHOD_NOT_ALLOWED);
    }
    let body = axum::body::to_bytes(request.into_body(), CALLBACK_BODY_MAX).await;
    let body = body.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
    let body = String::from_utf8(body.into()).map_err(|_| StatusCode::BAD_REQUEST)?;
    let readable = match path {
        PROCESSED_PATH => names::<Processed>(&body, |claimed| claimed.psid.is_some()),
        _ => names::<BulkApproved>(&body, |claimed| claimed.bulk_payment_request_id.is_some()),
    };
    if !readable {
        return Err(StatusCode::BAD_REQUEST);
    }
    let inner = &receiver.inner;
    inner.inbox.receive(path, body, inner.clock.now()).await.map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "a call-back could not be stored");
        StatusCode::SERVICE_UNAVAILABLE
    })?;
    inner.bells.received.notify_one();
    Ok(())
}

/// Whether a body names what it is about. More isn't asked for: known and unknown numbers are answered alike.
fn names<T: DeserializeOwned>(body: &str, named: impl FnOnce(&T) -> bool) -> bool {
    serde_json::from_str::<T>(body).is_ok_and(|claimed| named(&claimed))
}

fn refuse(status: StatusCode) -> Response {
    let message = match status {
        StatusCode::NOT_FOUND => Message::NotFound.as_str(),
        StatusCode::METHOD_NOT_ALLOWED => Message::MethodNotAllowed.as_str(),
        StatusCode::PAYLOAD_TOO_LARGE => Message::TooLarge.as_str(),
        StatusCode::BAD_REQUEST => Message::InvalidBody.as_str(),
        _ => "Not stored; send it again",
    };
    let mut response = json(status, &Envelope::error(status.as_u16(), message));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let mut response = match serde_json::to_vec(body) {
        Ok(body) => Response::new(Body::from(body)),
        Err(_) => Response::new(Body::empty()),
    };
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
