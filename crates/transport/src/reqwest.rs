//! The transport over reqwest: pooled, through a proxy where asked.

use std::fmt;
use std::mem;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use ::reqwest::redirect::Policy;
use ::reqwest::{Body, Client, NoProxy, Proxy, Url, retry};
use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, Uri};

use crate::address;
use crate::admit::{Admitted, frame};
use crate::answer_body::{Gathered, Unreadable};
use crate::classify::{kind_of, never_written};
use crate::config_error::ConfigError;
use crate::deadline::until;
use crate::error::{ErrorKind, TransportError};
use crate::gated_body::{Gate, GatedBody};
use crate::limits::{CONNECT_TIMEOUT, IDLE_TIMEOUT, MAX_IDLE_PER_HOST};
#[cfg(feature = "__rustls")]
use crate::tls::{TrustedRoots, client_config};

/// A [`Transport`](crate::Transport) over [reqwest](::reqwest), HTTP/1.1 only.
///
/// reqwest's own retries, redirects, cookies, decompression and environment variables are off. Connections are kept
/// for the next request for a few seconds, by tasks that reqwest runs on the tokio runtime.
///
/// # Verdicts
///
/// [`NotSent`](crate::Delivery::NotSent) is claimed if there was no connection (name, port, proxy, TLS); if hyper gave
/// the request back unwritten; or if the request's body, not being empty, was never asked for, which hyper does
/// before it writes the head. A request without a body that ends at its deadline is therefore
/// [`Unknown`](crate::Delivery::Unknown) even if it was still connecting.
///
/// ```
/// use asaanbill_transport::{AttemptDeadline, Delivery, ErrorKind, ReqwestTransport, Transport};
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let transport = ReqwestTransport::new()?;
/// let request = http::Request::post("http://hub.example/integration/add")
///     .header("content-type", "application/json")
///     .extension(AttemptDeadline::after(Duration::from_secs(5)))
///     .body(r#"{"payment":{}}"#.into())?;
///
/// // Plain http never leaves this machine.
/// let error = transport.send(request).await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Refused);
/// assert_eq!(error.delivery(), Delivery::NotSent);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ReqwestTransport {
    client: Client,
    urls: Arc<Urls>,
}

impl ReqwestTransport {
    /// Connects directly and trusts the system's certificate authorities. Nothing is connected to or read yet.
    ///
    /// # Errors
    ///
    /// If reqwest can't be set up.
    pub fn new() -> Result<Self, ConfigError> {
        Self::builder().build()
    }

    /// For other authorities, or a proxy.
    pub fn builder() -> ReqwestTransportBuilder {
        ReqwestTransportBuilder::default()
    }
}

impl fmt::Debug for ReqwestTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestTransport").finish_non_exhaustive()
    }
}

/// Settings of a [`ReqwestTransport`].
#[derive(Default)]
pub struct ReqwestTransportBuilder {
    proxy: Option<Proxy>,
    #[cfg(feature = "__rustls")]
    roots: TrustedRoots,
}

impl ReqwestTransportBuilder {
    /// Whom to trust. The system's authorities if this isn't called.
    #[cfg(feature = "__rustls")]
    #[must_use]
    pub fn trusted_roots(mut self, roots: TrustedRoots) -> Self {
        self.roots = roots;
        self
    }

    /// Goes through this proxy, `http://proxy.example:3128` or `http://user:password@…`, to every https host but this
    /// machine. TLS runs through it to the hub, so the proxy sees the hub's name and nothing more. Plain http, which
    /// goes to this machine only, never takes it.
    ///
    /// # Errors
    ///
    /// If the address can't be read.
    pub fn proxy(mut self, address: &str) -> Result<Self, ConfigError> {
        // The error is dropped: reqwest's may repeat the address, which may hold a password.
        let proxy = Proxy::https(address).map_err(|_| {
            ConfigError::new("the proxy's address can't be read; give one such as http://proxy.example:3128", None)
        })?;
        self.proxy = Some(proxy.no_proxy(NoProxy::from_string(THIS_MACHINE)));
        Ok(self)
    }

