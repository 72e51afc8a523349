//! What a well-behaved server says comes back as it was said.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};

use super::server::{Server, Step, Wire};
use super::trial::{AMPLE, BODY, answer, finish, request, send, trial, trial_and_seen};
use crate::{AttemptDeadline, Transport};

fn once(answer: impl Into<Bytes>) -> Vec<Step> {
    vec![Step::ReadRequest, Step::Write(answer.into())]
}

fn body(answer: &Response<Bytes>) -> &str {
    std::str::from_utf8(answer.body()).expect("every body here is text")
}

/// The request arrives as it was given, and the answer as it was sent, however its body is framed.
pub(super) async fn come_back_whole<T: Transport>(make: &impl Fn() -> T, wire: &Wire) {
    let case = "an answer";
    let reply = once(answer(201, "x-one: a\r\nx-one: b\r\nx-raw: \u{e9}\r\n", "hello"));
    let (outcome, seen) = trial_and_seen(case, make, wire, vec![reply], |origin| request(origin, AMPLE)).await;
    let reply = outcome.expect(case);
    assert_eq!((reply.status().as_u16(), body(&reply)), (201, "hello"));
    let values: Vec<_> = reply.headers().get_all("x-one").iter().collect();
    assert_eq!(values, ["a", "b"], "{case}: a header twice");
    assert_eq!(reply.headers()["x-raw"], HeaderValue::from_bytes("\u{e9}".as_bytes()).expect("valid bytes"));
    assert!(reply.extensions().is_empty(), "{case}: nothing but what was sent");

    let [sent] = &seen.0[..] else { panic!("{case}: one connection, not {}", seen.0.len()) };
    let sent = String::from_utf8_lossy(sent);
    let (head, sent_body) = sent.split_once("\r\n\r\n").expect("a head and a body");
    let (line, headers) = head.split_once("\r\n").expect("a request line and headers");
    assert_eq!(line, "POST /s3cret/add?generationTypes=s3cret HTTP/1.1");
    assert_eq!(sent_body, BODY);
    let headers = headers.to_ascii_lowercase();
    for expected in ["content-type: application/json", "x-auth-ph-key: s3cret", "content-length: 18", "host: "] {
        assert_eq!(headers.matches(expected).count(), 1, "{case}: {expected:?} in {headers:?}");
    }

    for (case, reply, expected) in [
        ("chunks", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n", "abcd"),
        ("a trailer", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx: y\r\n\r\n", "a"),
        ("an interim answer", "HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", "ok"),
        ("no body", "HTTP/1.1 204 No Content\r\n\r\n", ""),
        ("an older server", "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", "ok"),
    ] {
        let reply = trial(case, make, wire, once(reply), AMPLE).await.expect(case);
        assert_eq!(body(&reply), expected, "{case}");
    }

    let until_closed = vec![Step::ReadRequest, Step::Write("HTTP/1.1 200 OK\r\n\r\nto the end".into()), Step::Close];
    let reply = trial("until closed", make, wire, until_closed, AMPLE).await.expect("until closed");
    assert_eq!(body(&reply), "to the end");
}

/// One plain exchange.
#[cfg(feature = "__rustls")]
pub(super) async fn follow_a_handshake<T: Transport>(make: &impl Fn() -> T, wire: &Wire) {
    let case = "a certificate that is to be believed";
    let reply = trial(case, make, wire, once(answer(200, "", "hello")), AMPLE).await.expect(case);
    assert_eq!(body(&reply), "hello");
}

/// Redirects, failures and cookies are answers, and nothing follows from them.
pub(super) async fn are_not_acted_upon<T: Transport>(make: &impl Fn() -> T, wire: &Wire) {
    let elsewhere = Server::start(wire, vec![once(answer(200, "", "elsewhere"))]);
    for status in [301, 302, 303, 307, 308, 400, 401, 408, 421, 425, 429, 500, 502, 503, 504] {
        let case = format!("status {status}");
        let headers = format!("location: {}/\r\nretry-after: 0\r\nrefresh: 0\r\n", elsewhere.origin);
        let reply = trial(&case, make, wire, once(answer(status, &headers, "")), AMPLE).await.expect(&case);
        assert_eq!(reply.status().as_u16(), status);
        assert_eq!(reply.headers()["location"], format!("{}/", elsewhere.origin));
    }
    assert!(finish("a redirect", elsewhere).await.0.is_empty(), "a redirect was followed");

    let case = "a packed answer";
    let reply = trial(case, make, wire, once(answer(200, "content-encoding: gzip\r\n", "packed")), AMPLE).await;
    let reply = reply.expect(case);
    assert_eq!((body(&reply), &reply.headers()["content-encoding"]), ("packed", &HeaderValue::from_static("gzip")));

    let case = "a cookie";
    let cookie = answer(200, "set-cookie: a=b\r\n", "");
    let twice = [once(cookie.clone()), once(cookie)].concat();
    let server = Server::start(wire, vec![twice]);
    let transport = make();
    for _ in 0..2 {
        send(case, &transport, request(&server.origin, AMPLE)).await.expect(case);
    }
    drop(transport);
    let seen = finish(case, server).await;
    assert_eq!(seen.requests(), 2);
    for sent in &seen.0 {
        assert!(!String::from_utf8_lossy(sent).to_ascii_lowercase().contains("cookie"), "{case}: it came back");
    }
}

/// Other methods, and bodies that are empty.
async fn methods<T: Transport>(make: &impl Fn() -> T, wire: &Wire) {
    for (method, length, reply, expected) in [
        ("GET", None, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", "ok"),
        ("DELETE", None, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", "ok"),
        ("POST", Some("content-length: 0"), "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", "ok"),
        // The length of what a GET would have brought; nothing follows it.
        ("HEAD", None, "HTTP/1.1 200 OK\r\ncontent-length: 200000\r\n\r\n", ""),
    ] {
        let (outcome, seen) = trial_and_seen(method, make, wire, vec![once(reply)], |origin| {
            Request::builder()
                .method(method)
                .uri(origin)
                .extension(AttemptDeadline::after(AMPLE))
                .body(Bytes::new())
                .expect("a valid request")
        })
        .await;
        assert_eq!(body(&outcome.expect(method)), expected, "{method}");
        let sent = String::from_utf8_lossy(&seen.0[0]).to_ascii_lowercase();
        assert!(sent.starts_with(&format!("{} / http/1.1\r\n", method.to_ascii_lowercase())), "{method}: {sent:?}");
        let stated = sent.lines().find(|line| line.starts_with("content-length"));
        assert_eq!(stated, length, "{method}");
    }
}

/// Many requests at once over one transport: each gets its own answer.
pub(super) async fn go_to_their_own_requests<T: Transport>(make: &impl Fn() -> T, wire: &Wire) {
    methods(make, wire).await;

    let case = "many at once";
    // A connection that is free again may serve any number of them.
    let reply = |connection, index| once(answer(200, "", &format!("{connection}, {index}")));
    let script = |connection| (0..MANY).flat_map(|index| reply(connection, index)).collect();
    let server = Server::start(wire, (0..MANY).map(script).collect());
    let transport = make();
    let all = (0..MANY).map(|_| send(case, &transport, request(&server.origin, AMPLE)));
    let answers = join_all(all).await;
    let bodies: BTreeSet<_> = answers.into_iter().map(|answer| body(&answer.expect(case)).to_owned()).collect();
    assert_eq!(bodies.len(), MANY, "{case}: one answer came to two requests: {bodies:?}");
    drop(transport);
    assert_eq!(finish(case, server).await.requests(), MANY, "{case}");
}

const MANY: usize = 8;

/// Runs them all at once, in one task.
async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, output) in running.iter_mut().filter(|(_, output)| output.is_none()) {
            if let std::task::Poll::Ready(done) = future.as_mut().poll(context) {
                *output = Some(done);
            }
        }
        if running.iter().all(|(_, output)| output.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    running.into_iter().filter_map(|(_, output)| output).collect()
}
