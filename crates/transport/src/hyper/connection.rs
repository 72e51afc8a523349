//! One connection, moved by whoever uses it, with a watch on what is written.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::header::HOST;
use http::uri::Authority;
use http::{HeaderValue, Request, Response, Uri, Version};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::answer_body::{Unreadable, read_whole};
use crate::classify::kind_of;
use crate::error::TransportError;
use crate::limits::RESPONSE_HEAD_LIMIT;

type Body = Full<Bytes>;

/// A connection to one origin, between or within exchanges.
pub(super) struct Connection {
    sender: http1::SendRequest<Body>,
    /// hyper's side of it, which has to be polled for anything to move. `None` once it has ended.
    driver: Option<http1::Connection<TokioIo<Watched>, Body>>,
    watch: Watch,
    /// The host's header, as the last request wrote it.
    host: Option<HeaderValue>,
}

impl Connection {
    /// Over a stream that is connected, and secured where it has to be. Writes nothing yet. Boxed, as it wanders between its users.
    pub(super) async fn over(stream: impl Stream + 'static) -> Result<Box<Self>, TransportError> {
        let watch = Watch::default();
        let watched = TokioIo::new(Watched { stream: Box::new(stream), watch: watch.clone() });
        let (sender, driver) = http1::Builder::new()
            .max_header_size(RESPONSE_HEAD_LIMIT)
            .handshake(watched)
            .await
            .map_err(|error| TransportError::not_sent(kind_of(&error)).with_source(error))?;
        Ok(Box::new(Self { sender, driver: Some(driver), watch, host: None }))
    }

    /// Starts the watch for one request.
    pub(super) fn begin(&self, deadline: Instant) -> Watch {
        self.watch.restart(Some(deadline));
        self.watch.clone()
    }

    /// Sends a request and reads the answer's head.
    pub(super) fn ask(
        &mut self,
        request: Request<Bytes>,
    ) -> impl Future<Output = Result<Response<Incoming>, hyper::Error>> {
        let host = request.uri().authority().and_then(|authority| self.host(authority));
        let answer = self.sender.send_request(in_origin_form(request, host).map(Full::new));
        async move { self.drive(pin!(answer)).await }
    }

    /// The header is nearly always that of the request before.
    fn host(&mut self, authority: &Authority) -> Option<HeaderValue> {
        if self.host.as_ref().is_none_or(|host| host != authority.as_str()) {
            self.host = HeaderValue::from_str(authority.as_str()).ok();
        }
        self.host.clone()
    }

    /// Reads the answer's body.
    pub(super) async fn read(&mut self, body: Incoming, limit: usize) -> Result<Bytes, Unreadable<hyper::Error>> {
        self.drive(pin!(read_whole(body, limit))).await
    }

    /// Whether another request can go over it: the server hasn't closed it, nor sent anything that nobody asked for,
    /// and the last exchange is complete in both directions.
    pub(super) fn is_reusable(&mut self) -> bool {
        // The last deadline was the last request's.
        self.watch.restart(None);
        // Nobody waits for an idle connection. The next request would wake whoever did: itself.
        let context = &mut Context::from_waker(Waker::noop());
        if let Some(driver) = &mut self.driver
            && Pin::new(driver).poll(context).is_ready()
        {
            self.driver = None;
        }
        self.driver.is_some() && self.sender.is_ready()
    }

    /// Does the work while moving the connection. When the connection ends, hyper has told the work so.
    ///
    /// What the work waits for comes from the connection and nowhere else, and it is looked at each time that moved, so nobody has
    /// to wake it. A task that wakes itself is taken for one that gives way: among many requests in one task, each would have the
    /// executor ask the system for news.
    async fn drive<W: Future>(&mut self, mut work: Pin<&mut W>) -> W::Output {
        poll_fn(|context| {
            // An error goes to the work.
            if let Some(driver) = &mut self.driver
                && Pin::new(driver).poll(context).is_ready()
            {
                self.driver = None;
            }
            work.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        })
        .await
    }
}

/// Path and query in the request line, the host in a header.
fn in_origin_form(request: Request<Bytes>, host: Option<HeaderValue>) -> Request<Bytes> {
    let (parts, body) = request.into_parts();
    let mut sent = Request::new(body);
    *sent.method_mut() = parts.method;
    *sent.version_mut() = Version::HTTP_11;
    *sent.headers_mut() = parts.headers;
    if let Some(host) = host {
        sent.headers_mut().entry(HOST).or_insert(host);
    }
    *sent.uri_mut() = parts.uri.path_and_query().cloned().map_or_else(Uri::default, Uri::from);
    sent
}

