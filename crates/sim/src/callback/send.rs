//! One attempt to call a receiver back.
//!
//! guide:call-3 guide:call-4 guide:call-5

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout_at};

use super::answer::judge;
use super::connect::connect;
use super::diagnosis::Diagnosis;
use super::resolve::{Resolve, SystemResolver};
use super::target::TargetPolicy;
use super::tls::{Tls, Trust, causes, fault};
use super::url::{CallbackUrl, Host};
use super::watched::{Watch, Watched};

/// How long a receiver has: name, connection, TLS, request, and the answer's head and whole body together. (Guide, Call-backs,
/// note)
pub const CALLBACK_DEADLINE: Duration = Duration::from_secs(5);

/// The most bytes of an answer's body that are read: what is longer is no acknowledgement. (assumed)
pub const CALLBACK_ANSWER_MAX: usize = 64 * 1024;

/// The longest head of an answer: what common servers and proxies allow, eight times over.
const HEAD_MAX: usize = 64 * 1024;

/// The most header fields of an answer. hyper's default, stated so that it stays.
const HEADERS_MAX: usize = 100;

/// Stands for a deadline that is beyond the clock.
const FAR: Duration = Duration::from_secs(24 * 60 * 60);

/// Sends call-backs. Each attempt has a connection of its own, goes through no proxy and follows no redirect: a 302 is a
/// status like any other.
pub(crate) struct Sender {
    policy: TargetPolicy,
    tls: Tls,
    resolver: Arc<dyn Resolve>,
}

/// What became of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// Whether it was acknowledged, and if not, at which step it failed.
    pub(crate) outcome: Result<(), Diagnosis>,
    /// Who was connected to, if anybody.
    pub(crate) peer: Option<SocketAddr>,
    /// The status of the answer, if its head was read.
    pub(crate) status: Option<u16>,
    /// How long it took, by tokio's clock.
    pub(crate) took: Duration,
}

impl Sender {
    /// Calls whom the policy permits, and takes these authorities' word for certificates.
    pub(crate) fn new(policy: TargetPolicy, trust: Trust) -> Self {
        Self { policy, tls: Tls::new(trust), resolver: Arc::new(SystemResolver::default()) }
    }

    /// For names that a test makes up.
    #[cfg(test)]
    pub(super) fn resolver(mut self, resolver: Arc<dyn Resolve>) -> Self {
        self.resolver = resolver;
        self
    }

    /// Posts a body to an event's path behind the receiver's address, once, and reads the answer. All of it has so long by
    /// one clock, which the hub sets to [`CALLBACK_DEADLINE`].
    ///
    /// Dropping the future closes the connection. The receiver may have got the call-back all the same.
    pub(crate) async fn send(&self, url: &CallbackUrl, path: &str, body: Bytes, limit: Duration) -> Attempt {
        let begun = Instant::now();
        let deadline = begun.checked_add(limit).unwrap_or_else(|| begun + FAR);
        let mut progress = Progress::default();
        let outcome = match request(url, path, body) {
            // At the deadline the exchange is dropped, and its connection with it.
            Some(request) => match timeout_at(deadline, self.exchange(url, request, deadline, &mut progress)).await {
                Ok(outcome) => outcome,
                Err(_) => Err(progress.too_slow()),
            },
            None => Err(Diagnosis::Unsendable),
        };
        let Progress { step: _, watch: _, peer, status } = progress;
        Attempt { outcome, peer, status: status.map(|status| status.as_u16()), took: begun.elapsed() }
    }

    /// The steps, each noted before it is taken.
    async fn exchange(
        &self,
        url: &CallbackUrl,
        request: Request<Full<Bytes>>,
        deadline: Instant,
        progress: &mut Progress,
    ) -> Result<(), Diagnosis> {
        progress.step = Step::Dns;
        let addresses = self.addresses(&url.host, url.port()).await?;

        progress.step = Step::Connect;
        let (tcp, peer) = connect(&self.policy, &addresses, deadline).await?;
        progress.peer = Some(peer);

        let watch = progress.watch.clone();
        let stream = if url.tls {
            progress.step = Step::Tls;
            Watched::new(self.tls.connect(&url.host, tcp).await?, watch)
        } else {
            Watched::new(tcp, watch)
        };

        progress.step = Step::Request;
        let mut connection = Connection::over(stream).await.map_err(|error| progress.broken(&error))?;
        let answer = connection.ask(request).await.map_err(|error| progress.broken(&error))?;
        progress.status = Some(answer.status());
        if !answer.status().is_success() {
            return Err(Diagnosis::Status(answer.status().as_u16()));
        }

        progress.step = Step::Body;
        match connection.read(answer.into_body()).await {
            Ok(body) => judge(&body),
            Err(Unreadable::TooLarge) => Err(Diagnosis::LargeBody),
            Err(Unreadable::Broken(error)) => Err(progress.broken(&error)),
        }
    }

