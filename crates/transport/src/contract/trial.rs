//! One attempt against one script, and the promises that hold whatever the script was.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use tokio::time::{Instant, timeout, timeout_at};

use super::server::{Scripts, Seen, Server, Step, Wire};
use crate::{AttemptDeadline, Delivery, ErrorKind, ResponseLimit, Transport, TransportError};

/// A deadline that the case means to meet. Long enough to connect before it, and to shake hands, on a machine that is
/// busy with other tests.
pub(super) const SOON: Duration = Duration::from_secs(1);

/// A deadline that the case means not to meet: whatever ends the attempt, ends it before.
pub(super) const AMPLE: Duration = Duration::from_secs(20);

/// How late an attempt may end on a machine that is busy with other tests.
const GRACE: Duration = Duration::from_secs(5);

/// Stands in the path, the query, a header and the body of every request, and in no error.
const SECRET: &str = "s3cret";

/// The body of every request.
pub(super) const BODY: &str = r#"{"title":"s3cret"}"#;

/// How many bytes an answer's body may have where the case doesn't say.
pub(super) const LIMIT: usize = 64 * 1024;

pub(super) type Outcome = Result<Response<Bytes>, TransportError>;

/// A request as the client makes them.
pub(super) fn request(origin: &str, deadline: Duration) -> Request<Bytes> {
    let mut secret = HeaderValue::from_static(SECRET);
    secret.set_sensitive(true);
    Request::post(format!("{origin}/s3cret/add?generationTypes=s3cret"))
        .header("content-type", "application/json")
        .header("x-auth-ph-key", secret)
        .extension(AttemptDeadline::after(deadline))
        .extension(ResponseLimit(LIMIT))
        .body(Bytes::from_static(BODY.as_bytes()))
        .expect("a valid request")
}

/// Sends it and holds the transport to its deadline.
pub(super) async fn send(case: &str, transport: &impl Transport, request: Request<Bytes>) -> Outcome {
    let deadline = request.extensions().get::<AttemptDeadline>().expect("every case sets a deadline").0;
    let outcome = timeout_at(deadline + GRACE, transport.send(request)).await;
    let outcome = outcome.unwrap_or_else(|_| panic!("{case}: still at it long after its deadline"));
    // A transport that never gave the clock a turn comes here late.
    assert!(Instant::now() <= deadline + GRACE, "{case}: ended long after its deadline");
    if let Err(error) = &outcome {
        keeps_secrets(case, error);
        assert_eq!(error.status().is_some(), error.delivery() == Delivery::Answered, "{case}: {error:?}");
    }
    outcome
}

/// One attempt by a fresh transport against this script on every connection.
pub(super) async fn trial<T: Transport>(
    case: &str,
    make: &impl Fn() -> T,
    wire: &Wire,
    script: Vec<Step>,
    deadline: Duration,
) -> Outcome {
    let (outcome, seen) = trial_and_seen(case, make, wire, vec![script], |origin| request(origin, deadline)).await;
    honest(case, &outcome, &seen);
    outcome
}

/// The same with a request of the case's own, for cases that look at what arrived.
pub(super) async fn trial_and_seen<T: Transport>(
    case: &str,
    make: &impl Fn() -> T,
    wire: &Wire,
    scripts: Scripts,
    request: impl FnOnce(&str) -> Request<Bytes>,
) -> (Outcome, Seen) {
    let server = Server::start(wire, scripts);
    let transport = make();
    let outcome = send(case, &transport, request(&server.origin)).await;
    drop(transport);
    (outcome, finish(case, server).await)
}

/// What arrived, once the transport is gone.
pub(super) async fn finish(case: &str, server: Server) -> Seen {
    let finished = timeout(GRACE, server.finish()).await;
    finished.unwrap_or_else(|_| panic!("{case}: a connection is still open though its transport is gone"))
}

/// The promises that hold for any one `send`.
pub(super) fn honest(case: &str, outcome: &Outcome, seen: &Seen) {
    let (heads, requests) = (seen.heads(), seen.requests());
    assert!(heads <= 1 && requests <= 1, "{case}: sent {heads} times: {seen:?}");
    match outcome {
        Ok(_) => assert_eq!(requests, 1, "{case}: answered without a request"),
        Err(error) if error.delivery() == Delivery::NotSent => {
            assert_eq!(heads, 0, "{case}: the server saw the head, but: {error:?}");
        }
        Err(_) => {}
    }
}

/// The failure that the case expects, with this verdict.
pub(super) fn fails(case: &str, outcome: &Outcome, kinds: &[ErrorKind], delivery: Delivery) {
    match outcome {
        Ok(answer) => panic!("{case}: answered with {}", answer.status()),
        Err(error) => {
            assert_eq!(error.delivery(), delivery, "{case}: {error:?}");
            assert!(kinds.contains(&error.kind()), "{case}: {error:?}");
        }
    }
}

/// Neither the error nor any of its causes repeats what the request carried.
fn keeps_secrets(case: &str, error: &TransportError) {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let text = format!("{error} {error:?}");
        assert!(!text.contains(SECRET), "{case}: tells what it sent: {text}");
        cause = error.source();
    }
}

/// An answer of this status with this body, its length stated.
pub(super) fn answer(status: u16, headers: &str, body: &str) -> Bytes {
    format!("HTTP/1.1 {status} Whatever\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()).into()
}