    /// The transport. Needs no runtime yet.
    ///
    /// # Errors
    ///
    /// If reqwest can't be set up.
    pub fn build(self) -> Result<ReqwestTransport, ConfigError> {
        // Another crate in the build may turn on any of reqwest's features, so each one that would change an exchange
        // is turned off by name.
        let mut client = Client::builder()
            .retry(retry::never())
            .redirect(Policy::none())
            .referer(false)
            .no_proxy()
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .no_hickory_dns()
            .http1_only()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(MAX_IDLE_PER_HOST)
            .resolve_to_addrs("localhost", &LOCALHOST);
        if let Some(proxy) = self.proxy {
            client = client.proxy(proxy);
        }
        #[cfg(feature = "__rustls")]
        {
            client = client.tls_backend_preconfigured(client_config(self.roots)?);
        }
        let client = client.build().map_err(|error| {
            ConfigError::new("reqwest refuses its settings; the cause says why", Some(error.into()))
        })?;
        Ok(ReqwestTransport { client, urls: Arc::default() })
    }
}

impl fmt::Debug for ReqwestTransportBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestTransportBuilder").field("proxy", &self.proxy.is_some()).finish_non_exhaustive()
    }
}

/// What never goes through a proxy.
const THIS_MACHINE: &str = "localhost,127.0.0.0/8,::1";

/// `localhost` without asking a resolver, which might answer with another machine. Port 0 stands for the address's own.
const LOCALHOST: [SocketAddr; 2] = [
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
    SocketAddr::new(std::net::IpAddr::V6(Ipv6Addr::LOCALHOST), 0),
];

#[async_trait]
impl crate::Transport for ReqwestTransport {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let uri = request.uri().clone();
        let url = self.urls.admit(&uri).map_err(|error| error.with_origin(&uri))?;
        let Admitted { request, limits } = frame(request)?;
        let (outgoing, gate) = outgoing(url, request);

        // Dropping `execute` at the deadline comes first, the verdict on what it had done so far second.
        let mut answer = match until(limits.deadline, pin!(self.client.execute(outgoing))).await {
            Some(Ok(answer)) => answer,
            Some(Err(error)) => return Err(failed(error, &gate).with_origin(&uri)),
            None => return Err(verdict(ErrorKind::Timeout, gate.withdraw()).with_origin(&uri)),
        };

        let status = answer.status();
        let (version, headers) = (answer.version(), mem::take(answer.headers_mut()));
        let body = async {
            let mut gathered = Gathered::new(answer.content_length(), limits.response)?;
            while let Some(piece) = answer.chunk().await.map_err(Unreadable::Broken)? {
                gathered.push(piece)?;
            }
            Ok::<_, Unreadable<::reqwest::Error>>(gathered.whole())
        };
        match until(limits.deadline, pin!(body)).await {
            Some(Ok(body)) => {
                // Without reqwest's own notes on the connection: an answer over a wire has none.
                let mut whole = Response::new(body);
                (*whole.status_mut(), *whole.version_mut(), *whole.headers_mut()) = (status, version, headers);
                Ok(whole)
            }
            Some(Err(unreadable)) => Err(unreadable.after(status, |error| kind_of(error)).with_origin(&uri)),
            None => Err(TransportError::answered(ErrorKind::Timeout, status).with_origin(&uri)),
        }
    }
}

/// How many addresses are kept as URLs: as many as a program alternates between.
const URLS_MAX: usize = 4;

/// The last addresses, as URLs: to check and read one again costs more than all else that is done here for a request.
#[derive(Default)]
struct Urls(Mutex<Vec<(Uri, Url)>>);

