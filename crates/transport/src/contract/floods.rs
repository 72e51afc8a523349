//! Servers that send too much, or nonsense.

use bytes::Bytes;

use super::server::{Step, Wire};
use super::trial::{AMPLE, LIMIT, SOON, answer, fails, trial};
use crate::{Delivery, ErrorKind, Transport};

/// A body is read up to its limit, wherever it is seen that it passes it.
pub(super) async fn stop_at_the_limit<T: Transport>(make: &impl Fn() -> T, wire: &Wire) {
    let case = "exactly the limit";
    let full = "x".repeat(LIMIT);
    let script = vec![Step::ReadRequest, Step::Write(answer(200, "", &full))];
    assert_eq!(trial(case, make, wire, script, AMPLE).await.expect(case).body().len(), LIMIT);

    let chunk: Bytes = format!("{:x}\r\n{}\r\n", full.len(), full).into();
    let chunked = Bytes::from_static(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    let last = Bytes::from_static(b"1\r\nx\r\n0\r\n\r\n");
    let write = Step::Write;
    for (case, script) in [
        ("one byte more", vec![write(answer(200, "", &format!("{full}x")))]),
        // Nothing follows the head, so that whoever waits for the body waits in vain.
        ("too long by its own account", vec![write("HTTP/1.1 200 OK\r\ncontent-length: 65537\r\n\r\n".into())]),
        ("beyond any machine", vec![write("HTTP/1.1 200 OK\r\ncontent-length: 9223372036854775807\r\n\r\n".into())]),
        ("one chunk more", vec![write(chunked.clone()), write(chunk.clone()), write(last)]),
        ("chunks without end", vec![write(chunked.clone()), Step::Flood(chunk)]),
        ("small chunks without end", vec![write(chunked), Step::Flood("1\r\nx\r\n".into())]),
        ("a body without end", vec![write("HTTP/1.1 200 OK\r\n\r\n".into()), Step::Flood(full.into())]),
    ] {
        let script = [vec![Step::ReadRequest], script].concat();
        let outcome = trial(case, make, wire, script, AMPLE).await;
        fails(case, &outcome, &[ErrorKind::TooLarge], Delivery::Answered);
    }
}

/// So is a head. Nothing was answered then: where a head doesn't end, there is no status to believe.
pub(super) async fn of_heads_stop_too<T: Transport>(make: &impl Fn() -> T, wire: &Wire) {
    let start = Step::Write("HTTP/1.1 200 OK\r\n".into());
    let long_line: Bytes = "x".repeat(4096).into();
    for (case, flood) in [
        ("headers without end", vec![start.clone(), Step::Flood("x-a: b\r\n".into())]),
        ("a header without end", vec![start, Step::Write("x-a: ".into()), Step::Flood(long_line.clone())]),
        ("a status line without end", vec![Step::Write("HTTP/1.1 200 ".into()), Step::Flood(long_line)]),
    ] {
        let script = [vec![Step::ReadRequest], flood].concat();
        let outcome = trial(case, make, wire, script, AMPLE).await;
        fails(case, &outcome, &[ErrorKind::InvalidResponse], Delivery::Unknown);
    }

    let case = "interim answers and no other";
    let interim: Bytes = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(1000).into();
    let outcome = trial(case, make, wire, vec![Step::ReadRequest, Step::Write(interim)], SOON).await;
    fails(case, &outcome, &[ErrorKind::Timeout], Delivery::Unknown);
}

/// What isn't HTTP/1 is no answer, and a body that contradicts itself is none of its head's.
pub(super) async fn of_nonsense_are_no_answers<T: Transport>(make: &impl Fn() -> T, wire: &Wire) {
    for nonsense in [
        "SSH-2.0-OpenSSH_9.9\r\n",
        "\0\0\0\0\0\0\0\0\0\0\0\0",
        "{\"responseCode\":200}\r\n\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
    ] {
        let case = format!("nonsense {nonsense:?}");
        let script = vec![Step::ReadRequest, Step::Write(nonsense.into()), Step::Close];
        let outcome = trial(&case, make, wire, script, AMPLE).await;
        fails(&case, &outcome, &[ErrorKind::InvalidResponse], Delivery::Unknown);
    }

    let case = "a chunk of no length";
    let chunk = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n";
    let outcome = trial(case, make, wire, vec![Step::ReadRequest, Step::Write(chunk.into())], AMPLE).await;
    fails(case, &outcome, &[ErrorKind::InvalidResponse], Delivery::Answered);
}
