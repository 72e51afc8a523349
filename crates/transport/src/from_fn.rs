//! A closure as the other end, for tests.

use std::fmt;
use std::pin::pin;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use tokio::time::Instant;

use crate::attempt::Limits;
use crate::deadline::until;
use crate::error::{ErrorKind, TransportError};
use crate::transport::Transport;

/// A transport whose other end is a closure, for tests.
///
/// The closure gets the request as it was given, extensions and all. The attempt's deadline and the limit on the
/// answer's body hold as over a socket: a closure that is still running at the deadline is dropped, with
/// [`Unknown`](crate::Delivery::Unknown) as the verdict.
///
/// ```
/// use asaanbill_transport::{Transport, from_fn};
/// use http::{Request, Response};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let echo = from_fn(|request: Request<bytes::Bytes>| async move { Ok(Response::new(request.into_body())) });
/// let answer = echo.send(Request::post("https://hub.example/").body("hello".into())?).await?;
/// assert_eq!(answer.body(), "hello");
/// # Ok(())
/// # }
/// ```
pub fn from_fn<F, A>(answer: F) -> FromFn<F>
where
    F: Fn(Request<Bytes>) -> A + Send + Sync,
    A: Future<Output = Result<Response<Bytes>, TransportError>> + Send,
{
    FromFn { answer }
}

/// Made by [`from_fn`].
#[derive(Clone)]
pub struct FromFn<F> {
    answer: F,
}

impl<F> fmt::Debug for FromFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromFn").finish_non_exhaustive()
    }
}

#[async_trait]
impl<F, A> Transport for FromFn<F>
where
    F: Fn(Request<Bytes>) -> A + Send + Sync,
    A: Future<Output = Result<Response<Bytes>, TransportError>> + Send,
{
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let limits = Limits::of(request.extensions());
        let uri = request.uri().clone();
        if limits.deadline <= Instant::now() {
            return Err(TransportError::not_sent(ErrorKind::Timeout).with_origin(&uri));
        }
        let Some(answer) = until(limits.deadline, pin!((self.answer)(request))).await else {
            return Err(TransportError::unknown(ErrorKind::Timeout).with_origin(&uri));
        };
        let answer = answer?;
        if answer.body().len() > limits.response {
            return Err(TransportError::answered(ErrorKind::TooLarge, answer.status())
                .with_detail(format!("its body has more than {} bytes", limits.response))
                .with_origin(&uri));
        }
        Ok(answer)
    }
}
