//! Receivers behind TLS: trusted, not trusted, and not what they say.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::PrivateKeyDer;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::receiver::{BODY, RECEIVED, call_at, pass, read_request};
use crate::callback::{Attempt, CALLBACK_DEADLINE, Diagnosis, Sender, TargetPolicy, TlsFault, Trust};

/// A certificate authority made for one test.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Trust in it alone.
    fn trust(&self) -> Trust {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        Trust::Only(Arc::new(roots))
    }

    fn vouch(&self, params: &CertificateParams) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

fn certificate_for(name: &str) -> CertificateParams {
    CertificateParams::new(vec![name.to_owned()]).unwrap()
}

/// Calls a receiver at this host that does this with the connection before any TLS.
async fn call<T>(trust: Trust, host: &str, script: impl AsyncFnOnce(TcpStream) -> T) -> Attempt {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let sender = Sender::new(TargetPolicy::default(), trust);
    let url = format!("https://{host}:{}/hook", listener.local_addr().unwrap().port());
    call_at(&listener, &sender, &url, BODY.into(), CALLBACK_DEADLINE, script).await
}

/// What becomes of a receiver that would acknowledge.
async fn check(trust: Trust, host: &str, acceptor: TlsAcceptor, expected: Result<(), Diagnosis>) {
    let attempt = call(trust, host, async |tcp| {
        // A client that doesn't trust the certificate ends it here.
        if let Ok(mut stream) = acceptor.accept(tcp).await {
            read_request(&mut stream).await;
            stream
                .write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{RECEIVED}").as_bytes())
                .await
                .unwrap();
            stream.flush().await.unwrap();
            let _ = stream.read(&mut [0]).await;
        }
    });
    assert_eq!(attempt.await.outcome, expected, "{host}");
}

#[tokio::test]
async fn certificates() {
    let authority = Authority::new("A test's own");
    let fault = |fault| Err(Diagnosis::Tls(fault));
    let localhost = || certificate_for("localhost");
    check(authority.trust(), "localhost", authority.vouch(&localhost()), Ok(())).await;
    check(authority.trust(), "127.0.0.1", authority.vouch(&certificate_for("127.0.0.1")), Ok(())).await;
    check(authority.trust(), "127.1", authority.vouch(&certificate_for("127.0.0.1")), Ok(())).await;

    let another = Authority::new("Another");
    check(authority.trust(), "localhost", another.vouch(&localhost()), fault(TlsFault::UnknownAuthority)).await;
    let other_name = authority.vouch(&certificate_for("hooks.example"));
    check(authority.trust(), "localhost", other_name, fault(TlsFault::WrongName)).await;
    check(authority.trust(), "127.0.0.1", authority.vouch(&localhost()), fault(TlsFault::WrongName)).await;

    let valid = |years: std::ops::Range<i32>| {
        let mut params = localhost();
        (params.not_before, params.not_after) = (date_time_ymd(years.start, 1, 1), date_time_ymd(years.end, 1, 1));
        authority.vouch(&params)
    };
    check(authority.trust(), "localhost", valid(2020..2021), fault(TlsFault::Expired)).await;
    check(authority.trust(), "localhost", valid(4000..4001), fault(TlsFault::NotYetValid)).await;
}

/// A machine may have no authorities at all; none of those that it has knows the test's.
#[tokio::test]
async fn the_machines_own_authorities() {
    let attempt = call(Trust::System, "localhost", async |tcp| {
        let _ = Authority::new("A test's own").vouch(&certificate_for("localhost")).accept(tcp).await;
    });
    let outcome = attempt.await.outcome;
    assert!(
        matches!(outcome, Err(Diagnosis::Tls(TlsFault::UnknownAuthority | TlsFault::NoAuthorities))),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn what_is_no_tls() {
    let answering = async |bytes: &'static [u8]| {
        let attempt = call(Authority::new("A test's own").trust(), "localhost", async move |mut tcp: TcpStream| {
            tcp.read_exact(&mut [0; 64]).await.unwrap();
            tcp.write_all(bytes).await.unwrap();
            tcp
        });
        attempt.await.outcome.unwrap_err()
    };
    let plain = b"HTTP/1.1 400 The plain HTTP request was sent to HTTPS port\r\n\r\n";
    assert_eq!(answering(plain).await, Diagnosis::Tls(TlsFault::NotTls));
    assert_eq!(answering(b"SSH-2.0-OpenSSH\r\n").await, Diagnosis::Tls(TlsFault::NotTls));
    // A fatal alert: no handshake.
    assert_eq!(answering(b"\x15\x03\x03\x00\x02\x02\x28").await, Diagnosis::Tls(TlsFault::Alert));
}

#[tokio::test]
async fn a_handshake_that_breaks_off() {
    let lost = call(Authority::new("A test's own").trust(), "localhost", async |mut tcp: TcpStream| {
        tcp.read_exact(&mut [0; 64]).await.unwrap();
        tcp.set_zero_linger().unwrap();
    });
    assert_eq!(lost.await.outcome, Err(Diagnosis::LostInTls));
    let slow = call(Authority::new("A test's own").trust(), "localhost", async |mut tcp: TcpStream| {
        tcp.read_exact(&mut [0; 64]).await.unwrap();
        pass(CALLBACK_DEADLINE).await;
        tcp
    });
    let attempt = slow.await;
    assert_eq!((attempt.outcome, attempt.peer.is_some()), (Err(Diagnosis::SlowTls), true));
}

/// Within TLS the steps have the same names as without.
#[tokio::test]
async fn after_the_handshake() {
    let authority = Authority::new("A test's own");
    let acceptor = authority.vouch(&certificate_for("localhost"));
    let answering = async |bytes: &'static str, late: bool| {
        let attempt = call(authority.trust(), "localhost", async |tcp| {
            let mut stream = acceptor.accept(tcp).await.unwrap();
            read_request(&mut stream).await;
            stream.write_all(bytes.as_bytes()).await.unwrap();
            match late {
                true => pass(CALLBACK_DEADLINE).await,
                false => stream.shutdown().await.unwrap(),
            }
            stream
        });
        attempt.await.outcome.unwrap_err()
    };
    assert_eq!(answering("", true).await, Diagnosis::SlowHeader);
    assert_eq!(answering("HTTP/1.1 200 OK\r\n", false).await, Diagnosis::LostInHeader);
    assert_eq!(answering("HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{", false).await, Diagnosis::LostInBody);
    assert_eq!(answering("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n", false).await, Diagnosis::Status(503));
}
