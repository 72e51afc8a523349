//! What every request passes on its way to the hub, and its answer on the way back: the journal and the faults.
//!
//! [`Passage`] is the service that a server serves and that the in-process transport calls. Its error, [`Dropped`], means
//! that the connection is to be closed at once and without an answer: hyper does so with a service that fails. For a
//! server that takes no failing service there is [`Answering`].

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use asaanbill_wire::{Endpoint, Envelope, Message};
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Request, StatusCode, header, request};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use tokio::time::{Instant, sleep};
use tower_service::Service;

use super::{REQUEST_BODY_MAX, hub, json};
use crate::Sim;
use crate::fault::{Asking, Cut, Drip, FaultKind, damage};
use crate::journal::{Draft, Outcome, RequestId};

/// The header of an answer that has the request's number.
const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-sim-request-id");

/// Where the simulator's own pages are, which have neither faults nor entries in the journal.
const OWN_PAGES: &str = "/_sim";

/// The connection is to be closed at once, without an answer: a fault asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dropped;

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("dropped by a fault that was asked for")
    }
}

impl std::error::Error for Dropped {}

/// The hub behind the journal and the faults.
#[derive(Clone, Debug)]
pub(crate) struct Passage {
    sim: Sim,
    router: Router,
}

impl Passage {
    pub(crate) fn new(sim: Sim, router: Router) -> Self {
        Self { sim, router }
    }

    /// For a server that takes no failing service.
    pub(crate) fn answering(self) -> Answering {
        Answering(self)
    }
}

impl<B> Service<Request<B>> for Passage
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    type Response = Response;
    type Error = Dropped;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Dropped>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Dropped>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        Box::pin(pass(self.clone(), request.map(Body::new)))
    }
}

/// A [`Passage`] that never fails: in place of an answer that is to be dropped comes one whose body breaks off before its
/// first byte. hyper then closes the connection before anything of it is written.
#[derive(Clone, Debug)]
pub(crate) struct Answering(Passage);

impl Service<Request<Body>> for Answering {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let answer = pass(self.0.clone(), request);
        Box::pin(async move { Ok(answer.await.unwrap_or_else(|Dropped| Response::new(Body::new(Cut::at_once())))) })
    }
}

async fn pass(passage: Passage, request: Request<Body>) -> Result<Response, Dropped> {
    let Passage { sim, mut router } = passage;
    let path = request.uri().path();
    if path.strip_prefix(OWN_PAGES).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        return forward(&mut router, request).await;
    }
    let endpoint = hub::endpoint(request.method(), path);
    let (mut head, body) = request.into_parts();
    let mut entry = Entry::open(&sim, endpoint, &head);
    head.extensions.insert(entry.id());

    // Bodies that operations read anyway are read here, so that magic values and the journal see them.
    let (seen, body) = match endpoint {
        Some(Endpoint::Login | Endpoint::Add | Endpoint::AddBulk) => {
            let (seen, body) = read_ahead(body).await;
            entry.body(&seen);
            (seen, body)
        }
        _ => (Bytes::new(), body),
    };
    let fault = match endpoint {
        None => Ok(None),
        Some(endpoint) => {
            let (id, at) = (entry.id(), entry.at);
            sim.faults().fire(&Asking { id, endpoint, at, headers: &head.headers, body: &seen })
        }
    };
    let fault = match fault {
        Ok(fault) => fault,
        Err(problem) => return Ok(entry.close(refusal(StatusCode::BAD_REQUEST, &problem)).await),
    };
    entry.fault(fault);
    let Some(kind) = fault else {
        let answer = forward(&mut router, Request::from_parts(head, body)).await?;
        return Ok(entry.close(answer).await);
    };
    if let FaultKind::Latency(by) = kind {
        sleep(by).await;
    }
    match instead(kind) {
        Instead::Answer(answer) => Ok(entry.close(answer).await),
        Instead::Nothing => Err(entry.drop_connection()),
        Instead::Work => {
            let answer = forward(&mut router, Request::from_parts(head, body)).await?;
            if kind == FaultKind::ResetAfterCommit {
                return Err(entry.drop_connection());
            }
            let answer = entry.close(damaged(kind, answer).await).await;
            Ok(delivered(kind, answer).await)
        }
    }
}

async fn forward(router: &mut Router, request: Request<Body>) -> Result<Response, Dropped> {
    let Ok(answer) = router.call(request).await.map_err(|never: Infallible| match never {});
    Ok(answer)
}

/// What happens in place of the work, if anything does.
enum Instead {
    Work,
    Answer(Response),
    Nothing,
}

