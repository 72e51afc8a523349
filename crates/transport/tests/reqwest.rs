//! The transport over reqwest.

use asaanbill_transport::ReqwestTransport;
use asaanbill_transport::contract::{self, Wire};

#[tokio::test]
async fn keeps_the_contract_over_tcp() {
    contract::over_sockets(|| ReqwestTransport::new().unwrap(), &Wire::plain()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract_over_tcp_on_many_threads() {
    contract::over_sockets(|| ReqwestTransport::new().unwrap(), &Wire::plain()).await;
}

#[cfg(feature = "__rustls")]
mod through_a_proxy {
    use std::time::Duration;

    use asaanbill_transport::{AttemptDeadline, Delivery, ErrorKind, Transport};
    use bytes::Bytes;
    use http::Request;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::authority::Authority;

    /// The deadline of an attempt that the proxy never answers. Time enough to connect before it.
    const SOON: Duration = Duration::from_secs(2);

    /// A deadline that no attempt means to meet.
    const AMPLE: Duration = Duration::from_secs(20);

    /// A proxy that gives this answer, or none; what it was told; and how the attempt ended.
    async fn refused(answer: Option<&'static str>, timeout: Duration) -> (String, ErrorKind, Delivery) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let proxy = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut told = Vec::new();
            while !told.ends_with(b"\r\n\r\n") {
                assert!(stream.read_buf(&mut told).await.unwrap() > 0);
            }
            if let Some(answer) = answer {
                stream.write_all(answer.as_bytes()).await.unwrap();
                stream.shutdown().await.unwrap();
            }
            stream.read_to_end(&mut told).await.unwrap();
            String::from_utf8(told).unwrap()
        });
        let transport =
            ReqwestTransport::builder().proxy(&format!("http://me:s3cret@{address}")).unwrap().build().unwrap();
        let request = Request::post("https://hub.example/integration/add")
            .header("x-auth-ph-key", "token")
            .extension(AttemptDeadline::after(timeout))
            .body(Bytes::from_static(b"{}"))
            .unwrap();
        let error = transport.send(request).await.unwrap_err();
        drop(transport);
        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
        let told = tokio::time::timeout(AMPLE, proxy).await.expect("the proxy was connected to, and left");
        (told.unwrap(), error.kind(), error.delivery())
    }

    #[tokio::test]
    async fn a_proxy_that_refuses_has_seen_nothing_of_the_request() {
        for answer in ["HTTP/1.1 502 Bad Gateway\r\n\r\n", "HTTP/1.1 407 Who\r\n\r\n", "nonsense\r\n\r\n"] {
            let (told, kind, delivery) = refused(Some(answer), AMPLE).await;
            assert!(told.starts_with("CONNECT hub.example:443 HTTP/1.1\r\n"), "{told}");
            assert!(!told.contains("token") && !told.contains("{}"), "{told}");
            assert_eq!((kind, delivery), (ErrorKind::Connect, Delivery::NotSent), "{answer}");
        }
        let (_, kind, delivery) = refused(None, SOON).await;
        assert_eq!((kind, delivery), (ErrorKind::Timeout, Delivery::NotSent));
    }

    #[tokio::test]
    async fn this_machine_is_reached_without_it() {
        let closed = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
        let authority = Authority::new();
        let roots = authority.roots();
        let make = || {
            let builder = ReqwestTransport::builder().trusted_roots(roots.clone());
            builder.proxy(&format!("http://{closed}")).unwrap().build().unwrap()
        };
        contract::handshake_succeeds(make, &Wire::plain()).await;
        contract::handshake_succeeds(make, &authority.localhost()).await;
    }
}

#[cfg(feature = "__rustls")]
mod over_tls {
    use asaanbill_transport::TrustedRoots;

    use super::*;
    use crate::authority::Authority;

    fn trusting(roots: &TrustedRoots) -> ReqwestTransport {
        ReqwestTransport::builder().trusted_roots(roots.clone()).build().unwrap()
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
