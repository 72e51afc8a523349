//! What every request passes on its way to the hub, and its answer on the way back: the journal and the faults.
//!
//! [`Passage`] fails with [`Dropped`] where the connection is to be closed at once and without an answer; the in-process
//! transport makes of it what a socket would show. A server gets [`Answering`], which marks an answer with
//! [`DropConnection`] for that. A server that doesn't know the mark closes the connection all the same, as the answer's
//! body fails.
//!
//! guide:sim-1 guide:sim-3

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

use super::hub::Payload;
use super::{DropConnection, REQUEST_BODY_MAX, bank, hub, json};
use crate::Sim;
use crate::fault::{Asking, Cut, Drip, FaultKind, damage};
use crate::journal::{Draft, RequestId, RequestOutcome};

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
    /// The simulator's own pages, and whatever isn't an operation of the hub.
    router: Router,
    /// Whether the router answers operations too, as something in the hub's place.
    #[cfg(test)]
    in_its_place: bool,
}

impl Passage {
    pub(crate) fn new(sim: Sim, router: Router) -> Self {
        Self {
            sim,
            router,
            #[cfg(test)]
            in_its_place: false,
        }
    }

    /// Who answers a request.
    fn desk(&self, endpoint: Option<Endpoint>) -> Desk<'_> {
        #[cfg(test)]
        if self.in_its_place {
            return Desk::Router(self.router.clone());
        }
        match endpoint {
            Some(_) => Desk::Hub(&self.sim),
            None => Desk::Router(self.router.clone()),
        }
    }

    /// For a server.
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

/// A [`Passage`] that never fails: in place of an answer that is to be dropped comes one with [`DropConnection`] in its
/// extensions, whose body breaks off before its first byte. hyper then closes the connection before it has written
/// anything.
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
        let passage = self.0.clone();
        Box::pin(async move {
            // Made where it stays: its states are large, and would be copied twice.
            Ok(pass(passage, request).await.unwrap_or_else(|Dropped| {
                let mut nothing = Response::new(Body::new(Cut::at_once()));
                nothing.extensions_mut().insert(DropConnection);
                nothing
            }))
        })
    }
}

/// Who answers.
enum Desk<'s> {
    /// The hub. Most requests are for it, and a router would cost them as much as their own work does.
    Hub(&'s Sim),
    Router(Router),
}

impl Desk<'_> {
    async fn answer(self, head: request::Parts, payload: Payload) -> Answer {
        match self {
            Self::Hub(sim) => Answer::Written(hub::operation(sim, Request::from_parts(head, payload)).await),
            Self::Router(mut router) => {
                let body = match payload {
                    Payload::Read(bytes) => Body::from(bytes),
                    Payload::Coming(body) => body,
                };
                Answer::Coming(forward(&mut router, Request::from_parts(head, body)).await)
            }
        }
    }
}

/// An answer on its way back.
enum Answer {
    Written(Response<Bytes>),
    Coming(Response),
}

impl From<Answer> for Response {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Written(answer) => answer.map(Body::from),
            Answer::Coming(answer) => answer,
        }
    }
}

async fn pass(mut passage: Passage, request: Request<Body>) -> Result<Response, Dropped> {
    let path = request.uri().path();
    if path.strip_prefix(OWN_PAGES).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        return Ok(forward(&mut passage.router, request).await);
    }
    let sim = &passage.sim;
    let endpoint = hub::endpoint(request.method(), path);
    let (mut head, body) = request.into_parts();
    let mut entry = Entry::open(sim, endpoint, &head);
    head.extensions.insert(entry.id());

    // Bodies that are read anyway are read here, so that magic values and the journal see them.
    let has_body = match endpoint {
        Some(endpoint) => matches!(endpoint, Endpoint::Login | Endpoint::Add | Endpoint::AddBulk),
        None => bank::is_for_switches(head.uri.path()),
    };
    let (seen, payload) = if has_body {
        let (seen, payload) = read_ahead(body).await;
        entry.body(&seen);
        (seen, payload)
    } else {
        (Bytes::new(), Payload::Coming(body))
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
    let desk = passage.desk(endpoint);
    let Some(kind) = fault else {
        return Ok(match desk.answer(head, payload).await {
            Answer::Written(answer) => entry.close_written(answer),
            Answer::Coming(answer) => entry.close(answer).await,
        });
    };
    if let FaultKind::Latency(by) = kind {
        sleep(by).await;
    }
    match instead(kind) {
        Instead::Answer(answer) => Ok(entry.close(answer).await),
        Instead::Nothing => Err(entry.drop_connection()),
        Instead::Work => {
            let answer = desk.answer(head, payload).await.into();
            if kind == FaultKind::ResetAfterCommit {
                return Err(entry.drop_connection());
            }
            let answer = entry.close(damaged(kind, answer).await).await;
            Ok(delivered(kind, answer).await)
        }
    }
}

