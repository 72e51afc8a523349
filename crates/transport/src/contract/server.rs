//! A server that does as its script says, and remembers all that it was sent.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::{JoinHandle, JoinSet};

/// What the suite's server speaks: plain TCP, or TLS with a certificate for `localhost`.
#[derive(Clone)]
pub struct Wire(Speech);

#[derive(Clone)]
enum Speech {
    Plain,
    #[cfg(feature = "__rustls")]
    Tls(tokio_rustls::TlsAcceptor),
}

impl Wire {
    /// Plain TCP, on 127.0.0.1.
    pub fn plain() -> Self {
        Self(Speech::Plain)
    }

    /// TLS with this certificate, its chain and its private key, in PEM. The server's name is `localhost`.
    ///
    /// # Errors
    ///
    /// If either can't be read or they don't belong together.
    #[cfg(feature = "__rustls")]
    pub fn tls(chain: &str, key: &str) -> Result<Self, crate::ConfigError> {
        use rustls::pki_types::pem::PemObject;
        use rustls::pki_types::{CertificateDer, PrivateKeyDer};

        let chain = CertificateDer::pem_slice_iter(chain.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| crate::ConfigError::new("the server's certificate", Some(error.into())))?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
            .map_err(|error| crate::ConfigError::new("the server's key", Some(error.into())))?;
        let config = rustls::ServerConfig::builder_with_provider(crate::crypto::provider())
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|error| crate::ConfigError::new("the server's certificate and key", Some(error.into())))?;
        Ok(Self(Speech::Tls(tokio_rustls::TlsAcceptor::from(Arc::new(config)))))
    }

    pub(super) fn is_tls(&self) -> bool {
        !matches!(self.0, Speech::Plain)
    }

    /// The origin of a server at this address.
    pub(super) fn origin(&self, address: SocketAddr) -> String {
        match self.is_tls() {
            true => format!("https://localhost:{}", address.port()),
            false => format!("http://{address}"),
        }
    }

    /// The stream as the script sees it. `None` if the handshake failed.
    #[cfg_attr(not(feature = "__rustls"), expect(clippy::unused_async, reason = "only TLS has a handshake"))]
    async fn accept(&self, tcp: TcpStream) -> Option<Stream> {
        match &self.0 {
            Speech::Plain => Some(Stream::Plain(tcp)),
            #[cfg(feature = "__rustls")]
            Speech::Tls(acceptor) => Some(Stream::Tls(Box::new(acceptor.accept(tcp).await.ok()?))),
        }
    }
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_tls() { "Wire(TLS)" } else { "Wire(plain)" })
    }
}

/// One thing that the server does on a connection. When a script is over, the server reads until the client closes.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Reads exactly so many bytes.
    Read(usize),
    /// Reads until one more request is complete.
    ReadRequest,
    Write(Bytes),
    /// Writes this over and over, until the client closes.
    Flood(Bytes),
    /// Tells the test that it has come here.
    Tell(Arc<Notify>),
    /// Waits for the test.
    Wait(Arc<Notify>),
    /// Closes in good order, with TLS's goodbye where there is TLS.
    Close,
    /// Closes without TLS's goodbye.
    Drop,
    /// Resets the connection.
    Reset,
}

/// What a flood writes at once, so that it is one of bytes and not of system calls.
const FLOOD_BLOCK: usize = 16 * 1024;

/// One script for each connection, in order; the last one serves all further ones.
pub(super) type Scripts = Vec<Vec<Step>>;

/// Small, so that a client notices soon that nobody reads.
const RECEIVE_BUFFER: u32 = 64 * 1024;

/// Room for all connections that a case makes at once.
const BACKLOG: u32 = 64;

/// A running server on a port of its own.
pub(super) struct Server {
    pub(super) origin: String,
    address: SocketAddr,
    serving: JoinHandle<Seen>,
    last: oneshot::Sender<SocketAddr>,
}

impl Server {
    pub(super) fn start(wire: &Wire, scripts: Scripts) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(RECEIVE_BUFFER).expect("a socket takes a buffer size");
        socket.bind(([127, 0, 0, 1], 0).into()).expect("loopback has a free port");
        let listener = socket.listen(BACKLOG).expect("a bound socket listens");
        let address = listener.local_addr().expect("a bound listener has an address");
        let (last, is_last) = oneshot::channel();
        let serving = tokio::spawn(serve(listener, wire.clone(), scripts, is_last));
        Self { origin: wire.origin(address), address, serving, last }
    }

    /// Waits until every connection is closed, and tells what arrived on them. Whoever used the server must have
    /// dropped its transport.
    ///
    /// The kernel queues connections in order, so one made here and now comes after all that were made before.
    pub(super) async fn finish(self) -> Seen {
        let own = TcpSocket::new_v4().expect("a socket");
        own.bind(([127, 0, 0, 1], 0).into()).expect("loopback has a free port");
        let own_address = own.local_addr().expect("a bound socket has an address");
        self.last.send(own_address).expect("the server runs until it is told to finish");
        let _connection = own.connect(self.address).await.expect("the server still accepts");
        self.serving.await.expect("the server doesn't panic")
    }
}

