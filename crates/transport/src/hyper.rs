//! The transport over hyper's own connections.

mod connect;
mod connection;
mod idle;

use std::fmt;
use std::pin::pin;

use async_trait::async_trait;
use bytes::Bytes;
use http::uri::{Authority, Parts, PathAndQuery, Scheme};
use http::{Request, Response, StatusCode, Uri};

use crate::admit::{Admitted, admit};
use crate::classify::kind_of;
use crate::config_error::ConfigError;
use crate::deadline::until;
use crate::error::{ErrorKind, TransportError};
#[cfg(feature = "__rustls")]
use crate::tls::TrustedRoots;
use crate::transport::Transport;

use self::connect::Connector;
use self::connection::Watch;
use self::idle::Idle;

/// A [`Transport`] over [hyper](::hyper)'s own connections, HTTP/1.1 only.
///
/// No connection has a task: it moves only while a request uses it, and dropping the request's future closes it. (As with
/// every transport here, one task a runtime sleeps until the first deadline.)
/// After a whole answer the connection is kept a few seconds for the next request to the same host. It connects
/// directly; for a proxy take the transport over reqwest.
///
/// # Verdicts
///
/// The transport watches the bytes on their way to the socket (or to TLS). [`NotSent`](crate::Delivery::NotSent) is
/// claimed if none of the request's was handed over yet, whatever the failure and whether the request has a body or
/// not; once one was, the verdict is never `NotSent` again.
///
/// Idle connections belong to the tokio runtime on which they were made. Another runtime that uses the same transport
/// finds them closed and connects anew.
pub struct HyperTransport {
    connector: Connector,
    idle: Idle,
}

impl HyperTransport {
    /// Trusts the system's certificate authorities. Nothing is connected to or read yet.
    ///
    /// # Errors
    ///
    /// If TLS can't be set up.
    pub fn new() -> Result<Self, ConfigError> {
        Self::builder().build()
    }

    /// For other authorities.
    pub fn builder() -> HyperTransportBuilder {
        HyperTransportBuilder::default()
    }

    /// One exchange. `evidence` outlives it, so that a deadline that cuts it off finds what had happened by then.
    ///
    /// A block in a function: an `async fn` has what it is given in memory twice.
    fn exchange(
        &self,
        admitted: Admitted,
        origin: &Origin,
        evidence: &mut Evidence,
    ) -> impl Future<Output = Result<Response<Bytes>, TransportError>> {
        let Admitted { request, limits } = admitted;
        async move {
            let mut connection = match self.idle.take(origin) {
                Some(connection) => connection,
                // Boxed, as it is rare and large: otherwise each request would carry the room for it.
                None => Box::pin(self.connector.connect(request.uri())).await?,
            };
            evidence.watch = connection.begin(limits.deadline);

            let answer = {
                let asking = pin!(connection.ask(request));
                asking.await
            };
            let answer = answer.map_err(|error| evidence.verdict(kind_of(&error)).with_source(error))?;
            let (parts, body) = answer.into_parts();
            evidence.status = Some(parts.status);
            let body = {
                let reading = pin!(connection.read(body, limits.response));
                reading.await
            };
            let body = body.map_err(|unreadable| unreadable.after(parts.status, |error| kind_of(error)))?;

            self.idle.keep(origin, connection);
            let mut answer = Response::from_parts(parts, body);
            // hyper's own notes, such as the reason phrase.
            answer.extensions_mut().clear();
            Ok(answer)
        }
    }
}

impl fmt::Debug for HyperTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperTransport").finish_non_exhaustive()
    }
}

#[async_trait]
impl Transport for HyperTransport {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let admitted = admit(request)?;
        let origin = Origin::of(admitted.request.uri());
        let deadline = admitted.limits.deadline;
        let mut evidence = Evidence::default();
        // At the deadline the exchange is dropped, and its connection with it, before the evidence is looked at.
        let outcome = {
            let exchange = pin!(self.exchange(admitted, &origin, &mut evidence));
            until(deadline, exchange).await
        };
        let outcome = match outcome {
            Some(outcome) => outcome,
            None => Err(evidence.verdict(ErrorKind::Timeout)),
        };
        outcome.map_err(|error| error.with_origin(&origin.uri()))
    }
}

