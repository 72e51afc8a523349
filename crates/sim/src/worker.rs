//! The workers: one takes batches from draft to approved, one sends call-backs.
//!
//! guide:call-7

use std::future::Future;

use asaanbill_storage::StorageError;
use asaanbill_transport::HyperTransport;

use crate::engine::{Bell, Engine};
use crate::hub;
use crate::outbox;

/// Advances batches until there are none, and again whenever one is accepted. What an earlier process left undone is done
/// first.
pub(crate) async fn advance_batches(engine: Engine) {
    loop {
        // A step that ends a batch owes a call-back.
        run_dry("batches", || engine.write_and_ring(Bell::Callbacks, hub::advance)).await;
        engine.until_rung(Bell::Batches).await;
    }
}

/// Sends call-backs one by one, in the order in which they became owed.
pub(crate) async fn send_callbacks(engine: Engine, transport: HyperTransport) {
    loop {
        run_dry("call-backs", || outbox::send_next(&engine, &transport)).await;
        engine.until_rung(Bell::Callbacks).await;
    }
}

/// Repeats a step until it says that there is no more to do. A failing store ends the round; the next bell tries again.
async fn run_dry<F: Future<Output = Result<bool, StorageError>>>(what: &str, mut step: impl FnMut() -> F) {
    loop {
        match step().await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                tracing::error!(what, error = &error as &dyn std::error::Error, "a worker's step failed");
                return;
            }
        }
    }
}
