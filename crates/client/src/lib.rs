//! A client of the AsaanBill hub that never bills twice.
//!
//! # The problem
//!
//! The hub has no idempotency key. When the answer to "add this payment" is lost, nobody knows whether the bill exists; to
//! send it again may bill a payer twice, or destroy a bill that was just paid.
//!
//! # What it is
//!
//! [`Client`]: login and the hub's operations, with domain types in and out.
//!
//! - A request that creates something is noted in a [`Journal`] and sent **once**. It is sent again only if it is proven that
//!   the hub hasn't seen it; anything else doesn't compile (see [`raw`]).
//! - If the outcome can't be known, the error says so and holds the [`Intent`] ([`ErrorKind::OutcomeUnknown`]).
//!   [`Client::resolve`] finds out from the hub's own records. Until then the identifier takes no other bill.
//! - [`Client::add_once`] bills once for each key of yours, however often it is called. [`Client::import`] adds any number of
//!   bills in bounded memory, and goes on where it was killed.
//! - Requests that read are sent again as the [`RetryPolicy`] says: jittered, within a budget and a total time.
//! - Lists come as pages and as streams ([`Items`]); [`Client::sweep`] misses no payment however the list shifts, and
//!   [`Client::watch`] follows one bill.
//! - Answers are read tolerantly: an unknown status or a day that doesn't exist is kept as it came. What is allowed and
//!   probably not meant is a [`Warning`], a value and not a print.
//! - Spans and events go through `tracing`, by OpenTelemetry's conventions for HTTP, without secrets, payers or bodies.
//!
//! # What it is not
//!
//! It draws no QR codes, keeps no books and receives no call-backs. It promises nothing about bills that others make on the
//! same channel, and nothing beyond its [window](ResolvePolicy::quiescence): the whole argument, with its limits, is in
//! `docs/double-billing.md`.
//!
//! # Adding destroys
//!
//! A new payment on an identifier takes over its PSID and **discards the unpaid one before it**. Next month's bill on the
//! same identifier destroys this month's, if that isn't paid. (Guide, Add Payment, note 3)
//! [`Client::add_if_none_outstanding`] looks first.
//!
//! # Example
//!
//! It runs on tokio, on a runtime of yours with its drivers enabled (`#[tokio::main]` does that, with tokio's features `macros` and
//! `rt-multi-thread`); `blocking::Client`, behind a feature, is for programs without one.
//!
//! ```no_run
//! use asaanbill_client::core::{Fields, NewPayment, PaymentKind};
//! use asaanbill_client::{Client, Resolution};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder().credentials("<your user name>", "<your password>").build()?;
//! let bill = Fields {
//!     title: Some("Muhammad Mahd Sheikh"),
//!     identifier: Some("FS-BSCS-095"),
//!     amount: Some("50"),
//!     due_date: Some("2027-03-28"),
//!     amount_after_due_date: Some("55"),
//!     ..Fields::default()
//! };
//! let bill = NewPayment::parse(PaymentKind::Psid, &bill)?;
//! let payment = match client.add(&bill).await {
//!     // The answer is lost: the hub's records say whether the bill exists. This may take minutes.
//!     Err(error) if error.is_outcome_unknown() => {
//!         let intent = error.intent().ok_or("no intent")?;
//!         match client.resolve(intent).await? {
//!             Resolution::Added(payment) => payment,
//!             other => return Err(format!("not billed: {other:?}").into()),
//!         }
//!     }
//!     // Among the other errors is `Unresolved`, whose intent is an earlier request's: this bill isn't sent.
//!     result => result?,
//! };
//! println!("PSID {}", payment.psid().ok_or("no PSID")?);
//! # Ok(())
//! # }
//! ```
//!
//! # Testing with it
//!
//! Against a hub in your own test: `asaanbill-sim`. Against failures: [`transport::Faulty`], which loses, delays, cuts and
//! doubles as a list or a rule says. Against what a hub once said: `transport::Recorder` and `transport::Player` (feature
//! `record`). Time and randomness are settings of the [builder](ClientBuilder::clock).

/// The README's example is tested with the crate's own.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod builder;
mod client;

mod ops;

mod import;
mod items;
mod sweep;
mod watch;

mod resolve;

mod check;
mod payment;

mod intent;
mod journal;

pub mod raw;

#[cfg(feature = "blocking")]
pub mod blocking;

mod exchange;
mod limits;
mod retry;
mod session;
mod trace;

mod base;
mod environment;

mod error;

pub use asaanbill_core as core;
pub use asaanbill_transport as transport;
pub use asaanbill_wire::{BulkRow, PageError, PageRequest, RequestText};
pub use base::PathStyle;
pub use builder::{ANSWER_MAX, ATTEMPT_TIMEOUT, ClientBuilder, STAGING};
pub use check::{EdgeWhiteSpace, PastDue, SURCHARGE_FACTOR, Warning};
pub use client::Client;
pub use error::{BuildError, ClientError, ErrorKind, HUB_MESSAGE_MAX_CHARS};
pub use import::{
    CHUNK_BYTES, CHUNKS_IN_FLIGHT, CHUNKS_IN_FLIGHT_MAX, Import, ImportEvent, ImportOptions, ImportedRow, Progress,
    SUBMISSIONS_MAX,
};
pub use intent::{Intent, IntentId, Rows, Wanted};
pub use items::Items;
#[cfg(feature = "journal-sqlite")]
pub use journal::SqliteJournal;
pub use journal::{
    Begun, CHUNKS_MAX, ChunkKey, ChunkRecord, ChunkState, Closed, Digest, Draft, IDENTIFIERS_MAX, INTENTS_MAX, Journal,
    JournalError, Known, MemoryJournal,
};
pub use limits::{CONCURRENCY, Limits};
pub use ops::{BulkAccepted, BulkRequest, BulkSummary, Detached, GENERATED_PREFIX, Page, RowOutcome};
pub use payment::{Payment, Status};
pub use resolve::{
    LOOK_FIRST, LOOK_MAX, MARGIN, OPEN_INTENTS_MAX, QUIESCENCE, Resolution, ResolvePolicy, SEARCH_PAGES_MAX,
};
pub use retry::{ATTEMPTS, BACKOFF, BACKOFF_MAX, RetryPolicy, TOTAL};
pub use sweep::{SWEEP_MAX, SWEEP_PAGE_SIZE};
pub use watch::{WATCH_FIRST, WATCH_MAX, WatchPolicy};
