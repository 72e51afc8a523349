//! What may be sent at all, decided before anything is connected to.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, EXPECT, HeaderName, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderValue, Method, Request};
use tokio::time::Instant;

use crate::attempt::Limits;
use crate::error::{ErrorKind, TransportError};

/// The largest request head: method, address and headers together. 64 KiB is eight times what common servers accept,
/// and a sixth of the buffer in which hyper keeps a head until the body follows; the evidence for
/// [`Delivery::NotSent`](crate::Delivery) needs that room.
pub const REQUEST_HEAD_LIMIT: usize = 64 * 1024;

/// Headers that decide how the message is framed or that turn the exchange into another protocol. The transport frames.
const NOT_THE_CALLERS: [HeaderName; 5] = [TRANSFER_ENCODING, EXPECT, UPGRADE, TRAILER, TE];

/// A request that may be sent, and the limits that hold for it.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) request: Request<Bytes>,
    pub(crate) limits: Limits,
}

/// Checks a request for a transport that opens sockets itself.
#[cfg(feature = "hyper")]
pub(crate) fn admit(request: Request<Bytes>) -> Result<Admitted, TransportError> {
    if let Err(error) = crate::address::check(request.uri()) {
        return Err(error.with_origin(request.uri()));
    }
    frame(request)
}

/// Checks what doesn't depend on where the request goes, and states the body's length as a server expects it.
pub(crate) fn frame(mut request: Request<Bytes>) -> Result<Admitted, TransportError> {
    let length = HeaderValue::from(request.body().len());
    if let Err(detail) = check(&request, &length) {
        let invalid = TransportError::not_sent(ErrorKind::InvalidRequest);
        return Err(invalid.with_detail(detail).with_origin(request.uri()));
    }
    // hyper states no length for an empty body, and some servers then answer a POST with 411.
    let expects_a_body = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH);
    if !request.body().is_empty() || expects_a_body {
        request.headers_mut().insert(CONTENT_LENGTH, length);
    }

    let limits = Limits::of(request.extensions());
    if limits.deadline <= Instant::now() {
        return Err(TransportError::not_sent(ErrorKind::Timeout).with_origin(request.uri()));
    }
    Ok(Admitted { request, limits })
}

/// What is wrong with a request's head, if anything is.
fn check(request: &Request<Bytes>, length: &HeaderValue) -> Result<(), &'static str> {
    if request.method() == Method::CONNECT {
        return Err("CONNECT opens a tunnel and is no exchange");
    }
    for (name, stated) in request.headers() {
        if NOT_THE_CALLERS.contains(name) {
            return Err("transfer-encoding, expect, upgrade, trailer and te are the transport's own");
        }
        if name == CONTENT_LENGTH && stated != length {
            return Err("its content-length is not the length of its body");
        }
    }
    if head_length(request) > REQUEST_HEAD_LIMIT {
        return Err("its head is longer than 64 KiB");
    }
    Ok(())
}

/// At least the length of the head as it will be written.
fn head_length(request: &Request<Bytes>) -> usize {
    let uri = request.uri();
    let path = uri.path_and_query().map_or(1, |path| path.as_str().len());
    let authority = uri.authority().map_or(0, |authority| authority.as_str().len());
    let headers: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    request.method().as_str().len() + path + authority + headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Delivery;

    fn check_framing(request: http::request::Builder, body: &'static str, expected: Result<Option<&str>, ErrorKind>) {
        let request = request.uri("http://127.0.0.1/").body(Bytes::from_static(body.as_bytes())).unwrap();
        let admitted = frame(request);
        let stated = admitted
            .as_ref()
            .map(|admitted| admitted.request.headers().get(CONTENT_LENGTH).map(|value| value.to_str().unwrap()));
        assert_eq!(stated.map_err(TransportError::kind), expected);
    }

    #[test]
    fn the_length_is_the_bodys() {
        check_framing(Request::post("/"), "{}", Ok(Some("2")));
        check_framing(Request::post("/"), "", Ok(Some("0")));
        check_framing(Request::get("/"), "", Ok(None));
        check_framing(Request::post("/").header("content-length", "2"), "{}", Ok(Some("2")));
        check_framing(Request::post("/").header("content-length", "3"), "{}", Err(ErrorKind::InvalidRequest));
        check_framing(
            Request::post("/").header("content-length", "2").header("content-length", "3"),
            "{}",
            Err(ErrorKind::InvalidRequest),
        );
    }

    #[test]
    fn framing_is_not_the_callers() {
        for name in ["transfer-encoding", "expect", "upgrade", "trailer", "te"] {
            check_framing(Request::post("/").header(name, "x"), "{}", Err(ErrorKind::InvalidRequest));
        }
        check_framing(Request::builder().method("CONNECT"), "", Err(ErrorKind::InvalidRequest));
    }

    #[test]
    fn the_head_has_a_limit() {
        let padded = |length: usize| {
            let request = Request::post("http://127.0.0.1/").body(Bytes::from_static(b"{}")).unwrap();
            let spare = length - head_length(&request) - "x: \r\n".len();
            Request::post("http://127.0.0.1/").header("x", "y".repeat(spare)).body(Bytes::from_static(b"{}")).unwrap()
        };
        assert!(frame(padded(REQUEST_HEAD_LIMIT)).is_ok());
        let error = frame(padded(REQUEST_HEAD_LIMIT + 1)).unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::InvalidRequest, Delivery::NotSent));
    }

    #[test]
    fn a_deadline_that_has_passed_sends_nothing() {
        let mut request = Request::get("http://127.0.0.1/").body(Bytes::new()).unwrap();
        request.extensions_mut().insert(crate::AttemptDeadline(Instant::now()));
        let error = frame(request).unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::Timeout, Delivery::NotSent));
    }
}
