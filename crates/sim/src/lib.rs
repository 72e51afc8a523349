//! A simulator of the AsaanBill hub, with its real rules and durable storage.
//!
//! # What it is
//!
//! [`Sim`]: the hub's eight operations, gathered into sets that are decided by `asaanbill-core` and committed as one by
//! `asaanbill-storage`, on SQLite or PostgreSQL; the bank's side ([`Bank`]), which the guide leaves out; call-backs to the integrator; and a
//! [`Clock`] that can be moved. It answers inside a test without a socket ([`Sim::transport`]) or over HTTP
//! ([`Sim::serve`]).
//!
//! **Strict by default**: it accepts what the guide allows and refuses the rest, so that code which passes here passes
//! there. Each leniency is a setting of [`SimBuilder`]; [`SETTINGS`] lists them, with where each comes from.
//!
//! **It fails on demand** ([`Faults`]), so that a client can be tested on a bad day, and **keeps a journal** of what it was
//! asked ([`Journal`]), which tests can wait for ([`Sim::expect`]).
//!
//! # What it is not
//!
//! It moves no money, and its bank account does not exist. It is no client: `asaanbill-client` is.
//!
//! # Features
//!
//! - `postgres` (off by default): `SimBuilder::postgres`, a hub in a database that several simulators share.
//! - `tls` (off by default): `ServerTls` and `Sim::serve_tls`, by rustls on ring.
//!
//! # Example
//!
//! ```
//! use asaanbill_sim::Sim;
//! use asaanbill_transport::Transport;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sim = Sim::builder().build().await?;
//!
//! let login = http::Request::post("http://localhost/integration/login")
//!     .header("username", "demo")
//!     .header("content-type", "application/json")
//!     .body(r#"{"password":"demo"}"#.into())?;
//! let answer = sim.transport().send(login).await?;
//! assert_eq!(answer.status(), 200);
//! # Ok(())
//! # }
//! ```

/// The README's example is tested with the crate's own.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod address;
mod builder;
mod settings;
mod sim;
mod world;

mod http;
mod transport;

mod endpoint_name;
mod fault;
mod journal;
mod json_scan;

mod bank;
mod callback;
mod code;
mod effect;
mod engine;
mod hub;
mod login_limit;
mod onebill;
mod outbox;
mod store;
mod tokens;
mod worker;

mod clock;
mod error;

pub use address::{StoreAddress, StoreAddressError};
pub use bank::{BANK_REFERENCE_MAX_CHARS, Bank, BankError, BillStatus, Inquiry, Paid};
pub use builder::{Role, SimBuilder, User, check_callback_url};
pub use callback::{CALLBACK_ANSWER_MAX, CALLBACK_DEADLINE};
pub use clock::{Clock, Course};
pub use effect::Effect;
pub use error::SimError;
pub use fault::{ArmedFault, Fault, FaultError, FaultId, FaultKind, Faults, FiredBy, FiredFault};
pub use hub::{BulkProgress, UnknownProgress};
pub use journal::{
    Expectation, Journal, JournalLimits, RecordedBody, RequestId, RequestMatcher, RequestOutcome, RequestRecord, Unmet,
};
pub use login_limit::{LOGIN_FAILURES_MAX, LOGIN_FAILURES_WITHIN};
pub use settings::{Provenance, SETTINGS, Setting, SettingError, Settings};
pub use sim::{CallbackAttempt, Sim};
pub use transport::SimTransport;
pub use world::{PaymentEvent, RESEND_BODY_MAX, RESENDS_MAX, SNAPSHOT_NAME_MAX_CHARS, WorldError};

pub use crate::http::{
    ANSWER_PATIENCE, CONNECTIONS_MAX, IDLE_PATIENCE, REQUEST_BODY_MAX, REQUEST_BODY_PATIENCE, REQUEST_HEAD_MAX,
    REQUEST_HEAD_PATIENCE, REQUEST_HEADERS_MAX, STOP_PATIENCE,
};
#[cfg(feature = "tls")]
pub use crate::http::{ServerTls, TlsError};