fn instead(kind: FaultKind) -> Instead {
    match kind {
        FaultKind::Status { code } => {
            let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            Instead::Answer(refusal(status, status.canonical_reason().unwrap_or("Simulated fault")))
        }
        FaultKind::Unauthorized => Instead::Answer(refusal(StatusCode::UNAUTHORIZED, Message::NoToken.as_str())),
        FaultKind::TooManyRequests { retry_after } => {
            let mut answer = refusal(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests");
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(retry_after.as_secs()));
            Instead::Answer(answer)
        }
        FaultKind::ResetBefore => Instead::Nothing,
        _ => Instead::Work,
    }
}

/// The answer with the body that the fault leaves it, and that body's length.
async fn damaged(kind: FaultKind, answer: Response) -> Response {
    let (mut head, body) = answer.into_parts();
    let body = match whole(body).await {
        Ok(body) => {
            let body = damage(kind, body);
            head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
            Body::from(body)
        }
        Err(body) => body,
    };
    Response::from_parts(head, body)
}

/// The answer with the body that arrives as the fault wants it.
async fn delivered(kind: FaultKind, answer: Response) -> Response {
    let (head, body) = answer.into_parts();
    let body = match (kind, whole(body).await) {
        (FaultKind::CutAnswer, Ok(body)) => Body::new(Cut::half_of(&body)),
        (FaultKind::SlowDrip { bytes, every }, Ok(body)) => Body::new(Drip::new(body, bytes, every)),
        (_, Ok(body)) => Body::from(body),
        (_, Err(body)) => body,
    };
    Response::from_parts(head, body)
}

/// A body that is in memory already; any other one is left as it is.
async fn whole(body: Body) -> Result<Bytes, Body> {
    if body.size_hint().exact().is_none() {
        return Err(body);
    }
    body.collect().await.map(|collected| collected.to_bytes()).map_err(|_| Body::new(Cut::at_once()))
}

/// The hub's error envelope.
fn refusal(status: StatusCode, message: &str) -> Response {
    json(status, &Envelope::error(status.as_u16(), message))
}

/// A request's body as far as the hub would read it, and the body that the hub is to read now. A body that is over the
/// limit is over it still; one that broke off breaks off.
async fn read_ahead(mut body: Body) -> (Bytes, Body) {
    let mut first = Bytes::new();
    let mut more = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            let seen = if more.is_empty() { first } else { more.freeze() };
            return (seen, Body::new(Cut::at_once()));
        };
        let Ok(data) = frame.into_data() else { continue };
        if first.is_empty() && more.is_empty() {
            first = data;
        } else {
            more.extend_from_slice(&std::mem::take(&mut first));
            more.extend_from_slice(&data);
        }
        if first.len().max(more.len()) > REQUEST_BODY_MAX {
            break;
        }
    }
    let seen = if more.is_empty() { first } else { more.freeze() };
    (seen.clone(), Body::from(seen))
}

/// The journal's entry of a request that is under way. One that is dropped unfinished is noted as abandoned.
struct Entry<'s> {
    sim: &'s Sim,
    id: RequestId,
    at: Timestamp,
    started: Instant,
    draft: Option<Draft>,
}

impl<'s> Entry<'s> {
    fn open(sim: &'s Sim, endpoint: Option<Endpoint>, head: &request::Parts) -> Self {
        let (id, at) = (sim.journal().next_id(), sim.clock().now());
        let draft = (!sim.journal().is_off()).then(|| Draft::new(id, at, endpoint, head));
        Self { sim, id, at, started: Instant::now(), draft }
    }

    fn id(&self) -> RequestId {
        self.id
    }

    fn body(&mut self, body: &[u8]) {
        let most = self.sim.journal().limits().body_max();
        if let Some(draft) = &mut self.draft {
            draft.body(body, most);
        }
    }

    fn fault(&mut self, fault: Option<FaultKind>) {
        if let Some(draft) = &mut self.draft {
            draft.fault = fault;
        }
    }

    /// Notes the answer, and hands it on with the request's number.
    async fn close(mut self, answer: Response) -> Response {
        let (mut head, body) = answer.into_parts();
        head.headers.insert(REQUEST_ID_HEADER, HeaderValue::from(self.id.get()));
        let body = match whole(body).await {
            Ok(bytes) => {
                if let Some(draft) = &mut self.draft {
                    draft.answer(&head);
                    draft.answer_body(&bytes, self.sim.journal().limits().body_max());
                }
                Body::from(bytes)
            }
            Err(body) => {
                if let Some(draft) = &mut self.draft {
                    draft.answer(&head);
                }
                body
            }
        };
        self.note(Outcome::Answered(head.status));
        Response::from_parts(head, body)
    }

    fn drop_connection(mut self) -> Dropped {
        self.note(Outcome::Dropped);
        Dropped
    }

    fn note(&mut self, outcome: Outcome) {
        if let Some(draft) = self.draft.take() {
            self.sim.journal().note(draft, outcome, self.started.elapsed());
        }
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.note(Outcome::Abandoned);
    }
}
