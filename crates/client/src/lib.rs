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
//! - A request that creates something is sent **once**. It may be sent again only if it is proven that it wasn't sent
//!   ([`ErrorKind::NotSent`]).
//! - If the outcome can't be known, the error says so and holds the [`Intent`] ([`ErrorKind::OutcomeUnknown`]): look for the
//!   bill before sending it again.
//! - Answers are read tolerantly: an unknown status or a day that doesn't exist is kept as it came.
//!
//! # What it is not
//!
//! It draws no QR codes and keeps no records. **Not there yet:** resolving an unknown outcome by itself, retries of reads,
//! streams and imports, warnings (a due date that is past, an amount that falls), the guard against destroying an unpaid
//! bill, and the refusal of identifiers with white space at their edges.
//!
//! # Adding destroys
//!
//! A new payment on an identifier takes over its PSID and **discards the unpaid one before it**. Next month's bill on the
//! same identifier destroys this month's, if that isn't paid. (Guide, Add Payment, note 3)
//!
//! # Example
//!
//! ```no_run
//! use asaanbill_client::Client;
//! use asaanbill_client::core::{Fields, NewPayment, PaymentKind};
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
//! match client.add(&NewPayment::parse(PaymentKind::Psid, &bill)?).await {
//!     Ok(payment) => println!("PSID {}", payment.psid().ok_or("no PSID")?),
//!     Err(error) if error.is_outcome_unknown() => println!("look for the bill before you send it again: {error}"),
//!     Err(error) => return Err(error.into()),
//! }
//! # Ok(())
//! # }
//! ```

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
