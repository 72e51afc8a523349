//! The server: connections in, answers out, and no one connection at the others' expense.
//!
//! Slow peers are given up, heads and connections are limited, and a stop finishes what is in flight within a bound. What
//! a request means is the router's business.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Poll;
use std::time::Duration;

use asaanbill_wire::Envelope;
use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, Request, StatusCode, header};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};
use tower_service::Service;

use super::guard::Guard;
use super::json;
use super::pace::{Pace, Patience};
use super::passage::Answering;
use super::socket::{RequestBody, Socket};

/// How many connections are served at once; more wait, unaccepted, in the system's queue. Below the 1024 files that a
/// process may usually open, which the store needs some of.
pub const CONNECTIONS_MAX: usize = 960;

/// The most bytes of a request's head; more is 431. A token is 344, browsers send a few thousand.
pub const REQUEST_HEAD_MAX: usize = 16 * 1024;

/// The most headers of a request; more is 431. It is hyper's own limit: another one would cost every request something.
pub const REQUEST_HEADERS_MAX: usize = 100;

/// How long a head may take from its first byte on.
pub const REQUEST_HEAD_PATIENCE: Duration = Duration::from_secs(10);

/// How long a body may take once it is waited for; then 408. The largest, 4 MiB, needs 140 kB a second.
pub const REQUEST_BODY_PATIENCE: Duration = Duration::from_secs(30);

/// How long a connection stays open between two requests, unless others wait for its place. More than the minute after
/// which most clients' pools give up, so that it is seldom the server who closes first.
pub const IDLE_PATIENCE: Duration = Duration::from_secs(75);

/// How long a peer may take nothing of an answer.
pub const ANSWER_PATIENCE: Duration = Duration::from_secs(30);

/// How long a stop waits for what is in flight: with what else a program has to do to end, it ends within a second.
pub const STOP_PATIENCE: Duration = Duration::from_millis(800);

/// How long a TLS handshake may take.
#[cfg(feature = "tls")]
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);

/// How long a peer that goes on sending after its answer is listened to.
const LINGER_PATIENCE: Duration = Duration::from_secs(1);

/// How often a connection looks at its pace: patience is that much longer at most.
const TICK: Duration = Duration::from_secs(1);

/// How long to wait when the system can't give another connection, as when a process may open no more files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// In a response's extensions: the connection is reset instead, before any of the response is sent. For faults.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DropConnection;

/// How much a server takes, and for how long it waits.
#[derive(Clone, Copy, Debug)]
struct Limits {
    connections: usize,
    patience: Patience,
    stop: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let patience = Patience {
            tick: TICK,
            head: REQUEST_HEAD_PATIENCE,
            body: REQUEST_BODY_PATIENCE,
            idle: IDLE_PATIENCE,
            write: ANSWER_PATIENCE,
            linger: LINGER_PATIENCE,
        };
        Self { connections: CONNECTIONS_MAX, patience, stop: STOP_PATIENCE }
    }
}

/// What is spoken on a connection.
#[derive(Clone)]
pub(super) enum Security {
    /// HTTP.
    Plain,
    /// HTTPS.
    #[cfg(feature = "tls")]
    Tls(tokio_rustls::TlsAcceptor),
}

/// Serves until `stop` resolves, then finishes what is in flight, for [`STOP_PATIENCE`] at most.
///
/// Cancellation: all connections are dropped; what was being committed is committed or not.
pub(super) async fn serve(
    listener: TcpListener,
    pages: Answering,
    guard: Guard,
    security: Security,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let site = Site { pages, guard: Arc::new(guard), security, limits: Limits::default(), crowd: Arc::default() };
    site.serve(listener, stop).await;
    Ok(())
}

/// What all connections share.
#[derive(Clone)]
struct Site<P> {
    pages: P,
    guard: Arc<Guard>,
    security: Security,
    limits: Limits,
    /// Whether a connection waits for another one's place.
    crowd: Arc<AtomicBool>,
}

