use std::future::pending;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::{DropConnection, Limits, REQUEST_HEAD_MAX, REQUEST_HEADERS_MAX, Security, Site};
use crate::http::guard::{Admin, Guard};
use crate::http::pace::Patience;

/// What no test waits longer for.
const LONG: Duration = Duration::from_secs(60);

/// What is waited for in the one limit that a test is about.
const SHORT: Duration = Duration::from_millis(60);

/// No limit that a test could reach.
const LIMITS: Limits = Limits {
    connections: 8,
    patience: Patience {
        tick: Duration::from_millis(20),
        head: Duration::MAX,
        body: Duration::MAX,
        idle: Duration::MAX,
        write: Duration::MAX,
        linger: LONG,
    },
    stop: LONG,
};

/// More than the buffers of a socket hold.
const LARGE: usize = 64 * 1024 * 1024;

struct Served {
    port: u16,
    /// Tells when `/wait` is asked for.
    asked: Arc<Notify>,
    /// Lets `/wait` answer.
    go_on: Arc<Notify>,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

impl Served {
    async fn start(limits: Limits) -> Self {
        let (asked, go_on) = (Arc::<Notify>::default(), Arc::<Notify>::default());
        let router = Router::new()
            .route("/hello", get(async || "hello"))
            .route("/echo", post(async |body: Bytes| body))
            .route("/refuse", post(async || StatusCode::UNAUTHORIZED))
            .route("/large", get(async || Body::from(vec![b'x'; LARGE])))
            .route("/panic", get(async || -> &'static str { panic!("a handler's own mistake") }))
            .route(
                "/drop",
                post(async |body: Bytes| {
                    let mut response = Response::new(Body::from(body));
                    response.extensions_mut().insert(DropConnection);
                    response
                }),
            )
            .route(
                "/wait",
                get(async |State((asked, go_on)): State<(Arc<Notify>, Arc<Notify>)>| {
                    asked.notify_one();
                    go_on.notified().await;
                    "waited"
                }),
            )
            .with_state((Arc::clone(&asked), Arc::clone(&go_on)));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let guard = Arc::new(Guard::new(Admin::default(), address));
        let site = Site { pages: router, guard, security: Security::Plain, limits, crowd: Arc::default() };
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(site.serve(listener, async {
            // Where nobody keeps the other end, it serves as long as the test goes on.
            if stopped.await.is_err() {
                pending::<()>().await;
            }
        }));
        Self { port: address.port(), asked, go_on, stop, served }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).await.unwrap()
    }

    /// A connection on which this was sent.
    async fn sent(&self, bytes: &str) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(bytes.as_bytes()).await.unwrap();
        stream
    }
}

async fn in_time<T>(wait: impl Future<Output = T>) -> T {
    timeout(LONG, wait).await.expect("in time")
}

/// All that comes until the connection's end.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    in_time(stream.read_to_end(&mut bytes)).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Reads an answer that ends with this, on a connection that stays open.
async fn until(stream: &mut TcpStream, end: &str) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end.as_bytes()) {
        let mut byte = [0];
        in_time(stream.read_exact(&mut byte)).await.unwrap();
        bytes.extend(byte);
    }
    String::from_utf8(bytes).unwrap()
}

const HELLO: &str = "GET /hello HTTP/1.1\r\nhost: hub\r\n\r\n";

fn patience(change: impl FnOnce(&mut Patience)) -> Limits {
    let mut limits = LIMITS;
    change(&mut limits.patience);
    limits
}

