//! A tower service as the other end, without a socket.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::pin;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, Response, Uri};
use http_body::Body;
use http_body_util::Full;
use tower_service::Service;

use crate::admit::{Admitted, frame};
use crate::answer_body::read_whole;
use crate::deadline::until;
use crate::error::{ErrorKind, TransportError};
use crate::transport::Transport;

/// A [`Transport`] whose other end is a tower service in this process, such as an axum `Router`.
///
/// The service sees what a server would see: path and query in the request line, the host in a header, the body's
/// length, and none of the caller's extensions. Each request goes to a clone of the service. A service that is still
/// at work at the deadline is dropped, as a server drops it when the connection closes.
///
/// # Verdicts
///
/// [`NotSent`](crate::Delivery::NotSent) until the service was called, [`Unknown`](crate::Delivery::Unknown) until it
/// answered, [`Answered`](crate::Delivery::Answered) when the answer's body fails, is too large or late.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use asaanbill_transport::{ServiceTransport, Transport};
/// use axum::{Router, routing::get};
///
/// let hub = ServiceTransport::new(Router::new().route("/ping", get(async || "pong")));
/// let answer = hub.send(http::Request::get("https://hub.example/ping").body("".into())?).await?;
/// assert_eq!(answer.body(), "pong");
/// # Ok(())
/// # }
/// ```
pub struct ServiceTransport<S, B = Full<Bytes>> {
    service: S,
    body: PhantomData<fn(Bytes) -> B>,
}

impl<S> ServiceTransport<S> {
    /// For a service that takes any body, as an axum `Router` does.
    pub fn new(service: S) -> Self {
        Self { service, body: PhantomData }
    }
}

impl<S, B> ServiceTransport<S, B> {
    /// For a service that takes one type of body, such as `axum::body::Body`:
    /// `ServiceTransport::<_, axum::body::Body>::for_body(service)`.
    pub fn for_body(service: S) -> Self {
        Self { service, body: PhantomData }
    }
}

impl<S: Clone, B> Clone for ServiceTransport<S, B> {
    fn clone(&self) -> Self {
        Self { service: self.service.clone(), body: PhantomData }
    }
}

impl<S, B> fmt::Debug for ServiceTransport<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceTransport").finish_non_exhaustive()
    }
}

#[async_trait]
impl<S, B, A> Transport for ServiceTransport<S, B>
where
    S: Service<Request<B>, Response = Response<A>> + Clone + Send + Sync,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>> + Send,
    B: From<Bytes> + Send,
    A: Body + Send,
    A::Data: Send,
    A::Error: Into<Box<dyn Error + Send + Sync>> + Send,
{
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let Admitted { request, limits } = frame(request)?;
        let uri = request.uri().clone();
        let request = as_received(request).map(B::from);
        let mut service = self.service.clone();

        let ready = poll_fn(|context| service.poll_ready(context));
        match until(limits.deadline, pin!(ready)).await {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                return Err(TransportError::not_sent(ErrorKind::Other).with_source(error).with_origin(&uri));
            }
            None => return Err(TransportError::not_sent(ErrorKind::Timeout).with_origin(&uri)),
        }
        let answer = match until(limits.deadline, pin!(service.call(request))).await {
            Some(Ok(answer)) => answer,
            Some(Err(error)) => {
                return Err(TransportError::unknown(ErrorKind::Other).with_source(error).with_origin(&uri));
            }
            None => return Err(TransportError::unknown(ErrorKind::Timeout).with_origin(&uri)),
        };

        let (mut parts, body) = answer.into_parts();
        parts.extensions.clear();
        match until(limits.deadline, pin!(read_whole(body, limits.response))).await {
            Some(Ok(body)) => Ok(Response::from_parts(parts, body)),
            Some(Err(unreadable)) => Err(unreadable.after(parts.status, |_| ErrorKind::Other).with_origin(&uri)),
            None => Err(TransportError::answered(ErrorKind::Timeout, parts.status).with_origin(&uri)),
        }
    }
}

/// The request as it looks when a server has read it from a socket.
fn as_received(request: Request<Bytes>) -> Request<Bytes> {
    let (parts, body) = request.into_parts();
    let mut received = Request::new(body);
    *received.method_mut() = parts.method;
    *received.headers_mut() = parts.headers;
    if let Some(host) = parts.uri.authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok()) {
        received.headers_mut().entry(HOST).or_insert(host);
    }
    let path = parts.uri.path_and_query().cloned();
    *received.uri_mut() = path.map_or_else(Uri::default, Uri::from);
    received
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_sees_what_a_server_would() {
        let mut request =
            Request::post("https://hub.example:8443/add?a=b").header("x", "y").body(Bytes::new()).unwrap();
        request.extensions_mut().insert("the caller's own");
        let received = as_received(request);
        assert_eq!(received.uri(), "/add?a=b");
        assert_eq!(received.headers()["host"], "hub.example:8443");
        assert_eq!(received.headers()["x"], "y");
        assert!(received.extensions().is_empty());

        let bare = Request::get("https://hub.example").body(Bytes::new()).unwrap();
        assert_eq!(as_received(bare).uri(), "/");
    }
}