impl<P> Site<P>
where
    P: Service<Request<Body>, Response = Response, Error = Infallible> + Clone + Send + Sync + 'static,
    P::Future: Send,
{
    async fn serve(self, listener: TcpListener, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let places = Arc::new(Semaphore::new(self.limits.connections));
        let (closing, _) = watch::channel(());
        let mut connections = JoinSet::new();
        let limit = self.limits.stop;
        loop {
            let stream = tokio::select! {
                biased;
                () = &mut stop => break,
                Some(_) = connections.join_next() => continue,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        if !is_of_one_connection(&error) {
                            tracing::warn!(%error, "no connection can be taken");
                            sleep(ACCEPT_PAUSE).await;
                        }
                        continue;
                    }
                },
            };
            let place = tokio::select! {
                biased;
                () = &mut stop => break,
                place = self.place(&places) => place,
            };
            connections.spawn(self.clone().connection(stream, closing.subscribe(), place));
        }
        drop(listener);
        closing.send_replace(());
        let finished = timeout(limit, async { while connections.join_next().await.is_some() {} }).await;
        if finished.is_err() {
            tracing::warn!(connections = connections.len(), "stopped before everything in flight was finished");
        }
        connections.shutdown().await;
    }

    /// A place for a connection. While one waits, others that are idle give theirs up.
    async fn place(&self, places: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = Arc::clone(places).try_acquire_owned() {
            return Some(place);
        }
        self.crowd.store(true, Relaxed);
        let place = Arc::clone(places).acquire_owned().await;
        self.crowd.store(false, Relaxed);
        place.ok()
    }

    async fn connection(self, stream: TcpStream, closing: watch::Receiver<()>, _place: Option<OwnedSemaphorePermit>) {
        // Whoever hung up meanwhile has no address.
        let Ok(local) = stream.local_addr() else { return };
        // An answer is small and complete: it must not wait for the peer to acknowledge the one before.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "answers on this connection may be late");
        }
        let pace = Arc::new(Pace::new());
        let socket = Socket::new(stream, Arc::clone(&pace));
        match self.security.clone() {
            Security::Plain => self.speak(socket, pace, local, closing).await,
            #[cfg(feature = "tls")]
            Security::Tls(acceptor) => {
                let mut closing = closing;
                let shaken = tokio::select! {
                    biased;
                    _ = closing.changed() => return,
                    shaken = timeout(HANDSHAKE_PATIENCE, acceptor.accept(socket)) => shaken,
                };
                match shaken {
                    Ok(Ok(stream)) => {
                        pace.answered();
                        self.speak(stream, pace, local, closing).await;
                    }
                    Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                    Err(_) => tracing::debug!("a TLS handshake took too long"),
                }
            }
        }
    }

    /// Answers a connection's requests, one after the other.
    async fn speak(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        pace: Arc<Pace>,
        local: SocketAddr,
        mut closing: watch::Receiver<()>,
    ) {
        let Limits { patience, .. } = self.limits;
        let crowd = Arc::clone(&self.crowd);
        let paced = Arc::clone(&pace);
        let service = service_fn(move |request| self.answer(request, Arc::clone(&paced), local));
        let mut http = http1::Builder::new();
        // Who has sent a request may be done sending, and still wants the answer. Most answers are small: to write head and body in one
        // piece costs less than to have the system put them together.
        http.half_close(true).max_header_size(REQUEST_HEAD_MAX).writev(false);
        let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
        let mut ticks = interval_at(Instant::now() + patience.tick, patience.tick);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stopping = false;
        loop {
            tokio::select! {
                biased;
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection ended early");
                    }
                    return;
                }
                _ = ticks.tick() => {
                    if pace.tick(&patience, crowd.load(Relaxed)) {
                        tracing::debug!("a connection was too slow");
                        return;
                    }
                }
                _ = closing.changed(), if !stopping => {
                    stopping = true;
                    // A request that has just come is in flight, though nobody has looked yet.
                    let ended = poll_fn(|cx| Poll::Ready(connection.as_mut().poll(cx).is_ready())).await;
                    if ended {
                        return;
                    }
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }

    /// One answer, or the end of the connection.
    fn answer(
        &self,
        request: Request<Incoming>,
        pace: Arc<Pace>,
        local: SocketAddr,
    ) -> impl Future<Output = Result<Response, Dropped>> + use<P> {
        pace.answering();
        let refused = self.guard.refuse(&request, local);
        let crowd = self.crowd.load(Relaxed);
        let body_pace = Arc::clone(&pace);
        let mut pages = self.pages.clone();
        async move {
            let mut response = match refused {
                Some(refused) => {
                    if !request.body().is_end_stream() {
                        pace.left_unread();
                    }
                    refused
                }
                None => {
                    let request = request.map(|body| match body.is_end_stream() {
                        true => Body::empty(),
                        false => Body::new(RequestBody::new(body, body_pace)),
                    });
                    let answered: Result<Response, Infallible> = pages.call(request).await;
                    answered.unwrap_or_else(|never| match never {})
                }
            };
            if response.extensions().get::<DropConnection>().is_some() {
                pace.end_abruptly();
                return Err(Dropped);
            }
            if pace.body_is_late() {
                response = too_slow();
            }
            if crowd {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            pace.answered();
            Ok(response)
        }
    }
}

/// The connection ends without an answer, as it was asked for.
#[derive(Debug, thiserror::Error)]
#[error("dropped without an answer")]
struct Dropped;

/// The answer to a body that took too long, in the envelope: the handler has seen a broken one.
fn too_slow() -> Response {
    let status = StatusCode::REQUEST_TIMEOUT;
    let mut response = json(status, &Envelope::new(status.as_u16(), "Request body too slow", None::<()>));
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Whether accepting failed for the peer's own reasons, so that the next one can be accepted at once.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(error.kind(), K::ConnectionRefused | K::ConnectionAborted | K::ConnectionReset)
}

#[cfg(test)]
mod tests;
