//! The part of the suite that needs no socket.

use bytes::Bytes;
use http::{Request, Response};

use super::trial::{AMPLE, BODY, LIMIT, SOON, fails, request, send};
use crate::{AttemptDeadline, Delivery, ErrorKind, Transport};

/// How the other end of a transport without sockets behaves, for [`in_process`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Behaviour {
    /// Answers 200 with the request's body.
    Echo,
    /// Answers 307 with `location: https://elsewhere.example/`.
    Redirect,
    /// Takes the request and never answers.
    Silence,
    /// Answers 202 and never gives a body.
    SilentBody,
    /// Answers 200 with a body that never ends.
    EndlessBody,
    /// Answers 200 with a body of 65,537 bytes, and says so: one more than the suite's requests allow.
    LargeBody,
    /// Answers 200 with a body that fails.
    BrokenBody,
}

/// Every behaviour.
const ALL: [Behaviour; 7] = [
    Behaviour::Echo,
    Behaviour::Redirect,
    Behaviour::Silence,
    Behaviour::SilentBody,
    Behaviour::EndlessBody,
    Behaviour::LargeBody,
    Behaviour::BrokenBody,
];

/// Runs the cases that fit a transport without sockets. `make` makes one whose other end behaves so, or says `None`
/// where such a transport can't behave so.
///
/// # Panics
///
/// At the first promise that the transport breaks, with the behaviour's name.
pub async fn in_process<T: Transport>(make: impl Fn(Behaviour) -> Option<T>) {
    for behaviour in ALL {
        let Some(transport) = make(behaviour) else { continue };
        let case = format!("{behaviour:?}");
        let deadline = match behaviour {
            Behaviour::Silence | Behaviour::SilentBody => SOON,
            _ => AMPLE,
        };
        let outcome = send(&case, &transport, request("https://hub.example", deadline)).await;
        match behaviour {
            Behaviour::Echo => assert_eq!(outcome.expect(&case).body(), BODY),
            Behaviour::Redirect => {
                let answer = outcome.expect(&case);
                assert_eq!(answer.status(), 307);
                assert_eq!(answer.headers()["location"], "https://elsewhere.example/");
            }
            Behaviour::Silence => fails(&case, &outcome, &[ErrorKind::Timeout], Delivery::Unknown),
            Behaviour::SilentBody => {
                fails(&case, &outcome, &[ErrorKind::Timeout], Delivery::Answered);
                assert_eq!(outcome.expect_err("it failed").status().map(|status| status.as_u16()), Some(202));
            }
            Behaviour::EndlessBody | Behaviour::LargeBody => {
                fails(&case, &outcome, &[ErrorKind::TooLarge], Delivery::Answered);
            }
            Behaviour::BrokenBody => fails(&case, &outcome, &[ErrorKind::Other], Delivery::Answered),
        }

        let late = request("https://hub.example", std::time::Duration::ZERO);
        let outcome = send(&case, &transport, late).await;
        fails(&case, &outcome, &[ErrorKind::Timeout], Delivery::NotSent);
    }
    as_large_as_allowed(make).await;
}

/// A body of exactly the limit is no error.
async fn as_large_as_allowed<T: Transport>(make: impl Fn(Behaviour) -> Option<T>) {
    let Some(transport) = make(Behaviour::Echo) else { return };
    let full = Bytes::from(vec![b'x'; LIMIT]);
    let request = Request::post("https://hub.example/")
        .extension(AttemptDeadline::after(AMPLE))
        .extension(crate::ResponseLimit(LIMIT))
        .body(full.clone())
        .expect("a valid request");
    let answer: Response<Bytes> = send("as large as allowed", &transport, request).await.expect("as large as allowed");
    assert_eq!(answer.body(), &full);
}