/// What is noted of a stream during one exchange.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch(Arc<Notes>);

#[derive(Debug, Default)]
struct Notes {
    written: AtomicBool,
    /// How often was read.
    reads: AtomicU32,
    deadline: Mutex<Option<Instant>>,
}

/// After how many reads of one exchange the clock is looked at, each time. An answer takes two or three.
const READS_BETWEEN_LOOKS: u32 = 8;

impl Watch {
    fn restart(&self, deadline: Option<Instant>) {
        self.0.written.store(false, Ordering::Release);
        self.0.reads.store(0, Ordering::Relaxed);
        *self.0.deadline.lock().unwrap_or_else(PoisonError::into_inner) = deadline;
    }

    /// Whether any byte was given to the stream since the watch began. Once one was, the request may have arrived:
    /// bytes leave the kernel when they like.
    pub(super) fn any_written(&self) -> bool {
        self.0.written.load(Ordering::Acquire)
    }

    pub(super) fn note_write(&self) {
        self.0.written.store(true, Ordering::Release);
    }

    /// hyper reads interim answers as long as there are any, a hundred reads and more in one go, so that a server which
    /// floods them keeps the clock from its turn. Hence a look at it every few reads.
    fn in_time(&self) -> io::Result<()> {
        let reads = self.0.reads.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        if !reads.is_multiple_of(READS_BETWEEN_LOOKS) {
            return Ok(());
        }
        let deadline = *self.0.deadline.lock().unwrap_or_else(PoisonError::into_inner);
        match deadline {
            Some(deadline) if deadline <= Instant::now() => Err(io::ErrorKind::TimedOut.into()),
            _ => Ok(()),
        }
    }
}

/// TCP, or TLS over it.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A stream that notes each write before it is made: noted too often is safe, too late is not.
struct Watched {
    stream: Box<dyn Stream>,
    watch: Watch,
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("watch", &self.watch).finish_non_exhaustive()
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.watch.in_time()?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.watch.note_write();
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.watch.note_write();
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn an_idle_connection_is_reusable_until_the_server_says_something() {
        let (client, mut server) = tokio::io::duplex(1024);
        let mut connection = Connection::over(client).await.unwrap();
        assert!(connection.is_reusable());

        connection.begin(Instant::now());
        assert!(connection.is_reusable(), "the last request's deadline is not the next one's");

        server.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        assert!(!connection.is_reusable(), "nobody asked for this answer");
        assert!(!connection.is_reusable());
    }

    #[tokio::test]
    async fn a_closed_connection_is_not_reusable() {
        let (client, server) = tokio::io::duplex(1024);
        let mut connection = Connection::over(client).await.unwrap();
        drop(server);
        assert!(!connection.is_reusable());
    }

    #[tokio::test]
    async fn writing_is_noted_and_reading_is_not() {
        let (client, mut server) = tokio::io::duplex(1024);
        let watch = Watch::default();
        let mut watched = Watched { stream: Box::new(client), watch: watch.clone() };
        server.write_all(b"hello").await.unwrap();
        let mut bytes = [0; 5];
        tokio::io::AsyncReadExt::read_exact(&mut watched, &mut bytes).await.unwrap();
        assert!(!watch.any_written());
        watched.write_all(b"x").await.unwrap();
        assert!(watch.any_written());
        watch.restart(None);
        assert!(!watch.any_written());
    }

    #[tokio::test]
    async fn little_is_read_after_the_deadline() {
        let (client, mut server) = tokio::io::duplex(1024);
        let watch = Watch::default();
        let mut watched = Watched { stream: Box::new(client), watch: watch.clone() };
        server.write_all(&[b'x'; 2 * READS_BETWEEN_LOOKS as usize]).await.unwrap();
        watch.restart(Some(Instant::now()));
        let mut reads = 0;
        let error = loop {
            match tokio::io::AsyncReadExt::read(&mut watched, &mut [0; 1]).await {
                Ok(_) => reads += 1,
                Err(error) => break error,
            }
        };
        assert_eq!((error.kind(), reads + 1), (io::ErrorKind::TimedOut, READS_BETWEEN_LOOKS));
    }
}
