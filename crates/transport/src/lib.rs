//! One HTTP exchange, and a verdict on whether the request was sent.
//!
//! A [`Transport`] takes a request, makes **one** attempt to have it answered, and returns the answer or a
//! [`TransportError`]. The error says what failed ([`ErrorKind`]) and, apart from that, what is proven about the
//! request ([`Delivery`]): whoever bills people must know whether asking again could bill them twice.
//!
//! ```
//! use asaanbill_transport::{Delivery, ErrorKind, Transport, TransportError, from_fn};
//! use http::{Request, Response, StatusCode};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // For a test: a hub that takes the request and whose answer is lost.
//! let hub = from_fn(|_request| async { Err(TransportError::unknown(ErrorKind::Closed)) });
//!
//! let request = Request::post("https://hub.example/integration/add").body("{}".into())?;
//! match hub.send(request).await {
//!     Ok(answer) => assert_eq!(answer.status(), StatusCode::OK),
//!     Err(error) => match error.delivery() {
//!         Delivery::NotSent => println!("ask again"),
//!         Delivery::Unknown => println!("look whether the bill exists before asking again"),
//!         Delivery::Answered => println!("it was decided: the status says how"),
//!     },
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What it is
//!
//! - [`ReqwestTransport`] (feature `reqwest`, on by default): over reqwest, with an optional proxy.
//! - [`HyperTransport`] (feature `hyper`): over hyper's own connections, with the strictest evidence and no task for a
//!   connection.
//! - [`ServiceTransport`] (feature `service`): any tower service, such as an axum `Router`, as the other end, without
//!   a socket.
//! - [`from_fn`]: a closure as the other end.
//! - [`Faulty`]: a transport that fails as a test asks it to.
//! - `Recorder` and `Player` (feature `record`): exchanges on a cassette, as JSON to read, without secrets.
//! - `contract` (feature `contract`): the suite that each of them passes, and yours can: a server that
//!   closes, resets, stalls, floods and lies at every byte.
//!
//! All need a tokio runtime with its timers enabled. The deadlines of a runtime's exchanges share one task of it, which
//! the first exchange starts and which ends by itself.
//!
//! # What it is not
//!
//! It doesn't retry, follow redirects, keep cookies, decompress or log. A 302 is an answer like any other. It knows
//! nothing of bills or hubs. It speaks HTTP/1.1, and it sends bodies that are in memory.
//!
//! # Its boundary
//!
//! - https to anybody; plain http to this machine only (127.0.0.0/8, `::1`, `localhost`). Anything else is refused
//!   before a connection is made.
//! - One deadline rules a whole attempt: [`AttemptDeadline`] in the request's extensions, else
//!   [`DEFAULT_ATTEMPT_TIMEOUT`].
//! - One limit rules the answer's body: [`ResponseLimit`] in the extensions, else [`DEFAULT_RESPONSE_LIMIT`].
//! - Errors and `Debug` show an origin (`https://host:port`), never a path, query, header or body.
//! - TLS is rustls with the cryptography that the features name: ring by default (`rustls-ring`), or aws-lc-rs.
//!
//! An answer that ends when its connection closes (no `content-length`, not chunked) can't be told from one that was
//! cut short over plain http. Over https the cut shows.

mod error;
pub use error::{Delivery, ErrorKind, TransportError};

mod attempt;
pub use attempt::{AttemptDeadline, DEFAULT_ATTEMPT_TIMEOUT, DEFAULT_RESPONSE_LIMIT, ResponseLimit};

mod transport;
pub use transport::Transport;

mod deadline;

#[cfg(any(feature = "reqwest", feature = "hyper", feature = "service"))]
mod admit;
#[cfg(any(feature = "reqwest", feature = "hyper", feature = "service"))]
pub use admit::REQUEST_HEAD_LIMIT;

#[cfg(feature = "reqwest")]
mod reqwest;
#[cfg(feature = "reqwest")]
pub use reqwest::{ReqwestTransport, ReqwestTransportBuilder};

#[cfg(feature = "hyper")]
mod hyper;
#[cfg(feature = "hyper")]
pub use hyper::{HyperTransport, HyperTransportBuilder};

#[cfg(feature = "service")]
mod service;
#[cfg(feature = "service")]
pub use service::ServiceTransport;

mod from_fn;
pub use from_fn::{FromFn, from_fn};

mod fault;
pub use fault::{Fault, Faulty};

#[cfg(feature = "record")]
mod record;
#[cfg(feature = "record")]
pub use record::{Cassette, CassetteError, EXCHANGES_MAX, Player, Recorder, Redaction};

#[cfg(feature = "contract")]
pub mod contract;

#[cfg(any(feature = "reqwest", feature = "hyper", all(feature = "contract", feature = "__rustls")))]
mod config_error;
#[cfg(any(feature = "reqwest", feature = "hyper", all(feature = "contract", feature = "__rustls")))]
pub use config_error::ConfigError;

#[cfg(all(feature = "__rustls", any(feature = "reqwest", feature = "hyper")))]
mod tls;
#[cfg(all(feature = "__rustls", any(feature = "reqwest", feature = "hyper")))]
pub use tls::TrustedRoots;

#[cfg(any(feature = "reqwest", feature = "hyper"))]
mod address;
#[cfg(any(feature = "reqwest", feature = "hyper", feature = "service"))]
mod answer_body;
#[cfg(any(feature = "reqwest", feature = "hyper"))]
mod classify;
#[cfg(all(feature = "__rustls", any(feature = "reqwest", feature = "hyper", feature = "contract")))]
mod crypto;
#[cfg(feature = "reqwest")]
mod gated_body;
#[cfg(any(feature = "reqwest", feature = "hyper"))]
mod limits;
