//! One clock of five seconds, whatever the receiver is slow at.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::receiver::{BODY, RECEIVED, call, call_at, pass, read_request};
use crate::callback::{CALLBACK_DEADLINE, Diagnosis, Sender, TargetPolicy, Trust};

const JUST_BEFORE: Duration = Duration::from_millis(4_900);

/// In how long a loopback connection is made on a busy machine, if it is made at all.
#[cfg(target_os = "linux")]
const CONNECTED_WITHIN: Duration = Duration::from_secs(2);

#[tokio::test]
async fn silence() {
    let attempt = call(async |mut stream| {
        read_request(&mut stream).await;
        pass(CALLBACK_DEADLINE).await;
        stream
    })
    .await;
    assert_eq!(attempt.outcome, Err(Diagnosis::SlowHeader));
    assert!(attempt.took >= CALLBACK_DEADLINE);
}

/// Each byte that comes is no reason for more time.
#[tokio::test]
async fn a_head_that_drips() {
    let attempt = call(async |mut stream| {
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
        for _ in 0..5 {
            stream.write_all(b"x: y\r\n").await.unwrap();
            pass(Duration::from_secs(1)).await;
        }
        stream
    })
    .await;
    assert_eq!((attempt.outcome, attempt.status), (Err(Diagnosis::SlowHeader), None));
}

#[tokio::test]
async fn late_and_in_time() {
    let attempt = call(async |mut stream| {
        read_request(&mut stream).await;
        pass(JUST_BEFORE).await;
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{RECEIVED}");
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream
    })
    .await;
    assert_eq!(attempt.outcome, Ok(()));
    assert!(attempt.took >= JUST_BEFORE);
}

/// Calls in real time, where the test can't see how far the sender has read.
async fn call_in_real_time(body: Vec<u8>, script: impl AsyncFnOnce(tokio::net::TcpStream)) -> Diagnosis {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let sender = Sender::new(TargetPolicy::default(), Trust::System);
    call_at(&listener, &sender, &url, body.into(), CALLBACK_DEADLINE, script).await.outcome.unwrap_err()
}

#[tokio::test]
async fn a_body_that_drips() {
    let diagnosis = call_in_real_time(BODY.into(), async |mut stream| {
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{").await.unwrap();
        let mut tick = tokio::time::interval(CALLBACK_DEADLINE / 20);
        // Until the hub hangs up, which the second write after it tells.
        while stream.write_all(b" ").await.is_ok() {
            tick.tick().await;
        }
    });
    assert_eq!(diagnosis.await, Diagnosis::SlowBody);
}

#[tokio::test]
async fn a_body_that_stops() {
    let diagnosis = call_in_real_time(BODY.into(), async |mut stream| {
        read_request(&mut stream).await;
        let whole = format!("HTTP/1.1 200 OK\r\ncontent-length: 21\r\n\r\n{RECEIVED}");
        stream.write_all(whole.as_bytes()).await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    assert_eq!(diagnosis.await, Diagnosis::SlowBody, "an acknowledgement that isn't whole is none");
}

/// hyper takes interim answers without end. The clock does not.
#[tokio::test]
async fn a_flood_of_interim_answers() {
    let diagnosis = call_in_real_time(BODY.into(), async |mut stream| {
        read_request(&mut stream).await;
        let flood = "HTTP/1.1 100 Continue\r\n\r\n".repeat(1000);
        while stream.write_all(flood.as_bytes()).await.is_ok() {}
    });
    assert_eq!(diagnosis.await, Diagnosis::SlowHeader);
}

#[tokio::test]
async fn a_receiver_that_does_not_read() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let sender = Sender::new(TargetPolicy::default(), Trust::System);
    let large = vec![b' '; 16 << 20].into();
    let attempt = call_at(&listener, &sender, &url, large, CALLBACK_DEADLINE, async |mut stream| {
        stream.read_exact(&mut [0; 4096]).await.unwrap();
        pass(CALLBACK_DEADLINE).await;
        stream
    });
    assert_eq!(attempt.await.outcome, Err(Diagnosis::SlowRequest));
}

/// A port whose queue of connections is full: whoever knocks hears nothing.
#[cfg(target_os = "linux")]
mod dead_ends {
    use std::pin::pin;
    use std::sync::Arc;

    use tokio::net::{TcpSocket, TcpStream};

    use super::*;
    use crate::callback::tests::targets::Book;

    struct DeadEnd {
        address: SocketAddr,
        _held: (TcpListener, Vec<TcpStream>),
    }

    impl DeadEnd {
        async fn new() -> Self {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
            let listener = socket.listen(0).unwrap();
            let address = listener.local_addr().unwrap();
            let mut connected = Vec::new();
            while let Ok(stream) = tokio::time::timeout(CONNECTED_WITHIN, TcpStream::connect(address)).await {
                connected.push(stream.unwrap());
                assert!(connected.len() < 16, "the queue is never full");
            }
            Self { address, _held: (listener, connected) }
        }
    }

    #[tokio::test]
    async fn nobody_answers() {
        let end = DeadEnd::new().await;
        let url = format!("http://{}", end.address).parse().unwrap();
        let sender = Sender::new(TargetPolicy::default(), Trust::System);
        let sending = sender.send(&url, "/processed", BODY.into(), CALLBACK_DEADLINE);
        let (attempt, ()) = tokio::join!(sending, pass(CALLBACK_DEADLINE));
        assert_eq!((attempt.outcome, attempt.peer), (Err(Diagnosis::SlowConnect), None));
    }

    /// The first address gets half of the time, so that the second gets a chance.
    #[tokio::test]
    async fn a_dead_first_address_leaves_time_for_the_second() {
        let end = DeadEnd::new().await;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let book = Book::new(&[end.address, listener.local_addr().unwrap()]);
        let sender = Sender::new(TargetPolicy::default(), Trust::System).resolver(Arc::new(book));
        let url = "http://hooks.test".parse().unwrap();
        let mut sending = pin!(sender.send(&url, "/processed", BODY.into(), CALLBACK_DEADLINE));
        tokio::select! {
            biased;
            attempt = &mut sending => panic!("{attempt:?}"),
            () = pass(CALLBACK_DEADLINE / 2) => {}
        }
        let serving = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_request(&mut stream).await;
            stream.write_all(format!("HTTP/1.0 200 OK\r\n\r\n{RECEIVED}").as_bytes()).await.unwrap();
        };
        let (attempt, ()) = tokio::join!(sending, serving);
        assert_eq!(attempt.outcome, Ok(()), "{attempt:?}");
    }
}
