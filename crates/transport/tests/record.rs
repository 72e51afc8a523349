//! What is recorded can be played, and holds no secret.

use asaanbill_transport::{Cassette, Delivery, ErrorKind, Player, Recorder, Transport, TransportError, from_fn};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};

fn request(method: &str, path: &str, body: &'static str) -> Request<Bytes> {
    let mut token = HeaderValue::from_static("dG9rZW4=");
    token.set_sensitive(true);
    let request = Request::builder().method(method).uri(format!("https://hub.example{path}"));
    request.header("x-auth", token).header("username", "demo").body(Bytes::from_static(body.as_bytes())).unwrap()
}

/// The requests of a session, and what a hub makes of each.
const SESSION: [(&str, &str, &str); 6] = [
    ("POST", "/login", r#"{"password":"s3cret"}"#),
    ("GET", "/payment?pageNo=0", ""),
    ("GET", "/echo?key=dG9rZW4=", ""),
    ("POST", "/add", r#"{"payment":{"amount":"50"}}"#),
    ("GET", "/lost", ""),
    ("GET", "/bytes", ""),
];

fn hub() -> impl Transport + 'static {
    from_fn(|request: Request<Bytes>| async move {
        let (status, body): (u16, &[u8]) = match request.uri().path() {
            "/login" => (200, br#"{"data":{"token":"dG9rZW4=","n":1.0E7}}"#),
            "/payment" => (200, br#"{ "content": [ 50.0 ] }"#),
            "/echo" => (404, b"<html>no dG9rZW4= here</html>"),
            "/lost" => return Err(TransportError::answered(ErrorKind::Closed, StatusCode::OK)),
            "/bytes" => (200, b"\xff\x00"),
            _ => (503, b""),
        };
        let answer = Response::builder().status(status).header("retry-after", "3").header("set-cookie", "id=c00kie");
        Ok(answer.header("content-length", body.len()).body(Bytes::copy_from_slice(body)).unwrap())
    })
}

#[tokio::test]
async fn a_session_is_played_as_it_was() {
    let recorder = Recorder::new(hub());
    for (method, path, body) in SESSION {
        let _ = recorder.send(request(method, path, body)).await;
    }
    let json = recorder.cassette().to_json();
    for secret in ["s3cret", "dG9rZW4", "c00kie"] {
        assert!(!json.contains(secret), "{json}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("session.json");
    recorder.cassette().write(&path).unwrap();

    let player = Player::new(Cassette::read(&path).unwrap());
    let mut played = Vec::new();
    // In another order, and with another password.
    for (method, path, body) in SESSION.into_iter().rev() {
        let body = if path == "/login" { r#"{"password": "other"}"# } else { body };
        played.push(match player.send(request(method, path, body)).await {
            Ok(answer) => format!("{} {:?}", answer.status().as_u16(), answer.body()),
            Err(error) => format!("{:?} {:?} {:?}", error.kind(), error.delivery(), error.status()),
        });
    }
    let expected = [
        r#"200 b"\xff\0""#,
        "Closed Answered Some(200)",
        r#"503 b"""#,
        r#"404 b"<html>no *** here</html>""#,
        r#"200 b"{ \"content\": [ 50.0 ] }""#,
        r#"200 b"{\"data\":{\"token\":\"***\",\"n\":1.0E7}}""#,
    ];
    assert_eq!((played, player.remaining()), (expected.map(str::to_owned).to_vec(), 0));
}

#[tokio::test]
async fn what_is_not_on_the_cassette_was_not_sent() {
    let recorder = Recorder::new(hub());
    recorder.send(request("POST", "/add", r#"{"a":1}"#)).await.unwrap();
    let player = Player::new(recorder.cassette());
    for (method, path, body) in
        [("GET", "/add", r#"{"a":1}"#), ("POST", "/ad", r#"{"a":1}"#), ("POST", "/add", r#"{"a":2}"#)]
    {
        let error = player.send(request(method, path, body)).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::InvalidRequest, Delivery::NotSent));
    }
    assert!(player.send(request("POST", "/add", r#"{ "a": 1 }"#)).await.is_ok());
    assert!(player.send(request("POST", "/add", r#"{"a":1}"#)).await.is_err(), "each once");
}

#[test]
fn a_cassette_that_is_none() {
    for text in [
        "",
        "{}",
        r#"{"version":2,"exchanges":[]}"#,
        r#"{"version":1,"exchanges":[{"request":{"method":"GET","path":"/","body":{}}}]}"#,
        r#"{"version":1,"exchanges":[{"request":{"method":"GET","path":"/","body":{}},"answer":{"status":99,"body":{}}}]}"#,
    ] {
        assert!(Cassette::from_json(text).is_err(), "{text}");
    }
    assert!(Cassette::from_json(r#"{"version":1,"exchanges":[]}"#).unwrap().is_empty());
}
