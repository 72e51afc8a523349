//! How many headers an answer may have. It is hyper's own limit, and nothing here sets it: where it is set, hyper writes over the
//! room for all of them before it reads an answer.

use asaanbill_transport::{AttemptDeadline, ErrorKind, Transport};
use bytes::Bytes;
use http::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const HEADERS_MAX: usize = 100;

/// How an answer with so many headers is taken.
async fn answer(transport: &impl Transport, headers: usize) -> Result<usize, ErrorKind> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        assert!(stream.read(&mut request).await.unwrap() > 0);
        let more: String = (1..headers).map(|number| format!("x-{number}: y\r\n")).collect();
        stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n{more}\r\n").as_bytes()).await.unwrap();
        let _ = stream.read(&mut request).await;
    });
    let deadline = AttemptDeadline::after(std::time::Duration::from_secs(10));
    let request = Request::get(format!("http://{address}/")).extension(deadline).body(Bytes::new()).unwrap();
    let answer = transport.send(request).await;
    serving.abort();
    answer.map(|answer| answer.headers().len()).map_err(|error| error.kind())
}

async fn check(transport: impl Transport) {
    assert_eq!(answer(&transport, HEADERS_MAX).await, Ok(HEADERS_MAX));
    assert_eq!(answer(&transport, HEADERS_MAX + 1).await, Err(ErrorKind::InvalidResponse));
}

#[cfg(feature = "hyper")]
#[tokio::test]
async fn over_hyper_there_are_a_hundred() {
    check(asaanbill_transport::HyperTransport::new().unwrap()).await;
}

#[cfg(feature = "reqwest")]
#[tokio::test]
async fn over_reqwest_there_are_a_hundred() {
    check(asaanbill_transport::ReqwestTransport::new().unwrap()).await;
}
