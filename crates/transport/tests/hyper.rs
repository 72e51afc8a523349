//! The transport over hyper.

use std::io;
use std::time::Duration;

use asaanbill_transport::contract::{self, Wire};
use asaanbill_transport::{AttemptDeadline, Delivery, ErrorKind, HyperTransport, Transport};
use bytes::Bytes;
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};

/// The deadline of an attempt that the server never ends. Time enough to connect before it.
const SOON: Duration = Duration::from_secs(2);

/// How late the end of such an attempt may be on a machine that is busy with other tests.
const LATE_MAX: Duration = Duration::from_secs(10);

#[tokio::test]
async fn keeps_the_contract_over_tcp() {
    contract::over_sockets(|| HyperTransport::new().unwrap(), &Wire::plain()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract_over_tcp_on_many_threads() {
    contract::over_sockets(|| HyperTransport::new().unwrap(), &Wire::plain()).await;
}

/// Interim answers as fast as they can be sent, from another thread, for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_interim_answers_leaves_the_clock_its_turn() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let flooding = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await?;
        let mut request = [0; 1024];
        assert!(stream.read(&mut request).await? > 0);
        let flood = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(4096);
        loop {
            stream.write_all(&flood).await?;
        }
        #[expect(unreachable_code, reason = "says what `?` returns")]
        io::Result::Ok(())
    });

    let transport = HyperTransport::new().unwrap();
    let soon = AttemptDeadline::after(SOON);
    let request = Request::get(format!("http://{address}/")).extension(soon).body(Bytes::new()).unwrap();
    let error = transport.send(request).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Timeout, Delivery::Unknown));
    let late = Instant::now() - soon.0;
    assert!(late < LATE_MAX, "late by {late:?}");
    drop(transport);
    let flooded = timeout(LATE_MAX, flooding).await.expect("the connection is closed");
    assert!(flooded.unwrap().is_err(), "the connection was left open");
}

#[cfg(feature = "__rustls")]
mod over_tls {
    use asaanbill_transport::TrustedRoots;

    use super::*;
    use crate::authority::Authority;

    fn trusting(roots: &TrustedRoots) -> HyperTransport {
        HyperTransport::builder().trusted_roots(roots.clone()).build().unwrap()
    }

    #[tokio::test]
    async fn keeps_the_contract() {
        let authority = Authority::new();
        let roots = authority.roots();
        contract::over_sockets(|| trusting(&roots), &authority.localhost()).await;
    }

    #[tokio::test]
    async fn believes_nobody_but_the_host_itself_vouched_for_in_time() {
        let authority = Authority::new();
        let roots = authority.roots();
        contract::handshake_fails(|| trusting(&roots), &Authority::new().localhost()).await;
        contract::handshake_fails(|| trusting(&roots), &authority.another_host()).await;
        contract::handshake_fails(|| trusting(&roots), &authority.expired()).await;
        contract::handshake_fails(|| trusting(&TrustedRoots::none()), &authority.localhost()).await;
        contract::handshake_fails(|| trusting(&TrustedRoots::system()), &authority.localhost()).await;
    }

    #[tokio::test]
    async fn believes_an_added_authority_beside_the_systems() {
        let authority = Authority::new();
        let roots = TrustedRoots::system().with_pem(authority.pem().as_bytes()).unwrap();
        contract::handshake_succeeds(|| trusting(&roots), &authority.localhost()).await;
    }
}
