//! Call-backs out: one attempt each, as the guide promises no more.
//!
//! guide:call-3 guide:call-4 guide:call-5

use std::error::Error as _;
use std::time::Duration;

use asaanbill_storage::StorageError;
use asaanbill_transport::{AttemptDeadline, ResponseLimit, Transport};
use asaanbill_wire::Acknowledgement;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request};
use tokio::time::Instant;

use crate::engine::Engine;
use crate::store::Owed;

/// How long an integrator has: name resolution, connecting and the whole body included. (Guide, Call-backs, note)
///
/// Call-backs go one after another, so whoever takes all of it holds the next one up for as long.
pub const CALLBACK_DEADLINE: Duration = Duration::from_secs(5);

/// The most bytes of an integrator's answer that are read: what is longer is no acknowledgement. (assumed)
pub const CALLBACK_ANSWER_MAX: usize = 64 * 1024;

/// What the store notes of an acknowledged attempt.
pub(crate) const ACKNOWLEDGED: &str = "acknowledged";

/// Sends the oldest call-back that is owed, and notes the outcome. Says whether there was one.
pub(crate) async fn send_next(engine: &Engine, transport: &dyn Transport) -> Result<bool, StorageError> {
    let Some(owed) = engine.read(|tx| tx.owed()).await? else { return Ok(false) };
    let id = owed.id;
    let outcome = match attempt(&owed, transport).await {
        Ok(()) => ACKNOWLEDGED.to_owned(),
        Err(diagnosis) => diagnosis,
    };
    tracing::info!(path = owed.path, outcome, "call-back");
    engine.write(move |tx, now| tx.attempted(id, &outcome, now)).await?;
    Ok(true)
}

/// One attempt. The diagnosis names the step that failed.
async fn attempt(owed: &Owed, transport: &dyn Transport) -> Result<(), String> {
    let mut request = Request::new(owed.body.clone().into());
    *request.method_mut() = Method::POST;
    *request.uri_mut() =
        format!("{}{}", owed.url, owed.path).parse().map_err(|_| "the call-back address is no address".to_owned())?;
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use asaanbill_transport::{AttemptDeadline, ErrorKind, ResponseLimit, TransportError, from_fn};
    use bytes::Bytes;
    use http::Request;
    use tokio::time::Instant;

    use super::attempt;
    use crate::store::Owed;

    /// Five seconds from the start, to the millisecond, and 64 KiB: the transport keeps to what it is told.
    #[tokio::test(start_paused = true)]
    async fn the_limits_of_an_attempt() {
        let transport = from_fn(|request: Request<Bytes>| async move {
            assert_eq!(request.uri(), "http://127.0.0.1:1/hooks/processed");
            let deadline = AttemptDeadline(Instant::now() + Duration::from_secs(5));
            assert_eq!(request.extensions().get(), Some(&deadline));
            assert_eq!(request.extensions().get(), Some(&ResponseLimit(65_536)));
            Err(TransportError::unknown(ErrorKind::Timeout))
        });
        let owed = Owed { id: 1, url: "http://127.0.0.1:1/hooks".into(), path: "/processed".into(), body: "{}".into() };
        let failure = attempt(&owed, &transport).await.unwrap_err();
        assert_eq!(failure, "the deadline passed (the request may have been received)");
    }
}
