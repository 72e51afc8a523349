//! The suite that every transport passes.
//!
//! [`over_sockets`] runs a transport against a server that misbehaves by script: it closes and resets at every byte of
//! the request and of the answer, answers late or never, refuses, floods, redirects, and talks nonsense. What is asked
//! of the transport each time:
//!
//! - the verdict is never [`NotSent`](crate::Delivery::NotSent) if the server saw the whole head of the request, even
//!   after the attempt had ended; and never [`Answered`](crate::Delivery::Answered) unless the head of an answer was
//!   sent whole;
//! - where `NotSent` can be proven (a closed port, a name that doesn't resolve, a failed handshake, a rule of our own),
//!   it is claimed;
//! - the server gets at most one whole request for each `send`;
//! - the attempt ends soon after its deadline, whatever the server does;
//! - no error shows a path, a query, a header or a body.
//!
//! [`handshake_succeeds`] and [`handshake_fails`] try whom it trusts, and [`in_process`] for transports without
//! sockets. All of them panic, as assertions do, at the first promise that is broken.
//!
//! ```no_run
//! use asaanbill_transport::contract::{self, Wire};
//! # #[derive(Debug)]
//! # struct MyTransport;
//! # impl MyTransport { fn new() -> Self { Self } }
//! # #[async_trait::async_trait]
//! # impl asaanbill_transport::Transport for MyTransport {
//! #     async fn send(
//! #         &self,
//! #         _: http::Request<bytes::Bytes>,
//! #     ) -> Result<http::Response<bytes::Bytes>, asaanbill_transport::TransportError> {
//! #         Ok(http::Response::new(bytes::Bytes::new()))
//! #     }
//! # }
//!
//! # async fn run() {
//! contract::over_sockets(MyTransport::new, &Wire::plain()).await;
//! # }
//! ```

mod answers;
mod cuts;
mod floods;
mod in_process;
mod refusals;
mod reuse;
mod server;
mod trial;
mod waits;

pub use in_process::{Behaviour, in_process};
pub use server::Wire;

use crate::Transport;

/// Runs every case that needs a socket, some seven hundred exchanges on loopback in some ten seconds.
///
/// `make` makes a transport as the user would, one that trusts the wire's certificate if it has one; each case gets its
/// own. Needs a tokio runtime with input, output and time.
///
/// # Panics
///
/// At the first promise that the transport breaks, with the case's name.
pub async fn over_sockets<T: Transport>(make: impl Fn() -> T, wire: &Wire) {
    answers::come_back_whole(&make, wire).await;
    answers::are_not_acted_upon(&make, wire).await;
    answers::go_to_their_own_requests(&make, wire).await;
    cuts::within_the_request(&make, wire).await;
    cuts::within_the_answer(&make, wire).await;
    cuts::without_a_goodbye(&make, wire).await;
    floods::stop_at_the_limit(&make, wire).await;
    floods::of_heads_stop_too(&make, wire).await;
    floods::of_nonsense_are_no_answers(&make, wire).await;
    waits::end_at_the_deadline(&make, wire).await;
    waits::for_a_server_that_never_accepts(&make, wire).await;
    waits::for_a_server_whose_queue_is_full(&make, wire).await;
    waits::that_are_given_up_leave_nothing_behind(&make, wire).await;
    refusals::are_proven_not_sent(&make, wire).await;
    refusals::by_rule_connect_to_nothing(&make, wire).await;
    reuse::of_a_connection_that_was_closed(&make, wire).await;
    reuse::of_a_connection_with_a_stray_answer(&make, wire).await;
    reuse::of_a_connection_that_is_still_sending(&make, wire).await;
    reuse::after_a_late_answer(&make, wire).await;
}

/// A server whose certificate is to be believed: one exchange over it succeeds.
///
/// # Panics
///
/// If it doesn't.
#[cfg(feature = "__rustls")]
pub async fn handshake_succeeds<T: Transport>(make: impl Fn() -> T, wire: &Wire) {
    answers::follow_a_handshake(&make, wire).await;
}

/// A server whose certificate is not to be believed, or whose handshake fails otherwise: the attempt ends with
/// [`ErrorKind::Tls`](crate::ErrorKind) and the request was not sent.
///
/// # Panics
///
/// If the transport believes it, or names it otherwise.
#[cfg(feature = "__rustls")]
pub async fn handshake_fails<T: Transport>(make: impl Fn() -> T, wire: &Wire) {
    refusals::by_a_failed_handshake(&make, wire).await;
}
