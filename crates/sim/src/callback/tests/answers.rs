//! What a receiver answers, and how an answer can break off.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};

use super::receiver::{BODY, RECEIVED, answered, call, call_at, check, read_request};
use crate::callback::{CALLBACK_ANSWER_MAX, CALLBACK_DEADLINE, Diagnosis, Sender, TargetPolicy, Trust};

/// An answer of this status with this body.
fn answer(status: u16, body: &str) -> String {
    format!("HTTP/1.1 {status} Whatever\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// An answer in chunks.
fn chunked(chunks: &[&str]) -> String {
    let chunks: String = chunks.iter().map(|chunk| format!("{:x}\r\n{chunk}\r\n", chunk.len())).collect();
    format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunks}0\r\n\r\n")
}

#[tokio::test]
async fn the_request_as_it_is_sent() {
    let mut sent = String::new();
    let mut port = 0;
    let attempt = call(async |mut stream| {
        sent = read_request(&mut stream).await;
        port = stream.local_addr().unwrap().port();
        stream.write_all(answer(200, RECEIVED).as_bytes()).await.unwrap();
        stream
    })
    .await;
    let expected = format!(
        "POST /secret-hook/processed HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    assert_eq!(sent, expected);
    assert_eq!(attempt.outcome, Ok(()));
    assert_eq!((attempt.status, attempt.peer.map(|peer| peer.port())), (Some(200), Some(port)));
    assert!(attempt.took < CALLBACK_DEADLINE);
}

#[tokio::test]
async fn only_2xx_and_the_integer_200_acknowledge() {
    use Diagnosis as D;
    for status in [200, 201, 202, 299] {
        check(&answer(status, RECEIVED), Ok(())).await;
    }
    for status in [300, 304, 400, 401, 404, 410, 429, 500, 503, 599, 999] {
        check(&answer(status, RECEIVED), Err(D::Status(status))).await;
    }
    check(&answer(200, ""), Err(D::NotJson)).await;
    check("HTTP/1.1 204 No Content\r\n\r\n", Err(D::NotJson)).await;
    check(&answer(200, "OK"), Err(D::NotJson)).await;
    check(&answer(200, "[200]"), Err(D::NotObject)).await;
    check(&answer(200, r#"{"responseMessage":"ok"}"#), Err(D::CodeMissing)).await;
    check(&answer(200, r#"{"responseCode":"200"}"#), Err(D::CodeKind)).await;
    check(&answer(200, r#"{"responseCode":200.0}"#), Err(D::CodeKind)).await;
    check(&answer(200, r#"{"responseCode":500}"#), Err(D::Code(500))).await;
}

/// A status is enough to know: nothing waits for the body of a refusal, however it comes.
#[tokio::test]
async fn a_refusals_body_is_not_read() {
    check("HTTP/1.1 503 Busy\r\ncontent-length: 1000000\r\n\r\n", Err(Diagnosis::Status(503))).await;
    check("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", Err(Diagnosis::Status(101)))
        .await;
}

#[tokio::test]
async fn other_ways_to_frame_an_answer() {
    check(&chunked(&[r#"{"responseC"#, r#"ode":200}"#]), Ok(())).await;
    check(&format!("HTTP/1.0 200 OK\r\n\r\n{RECEIVED}"), Ok(())).await;
    check(&format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{RECEIVED}"), Ok(())).await;
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n";
    check(&format!("{interim}{}", answer(200, RECEIVED)), Ok(())).await;
}

#[tokio::test]
async fn an_answer_has_a_largest_size() {
    let padded = |length: usize| format!("{RECEIVED}{}", " ".repeat(length - RECEIVED.len()));
    let (most, more) = (padded(CALLBACK_ANSWER_MAX), padded(CALLBACK_ANSWER_MAX + 1));
    assert_eq!(CALLBACK_ANSWER_MAX, 65_536);
    check(&answer(200, &most), Ok(())).await;
    check(&chunked(&[&most[..40_000], &most[40_000..]]), Ok(())).await;
    check(&answer(200, &more), Err(Diagnosis::LargeBody)).await;
    check(&chunked(&[&more[..40_000], &more[40_000..]]), Err(Diagnosis::LargeBody)).await;
    check(&format!("HTTP/1.0 200 OK\r\n\r\n{more}"), Err(Diagnosis::LargeBody)).await;
    // Refused by what it announces, before it comes.
    check("HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n", Err(Diagnosis::LargeBody)).await;
}

#[tokio::test]
async fn a_head_has_a_largest_size() {
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\ncontent-length: 20\r\n\r\n{RECEIVED}", "y".repeat(70_000));
    check(&long, Err(Diagnosis::LargeHeader)).await;
    let many = format!("HTTP/1.1 200 OK\r\n{}content-length: 20\r\n\r\n{RECEIVED}", "x: y\r\n".repeat(100));
    check(&many, Err(Diagnosis::LargeHeader)).await;
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let location = elsewhere.local_addr().unwrap();
    for status in [301, 302, 303, 307, 308] {
        let redirect = format!(
            "HTTP/1.1 {status} Elsewhere\r\nlocation: http://{location}/\r\ncontent-length: 20\r\n\r\n{RECEIVED}"
        );
        check(&redirect, Err(Diagnosis::Status(status))).await;
    }
    tokio::select! {
        biased;
        _ = elsewhere.accept() => panic!("a redirect was followed"),
        () = std::future::ready(()) => {}
    }
}

#[tokio::test]
async fn answers_that_break_off() {
    use Diagnosis as D;
    for head in ["", "HTTP/1.1", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 20\r\n"] {
        check(head, Err(D::LostInHeader)).await;
    }
    let short = format!("HTTP/1.1 200 OK\r\ncontent-length: 21\r\n\r\n{RECEIVED}");
    check(&short, Err(D::LostInBody)).await;
    let chunks = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n14\r\n{RECEIVED}\r\n");
    check(&chunks, Err(D::LostInBody)).await;
    assert_eq!(answered(&short).await.status, Some(200));
}

#[tokio::test]
async fn answers_that_are_no_http() {
    use Diagnosis as D;
    for bytes in
        ["SSH-2.0-x\r\n", "220 smtp ready\r\n\r\n", RECEIVED, "HTTP/2.0 200 OK\r\n\r\n", "\x15\x03\x01\0\x02\x02\x28"]
    {
        check(bytes, Err(D::NotHttp)).await;
    }
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    check(&format!("{chunked}zz\r\n{RECEIVED}"), Err(D::GarbledBody)).await;
    check(&format!("{chunked}ffffffffffffffffff\r\n{RECEIVED}"), Err(D::GarbledBody)).await;
    check("HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", Err(D::NotHttp)).await;
}

/// A banner, as of SSH or a mail server, before anything was asked: whether it comes before the request is a race.
#[tokio::test]
async fn receivers_that_speak_first() {
    for _ in 0..20 {
        let attempt = call(async |mut stream| {
            stream.write_all(b"SSH-2.0-x\r\n").await.unwrap();
            let _ = stream.read_to_end(&mut Vec::new()).await;
        });
        assert_eq!(attempt.await.outcome, Err(Diagnosis::NotHttp));
    }
}

#[tokio::test]
async fn a_port_at_which_nobody_listens() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap()).parse().unwrap();
    let sender = Sender::new(TargetPolicy::default(), Trust::System);
    let attempt = sender.send(&url, "/processed", BODY.into(), CALLBACK_DEADLINE).await;
    assert_eq!((attempt.outcome, attempt.peer, attempt.status), (Err(Diagnosis::Refused), None, None));
}

/// Workers send from tasks that go from thread to thread.
#[test]
fn an_attempt_may_change_threads() {
    fn moves(_: &impl Send) {}
    let sender = Sender::new(TargetPolicy::default(), Trust::System);
    let url = "http://127.0.0.1:1".parse().unwrap();
    moves(&sender.send(&url, "/processed", BODY.into(), CALLBACK_DEADLINE));
}

#[tokio::test]
async fn a_path_that_is_none() {
    let url = "http://127.0.0.1:1".parse().unwrap();
    let attempt = Sender::new(TargetPolicy::default(), Trust::System)
        .send(&url, "processed", BODY.into(), CALLBACK_DEADLINE)
        .await;
    assert_eq!((attempt.outcome, attempt.peer), (Err(Diagnosis::Unsendable), None));
}

#[tokio::test]
async fn resets() {
    let reset = call(async |mut stream| {
        read_request(&mut stream).await;
        stream.set_zero_linger().unwrap();
    });
    assert_eq!(reset.await.outcome, Err(Diagnosis::LostInHeader));

    let reset = call(async |mut stream| {
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n").await.unwrap();
        stream.set_zero_linger().unwrap();
    });
    // A reset may overtake what was written before it.
    assert!(matches!(reset.await.outcome, Err(Diagnosis::LostInHeader | Diagnosis::LostInBody)));

    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let sender = Sender::new(TargetPolicy::default(), Trust::System);
    let large = vec![b' '; 16 << 20].into();
    let reset = call_at(&listener, &sender, &url, large, CALLBACK_DEADLINE, async |mut stream| {
        stream.read_exact(&mut [0; 4096]).await.unwrap();
        stream.set_zero_linger().unwrap();
    });
    assert_eq!(reset.await.outcome, Err(Diagnosis::LostInRequest));
}

/// An answer that comes before the whole request was taken counts: a receiver may know enough by the head.
#[tokio::test]
async fn an_early_answer_counts() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let sender = Sender::new(TargetPolicy::default(), Trust::System);
    let large = vec![b' '; 16 << 20].into();
    let early = call_at(&listener, &sender, &url, large, CALLBACK_DEADLINE, async |mut stream| {
        stream.read_exact(&mut [0; 4096]).await.unwrap();
        stream.write_all(answer(413, "").as_bytes()).await.unwrap();
        stream
    });
    assert_eq!(early.await.outcome, Err(Diagnosis::Status(413)));
}

#[tokio::test]
async fn each_attempt_has_a_connection_of_its_own() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let sender = Sender::new(TargetPolicy::default(), Trust::System);
    for _ in 0..2 {
        let attempt = call_at(&listener, &sender, &url, BODY.into(), CALLBACK_DEADLINE, async |mut stream| {
            read_request(&mut stream).await;
            stream.write_all(answer(200, RECEIVED).as_bytes()).await.unwrap();
            // The hub closes, though the receiver would have kept it open.
            assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
        });
        assert_eq!(attempt.await.outcome, Ok(()));
    }
}
