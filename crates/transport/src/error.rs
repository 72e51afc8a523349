//! What went wrong, and what is proven about the request.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use http::{StatusCode, Uri};

/// What is proven about a request whose exchange failed.
///
/// The verdict rests on evidence, never on the name of the failure. Whatever is not proven is [`Delivery::Unknown`].
/// There are exactly these three, so a `match` needs no fourth arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// Proven: the server cannot have seen the whole head of the request, now or later. Sending it again is safe.
    NotSent,
    /// The server may have received the request and may have acted on it. Sending it again may do the thing twice.
    Unknown,
    /// The head of an answer was read whole, with its status, but its body could not be: it was too large, cut off,
    /// damaged or late. The server received the request and decided about it, so it is never safe to send it again.
    ///
    /// For a request that creates something the status alone speaks: after a 2xx the thing very likely exists, and
    /// what it was called stood in the body that is lost. Find out by reading, not by asking again.
    Answered,
}

/// Which part of the exchange failed. Says nothing about delivery: for that, see [`TransportError::delivery`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Refused before connecting: plain http to a host that is not this machine.
    Refused,
    /// The request can't be sent as it is: no absolute address, a head that is too long, headers that contradict the
    /// body.
    InvalidRequest,
    /// No connection: the name didn't resolve, the port is closed, the proxy refused, connecting took too long.
    Connect,
    /// No secure connection: a certificate that is unknown, expired or another host's, or no TLS at the other end.
    Tls,
    /// The attempt's deadline passed.
    Timeout,
    /// The connection closed, or was reset, before the answer was complete.
    Closed,
    /// The answer's body is larger than the attempt allows.
    TooLarge,
    /// What came back is not an HTTP/1 answer, or one whose head never seems to end.
    InvalidResponse,
    /// Anything else: an in-process service failed, or a transport of your own did.
    Other,
}

/// The failure of one exchange, with the verdict on its request.
///
/// Names the origin (`https://host:port`) and never a path, a query, a header or a body.
pub struct TransportError(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    delivery: Delivery,
    status: Option<StatusCode>,
    origin: Option<String>,
    detail: Option<Cow<'static, str>>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl TransportError {
    /// A failure of which it is **proven** that the request was not sent.
    pub fn not_sent(kind: ErrorKind) -> Self {
        Self::new(kind, Delivery::NotSent, None)
    }

    /// A failure after which the request may have been received.
    pub fn unknown(kind: ErrorKind) -> Self {
        Self::new(kind, Delivery::Unknown, None)
    }

    /// A failure to read the body of an answer whose head, with this status, was read.
    pub fn answered(kind: ErrorKind, status: StatusCode) -> Self {
        Self::new(kind, Delivery::Answered, Some(status))
    }

    fn new(kind: ErrorKind, delivery: Delivery, status: Option<StatusCode>) -> Self {
        Self(Box::new(Inner { kind, delivery, status, origin: None, detail: None, source: None }))
    }

    /// Which part of the exchange failed.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What is proven about the request.
    pub fn delivery(&self) -> Delivery {
        self.0.delivery
    }

    /// The answer's status: present exactly when [`delivery`](Self::delivery) is [`Delivery::Answered`].
    pub fn status(&self) -> Option<StatusCode> {
        self.0.status
    }

    /// Adds the cause. It must not print headers, bodies, paths or queries.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Adds a few words for the person who reads the message. They must not repeat what the request carried.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Adds where the request was going. Only scheme, host and port are kept.
    #[must_use]
    pub fn with_origin(mut self, uri: &Uri) -> Self {
        self.0.origin = origin(uri);
        self
    }
}

/// `scheme://host:port` without user information. `None` for an address that isn't absolute.
fn origin(uri: &Uri) -> Option<String> {
    let (scheme, host) = (uri.scheme_str()?, uri.host()?);
    Some(match uri.port_u16() {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    })
}

impl ErrorKind {
    fn words(self) -> &'static str {
        match self {
            Self::Refused => "refused to send",
            Self::InvalidRequest => "the request can't be sent as it is",
            Self::Connect => "could not connect; check the address, the network and the proxy",
            Self::Tls => "no secure connection; check the certificate's name, its dates and who signed it",
            Self::Timeout => "the deadline passed",
            Self::Closed => "the connection closed before the answer was complete",
            Self::TooLarge => "the answer is larger than allowed",
            Self::InvalidResponse => "the answer is not HTTP; check that a server of HTTP is at this address",
            Self::Other => "the exchange failed",
        }
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.0;
        if let Some(origin) = &inner.origin {
            write!(f, "{origin}: ")?;
        }
        f.write_str(inner.kind.words())?;
        if let Some(detail) = &inner.detail {
            write!(f, ": {detail}")?;
        }
        match (inner.delivery, inner.status) {
            (Delivery::NotSent, _) if matches!(inner.kind, ErrorKind::Refused | ErrorKind::InvalidRequest) => {
                f.write_str(" (the request was not sent, and won't be as it is: mend it)")
            }
            (Delivery::NotSent, _) => f.write_str(" (the request was not sent: sending it again is safe)"),
            (Delivery::Answered, Some(status)) => {
                let status = status.as_u16();
                write!(f, " (the server had answered with status {status}: look before sending it again)")
            }
            (Delivery::Unknown | Delivery::Answered, _) => {
                f.write_str(" (the request may have been received: look before sending it again)")
            }
        }
    }
}

impl fmt::Debug for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, delivery, status, origin, detail, source } = &*self.0;
        f.debug_struct("TransportError")
            .field("kind", kind)
            .field("delivery", delivery)
            .field("status", status)
            .field("origin", origin)
            .field("detail", detail)
            .field("source", source)
            .finish()
    }
}

impl Error for TransportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(error: TransportError, message: &str) {
        let uri = Uri::from_static("https://hub.example:8443/search/100139000000000000000001?key=s3cret");
        assert_eq!(error.with_origin(&uri).to_string(), message);
    }

    #[test]
    fn a_message_says_what_to_whom_and_whether_it_was_sent() {
        check(
            TransportError::not_sent(ErrorKind::Connect),
            "https://hub.example:8443: could not connect; check the address, the network and the proxy (the request was not \
             sent: sending it again is safe)",
        );
        check(
            TransportError::unknown(ErrorKind::Timeout),
            "https://hub.example:8443: the deadline passed (the request may have been received: look before sending it again)",
        );
        check(
            TransportError::answered(ErrorKind::TooLarge, StatusCode::OK).with_detail("over 16 bytes"),
            "https://hub.example:8443: the answer is larger than allowed: over 16 bytes (the server had answered with status \
             200: look before sending it again)",
        );
    }

    #[test]
    fn neither_message_nor_debug_repeats_path_query_or_user() {
        let uri = Uri::from_static("https://me:s3cret@hub.example/search/1001?key=s3cret");
        let error = TransportError::unknown(ErrorKind::Closed).with_origin(&uri).with_source("reset");
        for text in [error.to_string(), format!("{error:?}")] {
            assert!(text.contains("https://hub.example"), "{text}");
            for secret in ["s3cret", "1001", "me:"] {
                assert!(!text.contains(secret), "{text}");
            }
        }
    }

    #[test]
    fn a_status_goes_with_answered_and_with_nothing_else() {
        assert_eq!(TransportError::not_sent(ErrorKind::Other).status(), None);
        assert_eq!(TransportError::unknown(ErrorKind::Other).status(), None);
        let answered = TransportError::answered(ErrorKind::Other, StatusCode::CREATED);
        assert_eq!((answered.delivery(), answered.status()), (Delivery::Answered, Some(StatusCode::CREATED)));
    }
}