impl Urls {
    /// An address to which requests may go, as a URL.
    fn admit(&self, uri: &Uri) -> Result<Url, TransportError> {
        let mut urls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, url)) = urls.iter().rfind(|(known, _)| known == uri) {
            return Ok(url.clone());
        }
        address::check(uri)?;
        let url = Url::parse(&uri.to_string()).ok().filter(|url| same_host(url, uri)).ok_or_else(|| {
            TransportError::not_sent(ErrorKind::InvalidRequest).with_detail("its address is not a URL")
        })?;
        if urls.len() == URLS_MAX {
            urls.remove(0);
        }
        urls.push((uri.clone(), url.clone()));
        Ok(url)
    }
}

/// The request as reqwest takes it, and the gate of its body.
fn outgoing(url: Url, request: Request<Bytes>) -> (::reqwest::Request, Gate) {
    let (parts, body) = request.into_parts();
    let (body, gate) = GatedBody::new(body);
    let mut outgoing = ::reqwest::Request::new(parts.method, url);
    *outgoing.headers_mut() = parts.headers;
    *outgoing.body_mut() = Some(Body::wrap(body));
    (outgoing, gate)
}

/// A URL may be read in more ways than one (127.1 for 127.0.0.1). What was admitted is what is sent.
fn same_host(url: &Url, uri: &Uri) -> bool {
    let same = |host: &str| uri.host().is_some_and(|admitted| admitted.eq_ignore_ascii_case(host));
    url.host_str().is_some_and(same) && uri.scheme_str() == Some(url.scheme())
}

fn failed(error: ::reqwest::Error, gate: &Gate) -> TransportError {
    // reqwest would print the whole address, with the PSID in its path.
    let error = error.without_url();
    // `is_connect` is asked before `is_timeout` and everything else: a time-out while connecting is both.
    if error.is_connect() {
        return connect_failed(error);
    }
    if error.is_builder() {
        return TransportError::not_sent(ErrorKind::InvalidRequest).with_source(error);
    }
    let unsent = never_written(&error) || gate.withdraw();
    verdict(kind_of(&error), unsent).with_source(error)
}

fn connect_failed(error: ::reqwest::Error) -> TransportError {
    #[cfg(feature = "__rustls")]
    if crate::classify::is_tls(&error) {
        return TransportError::not_sent(ErrorKind::Tls).with_source(error);
    }
    TransportError::not_sent(ErrorKind::Connect).with_source(error)
}

fn verdict(kind: ErrorKind, unsent: bool) -> TransportError {
    if unsent { TransportError::not_sent(kind) } else { TransportError::unknown(kind) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_builder_never_shows_a_password() {
        let builder = ReqwestTransport::builder().proxy("http://me:s3cret@proxy.example:3128").unwrap();
        assert_eq!(format!("{builder:?}"), "ReqwestTransportBuilder { proxy: true, .. }");
        let error = ReqwestTransport::builder().proxy("http://me:s3cret@[proxy:x").unwrap_err();
        assert!(!format!("{error:?} {error}").contains("s3cret"));
    }

    #[test]
    fn an_address_that_reqwest_would_read_otherwise_is_refused() {
        let urls = Urls::default();
        let admit = |uri: &str| urls.admit(&uri.parse().unwrap());
        assert!(admit("http://127.0.0.1:80/a/%2e%2e?b").is_ok());
        assert!(admit("https://HUB.example/").is_ok());
        assert!(admit("https://[2001:db8::1]/").is_ok());
        for uri in ["https://127.1/", "https://0x7f.1/", "https://0127.0.0.1/"] {
            let error = admit(uri).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{uri}");
        }
    }

    #[test]
    fn an_address_that_was_met_before_is_the_same_again() {
        let urls = Urls::default();
        for round in 0..3 {
            for path in 0..=URLS_MAX {
                let uri: Uri = format!("http://127.0.0.1:1/{}?a={path}", path + round % 2).parse().unwrap();
                assert_eq!(urls.admit(&uri).unwrap().as_str(), uri.to_string());
            }
        }
        assert_eq!(urls.0.lock().unwrap().len(), URLS_MAX);
    }

    #[test]
    fn localhost_keeps_the_addresss_port() {
        assert!(LOCALHOST.iter().all(|address| address.port() == 0 && address.ip().is_loopback()));
    }
}
