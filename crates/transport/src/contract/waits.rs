//! Servers that keep one waiting.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::server::{Seen, Server, Step, Wire};
use super::trial::{AMPLE, SOON, fails, finish, honest, request, send, trial};
use crate::{AttemptDeadline, Delivery, ErrorKind, Transport};

/// One deadline rules the whole attempt: the head of the answer and its body.
pub(super) async fn end_at_the_deadline<T: Transport>(make: &impl Fn() -> T, wire: &Wire) {
    let read = || vec![Step::ReadRequest];
    let write = |text: &'static str| Step::Write(Bytes::from_static(text.as_bytes()));
    let timed_out = &[ErrorKind::Timeout];

    let outcome = trial("no answer", make, wire, read(), SOON).await;
    fails("no answer", &outcome, timed_out, Delivery::Unknown);

    let half = [read(), vec![write("HTTP/1.1 200 OK\r\ncontent-le")]].concat();
    let outcome = trial("half a head", make, wire, half, SOON).await;
    fails("half a head", &outcome, timed_out, Delivery::Unknown);

    let half = [read(), vec![write("HTTP/1.1 202 OK\r\ncontent-length: 9\r\n\r\nhalf")]].concat();
    let outcome = trial("half a body", make, wire, half, SOON).await;
    fails("half a body", &outcome, timed_out, Delivery::Answered);
    assert_eq!(outcome.expect_err("it failed").status().map(|status| status.as_u16()), Some(202));
}

/// The kernel completes connections that the server never accepts, and takes what is written to them: such a request
/// is read later, or never.
pub(super) async fn for_a_server_that_never_accepts<T: Transport>(make: &impl Fn() -> T, wire: &Wire) {
    let case = "a server that never accepts";
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback has a free port");
    let address = listener.local_addr().expect("a bound listener has an address");
    let transport = make();
    let outcome = send(case, &transport, request(&wire.origin(address), SOON)).await;
    drop(transport);
    // Over TLS nothing of the request can be written before the handshake, which the server has no part in.
    let verdict = if wire.is_tls() { Delivery::NotSent } else { Delivery::Unknown };
    fails(case, &outcome, &[ErrorKind::Timeout], verdict);

    let seen = late_arrivals(case, &listener).await;
    if !wire.is_tls() {
        assert_eq!(seen.requests(), 1, "{case}: the case shows nothing if nothing was queued");
    }
    honest(case, &outcome, &seen);
}

/// A server whose queue is full doesn't even connect: nothing can have been sent.
pub(super) async fn for_a_server_whose_queue_is_full<T: Transport>(make: &impl Fn() -> T, wire: &Wire) {
    let case = "a server whose queue is full";
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("loopback has a free port");
    let listener = socket.listen(1).expect("a bound socket listens");
    let address = listener.local_addr().expect("a bound listener has an address");
    let mut fillers = Vec::new();
    while let Ok(Ok(filler)) = timeout(SOON, TcpStream::connect(address)).await {
        assert!(fillers.len() < 64, "{case}: the queue never fills");
        fillers.push(filler);
    }

    let transport = make();
    let outcome = send(case, &transport, request(&wire.origin(address), SOON)).await;
    drop(transport);
    fails(case, &outcome, &[ErrorKind::Timeout, ErrorKind::Connect], Delivery::NotSent);
    drop(fillers);
    honest(case, &outcome, &late_arrivals(case, &listener).await);
}

/// Accepts what has queued up by now and reads it to its end. A connection made here comes after all others.
async fn late_arrivals(case: &str, listener: &TcpListener) -> Seen {
    let address = listener.local_addr().expect("a bound listener has an address");
    let mut arrived = Vec::new();
    let accept_all = async {
        let mut last = None;
        loop {
            let (mut stream, peer) = listener.accept().await.expect("accepting doesn't fail on loopback");
            if last == Some(peer) {
                return;
            }
            let mut bytes = Vec::new();
            // A reset, too, is an end.
            let _ = stream.read_to_end(&mut bytes).await;
            arrived.push(bytes);
            if last.is_none() {
                // Only now is there room in the queue for it.
                let own = TcpSocket::new_v4().expect("a socket");
                own.bind(([127, 0, 0, 1], 0).into()).expect("loopback has a free port");
                last = Some(own.local_addr().expect("a bound socket has an address"));
                tokio::spawn(own.connect(address));
            }
        }
    };
    timeout(AMPLE, accept_all).await.unwrap_or_else(|_| panic!("{case}: a connection is still open"));
    Seen(arrived)
}

/// A deadline that has passed sends nothing. Neither does an attempt that was dropped leave its connection to others.
pub(super) async fn that_are_given_up_leave_nothing_behind<T: Transport>(make: &impl Fn() -> T, wire: &Wire) {
    let case = "a deadline that has passed";
    let server = Server::start(wire, vec![vec![]]);
    let transport = make();
    let late = request(&server.origin, std::time::Duration::ZERO);
    let outcome = send(case, &transport, late).await;
    fails(case, &outcome, &[ErrorKind::Timeout], Delivery::NotSent);
    drop(transport);
    assert!(finish(case, server).await.0.is_empty(), "{case}: connected all the same");

    let case = "an attempt that was dropped";
    let (arrived, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let late = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlate";
    let first = vec![
        Step::ReadRequest,
        Step::Tell(arrived.clone()),
        Step::Wait(go_on.clone()),
        Step::Write(late.into()),
        Step::ReadRequest,
    ];
    let second = vec![Step::ReadRequest, Step::Write("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nown".into())];
    let server = Server::start(wire, vec![first, second]);
    let transport = make();
    tokio::select! {
        outcome = transport.send(request(&server.origin, AMPLE)) => panic!("{case}: ended with {outcome:?}"),
        () = arrived.notified() => {}
    }
    go_on.notify_one();
    let get = Request::get(&server.origin).extension(AttemptDeadline::after(AMPLE)).body(Bytes::new());
    let answer = send(case, &transport, get.expect("a valid request")).await.expect(case);
    assert_eq!(answer.body(), "own", "{case}: its answer came to the next request");
    drop(transport);
    assert_eq!(finish(case, server).await.requests(), 2, "{case}");
}
