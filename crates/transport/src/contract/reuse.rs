//! Connections that serve more than one request.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Notify;

use super::server::{Server, Step, Wire};
use super::trial::{AMPLE, SOON, answer, fails, finish, request, send};
use crate::{Delivery, ErrorKind, Transport};

fn once(body: &str) -> Vec<Step> {
    vec![Step::ReadRequest, Step::Write(answer(200, "", body))]
}

/// The server closes a connection that was left open for the next request. The next one is answered over another
/// connection, or fails with a verdict that is true; it isn't sent twice.
pub(super) async fn of_a_connection_that_was_closed<T: Transport>(make: &impl Fn() -> T, wire: &Wire) {
    for end in [Step::Close, Step::Reset] {
        let case = format!("{end:?} while idle");
        let (go_on, ended) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        // `Tell` before the end, not after: the server does nothing after it.
        let first = [once("first"), vec![Step::Wait(go_on.clone()), Step::Tell(ended.clone()), end]].concat();
        let server = Server::start(wire, vec![first, once("second")]);
        let transport = make();
        assert_eq!(send(&case, &transport, request(&server.origin, AMPLE)).await.expect(&case).body(), "first");
        go_on.notify_one();
        ended.notified().await;

        let outcome = send(&case, &transport, request(&server.origin, AMPLE)).await;
        drop(transport);
        let seen = finish(&case, server).await;
        let later = seen.requests() - 1;
        match outcome {
            Ok(answer) => assert_eq!((answer.body(), later), (&Bytes::from("second"), 1), "{case}"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Closed, "{case}: {error:?}");
                assert_ne!(error.delivery(), Delivery::Answered, "{case}: {error:?}");
                let proven = error.delivery() == Delivery::NotSent;
                assert!(later == 0 || (later == 1 && !proven), "{case}: {later} arrived, but: {error:?}");
            }
        }
    }
}

/// The server sends a second answer that nobody asked for. It must not become the answer to the next request.
pub(super) async fn of_a_connection_with_a_stray_answer<T: Transport>(make: &impl Fn() -> T, wire: &Wire) {
    let case = "a stray answer";
    let both: Bytes = [answer(200, "", "first"), answer(200, "", "stray")].concat().into();
    let first = vec![Step::ReadRequest, Step::Write(both)];
    let server = Server::start(wire, vec![first, once("second")]);
    let transport = make();
    assert_eq!(send(case, &transport, request(&server.origin, AMPLE)).await.expect(case).body(), "first");
    match send(case, &transport, request(&server.origin, AMPLE)).await {
        Ok(answer) => assert_eq!(answer.body(), "second", "{case}"),
        Err(error) => assert_ne!(error.delivery(), Delivery::Answered, "{case}: {error:?}"),
    }
    drop(transport);
    assert!(finish(case, server).await.requests() <= 2, "{case}");
}

/// The server answers after the first bytes of a large request and reads no more of it. The answer counts; the connection,
/// which is still busy with the request, is not for the next one.
pub(super) async fn of_a_connection_that_is_still_sending<T: Transport>(make: &impl Fn() -> T, wire: &Wire) {
    let case = "an answer before the end of the request";
    let go_on = Arc::new(Notify::new());
    let first = vec![Step::Read(1), Step::Write(answer(413, "", "too much")), Step::Wait(go_on.clone()), Step::Reset];
    let server = Server::start(wire, vec![first, once("second")]);
    let transport = make();
    let mut large = request(&server.origin, AMPLE);
    *large.body_mut() = Bytes::from(vec![b'x'; MORE_THAN_KERNELS_BUFFER]);
    let early = send(case, &transport, large).await.expect(case);
    assert_eq!((early.status().as_u16(), early.body()), (413, &Bytes::from("too much")), "{case}");
    let next = send(case, &transport, request(&server.origin, AMPLE)).await.expect(case);
    assert_eq!(next.body(), "second", "{case}");
    drop(transport);
    go_on.notify_one();
    finish(case, server).await;
}

/// A kernel buffers 4 MiB for a sender, and the suite's server little.
const MORE_THAN_KERNELS_BUFFER: usize = 16 * 1024 * 1024;

/// The answer to an attempt that ended at its deadline arrives afterwards. It must not become the answer to the next.
pub(super) async fn after_a_late_answer<T: Transport>(make: &impl Fn() -> T, wire: &Wire) {
    let case = "a late answer";
    let go_on = Arc::new(Notify::new());
    let first =
        [vec![Step::ReadRequest, Step::Wait(go_on.clone())], vec![Step::Write(answer(200, "", "late"))]].concat();
    let server = Server::start(wire, vec![first, once("second")]);
    let transport = make();
    let outcome = send(case, &transport, request(&server.origin, SOON)).await;
    fails(case, &outcome, &[ErrorKind::Timeout], Delivery::Unknown);
    go_on.notify_one();
    let next = send(case, &transport, request(&server.origin, AMPLE)).await.expect(case);
    assert_eq!(next.body(), "second", "{case}");
    drop(transport);
    assert_eq!(finish(case, server).await.requests(), 2, "{case}");
}
