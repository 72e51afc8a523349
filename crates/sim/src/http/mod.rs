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

/// In a response's extensions: the connection is to be reset in its place, before any of it is sent. For faults.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DropConnection;

/// What a server serves: everything, behind the journal and the faults.
pub(crate) fn router(sim: Sim) -> Router {
    Router::new().fallback_service(passage(sim).answering())
}

/// The same for a caller who takes the end of a connection for what it is.
pub(crate) fn passage(sim: Sim) -> Passage {
    let pages = pages(sim.clone());
    Passage::new(sim, pages)
}

/// The hub under every spelling of its base, and the simulator's own pages under `/_sim`.
fn pages(sim: Sim) -> Router {
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