#[tokio::test]
async fn one_connection_asks_many_times() {
    let served = Served::start(LIMITS).await;
    let mut stream = served.sent(HELLO).await;
    until(&mut stream, "hello").await;
    // Two at once, and nothing after them: who is done sending still wants the answers.
    stream.write_all(HELLO.repeat(2).as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let answers = rest(&mut stream).await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK\r\n").count(), 2, "{answers}");
    assert_eq!(answers.matches("hello").count(), 2, "{answers}");
}

#[tokio::test]
async fn a_slow_head() {
    let served = Served::start(patience(|patience| patience.head = SHORT)).await;
    let begun = Instant::now();
    let mut stream = served.sent("GET /hello HT").await;
    assert_eq!(rest(&mut stream).await, "");
    assert!(begun.elapsed() >= SHORT);
    // The second one on a connection has no more time.
    let mut stream = served.sent(HELLO).await;
    until(&mut stream, "hello").await;
    stream.write_all(b"GET /hello HT").await.unwrap();
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn a_slow_body() {
    let served = Served::start(patience(|patience| patience.body = SHORT)).await;
    let mut stream = served.sent("POST /echo HTTP/1.1\r\nhost: hub\r\ncontent-length: 5\r\n\r\nhel").await;
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert!(
        answer.ends_with(r#"{"responseCode":408,"responseMessage":"Request body too slow","data":null}"#),
        "{answer}"
    );
    let whole = "POST /echo HTTP/1.1\r\nhost: hub\r\ncontent-length: 5\r\n\r\nhello";
    until(&mut served.sent(whole).await, "hello").await;
}

#[tokio::test]
async fn an_idle_connection() {
    let served = Served::start(patience(|patience| patience.idle = SHORT)).await;
    assert_eq!(rest(&mut served.connect().await).await, "");
    let mut stream = served.sent(HELLO).await;
    assert!(rest(&mut stream).await.ends_with("hello"));
    // Whoever waits for an answer isn't idle.
    let begun = Instant::now();
    let mut waiting = served.sent("GET /wait HTTP/1.1\r\nhost: hub\r\n\r\n").await;
    in_time(served.asked.notified()).await;
    assert_eq!(rest(&mut served.connect().await).await, "");
    assert!(begun.elapsed() >= SHORT);
    served.go_on.notify_one();
    until(&mut waiting, "waited").await;
}

#[tokio::test]
async fn a_peer_that_takes_no_answer() {
    let served = Served::start(Limits { connections: 1, ..patience(|patience| patience.write = SHORT) }).await;
    let _stream = served.sent("GET /large HTTP/1.1\r\nhost: hub\r\n\r\n").await;
    // Its place is free again.
    until(&mut served.sent(HELLO).await, "hello").await;
}

#[tokio::test]
async fn who_waits_for_a_place_gets_one() {
    let served = Served::start(Limits { connections: 2, ..LIMITS }).await;
    let mut idle = served.sent(HELLO).await;
    until(&mut idle, "hello").await;
    let mut busy = served.sent("GET /wait HTTP/1.1\r\nhost: hub\r\n\r\n").await;
    in_time(served.asked.notified()).await;
    until(&mut served.sent(HELLO).await, "hello").await;
    assert_eq!(rest(&mut idle).await, "", "it gave up its place");
    served.go_on.notify_one();
    until(&mut busy, "waited").await;
}

#[tokio::test]
async fn large_heads() {
    let served = Served::start(LIMITS).await;
    let check = async |headers: String, expected: &str| {
        let mut stream = served.sent(&format!("GET /hello HTTP/1.1\r\nhost: hub\r\n{headers}\r\n")).await;
        stream.shutdown().await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with(expected), "{answer}");
    };
    const TOO_LARGE: &str = "HTTP/1.1 431 Request Header Fields Too Large\r\n";
    check("a: b\r\n".repeat(REQUEST_HEADERS_MAX - 1), "HTTP/1.1 200 OK\r\n").await;
    check("a: b\r\n".repeat(REQUEST_HEADERS_MAX), TOO_LARGE).await;
    check(format!("a: {}\r\n", "b".repeat(REQUEST_HEAD_MAX - 256)), "HTTP/1.1 200 OK\r\n").await;
    check(format!("a: {}\r\n", "b".repeat(REQUEST_HEAD_MAX)), TOO_LARGE).await;
    check("broken\r\n".to_owned(), "HTTP/1.1 400 Bad Request\r\n").await;
}

#[tokio::test]
async fn dropped_without_an_answer() {
    let served = Served::start(LIMITS).await;
    let mut stream = served.sent("POST /drop HTTP/1.1\r\nhost: hub\r\ncontent-length: 5\r\n\r\nhello").await;
    let error = in_time(stream.read(&mut [0])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    // Neither that nor a handler that panics ends the server.
    assert_eq!(rest(&mut served.sent("GET /panic HTTP/1.1\r\nhost: hub\r\n\r\n").await).await, "");
    until(&mut served.sent(HELLO).await, "hello").await;
}

/// Who was answered may go on sending what nobody reads: a reset could overtake the answer.
#[tokio::test]
async fn refused_before_the_body_came() {
    let served = Served::start(LIMITS).await;
    const LENGTH: usize = 1024 * 1024;
    let head = format!("POST /refuse HTTP/1.1\r\nhost: hub\r\ncontent-length: {LENGTH}\r\n\r\n");
    let mut stream = served.sent(&head).await;
    let answer = until(&mut stream, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{answer}");
    stream.write_all(&vec![b'x'; LENGTH]).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(rest(&mut stream).await, "");
    // Not for ever.
    let served = Served::start(patience(|patience| patience.linger = SHORT)).await;
    let mut stream = served.sent(&head).await;
    in_time(async { while stream.write_all(&[b'x'; 1024]).await.is_ok() {} }).await;
}

#[tokio::test]
async fn a_stop_finishes_what_is_in_flight() {
    let Served { port, asked, go_on, stop, served } = Served::start(LIMITS).await;
    let mut new = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let mut idle = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    idle.write_all(HELLO.as_bytes()).await.unwrap();
    until(&mut idle, "hello").await;
    let mut busy = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    busy.write_all(b"GET /wait HTTP/1.1\r\nhost: hub\r\n\r\n").await.unwrap();
    in_time(asked.notified()).await;

    stop.send(()).unwrap();
    assert_eq!((rest(&mut new).await, rest(&mut idle).await), (String::new(), String::new()));
    assert_eq!(TcpStream::connect(("127.0.0.1", port)).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert!(!served.is_finished());
    go_on.notify_one();
    let answer = rest(&mut busy).await;
    assert!(answer.contains("connection: close\r\n") && answer.ends_with("waited"), "{answer}");
    in_time(served).await.unwrap();
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let served = Served::start(Limits { stop: SHORT, ..LIMITS }).await;
    let mut busy = served.sent("GET /wait HTTP/1.1\r\nhost: hub\r\n\r\n").await;
    in_time(served.asked.notified()).await;
    let begun = Instant::now();
    served.stop.send(()).unwrap();
    in_time(served.served).await.unwrap();
    assert!(begun.elapsed() >= SHORT);
    assert_eq!(rest(&mut busy).await, "");
}
