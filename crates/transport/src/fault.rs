//! A transport that fails as a test asks it to.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};

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
}

/// A transport that fails by a list: one [`Fault`] for each request, in order, then none.
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
/// assert_eq!(hub.remaining(), 0); // it did fire
/// # }
/// ```
pub struct Faulty<T> {
    inner: T,
    faults: Mutex<VecDeque<Fault>>,
}

impl<T> Faulty<T> {
    /// The transport with these failures before it.
    pub fn new(inner: T, faults: impl IntoIterator<Item = Fault>) -> Self {
        Self { inner, faults: Mutex::new(faults.into_iter().collect()) }
    }

    /// How many entries of the list no request has met yet. A test whose faults should have fired asserts 0.
    pub fn remaining(&self) -> usize {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn next(&self) -> Fault {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).pop_front().unwrap_or(Fault::None)
    }
}

impl<T: fmt::Debug> fmt::Debug for Faulty<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faulty").field("inner", &self.inner).field("remaining", &self.remaining()).finish()
    }
}

#[async_trait]
impl<T: Transport> Transport for Faulty<T> {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let uri = request.uri().clone();
        let error = match self.next() {
            Fault::None => return self.inner.send(request).await,
            Fault::Refuse => TransportError::not_sent(ErrorKind::Connect),
            Fault::LoseRequest => TransportError::unknown(ErrorKind::Closed),
            Fault::LoseAnswer => {
                self.inner.send(request).await?;
                TransportError::unknown(ErrorKind::Closed)
            }
            Fault::CutAnswer => {
                let answer = self.inner.send(request).await?;
                TransportError::answered(ErrorKind::Closed, answer.status())
            }
        };
        Err(error.with_detail("a fault asked for by a test").with_origin(&uri))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http::StatusCode;

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
        assert_eq!(faulty.remaining(), 0);
        assert!(faulty.send(Request::new(Bytes::new())).await.is_ok(), "the list is used up");
    }

    #[tokio::test]
    async fn each_fault_tells_the_truth_about_itself() {
        check(Fault::None, Ok(()), 1).await;
        check(Fault::Refuse, Err((Delivery::NotSent, None)), 0).await;
        check(Fault::LoseRequest, Err((Delivery::Unknown, None)), 0).await;
        check(Fault::LoseAnswer, Err((Delivery::Unknown, None)), 1).await;
        check(Fault::CutAnswer, Err((Delivery::Answered, Some(StatusCode::OK))), 1).await;
    }
}
