//! What an operator and their tools ask: metrics, health, and what became of each call-back. Not for the address that the hub
//! knows.

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::json as answer;
use crate::error::ReceiverError;
use crate::receipt::{EffectView, History, RECEIPTS_MAX, Receipt, ReceiptState, Step};
use crate::receiver::{Receiver, Redrive};

/// Prometheus' text format.
const METRICS_TYPE: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// How many receipts are listed if nothing is said.
const LISTED: u32 = 100;

/// More than a reason needs.
const BODY_MAX: usize = 4_096;

pub(crate) fn router(receiver: Receiver) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/health", get(health))
        .route("/receipts", get(list))
        .route("/receipts/{id}", get(history))
        .route("/receipts/{id}/redrive", post(redrive))
        .route("/receipts/{id}/give-up", post(give_up))
        .with_state(receiver)
}

async fn metrics(State(receiver): State<Receiver>) -> Response {
    match receiver.metrics().await {
        Ok(text) => {
            let mut response = Response::new(Body::from(text));
            response.headers_mut().insert(header::CONTENT_TYPE, METRICS_TYPE);
            response
        }
        Err(error) => failed(&error),
    }
}

/// 200 if nothing is stuck, 503 if something is; the body says what and why.
async fn health(State(receiver): State<Receiver>) -> Response {
    let health = receiver.health().await;
    let status = if health.is_well() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    answer(status, &health)
}

/// `?state=mismatch&before=1000&limit=100`: the latest first.
async fn list(State(receiver): State<Receiver>, RawQuery(query): RawQuery) -> Response {
    let (mut state, mut before, mut most) = (None, i64::MAX, LISTED);
    for pair in query.iter().flat_map(|query| query.split('&')).filter(|pair| !pair.is_empty()) {
        let read = match pair.split_once('=') {
            Some(("state", word)) => ReceiptState::from_word(word).map(|known| state = Some(known)),
            Some(("before", number)) => number.parse().ok().map(|number| before = number),
            Some(("limit", number)) => {
                number.parse().ok().filter(|n| (1..=RECEIPTS_MAX).contains(n)).map(|number| most = number)
            }
            _ => None,
        };
        if read.is_none() {
            return refused(
                StatusCode::BAD_REQUEST,
                &format!("the query is state=WORD, before=NUMBER and limit=1…{RECEIPTS_MAX}"),
            );
        }
    }
    match receiver.list(state, before, most).await {
        Ok(receipts) => {
            let receipts: Vec<_> = receipts.iter().map(shown).collect();
            answer(StatusCode::OK, &json!({ "receipts": receipts }))
        }
        Err(error) => failed(&error),
    }
}

async fn history(State(receiver): State<Receiver>, Path(id): Path<String>) -> Response {
    let Ok(id) = id.parse() else { return unknown() };
    match receiver.history(id).await {
        Ok(Some(History { receipt, steps, effect })) => {
            let mut value = shown(&receipt);
            let step = |Step { at, what }: &Step| json!({ "at": at.to_string(), "what": what });
            value["steps"] = steps.iter().map(step).collect();
            value["effect"] = effect.map_or(Value::Null, |EffectView { key, handled_at, attempts, dead }| {
                json!({ "key": key, "handled_at": text(handled_at), "attempts": attempts, "dead": dead })
            });
            answer(StatusCode::OK, &value)
        }
        Ok(None) => unknown(),
        Err(error) => failed(&error),
    }
}

async fn redrive(State(receiver): State<Receiver>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let Ok(id) = id.parse() else { return unknown() };
    if !is_json(&headers) {
        return of_a_page();
    }
    match receiver.redrive(id).await {
        Ok(begun) => {
            let begun = match begun {
                Redrive::Confirming => "confirming",
                Redrive::Handling => "handling",
                Redrive::Nothing => "nothing",
            };
            answer(StatusCode::OK, &json!({ "begun": begun }))
        }
        Err(error) => failed(&error),
    }
}

#[derive(Deserialize)]
struct GivenUp {
    reason: String,
}

async fn give_up(State(receiver): State<Receiver>, Path(id): Path<String>, request: Request) -> Response {
    let Ok(id) = id.parse() else { return unknown() };
    if !is_json(request.headers()) {
        return of_a_page();
    }
    let body = axum::body::to_bytes(request.into_body(), BODY_MAX).await.ok();
    let body = body.and_then(|body| serde_json::from_slice::<GivenUp>(&body).ok());
    let Some(GivenUp { reason }) = body.filter(|body| !body.reason.trim().is_empty()) else {
        return refused(StatusCode::BAD_REQUEST, r#"a body like {"reason":"…"} is needed"#);
    };
    match receiver.give_up(id, &reason).await {
        Ok(given_up) => answer(StatusCode::OK, &json!({ "given_up": given_up })),
        Err(error) => failed(&error),
    }
}

/// A page in somebody's browser can post, but not JSON without being asked first.
fn is_json(headers: &HeaderMap) -> bool {
    let essence = |value: &HeaderValue| Some(value.to_str().ok()?.split(';').next()?.trim().to_ascii_lowercase());
    headers.get(header::CONTENT_TYPE).and_then(essence).as_deref() == Some("application/json")
}

fn of_a_page() -> Response {
    refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-type: application/json is needed")
}

fn unknown() -> Response {
    refused(StatusCode::NOT_FOUND, "there is no such receipt")
}

fn failed(error: &ReceiverError) -> Response {
    tracing::error!(error = error as &dyn std::error::Error, "an operator was not answered");
    refused(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())
}

fn refused(status: StatusCode, why: &str) -> Response {
    answer(status, &json!({ "error": why }))
}

/// Without its body.
fn shown(receipt: &Receipt) -> Value {
    let Receipt { id, path, source, received_at, state, resolved_at, attempts, failures } = receipt;
    json!({
        "id": id,
        "path": path,
        "source": source,
        "received_at": received_at.to_string(),
        "state": state.as_str(),
        "resolved_at": text(*resolved_at),
        "attempts": attempts,
        "failures": failures,
    })
}

fn text(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}