async fn forward(router: &mut Router, request: Request<Body>) -> Response {
    let Ok(answer) = router.call(request).await.map_err(|never: Infallible| match never {});
    answer
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
async fn read_ahead(mut body: Body) -> (Bytes, Payload) {
    let mut first = Bytes::new();
    let mut more = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            let seen = if more.is_empty() { first } else { more.freeze() };
            return (seen, Payload::Coming(Body::new(Cut::at_once())));
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
    (seen.clone(), Payload::Read(seen))
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

    /// Notes an answer that is in memory, and hands it on with the request's number.
    fn close_written(mut self, answer: Response<Bytes>) -> Response {
        let (mut head, bytes) = answer.into_parts();
        head.headers.insert(REQUEST_ID_HEADER, HeaderValue::from(self.id.get()));
        if let Some(draft) = &mut self.draft {
            draft.answer(&head);
            draft.answer_body(&bytes, self.sim.journal().limits().body_max());
        }
        self.note(RequestOutcome::Answered(head.status));
        Response::from_parts(head, Body::from(bytes))
    }

    /// Notes the answer, and hands it on with the request's number.
    async fn close(mut self, answer: Response) -> Response {
        let (mut head, body) = answer.into_parts();
        match whole(body).await {
            Ok(bytes) => self.close_written(Response::from_parts(head, bytes)),
            Err(body) => {
                head.headers.insert(REQUEST_ID_HEADER, HeaderValue::from(self.id.get()));
                if let Some(draft) = &mut self.draft {
                    draft.answer(&head);
                }
                self.note(RequestOutcome::Answered(head.status));
                Response::from_parts(head, body)
            }
        }
    }

    fn drop_connection(mut self) -> Dropped {
        self.note(RequestOutcome::Dropped);
        Dropped
    }

    fn note(&mut self, outcome: RequestOutcome) {
        if let Some(draft) = self.draft.take() {
            self.sim.journal().note(draft, outcome, self.started.elapsed());
        }
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.note(RequestOutcome::Abandoned);
    }
}

#[cfg(test)]
mod tests {
    use super::{Cut, DropConnection, Dropped, Passage};
    use crate::Sim;
    use crate::fault::{Fault, FaultKind};
    use crate::journal::{RequestId, RequestRecord};
    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::extract::Extension;
    use axum::response::Response;
    use bytes::Bytes;
    use http::Request;
    use tower_service::Service;

    /// A hub that answers so.
    async fn hub<T: 'static>(handler: impl axum::handler::Handler<T, ()>) -> (Sim, Passage) {
        let sim = Sim::builder().build().await.unwrap();
        let router = Router::new().fallback(handler);
        let passage = Passage { in_its_place: true, ..Passage::new(sim.clone(), router) };
        (sim, passage)
    }

    fn add(body: impl Into<Body>) -> Request<Body> {
        Request::post("/integration/add").body(body.into()).unwrap()
    }

    fn last(sim: &Sim) -> RequestRecord {
        sim.journal().requests().pop().unwrap()
    }

    #[tokio::test]
    async fn a_handler_knows_the_requests_number() {
        let (sim, mut hub) = hub(async |Extension(id): Extension<RequestId>| id.to_string()).await;
        for number in ["1", "2"] {
            let answer = hub.call(add("{}")).await.unwrap();
            assert_eq!(answer.headers()["x-sim-request-id"], number);
            assert_eq!(to_bytes(answer.into_body(), 9).await.unwrap(), number);
            assert_eq!(last(&sim).id().to_string(), number);
        }
    }

    /// What comes in many pieces is seen whole, by the hub and by the journal.
    #[tokio::test]
    async fn a_body_in_pieces() {
        let (sim, mut hub) = hub(async |body: Bytes| body).await;
        let whole = Bytes::from_static(br#"{"payment":{"title":"A"}}"#);
        let pieces = crate::fault::Drip::new(whole.clone(), 7, std::time::Duration::from_millis(1));
        let answer = hub.call(add(Body::new(pieces))).await.unwrap();
        assert_eq!(to_bytes(answer.into_body(), 99).await.unwrap(), whole);
        assert_eq!(last(&sim).body().bytes(), whole);
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_breaks_off_for_the_hub_too() {
        let broken = async |body: Body| to_bytes(body, 99).await.is_err().to_string();
        let (sim, mut hub) = hub(broken).await;
        let half = Cut::half_of(&Bytes::from_static(b"{}"));
        let answer = hub.call(add(Body::new(half))).await.unwrap();
        assert_eq!(to_bytes(answer.into_body(), 9).await.unwrap(), "true");
        assert_eq!(last(&sim).body().bytes(), b"{");
    }

    /// An answer of no known length is handed on as it comes, and the journal has its head only.
    #[tokio::test]
    async fn an_answer_that_streams_is_not_held_up() {
        let (sim, mut hub) = hub(async || Response::new(Body::new(Cut::at_once()))).await;
        let answer = hub.call(add("{}")).await.unwrap();
        assert!(to_bytes(answer.into_body(), 9).await.is_err());
        let noted = last(&sim);
        assert_eq!((noted.status().map(|status| status.as_u16()), noted.answer_body().length()), (Some(200), None));
    }

    #[tokio::test]
    async fn a_server_is_told_to_close_the_connection() {
        let (sim, mut hub) = hub(async || "never seen").await;
        sim.faults().arm(Fault::new(FaultKind::ResetAfterCommit).times(2)).unwrap();
        assert_eq!(hub.call(add("{}")).await.unwrap_err(), Dropped);
        let answer = hub.answering().call(add("{}")).await.unwrap();
        assert!(answer.extensions().get::<DropConnection>().is_some());
        assert!(to_bytes(answer.into_body(), 9).await.is_err());
    }
}
