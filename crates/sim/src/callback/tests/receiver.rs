//! A receiver on a loopback port that does as a test says, byte by byte.

use std::cell::Cell;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::callback::{Attempt, CALLBACK_DEADLINE, CallbackUrl, Diagnosis, Sender, TargetPolicy, Trust};

/// What acknowledges.
pub(super) const RECEIVED: &str = r#"{"responseCode":200}"#;

pub(super) const BODY: &str = r#"{"psid":"100139100100154854584585"}"#;

/// Calls a receiver that does this with the connection, and says what became of it. The connection is the script's.
pub(super) async fn call<T>(script: impl AsyncFnOnce(TcpStream) -> T) -> Attempt {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let sender = Sender::new(TargetPolicy::loopback_only(), Trust::System);
    let url = format!("http://{}/secret-hook", listener.local_addr().unwrap());
    call_at(&listener, &sender, &url, BODY.into(), CALLBACK_DEADLINE, script).await
}

/// The same, with everything for the test to choose.
pub(super) async fn call_at<T>(
    listener: &TcpListener,
    sender: &Sender,
    url: &str,
    body: Bytes,
    limit: Duration,
    script: impl AsyncFnOnce(TcpStream) -> T,
) -> Attempt {
    let url: CallbackUrl = url.parse().unwrap();
    let accepted = Cell::new(false);
    let mut serving = pin!(async {
        let (stream, _) = listener.accept().await.unwrap();
        accepted.set(true);
        // What it returns lives as long as the attempt: mostly the connection, so that it isn't closed.
        script(stream).await
    });
    let mut sending = pin!(sender.send(&url, "/processed", body, limit));
    tokio::select! {
        attempt = &mut sending => {
            // Who was never connected to is not waited for.
            if accepted.get() {
                serving.await;
            }
            attempt
        }
        _kept = &mut serving => sending.await,
    }
}

/// An attempt whose whole answer are these bytes, after which the receiver closes.
pub(super) async fn answered(bytes: &str) -> Attempt {
    let bytes = bytes.to_owned();
    call(async move |mut stream| {
        read_request(&mut stream).await;
        stream.write_all(bytes.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
    })
    .await
}

pub(super) async fn check(bytes: &str, expected: Result<(), Diagnosis>) {
    let shown: String = bytes.chars().take(120).collect();
    assert_eq!(answered(bytes).await.outcome, expected, "{shown}");
}

/// The whole request.
pub(super) async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut request = Vec::new();
    while !request.ends_with(BODY.as_bytes()) {
        assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0, "the request ends early");
    }
    String::from_utf8(request).unwrap()
}

/// Time passes at once. It stands still no longer than that: sockets live by the real one.
pub(super) async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}
