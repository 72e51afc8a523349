//! What an operator's tools ask: metrics and health. Not for the address that the hub knows.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use http::{HeaderValue, StatusCode, header};

use super::json;
use crate::core::Core;
use crate::health::Health;

/// Prometheus' text format.
const METRICS_TYPE: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

pub(crate) fn router(core: Arc<Core>) -> Router {
    Router::new().route("/metrics", get(metrics)).route("/health", get(health)).with_state(core)
}

async fn metrics(State(core): State<Arc<Core>>) -> Response {
    match core.store.counts().await {
        Ok(counts) => {
            let mut response = Response::new(Body::from(core.metrics.text(&counts, core.now())));
            response.headers_mut().insert(header::CONTENT_TYPE, METRICS_TYPE);
            response
        }
        Err(_) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response
        }
    }
}

/// 200 if nothing is stuck, 503 if something is; the body says what and why.
async fn health(State(core): State<Arc<Core>>) -> Response {
    let health = Health::of(&core).await;
    let status = if health.is_well() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(status, &health)
}
