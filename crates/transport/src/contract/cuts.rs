//! Connections that end too early, at every byte.

use bytes::Bytes;

use super::server::{Step, Wire};
use super::trial::{AMPLE, Outcome, answer, fails, honest, request, trial, trial_and_seen};
use crate::{Delivery, ErrorKind, Transport};

/// The ways in which a server goes.
const ENDS: [Step; 2] = [Step::Close, Step::Reset];

/// The server closes or resets after reading any number of the request's bytes, from none to all.
pub(super) async fn within_the_request<T: Transport>(make: &impl Fn() -> T, wire: &Wire) {
    let whole = vec![vec![Step::ReadRequest, Step::Write(answer(200, "", ""))]];
    let (_, seen) = trial_and_seen("a whole request", make, wire, whole, |origin| request(origin, AMPLE)).await;
    let length = seen.0[0].len();
    for read in 0..=length {
        for end in ENDS {
            let case = format!("{end:?} after {read} of {length} bytes of the request");
            let outcome = trial(&case, make, wire, vec![Step::Read(read), end], AMPLE).await;
            let error = outcome.expect_err(&case);
            assert_ne!(error.kind(), ErrorKind::Timeout, "{case}: noticed by the clock only");
            assert_ne!(error.delivery(), Delivery::Answered, "{case}: nothing was answered");
        }
    }
}

/// The server closes or resets after writing any number of the answer's bytes.
pub(super) async fn within_the_answer<T: Transport>(make: &impl Fn() -> T, wire: &Wire) {
    let by_length = answer(200, "content-type: application/json\r\n", r#"{"responseCode":200}"#);
    let by_chunks: Bytes = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".into();
    for whole in [by_length, by_chunks] {
        let head = whole.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
        for written in 0..=whole.len() {
            for end in ENDS {
                let case = format!("{end:?} after {written} of {} bytes of the answer", whole.len());
                let part = whole.slice(..written);
                let script = vec![Step::ReadRequest, Step::Write(part), end.clone()];
                let outcome = trial(&case, make, wire, script, AMPLE).await;
                check(&case, &outcome, written >= head, written == whole.len(), matches!(end, Step::Reset));
            }
        }
    }
}

fn check(case: &str, outcome: &Outcome, head_sent: bool, all_sent: bool, was_reset: bool) {
    match outcome {
        Ok(_) => assert!(all_sent, "{case}: taken for whole"),
        Err(error) => {
            assert_ne!(error.kind(), ErrorKind::Timeout, "{case}: noticed by the clock only");
            // A reset may overtake what was written before it; a closing doesn't.
            let expected = if head_sent { Delivery::Answered } else { Delivery::Unknown };
            let overtaken = was_reset && error.delivery() == Delivery::Unknown;
            assert!(error.delivery() == expected || overtaken, "{case}: {error:?}");
            assert!(!all_sent || was_reset, "{case}: it was whole, but: {error:?}");
            if let Some(status) = error.status() {
                assert_eq!(status, 200, "{case}");
            }
        }
    }
}

/// TLS says goodbye before it closes. Without the goodbye, an answer that runs until the end may have lost its end.
pub(super) async fn without_a_goodbye<T: Transport>(make: &impl Fn() -> T, wire: &Wire) {
    if !wire.is_tls() {
        return;
    }
    let case = "closed without TLS's goodbye";
    let script = vec![Step::ReadRequest, Step::Write("HTTP/1.1 200 OK\r\n\r\nto the".into()), Step::Drop];
    let (outcome, seen) = trial_and_seen(case, make, wire, vec![script], |origin| request(origin, AMPLE)).await;
    honest(case, &outcome, &seen);
    fails(case, &outcome, &[ErrorKind::Closed], Delivery::Answered);
}
