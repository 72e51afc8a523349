//! A transport that fails as a test asks it to.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use tokio::time::sleep_until;

use crate::attempt::Limits;
use crate::error::{ErrorKind, TransportError};
use crate::transport::Transport;

/// One failure of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The request is passed on untouched: for the attempts between failures.
    None,
    /// The request never leaves: [`NotSent`](crate::Delivery::NotSent), as if the port were closed.
    Refuse,
    /// The request never arrives, but nobody can know: [`Unknown`](crate::Delivery::Unknown).
    LoseRequest,
    /// The request is passed on and takes its effect; its answer is lost: [`Unknown`](crate::Delivery::Unknown).
    LoseAnswer,
    /// The request is passed on and takes its effect; of its answer only the head arrives:
    /// [`Answered`](crate::Delivery::Answered), with the status.
    CutAnswer,
    /// The request is held on the way, and its sender learns nothing: [`Unknown`](crate::Delivery::Unknown). It is passed on
    /// and takes its effect after so many further requests were answered, at least one.
    Late(usize),
    /// The request is passed on twice; the first answer comes back.
    Twice,
    /// The request is passed on and takes its effect; its answer comes too late for the attempt's deadline:
    /// [`Unknown`](crate::Delivery::Unknown).
    Hang,
    /// A proxy answers with this status and a page of HTML; the request isn't passed on.
    ProxyAnswer(StatusCode),
    /// The request is passed on and takes its effect; then a proxy answers with this status and a page of HTML.
    ProxyAnswerAfter(StatusCode),
    /// The request is passed on and takes its effect; its answer ends after so many bytes of the body, as if that were all.
    Truncate(usize),
}

/// What a proxy says instead of the server.
const PROXY_PAGE: &str = "<html><head><title>Bad Gateway</title></head><body>nginx</body></html>";

/// A transport that fails by a list (one [`Fault`] for each request, in order, then none) or by a rule of your own.
///
/// ```
/// use asaanbill_transport::{Delivery, Fault, Faulty, Transport, from_fn};
/// use http::{Request, Response};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let hub = from_fn(|_| async { Ok(Response::new(bytes::Bytes::new())) });
/// let hub = Faulty::new(hub, [Fault::LoseAnswer]);
///
/// let request = || Request::post("https://hub.example/add").body(bytes::Bytes::new()).unwrap();
/// assert_eq!(hub.send(request()).await.unwrap_err().delivery(), Delivery::Unknown);
/// assert!(hub.send(request()).await.is_ok());
/// assert_eq!((hub.remaining(), hub.fired()), (0, 1)); // it did fire
/// # }
/// ```
pub struct Faulty<T> {
    inner: T,
    script: Mutex<Script>,
    fired: AtomicUsize,
    held: Mutex<Vec<Held>>,
}

enum Script {
    List(VecDeque<Fault>),
    Rule(Rule),
}

type Rule = Box<dyn FnMut(&Request<Bytes>) -> Fault + Send>;

/// A request that is late.
struct Held {
    /// After how many more answers it is passed on.
    after: usize,
    request: Request<Bytes>,
}

impl<T> Faulty<T> {
    /// The transport with these failures before it.
    pub fn new(inner: T, faults: impl IntoIterator<Item = Fault>) -> Self {
        Self::with(inner, Script::List(faults.into_iter().collect()))
    }

    /// The transport with the failures that a rule says, request by request.
    pub fn by(inner: T, rule: impl FnMut(&Request<Bytes>) -> Fault + Send + 'static) -> Self {
        Self::with(inner, Script::Rule(Box::new(rule)))
    }

    fn with(inner: T, script: Script) -> Self {
        Self { inner, script: Mutex::new(script), fired: AtomicUsize::new(0), held: Mutex::default() }
    }

    /// How many entries of the list no request has met yet. A test whose faults should have fired asserts 0. By a rule: 0.
    pub fn remaining(&self) -> usize {
        match &*self.script.lock().unwrap_or_else(PoisonError::into_inner) {
            Script::List(faults) => faults.len(),
            Script::Rule(_) => 0,
        }
    }

    /// How many requests have met a failure.
    pub fn fired(&self) -> usize {
        self.fired.load(Ordering::Relaxed)
    }

    fn next(&self, request: &Request<Bytes>) -> Fault {
        let fault = match &mut *self.script.lock().unwrap_or_else(PoisonError::into_inner) {
            Script::List(faults) => faults.pop_front().unwrap_or(Fault::None),
            Script::Rule(rule) => rule(request),
        };
        if fault != Fault::None {
            self.fired.fetch_add(1, Ordering::Relaxed);
        }
        fault
    }

    fn hold(&self, request: Request<Bytes>, after: usize) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).push(Held { after: after.max(1), request });
    }

    /// Those whose time has come after one more answer; all of them, if there is no more to come.
    fn due(&self, all: bool) -> Vec<Request<Bytes>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        for one in held.iter_mut() {
            one.after = one.after.saturating_sub(1);
        }
        held.extract_if(.., |one| all || one.after == 0).map(|one| one.request).collect()
    }
}

impl<T: Transport> Faulty<T> {
    /// Passes on whatever is late, now.
    pub async fn release(&self) {
        for mut late in self.due(true) {
            late.extensions_mut().clear();
            // Its sender has stopped listening.
            let _ = self.inner.send(late).await;
        }
    }

