//! Requests that can be proven not to have been sent.

use bytes::Bytes;
use http::Request;
use tokio::net::TcpListener;

use super::server::{Server, Wire};
use super::trial::{AMPLE, fails, finish, request, send};
#[cfg(feature = "__rustls")]
use super::trial::{SOON, honest, trial_and_seen};
use crate::{AttemptDeadline, Delivery, ErrorKind, Transport};

/// A closed port, a name that is none.
pub(super) async fn are_proven_not_sent<T: Transport>(make: &impl Fn() -> T, wire: &Wire) {
    let case = "a closed port";
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback has a free port");
    let address = listener.local_addr().expect("a bound listener has an address");
    drop(listener);
    let outcome = send(case, &make(), request(&wire.origin(address), AMPLE)).await;
    fails(case, &outcome, &[ErrorKind::Connect], Delivery::NotSent);

    let case = "a closed port, without a body";
    let get = Request::get(wire.origin(address)).extension(AttemptDeadline::after(AMPLE)).body(Bytes::new());
    let outcome = send(case, &make(), get.expect("a valid request")).await;
    fails(case, &outcome, &[ErrorKind::Connect], Delivery::NotSent);

    if wire.is_tls() {
        // 64 letters are one too many for a name; a resolver says so without asking the network.
        let case = "a name that can't be resolved";
        let name = format!("https://{}.invalid", "a".repeat(64));
        let outcome = send(case, &make(), request(&name, AMPLE)).await;
        let kinds = [ErrorKind::Connect, ErrorKind::Tls, ErrorKind::InvalidRequest];
        fails(case, &outcome, &kinds, Delivery::NotSent);
    }
}

/// Rules of our own, obeyed before any connection is made.
pub(super) async fn by_rule_connect_to_nothing<T: Transport>(make: &impl Fn() -> T, wire: &Wire) {
    let server = Server::start(wire, vec![vec![]]);
    let port = server.origin.rsplit(':').next().expect("an origin ends in its port").to_owned();
    let transport = make();

    for host in ["192.0.2.1", "hub.example", "localhost.example"] {
        let outcome = send(host, &transport, request(&format!("http://{host}:{port}"), AMPLE)).await;
        fails(host, &outcome, &[ErrorKind::Refused], Delivery::NotSent);
    }

    let scheme = if wire.is_tls() { "https" } else { "http" };
    for origin in [format!("{scheme}://me:s3cret@localhost:{port}"), format!("ftp://localhost:{port}"), String::new()] {
        let outcome = send(&origin, &transport, request(&origin, AMPLE)).await;
        fails(&origin, &outcome, &[ErrorKind::InvalidRequest], Delivery::NotSent);
    }

    for (name, value) in
        [("content-length", "1"), ("transfer-encoding", "chunked"), ("expect", "100-continue"), ("upgrade", "h2c")]
    {
        let mut bad = request(&server.origin, AMPLE);
        bad.headers_mut().insert(name, value.parse().expect("a valid value"));
        let outcome = send(name, &transport, bad).await;
        fails(name, &outcome, &[ErrorKind::InvalidRequest], Delivery::NotSent);
    }

    let case = "a head that is too long";
    let mut bad = request(&server.origin, AMPLE);
    bad.headers_mut().insert("x-long", "x".repeat(500_000).parse().expect("a valid value"));
    let outcome = send(case, &transport, bad).await;
    fails(case, &outcome, &[ErrorKind::InvalidRequest], Delivery::NotSent);

    drop(transport);
    assert!(finish("rules", server).await.0.is_empty(), "something was connected to all the same");
}

/// A handshake that fails carries nothing of the request.
#[cfg(feature = "__rustls")]
pub(super) async fn by_a_failed_handshake<T: Transport>(make: &impl Fn() -> T, wire: &Wire) {
    use super::server::Step;

    let case = "a certificate that is not to be believed";
    let (outcome, seen) = trial_and_seen(case, make, wire, vec![vec![]], |origin| request(origin, AMPLE)).await;
    fails(case, &outcome, &[ErrorKind::Tls], Delivery::NotSent);
    honest(case, &outcome, &seen);

    let get = |origin: &str| {
        let get = Request::get(origin).extension(AttemptDeadline::after(AMPLE)).body(Bytes::new());
        get.expect("a valid request")
    };
    let (outcome, seen) = trial_and_seen(case, make, wire, vec![vec![]], get).await;
    fails(case, &outcome, &[ErrorKind::Tls], Delivery::NotSent);
    honest(case, &outcome, &seen);

    // The server speaks plain HTTP where TLS is expected, goes away, or says nothing.
    let plain = Wire::plain();
    let https = |origin: &str, deadline| request(&origin.replace("http://127.0.0.1", "https://localhost"), deadline);
    let hello = Step::Read(5);
    for (case, script, kind) in [
        ("not TLS", vec![hello.clone(), Step::Write("HTTP/1.1 400 Bad\r\n\r\n".into())], ErrorKind::Tls),
        ("closed in the handshake", vec![hello.clone(), Step::Close], ErrorKind::Connect),
        ("reset in the handshake", vec![hello.clone(), Step::Reset], ErrorKind::Connect),
        ("silent in the handshake", vec![hello], ErrorKind::Timeout),
    ] {
        let deadline = if kind == ErrorKind::Timeout { SOON } else { AMPLE };
        let (outcome, _) = trial_and_seen(case, make, &plain, vec![script], |origin| https(origin, deadline)).await;
        fails(case, &outcome, &[kind], Delivery::NotSent);
    }
}
