//! What an integrator's receiver answers, and what the hub makes of it.

use std::time::Duration;

use asaanbill_sim::{CALLBACK_ANSWER_MAX, CALLBACK_DEADLINE, CallbackAttempt, Sim};
use axum::body::Body;
use http::{Response, Uri};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::hub::{Hub, PATIENCE, psid};
use crate::receiver::{RECEIVED, Receiver};

/// Waits until so many attempts are noted.
pub(crate) async fn attempts(hub: &Hub, count: usize) -> Vec<CallbackAttempt> {
    let noted = async {
        loop {
            let attempts = hub.sim.callback_attempts().await.unwrap();
            if attempts.len() >= count {
                return attempts;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, noted).await.expect("the attempts are noted in time")
}

/// Why the latest of so many attempts wasn't acknowledged.
async fn failure(hub: &Hub, count: usize) -> Option<String> {
    attempts(hub, count).await.pop()?.failure
}

/// What is said of a status other than 2xx.
pub(crate) fn answered_with(status: u16) -> String {
    format!("the receiver answered with HTTP status {status}, not with 2xx")
}

/// A hub with a code that can be paid again and again, and so cause call-backs.
async fn shop(callbacks: Uri) -> Hub {
    let hub = Hub::with(Sim::builder().callback_url(callbacks)).await;
    hub.add("SQRC_WITHOUT_AMOUNT", r#"{"payment":{"title":"Ali Tuck Shop","identifier":"shop"}}"#).await;
    hub
}

async fn pay(hub: &Hub, reference: usize) {
    assert_eq!(hub.pay(&psid(1), "20", &reference.to_string()).await.0, 200);
}

#[tokio::test]
async fn answers() {
    let mut receiver = Receiver::start().await;
    let hub = shop(receiver.url()).await;
    let mut count = 0;
    let mut check = async |status: u16, body: &str, expected: Option<&str>| {
        count += 1;
        pay(&hub, count).await;
        receiver.next().await.answer(status, body.to_owned());
        assert_eq!(failure(&hub, count).await.as_deref(), expected, "{status} {body}");
    };
    check(200, RECEIVED, None).await;
    check(201, RECEIVED, None).await;
    check(299, r#"{"responseCode":200}"#, None).await;
    check(200, r#" {"more":[1],"responseCode" : 200} "#, None).await;
    check(500, RECEIVED, Some(&answered_with(500))).await;
    check(404, "", Some(&answered_with(404))).await;
    check(304, "", Some(&answered_with(304))).await;
    check(200, r#"{"responseCode":500}"#, Some("the answer's responseCode is 500, not 200")).await;
    check(200, r#"{"responseCode":201}"#, Some("the answer's responseCode is 201, not 200")).await;
    let kind = "the answer's responseCode is not an integer; a string or 200.0 doesn't count";
    check(200, r#"{"responseCode":"200"}"#, Some(kind)).await;
    check(200, r#"{"responseCode":200.0}"#, Some(kind)).await;
    let missing = "the answer has no responseCode";
    check(200, r#"{"responseMessage":"Request processed successfully"}"#, Some(missing)).await;
    let no_json = "the answer's body is empty or not JSON";
    check(200, "OK", Some(no_json)).await;
    check(200, "", Some(no_json)).await;
    check(204, "", Some(no_json)).await;
    check(200, "200", Some("the answer's body is JSON, but not an object that names each field once")).await;
    let largest = RECEIVED.to_owned() + &" ".repeat(CALLBACK_ANSWER_MAX - RECEIVED.len());
    check(200, &largest, None).await;
    check(200, &(largest + " "), Some("the answer's body is larger than 64 KiB")).await;
}

/// A redirect is an answer like any other, and nobody is called elsewhere.
#[tokio::test]
async fn redirects_are_not_followed() {
    let mut receiver = Receiver::start().await;
    let hub = shop(receiver.url()).await;
    for (position, status) in [301_u16, 302, 303, 307, 308].into_iter().enumerate() {
        pay(&hub, position).await;
        let call = receiver.next().await;
        assert_eq!(call.head, "POST /hooks/processed application/json");
        let elsewhere = format!("{}/elsewhere", receiver.url());
        let redirect = Response::builder().status(status).header("location", elsewhere).body(Body::from(RECEIVED));
        call.answer_with(redirect.unwrap());
        assert_eq!(failure(&hub, position + 1).await, Some(answered_with(status)));
    }
    assert!(receiver.is_idle());
}

/// A port that is taken and at which nobody listens.
#[tokio::test]
async fn nobody_listens() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let hub = shop(format!("http://{}", socket.local_addr().unwrap()).parse().unwrap()).await;
    pay(&hub, 1).await;
    assert_eq!(failure(&hub, 1).await.as_deref(), Some("nobody listens at the receiver's address and port"));
}

/// A receiver that writes these bytes, and then closes or keeps the connection.
struct Raw {
    listener: TcpListener,
    hub: Hub,
}

impl Raw {
    async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        Self { hub: shop(url.parse().unwrap()).await, listener }
    }

    /// Takes a call-back, the whole of it, and answers with these bytes.
    async fn answer(&self, bytes: &str) -> TcpStream {
        let (mut stream, _) = tokio::time::timeout(PATIENCE, self.listener.accept()).await.unwrap().unwrap();
        let mut request = String::new();
        while !request.ends_with('}') {
            let mut part = [0; 4096];
            let read = stream.read(&mut part).await.unwrap();
            request.push_str(std::str::from_utf8(&part[..read]).unwrap());
        }
        stream.write_all(bytes.as_bytes()).await.unwrap();
        stream
    }
}

#[tokio::test]
async fn answers_that_break_off() {
    let raw = Raw::start().await;
    let mut count = 0;
    let mut check = async |bytes: &str, expected: &str| {
        count += 1;
        pay(&raw.hub, count).await;
        drop(raw.answer(bytes).await);
        assert_eq!(failure(&raw.hub, count).await.as_deref(), Some(expected), "{bytes}");
    };
    let head = "the connection was lost before the answer's head was complete";
    check("", head).await;
    check("HTTP/1.1 200 OK\r\n", head).await;
    let body = "the connection was lost before the answer's body was complete";
    check("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"responseCode\":200}", body).await;
    check("SMTP ready\r\n\r\n", "the answer is not HTTP").await;
}

/// Five seconds are for all of it: to say nothing is as bad as to begin and not to end.
#[tokio::test]
async fn slow_receivers() {
    let raw = Raw::start().await;
    let begun = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"responseCode\":";
    let slow = [("", "the answer's head was not there in time"), (begun, "the answer's body was not complete in time")];
    for (position, (bytes, expected)) in slow.into_iter().enumerate() {
        pay(&raw.hub, position).await;
        let stream = raw.answer(bytes).await;
        pass(CALLBACK_DEADLINE).await;
        assert_eq!(failure(&raw.hub, position + 1).await.as_deref(), Some(expected));
        drop(stream);
    }
    pay(&raw.hub, 2).await;
    let mut stream = raw.answer("HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n").await;
    pass(CALLBACK_DEADLINE / 2).await;
    stream.write_all(br#"{"responseCode":200}"#).await.unwrap();
    assert_eq!(failure(&raw.hub, 3).await, None, "late, and in time");
}

/// Time passes at once. It stands still no longer than that, as the hub's store lives by the real one.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}
