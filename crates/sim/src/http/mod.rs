//! The simulator over HTTP.
//!
//! guide:env-12

mod admin;
mod hub;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::{get, post};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::Sim;

/// The most bytes of a request's body: a batch of 5000 rows needs about a fifth of it. (assumed)
pub const REQUEST_BODY_MAX: usize = 4 * 1024 * 1024;

/// The hub under every spelling of its base, and the simulator's own pages under `/_sim`.
pub(crate) fn router(sim: Sim) -> Router {
    Router::new()
        .route("/_sim/health", get(admin::health))
        .route("/_sim/pay", post(admin::pay))
        .fallback(hub::answer)
        .with_state(sim)
}

/// A JSON answer. What can't be written as JSON is the simulator's own mistake.
fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let (status, body) = match serde_json::to_vec(body) {
        Ok(body) => (status, body),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written");
            (StatusCode::INTERNAL_SERVER_ERROR, Vec::new())
        }
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
