//! Makes a connection: resolves, connects, shakes hands.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::vec;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower_service::Service;

use super::connection::Connection;
use crate::config_error::ConfigError;
use crate::error::{ErrorKind, TransportError};
use crate::limits::CONNECT_TIMEOUT;

/// Makes connections to any host that was admitted. Nothing of a request goes into making one, so every failure here
/// is proof that it was not sent.
pub(super) struct Connector {
    tcp: HttpConnector<Resolver>,
    #[cfg(feature = "__rustls")]
    tls: tokio_rustls::TlsConnector,
}

impl Connector {
    pub(super) fn new(#[cfg(feature = "__rustls")] roots: crate::tls::TrustedRoots) -> Result<Self, ConfigError> {
        let mut tcp = HttpConnector::new_with_resolver(Resolver(GaiResolver::new()));
        // It connects to https hosts too; what is spoken there is TLS, below.
        tcp.enforce_http(false);
        // A request is one write; waiting to fill a packet would only delay it.
        tcp.set_nodelay(true);
        // Shared out evenly among a host's addresses, so that a dead first one leaves time for the second.
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        Ok(Self {
            tcp,
            #[cfg(feature = "__rustls")]
            tls: tokio_rustls::TlsConnector::from(std::sync::Arc::new(crate::tls::client_config(roots)?)),
        })
    }

    pub(super) async fn connect(&self, uri: &Uri) -> Result<Box<Connection>, TransportError> {
        match timeout(CONNECT_TIMEOUT, self.connect_and_shake_hands(uri)).await {
            Ok(outcome) => outcome,
            Err(late) => Err(TransportError::not_sent(ErrorKind::Connect).with_source(late)),
        }
    }

    async fn connect_and_shake_hands(&self, uri: &Uri) -> Result<Box<Connection>, TransportError> {
        let tcp = self.tcp.clone().call(uri.clone()).await;
        let tcp = tcp.map_err(|error| TransportError::not_sent(ErrorKind::Connect).with_source(error))?.into_inner();
        if uri.scheme_str() == Some("https") { self.over_tls(uri, tcp).await } else { Connection::over(tcp).await }
    }

    #[cfg(feature = "__rustls")]
    async fn over_tls(&self, uri: &Uri, tcp: TcpStream) -> Result<Box<Connection>, TransportError> {
        use rustls::pki_types::ServerName;

        let tls_failed = || TransportError::not_sent(ErrorKind::Tls);
        let host = uri.host().unwrap_or_default();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let name = ServerName::try_from(host.to_owned()).map_err(|error| tls_failed().with_source(error))?;
        match self.tls.connect(name, tcp).await {
            Ok(tls) => Connection::over(tls).await,
            // Not rustls's refusal but the socket's end: the server went away during the handshake.
            Err(error) if !crate::classify::is_tls(&error) => {
                Err(TransportError::not_sent(ErrorKind::Connect).with_source(error))
            }
            Err(error) => Err(tls_failed().with_source(error)),
        }
    }

    /// `admit` lets no https through in such a build.
    #[cfg(not(feature = "__rustls"))]
    #[expect(clippy::unused_async, reason = "stands for the one that shakes hands")]
    async fn over_tls(&self, _: &Uri, _: TcpStream) -> Result<Box<Connection>, TransportError> {
        Err(TransportError::not_sent(ErrorKind::Tls).with_detail("built without TLS"))
    }
}

/// The system's resolver, except for `localhost`: that is this machine, whatever a resolver says.
#[derive(Clone)]
struct Resolver(GaiResolver);

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        if name.as_str().eq_ignore_ascii_case("localhost") {
            let addresses =
                vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), SocketAddr::from((Ipv6Addr::LOCALHOST, 0))];
            return Box::pin(std::future::ready(Ok(addresses.into_iter())));
        }
        let resolving = self.0.call(name);
        Box::pin(async move { Ok(resolving.await?.collect::<Vec<_>>().into_iter()) })
    }
}
