//! The simulator over HTTP.

mod admin;
mod admin_faults;
mod admin_journal;
mod hub;
mod passage;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::{delete, get, post};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::Sim;

/// The most bytes of a request's body: a batch of 5000 rows needs about a fifth of it. (assumed)
pub const REQUEST_BODY_MAX: usize = 4 * 1024 * 1024;

pub(crate) use passage::{Dropped, Passage};

/// The hub behind the journal and the faults: what a server serves.
pub(crate) fn service(sim: Sim) -> Passage {
    let router = router(sim.clone());
    Passage::new(sim, router)
}

/// The hub under every spelling of its base, and the simulator's own pages under `/_sim`.
fn router(sim: Sim) -> Router {
    Router::new()
        .route("/_sim/health", get(admin::health))
        .route("/_sim/pay", post(admin::pay))
        .route("/_sim/faults", get(admin_faults::show).post(admin_faults::arm).delete(admin_faults::clear))
        .route("/_sim/faults/{id}", delete(admin_faults::disarm))
        .route("/_sim/journal", get(admin_journal::show))
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