    async fn pass_on(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let answer = self.inner.send(request).await;
        for mut late in self.due(false) {
            // The deadline was its sender's.
            late.extensions_mut().clear();
            let _ = self.inner.send(late).await;
        }
        answer
    }

    async fn meet(&self, fault: Fault, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let page = |status| {
            let mut page = Response::new(Bytes::from_static(PROXY_PAGE.as_bytes()));
            *page.status_mut() = status;
            Ok(page)
        };
        match fault {
            Fault::None => self.pass_on(request).await,
            Fault::Refuse => Err(TransportError::not_sent(ErrorKind::Connect)),
            Fault::LoseRequest => Err(TransportError::unknown(ErrorKind::Closed)),
            Fault::LoseAnswer => {
                self.pass_on(request).await?;
                Err(TransportError::unknown(ErrorKind::Closed))
            }
            Fault::CutAnswer => {
                let answer = self.pass_on(request).await?;
                Err(TransportError::answered(ErrorKind::Closed, answer.status()))
            }
            Fault::Late(after) => {
                self.hold(request, after);
                Err(TransportError::unknown(ErrorKind::Timeout))
            }
            Fault::Twice => {
                let answer = self.pass_on(request.clone()).await;
                let _ = self.pass_on(request).await;
                answer
            }
            Fault::Hang => {
                let deadline = Limits::of(request.extensions()).deadline;
                self.pass_on(request).await?;
                sleep_until(deadline).await;
                Err(TransportError::unknown(ErrorKind::Timeout))
            }
            Fault::ProxyAnswer(status) => page(status),
            Fault::ProxyAnswerAfter(status) => {
                self.pass_on(request).await?;
                page(status)
            }
            Fault::Truncate(bytes) => {
                self.pass_on(request).await.map(|answer| answer.map(|body| body.slice(..bytes.min(body.len()))))
            }
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Faulty<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faulty")
            .field("inner", &self.inner)
            .field("remaining", &self.remaining())
            .field("fired", &self.fired())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl<T: Transport> Transport for Faulty<T> {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let uri = request.uri().clone();
        let fault = self.next(&request);
        let outcome = self.meet(fault, request).await;
        match fault {
            Fault::None => outcome,
            _ => outcome.map_err(|error| error.with_detail("a fault asked for by a test").with_origin(&uri)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Delivery, from_fn};

    async fn check(fault: Fault, expected: Result<(), (Delivery, Option<StatusCode>)>, effects: usize) {
        let seen = AtomicUsize::new(0);
        let inner = from_fn(|_| {
            seen.fetch_add(1, Ordering::Relaxed);
            async { Ok(Response::new(Bytes::new())) }
        });
        let faulty = Faulty::new(inner, [fault]);
        let outcome = faulty.send(Request::new(Bytes::new())).await;
        assert_eq!(outcome.map(|_| ()).map_err(|error| (error.delivery(), error.status())), expected, "{fault:?}");
        assert_eq!(seen.load(Ordering::Relaxed), effects, "{fault:?}");
        assert_eq!((faulty.remaining(), faulty.fired()), (0, usize::from(fault != Fault::None)));
        assert!(faulty.send(Request::new(Bytes::new())).await.is_ok(), "the list is used up");
    }

    #[tokio::test]
    async fn each_fault_tells_the_truth_about_itself() {
        check(Fault::None, Ok(()), 1).await;
        check(Fault::Refuse, Err((Delivery::NotSent, None)), 0).await;
        check(Fault::LoseRequest, Err((Delivery::Unknown, None)), 0).await;
        check(Fault::LoseAnswer, Err((Delivery::Unknown, None)), 1).await;
        check(Fault::CutAnswer, Err((Delivery::Answered, Some(StatusCode::OK))), 1).await;
        check(Fault::Late(1), Err((Delivery::Unknown, None)), 0).await;
        check(Fault::Twice, Ok(()), 2).await;
        check(Fault::ProxyAnswer(StatusCode::BAD_GATEWAY), Ok(()), 0).await;
        check(Fault::ProxyAnswerAfter(StatusCode::BAD_GATEWAY), Ok(()), 1).await;
        check(Fault::Truncate(1), Ok(()), 1).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_hangs_takes_its_effect_and_ends_at_the_deadline() {
        check(Fault::Hang, Err((Delivery::Unknown, None)), 1).await;
    }

    #[tokio::test]
    async fn a_late_request_comes_after_others() {
        let seen = std::sync::Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        let inner = from_fn(move |request: Request<Bytes>| {
            log.lock().unwrap().push(request.into_body());
            async { Ok(Response::new(Bytes::from_static(b"hello"))) }
        });
        let faulty = Faulty::by(inner, |request| match &**request.body() {
            b"late" => Fault::Late(2),
            b"never" => Fault::Late(9),
            b"cut" => Fault::Truncate(4),
            _ => Fault::None,
        });
        let mut answers = Vec::new();
        for body in ["late", "never", "a", "cut", "b"] {
            let sent = faulty.send(Request::new(Bytes::from_static(body.as_bytes()))).await;
            answers.push(sent.map_or_else(|_| Bytes::new(), Response::into_body));
        }
        faulty.release().await;
        assert_eq!(*seen.lock().unwrap(), ["a", "cut", "late", "b", "never"]);
        assert_eq!(answers, ["", "", "hello", "hell", "hello"]);
        assert_eq!(faulty.fired(), 3);
    }
}
