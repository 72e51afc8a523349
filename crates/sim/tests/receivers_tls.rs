//! Receivers behind https, whose certificate an authority of one's own has signed.

use std::path::Path;
use std::sync::Arc;

use asaanbill_sim::SimBuilder;
use http::Uri;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::hub::{BILL, Hub, psid};
use crate::receivers::attempts;
use crate::recorder::with_settings;

/// An authority made for one test.
fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Acknowledges whoever trusts the authority. Returns where it is.
async fn receiver(authority: &CertifiedIssuer<'static, KeyPair>) -> Uri {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, authority).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            // Who doesn't trust the certificate ends it here.
            let Ok(mut stream) = acceptor.accept(tcp).await else { continue };
            let mut request = Vec::new();
            while !request.ends_with(b"}") && stream.read_buf(&mut request).await.unwrap() > 0 {}
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{\"responseCode\":200}";
            stream.write_all(answer).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    format!("https://localhost:{port}/hooks").parse().unwrap()
}

/// Trusts what the file holds, and nothing else.
fn trusting(file: &Path) -> SimBuilder {
    with_settings(&[("callback_authority", file.to_str().unwrap())])
}

#[tokio::test]
async fn the_files_authorities_alone_are_trusted() {
    let (ours, theirs) = (authority("Ours"), authority("Theirs"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authority.pem");
    let check = async |trusted: &str, signed_by: &CertifiedIssuer<'static, KeyPair>, expected: Option<&str>| {
        std::fs::write(&file, trusted).unwrap();
        let hub = Hub::with(trusting(&file).callback_url(receiver(signed_by).await)).await;
        // It was read, and is needed no more.
        std::fs::remove_file(&file).unwrap();
        hub.add("PSID", BILL).await;
        hub.pay(&psid(1), "50", "R").await;
        assert_eq!(attempts(&hub, 1).await[0].failure.as_deref(), expected);
    };
    let both = format!("{}{}", theirs.pem(), ours.pem());
    let unknown = "no TLS with the receiver: its certificate comes from an authority that is not trusted here";
    check(&ours.pem(), &ours, None).await;
    check(&both, &ours, None).await;
    check(&theirs.pem(), &ours, Some(unknown)).await;
}
