//! What a socket adds: who may use the simulator's own pages, methods, and TLS.

use asaanbill_sim::{Sim, SimBuilder};
use http::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::hub::{Hub, PATIENCE};

/// The port of a simulator on this address.
async fn serve(settings: SimBuilder, address: &str) -> u16 {
    let sim = settings.build().await.unwrap();
    let listener = TcpListener::bind((address, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { sim.serve(listener, std::future::pending()).await });
    port
}

async fn exchange(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("in time").unwrap();
    answer
}

/// A page's status line and what it says.
async fn check(port: u16, path: &str, headers: &str, expected: &str) {
    let answer = exchange(port, &format!("GET {path} HTTP/1.1\r\nconnection: close\r\n{headers}\r\n")).await;
    assert!(answer.starts_with(&format!("HTTP/1.1 {expected} ")), "{path} {headers}: {answer}");
}

/// No web page elsewhere drives a simulator on this machine, whatever name it gives to this machine's address.
#[tokio::test]
async fn on_loopback() {
    let port = serve(Sim::builder().host_name("sim.example"), "127.0.0.1").await;
    check(port, "/_sim/settings", "host: localhost\r\n", "200").await;
    check(port, "/_sim/settings", &format!("host: 127.0.0.1:{port}\r\n"), "200").await;
    check(port, "/_sim/settings", "host: sim.example\r\n", "200").await;
    check(port, "/_sim/settings", "host: evil.example\r\n", "403").await;
    check(port, "/_sim/settings", "host: localhost\r\norigin: http://evil.example\r\n", "403").await;
    check(port, "/_sim/settings", "host: localhost\r\norigin: http://localhost\r\n", "200").await;
    check(port, "/_sim/settings", "host: localhost\r\nsec-fetch-site: cross-site\r\n", "403").await;
    check(port, "/_sim/health", "host: evil.example\r\n", "403").await;
    // The hub itself is for everybody.
    check(port, "/integration/payment", "host: evil.example\r\norigin: http://evil.example\r\n", "401").await;
    let body = r#"{"psid":"100139000000000000000001","amount":"50","reference":"R"}"#;
    let length = body.len();
    let post = format!(
        "POST /_sim/pay HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    let said =
        r#"{"error":"the Host header must name localhost, the address that is listened on, or a configured name"}"#;
    assert!(exchange(port, &post).await.ends_with(said));
    assert!(exchange(port, &post.replace("evil.example", "localhost")).await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn elsewhere() {
    let settings = || Sim::builder().admin_token(&"hidden-token".into());
    assert!(!format!("{:?}", settings()).contains("hidden"));
    let port = serve(settings(), "0.0.0.0").await;
    let host = "host: localhost\r\n";
    check(port, "/_sim/settings", host, "401").await;
    check(port, "/_sim/settings", &format!("{host}authorization: Bearer other\r\n"), "401").await;
    check(port, "/_sim/settings", &format!("{host}authorization: Bearer hidden-token\r\n"), "200").await;
    check(port, "/_sim/settings", "host: evil.example\r\nauthorization: Bearer hidden-token\r\n", "403").await;
    check(port, "/_sim/health", host, "200").await;
    check(port, "/_sim/other", host, "401").await;
    check(port, "/integration/payment", host, "401").await;
    let closed = serve(Sim::builder(), "0.0.0.0").await;
    check(closed, "/_sim/settings", host, "403").await;
    check(closed, "/_sim/settings", &format!("{host}authorization: Bearer hidden-token\r\n"), "403").await;
}

/// A 405 says what would be allowed. (RFC 9110, section 15.5.6)
#[tokio::test]
async fn methods() {
    let hub = Hub::start().await;
    let check = async |method: Method, path: &str, expected: Option<&str>| {
        let answer = hub.ask(method.clone(), path, "").raw().await;
        let allow = answer.headers().get("allow").map(|value| value.to_str().unwrap());
        assert_eq!(allow, expected, "{method} {path}");
        assert_eq!(answer.status() == 405, expected.is_some(), "{method} {path}");
    };
    check(Method::GET, "/integration/add", Some("POST")).await;
    check(Method::PUT, "/payment-hub/integration/integration/login", Some("POST")).await;
    check(Method::HEAD, "/integration/payment", Some("GET")).await;
    check(Method::DELETE, "/integration/payment/1", Some("GET")).await;
    check(Method::POST, "/integration/search/1", Some("GET")).await;
    check(Method::GET, "/_sim/pay", Some("POST")).await;
    check(Method::GET, "/integration/payment", None).await;
    check(Method::GET, "/elsewhere", None).await;
}

#[tokio::test]
async fn what_is_set() {
    let hub = Hub::with(Sim::builder().accept_literals(true)).await;
    let page = hub.ask(Method::GET, "/_sim/settings", "").raw().await;
    let page: serde_json::Value = serde_json::from_slice(page.body()).unwrap();
    let settings = page["settings"].as_array().unwrap();
    assert_eq!(settings.len(), asaanbill_sim::SETTINGS.len());
    let line = &settings[0];
    assert_eq!(
        ["name", "value", "default", "provenance"].map(|field| line[field].as_str().unwrap()),
        ["accept_literals", "true", "false", "documented"]
    );
    assert!(line["help"].as_str().unwrap().starts_with("Take JSON numbers"));
    assert_eq!(settings[1]["value"], "false");
}

#[cfg(feature = "tls")]
mod tls {
    use std::fs;
    use std::sync::Arc;

    use asaanbill_sim::{ServerTls, Sim};
    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, RootCertStore};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::oneshot;
    use tokio_rustls::TlsConnector;

    #[tokio::test]
    async fn over_tls() {
        let folder = tempfile::TempDir::new().unwrap();
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let [certificate, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
        fs::write(&certificate, own.cert.pem()).unwrap();
        fs::write(&key, own.signing_key.serialize_pem()).unwrap();
        let tls = ServerTls::from_pem_files(&certificate, &key).unwrap();
        let sim = Sim::builder().build().await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(async move { sim.serve_tls(listener, tls, async { drop(stopped.await) }).await });

        let mut roots = RootCertStore::empty();
        roots.add(own.cert.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let connector = TlsConnector::from(Arc::new(config));
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let mut stream = connector.connect(name, stream).await.unwrap();
        stream.write_all(b"GET /_sim/health HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        let mut answer = vec![0; 15];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, b"HTTP/1.1 200 OK");

        // Whoever speaks plain HTTP is not served, and disturbs nobody.
        let mut plain = TcpStream::connect(address).await.unwrap();
        plain.write_all(b"GET /_sim/health HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        let mut said = Vec::new();
        plain.read_to_end(&mut said).await.unwrap();
        assert!(!said.starts_with(b"HTTP"));
        stop.send(()).unwrap();
        served.await.unwrap().unwrap();
    }

    #[test]
    fn files_that_do_not_do() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let [one, other] = [(); 2].map(|()| rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap());
        let certificate = path("cert.pem", &one.cert.pem());
        let key = path("key.pem", &one.signing_key.serialize_pem());
        let others = path("other.pem", &other.signing_key.serialize_pem());
        let empty = path("empty.pem", "");
        let check = |certificate: &std::path::Path, key: &std::path::Path, is_key: bool, expected: &str| {
            let error = ServerTls::from_pem_files(certificate, key).unwrap_err();
            assert_eq!((error.is_key(), error.to_string().as_str()), (is_key, expected));
        };
        check(&empty, &key, false, "the file holds no certificate in PEM form");
        check(&folder.path().join("gone"), &key, false, "the certificate can't be read; give a file in PEM form");
        check(&certificate, &empty, true, "the private key can't be read; give a file in PEM form");
        check(
            &certificate,
            &others,
            false,
            "the certificate and the private key don't belong together; give the key that the certificate was made for",
        );
    }
}