    async fn addresses(&self, host: &Host, port: u16) -> Result<Vec<SocketAddr>, Diagnosis> {
        match host {
            Host::Address(address) => Ok(vec![SocketAddr::new(*address, port)]),
            // What went wrong is the resolver's own words, which may name the name; that is no secret, but no help either.
            Host::Name(name) => self.resolver.resolve(name, port).await.map_err(|_| Diagnosis::Dns),
        }
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// The request. `None` if the event's path is none.
fn request(url: &CallbackUrl, path: &str, body: Bytes) -> Option<Request<Full<Bytes>>> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = url.target(path)?.into();
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_str(&url.authority()).ok()?);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // There is no second request on a connection, and who says so lets the receiver close first. (RFC 9112, 9.6)
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    Some(request)
}

/// What an attempt is doing.
#[derive(Clone, Copy, Debug, Default)]
enum Step {
    #[default]
    Dns,
    Connect,
    Tls,
    /// Sending the request and then waiting for the answer's head: the watch knows which.
    Request,
    Body,
}

/// How far an attempt has come. It outlives the exchange, so that a deadline that cuts it off finds where it was.
#[derive(Debug, Default)]
struct Progress {
    step: Step,
    watch: Watch,
    peer: Option<SocketAddr>,
    status: Option<StatusCode>,
}

impl Progress {
    /// The time ran out at this step.
    fn too_slow(&self) -> Diagnosis {
        match self.step {
            Step::Dns => Diagnosis::SlowDns,
            Step::Connect => Diagnosis::SlowConnect,
            Step::Tls => Diagnosis::SlowTls,
            Step::Request if !self.watch.sent() => Diagnosis::SlowRequest,
            Step::Request => Diagnosis::SlowHeader,
            Step::Body => Diagnosis::SlowBody,
        }
    }

    /// hyper gave up at this step.
    fn broken(&self, error: &hyper::Error) -> Diagnosis {
        if let Some(fault) = fault(error) {
            return Diagnosis::Tls(fault);
        }
        let is_socket = |kinds: &[io::ErrorKind]| {
            let sockets = causes(error).filter_map(|cause| <dyn Error>::downcast_ref::<io::Error>(cause));
            sockets.into_iter().any(|error| kinds.contains(&error.kind()))
        };
        match self.step {
            // hyper reports a chunk that it can't read as invalid input or invalid data.
            Step::Body if error.is_parse() => Diagnosis::GarbledBody,
            Step::Body if is_socket(&[io::ErrorKind::InvalidData, io::ErrorKind::InvalidInput]) => {
                Diagnosis::GarbledBody
            }
            Step::Body => Diagnosis::LostInBody,
            _ if error.is_parse_too_large() => Diagnosis::LargeHeader,
            _ if error.is_parse() || self.watch.spoke_first() => Diagnosis::NotHttp,
            _ if self.watch.sent() => Diagnosis::LostInHeader,
            _ => Diagnosis::LostInRequest,
        }
    }
}

/// A connection for one exchange, moved by whoever waits for it: no task of its own outlives an attempt.
struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    /// hyper's side of it, which has to be polled for anything to move. `None` once it has ended.
    driver: Option<http1::Connection<TokioIo<Watched>, Full<Bytes>>>,
}

/// Why a body could not be read.
enum Unreadable {
    TooLarge,
    Broken(hyper::Error),
}

impl Connection {
    async fn over(stream: Watched) -> Result<Self, hyper::Error> {
        let mut builder = http1::Builder::new();
        builder.max_headers(HEADERS_MAX).max_header_size(HEAD_MAX);
        let (sender, driver) = builder.handshake(TokioIo::new(stream)).await?;
        Ok(Self { sender, driver: Some(driver) })
    }

    /// Sends the request and reads the answer's head.
    async fn ask(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, hyper::Error> {
        let answer = self.sender.send_request(request);
        drive(&mut self.driver, answer).await
    }

    /// Reads the whole body. One that announces its length is refused before any of it is read.
    async fn read(&mut self, mut body: Incoming) -> Result<Bytes, Unreadable> {
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if announced > CALLBACK_ANSWER_MAX {
            return Err(Unreadable::TooLarge);
        }
        let reading = async {
            let mut whole = BytesMut::with_capacity(announced);
            while let Some(frame) = body.frame().await {
                // Trailers are read and dropped.
                let Ok(data) = frame.map_err(Unreadable::Broken)?.into_data() else { continue };
                if data.len() > CALLBACK_ANSWER_MAX - whole.len() {
                    return Err(Unreadable::TooLarge);
                }
                whole.extend_from_slice(&data);
            }
            Ok(whole.freeze())
        };
        drive(&mut self.driver, reading).await
    }
}

/// Does the work while moving the connection. When the connection ends, hyper has told the work so.
async fn drive<W: Future>(
    connection: &mut Option<http1::Connection<TokioIo<Watched>, Full<Bytes>>>,
    work: W,
) -> W::Output {
    let mut work = pin!(work);
    poll_fn(|context| {
        if let Poll::Ready(done) = work.as_mut().poll(context) {
            return Poll::Ready(done);
        }
        let Some(driver) = connection else { return Poll::Pending };
        // What moved here wakes the work through its channel. An error goes the same way to the work.
        if Pin::new(driver).poll(context).is_ready() {
            *connection = None;
        }
        work.as_mut().poll(context)
    })
    .await
}
