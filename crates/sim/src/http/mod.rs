//! The simulator over HTTP.
//!
//! guide:env-12

mod admin;
mod admin_faults;
mod admin_hub;
mod admin_journal;
mod admin_world;
mod bank;
mod hub;
mod metrics;
mod passage;

mod guard;
mod serve;
#[cfg(feature = "tls")]
mod tls;

mod pace;
mod socket;

use std::future::Future;
use std::io;

use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::response::Response;
use axum::routing::{delete, get, post};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use tokio::net::TcpListener;

use crate::Sim;

pub(crate) use guard::Admin;
pub(crate) use serve::DropConnection;
pub use serve::{
    ANSWER_PATIENCE, CONNECTIONS_MAX, IDLE_PATIENCE, REQUEST_BODY_PATIENCE, REQUEST_HEAD_MAX, REQUEST_HEAD_PATIENCE,
    REQUEST_HEADERS_MAX, STOP_PATIENCE,
};
#[cfg(feature = "tls")]
pub use tls::{ServerTls, TlsError};

/// The most bytes of a request's body: a batch of 5000 rows needs about a fifth of it. (assumed)
pub const REQUEST_BODY_MAX: usize = 4 * 1024 * 1024;

/// The most bytes of an imported snapshot: 500,000 rows of some 400 bytes.
const IMPORT_MAX: usize = 256 * 1024 * 1024;

/// What most answers need, in bytes, so that they are written without growing.
const TYPICAL_ANSWER: usize = 1024;

pub(crate) use passage::{Dropped, Passage};

/// Everything, behind the journal and the faults.
pub(crate) fn passage(sim: Sim) -> Passage {
    let pages = pages(sim.clone());
    Passage::new(sim, pages)
}

/// The hub under every spelling of its base, and the simulator's own pages under `/_sim`.
fn pages(sim: Sim) -> Router {
    Router::new()
        .route("/_sim/health", get(admin::health))
        .route("/_sim/inquire", post(bank::inquire))
        .route("/_sim/pay", post(admin::pay))
        .route("/_sim/faults", get(admin_faults::show).post(admin_faults::arm).delete(admin_faults::clear))
        .route("/_sim/faults/{id}", delete(admin_faults::disarm))
        .route("/_sim/journal", get(admin_journal::show))
        .route("/_sim/settings", get(admin::settings))
        .route("/_sim/ready", get(metrics::ready))
        .route("/_sim/metrics", get(metrics::metrics))
        .route("/_sim/clock", get(admin_world::clock).post(admin_world::move_clock))
        .route("/_sim/events", get(admin_world::events))
        .route("/_sim/payments/{id}/history", get(admin_world::history))
        .route("/_sim/reset", post(admin_world::reset))
        .route("/_sim/snapshots", get(admin_world::snapshots).post(admin_world::save))
        .route("/_sim/snapshots/{name}", delete(admin_world::forget))
        .route("/_sim/snapshots/{name}/restore", post(admin_world::restore))
        .route("/_sim/export", get(admin_world::export))
        .route("/_sim/import", post(admin_world::import).layer(DefaultBodyLimit::max(IMPORT_MAX)))
        .route("/_sim/users", get(admin_hub::users).post(admin_hub::put_user))
        .route("/_sim/users/{name}", delete(admin_hub::remove_user))
        .route("/_sim/users/{name}/revoke", post(admin_hub::revoke))
        .route("/_sim/channels", get(admin_hub::channels))
        .route("/_sim/channels/{id}", post(admin_hub::put_channel))
        .route("/_sim/bulk/{id}/advance", post(admin_hub::advance))
        .route("/_sim/bulk/{id}/fail", post(admin_hub::fail))
        .route("/_sim/callbacks", get(admin_hub::callbacks))
        .route("/_sim/callbacks/{id}/resend", post(admin_hub::resend))
        .route(bank::INQUIRY_PATH, post(bank::bill_inquiry))
        .route(bank::PAYMENT_PATH, post(bank::bill_payment))
        // Of these alone: the hub's operations count for themselves.
        .route_layer(DefaultBodyLimit::max(REQUEST_BODY_MAX))
        .fallback(hub::answer)
        .with_state(sim)
}

/// Serves plain HTTP until `stop` resolves, and then finishes what is in flight.
pub(crate) async fn serve(sim: &Sim, listener: TcpListener, stop: impl Future<Output = ()>) -> io::Result<()> {
    let guard = guard::Guard::new(sim.settings().admin.clone(), listener.local_addr()?);
    serve::serve(listener, passage(sim.clone()).answering(), guard, serve::Security::Plain, stop).await
}

/// A JSON answer. What can't be written as JSON is the simulator's own mistake.
fn json(status: StatusCode, body: &impl Serialize) -> Response {
    written(status, body).map(Body::from)
}

/// The same with its body as bytes.
fn written(status: StatusCode, body: &impl Serialize) -> http::Response<Bytes> {
    let mut bytes = Vec::with_capacity(TYPICAL_ANSWER);
    let status = match serde_json::to_writer(&mut bytes, body) {
        Ok(()) => status,
        Err(error) => {
            tracing::error!(%error, "an answer could not be written");
            bytes.clear();
            StatusCode::INTERNAL_SERVER_ERROR
        }
    };
    let mut response = http::Response::new(Bytes::from(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