/// What arrived, by connection, in the order in which the connections were made.
#[derive(Debug)]
pub(super) struct Seen(pub(super) Vec<Vec<u8>>);

impl Seen {
    pub(super) fn heads(&self) -> usize {
        self.0.iter().map(|bytes| count(bytes).heads).sum()
    }

    pub(super) fn requests(&self) -> usize {
        self.0.iter().map(|bytes| count(bytes).requests).sum()
    }
}

async fn serve(
    listener: TcpListener,
    wire: Wire,
    scripts: Scripts,
    mut is_last: oneshot::Receiver<SocketAddr>,
) -> Seen {
    let mut connections = JoinSet::new();
    for index in 0.. {
        let (tcp, peer) = listener.accept().await.expect("accepting doesn't fail on loopback");
        if is_last.try_recv() == Ok(peer) {
            break;
        }
        let script = scripts.get(index).or(scripts.last()).cloned().unwrap_or_default();
        let wire = wire.clone();
        connections.spawn(async move {
            let mut received = Vec::new();
            if let Some(stream) = wire.accept(tcp).await {
                // How the script ended, by itself or because the client went, makes no difference to what arrived.
                let _ = follow(script, stream, &mut received).await;
            }
            (index, received)
        });
    }
    drop(listener);
    let mut seen = connections.join_all().await;
    seen.sort_by_key(|(index, _)| *index);
    Seen(seen.into_iter().map(|(_, received)| received).collect())
}

async fn follow(script: Vec<Step>, mut stream: Stream, received: &mut Vec<u8>) -> io::Result<()> {
    for step in script {
        match step {
            Step::Read(length) => {
                let mut bytes = vec![0; length];
                stream.read_exact(&mut bytes).await?;
                received.extend(bytes);
            }
            Step::ReadRequest => {
                let before = count(received).requests;
                while count(received).requests == before {
                    if stream.read_buf(received).await? == 0 {
                        return Ok(());
                    }
                }
            }
            Step::Write(bytes) => {
                stream.write_all(&bytes).await?;
                stream.flush().await?;
            }
            Step::Flood(bytes) => {
                let block = bytes.repeat(FLOOD_BLOCK.div_ceil(bytes.len()));
                loop {
                    stream.write_all(&block).await?;
                }
            }
            Step::Tell(notify) => notify.notify_one(),
            Step::Wait(notify) => notify.notified().await,
            Step::Close => {
                take_what_arrived(&mut stream, received).await;
                return stream.shutdown().await;
            }
            Step::Drop => {
                take_what_arrived(&mut stream, received).await;
                return Ok(());
            }
            Step::Reset => {
                take_what_arrived(&mut stream, received).await;
                return stream.tcp().set_zero_linger();
            }
        }
    }
    stream.read_to_end(received).await.map(|_| ())
}

/// What lies in the kernel has arrived, whether or not the script reads it.
async fn take_what_arrived(stream: &mut Stream, received: &mut Vec<u8>) {
    let mut bytes = [0; 4096];
    std::future::poll_fn(|context| {
        loop {
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut *stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => received.extend_from_slice(buffer.filled()),
                _ => return Poll::Ready(()),
            }
        }
    })
    .await;
}

/// How many heads and how many whole requests some bytes hold.
struct Count {
    heads: usize,
    requests: usize,
}

fn count(mut bytes: &[u8]) -> Count {
    let mut count = Count { heads: 0, requests: 0 };
    while let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
        count.heads += 1;
        let (head, rest) = bytes.split_at(end + 4);
        let Some(rest) = rest.get(body_length(head)..) else { break };
        count.requests += 1;
        bytes = rest;
    }
    count
}

fn body_length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    assert!(!head.contains("transfer-encoding"), "the body's length is known: {head}");
    head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok()).unwrap_or(0)
}

enum Stream {
    Plain(TcpStream),
    #[cfg(feature = "__rustls")]
    Tls(Box<tokio_rustls::server::TlsStream<TcpStream>>),
}

impl Stream {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            #[cfg(feature = "__rustls")]
            Self::Tls(tls) => tls.get_ref().0,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(context, buffer),
            #[cfg(feature = "__rustls")]
            Self::Tls(tls) => Pin::new(tls).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(context, bytes),
            #[cfg(feature = "__rustls")]
            Self::Tls(tls) => Pin::new(tls).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(context),
            #[cfg(feature = "__rustls")]
            Self::Tls(tls) => Pin::new(tls).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(context),
            #[cfg(feature = "__rustls")]
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &str, heads: usize, requests: usize) {
        let counted = count(bytes.as_bytes());
        assert_eq!((counted.heads, counted.requests), (heads, requests), "{bytes:?}");
    }

    #[test]
    fn heads_and_requests_are_counted() {
        check("", 0, 0);
        check("GET / HTTP/1.1\r\nhost: a\r\n\r", 0, 0);
        check("GET / HTTP/1.1\r\nhost: a\r\n\r\n", 1, 1);
        check("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{", 1, 0);
        check("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", 1, 1);
        check("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}GET / HTTP/1.1\r\n\r\n", 2, 2);
    }
}