/// What is known of an exchange so far.
#[derive(Debug, Default)]
struct Evidence {
    /// What was noted of the connection's bytes. Nothing until there is a connection.
    watch: Watch,
    /// The status, once the head of the answer was read.
    status: Option<StatusCode>,
}

impl Evidence {
    fn verdict(&self, kind: ErrorKind) -> TransportError {
        match self.status {
            Some(status) => TransportError::answered(kind, status),
            None if self.watch.any_written() => TransportError::unknown(kind),
            None => TransportError::not_sent(kind),
        }
    }
}

/// Where connections may be used again: same scheme, host and port.
#[derive(Clone, Debug)]
struct Origin {
    https: bool,
    /// Without a user's name, which isn't admitted. Cheap to clone.
    authority: Option<Authority>,
}

impl Origin {
    fn of(uri: &Uri) -> Self {
        Self { https: uri.scheme() == Some(&Scheme::HTTPS), authority: uri.authority().cloned() }
    }

    /// For an error's message.
    fn uri(&self) -> Uri {
        let mut parts = Parts::default();
        parts.scheme = Some(if self.https { Scheme::HTTPS } else { Scheme::HTTP });
        parts.authority.clone_from(&self.authority);
        parts.path_and_query = Some(PathAndQuery::from_static("/"));
        Uri::from_parts(parts).unwrap_or_default()
    }

    fn spelling(&self) -> &[u8] {
        self.authority.as_ref().map_or("", Authority::as_str).as_bytes()
    }

    fn host_and_port(&self) -> (&str, u16) {
        let port = if self.https { 443 } else { 80 };
        self.authority.as_ref().map_or(("", port), |authority| (authority.host(), authority.port_u16().unwrap_or(port)))
    }
}

impl PartialEq for Origin {
    fn eq(&self, other: &Self) -> bool {
        // Nearly always it is spelled alike.
        if self.https == other.https && self.spelling() == other.spelling() {
            return true;
        }
        let ((host, port), (other_host, other_port)) = (self.host_and_port(), other.host_and_port());
        self.https == other.https && port == other_port && host.eq_ignore_ascii_case(other_host)
    }
}

/// Settings of a [`HyperTransport`].
#[derive(Debug, Default)]
pub struct HyperTransportBuilder {
    #[cfg(feature = "__rustls")]
    roots: TrustedRoots,
}

impl HyperTransportBuilder {
    /// Whom to trust. The system's authorities if this isn't called.
    #[cfg(feature = "__rustls")]
    #[must_use]
    pub fn trusted_roots(mut self, roots: TrustedRoots) -> Self {
        self.roots = roots;
        self
    }

    /// The transport. Needs no runtime yet.
    ///
    /// # Errors
    ///
    /// If TLS can't be set up.
    pub fn build(self) -> Result<HyperTransport, ConfigError> {
        let connector = Connector::new(
            #[cfg(feature = "__rustls")]
            self.roots,
        )?;
        Ok(HyperTransport { connector, idle: Idle::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_shared_within_an_origin_only() {
        let origin = |uri: &'static str| Origin::of(&Uri::from_static(uri));
        assert_eq!(origin("https://hub.example/a"), origin("https://HUB.example:443/b?c"));
        assert_eq!(origin("http://localhost/"), origin("http://localhost:80/"));
        assert_ne!(origin("http://localhost/"), origin("https://localhost/"));
        assert_ne!(origin("http://localhost:1/"), origin("http://localhost:2/"));
        assert_ne!(origin("http://localhost/"), origin("http://127.0.0.1/"));
    }

    #[test]
    fn the_verdict_follows_the_evidence() {
        let check = |written: bool, status: Option<StatusCode>, expected: crate::Delivery| {
            let evidence = Evidence { watch: Watch::default(), status };
            if written {
                evidence.watch.note_write();
            }
            assert_eq!(evidence.verdict(ErrorKind::Timeout).delivery(), expected);
        };
        check(false, None, crate::Delivery::NotSent);
        check(true, None, crate::Delivery::Unknown);
        check(true, Some(StatusCode::OK), crate::Delivery::Answered);
    }
}
